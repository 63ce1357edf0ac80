//! Sockets in directories: shown to work by a connection. Some file systems that lie in user space or on another machine let a
//! socket be made, and nobody can reach it.

use std::{
    io,
    os::{
        fd::AsRawFd as _,
        unix::net::{UnixListener, UnixStream},
    },
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

/// The name of the socket that is tried, as long as that of a server's.
const NAME: &str = ".s.ampup.trial";

/// Returns true if a socket in this directory can be made and reached. Nobody else tries it there at the same time.
///
/// # Errors
/// When that cannot be told: nothing may be written there, or no file can be opened.
pub fn work_in(directory: &Utf8Path) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::open(directory.as_std_path(), flags, Mode::empty())?;
    // Through what is open, whoever may put a link in its place; and a longer path does.
    let place = if cfg!(target_os = "linux") {
        Utf8PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()))
    } else {
        directory.to_owned()
    };
    let socket = place.join(NAME);
    // Of one that was killed.
    let _ = fs::remove_file(&socket);
    let listener = match UnixListener::bind(&socket) {
        Ok(listener) => listener,
        Err(cause) if has_none(&cause) => return Ok(false),
        Err(cause) => return Err(cause),
    };
    let reached = UnixStream::connect(&socket);
    let _ = fs::remove_file(&socket);
    drop(listener);
    match reached {
        Err(cause) if super::is_out_of_files(&cause) => Err(cause),
        reached => Ok(reached.is_ok()),
    }
}

/// Returns true if a file system said that it has no sockets.
fn has_none(cause: &io::Error) -> bool {
    [Errno::OPNOTSUPP, Errno::PERM, Errno::NOSYS, Errno::INVAL]
        .iter()
        .any(|errno| cause.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn they_work_in_a_directory_of_ours_and_nothing_stays_there() {
        let world = tempfile::tempdir().expect("a directory");
        let world = Utf8Path::from_path(world.path()).expect("UTF-8");
        let long = world.join("p".repeat(120));
        fs::create_dir(&long).expect("made");
        every([world.to_owned(), long.clone()], |place| {
            // Of one that was killed.
            drop(fs::write(place.join(NAME), ""));
            assert!(work_in(&place).expect("tried"));
            assert!(!place.join(NAME).exists());
        });
        let link = world.join("link");
        std::os::unix::fs::symlink(&long, &link).expect("linked");
        work_in(&link).expect_err("no link is followed");
    }
}
