//! Advice on backups.

use std::io;

use camino::Utf8Path;

use super::{MAKE_ROOM, hint_of_room, meant};
use crate::{
    backup::{self, BackupError},
    exit::Exit,
    shell,
};

/// The command that shows what there is.
const LISTS: &str = "`ampup db restore` without a file lists what could be restored";

impl BackupError {
    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Cluster(error) => error.hint(),
            Self::NoCluster(_) | Self::NoOther(_) => {
                Some("`ampup db list` shows the projects that have a database".to_owned())
            }
            Self::NotKept(_) => Some(LISTS.to_owned()),
            Self::Exists(_) | Self::Inside(_) => Some("name another file, or none".to_owned()),
            Self::NoDirectory(directory) => Some(format!(
                "`mkdir -p {}`, or name another file, or none",
                shell::typed(directory.as_str())
            )),
            Self::Outside(_) => {
                Some("copy it with `pg_dumpall`, or move the tablespace back into the cluster".to_owned())
            }
            Self::Damaged { .. } => Some(LISTS.to_owned()),
            Self::OtherMajor { source, .. } => source.hint(),
            Self::NoRoom { .. } => Some(MAKE_ROOM.to_owned()),
            Self::Io { action, path, source } if is_unknown(action, source) => {
                let is_backup = |path: &Utf8Path| backup::header(path).is_ok();
                Some(meant(path, is_backup).unwrap_or_else(|| LISTS.to_owned()))
            }
            Self::Io {
                action: "write",
                source,
                ..
            } if source.kind() == io::ErrorKind::NotFound => {
                Some("no file can be made in that directory: name another file, or none".to_owned())
            }
            Self::Io { source, .. } => hint_of_room(source),
        }
    }

    /// Returns the exit code of the program.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Cluster(error) => error.exit_code(),
            Self::NoCluster(_) | Self::NoOther(_) | Self::NotKept(_) => Exit::NotFound,
            Self::Exists(_) | Self::Inside(_) | Self::Outside(_) => Exit::Failed,
            Self::Damaged { .. } => Exit::Integrity,
            Self::OtherMajor { source, .. } => source.exit_code(),
            Self::NoRoom { .. } | Self::NoDirectory(_) => Exit::Disk,
            Self::Io { action, source, .. } if is_unknown(action, source) => Exit::NotFound,
            Self::Io { source, .. } => Exit::of_io(source),
        }
    }
}

/// Returns true if the backup that was named is not there.
fn is_unknown(action: &str, cause: &io::Error) -> bool {
    action == "read" && cause.kind() == io::ErrorKind::NotFound
}
