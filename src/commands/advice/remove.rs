//! Advice on removals.

use super::hint_of_io;
use crate::{exit::Exit, remove::RemoveError, shell};

impl RemoveError {
    /// The exit code of a command that fails so.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::InUse { .. }
            | Self::Running { .. }
            | Self::Unlisted(_)
            | Self::Needed { .. }
            | Self::NeededByKept { .. }
            | Self::Pinned { .. }
            | Self::AtWork { .. } => Exit::Busy,
            Self::Store(source) => Exit::of_io(source),
        }
    }

    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::InUse { pid, .. } | Self::Running { pid, .. } => {
                Some(format!("end process {pid} and run the same command again"))
            }
            Self::Unlisted(_) if cfg!(target_os = "linux") => Some("mount `/proc`".to_owned()),
            Self::Unlisted(_) => None,
            Self::Needed {
                component, version, ..
            } => Some(format!(
                "`ampup uninstall {component}@{version} --force`, if that database is not needed any more"
            )),
            Self::Pinned {
                component, version, ..
            } => Some(format!(
                "`ampup uninstall {component}@{version} --force`, if that project is not needed any more"
            )),
            Self::NeededByKept {
                component,
                version,
                cluster,
                ..
            } => Some(format!(
                "`ampup prune --remove {}`, if it is not needed any more, or `ampup uninstall {component}@{version} --force`",
                shell::typed(cluster.as_str())
            )),
            Self::AtWork { .. } => {
                Some("wait for that process, or end it, and run the same command again".to_owned())
            }
            Self::Store(source) => hint_of_io(source),
        }
    }
}
