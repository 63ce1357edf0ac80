//! A damaged tree made anew: through the same pipe as any other, and put in the place of the old one in one step. The
//! active set stays as it is.

use super::{
    InstallContext,
    acquire::build,
    error::InstallError,
    locks::{lock_release, lock_store},
};
use crate::{
    domain::{Artifact, Provider, TreeName},
    resolve::Step,
    self_install,
    store::{
        commit::{StoreChange, commit},
        in_use,
    },
};

/// Makes the tree `name` anew from one of these artifacts. Gives who built it.
///
/// # Errors
/// When no artifact can be had, or a process runs from the tree (but for ampup's own); the old one is then as it was.
pub fn rebuild(
    step: &Step,
    name: &TreeName,
    artifacts: &[Artifact],
    context: &InstallContext<'_>,
) -> Result<Provider, InstallError> {
    let release = lock_release(step, context)?;
    let sealed = build(step, artifacts, Some(release), context)?;
    let _lock = lock_store(context)?;
    let place = context.layout.tree(&step.component, name);
    // Any ampup may run from a damaged one, such as an `ampup run` that lasts for weeks. It is whole in memory, and needs
    // no other file of its tree; on Windows it would be in the way.
    let is_exchanged_under_it = cfg!(unix) && step.component == self_install::name();
    if !is_exchanged_under_it && let Some(user) = in_use::users(&place)?.first() {
        return Err(InstallError::InUse {
            component: step.component.clone(),
            version: step.version.clone(),
            pid: user.pid,
        });
    }
    let change = StoreChange {
        adds: vec![(sealed.tree(), (step.component.clone(), name.clone()))],
        removes: Vec::new(),
        set: None,
        command: context.command,
        before: None,
    };
    commit(context.layout, &change)?;
    Ok(sealed.provider.clone())
}
