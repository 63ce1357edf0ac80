//! Sweeping: what killed commands left behind is settled, then removed, by the next command that takes the store lock.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{
    commit, directories,
    staging::{self, LOCK},
};
use crate::{
    fs::{
        flush,
        lock::{self, Lock},
    },
    layout::Layout,
};

/// Settles what killed commands began to commit, and removes what they left behind. The caller holds the store lock.
/// Anything that cannot be removed stays.
///
/// # Errors
/// When a commit cannot be settled.
pub(super) fn sweep(layout: &Layout) -> io::Result<()> {
    for path in abandoned(layout) {
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => {
                commit::settle(layout, &path)?;
                staging::clear(&path);
            }
            _ => drop(fs::remove_file(&path)),
        }
    }
    for root in directories::staging_roots(layout) {
        // A note that was settled must not come back with a power cut, when another generation is active.
        flush::sync_directory(&root)?;
    }
    Ok(())
}

/// Lists what killed commands left behind.
pub fn abandoned(layout: &Layout) -> Vec<Utf8PathBuf> {
    let path = |entry: fs::DirEntry| {
        let path = Utf8PathBuf::from_path_buf(entry.path()).ok()?;
        let is_directory = entry.file_type().ok()?.is_dir();
        // `staging/` is ours alone; behind a link of the user's, others may have a directory of the other's name.
        let is_ours = path.parent() == Some(&layout.staging()) || is_our_name(path.file_name()?);
        (is_ours && (!is_directory || is_abandoned(&path))).then_some(path)
    };
    let roots = directories::staging_roots(layout).into_iter();
    let entries = roots.filter_map(|root| fs::read_dir(root).ok()).flatten();
    entries.flatten().filter_map(path).collect()
}

/// Returns true if a name is one that ampup gives to unfinished work.
fn is_our_name(name: &str) -> bool {
    let is_random = |name: &str| name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_random(name.strip_prefix("settled-").unwrap_or(name))
}

/// Work is made and locked under the store lock, which the caller holds: without a lock file it has no maker any more.
/// Where the file system has no locks, its maker's process id tells.
fn is_abandoned(work: &Utf8Path) -> bool {
    let path = work.join(LOCK);
    match path.symlink_metadata() {
        Err(cause) => cause.kind() == io::ErrorKind::NotFound,
        Ok(_) => match Lock::try_share(&path) {
            Ok(Some(lock)) => lock.is_effective() || lock::holder_is_gone(&path),
            _ => false,
        },
    }
}
