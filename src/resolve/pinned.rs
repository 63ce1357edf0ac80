//! A project's pin, looked up among what is installed.

use super::{
    ResolveError,
    choose::{is_by_provider, is_meant},
};
use crate::{
    domain::{Component, ComponentName, ComponentSpec, Inventory, TreeName},
    registry::Registry,
};

/// The installed trees that a pin means: of its component the highest version that will do, whatever is active, and the
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
    let Some((highest, origin)) = inventory.best(&pin.name, |origin| {
        is_meant(component, &origin.version, request) && is_by_provider(origin, request)
    }) else {
        return Ok(Vec::new());
    };
    let same = |member: &&Component| {
        let (tree, _) = inventory.best(&member.name, |other| {
            other.version == origin.version && is_by_provider(other, request)
        })?;
        Some((member.name.clone(), tree.name.clone()))
    };
    let group = registry.group_of(&pin.name);
    let others = group.iter().filter(|member| member.name != pin.name);
    let mut trees = vec![(pin.name.clone(), highest.name.clone())];
    trees.extend(others.filter_map(same));
    Ok(trees)
}
