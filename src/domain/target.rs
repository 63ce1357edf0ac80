//! The kinds of host that artifacts are built for.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A target triple of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[expect(missing_docs, reason = "each variant is the triple that `as_str` gives")]
pub enum Target {
    Aarch64Darwin,
    X86_64Darwin,
    Aarch64LinuxGnu,
    X86_64LinuxGnu,
    Aarch64LinuxMusl,
    X86_64LinuxMusl,
    X86_64Windows,
}

/// A triple that this ampup does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown target `{0}`")]
pub struct UnknownTarget(String);

impl Target {
    /// Every target this ampup knows.
    pub const ALL: [Self; 7] = [
        Self::Aarch64Darwin,
        Self::X86_64Darwin,
        Self::Aarch64LinuxGnu,
        Self::X86_64LinuxGnu,
        Self::Aarch64LinuxMusl,
        Self::X86_64LinuxMusl,
        Self::X86_64Windows,
    ];

    /// The triple as text, for example `x86_64-unknown-linux-gnu`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aarch64Darwin => "aarch64-apple-darwin",
            Self::X86_64Darwin => "x86_64-apple-darwin",
            Self::Aarch64LinuxGnu => "aarch64-unknown-linux-gnu",
            Self::X86_64LinuxGnu => "x86_64-unknown-linux-gnu",
            Self::Aarch64LinuxMusl => "aarch64-unknown-linux-musl",
            Self::X86_64LinuxMusl => "x86_64-unknown-linux-musl",
            Self::X86_64Windows => "x86_64-pc-windows-msvc",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Target {
    type Err = UnknownTarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|target| target.as_str() == text)
            .ok_or_else(|| UnknownTarget(text.to_owned()))
    }
}

impl TryFrom<String> for Target {
    type Error = UnknownTarget;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.as_str().to_owned()
    }
}
