//! Errors of backup and restore.

use std::io;

use camino::Utf8PathBuf;

use crate::{
    event::sized,
    exit::{Exit, hint_of_room},
    locate::LocateError,
    postgres::ClusterError,
};

/// The reason a backup was not made, or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Nothing is there to copy.
    #[error("there is no cluster in `{0}`")]
    NoCluster(Utf8PathBuf),
    /// Nothing is written over.
    #[error("`{0}` already exists")]
    Exists(Utf8PathBuf),
    /// It would be a part of what is copied.
    #[error("`{0}` is inside the database itself")]
    Inside(Utf8PathBuf),
    /// A part of the cluster lies elsewhere.
    #[error("the cluster has `{0}`, which is outside of it; a backup would be incomplete")]
    Outside(Utf8PathBuf),
    /// It is something else, or a part of one.
    #[error("`{file}` is not a complete backup: {why}")]
    Damaged {
        /// The file.
        file: Utf8PathBuf,
        /// The fault.
        why: String,
    },
    /// Only PostgreSQL of its own major opens it.
    #[error("`{file}` is a backup of PostgreSQL {major}")]
    OtherMajor {
        /// The file.
        file: Utf8PathBuf,
        /// Its major.
        major: u64,
        /// That this is not here.
        source: LocateError,
    },
    /// It would not fit.
    #[error("the cluster needs {} and `{amp_dir}` has {} free", sized(*needed), sized(*free))]
    NoRoom {
        /// Where it would go.
        amp_dir: Utf8PathBuf,
        /// The space needed.
        needed: u64,
        /// The space free.
        free: u64,
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
}

impl BackupError {
    /// The next command to type.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Cluster(error) => error.hint(),
            Self::NoCluster(_) => Some("`ampup db start` makes one".to_owned()),
            Self::Exists(_) | Self::Inside(_) => Some("name another file, or none".to_owned()),
            Self::Outside(_) => {
                Some("copy it with `pg_dumpall`, or move the tablespace back into the cluster".to_owned())
            }
            Self::Damaged { .. } => Some("use another backup; `.amp/backups/` has the last three".to_owned()),
            Self::OtherMajor { source, .. } => source.hint(),
            Self::NoRoom { .. } => {
                Some("make room (`ampup prune` lists what can go) and run the same command again".to_owned())
            }
            Self::Io { source, .. } => hint_of_room(source),
        }
    }

    /// Returns the exit code of the program.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Cluster(error) => error.exit_code(),
            Self::NoCluster(_) => Exit::NotFound,
            Self::Exists(_) | Self::Inside(_) | Self::Outside(_) => Exit::Failed,
            Self::Damaged { .. } => Exit::Integrity,
            Self::OtherMajor { source, .. } => source.exit_code(),
            Self::NoRoom { .. } => Exit::Disk,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Exit::NotFound,
            Self::Io { source, .. } => Exit::of_io(source),
        }
    }
}
