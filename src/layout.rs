//! Where everything lies in ampup's home. This is a public contract (README, "On disk"): daemons, scripts and editors
//! read it. Only names are made here; nothing is looked at.

use camino::{Utf8Path, Utf8PathBuf};
use semver::Version;

use crate::domain::{ComponentName, Digest, TreeName};

/// The file in a tree that says where it came from.
pub const RECEIPT: &str = ".receipt.json";
/// The file in a tree that holds the hash of every other.
pub const FILES: &str = ".files.json";

/// The paths of one home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    home: Utf8PathBuf,
}

#[expect(
    missing_docs,
    reason = "each function names the path of the contract that it gives"
)]
impl Layout {
    /// The layout of the home at this absolute path.
    pub fn new(home: impl Into<Utf8PathBuf>) -> Self {
        Self { home: home.into() }
    }

    pub fn home(&self) -> &Utf8Path {
        &self.home
    }

    /// The one link that says what is active.
    pub fn active(&self) -> Utf8PathBuf {
        self.home.join("active")
    }

    /// The one entry of PATH.
    pub fn bin(&self) -> Utf8PathBuf {
        self.home.join("bin")
    }

    pub fn components(&self) -> Utf8PathBuf {
        self.home.join("components")
    }

    pub fn component(&self, name: &ComponentName) -> Utf8PathBuf {
        self.components().join(name.as_str())
    }

    pub fn tree(&self, component: &ComponentName, tree: &TreeName) -> Utf8PathBuf {
        self.component(component).join(tree.to_string())
    }

    /// A component's tree in the active generation, through the links.
    pub fn active_tree(&self, component: &ComponentName) -> Utf8PathBuf {
        self.active().join(component.as_str())
    }

    pub fn generations(&self) -> Utf8PathBuf {
        self.home.join("generations")
    }

    pub fn generation(&self, number: u64) -> Utf8PathBuf {
        self.generations().join(number.to_string())
    }

    pub fn locks(&self) -> Utf8PathBuf {
        self.home.join("locks")
    }

    /// The lock that covers a commit.
    pub fn store_lock(&self) -> Utf8PathBuf {
        self.locks().join("store")
    }

    /// The lock that covers fetch to acceptance of one release.
    pub fn release_lock(&self, component: &ComponentName, version: &Version) -> Utf8PathBuf {
        self.locks().join(format!("{component}-{version}"))
    }

    pub fn staging(&self) -> Utf8PathBuf {
        self.home.join("staging")
    }

    pub fn cache(&self) -> Utf8PathBuf {
        self.home.join("cache")
    }

    /// Downloads by digest.
    pub fn downloads(&self) -> Utf8PathBuf {
        self.cache().join("downloads")
    }

    /// The answers of builders' own lists, for an hour.
    pub fn upstream(&self) -> Utf8PathBuf {
        self.cache().join("upstream")
    }

    /// Clusters that are copied into new projects.
    pub fn templates(&self) -> Utf8PathBuf {
        self.cache().join("templates")
    }

    /// The template that was made by the component with this digest, for the user of this name.
    pub fn template(&self, component: &Digest, user: &str) -> Utf8PathBuf {
        self.templates().join(format!("{}-{user}", component.file_name()))
    }

    /// The copy of a registry that was fetched: its signature, then its manifest.
    pub fn registry_copy(&self, id: &str) -> Utf8PathBuf {
        self.cache().join(format!("registry-{id}.signed"))
    }

    /// The floor of the registry's serial.
    pub fn trust(&self) -> Utf8PathBuf {
        self.home.join("trust.json")
    }

    /// The directories that have a cluster.
    pub fn projects(&self) -> Utf8PathBuf {
        self.home.join("projects.json")
    }

    pub fn config(&self) -> Utf8PathBuf {
        self.home.join("config.toml")
    }

    /// ampup's manual. `man` looks here by itself when `bin` is on PATH.
    pub fn manual(&self) -> Utf8PathBuf {
        self.home.join("share/man/man1")
    }

    /// The mark: the first file of a home, which says that the directory is ampup's.
    pub fn mark(&self) -> Utf8PathBuf {
        self.home.join(".ampup-home")
    }

    /// Returns the record of what ampup made outside the home, which `self uninstall` takes back.
    pub fn shells(&self) -> Utf8PathBuf {
        self.home.join("shells.json")
    }
}
