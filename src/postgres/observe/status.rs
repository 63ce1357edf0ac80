//! The status of a cluster and its server, without starting or changing anything.

use std::{
    thread,
    time::{Duration, Instant},
};

use camino::Utf8Path;
use fs_err as fs;

use crate::{
    fs::{atomic, lock, lock::Lock, mounts, space},
    postgres::{
        context::ClusterContext,
        error::ClusterError,
        identity::postmaster,
        observe::{
            address::port_beside,
            decide::{Contents, SocketAnswer},
            endpoint::Socket,
            files,
            observation::{Observation, Refusal, observe},
            programs::contents,
            purpose::{Purpose, purpose},
            roles::superuser,
            sql_session::{DURABLE, SqlSession, TOO_MANY, WireError},
        },
    },
};

/// Below this, free space is worth a warning.
pub const LITTLE_ROOM: u64 = 1 << 30;

/// Asks how many sessions there are beside the one that asks.
pub(crate) const SESSIONS: &str =
    "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()";

/// Asks for those sessions, in words.
pub(crate) const SESSIONS_IN_WORDS: &str = "select concat_ws(' ', case when count(*) > 1 then count(*) || ' ×' end, \
     coalesce(nullif(application_name, ''), 'a program without a name'), 'of user', usename, '(' || coalesce(state, 'busy') || ')') \
     from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() \
     group by application_name, usename, state order by min(backend_start)";
/// A session whose client has just gone is there a moment longer.
const ENDING: Duration = Duration::from_secs(1);

/// The status of a cluster.
#[derive(Debug)]
#[non_exhaustive]
pub struct Status {
    /// The kind of its directory.
    pub contents: Contents,
    /// Its server.
    pub server: ServerState,
    /// Bytes that are free where it lies; `None` where the system cannot say.
    pub free: Option<u64>,
    /// The kind of network file system that it lies on, if it does.
    pub network: Option<String>,
    /// It was made to be fast and may lose its data.
    pub is_ephemeral: bool,
    /// The address that its server has, or would have; `None` where there is no cluster.
    pub url: Option<String>,
    /// The socket of that address.
    pub socket: Option<Socket>,
    /// The superuser of that address.
    pub user: Option<String>,
    /// The address of its port of 127.0.0.1, if it has one beside its socket now.
    pub tcp_url: Option<String>,
}

/// The state of a server.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerState {
    /// There is none.
    Stopped,
    /// It serves.
    Serves(Serving),
    /// A process is there, and no session: it is starting, stopping, recovering, or stopped by a signal.
    Busy {
        /// Its process.
        pid: Option<u32>,
        /// The message of the server.
        message: String,
        /// True if it serves others: all its connections are taken.
        is_full: bool,
    },
    /// Somebody holds its lock where we see no process.
    OutOfReach {
        /// Who.
        holder: String,
    },
}

/// The facts that a running server reports.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Serving {
    /// Such as `18.4`.
    pub version: String,
    /// Its process; `None` where we cannot see processes.
    pub pid: Option<u32>,
    /// When that started, in the system's own measure: with the directory it makes a process one and not another.
    pub started: Option<String>,
    /// For how many seconds it has been up.
    pub uptime: u64,
    /// The number of open sessions besides ours.
    pub connections: u64,
    /// The superuser.
    pub user: String,
    /// fsync, full_page_writes and synchronous_commit are all on.
    pub is_durable: bool,
    /// The purpose of its start.
    pub purpose: Purpose,
    /// A session started it and none is there any more: the next one takes it over. `None` where the system cannot say.
    pub is_orphan: Option<bool>,
}

/// Looks at the cluster and its server.
///
/// # Errors
/// When it cannot be looked at, or another cluster's server is in its place.
pub(crate) fn status(cluster: &ClusterContext) -> Result<Status, ClusterError> {
    let found = contents(cluster)?;
    let mut look = observe(cluster, false)?;
    let is_cluster = matches!(found, Contents::Cluster { .. } | Contents::Damaged { .. });
    let user = is_cluster.then(|| match look.role.as_str() {
        "" => superuser(cluster),
        role => role.to_owned(),
    });
    let nearest = cluster.project.amp_dir().ancestors().find(|path| path.exists());
    Ok(Status {
        server: server_state(cluster, &mut look)?,
        free: nearest.and_then(|path| space::free(path).ok().flatten()),
        network: mounts::network(cluster.project.amp_dir()),
        is_ephemeral: files::is_ephemeral(&cluster.directory),
        contents: found,
        url: user.as_ref().map(|user| look.socket.url(user)),
        socket: is_cluster.then(|| look.socket.clone()),
        tcp_url: port_beside(cluster)
            .zip(user.as_ref())
            .map(|(port, user)| port.url_for_hosts(user)),
        user,
    })
}

/// The sessions of a server besides ours, in words.
pub(crate) fn sessions(cluster: &ClusterContext) -> Result<Vec<String>, ClusterError> {
    let Ok(mut session) = observe(cluster, false)?.session else {
        return Ok(Vec::new());
    };
    let began = Instant::now();
    loop {
        // One that cannot be asked is stopped without a question.
        let rows = session.query(SESSIONS_IN_WORDS).unwrap_or_default();
        if rows.is_empty() || began.elapsed() > ENDING {
            return Ok(rows
                .into_iter()
                .filter_map(|row| row.into_iter().next()?)
                .collect());
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Names those who use the server, for a person: its sessions, or else the programs that it runs for.
///
/// # Errors
/// When nobody can tell who is there.
pub(crate) fn users(cluster: &ClusterContext) -> Result<Vec<String>, ClusterError> {
    let sessions = sessions(cluster)?;
    let path = cluster.project.users();
    if !sessions.is_empty() || cluster.servers()?.is_empty() {
        return Ok(sessions);
    }
    Ok(match lock::holders(&path) {
        Some(holders) => holders.into_iter().map(in_words).collect(),
        None if lock::is_available(&path)? => Vec::new(),
        None => vec![in_words(0)],
    })
}

/// More of a command line is not shown, in letters.
const SHOWN: usize = 100;

/// A process, with the command that it runs where the system says.
pub(crate) fn in_words(pid: u32) -> String {
    let line = atomic::read(&Utf8Path::new("/proc").join(format!("{pid}/cmdline")), 4096).unwrap_or_default();
    let words = String::from_utf8_lossy(&line);
    let words: Vec<&str> = words.split_terminator('\0').collect();
    match (pid, words.is_empty()) {
        (0, _) => "another process".to_owned(),
        (_, true) => format!("process {pid}"),
        (_, false) => {
            let line = words.join(" ");
            let cut = if line.chars().count() > SHOWN { "…" } else { "" };
            let begin: String = line.chars().take(SHOWN).collect();
            format!("process {pid} (`{}{cut}`)", begin.escape_debug())
        }
    }
}

fn server_state(cluster: &ClusterContext, look: &mut Observation) -> Result<ServerState, ClusterError> {
    let process = postmaster(&look.seen.processes)
        .or(look.seen.processes.first())
        .cloned();
    let pid = process.as_ref().map(|process| process.pid);
    match (&mut look.session, look.seen.answer) {
        (Ok(session), _) => {
            let purpose = purpose(cluster)?;
            let mut serving = Serving {
                version: session.version.clone(),
                pid,
                started: process.map(|process| process.started),
                uptime: 0,
                connections: 0,
                user: look.role.clone(),
                is_durable: false,
                purpose,
                is_orphan: match purpose {
                    Purpose::Stay => Some(false),
                    Purpose::Session | Purpose::Change => {
                        lock::is_held(&cluster.project.users()).map(|held| !held)
                    }
                },
            };
            if let Err(cause) = ask(session, &mut serving) {
                return Ok(ServerState::Busy {
                    pid,
                    message: cause.to_string(),
                    is_full: false,
                });
            }
            Ok(ServerState::Serves(serving))
        }
        (Err(Refusal { code, message }), SocketAnswer::Serves | SocketAnswer::NotYet) => {
            Ok(ServerState::Busy {
                pid,
                message: message.clone(),
                is_full: code == TOO_MANY,
            })
        }
        (Err(_), SocketAnswer::Nobody) if pid.is_some() => Ok(ServerState::Busy {
            pid,
            message: "the server does not answer on its socket".to_owned(),
            is_full: false,
        }),
        (Err(_), SocketAnswer::Nobody) => {
            let path = cluster.project.lock();
            // Shared, and for a moment: a start that meets it looks again.
            let is_free = path.symlink_metadata().is_err() || Lock::try_share(&path)?.is_some();
            Ok(if is_free {
                ServerState::Stopped
            } else {
                ServerState::OutOfReach {
                    holder: lock::holder(&path),
                }
            })
        }
    }
}

fn ask(session: &mut SqlSession, serving: &mut Serving) -> Result<(), WireError> {
    let all = format!(
        "select extract(epoch from current_timestamp - pg_postmaster_start_time())::bigint, ({SESSIONS}), {DURABLE}"
    );
    let mut columns = session.first_row(&all)?.into_iter().flatten();
    let mut number = || columns.next()?.parse().ok();
    serving.uptime = number().unwrap_or_default();
    serving.connections = number().unwrap_or_default();
    serving.is_durable = columns.next().as_deref() == Some("t");
    Ok(())
}

/// Bytes of all files of the cluster; what goes while we look does not count.
pub(crate) fn size(cluster: &ClusterContext) -> u64 {
    let mut size = 0;
    let mut open = vec![cluster.directory.to_owned().into_std_path_buf()];
    while let Some(path) = open.pop() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        for entry in entries {
            let Ok(found) = entry.metadata() else { continue };
            if found.is_dir() {
                open.push(entry.path());
            } else if found.is_file() {
                size += found.len();
            }
        }
    }
    size
}
