//! Putting another cluster in the place of a project's: built beside it in `metadb.next/`, and exchanged with it in one
//! step. The old one is kept as `metadb.old-<time>`. Whoever is killed on the way leaves the old cluster in its place,
//! or the new one, and never neither: where the system cannot exchange, the next start finishes.
//!
//! It is not built under `metadb.new-*`, because those are swept: what is in `metadb.next/` may, for a moment, be the
//! old cluster.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::{
    children::Unfinished,
    event::{Event, Reporter},
    fs::{atomic, lock, lock::Lock, node::Node},
    postgres::{
        change::lease::Hold, cluster::Cluster, error::ClusterError, project::Project, run::stop::Force,
    },
};

/// The directory in which the next cluster is built: an Amp directory of its own.
const NEXT: &str = "metadb.next";
/// Written into it when the next cluster is whole and flushed.
const READY: &str = "ready.json";

/// What was about to happen when `ready.json` was written.
#[derive(Debug, Serialize, Deserialize)]
struct Ready {
    /// The file number of the next cluster's directory, which a rename keeps.
    inode: u64,
    /// The name that the old one gets.
    aside: String,
}

/// The right to change a project's cluster: one process at a time has it.
#[derive(Debug)]
pub struct Change {
    next: Cluster,
    _lock: Lock,
    _unfinished: Unfinished,
}

/// What came of an exchange.
#[derive(Debug)]
pub struct Exchanged {
    /// Where the old cluster is, if there was one.
    pub kept: Option<Utf8PathBuf>,
    /// Whether the server was stopped for it and started again.
    pub resumed: bool,
}

impl Cluster {
    /// Begins to build another cluster for this project. What a killed change left is finished or cleared away first.
    /// The Amp directory must be there.
    ///
    /// # Errors
    /// When another process changes it, or a leftover cannot be cleared away.
    pub fn change(&self, reporter: &dyn Reporter) -> Result<Change, ClusterError> {
        let path = self.change_lock();
        let Some(lock) = Lock::try_acquire(&path)? else {
            return Err(ClusterError::InUse {
                cluster: self.directory.clone(),
                holder: lock::holder(&path),
            });
        };
        self.begin(lock, reporter)
    }

    /// Finishes, or clears away, what a killed change left, unless somebody changes the cluster now, or may do so.
    ///
    /// # Errors
    /// When something cannot be renamed or removed.
    pub fn settle(&self, reporter: &dyn Reporter) -> Result<(), ClusterError> {
        if self.project.amp_dir().join(NEXT).symlink_metadata().is_err() {
            return Ok(());
        }
        match Lock::try_acquire(&self.change_lock())? {
            // Where the file system has no locks, nobody can know.
            Some(lock) if lock.holds() => self.begin(lock, reporter).map(drop),
            Some(_) | None => Ok(()),
        }
    }

    fn begin(&self, lock: Lock, reporter: &dyn Reporter) -> Result<Change, ClusterError> {
        let next = self.of_project(Project::at(&self.project.amp_dir().join(NEXT))?);
        let change = Change {
            next,
            _lock: lock,
            _unfinished: Unfinished::begin(),
        };
        change.clear(&self.project, reporter)?;
        Ok(change)
    }

    pub(crate) fn change_lock(&self) -> Utf8PathBuf {
        self.project.amp_dir().join("metadb.change")
    }
}

impl Change {
    /// The cluster that is built. Nothing is there at first.
    pub fn next(&self) -> &Cluster {
        &self.next
    }

    /// Puts the next cluster, which is whole and stopped, in the project's place, and starts the server again that was
    /// stopped for it.
    ///
    /// # Errors
    /// When something cannot be flushed or renamed, and one of the two is then in its place; or when the server does not
    /// start: then it is the next one.
    pub fn exchange(
        self,
        cluster: &Cluster,
        hold: Hold,
        reporter: &dyn Reporter,
    ) -> Result<Exchanged, ClusterError> {
        let _unfinished = Unfinished::begin();
        if let Err(interrupted) = cluster.goes_on() {
            self.abandon(cluster, reporter);
            let _ = cluster.resume(hold, reporter);
            return Err(interrupted);
        }
        let kept = self.publish(cluster, &hold, reporter);
        // Only a memory aid, as for a start.
        if cluster.is_known && kept.is_ok() {
            let _ = cluster.projects.add(cluster.project.amp_dir());
        }
        let resumed = cluster.resume(hold, reporter);
        let kept = kept?;
        let resumed = resumed.inspect_err(|_| {
            let old = kept
                .as_ref()
                .map_or_else(String::new, |kept| format!(", and the old one is `{kept}`"));
            reporter.report(Event::Warning(format!("the new cluster is in its place{old}")));
        })?;
        Ok(Exchanged { kept, resumed })
    }

    /// Gives where the old cluster is now.
    fn publish(
        self,
        cluster: &Cluster,
        hold: &Hold,
        reporter: &dyn Reporter,
    ) -> Result<Option<Utf8PathBuf>, ClusterError> {
        let project = &cluster.project;
        let place = project.cluster();
        let failed = |action| cluster.failed(action);
        let new = self.next.project.cluster();
        atomic::sync_tree(&new).map_err(failed("flush the successor of"))?;
        let aside = unused(project.amp_dir());
        let ready = Ready {
            inode: Node::of(&new).map_err(failed("look at the successor of"))?.id.1,
            aside: aside.file_name().unwrap_or_default().to_owned(),
        };
        let text = serde_json::to_vec(&ready).expect("a number and a name");
        atomic::write(&ready_file(project), &text).map_err(failed("prepare the successor of"))?;
        // Flushing takes a while, and ampd asks for no lock of ours.
        cluster.is_still(hold)?;
        let kept = match place.symlink_metadata() {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                atomic::rename(&new, &place).map_err(failed("put the successor in place of"))?;
                None
            }
            Err(cause) => return Err(failed("look at")(cause)),
            Ok(_) => {
                let in_place = failed("put the successor in place of");
                if atomic::exchange_at_once(&new, &place).map_err(&in_place)? {
                    // What is `new` now is the old one. If it stays there, clearing up tries again.
                    let _ = atomic::rename(&new, &aside);
                } else {
                    atomic::rename(&place, &aside).map_err(&in_place)?;
                    atomic::rename(&new, &place).map_err(&in_place)?;
                }
                Some(aside)
            }
        };
        // It is done, and the next start tidies up too.
        if let Err(cause) = clear(project) {
            later(reporter, project, &cause);
        }
        Ok(kept.map(|aside| {
            if aside.symlink_metadata().is_ok() {
                aside
            } else {
                new
            }
        }))
    }

    /// Gives up: what was built is removed. What cannot be removed now is told, and goes with the next change.
    pub fn abandon(self, cluster: &Cluster, reporter: &dyn Reporter) {
        if let Err(error) = self.clear(&cluster.project, reporter) {
            later(reporter, &cluster.project, &error);
        }
    }

    fn clear(&self, project: &Project, reporter: &dyn Reporter) -> Result<(), ClusterError> {
        if self.next.project.amp_dir().symlink_metadata().is_err() {
            return Ok(());
        }
        // A killed change leaves its server. After the exchange it is the old one's directory, which has none.
        self.next.stop(Force::Yes, reporter)?;
        finish(project)?;
        clear(project).map_err(self.next.failed("clear away"))
    }
}

/// Finishes an exchange that was killed, as far as one cluster must come to its place. Gives whether something was done.
///
/// # Errors
/// When something cannot be renamed.
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

fn later(reporter: &dyn Reporter, project: &Project, cause: &dyn std::fmt::Display) {
    reporter.report(Event::Warning(format!(
        "`{}` cannot be cleared away yet ({cause}); the next start does it",
        project.amp_dir().join(NEXT)
    )));
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
            let is_name = ready.aside.starts_with("metadb.old-") && !ready.aside.contains('/');
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
    Node::at(path).ok().map(|found| found.id.1)
}

/// A name for an old cluster that nothing has, with the time in it.
pub(crate) fn unused(amp_dir: &Utf8Path) -> Utf8PathBuf {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let names = std::iter::once(format!("metadb.old-{now}"))
        .chain((2..).map(|number| format!("metadb.old-{now}-{number}")));
    names
        .map(|name| amp_dir.join(name))
        .find(|path| path.symlink_metadata().is_err())
        .expect("there are more numbers than directories")
}
