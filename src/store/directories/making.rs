//! Making the directories of a home, and what a command that writes asks of them beforehand.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{BESIDE, foreign_entry};
use crate::{
    fs::{atomic, link},
    layout::Layout,
    store::{
        claim::{self, Claim},
        shared_home,
    },
};

/// Makes the home, its mark and the directories that a command which writes needs. Does nothing where they are.
/// `user_home` is the user's home directory (`shared_home` says what root's default home has of it).
///
/// # Errors
/// When one cannot be made, or something that is not ours is in the way; `Unsupported` when the file system has no
/// symbolic links.
pub fn prepare(layout: &Layout, user_home: Option<&Utf8Path>) -> io::Result<()> {
    shared_home::make(layout, user_home)?;
    let is_directory = |found: std::fs::Metadata| found.is_dir();
    let is_found = layout.home().symlink_metadata().is_ok_and(is_directory);
    make_home(layout)?;
    let is_free = match claim::read(layout)? {
        Claim::Foreign(entry) => return Err(entry.into()),
        Claim::Free => true,
        // One from before there were marks may have none.
        Claim::Made(_) => false,
    };
    ensure_all_ours(layout)?;
    let link = shared_home::is_shared(layout).then_some(layout.home());
    claim::stake(layout, is_found && is_free, link)?;
    for directory in made(layout) {
        make_own(&directory, layout)?;
    }
    shared_home::keep_private(layout)?;
    if layout.bin().symlink_metadata().is_err() {
        make_link("active/bin".into(), &layout.bin())?;
    }
    Ok(())
}

/// The directories that every home has.
fn made(layout: &Layout) -> [Utf8PathBuf; 7] {
    [
        layout.generations(),
        layout.locks(),
        layout.components(),
        layout.staging(),
        layout.cache(),
        layout.downloads(),
        layout.templates(),
    ]
}

/// Every directory of the home with a name that is known beforehand. Not all of them exist.
pub fn known(layout: &Layout) -> Vec<Utf8PathBuf> {
    let mut all = Vec::from(made(layout));
    all.extend([layout.components(), layout.generations()].map(|directory| directory.join(BESIDE)));
    all.push(layout.manual());
    all
}

/// The first foreign entry in the place of a directory that `prepare` makes, as an error.
///
/// # Errors
/// When there is one.
pub fn ensure_all_ours(layout: &Layout) -> io::Result<()> {
    made(layout)
        .iter()
        .try_for_each(|directory| ensure_ours(directory, layout))
}

/// The same for one directory.
///
/// # Errors
/// When there is a foreign entry.
pub fn ensure_ours(directory: &Utf8Path, layout: &Layout) -> io::Result<()> {
    foreign_entry(directory, layout).map_or(Ok(()), |entry| Err(entry.into()))
}

/// The umask says who may look into a new home, unless it is root's, which the unprivileged user must enter whom PostgreSQL runs
/// as. Nobody but its owner may write to it.
fn make_home(layout: &Layout) -> io::Result<()> {
    let home = layout.home();
    if home.is_dir() {
        return Ok(());
    }
    if home.symlink_metadata().is_ok() {
        let what = match link::read(home) {
            Ok(target) => format!("`{home}` is a link to `{target}`, which does not exist"),
            Err(_) => format!("`{home}` is not a directory"),
        };
        return Err(io::Error::new(io::ErrorKind::Unsupported, what));
    }
    let is_missing = |path: &&Utf8Path| path.symlink_metadata().is_err();
    let mut missing: Vec<&Utf8Path> = home.ancestors().take_while(is_missing).collect();
    missing.reverse();
    for directory in missing {
        match fs::create_dir(directory) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
            made => {
                made?;
                open_to_owner(directory)?;
            }
        }
    }
    Ok(())
}

#[cfg(unix)]
fn open_to_owner(directory: &Utf8Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(directory)?.permissions().mode() & 0o777;
    let wanted = if rustix::process::geteuid().is_root() {
        0o755
    } else {
        mode & 0o755
    };
    if mode == wanted {
        return Ok(());
    }
    fs::set_permissions(directory, std::fs::Permissions::from_mode(wanted))
}

#[cfg(not(unix))]
fn open_to_owner(_: &Utf8Path) -> io::Result<()> {
    Ok(())
}

/// The home, when this is root and it is another user's, with that user. Of one that is not there yet it is the directory in
/// which it will be made, if that is the user's home directory or below it: elsewhere root may have what it likes.
pub fn of_another_user(layout: &Layout, user_home: Option<&Utf8Path>) -> Option<(Utf8PathBuf, u32)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let home = layout.home();
        let (place, there) = home
            .ancestors()
            .find_map(|path| Some((path, fs::metadata(path).ok()?)))?;
        let is_meant = place == home || user_home.is_some_and(|user_home| place.starts_with(user_home));
        (is_meant && there.uid() != 0).then(|| (place.to_owned(), there.uid()))
    }
    #[cfg(not(unix))]
    {
        let _ = (layout, user_home);
        None
    }
}

/// Where unfinished work lies: in `staging/`, unless `components` is a mount point, which a rename could not
/// leave. The path is resolved, so that another user who may not enter the home can enter it.
///
/// # Errors
/// When neither can be asked about, or the directory cannot be made.
pub fn staging_root(layout: &Layout) -> io::Result<Utf8PathBuf> {
    beside(&layout.components(), layout)
}

/// Where generations are made and links are replaced: in `staging/`, unless that is on another file system.
///
/// # Errors
/// When neither can be asked about, or the directory cannot be made.
pub fn generations_scratch(layout: &Layout) -> io::Result<Utf8PathBuf> {
    beside(&layout.generations(), layout)
}

fn beside(directory: &Utf8Path, layout: &Layout) -> io::Result<Utf8PathBuf> {
    ensure_ours(&layout.staging(), layout)?;
    if same_file_system(&layout.staging(), directory)? {
        return link::real(&layout.staging());
    }
    let root = directory.join(BESIDE);
    make_own(&root, layout)?;
    link::real(&root)
}

/// Lists a directory of the home, sorted; nothing if it cannot be read, or if a foreign entry is in its place.
pub fn entries(directory: &Utf8Path, layout: &Layout) -> Vec<Utf8PathBuf> {
    match foreign_entry(directory, layout) {
        Some(_) => Vec::new(),
        None => crate::fs::entries(directory),
    }
}

/// A directory of the home.
fn make_own(directory: &Utf8Path, layout: &Layout) -> io::Result<()> {
    match atomic::make_directory(directory) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => ensure_ours(directory, layout),
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

/// Returns true if the directory of `path` takes new files at all.
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

/// Returns true if this process may change what is in a directory.
pub fn is_open(directory: &Utf8Path) -> bool {
    #[cfg(unix)]
    {
        use rustix::fs::{Access, access};
        access(directory.as_std_path(), Access::WRITE_OK | Access::EXEC_OK).is_ok()
    }
    #[cfg(not(unix))]
    {
        let _ = directory;
        true
    }
}

/// Ensures that this process may write to the home, or could make it.
///
/// # Errors
/// When it may not: the error says whose it is.
pub fn ensure_writable(layout: &Layout) -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::{
            fs::{Access, access},
            io::Errno,
        };

        use crate::fs::identity::FileIdentity;

        let home = layout.home();
        let missing = |place: &Utf8Path| match place == home {
            true => String::new(),
            false => format!("`{home}` cannot be made: "),
        };
        let mut place = home;
        loop {
            match access(place.as_std_path(), Access::WRITE_OK | Access::EXEC_OK) {
                Err(Errno::NOENT) => match place.parent() {
                    Some(parent) => place = parent,
                    None => return Err(io::ErrorKind::NotFound.into()),
                },
                Err(Errno::ACCESS | Errno::PERM) => {
                    let whose = match FileIdentity::of(place).ok().map(|found| found.uid) {
                        Some(owner) if owner == rustix::process::geteuid().as_raw() => {
                            "is closed to its owner".to_owned()
                        }
                        Some(0) => "belongs to root".to_owned(),
                        Some(owner) => format!("belongs to user {owner}"),
                        None => "cannot be entered".to_owned(),
                    };
                    let text = format!(
                        "{}`{place}` {whose}, and is not yours to write to",
                        missing(place)
                    );
                    return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
                }
                Err(Errno::ROFS) => {
                    let text = format!("{}`{place}` is on a read-only file system", missing(place));
                    return Err(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, text));
                }
                // Whatever else it is, who writes there says it.
                Ok(()) | Err(_) => return Ok(()),
            }
        }
    }
    #[cfg(not(unix))]
    {
        let _ = layout;
        Ok(())
    }
}
