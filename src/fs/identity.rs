//! The properties of a file beyond its content: its identity, its owner, and who may enter it.

use std::io;

use camino::Utf8Path;

/// A file or directory as the file system knows it, whatever its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    /// The file system, and the number in it: together they are one file and no other. A rename keeps them.
    pub id: (u64, u64),
    /// The owner. Windows has no numbers: there it is [`WINDOWS_USER`].
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Permissions, as in `chmod`. Windows judges by lists that this does not show: there it is 0700.
    pub mode: u32,
}

/// The number that stands for whoever owns a file on Windows, and for ourselves.
pub const WINDOWS_USER: u32 = 1;

impl FileIdentity {
    /// Returns the identity of what a path leads to.
    ///
    /// # Errors
    /// When nothing is there, or it cannot be looked at.
    pub fn of(path: &Utf8Path) -> io::Result<Self> {
        #[cfg(unix)]
        {
            fs_err::metadata(path).map(|found| Self::from(&found))
        }
        #[cfg(windows)]
        {
            from_handle(path)
        }
    }

    /// Returns the identity of what lies at a path: a link is not followed. (On Windows the links of ampup are the file
    /// system's own junctions, which this does follow.)
    ///
    /// # Errors
    /// As `of`.
    pub fn at(path: &Utf8Path) -> io::Result<Self> {
        #[cfg(unix)]
        {
            fs_err::symlink_metadata(path).map(|found| Self::from(&found))
        }
        #[cfg(windows)]
        {
            from_handle(path)
        }
    }
}

#[cfg(unix)]
impl From<&std::fs::Metadata> for FileIdentity {
    fn from(found: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            id: (found.dev(), found.ino()),
            uid: found.uid(),
            gid: found.gid(),
            mode: found.mode() & 0o7777,
        }
    }
}

#[cfg(windows)]
fn from_handle(path: &Utf8Path) -> io::Result<FileIdentity> {
    let handle = winapi_util::Handle::from_path_any(path)?;
    let found = winapi_util::file::information(handle)?;
    Ok(FileIdentity {
        id: (found.volume_serial_number(), found.file_index()),
        uid: WINDOWS_USER,
        gid: WINDOWS_USER,
        mode: 0o700,
    })
}

/// Gives a path to another user, which only root can; a link is not followed. Windows has no such thing.
///
/// # Errors
/// When the system does not permit it.
pub fn give(path: &Utf8Path, uid: u32, gid: u32) -> io::Result<()> {
    #[cfg(unix)]
    {
        fs_err::os::unix::fs::lchown(path, Some(uid), Some(gid))
    }
    #[cfg(windows)]
    {
        let _ = (path, uid, gid);
        Ok(())
    }
}

/// Gives a file that is open to another user, as `give` does.
///
/// # Errors
/// When the system does not permit it.
pub fn give_file(file: &std::fs::File, uid: u32, gid: u32) -> io::Result<()> {
    #[cfg(unix)]
    {
        std::os::unix::fs::fchown(file, Some(uid), Some(gid))
    }
    #[cfg(windows)]
    {
        let _ = (file, uid, gid);
        Ok(())
    }
}

/// Returns true if two paths lead to the same file or directory; false if either leads nowhere.
pub fn is_same(one: &Utf8Path, other: &Utf8Path) -> bool {
    matches!((FileIdentity::of(one), FileIdentity::of(other)), (Ok(one), Ok(other)) if one.id == other.id)
}
