//! Advice where a component does not run here.

use super::hint_of_io;
use crate::{accept::AcceptError, exit::Exit};

impl AcceptError {
    /// The exit code of a command that fails so.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::DoesNotRun(error) => error.exit_code(),
            Self::WrongVersion { .. } | Self::NoExecutable { .. } => Exit::Failed,
            Self::User(error) => error.exit_code(),
            Self::Closed { .. } => Exit::Disk,
            Self::Io(source) => Exit::of_io(source),
        }
    }

    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::DoesNotRun(error) => error.hint(),
            Self::WrongVersion { .. } | Self::NoExecutable { .. } => None,
            Self::User(error) => error.hint(),
            Self::Closed { owner, directory, .. } => Some(match owner {
                Some(owner) => {
                    format!("run ampup as `{owner}`, or choose another home with `AMPUP_HOME` or `--home`")
                }
                None => format!("`chmod o+x '{directory}'`, or `AMPUP_HOME=/opt/ampup`"),
            }),
            Self::Io(source) => hint_of_io(source),
        }
    }
}
