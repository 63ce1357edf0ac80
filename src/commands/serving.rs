//! The PostgreSQL that serves a project's database: whether it is the one that the next start takes, and what brings the
//! security fixes that it lacks. Not a verb itself.

use std::collections::BTreeSet;

use semver::Version;

use super::{
    Error, Session, concerns, database,
    pinned::{self, Chosen},
};
use crate::{
    doctor,
    domain::TreeName,
    locate::{self, Located},
    postgres::{
        Cluster, Contents, Project, Purpose, ServerState, Serving, Status, enclosing,
        observe::purpose::StartedBy, projects::Projects,
    },
    registry::concern::Concern,
};

/// The server of a known project that runs another version than its next start takes.
pub(super) struct LeftBehind {
    /// True if it is the project here.
    pub is_here: bool,
    /// The sentence about it.
    pub text: String,
}

/// Finds the running servers whose next start takes one of these versions of PostgreSQL and that run another one. What cannot
/// be looked at is left out.
pub(super) fn left_behind(trees: &[TreeName], session: &Session) -> Vec<LeftBehind> {
    if trees.is_empty() {
        return Vec::new();
    }
    let here = enclosing::find(&session.env, None)
        .ok()
        .map(|(project, _)| project);
    let mut amp_dirs: BTreeSet<_> = Projects::new(&session.layout, &session.env).read();
    amp_dirs.extend(here.as_ref().map(|here| here.amp_dir().to_owned()));
    let projects = amp_dirs.iter().filter_map(|amp_dir| Project::at(amp_dir).ok());
    let behind = projects.filter_map(|project| {
        let is_here = here.as_ref() == Some(&project);
        let text = behind(&project, is_here, trees, session)?;
        Some(LeftBehind { is_here, text })
    });
    behind.collect()
}

fn behind(project: &Project, is_here: bool, trees: &[TreeName], session: &Session) -> Option<String> {
    let cluster = database::open(project, session);
    let Ok(Contents::Cluster { major }) = cluster.contents() else {
        return None;
    };
    if trees.iter().all(|tree| tree.version().major != major) {
        return None;
    }
    let ServerState::Serves(serving) = cluster.status().ok()?.server else {
        return None;
    };
    let running = running(&serving)?;
    // What it pins decides, too.
    let next = match is_here {
        true => next_start(cluster.clone(), session),
        false => next_start(cluster.clone(), &session.in_directory(project.directory()).ok()?),
    }?;
    if *next.name.version() == running || !trees.contains(&next.name) {
        return None;
    }
    let place = project.cluster();
    let there = match is_here {
        true => String::new(),
        false => format!("in `{}`, ", project.directory()),
    };
    let next = locate::shown(&next.component, &next.name);
    let still = format!("the server of `{place}` still runs {}", serving.version);
    Some(match (serving.purpose, cluster.started_by()) {
        (Purpose::Stay, Ok(Some(StartedBy::Living(_)))) | (Purpose::Session | Purpose::Change, _) => format!(
            "{still} until {}; the next start takes {next}",
            until(&serving, &cluster)
        ),
        (Purpose::Stay, _) => format!("{still}; {there}{RESTART} bring it to {next}"),
    })
}

/// The commands that have a database served by what its next start takes.
const RESTART: &str = "`ampup db stop`, then `ampup db start`";

/// The PostgreSQL that the next start of a cluster takes: what its project pins, or else what is installed of its major.
fn next_start(cluster: Cluster, session: &Session) -> Option<Located> {
    let (_, cluster) = pinned::chosen_for(Some(cluster), &[], session).ok()?;
    database::of_release(&cluster?)
}

/// The version of a running server; `None` if it is a beta, or a build of somebody's own.
fn running(serving: &Serving) -> Option<Version> {
    database::release(&serving.version)
}

/// The event that ends a server, in words.
pub(super) fn until(serving: &Serving, cluster: &Cluster) -> String {
    match (serving.purpose, cluster.started_by()) {
        (Purpose::Stay, Ok(Some(StartedBy::Living(starter)))) => format!("{starter}, which started it, ends"),
        (Purpose::Session, _) => "the last `ampup run` or `ampup db psql` that uses it ends".to_owned(),
        (Purpose::Stay, _) => "`ampup db stop`".to_owned(),
        (Purpose::Change, _) => "the upgrade that reads it ends".to_owned(),
    }
}

/// The version that serves a cluster, or that would, if it is a release.
pub(super) fn version(cluster: &Cluster, status: &Status) -> Option<Version> {
    match &status.server {
        ServerState::Serves(serving) => running(serving),
        // That there are no programs is a problem of its own.
        _ => database::of_release(cluster).map(|programs| programs.name.version().clone()),
    }
}

/// The concerns about the version that serves a cluster, or that would, each with the commands that help. `chosen` is what the
/// project pins, and the cluster is served by it.
///
/// # Errors
/// When the registry or the home cannot be read.
pub(super) fn concerns(
    cluster: &Cluster,
    status: &Status,
    chosen: &[Chosen],
    session: &Session,
) -> Result<Vec<(Concern, Option<String>)>, Error> {
    let Some(version) = version(cluster, status) else {
        return Ok(Vec::new());
    };
    let concerns = concerns::of_version(&locate::postgres(), &version, session)?;
    let next = database::of_release(cluster);
    let with_remedy = |concern: Concern| {
        let remedy = match &concern {
            Concern::Behind { fixed_in, .. } => match &next {
                Some(next) if *next.name.version() >= *fixed_in => Some(RESTART.to_owned()),
                Some(next) => fix(next, chosen, session)?,
                None => None,
            },
            Concern::EndOfLife { .. } => {
                Some("`ampup db upgrade` moves the database to a newer major version".to_owned())
            }
            Concern::HeldBack { .. } | Concern::Unbuilt { .. } => None,
        };
        Ok((concern, remedy))
    };
    concerns.into_iter().map(with_remedy).collect()
}

/// The commands that bring the fixes which the PostgreSQL of a project's next start lacks.
fn fix(next: &Located, chosen: &[Chosen], session: &Session) -> Result<Option<String>, Error> {
    let (name, version) = (&next.component, next.name.version());
    if let Some(pinned) = chosen.iter().find(|chosen| chosen.component == *name) {
        return pinned.raised(session);
    }
    // What is pinned and not installed serves next; where that lacks them too, `check` says so.
    if session.pins()?.is_some_and(|pins| pins.of(name).is_some()) {
        return Ok(Some("`ampup install`".to_owned()));
    }
    let inventory = session.inventory()?;
    let component = session.component(name)?;
    Ok(match inventory.is_active(name, &next.name) {
        true => Some(doctor::fix_of_active(component, version, &inventory)),
        false => concerns::fix_beside(component, version, &inventory),
    })
}
