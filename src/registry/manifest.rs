//! The manifest: one JSON document (`registry/schema.json`), embedded in the binary.
//!
//! Additions of newer manifests (fields, targets, formats, providers, kinds of source and of integrity) are skipped, so
//! that old clients keep working. Only a higher `schema` number is an error.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use semver::Version;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use super::{Registry, unique};
use crate::domain::{
    Artifact, Channel, Component, ComponentName, Release, Requirement, VersionStyle, component::Acceptance,
};

/// The highest `schema` number that this ampup understands.
pub const SCHEMA: u64 = 1;
/// No manifest is larger than this, in bytes (docs/keys.md: `registry-<serial>.json`).
pub const LIMIT: u64 = 4 << 20;

const EMBEDDED: &str = include_str!("../../registry/manifest.json");

/// The reason a document is not a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or not of this shape.
    #[error("the registry's manifest is malformed")]
    Malformed(#[source] serde_json::Error),
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
struct Document<'a> {
    schema: u64,
    registry: String,
    serial: u64,
    issued: String,
    #[serde(default, borrow)]
    distributions: Option<&'a RawValue>,
    #[serde(borrow)]
    components: BTreeMap<String, &'a RawValue>,
}

#[derive(Deserialize)]
struct RawComponent<'a> {
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
    #[serde(borrow)]
    releases: Vec<&'a RawValue>,
}

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
    artifacts: Vec<&'a RawValue>,
}

/// The document that this ampup was built with.
pub fn embedded() -> &'static [u8] {
    EMBEDDED.as_bytes()
}

impl Registry {
    /// The registry that this ampup was built with.
    pub fn embedded() -> Self {
        Self::read(EMBEDDED.as_bytes()).expect("a test parses the embedded manifest")
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// When it is not JSON, has a key twice, lacks what every manifest has, or is made for a newer ampup.
    pub fn parse(document: &[u8]) -> Result<Self, ManifestError> {
        unique::ensure_unique(document).map_err(ManifestError::Malformed)?;
        Self::read(document)
    }

    fn read(document: &[u8]) -> Result<Self, ManifestError> {
        let read = serde_json::from_slice::<Document<'_>>(document).map_err(ManifestError::Malformed);
        // A newer document may have another shape, too.
        let schema = match &read {
            Ok(document) => document.schema,
            Err(_) => serde_json::from_slice::<Envelope>(document).map_or(SCHEMA, |envelope| envelope.schema),
        };
        if schema > SCHEMA {
            return Err(ManifestError::TooNew { found: schema });
        }
        let document = read?;
        let mut components: BTreeMap<ComponentName, Component> = document
            .components
            .into_iter()
            .filter_map(|(name, value)| Some((name.parse().ok()?, value)))
            .filter_map(|(name, value)| Some((ComponentName::clone(&name), component(name, value)?)))
            .collect();
        let doubled = doubled_executables(&components);
        components.retain(|name, _| !doubled.contains(name));
        Ok(Self {
            id: document.registry,
            serial: document.serial,
            issued: document.issued,
            distributions: document.distributions.and_then(understood).unwrap_or_default(),
            components,
        })
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
    let raw: RawComponent<'_> = serde_json::from_str(&text).ok()?;
    let are_safe = raw.executables.iter().all(|file| is_executable_name(file));
    let names: BTreeSet<&String> = raw.executables.iter().collect();
    if !are_safe || names.is_empty() || names.len() != raw.executables.len() {
        return None;
    }
    let mut releases: Vec<Release> = raw.releases.into_iter().filter_map(release).collect();
    releases.sort_by(|one, other| other.version.cmp(&one.version));
    Some(Component {
        name,
        title: raw.title,
        summary: raw.summary,
        homepage: raw.homepage,
        licence: raw.licence,
        default_channel: raw.default.channel,
        default_requirement: raw.default.requirement,
        group: raw.group,
        default_install: raw.default_install,
        version_style: raw.version_style,
        executables: raw.executables,
        acceptance: raw.acceptance,
        lines: raw.lines.into_iter().filter_map(understood).collect(),
        origins: raw.origins.into_iter().filter_map(understood).collect(),
        releases,
    })
}

/// A part of a manifest with every text in it such that it can be shown.
fn harmless(json: &str) -> Option<Cow<'_, str>> {
    // Between the texts there are line ends and tabs; in one, they are escaped.
    let is_plain =
        |letter: char| matches!(letter, ' ' | '\n' | '\r' | '\t') || (letter != '\\' && !is_harmful(letter));
    if json.chars().all(is_plain) {
        return Some(Cow::Borrowed(json));
    }
    let value = escaped(serde_json::from_str(json).ok()?);
    Some(Cow::Owned(value.to_string()))
}

/// What would move the cursor, change colours or turn the direction of writing is escaped in every text.
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

fn is_harmful(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn release(value: &RawValue) -> Option<Release> {
    let raw: RawRelease<'_> = serde_json::from_str(value.get()).ok()?;
    Some(Release {
        version: raw.version,
        channel: raw.channel,
        tags: raw.tags,
        published: raw.published,
        security: raw.security.and_then(understood),
        artifacts: raw.artifacts.into_iter().filter_map(artifact).collect(),
    })
}

/// An artifact, or nothing where it says what this ampup does not know, or what no artifact may say.
fn artifact(value: &RawValue) -> Option<Artifact> {
    let artifact: Artifact = understood(value)?;
    let mut paths = artifact.root.iter().chain(artifact.bin.values());
    let are_names = artifact.bin.keys().all(|name| is_executable_name(name));
    (are_names && paths.all(|path| is_archive_path(path))).then_some(artifact)
}

/// A relative path with `/`, without empty, `.` or `..` parts.
fn is_archive_path(path: &str) -> bool {
    path.split('/')
        .all(|part| !matches!(part, "" | "." | "..") && !part.contains('\\'))
}
