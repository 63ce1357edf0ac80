//! Holding a cluster still: its server stopped, and nobody able to start one, for as long as the value lives.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    cluster::Cluster,
    error::ClusterError,
    facts, identity,
    server::Purpose,
    start::Start,
    stop::{Force, Stopped},
    user::User,
};
use crate::{
    event::Reporter,
    fs::{lock, lock::Lock},
};

/// A server that has ended gives its lock back with its last process.
const PATIENCE: Duration = Duration::from_secs(10);

/// A cluster that no server works in, and that no ampup can start one for.
#[derive(Debug)]
pub struct Hold {
    lock: Lock,
    users: Lock,
    was: Option<Purpose>,
}

/// A cluster that a server may work in, and that no `ampup run` can join.
#[derive(Debug)]
pub struct Ajar {
    users: Lock,
    was: Option<Purpose>,
}

impl Hold {
    /// Why the server that was stopped ran, if one ran.
    pub fn was_running(&self) -> Option<Purpose> {
        self.was
    }

    /// Lets a server be started, by whoever does not mean to use it.
    pub fn open(self) -> Ajar {
        self.lock.release();
        Ajar {
            users: self.users,
            was: self.was,
        }
    }

    /// Lets go of the cluster.
    pub fn release(self) {
        self.lock.release();
        self.users.release();
    }
}

impl Cluster {
    /// Stops the cluster's server, if one runs that no session of ours uses, and keeps others from starting one. The
    /// project's Amp directory must be there.
    ///
    /// # Errors
    /// When an `ampup run` uses the server, or it does not stop.
    pub fn hold(&self, reporter: &dyn Reporter) -> Result<Hold, ClusterError> {
        let in_use = |holder: String| ClusterError::InUse {
            cluster: self.directory.clone(),
            holder,
        };
        let Some(users) = Lock::try_acquire(&self.project.users())? else {
            return Err(in_use(
                "an `ampup run` or another program that was linked with ampup".to_owned(),
            ));
        };
        let purpose = if self.stays()? {
            Purpose::Stay
        } else {
            Purpose::Session
        };
        let stopped = self.stop(Force::No, reporter)?;
        // Asked after its end: by then it has said what it was for.
        let was = match stopped {
            Stopped::Stopped { .. } => (!self.is_for_change()?).then_some(purpose),
            Stopped::WasNotRunning => None,
        };
        self.close(Ajar { users, was })
    }

    /// Keeps everybody from starting a server again.
    ///
    /// # Errors
    /// When one is there.
    pub fn close(&self, Ajar { users, was }: Ajar) -> Result<Hold, ClusterError> {
        let path = self.project.lock();
        let began = Instant::now();
        let lock = loop {
            match Lock::try_acquire(&path)? {
                Some(lock) => break lock,
                None if began.elapsed() > PATIENCE => {
                    return Err(ClusterError::InUse {
                        cluster: self.directory.clone(),
                        holder: lock::holder(&path),
                    });
                }
                None => thread::sleep(Duration::from_millis(10)),
            }
        };
        let hold = Hold { lock, users, was };
        self.is_still(&hold)?;
        Ok(hold)
    }

    /// Ends the server that a killed change of the cluster left: it takes no writes.
    pub(super) fn end_leftover(&self, reporter: &dyn Reporter) -> Result<(), ClusterError> {
        if !self.is_for_change()? || identity::servers_of(&self.directory).is_empty() {
            return Ok(());
        }
        let path = self.change_lock();
        let Some(_change) = Lock::try_acquire(&path)? else {
            return Err(ClusterError::InUse {
                cluster: self.directory.clone(),
                holder: lock::holder(&path),
            });
        };
        self.stop(Force::No, reporter).map(drop)
    }

    /// Whether the last server was there to be read for a change.
    pub(super) fn is_for_change(&self) -> Result<bool, ClusterError> {
        let options = facts::last_options(&self.directory).map_err(self.failed("read the options of"))?;
        Ok(Purpose::of(&options) == Purpose::Change)
    }

    /// That no server works in the cluster: ampd starts one without asking for our lock.
    ///
    /// # Errors
    /// When one does.
    pub fn is_still(&self, _: &Hold) -> Result<(), ClusterError> {
        match identity::servers_of(&self.directory).first() {
            None => Ok(()),
            Some(process) => Err(ClusterError::InUse {
                cluster: self.directory.clone(),
                holder: format!("process {}", process.pid),
            }),
        }
    }

    /// Starts the server again that `hold` stopped, for the purpose that it had.
    ///
    /// # Errors
    /// As `start`.
    pub fn resume(
        &self,
        was: Option<Purpose>,
        run_as: Option<User>,
        reporter: &dyn Reporter,
    ) -> Result<(), ClusterError> {
        let Some(purpose) = was else { return Ok(()) };
        let start = Start {
            run_as,
            purpose,
            ..Start::default()
        };
        // Dropping it leaves it running.
        drop(self.start(&start, reporter)?);
        Ok(())
    }
}
