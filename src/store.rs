//! The store: what is here. Trees under `components/`, generations of the active set, and unfinished work in `staging/`.
//!
//! Readers take no lock, because every change that they can see is one rename. It never touches the network and never
//! runs what it holds.

#[cfg(feature = "cli")]
pub mod check;
pub mod generation;
pub mod in_use;
pub mod inventory;
pub mod links;
pub mod place;
pub mod receipt;
pub mod staging;

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::{
    domain::{ComponentName, TreeName},
    fs::atomic,
    layout::{FILES, Layout, RECEIPT},
};
use receipt::Receipt;

/// Completes a staged tree: writes its list of files and its receipt, the receipt last, and puts all of it on disk.
/// After this the tree may be published.
///
/// # Errors
/// When anything cannot be written or flushed.
pub fn seal(tree: &Utf8Path, files: &[u8], receipt: &Receipt) -> io::Result<()> {
    atomic::write(&tree.join(FILES), files)?;
    atomic::sync_tree(tree)?;
    atomic::write(&tree.join(RECEIPT), &receipt.to_json())?;
    atomic::sync_tree(tree)
}

/// Publishes a sealed tree by one rename and gives its new path. The caller holds the store lock.
///
/// What had that name before, which can only be a damaged tree, is then where the sealed one was, in staging.
///
/// # Errors
/// When the rename fails.
pub fn publish(
    layout: &Layout,
    sealed: &Utf8Path,
    component: &ComponentName,
    name: &TreeName,
) -> io::Result<Utf8PathBuf> {
    let directory = layout.component(component);
    if !directory.exists() {
        fs::create_dir(&directory)?;
        atomic::sync_directory(&layout.components())?;
    }
    let tree = layout.tree(component, name);
    if tree.symlink_metadata().is_ok() {
        atomic::exchange(sealed, &tree)?;
    } else {
        atomic::rename(sealed, &tree)?;
    }
    Ok(tree)
}

/// Removes a tree: out of sight by one rename, then deleted. The caller holds the store lock and knows that no process
/// uses it.
///
/// # Errors
/// When the rename fails; the tree is then as it was.
pub fn remove(layout: &Layout, tree: &Utf8Path) -> io::Result<()> {
    atomic::remove_tree(tree, &place::staging_root(layout)?)?;
    // The directory of a component without versions says nothing.
    if let Some(component) = tree.parent() {
        let _ = fs::remove_dir(component);
    }
    Ok(())
}
