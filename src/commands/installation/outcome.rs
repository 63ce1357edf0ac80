//! The outcome of an installation, or of its dry run, in the user's words and as JSON.

use serde_json::{Value, json};

use super::{
    super::{Error, Outcome, Session, client, concerns, history, next, pinned, serving, upstream},
    planned,
};
use crate::{
    domain::{ComponentName, Inventory},
    exit::Exit,
    install::{Done, Effect, GroupReport, Rehearsal, Report},
    locate,
    registry::concern::Concern,
    resolve::{GroupPlan, PassedOver, Plan},
    self_install,
};

/// The outcome of what was done. A single group that failed is the command's own error; one of several is reported beside what
/// succeeded.
pub(in super::super) fn of_report(plan: &Plan, report: Report, session: &Session) -> Result<Outcome, Error> {
    let inventory = session.inventory()?;
    let mut talk = Vec::new();
    let mut json = Vec::new();
    let mut failures = Vec::new();
    let mut installed = Vec::new();
    let mut activated = Vec::new();
    let mut settled = Vec::new();
    let mut postgres = Vec::new();
    // What is wrong with the pins is told by whoever uses them.
    let (chosen, _) = pinned::installed(&inventory, session).unwrap_or_default();
    for group in report.groups {
        match group {
            GroupReport::Done(members) => {
                for done in &members {
                    if matches!(done.effect, Effect::Installed { .. }) {
                        installed.push(done.component.clone());
                    }
                    if done.is_active && !matches!(done.effect, Effect::None) {
                        activated.push(done.component.clone());
                    }
                    let concerns = concerns::of_tree(&done.component, &done.tree, &inventory, session)?;
                    talk.push(sentence(done, &inventory, session)?);
                    talk.extend(shortcomings(done, plan, session));
                    talk.extend(upstream::word_of_publisher(done, session)?);
                    let by_pin = chosen
                        .iter()
                        .find(|chosen| chosen.component == done.component && chosen.tree == done.tree);
                    talk.extend(match by_pin {
                        Some(chosen) => chosen.told(&concerns, session)?,
                        None => told(&concerns, done, &inventory, session)?,
                    });
                    settled.push(done.component.clone());
                    if done.component == locate::postgres() {
                        postgres.push(done.tree.clone());
                    }
                    let mut row = row(done, session);
                    row["concerns"] = concerns::json(&concerns).into();
                    json.push(row);
                }
                tell_channel(plan, &members, session, &mut talk)?;
            }
            GroupReport::Failed { components, error } => failures.push((components, Error::from(error))),
        }
    }
    talk.extend(
        report
            .generation
            .and_then(|number| history::followed(number, session)),
    );
    let is_all = json.is_empty();
    talk.extend(next::in_this_project(&activated, session)?);
    talk.extend(next::refused_here(&settled, session));
    let left = serving::left_behind(&postgres, session);
    talk.extend(next::after_install(&installed, &left, session));
    talk.extend(left.into_iter().map(|left| left.text));
    for (components, error) in &failures {
        for component in components {
            json.push(json!({"name": component, "effect": "failed", "error": error.to_string(), "causes": error.causes()}));
        }
    }
    let json = json!({ "components": json, "generation": report.generation });
    with_failures(Outcome::done(talk, json), failures, is_all)
}

/// The outcome of what succeeded, and the failures beside it; a failure that `is_all` there is to tell is the command's own.
pub(in super::super) fn with_failures(
    mut outcome: Outcome,
    mut failures: Vec<(Vec<ComponentName>, Error)>,
    is_all: bool,
) -> Result<Outcome, Error> {
    if is_all && failures.len() == 1 {
        return Err(failures.remove(0).1);
    }
    // Wrong bytes say more than that something else could not be had.
    failures.sort_by_key(|(_, error)| error.exit_code() != Exit::Integrity);
    if let Some((_, error)) = failures.first() {
        outcome.exit = error.exit_code();
        outcome.json["error"] = error.json();
    }
    for (at, (_, error)) in failures.iter().enumerate() {
        let mut lines = error.lines();
        // Advice that a later one has too is given once, at the end.
        let hint = error.hint();
        if hint.is_some() && failures[at + 1..].iter().any(|(_, later)| later.hint() == hint) {
            lines.pop();
        }
        outcome.talk.extend(lines);
    }
    Ok(outcome)
}

/// The lines about the concerns; where it is not active, with the command that brings the fixes which it lacks.
fn told(
    concerns: &[Concern],
    done: &Done,
    inventory: &Inventory,
    session: &Session,
) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    for concern in concerns {
        lines.push(concern.to_string());
        if matches!(concern, Concern::Behind { .. }) && !done.is_active {
            let component = session.component(&done.component)?;
            let fix = concerns::fix_beside(component, done.tree.version(), inventory);
            lines.extend(fix.map(|fix| super::super::advice::line(&fix)));
        }
    }
    Ok(lines)
}

fn sentence(done: &Done, inventory: &Inventory, session: &Session) -> Result<String, Error> {
    let shown = session.shown(&done.component, &done.tree, inventory)?;
    let name = &done.component;
    Ok(match &done.effect {
        Effect::None => format!("{name} {shown} is already installed"),
        Effect::Activated if done.is_active => format!("activated {name} {shown} (already installed)"),
        Effect::Activated => format!("{name} {shown} is already installed"),
        // The program that runs, which nobody needs to be named for.
        Effect::Installed { .. } if *name == self_install::name() => {
            format!("installed {name} {shown} in `{}`", session.layout.home())
        }
        Effect::Installed { provider } => format!(
            "installed {name} {shown} (built by {provider}){}",
            if !done.is_active && inventory.active.components.contains_key(name) {
                "; another version is active"
            } else {
                ""
            }
        ),
    })
}

/// Says what a build that was installed lacks beside the others of its version, and what would make a better one run here.
fn shortcomings(done: &Done, plan: &Plan, session: &Session) -> Vec<String> {
    if !matches!(done.effect, Effect::Installed { .. }) {
        return Vec::new();
    }
    let mut lines = Vec::new();
    if done.component == locate::postgres() {
        let tree = session.layout.tree(&done.component, &done.tree);
        let psql = format!("psql{}", std::env::consts::EXE_SUFFIX);
        if !tree.join("bin").join(psql).exists() {
            lines.push(client::INCOMPLETE.to_owned());
        }
        lines.extend(client::psql(&tree, session).map(|unloadable| unloadable.in_one_line()));
    }
    let group = plan
        .groups
        .iter()
        .find(|group| group.components.contains(&done.component));
    let passed_over = group.map(|group| group.passed_over.as_slice());
    if let Some(build) = PassedOver::told(passed_over.unwrap_or_default()) {
        let remedy = build.remedy.iter().map(|remedy| format!(": `{remedy}`"));
        lines.push(std::iter::once(build.reason.clone()).chain(remedy).collect());
    }
    lines
}

fn row(done: &Done, session: &Session) -> Value {
    let (effect, provider) = match &done.effect {
        Effect::None => ("none", None),
        Effect::Activated => ("activated", None),
        Effect::Installed { provider } => ("installed", Some(provider)),
    };
    json!({
        "name": done.component, "version": done.version, "tree": done.tree.to_string(), "effect": effect,
        "active": done.is_active, "provider": provider, "path": session.layout.tree(&done.component, &done.tree),
        "stated_by": upstream::stated_by(done, session),
    })
}

/// A request without a version takes the component's default channel; where that is not stable, the user is told.
fn tell_channel(
    plan: &Plan,
    members: &[Done],
    session: &Session,
    talk: &mut Vec<String>,
) -> Result<(), Error> {
    let installed = |done: &&Done| matches!(done.effect, Effect::Installed { .. });
    let Some(done) = members.iter().find(installed) else {
        return Ok(());
    };
    let asked = |group: &&GroupPlan| group.components.contains(&done.component) && group.request.is_none();
    let Some(component) = session.registry()?.component(&done.component) else {
        return Ok(());
    };
    let channel = component.default_channel;
    if plan.groups.iter().any(|group| asked(&group)) && channel != crate::domain::Channel::Stable {
        let names: Vec<&str> = members.iter().map(|done| done.component.as_str()).collect();
        talk.push(format!(
            "{} from the default channel, {channel}",
            if names.len() == 1 {
                format!("{} is", names[0])
            } else {
                format!("{} are", names.join(" and "))
            }
        ));
    }
    Ok(())
}

/// The outcome of a dry run: the plan, as it would run.
pub(super) fn of_plan(rehearsal: Rehearsal, session: &Session) -> Result<Outcome, Error> {
    let Rehearsal { plan, failures } = rehearsal;
    let failures = failures.into_iter();
    with_failures(
        planned::show(&plan, session)?,
        failures
            .map(|(components, error)| (components, error.into()))
            .collect(),
        plan.groups.is_empty(),
    )
}
