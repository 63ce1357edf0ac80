//! Looking at a cluster's server, once: its processes, its socket, its pid file.

use std::time::Duration;

use crate::{
    fs::identity::{FileIdentity, is_same},
    postgres::{
        context::ClusterContext,
        error::ClusterError,
        identity::{Process, postmaster, suspended},
        observe::{
            address,
            decide::{Seen, SocketAnswer},
            endpoint::Socket,
            files,
            pid_file::{self, PidFile},
            roles::roles,
            sql_session::{self, Answer, NO_ENTRY, SqlSession},
        },
        user::current_uid,
    },
};

/// The time in which a server must send its next message. One that is stopped (SIGSTOP) never does.
const ANSWER: Duration = Duration::from_secs(5);

/// An observation of a cluster's server, with the session that was opened for it.
#[derive(Debug)]
pub(crate) struct Observation {
    pub(crate) seen: Seen,
    pub(crate) socket: Socket,
    pub(crate) role: String,
    pub(crate) session: Result<SqlSession, Refusal>,
}

/// The reason no session was opened.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The SQLSTATE; empty where no server said one.
    pub(crate) code: String,
    pub(crate) message: String,
}

/// An answer of one socket that counts.
struct Found {
    answer: SocketAnswer,
    role: String,
    session: Result<SqlSession, Refusal>,
}

/// Looks at the server: its processes, its socket, its pid file.
pub(crate) fn observe(cluster: &ClusterContext, lock_is_ours: bool) -> Result<Observation, ClusterError> {
    let directory = &cluster.directory;
    // The process list comes first: a server that ends while we look is then still seen, and waited for.
    let processes = cluster.servers()?;
    let pid_file = files::pid_file(directory).map_err(cluster.failed(pid_file::READ))?;
    let owner = files::owner(directory).unwrap_or_else(|_| current_uid());
    let mut found = None;
    let mut candidates = address::candidates(cluster, &pid_file, owner).into_iter();
    if let Some(silent) = unasked(&processes, &pid_file)
        && let Some(candidate) = candidates.next()
    {
        candidates = Vec::new().into_iter();
        found = Some((candidate, silent));
    }
    for candidate in candidates {
        if let Some(answer) = ask(cluster, &candidate, owner, &processes)? {
            found = Some((candidate, answer));
            break;
        }
    }
    let ours = address::expected(cluster, owner)?;
    let named_process_exists = files::lock_files(directory, &ours)
        .iter()
        .filter_map(|path| files::lock_file(path).ok()?.entry().map(|entry| entry.pid))
        .any(files::exists);
    let (socket, found) = found.unwrap_or_else(|| (ours, Found::nobody()));
    Ok(Observation {
        seen: Seen {
            lock_is_ours,
            processes,
            answer: found.answer,
            pid_file,
            named_process_exists,
        },
        socket,
        role: found.role,
        session: found.session,
    })
}

/// The answer of a server that need not be asked: one that is suspended would be waited for in vain, and one that says that it
/// is starting would only write into its log that it refused.
fn unasked(processes: &[Process], pid_file: &PidFile) -> Option<Found> {
    if let Some(pid) = suspended(processes) {
        return Some(Found::not_yet(format!("its server (process {pid}) is suspended")));
    }
    let entry = pid_file.entry().filter(|entry| entry.is_starting)?;
    let is_its = postmaster(processes).is_some_and(|process| process.pid == entry.pid);
    is_its.then(|| Found::not_yet("the database system is starting up".to_owned()))
}

impl Found {
    fn not_yet(message: String) -> Self {
        Self {
            answer: SocketAnswer::NotYet,
            role: String::new(),
            session: Err(Refusal {
                code: String::new(),
                message,
            }),
        }
    }

    fn nobody() -> Self {
        Self {
            answer: SocketAnswer::Nobody,
            role: String::new(),
            session: Err(Refusal {
                code: String::new(),
                message: "no server is listening".to_owned(),
            }),
        }
    }
}

/// Asks one socket. `None` where nobody is, or somebody else.
fn ask(
    cluster: &ClusterContext,
    socket: &Socket,
    owner: u32,
    processes: &[Process],
) -> Result<Option<Found>, ClusterError> {
    let is_inside = is_same(&socket.host, &cluster.directory);
    let is_seen = postmaster(processes).is_some();
    let counts = is_inside || is_seen;
    let mut refused = None;
    for role in roles(cluster, owner) {
        match sql_session::connect(socket, &role, ANSWER) {
            Answer::Nobody => return Ok(None),
            Answer::NotYet(message) => {
                let code = String::new();
                return Ok(counts.then_some(Found {
                    answer: SocketAnswer::NotYet,
                    role,
                    session: Err(Refusal { code, message }),
                }));
            }
            Answer::Ready(mut session) => {
                return match serves(cluster, &mut session, is_inside, is_seen) {
                    Some(true) => Ok(Some(Found {
                        answer: SocketAnswer::Serves,
                        role,
                        session: Ok(session),
                    })),
                    Some(false) => Ok(None),
                    None => Err(ClusterError::OtherCluster {
                        socket: socket.to_string(),
                        cluster: cluster.directory.clone(),
                    }),
                };
            }
            // Whoever is not let in is tried under another name; the first refusal is the one to tell, before any but
            // one that is not about names.
            Answer::Refused { code, message } => {
                let is_about_names = code == NO_ENTRY;
                if refused.is_none() || !is_about_names {
                    refused = Some((role, Refusal { code, message }));
                }
                if !is_about_names {
                    break;
                }
            }
        }
    }
    Ok(refused.filter(|_| counts).map(|(role, refusal)| Found {
        answer: SocketAnswer::Serves,
        role,
        session: Err(refusal),
    }))
}

/// Returns true if the server behind a session serves this directory. A project that was copied while its server ran
/// holds a pid file that leads to the original's socket. `None`: a server of another directory listens in ours.
fn serves(
    cluster: &ClusterContext,
    session: &mut SqlSession,
    is_inside: bool,
    is_seen: bool,
) -> Option<bool> {
    let directory = session.value("select current_setting('data_directory')").ok();
    // From within another container its path may mean nothing here.
    let there = directory.and_then(|directory| FileIdentity::of(directory.as_str().into()).ok());
    let here = FileIdentity::of(&cluster.directory).ok();
    match (here, there) {
        (Some(here), Some(there)) if here.id == there.id => Some(true),
        (_, None) => Some(is_inside || is_seen),
        _ if is_inside => None,
        _ => Some(false),
    }
}
