//! Taking ampup itself away: what its record names, which is the mark of the home at the top and receipts and records
//! below. What somebody else put there stays.

use std::{collections::BTreeSet, io};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::RemoveError;
use crate::{
    env::BOOTSTRAP,
    fs::{
        lock::{self, Lock},
        mounts, remove_if_empty,
    },
    layout::Layout,
    self_install,
    store::{
        claim::{self, Claim},
        directories, pointer, receipt, shared_home, staging,
    },
};

/// The list of what is to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estate {
    /// Entries of the home in the order of their removal. What makes ampup run goes last, so that a removal that was
    /// interrupted can be repeated.
    pub ours: Vec<Utf8PathBuf>,
    /// Entries that are somebody else's.
    pub others: Vec<Utf8PathBuf>,
}

/// Looks at a home, and changes nothing.
///
/// # Errors
/// When it cannot be read.
pub fn survey(layout: &Layout) -> io::Result<Estate> {
    let mut estate = Estate {
        ours: Vec::new(),
        others: Vec::new(),
    };
    let entries = match layout.home().read_dir_utf8() {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(estate),
        Err(cause) => return Err(cause),
    };
    let claim = claim::read(layout)?;
    for entry in entries {
        let path = entry?.into_path();
        match &claim {
            Claim::Made(names) => sort(&path, names, layout, &mut estate),
            // What has our names there was there before; a mark that was cut is all that may be ampup's.
            Claim::Free => sort(&path, &BTreeSet::new(), layout, &mut estate),
            Claim::Foreign(_) => estate.others.push(path),
        }
    }
    estate.others.sort();
    estate.ours.sort_by_key(|path| {
        let is_itself = path.starts_with(layout.components().join(self_install::name().as_str()));
        (turn(path, layout), is_itself, path.clone())
    });
    Ok(estate)
}

/// The turn in which an entry is removed: `None` comes first.
fn turn(path: &Utf8Path, layout: &Layout) -> Option<usize> {
    let top = path.strip_prefix(layout.home()).ok()?.iter().next()?;
    LAST.iter().position(|name| top == *name)
}

/// The entries that are removed last, in this order; the mark at the very end.
const LAST: [&str; 8] = [
    "components",
    "generations",
    // Through which trees and generations go.
    "staging",
    "bin",
    "active",
    "locks",
    "shells.json",
    ".ampup-home",
];

/// A file that was being written when ampup was killed (`fs::atomic`).
const NEW: &str = ".new-";

fn sort(path: &Utf8Path, names: &BTreeSet<String>, layout: &Layout, estate: &mut Estate) {
    let name = path.file_name().expect("an entry has a name");
    let Ok(found) = path.symlink_metadata() else {
        return;
    };
    let is_ours = if names.contains(name) {
        match name {
            "components" if found.is_dir() => return below(path, estate, component),
            "generations" if found.is_dir() => {
                return below(path, estate, |path| one(path, is_generation(path)));
            }
            "locks" if found.is_dir() => return below(path, estate, |path| one(path, is_file(path))),
            "share" if found.is_dir() => return manual(path, layout, estate),
            "active" | "bin" => found.is_symlink(),
            "cache" | "staging" => found.is_dir() && !found.is_symlink(),
            _ => found.is_file(),
        }
    } else {
        let is_unfinished = name.starts_with(NEW) && found.is_file();
        let is_download = name.starts_with(BOOTSTRAP) && found.is_dir();
        path == layout.mark() && found.is_file() || !names.is_empty() && (is_unfinished || is_download)
    };
    let kind = if is_ours {
        &mut estate.ours
    } else {
        &mut estate.others
    };
    kind.push(path.to_owned());
}

/// A directory of ours goes whole, unless something in it is somebody else's.
fn below(directory: &Utf8Path, estate: &mut Estate, look: impl Fn(&Utf8Path) -> Estate) {
    let mut inside = Estate {
        ours: Vec::new(),
        others: Vec::new(),
    };
    for path in crate::fs::entries(directory) {
        let found = look(&path);
        inside.ours.extend(found.ours);
        inside.others.extend(found.others);
    }
    if inside.others.is_empty() {
        inside.ours = vec![directory.to_owned()];
    }
    estate.ours.extend(inside.ours);
    estate.others.extend(inside.others);
}

fn one(path: &Utf8Path, is_ours: bool) -> Estate {
    let path = vec![path.to_owned()];
    let (ours, others) = if is_ours {
        (path, Vec::new())
    } else {
        (Vec::new(), path)
    };
    Estate { ours, others }
}

/// A component's directory, with its versions: each has a receipt, which is written last, and a list of files.
fn component(path: &Utf8Path) -> Estate {
    if !is_directory(path) || is_unfinished_work(path) {
        return one(path, is_unfinished_work(path));
    }
    let is_tree = |path: &Utf8Path| is_directory(path) && receipt::is_recorded(path);
    let mut estate = Estate {
        ours: Vec::new(),
        others: Vec::new(),
    };
    below(path, &mut estate, |path| one(path, is_tree(path)));
    estate
}

fn is_generation(path: &Utf8Path) -> bool {
    let has_number = path.file_name().is_some_and(|name| name.parse::<u64>().is_ok());
    let has_record = path.join(pointer::RECORD).symlink_metadata().is_ok();
    is_directory(path) && has_number && has_record || is_unfinished_work(path)
}

fn is_unfinished_work(path: &Utf8Path) -> bool {
    path.file_name() == Some(directories::BESIDE) && is_directory(path)
}

fn is_directory(path: &Utf8Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_dir())
}

fn is_file(path: &Utf8Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_file())
}

/// The manual's pages: other programs may have theirs beside them.
fn manual(share: &Utf8Path, layout: &Layout, estate: &mut Estate) {
    let way = [share.to_owned(), share.join("man"), layout.manual()];
    for (directory, next) in way.iter().zip(way.iter().skip(1).map(Some).chain([None])) {
        for path in crate::fs::entries(directory) {
            if Some(&path) == next && is_directory(&path) {
                continue;
            }
            let name = path.file_name().unwrap_or_default();
            let is_page = name.ends_with(".1") && (name.starts_with("ampup.") || name.starts_with("ampup-"));
            let is_ours = next.is_none() && (is_page || name.starts_with(NEW));
            let kind = if is_ours {
                &mut estate.ours
            } else {
                &mut estate.others
            };
            kind.push(path);
        }
        if next.is_some_and(|next| !is_directory(next)) {
            break;
        }
    }
}

/// Looks at every lock of a release: whoever holds one is about to put something into the home. None is kept: the caller
/// holds the store lock, without which nobody who comes later gets far.
///
/// # Errors
/// When somebody holds one.
pub fn ensure_unused(layout: &Layout) -> Result<(), RemoveError> {
    for path in directories::entries(&layout.locks(), layout) {
        if path == layout.store_lock() {
            continue;
        }
        match Lock::try_acquire(&path) {
            // At once: there is a lock for every version that ever was, and no process may have so many files open.
            Ok(Some(lock)) => lock.release(),
            Ok(None) => {
                return Err(RemoveError::AtWork {
                    holder: lock::holder(&path),
                    path,
                });
            }
            // What is no lock is held by nobody.
            Err(_) => {}
        }
    }
    Ok(())
}

/// The entries that were not removed.
#[derive(Debug, Default)]
pub struct Left {
    /// The first that could not be removed, and why.
    pub failed: Option<(Utf8PathBuf, io::Error)>,
    /// These paths are still there.
    pub paths: Vec<Utf8PathBuf>,
    /// Empty directories that are not ours to remove: mount points, and a home in somebody else's directory.
    pub empty: Vec<Utf8PathBuf>,
    /// True if the home's directory is there, as it was before ampup.
    pub is_home_kept: bool,
}

/// Removes what `survey` found, then the directories in the home that are empty by then, and the home. Once something cannot
/// be removed, what makes ampup run stays, and its record. The user's own home directory stays. The caller holds the store lock.
pub fn apply(estate: &Estate, layout: &Layout, user_home: Option<&Utf8Path>) -> Left {
    let mut left = Left::default();
    let was_found = claim::was_found(layout);
    for path in &estate.ours {
        let stays = left.failed.is_some() && turn(path, layout).is_some();
        let removed = if stays {
            Ok(())
        } else {
            take_away(path, layout, &mut left.empty)
        };
        if let Err(cause) = removed {
            left.failed.get_or_insert((path.clone(), cause));
            left.paths.push(path.clone());
        } else if stays {
            left.paths.push(path.clone());
        }
    }
    let manual = layout.manual();
    let mut empty: Vec<&Utf8Path> = Vec::new();
    // Those of components, of which some versions may be somebody else's.
    empty.extend(estate.ours.iter().filter_map(|path| path.parent()));
    // man1, man, share.
    if directories::foreign_entry(&manual, layout).is_none() {
        empty.extend(manual.ancestors().take(3));
    }
    let inside = empty
        .into_iter()
        .filter(|directory| directory.starts_with(layout.home()) && *directory != layout.home());
    for directory in inside {
        if !left.empty.iter().any(|kept| kept == directory)
            && let Err(cause) = remove_if_empty(directory)
        {
            left.failed.get_or_insert((directory.to_owned(), cause));
        }
    }
    let home = layout.home();
    if left.failed.is_none() && was_found {
        left.is_home_kept = true;
        return left;
    }
    if left.failed.is_none()
        && user_home != Some(home)
        && let Err(cause) = shared_home::remove(layout)
    {
        if is_kept(home, &cause) {
            // What is in it was named.
            left.empty
                .extend(crate::fs::entries(home).is_empty().then(|| home.to_owned()));
        } else {
            left.failed = Some((home.to_owned(), cause));
        }
    }
    left
}

/// Returns true if an empty directory cannot be removed because of where it is: something is mounted there, or the directory
/// above is not ours to change.
fn is_kept(directory: &Utf8Path, cause: &io::Error) -> bool {
    match cause.kind() {
        io::ErrorKind::ResourceBusy => mounts::is_mount(directory),
        io::ErrorKind::PermissionDenied => directory
            .parent()
            .is_some_and(|above| !directories::is_open(above)),
        _ => false,
    }
}

/// Removes one entry. Trees and generations are out of sight by one rename before they are deleted, and ampup's own tree is
/// the last: whatever kills this, a command works or is gone, and what is left is known to be ampup's.
fn take_away(path: &Utf8Path, layout: &Layout, kept: &mut Vec<Utf8PathBuf>) -> io::Result<()> {
    let mut whole = Vec::new();
    for (root, depth) in [(layout.components(), 2), (layout.generations(), 1)] {
        if let Ok(below) = path.strip_prefix(&root) {
            whole.extend(directories_below(path, depth - below.iter().count().min(depth)));
        }
    }
    let itself = layout.components().join(self_install::name().as_str());
    whole.sort_by_key(|tree| tree.starts_with(&itself));
    for directory in whole {
        staging::remove(layout, &directory)?;
    }
    remove(path, kept)
}

/// The directories so far below one, itself for 0; none of unfinished work.
fn directories_below(directory: &Utf8Path, depth: usize) -> Vec<Utf8PathBuf> {
    if !is_directory(directory) || is_unfinished_work(directory) {
        return Vec::new();
    }
    if depth == 0 {
        return vec![directory.to_owned()];
    }
    let entries = crate::fs::entries(directory);
    entries
        .iter()
        .flat_map(|entry| directories_below(entry, depth - 1))
        .collect()
}

/// Removes an entry. A mount point in it, or in its place, is emptied and kept.
fn remove(path: &Utf8Path, kept: &mut Vec<Utf8PathBuf>) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => match fs::remove_dir_all(path) {
            Err(cause) if cause.kind() == io::ErrorKind::ResourceBusy => {
                for entry in crate::fs::entries(path) {
                    remove(&entry, kept)?;
                }
                match fs::remove_dir(path) {
                    Err(cause) if is_kept(path, &cause) => {
                        kept.push(path.to_owned());
                        Ok(())
                    }
                    Err(cause)
                        if cause.kind() == io::ErrorKind::DirectoryNotEmpty
                            && kept.iter().any(|kept| kept.starts_with(path)) =>
                    {
                        Ok(())
                    }
                    removed => removed,
                }
            }
            removed => removed,
        },
        // A junction is a directory that must not be entered.
        Ok(metadata) if cfg!(windows) && metadata.is_symlink() => fs::remove_dir(path),
        Ok(_) => fs::remove_file(path),
        Err(cause) => Err(cause),
    };
    match removed {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
