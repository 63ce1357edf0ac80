//! The reasons that a version is used in place of the active one: a pin, or a flag.

use std::fmt;

use camino::Utf8PathBuf;
use serde_json::{Value, json};

use crate::{
    commands::Error,
    domain::{ComponentName, Requirement},
    pins::{Pin, Pins},
    resolve::ResolveError,
};

/// The reason that a version is used in place of the active one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Chooser {
    /// `run --with`.
    With,
    /// A line of the project's `ampup.toml`.
    Pin {
        /// The file.
        path: Utf8PathBuf,
        /// The line in it.
        line: usize,
        /// The requirement in that line.
        requirement: Requirement,
    },
}

impl Chooser {
    pub(in super::super) fn of_pin(pins: &Pins, pin: &Pin) -> Self {
        Self::Pin {
            path: pins.path.clone(),
            line: pin.line,
            requirement: pin.requirement.clone(),
        }
    }

    /// The error of a pin, or of a flag, that the registry cannot answer.
    pub(in super::super) fn refused(&self, error: ResolveError) -> Error {
        match self {
            Self::With => error.into(),
            Self::Pin { .. } => Error::Pin {
                place: self.to_string(),
                error,
            },
        }
    }

    /// The error of a pin of which nothing is installed.
    pub(in super::super) fn not_installed(&self, name: &ComponentName) -> Error {
        let spec = match self {
            Self::Pin { requirement, .. } => format!("{name}@{requirement}"),
            Self::With => name.to_string(),
        };
        Error::NotFound {
            message: format!("{self} pins `{spec}`, which is not installed"),
            hint: "`ampup install`".to_owned(),
        }
    }

    /// The same for a program.
    pub(in super::super) fn json(&self) -> Value {
        match self {
            Self::With => Value::Null,
            Self::Pin {
                path,
                line,
                requirement,
            } => json!({ "path": path, "line": line, "requirement": requirement }),
        }
    }
}

impl fmt::Display for Chooser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::With => f.write_str("`--with`"),
            Self::Pin { path, line, .. } => write!(f, "line {line} of `{path}`"),
        }
    }
}
