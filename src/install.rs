//! Carrying out a plan: fetched, unpacked, accepted and sealed in staging, several components at once; then, under the
//! store lock, published and activated together in one generation.

mod acquire;
mod commit;
mod error;
mod link;
mod locks;
mod one_line;
mod rebuild;
mod rehearse;

use std::{
    sync::{Condvar, Mutex},
    thread,
    time::Duration,
};

use semver::Version;

use crate::{
    children::Interrupt,
    domain::{ComponentName, Provider, TreeName},
    event::{Event, Reporter},
    fetch::Wire,
    layout::Layout,
    mirror::offer,
    registry::Registry,
    resolve::{Action, Candidate, GroupPlan, Plan, Step},
};

pub use link::{LocalBuild, link};
pub use rebuild::rebuild;
pub use rehearse::{Rehearsal, Stage, rehearse};

use locks::Locks;

pub use error::{Attempt, AttemptError, InstallError, MirrorOffer, out_of_reach};
pub use one_line::in_one_line;

/// The context of an installation.
pub struct InstallContext<'a> {
    /// The home.
    pub layout: &'a Layout,
    /// The registry.
    pub registry: &'a Registry,
    /// The network.
    pub wire: &'a Wire,
    /// Drives the network.
    pub runtime: &'a tokio::runtime::Runtime,
    /// Who is told.
    pub reporter: &'a dyn Reporter,
    /// The handle that ends the programs of its acceptance.
    pub interrupt: &'a Interrupt,
    /// The number of components that are installed at once.
    pub jobs: usize,
    /// The time to wait for another ampup.
    pub lock_timeout: Duration,
    /// The command line, for the history.
    pub command: &'a str,
    /// The next command to type after an attempt that failed, if there is one.
    pub advise: fn(&AttemptError) -> Option<String>,
}

/// The report of an installation.
#[derive(Debug)]
pub struct Report {
    /// One for each group of the plan, in its order.
    pub groups: Vec<GroupReport>,
    /// The generation that was made; `None` when the active set is as it was.
    pub generation: Option<u64>,
}

/// The result for components that move together.
#[derive(Debug)]
pub enum GroupReport {
    /// All of them are at one version and active.
    Done(Vec<Done>),
    /// They are as they were.
    Failed {
        /// The components.
        components: Vec<ComponentName>,
        /// The cause.
        error: InstallError,
    },
}

/// The result for one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The component.
    pub component: ComponentName,
    /// Its version.
    pub version: Version,
    /// Its tree.
    pub tree: TreeName,
    /// The effect on the store.
    pub effect: Effect,
    /// True if it is the active one now: of a component that was requested in two versions, only the last is.
    pub is_active: bool,
}

/// The effect of bringing a component to a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// None: it was as it should be.
    None,
    /// It was installed, and is active now.
    Activated,
    /// It was fetched.
    Installed {
        /// Who built it.
        provider: Provider,
    },
}

/// Carries out a plan. A group that fails keeps its version, and the others are done.
///
/// # Errors
/// When the commit fails: then nothing is changed.
pub fn carry_out(plan: &Plan, context: &InstallContext<'_>) -> Result<Report, InstallError> {
    let locks = Locks::take(plan, context)?;
    let slots = Slots {
        free: Mutex::new(context.jobs.max(1)),
        changed: Condvar::new(),
    };
    let prepared = side_by_side(&plan.groups, |group| prepare(group, context, &locks, &slots));
    commit::commit(plan, prepared, context)
}

/// A group whose every component is here: installed, or sealed in staging.
struct Prepared {
    members: Vec<Member>,
}

/// A component that is ready to become active.
enum Member {
    /// It is installed.
    Present { step: Step, tree: TreeName },
    /// It is sealed in staging.
    Sealed {
        step: Step,
        sealed: Box<acquire::Sealed>,
    },
}

/// Tries the candidates of a group in order.
fn prepare(
    group: &GroupPlan,
    context: &InstallContext<'_>,
    locks: &Locks,
    slots: &Slots,
) -> Result<Prepared, InstallError> {
    let mut attempts = Vec::new();
    for candidate in &group.candidates {
        match prepare_candidate(candidate, context, locks, slots) {
            Ok(members) => {
                if let Some(best) = group
                    .candidates
                    .first()
                    .filter(|best| best.version != candidate.version)
                {
                    let name = &group.components[0];
                    let taken = format!("{name} {}", context.show(name, &candidate.version));
                    acquire::tell(&taken, None, &attempts, context);
                    let text = format!(
                        "{name} {} could not be installed; continuing with {}",
                        context.show(name, &best.version),
                        context.show(name, &candidate.version)
                    );
                    context.reporter.report(Event::Note(text));
                }
                return Ok(Prepared { members });
            }
            Err(InstallError::Exhausted { attempts: more, .. }) => attempts.extend(more),
            Err(fatal) => return Err(fatal),
        }
    }
    Err(InstallError::Exhausted {
        components: group.components.clone(),
        offer: offer(group, &attempts, context).map(Box::new),
        attempts,
        passed_over: group.passed_over.clone(),
    })
}

/// Asks the mirror what it has instead, where nobody who has it was reached.
fn offer(group: &GroupPlan, attempts: &[Attempt], context: &InstallContext<'_>) -> Option<MirrorOffer> {
    let mirror = context.wire.mirror()?.clone();
    if !attempts.iter().any(Attempt::is_unfetched) {
        return None;
    }
    let (component, wanted) = (&group.components[0], &group.candidates.first()?.version);
    let mut has = offer::instead_of(wanted, component, context.wire, context.runtime)?;
    Some(MirrorOffer {
        mirror,
        component: component.clone(),
        wanted: context.show(component, wanted),
        has: has
            .iter()
            .rev()
            .map(|version| context.show(component, version))
            .collect(),
        highest: has.pop_last(),
    })
}

fn prepare_candidate(
    candidate: &Candidate,
    context: &InstallContext<'_>,
    locks: &Locks,
    slots: &Slots,
) -> Result<Vec<Member>, InstallError> {
    let ended = side_by_side(&candidate.steps, |step| {
        let _slot = slots.take();
        prepare_step(step, context, locks)
    });
    let mut members = Vec::new();
    let mut failures = Vec::new();
    for step in ended {
        match step {
            Ok(member) => members.push(member),
            Err(error) => failures.push(error),
        }
    }
    // What ends the run, such as wrong bytes, comes before what a lower version may mend.
    let is_passed_over = |error: &InstallError| matches!(error, InstallError::Exhausted { .. });
    failures
        .into_iter()
        .min_by_key(is_passed_over)
        .map_or(Ok(members), Err)
}

/// Does the same for each, on a thread of its own. Where no thread can be had, one does it after the other.
fn side_by_side<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let work = &work;
    thread::scope(|scope| {
        let begin = |one| match thread::Builder::new().spawn_scoped(scope, move || work(one)) {
            Ok(running) => Either::Running(running),
            Err(_) => Either::Ended(work(one)),
        };
        let begun: Vec<_> = all.iter().map(begin).collect();
        begun
            .into_iter()
            .map(|one| match one {
                Either::Running(running) => running.join().expect("a worker does not panic"),
                Either::Ended(ended) => ended,
            })
            .collect()
    })
}

enum Either<'s, R> {
    Running(thread::ScopedJoinHandle<'s, R>),
    Ended(R),
}

fn prepare_step(step: &Step, context: &InstallContext<'_>, locks: &Locks) -> Result<Member, InstallError> {
    match &step.action {
        Action::Keep(tree) | Action::Activate(tree) => Ok(Member::Present {
            step: step.clone(),
            tree: tree.clone(),
        }),
        Action::Acquire(artifacts) => acquire::acquire(step, artifacts, context, locks),
    }
}

impl InstallContext<'_> {
    /// Returns the name that events give to the release of a step.
    fn name(&self, step: &Step) -> String {
        format!("{} {}", step.component, self.show(&step.component, &step.version))
    }

    /// A version as its component's users write it.
    fn show(&self, component: &ComponentName, version: &Version) -> String {
        self.registry
            .component(component)
            .map(|component| component.version_style)
            .unwrap_or_default()
            .show(version)
    }
}

/// So many at once.
struct Slots {
    free: Mutex<usize>,
    changed: Condvar,
}

impl Slots {
    fn take(&self) -> Slot<'_> {
        let free = self.free.lock().expect("nobody panics with it");
        let mut free = self
            .changed
            .wait_while(free, |free| *free == 0)
            .expect("nobody panics with it");
        *free -= 1;
        Slot(self)
    }
}

struct Slot<'a>(&'a Slots);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().expect("nobody panics with it") += 1;
        self.0.changed.notify_one();
    }
}
