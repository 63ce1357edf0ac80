//! Files of a cluster that belong to somebody else than the cluster, as `sudo` leaves them: the server could not use them.

use camino::{Utf8Path, Utf8PathBuf};

use super::Finding;
use crate::{
    fs::{entries, identity::FileIdentity},
    postgres::user::OsUser,
};

/// The directories of a cluster whose files the server reads and writes.
const OF_DATA: [&str; 5] = ["base", "global", "pg_multixact", "pg_wal", "pg_xact"];
/// The levels of directories with data in them: `base/5/1259`.
const DEPTH: usize = 2;

/// Looks for a file that its server, which runs as the owner of the directory, may not read or write.
pub(crate) fn finding(cluster: &Utf8Path) -> Option<Finding> {
    let owner = FileIdentity::of(cluster).ok()?;
    let top = entries(cluster);
    let of_data = OF_DATA.iter().map(|name| cluster.join(name));
    let closed = top.iter().find_map(|path| closed(path, owner)).or_else(|| {
        of_data
            .into_iter()
            .find_map(|directory| closed_in(&directory, owner, DEPTH))
    })?;
    let name = |uid: u32| {
        OsUser::by_uid(uid).map_or_else(|_| format!("user {uid}"), |user| format!("`{}`", user.name))
    };
    Some(Finding::problem(
        "database",
        format!(
            "`{}` belongs to {}, and the server, which runs as {}, may not use it",
            closed.path,
            name(closed.owner),
            name(owner.uid)
        ),
        format!("as root, `chown -R {}:{} {cluster}`", owner.uid, owner.gid),
    ))
}

/// A file that is closed to the server, and its owner.
struct Closed {
    path: Utf8PathBuf,
    owner: u32,
}

fn closed_in(directory: &Utf8Path, owner: FileIdentity, depth: usize) -> Option<Closed> {
    let inside = entries(directory);
    let found = inside.iter().find_map(|path| closed(path, owner));
    if found.is_some() || depth == 0 {
        return found;
    }
    let mut directories = inside.iter().filter(|path| path.is_dir() && !path.is_symlink());
    directories.find_map(|path| closed_in(path, owner, depth - 1))
}

fn closed(path: &Utf8Path, server: FileIdentity) -> Option<Closed> {
    let found = FileIdentity::at(path)
        .ok()
        .filter(|found| found.uid != server.uid)?;
    let name = path.file_name().unwrap_or_default();
    let is_written = name == "postmaster.opts" || name.starts_with(|sign: char| sign.is_ascii_digit());
    let needed = if path.is_dir() {
        0o7
    } else if is_written {
        0o6
    } else {
        0o4
    };
    let as_group = if found.gid == server.gid {
        found.mode >> 3
    } else {
        0
    };
    let is_open = [found.mode, as_group].iter().any(|mode| mode & needed == needed);
    (!is_open).then(|| Closed {
        path: path.to_owned(),
        owner: found.uid,
    })
}
