//! The release locks of one installation.
//!
//! Several are held at once. They are taken in one order, before any work begins, so that two processes never wait for
//! each other. A release that is only fallen back to would come out of that order, and is not waited for unless nothing
//! else is held: where another process has its lock, the work is done twice, and the commit takes whichever came first.

use std::{collections::BTreeMap, sync::Mutex};

use semver::Version;

use super::{InstallContext, error::InstallError};
use crate::{
    domain::ComponentName,
    fs::lock::Lock,
    resolve::{Action, Plan, Step},
    store::{self, directories},
};

/// The release locks that are not handed to a worker yet.
pub(super) struct Locks {
    taken: Mutex<BTreeMap<(ComponentName, Version), Lock>>,
    /// One component alone is installed: nothing else is held while a lock is waited for.
    is_alone: bool,
}

impl Locks {
    /// Takes the locks of every release that is tried first, in the order of their names.
    pub(super) fn take(plan: &Plan, context: &InstallContext<'_>) -> Result<Self, InstallError> {
        let first = plan.groups.iter().filter_map(|group| group.candidates.first());
        let wanted: BTreeMap<_, &Step> = first
            .flat_map(|candidate| &candidate.steps)
            .filter(|step| matches!(step.action, Action::Acquire(_)))
            .map(|step| (key(step), step))
            .collect();
        let is_alone = plan.groups.len() == 1 && plan.groups[0].components.len() == 1;
        let mut taken = BTreeMap::new();
        for (key, step) in wanted {
            taken.insert(key, lock_release(step, context)?);
        }
        Ok(Self {
            taken: Mutex::new(taken),
            is_alone,
        })
    }

    /// The lock of a step; `None` where another process has it and may not be waited for.
    pub(super) fn of(&self, step: &Step, context: &InstallContext<'_>) -> Result<Option<Lock>, InstallError> {
        let taken = self
            .taken
            .lock()
            .expect("nobody panics with it")
            .remove(&key(step));
        match taken {
            Some(lock) => Ok(Some(lock)),
            None if self.is_alone => lock_release(step, context).map(Some),
            None => Ok(Lock::try_acquire(
                &context.layout.release_lock(&step.component, &step.version),
            )?),
        }
    }
}

fn key(step: &Step) -> (ComponentName, Version) {
    (step.component.clone(), step.version.clone())
}

/// Takes the lock of a release, waiting for whoever has it.
pub(super) fn lock_release(step: &Step, context: &InstallContext<'_>) -> Result<Lock, InstallError> {
    // Before anything is fetched: the commit would refuse it.
    directories::ensure_ours(&context.layout.component(&step.component), context.layout)?;
    let path = context.layout.release_lock(&step.component, &step.version);
    Ok(store::take(
        &path,
        &format!("another ampup to finish with {}", context.name(step)),
        context.lock_timeout,
        context.reporter,
    )?)
}

/// The store lock, for a moment.
pub(super) fn lock_store(context: &InstallContext<'_>) -> Result<Lock, InstallError> {
    Ok(store::lock(
        context.layout,
        context.lock_timeout,
        context.reporter,
    )?)
}
