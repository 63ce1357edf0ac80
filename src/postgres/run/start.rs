//! Starting: what is made sure of beforehand, one attempt (`attempt.rs`), and what is written down when it succeeded.

mod attempt;
mod dropped;

use camino::Utf8Path;

use self::attempt::Starting;
use crate::{
    event::{Event, Reporter, sized_down},
    fs::{mounts, space},
    postgres::{
        context::ClusterContext,
        error::ClusterError,
        identity::postmaster,
        observe::{
            observation::observe,
            programs,
            purpose::{Purpose, is_for_change},
            rights::{ensure_open_to, run_as},
            status::LITTLE_ROOM,
        },
        run::{
            listen::SocketPlace,
            log::Log,
            memory::SharedMemory,
            pending_swap,
            server::{Evidence, Process, Server},
            tcp, users,
        },
        user::OsUser,
    },
};

/// The way in which a server is started. The default is right for a daemon.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct StartOptions {
    /// Whom the server runs as, when we are root.
    pub run_as: Option<OsUser>,
    /// A cluster that is made now may lose its data, and is faster.
    pub ephemeral: bool,
    /// The purpose, which decides whether the server stops with its last user.
    pub purpose: Purpose,
    /// The server also listens on a port of 127.0.0.1 and asks for a password there.
    pub tcp: bool,
}

impl StartOptions {
    /// The same, with a server that runs as this user, when we are root.
    #[must_use]
    pub fn run_as(mut self, user: Option<OsUser>) -> Self {
        self.run_as = user;
        self
    }

    /// The same, with a cluster that may lose its data, and is faster, if it is made now.
    #[must_use]
    pub fn ephemeral(mut self) -> Self {
        self.ephemeral = true;
        self
    }

    /// The same, with a server that also listens on a port of 127.0.0.1, if it is started now.
    #[must_use]
    pub fn tcp(mut self) -> Self {
        self.tcp = true;
        self
    }

    /// The same, for this purpose.
    #[must_use]
    pub fn purpose(mut self, purpose: Purpose) -> Self {
        self.purpose = purpose;
        self
    }
}

/// Makes sure that a cluster is served, and gives the way to it. It is made if there is none; a server that runs already is
/// used.
pub(crate) fn start(
    cluster: &ClusterContext,
    options: &StartOptions,
    reporter: &dyn Reporter,
) -> Result<Server, ClusterError> {
    let is_for_users = options.purpose != Purpose::Change;
    if cluster.is_known && is_for_users {
        // What cannot be tidied up keeps nobody from the cluster that is there.
        let _ = pending_swap::settle(cluster, reporter);
    }
    let programs = programs::programs(cluster);
    if let Err(refused @ ClusterError::Foreign { .. }) = programs {
        return Err(refused);
    }
    let run_as = run_as(cluster, options.run_as.as_ref())?;
    if is_for_users {
        pending_swap::end_leftover(cluster, reporter)?;
    }
    let is_served = postmaster(&cluster.servers()?).is_some();
    let programs = match programs {
        Err(missing) if !is_served => return Err(missing),
        programs => programs,
    };
    if let (Ok(programs), Some(user)) = (&programs, &run_as) {
        ensure_open_to(cluster, user, &programs.tree)?;
    }
    let amp_dir = cluster.project.amp_dir();
    cluster.project.prepare(run_as.as_ref())?;
    warn_of_little_room(amp_dir, reporter);
    if !is_served && cluster.directory.symlink_metadata().is_err() {
        warn_of_network(amp_dir, reporter);
    }
    let users = users::join(cluster, options.purpose, reporter)?;
    let mut starting = Starting {
        cluster,
        options,
        run_as,
        reporter,
        lock: None,
        child: None,
        has_failed: false,
        tether: None,
        memory: SharedMemory::default(),
        socket: SocketPlace::Usual,
        made: None,
        log: Log::of(&cluster.project),
    };
    let mut observation = match starting.until_served(programs) {
        Ok(observation) => observation,
        Err(error) => {
            starting.give_up(&error, users);
            return Err(error);
        }
    };
    let Starting {
        child, tether, made, ..
    } = starting;
    // One that had only begun when it was looked for, and had not said yet what it is for.
    if child.is_none() && is_for_users && is_for_change(cluster)? {
        if !pending_swap::end_leftover(cluster, reporter)? && observe(cluster, false)?.session.is_ok() {
            return Err(cluster.in_use("a change of the cluster, whose processes cannot be seen from here"));
        }
        drop((observation, users));
        return start(cluster, options, reporter);
    }
    if child.is_some()
        && options.tcp
        && let Ok(session) = &mut observation.session
    {
        tcp::let_in(cluster, session, &observation.role)?;
    }
    // Only a memory aid: a project whose name cannot be written down is served all the same.
    if cluster.is_known {
        let _ = cluster.projects.add(amp_dir);
    }
    let evidence = Evidence::read(cluster, &observation, child.is_some(), made);
    // One that stays needs no users; until that is written down, nobody shall think that he was the last.
    let users = match options.purpose {
        Purpose::Stay => {
            users::keep(cluster)?;
            if let Some(users) = users {
                users.release();
            }
            None
        }
        Purpose::Session | Purpose::Change => users,
    };
    Ok(Server::new(
        cluster,
        observation,
        evidence,
        Process { child, tether, users },
    ))
}

/// Said once, before there is anything to lose.
fn warn_of_network(amp_dir: &Utf8Path, reporter: &dyn Reporter) {
    if let Some(kind) = mounts::network(amp_dir) {
        reporter.report(Event::Warning(format!(
            "`{amp_dir}` lies on a network file system ({kind}): the database is as durable as that, and slower; \
             `AMP_DIR` names another place"
        )));
    }
}

fn warn_of_little_room(amp_dir: &Utf8Path, reporter: &dyn Reporter) {
    if let Ok(Some(room)) = space::free(amp_dir)
        && room < LITTLE_ROOM
    {
        reporter.report(Event::Warning(format!(
            "only {} are free for the database in `{amp_dir}`",
            sized_down(room)
        )));
    }
}
