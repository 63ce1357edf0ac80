//! A look ahead at a start: it would find in the Amp directory what it needs, or could make it, as far as that is seen without
//! writing.

use std::io;

use camino::Utf8Path;

use super::{
    cluster::Cluster,
    error::ClusterError,
    identity::postmaster,
    project::{DIRECTORIES, Project, ProjectError},
    run::log,
};
use crate::{
    fs::{link::ForeignEntry, lock::LockError},
    store::directories,
};

impl Project {
    /// Ensures that `prepare` would find what it needs or could make it.
    ///
    /// # Errors
    /// As `prepare`.
    pub(crate) fn ensure_preparable(&self) -> Result<(), ProjectError> {
        let amp_dir = self.amp_dir();
        let directories = DIRECTORIES.map(|name| amp_dir.join(name));
        let mut all = std::iter::once(amp_dir).chain(directories.iter().map(|path| path.as_path()));
        if let Some(other) = all.find(|path| is_there(path) && !path.is_dir()) {
            return Err(ProjectError::NoDirectory {
                target: other.read_link_utf8().ok(),
                path: other.to_owned(),
            });
        }
        if directories.iter().all(|path| is_there(path)) {
            return Ok(());
        }
        let nearest = amp_dir.ancestors().find(|path| is_there(path));
        match nearest.is_none_or(|place| place.is_dir() && directories::is_open(place)) {
            true => Ok(()),
            false => Err(ProjectError::Make {
                amp_dir: amp_dir.to_owned(),
                source: io::ErrorKind::PermissionDenied.into(),
            }),
        }
    }

    /// Returns true if `ampup run` has nothing to make in the Amp directory itself any more.
    pub(crate) fn is_made(&self) -> bool {
        let files = [self.cluster(), self.lock(), self.users(), self.log()];
        let directories = DIRECTORIES.map(|name| self.amp_dir().join(name));
        files.iter().chain(&directories).all(|path| is_there(path))
    }
}

impl Cluster {
    /// Ensures that nothing is in the place of what a start makes in the Amp directory, and that what is there is open to this
    /// user.
    ///
    /// # Errors
    /// As `start`.
    pub(crate) fn ensure_startable(&self) -> Result<(), ClusterError> {
        let project = self.project();
        project.ensure_preparable()?;
        for path in [project.lock(), project.users()] {
            // To read it is enough to lock it.
            if let Some(source) = refusal(&path, Use::Read) {
                return Err(LockError::Io { path, source }.into());
            }
        }
        let log = project.log();
        let is_served = || {
            self.context()
                .servers()
                .is_ok_and(|all| postmaster(&all).is_some())
        };
        match refusal(&log, Use::Append).filter(|_| !is_served()) {
            Some(source) => Err(ClusterError::Io {
                action: log::OPEN,
                path: log,
                source,
            }),
            None => Ok(()),
        }
    }
}

/// The use that is made of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Read,
    /// A full one is put aside before.
    Append,
}

/// The reason that a file can be neither used nor made.
fn refusal(path: &Utf8Path, needed: Use) -> Option<io::Error> {
    if let Some(entry) = ForeignEntry::instead_of_file(path) {
        return Some(entry.into());
    }
    let can_make = || {
        path.parent()
            .is_none_or(|parent| !is_there(parent) || directories::is_open(parent))
    };
    let is_usable = match path.symlink_metadata() {
        Ok(found) if needed == Use::Append && found.len() >= log::FULL => can_make(),
        Ok(_) => is_open(path, needed),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => can_make(),
        Err(cause) => return Some(cause),
    };
    (!is_usable).then(|| io::ErrorKind::PermissionDenied.into())
}

/// Returns true if this user may use a file so.
fn is_open(file: &Utf8Path, needed: Use) -> bool {
    #[cfg(unix)]
    {
        use rustix::fs::{Access, access};
        let needed = match needed {
            Use::Read => Access::READ_OK,
            Use::Append => Access::WRITE_OK,
        };
        access(file.as_std_path(), needed).is_ok()
    }
    #[cfg(not(unix))]
    {
        let _ = (file, needed);
        true
    }
}

fn is_there(path: &Utf8Path) -> bool {
    path.symlink_metadata().is_ok()
}
