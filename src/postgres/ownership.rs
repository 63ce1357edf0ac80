//! Whose a file of a project is: what root makes for a server's user is given to them. Only what was made a moment ago is given.

use std::io::{self, Write as _};

use camino::Utf8Path;
use fs_err as fs;

use super::user::OsUser;
use crate::fs::{directory::Directory, identity};

/// Makes a small file of which a part, or none, does no harm. It is written in its place: nobody sweeps an Amp directory,
/// and a second file would stay if we were killed. A link in its place is replaced, not followed.
pub(super) fn put(path: &Utf8Path, content: &[u8], owner: Option<&OsUser>) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    match fs::OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => {
            give_file(file.file(), owner)?;
            file.write_all(content)
        }
        // Another ampup came first, with the same content.
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(cause) => Err(cause),
    }
}

/// Gives a path to a user, if one is named. Only what was made a moment ago is ever given away.
pub(crate) fn give(path: &Utf8Path, owner: Option<&OsUser>) -> io::Result<()> {
    match owner {
        Some(user) => identity::give(path, user.uid, user.gid),
        None => Ok(()),
    }
}

/// The same for a file that we made and have open: by its name another one may be meant by now.
pub(crate) fn give_file(file: &std::fs::File, owner: Option<&OsUser>) -> io::Result<()> {
    match owner {
        Some(user) => identity::give_file(file, user.uid, user.gid),
        None => Ok(()),
    }
}

/// The same for a directory.
pub(super) fn give_directory(directory: &Directory, owner: Option<&OsUser>) -> io::Result<()> {
    match owner {
        Some(user) => directory.give(user.uid, user.gid),
        None => Ok(()),
    }
}

/// The same for a directory and all that is in it, which is all our own.
pub(crate) fn give_all(directory: &Directory, owner: Option<&OsUser>) -> io::Result<()> {
    match owner {
        Some(user) => directory.give_all(user.uid, user.gid),
        None => Ok(()),
    }
}

/// Lets others pass through a directory that root made at this path under a strict umask: the server runs as one of them.
pub(super) fn open_way(made: &Directory, path: &Utf8Path) -> io::Result<()> {
    #[cfg(unix)]
    made.set_mode(identity::FileIdentity::at(path)?.mode | 0o011)?;
    #[cfg(not(unix))]
    let _ = (made, path);
    Ok(())
}
