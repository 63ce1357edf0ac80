//! Files of a project that belong to somebody else than whoever needs them, as `sudo` leaves them: the server, or ampd.

use camino::{Utf8Path, Utf8PathBuf};

use super::Finding;
use crate::{
    fs::{entries, identity::FileIdentity},
    postgres::{Project, observe::files, user::OsUser},
};

/// The directories of a cluster whose files the server reads and writes.
const OF_DATA: [&str; 5] = ["base", "global", "pg_multixact", "pg_wal", "pg_xact"];
/// The levels of directories with data in them: `base/5/1259`.
const DEPTH: usize = 2;

/// The directories of a project that ampd writes in.
const OF_AMPD: [&str; 3] = ["data", "manifests", "providers"];

/// Looks for a file that its server, which runs as the owner of the cluster, may not read or write; and for a directory that
/// ampd, which runs as the owner of the project, may not.
pub(crate) fn finding(project: &Project) -> Option<Finding> {
    let cluster = project.cluster();
    let server = FileIdentity::of(&cluster).ok()?;
    if let Some(closed) = closed_to_server(&cluster, server) {
        return Some(told(&closed, "the server", server, &cluster));
    }
    let owner = owner(project.amp_dir()).filter(|owner| owner.uid != 0)?;
    let mut directories = OF_AMPD.iter().map(|name| project.amp_dir().join(name));
    let closed = directories.find_map(|path| closed(&path, owner))?;
    Some(told(&closed, "ampd", owner, &closed.path))
}

/// The owner of a project, whoever its cluster is served by.
fn owner(amp_dir: &Utf8Path) -> Option<FileIdentity> {
    let uid = files::project_owner(amp_dir).ok()?;
    let mut above = amp_dir.ancestors().filter_map(|path| FileIdentity::at(path).ok());
    above.find(|found| found.uid == uid)
}

/// The finding about what is closed to a program that runs as this user, and that `place` must be theirs.
fn told(closed: &Closed, program: &str, user: FileIdentity, place: &Utf8Path) -> Finding {
    let name = |uid: u32| {
        OsUser::by_uid(uid).map_or_else(|_| format!("user {uid}"), |user| format!("`{}`", user.name))
    };
    Finding::problem(
        "database",
        format!(
            "`{}` belongs to {}, and {program}, which runs as {}, may not use it",
            closed.path,
            name(closed.owner),
            name(user.uid)
        ),
        format!("as root, `chown -R {}:{} {place}`", user.uid, user.gid),
    )
}

fn closed_to_server(cluster: &Utf8Path, owner: FileIdentity) -> Option<Closed> {
    let top = entries(cluster);
    let of_data = OF_DATA.iter().map(|name| cluster.join(name));
    top.iter().find_map(|path| closed(path, owner)).or_else(|| {
        of_data
            .into_iter()
            .find_map(|directory| closed_in(&directory, owner, DEPTH))
    })
}

/// A file that is closed to whoever needs it, and its owner.
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
