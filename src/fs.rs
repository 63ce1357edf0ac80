//! The ground under every file of ampup: files replaced whole, links, locks, space.

pub mod above;
#[cfg(any(windows, test))]
pub mod acl;
pub mod atomic;
pub mod directory;
pub mod flush;
pub mod identity;
pub mod link;
pub mod lock;
pub mod mounts;
mod named;
#[cfg(unix)]
pub mod sockets;
pub mod space;

use std::{error::Error, io};

use camino::{Utf8Path, Utf8PathBuf};

/// Lists a directory, sorted; nothing if it cannot be read.
pub fn entries(directory: &Utf8Path) -> Vec<Utf8PathBuf> {
    let Ok(entries) = fs_err::read_dir(directory) else {
        return Vec::new();
    };
    let mut paths: Vec<Utf8PathBuf> = entries
        .flatten()
        .filter_map(|entry| Utf8PathBuf::from_path_buf(entry.path()).ok())
        .collect();
    paths.sort();
    paths
}

/// The reason that a file operation failed, for a text that names the file: without the words of the library, the path and
/// the system's number.
pub fn reason(cause: &io::Error) -> String {
    let text = cause.to_string();
    let text = text.split(" (os error ").next().unwrap_or_default();
    let named = text
        .strip_prefix("failed to ")
        .and_then(|text| text.rsplit_once("`: "));
    named.map_or(text, |(_, why)| why).to_owned()
}

/// Returns true for a directory with nothing in it.
fn is_empty(directory: &Utf8Path) -> bool {
    fs_err::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}

/// Removes a directory, unless something is in it: that is somebody's.
///
/// # Errors
/// When it is empty and cannot be removed.
#[cfg(feature = "cli")]
pub fn remove_if_empty(directory: &Utf8Path) -> io::Result<()> {
    match fs_err::remove_dir(directory) {
        Err(cause)
            if matches!(
                cause.kind(),
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound
            ) =>
        {
            Ok(())
        }
        removed => removed,
    }
}

/// The system's number for the failure of a file operation. It may be that of a cause further down; and where a path was put to
/// an error, only its text has the number.
pub fn os_error(cause: &io::Error) -> Option<i32> {
    let in_text = |text: &str| {
        let (_, number) = text.rsplit_once("(os error ")?;
        number.split_once(')')?.0.parse().ok()
    };
    let mut error: Option<&dyn Error> = Some(cause);
    while let Some(one) = error {
        let raw = one.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        let number = raw.or_else(|| in_text(&one.to_string()));
        if number.is_some() {
            return number;
        }
        error = one.source();
    }
    None
}

/// The system's numbers of the failures that are told by a number. Windows tells none of them by one of these.
#[cfg(unix)]
mod numbers {
    use rustix::io::Errno;

    pub(super) const OF_DISK: &[i32] = &[Errno::IO.raw_os_error()];
    pub(super) const OF_FILES: &[i32] = &[Errno::MFILE.raw_os_error(), Errno::NFILE.raw_os_error()];
    pub(super) const OF_CALLS: &[i32] = &[Errno::PERM.raw_os_error(), Errno::NOSYS.raw_os_error()];
}
#[cfg(not(unix))]
mod numbers {
    pub(super) const OF_DISK: &[i32] = &[];
    pub(super) const OF_FILES: &[i32] = &[];
    pub(super) const OF_CALLS: &[i32] = &[];
}

fn is_one_of(cause: &io::Error, numbers: &[i32]) -> bool {
    os_error(cause).is_some_and(|number| numbers.contains(&number))
}

/// Returns true if the disk, or whatever a network file system has behind it, failed at its work.
pub fn is_disk_failure(cause: &io::Error) -> bool {
    is_one_of(cause, numbers::OF_DISK)
}

/// Returns true if no further file can be opened, by this process or on this host.
pub fn is_out_of_files(cause: &io::Error) -> bool {
    is_one_of(cause, numbers::OF_FILES)
}

/// Returns true if a call failed that everybody may make, where a sandbox forbids it. (A file is refused with EACCES.)
pub fn is_forbidden_call(cause: &io::Error) -> bool {
    is_one_of(cause, numbers::OF_CALLS)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_systems_number_is_found_below_the_path() {
        let raw = |errno: rustix::io::Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        let named = fs_err::read("/dev/null/x").expect_err("no directory");
        assert!(named.raw_os_error().is_none(), "the path is in front of it");
        assert_eq!(reason(&named), "Not a directory");
        assert_eq!(reason(&raw(rustix::io::Errno::IO)), "Input/output error");
        assert_eq!(os_error(&named), Some(rustix::io::Errno::NOTDIR.raw_os_error()));
        assert!(is_disk_failure(&raw(rustix::io::Errno::IO)) && !is_disk_failure(&named));
        assert!(is_out_of_files(&raw(rustix::io::Errno::NFILE)) && !is_out_of_files(&named));
        assert_eq!(os_error(&io::Error::other("words")), None);
        let locked = lock::LockError::Io {
            path: "/lock".into(),
            source: raw(rustix::io::Errno::IO),
        };
        assert!(is_disk_failure(&locked.into()), "further down");
    }
}
