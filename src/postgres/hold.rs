//! Holding a cluster still: its server stopped, and nobody able to start one, for as long as the value lives.

use std::{
    thread,
    time::{Duration, Instant},
};

use camino::Utf8PathBuf;

use super::{
    cluster::Cluster,
    error::ClusterError,
    facts, identity, replace,
    server::Purpose,
    start::Start,
    status::SESSIONS,
    stop::{Force, Stopped},
};
use crate::{
    children::Unfinished,
    event::{Event, Reporter, counted},
    fs::{atomic, lock, lock::Lock},
};

/// A server that has ended gives its lock back with its last process.
const PATIENCE: Duration = Duration::from_secs(10);
/// A session whose client has just gone is there a moment longer.
const ENDING: Duration = Duration::from_secs(2);

/// A cluster that no server works in, and that no ampup can start one for.
#[derive(Debug)]
pub struct Hold {
    lock: Lock,
    users: Lock,
    was: Option<Purpose>,
    unfinished: Unfinished,
}

/// A cluster that a server may work in, and that no `ampup run` can join.
#[derive(Debug)]
pub struct Ajar {
    users: Lock,
    was: Option<Purpose>,
    unfinished: Unfinished,
}

impl Hold {
    /// Lets a server be started, by whoever does not mean to use it.
    pub fn open(self) -> Ajar {
        self.lock.release();
        Ajar {
            users: self.users,
            was: self.was,
            unfinished: self.unfinished,
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
    /// When an `ampup run` uses the server, or it is another program's and has sessions, or it does not stop.
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
        if let Some(sessions) = self.sessions_of_others()? {
            return Err(in_use(format!(
                "{} of a server that another program started",
                counted(sessions, "session")
            )));
        }
        let purpose = if self.stays()? {
            Purpose::Stay
        } else {
            Purpose::Session
        };
        let unfinished = Unfinished::begin();
        let stopped = self.stop(Force::No, reporter)?;
        // Asked after its end: by then it has said what it was for.
        let was = match stopped {
            Stopped::Stopped { .. } => (!self.is_for_change()?).then_some(purpose),
            Stopped::WasNotRunning => None,
        };
        let ajar = Ajar {
            users,
            was,
            unfinished,
        };
        self.close(ajar, reporter)
    }

    /// How many sessions a server has that ampup did not start: ampd's own, most likely, and ampd would be left without it.
    fn sessions_of_others(&self) -> Result<Option<u64>, ClusterError> {
        let options = facts::last_options(&self.directory).map_err(self.failed("read the options of"))?;
        if Purpose::is_said_in(&options) {
            return Ok(None);
        }
        let began = Instant::now();
        loop {
            let Some(mut session) = self.session()? else {
                return Ok(None);
            };
            let number = session
                .value(SESSIONS)
                .ok()
                .and_then(|number| number.parse().ok());
            match number {
                None | Some(0) => return Ok(None),
                Some(number) if began.elapsed() > ENDING => return Ok(Some(number)),
                Some(_) => thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// Keeps everybody from starting a server again. Where that cannot be, the server that `hold` stopped is started again.
    ///
    /// # Errors
    /// When one is there.
    pub fn close(&self, ajar: Ajar, reporter: &dyn Reporter) -> Result<Hold, ClusterError> {
        let Ajar {
            users,
            was,
            unfinished,
        } = ajar;
        let closed = self.shut().and_then(|lock| {
            self.has_no_server()?;
            Ok(lock)
        });
        match closed {
            Ok(lock) => Ok(Hold {
                lock,
                users,
                was,
                unfinished,
            }),
            Err(error) => {
                users.release();
                // Told where it fails.
                let _ = self.start_again(was, reporter);
                Err(error)
            }
        }
    }

    fn shut(&self) -> Result<Lock, ClusterError> {
        let path = self.project.lock();
        let began = Instant::now();
        loop {
            match Lock::try_acquire(&path)? {
                Some(lock) => return Ok(lock),
                None if began.elapsed() > PATIENCE => {
                    return Err(ClusterError::InUse {
                        cluster: self.directory.clone(),
                        holder: lock::holder(&path),
                    });
                }
                None => thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// Ends the server that a killed change of the cluster left: it takes no writes. Gives whether there was one to be
    /// seen.
    pub(super) fn end_leftover(&self, reporter: &dyn Reporter) -> Result<bool, ClusterError> {
        if !self.is_for_change()? || identity::servers_of(&self.directory).is_empty() {
            return Ok(false);
        }
        let path = self.change_lock();
        let Some(_change) = Lock::try_acquire(&path)? else {
            return Err(ClusterError::InUse {
                cluster: self.directory.clone(),
                holder: lock::holder(&path),
            });
        };
        self.stop(Force::No, reporter).map(|_| true)
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
        self.has_no_server()
    }

    fn has_no_server(&self) -> Result<(), ClusterError> {
        match identity::servers_of(&self.directory).first() {
            None => Ok(()),
            Some(process) => Err(ClusterError::InUse {
                cluster: self.directory.clone(),
                holder: format!("process {}", process.pid),
            }),
        }
    }

    /// Lets go of the cluster, and starts the server again that `hold` stopped, for the purpose that it had. Gives whether
    /// there was one.
    ///
    /// # Errors
    /// As `start`; a warning says then that it was stopped.
    pub fn resume(&self, hold: Hold, reporter: &dyn Reporter) -> Result<bool, ClusterError> {
        let was = hold.was;
        let _unfinished = Unfinished::begin();
        hold.release();
        self.start_again(was, reporter)
    }

    fn start_again(&self, was: Option<Purpose>, reporter: &dyn Reporter) -> Result<bool, ClusterError> {
        let Some(purpose) = was else { return Ok(false) };
        let started = self.run_as(None).and_then(|run_as| {
            let start = Start {
                run_as,
                purpose,
                ..Start::default()
            };
            self.start(&start, reporter)
        });
        match started {
            // Dropping it leaves it running.
            Ok(server) => drop(server),
            Err(error) => {
                reporter.report(Event::Warning(format!(
                    "the server of `{}` was stopped for this, and does not start again",
                    self.directory
                )));
                return Err(error);
            }
        }
        Ok(true)
    }

    /// Renames the cluster to `metadb.old-<time>`, and gives that place. The next start makes a new one. Nothing is removed.
    ///
    /// # Errors
    /// When a server came after all, or it cannot be renamed.
    pub fn put_aside(&self, hold: &Hold) -> Result<Utf8PathBuf, ClusterError> {
        self.is_still(hold)?;
        let aside = replace::unused(self.project.amp_dir());
        atomic::rename(&self.directory, &aside).map_err(self.failed("put aside"))?;
        Ok(aside)
    }
}
