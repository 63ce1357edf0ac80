//! Advice on a newer registry.

use super::hint_of_io;
use crate::{exit::Exit, fetch::FetchError, refresh::RefreshError};

impl RefreshError {
    /// The exit code of a command that fails so.
    pub fn exit_code(&self) -> Exit {
        match self {
            // A signature that is not there is as bad as a wrong one.
            Self::Fetch(FetchError::Gone { .. }) => Exit::Integrity,
            Self::Fetch(error) => error.exit_code(),
            Self::Refused { source, .. } => source.exit_code(),
            Self::Store(source) => Exit::of_io(source),
        }
    }

    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fetch(FetchError::Gone { .. } | FetchError::TooLarge { .. }) => {
                Some("the registry in use keeps working; run `ampup update` again later".to_owned())
            }
            Self::Fetch(error) => error.hint(),
            Self::Refused { source, .. } => source.hint(),
            Self::Store(source) => hint_of_io(source),
        }
    }
}
