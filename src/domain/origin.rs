//! A place where the releases of a component appear: which index lists them, and the shape of the artifacts there.

use std::collections::BTreeMap;

use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

use super::{Algorithm, Format, LinkList, Needs, Provider, Target};

/// A place where releases appear. In its texts `{version}`, `{target}`, `{platform}`, `{tag}`, `{major}`, `{minor}`,
/// `{revision}` and `{number}` stand for what they say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseOrigin {
    /// Who builds what appears there.
    pub provider: Provider,
    /// The list of releases.
    pub index: Index,
    /// The shape of the artifacts.
    pub format: Format,
    /// The directory inside the archive that becomes the tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// A list of links that the archive carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<LinkList>,
    /// A file beside the artifact that states its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
    /// The platforms that are built there, by target.
    pub targets: BTreeMap<Target, Platform>,
    /// The builds there that are left out on purpose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<Exclusion>,
}

impl ReleaseOrigin {
    /// Returns true if a build there is left out on purpose.
    pub fn excludes(&self, version: &Version, target: Target) -> bool {
        self.excluded
            .iter()
            .any(|one| one.versions.matches(version) && one.target.is_none_or(|excluded| excluded == target))
    }
}

/// Builds that are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusion {
    /// Their versions.
    pub versions: VersionReq,
    /// The kind of host they are for; all where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
}

/// A list of releases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Index {
    /// The releases of a repository on GitHub.
    Github {
        /// Their address in GitHub's API.
        releases: String,
        /// The tag of a stable release.
        tag: String,
        /// The tag of a nightly one, where there are any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nightly: Option<String>,
        /// The name of the asset.
        asset: String,
    },
    /// The versions of an artifact in a Maven repository.
    Maven {
        /// The address of `maven-metadata.xml`.
        metadata: String,
        /// The address of the artifact.
        url: String,
    },
    /// The versions of a package of npm.
    Npm {
        /// The package.
        package: String,
        /// The package's version.
        version: String,
    },
    /// The versions of a project of a Python package index.
    PyPi {
        /// The project.
        package: String,
        /// The project's version.
        version: String,
    },
}

/// A file that states a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    /// Which digest.
    pub algorithm: Algorithm,
    /// Its address; `{url}` is the artifact's.
    pub url: String,
}

/// The builds for one target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// The name that the origin gives to the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The requirements of its newest builds on the host.
    #[serde(default, skip_serializing_if = "Needs::is_empty")]
    pub needs: Needs,
}
