//! The directories of a home: telling what is in the place of one and is none, and making them.

#[cfg(feature = "cli")]
mod making;

use camino::{Utf8Path, Utf8PathBuf};

#[cfg(feature = "cli")]
pub use self::making::{
    ensure_all_ours, ensure_ours, ensure_writable, entries, generations_scratch, is_open, known,
    of_another_user, prepare, staging_root,
};
use crate::{
    fs::link::{self, ForeignEntry},
    layout::Layout,
};

/// Unfinished work beside what it becomes, where that is a mount point and `staging/` is on another file system.
pub const BESIDE: &str = ".staging";

/// Returns the file or the link that stands in the place of a directory of the home, or of one above it. The target of a
/// link is somebody else's, and is neither written to nor emptied; the home itself may be a link.
pub fn foreign_entry(directory: &Utf8Path, layout: &Layout) -> Option<ForeignEntry> {
    let below = |path: &&Utf8Path| *path != layout.home();
    let mut way: Vec<&Utf8Path> = directory.ancestors().take_while(below).collect();
    way.reverse();
    way.into_iter().find_map(instead_of_directory)
}

fn instead_of_directory(directory: &Utf8Path) -> Option<ForeignEntry> {
    if directory.symlink_metadata().ok()?.is_dir() {
        return None;
    }
    let what = match link::read(directory) {
        Ok(target) => format!("is a link to `{target}`; no directory in ampup's home may be one"),
        Err(_) => "is not a directory".to_owned(),
    };
    Some(ForeignEntry {
        path: directory.to_owned(),
        what,
    })
}

/// Every directory that may hold unfinished work. Not all of them exist.
pub fn staging_roots(layout: &Layout) -> Vec<Utf8PathBuf> {
    let beside = [layout.components(), layout.generations()].map(|directory| directory.join(BESIDE));
    std::iter::once(layout.staging())
        .chain(beside)
        .filter(|root| root.is_dir() && foreign_entry(root, layout).is_none())
        .collect()
}
