//! A copy of one project's database for another: a backup on its way, in the Amp directory that it goes to.

use camino::{Utf8Path, Utf8PathBuf};

use super::{BackupError, Made, Restored, back_up, ensure_takes, failed, major, restore};
use crate::{
    event::Reporter,
    fs::{atomic, lock::Lock},
    postgres::{
        Cluster, ClusterError,
        change::{lease, swap},
        left::{is_free, named},
    },
};

/// The beginning of the name of the directory that holds the copy.
const FORK: &str = "metadb.fork-";
/// The lock in it, which is held until it is removed.
const LOCK: &str = "lock";

/// The directory of a copy, which is removed with this value.
#[derive(Debug)]
struct Copy {
    path: Utf8PathBuf,
    _lock: Lock,
}

impl Copy {
    fn begin(amp_dir: &Utf8Path) -> Result<Self, BackupError> {
        let path =
            atomic::private_directory(amp_dir, FORK).map_err(failed("make a directory in", amp_dir))?;
        let lock = Lock::try_acquire(&path.join(LOCK)).map_err(ClusterError::from)?;
        Ok(Self {
            _lock: lock.expect("nobody else knows the name"),
            path,
        })
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs_err::remove_dir_all(&self.path);
    }
}

/// The major of the other project's cluster.
///
/// # Errors
/// When there is none, or it is damaged.
pub fn major_of_other(there: &Cluster) -> Result<u64, BackupError> {
    major(there, BackupError::NoOther)
}

/// Looks for what is in the way of a fork. Gives the major of what would come here, and its size in bytes. Changes nothing.
///
/// # Errors
/// When there is no cluster there, its programs are not installed, there is too little room, or somebody uses one of the two.
pub fn ensure_forkable(there: &Cluster, here: &Cluster) -> Result<(u64, u64), BackupError> {
    let from = there.project().cluster();
    let major = major_of_other(there)?;
    there.run_as(None)?;
    lease::ensure_unused(there)?;
    let bytes = there.size();
    ensure_takes(here, &from, major, bytes)?;
    Ok((major, bytes))
}

/// Makes `here` a copy of `there`, which is stopped for a moment if it runs. What was here is kept.
///
/// # Errors
/// As `ensure_forkable`, `back_up` and `restore`.
pub fn fork(
    there: &Cluster,
    here: &Cluster,
    reporter: &dyn Reporter,
) -> Result<(Made, Restored), BackupError> {
    swap::settle(there, reporter)?;
    ensure_forkable(there, here)?;
    let run_as = here.run_as(None)?;
    here.project()
        .prepare(run_as.as_ref())
        .map_err(ClusterError::from)?;
    let copy = Copy::begin(here.project().amp_dir())?;
    let file = copy.path.join("copy.tar.zst");
    let made = back_up(there, Some(&file), reporter)?;
    let restored = restore(here, &file, reporter)?;
    Ok((made, restored))
}

/// The copies in an Amp directory that nobody works on.
pub fn abandoned_copies(amp_dir: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut found = named(amp_dir, FORK);
    found.retain(|path| {
        let lock = path.join(LOCK);
        // It is locked at once after it was made.
        match lock.symlink_metadata() {
            Ok(_) => is_free(&lock),
            Err(_) => atomic::is_old(path),
        }
    });
    found
}
