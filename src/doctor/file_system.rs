//! Where the project lies: would its file system take a database, and let plain ampd reach one?

use camino::{Utf8Path, Utf8PathBuf};

use super::{Advice, Finding};
use crate::{
    env::Env,
    fs::{
        atomic,
        identity::FileIdentity,
        lock::Lock,
        mounts::{self, Lack},
        space::{self, SpaceNeed},
    },
    layout::Layout,
    postgres::{Project, access::AccessError, user::current_uid},
    store::directories,
};

/// A new cluster, and the first file of its log.
const NEW: SpaceNeed = SpaceNeed {
    bytes: 64 << 20,
    entries: 1500,
};
/// Something to go on with: PostgreSQL stops where it cannot write its log.
const MORE: SpaceNeed = SpaceNeed {
    bytes: 20 << 20,
    entries: 50,
};

/// Looks at the file system of an Amp directory, or of the place where it would be made.
pub(super) fn check(amp_dir: &Utf8Path, layout: &Layout, env: &Env, advice: Advice) -> Vec<Finding> {
    let mut findings: Vec<Finding> = umask(env).into_iter().collect();
    let Some(place) = amp_dir.ancestors().find(|path| path.symlink_metadata().is_ok()) else {
        return findings;
    };
    let is_new = !amp_dir.join("metadb/PG_VERSION").exists();
    if let Some(closed) = closed(place, amp_dir) {
        findings.push(closed);
        return findings;
    }
    let need = if is_new { NEW } else { MORE };
    findings.extend(space::lack(place, need).map(|lack| {
        let remedy = match space::is_shared(place, layout.home()) {
            true => "`ampup prune --dry-run` shows what could be removed",
            false => "free disk space there, or work in a directory on another disk",
        };
        Finding::problem("space", lack.to_string(), remedy)
    }));
    // Root would try for somebody else, as whom the server runs.
    if current_uid() != 0
        && let Ok(tried) = Tried::of(place)
    {
        findings.extend(tried.findings(place, is_new, advice));
    }
    findings
}

/// The umask that ampd would get: what it makes with one that takes from the owner is closed to itself.
fn umask(env: &Env) -> Option<Finding> {
    let umask = env.umask().filter(|umask| umask & 0o700 != 0)?;
    Some(Finding::warning(
        "umask",
        format!("it is {umask:04o}: what plain `ampd solo` makes is closed to itself"),
        "`umask 022`, or `ampup run ampd solo`",
    ))
}

/// Something in the place of a directory, or one that nothing can be made in.
fn closed(place: &Utf8Path, amp_dir: &Utf8Path) -> Option<Finding> {
    if !place.is_dir() {
        return Some(Finding::problem(
            "project",
            match place == amp_dir {
                true => format!("`{place}` is not a directory"),
                false => format!("`{place}` is not a directory, so `{amp_dir}` cannot be one"),
            },
            "work in another directory",
        ));
    }
    if directories::is_open(place) {
        return None;
    }
    let owner = FileIdentity::of(place).map(|found| found.uid);
    let (text, remedy) = if is_read_only(place) {
        (
            format!("`{place}` is on a file system that is mounted read-only"),
            "mount it writable, or work in another directory".to_owned(),
        )
    } else if owner.is_ok_and(|owner| owner == current_uid()) {
        let remedy = format!("`chmod u+rwx {place}`");
        if place == amp_dir && Project::at(amp_dir).is_ok_and(|project| project.is_made()) {
            let text = format!(
                "nothing can be made in `{place}`: `ampup run` works, and `ampup db start`, which writes there, does not"
            );
            return Some(Finding::warning("project", text, remedy));
        }
        (format!("`{place}` is yours and closed to you"), remedy)
    } else if FileIdentity::at(&amp_dir.join("metadb")).is_ok_and(|found| found.uid != current_uid()) {
        // Told with the database.
        return None;
    } else {
        (
            format!("`{place}` is not yours to write to"),
            "work in a directory of yours, or ask its owner to open it".to_owned(),
        )
    };
    Some(Finding::problem("project", text, remedy))
}

fn is_read_only(place: &Utf8Path) -> bool {
    #[cfg(unix)]
    {
        use rustix::fs::{StatVfsMountFlags, statvfs};
        statvfs(place.as_std_path()).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY))
    }
    #[cfg(not(unix))]
    {
        let _ = place;
        false
    }
}

/// The abilities of a file system, as far as it was tried in a directory that is removed again.
struct Tried {
    lacks: Vec<Lack>,
    has_locks: bool,
    has_sockets: bool,
}

impl Tried {
    fn of(place: &Utf8Path) -> std::io::Result<Self> {
        let lacks = mounts::lacks(place)?;
        let probe = atomic::private_directory(place, mounts::PROBE)?;
        let lock = Lock::try_acquire(&probe.join("lock"));
        let tried = Self {
            lacks,
            has_locks: !matches!(&lock, Ok(Some(lock)) if !lock.is_effective()),
            has_sockets: has_sockets(&probe),
        };
        drop(lock);
        let _ = fs_err::remove_dir_all(&probe);
        Ok(tried)
    }

    fn findings(&self, place: &Utf8Path, is_new: bool, advice: Advice) -> Vec<Finding> {
        let mut findings = Vec::new();
        for lack in &self.lacks {
            // A cluster that is there has its link already, and no program is in any.
            if *lack == Lack::Permissions || is_new && *lack == Lack::Links {
                let refused = AccessError::of_file_system(place, *lack);
                let remedy = (advice.on_access)(&refused).unwrap_or_default();
                findings.push(Finding::problem("project", refused.to_string(), remedy));
            }
        }
        if !self.has_locks {
            findings.push(Finding::note(
                "project",
                format!(
                    "the file system of `{place}` has no locks: nothing keeps two servers from one database"
                ),
                "keep the project on a local file system",
            ));
        }
        if !self.has_sockets {
            findings.push(Finding::warning(
                "project",
                format!("no socket in `{place}` can be reached, and plain `ampd solo` has its own there"),
                "`ampup run ampd solo`, which puts the socket elsewhere, or move the project",
            ));
        }
        findings
    }
}

fn has_sockets(probe: &Utf8PathBuf) -> bool {
    #[cfg(unix)]
    {
        crate::fs::sockets::work_in(probe).unwrap_or(true)
    }
    #[cfg(not(unix))]
    {
        let _ = probe;
        true
    }
}
