//! Advice on mirrors.

use super::hint_of_room;
use crate::{exit::Exit, mirror::MirrorError};

impl MirrorError {
    /// The exit code of a command that fails so.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Absent { .. } => Exit::NotFound,
            Self::Foreign { .. } | Self::OtherRegistry { .. } => Exit::Usage,
            Self::Damaged { .. } => Exit::Integrity,
            Self::Lock(error) => error.exit_code(),
            Self::Disk { source, .. } => Exit::of_io(source),
        }
    }

    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Absent { directory } => Some(format!(
                "`ampup mirror {}` makes one",
                crate::shell::typed(directory.as_str())
            )),
            Self::Foreign { .. } | Self::OtherRegistry { .. } => {
                Some("name an empty directory, or one that does not exist yet".to_owned())
            }
            Self::Damaged { .. } => None,
            Self::Lock(error) => error.hint(),
            Self::Disk { source, .. } => hint_of_room(source),
        }
    }
}
