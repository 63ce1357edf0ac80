//! A plan carried out, shown, and told of: what `install`, `update`, `init`, `verify` and `self update` share. Not a verb
//! itself.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

pub(super) use super::how::github_token;
pub use super::how::{Gone, How};
use super::{Error, Outcome, Session, concerns, next, upstream};
use crate::{
    domain::{ComponentName, ComponentSpec, Inventory, Provider, TreeName},
    exit::Exit,
    install::{
        self, AttemptError, Done, Effect, GroupReport, InstallContext, InstallError, Rehearsal, Report, Stage,
    },
    locate,
    registry::Registry,
    resolve::{self, Action, GroupPlan, PassedOver, Plan},
    self_install,
    store::links,
};

/// The default number of components that are installed at once.
const JOBS: usize = 4;

/// The effect of an installation on the active versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    /// The installed versions become active.
    Activate,
    /// The active versions stay active.
    Keep,
}

/// Installs what the specs mean, or shows what that would do.
///
/// # Errors
/// When something does not exist, or nothing at all could be installed.
pub(super) fn install(
    specs: &[ComponentSpec],
    activation: Activation,
    how: &How,
    session: &Session,
) -> Result<Outcome, Error> {
    session.warn_of_age()?;
    let inventory = session.inventory()?;
    let registry = upstream::for_install(specs, &inventory, how, session)?;
    let mut plan = resolve::install(&registry, &inventory, &Session::host_for(&registry), specs)?;
    if activation == Activation::Keep {
        plan = plan.beside_the_active();
    }
    perform(&plan, how, &registry, session)
}

/// Carries out a plan that was made from `registry`, or shows it.
pub(super) fn perform(
    plan: &Plan,
    how: &How,
    registry: &Registry,
    session: &Session,
) -> Result<Outcome, Error> {
    how.gone.ensure_none()?;
    if how.dry_run {
        session.ensure_writable()?;
        return show(rehearse(plan, how, registry, None, session)?, session);
    }
    if let Some(done) = nothing_to_do(plan, session)? {
        return Ok(done);
    }
    let report = carry_out(plan, how, registry, session)?;
    if moves_ampup(&report) {
        rewrite_own_files(session);
    }
    told(plan, report, session)
}

/// Goes through a plan without carrying it out. With a runtime, the network is asked whether it has what would be fetched.
fn rehearse(
    plan: &Plan,
    how: &How,
    registry: &Registry,
    runtime: Option<&tokio::runtime::Runtime>,
    session: &Session,
) -> Result<Rehearsal, Error> {
    Ok(install::rehearse(
        plan,
        Stage {
            layout: &session.layout,
            registry,
            wire: &session.wire(github_token(how, session), how.require_pinned)?,
            runtime,
        },
    ))
}

/// The groups of a plan that could not be carried out now, and why: nothing can be written, the settings forbid it, there is
/// no room, or nobody who has it answers.
pub(super) fn hindered(plan: &Plan, session: &Session) -> Result<Vec<(Vec<ComponentName>, Error)>, Error> {
    if plan.groups.is_empty() {
        return Ok(Vec::new());
    }
    if let Err(refused) = session.ensure_writable() {
        let components = plan.groups.iter().flat_map(|group| group.components.clone());
        return Ok(vec![(components.collect(), refused)]);
    }
    // Where no thread can be had, nobody is asked.
    let runtime = session.runtime().ok();
    let rehearsal = rehearse(
        plan,
        &How::default(),
        session.registry()?,
        runtime.as_ref(),
        session,
    )?;
    if let Some(runtime) = runtime {
        // A name look-up that hangs must not keep us.
        runtime.shutdown_background();
    }
    let failures = rehearsal.failures.into_iter();
    Ok(failures
        .map(|(components, error)| (components, error.into()))
        .collect())
}

/// Returns true if another ampup is active now.
fn moves_ampup(report: &Report) -> bool {
    let name = self_install::name();
    report.groups.iter().any(|group| match group {
        GroupReport::Done(members) => members
            .iter()
            .any(|done| done.component == name && done.effect != Effect::None),
        GroupReport::Failed { .. } => false,
    })
}

/// The new ampup writes its own files: what shells read, and the manual.
fn rewrite_own_files(session: &Session) {
    let program = format!("ampup{}", std::env::consts::EXE_SUFFIX);
    let program = session
        .layout
        .active_tree(&self_install::name())
        .join("bin")
        .join(program);
    let home = session.layout.home().as_str();
    let ended = Command::new(&program)
        .args(["init", "--no-modify-path", "--yes", "--quiet", "--home", home])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !ended.is_ok_and(|status| status.success()) {
        session.warn("the new ampup could not write its manual; `ampup init` tries again");
    }
}

/// Carries out a plan that was made from `registry`.
pub(super) fn carry_out(
    plan: &Plan,
    how: &How,
    registry: &Registry,
    session: &Session,
) -> Result<Report, Error> {
    at_work(how, registry, session, |context| {
        install::carry_out(plan, context)
    })
}

/// Makes an installed tree anew, in its place, from what this plan would fetch. Gives who built it; `None` where the plan
/// has nothing to build it from.
pub(super) fn rebuild(
    component: &ComponentName,
    tree: &TreeName,
    plan: &Plan,
    registry: &Registry,
    session: &Session,
) -> Result<Option<Provider>, Error> {
    let candidates = plan.groups.iter().flat_map(|group| &group.candidates);
    let to_build = candidates
        .flat_map(|candidate| &candidate.steps)
        .find_map(|step| match &step.action {
            Action::Acquire(artifacts) if step.component == *component => Some((step, artifacts)),
            _ => None,
        });
    to_build
        .map(|(step, artifacts)| {
            at_work(&How::default(), registry, session, |context| {
                install::rebuild(step, tree, artifacts, context)
            })
        })
        .transpose()
}

/// Does `work` with all that an installation needs, as the user has settled it.
pub(super) fn at_work<T>(
    how: &How,
    registry: &Registry,
    session: &Session,
    work: impl FnOnce(&InstallContext<'_>) -> Result<T, InstallError>,
) -> Result<T, Error> {
    session.prepare()?;
    let runtime = session.runtime()?;
    let wire = session.wire(github_token(how, session), how.require_pinned)?;
    let done = work(&InstallContext {
        layout: &session.layout,
        registry,
        wire: &wire,
        runtime: &runtime,
        reporter: session.reporter.as_ref(),
        interrupt: &session.options.interrupt,
        jobs: how.jobs.or(session.settings.jobs).unwrap_or(JOBS),
        lock_timeout: session.lock_timeout(),
        command: &session.command,
        advise: AttemptError::hint,
    });
    // A name look-up that hangs must not keep us.
    runtime.shutdown_background();
    Ok(done?)
}

/// A plan that keeps everything needs no lock, no network and no generation.
fn nothing_to_do(plan: &Plan, session: &Session) -> Result<Option<Outcome>, Error> {
    let inventory = session.inventory()?;
    if !plan.keeps_active && !links::is_bin_whole(&session.layout) {
        return Ok(None);
    }
    let mut done = Vec::new();
    for group in &plan.groups {
        let request_stays = plan.keeps_active
            || group
                .components
                .iter()
                .all(|name| inventory.active.requests.get(name) == group.request.as_ref());
        for step in &group.candidates[0].steps {
            match &step.action {
                Action::Keep(tree) if request_stays => done.push(Done {
                    is_active: inventory.is_active(&step.component, tree),
                    component: step.component.clone(),
                    version: step.version.clone(),
                    tree: tree.clone(),
                    effect: Effect::None,
                }),
                _ => return Ok(None),
            }
        }
    }
    let report = Report {
        groups: vec![GroupReport::Done(done)],
        generation: None,
    };
    told(plan, report, session).map(Some)
}

/// Says what was done. A single group that failed is the command's own error; one of several is reported beside what
/// succeeded.
pub(super) fn told(plan: &Plan, report: Report, session: &Session) -> Result<Outcome, Error> {
    let inventory = session.inventory()?;
    let mut talk = Vec::new();
    let mut json = Vec::new();
    let mut failures = Vec::new();
    let mut installed = Vec::new();
    for group in report.groups {
        match group {
            GroupReport::Done(members) => {
                for done in &members {
                    if matches!(done.effect, Effect::Installed { .. }) {
                        installed.push(done.component.clone());
                    }
                    let concerns = concerns::of_tree(&done.component, &done.tree, &inventory, session)?;
                    talk.push(sentence(done, &inventory, session)?);
                    talk.extend(shortcomings(done, plan, session));
                    talk.extend(upstream::word_of_publisher(done, session)?);
                    talk.extend(concerns::lines(&concerns));
                    let mut row = row(done, session);
                    row["concerns"] = concerns::json(&concerns).into();
                    json.push(row);
                }
                tell_channel(plan, &members, session, &mut talk)?;
            }
            GroupReport::Failed { components, error } => failures.push((components, Error::from(error))),
        }
    }
    let is_all = json.is_empty();
    talk.extend(next::after_install(&installed, session));
    for (components, error) in &failures {
        for component in components {
            json.push(json!({"name": component, "effect": "failed", "error": error.to_string(), "causes": error.causes()}));
        }
    }
    let json = json!({ "components": json, "generation": report.generation });
    with_failures(Outcome::done(talk, json), failures, is_all)
}

/// The outcome of what succeeded, and the failures beside it; a failure that `is_all` there is to tell is the command's own.
pub(super) fn with_failures(
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
    for (_, error) in &failures {
        outcome.talk.extend(error.lines());
    }
    Ok(outcome)
}

fn sentence(done: &Done, inventory: &Inventory, session: &Session) -> Result<String, Error> {
    let shown = session.style(&done.component)?.show(done.tree.version());
    let name = &done.component;
    Ok(match &done.effect {
        Effect::None => format!("{name} {shown} is already installed"),
        Effect::Activated if done.is_active => format!("activated {name} {shown} (already installed)"),
        Effect::Activated => format!("{name} {shown} is already installed"),
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
            lines.push("this build has no psql, pg_dump or pg_upgrade".to_owned());
        }
    }
    let group = plan
        .groups
        .iter()
        .find(|group| group.components.contains(&done.component));
    if let Some((reason, remedy)) = group.and_then(|group| PassedOver::mendable(&group.passed_over)) {
        lines.push(format!("{reason}: `{remedy}`"));
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
            "{} {} from the {channel} channel, the default until a stable release starts without a config file",
            names.join(" and "),
            if names.len() == 1 { "is" } else { "are" }
        ));
    }
    Ok(())
}

/// The plan, as it would run.
fn show(rehearsal: Rehearsal, session: &Session) -> Result<Outcome, Error> {
    let Rehearsal { plan, failures } = rehearsal;
    let mut data = String::new();
    let mut groups = Vec::new();
    for group in &plan.groups {
        let mut candidates = Vec::new();
        for (rank, candidate) in group.candidates.iter().enumerate() {
            let mut steps = Vec::new();
            for step in &candidate.steps {
                let shown = session.style(&step.component)?.show(&step.version);
                let (verb, sources) = match &step.action {
                    Action::Keep(_) => ("keep", Vec::new()),
                    Action::Activate(_) => ("activate", Vec::new()),
                    Action::Acquire(artifacts) => ("install", artifacts.iter().collect()),
                };
                data += &format!(
                    "{}{verb} {} {shown}\n",
                    if rank == 0 { "" } else { "else " },
                    step.component
                );
                for artifact in &sources {
                    data += &format!("  from {} (built by {})\n", artifact.source, artifact.provider);
                }
                let sources: Vec<_> = sources
                    .iter()
                    .map(|artifact| {
                        json!({
                            "provider": artifact.provider, "source": artifact.source,
                            "stated_by": artifact.integrity.stated_by(),
                        })
                    })
                    .collect();
                steps.push(json!({
                    "name": step.component, "version": step.version, "action": verb, "sources": sources,
                }));
            }
            candidates.push(json!(steps));
        }
        for build in &group.passed_over {
            data += &format!("passed over: {}\n", build.reason);
        }
        let passed_over: Vec<_> = group.passed_over.iter().map(|build| &build.reason).collect();
        groups.push(json!({
            "components": group.components, "request": group.request, "choices": candidates,
            "passed_over": passed_over,
        }));
    }
    let outcome = Outcome::prose(data, json!({ "dry_run": true, "groups": groups }));
    let failures = failures.into_iter();
    with_failures(
        outcome,
        failures
            .map(|(components, error)| (components, error.into()))
            .collect(),
        plan.groups.is_empty(),
    )
}
