//! A server that serves: the way to it, what is known of it, and leaving it.

use std::{process::Child, time::Duration};

use camino::Utf8PathBuf;

use crate::{
    event::{Event, Reporter, Silent},
    fs::{lock, lock::Lock},
    postgres::{
        cluster::{Cluster, Look},
        error::ClusterError,
        identity::{postmaster, servers_of},
        observe::decide::SocketAnswer,
        observe::endpoint::Socket,
        observe::files,
        project::put,
        run::create::Made,
        run::spawn::Purpose,
        run::start::Served,
        run::stop::{Force, Stopped},
        run::tether::Tie,
        run::wait::{Patience, Wait},
    },
};

/// How long somebody may keep a server from its users.
const KEPT: Duration = Duration::from_secs(120);

/// A server that serves. Dropping it leaves it running, unless it is there for a change of the cluster only.
#[derive(Debug)]
pub struct Server {
    cluster: Cluster,
    url: String,
    evidence: Evidence,
    child: Option<Child>,
    users: Option<Lock>,
    /// Lets go after the server has ended.
    tie: Option<Tie>,
}

/// Whether a server was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// We started it.
    Started,
    /// It ran already.
    Found,
}

/// What is known of a server, and how: everything here was read from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Whether it was there before.
    pub origin: Origin,
    /// How the cluster was made, if that was now.
    pub made: Option<Made>,
    /// What it calls its version, such as `18.4`.
    pub version: String,
    /// Its process; `None` when it runs where we cannot see processes, such as in another container.
    pub pid: Option<u32>,
    /// The cluster.
    pub data_directory: Utf8PathBuf,
    /// The socket that answered.
    pub socket: Socket,
    /// The superuser that the session was opened as.
    pub user: String,
    /// fsync, full_page_writes and synchronous_commit are all on.
    pub is_durable: bool,
}

/// How a server was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// We were its last user, and it was stopped.
    Stopped,
    /// Others use it.
    InUse,
    /// Nobody uses it, and it stays because it was not started for a session.
    Stays,
    /// It was not there any more.
    WasGone,
}

impl Evidence {
    pub(crate) fn read(cluster: &Cluster, look: &Look, origin: Origin, made: Option<Made>) -> Self {
        Self {
            origin,
            made,
            version: String::new(),
            // Not from the look: its processes were listed before its socket answered, and the server may have come
            // in between.
            pid: postmaster(&servers_of(&cluster.directory)).map(|server| server.pid),
            data_directory: cluster.directory.clone(),
            socket: look.socket.clone(),
            user: look.role.clone(),
            is_durable: false,
        }
    }
}

impl Server {
    pub(crate) fn new(
        cluster: &Cluster,
        Served {
            mut look, child, tie, ..
        }: Served,
        mut evidence: Evidence,
        users: Option<Lock>,
        purpose: Purpose,
    ) -> Result<Self, ClusterError> {
        if let Ok(session) = &mut look.session {
            evidence.version = session.version.clone();
            let settings = "select 1 where 'on' = all (array[current_setting('fsync'), \
                            current_setting('full_page_writes'), current_setting('synchronous_commit')])";
            evidence.is_durable = session.query(settings).is_ok_and(|rows| !rows.is_empty());
        }
        // One that stays needs no users; until that is written down, nobody shall think that he was the last.
        let users = match purpose {
            Purpose::Stay => {
                cluster.keep()?;
                None
            }
            Purpose::Session | Purpose::Change => users,
        };
        Ok(Self {
            cluster: cluster.clone(),
            url: look.socket.url(&look.role),
            evidence,
            child,
            users,
            tie,
        })
    }

    /// The address of its database for libpq, sqlx and tokio-postgres. It names everything that they would otherwise take
    /// from the environment.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What is known of it.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Lets the programs that this process runs from here on use the server in its stead: should this process be killed,
    /// nobody stops the server under them. Where that cannot be, they are no worse off than without it.
    pub fn hand_on(&self) {
        if let Some(users) = &self.users {
            let _ = users.hand_on();
        }
    }

    /// Stops the server, whoever uses it.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn end(mut self, reporter: &dyn Reporter) -> Result<Stopped, ClusterError> {
        let stopped = self.cluster.stop_with(Force::No, self.child.take(), reporter)?;
        if let Some(tie) = self.tie.take() {
            tie.release();
        }
        Ok(stopped)
    }

    /// Leaves the server. Whoever leaves last stops it, and only if it was started for a session.
    ///
    /// # Errors
    /// When it must be stopped and does not stop.
    pub fn stop(self) -> Result<Left, ClusterError> {
        self.leave(&Silent)
    }

    /// The same, telling what happens.
    ///
    /// # Errors
    /// As `stop`.
    pub fn leave(mut self, reporter: &dyn Reporter) -> Result<Left, ClusterError> {
        // Where the file system has no locks, nobody can know who else is there.
        let blind = self.users.as_ref().is_some_and(|users| !users.holds());
        if let Some(users) = self.users.take() {
            users.release();
        }
        let path = self.cluster.project.users();
        let Some(_last) = Lock::try_acquire(&path)? else {
            return Ok(Left::InUse);
        };
        if blind && self.evidence.origin == Origin::Found || self.cluster.stays()? {
            return Ok(Left::Stays);
        }
        let stopped = self.cluster.stop_with(Force::No, self.child.take(), reporter)?;
        Ok(match stopped {
            Stopped::Stopped { .. } => Left::Stopped,
            Stopped::WasNotRunning => Left::WasGone,
        })
    }
}

impl Cluster {
    /// Joins those who use the server. Waits while its last user is stopping it, or for a backup, and says so; whoever keeps
    /// it for very long is named.
    pub(crate) fn enter(
        &self,
        purpose: Purpose,
        reporter: &dyn Reporter,
    ) -> Result<Option<Lock>, ClusterError> {
        if purpose == Purpose::Change {
            return Ok(None);
        }
        let path = self.project.users();
        let mut wait = Wait::begin();
        loop {
            if let Some(users) = Lock::try_share(&path)? {
                return Ok(Some(users));
            }
            match wait.pause((), KEPT) {
                Patience::Going => {}
                Patience::Tell => reporter.report(Event::Waiting {
                    name: "the project's database".to_owned(),
                    holder: lock::holder(&path),
                }),
                Patience::Over => {
                    return Err(ClusterError::InUse {
                        cluster: self.directory.clone(),
                        holder: lock::holder(&path),
                    });
                }
            }
        }
    }

    /// Whether the server stays when its last user leaves.
    pub(crate) fn stays(&self) -> Result<bool, ClusterError> {
        Ok(self.purpose()? == Purpose::Stay)
    }

    /// What the server that runs now is there for, as its command line and later wishes say.
    pub(crate) fn purpose(&self) -> Result<Purpose, ClusterError> {
        let options = files::last_options(&self.directory).map_err(self.failed("read the options of"))?;
        if Purpose::of(&options) == Purpose::Stay {
            return Ok(Purpose::Stay);
        }
        let kept = self.kept();
        Ok(if !kept.is_empty() && self.running_server()? == kept {
            Purpose::Stay
        } else {
            Purpose::Session
        })
    }

    /// Writes down that the server that runs now stays, also if it was started for a session.
    fn keep(&self) -> Result<(), ClusterError> {
        let server = self.running_server()?;
        let path = self.project.keep();
        if self.kept() == server {
            return Ok(());
        }
        // What is there speaks of a server that is no more, and so does a part of this one's name.
        put(&path, server.as_bytes(), None).map_err(self.failed("keep the server of"))
    }

    /// The server that was to stay. What cannot be read names none.
    fn kept(&self) -> String {
        let kept = files::text(&self.project.keep());
        kept.ok().flatten().unwrap_or_default()
    }

    /// Process and start time, as the server wrote them.
    fn running_server(&self) -> Result<String, ClusterError> {
        let look = self.look(false)?;
        let entry = look
            .seen
            .pid_file
            .entry()
            .filter(|_| look.seen.answer != SocketAnswer::Nobody);
        Ok(entry.map_or_else(String::new, |entry| {
            format!("{} {}", entry.pid, entry.started.unwrap_or_default())
        }))
    }
}
