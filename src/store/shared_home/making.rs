//! Making that link and what it leads to, and removing them.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{HOMES, directory_of, is_shared};
use crate::{
    fs::{atomic, entries, identity::FileIdentity, link, remove_if_empty},
    layout::Layout,
    store::claim::{self, Claim},
};

/// Makes the link, and what it leads to, for root's default home where others cannot enter the directory that it would
/// lie in. A home that exists is left as it is; one whose link alone is there gets its directory again.
///
/// # Errors
/// When one of them cannot be made, or something that is not root's is in the way.
pub fn make(layout: &Layout, user_home: Option<&Utf8Path>) -> io::Result<()> {
    let home = layout.home();
    if is_shared(layout) && of_root(layout, user_home).is_some() {
        return make_directory_of(home);
    }
    if !is_due(layout, user_home)? {
        return Ok(());
    }
    // A mount point stays.
    if home.is_dir() && fs::remove_dir(home).is_err() {
        return Ok(());
    }
    make_directory_of(home)?;
    match link::directory(&directory_of(home), home) {
        // Another ampup was faster.
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Returns true if the first command that writes makes the home such a link.
///
/// # Errors
/// When the home or root's own directory cannot be looked at.
pub fn is_due(layout: &Layout, user_home: Option<&Utf8Path>) -> io::Result<bool> {
    let Some(user_home) = of_root(layout, user_home) else {
        return Ok(false);
    };
    let home = layout.home();
    match home.symlink_metadata() {
        // An empty directory, such as `mkdir` makes, has nothing that could be lost.
        Ok(found) => Ok(found.is_dir() && is_closed(user_home)? && is_empty(home)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => is_closed(user_home),
        Err(cause) => Err(cause),
    }
}

/// Root's own directory, if the home is at its default place in it.
fn of_root<'a>(layout: &Layout, user_home: Option<&'a Utf8Path>) -> Option<&'a Utf8Path> {
    let user_home = user_home.filter(|user_home| user_home.join(".ampup") == layout.home())?;
    is_roots(user_home).then_some(user_home)
}

fn make_directory_of(home: &Utf8Path) -> io::Result<()> {
    let directory = directory_of(home);
    make_below_homes(&directory).or_else(|cause| match cause.kind() {
        // The last home that was uninstalled has just taken `/var/lib/ampup` along.
        io::ErrorKind::NotFound => make_below_homes(&directory),
        _ => Err(cause),
    })?;
    // It may be there already, of a home whose link was removed.
    match claim::read(&Layout::new(directory))? {
        Claim::Foreign(entry) => Err(entry.into()),
        Claim::Made(_) | Claim::Free => Ok(()),
    }
}

fn make_below_homes(directory: &Utf8Path) -> io::Result<()> {
    for path in [Utf8Path::new(HOMES), directory] {
        match atomic::make_directory(path) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => ensure_roots(path)?,
            made => made?,
        }
    }
    Ok(())
}

/// Whoever could write there could change what root runs.
fn ensure_roots(path: &Utf8Path) -> io::Result<()> {
    let is_directory = path.symlink_metadata()?.is_dir();
    let found = FileIdentity::at(path)?;
    if is_directory && found.uid == 0 && found.mode & 0o022 == 0 {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("`{path}` is not a directory that root alone can write to"),
    ))
}

/// Makes files private that nobody else could see when they lay in root's own directory.
pub fn keep_private(layout: &Layout) -> io::Result<()> {
    #[cfg(unix)]
    if is_shared(layout) {
        use std::os::unix::fs::PermissionsExt as _;
        for path in [layout.config(), layout.trust(), layout.projects()] {
            let is_open = path
                .symlink_metadata()
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o077 != 0);
            if is_open {
                fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
            }
        }
    }
    #[cfg(not(unix))]
    let _ = layout;
    Ok(())
}

/// The links that homes of root were made for, as they say themselves.
pub fn links() -> Vec<Utf8PathBuf> {
    let homes = entries(Utf8Path::new(HOMES)).into_iter();
    homes.filter_map(|home| claim::link(&Layout::new(home))).collect()
}

/// The directory that a home of root's had below `/var/lib/ampup`, if it is there and nothing has the name of its link.
pub fn left_of(home: &Utf8Path) -> Option<Utf8PathBuf> {
    let is_gone = |path: &Utf8Path| matches!(path.symlink_metadata(), Err(cause) if cause.kind() == io::ErrorKind::NotFound);
    let directory = directory_of(home);
    let is_home = || claim::is_made(&Layout::new(&directory));
    (is_gone(home) && directory.is_dir() && is_home()).then_some(directory)
}

/// Removes the home's own directory once it is empty, and ampup's own link to it. A link of the user's stays, with the
/// directory that it leads to.
///
/// # Errors
/// When it is empty and cannot be removed.
pub fn remove(layout: &Layout) -> io::Result<()> {
    if !is_shared(layout) {
        // A link of the user's to another disk is no directory.
        let is_link = layout
            .home()
            .symlink_metadata()
            .is_ok_and(|found| found.is_symlink());
        return if is_link {
            Ok(())
        } else {
            remove_if_empty(layout.home())
        };
    }
    let directory = directory_of(layout.home());
    remove_if_empty(&directory)?;
    if directory.symlink_metadata().is_err() {
        fs::remove_file(layout.home())?;
        let _ = fs::remove_dir(HOMES);
    }
    Ok(())
}

fn is_empty(directory: &Utf8Path) -> bool {
    directory
        .read_dir_utf8()
        .is_ok_and(|mut entries| entries.next().is_none())
}

/// Returns true if this is root, and the directory is root's.
fn is_roots(directory: &Utf8Path) -> bool {
    #[cfg(unix)]
    {
        rustix::process::geteuid().is_root() && FileIdentity::of(directory).is_ok_and(|found| found.uid == 0)
    }
    #[cfg(not(unix))]
    {
        let _ = directory;
        false
    }
}

/// Returns true if others cannot enter a directory.
fn is_closed(directory: &Utf8Path) -> io::Result<bool> {
    for path in link::real(directory)?.ancestors() {
        if FileIdentity::of(path)?.mode & 0o001 == 0 {
            return Ok(true);
        }
    }
    Ok(false)
}
