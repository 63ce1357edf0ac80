//! A component: something ampup installs, in versions.

use semver::Version;
use serde::{Deserialize, Serialize};

use super::{Channel, ComponentName, Line, Release, ReleaseOrigin, Requirement, VersionStyle, programs};

/// The proof of a staged tree that it runs on this host, before it is activated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Acceptance {
    /// Its executables print the expected version.
    Version,
    /// `initdb` makes a cluster and the server answers a query.
    Postgres,
}

/// A component as the registry describes it.
#[derive(Debug, Clone)]
pub struct Component {
    /// Its name.
    pub name: ComponentName,
    /// The name that its makers use, if it differs.
    pub title: Option<String>,
    /// One line for `list --available` and `search`.
    pub summary: String,
    /// Where a person reads more.
    pub homepage: String,
    /// SPDX expression, where it is known.
    pub licence: Option<String>,
    /// The channel a request without a version means.
    pub default_channel: Channel,
    /// The requirement a request without a version means, within the default channel.
    pub default_requirement: Option<Requirement>,
    /// Components of one group move together, at one version.
    pub group: String,
    /// Part of `ampup install` without names.
    pub default_install: bool,
    /// The style in which its versions are shown.
    pub version_style: VersionStyle,
    /// Names in its `bin/` that are linked into the home's `bin/`.
    pub executables: Vec<String>,
    /// The proof that a staged tree runs.
    pub acceptance: Acceptance,
    /// Its lines of releases, as far as there is something to say of them.
    pub lines: Vec<Line>,
    /// Where its releases appear.
    pub origins: Vec<ReleaseOrigin>,
    /// Every release, highest version first.
    pub releases: Vec<Release>,
}

impl Component {
    /// Returns the name that its makers use.
    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or_else(|| self.name.as_str())
    }

    /// Returns true if one of its programs has this name, linked or not; which of PostgreSQL's a build has is the builder's choice.
    pub fn has_program(&self, name: &str) -> bool {
        let is_postgres = self.acceptance == Acceptance::Postgres;
        self.executables.iter().any(|own| own == name) || is_postgres && programs::POSTGRES.contains(&name)
    }

    /// Returns true if one version can replace the other: for a database, only within its major version.
    pub fn is_one_line(&self, one: &Version, other: &Version) -> bool {
        self.acceptance != Acceptance::Postgres || one.major == other.major
    }

    /// Returns true if a requirement means this release.
    pub fn is_meant(&self, requirement: &Requirement, release: &Release) -> bool {
        requirement.matches(
            &release.version,
            release.channel,
            &release.tags,
            self.default_channel,
        )
    }

    /// Returns the release of this very version.
    pub fn release(&self, version: &Version) -> Option<&Release> {
        let at = self
            .releases
            .partition_point(|release| release.version > *version);
        self.releases
            .get(at)
            .filter(|release| release.version == *version)
    }

    /// Returns the release line of a version, if it is known.
    pub fn line(&self, version: &Version) -> Option<&Line> {
        self.lines.iter().find(|line| line.contains(version))
    }
}
