//! The manifest: one JSON document (`registry/schema.json`), embedded in the binary.
//!
//! What a newer manifest may add (fields, targets, formats, providers, kinds of source and of integrity) is skipped, so
//! that old clients live on. Only a higher `schema` number is an error.

use std::collections::BTreeMap;

use semver::Version;
use serde::Deserialize;
use serde_json::Value;

use super::{Registry, unique};
use crate::{
    domain::{
        Artifact, Channel, Component, ComponentName, Release, Requirement, VersionStyle,
        component::Acceptance,
    },
    exit::Exit,
};

/// The highest `schema` number that this ampup understands.
pub const SCHEMA: u64 = 1;
/// No manifest is larger than this, in octets (docs/keys.md: `registry-<serial>.json`).
pub const LIMIT: u64 = 4 << 20;

const EMBEDDED: &str = include_str!("../../registry/manifest.json");

/// Why a document is no manifest.
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

impl ManifestError {
    /// The exit code of a command that fails so.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Malformed(_) => Exit::Integrity,
            Self::TooNew { .. } => Exit::Failed,
        }
    }

    /// What to type next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Malformed(_) => None,
            Self::TooNew { .. } => Some("`ampup self update`".to_owned()),
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    schema: u64,
}

#[derive(Deserialize)]
struct Document {
    registry: String,
    serial: u64,
    issued: String,
    components: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct RawComponent {
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
    releases: Vec<Value>,
}

#[derive(Deserialize)]
struct RawDefault {
    channel: Channel,
    requirement: Option<Requirement>,
}

#[derive(Deserialize)]
struct RawRelease {
    version: Version,
    channel: Channel,
    #[serde(default)]
    tags: Vec<String>,
    published: Option<String>,
    artifacts: Vec<Value>,
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
        unique::check(document).map_err(ManifestError::Malformed)?;
        Self::read(document)
    }

    fn read(document: &[u8]) -> Result<Self, ManifestError> {
        let envelope: Envelope = serde_json::from_slice(document).map_err(ManifestError::Malformed)?;
        if envelope.schema > SCHEMA {
            return Err(ManifestError::TooNew {
                found: envelope.schema,
            });
        }
        let document: Document = serde_json::from_slice(document).map_err(ManifestError::Malformed)?;
        let components = document
            .components
            .into_iter()
            .filter_map(|(name, value)| Some((name.parse().ok()?, value)))
            .filter_map(|(name, value)| Some((ComponentName::clone(&name), component(name, value)?)))
            .collect();
        Ok(Self {
            id: document.registry,
            serial: document.serial,
            issued: document.issued,
            components,
        })
    }
}

/// A component, or nothing where it says what this ampup does not know.
fn component(name: ComponentName, value: Value) -> Option<Component> {
    let raw: RawComponent = serde_json::from_value(value).ok()?;
    let safe = |file: &String| file.parse::<ComponentName>().is_ok();
    if !raw.executables.iter().all(safe) {
        return None;
    }
    let mut releases: Vec<Release> = raw.releases.into_iter().filter_map(release).collect();
    releases.sort_by(|one, other| other.version.cmp(&one.version));
    Some(Component {
        name,
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
        releases,
    })
}

fn release(value: Value) -> Option<Release> {
    let raw: RawRelease = serde_json::from_value(value).ok()?;
    let artifacts: Vec<Artifact> = raw
        .artifacts
        .into_iter()
        .filter_map(|artifact| serde_json::from_value(artifact).ok())
        .collect();
    Some(Release {
        version: raw.version,
        channel: raw.channel,
        tags: raw.tags,
        published: raw.published,
        artifacts,
    })
}
