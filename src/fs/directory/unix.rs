//! Directories of Unix, which are kept open.

use std::{
    io,
    os::{fd::OwnedFd, unix::fs::MetadataExt as _},
};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, RawMode, Uid},
    io::retry_on_intr,
};

use super::{Directory, DirectoryEntry, Kind, bad, named};

const OPEN: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl Directory {
    /// Makes a directory that others cannot enter.
    ///
    /// # Errors
    /// When it cannot be made; `AlreadyExists` when something has that name.
    pub fn make(path: &Utf8Path) -> io::Result<Self> {
        made_at(CWD, path.as_str(), path.to_owned())
    }

    /// Holds a directory that we made a moment ago, and that is empty.
    ///
    /// # Errors
    /// When it cannot be opened, or, as root, is not root's any more.
    pub fn made(path: &Utf8Path) -> io::Result<Self> {
        ours(Self::open(path)?)
    }

    /// Holds a directory to read from it.
    ///
    /// # Errors
    /// When it cannot be opened, or is a link.
    pub fn open(path: &Utf8Path) -> io::Result<Self> {
        open_at(CWD, path.as_str(), path.to_owned())
    }

    /// Makes a directory in it that others cannot enter.
    ///
    /// # Errors
    /// As `make`.
    pub fn directory(&self, name: &str) -> io::Result<Self> {
        made_at(&self.handle, name, self.path.join(name))
    }

    /// Holds what is below it. A link on the way is an error.
    ///
    /// # Errors
    /// When it is not there, or no directory.
    pub fn enter(&self, below: &Utf8Path) -> io::Result<Self> {
        let mut here = Self {
            path: self.path.clone(),
            handle: self.handle.try_clone()?,
        };
        for part in below.components() {
            let Utf8Component::Normal(name) = part else {
                return Err(bad(&self.path.join(below), "is not below it"));
            };
            here = open_at(&here.handle, name, here.path.join(name))?;
        }
        Ok(here)
    }

    /// Makes a file in it that others cannot read, to be written.
    ///
    /// # Errors
    /// When it cannot be made; `AlreadyExists` when something has that name, be it a link that leads nowhere.
    pub fn file(&self, name: &str) -> io::Result<fs::File> {
        self.file_of_mode(name, 0o600)
    }

    /// Makes a file in it, to be written.
    ///
    /// # Errors
    /// As `file`.
    pub fn file_of_mode(&self, name: &str, mode: u32) -> io::Result<fs::File> {
        let new = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY;
        let file = self.open_file(name, new, "make")?;
        // Whatever the umask.
        retry_on_intr(|| rustix::fs::fchmod(file.file(), Mode::from_raw_mode(mode as RawMode)))
            .map_err(|cause| named(cause.into(), "set the mode of", &self.path.join(name)))?;
        Ok(file)
    }

    /// Sets its mode, whatever the umask.
    ///
    /// # Errors
    /// When the system does not permit it.
    pub fn set_mode(&self, mode: u32) -> io::Result<()> {
        retry_on_intr(|| rustix::fs::fchmod(&self.handle, Mode::from_raw_mode(mode as RawMode)))
            .map_err(|cause| named(cause.into(), "set the mode of", &self.path))
    }

    /// Opens a file in it to be read.
    ///
    /// # Errors
    /// When it is not there, is no file, or has another name and is not the directory's owner's.
    pub fn read(&self, name: &str) -> io::Result<fs::File> {
        self.open_there(name, OFlags::RDONLY)
    }

    /// Opens a file in it to be written at its end.
    ///
    /// # Errors
    /// As `read`.
    pub fn append(&self, name: &str) -> io::Result<fs::File> {
        self.open_there(name, OFlags::WRONLY | OFlags::APPEND)
    }

    fn open_there(&self, name: &str, flags: OFlags) -> io::Result<fs::File> {
        // Opening a pipe must not wait for whoever writes it.
        let file = self.open_file(name, flags | OFlags::NONBLOCK, "open")?;
        let found = file.metadata()?;
        // Some systems let everybody make a second name for a file of somebody else's.
        let is_its_own = found.nlink() == 1 || found.uid() == rustix::fs::fstat(&self.handle)?.st_uid;
        if found.is_file() && is_its_own {
            Ok(file)
        } else {
            Err(bad(
                &self.path.join(name),
                "is not a file of its directory's owner",
            ))
        }
    }

    fn open_file(&self, name: &str, flags: OFlags, action: &str) -> io::Result<fs::File> {
        let path = self.path.join(name);
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = retry_on_intr(|| rustix::fs::openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR));
        let opened = opened.map_err(|cause| named(cause.into(), action, &path))?;
        Ok(fs::File::from_parts(opened.into(), path))
    }

    /// Makes a link in it.
    ///
    /// # Errors
    /// When it cannot be made; `AlreadyExists` when something has that name.
    pub fn link(&self, target: &str, name: &str) -> io::Result<()> {
        retry_on_intr(|| rustix::fs::symlinkat(target, &self.handle, name))
            .map_err(|cause| named(cause.into(), "make the link", &self.path.join(name)))
    }

    /// Lists its entries.
    ///
    /// # Errors
    /// When it cannot be read, or has a name that is not text.
    pub fn entries(&self) -> io::Result<Vec<DirectoryEntry>> {
        let failed = |cause: rustix::io::Errno| named(cause.into(), "list", &self.path);
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.handle).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if [c".", c".."].contains(&name) {
                continue;
            }
            let found = rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
            let name = name
                .to_str()
                .map_err(|_| bad(&self.path, "holds a name that is not text"))?;
            entries.push(DirectoryEntry {
                name: name.to_owned(),
                kind: match FileType::from_raw_mode(found.st_mode) {
                    FileType::Directory => Kind::Directory,
                    FileType::RegularFile => Kind::File,
                    _ => Kind::Other,
                },
            });
        }
        Ok(entries)
    }

    /// Gives it away with all that is in it, from the bottom up: until it is whole and all is given, nobody else comes
    /// into it.
    ///
    /// # Errors
    /// When the system does not permit it.
    pub fn give_all(&self, uid: u32, gid: u32) -> io::Result<()> {
        for DirectoryEntry { name, kind } in self.entries()? {
            let path = self.path.join(&name);
            if kind == Kind::Directory {
                open_at(&self.handle, &name, path)?.give_all(uid, gid)?;
                continue;
            }
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            retry_on_intr(|| {
                rustix::fs::chownat(&self.handle, name.as_str(), uid, gid, AtFlags::SYMLINK_NOFOLLOW)
            })
            .map_err(|cause| named(cause.into(), "give away", &path))?;
        }
        self.give(uid, gid)
    }

    /// Gives it away, and nothing that is in it.
    ///
    /// # Errors
    /// When the system does not permit it.
    pub fn give(&self, uid: u32, gid: u32) -> io::Result<()> {
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        retry_on_intr(|| rustix::fs::fchown(&self.handle, uid, gid))
            .map_err(|cause| named(cause.into(), "give away", &self.path))
    }
}

fn made_at(above: impl std::os::fd::AsFd, name: &str, path: Utf8PathBuf) -> io::Result<Directory> {
    let failed = |cause: rustix::io::Errno| named(cause.into(), "make", &path);
    retry_on_intr(|| rustix::fs::mkdirat(&above, name, Mode::RWXU)).map_err(failed)?;
    ours(open_at(above, name, path)?)
}

fn open_at(above: impl std::os::fd::AsFd, name: &str, path: Utf8PathBuf) -> io::Result<Directory> {
    let opened: Result<OwnedFd, _> = retry_on_intr(|| rustix::fs::openat(&above, name, OPEN, Mode::empty()));
    match opened {
        Ok(handle) => Ok(Directory { path, handle }),
        Err(cause) => Err(named(cause.into(), "open", &path)),
    }
}

/// Root makes nothing in a directory that somebody put in the place of its own.
fn ours(directory: Directory) -> io::Result<Directory> {
    let found = rustix::fs::fstat(&directory.handle)?;
    if rustix::process::geteuid().is_root() && !Uid::from_raw(found.st_uid).is_root() {
        return Err(bad(&directory.path, "was exchanged for another user's"));
    }
    Ok(directory)
}
