//! Unfinished work. Each piece has a directory of its own with a random name and a lock that its maker holds; what
//! nobody holds is swept by the next command.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{directories, journal, receipt::Receipt};
use crate::{
    fs::{
        atomic, flush,
        lock::{Lock, LockError},
    },
    layout::{FILES, Layout, RECEIPT},
};

pub(super) const LOCK: &str = "lock";

/// A directory of unfinished work. It is removed when this value is dropped.
#[derive(Debug)]
pub struct Staging {
    path: Utf8PathBuf,
    _lock: Lock,
}

impl Staging {
    /// Makes one. The caller holds the store lock, so that nobody sweeps it before it is locked.
    ///
    /// # Errors
    /// When it cannot be made or locked.
    pub fn create(layout: &Layout) -> Result<Self, LockError> {
        let root = directories::staging_root(layout).map_err(|source| LockError::Io {
            path: layout.staging(),
            source,
        })?;
        Self::create_in(&root)
    }

    /// Makes one in this directory.
    pub(super) fn create_in(root: &Utf8Path) -> Result<Self, LockError> {
        let made = || -> io::Result<Utf8PathBuf> {
            let path = atomic::private_directory(root, "")?;
            // As root, acceptance runs what lies here as another user, who must be able to enter.
            open_to_readers(&path)?;
            Ok(path)
        };
        let path = made().map_err(|source| LockError::Io {
            path: root.to_owned(),
            source,
        })?;
        let lock = Lock::try_acquire(&path.join(LOCK))?.expect("nobody else knows the name");
        Ok(Self { path, _lock: lock })
    }

    /// The directory.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Makes an empty directory in it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn directory(&self, name: &str) -> io::Result<Utf8PathBuf> {
        let path = self.path.join(name);
        if path.symlink_metadata().is_ok() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir(&path)?;
        open_to_readers(&path)?;
        Ok(path)
    }
}

impl Staging {
    /// Removes it, for good: after this it does not come back with a power cut either.
    pub(super) fn discard(mut self) -> io::Result<()> {
        let path = std::mem::take(&mut self.path);
        clear(&path);
        match path.parent() {
            Some(root) => flush::sync_directory(root),
            None => Ok(()),
        }
    }

    /// Leaves it to the next command.
    pub(super) fn leave(mut self) {
        self.path = Utf8PathBuf::new();
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.path.as_str().is_empty() {
            clear(&self.path);
        }
    }
}

/// Completes a staged tree: writes its list of files and its receipt, and puts all of it on disk in one flush. After this
/// the tree may be published; until then nobody reads it, and what a power cut leaves of it is swept.
///
/// # Errors
/// When anything cannot be written or flushed.
pub fn seal(tree: &Utf8Path, files: &[u8], receipt: &Receipt) -> io::Result<()> {
    atomic::write_unflushed(&tree.join(FILES), files)?;
    atomic::write_unflushed(&tree.join(RECEIPT), &receipt.to_json())?;
    flush::sync_tree(tree)
}

/// Removes a directory of the home: out of sight by one rename where that is possible, so that nobody ever sees half of it,
/// then deleted. Links are removed, never followed. The caller holds the store lock.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(layout: &Layout, directory: &Utf8Path) -> io::Result<()> {
    for root in [
        directories::generations_scratch(layout),
        directories::staging_root(layout),
    ] {
        // A full disk has no room for a new directory, and must be emptied all the same.
        if let Ok(work) = root.and_then(|root| Ok(Staging::create_in(&root)?))
            && fs::rename(directory, work.path().join("removed")).is_ok()
        {
            return Ok(());
        }
    }
    fs::remove_dir_all(directory)
}

/// Removes a directory of unfinished work, the note of a commit last. What stays behind is swept by a later command.
pub(super) fn clear(work: &Utf8Path) {
    if let Ok(entries) = fs::read_dir(work) {
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_name() == journal::JOURNAL || entry.file_name() == LOCK {
                continue;
            }
            let _ = match entry.file_type() {
                Ok(kind) if kind.is_dir() => fs::remove_dir_all(path),
                _ => fs::remove_file(path),
            };
        }
    }
    let _ = fs::remove_dir_all(work);
}

#[cfg(unix)]
fn open_to_readers(path: &Utf8Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn open_to_readers(_: &Utf8Path) -> io::Result<()> {
    Ok(())
}
