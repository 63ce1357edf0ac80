//! Errors of the system that say what could not be done to which path.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

/// The same kind of error, saying what could not be done to which path.
pub(super) fn named(cause: io::Error, action: &str, path: &Utf8Path) -> io::Error {
    io::Error::new(
        cause.kind(),
        NamedError {
            action: action.to_owned(),
            path: path.to_owned(),
            cause,
        },
    )
}

#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{path}`: {cause}")]
struct NamedError {
    action: String,
    path: Utf8PathBuf,
    cause: io::Error,
}
