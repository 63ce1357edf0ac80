//! Making a project's cluster: beside its place, flushed, then moved there by one rename. Whoever is killed on the way
//! leaves no cluster, or a whole one.

use std::io::{self, Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{
    facts,
    initdb::{Flush, Superuser, initdb},
    inspect::Contents,
    program::ProgramError,
    project::{Project, give},
    user::User,
};
#[cfg(unix)]
use crate::fs::link;
use crate::fs::{atomic, node};

/// What an unfinished cluster is called.
const NEW: &str = "metadb.new-";
/// The settings of a cluster whose data may be lost
/// (<https://www.postgresql.org/docs/current/non-durability.html>). The first line is how it is known again.
const EPHEMERAL: &str = "\n# ampup: ephemeral (this cluster's data may be lost)\nfsync = off\nfull_page_writes = off\nsynchronous_commit = off\n";

/// How a cluster was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// By copying the template that the installation left.
    FromTemplate,
    /// By initdb.
    ByInitdb,
}

/// Why it was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// initdb.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The disk.
    #[error("cannot make the cluster in `{amp_dir}`")]
    Io {
        /// The Amp directory.
        amp_dir: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// initdb said that all is well, and it is not.
    #[error("what initdb made in `{directory}` is no cluster of PostgreSQL {major}")]
    NotWhole {
        /// Where.
        directory: Utf8PathBuf,
        /// Which was expected.
        major: u64,
    },
}

/// What to make.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// The tree that makes it.
    pub tree: &'a Utf8Path,
    /// That tree's major.
    pub major: u64,
    /// Whose it will be; `None`: ours.
    pub owner: Option<&'a User>,
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
pub fn make(project: &Project, plan: &Plan<'_>) -> Result<Made, CreateError> {
    let failed = |source| CreateError::Io {
        amp_dir: project.amp_dir().to_owned(),
        source,
    };
    remove_unfinished(project.amp_dir());
    let directory = atomic::private_directory(project.amp_dir(), NEW).map_err(failed)?;
    let made = fill(&directory, plan).and_then(|made| {
        publish(&directory, &project.cluster()).map_err(failed)?;
        Ok(made)
    });
    if made.is_err() {
        let _ = fs::remove_dir_all(&directory);
    }
    made
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

/// Whether a cluster was made to be ephemeral.
pub fn is_ephemeral(cluster: &Utf8Path) -> bool {
    let mark = EPHEMERAL
        .lines()
        .find(|line| line.starts_with('#'))
        .unwrap_or_default();
    fs::read_to_string(cluster.join("postgresql.conf"))
        .is_ok_and(|settings| settings.lines().any(|line| line == mark))
}

fn fill(directory: &Utf8Path, plan: &Plan<'_>) -> Result<Made, CreateError> {
    let failed = |source| CreateError::Io {
        amp_dir: directory.parent().unwrap_or(directory).to_owned(),
        source,
    };
    // PostgreSQL serves no directory that others can enter.
    node::close(directory, true).map_err(failed)?;
    give(directory, plan.owner).map_err(failed)?;
    let is_whole = |directory: &Utf8Path| matches!(facts::look(directory), Ok(Contents::Cluster { major }) if major == plan.major);
    let template = plan
        .template
        .filter(|template| plan.superuser.is_none() && is_whole(template));
    let made = match template.map(|template| copy(template, directory, plan.owner)) {
        Some(Ok(())) => Made::FromTemplate,
        Some(Err(_)) => {
            // A template that cannot be copied (or a disk that is full, which initdb will say) costs time, no more.
            empty(directory).map_err(failed)?;
            initdb(plan.tree, directory, plan.owner, plan.superuser, Flush::No)?;
            Made::ByInitdb
        }
        None => {
            initdb(plan.tree, directory, plan.owner, plan.superuser, Flush::No)?;
            Made::ByInitdb
        }
    };
    link_data(directory).map_err(failed)?;
    if plan.ephemeral {
        let mut settings = fs::OpenOptions::new()
            .append(true)
            .open(directory.join("postgresql.conf"))
            .map_err(failed)?;
        settings.write_all(EPHEMERAL.as_bytes()).map_err(failed)?;
    }
    if !is_whole(directory) {
        return Err(CreateError::NotWhole {
            directory: directory.to_owned(),
            major: plan.major,
        });
    }
    Ok(made)
}

/// Makes `data` in a cluster a link to the cluster: ampd's data directory has this name in some versions, and so both are one
/// cluster with one lock file. There is no ampd on Windows, where such a link would name the place before a rename.
///
/// # Errors
/// When it cannot be made.
pub fn link_data(cluster: &Utf8Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        link::directory(".".into(), &cluster.join("data"))
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

/// Copies a stopped cluster into an empty directory.
fn copy(from: &Utf8Path, to: &Utf8Path, owner: Option<&User>) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name
            .to_str()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a name that initdb does not make"))?;
        let (source, target) = (from.join(name), to.join(name));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            fs::create_dir(&target)?;
            fs::set_permissions(&target, fs::metadata(&source)?.permissions())?;
            copy(&source, &target, owner)?;
        } else if kind.is_file() {
            fs::copy(&source, &target)?;
        } else {
            continue;
        }
        give(&target, owner)?;
    }
    Ok(())
}

fn empty(directory: &Utf8Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// How far the making of a cluster has come: a number that changes while files are written.
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
