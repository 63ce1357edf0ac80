//! Changes of the disk that are whole or absent, and that survive a power cut once they are reported.

use std::io::{self, Read as _, Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

/// Replaces (or makes) a file: written beside it under a random name, flushed, renamed, the directory flushed.
///
/// # Errors
/// Any of those steps' errors, naming the path; the old file is then as it was.
pub fn write(path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    let directory = path
        .parent()
        .expect("a file of ampup lies in a directory of ampup");
    let mut beside = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(directory)
        .map_err(|cause| named(cause, "make a file in", directory))?;
    beside
        .write_all(content)
        .map_err(|cause| named(cause, "write", path))?;
    set_mode(beside.as_file(), 0o644).map_err(|cause| named(cause, "write", path))?;
    beside
        .as_file()
        .sync_all()
        .map_err(|cause| named(cause, "flush", path))?;
    beside
        .persist(path)
        .map_err(|cause| named(cause.error, "replace", path))?;
    sync_directory(directory)
}

/// The content of a file of at most `limit` octets, which may be the user's own: a link is followed.
///
/// # Errors
/// When it cannot be read, is no regular file, or is larger.
pub fn read(path: &Utf8Path, limit: u64) -> io::Result<Vec<u8>> {
    read_opened(open(path, true)?, path, limit)
}

/// The content of a file that only ampup writes, of at most `limit` octets. A link in its place is not followed.
///
/// # Errors
/// When it cannot be read, is no regular file, or is larger.
pub fn read_own(path: &Utf8Path, limit: u64) -> io::Result<Vec<u8>> {
    read_opened(open(path, false)?, path, limit)
}

fn open(path: &Utf8Path, follow: bool) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        use rustix::fs::OFlags;
        // Opening a pipe must not wait for whoever writes it.
        let mut flags = OFlags::NONBLOCK;
        if !follow {
            flags |= OFlags::NOFOLLOW;
        }
        options.custom_flags(flags.bits() as i32);
    }
    #[cfg(not(unix))]
    let _ = follow;
    let opened = options.open(path);
    #[cfg(unix)]
    if let Err(cause) = &opened
        && cause.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
        && !follow
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("`{path}` is a link, and ampup makes none there"),
        ));
    }
    opened
}

fn read_opened(file: fs::File, path: &Utf8Path, limit: u64) -> io::Result<Vec<u8>> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("`{path}` is not a regular file"),
        ));
    }
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("`{path}` is larger than {limit} bytes"),
        ));
    }
    Ok(content)
}

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

/// Puts a whole tree on disk: on Linux the file system that holds it, elsewhere each file, then directories bottom-up.
///
/// # Errors
/// When anything below cannot be opened or flushed.
pub fn sync_tree(top: &Utf8Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let file = fs::File::open(top)?;
        rustix::fs::syncfs(&file).map_err(|cause| named(cause.into(), "flush", top))
    }
    #[cfg(not(target_os = "linux"))]
    {
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
                sync_tree(&path)?;
            } else if kind.is_file() {
                fs::File::open(&path)?.sync_all()?;
            }
        }
        sync_directory(top)
    }
}

/// Renames a directory or a file and puts both parents' entries on disk. What `from` names must be flushed before.
///
/// # Errors
/// The rename's own, naming both paths.
pub fn rename(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    fs::rename(from, to)?;
    for parent in [to.parent(), from.parent()].into_iter().flatten() {
        sync_directory(parent)?;
    }
    Ok(())
}

/// Puts `new` in the place of the tree `old`, and `old` in the place of `new`, so that a reader finds the one or the
/// other. Where the system cannot do that in one step, there is nothing for a moment.
///
/// # Errors
/// When the trees cannot be renamed.
pub fn exchange(new: &Utf8Path, old: &Utf8Path) -> io::Result<()> {
    if exchange_at_once(new, old)? {
        return Ok(());
    }
    let parent = new.parent().expect("a staged tree lies in a directory");
    let aside = unused_name(parent, "replaced-")?;
    rename(old, &aside)?;
    rename(new, old)
}

/// Exchanges two directories in one step. Gives `false`, and does nothing, where the system cannot.
///
/// # Errors
/// When they were exchanged and that cannot be flushed.
pub fn exchange_at_once(new: &Utf8Path, old: &Utf8Path) -> io::Result<bool> {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        let exchanged = renameat_with(
            CWD,
            new.as_std_path(),
            CWD,
            old.as_std_path(),
            RenameFlags::EXCHANGE,
        );
        if exchanged.is_ok() {
            for parent in [old.parent(), new.parent()].into_iter().flatten() {
                sync_directory(parent)?;
            }
            return Ok(true);
        }
    }
    let _ = (new, old);
    Ok(false)
}

/// Removes a tree: first renamed into `staging`, so that nobody ever sees half of it, then deleted there. Links are
/// removed, never followed.
///
/// # Errors
/// When the rename fails; what cannot be deleted after it stays in `staging`, for the next sweep.
pub fn remove_tree(tree: &Utf8Path, staging: &Utf8Path) -> io::Result<()> {
    let doomed = unused_name(staging, "removed-")?;
    rename(tree, &doomed)?;
    // The tree is gone for every reader; leftovers are swept by a later command.
    let _ = fs::remove_dir_all(&doomed);
    Ok(())
}

/// A fresh private directory under `parent`, with a random name. It is the caller's to remove.
///
/// # Errors
/// When it cannot be made.
pub fn private_directory(parent: &Utf8Path, prefix: &str) -> io::Result<Utf8PathBuf> {
    let mut builder = tempfile::Builder::new();
    // Without it the umask decides.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    let made = builder
        .prefix(prefix)
        .rand_bytes(12)
        .tempdir_in(parent)
        .map_err(|cause| named(cause, "make a directory in", parent))?;
    Ok(parent.join(
        made.keep()
            .file_name()
            .and_then(|name| name.to_str())
            .expect("the name is our own ASCII"),
    ))
}

/// A name under `parent` that nothing has.
fn unused_name(parent: &Utf8Path, prefix: &str) -> io::Result<Utf8PathBuf> {
    let made = private_directory(parent, prefix)?;
    fs::remove_dir(&made)?;
    Ok(made)
}

/// Makes a directory and its parents.
///
/// # Errors
/// When one cannot be made, naming it.
pub fn make_directories(path: &Utf8Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

#[cfg(unix)]
fn set_mode(file: &std::fs::File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &std::fs::File, _: u32) -> io::Result<()> {
    Ok(())
}

/// The same kind of error, saying what could not be done to which path.
fn named(cause: io::Error, action: &str, path: &Utf8Path) -> io::Error {
    io::Error::new(
        cause.kind(),
        NamedError {
            action: action.to_owned(),
            path: path.to_owned(),
            cause,
        },
    )
}

#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{path}`: {cause}")]
struct NamedError {
    action: String,
    path: Utf8PathBuf,
    cause: io::Error,
}
