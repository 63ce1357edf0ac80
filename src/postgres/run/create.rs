//! Making a project's cluster: beside its place, flushed, then moved there by one rename. Whoever is killed on the way
//! leaves no cluster, or a whole one.

use std::io::{self, Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::{
    fs::{
        atomic,
        directory::{self, Directory},
    },
    postgres::{
        error::ClusterError,
        observe::decide::Contents,
        observe::files,
        project::{Project, give_all, give_directory},
        run::initdb::{Flush, Superuser, initdb},
        user::OsUser,
    },
};

/// The prefix of an unfinished cluster's name.
const NEW: &str = "metadb.new-";
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
    /// That tree's major.
    pub major: u64,
    /// Whose it will be; `None`: ours.
    pub owner: Option<&'a OsUser>,
    /// A cluster of the same tree and owner to copy.
    pub template: Option<&'a Utf8Path>,
    /// Who connects to it, if not its owner. Nobody has such a template.
    pub superuser: Option<Superuser<'a>>,
    /// Its data may be lost.
    pub ephemeral: bool,
}

/// Makes the cluster of a project that has none, or an empty directory in its place. The caller holds its lock.
///
/// # Errors
/// When it cannot be made; there is none then.
pub fn make(project: &Project, new_cluster: &NewCluster<'_>) -> Result<Made, ClusterError> {
    let amp_dir = project.amp_dir();
    remove_unfinished(amp_dir);
    let template = new_cluster
        .template
        .filter(|template| new_cluster.superuser.is_none() && is_whole(template, new_cluster.major));
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
        publish(&new, &project.cluster()).map_err(failed(amp_dir))
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

/// Puts what a killed initdb left out of the way, under a name that says when.
///
/// # Errors
/// When it cannot be renamed.
pub fn set_aside(project: &Project) -> io::Result<Utf8PathBuf> {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let aside = project.amp_dir().join(format!("metadb.old-{now}-unfinished"));
    atomic::rename(&project.cluster(), &aside)?;
    Ok(aside)
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
    let filled = Directory::made(&path)
        .map_err(failed(amp_dir))
        .and_then(|new| fill(&new, &path));
    match filled {
        Ok(()) => Ok(path),
        Err(error) => {
            let _ = fs::remove_dir_all(&path);
            Err(error)
        }
    }
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
    initdb(
        new_cluster.tree,
        path,
        new_cluster.owner,
        new_cluster.superuser,
        Flush::No,
    )?;
    finish(new, new_cluster).map_err(failed)
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

fn publish(directory: &Utf8Path, cluster: &Utf8Path) -> io::Result<()> {
    atomic::sync_tree(directory)?;
    // A rename replaces an empty directory, and nothing else.
    atomic::rename(directory, cluster)
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
    let entries = fs::read_dir(amp_dir).into_iter().flatten().flatten();
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
