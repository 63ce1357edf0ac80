//! Integrity of an installed tree: every file and link of it against its `.files.json`. Nothing is followed and nothing
//! is changed.

use std::{collections::BTreeSet, fmt, io};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::receipt::Receipt;
use crate::{
    domain::{ComponentName, FileList, FileRecord, TreeName, version::local_name},
    fs::{atomic, entries, link},
    layout::{FILES, Layout, RECEIPT},
    verify::digest_of,
};

/// No list of files is larger, in bytes: 100,000 entries of the longest paths would be; none that was seen has a tenth.
const LIMIT: u64 = 64 << 20;

/// One thing that is not as it was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// There is no receipt, or none of this tree: nobody knows whether it is whole.
    Receipt(String),
    /// There is no list of files, or none that can be read: nothing can be compared.
    List(String),
    /// It is not there.
    Missing(Utf8PathBuf),
    /// It is another file, or another link.
    Altered(Utf8PathBuf),
    /// It was not installed.
    Extra(Utf8PathBuf),
    /// It cannot be read.
    Unreadable(Utf8PathBuf, String),
    /// The target of its links is gone.
    Gone(Gone),
}

/// A local build that is gone from where it was linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// The component.
    pub component: ComponentName,
    /// Its name, `local-…`.
    pub local: String,
    /// An executable that is gone.
    pub target: Utf8PathBuf,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            component,
            local,
            target,
        } = self;
        write!(f, "{component} {local} is linked to `{target}`, which is gone")
    }
}

impl Gone {
    /// The next command to type.
    pub fn remedy(&self) -> String {
        format!(
            "build it again, or `ampup uninstall {}@{}`",
            self.component, self.local
        )
    }
}

/// Looks whether a tree is a local build that is gone from where it was linked.
pub fn gone(layout: &Layout, component: &ComponentName, name: &TreeName) -> Option<Gone> {
    let local = local_name(name.version())?;
    let mut links = entries(&layout.tree(component, name).join("bin"));
    links.retain(|link| !link.exists());
    // Of many, the one that people know.
    let named = links
        .iter()
        .position(|link| link.file_stem() == Some(component.as_str()));
    let link = links.into_iter().nth(named.unwrap_or(0))?;
    Some(Gone {
        component: component.clone(),
        local: local.to_owned(),
        target: link::read(&link).unwrap_or(link),
    })
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Receipt(why) => write!(f, "its `.receipt.json` cannot be used: {why}"),
            Self::List(why) => write!(f, "its list of files cannot be used: {why}"),
            Self::Missing(path) => write!(f, "`{path}` is missing"),
            Self::Altered(path) => write!(f, "`{path}` was altered"),
            Self::Extra(path) => write!(f, "`{path}` was not installed"),
            Self::Unreadable(path, why) => write!(f, "`{path}` cannot be read: {why}"),
            Self::Gone(gone) => write!(f, "it is linked to `{}`, which is gone", gone.target),
        }
    }
}

/// All that is damaged in a tree; nothing when it is whole.
pub fn check(layout: &Layout, component: &ComponentName, name: &TreeName) -> Vec<Damage> {
    let tree = layout.tree(component, name);
    let mut damages = Vec::new();
    match tree.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return vec![Damage::Altered(tree)],
        Err(_) => return vec![Damage::Missing(tree)],
    }
    if let Err(why) = Receipt::read(&tree, component, name.version()) {
        damages.push(Damage::Receipt(why.to_string()));
    }
    match list(&tree) {
        Ok(list) => compare(&tree, &list, &mut damages),
        Err(why) => damages.push(Damage::List(why.to_string())),
    }
    damages.extend(gone(layout, component, name).map(Damage::Gone));
    damages
}

/// A directory of a tree's that is gone with all that was in it, such as `lib/`, or else a program in `bin`. Nothing is read but
/// the list of its files.
pub fn lost(layout: &Layout, component: &ComponentName, name: &TreeName) -> Option<String> {
    let tree = layout.tree(component, name);
    let list = list(&tree).ok()?;
    let files = || list.iter().map(|(path, _)| path);
    let tops = files().filter_map(|path| path.ancestors().skip(1).filter(|above| *above != "").last());
    let tops: BTreeSet<&Utf8Path> = tops.collect();
    if let Some(top) = tops.into_iter().find(|top| !tree.join(top).is_dir()) {
        return Some(format!("{top}/"));
    }
    let is_lost = |path: &Utf8Path| path.starts_with("bin") && tree.join(path).symlink_metadata().is_err();
    files().find(|path| is_lost(path)).map(ToString::to_string)
}

fn list(tree: &Utf8Path) -> io::Result<FileList> {
    Ok(serde_json::from_slice(&atomic::read_own(
        &tree.join(FILES),
        LIMIT,
    )?)?)
}

fn compare(tree: &Utf8Path, list: &FileList, damages: &mut Vec<Damage>) {
    let mut seen = BTreeSet::new();
    walk(tree, Utf8Path::new(""), &mut |path, kind| {
        if [RECEIPT, FILES].contains(&path.as_str()) {
            return;
        }
        seen.insert(path.clone());
        let found = match (list.get(&path), kind) {
            (_, Err(why)) => Some(Damage::Unreadable(path, why.to_string())),
            (None, Ok(_)) => Some(Damage::Extra(path)),
            (Some(record), Ok(kind)) => match is_same(&tree.join(&path), kind, record) {
                Ok(true) => None,
                Ok(false) => Some(Damage::Altered(path)),
                Err(why) => Some(Damage::Unreadable(path, why.to_string())),
            },
        };
        damages.extend(found);
    });
    let missing = list.iter().filter(|(path, _)| !seen.contains(*path));
    damages.extend(missing.map(|(path, _)| Damage::Missing(path.to_owned())));
}

/// Tells every file, link and whatever else is no directory, by its path from `tree`; a directory that cannot be read too.
fn walk(
    tree: &Utf8Path,
    below: &Utf8Path,
    tell: &mut impl FnMut(Utf8PathBuf, io::Result<std::fs::FileType>),
) {
    let entries = match fs::read_dir(tree.join(below)) {
        Ok(entries) => entries,
        Err(why) => return tell(below.to_owned(), Err(why)),
    };
    for entry in entries {
        let (name, kind) = match entry {
            Ok(entry) => (entry.file_name(), entry.file_type()),
            Err(why) => {
                tell(below.to_owned(), Err(why));
                continue;
            }
        };
        // A name that is not UTF-8 is not in the list, however it is written.
        let path = below.join(name.to_string_lossy().as_ref());
        match kind {
            Ok(kind) if kind.is_dir() && name.to_str().is_some() => walk(tree, &path, tell),
            kind => tell(path, kind),
        }
    }
}

fn is_same(path: &Utf8Path, kind: std::fs::FileType, record: &FileRecord) -> io::Result<bool> {
    match record {
        FileRecord::Link { target } => {
            Ok(kind.is_symlink() && fs::read_link(path)?.to_str() == Some(target.as_str()))
        }
        FileRecord::File {
            digest,
            size,
            executable,
        } => {
            if !kind.is_file() {
                return Ok(false);
            }
            let metadata = fs::symlink_metadata(path)?;
            if metadata.len() != *size || !has_mode(&metadata, *executable) {
                return Ok(false);
            }
            let mut file = fs::File::open(path)?;
            let (actual, length) = digest_of(&mut file, digest.algorithm())?;
            Ok(actual == *digest && length == *size)
        }
    }
}

/// Returns true if it is executable as it was, and writable by its owner alone.
#[cfg(unix)]
fn has_mode(metadata: &std::fs::Metadata, executable: bool) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = metadata.permissions().mode();
    (mode & 0o111 != 0) == executable && mode & 0o6022 == 0
}

#[cfg(not(unix))]
fn has_mode(_: &std::fs::Metadata, _: bool) -> bool {
    true
}
