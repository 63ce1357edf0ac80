//! Making the directories of a home, and where its large ones lie.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::{
    fs::{atomic, link},
    layout::Layout,
};

/// Unfinished work beside what it becomes, where `staging/` is on another file system.
const BESIDE: &str = ".staging";

/// Makes the directories that a command which writes needs. Does nothing where they are.
///
/// As root, where others cannot enter the home (`/root` is 0700), `components`, `staging` and `cache` are made as links
/// into `/var/lib/ampup/<16 hex>`, so that an unprivileged user can run what is installed: PostgreSQL refuses root.
///
/// # Errors
/// When one cannot be made; `Unsupported` when the file system has no symbolic links.
pub fn prepare(layout: &Layout) -> io::Result<()> {
    make_home(layout)?;
    for directory in [layout.generations(), layout.locks()] {
        make(&directory)?;
    }
    let elsewhere = elsewhere(layout)?;
    for directory in [layout.components(), layout.staging(), layout.cache()] {
        match (&elsewhere, directory.symlink_metadata()) {
            (Some(elsewhere), Err(_)) => {
                let target = elsewhere.join(directory.file_name().expect("Layout joins a name"));
                make(&target)?;
                make_link(&target, &directory)?;
            }
            _ => make(&directory)?,
        }
    }
    make(&layout.downloads())?;
    make(&layout.templates())?;
    if layout.bin().symlink_metadata().is_err() {
        make_link("active/bin".into(), &layout.bin())?;
    }
    Ok(())
}

/// The umask says who may look into a new home; nobody but its owner may write to it.
fn make_home(layout: &Layout) -> io::Result<()> {
    let home = layout.home();
    if home.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(home)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(home)?.permissions().mode();
        if mode & 0o022 != 0 {
            fs::set_permissions(home, std::fs::Permissions::from_mode(mode & 0o755))?;
        }
    }
    Ok(())
}

/// The user to whom the home belongs (or the directory in which it will be made), when this is root and it is not
/// root's.
pub fn foreign_owner(layout: &Layout) -> Option<u32> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let there = layout
            .home()
            .ancestors()
            .find_map(|path| fs::metadata(path).ok())?;
        Some(there.uid()).filter(|owner| *owner != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = layout;
        None
    }
}

/// Where unfinished work lies: in `staging/`, unless `components` is a link into another file system, from which a
/// rename could not come. The path is resolved, so that another user who may not enter the home can enter it.
///
/// # Errors
/// When neither can be asked about, or the directory cannot be made.
pub fn staging_root(layout: &Layout) -> io::Result<Utf8PathBuf> {
    if same_file_system(&layout.staging(), &layout.components())? {
        return link::real(&layout.staging());
    }
    let root = layout.components().join(BESIDE);
    make(&root)?;
    link::real(&root)
}

/// Where generations are made and links are replaced: in `staging/`, unless that is on another file system.
///
/// # Errors
/// When neither can be asked about, or the directory cannot be made.
pub fn generations_scratch(layout: &Layout) -> io::Result<Utf8PathBuf> {
    if same_file_system(&layout.staging(), &layout.generations())? {
        return link::real(&layout.staging());
    }
    let root = layout.generations().join(BESIDE);
    make(&root)?;
    link::real(&root)
}

/// Every directory that may hold unfinished work. Not all of them exist.
pub fn staging_roots(layout: &Layout) -> Vec<Utf8PathBuf> {
    let beside = [layout.components(), layout.generations()].map(|directory| directory.join(BESIDE));
    std::iter::once(layout.staging())
        .chain(beside)
        .filter(|root| root.is_dir())
        .collect()
}

fn make(directory: &Utf8Path) -> io::Result<()> {
    match atomic::make_directory(directory) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
        made => made,
    }
}

fn make_link(target: &Utf8Path, link: &Utf8Path) -> io::Result<()> {
    match link::directory(target, link) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // vfat, exfat and some network file systems answer EPERM.
        Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied && writable(link) => {
            Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("the file system of `{link}` has no symbolic links, which ampup's home needs"),
            ))
        }
        made => made,
    }
}

/// Whether the directory of `path` takes new files at all.
fn writable(path: &Utf8Path) -> bool {
    path.parent()
        .is_some_and(|parent| tempfile::tempfile_in(parent).is_ok())
}

#[cfg(unix)]
fn same_file_system(one: &Utf8Path, other: &Utf8Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(fs::metadata(one)?.dev() == fs::metadata(other)?.dev())
}

#[cfg(not(unix))]
fn same_file_system(_: &Utf8Path, _: &Utf8Path) -> io::Result<bool> {
    Ok(true)
}

/// The place that other users can enter, when this is root and they cannot enter the home.
#[cfg(unix)]
fn elsewhere(layout: &Layout) -> io::Result<Option<Utf8PathBuf>> {
    use std::os::unix::fs::MetadataExt as _;
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let home = link::real(layout.home())?;
    for directory in home.ancestors() {
        if fs::metadata(directory)?.mode() & 0o001 == 0 {
            let place = elsewhere_of(layout.home());
            if let Some(parent) = place.parent() {
                make(parent)?;
            }
            make(&place)?;
            return Ok(Some(place));
        }
    }
    Ok(None)
}

#[cfg(not(unix))]
fn elsewhere(_: &Layout) -> io::Result<Option<Utf8PathBuf>> {
    Ok(None)
}

/// The place under `/var/lib` that belongs to the home at this path: named by the path's SHA-256, so that homes do not
/// meet.
pub fn elsewhere_of(home: &Utf8Path) -> Utf8PathBuf {
    use crate::domain::{Algorithm, digest::Hasher};
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(home.as_str().as_bytes());
    Utf8Path::new("/var/lib/ampup").join(&hasher.finish().hex()[..16])
}

/// Whether this process may write to the home (or could make it).
///
/// # Errors
/// Never for a missing home; only when asking fails in an unexpected way.
pub fn is_writable(layout: &Layout) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use rustix::fs::{Access, access};
        let mut place = layout.home();
        loop {
            match access(place.as_std_path(), Access::WRITE_OK | Access::EXEC_OK) {
                Ok(()) => return Ok(true),
                Err(rustix::io::Errno::NOENT) => match place.parent() {
                    Some(parent) => place = parent,
                    None => return Ok(false),
                },
                Err(rustix::io::Errno::ACCESS | rustix::io::Errno::ROFS | rustix::io::Errno::PERM) => {
                    return Ok(false);
                }
                Err(cause) => return Err(cause.into()),
            }
        }
    }
    #[cfg(not(unix))]
    {
        let _ = layout;
        Ok(true)
    }
}
