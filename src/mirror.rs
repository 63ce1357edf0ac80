//! A mirror: a static tree from which everything can be installed where there is no other source. Artifacts lie in it by
//! digest, beside the registry as it is, ampup itself and its install scripts. Who fetches from it proves every byte, so
//! nothing here needs to be believed; its index (`mirror.json`) is for whoever keeps the mirror.

mod carry;
mod check;
mod index;
mod itself;
pub mod offer;

use std::{io, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use tokio::runtime::Runtime;

use crate::{
    domain::{Digest, checked::CheckError},
    event::{Event, Reporter},
    fetch::Wire,
    fs::{
        atomic, entries,
        lock::{Lock, LockError},
    },
    registry::Registry,
};

pub use self::{
    carry::{Build, Builds, Candidates, Failure, Wanted, builds, wanted},
    check::{Checked, Finding},
    index::{ArtifactEntry, Index, RegistryEntry},
    itself::{Itself, NotCarried, asset},
};

/// The unfinished work in a mirror, and its lock.
const WORK: &str = ".unfinished";
/// The beginning of the name of a file that is about to be renamed.
const NEW: &str = ".new-";
/// A download that was interrupted is gone on with within this.
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);
/// The names that a mirror has at its top, and that nobody else's file may have there.
const NAMES: [&str; 5] = ["blobs", "v1", "registry.json", "install.sh", "install.ps1"];

/// A mirror in a directory.
#[derive(Debug, Clone)]
pub struct Mirror {
    directory: Utf8PathBuf,
}

/// All that is needed to fill a mirror.
pub struct MirrorContext<'a> {
    /// The registry that says what exists.
    pub registry: &'a Registry,
    /// The network.
    pub wire: &'a Wire,
    /// Where the network's work is done.
    pub runtime: &'a Runtime,
    /// Who is told what happens.
    pub reporter: &'a dyn Reporter,
    /// The time to wait for another ampup that fills the same mirror.
    pub lock_timeout: Duration,
}

/// The reason a mirror could not be made, filled or checked.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// There is none in this directory.
    #[error("`{directory}` is not a mirror: it has no `{}`", index::NAME)]
    Absent {
        /// The directory.
        directory: Utf8PathBuf,
    },
    /// Something that is not ampup's has a name that a mirror uses.
    #[error("`{path}` is there already, and `{directory}` is not a mirror of ampup's")]
    Foreign {
        /// The file or directory.
        path: Utf8PathBuf,
        /// The directory.
        directory: Utf8PathBuf,
    },
    /// It mirrors another registry.
    #[error("`{directory}` is a mirror of the registry `{theirs}`, and the registry in use is `{ours}`")]
    OtherRegistry {
        /// The directory.
        directory: Utf8PathBuf,
        /// The mirror's registry.
        theirs: String,
        /// Ours.
        ours: String,
    },
    /// The index is not as ampup wrote it.
    #[error("`{path}` is damaged")]
    Damaged {
        /// The index.
        path: Utf8PathBuf,
        /// The difference.
        source: CheckError,
    },
    /// Another ampup is filling it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The disk.
    #[error("cannot use the mirror `{directory}`")]
    Disk {
        /// The directory.
        directory: Utf8PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// The effect of carrying a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It was there, and is what it should be.
    Present,
    /// It is there now.
    Added,
}

impl Effect {
    /// The effect as one word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Added => "added",
        }
    }
}

impl Mirror {
    /// The mirror in a directory, which may not exist yet.
    pub fn at(directory: impl Into<Utf8PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// Where it is.
    pub fn directory(&self) -> &Utf8Path {
        &self.directory
    }

    /// Makes the mirror, or finds that it is one. Its index is the first file in it.
    ///
    /// # Errors
    /// When something else is in the directory under a mirror's name, or it cannot be written.
    pub fn claim(&self, context: &MirrorContext<'_>) -> Result<(), MirrorError> {
        if !self.is_made() {
            if let Some(path) = self.foreign() {
                return Err(MirrorError::Foreign {
                    path,
                    directory: self.directory.clone(),
                });
            }
            self.make(&self.directory)?;
        }
        self.make(&self.work())?;
        self.make(&self.downloads())?;
        self.sweep(context)?;
        self.change(context, |_| {})
    }

    /// Removes what killed commands left: all work is done under the lock, and a download is gone on with soon, or never.
    /// Anything that cannot be removed stays, and so does what has no name of ampup's.
    fn sweep(&self, context: &MirrorContext<'_>) -> Result<(), MirrorError> {
        let lock = self.lock(context)?;
        let found = |directory: &Utf8Path, is_left: fn(&Utf8Path, &str) -> bool| {
            let is_directory = directory.symlink_metadata().is_ok_and(|found| found.is_dir());
            let mut found = if is_directory {
                entries(directory)
            } else {
                Vec::new()
            };
            found.retain(|path| path.file_name().is_some_and(|name| is_left(path, name)));
            found
        };
        let work = found(&self.work(), |_, name| is_of_work(name));
        let downloads = found(&self.downloads(), |path, name| {
            name.starts_with("sha") && atomic::is_older(path, SOON)
        });
        for path in work.into_iter().chain(downloads) {
            let _ = match path.symlink_metadata() {
                Ok(found) if found.is_dir() => fs_err::remove_dir_all(&path),
                _ => fs_err::remove_file(&path),
            };
        }
        lock.release();
        Ok(())
    }

    /// Returns true if there is a mirror.
    pub fn is_made(&self) -> bool {
        self.directory.join(index::NAME).is_file()
    }

    /// Something that has a mirror's name and was there before.
    fn foreign(&self) -> Option<Utf8PathBuf> {
        let paths = NAMES.iter().map(|name| self.directory.join(name));
        paths.into_iter().find(|path| path.symlink_metadata().is_ok())
    }

    /// Puts a small file into the mirror, if it is not there as it should be.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(
        &self,
        name: &str,
        content: &[u8],
        context: &MirrorContext<'_>,
    ) -> Result<Effect, MirrorError> {
        let path = self.directory.join(name);
        let digest = index::digest_of(content);
        let _lock = self.lock(context)?;
        let effect = if self.has_content(&path, &digest, Some(content.len() as u64))? {
            Effect::Present
        } else {
            self.make(path.parent().expect("a file of a mirror lies in it"))?;
            atomic::write_through(&self.work(), &path, content).map_err(self.disk())?;
            Effect::Added
        };
        self.record(|index| {
            index.files.insert(name.to_owned(), digest);
        })?;
        Ok(effect)
    }

    /// Returns true if the file at `path` has this digest.
    fn has_content(&self, path: &Utf8Path, digest: &Digest, size: Option<u64>) -> Result<bool, MirrorError> {
        check::has_content(path, digest, size).map_err(self.disk())
    }

    fn work(&self) -> Utf8PathBuf {
        self.directory.join(WORK)
    }

    fn lock_file(&self) -> Utf8PathBuf {
        self.work().join("lock")
    }

    fn downloads(&self) -> Utf8PathBuf {
        self.work().join("downloads")
    }

    /// Makes a directory of the mirror that whoever serves it can enter.
    fn make(&self, directory: &Utf8Path) -> Result<(), MirrorError> {
        if directory.is_dir() {
            return Ok(());
        }
        if let Some(parent) = directory.parent() {
            self.make(parent)?;
        }
        match atomic::make_directory(directory) {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => Err(self.disk()(cause)),
            _ => Ok(()),
        }
    }

    /// Held while a file is put into the mirror, and not from one file to the next.
    fn lock(&self, context: &MirrorContext<'_>) -> Result<Lock, MirrorError> {
        let name = format!("the mirror `{}`", self.directory);
        let waiting = |holder: &str, waited: Duration| {
            context.reporter.report(Event::Waiting {
                name: name.clone(),
                holder: holder.to_owned(),
                waited,
            });
        };
        let lock = Lock::acquire(&self.lock_file(), context.lock_timeout, waiting)?;
        Ok(lock)
    }

    fn disk(&self) -> impl Fn(io::Error) -> MirrorError {
        move |source| MirrorError::Disk {
            directory: self.directory.clone(),
            source,
        }
    }
}

/// Returns true if a name is one that ampup gives to what it works on: a file that is to be renamed, or the directory of a
/// package registry's client.
fn is_of_work(name: &str) -> bool {
    let is_random = |name: &str| name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let client = name.split_once('-').filter(|(_, random)| is_random(random));
    name.starts_with(NEW) || client.is_some_and(|(client, _)| ["npm", "pip", "uv"].contains(&client))
}

/// Gives a file to everybody to read, whatever the umask.
#[cfg(unix)]
fn open_to_all(path: &Utf8Path) -> io::Result<()> {
    fs_err::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644))
}

#[cfg(not(unix))]
fn open_to_all(_: &Utf8Path) -> io::Result<()> {
    Ok(())
}
