//! Leftovers of killed commands in an Amp directory, on which nobody works. Only looked at: nothing is removed here.

use camino::{Utf8Path, Utf8PathBuf};

use super::{observe::decide::NEW, project::Project, run::pending_swap::NEXT};
use crate::fs::{entries, lock};

/// The clusters that were being made. One of a project's that is a volume is made in its place.
pub(crate) fn makings(project: &Project) -> Vec<Utf8PathBuf> {
    let places = [project.amp_dir().to_owned(), project.cluster()];
    let mut found: Vec<Utf8PathBuf> = places.iter().flat_map(|place| named(place, NEW)).collect();
    // Looked at after the listing: what another maker has begun since has another name.
    if !is_free(&project.lock()) {
        found.clear();
    }
    found
}

/// The place of a successor whose change was killed. The old cluster may be in it, so that only a change or a start may
/// take it away.
pub(crate) fn unsettled(project: &Project) -> Option<Utf8PathBuf> {
    let next = project.amp_dir().join(NEXT);
    (next.symlink_metadata().is_ok() && is_free(&project.change_lock())).then_some(next)
}

/// Those entries of a directory whose name begins so.
pub(crate) fn named(directory: &Utf8Path, begin: &str) -> Vec<Utf8PathBuf> {
    let mut found = entries(directory);
    found.retain(|path| path.file_name().is_some_and(|name| name.starts_with(begin)));
    found
}

/// Returns true if nobody holds a lock, as far as the system says who does.
pub(crate) fn is_free(lock: &Utf8Path) -> bool {
    lock::is_held(lock) == Some(false)
}
