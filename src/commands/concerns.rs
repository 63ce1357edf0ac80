//! Concerns about what is installed, for the commands that tell it: one line each, and the same in JSON.

use jiff::Timestamp;
use semver::Version;
use serde_json::Value;

use super::{Error, Session};
use crate::{
    domain::{Component, ComponentName, Inventory, Requirement, TreeName},
    host,
    registry::concern::{self, Concern},
};

/// The concerns about a version of a component, whatever was asked for.
pub(super) fn of_version(
    name: &ComponentName,
    version: &Version,
    session: &Session,
) -> Result<Vec<Concern>, Error> {
    let Some(component) = session.registry()?.component(name) else {
        return Ok(Vec::new());
    };
    Ok(concern::of_version(component, version, &today()))
}

/// The concerns about an installed tree; where it is active, also what holds a newer version back.
pub(super) fn of_tree(
    name: &ComponentName,
    tree: &TreeName,
    inventory: &Inventory,
    session: &Session,
) -> Result<Vec<Concern>, Error> {
    let origin = inventory.tree(name, tree).and_then(|tree| tree.origin.as_ref());
    let version = origin.map_or(tree.version(), |origin| &origin.version);
    let Some(component) = session.registry()?.component(name) else {
        return Ok(Vec::new());
    };
    let concerns = concern::of_version(component, version, &today()).into_iter();
    let installed = inventory.trees(name);
    let mut concerns: Vec<Concern> = concerns
        .map(|concern| concern.among(component, installed))
        .collect();
    if inventory.is_active(name, tree) {
        let request = inventory.active.requests.get(name);
        let mut held_back = held_back(component, version, request, inventory);
        // A pin is not what was asked for, and goes its own way.
        let pins = session.pins().ok().flatten();
        let is_pinned = pins.is_some_and(|pins| pins.of(name).is_some());
        if let Some(Concern::HeldBack { remedy, .. }) = held_back.as_mut().filter(|_| is_pinned) {
            remedy.insert_str(0, "outside of this project: ");
        }
        concerns.extend(held_back);
    }
    Ok(concerns)
}

/// The request that holds a newer version of an active component back, if one does.
pub(super) fn held_back(
    component: &Component,
    version: &Version,
    request: Option<&Requirement>,
    inventory: &Inventory,
) -> Option<Concern> {
    let found = concern::held_back(component, version, request, host::target())?;
    Some(found.among(component, inventory.trees(&component.name)))
}

/// The command that installs, beside the active version, the release with the fixes that another one lacks; `None` where it is
/// installed already, or there is no build of it for this host.
pub(super) fn fix_beside(component: &Component, version: &Version, inventory: &Inventory) -> Option<String> {
    let exact = Requirement::Exact(version.clone());
    match held_back(component, version, Some(&exact), inventory)? {
        Concern::HeldBack {
            newest,
            is_installed: false,
            ..
        } => {
            let newest = component.version_style.typed(&newest);
            Some(format!(
                "`ampup install --no-activate {}@{newest}`",
                component.name
            ))
        }
        _ => None,
    }
}

/// The concerns about an active component.
pub(super) fn of_active(
    name: &ComponentName,
    inventory: &Inventory,
    session: &Session,
) -> Result<Vec<Concern>, Error> {
    match inventory.active.components.get(name) {
        Some(tree) => of_tree(name, tree, inventory, session),
        None => Ok(Vec::new()),
    }
}

/// True if a newer release is there that the request does not allow: such a component is not up to date.
pub(super) fn is_held_back(concerns: &[Concern]) -> bool {
    concerns
        .iter()
        .any(|concern| matches!(concern, Concern::HeldBack { .. }))
}

/// A line each, for a person.
pub(super) fn lines(concerns: &[Concern]) -> impl Iterator<Item = String> {
    concerns.iter().map(ToString::to_string)
}

/// The same for a program.
pub(super) fn json(concerns: &[Concern]) -> Vec<Value> {
    concerns.iter().map(Concern::json).collect()
}

/// The day, as the registry writes days.
pub(super) fn today() -> String {
    Timestamp::now().strftime("%Y-%m-%d").to_string()
}
