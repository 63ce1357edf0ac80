//! Putting another cluster in the place of a project's: built beside it in `metadb.next/`, and swapped with it in one
//! step. The old one is kept as `metadb.old-<time>`. Whoever is killed on the way leaves the old cluster in its place,
//! or the new one, and never neither: where the system cannot swap two directories, the next start finishes. A volume that is
//! mounted in that place cannot be swapped: one in which nothing is gets a copy.

use std::io;

use camino::Utf8PathBuf;

use crate::{
    event::{Event, Reporter},
    fs::{atomic, lock, lock::Lock, mounts},
    postgres::{
        change::lease::{Lease, ensure_not_interrupted},
        cluster::Cluster,
        context::ClusterContext,
        error::ClusterError,
        observe::{decide::Contents, programs::contents, rights::run_as},
        run::{
            create,
            pending_swap::{self, PendingSwap},
        },
    },
};

/// The right to change a project's cluster: one process at a time has it.
#[derive(Debug)]
pub struct Swap {
    pending: PendingSwap,
    next: Cluster,
}

/// The result of a swap.
#[derive(Debug)]
pub struct Swapped {
    /// Where the old cluster is, if there was one.
    pub kept: Option<Utf8PathBuf>,
    /// True if the server was stopped for it and started again.
    pub resumed: bool,
}

/// Finishes, or clears away, what a killed change left, unless somebody changes the cluster now, or may do so.
///
/// # Errors
/// When something cannot be renamed or removed.
pub fn settle(cluster: &Cluster, reporter: &dyn Reporter) -> Result<(), ClusterError> {
    pending_swap::settle(cluster.context(), reporter)
}

/// Fails where a volume with something in it is mounted in the cluster's place: nothing can come there but by deleting.
///
/// # Errors
/// When that is so, or it cannot be looked at.
pub fn ensure_possible(cluster: &Cluster) -> Result<(), ClusterError> {
    ensure_no_volume(cluster.context())
}

fn ensure_no_volume(cluster: &ClusterContext) -> Result<(), ClusterError> {
    let is_mount = mounts::is_mount(&cluster.directory);
    if !is_mount || matches!(contents(cluster)?, Contents::Empty | Contents::Unfinished) {
        return Ok(());
    }
    let cause = io::Error::new(io::ErrorKind::ResourceBusy, "a volume is mounted there");
    Err(cluster.failed("replace")(cause))
}

impl Swap {
    /// Begins to build another cluster for this cluster's project. What a killed change left is finished or cleared away
    /// first. The Amp directory must be there.
    ///
    /// # Errors
    /// When another process changes it, or a leftover cannot be cleared away.
    pub fn begin(cluster: &Cluster, reporter: &dyn Reporter) -> Result<Self, ClusterError> {
        let cluster = cluster.context();
        let path = cluster.change_lock();
        let Some(lock) = Lock::try_acquire(&path)? else {
            return Err(cluster.in_use(lock::holder(&path)));
        };
        let pending = PendingSwap::begin(cluster, lock, reporter)?;
        Ok(Self {
            next: Cluster::of(pending.next.clone()),
            pending,
        })
    }

    /// The cluster that is built. Nothing is there at first.
    pub fn next(&self) -> &Cluster {
        &self.next
    }

    /// Does what the function of this name does, for whoever changes the cluster.
    ///
    /// # Errors
    /// As that.
    pub fn ensure_possible(&self) -> Result<(), ClusterError> {
        ensure_no_volume(&self.pending.cluster)
    }

    /// Puts the next cluster, which is whole and stopped, in the project's place, and starts the server again that was
    /// stopped for it.
    ///
    /// # Errors
    /// When something cannot be flushed or renamed, and one of the two is then in its place; or when the server does not
    /// start: then it is the next one.
    pub fn publish(self, lease: Lease, reporter: &dyn Reporter) -> Result<Swapped, ClusterError> {
        let cluster = self.pending.cluster.clone();
        let _unfinished = cluster.interrupt.begin_unfinished();
        if let Err(interrupted) = ensure_not_interrupted(&cluster) {
            self.abandon(reporter);
            let _ = lease.resume(reporter);
            return Err(interrupted);
        }
        let kept = match self.exchange(&lease) {
            Ok(aside) => Ok(self.tidy_up(aside, reporter)),
            Err(error) => {
                self.abandon(reporter);
                Err(error)
            }
        };
        // Only a memory aid, as for a start.
        if cluster.is_known && kept.is_ok() {
            let _ = cluster.projects.add(cluster.project.amp_dir());
        }
        let resumed = lease.resume(reporter);
        let kept = kept?;
        let resumed = resumed.inspect_err(|_| {
            let old = kept.as_ref().map_or_else(String::new, |kept| {
                format!("; `ampup db restore {kept}` brings the old one back")
            });
            reporter.report(Event::Warning(format!("the new cluster is in its place{old}")));
        })?;
        Ok(Swapped { kept, resumed })
    }

    /// Gives up: what was built is removed. What cannot be removed now is told, and goes with the next change.
    pub fn abandon(self, reporter: &dyn Reporter) {
        self.pending.abandon(reporter);
    }

    /// The swap is done, and the next start tidies up too. Gives where the old cluster is now.
    fn tidy_up(self, aside: Option<Utf8PathBuf>, reporter: &dyn Reporter) -> Option<Utf8PathBuf> {
        self.pending.tidy_up(reporter);
        aside.map(|aside| {
            if aside.symlink_metadata().is_ok() {
                aside
            } else {
                self.pending.next.directory.clone()
            }
        })
    }

    /// Gives the name that the old cluster gets.
    fn exchange(&self, lease: &Lease) -> Result<Option<Utf8PathBuf>, ClusterError> {
        let pending = &self.pending;
        let cluster = &pending.cluster;
        let (place, new) = (&cluster.directory, &pending.next.directory);
        let failed = |action| cluster.failed(action);
        let aside = pending.prepare()?;
        // Flushing takes a while, and ampd asks for no lock of ours.
        lease.ensure_undisturbed()?;
        match place.symlink_metadata() {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                atomic::rename(new, place).map_err(failed("put the successor in place of"))?;
                Ok(None)
            }
            Err(cause) => Err(failed("look at")(cause)),
            Ok(_) if mounts::is_mount(place) => {
                self.ensure_possible()?;
                create::fill(&cluster.project, new, run_as(cluster, None)?.as_ref())?;
                Ok(None)
            }
            Ok(_) => {
                let in_place = failed("put the successor in place of");
                if atomic::exchange_at_once(new, place).map_err(&in_place)? {
                    // What is `new` now is the old one. If it stays there, clearing up tries again.
                    let _ = atomic::rename(new, &aside);
                } else {
                    atomic::rename(place, &aside).map_err(&in_place)?;
                    atomic::rename(new, place).map_err(&in_place)?;
                }
                Ok(Some(aside))
            }
        }
    }
}
