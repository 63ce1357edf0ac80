//! A plan gone through without making anything: what a run would stop at, as far as settings, the disk and what is here
//! already say it; and, where the network is asked, whether somebody who has it answers.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    acquire::check_room,
    error::{Attempt, AttemptError, InstallError},
    one_line::in_one_line,
};
use crate::{
    domain::{Artifact, ComponentName},
    fetch::Wire,
    hindrance,
    layout::Layout,
    registry::Registry,
    resolve::{Action, Candidate, GroupPlan, PassedOver, Plan, Step},
};

/// The expected result of a plan.
#[derive(Debug)]
pub struct Rehearsal {
    /// The part of the plan that could be carried out.
    pub plan: Plan,
    /// The groups that nothing is left of, and why.
    pub failures: Vec<(Vec<ComponentName>, InstallError)>,
}

/// The context of a rehearsal.
#[derive(Clone, Copy)]
pub struct Stage<'a> {
    /// The home.
    pub layout: &'a Layout,
    /// The registry that the plan was made from.
    pub registry: &'a Registry,
    /// The access to the network.
    pub wire: &'a Wire,
    /// Drives the network, where it is to be asked.
    pub runtime: Option<&'a tokio::runtime::Runtime>,
}

/// Goes through a plan.
pub fn rehearse(plan: &Plan, stage: Stage<'_>) -> Rehearsal {
    let mut left = Rehearsal {
        plan: Plan {
            groups: Vec::new(),
            keeps_active: plan.keeps_active,
        },
        failures: Vec::new(),
    };
    for group in &plan.groups {
        match possible(group, stage) {
            Ok(group) => left.plan.groups.push(group),
            Err(error) => left.failures.push((group.components.clone(), error)),
        }
    }
    left
}

/// Returns what is left of a group: the candidates that a run could take.
fn possible(group: &GroupPlan, stage: Stage<'_>) -> Result<GroupPlan, InstallError> {
    let mut left = GroupPlan {
        components: group.components.clone(),
        request: group.request.clone(),
        candidates: Vec::new(),
        passed_over: group.passed_over.clone(),
    };
    let mut attempts = Vec::new();
    let mut looked = BTreeSet::new();
    for candidate in &group.candidates {
        let steps = candidate.steps.iter().map(|step| {
            // The host is the same for every version, and is looked at by running a program.
            if matches!(step.action, Action::Acquire(_)) && looked.insert(&step.component) {
                ensure_unhindered(&step.component, stage)?;
            }
            usable(step, stage, &mut attempts)
        });
        match steps.collect::<Result<Option<Vec<_>>, _>>() {
            Ok(Some(steps)) => left.candidates.push(Candidate {
                version: candidate.version.clone(),
                steps,
            }),
            Ok(None) => {}
            Err(fatal) if left.candidates.is_empty() => return Err(fatal),
            // A run would not come so far.
            Err(_) => {}
        }
    }
    if left.candidates.is_empty() {
        return Err(InstallError::Exhausted {
            components: group.components.clone(),
            attempts,
            passed_over: left.passed_over,
            offer: None,
        });
    }
    left.passed_over.extend(attempts.iter().map(|attempt| PassedOver {
        reason: in_one_line(attempt),
        remedy: None,
        is_final: false,
    }));
    Ok(left)
}

/// Ensures that the host hinders no build of a component.
fn ensure_unhindered(component: &ComponentName, stage: Stage<'_>) -> Result<(), InstallError> {
    let component = stage
        .registry
        .require(component)
        .expect("the plan was made from this registry");
    let place = existing(&stage.layout.staging());
    let hindrance = hindrance::seen(&place, component.acceptance).into_iter().next();
    hindrance.map_or(Ok(()), |hindrance| Err(InstallError::Host(hindrance)))
}

/// The step with the artifacts that may be fetched; `None` where there are none.
fn usable(step: &Step, stage: Stage<'_>, attempts: &mut Vec<Attempt>) -> Result<Option<Step>, InstallError> {
    let Action::Acquire(artifacts) = &step.action else {
        return Ok(Some(step.clone()));
    };
    let component = stage
        .registry
        .require(&step.component)
        .expect("the plan was made from this registry");
    let version = component.version_style.show(&step.version);
    let place = existing(&stage.layout.staging());
    let mut left: Vec<Artifact> = Vec::new();
    for artifact in artifacts {
        if left.is_empty() {
            check_room(component, artifact, &place, &place)?;
        }
        let name = format!("{} {version}", step.component);
        let (wire, downloads) = (stage.wire, stage.layout.downloads());
        let possible = match stage.runtime {
            // One that answers is enough.
            Some(runtime) if left.is_empty() => {
                runtime.block_on(wire.ensure_in_reach(&name, artifact, &downloads))
            }
            _ => wire.ensure_allowed(&name, artifact, &downloads),
        };
        match possible {
            Ok(()) => left.push(artifact.clone()),
            Err(error) => attempts.push(Attempt {
                component: step.component.clone(),
                version: version.clone(),
                provider: artifact.provider.clone(),
                error: AttemptError::Fetch(error),
            }),
        }
    }
    Ok((!left.is_empty()).then(|| Step {
        component: step.component.clone(),
        version: step.version.clone(),
        action: Action::Acquire(left),
    }))
}

/// The directory that is there already.
fn existing(path: &Utf8Path) -> Utf8PathBuf {
    let there = path.ancestors().find(|path| path.metadata().is_ok());
    there.unwrap_or(path).to_owned()
}
