//! Looking at a cluster: the facts that `inspect` decides from.

use std::{collections::BTreeSet, io};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::{
    fs::{
        atomic,
        identity::FileIdentity,
        mounts::{self, Lack},
    },
    postgres::{
        access::{AccessError, Gate},
        identity::{Process, Role, servers_of},
        observe::decide::{Contents, Databases, FIRST_OF_USERS, Listing, contents},
        observe::endpoint::Socket,
        observe::pid_file::{self, PidFile},
        observe::{catalogs, control},
        user::current_uid,
    },
};

/// More is not read of any of the files here.
const LIMIT: u64 = 64 << 10;
/// initdb writes 30 KiB, and a user adds some lines.
const SETTINGS_LIMIT: u64 = 1 << 20;
/// The line in the settings of a cluster whose data may be lost.
pub(crate) const EPHEMERAL: &str = "# ampup: ephemeral (this cluster's data may be lost)";

/// Determines what the cluster's directory is.
///
/// # Errors
/// When it cannot be looked at.
pub fn look(cluster: &Utf8Path) -> io::Result<Contents> {
    match fs::read_dir(cluster) {
        Ok(entries) => Ok(contents(&list(cluster, entries)?)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Contents::Absent),
        Err(cause) => Err(cause),
    }
}

/// The number that initdb gave to the cluster, which its copies share; `None` where it cannot be read.
#[cfg(feature = "cli")]
pub fn identifier(cluster: &Utf8Path) -> Option<u64> {
    control::identifier(&beginning(&cluster.join("global/pg_control")).ok()?)
}

fn list(cluster: &Utf8Path, entries: fs::ReadDir) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for entry in entries {
        listing
            .entries
            .push(entry?.file_name().to_string_lossy().into_owned());
    }
    listing.entries.sort();
    listing.version = text(&cluster.join("PG_VERSION"))?;
    let control = beginning(&cluster.join("global/pg_control"))?;
    listing.has_control = !control.is_empty();
    listing.lacks = NEVER_EMPTY.into_iter().find(|name| is_gone(&cluster.join(name)));
    listing.is_open = control::is_open(&control);
    listing.is_pristine = control::is_pristine(&control);
    let base = cluster.join("base");
    let mut databases = numbers(&base)?;
    listing.lacks_catalog = catalogs::lacking(cluster, &databases)?;
    for place in numbered_places(cluster)? {
        if !listing.has_users_objects {
            listing.has_users_objects = numbers(&place)?.iter().any(is_users);
        }
    }
    // Where somebody has data, what initdb made decides nothing.
    if !listing.has_users_objects {
        listing.databases = made(&base, &mut databases)?;
        let list = beginning(&cluster.join(LIST_OF_DATABASES))?;
        listing.names_last_database = list
            .windows(LAST_DATABASE.len())
            .any(|name| name == LAST_DATABASE);
    }
    Ok(listing)
}

/// The file of the table `pg_database` as initdb makes it, and a name in it.
const LIST_OF_DATABASES: &str = "global/1262";
const LAST_DATABASE: &[u8] = b"postgres\0";

/// The beginning of a file; nothing where it is not there.
fn beginning(path: &Utf8Path) -> io::Result<Vec<u8>> {
    match atomic::read_beginning(path, LIMIT) {
        Err(cause) if is_absent(&cause) => Ok(Vec::new()),
        content => content,
    }
}

fn is_absent(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Determines how far initdb came with its databases, which get the lowest numbers, the last one the highest of them.
fn made(base: &Utf8Path, databases: &mut [u64]) -> io::Result<Databases> {
    databases.sort_unstable();
    let count = databases.partition_point(|number| *number < FIRST_OF_USERS);
    let [_, .., before, last] = databases[..count] else {
        return Ok(if count == 0 {
            Databases::Absent
        } else {
            Databases::Some
        });
    };
    let files = |database: u64| -> io::Result<BTreeSet<u64>> {
        Ok(numbers(&base.join(database.to_string()))?.into_iter().collect())
    };
    Ok(if files(before)?.is_subset(&files(last)?) {
        Databases::All
    } else {
        Databases::Begun
    })
}

/// Says of a cluster whose making was interrupted that it was, unless it is being made now.
pub fn unfinished(cluster: &Utf8Path) -> Option<&'static str> {
    let is_single = |process: &Process| process.role == Role::Single;
    let is_being_made = || servers_of(cluster).map_or(true, |processes| processes.iter().any(is_single));
    let is_unfinished = matches!(look(cluster), Ok(Contents::Unfinished));
    (is_unfinished && !is_being_made())
        .then_some("was not finished when it was made, and nobody's data can be in it")
}

/// The command that makes a cluster again whose making was interrupted.
pub const MAKES_AGAIN: &str = "`ampup db start` puts it aside and makes it again";

/// The commands that bring back a database whose cluster is damaged. Neither removes anything.
#[cfg(feature = "cli")]
pub(crate) const BRINGS_BACK: &str =
    "restore a backup with `ampup db restore`, or start over with `ampup db reset`, which keeps the old one";

/// Returns true if a cluster was made to be ephemeral. One that cannot be read is taken for a durable cluster.
pub fn is_ephemeral(cluster: &Utf8Path) -> bool {
    atomic::read(&cluster.join("postgresql.conf"), SETTINGS_LIMIT).is_ok_and(|settings| {
        String::from_utf8_lossy(&settings)
            .lines()
            .any(|line| line == EPHEMERAL)
    })
}

/// The directories of a cluster in which nothing needs to be, and that a server does not start without
/// (<https://www.postgresql.org/docs/current/storage-file-layout.html>). git keeps no empty directory, and neither does
/// `rsync --prune-empty-dirs`.
const MAY_BE_EMPTY: [&str; 14] = [
    "pg_commit_ts",
    "pg_dynshmem",
    "pg_logical",
    "pg_logical/mappings",
    "pg_logical/snapshots",
    "pg_notify",
    "pg_replslot",
    "pg_serial",
    "pg_snapshots",
    "pg_stat",
    "pg_stat_tmp",
    "pg_tblspc",
    "pg_twophase",
    "pg_wal/archive_status",
];

/// Directories that always hold something: a server does not start without them.
const NEVER_EMPTY: [&str; 8] = [
    "base",
    "global",
    "pg_multixact",
    "pg_multixact/members",
    "pg_multixact/offsets",
    "pg_subtrans",
    "pg_wal",
    "pg_xact",
];

fn is_gone(path: &Utf8Path) -> bool {
    matches!(fs::symlink_metadata(path), Err(cause) if cause.kind() == io::ErrorKind::NotFound)
}

/// The directories that a cluster lacks, in words.
pub fn lost(cluster: &Utf8Path) -> Option<String> {
    let lost = lost_directories(cluster);
    (!lost.is_empty()).then(|| {
        format!(
            "lacks its empty directories, as git and rsync may leave them out: {}",
            lost.join(", ")
        )
    })
}

/// Those of them that a cluster lacks, and that can be made: what is gone with more than that is lost in earnest.
pub fn lost_directories(cluster: &Utf8Path) -> Vec<&'static str> {
    let can_be_made = |name: &str| {
        let above = name.split_once('/').map(|(above, _)| above);
        above.is_none_or(|above| MAY_BE_EMPTY.contains(&above) || !is_gone(&cluster.join(above)))
    };
    let is_lost = |name: &&str| is_gone(&cluster.join(name)) && can_be_made(name);
    MAY_BE_EMPTY.into_iter().filter(is_lost).collect()
}

/// A file of a cluster, or a directory, that has a number as users' databases, tables and tablespaces have: where it lies, and
/// its number.
#[cfg(feature = "cli")]
pub type UsersFile = (Utf8PathBuf, u64);

/// All of these in a cluster. Catalogs that were written anew have such numbers too, and tables that were dropped a while ago.
///
/// # Errors
/// When it cannot be looked at.
#[cfg(feature = "cli")]
pub fn of_users(cluster: &Utf8Path) -> io::Result<BTreeSet<UsersFile>> {
    let mut found = BTreeSet::new();
    for place in numbered_places(cluster)? {
        let numbers = numbers(&place)?.into_iter().filter(is_users);
        found.extend(numbers.map(|number| (place.clone(), number)));
    }
    Ok(found)
}

/// The directories of a cluster in which names are numbers.
fn numbered_places(cluster: &Utf8Path) -> io::Result<Vec<Utf8PathBuf>> {
    let base = cluster.join("base");
    let databases = numbers(&base)?;
    let mut places = vec![base.clone(), cluster.join("global"), cluster.join("pg_tblspc")];
    places.extend(databases.iter().map(|database| base.join(database.to_string())));
    Ok(places)
}

/// Returns true if initdb gives no number as high as this.
fn is_users(number: &u64) -> bool {
    *number >= FIRST_OF_USERS
}

/// The names in a directory that begin with a number: databases in `base/`, tables in a database. A directory that is
/// not there has none; one that cannot be read is an error, because nothing may be concluded from it.
fn numbers(directory: &Utf8Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(directory) {
        Err(cause) if is_absent(&cause) => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.split(['.', '_']).next());
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    Ok(numbers)
}

/// A small file of the cluster, or beside it; `None` when it is absent. Of a large one it is the beginning, and of what is no
/// file nothing: nobody waits for a pipe, and the server's user shall not fill our memory.
pub(crate) fn text(path: &Utf8Path) -> io::Result<Option<String>> {
    match atomic::read_beginning(path, LIMIT) {
        Ok(content) => Ok(Some(String::from_utf8_lossy(&content).into_owned())),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// The lock files that PostgreSQL would stumble over: that of the data directory, and that of the socket.
pub fn lock_files(cluster: &Utf8Path, socket: &Socket) -> Vec<Utf8PathBuf> {
    let of_socket = socket
        .path()
        .map(|path| Utf8PathBuf::from(format!("{path}.lock")));
    [Some(cluster.join(pid_file::NAME)), of_socket]
        .into_iter()
        .flatten()
        .collect()
}

/// Reads the data directory's lock file.
///
/// # Errors
/// When it cannot be read.
pub fn pid_file(cluster: &Utf8Path) -> io::Result<PidFile> {
    lock_file(&cluster.join(pid_file::NAME))
}

/// The command line of the last server that started, as it wrote it down.
///
/// # Errors
/// When it cannot be read.
pub fn last_options(cluster: &Utf8Path) -> io::Result<String> {
    Ok(text(&cluster.join("postmaster.opts"))?.unwrap_or_default())
}

/// Reads a lock file.
///
/// # Errors
/// When it cannot be read.
pub fn lock_file(path: &Utf8Path) -> io::Result<PidFile> {
    Ok(text(path)?.map_or(PidFile::Absent, |content| PidFile::parse(&content)))
}

/// Returns true if any process has this id. (On Windows a server looks for the memory of another, and not for its process.)
#[cfg(windows)]
pub fn exists(_: u32) -> bool {
    false
}

/// Returns true if any process has this id.
#[cfg(unix)]
pub fn exists(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else {
        return false;
    };
    !matches!(
        rustix::process::test_kill_process(pid),
        Err(rustix::io::Errno::SRCH)
    )
}

/// The owner of a path, without following a link.
///
/// # Errors
/// When it cannot be looked at.
pub fn owner(path: &Utf8Path) -> io::Result<u32> {
    Ok(FileIdentity::at(path)?.uid)
}

/// The owner of a project: of its Amp directory unless that is root, else of the nearest directory above that is there.
///
/// # Errors
/// When none can be looked at.
pub fn project_owner(amp_dir: &Utf8Path) -> io::Result<u32> {
    let mut owners = amp_dir.ancestors().filter_map(|path| owner(path).ok());
    let nearest = owners.next().ok_or(io::ErrorKind::NotFound)?;
    let has_amp_dir = amp_dir.symlink_metadata().is_ok();
    Ok(match (nearest, owners.next()) {
        (0, Some(above)) if has_amp_dir => above,
        _ => nearest,
    })
}

/// Checks that the cluster's directory, or `data` in it, is not a link to somewhere else. `None`: nothing is there.
///
/// # Errors
/// When it cannot be looked at.
pub fn is_link(cluster: &Utf8Path) -> io::Result<Option<Result<(), AccessError>>> {
    match fs::symlink_metadata(cluster) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    let data = cluster.join("data");
    for (path, allowed) in [(cluster, ""), (&data, ".")] {
        if let Ok(target) = fs::read_link(path)
            && target.as_os_str() != allowed
        {
            return Ok(Some(Err(AccessError::Link {
                path: path.to_owned(),
                target: target.to_string_lossy().into_owned(),
            })));
        }
    }
    Ok(Some(Ok(())))
}

/// Checks that a cluster is closed to others, as PostgreSQL wants it: 0700, or 0750 (initdb --allow-group-access).
///
/// # Errors
/// When it cannot be looked at.
pub fn is_private(cluster: &Utf8Path) -> io::Result<Result<(), AccessError>> {
    let mode = FileIdentity::at(cluster)?.mode;
    // Who tries it in another user's directory as root could be led elsewhere.
    let keeps_none = || {
        let above = cluster.parent().filter(|_| current_uid() != 0);
        let lacks = above.and_then(|above| mounts::lacks(above).ok());
        lacks.is_some_and(|lacks| lacks.contains(&Lack::Permissions))
    };
    Ok(if mode & 0o027 == 0 {
        Ok(())
    } else if keeps_none() {
        Err(AccessError::of_file_system(cluster, Lack::Permissions))
    } else {
        Err(AccessError::OpenToOthers {
            cluster: cluster.to_owned(),
            mode,
        })
    })
}

/// The directories on the way to a path, from the top, as far as they are there.
pub fn way_to(path: &Utf8Path) -> Vec<Gate> {
    let mut way: Vec<_> = path
        .ancestors()
        .filter_map(|directory| {
            let found = FileIdentity::of(directory).ok().filter(|_| directory.is_dir())?;
            Some(Gate {
                path: directory.to_owned(),
                uid: found.uid,
                gid: found.gid,
                mode: found.mode,
            })
        })
        .collect();
    way.reverse();
    way
}
