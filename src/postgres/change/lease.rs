//! Holding a cluster still: its server stopped, and nobody able to start one, for as long as the value lives.

use std::{
    thread,
    time::{Duration, Instant},
};

use camino::Utf8PathBuf;

use crate::{
    children::{self, Unfinished},
    event::{Event, Reporter, counted},
    fs::{atomic, lock, lock::Lock},
    postgres::{
        change::swap,
        cluster::{Cluster, Look},
        error::ClusterError,
        identity,
        observe::decide::SocketAnswer,
        observe::files,
        observe::status::SESSIONS,
        run::spawn::Purpose,
        run::start::Start,
        run::stop::{Force, Stopped},
    },
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
    /// What `pg_control` held: every server writes it, when it starts and when it ends.
    control: Option<Vec<u8>>,
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
        self.goes_on()?;
        let users = self.users()?;
        if let Some(holder) = self.others()? {
            return Err(self.in_use(holder));
        }
        let purpose = if self.stays()? {
            Purpose::Stay
        } else {
            Purpose::Session
        };
        let unfinished = Unfinished::begin();
        let stopped = self.stop(Force::No, reporter).inspect_err(|error| {
            if matches!(error, ClusterError::Stuck { .. }) {
                reporter.report(Event::Warning(format!(
                    "the server of `{}` was asked to stop: once it has, `ampup db start` starts it again",
                    self.directory
                )));
            }
        })?;
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

    /// That no session of ours uses the server, as far as is known now: better told before a long work than after it.
    ///
    /// # Errors
    /// When one does.
    pub fn is_unused(&self) -> Result<(), ClusterError> {
        self.users().map(Lock::release)
    }

    fn users(&self) -> Result<Lock, ClusterError> {
        Lock::try_acquire(&self.project.users())?.ok_or_else(|| {
            self.in_use("an `ampup run` or another program that was linked with ampup".to_owned())
        })
    }

    fn in_use(&self, holder: String) -> ClusterError {
        ClusterError::InUse {
            cluster: self.directory.clone(),
            holder,
        }
    }

    /// Whoever interrupts us wants nothing to be begun any more.
    pub(crate) fn goes_on(&self) -> Result<(), ClusterError> {
        if children::are_ending() {
            let interrupted = std::io::Error::other("it was interrupted");
            return Err(self.failed("change")(interrupted));
        }
        Ok(())
    }

    /// Who uses a server that ampup did not start: a living ampd most likely, which would be left without it. One that
    /// takes no session of ours cannot be asked, and is somebody's too.
    fn others(&self) -> Result<Option<String>, ClusterError> {
        const WHOSE: &str = "a server that another program started";
        let options = files::last_options(&self.directory).map_err(self.failed("read the options of"))?;
        if Purpose::is_said_in(&options) {
            return Ok(None);
        }
        let began = Instant::now();
        loop {
            let holder = match self.look(false)? {
                Look {
                    session: Ok(mut session),
                    ..
                } => match session.value(SESSIONS) {
                    Ok(number) if number == "0" => return Ok(None),
                    Ok(number) => format!("{} of {WHOSE}", counted(number, "session")),
                    Err(cause) => format!("{WHOSE} ({cause})"),
                },
                Look { seen, .. } if seen.answer == SocketAnswer::Nobody && seen.processes.is_empty() => {
                    return Ok(None);
                }
                Look {
                    session: Err((_, why)),
                    ..
                } => format!("{WHOSE} ({why})"),
            };
            if began.elapsed() > ENDING {
                return Ok(Some(holder));
            }
            thread::sleep(Duration::from_millis(50));
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
                control: self.control(),
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
                None if began.elapsed() > PATIENCE => return Err(self.in_use(lock::holder(&path))),
                None => thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// Ends the server that a killed change of the cluster left: it takes no writes. Gives whether there was one to be
    /// seen.
    pub(crate) fn end_leftover(&self, reporter: &dyn Reporter) -> Result<bool, ClusterError> {
        if !self.is_for_change()? || identity::servers_of(&self.directory).is_empty() {
            return Ok(false);
        }
        let path = self.change_lock();
        let Some(_change) = Lock::try_acquire(&path)? else {
            return Err(self.in_use(lock::holder(&path)));
        };
        self.stop(Force::No, reporter).map(|_| true)
    }

    /// Whether the last server was there to be read for a change.
    pub(crate) fn is_for_change(&self) -> Result<bool, ClusterError> {
        let options = files::last_options(&self.directory).map_err(self.failed("read the options of"))?;
        Ok(Purpose::of(&options) == Purpose::Change)
    }

    /// That no server works in the cluster, and none has since: ampd starts one without asking for our lock.
    ///
    /// # Errors
    /// When one does, or did.
    pub fn is_still(&self, hold: &Hold) -> Result<(), ClusterError> {
        self.has_no_server()?;
        if self.control() != hold.control {
            return Err(self.in_use("a server that came and went meanwhile".to_owned()));
        }
        Ok(())
    }

    fn control(&self) -> Option<Vec<u8>> {
        atomic::read(&self.directory.join("global/pg_control"), 1 << 16).ok()
    }

    fn has_no_server(&self) -> Result<(), ClusterError> {
        match identity::servers_of(&self.directory).first() {
            None => Ok(()),
            Some(process) => Err(self.in_use(format!("process {}", process.pid))),
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
        let aside = swap::unused(self.project.amp_dir());
        atomic::rename(&self.directory, &aside).map_err(self.failed("put aside"))?;
        Ok(aside)
    }
}
