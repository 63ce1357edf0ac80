//! The lease of a cluster: its server is stopped, and nobody can start one, for as long as the value lives.

use std::{
    thread,
    time::{Duration, Instant},
};

use camino::Utf8PathBuf;

use crate::{
    children::Unfinished,
    event::{Event, Reporter, counted},
    fs::{atomic, lock, lock::Lock},
    postgres::{
        cluster::Cluster,
        context::ClusterContext,
        error::ClusterError,
        identity::{Process, postmaster, starter},
        observe::{
            decide::SocketAnswer,
            observation::{Observation, Refusal, observe},
            purpose::{Purpose, is_for_change, is_of_ampup, stays},
            rights::run_as,
            status::{self, SESSIONS, SESSIONS_IN_WORDS},
        },
        run::{
            pending_swap,
            start::{StartOptions, start},
            stop::{Force, Stopped, stop},
            tcp,
        },
    },
};

/// A server that has ended gives its lock back with its last process.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A session whose client has just gone is there a moment longer.
const ENDING: Duration = Duration::from_secs(2);

/// So many of those who use a server are named.
const NAMED: usize = 3;

/// Those who share the lock of a server's users, where nothing more is known of them.
const USERS: &str = "an `ampup run`, an `ampup db psql`, or another program that uses it through ampup";

/// A cluster that no server works in, and that no ampup can start one for.
#[derive(Debug)]
pub struct Lease {
    open: OpenLease,
    lock: Lock,
    /// The content of `pg_control`: every server writes it, when it starts and when it ends.
    control: Option<Vec<u8>>,
}

/// A cluster that a server may work in, and that no `ampup run` can join.
#[derive(Debug)]
pub struct OpenLease {
    cluster: ClusterContext,
    users: Lock,
    /// The purpose of the server that was stopped.
    was: Option<Purpose>,
    _unfinished: Unfinished,
}

impl Lease {
    /// Stops a cluster's server, if one runs that no session of ours uses, and keeps others from starting one. The
    /// project's Amp directory must be there.
    ///
    /// # Errors
    /// When an `ampup run` uses the server, or it is another program's and has sessions, or it does not stop.
    pub fn take(cluster: &Cluster, reporter: &dyn Reporter) -> Result<Self, ClusterError> {
        let cluster = cluster.context();
        ensure_not_interrupted(cluster)?;
        let users = users(cluster)?;
        if let Some(holder) = others(cluster)? {
            return Err(cluster.in_use(holder));
        }
        let purpose = if stays(cluster)? {
            Purpose::Stay
        } else {
            Purpose::Session
        };
        let unfinished = cluster.interrupt.begin_unfinished();
        let stopped = stop(cluster, Force::No, None, reporter).inspect_err(|error| {
            if matches!(error, ClusterError::Stuck { .. } | ClusterError::Suspended { .. }) {
                reporter.report(Event::Warning(format!(
                    "the server of `{}` was asked to stop: once it has, `ampup db start` starts it again",
                    cluster.directory
                )));
            }
        })?;
        // Asked after its end: by then it has said what it was for.
        let was = match stopped {
            Stopped::Stopped { .. } => (!is_for_change(cluster)?).then_some(purpose),
            Stopped::WasNotRunning => None,
        };
        let open = OpenLease {
            cluster: cluster.clone(),
            users,
            was,
            _unfinished: unfinished,
        };
        open.close(reporter)
    }

    /// Lets a server be started, by whoever does not mean to use it.
    pub fn open(self) -> OpenLease {
        self.lock.release();
        self.open
    }

    /// Fails if a server works in the cluster, or one has since: ampd starts one without asking for our lock.
    ///
    /// # Errors
    /// When one does, or did.
    pub fn ensure_undisturbed(&self) -> Result<(), ClusterError> {
        let cluster = self.cluster();
        ensure_no_server(cluster)?;
        if control(cluster) != self.control {
            return Err(cluster.in_use("a server that came and went meanwhile"));
        }
        Ok(())
    }

    /// Lets go of the cluster, and starts the server again that was stopped for the lease, for the purpose that it had.
    /// Gives whether there was one.
    ///
    /// # Errors
    /// As `start`; a warning says then that it was stopped.
    pub fn resume(self, reporter: &dyn Reporter) -> Result<bool, ClusterError> {
        self.lock.release();
        self.open.resume(reporter)
    }

    /// Lets go of the cluster, and leaves it without a server.
    pub fn release(self) {
        self.lock.release();
        self.open.users.release();
    }

    /// Renames the cluster to `metadb.old-<time>`, and gives that place. The next start makes a new one. Nothing is removed.
    ///
    /// # Errors
    /// When a server came after all, or it cannot be renamed.
    pub fn put_aside(&self) -> Result<Utf8PathBuf, ClusterError> {
        self.ensure_undisturbed()?;
        let cluster = self.cluster();
        let aside = pending_swap::unused(cluster.project.amp_dir());
        atomic::rename(&cluster.directory, &aside).map_err(cluster.failed("put aside"))?;
        Ok(aside)
    }

    fn cluster(&self) -> &ClusterContext {
        &self.open.cluster
    }
}

impl OpenLease {
    /// Keeps everybody from starting a server again. Where that cannot be, the server that was stopped for the lease is
    /// started again.
    ///
    /// # Errors
    /// When a server is there.
    pub fn close(self, reporter: &dyn Reporter) -> Result<Lease, ClusterError> {
        let closed = shut(&self.cluster).and_then(|lock| {
            ensure_no_server(&self.cluster)?;
            Ok(lock)
        });
        match closed {
            Ok(lock) => Ok(Lease {
                control: control(&self.cluster),
                lock,
                open: self,
            }),
            Err(error) => {
                // Told where it fails.
                let _ = self.resume(reporter);
                Err(error)
            }
        }
    }

    fn resume(self, reporter: &dyn Reporter) -> Result<bool, ClusterError> {
        let Self {
            cluster,
            users,
            was,
            _unfinished,
        } = self;
        users.release();
        let Some(purpose) = was else { return Ok(false) };
        let started = run_as(&cluster, None).and_then(|run_as| {
            let options = StartOptions {
                run_as,
                purpose,
                tcp: tcp::was_on(&cluster)?,
                ..StartOptions::default()
            };
            start(&cluster, &options, reporter)
        });
        match started {
            // Dropping it leaves it running.
            Ok(server) => {
                drop(server);
                reporter.report(Event::Note(format!(
                    "the server of `{}` was stopped for this, and runs again",
                    cluster.directory
                )));
            }
            Err(error) => {
                reporter.report(Event::Warning(format!(
                    "the server of `{}` was stopped for this, and does not start again",
                    cluster.directory
                )));
                return Err(error);
            }
        }
        Ok(true)
    }
}

/// Fails if no lease could be taken now because somebody uses the server: better told before a long work than after it, and
/// in a dry run. Changes nothing.
///
/// # Errors
/// When somebody does.
pub fn ensure_unused(cluster: &Cluster) -> Result<(), ClusterError> {
    let cluster = cluster.context();
    if !lock::is_available(&cluster.project.users())? {
        return Err(cluster.in_use(users_in_words(cluster)));
    }
    match others(cluster)? {
        Some(holder) => Err(cluster.in_use(holder)),
        None => Ok(()),
    }
}

/// Fails once we are interrupted: whoever does so wants nothing to be begun any more.
pub(super) fn ensure_not_interrupted(cluster: &ClusterContext) -> Result<(), ClusterError> {
    cluster
        .interrupt
        .ensure_not_ending()
        .map_err(cluster.failed("change"))
}

fn users(cluster: &ClusterContext) -> Result<Lock, ClusterError> {
    Lock::try_acquire(&cluster.project.users())?.ok_or_else(|| cluster.in_use(users_in_words(cluster)))
}

/// Those who share the lock of a server's users, in words.
fn users_in_words(cluster: &ClusterContext) -> String {
    let mut holders = lock::holders(&cluster.project.users()).unwrap_or_default();
    // One that is not seen from here says nothing.
    holders.retain(|pid| *pid != 0);
    if holders.is_empty() {
        return USERS.to_owned();
    }
    some_of(holders.into_iter().map(status::in_words).collect())
}

/// Names some of them, and counts the others.
fn some_of(mut names: Vec<String>) -> String {
    let others = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    match others {
        0 => names.join(", "),
        others => format!("{} and {}", names.join(", "), counted(others, "other")),
    }
}

/// A server that ampup did not start, and who did, as far as the system says.
fn foreign(processes: &[Process]) -> String {
    const WHOSE: &str = "a server that another program started";
    match postmaster(processes) {
        None => WHOSE.to_owned(),
        Some(server) => match starter(server) {
            Some(starter) => format!("{WHOSE} (process {}, started by {starter})", server.pid),
            None => format!("{WHOSE} (process {})", server.pid),
        },
    }
}

/// Who uses a server that ampup did not start: a living ampd most likely, which would be left without it. One that takes no
/// session of ours cannot be asked, and is somebody's too.
fn others(cluster: &ClusterContext) -> Result<Option<String>, ClusterError> {
    if is_of_ampup(cluster)? {
        return Ok(None);
    }
    let began = Instant::now();
    loop {
        let holder = match observe(cluster, false)? {
            Observation {
                session: Ok(mut session),
                seen,
                ..
            } => match session.value(SESSIONS) {
                Ok(number) if number == "0" => return Ok(None),
                Ok(number) => {
                    let rows = session.query(SESSIONS_IN_WORDS).unwrap_or_default();
                    let named: Vec<String> = rows
                        .into_iter()
                        .filter_map(|row| row.into_iter().next()?)
                        .collect();
                    let whose = foreign(&seen.processes);
                    match named.is_empty() {
                        true => format!("{} of {whose}", counted(number, "session")),
                        false => format!("{} of {whose}: {}", counted(number, "session"), some_of(named)),
                    }
                }
                Err(cause) => format!("{} ({cause})", foreign(&seen.processes)),
            },
            Observation { seen, .. } if seen.answer == SocketAnswer::Nobody && seen.processes.is_empty() => {
                return Ok(None);
            }
            Observation {
                session: Err(Refusal { message, .. }),
                seen,
                ..
            } => format!("{}: {message}", foreign(&seen.processes)),
        };
        if began.elapsed() > ENDING {
            return Ok(Some(holder));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn shut(cluster: &ClusterContext) -> Result<Lock, ClusterError> {
    let path = cluster.project.lock();
    let began = Instant::now();
    loop {
        match Lock::try_acquire(&path)? {
            Some(lock) => return Ok(lock),
            None if began.elapsed() > TIMEOUT => return Err(cluster.in_use(lock::holder(&path))),
            None => thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn control(cluster: &ClusterContext) -> Option<Vec<u8>> {
    atomic::read(&cluster.directory.join("global/pg_control"), 1 << 16).ok()
}

fn ensure_no_server(cluster: &ClusterContext) -> Result<(), ClusterError> {
    match cluster.servers()?.first() {
        None => Ok(()),
        Some(process) => Err(cluster.in_use(format!("process {}", process.pid))),
    }
}
