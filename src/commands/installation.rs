//! A plan carried out: what `install`, `update`, `init`, `verify` and `self update` share. Not a verb
//! itself.

pub(super) mod outcome;
mod planned;

use std::process::{Command, Stdio};

use self::outcome::{of_plan, of_report};
use super::{
    Error, Outcome, Session,
    how::{How, github_token},
    installed, upstream,
};
use crate::{
    domain::{ComponentName, ComponentSpec, Provider, TreeName, version::local_name},
    event::sized,
    exit::Exit,
    host::Host,
    install::{
        self, AttemptError, Done, Effect, GroupReport, InstallContext, InstallError, Rehearsal, Report, Stage,
    },
    registry::Registry,
    resolve::{self, Action, Plan, Update},
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
    let host = Host::probe(resolve::needs(&registry, &inventory, &Host::kind(), specs)?);
    let plan = match activation {
        Activation::Activate => resolve::install,
        Activation::Keep => resolve::install_beside,
    };
    let plan = plan(&registry, &inventory, &host, specs)
        .map_err(|error| upstream::unasked(error, specs, how, session))?;
    perform(&plan, how, &registry, session)
}

/// Lists what would be downloaded, each with its size and where it comes from first. Nobody is asked.
///
/// # Errors
/// When something does not exist, or the home cannot be read.
pub(super) fn downloads(specs: &[ComponentSpec], session: &Session) -> Result<Vec<String>, Error> {
    let (registry, inventory) = (session.registry()?, session.inventory()?);
    let host = Host::probe(resolve::needs(registry, &inventory, &Host::kind(), specs)?);
    let plan = resolve::install(registry, &inventory, &host, specs)?;
    let mirror = session.mirror()?;
    let first = plan.groups.iter().filter_map(|group| group.candidates.first());
    let mut lines = Vec::new();
    for step in first.flat_map(|candidate| &candidate.steps) {
        if let Action::Acquire(artifacts) = &step.action
            && let Some(artifact) = artifacts.first()
        {
            let version = session.style(&step.component)?.show(&step.version);
            let size = artifact.size.map(|size| format!(", {}", sized(size)));
            let place = mirror
                .as_ref()
                .map_or(artifact.source.place(), |mirror| mirror.as_str());
            lines.push(format!(
                "{} {version}{} from {place}",
                step.component,
                size.unwrap_or_default()
            ));
        }
    }
    Ok(lines)
}

/// Carries out a plan that was made from `registry`, or shows it.
pub(super) fn perform(
    plan: &Plan,
    how: &How,
    registry: &Registry,
    session: &Session,
) -> Result<Outcome, Error> {
    how.gone.ensure_none()?;
    installed::ensure_own_executables(plan, registry, session)?;
    if how.is_locked {
        ensure_pinned(plan, registry, session)?;
    }
    if how.dry_run {
        session.ensure_writable()?;
        return of_plan(rehearse(plan, how, registry, None, session)?, session);
    }
    let report = match nothing_to_do(plan, session)? {
        Some(report) => report,
        None => carry_out(plan, how, registry, session)?,
    };
    if moves_ampup(&report) {
        rewrite_own_files(session);
    }
    let kept = kept(plan, &report);
    let mut outcome = of_report(plan, report, session)?;
    if outcome.exit == Exit::Done {
        outcome.talk.extend(newer(&kept, session)?);
    }
    Ok(outcome)
}

/// Ensures that the registry states the digest of everything that a plan found installed.
///
/// # Errors
/// When it does not, as of a build of this machine, or of what was installed with its publisher's digest.
fn ensure_pinned(plan: &Plan, registry: &Registry, session: &Session) -> Result<(), Error> {
    let inventory = session.inventory()?;
    let candidates = plan.groups.iter().map(|group| &group.candidates[0]);
    for step in candidates.flat_map(|candidate| &candidate.steps) {
        let (name, tree) = match &step.action {
            Action::Keep(tree) | Action::Activate(tree) => (&step.component, tree),
            Action::Acquire(_) => continue,
        };
        let origin = inventory.tree(name, tree).and_then(|tree| tree.origin.as_ref());
        if origin.is_some_and(|origin| registry.pins(name, origin)) {
            continue;
        }
        let shown = session.shown(name, tree, &inventory)?;
        let spec = session.typed(name, tree, &inventory)?;
        return Err(Error::Integrity {
            message: format!(
                "`--locked` takes only what the registry states the digest of, and the {name} {shown} that is installed is not"
            ),
            hint: match local_name(tree.version()) {
                Some(_) => format!("name a version that others have too: `ampup list --available {name}`"),
                None => format!("`ampup uninstall {spec}`, then the same command again"),
            },
        });
    }
    Ok(())
}

/// The active components that a plan found installed.
fn kept(plan: &Plan, report: &Report) -> Vec<ComponentName> {
    let groups = report.groups.iter().filter(|_| !plan.keeps_active);
    let members = groups.flat_map(|group| match group {
        GroupReport::Done(members) => members.as_slice(),
        GroupReport::Failed { .. } => &[],
    });
    members
        .filter(|done| done.is_active && !matches!(done.effect, Effect::Installed { .. }))
        .map(|done| done.component.clone())
        .filter(|name| *name != self_install::name())
        .collect()
}

/// The command that brings newer versions of these active components, where it would bring any.
fn newer(names: &[ComponentName], session: &Session) -> Result<Option<String>, Error> {
    if names.is_empty() {
        return Ok(None);
    }
    let (registry, inventory) = (session.registry()?, session.inventory()?);
    let host = Host::probe(resolve::needs_of_newer(
        registry,
        &inventory,
        &Host::kind(),
        names,
    ));
    // What another command has deactivated meanwhile is that command's to tell.
    let updates = resolve::update(registry, &inventory, &host, names, false);
    let available = updates
        .unwrap_or_default()
        .into_iter()
        .filter_map(|update| match update {
            Update::Available { plan, .. } => Some(plan),
            Update::UpToDate { .. } | Update::Pinned { .. } => None,
        });
    let plan = Plan::of(available.collect());
    if plan.groups.is_empty() {
        return Ok(None);
    }
    let possible = rehearse(&plan, &How::default(), registry, None, session)?.plan;
    let mut asked = Vec::new();
    let mut versions = Vec::new();
    for group in &possible.groups {
        let first = &group.components[0];
        let shown = session.style(first)?.show(&group.candidates[0].version);
        let names: Vec<&str> = group.components.iter().map(ComponentName::as_str).collect();
        asked.push(first.as_str());
        versions.push(format!("{} {shown}", names.join(" and ")));
    }
    let is_any = !asked.is_empty();
    Ok(is_any.then(|| {
        format!(
            "next: `ampup update {}` installs {}",
            asked.join(" "),
            versions.join(", ")
        )
    }))
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
            wire: &session.wire(github_token(how, session), how.pinned_by(session))?,
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
    let wire = session.wire(github_token(how, session), how.pinned_by(session))?;
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

/// The report of a plan that keeps everything, which needs no lock, no network and no generation.
fn nothing_to_do(plan: &Plan, session: &Session) -> Result<Option<Report>, Error> {
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
    Ok(Some(Report {
        groups: vec![GroupReport::Done(done)],
        generation: None,
    }))
}
