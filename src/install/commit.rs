//! The commit: everything that was prepared becomes visible under the store lock. No network, no unpacking and no child
//! process here.

use super::{
    Done, Effect, GroupReport, InstallContext, Member, Prepared, Report,
    acquire::{Sealed, installed, tree_name},
    error::InstallError,
    locks::lock_store,
};
use crate::{
    domain::{ActiveSet, TreeName},
    event::Event,
    resolve::{GroupPlan, Plan, Step},
    store::{self, commit::StoreChange, generation, in_use, journal::Spot, links},
};

/// Publishes what is sealed, and activates every group that is ready, in one generation.
pub(super) fn commit(
    plan: &Plan,
    prepared: Vec<Result<Prepared, InstallError>>,
    context: &InstallContext<'_>,
) -> Result<Report, InstallError> {
    if prepared.iter().all(Result::is_err) {
        let groups = plan
            .groups
            .iter()
            .zip(prepared)
            .map(|(group, prepared)| failed(group, prepared.err()))
            .collect();
        return Ok(Report {
            groups,
            generation: None,
        });
    }
    let _lock = lock_store(context)?;
    // Look again: another process may have changed the active set meanwhile.
    let before = store::inventory::read(context.layout)?;
    let mut set = before.active.clone();
    let mut groups = Vec::new();
    let mut sealed = Vec::new();
    for (group, prepared) in plan.groups.iter().zip(prepared) {
        match prepared.and_then(|prepared| settle(prepared, &mut sealed, context)) {
            Ok(members) => {
                let members = members.into_iter().map(|(step, tree, effect)| {
                    let active = before.is_active(&step.component, &tree);
                    if !plan.keeps_active {
                        activate(&mut set, group, &step, &tree);
                    }
                    let effect = match effect {
                        Effect::Activated if active || plan.keeps_active => Effect::None,
                        other => other,
                    };
                    Done {
                        component: step.component,
                        version: step.version,
                        is_active: true,
                        tree,
                        effect,
                    }
                });
                groups.push(GroupReport::Done(members.collect()));
            }
            Err(error) => groups.push(failed(group, Some(error))),
        }
    }
    for group in &mut groups {
        if let GroupReport::Done(members) = group {
            for done in members {
                done.is_active = set.components.get(&done.component) == Some(&done.tree);
            }
        }
    }
    // Where a part failed and no version changed, what was asked for before still counts.
    let is_partial = groups
        .iter()
        .any(|group| matches!(group, GroupReport::Failed { .. }));
    if is_partial && set.components == before.active.components {
        set = before.active.clone();
    }
    let is_damaged = !plan.keeps_active && !links::is_bin_whole(context.layout);
    let is_first = !plan.keeps_active && before.generation.is_none();
    let is_new = set != before.active || is_first || is_damaged;
    if !is_new && sealed.is_empty() {
        return Ok(Report {
            groups,
            generation: None,
        });
    }
    // A damaged one goes: `undo` leads to the one before it.
    let came_from = match before.generation {
        Some(number) if is_damaged => generation::read(context.layout, number)?.record.before,
        number => number,
    };
    let change = StoreChange {
        adds: sealed
            .iter()
            .map(|(sealed, spot)| (sealed.tree(), spot.clone()))
            .collect(),
        removes: Vec::new(),
        set: is_new.then_some(&set),
        command: context.command,
        before: came_from,
    };
    let generation = store::commit::commit(context.layout, &change)?;
    if is_damaged {
        let text = format!("repaired the links in `{}`", context.layout.bin());
        context.reporter.report(Event::Note(text));
    }
    Ok(Report { groups, generation })
}

/// Decides which trees of a group are added, and under which names. Nothing is changed yet.
fn settle(
    prepared: Prepared,
    sealed_trees: &mut Vec<(Sealed, Spot)>,
    context: &InstallContext<'_>,
) -> Result<Vec<(Step, TreeName, Effect)>, InstallError> {
    let mut members = Vec::new();
    let mut more = Vec::new();
    for member in prepared.members {
        let ready = match member {
            Member::Present { step, tree } => (step, tree, Effect::Activated),
            Member::Sealed { step, sealed } => {
                // Two may have built it, where the one could not wait for the other.
                if let Some(tree) = installed(&step, std::slice::from_ref(&sealed.provider), context)? {
                    members.push((step, tree, Effect::Activated));
                    continue;
                }
                let name = tree_name(&step, &sealed.provider, context)?;
                let place = context.layout.tree(&step.component, &name);
                if let Some(user) = in_use::users(&place)?.first() {
                    return Err(InstallError::InUse {
                        component: step.component,
                        version: step.version,
                        pid: user.pid,
                    });
                }
                let effect = Effect::Installed {
                    provider: sealed.provider.clone(),
                };
                more.push((*sealed, (step.component.clone(), name.clone())));
                (step, name, effect)
            }
        };
        members.push(ready);
    }
    sealed_trees.append(&mut more);
    Ok(members)
}

fn activate(set: &mut ActiveSet, group: &GroupPlan, step: &Step, tree: &TreeName) {
    set.components.insert(step.component.clone(), tree.clone());
    match &group.request {
        Some(request) => set.requests.insert(step.component.clone(), request.clone()),
        None => set.requests.remove(&step.component),
    };
}

fn failed(group: &GroupPlan, error: Option<InstallError>) -> GroupReport {
    let error = error.expect("a group that is not ready says why");
    GroupReport::Failed {
        components: group.components.clone(),
        error,
    }
}
