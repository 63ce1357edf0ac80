//! A component: something ampup installs, in versions.

use std::{borrow::Borrow, fmt, str::FromStr};

use semver::Version;
use serde::{Deserialize, Serialize};

use super::{Channel, Line, Release, ReleaseOrigin, Requirement, VersionStyle};

/// The name of a component: `[a-z][a-z0-9-]*`, at most 64 octets, not `bin`
/// (that name is taken by the directory of links beside the components of a generation).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ComponentName(String);

/// Why a text is no component name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a component name (a lower-case letter, then letters, digits and hyphens, at most 64; not `bin`)"
)]
pub struct InvalidComponentName(String);

impl ComponentName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ComponentName {
    type Err = InvalidComponentName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut letters = text.bytes();
        let valid = letters.next().is_some_and(|first| first.is_ascii_lowercase())
            && letters.all(|next| next.is_ascii_lowercase() || next.is_ascii_digit() || next == b'-')
            && text.len() <= 64
            && text != "bin";
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidComponentName(text.to_owned()))
        }
    }
}

impl TryFrom<String> for ComponentName {
    type Error = InvalidComponentName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ComponentName> for String {
    fn from(name: ComponentName) -> Self {
        name.0
    }
}

impl Borrow<str> for ComponentName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How a staged tree proves that it runs on this host, before it is activated.
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
    /// What its makers call it, where that is not the name.
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
    /// How its versions are shown.
    pub version_style: VersionStyle,
    /// Names in its `bin/` that are linked into the home's `bin/`.
    pub executables: Vec<String>,
    /// How a staged tree is proven.
    pub acceptance: Acceptance,
    /// Its lines of releases, as far as there is something to say of them.
    pub lines: Vec<Line>,
    /// Where its releases appear.
    pub origins: Vec<ReleaseOrigin>,
    /// Every release, highest version first.
    pub releases: Vec<Release>,
}

impl Component {
    /// What its makers call it.
    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or_else(|| self.name.as_str())
    }

    /// Whether one version can take the other's place: for a database, only within its major version.
    pub fn is_one_line(&self, one: &Version, other: &Version) -> bool {
        self.acceptance != Acceptance::Postgres || one.major == other.major
    }

    /// What is known of the line of a version.
    pub fn line(&self, version: &Version) -> Option<&Line> {
        self.lines.iter().find(|line| line.holds(version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_their_directory_are_no_names() {
        for bad in [
            "",
            "bin",
            "..",
            "a/b",
            "A",
            "1a",
            "-a",
            "a b",
            "a.b",
            "é",
            &"a".repeat(65),
        ] {
            assert!(bad.parse::<ComponentName>().is_err(), "{bad}");
        }
        for good in ["a", "postgres", "ampd2", "a-b"] {
            assert_eq!(good.parse::<ComponentName>().expect("valid").as_str(), good);
        }
    }
}
