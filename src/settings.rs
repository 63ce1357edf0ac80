//! What the user has settled in `config.toml`.

use camino::Utf8Path;
use serde::Deserialize;

use crate::{
    exit::{Exit, hint_of_io},
    fs::atomic,
};

/// The keys of the home's `config.toml`; each may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A mirror to ask before the origin: `https://host/path` is asked for at `<mirror>/host/path`.
    pub mirror: Option<String>,
    /// A manifest to use in place of the default registry: the path of a file.
    pub registry: Option<String>,
    /// Refuse artifacts whose digest the manifest does not state itself.
    #[serde(default)]
    pub require_pinned: bool,
    /// How many downloads at once.
    pub jobs: Option<usize>,
    /// Seconds to wait for another ampup.
    pub lock_timeout: Option<u64>,
}

/// Why `config.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It cannot be read.
    #[error("cannot read the settings")]
    Io(#[from] std::io::Error),
    /// It is not TOML of this shape.
    #[error("`{path}` is malformed")]
    Malformed {
        /// The file.
        path: String,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
}

impl SettingsError {
    /// The exit code of a command that fails so.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Io(cause) => Exit::of_io(cause),
            Self::Malformed { .. } => Exit::Usage,
        }
    }

    /// What to type next.
    pub fn hint(&self) -> Option<String> {
        match self {
            // What the home's path leads to is a file.
            Self::Io(cause) if cause.kind() == std::io::ErrorKind::NotADirectory => {
                Some("choose another home, with `AMPUP_HOME` or `--home`".to_owned())
            }
            Self::Io(cause) => hint_of_io(cause),
            Self::Malformed { .. } => None,
        }
    }
}

impl Settings {
    /// Reads the file at `path`; where there is none, nothing is settled.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn read(path: &Utf8Path) -> Result<Self, SettingsError> {
        let text = match atomic::read(path, 64 << 10) {
            Ok(text) => text,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(cause) => return Err(cause.into()),
        };
        toml::from_str(&String::from_utf8_lossy(&text)).map_err(|source| SettingsError::Malformed {
            path: path.to_string(),
            source: Box::new(source),
        })
    }
}
