//! The locks of a home.

use std::time::Duration;

use camino::Utf8Path;

use super::{directories, sweep};
use crate::{
    event::{Event, Reporter},
    fs::lock::{Lock, LockError},
    layout::Layout,
};

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
    let lock = take(&path, ANOTHER, timeout, reporter)?;
    sweep::sweep(layout).map_err(|source| LockError::Io { path, source })?;
    Ok(lock)
}

/// The words for what the store lock is waited for.
pub const ANOTHER: &str = "another ampup to finish";

/// Takes a lock of the home, and tells what the user must know: who holds it, when that takes longer than a second, and
/// that it keeps nobody away, where that is so. `name` is what is waited for.
///
/// # Errors
/// When another process holds it for all of `timeout`.
pub fn take(
    path: &Utf8Path,
    name: &str,
    timeout: Duration,
    reporter: &dyn Reporter,
) -> Result<Lock, LockError> {
    let lock = Lock::acquire(path, timeout, |holder, waited| {
        reporter.report(Event::Waiting {
            name: name.to_owned(),
            holder: holder.to_owned(),
            waited,
        });
    })?;
    if let Some(warning) = lock.warning() {
        reporter.report(Event::Warning(warning.to_owned()));
    }
    Ok(lock)
}
