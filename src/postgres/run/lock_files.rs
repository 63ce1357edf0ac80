//! The lock files of a server that is no more.

use std::{io, time::Duration};

use camino::Utf8Path;
use fs_err as fs;

use crate::postgres::{
    identity::servers_of,
    observe::{endpoint::Socket, files},
};

/// A lock file that is younger may be that of a server which is just starting.
const SETTLED: Duration = Duration::from_secs(2);

/// Removes lock files that are in PostgreSQL's way, if nobody is behind them. Gives whether they are gone.
///
/// Beside such a file PostgreSQL starts no server, so none can come while it is there. What could be is one that began a
/// moment ago: it works in the directory before it writes the file, and one that cannot be seen from here has its socket
/// a moment after.
///
/// # Errors
/// When one cannot be looked at or removed.
pub(crate) fn remove_stale(cluster: &Utf8Path, socket: &Socket) -> io::Result<bool> {
    let paths = files::lock_files(cluster, socket);
    for file in &paths {
        let age = match fs::metadata(file) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            found => found?.modified()?.elapsed(),
        };
        // A time to come is a clock that was set, not a file of this moment.
        if age.is_ok_and(|age| age < SETTLED) {
            return Ok(false);
        }
    }
    if !servers_of(cluster)?.is_empty() {
        return Ok(false);
    }
    for file in paths {
        // A directory in its place goes if nothing is in it.
        let is_directory = file.symlink_metadata().is_ok_and(|found| found.is_dir());
        let removed = match is_directory {
            true => fs::remove_dir(file),
            false => fs::remove_file(file),
        };
        match removed {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    Ok(true)
}
