//! The files of a cluster that a copy of it has.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{BackupError, failed};

/// A file or a directory of a cluster.
pub(crate) struct ClusterEntry {
    pub(crate) name: Utf8PathBuf,
    /// Of a file.
    pub(crate) size: Option<u64>,
}

/// Lists the files of a cluster that are copied. Sockets and the lock file of a server are not data; `data -> .` is created
/// again.
pub(crate) fn list(
    cluster: &Utf8Path,
    below: &Utf8Path,
    entries: &mut Vec<ClusterEntry>,
) -> Result<(), BackupError> {
    let directory = cluster.join(below);
    let failed_at = failed("read", &directory);
    let mut names = Vec::new();
    for entry in fs::read_dir(&directory).map_err(&failed_at)? {
        let name = entry.map_err(&failed_at)?.file_name();
        names.push(name.into_string().map_err(|_| {
            failed_at(io::Error::new(
                io::ErrorKind::InvalidData,
                "a name that PostgreSQL does not make",
            ))
        })?);
    }
    names.sort();
    for name in names {
        let is_top = below.as_str().is_empty();
        let name = below.join(&name);
        let path = cluster.join(&name);
        let found = fs::symlink_metadata(&path).map_err(&failed_at)?;
        let kind = found.file_type();
        let is_servers =
            ["postmaster.pid", "data"].contains(&name.as_str()) || name.as_str().starts_with(".s.PGSQL.");
        if is_socket(kind) || is_top && is_servers && !kind.is_dir() {
            continue;
        }
        if kind.is_dir() {
            entries.push(ClusterEntry {
                name: name.clone(),
                size: None,
            });
            list(cluster, &name, entries)?;
        } else if kind.is_file() {
            entries.push(ClusterEntry {
                name,
                size: Some(found.len()),
            });
        } else {
            // A tablespace, or a write-ahead log on another disk.
            return Err(BackupError::Outside(path));
        }
    }
    Ok(())
}

fn is_socket(kind: std::fs::FileType) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        kind.is_socket()
    }
    #[cfg(windows)]
    {
        let _ = kind;
        false
    }
}
