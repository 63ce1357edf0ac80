//! The tree of a local build: links to where its executables lie. Nothing is copied, so what is built next is what runs.

use std::{collections::BTreeMap, io};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::Staged;
use crate::{
    domain::{FileList, FileRecord},
    fs::link,
};

/// Makes `into/tree` with a link in its `bin/` to each executable, which is named and whose absolute path is given.
///
/// # Errors
/// When it cannot be made. On Windows always `Unsupported`: links need a privilege there.
pub fn linked(executables: &[(String, Utf8PathBuf)], into: &Utf8Path) -> io::Result<Staged> {
    let path = into.join("tree");
    fs::create_dir_all(path.join("bin"))?;
    let mut records = BTreeMap::new();
    for (name, target) in executables {
        let place = Utf8Path::new("bin").join(name);
        link::in_tree(target, &path.join(&place))?;
        let target = target.to_string();
        records.insert(place, FileRecord::Link { target });
    }
    let files = FileList::new(records).map_err(io::Error::other)?;
    Ok(Staged { path, files })
}
