//! Installed trees, as the user names them and as they are shown. Not a verb itself.

use camino::{Utf8Path, Utf8PathBuf};

use super::{Error, Session};
use crate::{
    domain::{
        Channel, ComponentName, ComponentSpec, Inventory, Requirement, Tree, TreeName, version::local_name,
    },
    fs::link,
    locate,
    registry::Registry,
    resolve::Plan,
    self_install,
    store::{check, receipt::Receipt},
};

/// The installed versions as specs, in words. Where there are several of one component, it is said which is active.
pub(super) fn installed(session: &Session, component: Option<&ComponentName>) -> Result<String, Error> {
    let inventory = session.inventory()?;
    let trees = inventory.trees.iter();
    let mut specs = Vec::new();
    for (name, trees) in trees.filter(|(name, _)| component.is_none_or(|component| component == *name)) {
        for tree in trees {
            let is_marked = trees.len() > 1 && inventory.is_active(name, &tree.name);
            let mark = if is_marked { " (active)" } else { "" };
            specs.push(format!(
                "`{}`{mark}",
                session.typed(name, &tree.name, &inventory)?
            ));
        }
    }
    Ok(if specs.is_empty() {
        "none".to_owned()
    } else {
        specs.join(", ")
    })
}

/// Says that what is asked for is not installed, and what is of that component.
pub(super) fn instead_of(spec: &ComponentSpec, session: &Session) -> Result<String, Error> {
    let absent = format!("{spec} is not installed");
    Ok(match session.inventory()?.trees(&spec.name) {
        [] => absent,
        [..] => format!("{absent}; installed: {}", installed(session, Some(&spec.name))?),
    })
}

/// Returns true if nothing is installed but ampup itself.
pub(super) fn is_empty(inventory: &Inventory) -> bool {
    inventory.trees.keys().all(|name| *name == self_install::name())
}

/// Says that nothing is installed but ampup itself, which may have been listed before, and what to type.
pub(super) fn nothing(inventory: &Inventory, is_listed: bool) -> Option<String> {
    let is_empty = is_empty(inventory);
    let other = if is_listed { "nothing else" } else { "nothing" };
    is_empty.then(|| format!("{other} is installed; `ampup install`"))
}

/// The end of a sentence about a component of another registry.
pub(super) const OF_ANOTHER_REGISTRY: &str = "this registry has no component of that name";

/// Names the active components that this registry does not have: of them it knows no newer version.
pub(super) fn unknown(names: &[ComponentName], inventory: &Inventory, registry: &Registry) -> Vec<String> {
    let is_unknown = |name: &ComponentName| {
        registry.component(name).is_none() && (names.is_empty() || names.contains(name))
    };
    let active = inventory.active.components.iter();
    active
        .filter(|(name, tree)| is_unknown(name) && local_name(tree.version()).is_none())
        .map(|(name, tree)| {
            let shown = locate::shown(name, tree);
            format!("{name} {shown} stays: {OF_ANOTHER_REGISTRY}")
        })
        .collect()
}

/// Returns true if a spec means this tree. The name of its directory is always accepted, even if its receipt is damaged.
pub(super) fn is_meant(spec: &ComponentSpec, tree: &Tree, name: &ComponentName, session: &Session) -> bool {
    let Some(requirement) = &spec.requirement else {
        return true;
    };
    if *requirement == Requirement::Exact(tree.name.version().clone()) {
        return true;
    }
    let version = tree
        .origin
        .as_ref()
        .map_or(tree.name.version(), |origin| &origin.version);
    let component = session
        .registry()
        .ok()
        .and_then(|registry| registry.component(name));
    let release = component.and_then(|component| {
        component
            .releases
            .iter()
            .find(|release| release.version == *version)
    });
    let channel = if version.pre.is_empty() {
        Channel::Stable
    } else {
        Channel::Nightly
    };
    let tags = release.map_or(&[][..], |release| release.tags.as_slice());
    let by_provider = requirement.provider(version).is_none_or(|provider| {
        tree.origin
            .as_ref()
            .is_some_and(|origin| origin.provider == provider)
    });
    by_provider
        && requirement.matches(
            version,
            channel,
            tags,
            component.map_or(channel, |component| component.default_channel),
        )
}

/// The executable of this name in a tree's `bin/`; a name that is a path is none.
pub(super) fn executable_in(tree: &Utf8Path, name: &str) -> Option<Utf8PathBuf> {
    if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
        return None;
    }
    let path = tree
        .join("bin")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    path.is_file().then_some(path)
}

/// The newest installed version that has an executable of this name, for whoever found none in what is used.
pub(super) fn unused_with<'i>(
    executable: &str,
    inventory: &'i Inventory,
    session: &Session,
) -> Option<(&'i ComponentName, &'i TreeName)> {
    let trees = inventory.trees.iter();
    let mut trees =
        trees.flat_map(|(component, trees)| trees.iter().rev().map(move |tree| (component, tree)));
    let found = trees.find(|(component, tree)| {
        let place = session.layout.tree(component, &tree.name);
        let has_it = executable_in(&place, executable).is_some() || is_linked(&place, executable);
        tree.origin.is_some() && has_it
    });
    found.map(|(component, tree)| (component, &tree.name))
}

/// Returns true if a tree has a link of this name for an executable, wherever it leads.
pub(super) fn is_linked(tree: &Utf8Path, executable: &str) -> bool {
    executable.parse::<ComponentName>().is_ok() && link::read(&tree.join("bin").join(executable)).is_ok()
}

/// Ensures that nothing that a plan activates brings an executable of another active component: `bin/` has each name once.
/// Of one registry no two components have the same; this may be another one.
///
/// # Errors
/// When something does.
pub(super) fn ensure_own_executables(
    plan: &Plan,
    registry: &Registry,
    session: &Session,
) -> Result<(), Error> {
    if plan.keeps_active {
        return Ok(());
    }
    let inventory = session.inventory()?;
    let executables = |name: &ComponentName| -> Vec<String> {
        let tree = inventory.active.components.get(name);
        let receipt =
            tree.and_then(|tree| Receipt::read(&session.layout.tree(name, tree), name, tree.version()).ok());
        receipt.map(|receipt| receipt.executables).unwrap_or_default()
    };
    let planned: Vec<&ComponentName> = plan.groups.iter().flat_map(|group| &group.components).collect();
    for other in inventory
        .active
        .components
        .keys()
        .filter(|name| !planned.contains(name))
    {
        let theirs = executables(other);
        for component in planned.iter().filter_map(|name| registry.component(name)) {
            // What both have already came before this was refused.
            let has_already = executables(&component.name);
            let mut new = component
                .executables
                .iter()
                .filter(|name| !has_already.contains(name));
            if let Some(executable) = new.find(|name| theirs.contains(name)) {
                let name = &component.name;
                return Err(Error::Refused {
                    message: format!(
                        "{name} has an executable `{executable}`, and so has {other}, which is active: only one can be on PATH"
                    ),
                    hint: format!(
                        "`ampup uninstall {other}` first, or `ampup install --no-activate {name}`, and `ampup run --with {name}`"
                    ),
                });
            }
        }
    }
    Ok(())
}

/// Ensures that a tree is not a local build that is gone from where it was linked.
///
/// # Errors
/// When it is.
pub(super) fn ensure_there(
    component: &ComponentName,
    tree: &TreeName,
    session: &Session,
) -> Result<(), Error> {
    check::gone(&session.layout, component, tree).map_or(Ok(()), |gone| {
        Err(Error::NotFound {
            message: gone.to_string(),
            hint: gone.remedy(),
        })
    })
}

/// Describes a tree that has no readable receipt.
///
/// # Errors
/// When the registry cannot be had, which says how versions are shown.
pub(super) fn damaged(component: &ComponentName, tree: &TreeName, session: &Session) -> Result<Error, Error> {
    Ok(Error::Damaged {
        component: component.clone(),
        version: session.style(component)?.show(tree.version()),
    })
}
