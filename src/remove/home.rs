//! Taking ampup itself away: the entries of its home that are its own, by name. What somebody else put there stays.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::RemoveError;
use crate::{
    fs::lock::{self, Lock},
    layout::Layout,
    self_install,
    shell::Shell,
    store::directories,
};

/// What there is to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estate {
    /// Entries of the home, and what belongs to it elsewhere, in the order of their removal. What makes ampup run goes
    /// last, so that a removal that was interrupted can be repeated.
    pub ours: Vec<Utf8PathBuf>,
    /// Entries of the home that are somebody else's.
    pub others: Vec<Utf8PathBuf>,
}

/// Looks at a home, and changes nothing.
///
/// # Errors
/// When it cannot be read.
pub fn survey(layout: &Layout) -> io::Result<Estate> {
    let mut ours = Vec::new();
    let mut last = Vec::new();
    let mut others = Vec::new();
    let entries = match layout.home().read_dir_utf8() {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            return Ok(Estate { ours, others });
        }
        Err(cause) => return Err(cause),
    };
    let rank = |path: &Utf8Path| LAST.iter().position(|name| path.file_name() == Some(name));
    for entry in entries {
        let path = entry?.into_path();
        let name = path.file_name().expect("an entry has a name");
        if name == "share" && directories::foreign_entry(&layout.manual(), layout).is_none() {
            manual(layout, &mut ours);
        } else if LAST.contains(&name) {
            last.push(path);
        } else if is_ours(name) {
            ours.push(path);
        } else {
            others.push(path);
        }
    }
    ours.sort();
    last.sort_by_key(|path| rank(path));
    ours.extend(last);
    // Before the link that leads there.
    if let Some(elsewhere) = directories::elsewhere(layout) {
        ours.insert(0, elsewhere);
    }
    Ok(Estate { ours, others })
}

/// What goes last, in this order.
const LAST: [&str; 6] = [
    "components",
    "generations",
    "bin",
    "active",
    "locks",
    "shells.json",
];

/// A file that was being written when ampup was killed (`fs::atomic`).
const NEW: &str = ".new-";

fn is_ours(name: &str) -> bool {
    let known = [
        "staging",
        "cache",
        "trust.json",
        "projects.json",
        "projects.json.lock",
        "config.toml",
    ];
    known.contains(&name)
        || Shell::ALL.iter().any(|shell| shell.env_file() == name)
        || [self_install::BOOTSTRAP, NEW, ".link-"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// The manual's pages: other programs may have theirs beside them.
fn manual(layout: &Layout, ours: &mut Vec<Utf8PathBuf>) {
    let Ok(entries) = layout.manual().read_dir_utf8() else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_page = name.ends_with(".1") && (name.starts_with("ampup.") || name.starts_with("ampup-"));
        if is_page || name.starts_with(NEW) {
            ours.push(entry.into_path());
        }
    }
}

/// Looks at every lock of a release: whoever holds one is about to put something into the home. None is kept: the caller
/// holds the store lock, without which nobody who comes later gets far.
///
/// # Errors
/// When somebody holds one.
pub fn check_releases(layout: &Layout) -> Result<(), RemoveError> {
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

/// Removes what `survey` found, then the directories in the home that are empty by then. What cannot be removed is given
/// back, with the reason. The caller holds the store lock.
pub fn apply(estate: &Estate, layout: &Layout) -> Vec<(Utf8PathBuf, io::Error)> {
    let mut left = Vec::new();
    for path in &estate.ours {
        if let Err(cause) = remove(path) {
            left.push((path.clone(), cause));
        }
    }
    let mut empty: Vec<&Utf8Path> = Vec::new();
    let manual = layout.manual();
    // man1, man, share.
    if directories::foreign_entry(&manual, layout).is_none() {
        empty.extend(manual.ancestors().take(3));
    }
    let var = directories::elsewhere_of(layout.home());
    empty.extend(var.parent());
    for directory in empty {
        // What is not empty is somebody's.
        let _ = fs::remove_dir(directory);
    }
    left
}

fn remove(path: &Utf8Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
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
