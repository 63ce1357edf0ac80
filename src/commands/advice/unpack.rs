//! Advice on archives.

use std::io;

use super::hint_of_io;
use crate::{exit::Exit, unpack::UnpackError};

impl UnpackError {
    /// The exit code of a command that fails so.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Refused { .. } => Exit::Integrity,
            Self::Read { source, .. } | Self::Write { source, .. } => Exit::of_io(source),
            Self::NoRoom { .. } => Exit::Disk,
        }
    }

    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { .. } => None,
            Self::Read { source, .. } | Self::Write { source, .. } => hint_of_io(source),
            Self::NoRoom { .. } => hint_of_io(&io::ErrorKind::StorageFull.into()),
        }
    }
}
