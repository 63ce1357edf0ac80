//! Advice on `config.toml`.

use std::io;

use super::hint_of_io;
use crate::{exit::Exit, settings::SettingsError};

impl SettingsError {
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
            // What the home's path leads to is a file.
            Self::Io(cause) if cause.kind() == io::ErrorKind::NotADirectory => {
                Some("choose another home, with `AMPUP_HOME` or `--home`".to_owned())
            }
            Self::Io(cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
                Some("choose a home that is yours, with `AMPUP_HOME` or `--home`, or ask its owner to open it: `chmod a+rX`".to_owned())
            }
            Self::Io(cause) => hint_of_io(cause),
            Self::Malformed { path, .. } => Some(format!("correct it, or move it away: `mv {path} {path}.old`")),
            Self::Senseless { key, takes, .. } => Some(format!("`{key}` takes {takes}")),
        }
    }
}
