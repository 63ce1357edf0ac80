//! A directory that is kept open: what is made in it is made there, wherever its path leads by then, and no link in it is
//! followed.
//!
//! Root makes what becomes another user's, who may own the directory above and put something else in the place of any name
//! in it. So root makes everything in a directory of its own that nobody else can enter, through what it holds and not
//! through paths, and gives it away when it is whole.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::{
    io,
    sync::mpsc::{self, TrySendError},
    thread,
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::named::named;

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

fn bad(path: &Utf8Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("`{path}` {why}"))
}

/// Files that were opened and wait to be copied.
const WAITING: usize = 8;

/// A file, and the empty one that becomes its copy.
type Pair = (fs::File, fs::File);

/// Copies what is in one directory into another, an empty one; what is neither a file nor a directory is left out. Small files take
/// as long to be made as to be filled, so that one core fills them while another makes the next; where no thread can be had, one
/// does both.
///
/// # Errors
/// When something cannot be read or written.
pub fn copy(from: &Directory, to: &Directory) -> io::Result<()> {
    thread::scope(|scope| {
        let (opened, waiting) = mpsc::sync_channel(WAITING);
        let fill_all = move || waiting.into_iter().try_for_each(fill);
        let beside = thread::Builder::new().spawn_scoped(scope, fill_all).ok();
        let made = make_all(from, to, &mut |pair| match opened.try_send(pair) {
            Ok(()) => Ok(()),
            // Nobody waits for the other.
            Err(TrySendError::Full(pair) | TrySendError::Disconnected(pair)) => fill(pair),
        });
        drop(opened);
        let filled = beside.map_or(Ok(()), |beside| beside.join().expect("copying does not panic"));
        made.and(filled)
    })
}

fn make_all(
    from: &Directory,
    to: &Directory,
    made: &mut impl FnMut(Pair) -> io::Result<()>,
) -> io::Result<()> {
    for DirectoryEntry { name, kind } in from.entries()? {
        match kind {
            Kind::Directory => make_all(&from.enter(name.as_str().into())?, &to.directory(&name)?, made)?,
            Kind::File => made((from.read(&name)?, to.file(&name)?))?,
            Kind::Other => {}
        }
    }
    Ok(())
}

fn fill((from, to): Pair) -> io::Result<()> {
    // The system's own files: there the kernel copies.
    io::copy(&mut from.file(), &mut to.file())
        .map(drop)
        .map_err(|cause| {
            let path = Utf8Path::from_path(from.path()).expect("it was made of text");
            named(cause, "copy", path)
        })
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::table::every;

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
        every(["link", "dangling", "second", "way"], |name| {
            assert_eq!(
                top.file(name).expect_err("there").kind(),
                io::ErrorKind::AlreadyExists
            );
            // Whose file that is can be another's only where root made it so.
            let is_anothers = name != "second" || rustix::process::geteuid().is_root();
            assert_eq!(top.read(name).is_err(), is_anothers, "{name}");
            assert_eq!(top.append(name).is_err(), is_anothers, "{name}");
            assert!(top.enter(name.into()).is_err(), "{name}");
        });
        every(["..", "/", "a/../../b"], |outside| {
            assert!(top.enter(outside.into()).is_err(), "{outside}");
        });
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
