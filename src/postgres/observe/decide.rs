//! Decisions about what a directory is, and about a cluster's server, from facts that were read a moment ago. Nothing
//! here looks at anything, and nothing is remembered.

use crate::postgres::{
    identity::{Process, Role, postmaster},
    observe::pid_file::PidFile,
};

/// Numbers below this are PostgreSQL's own; everything that a user makes gets one from here on
/// (`FirstNormalObjectId`, <https://www.postgresql.org/docs/current/system-catalog-initial-data.html>).
pub const FIRST_OF_USERS: u64 = 16384;

/// The prefix of an unfinished cluster's name.
pub const NEW: &str = "metadb.new-";
/// The beginning of the name of a cluster that another one took the place of; the time follows.
pub const OLD: &str = "metadb.old-";

/// The facts about a directory that may be a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The names in it.
    pub entries: Vec<String>,
    /// The content of `PG_VERSION`.
    pub version: Option<String>,
    /// True if `global/pg_control` exists and is not empty.
    pub has_control: bool,
    /// True if `pg_control` does not say that its last user, which may be initdb, shut down in good order.
    pub is_open: bool,
    /// The databases that initdb makes, as far as nobody made more.
    pub databases: Databases,
    /// True if the list of databases, as far as it is on disk, has the last of them, and nobody made more.
    pub names_last_database: bool,
    /// True if a database, a table or a tablespace has a number from the range of users' objects.
    pub has_users_objects: bool,
    /// The first of the directories and files that no server starts without and that is not there.
    pub lacks: Option<&'static str>,
    /// True if `pg_control` proves that whoever had it last shut down in good order, and that nothing which a user makes was ever
    /// given a number, be it a table, a role, a function or a large object.
    pub is_pristine: bool,
    /// The first file of the system's own tables that is not there, and without which no server starts or lets a client in.
    pub lacks_catalog: Option<String>,
}

/// The databases that initdb makes: `template1`, then `template0` and `postgres` as copies of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Databases {
    /// There is none.
    #[default]
    Absent,
    /// The last one is not there.
    Some,
    /// The last one lacks files that the one before it has.
    Begun,
    /// All of them are there.
    All,
}

/// The kind of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contents {
    /// Nothing has that name.
    Absent,
    /// A directory without anything in it.
    Empty,
    /// A cluster.
    Cluster {
        /// The major version that can open it.
        major: u64,
    },
    /// The remains of an initdb that was killed before it was done, or of one that lost files before anybody used it. Nobody's
    /// data can be in it.
    Unfinished,
    /// A cluster that lacks a file or a directory which it cannot be without.
    Damaged {
        /// The missing part.
        lacks: String,
    },
    /// Something else, which is nobody's to touch.
    Foreign {
        /// One thing that is in it.
        entry: String,
    },
}

/// Decides what a directory is. `PG_VERSION` alone proves nothing: initdb writes it long before it is done.
pub fn contents(listing: &Listing) -> Contents {
    if listing.entries.is_empty() {
        return Contents::Empty;
    }
    // Every server writes its command line into this file, and initdb never runs one: where it is, somebody's data may
    // be, whatever else is missing (a disk that is not mounted, for example).
    let was_served = listing.entries.iter().any(|entry| entry == "postmaster.opts");
    let is_virgin = !was_served && !listing.has_users_objects;
    let Some(version) = &listing.version else {
        let foreign = listing.entries.iter().find(|entry| !is_of_cluster(entry));
        return match foreign {
            Some(entry) => Contents::Foreign { entry: entry.clone() },
            None if is_virgin => Contents::Unfinished,
            None => damaged("PG_VERSION"),
        };
    };
    let is_whole = listing.has_control && listing.databases == Databases::All;
    // A copy of a running cluster without the file with its command line, as pg_basebackup makes it, is as open as one that
    // initdb still works in.
    let is_open = listing.is_open && !listing.entries.iter().any(|entry| entry == "backup_label");
    let (lacks, lacks_catalog) = (listing.lacks, listing.lacks_catalog.as_deref());
    match version.trim().parse() {
        _ if is_virgin && (!is_whole || is_open) => Contents::Unfinished,
        _ if was_served && is_half_made(listing) => Contents::Unfinished,
        _ if listing.is_pristine
            && !listing.has_users_objects
            && lacks.is_none()
            && lacks_catalog.is_some() =>
        {
            Contents::Unfinished
        }
        Err(_) => damaged("PG_VERSION"),
        Ok(_) if !listing.has_control => damaged("global/pg_control"),
        Ok(major) => match lacks.or(lacks_catalog) {
            Some(lacks) => damaged(lacks),
            None => Contents::Cluster { major },
        },
    }
}

fn damaged(lacks: &str) -> Contents {
    Contents::Damaged {
        lacks: lacks.to_owned(),
    }
}

/// Returns true for what a killed initdb left and a server was started on after that, as ampd does.
///
/// Nobody has data in it: `postgres`, the database that clients are led to and that all others are made from, was never made
/// (it lacks files, or the cluster's list of databases does not have it), no database, table or tablespace has a number of the
/// range from which all that users make is numbered, and the place where databases lie is there, so that none can be on a
/// disk that is not mounted.
fn is_half_made(listing: &Listing) -> bool {
    let is_last_missing = match listing.databases {
        Databases::Some => !listing.names_last_database,
        Databases::Begun => true,
        Databases::Absent | Databases::All => false,
    };
    listing.has_control && is_last_missing && !listing.has_users_objects
}

/// Returns true if initdb makes something of this name before it writes `PG_VERSION`, or we do where we fill a volume
/// (<https://www.postgresql.org/docs/current/storage-file-layout.html>).
fn is_of_cluster(entry: &str) -> bool {
    entry.starts_with("pg_")
        || entry.starts_with(NEW)
        || [
            "base",
            "global",
            "data",
            "postmaster.opts",
            "postmaster.pid",
            "postgresql.conf",
        ]
        .contains(&entry)
}

/// The facts about a cluster's server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// True if we hold the cluster's lock.
    pub lock_is_ours: bool,
    /// The processes that work in it, as far as we can see processes.
    pub processes: Vec<Process>,
    /// The answer of the socket.
    pub answer: SocketAnswer,
    /// The content of `postmaster.pid`.
    pub pid_file: PidFile,
    /// True if some process, whatever it is, has the id which that file or the socket's own lock file names.
    pub named_process_exists: bool,
}

/// The answer of the socket, without the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketAnswer {
    /// It serves.
    Serves,
    /// A server is there and does not serve now.
    NotYet,
    /// Nobody listens.
    Nobody,
}

/// The next step for a cluster that must be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Its server serves: use it.
    Adopt,
    /// Somebody is there: look again in a moment.
    Wait(WaitFor),
    /// Nobody is there, which the lock in our hands proves: start a server.
    Start {
        /// `postmaster.pid` and the socket's lock file are in PostgreSQL's way and nobody's.
        clear_lock_files: bool,
    },
}

/// Who is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// A server that is starting, recovering or stopping.
    Server(Option<u32>),
    /// A server that is there, but not on the socket where it should be.
    ServerWithoutSocket(u32),
    /// Processes that outlive their server and end by themselves.
    Survivors(u32),
    /// initdb or single-user mode.
    Single(u32),
    /// Whoever holds the lock: another ampup that makes or starts the cluster, or a server in another container.
    LockHolder,
}

/// Decides what to do next. A server is there if the socket answers, or if a process works in the directory, or if the
/// lock is held; the pid file proves nothing, neither way.
pub fn next(seen: &Seen) -> Next {
    let server = postmaster(&seen.processes);
    match seen.answer {
        SocketAnswer::Serves => return Next::Adopt,
        SocketAnswer::NotYet => return Next::Wait(WaitFor::Server(server.map(|server| server.pid))),
        SocketAnswer::Nobody => {}
    }
    if let Some(server) = server {
        return Next::Wait(WaitFor::ServerWithoutSocket(server.pid));
    }
    if let Some(process) = seen.processes.first() {
        return Next::Wait(match process.role {
            Role::Single => WaitFor::Single(process.pid),
            Role::Backend | Role::Postmaster => WaitFor::Survivors(process.pid),
        });
    }
    if !seen.lock_is_ours {
        return Next::Wait(WaitFor::LockHolder);
    }
    Next::Start {
        // PostgreSQL itself removes a file whose process is gone. It refuses to start beside a damaged one, and beside
        // one that names any living process of its user, such as an unrelated one that got the id since.
        clear_lock_files: seen.pid_file == PidFile::Damaged || seen.named_process_exists,
    }
}

#[cfg(test)]
mod tests;
