//! The receipt: where an installed tree came from. It is written last, so a tree that has one is whole.

use std::io;

use camino::Utf8Path;
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        ComponentName, Digest, Provider, Source, Target,
        checked::{self, CheckError},
    },
    fs::atomic,
    layout::RECEIPT,
};

/// No receipt is larger, in bytes.
pub const LIMIT: u64 = 4096;

/// Where an installed tree came from (`.receipt.json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The number of this format: 1.
    pub schema: u32,
    /// The component.
    pub component: ComponentName,
    /// The release's version.
    pub version: Version,
    /// The kind of host it was built for.
    pub target: Target,
    /// Who built it.
    pub provider: Provider,
    /// The source of its bytes.
    pub source: Source,
    /// The digest of the artifact, as pinned or as the publisher stated it at install.
    pub digest: Digest,
    /// Who stated the digest, where the registry did not: an address, or a package of an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated_by: Option<String>,
    /// Names in `bin/` that are linked into the home's `bin/` while this tree is active.
    pub executables: Vec<String>,
    /// When it was installed, RFC 3339.
    pub installed: String,
    /// The version of the ampup that installed it.
    pub ampup: String,
}

/// The reason a tree has no usable receipt.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no receipt, or not as it was written.
    #[error("the receipt is damaged")]
    Damaged(#[from] CheckError),
    /// An executable of it would be linked from outside `bin/`.
    #[error("the receipt names the executable `{}`", .0.escape_debug())]
    Executable(String),
    /// It belongs to another tree.
    #[error("the receipt is that of {component} {version}")]
    OfAnotherTree {
        /// The component it names.
        component: ComponentName,
        /// The version it names.
        version: Version,
    },
}

/// Returns true if a directory is a tree that ampup made: it has its receipt or its list of files, be they damaged or not.
#[cfg(feature = "cli")]
pub fn is_recorded(tree: &Utf8Path) -> bool {
    [RECEIPT, crate::layout::FILES]
        .iter()
        .any(|name| tree.join(name).symlink_metadata().is_ok())
}

impl Receipt {
    /// The receipt of the tree at `tree`, which is believed to be of `component` at the number of `version`.
    ///
    /// # Errors
    /// When it is missing, damaged, or another tree's.
    pub fn read(tree: &Utf8Path, component: &ComponentName, version: &Version) -> Result<Self, ReceiptError> {
        Self::parse(&atomic::read_own(&tree.join(RECEIPT), LIMIT)?, component, version)
    }

    /// The receipt in a file's content.
    ///
    /// # Errors
    /// When it is damaged, or another tree's.
    pub fn parse(json: &[u8], component: &ComponentName, version: &Version) -> Result<Self, ReceiptError> {
        let receipt: Self = checked::read(json)?;
        if receipt.component != *component || receipt.version.cmp_precedence(version).is_ne() {
            return Err(ReceiptError::OfAnotherTree {
                component: receipt.component,
                version: receipt.version,
            });
        }
        let is_name = |file: &String| file.parse::<ComponentName>().is_ok();
        match receipt.executables.iter().find(|file| !is_name(file)) {
            Some(file) => Err(ReceiptError::Executable(file.clone())),
            None => Ok(receipt),
        }
    }

    /// The receipt as the content of its file.
    #[cfg(feature = "cli")]
    pub fn to_json(&self) -> Vec<u8> {
        checked::written(self)
    }
}
