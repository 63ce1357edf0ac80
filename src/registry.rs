//! The registry: what exists.

pub mod builds;
pub mod concern;
pub mod keys;
pub mod manifest;
pub mod recipe;
pub mod strict;
pub mod trust;
mod unique;
pub mod written;

use std::collections::BTreeMap;

use crate::{
    distributions::Distributions,
    domain::{Component, ComponentName, Integrity, inventory::TreeOrigin},
};

/// The components and releases that exist, as one manifest says.
#[derive(Debug, Clone)]
pub struct Registry {
    /// Which registry this is.
    pub id: String,
    /// Counts the manifests of one registry upwards.
    pub serial: u64,
    /// When it was made, RFC 3339.
    pub issued: String,
    /// Which package of a distribution has what builds need.
    pub distributions: Distributions,
    /// All components by name.
    pub components: BTreeMap<ComponentName, Component>,
}

impl Registry {
    /// A registry that has nothing, before the first one of this id is here.
    pub fn without_components(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            serial: 0,
            issued: String::new(),
            distributions: Distributions::default(),
            components: BTreeMap::new(),
        }
    }

    /// A component by name.
    pub fn component(&self, name: &ComponentName) -> Option<&Component> {
        self.components.get(name)
    }

    /// Returns true if it states the digest of what an installed version was made of.
    pub fn pins(&self, name: &ComponentName, origin: &TreeOrigin) -> bool {
        let component = self.component(name).into_iter();
        let mut artifacts = component
            .flat_map(|component| &component.releases)
            .filter(|release| release.version == origin.version)
            .flat_map(|release| &release.artifacts);
        artifacts.any(
            |artifact| matches!(&artifact.integrity, Integrity::Pinned { digest } if *digest == origin.digest),
        )
    }

    /// The components that move together with `name`, itself included.
    pub fn group_of(&self, name: &ComponentName) -> Vec<&Component> {
        let Some(component) = self.component(name) else {
            return Vec::new();
        };
        self.components
            .values()
            .filter(|other| other.group == component.group)
            .collect()
    }
}
