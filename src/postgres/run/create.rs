//! Making a project's cluster: beside its place, flushed, then moved there by one rename. Whoever is killed on the way
//! leaves no cluster, or a whole one. A volume that is mounted in that place cannot be replaced, so it is made in there, and
//! `PG_VERSION`, without which it is none, is moved last.

use std::io::{self, Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::{
    children::Interrupt,
    event::{Event, Reporter},
    fs::{
        atomic,
        directory::{self, Directory},
        flush,
        mounts::{self, Lack},
    },
    postgres::{
        access::AccessError,
        error::ClusterError,
        observe::decide::{Contents, NEW, OLD},
        observe::files,
        ownership::{give_all, give_directory},
        program::Program,
        project::Project,
        run::initdb::{Flush, Superuser, initdb},
        user::OsUser,
    },
};

/// The settings of a cluster whose data may be lost
/// (<https://www.postgresql.org/docs/current/non-durability.html>).
const NOT_DURABLE: &str = "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n";

/// The way in which a cluster was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Made {
    /// By copying the template that the installation left.
    FromTemplate,
    /// By initdb.
    ByInitdb,
}

/// The cluster to make.
#[derive(Debug, Clone, Copy)]
pub struct NewCluster<'a> {
    /// The tree that makes it.
    pub tree: &'a Utf8Path,
    /// The major of that tree.
    pub major: u64,
    /// Whose it will be; `None`: ours.
    pub owner: Option<&'a OsUser>,
    /// A cluster of the same tree, owner and superuser to copy.
    pub template: Option<&'a Utf8Path>,
    /// Who connects to it, if not a role of its owner's name.
    pub superuser: Option<Superuser<'a>>,
    /// Its data may be lost.
    pub ephemeral: bool,
    /// The handle that ends initdb.
    pub interrupt: &'a Interrupt,
}

/// Makes the cluster of a project that has none, or an empty directory in its place. The caller holds its lock.
///
/// # Errors
/// When it cannot be made; there is none then.
pub fn make(project: &Project, new_cluster: &NewCluster<'_>) -> Result<Made, ClusterError> {
    let cluster = project.cluster();
    let amp_dir = if mounts::is_mount(&cluster) {
        close(&cluster, new_cluster.owner).map_err(failed(&cluster))?;
        cluster.as_path()
    } else {
        project.amp_dir()
    };
    remove_unfinished(amp_dir);
    let template = new_cluster
        .template
        .filter(|template| is_whole(template, new_cluster.major));
    // A template that cannot be copied (or a disk that is full, which initdb will say) costs time, no more.
    let copied = template.and_then(|template| {
        let fill = |new: &Directory, _: &Utf8Path| {
            from_template(new, template, new_cluster).map_err(failed(amp_dir))
        };
        build(amp_dir, fill).ok()
    });
    let (new, made) = match copied {
        Some(new) => (new, Made::FromTemplate),
        None => {
            let fill = |new: &Directory, path: &Utf8Path| by_initdb(new, path, new_cluster);
            (build(amp_dir, fill)?, Made::ByInitdb)
        }
    };
    let published = if is_whole(&new, new_cluster.major) {
        publish(&new, &cluster).map_err(failed(amp_dir))
    } else {
        Err(ClusterError::NotWhole {
            directory: new.clone(),
            major: new_cluster.major,
        })
    };
    if published.is_err() {
        let _ = fs::remove_dir_all(&new);
    }
    published.map(|()| made)
}

/// Fills a volume that is mounted in the place of a project's cluster, and in which nothing of anybody's is, with a copy of
/// this cluster.
///
/// # Errors
/// When it cannot be copied; there is no cluster then.
pub(crate) fn fill(project: &Project, from: &Utf8Path, owner: Option<&OsUser>) -> Result<(), ClusterError> {
    let volume = project.cluster();
    let failed = failed(&volume);
    close(&volume, owner).map_err(&failed)?;
    set_aside(project).map_err(&failed)?;
    let new = build(&volume, |new, _| {
        directory::copy(&Directory::open(from).map_err(&failed)?, new)
            .and_then(|()| link_data(new))
            .and_then(|()| give_all(new, owner))
            .map_err(&failed)
    })?;
    let published = publish(&new, &volume).map_err(failed);
    if published.is_err() {
        let _ = fs::remove_dir_all(&new);
    }
    published
}

/// Puts what a killed initdb left out of the way, under a name that says when; `None` where it lay in a volume, from which
/// it is removed.
///
/// # Errors
/// When it cannot be renamed or removed.
pub fn set_aside(project: &Project) -> io::Result<Option<Utf8PathBuf>> {
    let cluster = project.cluster();
    if mounts::is_mount(&cluster) {
        for entry in fs::read_dir(&cluster)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        return Ok(None);
    }
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let names = std::iter::once(format!("{OLD}{now}-unfinished"))
        .chain((2..).map(|number| format!("{OLD}{now}-{number}-unfinished")));
    let aside = names
        .map(|name| project.amp_dir().join(name))
        .find(|path| path.symlink_metadata().is_err())
        .expect("numbers do not end");
    atomic::rename(&cluster, &aside)?;
    Ok(Some(aside))
}

fn failed(amp_dir: &Utf8Path) -> impl Fn(io::Error) -> ClusterError {
    let amp_dir = amp_dir.to_owned();
    move |source| ClusterError::Io {
        action: "make the cluster in",
        path: amp_dir.clone(),
        source,
    }
}

fn is_whole(cluster: &Utf8Path, wanted: u64) -> bool {
    matches!(files::look(cluster), Ok(Contents::Cluster { major }) if major == wanted)
}

/// Makes a directory beside the cluster's place, and what is in it. PostgreSQL serves none that others can enter.
fn build(
    amp_dir: &Utf8Path,
    fill: impl FnOnce(&Directory, &Utf8Path) -> Result<(), ClusterError>,
) -> Result<Utf8PathBuf, ClusterError> {
    let path = atomic::private_directory(amp_dir, NEW).map_err(failed(amp_dir))?;
    let filled = ensure_closed(&path).and_then(|()| {
        let new = Directory::made(&path).map_err(failed(amp_dir))?;
        fill(&new, &path)
    });
    match filled {
        Ok(()) => Ok(path),
        Err(error) => {
            let _ = fs::remove_dir_all(&path);
            Err(error)
        }
    }
}

/// Fails where a directory that was made for us alone is open to others, or cannot be closed: nothing is made that no server
/// would take.
fn ensure_closed(new: &Utf8Path) -> Result<(), ClusterError> {
    if !mounts::keeps_permissions(new).map_err(failed(new))? {
        return Err(AccessError::of_file_system(new.parent().unwrap_or(new), Lack::Permissions).into());
    }
    Ok(())
}

/// It is ours until it is whole: what root wrote into another user's directory could land elsewhere.
fn from_template(new: &Directory, template: &Utf8Path, new_cluster: &NewCluster<'_>) -> io::Result<()> {
    directory::copy(&Directory::open(template)?, new)?;
    finish(new, new_cluster)?;
    give_all(new, new_cluster.owner)
}

/// initdb works as its user, to whom the directory must belong before. After that nothing there is believed.
fn by_initdb(new: &Directory, path: &Utf8Path, new_cluster: &NewCluster<'_>) -> Result<(), ClusterError> {
    let failed = failed(path.parent().unwrap_or(path));
    give_directory(new, new_cluster.owner).map_err(&failed)?;
    let program = Program {
        tree: new_cluster.tree,
        name: "initdb",
        run_as: new_cluster.owner,
        interrupt: new_cluster.interrupt,
    };
    initdb(&program, path, new_cluster.superuser, Flush::No)?;
    finish(new, new_cluster).map_err(|cause| match cause.kind() {
        // initdb made files here; what is left to refuse is the link.
        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported => {
            AccessError::of_file_system(path.parent().unwrap_or(path), Lack::Links).into()
        }
        _ => failed(cause),
    })
}

fn finish(new: &Directory, new_cluster: &NewCluster<'_>) -> io::Result<()> {
    link_data(new)?;
    if new_cluster.ephemeral {
        new.append("postgresql.conf")?
            .write_all(format!("\n{}\n{NOT_DURABLE}", files::EPHEMERAL).as_bytes())?;
    }
    Ok(())
}

/// Makes `data` in a cluster a link to the cluster: ampd's data directory has this name in some versions, and so both are one
/// cluster with one lock file. There is no ampd on Windows, where such a link would name the place before a rename.
///
/// # Errors
/// When it cannot be made.
pub fn link_data(cluster: &Directory) -> io::Result<()> {
    #[cfg(unix)]
    {
        cluster.link(".", "data")
    }
    #[cfg(windows)]
    {
        let _ = cluster;
        Ok(())
    }
}

/// Closes a volume to others, as PostgreSQL wants it, and gives it to whoever serves it.
fn close(volume: &Utf8Path, owner: Option<&OsUser>) -> io::Result<()> {
    let volume = Directory::open(volume)?;
    volume.set_mode(0o700)?;
    give_directory(&volume, owner)
}

fn publish(directory: &Utf8Path, cluster: &Utf8Path) -> io::Result<()> {
    flush::sync_tree(directory)?;
    if directory.parent() == Some(cluster) {
        return move_into(cluster, directory);
    }
    // A rename replaces an empty directory, and nothing else.
    atomic::rename(directory, cluster)
}

fn move_into(volume: &Utf8Path, directory: &Utf8Path) -> io::Result<()> {
    const LAST: &str = "PG_VERSION";
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if name != LAST {
            fs::rename(
                directory.as_std_path().join(&name),
                volume.as_std_path().join(&name),
            )?;
        }
    }
    flush::sync_directory(volume)?;
    atomic::rename(&directory.join(LAST), &volume.join(LAST))?;
    // An empty directory does no harm where it stays.
    let _ = fs::remove_dir(directory);
    Ok(())
}

/// Makes the directories that a copy of a cluster lost because nothing is in them, and says so.
///
/// # Errors
/// When one cannot be made.
pub fn restore_directories(
    cluster: &Utf8Path,
    owner: Option<&OsUser>,
    reporter: &dyn Reporter,
) -> io::Result<()> {
    let lost = files::lost_directories(cluster);
    if lost.is_empty() {
        return Ok(());
    }
    let top = Directory::open(cluster)?;
    for name in &lost {
        let (above, name) = name.rsplit_once('/').unwrap_or(("", name));
        give_directory(&top.enter(above.into())?.directory(name)?, owner)?;
    }
    reporter.report(Event::Note(format!(
        "created the empty directories that a copy of the database lacked: {}",
        lost.join(", ")
    )));
    Ok(())
}

/// Returns the progress of making a cluster: a number that changes while files are written.
pub fn progress(amp_dir: &Utf8Path) -> u64 {
    fn size(path: &std::path::Path) -> u64 {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries
            .map(|entry| match entry.metadata() {
                Ok(found) if found.is_dir() => 1 + size(&entry.path()),
                Ok(found) => 1 + found.len(),
                Err(_) => 0,
            })
            .sum()
    }
    // In a volume, too.
    let places = [amp_dir.to_owned(), amp_dir.join("metadb")];
    let entries = places.iter().flat_map(fs::read_dir).flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(NEW))
        .map(|entry| size(&entry.path()))
        .sum()
}

/// Removes what killed makings left. Nobody has that data: it never was anybody's cluster. An initdb that still works in
/// one fails, and is not waited for by anybody.
fn remove_unfinished(amp_dir: &Utf8Path) {
    for entry in fs::read_dir(amp_dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(NEW) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
