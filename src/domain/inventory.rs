//! The store as a value: which trees are here, and which are active.

use std::{collections::BTreeMap, fmt, str::FromStr};

use semver::{BuildMetadata, Version};

use super::{ComponentName, Digest, Provider, Requirement, version::parse_full};

/// The name of an installed tree, which is its directory: `<version>`, or `<version>+<provider>` for a second build of
/// the same version. (`<version>.<provider>` where the version has build metadata of its own.)
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct TreeName(Version);

/// The reason a text is not the name of a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of an installed version")]
pub struct InvalidTreeName(String);

impl TreeName {
    /// The name of the first build of a version.
    pub fn new(version: Version) -> Self {
        Self(version)
    }

    /// The name of a further build of a version.
    pub fn with_provider(version: &Version, provider: &Provider) -> Self {
        let build = if version.build.is_empty() {
            provider.to_string()
        } else {
            format!("{}.{provider}", version.build)
        };
        let build = BuildMetadata::new(&build).expect("a provider has only letters, digits and hyphens");
        Self(Version {
            build,
            ..version.clone()
        })
    }

    /// The rank among the versions that would do, of which the highest is taken: by number, and of one version the active
    /// build, else the one that has its builder in its name.
    pub(crate) fn rank(&self, active: Option<&Self>) -> (Version, bool, &Self) {
        let number = Version {
            build: BuildMetadata::EMPTY,
            ..self.0.clone()
        };
        (number, active == Some(self), self)
    }

    /// The name read as a version: its number is the tree's, its build metadata may be the provider.
    pub fn version(&self) -> &Version {
        &self.0
    }
}

impl fmt::Display for TreeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TreeName {
    type Err = InvalidTreeName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Only the spelling that we write is ours: `v1.0.0` is some other directory.
        match parse_full(text) {
            Some(version) if version.to_string() == text => Ok(Self(version)),
            _ => Err(InvalidTreeName(text.to_owned())),
        }
    }
}

/// An installed tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Its directory's name.
    pub name: TreeName,
    /// The origin that its receipt states; `None` if the receipt is missing or damaged, and the tree is not to be trusted.
    pub origin: Option<TreeOrigin>,
}

/// Where an installed tree came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeOrigin {
    /// The release's version.
    pub version: Version,
    /// Who built it.
    pub provider: Provider,
    /// The digest of the artifact.
    pub digest: Digest,
}

/// One set of active versions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActiveSet {
    /// The tree that is active, by component.
    pub components: BTreeMap<ComponentName, TreeName>,
    /// The requirement of each request; a component that is absent was requested without one.
    pub requests: BTreeMap<ComponentName, Requirement>,
}

/// Everything that is installed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// The trees of each component, lowest version first.
    pub trees: BTreeMap<ComponentName, Vec<Tree>>,
    /// The number of the active generation; `None` when nothing was ever activated.
    pub generation: Option<u64>,
    /// The components that are active in it.
    pub active: ActiveSet,
}

impl Inventory {
    /// The trees of a component, lowest version first.
    pub fn trees(&self, component: &ComponentName) -> &[Tree] {
        self.trees.get(component).map_or(&[], Vec::as_slice)
    }

    /// A tree by name.
    pub fn tree(&self, component: &ComponentName, name: &TreeName) -> Option<&Tree> {
        self.trees(component).iter().find(|tree| tree.name == *name)
    }

    /// The whole tree that is taken among those of a component whose origin is meant.
    pub fn best(
        &self,
        component: &ComponentName,
        is_meant: impl Fn(&TreeOrigin) -> bool,
    ) -> Option<(&Tree, &TreeOrigin)> {
        let active = self.active.components.get(component);
        let trees = self.trees(component).iter();
        let whole = trees.filter_map(|tree| Some((tree, tree.origin.as_ref()?)));
        whole
            .filter(|(_, origin)| is_meant(origin))
            .max_by(|(one, _), (other, _)| one.name.rank(active).cmp(&other.name.rank(active)))
    }

    /// The name that tells a tree from every other of its component: with its builder where another build of its version is
    /// installed too.
    pub fn told_apart(&self, component: &ComponentName, name: &TreeName) -> TreeName {
        let Some(own) = self.tree(component, name).and_then(|tree| tree.origin.as_ref()) else {
            return name.clone();
        };
        let is_another_build = |tree: &Tree| match &tree.origin {
            _ if tree.name == *name => false,
            Some(origin) => origin.version == own.version,
            None => tree.name.version().cmp_precedence(&own.version).is_eq(),
        };
        match self.trees(component).iter().any(is_another_build) {
            true => TreeName::with_provider(&own.version, &own.provider),
            false => name.clone(),
        }
    }

    /// Returns true if this tree is the active one of its component.
    pub fn is_active(&self, component: &ComponentName, name: &TreeName) -> bool {
        self.active.components.get(component) == Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_build_has_a_name_of_its_own() {
        let provider: Provider = "zonky".parse().expect("provider");
        let named = |version: &str| {
            TreeName::with_provider(&Version::parse(version).expect("version"), &provider).to_string()
        };
        assert_eq!(named("18.4.0"), "18.4.0+zonky");
        assert_eq!(
            named("0.0.36-nightly.1+188bfd4"),
            "0.0.36-nightly.1+188bfd4.zonky"
        );
        assert!("v18.4.0".parse::<TreeName>().is_err() && "18.4".parse::<TreeName>().is_err());
    }
}
