//! How much room a file system has.

use std::io;

use camino::Utf8Path;

/// Octets that an ordinary user can still write to the file system of `path`; `None` where the system cannot say.
///
/// # Errors
/// When `path` cannot be asked about.
pub fn free(path: &Utf8Path) -> io::Result<Option<u64>> {
    #[cfg(unix)]
    {
        let answer = rustix::fs::statvfs(path.as_std_path())?;
        Ok(Some(answer.f_bavail.saturating_mul(answer.f_frsize)))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Ok(None)
    }
}

/// How many files and directories an ordinary user can still make on the file system of `path`; `None` where it has no
/// such limit, or cannot say.
///
/// # Errors
/// When `path` cannot be asked about.
pub fn free_entries(path: &Utf8Path) -> io::Result<Option<u64>> {
    #[cfg(unix)]
    {
        let answer = rustix::fs::statvfs(path.as_std_path())?;
        // btrfs and others count none.
        Ok((answer.f_files > 0).then_some(answer.f_favail))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Ok(None)
    }
}
