//! One attempt to have a cluster served: look at what is there, decide, do one thing, and look again.

use std::{
    io,
    process::Child,
    thread,
    time::{Duration, Instant},
};

use super::{
    StartOptions,
    dropped::{is_dropped, make_again},
};
use crate::{
    event::{Event, Reporter},
    fs::{lock, lock::Lock},
    locate::Located,
    postgres::{
        context::{ClusterContext, Reach},
        error::ClusterError,
        identity::{is_suspended, postmaster},
        loading::LoadFailure,
        observe::{
            decide::{Contents, Next, Seen, WaitFor, next},
            files,
            observation::{Observation, Refusal, observe},
            pid_file,
            programs::{self, contents, template},
            purpose::{Purpose, StartedBy, is_of_ampup, is_without_fsync, started_by},
            sql_session::{NO_DATABASE, TOO_MANY},
            status::SESSIONS,
        },
        program::ProgramError,
        run::{
            create::{self, NewCluster},
            initdb::Superuser,
            listen::{SocketPlace, make_password, make_socket},
            lock_files,
            log::Log,
            memory::SharedMemory,
            pending_swap,
            spawn::{Launch, has_done_its_part, spawn},
            stop::{Force, end_if_forgotten, stop},
            tcp,
            tether::Tether,
            wait::{Wait, WaitStep},
        },
        user::{OsUser, SUPERUSER},
    },
};

/// Nothing moves for so long: something is wrong that waiting does not cure.
const STANDSTILL: Duration = Duration::from_secs(60);

/// A server that is ready where we do not reach it will not come nearer.
const OUT_OF_REACH: Duration = Duration::from_secs(15);

/// A server opens its socket before it does anything that takes long.
const NO_SOCKET: Duration = Duration::from_secs(10);

/// For so long it is waited that one of them ends.
const FULL: Duration = Duration::from_secs(10);

/// Between two looks that are not about progress.
const MOMENT: Duration = Duration::from_millis(100);

/// A start on its way, and what it has in its hands.
pub(super) struct Starting<'a> {
    pub(super) cluster: &'a ClusterContext,
    pub(super) options: &'a StartOptions,
    pub(super) run_as: Option<OsUser>,
    pub(super) reporter: &'a dyn Reporter,
    pub(super) lock: Option<Lock>,
    pub(super) child: Option<Child>,
    /// One that we started ended, and another one seemed to be there.
    pub(super) has_failed: bool,
    pub(super) tether: Option<Tether>,
    pub(super) memory: SharedMemory,
    pub(super) socket: SocketPlace,
    pub(super) made: Option<create::Made>,
    pub(super) log: Log,
}

impl Starting<'_> {
    pub(super) fn until_served(
        &mut self,
        programs: Result<Located, ClusterError>,
    ) -> Result<Observation, ClusterError> {
        let (programs, mut missing) = match programs {
            Ok(programs) => (Some(programs), None),
            Err(missing) => (None, Some(missing)),
        };
        let mut wait = Wait::begin();
        let mut full_since = Instant::now();
        loop {
            self.take_lock()?;
            let mut look = observe(self.cluster, self.lock.is_some())?;
            if !matches!(&look.session, Err(refusal) if refusal.code == TOO_MANY) {
                full_since = Instant::now();
            }
            let decision = next(&look.seen);
            // If ours ended and another is there, that one won the race for PostgreSQL's own lock, and is waited for.
            if let Some(ended) = self.child_ended(programs.as_ref()) {
                // A cluster, or the template that it is a copy of, may come from a host that has what this one has not.
                if let ClusterError::EarlyEnd { last_lines, .. } = &ended
                    && (self.memory.is_other_after(last_lines) || self.socket.is_other_after(last_lines))
                {
                    continue;
                }
                if matches!(decision, Next::Start { .. }) || self.has_failed {
                    return Err(ended);
                }
                self.has_failed = true;
            }
            match decision {
                Next::Adopt if programs.is_some() && self.is_to_be_durable(&mut look)? => {
                    self.reporter.report(Event::Note(
                        "the database runs without fsync, and the program that started it so is gone: it is started again"
                            .to_owned(),
                    ));
                    drop(look);
                    stop(self.cluster, Force::No, None, self.reporter)?;
                }
                Next::Adopt => match look.session {
                    // Dropping our lock does not free it: the server that we started has it too.
                    Ok(_) => return Ok(look),
                    Err(Refusal { code, .. }) if code == TOO_MANY && full_since.elapsed() < FULL => {
                        thread::sleep(MOMENT)
                    }
                    // Whoever started it on a cluster that was never finished cannot use it either.
                    Err(_) if self.child.is_none() && contents(self.cluster)? == Contents::Unfinished => {
                        stop(self.cluster, Force::No, None, self.reporter)?;
                    }
                    Err(Refusal { code, .. })
                        if code == NO_DATABASE && is_dropped(&look.socket, &look.role) =>
                    {
                        if self.options.purpose != Purpose::Stay {
                            let cluster = self.cluster.directory.clone();
                            return Err(ClusterError::Dropped { cluster });
                        }
                        make_again(&look.socket, &look.role).map_err(|cause| {
                            let action = "make the database `postgres` again in";
                            self.cluster.failed(action)(io::Error::other(cause))
                        })?;
                        self.reporter.report(Event::Note(
                            "the database `postgres` was dropped: it is made again, empty; the others are as they were".to_owned(),
                        ));
                    }
                    Err(Refusal { code, message }) => {
                        return Err(ClusterError::Refused {
                            cluster: self.cluster.directory.clone(),
                            code,
                            message,
                        });
                    }
                },
                // It was started a moment ago and has not reached its directory yet.
                Next::Start { .. } if self.child.is_some() => self.pause(&mut wait, &look, None)?,
                Next::Start { clear_lock_files } => match (&programs, missing.take()) {
                    (Some(programs), _) => {
                        self.launch(programs, clear_lock_files)?;
                        // The making of the cluster is over: the server is waited for from here on.
                        wait = Wait::begin();
                    }
                    (None, Some(missing)) => return Err(missing),
                    (None, None) => self.pause(&mut wait, &look, None)?,
                },
                Next::Wait(WaitFor::Server(Some(pid))) if is_suspended(pid) => {
                    return Err(ClusterError::Suspended {
                        cluster: self.cluster.directory.clone(),
                        pid,
                    });
                }
                // It was asked to stop by somebody who is gone, and would never end.
                Next::Wait(WaitFor::Server(Some(_))) if end_if_forgotten(self.cluster, self.reporter)? => {}
                Next::Wait(whom) => self.pause(&mut wait, &look, Some(whom))?,
            }
        }
    }

    /// Returns true for the server of an ampd that was killed: it keeps nothing that is committed from a crash of the machine,
    /// and whoever uses it next can have a better one, while nobody uses it.
    fn is_to_be_durable(&self, look: &mut Observation) -> Result<bool, ClusterError> {
        let cluster = self.cluster;
        let Ok(session) = &mut look.session else {
            return Ok(false);
        };
        Ok(self.child.is_none()
            && self.options.purpose != Purpose::Change
            && is_without_fsync(cluster)?
            && !files::is_ephemeral(&cluster.directory)
            && started_by(cluster)? == Some(StartedBy::Gone)
            && session.value(SESSIONS).is_ok_and(|number| number == "0"))
    }

    /// Ends the server that we started and that takes no session of ours, unless others use it. One that is merely slow or
    /// full goes on, for the next start.
    pub(super) fn give_up(&mut self, error: &ClusterError, users: Option<Lock>) {
        let is_slow = matches!(
            error,
            ClusterError::Stuck { .. } | ClusterError::Suspended { .. } | ClusterError::OutOfReach { .. }
        );
        let is_full = matches!(error, ClusterError::Refused { code, .. } if code == TOO_MANY);
        let Some(child) = self.child.take_if(|_| !is_slow && !is_full) else {
            return;
        };
        if let Some(users) = users {
            users.release();
        }
        let alone = Lock::try_acquire(&self.cluster.project.users());
        let is_alone = matches!(&alone, Ok(Some(lock)) if lock.is_effective());
        // Where pg_ctl starts it, the server is no child of ours.
        let Ok(servers) = self.cluster.servers() else {
            return;
        };
        let is_ours = cfg!(windows) || postmaster(&servers).is_none_or(|server| server.pid == child.id());
        if is_ours && (self.options.purpose == Purpose::Change || is_alone) {
            // The error that led here is the one to tell.
            let _ = stop(self.cluster, Force::No, Some(child), self.reporter);
        }
    }

    fn take_lock(&mut self) -> Result<(), ClusterError> {
        if self.lock.is_none() {
            self.lock = Lock::try_acquire(&self.cluster.project.lock())?;
            if let Some(warning) = self.lock.as_ref().and_then(Lock::warning) {
                self.reporter.report(Event::Warning(warning.to_owned()));
            }
        }
        Ok(())
    }

    /// Returns the reason that the server that we started is gone, if it is.
    fn child_ended(&mut self, programs: Option<&Located>) -> Option<ClusterError> {
        let status = self.child.as_mut()?.try_wait().ok().flatten()?;
        if has_done_its_part(status) {
            return None;
        }
        self.child = None;
        let end = self.log.end();
        if let Some(failure) = LoadFailure::find(&end) {
            return Some(ClusterError::Program(ProgramError::DoesNotLoad {
                program: programs
                    .map(|programs| programs.program("postgres"))
                    .unwrap_or_default(),
                failure: match programs {
                    Some(programs) => failure.in_tree(&programs.tree),
                    None => failure,
                },
            }));
        }
        Some(ClusterError::EarlyEnd {
            status,
            log: self.log.path().to_owned(),
            last_lines: self.log.last_lines(),
        })
    }

    /// Makes the cluster if there is none, and starts a server. The lock is ours, and nobody is there.
    fn launch(&mut self, programs: &Located, clear_lock_files: bool) -> Result<(), ClusterError> {
        let lock = self
            .lock
            .as_ref()
            .expect("a start is decided only with the lock in our hands");
        let cluster = self.cluster;
        // Look again: another ampup may have made it while we waited for the lock.
        match contents(cluster)? {
            Contents::Cluster { .. } => {
                create::restore_directories(&cluster.directory, self.run_as.as_ref(), self.reporter)
                    .map_err(cluster.failed("make the empty directories of"))?;
            }
            // A change of the cluster that was killed between two renames is finished first.
            Contents::Absent if pending_swap::finish(&cluster.project)? => return Ok(()),
            Contents::Absent | Contents::Empty => self.made = Some(self.make(programs)?),
            Contents::Unfinished => {
                let aside = create::set_aside(&cluster.project).map_err(cluster.failed("put aside"))?;
                let what = aside.map_or_else(
                    || format!("removed from `{}`", cluster.directory),
                    |aside| format!("moved to `{aside}`"),
                );
                self.reporter.report(Event::Warning(format!(
                    "an unfinished cluster, in which no data can be, was {what}"
                )));
                self.made = Some(self.make(programs)?);
            }
            // Decided once more for its error.
            Contents::Damaged { .. } | Contents::Foreign { .. } => drop(programs::programs(cluster)?),
        }
        let programs = programs::programs(cluster)?;
        let mut socket = make_socket(cluster, self.run_as.as_ref(), self.socket)?;
        let port = match self.options.tcp && cluster.reach == Reach::Socket {
            true => Some(tcp::prepare(cluster, self.run_as.as_ref())?),
            false => None,
        };
        if let Some(port) = &port {
            socket.port = port.number;
        }
        if clear_lock_files
            && !lock_files::remove_stale(&cluster.directory, &socket)
                .map_err(cluster.failed(pid_file::REMOVE))?
        {
            // Looked at again.
            thread::sleep(Duration::from_millis(50));
            return Ok(());
        }
        // Nobody but us wants it: it is read for a change, or serves what a change makes. Where there is no shell, what a
        // kill leaves is ended by the next start.
        let is_ours_alone = self.options.purpose == Purpose::Change || !cluster.is_known;
        self.tether = is_ours_alone
            .then(|| Tether::new(&cluster.directory, self.run_as.as_ref()).ok())
            .flatten();
        let launch = Launch {
            project: &cluster.project,
            tree: &programs.tree,
            run_as: self.run_as.as_ref(),
            socket: &socket,
            rules: port.as_ref().map(|port| port.rules.as_path()),
            durable: !files::is_ephemeral(&cluster.directory),
            purpose: self.options.purpose,
            memory: self.memory.kind(),
            tether: self.tether.as_ref(),
            interrupt: &cluster.interrupt,
        };
        let (child, log) = spawn(&launch, lock)?;
        (self.child, self.log) = (Some(child), log);
        Ok(())
    }

    fn make(&self, programs: &Located) -> Result<create::Made, ClusterError> {
        let named = self.cluster.named_superuser.as_deref();
        let owner;
        let (template, name) = match self.cluster.reach {
            Reach::Socket => {
                owner = match &self.run_as {
                    Some(user) => user.clone(),
                    None => OsUser::current()?,
                };
                let own = owner.superuser();
                let name = named.unwrap_or(own);
                let template = (name == own)
                    .then(|| template(self.cluster, programs, own))
                    .flatten();
                (template, (name != owner.name).then_some(name))
            }
            Reach::Loopback => {
                make_password(self.cluster, self.run_as.as_ref())?;
                (None, Some(named.unwrap_or(SUPERUSER)))
            }
        };
        let password = (self.cluster.reach == Reach::Loopback).then_some(&*self.cluster.password_file);
        let new_cluster = NewCluster {
            tree: &programs.tree,
            major: programs.major(),
            owner: self.run_as.as_ref(),
            template: template.as_deref(),
            superuser: name.map(|name| Superuser { name, password }),
            ephemeral: self.options.ephemeral,
            interrupt: &self.cluster.interrupt,
        };
        create::make(&self.cluster.project, &new_cluster)
    }

    fn pause(
        &self,
        wait: &mut Wait<Mark>,
        look: &Observation,
        whom: Option<WaitFor>,
    ) -> Result<(), ClusterError> {
        let holder = lock::holder(&self.cluster.project.lock());
        let making = match whom {
            Some(WaitFor::LockHolder) => create::progress(self.cluster.project.amp_dir()),
            _ => 0,
        };
        let mark = (self.log.length(), making, look.seen.clone(), holder.clone());
        let named = look.seen.pid_file.entry();
        let standstill = match whom {
            Some(WaitFor::ServerWithoutSocket(_)) => NO_SOCKET,
            Some(WaitFor::LockHolder) if named.is_some_and(|entry| entry.socket_directory.is_some()) => {
                OUT_OF_REACH
            }
            _ => STANDSTILL,
        };
        match wait.pause(mark, standstill) {
            WaitStep::LookAgain => {}
            // That a start takes a while is said by whoever starts.
            WaitStep::Tell if whom.is_none() => {}
            WaitStep::Tell => self
                .reporter
                .report(Event::Note(format!("waiting for {}", in_words(whom, &holder)))),
            WaitStep::GiveUp if standstill == OUT_OF_REACH => {
                return Err(ClusterError::OutOfReach {
                    cluster: self.cluster.directory.clone(),
                    holder,
                });
            }
            WaitStep::GiveUp => {
                let why = match &look.session {
                    Err(Refusal { message, .. }) if !message.is_empty() => format!(" ({message})"),
                    _ => String::new(),
                };
                let what = format!("waiting for {}{why}", in_words(whom, &holder));
                let is_of_ampup = self.child.is_some() || is_of_ampup(self.cluster)?;
                return Err(self.log.stuck(what, standstill, is_of_ampup));
            }
        }
        Ok(())
    }
}

/// The values that change while a server makes progress.
type Mark = (u64, u64, Seen, String);

/// Who is waited for, in words.
fn in_words(whom: Option<WaitFor>, holder: &str) -> String {
    match whom {
        None => "the database server to start".to_owned(),
        Some(WaitFor::Server(Some(pid))) => format!("the database server (process {pid})"),
        Some(WaitFor::Server(None)) => format!("a database server that cannot be seen from here ({holder})"),
        Some(WaitFor::ServerWithoutSocket(pid)) => {
            format!("the socket of the database server (process {pid})")
        }
        Some(WaitFor::Survivors(pid)) => {
            format!("a process that the database server left behind (process {pid})")
        }
        Some(WaitFor::Single(pid)) => {
            format!("initdb, or another PostgreSQL without clients (process {pid})")
        }
        Some(WaitFor::LockHolder) => holder.to_owned(),
    }
}
