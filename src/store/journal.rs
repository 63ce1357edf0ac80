//! The journal: what a commit does, written down before it does it, so that whoever looks meanwhile, or finds what an
//! interrupted command left, knows what counts.

use std::{collections::BTreeSet, io};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{directories, pointer};
use crate::{
    domain::{ComponentName, TreeName, checked},
    fs::atomic,
    layout::Layout,
};

/// The name of a commit in its directory of unfinished work.
pub(super) const JOURNAL: &str = ".commit.json";
/// No commit is written down in more bytes.
const LIMIT: u64 = 1 << 20;

/// Where a tree lies: its component and its name.
pub type Spot = (ComponentName, TreeName);

/// The steps of a commit, written down before they are done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Journal {
    /// The generation with which it counts; without one it counts as soon as it is written.
    pub generation: Option<u64>,
    pub adds: Vec<Spot>,
    pub removes: Vec<Spot>,
}

impl Journal {
    #[cfg(feature = "cli")]
    pub(super) fn write(&self, work: &Utf8Path) -> io::Result<()> {
        atomic::write(&work.join(JOURNAL), &checked::written(self))
    }

    /// The journal of a directory of unfinished work. One that is damaged, which no crash of ours leaves, is none.
    pub(super) fn read(work: &Utf8Path) -> io::Result<Option<Self>> {
        match atomic::read(&work.join(JOURNAL), LIMIT) {
            Ok(text) => Ok(checked::read(&text).ok()),
            Err(cause)
                if matches!(
                    cause.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidData
                ) =>
            {
                Ok(None)
            }
            Err(cause) => Err(cause),
        }
    }

    pub(super) fn counts(&self, active: Option<u64>) -> bool {
        self.generation.is_none() || self.generation == active
    }
}

/// The changes that a reader leaves out while a commit is in progress, or was interrupted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pending {
    trees: BTreeSet<Spot>,
    generations: BTreeSet<u64>,
}

impl Pending {
    /// Reads all commits that are on their way.
    ///
    /// # Errors
    /// When `active` cannot be read.
    pub fn read(layout: &Layout) -> io::Result<Self> {
        let mut pending = Self::default();
        let mut active = None;
        for root in directories::staging_roots(layout) {
            let Ok(entries) = fs::read_dir(&root) else {
                continue;
            };
            for entry in entries.flatten() {
                let Ok(work) = Utf8PathBuf::from_path_buf(entry.path()) else {
                    continue;
                };
                // A directory that went away or is somebody else's has no commit of ours.
                let Ok(Some(journal)) = Journal::read(&work) else {
                    continue;
                };
                let active = match active {
                    Some(active) => active,
                    None => *active.insert(pointer::active(layout)?),
                };
                if journal.counts(active) {
                    pending.trees.extend(journal.removes);
                } else {
                    pending.trees.extend(journal.adds);
                    pending.generations.extend(journal.generation);
                }
            }
        }
        Ok(pending)
    }

    /// Returns true if a tree is not here yet, or not any more, whatever the disk shows.
    pub fn hides_tree(&self, component: &ComponentName, name: &TreeName) -> bool {
        self.trees.contains(&(component.clone(), name.clone()))
    }

    /// Returns true if a generation was never active.
    #[cfg(feature = "cli")]
    pub fn hides_generation(&self, number: u64) -> bool {
        self.generations.contains(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_is_read_again_and_what_is_no_commit_is_none() {
        let world = tempfile::tempdir().expect("tempdir");
        let work = Utf8Path::from_path(world.path()).expect("UTF-8");
        let spot = (
            "tool".parse().expect("a name"),
            "1.0.0".parse().expect("a version"),
        );
        let journal = Journal {
            generation: Some(7),
            adds: vec![spot],
            removes: Vec::new(),
        };
        journal.write(work).expect("written");
        assert_eq!(Journal::read(work).expect("read"), Some(journal.clone()));
        assert!(journal.counts(Some(7)) && !journal.counts(Some(6)) && !journal.counts(None));
        fs::write(work.join(JOURNAL), "{").expect("written");
        assert_eq!(Journal::read(work).expect("read"), None);
        assert_eq!(Journal::read(&work.join("none")).expect("read"), None);
    }
}
