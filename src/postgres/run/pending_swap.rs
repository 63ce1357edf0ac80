//! A swap of two clusters that is on its way, and what is left of one that was killed. `change/swap.rs` begins it; here is
//! what every start must know about it.
//!
//! The successor is built in `metadb.next/` and not under `metadb.new-*`, because those are swept: what is in
//! `metadb.next/` may, for a moment, be the old cluster.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::{
    children::Unfinished,
    event::{Event, Reporter},
    fs::{atomic, flush, identity::FileIdentity, lock, lock::Lock},
    postgres::{
        context::ClusterContext,
        error::ClusterError,
        observe::{decide::OLD, purpose::is_for_change},
        project::Project,
        run::stop::{Force, stop},
    },
};

/// The directory in which the next cluster is built: an Amp directory of its own.
pub(crate) const NEXT: &str = "metadb.next";
/// Written into it when the next cluster is whole and flushed.
const READY: &str = "ready.json";

/// The swap that was about to happen when `ready.json` was written.
#[derive(Debug, Serialize, Deserialize)]
struct Ready {
    /// The file number of the next cluster's directory, which a rename keeps.
    inode: u64,
    /// The name that the old one gets.
    aside: String,
}

/// The right to change a project's cluster, which one process at a time has, and the place where its successor is built.
#[derive(Debug)]
pub(crate) struct PendingSwap {
    /// The cluster that is changed.
    pub(crate) cluster: ClusterContext,
    /// The cluster that is built. Nothing is there at first.
    pub(crate) next: ClusterContext,
    _lock: Lock,
    _unfinished: Unfinished,
}

impl PendingSwap {
    /// Begins. What a killed change left is finished or cleared away first.
    pub(crate) fn begin(
        cluster: &ClusterContext,
        lock: Lock,
        reporter: &dyn Reporter,
    ) -> Result<Self, ClusterError> {
        let pending = Self {
            next: cluster.below(NEXT)?,
            cluster: cluster.clone(),
            _lock: lock,
            _unfinished: cluster.interrupt.begin_unfinished(),
        };
        pending.clear(reporter)?;
        Ok(pending)
    }

    /// Writes down which of the two is which, because the next cluster is whole and flushed. Gives the place of the old one.
    pub(crate) fn prepare(&self) -> Result<Utf8PathBuf, ClusterError> {
        let project = &self.cluster.project;
        let new = &self.next.directory;
        let failed = |action| self.cluster.failed(action);
        flush::sync_tree(new).map_err(failed("flush the successor of"))?;
        let aside = unused(project.amp_dir());
        let ready = Ready {
            inode: FileIdentity::of(new)
                .map_err(failed("look at the successor of"))?
                .id
                .1,
            aside: aside.file_name().unwrap_or_default().to_owned(),
        };
        let text = serde_json::to_vec(&ready).expect("a number and a name");
        atomic::write(&ready_file(project), &text).map_err(failed("prepare the successor of"))?;
        Ok(aside)
    }

    /// Removes what is left of the swap after it was done. What cannot be removed now is told, and goes with the next start.
    pub(crate) fn tidy_up(&self, reporter: &dyn Reporter) {
        if let Err(cause) = clear(&self.cluster.project) {
            self.put_off(reporter, &cause);
        }
    }

    /// Gives up: what was built is removed. What cannot be removed now is told, and goes with the next change.
    pub(crate) fn abandon(self, reporter: &dyn Reporter) {
        if let Err(error) = self.clear(reporter) {
            self.put_off(reporter, &error);
        }
    }

    fn clear(&self, reporter: &dyn Reporter) -> Result<(), ClusterError> {
        if self.next.project.amp_dir().symlink_metadata().is_err() {
            return Ok(());
        }
        // A killed change leaves its server. After the swap it is the old one's directory, which has none.
        stop(&self.next, Force::Yes, None, reporter)?;
        finish(&self.cluster.project)?;
        clear(&self.cluster.project).map_err(self.next.failed("clear away"))
    }

    fn put_off(&self, reporter: &dyn Reporter, cause: &dyn std::fmt::Display) {
        reporter.report(Event::Warning(format!(
            "`{}` cannot be cleared away yet ({cause}); the next start does it",
            self.next.project.amp_dir()
        )));
    }
}

/// Finishes, or clears away, what a killed change left, unless somebody changes the cluster now, or may do so.
pub(crate) fn settle(cluster: &ClusterContext, reporter: &dyn Reporter) -> Result<(), ClusterError> {
    if cluster.project.amp_dir().join(NEXT).symlink_metadata().is_err() {
        return Ok(());
    }
    match Lock::try_acquire(&cluster.change_lock())? {
        // Where the file system has no locks, nobody can know.
        Some(lock) if lock.is_effective() => PendingSwap::begin(cluster, lock, reporter).map(drop),
        Some(_) | None => Ok(()),
    }
}

/// Finishes a swap that was killed, as far as one cluster must come to its place. Gives whether something was done.
pub(crate) fn finish(project: &Project) -> Result<bool, ClusterError> {
    let place = project.cluster();
    let Some(ready) = ready(project) else {
        return Ok(false);
    };
    let next = next_of(project);
    if place.symlink_metadata().is_ok() || inode(&next) != Some(ready.inode) {
        return Ok(false);
    }
    atomic::rename(&next, &place).map_err(|source| ClusterError::Io {
        action: "finish what was begun with",
        path: place.clone(),
        source,
    })?;
    Ok(true)
}

/// Ends the server that a killed change of the cluster left: it takes no writes. Gives whether there was one to be seen.
pub(crate) fn end_leftover(cluster: &ClusterContext, reporter: &dyn Reporter) -> Result<bool, ClusterError> {
    if !is_for_change(cluster)? || cluster.servers()?.is_empty() {
        return Ok(false);
    }
    let path = cluster.change_lock();
    let Some(_change) = Lock::try_acquire(&path)? else {
        return Err(cluster.in_use(lock::holder(&path)));
    };
    stop(cluster, Force::No, None, reporter).map(|_| true)
}

/// A name for an old cluster that nothing has, with the time in it.
pub(crate) fn unused(amp_dir: &Utf8Path) -> Utf8PathBuf {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let names =
        std::iter::once(format!("{OLD}{now}")).chain((2..).map(|number| format!("{OLD}{now}-{number}")));
    names
        .map(|name| amp_dir.join(name))
        .find(|path| path.symlink_metadata().is_err())
        .expect("there are more numbers than directories")
}

/// Removes `metadb.next`, unless what is in it may be the old cluster: then that is put aside.
fn clear(project: &Project) -> io::Result<()> {
    let next = next_of(project);
    let top = project.amp_dir().join(NEXT);
    if let (Some(ready), Some(left)) = (ready(project), inode(&next)) {
        let is_successor = left == ready.inode;
        // The successor is only then of no use when there is something in the place that it was made for.
        if !is_successor || inode(&project.cluster()).is_none() {
            let wanted = project.amp_dir().join(&ready.aside);
            let is_name = ready.aside.starts_with(OLD) && !ready.aside.contains('/');
            let aside = if is_name && wanted.symlink_metadata().is_err() {
                wanted
            } else {
                unused(project.amp_dir())
            };
            atomic::rename(&next, &aside)?;
        }
    }
    // The cluster first: while `ready.json` is there, what is beside it can be told.
    for path in [next, top] {
        match fs::remove_dir_all(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    Ok(())
}

fn next_of(project: &Project) -> Utf8PathBuf {
    project.amp_dir().join(NEXT).join("metadb")
}

fn ready_file(project: &Project) -> Utf8PathBuf {
    project.amp_dir().join(NEXT).join(READY)
}

fn ready(project: &Project) -> Option<Ready> {
    let text = atomic::read_own(&ready_file(project), 4096).ok()?;
    serde_json::from_slice(&text).ok()
}

fn inode(path: &Utf8Path) -> Option<u64> {
    FileIdentity::at(path).ok().map(|found| found.id.1)
}
