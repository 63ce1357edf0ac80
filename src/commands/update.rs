//! `ampup update`: the newest that each installation asked for.

use semver::Version;
use serde_json::json;

use super::{
    Error, Outcome, Session, how::How, installation::perform, installed, pinned, requests, standing, upstream,
};
use crate::{
    discover::survey::Survey,
    domain::{ComponentName, Inventory},
    postgres::projects::Projects,
    remove::needed,
    resolve::{self, Plan, Update},
    store::directories,
};

/// Arguments of `ampup update`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// The components to update [default: all that are active]
    #[arg(value_parser = requests::name)]
    pub names: Vec<ComponentName>,
    /// Also update to a new major version of PostgreSQL; existing databases stay with the old one, which stays installed
    #[arg(long)]
    pub allow_major: bool,
    /// The options of every installation.
    #[command(flatten)]
    pub how: How,
}

/// Refreshes the registry, then installs and activates what is newer and still what was asked for. It never goes lower.
///
/// # Errors
/// When the registry that comes is not proven, a named component is not installed, or what is newer cannot be installed.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    upstream::ensure_allowed(&args.how, session)?;
    // A plan asks for a newer registry too, where it can keep one: it is what would be decided from.
    if !args.how.dry_run || directories::ensure_writable(&session.layout).is_ok() {
        session.refresh()?;
    } else {
        session.skip_refresh()?;
    }
    session.warn_of_age()?;
    let inventory = session.inventory()?;
    pinned::ensure_active(&args.names, &inventory, session)?;
    let registry = upstream::for_update(&args.names, &inventory, &args.how, session)?;
    let updates = resolve::update(
        &registry,
        &inventory,
        &Session::host_for(&registry),
        &args.names,
        args.allow_major,
    )?;
    let is_listed = !updates.is_empty();
    let mut plan = Plan::default();
    let mut talk = installed::unknown(&args.names, &inventory, &registry);
    let is_named = |name: &ComponentName| args.names.is_empty() || args.names.contains(name);
    let survey = survey(&updates, &inventory, &args.how, session)?;
    for update in updates {
        match update {
            Update::Available { plan: group, .. } => plan.groups.push(group),
            other => talk.extend(unchanged(&other, &survey, &inventory, session)?),
        }
    }
    for (chosen, concerns) in pinned::all_concerns(is_named, &inventory, session)? {
        talk.extend(chosen.told_beside_active(&concerns, &inventory, session)?);
    }
    if plan.groups.is_empty() {
        talk.extend(installed::nothing(&inventory, is_listed));
        return Ok(Outcome::done(
            talk,
            json!({ "components": [], "generation": null }),
        ));
    }
    talk.extend(kept_for_projects(&plan, session)?);
    let mut outcome = perform(&plan, &args.how, &registry, session)?;
    talk.append(&mut outcome.talk);
    Ok(Outcome { talk, ..outcome })
}

/// Which projects stay with the major version that an update leaves.
fn kept_for_projects(plan: &Plan, session: &Session) -> Result<Vec<String>, Error> {
    let inventory = session.inventory()?;
    let projects = Projects::new(&session.layout, &session.env);
    let mut talk = Vec::new();
    for group in &plan.groups {
        for name in &group.components {
            let (component, Some(active)) = (session.component(name)?, inventory.active.components.get(name))
            else {
                continue;
            };
            let major = active.version().major;
            if resolve::is_major_bound(component) && group.candidates[0].version.major != major {
                let by = needed::of_clusters(major, &projects);
                if !by.is_empty() {
                    let shown = session.shown(name, active, &inventory)?;
                    let uses = needed::uses(&by).join(", and ");
                    talk.push(format!("{name} {shown} stays installed: it {uses}"));
                }
            }
        }
    }
    Ok(talk)
}

/// The releases that the builders have of those that stay as they are. Nobody is asked about the others.
fn survey<'a>(
    updates: &[Update],
    inventory: &Inventory,
    how: &How,
    session: &'a Session,
) -> Result<Survey<'a>, Error> {
    let staying = updates.iter().filter_map(|update| match update {
        Update::UpToDate { components, .. } | Update::Pinned { components, .. } => Some(components.clone()),
        Update::Available { .. } => None,
    });
    let staying: Vec<ComponentName> = staying.flatten().collect();
    // With `--upstream` they were asked, and what they have is in the registry of this run.
    if staying.is_empty() || how.upstream {
        return Ok(Survey::default());
    }
    upstream::news(&staying, inventory, how, session)
}

/// Says what makes another major version than the active one active: `ampup use` where one is installed.
fn of_newer_major(
    newer: &Version,
    name: &ComponentName,
    active: &Version,
    inventory: &Inventory,
    session: &Session,
) -> Result<String, Error> {
    let style = session.style(name)?;
    let origins = inventory.trees(name).iter().rev();
    let mut versions = origins.filter_map(|tree| Some(&tree.origin.as_ref()?.version));
    let installed = versions.find(|version| version.major > active.major);
    // Of its major alone, so that `update` goes on within that.
    let use_it = |version: &Version| format!("`ampup use {name}@{}` activates", version.major);
    let remedy = match installed {
        Some(installed) if installed == newer => format!("it is installed, and {} it", use_it(installed)),
        installed => {
            let update = format!("`ampup update {name} --allow-major` installs and activates it");
            let instead =
                installed.map(|one| format!(", {} {}, which is installed", use_it(one), style.show(one)));
            format!("{update}{}", instead.unwrap_or_default())
        }
    };
    let shown = style.show(newer);
    Ok(format!(
        "{name} {shown} is another major version than the active one; {remedy}"
    ))
}

/// Explains why components stay as they are.
fn unchanged(
    update: &Update,
    survey: &Survey<'_>,
    inventory: &Inventory,
    session: &Session,
) -> Result<Vec<String>, Error> {
    let (components, version, newer_major, is_pinned) = match update {
        Update::Available { .. } => return Ok(Vec::new()),
        Update::UpToDate {
            components,
            version,
            newer_major,
        } => (components, version, newer_major.as_ref(), false),
        Update::Pinned { components, version } => (components, version, None, true),
    };
    let mut talk = Vec::new();
    for name in components {
        let style = session.style(name)?;
        let found = standing::of_active(name, version, survey, inventory, session)?;
        let state = match is_pinned {
            true => "stays: this exact version was requested".to_owned(),
            false => found.standing.told(),
        };
        talk.push(format!("{name} {} {state}", style.show(version)));
        if let Some(newer) = newer_major {
            talk.push(of_newer_major(newer, name, version, inventory, session)?);
        }
        talk.extend(found.lines());
    }
    Ok(talk)
}
