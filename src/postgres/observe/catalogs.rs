//! The files of the system's own tables: those which a server reads before it serves, and a session before it may ask.
//! Where they are is in `pg_filenode.map` (PostgreSQL's `relmapper.c`), because a rewrite gives a table another file.

use std::io;

use camino::Utf8Path;

use super::decide::FIRST_OF_USERS;
use crate::fs::atomic;

/// No map is longer.
const LIMIT: u64 = 4096;
/// The name of the map.
const MAP: &str = "pg_filenode.map";
/// Its first four bytes.
const MAGIC: u32 = 0x0059_2717;
/// The databases that initdb makes; the last one is `postgres`.
const MADE: usize = 3;

/// The first of those files that is not there: of the cluster's own, and of those of the database that clients are led to.
/// `databases` are those in `base/`, in any order; where that one was dropped, the cluster lacks nothing.
///
/// # Errors
/// When they cannot be looked at.
pub(super) fn lacking(cluster: &Utf8Path, databases: &[u64]) -> io::Result<Option<String>> {
    let mut made: Vec<u64> = databases.to_vec();
    made.retain(|number| *number < FIRST_OF_USERS);
    made.sort_unstable();
    made.dedup();
    let last = made.last().filter(|_| made.len() == MADE);
    let last = last.map(|number| format!("base/{number}"));
    for place in ["global"].into_iter().chain(last.as_deref()) {
        let directory = cluster.join(place);
        let version = (place != "global").then(|| "PG_VERSION".to_owned());
        // What is not there at all is told of by whoever looks for directories.
        if is_gone(&directory) {
            continue;
        }
        let mut names = version.into_iter().chain([MAP.to_owned()]);
        let missing = names.find(|name| is_gone(&directory.join(name)));
        let missing = match missing {
            Some(missing) => Some(missing),
            None => mapped(&atomic::read_beginning(&directory.join(MAP), LIMIT)?)
                .map(|file| file.to_string())
                .find(|name| is_gone(&directory.join(name))),
        };
        if let Some(missing) = missing {
            return Ok(Some(format!("{place}/{missing}")));
        }
    }
    Ok(None)
}

/// The numbers of the files that a map names; none where it is not one that we know.
fn mapped(map: &[u8]) -> impl Iterator<Item = u32> {
    let numbers: Vec<u32> = map
        .chunks_exact(4)
        .map(|bytes| u32::from_ne_bytes(bytes.try_into().expect("four bytes")))
        .collect();
    let count = match numbers[..] {
        [MAGIC, count, ..] => usize::try_from(count).unwrap_or_default(),
        _ => 0,
    };
    // Pairs of the table's number and its file's.
    numbers.into_iter().skip(3).step_by(2).take(count)
}

fn is_gone(path: &Utf8Path) -> bool {
    matches!(path.symlink_metadata(), Err(cause) if cause.kind() == io::ErrorKind::NotFound)
}
