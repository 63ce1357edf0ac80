//! The ground under every file of ampup: files replaced whole, links, locks, space.

pub mod atomic;
pub mod directory;
pub mod identity;
pub mod link;
pub mod lock;
pub mod mounts;
pub mod space;

use camino::{Utf8Path, Utf8PathBuf};

/// Lists a directory, sorted; nothing if it cannot be read.
pub fn entries(directory: &Utf8Path) -> Vec<Utf8PathBuf> {
    let Ok(entries) = fs_err::read_dir(directory) else {
        return Vec::new();
    };
    let mut paths: Vec<Utf8PathBuf> = entries
        .flatten()
        .filter_map(|entry| Utf8PathBuf::from_path_buf(entry.path()).ok())
        .collect();
    paths.sort();
    paths
}
