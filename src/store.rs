//! The store: what is here. Trees under `components/`, generations of the active set, and unfinished work in `staging/`.
//!
//! Readers take no lock, because every change that they can see is one rename. It never touches the network and never
//! runs what it holds.

#[cfg(feature = "cli")]
pub mod check;
pub mod claim;
pub mod commit;
pub mod directories;
pub mod generation;
pub mod in_use;
pub mod inventory;
pub mod journal;
pub mod links;
pub mod look_again;
pub mod pointer;
pub mod receipt;
pub mod shared_home;
pub mod staging;
pub mod sweep;

use std::{io, time::Duration};

use camino::Utf8Path;

use crate::{
    event::{Event, Reporter},
    fs::{
        atomic,
        lock::{Lock, LockError},
    },
    layout::{FILES, Layout, RECEIPT},
};
use receipt::Receipt;

/// Completes a staged tree: writes its list of files and its receipt, and puts all of it on disk in one flush. After this
/// the tree may be published; until then nobody reads it, and what a power cut leaves of it is swept.
///
/// # Errors
/// When anything cannot be written or flushed.
pub fn seal(tree: &Utf8Path, files: &[u8], receipt: &Receipt) -> io::Result<()> {
    atomic::write_unflushed(&tree.join(FILES), files)?;
    atomic::write_unflushed(&tree.join(RECEIPT), &receipt.to_json())?;
    atomic::sync_tree(tree)
}

/// Takes the store lock and, under it, settles and sweeps what interrupted commands left behind.
///
/// # Errors
/// When another process holds it for all of `timeout`, or what was left cannot be settled.
pub fn lock(layout: &Layout, timeout: Duration, reporter: &dyn Reporter) -> Result<Lock, LockError> {
    let path = layout.store_lock();
    directories::ensure_ours(&layout.locks(), layout).map_err(|source| LockError::Io {
        path: path.clone(),
        source,
    })?;
    let lock = take(&path, "the store", timeout, reporter)?;
    sweep::sweep(layout).map_err(|source| LockError::Io { path, source })?;
    Ok(lock)
}

/// Takes a lock of the home, and tells what the user must know: who holds it, when that takes longer than a second, and
/// that it keeps nobody away, where that is so. `name` is what it is for.
///
/// # Errors
/// When another process holds it for all of `timeout`.
pub fn take(
    path: &Utf8Path,
    name: &str,
    timeout: Duration,
    reporter: &dyn Reporter,
) -> Result<Lock, LockError> {
    let lock = Lock::acquire(path, timeout, |holder| {
        reporter.report(Event::Waiting {
            name: name.to_owned(),
            holder: holder.to_owned(),
        });
    })?;
    if let Some(warning) = lock.warning() {
        reporter.report(Event::Warning(warning.to_owned()));
    }
    Ok(lock)
}
