//! Advice on damaged trees.

use crate::{exit::Exit, verify::VerifyError};

impl VerifyError {
    /// The exit code of a command that fails so.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Digest { .. } | Self::Size { .. } => Exit::Integrity,
            Self::Io { source, .. } => Exit::of_io(source),
        }
    }
}
