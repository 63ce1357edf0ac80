//! Databases that projects keep and no longer use, and leftovers of killed commands in them.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use super::{LEFT, Waste};
use crate::{
    backup,
    fs::{atomic::is_old, identity::FileIdentity, mounts::PROBE},
    postgres::{
        Project,
        left::{self, is_free, named},
        projects::kept_clusters,
        user::current_uid,
    },
};

/// The projects of this user's; root's are all. What is another's can be neither measured nor removed.
pub fn of_this_user(amp_dirs: &BTreeSet<Utf8PathBuf>) -> BTreeSet<Utf8PathBuf> {
    let us = current_uid();
    // Before the Amp directory is made, doctor tries beside it.
    let is_ours = |amp_dir: &&Utf8PathBuf| {
        let there = amp_dir.ancestors().take(2).find(|path| path.exists());
        us == 0 || there.is_some_and(|path| FileIdentity::of(path).is_ok_and(|found| found.uid == us))
    };
    amp_dirs.iter().filter(is_ours).cloned().collect()
}

/// The word for a cluster that was put aside.
pub const OLD_DATABASE: &str = "old database";

/// Lists what projects keep and no longer use: old databases, backups, old logs. They are removed only if they are named.
pub fn kept(amp_dirs: &BTreeSet<Utf8PathBuf>) -> Vec<Waste> {
    let mut found = Vec::new();
    for amp_dir in amp_dirs {
        let mut logs = named(&amp_dir.join("log"), "postgres-");
        logs.retain(|log| log.extension() == Some("log"));
        let each = [
            (kept_clusters(amp_dir), OLD_DATABASE),
            (backup::kept(amp_dir), "backup"),
            (logs, "old log"),
        ];
        for (paths, what) in each {
            found.extend(paths.into_iter().map(|path| Waste::new(path, what)));
        }
    }
    found
}

/// Lists what commands that were killed left in projects, and nobody works on: clusters that were being made, copies for a
/// fork, backups, files that were to be renamed into place, and trials.
pub fn leftovers(amp_dirs: &BTreeSet<Utf8PathBuf>) -> Vec<Waste> {
    let projects = amp_dirs.iter().filter_map(|amp_dir| Project::at(amp_dir).ok());
    let paths = projects.flat_map(|project| {
        let amp_dir = project.amp_dir();
        let mut found = left::makings(&project);
        found.extend(backup::abandoned_copies(amp_dir));
        let backups = named(&amp_dir.join("backups"), UNFINISHED);
        if is_free(&project.change_lock()) {
            found.extend(backups);
        }
        let beside = project.directory();
        #[cfg(unix)]
        for place in [amp_dir, beside] {
            found.extend(crate::doctor::abandoned_trials(place));
        }
        found.extend(named(beside, PROBE).into_iter().filter(|path| is_probe(path)));
        let brief = [UNFINISHED, PROBE].iter().flat_map(|begin| named(amp_dir, begin));
        found.extend(brief.filter(|path| is_old(path)));
        found
    });
    paths.map(|path| Waste::new(path, LEFT)).collect()
}

/// Lists what changes that were killed left of another cluster. It may be the old one, so that it is settled, and not
/// removed.
pub fn unsettled(amp_dirs: &BTreeSet<Utf8PathBuf>) -> Vec<(Project, Waste)> {
    let projects = amp_dirs.iter().filter_map(|amp_dir| Project::at(amp_dir).ok());
    let left = projects.filter_map(|project| {
        let next = left::unsettled(&project)?;
        Some((
            project,
            Waste::new(next, "leftover of a change of the database that was killed"),
        ))
    });
    left.collect()
}

/// Returns true if a directory is one of ours: its name is long and random, and nobody tries anything for an hour.
fn is_probe(path: &Utf8Path) -> bool {
    let random = path.file_name().and_then(|name| name.strip_prefix(PROBE));
    let is_random = random
        .is_some_and(|random| random.len() == 12 && random.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    is_random && path.symlink_metadata().is_ok_and(|found| found.is_dir()) && is_old(path)
}

/// The beginning of the name of a file that is about to be renamed.
const UNFINISHED: &str = ".new-";
