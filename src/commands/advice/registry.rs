//! Advice on a manifest and its signature.

use crate::{
    exit::Exit,
    registry::{manifest::ManifestError, trust::TrustError},
};

impl TrustError {
    /// The exit code of a command that fails so.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::NotASignature(_)
            | Self::Legacy
            | Self::UnknownKey(_)
            | Self::RevokedKey(_)
            | Self::Comment(_)
            | Self::Forged(_)
            | Self::OtherRegistry { .. }
            | Self::DefaultId(_)
            | Self::Disagrees { .. }
            | Self::Lower { .. }
            | Self::SameOtherBytes { .. } => Exit::Integrity,
            Self::Manifest(error) => error.exit_code(),
        }
    }

    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::UnknownKey(_) | Self::RevokedKey(_) => {
                "install the newest ampup: keys change with it; until then the registry in use keeps working"
            }
            Self::NotASignature(_)
            | Self::Legacy
            | Self::Comment(_)
            | Self::Forged(_)
            | Self::OtherRegistry { .. }
            | Self::Disagrees { .. }
            | Self::Lower { .. }
            | Self::SameOtherBytes { .. } => {
                "the registry in use keeps working; run `ampup update` again later, and report it if this stays"
            }
            Self::DefaultId(_) => {
                "whoever publishes it gives it an id of its own: `registry` in the document, and `registry=ID` where it is signed"
            }
            Self::Manifest(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }
}

impl ManifestError {
    /// The exit code of a command that fails so.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Malformed(_) => Exit::Integrity,
            Self::TooNew { .. } => Exit::Failed,
        }
    }

    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Malformed(_) => None,
            Self::TooNew { .. } => Some("`ampup self update`".to_owned()),
        }
    }
}
