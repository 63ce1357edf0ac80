//! Errors of backup and restore.

use std::io;

use camino::Utf8PathBuf;

use crate::{
    event::{sized_down, sized_up},
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
    #[error("there is no database in `{0}`")]
    NoCluster(Utf8PathBuf),
    /// The other project has no database.
    #[error("there is no database in `{0}`")]
    NoOther(Utf8PathBuf),
    /// The directory that was named is no cluster that was put aside.
    #[error("there is no database in `{0}`")]
    NotKept(Utf8PathBuf),
    /// Nothing is written over.
    #[error("`{0}` already exists")]
    Exists(Utf8PathBuf),
    /// It would lie in a directory that is not there.
    #[error("there is no directory `{0}`")]
    NoDirectory(Utf8PathBuf),
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
    #[error("`{file}` was created by PostgreSQL {major}")]
    OtherMajor {
        /// The file.
        file: Utf8PathBuf,
        /// Its major.
        major: u64,
        /// The reason: it is not here.
        source: LocateError,
    },
    /// It would not fit.
    #[error("the cluster needs {} and `{place}` has {} free", sized_up(*needed), sized_down(*free))]
    NoRoom {
        /// Where it would go.
        place: Utf8PathBuf,
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
