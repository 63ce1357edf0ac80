//! Backups: a cold physical copy of the project's cluster in one file, and the way back. No tool of PostgreSQL is needed.
//!
//! A backup is a compressed tar: `ampup-backup.json` (what it is), the cluster's files, and `ampup-digests.json` (what they
//! must be). It is read again and compared after it was written, and while it is restored; a cluster that is not exactly
//! what was written down is never put in place.

mod archive;
mod aside;
mod compress;
mod error;
mod fork;

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};

pub use self::{
    error::BackupError,
    fork::{abandoned_copies, ensure_forkable, fork, major_of_other},
};
use crate::{
    event::{Event, Reporter},
    fs::{atomic, link, space},
    locate::Located,
    postgres::{
        Cluster, ClusterError,
        change::{
            lease::{self, Lease},
            superuser,
            swap::{self, Swap, Swapped},
        },
        observe::decide::Contents,
        observe::files,
        packaged,
        run::create,
        user::OsUser,
    },
};

/// The number of backups that are kept in the default place.
pub const KEPT: usize = 3;
/// The format of what is written.
const SCHEMA: u32 = 1;
/// The prefix and suffix of the names in the default place, with the time between.
const NAME: (&str, &str) = ("metadb-", ".tar.zst");
/// The ending of their names in earlier versions.
const OLD_END: &str = ".tar.gz";

/// The header of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The format.
    pub schema: u32,
    /// PostgreSQL's major, the only one that can open it.
    pub major: u64,
    /// When it was made.
    pub created: String,
    /// Bytes of the cluster's files together; `octets` in those that were made before 0.2.0 was out.
    #[serde(alias = "octets")]
    pub bytes: u64,
}

/// A backup that was made and proven.
#[derive(Debug)]
pub struct Made {
    /// Where it is.
    pub path: Utf8PathBuf,
    /// The header.
    pub header: Header,
    /// Its size.
    pub bytes: u64,
    /// Older ones in the default place that were removed.
    pub removed: Vec<Utf8PathBuf>,
    /// True if the server was stopped for it and started again.
    pub resumed: bool,
}

/// A backup that was restored.
#[derive(Debug)]
pub struct Restored {
    /// The header.
    pub header: Header,
    /// Where the cluster is that was there before.
    pub aside: Option<Utf8PathBuf>,
    /// True if the server was stopped for it and started again.
    pub resumed: bool,
}

/// Makes a backup of the cluster: in `file`, or, where none is named, in the default place.
///
/// # Errors
/// When there is no cluster, it is in use, or the file cannot be written or is not what was written; a server that ran
/// runs again, and there is no half backup.
pub fn back_up(
    cluster: &Cluster,
    file: Option<&Utf8Path>,
    reporter: &dyn Reporter,
) -> Result<Made, BackupError> {
    swap::settle(cluster, reporter)?;
    let major = ensure_possible(cluster, file)?;
    let run_as = cluster.run_as(None)?;
    let path = match file {
        Some(file) => file.to_owned(),
        None => default_path(cluster, run_as.as_ref())?,
    };
    // Nobody changes the cluster meanwhile, nor makes a backup.
    let _swap = Swap::begin(cluster, reporter)?;
    if file.is_none() {
        path.parent().into_iter().for_each(atomic::sweep);
    }
    let lease = Lease::take(cluster, reporter)?;
    if let Some(lost) = files::lost(&cluster.project().cluster()) {
        reporter.report(Event::Warning(format!(
            "the cluster {lost}; `ampup db start` makes them, and so does a restore"
        )));
    }
    let written =
        archive::write(&cluster.project().cluster(), major, &path, cluster.interrupt()).and_then(|written| {
            lease.ensure_undisturbed()?;
            Ok(written)
        });
    let resumed = lease.resume(reporter);
    // The copy's failure is what was asked about, and a server that does not start again must not hide it.
    let header = archive::publish(written?, &path, run_as.as_ref(), cluster.interrupt())?;
    let resumed = resumed.inspect_err(|_| {
        reporter.report(Event::Warning(format!("the backup is whole: `{path}`")));
    })?;
    let removed = if file.is_none() { rotate(&path) } else { Vec::new() };
    Ok(Made {
        bytes: fs::metadata(&path).map(|found| found.len()).unwrap_or_default(),
        path,
        header,
        removed,
        resumed,
    })
}

/// Looks for what is in the way of a backup. Gives the cluster's major. Changes nothing.
///
/// # Errors
/// When there is no cluster, somebody uses it, or something is in the file's place.
pub fn ensure_possible(cluster: &Cluster, file: Option<&Utf8Path>) -> Result<u64, BackupError> {
    let major = major(cluster, BackupError::NoCluster)?;
    cluster.run_as(None)?;
    if let Some(path) = file {
        if path.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(path.to_owned()));
        }
        let directory = path.parent().filter(|parent| !parent.as_str().is_empty());
        if let Some(missing) = directory.filter(|directory| !directory.is_dir()) {
            return Err(BackupError::NoDirectory(missing.to_owned()));
        }
        let parent = directory.and_then(|parent| link::real(parent).ok());
        if parent.is_some_and(|parent| parent.starts_with(cluster.project().cluster())) {
            return Err(BackupError::Inside(path.to_owned()));
        }
    }
    lease::ensure_unused(cluster)?;
    Ok(major)
}

/// The major of a cluster that can be copied. A copy of a damaged one would take the place of a good backup.
fn major(cluster: &Cluster, absent: fn(Utf8PathBuf) -> BackupError) -> Result<u64, BackupError> {
    let directory = cluster.project().cluster();
    match cluster.contents()? {
        Contents::Cluster { major } => Ok(major),
        Contents::Damaged { lacks } => Err(ClusterError::Damaged {
            cluster: directory,
            lacks,
        }
        .into()),
        Contents::Absent | Contents::Empty | Contents::Unfinished | Contents::Foreign { .. } => {
            Err(absent(directory))
        }
    }
}

/// The header of a backup, or of a cluster that was put aside.
///
/// # Errors
/// When it is neither.
pub fn header(file: &Utf8Path) -> Result<Header, BackupError> {
    if file.is_dir() {
        aside::header(file)
    } else {
        archive::header(file)
    }
}

/// A restore that nothing is known to be in the way of.
#[derive(Debug)]
pub struct Restorable {
    /// The header.
    pub header: Header,
    /// True if it is a cluster that was put aside, and not a file.
    is_aside: bool,
    programs: Located,
    run_as: Option<OsUser>,
}

/// Looks for what is in the way of a restore. Changes nothing.
///
/// # Errors
/// When the file is no backup, its programs are not installed, there is too little room, or somebody uses the cluster.
pub fn ensure_restorable(cluster: &Cluster, file: &Utf8Path) -> Result<Restorable, BackupError> {
    let is_aside = file.is_dir();
    let header = header(file)?;
    let (programs, run_as) = ensure_takes(cluster, file, header.major, header.bytes)?;
    Ok(Restorable {
        header,
        is_aside,
        programs,
        run_as,
    })
}

/// Ensures that a project can take a cluster of this major and size. Gives who would serve it, as which user.
fn ensure_takes(
    cluster: &Cluster,
    file: &Utf8Path,
    major: u64,
    bytes: u64,
) -> Result<(Located, Option<OsUser>), BackupError> {
    // A foreign directory in the cluster's place is nobody's to rename.
    if let Contents::Foreign { entry } = cluster.contents()? {
        let cluster = cluster.project().cluster();
        return Err(ClusterError::Foreign { cluster, entry }.into());
    }
    let programs = cluster
        .locator()
        .postgres(Some(major))
        .or_else(|missing| packaged::programs(major, cluster.interrupt()).ok_or(missing))
        .map_err(|source| BackupError::OtherMajor {
            file: file.to_owned(),
            major,
            source,
        })?;
    let run_as = cluster.run_as(None)?;
    swap::ensure_possible(cluster)?;
    // It is built in the Amp directory; where a volume is mounted in its place, it is copied there.
    ensure_room(cluster.project().amp_dir(), bytes)?;
    ensure_room(&cluster.project().cluster(), bytes)?;
    lease::ensure_unused(cluster)?;
    Ok((programs, run_as))
}

/// Ensures that so much can be written where a directory is, or would be.
fn ensure_room(directory: &Utf8Path, bytes: u64) -> Result<(), BackupError> {
    let place = directory.ancestors().find(|path| path.is_dir());
    let place = place.unwrap_or(directory);
    let free = space::free(place).map_err(failed("look at", place))?;
    match free.filter(|free| *free < bytes) {
        Some(free) => Err(BackupError::NoRoom {
            place: directory.to_owned(),
            needed: bytes,
            free,
        }),
        None => Ok(()),
    }
}

/// Restores a backup, or a cluster that was put aside: the cluster that is there is renamed, never deleted.
///
/// # Errors
/// When the file is no backup or damaged, or its programs are not installed; the cluster is then as it was.
pub fn restore(cluster: &Cluster, file: &Utf8Path, reporter: &dyn Reporter) -> Result<Restored, BackupError> {
    swap::settle(cluster, reporter)?;
    let Restorable {
        header,
        is_aside,
        programs,
        run_as,
    } = ensure_restorable(cluster, file)?;
    cluster
        .project()
        .prepare(run_as.as_ref())
        .map_err(ClusterError::from)?;
    let swap = Swap::begin(cluster, reporter)?;
    swap.ensure_possible()?;
    let next = swap.next().project().clone();
    let unpacked = next
        .prepare(run_as.as_ref())
        .map_err(|cause| ClusterError::from(cause).into())
        .and_then(|()| match is_aside {
            true => aside::copy(file, &next.cluster(), run_as.as_ref(), cluster.interrupt()),
            false => archive::unpack(file, &next.cluster(), run_as.as_ref(), cluster.interrupt()),
        })
        .and_then(|()| match swap.next().contents()? {
            Contents::Cluster { major } if major == header.major => Ok(()),
            _ => Err(BackupError::Damaged {
                file: file.to_owned(),
                why: format!("it holds no cluster of PostgreSQL {}", header.major),
            }),
        })
        .and_then(|()| {
            // Its cluster may have been a copy that lost them.
            let place = next.cluster();
            create::restore_directories(&place, run_as.as_ref(), reporter)
                .map_err(failed("make the empty directories of", &place))?;
            if let Some(name) = superuser::let_owner_in(swap.next(), &programs, run_as.as_ref(), reporter)? {
                reporter.report(Event::Note(format!(
                    "another user made this backup: `{name}` is a superuser of the restored database too"
                )));
            }
            Ok(())
        });
    let lease = match unpacked.and_then(|()| Ok(Lease::take(cluster, reporter)?)) {
        Ok(lease) => lease,
        Err(error) => {
            swap.abandon(reporter);
            return Err(error);
        }
    };
    if files::is_ephemeral(&swap.next().project().cluster()) {
        reporter.report(Event::Warning(
            "the restored database was made with `--ephemeral`: a crash of this machine may cost it its data"
                .to_owned(),
        ));
    }
    let Swapped { kept, resumed } = swap.publish(lease, reporter)?;
    Ok(Restored {
        header,
        aside: kept,
        resumed,
    })
}

/// The backups in a project's default place, oldest first.
pub fn kept(amp_dir: &Utf8Path) -> Vec<Utf8PathBuf> {
    let directory = amp_dir.join("backups");
    let mut found: Vec<_> = fs::read_dir(&directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str().map(str::to_owned))
        .filter(|name| name.starts_with(NAME.0) && (name.ends_with(NAME.1) || name.ends_with(OLD_END)))
        .map(|name| directory.join(name))
        .collect();
    // The time in the name.
    found.sort();
    found
}

fn default_path(cluster: &Cluster, owner: Option<&OsUser>) -> Result<Utf8PathBuf, BackupError> {
    let made = cluster.project().make_closed("backups", owner);
    let directory = made.map_err(ClusterError::from)?;
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%.3fZ");
    Ok(directory.join(format!("{}{now}{}", NAME.0, NAME.1)))
}

/// Removes the oldest beside this one. One that cannot be removed stays.
fn rotate(newest: &Utf8Path) -> Vec<Utf8PathBuf> {
    let Some(amp_dir) = newest.parent().and_then(Utf8Path::parent) else {
        return Vec::new();
    };
    let all = kept(amp_dir);
    let surplus = all.len().saturating_sub(KEPT);
    all.into_iter()
        .take(surplus)
        .filter(|old| fs::remove_file(old).is_ok())
        .collect()
}

fn failed(action: &'static str, path: &Utf8Path) -> impl Fn(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io {
        action,
        path: path.clone(),
        source,
    }
}
