//! The user's settings in `config.toml`.

use std::{collections::BTreeMap, fmt, io};

use camino::Utf8Path;
use toml::{Spanned, Value};
use url::Url;

use crate::{fs::atomic, nearest::nearest};

/// The settings of the home's `config.toml`; each may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// A mirror to ask before the origin: `https://host/path` is asked for at `<mirror>/host/path`.
    pub mirror: Option<String>,
    /// A registry to use in place of the default one: the path of a manifest, or an https address.
    pub registry: Option<String>,
    /// The public key of whoever signs the registry at an address: the path of a file.
    pub registry_key: Option<String>,
    /// Refuse artifacts whose digest the manifest does not state itself.
    pub require_pinned: bool,
    /// The number of downloads at once.
    pub jobs: Option<usize>,
    /// Seconds to wait for another ampup.
    pub lock_timeout: Option<u64>,
}

/// The place where the user settled something, as messages name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetBy {
    /// A flag of the command line.
    Flag(&'static str),
    /// A variable of the environment.
    Variable(&'static str),
    /// A key of `config.toml`.
    Setting(&'static str),
}

impl SetBy {
    /// The commands by which the next run goes without it.
    pub fn removal(self) -> String {
        match self {
            Self::Flag(_) => format!("run the same command without {self}"),
            Self::Variable(name) => format!("`unset {name}`, then run the same command again"),
            Self::Setting(_) => format!("remove {self}, then run the same command again"),
        }
    }
}

impl fmt::Display for SetBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => write!(f, "`{name}`"),
            Self::Setting(name) => write!(f, "`{name}` in `config.toml`"),
        }
    }
}

/// The keys, and what each takes.
pub const KEYS: &[(&str, &str)] = &[
    ("jobs", "a number from 1 up"),
    ("lock_timeout", "a number of seconds"),
    (
        "mirror",
        "an address: `\"https://mirror.example/amp\"`, or `\"file:///…\"`",
    ),
    ("registry", "the absolute path of a file, or an https address"),
    ("registry_key", "the absolute path of a file"),
    ("require_pinned", "`true` or `false`"),
];

/// The reason `config.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It cannot be read.
    #[error("cannot read the settings")]
    Io(#[from] io::Error),
    /// It is not TOML.
    #[error("`{path}` is malformed")]
    Malformed {
        /// The file.
        path: String,
        /// Where and why.
        source: Box<TomlError>,
    },
    /// A key has a value that makes no sense.
    #[error("`{path}`, line {line}: `{key}` is {value}")]
    Senseless {
        /// The file.
        path: String,
        /// Where in it.
        line: usize,
        /// Which key.
        key: &'static str,
        /// Its value, as it is written in TOML.
        value: String,
        /// The values that the key takes.
        takes: &'static str,
    },
}

/// The fault of a text that is not TOML, with the line that it is in.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.to_string().replace(NO_VALUE, "a value is missing, or a text has no quotes"))]
pub struct TomlError(pub toml::de::Error);

/// The words of the library for that.
const NO_VALUE: &str = "string values must be quoted, expected literal string";

impl Settings {
    /// Reads the file at `path`, with a warning for each key that means nothing; where there is none, nothing is settled.
    ///
    /// # Errors
    /// When it cannot be read, or a value makes no sense.
    pub fn read(path: &Utf8Path) -> Result<(Self, Vec<String>), SettingsError> {
        match atomic::read(path, 64 << 10) {
            Ok(text) => Self::parse(&String::from_utf8_lossy(&text), path),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok((Self::default(), Vec::new())),
            Err(cause) => Err(cause.into()),
        }
    }

    fn parse(text: &str, path: &Utf8Path) -> Result<(Self, Vec<String>), SettingsError> {
        let document: BTreeMap<String, Spanned<Value>> =
            toml::from_str(text).map_err(|source| SettingsError::Malformed {
                path: path.to_string(),
                source: Box::new(TomlError(source)),
            })?;
        let mut settings = Self::default();
        let mut warnings = Vec::new();
        for (key, value) in &document {
            let line = 1 + text[..value.span().start].matches('\n').count();
            let Some((key, takes)) = KEYS.iter().find(|(known, _)| known == key) else {
                warnings.push(format!("`{path}`, line {line}: {}", unknown(key)));
                continue;
            };
            settings
                .set(key, value.get_ref())
                .ok_or_else(|| SettingsError::Senseless {
                    path: path.to_string(),
                    line,
                    key,
                    value: format!("`{}`", &text[value.span()]),
                    takes,
                })?;
        }
        Ok((settings, warnings))
    }

    /// Takes a value that makes sense.
    fn set(&mut self, key: &str, value: &Value) -> Option<()> {
        let number = || value.as_integer().and_then(|number| u64::try_from(number).ok());
        let word = || value.as_str().map(str::to_owned);
        match key {
            "jobs" => self.jobs = Some(usize::try_from(number().filter(|jobs| *jobs > 0)?).ok()?),
            "lock_timeout" => self.lock_timeout = Some(number()?),
            "mirror" => self.mirror = Some(word().filter(|mirror| is_mirror(mirror))?),
            "registry" => {
                let is_registry = |named: &str| is_absolute_file(named) || named.starts_with("https://");
                self.registry = Some(word().filter(|named| is_registry(named))?);
            }
            "registry_key" => self.registry_key = Some(word().filter(|file| is_absolute_file(file))?),
            "require_pinned" => self.require_pinned = value.as_bool()?,
            _ => return None,
        }
        Some(())
    }
}

/// Returns true if artifacts can be fetched from there.
pub fn is_mirror(address: &str) -> bool {
    Url::parse(address).is_ok_and(|address| match address.scheme() {
        "https" | "http" => true,
        // `file://a/b` is of the host `a`.
        "file" => address.to_file_path().is_ok(),
        _ => false,
    })
}

fn is_absolute_file(path: &str) -> bool {
    Utf8Path::new(path.strip_prefix("file://").unwrap_or(path)).is_absolute()
}

fn unknown(key: &str) -> String {
    match nearest(key, KEYS.iter().map(|(known, _)| *known)).first() {
        Some(known) => format!("there is no setting `{key}`; did you mean `{known}`?"),
        None => {
            let known: Vec<String> = KEYS.iter().map(|(known, _)| format!("`{known}`")).collect();
            format!("there is no setting `{key}`; there are {}", known.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(Settings, Vec<String>), SettingsError> {
        Settings::parse(text, "c.toml".into())
    }

    #[test]
    fn a_key_that_means_nothing_is_a_warning_with_the_nearest() {
        let (settings, warnings) = parse("jobs = 2\n\nmirorr = \"x\"\n[colour]\n").expect("usable");
        assert_eq!(settings.jobs, Some(2));
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(
            warnings
                .iter()
                .any(|line| line.contains("line 3") && line.contains("did you mean `mirror`?")),
            "{warnings:?}"
        );
        assert!(
            warnings.iter().any(|line| line.contains("there are `jobs`")),
            "{warnings:?}"
        );
    }

    #[test]
    fn a_value_without_sense_is_an_error_with_its_line_and_what_would_do() {
        let rows = [
            ("jobs = 0", "jobs"),
            ("jobs = -1", "jobs"),
            ("jobs = \"four\"", "jobs"),
            ("lock_timeout = -5", "lock_timeout"),
            ("lock_timeout = 1.5", "lock_timeout"),
            ("mirror = \"\"", "mirror"),
            ("mirror = \"ftp://x/\"", "mirror"),
            ("mirror = \"mirror.example\"", "mirror"),
            ("mirror = \"file://mirror/amp\"", "mirror"),
            ("registry = \"\"", "registry"),
            ("registry = \"manifest.json\"", "registry"),
            ("registry = \"ftp://example.com\"", "registry"),
            ("registry_key = \"key.pub\"", "registry_key"),
            ("require_pinned = \"yes\"", "require_pinned"),
        ];
        let mut wrong = Vec::new();
        for (line, key) in rows {
            let refused = parse(&format!("# settings\n{line}\n"));
            let Err(error @ SettingsError::Senseless { .. }) = refused else {
                wrong.push(format!("{line}: {refused:?}"));
                continue;
            };
            let said = format!("{error}; {}", error.hint().unwrap_or_default());
            if !(said.starts_with(&format!("`c.toml`, line 2: `{key}` is")) && said.contains("takes ")) {
                wrong.push(said);
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
