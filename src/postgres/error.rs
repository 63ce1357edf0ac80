//! Errors of starting and stopping a cluster's server.

use std::{io, process::ExitStatus};

use camino::Utf8PathBuf;

use super::{
    access::AccessError,
    host_fault::HostFault,
    observe::session::{DISK_FULL, NO_ENTRY, TOO_MANY, WRONG_PASSWORD, is_unknown_role},
    program::{ProgramError, disk_in, indented},
    project::ProjectError,
    user::UserError,
};
use crate::{
    exit::{Exit, hint_of_io},
    fs::lock::LockError,
    locate::LocateError,
};

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
        lacks: &'static str,
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
    #[error("the server ended while starting ({status}); the end of `{log}` is:{}", indented(.last_lines))]
    EarlyEnd {
        /// The exit status.
        status: ExitStatus,
        /// Its log.
        log: Utf8PathBuf,
        /// The last lines of its output.
        last_lines: Vec<String>,
    },
    /// Nothing changed for too long.
    #[error("{what}, and nothing has changed for {seconds} s; the end of `{log}` is:{}", indented(.last_lines))]
    Stuck {
        /// The state that was found.
        what: String,
        /// For how long.
        seconds: u64,
        /// The server's log.
        log: Utf8PathBuf,
        /// The last lines of its output.
        last_lines: Vec<String>,
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

#[cfg(feature = "cli")]
impl ClusterError {
    /// The next command to type.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Project(cause) => cause.hint(),
            Self::Locate(cause) => cause.hint(),
            Self::Access(cause) => cause.hint(),
            Self::User(cause) => cause.hint(),
            Self::Lock(LockError::Io { source, .. }) => hint_of_database(source),
            Self::Lock(cause) => cause.hint(),
            Self::Program(ProgramError::Failed { last_lines, .. }) => match HostFault::find(last_lines) {
                Some(fault) => Some(fault.hint().to_owned()),
                None => disk_in(last_lines).and_then(|kind| hint_of_database(&kind.into())),
            }
            Self::Program(cause) => cause.hint(),
            Self::Io { source, .. } => hint_of_database(source),
            Self::NotWhole { .. } => Some("`ampup verify --repair postgres`".to_owned()),
            Self::MajorDiffers { data, .. } => Some(format!(
                "`ampup install --component postgres@{data}` brings the programs of that data; both can be installed"
            )),
            Self::Foreign { .. } => {
                Some("move it away, or set `AMP_DIR` to another directory: it is never written over".to_owned())
            }
            Self::Damaged { .. } => Some(
                "restore a backup with `ampup db restore`, or begin anew with `ampup db reset`, which keeps the old one"
                    .to_owned(),
            ),
            Self::EarlyEnd { last_lines, .. } => match (HostFault::find(last_lines), disk_in(last_lines)) {
                (Some(fault), _) => Some(fault.hint().to_owned()),
                (None, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) => {
                    Some("make room and run the same command again; nothing is lost".to_owned())
                }
                (None, Some(other)) => hint_of_database(&other.into()),
                (None, None) => None,
            },
            Self::Stuck { .. } => Some("`ampup db stop --force` ends it without losing what was committed".to_owned()),
            Self::Refused { code, message, .. } => match code.as_str() {
                TOO_MANY => Some("close some of its sessions".to_owned()),
                DISK_FULL => hint_of_io(&io::ErrorKind::StorageFull.into()),
                NO_ENTRY if is_unknown_role(code, message) => Some(
                    "another user made it: `ampup db backup FILE`, then `ampup db restore FILE` makes it yours; or give its URL to \
                     ampd in `metadata_db.url`"
                        .to_owned(),
                ),
                NO_ENTRY | WRONG_PASSWORD => Some(
                    "ampup needs a superuser who is let in without a password: look at its roles and its `pg_hba.conf`".to_owned(),
                ),
                _ => None,
            },
            Self::NoPassword { file, .. } => Some(format!(
                "put `{file}` back, from where the cluster was copied or from a backup of this directory"
            )),
            Self::OtherCluster { socket, .. } => Some(format!("stop that server, or remove `{socket}` if none is there")),
            Self::InUse { .. } => Some("end that first, then run the same command again".to_owned()),
            Self::OutOfReach { .. } => Some("stop it there".to_owned()),
        }
    }

    /// Returns the exit code of the program.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Project(cause) => cause.exit_code(),
            Self::Locate(cause) => cause.exit_code(),
            Self::Access(cause) => cause.exit_code(),
            Self::User(cause) => cause.exit_code(),
            Self::Lock(cause) => cause.exit_code(),
            Self::Io { source, .. } => Exit::of_io(source),
            Self::Program(cause) => cause.exit_code(),
            Self::EarlyEnd { last_lines, .. } if disk_in(last_lines).is_some() => Exit::Disk,
            Self::Refused { code, .. } if code == DISK_FULL => Exit::Disk,
            Self::NotWhole { .. }
            | Self::MajorDiffers { .. }
            | Self::Foreign { .. }
            | Self::Damaged { .. }
            | Self::EarlyEnd { .. }
            | Self::Refused { .. }
            | Self::NoPassword { .. }
            | Self::OtherCluster { .. } => Exit::Failed,
            Self::Stuck { .. } | Self::InUse { .. } | Self::OutOfReach { .. } => Exit::Busy,
        }
    }
}

/// A project's database is not in ampup's home.
#[cfg(feature = "cli")]
fn hint_of_database(cause: &io::Error) -> Option<String> {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, ReadOnlyFilesystem, ResourceBusy, Unsupported};
    match cause.kind() {
        ResourceBusy | CrossesDevices => Some(
            "a volume that is mounted at `metadb` cannot be exchanged for another cluster: mount it at `.amp` instead".to_owned(),
        ),
        PermissionDenied | ReadOnlyFilesystem | Unsupported => {
            Some("choose a directory that you can write to, with `AMP_DIR` or `--amp-dir`".to_owned())
        }
        _ => hint_of_io(cause),
    }
}
