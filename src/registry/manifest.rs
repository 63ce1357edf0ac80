//! The manifest: one JSON document (`registry/schema.json`), embedded in the binary.
//!
//! Additions of newer manifests (fields, targets, formats, providers, kinds of source and of integrity) are skipped, so
//! that old clients keep working. Only a higher `schema` number is an error.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use memchr::memchr2;
use semver::Version;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::{Value, value::RawValue};

use super::{
    Registry,
    unique::{self, JsonError},
};
use crate::domain::{
    Artifact, Artifacts, Channel, Component, ComponentName, Release, Requirement, VersionStyle,
    component::Acceptance,
};

/// The highest `schema` number that this ampup understands.
pub const SCHEMA: u64 = 1;
/// No manifest is larger than this, in bytes (docs/keys.md: `registry-<serial>.json`).
pub const LIMIT: u64 = 4 << 20;

const EMBEDDED: &str = include_str!(concat!(env!("OUT_DIR"), "/manifest.json"));

/// The reason a document is not a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or not of this shape.
    #[error("the registry's manifest is malformed")]
    Malformed(#[source] JsonError),
    /// Made for a newer ampup.
    #[error("the registry's manifest has schema {found}; this ampup knows schemas up to {SCHEMA}")]
    TooNew {
        /// Its schema number.
        found: u64,
    },
}

#[derive(Deserialize)]
struct Envelope {
    schema: u64,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "C: Deserialize<'de>"))]
struct Document<'a, C> {
    schema: u64,
    registry: String,
    serial: u64,
    issued: String,
    #[serde(default, borrow)]
    distributions: Option<&'a RawValue>,
    components: BTreeMap<String, C>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "R: Deserialize<'de>"))]
struct RawComponent<'a, R> {
    title: Option<String>,
    summary: String,
    homepage: String,
    licence: Option<String>,
    default: RawDefault,
    group: String,
    default_install: bool,
    #[serde(default)]
    version_style: VersionStyle,
    executables: Vec<String>,
    acceptance: Acceptance,
    #[serde(default, borrow)]
    lines: Vec<&'a RawValue>,
    #[serde(default, borrow)]
    origins: Vec<&'a RawValue>,
    releases: Vec<R>,
}

/// A component of which all is understood, but for artifacts.
type Whole<'a> = RawComponent<'a, RawRelease<'a>>;

#[derive(Deserialize)]
struct RawDefault {
    channel: Channel,
    requirement: Option<Requirement>,
}

#[derive(Deserialize)]
struct RawRelease<'a> {
    version: Version,
    channel: Channel,
    #[serde(default)]
    tags: Vec<String>,
    published: Option<String>,
    #[serde(borrow)]
    security: Option<&'a RawValue>,
    #[serde(borrow)]
    artifacts: List<'a>,
}

/// A list as text.
struct List<'a>(&'a str);

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        if text.starts_with('[') {
            Ok(Self(text))
        } else {
            Err(D::Error::custom("a list is expected"))
        }
    }
}

/// The document that this ampup was built with.
pub fn embedded() -> &'static [u8] {
    EMBEDDED.as_bytes()
}

impl Registry {
    /// The registry that this ampup was built with.
    pub fn embedded() -> Self {
        Self::read(EMBEDDED).expect("a test parses the embedded manifest")
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// When it is not JSON, has a key twice, lacks what every manifest has, or is made for a newer ampup.
    pub fn parse(document: &[u8]) -> Result<Self, ManifestError> {
        // Once, and not for every text in it.
        let document = std::str::from_utf8(document)
            .map_err(|cause| ManifestError::Malformed(serde_json::Error::custom(cause).into()))?;
        let read = Self::read(document);
        if read.is_err() || !unique::is_plainly_unique(document) {
            unique::ensure_unique(document).map_err(ManifestError::Malformed)?;
        }
        read
    }

    fn read(document: &str) -> Result<Self, ManifestError> {
        // Most are understood whole, and read in one go.
        if is_plain(document)
            && let Ok(whole) = serde_json::from_str::<Document<'_, Whole<'_>>>(document)
            && whole.schema <= SCHEMA
        {
            return Ok(whole.understood(|name, raw| raw.whole(name)));
        }
        let read = serde_json::from_str::<Document<'_, &RawValue>>(document)
            .map_err(|cause| ManifestError::Malformed(cause.into()));
        // A newer document may have another shape, too.
        let schema = match &read {
            Ok(document) => document.schema,
            Err(_) => serde_json::from_str::<Envelope>(document).map_or(SCHEMA, |envelope| envelope.schema),
        };
        if schema > SCHEMA {
            return Err(ManifestError::TooNew { found: schema });
        }
        Ok(read?.understood(component))
    }
}

impl<C> Document<'_, C> {
    fn understood(self, component: impl Fn(ComponentName, C) -> Option<Component>) -> Registry {
        let mut components: BTreeMap<ComponentName, Component> = self
            .components
            .into_iter()
            .filter_map(|(name, value)| Some((name.parse().ok()?, value)))
            .filter_map(|(name, value)| Some((ComponentName::clone(&name), component(name, value)?)))
            .collect();
        let doubled = doubled_executables(&components);
        components.retain(|name, _| !doubled.contains(name));
        Registry {
            id: self.registry,
            serial: self.serial,
            issued: self.issued,
            distributions: self.distributions.and_then(understood).unwrap_or_default(),
            components,
        }
    }
}

/// A part of a manifest, or nothing where this ampup does not understand it.
fn understood<T: DeserializeOwned>(value: &RawValue) -> Option<T> {
    serde_json::from_str(value.get()).ok()
}

/// Components that would link an executable of another one's, or `ampup` in place of ampup itself. An executable
/// belongs to one component of a registry, and where two claim it, neither gets it.
fn doubled_executables(components: &BTreeMap<ComponentName, Component>) -> BTreeSet<ComponentName> {
    let mut owners: BTreeMap<&str, Vec<&ComponentName>> = BTreeMap::new();
    for (name, component) in components {
        for executable in &component.executables {
            owners.entry(executable).or_default().push(name);
        }
    }
    let itself = |name: &&ComponentName| name.as_str() == "ampup";
    let refused = owners.into_iter().flat_map(|(executable, names)| {
        let is_refused = names.len() > 1 || (executable == "ampup" && !names.iter().all(itself));
        names
            .into_iter()
            .filter(move |name| is_refused && !(executable == "ampup" && itself(name)))
    });
    refused.cloned().collect()
}

/// The name of an executable follows the rule for component names: it is a file name on every system, and no more.
fn is_executable_name(file: &str) -> bool {
    file.parse::<ComponentName>().is_ok()
}

/// A component, or nothing where it says what this ampup does not know.
fn component(name: ComponentName, value: &RawValue) -> Option<Component> {
    let text = harmless(value.get())?;
    if let Ok(raw) = serde_json::from_str::<Whole<'_>>(&text) {
        return raw.whole(name);
    }
    let raw: RawComponent<'_, &RawValue> = serde_json::from_str(&text).ok()?;
    raw.understood(name, |value| {
        let raw: RawRelease<'_> = serde_json::from_str(value.get()).ok()?;
        Some(raw.understood())
    })
}

impl Whole<'_> {
    fn whole(self, name: ComponentName) -> Option<Component> {
        self.understood(name, |release| Some(release.understood()))
    }
}

impl<R> RawComponent<'_, R> {
    fn understood(self, name: ComponentName, release: impl FnMut(R) -> Option<Release>) -> Option<Component> {
        let are_safe = self.executables.iter().all(|file| is_executable_name(file));
        let names: BTreeSet<&String> = self.executables.iter().collect();
        if !are_safe || names.is_empty() || names.len() != self.executables.len() {
            return None;
        }
        let mut releases: Vec<Release> = self.releases.into_iter().filter_map(release).collect();
        releases.sort_by(|one, other| other.version.cmp(&one.version));
        Some(Component {
            name,
            title: self.title,
            summary: self.summary,
            homepage: self.homepage,
            licence: self.licence,
            default_channel: self.default.channel,
            default_requirement: self.default.requirement,
            group: self.group,
            default_install: self.default_install,
            version_style: self.version_style,
            executables: self.executables,
            acceptance: self.acceptance,
            lines: self.lines.into_iter().filter_map(understood).collect(),
            origins: self.origins.into_iter().filter_map(understood).collect(),
            releases,
        })
    }
}

impl RawRelease<'_> {
    fn understood(self) -> Release {
        let list = self.artifacts.0.to_owned();
        Release {
            version: self.version,
            channel: self.channel,
            tags: self.tags,
            published: self.published,
            security: self.security.and_then(understood),
            artifacts: Artifacts::read_later(move || artifacts(&list)),
        }
    }
}

/// Those of a list of artifacts that this ampup understands and may take.
fn artifacts(list: &str) -> Vec<Artifact> {
    let mut artifacts: Vec<Artifact> = serde_json::from_str(list).unwrap_or_else(|_| {
        let each: Vec<&RawValue> = serde_json::from_str(list).unwrap_or_default();
        each.into_iter().filter_map(understood).collect()
    });
    artifacts.retain(is_permitted);
    artifacts
}

/// Returns true if an artifact says nothing that none may say.
fn is_permitted(artifact: &Artifact) -> bool {
    let mut paths = artifact.root.iter().chain(artifact.bin.values());
    let are_names = artifact.bin.keys().all(|name| is_executable_name(name));
    are_names && paths.all(|path| is_archive_path(path))
}

/// A part of a manifest with every text in it such that it can be shown.
fn harmless(json: &str) -> Option<Cow<'_, str>> {
    if is_plain(json) {
        return Some(Cow::Borrowed(json));
    }
    let value = escaped(serde_json::from_str(json).ok()?);
    Some(Cow::Owned(value.to_string()))
}

/// Returns true if nothing in a document can be harmful: it is ASCII, has no escapes and no DEL. Of the other controls JSON
/// itself has none in a text.
fn is_plain(json: &str) -> bool {
    json.is_ascii() && memchr2(b'\\', 0x7f, json.as_bytes()).is_none()
}

/// Escapes, in every text, what would move the cursor, change colours or turn the direction of writing.
fn escaped(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains(is_harmful) => {
            let one = |letter: char| -> String {
                if is_harmful(letter) {
                    letter.escape_unicode().collect()
                } else {
                    letter.to_string()
                }
            };
            Value::String(text.chars().map(one).collect())
        }
        Value::Array(values) => values.into_iter().map(escaped).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, escaped(value)))
            .collect(),
        value => value,
    }
}

/// Returns true of what would move the cursor, change colours or turn the direction of writing.
pub(super) fn is_harmful(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A relative path with `/`, without empty, `.` or `..` parts.
fn is_archive_path(path: &str) -> bool {
    path.split('/')
        .all(|part| !matches!(part, "" | "." | "..") && !part.contains('\\'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::Format;

    #[test]
    fn what_is_not_understood_is_passed_over() {
        let artifact = |format: &str| {
            json!({
                "target": "x86_64-unknown-linux-gnu", "provider": "acme", "format": format,
                "source": {"kind": "file", "url": "file:///x"},
                "integrity": {"kind": "pinned", "digest": format!("sha256:{}", "0".repeat(64))},
            })
        };
        let release = |version: &str, artifacts: Value| json!({"version": version, "channel": "stable", "artifacts": artifacts});
        // The second summary has an escape, and is not read in one go.
        for summary in ["one", "\u{1b}[31m one"] {
            let document = json!({
                "schema": 1, "registry": "test", "serial": 1, "issued": "2026-01-01T00:00:00Z", "more": [],
                "components": {"tool": {
                    "summary": summary, "homepage": "h", "default": {"channel": "stable"}, "group": "tool",
                    "default_install": true, "executables": ["tool"], "acceptance": "version",
                    "releases": [
                        release("1.0.0", json!([artifact("raw"), artifact("of the future"), 7, artifact("zip")])),
                        release("2.0.0", json!({"raw": artifact("raw")})),
                        release("3.0.0", json!([])),
                    ],
                }},
            });
            let registry = Registry::parse(document.to_string().as_bytes()).expect("a registry");
            let tool = registry.components.values().next().expect("a component");
            let releases = tool.releases.iter().map(|release| {
                let formats = release.artifacts.iter().map(|artifact| artifact.format);
                (release.version.to_string(), formats.collect::<Vec<_>>())
            });
            let expected = [
                ("3.0.0".to_owned(), vec![]),
                ("1.0.0".to_owned(), vec![Format::Raw, Format::Zip]),
            ];
            assert_eq!(releases.collect::<Vec<_>>(), expected, "{summary:?}");
            let [one, two] =
                ["1.0.0", "2.0.0"].map(|version| tool.release(&Version::parse(version).expect("a version")));
            assert!(one.is_some() && two.is_none());
        }
    }
}
