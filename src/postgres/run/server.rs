//! A server that serves: the way to it, what is known of it, and leaving it.

use std::process::Child;

use camino::Utf8PathBuf;

use crate::{
    event::Reporter,
    fs::lock::Lock,
    postgres::{
        context::ClusterContext,
        error::ClusterError,
        identity::{postmaster, servers_of},
        observe::{endpoint::Socket, observation::Observation, purpose::stays, session::is_durable},
        run::{
            create::Made,
            stop::{Force, Stopped, stop},
            tether::Tie,
        },
    },
};

/// A server that serves. Dropping it leaves it running, unless it is there for a change of the cluster only.
#[derive(Debug)]
pub struct Server {
    cluster: ClusterContext,
    url: String,
    evidence: Evidence,
    process: Process,
}

/// What this process has of a server, because it started it or uses it.
#[derive(Debug)]
pub(crate) struct Process {
    /// The process that was started.
    pub(crate) child: Option<Child>,
    /// The place among those who use it.
    pub(crate) users: Option<Lock>,
    /// Lets go after the server has ended.
    pub(crate) tie: Option<Tie>,
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
    pub(crate) fn read(
        cluster: &ClusterContext,
        observation: &Observation,
        is_started: bool,
        made: Option<Made>,
    ) -> Self {
        Self {
            origin: if is_started {
                Origin::Started
            } else {
                Origin::Found
            },
            made,
            version: String::new(),
            // Not from the observation: its processes were listed before its socket answered, and the server may have
            // come in between.
            pid: postmaster(&servers_of(&cluster.directory)).map(|server| server.pid),
            data_directory: cluster.directory.clone(),
            socket: observation.socket.clone(),
            user: observation.role.clone(),
            is_durable: false,
        }
    }
}

impl Server {
    pub(crate) fn new(
        cluster: &ClusterContext,
        mut observation: Observation,
        mut evidence: Evidence,
        process: Process,
    ) -> Self {
        if let Ok(session) = &mut observation.session {
            evidence.version = session.version.clone();
            evidence.is_durable = is_durable(session).unwrap_or_default();
        }
        Self {
            cluster: cluster.clone(),
            url: observation.socket.url(&observation.role),
            evidence,
            process,
        }
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
        if let Some(users) = &self.process.users {
            let _ = users.hand_on();
        }
    }

    /// Stops the server, whoever uses it.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn end(mut self, reporter: &dyn Reporter) -> Result<Stopped, ClusterError> {
        let stopped = stop(&self.cluster, Force::No, self.process.child.take(), reporter)?;
        if let Some(tie) = self.process.tie.take() {
            tie.release();
        }
        Ok(stopped)
    }

    /// Leaves the server. Whoever leaves last stops it, and only if it was started for a session.
    ///
    /// # Errors
    /// When it must be stopped and does not stop.
    pub fn stop(self) -> Result<Left, ClusterError> {
        self.leave(&crate::event::Silent)
    }

    /// The same, telling what happens.
    ///
    /// # Errors
    /// As `stop`.
    pub fn leave(mut self, reporter: &dyn Reporter) -> Result<Left, ClusterError> {
        // Where the file system has no locks, nobody can know who else is there.
        let blind = self.process.users.as_ref().is_some_and(|users| !users.holds());
        if let Some(users) = self.process.users.take() {
            users.release();
        }
        let path = self.cluster.project.users();
        let Some(_last) = Lock::try_acquire(&path)? else {
            return Ok(Left::InUse);
        };
        if blind && self.evidence.origin == Origin::Found || stays(&self.cluster)? {
            return Ok(Left::Stays);
        }
        let stopped = stop(&self.cluster, Force::No, self.process.child.take(), reporter)?;
        Ok(match stopped {
            Stopped::Stopped { .. } => Left::Stopped,
            Stopped::WasNotRunning => Left::WasGone,
        })
    }
}
