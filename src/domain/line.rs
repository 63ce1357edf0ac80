//! A line of releases: those that take each other's place, such as all of PostgreSQL 18.

use semver::Version;
use serde::{Deserialize, Serialize};

use super::Security;

/// A line of releases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The first number of its versions.
    pub major: u64,
    /// The day of its last release, `YYYY-MM-DD`: nothing is mended after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_of_life: Option<String>,
    /// The newest version that its makers released, also where nobody has built it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
}

impl Line {
    /// Returns true if a version belongs to this line.
    pub fn contains(&self, version: &Version) -> bool {
        version.major == self.major
    }
}

/// A version as its makers released it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// The version.
    pub version: Version,
    /// The day it was released, `YYYY-MM-DD`, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// The vulnerabilities that it fixes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<Security>,
    /// Where a person reads more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}
