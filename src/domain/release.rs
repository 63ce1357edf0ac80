//! One version of a component.

use std::{
    fmt,
    ops::Deref,
    slice,
    str::FromStr,
    sync::{Arc, LazyLock},
};

use semver::Version;
use serde::{Deserialize, Serialize};

use super::Artifact;

/// A line of releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Made to be used.
    Stable,
    /// Made every night.
    Nightly,
}

impl Channel {
    /// `stable` or `nightly`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Nightly => "nightly",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Channel {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Stable, Self::Nightly]
            .into_iter()
            .find(|channel| channel.as_str() == text)
            .ok_or(())
    }
}

/// The severity of a vulnerability, in the words of CVSS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words of CVSS")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

/// The flaws that a release mends, which releases before it on the same line have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Security {
    /// Their numbers, as far as they are known, the worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cves: Vec<String>,
    /// The severity of the worst of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Where a person reads more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// A release: one version, with an artifact for each target and provider.
#[derive(Debug, Clone)]
pub struct Release {
    /// Its version.
    pub version: Version,
    /// Its channel.
    pub channel: Channel,
    /// Other names it is asked for by, such as `nightly-188bfd4`.
    pub tags: Vec<String>,
    /// The day it was published, `YYYY-MM-DD`, where it is known.
    pub published: Option<String>,
    /// The vulnerabilities that it fixes.
    pub security: Option<Security>,
    /// Its files, in the order in which they are tried.
    pub artifacts: Artifacts,
}

/// The artifacts of a release. Those of a manifest are read when somebody first asks for them: a manifest holds little else,
/// and a command looks at few releases.
#[derive(Debug, Clone)]
pub struct Artifacts(Arc<LazyLock<Vec<Artifact>, Reading>>);

type Reading = Box<dyn FnOnce() -> Vec<Artifact> + Send>;

impl Artifacts {
    /// The artifacts that `read` gives.
    pub fn read_later(read: impl FnOnce() -> Vec<Artifact> + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(read))))
    }
}

impl From<Vec<Artifact>> for Artifacts {
    fn from(artifacts: Vec<Artifact>) -> Self {
        Self::read_later(move || artifacts)
    }
}

impl Deref for Artifacts {
    type Target = [Artifact];

    fn deref(&self) -> &[Artifact] {
        &self.0
    }
}

impl<'a> IntoIterator for &'a Artifacts {
    type Item = &'a Artifact;
    type IntoIter = slice::Iter<'a, Artifact>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
