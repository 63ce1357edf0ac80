//! Advice on locks.

use super::hint_of_io;
use crate::{exit::Exit, fs::lock::LockError};

impl LockError {
    /// The exit code of a command that fails so.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Busy { .. } => Exit::Busy,
            Self::Io { source, .. } => Exit::of_io(source),
        }
    }

    /// Returns the next command to type, about a lock in ampup's home.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Busy { .. } => {
                Some("wait for that process, end it, or wait longer with `--lock-timeout`".to_owned())
            }
            Self::Io { source, .. } => hint_of_io(source),
        }
    }
}
