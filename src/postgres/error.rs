//! Errors of starting and stopping a cluster's server.

use std::{io, process::ExitStatus};

use camino::Utf8PathBuf;

use super::{
    access::AccessError,
    program::{ProgramError, indented},
    project::ProjectError,
    user::UserError,
};
use crate::{children::ended, fs::lock::LockError, locate::LocateError};

/// The reason a cluster is not served, or not stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// There is no project here.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// PostgreSQL is not installed.
    #[error(transparent)]
    Locate(#[from] LocateError),
    /// This user may not.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// There is no user to run the server as.
    #[error(transparent)]
    User(#[from] UserError),
    /// The cluster's lock cannot be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A program of PostgreSQL.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// initdb said that all is well, and it is not.
    #[error("what initdb made in `{directory}` is no cluster of PostgreSQL {major}")]
    NotWhole {
        /// Where.
        directory: Utf8PathBuf,
        /// Which was expected.
        major: u64,
    },
    /// The binaries cannot open this data.
    #[error("`{cluster}` is data of PostgreSQL {data}, and these are the programs of PostgreSQL {programs}")]
    MajorDiffers {
        /// The cluster.
        cluster: Utf8PathBuf,
        /// Its major.
        data: u64,
        /// The tree's.
        programs: u64,
    },
    /// Something is in the cluster's place.
    #[error("`{cluster}` is not empty and not a cluster: it holds `{entry}`")]
    Foreign {
        /// The place.
        cluster: Utf8PathBuf,
        /// One thing that is in it.
        entry: String,
    },
    /// A cluster with a hole.
    #[error("the cluster `{cluster}` is damaged: it lacks `{lacks}`, or that is unreadable")]
    Damaged {
        /// The cluster.
        cluster: Utf8PathBuf,
        /// The missing part.
        lacks: String,
    },
    /// Its users dropped the database that every client is led to.
    #[error("the database `postgres`, which clients are led to, was dropped from `{cluster}`")]
    Dropped {
        /// The cluster.
        cluster: Utf8PathBuf,
    },
    /// A file operation.
    #[error("cannot {action} `{path}`")]
    Io {
        /// The action that was tried.
        action: &'static str,
        /// On what.
        path: Utf8PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The server ended before it served.
    #[error("the server ended while starting ({}); the end of `{log}` is:{}", ended(.status), indented(.last_lines))]
    EarlyEnd {
        /// The exit status.
        status: ExitStatus,
        /// Its log.
        log: Utf8PathBuf,
        /// The last lines of its output.
        last_lines: Vec<String>,
    },
    /// Nothing changed for too long.
    #[error("{what}, and nothing has changed for {seconds} s{}", end_of(.log.as_ref(), .last_lines))]
    Stuck {
        /// The state that was found.
        what: String,
        /// For how long.
        seconds: u64,
        /// The server's log; `None` where the program that started it has that.
        log: Option<Utf8PathBuf>,
        /// The last lines of its output.
        last_lines: Vec<String>,
    },
    /// Its server does nothing until it is told to go on.
    #[error("the server of `{cluster}` (process {pid}) is suspended")]
    Suspended {
        /// The cluster.
        cluster: Utf8PathBuf,
        /// Its process.
        pid: u32,
    },
    /// A server is there that does not take our session, or not what we ask in it.
    #[error("the server of `{cluster}` refused: {message} ({code})")]
    Refused {
        /// The cluster.
        cluster: Utf8PathBuf,
        /// The SQLSTATE.
        code: String,
        /// The message.
        message: String,
    },
    /// The file that holds the superuser's password is gone, or holds none.
    #[error("the password of `{cluster}` is not in `{file}`")]
    NoPassword {
        /// The cluster.
        cluster: Utf8PathBuf,
        /// Where it should be.
        file: Utf8PathBuf,
    },
    /// The socket is that of another cluster.
    #[error("the server on `{socket}` serves another directory than `{cluster}`")]
    OtherCluster {
        /// The socket.
        socket: String,
        /// The cluster.
        cluster: Utf8PathBuf,
    },
    /// Others need it as it is.
    #[error("`{cluster}` is in use by {holder}")]
    InUse {
        /// The cluster.
        cluster: Utf8PathBuf,
        /// By whom.
        holder: String,
    },
    /// A server is there that we cannot see, so it cannot be stopped from here.
    #[error(
        "the server of `{cluster}` runs where its process cannot be seen from here: it was started by {holder}"
    )]
    OutOfReach {
        /// The cluster.
        cluster: Utf8PathBuf,
        /// Who started it.
        holder: String,
    },
}

fn end_of(log: Option<&Utf8PathBuf>, last_lines: &[String]) -> String {
    match log {
        Some(log) => format!("; the end of `{log}` is:{}", indented(last_lines)),
        None => "; its log is that of the program which started it".to_owned(),
    }
}
