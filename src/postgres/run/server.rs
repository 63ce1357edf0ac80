//! A server that serves: the way to it, what is known of it, and leaving it.

use std::{ops::Deref, process::Child};

use camino::Utf8PathBuf;

use crate::{
    event::Reporter,
    fs::lock::Lock,
    postgres::{
        context::ClusterContext,
        error::ClusterError,
        identity::postmaster,
        observe::{endpoint::Socket, observation::Observation, purpose::stays, sql_session::is_durable},
        run::{
            create::Made,
            stop::{Force, Stopped, stop},
            tether::Tether,
        },
    },
};

/// A server that serves, until it is released or shut down. Dropping it leaves it running, unless it is there for a change of the
/// cluster only.
#[derive(Debug)]
pub struct Server {
    cluster: ClusterContext,
    url: String,
    evidence: Evidence,
    process: Process,
}

/// The share that this process has in a server, because it started it or uses it.
#[derive(Debug)]
pub(crate) struct Process {
    /// The process that was started.
    pub(crate) child: Option<Child>,
    /// The place among those who use it.
    pub(crate) users: Option<Lock>,
    /// Lets go after the server has ended.
    pub(crate) tether: Option<Tether>,
}

/// The origin of a server: started by us, or running before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerOrigin {
    /// We started it.
    Started,
    /// It ran already.
    Found,
}

/// The facts about a server: everything here was read from it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// The origin of the server.
    pub origin: ServerOrigin,
    /// The way in which the cluster was made, if that was now.
    pub made: Option<Made>,
    /// The version that it reports, such as `18.4`.
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

/// The state of a server that was released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Released {
    /// We were its last user, and it was shut down.
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
                ServerOrigin::Started
            } else {
                ServerOrigin::Found
            },
            made,
            version: String::new(),
            // Not from the observation: its processes were listed before its socket answered, and the server may have
            // come in between.
            pid: cluster
                .servers()
                .ok()
                .and_then(|servers| Some(postmaster(&servers)?.pid)),
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

    /// Returns the facts about it.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Lets the programs that this process runs from here on use the server in its stead: should this process be killed,
    /// nobody stops the server under them. Where that cannot be, they are no worse off than without it. Whoever runs a
    /// program with the server asks for the proof that this was done before.
    pub fn hand_on(&self) -> HandedOn<'_> {
        if let Some(users) = &self.process.users {
            let _ = users.hand_on();
        }
        HandedOn(self)
    }

    /// Shuts the server down, whoever uses it, and waits until it has ended.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn shut_down(mut self, reporter: &dyn Reporter) -> Result<Stopped, ClusterError> {
        let stopped = stop(&self.cluster, Force::No, self.process.child.take(), reporter)?;
        if let Some(tether) = self.process.tether.take() {
            tether.release();
        }
        Ok(stopped)
    }

    /// Releases the server: from here on this process does not use it. Whoever releases it last shuts it down, and only if
    /// it was started for a session.
    ///
    /// # Errors
    /// When it must be shut down and does not stop.
    pub fn release(mut self, reporter: &dyn Reporter) -> Result<Released, ClusterError> {
        // Where the file system has no locks, nobody can know who else is there.
        let is_blind = self
            .process
            .users
            .as_ref()
            .is_some_and(|users| !users.is_effective());
        if let Some(users) = self.process.users.take() {
            users.release();
        }
        let path = self.cluster.project.users();
        // One that was seen, and was stopped or killed meanwhile.
        let has_none = || self.cluster.servers().is_ok_and(|servers| servers.is_empty());
        let is_gone = || self.evidence.pid.is_some() && has_none();
        let Some(_last) = Lock::try_acquire(&path)? else {
            return Ok(if is_gone() {
                Released::WasGone
            } else {
                Released::InUse
            });
        };
        if is_blind && self.evidence.origin == ServerOrigin::Found || stays(&self.cluster)? {
            return Ok(if is_gone() {
                Released::WasGone
            } else {
                Released::Stays
            });
        }
        let stopped = stop(&self.cluster, Force::No, self.process.child.take(), reporter)?;
        Ok(match stopped {
            Stopped::Stopped { .. } => Released::Stopped,
            Stopped::WasNotRunning => Released::WasGone,
        })
    }
}

/// A server that the programs of this process may use in its stead.
#[derive(Debug, Clone, Copy)]
pub struct HandedOn<'a>(&'a Server);

impl Deref for HandedOn<'_> {
    type Target = Server;

    fn deref(&self) -> &Server {
        self.0
    }
}
