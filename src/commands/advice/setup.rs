//! Advice on the files of shells.

use super::hint_of_io;
use crate::{exit::Exit, setup::SetupError};

impl SetupError {
    /// The exit code of a command that fails so.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Record(source) | Self::NotAdded { source, .. } | Self::NotTakenBack { source, .. } => {
                Exit::of_io(source)
            }
            Self::Unreadable { .. } => Exit::Failed,
        }
    }

    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Record(source) => hint_of_io(source),
            Self::Unreadable { path, .. } => Some(format!(
                "`rm '{path}'`; then the shells' files are searched for ampup's lines"
            )),
            Self::NotAdded { line, .. } => Some(format!(
                "make it writable and run `ampup init` again, or add this line to it by hand: {line}"
            )),
            Self::NotTakenBack { .. } => Some(
                "make it writable and run `ampup self uninstall` again; `--no-modify-path` leaves the shells' files alone"
                    .to_owned(),
            ),
        }
    }
}
