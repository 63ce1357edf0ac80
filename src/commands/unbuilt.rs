//! A major of PostgreSQL that no registry's build serves here: what helps instead. Not a verb itself.

use std::collections::BTreeSet;

use super::Session;
use crate::{locate, postgres::packaged};

/// The hint for a cluster of a major that cannot be installed: the system's own PostgreSQL serves it. `None` where it can be.
pub(super) fn hint(major: u64, session: &Session) -> Option<String> {
    let highest = highest_built(major, session)?;
    if highest < major {
        return Some(of_newer_ampup(highest));
    }
    Some(match packaged::programs(major, &session.options.interrupt) {
        Some(own) => format!(
            "`ampup db upgrade` moves the database to the active PostgreSQL, with the system's programs in `{}/bin`: no build of \
             PostgreSQL {major} can be installed",
            own.tree
        ),
        None => format!(
            "install PostgreSQL {major} from your system's packages, such as Debian's `postgresql-{major}`, then `ampup db upgrade`: \
             there is no build of it to install"
        ),
    })
}

/// The hint for a backup of a major that cannot be installed, which the system's own PostgreSQL restores. `None` where it can be.
pub(super) fn hint_to_restore(major: u64, session: &Session) -> Option<String> {
    let highest = highest_built(major, session)?;
    Some(match highest < major {
        true => of_newer_ampup(highest),
        false => format!(
            "install PostgreSQL {major} from your system's packages, such as Debian's `postgresql-{major}`, and run the same command \
             again: there is no build of it to install"
        ),
    })
}

fn of_newer_ampup(highest: u64) -> String {
    format!("`ampup self update` may know a build of it; this ampup knows PostgreSQL up to {highest}")
}

/// Returns true if no build of this major can be installed here.
pub(super) fn is_so(major: u64, session: &Session) -> bool {
    highest_built(major, session).is_some()
}

/// The highest major of which there is a build for this host, where there is none of this one.
fn highest_built(major: u64, session: &Session) -> Option<u64> {
    let target = session.host().ok()?.target?;
    let releases = &session.registry().ok()?.component(&locate::postgres())?.releases;
    let built = releases
        .iter()
        .filter(|release| release.artifacts.iter().any(|artifact| artifact.target == target))
        .map(|release| release.version.major);
    let built: BTreeSet<u64> = built.collect();
    built.last().copied().filter(|_| !built.contains(&major))
}
