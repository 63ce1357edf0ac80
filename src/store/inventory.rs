//! Reading the store as a value.

use std::io;

use camino::Utf8Path;
use fs_err as fs;

use super::{
    directories,
    generation::{self, LOST},
    journal::Pending,
    look_again::until_unchanged,
    pointer,
    receipt::{Receipt, is_recorded},
};
use crate::{
    domain::{ComponentName, Inventory, Tree, TreeName, inventory::TreeOrigin},
    layout::Layout,
};

/// Everything that is installed. A home that does not exist holds nothing.
///
/// # Errors
/// When a directory of the home cannot be read. A damaged receipt or generation is no error: it is shown as such.
pub fn read(layout: &Layout) -> io::Result<Inventory> {
    // A commit may happen meanwhile. What is read between two looks that show the same is of one moment.
    let state = || Some((pointer::active(layout).ok()?, Pending::read(layout).ok()?));
    let look = |state: &Option<(_, Pending)>| match state {
        Some((_, pending)) => read_once(layout, pending),
        None => read_once(layout, &Pending::read(layout)?),
    };
    until_unchanged(state, look, |_| false)
}

fn read_once(layout: &Layout, pending: &Pending) -> io::Result<Inventory> {
    let active = pointer::active(layout)?;
    if active.is_none() && generation::is_active_lost(layout)? {
        let text = format!("`{}` {LOST}", layout.active());
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    with_active(trees_without(layout, pending)?, active, layout)
}

/// The same as `read`, as if this generation were active, or nothing were.
///
/// # Errors
/// When a directory of the home cannot be read.
#[cfg(feature = "cli")]
pub fn read_as(active: Option<u64>, layout: &Layout) -> io::Result<Inventory> {
    with_active(trees(layout)?, active, layout)
}

fn with_active(mut inventory: Inventory, active: Option<u64>, layout: &Layout) -> io::Result<Inventory> {
    if let Some(number) = active {
        inventory.generation = Some(number);
        let active = generation::read(layout, number).map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                let text = format!(
                    "`{}` leads to `generations/{number}`, which does not exist",
                    layout.active()
                );
                directories::foreign_entry(&layout.generations(), layout).map_or_else(
                    || io::Error::new(io::ErrorKind::InvalidData, text),
                    io::Error::from,
                )
            }
            _ => cause,
        })?;
        inventory.active = active.set;
    }
    Ok(inventory)
}

/// The trees alone, as if nothing were active.
///
/// # Errors
/// When a directory of the home cannot be read.
pub fn trees(layout: &Layout) -> io::Result<Inventory> {
    trees_without(layout, &Pending::read(layout)?)
}

fn trees_without(layout: &Layout, pending: &Pending) -> io::Result<Inventory> {
    let mut inventory = Inventory::default();
    for component in names::<ComponentName>(&layout.components())? {
        let mut trees: Vec<Tree> = names::<TreeName>(&layout.component(&component))?
            .into_iter()
            .filter(|name| {
                is_recorded(&layout.tree(&component, name)) && !pending.hides_tree(&component, name)
            })
            .map(|name| Tree {
                origin: origin(layout, &component, &name),
                name,
            })
            // One that was removed while we looked is not damaged.
            .filter(|tree| tree.origin.is_some() || layout.tree(&component, &tree.name).is_dir())
            .collect();
        trees.sort_by(|one, other| one.name.cmp(&other.name));
        if !trees.is_empty() {
            inventory.trees.insert(component, trees);
        }
    }
    Ok(inventory)
}

fn origin(layout: &Layout, component: &ComponentName, name: &TreeName) -> Option<TreeOrigin> {
    let receipt = Receipt::read(&layout.tree(component, name), component, name.version()).ok()?;
    Some(TreeOrigin {
        version: receipt.version,
        provider: receipt.provider,
        digest: receipt.digest,
    })
}

/// The directories below `directory` whose names are a `T`. Links are no directories here: a tree is never one.
fn names<T: std::str::FromStr>(directory: &Utf8Path) -> io::Result<Vec<T>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(cause)
            if matches!(
                cause.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(cause) => return Err(cause),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir()
            && let Some(name) = entry.file_name().to_str().and_then(|name| name.parse().ok())
        {
            found.push(name);
        }
    }
    Ok(found)
}
