//! The plan of an installation, as a dry run shows it.

use serde_json::{Value, json};

use super::super::{Error, Outcome, Session};
use crate::{
    domain::Inventory,
    resolve::{Action, Candidate, GroupPlan, Plan, Step},
};

/// Shows a plan as it would run. A person sees the choice that is tried first, and the others with `--verbose`; a program sees
/// them all.
pub(super) fn show(plan: &Plan, session: &Session) -> Result<Outcome, Error> {
    let inventory = session.inventory()?;
    let mut data = String::new();
    let mut groups = Vec::new();
    for group in &plan.groups {
        data += &lines(group, &inventory, session)?;
        groups.push(json(group));
    }
    let mut json = json!({ "dry_run": true });
    json["groups"] = Value::from(groups);
    Ok(Outcome::prose(data, json))
}

fn lines(group: &GroupPlan, inventory: &Inventory, session: &Session) -> Result<String, Error> {
    let shown = |step: &Step| -> Result<String, Error> {
        let version = match &step.action {
            Action::Keep(tree) | Action::Activate(tree) => session.shown(&step.component, tree, inventory)?,
            Action::Acquire(_) => session.style(&step.component)?.show(&step.version),
        };
        Ok(format!("{} {version}", step.component))
    };
    let mut text = String::new();
    let is_whole = session.options.verbose;
    let tried = if is_whole { group.candidates.len() } else { 1 };
    for (rank, candidate) in group.candidates.iter().take(tried).enumerate() {
        for step in &candidate.steps {
            let or = if rank == 0 { "" } else { "else " };
            text += &format!("{or}{} {}\n", verb(step), shown(step)?);
            if let Action::Acquire(artifacts) = &step.action {
                for artifact in artifacts {
                    text += &format!("  from {} (built by {})\n", artifact.source, artifact.provider);
                }
            }
        }
    }
    if let Some(next) = group.candidates.get(tried) {
        let names = next.steps.iter().map(shown).collect::<Result<Vec<_>, _>>()?;
        let more = match group.candidates.len() - tried - 1 {
            0 => String::new(),
            1 => ", or one more version".to_owned(),
            more => format!(", or one of {more} more versions"),
        };
        text += &format!(
            "else {}{more} (`--verbose` lists the sources)\n",
            names.join(" and ")
        );
    }
    let listed = if is_whole { group.passed_over.len() } else { 1 };
    for build in group.passed_over.iter().take(listed) {
        text += &format!("passed over: {}\n", build.reason);
    }
    let unlisted = group.passed_over.len().saturating_sub(listed);
    if unlisted > 0 {
        text += &format!("passed over: {unlisted} more (`--verbose` lists them)\n");
    }
    Ok(text)
}

fn json(group: &GroupPlan) -> Value {
    let choices: Vec<Value> = group.candidates.iter().map(choice).collect();
    let passed_over: Vec<_> = group.passed_over.iter().map(|build| &build.reason).collect();
    let mut found = json!({
        "components": group.components, "request": group.request, "passed_over": passed_over,
    });
    // Moved: there are hundreds where a registry has as many versions.
    found["choices"] = Value::from(choices);
    found
}

fn choice(candidate: &Candidate) -> Value {
    let step = |step: &Step| {
        let artifacts = match &step.action {
            Action::Acquire(artifacts) => artifacts.as_slice(),
            Action::Keep(_) | Action::Activate(_) => &[],
        };
        let sources: Vec<_> = artifacts
            .iter()
            .map(|artifact| {
                json!({
                    "provider": artifact.provider, "source": artifact.source,
                    "stated_by": artifact.integrity.stated_by(),
                })
            })
            .collect();
        json!({
            "name": step.component, "version": step.version, "action": verb(step), "sources": sources,
        })
    };
    candidate.steps.iter().map(step).collect()
}

fn verb(step: &Step) -> &'static str {
    match &step.action {
        Action::Keep(_) => "keep",
        Action::Activate(_) => "activate",
        Action::Acquire(_) => "install",
    }
}
