//! A scratch directory beside a project's database, which goes with its value. One that a killed doctor left is recognized.

use camino::{Utf8Path, Utf8PathBuf};

use crate::{
    fs::{
        atomic, entries,
        lock::{self, Lock},
    },
    postgres::identity::servers_of,
};

/// The name of the scratch directory is as long as `.amp`, so that the path of the socket in it is.
const PREFIX: &str = ".a";
const RANDOM: usize = 2;

/// The file in it that says whose it is, and is locked while it is in use.
const MARK: &str = "ampup-doctor";

/// The cluster in it.
const CLUSTER: &str = "metadb";

/// The scratch directories that killed doctors left in a directory: no server works in them.
pub fn abandoned(place: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut found = entries(place);
    found.retain(|path| {
        let is_named = path
            .file_name()
            .is_some_and(|name| name.starts_with(PREFIX) && name.len() == PREFIX.len() + RANDOM);
        let has_server = || servers_of(&path.join(CLUSTER)).map_or(true, |servers| !servers.is_empty());
        let mark = path.join(MARK);
        let is_left = || lock::is_left(&mark) || atomic::is_old(path);
        is_named && mark.is_file() && is_left() && !has_server()
    });
    found
}

/// A directory in which a cluster can be made.
#[derive(Debug)]
pub(super) struct Scratch {
    directory: tempfile::TempDir,
    _lock: Lock,
}

impl Scratch {
    /// Makes one; `None` where nothing can be made, which is found by whoever looks at the project.
    pub(super) fn make(place: &Utf8Path) -> Option<Self> {
        let directory = tempfile::Builder::new()
            .prefix(PREFIX)
            .rand_bytes(RANDOM)
            .tempdir_in(place)
            .ok()?;
        let mark = Utf8Path::from_path(directory.path())?.join(MARK);
        let lock = Lock::try_acquire(&mark).ok()??;
        Some(Self {
            directory,
            _lock: lock,
        })
    }

    /// Its path.
    pub(super) fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.directory.path()).expect("made only where it is UTF-8")
    }

    /// The place of the cluster in it.
    pub(super) fn cluster(&self) -> Utf8PathBuf {
        self.path().join(CLUSTER)
    }
}
