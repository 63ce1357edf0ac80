//! Versions: parsing, order and display.

use semver::Version;
use serde::{Deserialize, Serialize};

/// The style in which a component's versions are shown to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VersionStyle {
    /// As semver writes it: `0.5.0`.
    #[default]
    Plain,
    /// With a leading v, as its tags are: `v0.5.0`.
    V,
    /// PostgreSQL has two numbers (<https://www.postgresql.org/support/versioning/>): 18.4.0 is shown as `18.4`.
    Postgres,
}

impl VersionStyle {
    /// The version as a person reads it.
    pub fn show(self, version: &Version) -> String {
        match self {
            Self::V if local_name(version).is_none() => format!("v{version}"),
            Self::Plain | Self::V | Self::Postgres => self.typed(version),
        }
    }

    /// The version as a person types it behind `@`.
    pub fn typed(self, version: &Version) -> String {
        if let Some(name) = local_name(version) {
            return name.to_owned();
        }
        match self {
            Self::Postgres if version.patch == 0 && version.pre.is_empty() => {
                let build = if version.build.is_empty() { "" } else { "+" };
                format!("{}.{}{build}{}", version.major, version.minor, version.build)
            }
            Self::Plain | Self::V | Self::Postgres => version.to_string(),
        }
    }
}

/// The prefix of the name of a local build, which stands in a version as its pre-release: `0.0.0-local-1a2b3c4`.
pub const LOCAL: &str = "local-";

/// The name of a local build, `local-…`, if this is the version of one.
pub fn local_name(version: &Version) -> Option<&str> {
    let name = version.pre.as_str();
    name.starts_with(LOCAL).then_some(name)
}

/// A full version, with or without a leading `v`.
pub fn parse_full(text: &str) -> Option<Version> {
    Version::parse(text.strip_prefix('v').unwrap_or(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_shown_as_their_users_write_them() {
        let show = |style: VersionStyle, text: &str| style.show(&parse_full(text).expect("valid"));
        assert_eq!(show(VersionStyle::Postgres, "18.4.0"), "18.4");
        assert_eq!(show(VersionStyle::Postgres, "18.4.0+theseus"), "18.4+theseus");
        assert_eq!(show(VersionStyle::Postgres, "9.6.24"), "9.6.24");
        assert_eq!(show(VersionStyle::V, "v0.5.0"), "v0.5.0");
        assert_eq!(show(VersionStyle::V, "0.0.0-local-0123456"), "local-0123456");
        assert_eq!(show(VersionStyle::Plain, "v0.5.0"), "0.5.0");
        let typed = |style: VersionStyle, text: &str| style.typed(&parse_full(text).expect("valid"));
        assert_eq!(typed(VersionStyle::V, "v0.5.0"), "0.5.0");
        assert_eq!(typed(VersionStyle::Postgres, "18.4.0+theseus"), "18.4+theseus");
    }
}
