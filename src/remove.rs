//! Taking versions away: out of the active set and out of the store, in one commit.

pub mod home;

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use crate::{
    domain::{ComponentName, Inventory, Tree, TreeName},
    fs::lock::Lock,
    layout::Layout,
    pins::{Pin, Pins},
    postgres::projects::Projects,
    registry::Registry,
    resolve,
    store::{
        commit::{StoreChange, commit},
        in_use,
    },
};

/// The component that clusters are bound to.
const POSTGRES: &str = "postgres";

/// The reason a version was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// A process runs from it, and would break.
    #[error("{component} {version} is in use by process {pid} (`{executable}`)")]
    InUse {
        /// The component.
        component: ComponentName,
        /// The version.
        version: TreeName,
        /// The process.
        pid: u32,
        /// The program that it runs.
        executable: String,
    },
    /// It is the last one that a project's cluster can be started with.
    #[error("{component} {version} is the last one that can serve the database of `{project}`")]
    Needed {
        /// The component.
        component: ComponentName,
        /// The version.
        version: TreeName,
        /// The project's Amp directory.
        project: Utf8PathBuf,
    },
    /// It is the last one that can read a cluster which a project keeps.
    #[error("{component} {version} is the last one that can read the old cluster `{cluster}` of `{project}`")]
    NeededByKept {
        /// The component.
        component: ComponentName,
        /// The version.
        version: TreeName,
        /// The cluster.
        cluster: Utf8PathBuf,
        /// The project's directory.
        project: Utf8PathBuf,
    },
    /// It is the last one that a project's pin means.
    #[error("{component} {version} is the last one that line {line} of `{file}` pins")]
    Pinned {
        /// The component.
        component: ComponentName,
        /// The version.
        version: TreeName,
        /// The project's `ampup.toml`.
        file: Utf8PathBuf,
        /// The line in it.
        line: usize,
    },
    /// A process runs from the home that is to go.
    #[error("process {pid} runs from ampup's home (`{executable}`)")]
    Running {
        /// The process.
        pid: u32,
        /// The program that it runs.
        executable: Utf8PathBuf,
    },
    /// Nobody knows that no process runs from it.
    #[error("cannot list the running processes, one of which may use what would be removed")]
    Unlisted(#[source] io::Error),
    /// Another ampup installs something, and would find nothing to put it in.
    #[error("another ampup is at work: {holder} holds `{path}`")]
    AtWork {
        /// Who, in words.
        holder: String,
        /// The lock.
        path: Utf8PathBuf,
    },
    /// The home cannot be written.
    #[error("cannot change ampup's home")]
    Store(#[from] io::Error),
}

/// Refuses to remove the last PostgreSQL of a major version that a cluster of a known project needs, be it in use or kept.
///
/// # Errors
/// `Needed` or `NeededByKept`, with the first such cluster.
pub fn check_needed(
    inventory: &Inventory,
    doomed: &[(ComponentName, TreeName)],
    projects: &Projects,
) -> Result<(), RemoveError> {
    for (component, tree) in doomed
        .iter()
        .filter(|(component, _)| component.as_str() == POSTGRES)
    {
        let major = tree.version().major;
        let stays = |other: &&Tree| {
            other.name.version().major == major && !doomed.contains(&(component.clone(), other.name.clone()))
        };
        if inventory.trees(component).iter().find(stays).is_none()
            && let Some(needy) = projects.of_major(major).into_iter().next()
        {
            let (component, version) = (component.clone(), tree.clone());
            let project = needy.amp_dir;
            return Err(match needy.is_kept {
                false => RemoveError::Needed {
                    component,
                    version,
                    project,
                },
                true => RemoveError::NeededByKept {
                    component,
                    version,
                    cluster: needy.cluster,
                    project: project
                        .parent()
                        .map_or_else(|| project.clone(), Utf8Path::to_owned),
                },
            });
        }
    }
    Ok(())
}

/// Refuses to remove the last version of a component that a project's pin means.
///
/// # Errors
/// `Pinned`, with the first such pin.
pub fn check_pinned(
    inventory: &Inventory,
    doomed: &[(ComponentName, TreeName)],
    pins: &[Pins],
    registry: &Registry,
) -> Result<(), RemoveError> {
    let mut rest = inventory.clone();
    for (component, tree) in doomed {
        if let Some(trees) = rest.trees.get_mut(component) {
            trees.retain(|other| other.name != *tree);
        }
    }
    // What the registry does not know is nobody's pin.
    let meant = |inventory: &Inventory, pin: &Pin| {
        let trees = resolve::pinned(registry, inventory, &pin.spec()).unwrap_or_default();
        trees.into_iter().next().map(|(_, tree)| tree)
    };
    for pins in pins {
        for pin in &pins.pins {
            if let Some(version) = meant(inventory, pin)
                && meant(&rest, pin).is_none()
            {
                return Err(RemoveError::Pinned {
                    component: pin.name.clone(),
                    version,
                    file: pins.path.clone(),
                    line: pin.line,
                });
            }
        }
    }
    Ok(())
}

/// The tree that becomes active when this one goes: the newest other one of the same major version. To another major, a
/// user goes by `ampup use`.
pub fn successor<'a>(
    inventory: &'a Inventory,
    component: &ComponentName,
    tree: &TreeName,
    doomed: &[(ComponentName, TreeName)],
) -> Option<&'a TreeName> {
    let stays = |other: &&Tree| {
        other.origin.is_some()
            && other.name.version().major == tree.version().major
            && !doomed
                .iter()
                .any(|(name, gone)| name == component && *gone == other.name)
    };
    let others = inventory.trees(component).iter().filter(stays);
    others.map(|other| &other.name).max()
}

/// Ensures that no process runs from any of these trees.
///
/// # Errors
/// When one does, or nobody knows.
pub fn ensure_unused(layout: &Layout, doomed: &[(ComponentName, TreeName)]) -> Result<(), RemoveError> {
    for (component, tree) in doomed {
        let users = in_use::users(&layout.tree(component, tree)).map_err(RemoveError::Unlisted)?;
        if let Some(user) = users.into_iter().next() {
            return Err(RemoveError::InUse {
                component: component.clone(),
                version: tree.clone(),
                pid: user.pid,
                executable: user.executable.to_string(),
            });
        }
    }
    Ok(())
}

/// Removes trees. All are checked before the first is touched. Gives the new generation, where one of them was active.
/// `inventory` was read under the store lock.
///
/// # Errors
/// When a process runs from one of them (nothing is changed then), or the home cannot be written.
pub fn remove(
    layout: &Layout,
    inventory: &Inventory,
    doomed: &[(ComponentName, TreeName)],
    command: &str,
    _store: &Lock,
) -> Result<Option<u64>, RemoveError> {
    ensure_unused(layout, doomed)?;
    let mut set = inventory.active.clone();
    for (component, tree) in doomed
        .iter()
        .filter(|(name, tree)| inventory.is_active(name, tree))
    {
        // What was asked for is gone: another request would bring it back with the next update.
        set.requests.remove(component);
        match successor(inventory, component, tree, doomed) {
            Some(next) => set.components.insert(component.clone(), next.clone()),
            None => set.components.remove(component),
        };
    }
    let change = StoreChange {
        adds: Vec::new(),
        removes: doomed.to_vec(),
        set: (set != inventory.active).then_some(&set),
        command,
        before: inventory.generation,
    };
    Ok(commit(layout, &change)?)
}
