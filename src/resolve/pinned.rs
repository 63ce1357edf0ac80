//! A project's pin, looked up among what is installed.

use std::cmp::Ordering;

use super::{ResolveError, choose::is_meant};
use crate::{
    domain::{
        Component, ComponentName, ComponentSpec, Inventory, Requirement, Tree, TreeName,
        inventory::TreeOrigin,
    },
    registry::Registry,
};

/// The installed trees that a pin means, whatever is active: of its component the highest version that will do, and the
/// same version of what moves with it, as far as that is here. None if nothing that is installed will do.
///
/// # Errors
/// When the registry has no such component.
pub fn pinned(
    registry: &Registry,
    inventory: &Inventory,
    pin: &ComponentSpec,
) -> Result<Vec<(ComponentName, TreeName)>, ResolveError> {
    let component = registry.require(&pin.name)?;
    let request = pin.requirement.as_ref();
    let Some(highest) = whole(inventory, component, request)
        .filter(|(_, origin)| is_meant(component, &origin.version, request))
        .max_by(by_version)
    else {
        return Ok(Vec::new());
    };
    let (tree, version) = (highest.0.name.clone(), &highest.1.version);
    let same = |member: &&Component| {
        let tree = whole(inventory, member, request).find(|(_, origin)| origin.version == *version);
        tree.map(|(tree, _)| (member.name.clone(), tree.name.clone()))
    };
    let group = registry.group_of(&pin.name);
    let others = group.iter().filter(|member| member.name != pin.name);
    let mut trees = vec![(pin.name.clone(), tree)];
    trees.extend(others.filter_map(same));
    Ok(trees)
}

/// The whole trees of a component by the provider that a request names, of each version the first build last.
fn whole<'a>(
    inventory: &'a Inventory,
    component: &Component,
    request: Option<&Requirement>,
) -> impl Iterator<Item = (&'a Tree, &'a TreeOrigin)> {
    let trees = inventory.trees(&component.name).iter().rev();
    let whole = trees.filter_map(|tree| Some((tree, tree.origin.as_ref()?)));
    whole.filter(move |(_, origin)| {
        let provider = request.and_then(|request| request.provider(&origin.version));
        provider.is_none_or(|provider| provider == origin.provider)
    })
}

fn by_version(one: &(&Tree, &TreeOrigin), other: &(&Tree, &TreeOrigin)) -> Ordering {
    one.1.version.cmp_precedence(&other.1.version)
}
