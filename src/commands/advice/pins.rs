//! Advice on a project's `ampup.toml`.

use super::hint_of_room;
use crate::{exit::Exit, pins::PinsError};

impl PinsError {
    /// The exit code of a command that fails so.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Io(cause) => Exit::of_io(cause),
            Self::Malformed { .. } | Self::Senseless { .. } => Exit::Usage,
        }
    }

    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io(cause) => hint_of_room(cause),
            Self::Malformed { .. } => None,
            Self::Senseless { .. } => {
                Some("a pin is a line of `[components]`, such as `postgres = \"18\"`".to_owned())
            }
        }
    }
}
