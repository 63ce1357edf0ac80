//! A directory that is held: what is made in it is made there, wherever its path leads by then, and no link in it is
//! followed.
//!
//! Root makes what becomes another user's, who may own the directory above and put something else in the place of any name
//! in it. So root makes everything in a directory of its own that nobody else can enter, through what it holds and not
//! through paths, and gives it away when it is whole.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::atomic::named;

/// A directory that we made, or read from.
#[derive(Debug)]
pub struct Directory {
    path: Utf8PathBuf,
    #[cfg(unix)]
    handle: std::os::fd::OwnedFd,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// Its name.
    pub name: String,
    /// The kind of the entry.
    pub kind: Kind,
}

/// The kind of a directory's entry. A link is never followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A file.
    File,
    /// A link, a pipe or the like.
    Other,
}

#[cfg(unix)]
mod system {
    use std::{
        io,
        os::{fd::OwnedFd, unix::fs::MetadataExt as _},
    };

    use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
    use fs_err as fs;
    use rustix::{
        fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Uid},
        io::retry_on_intr,
    };

    use super::{Directory, DirectoryEntry, Kind, bad, named};

    const HOLD: OFlags = OFlags::RDONLY
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
            retry_on_intr(|| rustix::fs::fchmod(file.file(), Mode::from_raw_mode(mode)))
                .map_err(|cause| named(cause.into(), "set the mode of", &self.path.join(name)))?;
            Ok(file)
        }

        /// Sets its mode, whatever the umask.
        ///
        /// # Errors
        /// When the system does not permit it.
        pub fn set_mode(&self, mode: u32) -> io::Result<()> {
            retry_on_intr(|| rustix::fs::fchmod(&self.handle, Mode::from_raw_mode(mode)))
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
            let opened =
                retry_on_intr(|| rustix::fs::openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR));
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
                let found =
                    rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
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
        let opened: Result<OwnedFd, _> =
            retry_on_intr(|| rustix::fs::openat(&above, name, HOLD, Mode::empty()));
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
}

/// Directories are not held here: there is no user whom a server would run as, and nobody to give anything to.
#[cfg(windows)]
mod system {
    use std::io;

    use camino::Utf8Path;
    use fs_err as fs;

    use super::{Directory, DirectoryEntry, Kind, bad};

    impl Directory {
        /// Makes a directory.
        ///
        /// # Errors
        /// When it cannot be made; `AlreadyExists` when something has that name.
        pub fn make(path: &Utf8Path) -> io::Result<Self> {
            fs::create_dir(path)?;
            Self::open(path)
        }

        /// A directory that we made a moment ago.
        ///
        /// # Errors
        /// None.
        pub fn made(path: &Utf8Path) -> io::Result<Self> {
            Self::open(path)
        }

        /// A directory that is read from.
        ///
        /// # Errors
        /// None.
        pub fn open(path: &Utf8Path) -> io::Result<Self> {
            Ok(Self {
                path: path.to_owned(),
            })
        }

        /// Makes a directory in it.
        ///
        /// # Errors
        /// As `make`.
        pub fn directory(&self, name: &str) -> io::Result<Self> {
            Self::make(&self.path.join(name))
        }

        /// Enters a directory below it.
        ///
        /// # Errors
        /// None.
        pub fn enter(&self, below: &Utf8Path) -> io::Result<Self> {
            Self::open(&self.path.join(below))
        }

        /// Makes a file in it, to be written.
        ///
        /// # Errors
        /// When it cannot be made; `AlreadyExists` when something has that name.
        pub fn file(&self, name: &str) -> io::Result<fs::File> {
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true).open(self.path.join(name))
        }

        /// Makes a file in it, to be written. There are no modes here.
        ///
        /// # Errors
        /// As `file`.
        pub fn file_of_mode(&self, name: &str, _: u32) -> io::Result<fs::File> {
            self.file(name)
        }

        /// There are no modes here.
        ///
        /// # Errors
        /// None.
        pub fn set_mode(&self, _: u32) -> io::Result<()> {
            Ok(())
        }

        /// Opens a file in it to be read.
        ///
        /// # Errors
        /// When it is not there.
        pub fn read(&self, name: &str) -> io::Result<fs::File> {
            fs::File::open(self.path.join(name))
        }

        /// Opens a file in it to be written at its end.
        ///
        /// # Errors
        /// When it is not there.
        pub fn append(&self, name: &str) -> io::Result<fs::File> {
            fs::OpenOptions::new().append(true).open(self.path.join(name))
        }

        /// Lists its entries.
        ///
        /// # Errors
        /// When it cannot be read, or has a name that is not text.
        pub fn entries(&self) -> io::Result<Vec<DirectoryEntry>> {
            let mut entries = Vec::new();
            for entry in fs::read_dir(&self.path)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                let name = entry.file_name().into_string();
                entries.push(DirectoryEntry {
                    name: name.map_err(|_| bad(&self.path, "holds a name that is not text"))?,
                    kind: match (kind.is_dir(), kind.is_file()) {
                        (true, _) => Kind::Directory,
                        (_, true) => Kind::File,
                        _ => Kind::Other,
                    },
                });
            }
            Ok(entries)
        }

        /// Gives it away with all that is in it, which here nobody can.
        ///
        /// # Errors
        /// None.
        pub fn give_all(&self, _: u32, _: u32) -> io::Result<()> {
            Ok(())
        }

        /// Gives it away, which here nobody can.
        ///
        /// # Errors
        /// None.
        pub fn give(&self, _: u32, _: u32) -> io::Result<()> {
            Ok(())
        }
    }
}

fn bad(path: &Utf8Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("`{path}` {why}"))
}

/// Copies what is in one directory into another, an empty one; what is neither a file nor a directory is left out.
///
/// # Errors
/// When something cannot be read or written.
pub fn copy(from: &Directory, to: &Directory) -> io::Result<()> {
    for DirectoryEntry { name, kind } in from.entries()? {
        match kind {
            Kind::Directory => copy(&from.enter(name.as_str().into())?, &to.directory(&name)?)?,
            Kind::File => {
                let (source, target) = (from.read(&name)?, to.file(&name)?);
                // The system's own files: there the kernel copies.
                io::copy(&mut source.file(), &mut target.file())
                    .map_err(|cause| named(cause, "copy", &from.path.join(&name)))?;
            }
            Kind::Other => {}
        }
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use fs_err as fs;

    use super::*;

    #[test]
    fn what_somebody_planted_is_neither_followed_nor_written_over() {
        let world = tempfile::tempdir().expect("a directory");
        let world = Utf8Path::from_path(world.path()).expect("UTF-8");
        let top = Directory::make(&world.join("top")).expect("made");
        let victim = world.join("victim");
        fs::write(&victim, "precious").expect("written");
        let planted = |name: &str| world.join("top").join(name);
        fs_err::os::unix::fs::symlink(&victim, planted("link")).expect("linked");
        fs_err::os::unix::fs::symlink("absent", planted("dangling")).expect("linked");
        fs::hard_link(&victim, planted("second")).expect("linked");
        if rustix::process::geteuid().is_root() {
            fs_err::os::unix::fs::chown(&victim, Some(1), Some(1)).expect("given away");
        }
        fs_err::os::unix::fs::symlink(world, planted("way")).expect("linked");
        for name in ["link", "dangling", "second", "way"] {
            assert_eq!(
                top.file(name).expect_err("there").kind(),
                io::ErrorKind::AlreadyExists
            );
            // Whose file that is can be another's only where root made it so.
            let is_anothers = name != "second" || rustix::process::geteuid().is_root();
            assert_eq!(top.read(name).is_err(), is_anothers, "{name}");
            assert_eq!(top.append(name).is_err(), is_anothers, "{name}");
            assert!(top.enter(name.into()).is_err(), "{name}");
        }
        for outside in ["..", "/", "a/../../b"] {
            assert!(top.enter(outside.into()).is_err(), "{outside}");
        }
        assert!(Directory::open(&planted("way")).is_err());
        let to = Directory::make(&world.join("to")).expect("made");
        fs::remove_file(planted("second")).expect("removed");
        copy(&top, &to).expect("copied");
        assert_eq!(to.entries().expect("listed"), [], "no link is copied");
        assert_eq!(fs::read_to_string(&victim).expect("there"), "precious");
    }

    #[test]
    fn what_is_made_goes_where_the_directory_is_and_not_where_its_path_leads() {
        let world = tempfile::tempdir().expect("a directory");
        let world = Utf8Path::from_path(world.path()).expect("UTF-8");
        let top = Directory::make(&world.join("top")).expect("made");
        fs::create_dir(world.join("elsewhere")).expect("made");
        fs::rename(world.join("top"), world.join("moved")).expect("moved");
        fs_err::os::unix::fs::symlink("elsewhere", world.join("top")).expect("linked");
        top.directory("a").expect("made").file("b").expect("made");
        top.link(".", "data").expect("made");
        let mode = |path: &str| {
            let found = fs::symlink_metadata(world.join("moved").join(path)).expect("there");
            found.permissions().mode() & 0o777
        };
        assert_eq!((mode(""), mode("a"), mode("a/b")), (0o700, 0o700, 0o600));
        assert_eq!(fs::read_dir(world.join("elsewhere")).expect("listed").count(), 0);
        assert_eq!(
            fs::read_link(world.join("moved/data"))
                .expect("a link")
                .as_os_str(),
            "."
        );
    }
}
