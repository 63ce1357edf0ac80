//! Unused items: in the home what can be fetched again, and in it, in projects and elsewhere what killed commands left
//! behind. Never an installed version that was not named, never a tree in use, never a cluster's data, and nothing that
//! ampup did not make.

mod outside;
mod projects;

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

pub use self::{
    outside::{gone_homes, leftovers as left_outside},
    projects::{OLD_DATABASE, kept, leftovers as left_in_projects, of_this_user, unsettled},
};
use crate::{
    domain::{ComponentName, Inventory, TreeName},
    fs::{atomic::is_old, entries},
    layout::Layout,
    store::{directories, generation, receipt::Receipt, staging, sweep},
};

/// The words for something unfinished.
const LEFT: &str = "leftover of a command that was killed";

/// Something that can go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waste {
    /// Where it is.
    pub path: Utf8PathBuf,
    /// The description of the item.
    pub what: &'static str,
    /// The space that it takes, in bytes.
    pub bytes: u64,
}

impl Waste {
    fn new(path: Utf8PathBuf, what: &'static str) -> Self {
        let bytes = size(&path);
        Self { path, what, bytes }
    }
}

/// Everything in the home that can go. Changes nothing.
pub fn find(layout: &Layout, inventory: &Inventory) -> Vec<Waste> {
    let mut found: Vec<Waste> = Vec::new();
    let mut add =
        |paths: Vec<Utf8PathBuf>, what| found.extend(paths.into_iter().map(|path| Waste::new(path, what)));
    add(downloads(layout), "download");
    add(
        templates(layout, inventory),
        "cluster template of a removed version",
    );
    add(old_answers(layout), "old list of releases");
    add(sweep::abandoned(layout), LEFT);
    add(forgotten(layout), LEFT);
    let old = generation::old(layout)
        .into_iter()
        .map(|number| layout.generation(number));
    add(old.collect(), "old entry of the history");
    found
}

/// The versions of a component that are not active.
pub fn inactive(component: &ComponentName, inventory: &Inventory) -> Vec<(ComponentName, TreeName)> {
    inventory
        .trees(component)
        .iter()
        .map(|tree| tree.name.clone())
        .filter(|tree| !inventory.is_active(component, tree))
        .map(|tree| (component.clone(), tree))
        .collect()
}

/// Removes one of the home. Links are removed, never followed. The caller holds the store lock, under which it was found.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(waste: &Waste, layout: &Layout) -> std::io::Result<()> {
    let metadata = match waste.path.symlink_metadata() {
        // It was swept already.
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if metadata.is_dir() {
        staging::remove(layout, &waste.path)
    } else {
        fs::remove_file(&waste.path)
    }
}

/// Removes one that lies elsewhere, and the directory for sockets that is empty after it. Links are removed, never
/// followed.
///
/// # Errors
/// When it cannot be removed.
pub fn remove_outside(waste: &Waste) -> std::io::Result<()> {
    let removed = match waste.path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(&waste.path),
        Ok(_) => fs::remove_file(&waste.path),
        Err(cause) => Err(cause),
    };
    match removed {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {}
        removed => removed?,
    }
    if waste.what == outside::SOCKETS
        && let Some(above) = waste.path.parent()
    {
        // Others of this user's may be in it.
        let _ = fs::remove_dir(above);
    }
    Ok(())
}

/// The room that a tree takes, in bytes.
pub fn size(path: &Utf8Path) -> u64 {
    let Ok(metadata) = path.symlink_metadata() else {
        return 0;
    };
    if metadata.is_dir() {
        entries(path).iter().map(|entry| size(entry)).sum()
    } else {
        metadata.len()
    }
}

/// Those that no other ampup writes: it holds a lock on each.
fn downloads(layout: &Layout) -> Vec<Utf8PathBuf> {
    let free = |path: &Utf8PathBuf| {
        let written = path.as_str().strip_suffix(".json").unwrap_or(path.as_str());
        // What is no file has no writer; opening a pipe would wait for one.
        if !Utf8Path::new(written)
            .symlink_metadata()
            .is_ok_and(|metadata| metadata.is_file())
        {
            return true;
        }
        match fs::File::open(written) {
            Ok(file) => !matches!(
                file.into_file().try_lock_shared(),
                Err(std::fs::TryLockError::WouldBlock)
            ),
            Err(_) => true,
        }
    };
    directories::entries(&layout.downloads(), layout)
        .into_iter()
        .filter(free)
        .collect()
}

/// Lists that would be asked for again anyhow.
fn old_answers(layout: &Layout) -> Vec<Utf8PathBuf> {
    directories::entries(&layout.upstream(), layout)
        .into_iter()
        .filter(|path| is_old(path))
        .collect()
}

fn templates(layout: &Layout, inventory: &Inventory) -> Vec<Utf8PathBuf> {
    let digests: BTreeSet<String> = inventory
        .trees
        .iter()
        .flat_map(|(component, trees)| trees.iter().map(move |tree| (component, tree)))
        .filter_map(|(component, tree)| {
            let place = layout.tree(component, &tree.name);
            Some(
                Receipt::read(&place, component, tree.name.version())
                    .ok()?
                    .digest
                    .file_name(),
            )
        })
        .collect();
    let is_wanted = |path: &Utf8PathBuf| {
        let name = path.file_name().unwrap_or_default();
        digests
            .iter()
            .any(|digest| name.starts_with(&format!("{digest}-")))
    };
    // While a receipt cannot be read, nobody knows whose template it is.
    let known = |component: &ComponentName| {
        inventory
            .trees(component)
            .iter()
            .all(|tree| tree.origin.is_some())
    };
    if !inventory.trees.keys().all(known) {
        return Vec::new();
    }
    directories::entries(&layout.templates(), layout)
        .into_iter()
        .filter(|path| !is_wanted(path))
        .collect()
}

/// Files and links that were to be renamed into place, and were not.
fn forgotten(layout: &Layout) -> Vec<Utf8PathBuf> {
    let is_ours = |path: &Utf8PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.starts_with(".new-") || name.starts_with(".link-")
    };
    [layout.home().to_owned(), layout.cache(), layout.upstream()]
        .iter()
        .flat_map(|directory| directories::entries(directory, layout))
        .filter(|path| is_ours(path) && !path.is_dir() && is_old(path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::lock::Lock;

    #[test]
    fn a_download_that_another_process_writes_stays() {
        let world = tempfile::tempdir().expect("tempdir");
        let layout = Layout::new(Utf8Path::from_path(world.path()).expect("UTF-8"));
        fs::create_dir_all(layout.downloads()).expect("made");
        let busy = layout.downloads().join("sha256-a.partial");
        let free = layout.downloads().join("sha256-b.partial");
        fs::write(&free, "b").expect("written");
        fs::write(format!("{busy}.json"), "{}").expect("written");
        let _lock = Lock::try_acquire(&busy).expect("opened").expect("free");
        assert_eq!(downloads(&layout), [free]);
    }
}
