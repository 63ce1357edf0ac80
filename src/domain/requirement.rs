//! Requests for a component: `postgres@18`, `ampd@nightly`, `postgres@18.4.0+zonky`.

use std::{fmt, str::FromStr};

use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

use super::{
    Channel, ComponentName, Provider,
    name::InvalidComponentName,
    version::{LOCAL, local_name, parse_full},
};

/// A requirement on a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Requirement {
    /// A full version. Build metadata that is not the release's own names a provider: `18.4.0+zonky`.
    Exact(Version),
    /// The first one or two numbers: `18` or `18.4`. (semver's own `^` is not meant.)
    Prefix(u64, Option<u64>),
    /// A range in semver's notation: `>=17,<19`.
    Range(VersionReq),
    /// The newest of a channel.
    Channel(Channel),
    /// The newest of the component's default channel, whatever its number.
    Latest,
    /// A release's tag, `nightly-188bfd4`, or the name of a local build, `local-1a2b3c4`.
    Tag(String),
}

/// The reason a text is not a requirement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version (such as `18`, `18.4`, `18.4.0+zonky`, `>=17,<19`, `latest`, `nightly`)")]
pub struct InvalidRequirement(String);

impl Requirement {
    /// Returns true if it means `version` with these `tags`, on `channel`. `default_channel` is the component's.
    pub fn matches(
        &self,
        version: &Version,
        channel: Channel,
        tags: &[String],
        default_channel: Channel,
    ) -> bool {
        // Nobody gets a local build who did not name it.
        if let Some(name) = local_name(version) {
            return match self {
                Self::Tag(tag) => tag == name,
                Self::Exact(wanted) => wanted.cmp_precedence(version).is_eq(),
                _ => false,
            };
        }
        match self {
            Self::Exact(wanted) => {
                wanted.cmp_precedence(version).is_eq()
                    && (wanted.build.is_empty()
                        || version.build.is_empty()
                        || wanted.build == version.build
                        || wanted
                            .build
                            .strip_prefix(&format!("{}.", version.build))
                            .is_some())
            }
            Self::Prefix(major, minor) => {
                version.pre.is_empty()
                    && version.major == *major
                    && minor.is_none_or(|minor| version.minor == minor)
            }
            Self::Range(range) => range.matches(version),
            Self::Channel(wanted) => channel == *wanted,
            Self::Latest => channel == default_channel,
            Self::Tag(tag) => tags.contains(tag),
        }
    }

    /// The provider that is asked for beside a release whose own build metadata is `release_build`:
    /// `18.4.0+zonky` asks for zonky, `0.0.36-nightly.20260313+188bfd4` for none.
    pub fn provider(&self, release: &Version) -> Option<Provider> {
        let Self::Exact(wanted) = self else { return None };
        if wanted.build.is_empty() || wanted.build == release.build {
            return None;
        }
        let own = format!("{}.", release.build);
        wanted
            .build
            .strip_prefix(own.as_str())
            .unwrap_or(wanted.build.as_str())
            .parse()
            .ok()
    }

    /// The major version that it names, if it names one.
    pub fn major(&self) -> Option<u64> {
        match self {
            Self::Exact(version) => Some(version.major),
            Self::Prefix(major, _) => Some(*major),
            Self::Range(_) | Self::Channel(_) | Self::Latest | Self::Tag(_) => None,
        }
    }

    /// The requirement that means this version alone. A local build is meant by its name.
    pub fn exactly(version: &Version) -> Self {
        match local_name(version) {
            Some(name) => Self::Tag(name.to_owned()),
            None => Self::Exact(version.clone()),
        }
    }

    /// Returns true if a local build is meant, which is on one machine only.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Tag(tag) if tag.starts_with(LOCAL))
    }

    /// Returns true if only one version can be meant, so that a lower one is never taken instead.
    pub fn is_exact(&self) -> bool {
        matches!(self, Self::Exact(_) | Self::Tag(_))
    }
}

/// No requirement is longer, in bytes.
const LONGEST: usize = 256;

impl FromStr for Requirement {
    type Err = InvalidRequirement;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidRequirement(text.to_owned());
        if text.len() > LONGEST {
            return Err(InvalidRequirement(format!(
                "{}…",
                text.chars().take(40).collect::<String>()
            )));
        }
        if text == "latest" {
            return Ok(Self::Latest);
        }
        if let Ok(channel) = text.parse() {
            return Ok(Self::Channel(channel));
        }
        if let Some(version) = parse_full(text) {
            return Ok(Self::exactly(&version));
        }
        if let Some(prefix) = parse_prefix(text) {
            return Ok(prefix);
        }
        // As versions of PostgreSQL are shown: `18.6+zonky` is 18.6.0 by zonky.
        if let Some((version, builder)) = text.split_once('+')
            && let Some(Self::Prefix(_, Some(_))) = parse_prefix(version)
            && let Some(version) = parse_full(&format!("{version}.0+{builder}"))
        {
            return Ok(Self::exactly(&version));
        }
        // A tag is a channel's name or `local`, a hyphen, and word characters: nothing that could be mistaken for a version.
        if let Some((channel, rest)) = text.split_once('-')
            && (channel.parse::<Channel>().is_ok() || LOCAL.strip_suffix('-') == Some(channel))
            && !rest.is_empty()
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        {
            return Ok(Self::Tag(text.to_owned()));
        }
        match text.bytes().next() {
            Some(b'<' | b'>' | b'=' | b'^' | b'~') => {
                let range = VersionReq::parse(text).map(Self::Range).map_err(|_| invalid())?;
                // It is written with more signs than it was read with, and what we write we must read again.
                if range.to_string().len() > LONGEST {
                    return Err(invalid());
                }
                Ok(range)
            }
            _ => Err(invalid()),
        }
    }
}

/// `18`, `v18`, `18.4`.
fn parse_prefix(text: &str) -> Option<Requirement> {
    let number = |part: &str| {
        let plain = !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
        (plain && (part == "0" || !part.starts_with('0')))
            .then(|| part.parse().ok())
            .flatten()
    };
    let text = text.strip_prefix('v').unwrap_or(text);
    match text.split_once('.') {
        None => Some(Requirement::Prefix(number(text)?, None)),
        Some((major, minor)) => Some(Requirement::Prefix(number(major)?, Some(number(minor)?))),
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(version) => write!(f, "{version}"),
            Self::Prefix(major, None) => write!(f, "{major}"),
            Self::Prefix(major, Some(minor)) => write!(f, "{major}.{minor}"),
            Self::Range(range) => write!(f, "{}", range.to_string().replace(' ', "")),
            Self::Channel(channel) => write!(f, "{channel}"),
            Self::Latest => f.write_str("latest"),
            Self::Tag(tag) => f.write_str(tag),
        }
    }
}

impl TryFrom<String> for Requirement {
    type Error = InvalidRequirement;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Requirement> for String {
    fn from(requirement: Requirement) -> Self {
        requirement.to_string()
    }
}

/// A component and what its version must be: `name` or `name@requirement`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentSpec {
    /// Which component.
    pub name: ComponentName,
    /// The requirement on its version; the component's default if there is none.
    pub requirement: Option<Requirement>,
}

/// The reason a text is not a spec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum InvalidSpec {
    #[error(transparent)]
    Name(#[from] InvalidComponentName),
    #[error(transparent)]
    Requirement(#[from] InvalidRequirement),
}

impl FromStr for ComponentSpec {
    type Err = InvalidSpec;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.split_once('@') {
            None => Self {
                name: text.parse()?,
                requirement: None,
            },
            Some((name, requirement)) => Self {
                name: name.parse()?,
                requirement: Some(requirement.parse()?),
            },
        })
    }
}

impl fmt::Display for ComponentSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.requirement {
            None => write!(f, "{}", self.name),
            Some(requirement) => write!(f, "{}@{requirement}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    fn meant(requirement: &str, version: &str) -> bool {
        let version = Version::parse(version).expect("version");
        let channel = if version.pre.is_empty() {
            Channel::Stable
        } else {
            Channel::Nightly
        };
        let requirement: Requirement = requirement.parse().expect("requirement");
        requirement.matches(
            &version,
            channel,
            &["nightly-188bfd4".to_owned()],
            Channel::Stable,
        )
    }

    #[test]
    fn a_partial_version_is_a_prefix_and_a_full_one_is_exact() {
        assert!(meant("18", "18.6.0") && !meant("18", "180.0.0") && !meant("1", "18.0.0"));
        assert!(meant("18.4", "18.4.0") && !meant("18.4", "18.6.0") && !meant("18.4", "18.40.0"));
        assert!(meant("18.4.0", "18.4.0") && !meant("18.4.0", "18.4.1"));
        assert!(meant("0.0", "0.0.35") && !meant("0.0", "0.1.0"));
        assert!(meant("v0.0.35", "0.0.35"));
        // As it is shown.
        assert!(meant("18.6+zonky", "18.6.0") && !meant("18.6+zonky", "18.6.1"));
        assert!("18+zonky".parse::<Requirement>().is_err());
        assert!(!meant("0.0", "0.0.36-nightly.20260313+188bfd4"));
    }

    #[test]
    fn ranges_channels_and_tags_are_understood() {
        assert!(meant(">=17,<19", "18.6.0") && meant(">=17,<19", "17.0.0") && !meant(">=17,<19", "19.0.0"));
        assert!(meant("latest", "18.6.0") && !meant("latest", "0.0.36-nightly.1"));
        assert!(meant("nightly", "0.0.36-nightly.1") && !meant("stable", "0.0.36-nightly.1"));
        assert!(meant("nightly-188bfd4", "0.0.36-nightly.20260313+188bfd4"));
    }

    #[test]
    fn a_local_build_is_meant_by_its_name_alone() {
        let local = "0.0.0-local-1a2b3c4";
        assert!(meant("local-1a2b3c4", local) && meant(local, local));
        every(
            ["nightly", "latest", "0", "0.0", ">=0.0.0-a", "local-1a2b3c5"],
            |other| {
                assert!(!meant(other, local), "{other}");
            },
        );
    }

    #[test]
    fn build_metadata_names_the_provider_unless_it_is_the_releases_own() {
        let provider = |wanted: &str, release: &str| {
            let wanted: Requirement = wanted.parse().expect("requirement");
            wanted
                .provider(&Version::parse(release).expect("version"))
                .map(String::from)
        };
        assert_eq!(provider("18.4.0+zonky", "18.4.0"), Some("zonky".to_owned()));
        assert_eq!(provider("18.4.0", "18.4.0"), None);
        let nightly = "0.0.36-nightly.20260313+188bfd4";
        assert_eq!(provider(nightly, nightly), None);
        assert_eq!(
            provider(&format!("{nightly}.amp"), nightly),
            Some("amp".to_owned())
        );
        assert!(meant(nightly, nightly) && !meant("0.0.36-nightly.20260313+1234567", nightly));
    }

    #[test]
    fn what_is_no_spec_is_refused() {
        let rows = [
            "",
            "@",
            "postgres@",
            "postgres@x",
            "post gres",
            "postgres@18@4",
            "postgres@18.4.0.1",
            "postgres@018",
            "postgres@../..",
            "postgres@nightly-",
            "postgres@nightly-a/b",
            "postgres@-1",
            "postgres@*",
            "postgres@>",
        ];
        every(rows, |bad| {
            assert!(bad.parse::<ComponentSpec>().is_err(), "{bad}");
        });
        let rows = [
            "postgres",
            "postgres@18",
            "postgres@>=17,<19",
            "ampd@nightly-188bfd4",
            "postgres@18.4.0+zonky",
        ];
        every(rows, |good| {
            assert_eq!(good.parse::<ComponentSpec>().expect(good).to_string(), good);
        });
    }
}
