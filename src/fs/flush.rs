//! Flushing: files, directories and trees put on disk before anybody counts on them.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

#[cfg(target_os = "linux")]
use super::named::named;

/// Puts a directory's own entries on disk.
///
/// # Errors
/// When the directory cannot be opened or flushed. On Windows directories cannot be flushed and this does nothing.
pub fn sync_directory(directory: &Utf8Path) -> io::Result<()> {
    #[cfg(unix)]
    fs::File::open(directory)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}

/// Asks the system to begin to put a file on disk, and does not wait: when the tree is flushed, less is left to do.
pub fn begin_to_flush(file: &fs::File) {
    // Linux begins to write what it may soon forget (mm/fadvise.c), and keeps what is being written.
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(file.file(), 0, None, rustix::fs::Advice::DontNeed);
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}

/// Puts a whole tree on disk: on Linux the file system that holds it, elsewhere, and where that cannot be asked for, each file,
/// then directories bottom-up.
///
/// # Errors
/// When anything below cannot be opened or flushed.
pub fn sync_tree(top: &Utf8Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::io::Errno;
        let file = fs::File::open(top)?;
        match rustix::io::retry_on_intr(|| rustix::fs::syncfs(&file)) {
            // A sandbox, or a kernel that is none of Linux', has no such call; a disk never answers so.
            Err(Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP | Errno::PERM) => sync_each(top),
            flushed => flushed.map_err(|cause| named(cause.into(), "flush", top)),
        }
    }
    #[cfg(not(target_os = "linux"))]
    sync_each(top)
}

/// Puts each file of a tree on disk, then its directories bottom-up.
fn sync_each(top: &Utf8Path) -> io::Result<()> {
    for entry in fs::read_dir(top)? {
        let entry = entry?;
        let path = Utf8PathBuf::from_path_buf(entry.path()).map_err(|path| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("`{}` is not UTF-8", path.display()),
            )
        })?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sync_each(&path)?;
        } else if kind.is_file() {
            // Windows flushes only what was opened to be written.
            let mut options = fs::OpenOptions::new();
            options.read(true).write(cfg!(windows));
            options.open(&path)?.sync_all()?;
        }
    }
    sync_directory(top)
}
