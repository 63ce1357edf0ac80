//! Unfinished work. Each piece has a directory of its own with a random name and a lock that its maker holds; what
//! nobody holds is swept by the next command.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::place;
use crate::{
    fs::{
        atomic,
        lock::{Lock, LockError},
    },
    layout::Layout,
};

const LOCK: &str = "lock";

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
        let made = || -> io::Result<Utf8PathBuf> {
            let path = atomic::private_directory(&place::staging_root(layout)?, "")?;
            // As root, acceptance runs what lies here as another user, who must be able to enter.
            open_to_readers(&path)?;
            Ok(path)
        };
        let path = made().map_err(|source| LockError::Io {
            path: layout.staging(),
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

impl Drop for Staging {
    fn drop(&mut self) {
        // What stays behind is swept by a later command.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what killed commands left behind. The caller holds the store lock. Whatever cannot be removed stays.
pub fn sweep(layout: &Layout) {
    for path in abandoned(layout) {
        let removed = match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(&path),
            _ => fs::remove_file(&path),
        };
        drop(removed);
    }
}

/// What killed commands left behind.
pub fn abandoned(layout: &Layout) -> Vec<Utf8PathBuf> {
    let Ok(entries) = place::staging_root(layout).and_then(fs::read_dir) else {
        return Vec::new();
    };
    let path = |entry: fs::DirEntry| {
        let path = Utf8PathBuf::from_path_buf(entry.path()).ok()?;
        let is_directory = entry.file_type().ok()?.is_dir();
        (!is_directory || is_abandoned(&path)).then_some(path)
    };
    entries.flatten().filter_map(path).collect()
}

/// Work is made and locked under the store lock, which the caller holds: without a lock file it has no maker any more.
/// Where the file system has no locks, nobody can tell, and it stays.
fn is_abandoned(work: &Utf8Path) -> bool {
    let lock = work.join(LOCK);
    match lock.symlink_metadata() {
        Err(cause) => cause.kind() == io::ErrorKind::NotFound,
        Ok(_) => matches!(Lock::try_acquire(&lock), Ok(Some(lock)) if lock.warning().is_none()),
    }
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
