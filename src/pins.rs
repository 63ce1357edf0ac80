//! A project's pins: the versions of components that its `ampup.toml` asks for.
//!
//! ```toml
//! [components]
//! postgres = "18"
//! ampd = "nightly-188bfd4"
//! ```
//!
//! The file names versions and nothing else: no registry, no mirror, no command. It comes with any repository that
//! somebody clones, and must not decide where bytes come from or what runs.

use std::{collections::BTreeMap, io};

use camino::{Utf8Path, Utf8PathBuf};
use toml::{Spanned, Value};
use toml_edit::DocumentMut;

use crate::{
    domain::{ComponentName, ComponentSpec, Requirement},
    env::Env,
    fs::{above::within_reach, atomic},
    settings::TomlError,
};

/// The name of the file.
pub const FILE: &str = "ampup.toml";

/// The table in it.
const TABLE: &str = "components";

/// No file is longer, in bytes.
const LIMIT: u64 = 64 << 10;

/// The beginning of a file that ampup makes.
const PREAMBLE: &str = "# The versions of Amp's components that this project uses; `ampup install` installs them.\n\n[components]\n";

/// The pins of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pins {
    /// The file.
    pub path: Utf8PathBuf,
    /// Its pins, by component.
    pub pins: Vec<Pin>,
}

/// The version that a project asks for of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The component.
    pub name: ComponentName,
    /// The requirement on its version.
    pub requirement: Requirement,
    /// The line of the file, from 1.
    pub line: usize,
}

/// The reason that a project's pins cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PinsError {
    /// The file cannot be read or written.
    #[error("cannot read or write the project's pins")]
    Io(#[from] io::Error),
    /// It is not TOML.
    #[error("`{path}` is malformed")]
    Malformed {
        /// The file.
        path: Utf8PathBuf,
        /// Where and why.
        source: Box<TomlError>,
    },
    /// It says something that a file of pins cannot say.
    #[error("`{path}`, line {line}: {what}")]
    Senseless {
        /// The file.
        path: Utf8PathBuf,
        /// Where in it.
        line: usize,
        /// The mistake.
        what: String,
    },
}

impl Pin {
    /// The pin as a request.
    pub fn spec(&self) -> ComponentSpec {
        ComponentSpec {
            name: self.name.clone(),
            requirement: Some(self.requirement.clone()),
        }
    }
}

impl Pins {
    /// The pins of the project that the working directory lies in: those of the nearest `ampup.toml`, here or above.
    ///
    /// # Errors
    /// When the file cannot be read, or is not one of pins.
    pub fn find(env: &Env) -> Result<Option<Self>, PinsError> {
        let Some(here) = env.current_dir() else {
            return Ok(None);
        };
        for directory in within_reach(here, env.user_home()) {
            let path = directory.join(FILE);
            match atomic::read(&path, LIMIT) {
                Ok(text) => return Self::parse(&String::from_utf8_lossy(&text), path).map(Some),
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
                Err(cause) => return Err(cause.into()),
            }
        }
        Ok(None)
    }

    /// The pin of a component.
    pub fn of(&self, name: &ComponentName) -> Option<&Pin> {
        self.pins.iter().find(|pin| pin.name == *name)
    }

    /// Reads what the file at `path` says.
    ///
    /// # Errors
    /// When it is not TOML, or says something that pins nothing.
    pub fn parse(text: &str, path: Utf8PathBuf) -> Result<Self, PinsError> {
        let malformed = |source| PinsError::Malformed {
            path: path.clone(),
            source: Box::new(TomlError(source)),
        };
        let line = |at: usize| 1 + text[..at].matches('\n').count();
        let senseless = |at: usize, what: String| PinsError::Senseless {
            path: path.clone(),
            line: line(at),
            what,
        };
        let tables: BTreeMap<Spanned<String>, Value> = toml::from_str(text).map_err(malformed)?;
        if let Some(other) = tables.keys().find(|key| key.get_ref() != TABLE) {
            let what = format!(
                "`{}` means nothing here; there is only `[{TABLE}]`",
                other.get_ref()
            );
            return Err(senseless(other.span().start, what));
        }
        let mut pins = Vec::new();
        let document: Document = toml::from_str(text).map_err(malformed)?;
        for (name, value) in document.components {
            let at = name.span().start;
            let wanted = value.get_ref().as_str().ok_or_else(|| {
                senseless(
                    at,
                    format!("`{}` needs a version in quotes, such as `\"18\"`", name.get_ref()),
                )
            })?;
            pins.push(Pin {
                name: name
                    .get_ref()
                    .parse()
                    .map_err(|cause| senseless(at, format!("{cause}")))?,
                requirement: wanted
                    .parse()
                    .map_err(|cause| senseless(at, format!("{cause}")))?,
                line: line(at),
            });
        }
        pins.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self { path, pins })
    }

    /// Writes `pins` into the file at `path`, which is made if it is not there. Whatever else it says stays, with its
    /// comments and its order.
    ///
    /// # Errors
    /// When it cannot be read or written, or is not a file of pins.
    pub fn write(path: &Utf8Path, pins: &[ComponentSpec]) -> Result<Self, PinsError> {
        let (old, new) = Self::edited(path, pins)?;
        if new != old {
            // A link stays one.
            let place = path.canonicalize_utf8().unwrap_or_else(|_| path.to_owned());
            atomic::write(&place, new.as_bytes())?;
        }
        Self::parse(&new, path.to_owned())
    }

    /// The pins that `write` would leave; nothing is written.
    ///
    /// # Errors
    /// As `write`.
    pub fn planned(path: &Utf8Path, pins: &[ComponentSpec]) -> Result<Self, PinsError> {
        let (_, new) = Self::edited(path, pins)?;
        Self::parse(&new, path.to_owned())
    }

    /// The text of the file now, and with these pins.
    fn edited(path: &Utf8Path, pins: &[ComponentSpec]) -> Result<(String, String), PinsError> {
        let text = match atomic::read(path, LIMIT) {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => String::new(),
            Err(cause) => return Err(cause.into()),
        };
        // What is not understood is not written over.
        Self::parse(&text, path.to_owned())?;
        let base = if text.is_empty() { PREAMBLE } else { &text };
        let edited = edited(base, pins);
        Ok((text, edited))
    }
}

/// The file's shape.
#[derive(serde::Deserialize)]
struct Document {
    #[serde(default)]
    components: BTreeMap<Spanned<String>, Spanned<Value>>,
}

/// The text with these pins in it.
fn edited(text: &str, pins: &[ComponentSpec]) -> String {
    let mut document: DocumentMut = text.parse().expect("it was read before");
    let table = document
        .entry(TABLE)
        .or_insert_with(toml_edit::table)
        .as_table_like_mut()
        .expect("it was read as a table before");
    for spec in pins {
        let Some(requirement) = &spec.requirement else {
            continue;
        };
        let mut value = toml_edit::Value::from(requirement.to_string());
        match table
            .get_mut(spec.name.as_str())
            .and_then(toml_edit::Item::as_value_mut)
        {
            Some(old) => {
                *value.decor_mut() = old.decor().clone();
                *old = value;
            }
            None => {
                table.insert(spec.name.as_str(), toml_edit::Item::Value(value));
            }
        }
    }
    // toml_edit leaves a blank before the comma.
    if let Some(inline) = document[TABLE].as_inline_table_mut() {
        inline.fmt();
    }
    let edited = document.to_string();
    // toml_edit writes every line's end alike.
    if text.contains("\r\n") {
        edited.replace("\r\n", "\n").replace('\n', "\r\n")
    } else {
        edited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Pins, PinsError> {
        Pins::parse(text, "p/ampup.toml".into())
    }

    #[test]
    fn each_pin_knows_its_line() {
        let pins = parse("# ours\n[components]\n\npostgres = \"18\" # for now\nampd = \"nightly-188bfd4\"\n")
            .expect("pins");
        let shown: Vec<_> = pins
            .pins
            .iter()
            .map(|pin| (pin.spec().to_string(), pin.line))
            .collect();
        assert_eq!(
            shown,
            [
                ("ampd@nightly-188bfd4".to_owned(), 5),
                ("postgres@18".to_owned(), 4)
            ]
        );
        assert!(parse("").expect("no pins").pins.is_empty());
    }

    #[test]
    fn what_pins_nothing_is_refused_with_its_line() {
        let rows = [
            ("[components]\npostgres = 18\n", 2, "in quotes"),
            ("[components]\npostgres = \"eighteen\"\n", 2, "not a version"),
            ("[components]\n\"a b\" = \"1\"\n", 2, "a b"),
            (
                "\nregistry = \"https://example.com/m.json\"\n",
                2,
                "means nothing here",
            ),
            (
                "[components]\n[mirror]\nurl = \"https://x\"\n",
                2,
                "means nothing here",
            ),
        ];
        let mut wrong = Vec::new();
        for (text, line, what) in rows {
            match parse(text) {
                Err(error @ PinsError::Senseless { .. }) => {
                    let said = error.to_string();
                    if !(said.starts_with(&format!("`p/ampup.toml`, line {line}:")) && said.contains(what)) {
                        wrong.push(said);
                    }
                }
                other => wrong.push(format!("{text:?}: {other:?}")),
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(matches!(parse("[components"), Err(PinsError::Malformed { .. })));
    }

    #[test]
    fn pins_are_written_into_what_is_there() {
        let spec = |text: &str| text.parse().expect("a spec");
        let rows = [
            ("", "[components]\npostgres = \"18.4.0\"\n"),
            (
                "# ours\n[components]\nampd = \"0.0.35\" # old\npostgres = '17' # the data's\n",
                "# ours\n[components]\nampd = \"0.0.35\" # old\npostgres = \"18.4.0\" # the data's\n",
            ),
            (
                "# ours\r\n[components]\r\nampd = \"0.0.35\"\r\n",
                "# ours\r\n[components]\r\nampd = \"0.0.35\"\r\npostgres = \"18.4.0\"\r\n",
            ),
            (
                "components.ampd = \"0.0.35\"\n",
                "components.ampd = \"0.0.35\"\ncomponents.postgres = \"18.4.0\"\n",
            ),
            (
                "components = { ampd = \"0.0.35\" }\n",
                "components = { ampd = \"0.0.35\", postgres = \"18.4.0\" }\n",
            ),
        ];
        let mut wrong = Vec::new();
        for (before, after) in rows {
            let found = edited(before, &[spec("postgres@18.4.0")]);
            if found != after {
                wrong.push(format!("{before:?}: {found:?}"));
            }
            if edited(&found, &[spec("postgres@18.4.0")]) != found {
                wrong.push(format!("{before:?}: changed again"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
