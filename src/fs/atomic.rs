//! Changes of the disk that are whole or absent, and that survive a power cut once they are reported.

use std::{
    io::{self, Read as _, Write as _},
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

#[cfg(feature = "cli")]
use super::flush::sync_tree;
use super::{flush::sync_directory, named::named, space::sized};

/// Replaces (or makes) a file: written beside it under a random name, flushed, renamed, the directory flushed.
///
/// # Errors
/// Any of those steps' errors, naming the path; the old file is then as it was.
pub fn write(path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    let directory = directory_of(path);
    prepared(directory, path, content, 0o644)?
        .persist(path)
        .map_err(|cause| named(cause.error, "replace", path))?;
    sync_directory(directory)
}

/// The same for what is nobody else's to read.
///
/// # Errors
/// As `write`.
pub fn write_private(path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    let directory = directory_of(path);
    prepared(directory, path, content, 0o600)?
        .persist(path)
        .map_err(|cause| named(cause.error, "replace", path))?;
    sync_directory(directory)
}

/// Writes a file that is not there yet, of a tree that nobody sees, and leaves flushing to `sync_tree`.
///
/// # Errors
/// When it is there, or cannot be written, naming the path.
pub fn write_unflushed(path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    set_mode(file.file(), 0o644).map_err(|cause| named(cause, "write", path))?;
    file.write_all(content)
}

/// Replaces (or makes) a file at the top of ampup's home, in the same way; but what a killed process leaves behind lies in
/// `staging/` beside it, where it is swept.
///
/// # Errors
/// As `write`.
pub fn write_state(path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    replace_through(&path.with_file_name("staging"), path, content, 0o644)
}

/// The same for what is nobody else's to read.
///
/// # Errors
/// As `write`.
pub fn write_private_state(path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    replace_through(&path.with_file_name("staging"), path, content, 0o600)
}

/// The same for a file anywhere in the home, whose `staging/` this is.
///
/// # Errors
/// As `write`.
pub fn write_through(staging: &Utf8Path, path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    replace_through(staging, path, content, 0o644)
}

/// Replaces (or makes) many files of one directory as `write_through` does, and flushes them together: after a power cut there may
/// be some of them, each whole.
///
/// # Errors
/// As `write`.
#[cfg(feature = "cli")]
pub fn write_many_through(
    staging: &Utf8Path,
    directory: &Utf8Path,
    files: &[(String, Vec<u8>)],
) -> io::Result<()> {
    let paths = || {
        files
            .iter()
            .map(|(name, content)| (directory.join(name), content))
    };
    let made = paths().map(|(path, content)| {
        let made = unflushed(staging, &path, content, 0o644)?;
        Ok(made.into_temp_path())
    });
    let made = match made.collect::<io::Result<Vec<_>>>() {
        Ok(made) => made,
        Err(cause) if is_no_staging(&cause) => {
            return paths().try_for_each(|(path, content)| write(&path, content));
        }
        Err(cause) => return Err(cause),
    };
    sync_tree(staging)?;
    for ((path, content), made) in paths().zip(made) {
        if !is_put(made, &path)? {
            write(&path, content)?;
        }
    }
    sync_directory(directory)
}

fn replace_through(staging: &Utf8Path, path: &Utf8Path, content: &[u8], mode: u32) -> io::Result<()> {
    let is_done = match prepared(staging, path, content, mode) {
        Ok(made) => is_put(made.into_temp_path(), path)?,
        Err(cause) if is_no_staging(&cause) => false,
        Err(cause) => return Err(cause),
    };
    match (is_done, mode) {
        (true, _) => sync_directory(directory_of(path)),
        (false, 0o600) => write_private(path, content),
        (false, _) => write(path, content),
    }
}

/// No home yet, or one that is not ours.
fn is_no_staging(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
    )
}

/// Puts a file that was made in `staging/` in its place. False where it cannot come from there: `staging/` is a mount point; or
/// another command swept it, which cannot know who we are.
fn is_put(made: tempfile::TempPath, path: &Utf8Path) -> io::Result<bool> {
    match made.persist(path) {
        Ok(()) => Ok(true),
        Err(cause)
            if matches!(
                cause.error.kind(),
                io::ErrorKind::CrossesDevices | io::ErrorKind::NotFound
            ) =>
        {
            Ok(false)
        }
        Err(cause) => Err(named(cause.error, "replace", path)),
    }
}

/// The prefix of an unfinished file's name.
const UNFINISHED: &str = ".new-";

/// Removes what killed processes left of files in a directory that is not in ampup's home. The caller holds the one lock
/// under which anybody writes there. What cannot be removed stays.
pub fn sweep(directory: &Utf8Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Something that was being written longer ago than this has no writer any more.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// Returns true if something was written longer ago than anybody writes one.
pub fn is_old(path: &Utf8Path) -> bool {
    is_older(path, FORGOTTEN)
}

/// Returns true if something was written longer ago than this.
pub fn is_older(path: &Utf8Path, than: Duration) -> bool {
    let modified = path.symlink_metadata().and_then(|metadata| metadata.modified());
    let age = modified.ok().and_then(|modified| modified.elapsed().ok());
    age.is_some_and(|age| age > than)
}

/// The content of `path` in a file in `directory`, flushed.
fn prepared(
    directory: &Utf8Path,
    path: &Utf8Path,
    content: &[u8],
    mode: u32,
) -> io::Result<tempfile::NamedTempFile> {
    let made = unflushed(directory, path, content, mode)?;
    made.as_file()
        .sync_all()
        .map_err(|cause| named(cause, "flush", path))?;
    Ok(made)
}

/// The content of `path` in a file in `directory`.
fn unflushed(
    directory: &Utf8Path,
    path: &Utf8Path,
    content: &[u8],
    mode: u32,
) -> io::Result<tempfile::NamedTempFile> {
    let mut beside = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempfile_in(directory)
        .map_err(|cause| named(cause, "make a file in", directory))?;
    // On Unix nobody else can open it from the start.
    #[cfg(windows)]
    if mode == 0o600 {
        let made = Utf8Path::from_path(beside.path()).ok_or(io::ErrorKind::InvalidInput)?;
        super::acl::close_to_others(made)?;
    }
    beside
        .write_all(content)
        .map_err(|cause| named(cause, "write", path))?;
    set_mode(beside.as_file(), mode).map_err(|cause| named(cause, "write", path))?;
    Ok(beside)
}

fn directory_of(path: &Utf8Path) -> &Utf8Path {
    match path.parent().expect("a file has a name") {
        // A name alone: the maintainers' program takes those.
        parent if parent.as_str().is_empty() => Utf8Path::new("."),
        parent => parent,
    }
}

/// The content of a file of at most `limit` bytes, which may be the user's own: a link is followed.
///
/// # Errors
/// When it cannot be read, is no regular file, or is larger.
pub fn read(path: &Utf8Path, limit: u64) -> io::Result<Vec<u8>> {
    read_opened(open(path, true)?, path, limit)
}

/// The content of a file that only ampup writes, of at most `limit` bytes. A link in its place is not followed.
///
/// # Errors
/// When it cannot be read, is no regular file, or is larger.
pub fn read_own(path: &Utf8Path, limit: u64) -> io::Result<Vec<u8>> {
    read_opened(open(path, false)?, path, limit)
}

/// The first `limit` bytes of a file that others write, whatever it is: of what is no regular file, none.
///
/// # Errors
/// When it cannot be opened or read.
pub fn read_beginning(path: &Utf8Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path, true)?;
    let metadata = file.metadata()?;
    let mut content = room_for(&metadata, limit);
    if metadata.is_file() {
        file.take(limit).read_to_end(&mut content)?;
    }
    Ok(content)
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
    if opened.is_err() && !follow && path.is_symlink() {
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
    let mut content = room_for(&metadata, limit);
    file.take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("`{path}` is larger than {}", sized(limit)),
        ));
    }
    Ok(content)
}

/// A buffer with one byte more than there is to read, so that its end is seen without growing. What is in /proc has no length.
fn room_for(metadata: &std::fs::Metadata, limit: u64) -> Vec<u8> {
    const OF_PROC: u64 = 2047;
    Vec::with_capacity(metadata.len().max(OF_PROC).min(limit) as usize + 1)
}

/// Renames a directory or a file and puts both parents' entries on disk. What `from` names must be flushed before.
///
/// # Errors
/// The rename's own, naming both paths.
pub fn rename(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_parents(to, from)
}

fn sync_parents(to: &Utf8Path, from: &Utf8Path) -> io::Result<()> {
    for parent in [to.parent(), from.parent()].into_iter().flatten() {
        sync_directory(parent)?;
    }
    Ok(())
}

/// Exchanges two directories on one file system, in one step where the system can do that, and puts the parent of `there`
/// on disk. What is `here` must be flushed before.
///
/// # Errors
/// When that fails; `there` is then as it was, or (where the system cannot exchange) out of the way in `here`'s parent.
pub fn exchange(here: &Utf8Path, there: &Utf8Path) -> io::Result<()> {
    if exchange_at_once(here, there)? {
        return Ok(());
    }
    let aside = Utf8PathBuf::from(format!("{here}.old"));
    fs::rename(there, &aside)?;
    fs::rename(here, there)?;
    fs::rename(&aside, here)?;
    sync_parents(there, here)
}

/// Exchanges two directories in one step. Gives `false`, and does nothing, where the system cannot.
///
/// # Errors
/// When they cannot be exchanged, or were and that cannot be flushed.
pub fn exchange_at_once(here: &Utf8Path, there: &Utf8Path) -> io::Result<bool> {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        match renameat_with(
            CWD,
            here.as_std_path(),
            CWD,
            there.as_std_path(),
            RenameFlags::EXCHANGE,
        ) {
            // Some file systems, and the kernels of old.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {}
            Err(cause) => return Err(named(cause.into(), "replace", there)),
            Ok(()) => return sync_parents(there, here).map(|()| true),
        }
    }
    let _ = (here, there);
    Ok(false)
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

/// Makes a directory that everybody can read and its owner alone can write to, whatever the umask: who may enter a home
/// is decided at its top.
///
/// # Errors
/// When it cannot be made; `AlreadyExists` when something has that name.
pub fn make_directory(path: &Utf8Path) -> io::Result<()> {
    fs::create_dir(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
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
