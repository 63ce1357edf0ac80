//! `ampup uninstall`: installed versions away.

use serde_json::{Value, json};

use super::{
    Error, Outcome, Session,
    installed::{self, installed, is_meant},
    outcome::Tense,
    pinned,
    requests::{self, Request},
};
use crate::{
    domain::{ComponentName, ComponentSpec, Inventory, Requirement, Tree, TreeName, version::local_name},
    postgres::projects::Projects,
    remove::{self, RemoveError, needed::Needed},
    self_install,
};

/// Arguments of `ampup uninstall`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The version to remove: `NAME@VERSION`, or `NAME` where one version is installed; a version alone means ampd and
    /// ampctl
    #[arg(
        value_name = "NAME[@VERSION]",
        required = true,
        value_parser = requests::version_or_component("ampup uninstall postgres@18.4")
    )]
    pub specs: Vec<Request>,
    /// Remove even the last version that a project needs or pins
    #[arg(long)]
    pub force: bool,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// The trees that go.
type Doomed = Vec<(ComponentName, TreeName)>;

/// Removes versions. One that a process runs from is never removed.
///
/// # Errors
/// When one is not installed, is in use, or several could be meant. Nothing is changed then.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let specs = requests::specs(&args.specs, session)?;
    // A first look, so that a question about nothing makes no home.
    let inventory = session.inventory()?;
    let (doomed, needed) = doomed(args, &specs, &inventory, session)?;
    if args.dry_run {
        ensure_unused(&doomed, session)?;
        let rows = rows(&doomed);
        let mut talk = talk(Tense::Planned, &doomed, &inventory, session)?;
        talk.extend(left_without(&needed, Tense::Planned));
        return Ok(Outcome::planned(
            talk,
            json!({ "removed": rows, "generation": null }),
        ));
    }
    let store = session.lock_store()?;
    let inventory = session.inventory()?;
    let (doomed, needed) = self::doomed(args, &specs, &inventory, session)?;
    let generation = remove::remove(&session.layout, &inventory, &doomed, &session.command, &store)?;
    let mut talk = talk(Tense::Done, &doomed, &inventory, session)?;
    talk.extend(left_without(&needed, Tense::Done));
    Ok(Outcome::done(
        talk,
        json!({ "removed": rows(&doomed), "generation": generation }),
    ))
}

/// The trees that are meant, if they may go, and those of them that projects need, which go by force.
fn doomed(
    args: &Args,
    specs: &[ComponentSpec],
    inventory: &Inventory,
    session: &Session,
) -> Result<(Doomed, Vec<Needed>), Error> {
    let doomed = find_all(specs, inventory, session)?;
    if doomed
        .iter()
        .any(|(component, tree)| *component == self_install::name() && inventory.is_active(component, tree))
    {
        return Err(Error::Usage {
            message: "the active ampup is not uninstalled like a component".to_owned(),
            hint: "`ampup self uninstall` removes it, and all that it installed".to_owned(),
        });
    }
    let needed = pinned::needed(inventory, &doomed, session)?;
    if args.force {
        return Ok((doomed, needed));
    }
    match needed.first() {
        Some(first) => Err(RemoveError::Needed(first.clone()).into()),
        None => {
            remove::ensure_projects_known(&Projects::new(&session.layout, &session.env))?;
            pinned::ensure_known(session)?;
            Ok((doomed, needed))
        }
    }
}

/// A line for each version that projects cannot do without.
fn left_without(needed: &[Needed], tense: Tense) -> impl Iterator<Item = String> {
    needed
        .iter()
        .map(move |needed| needed.told(tense.of("is", "was")))
}

/// Ensures that no process runs from what would go.
fn ensure_unused(doomed: &[(ComponentName, TreeName)], session: &Session) -> Result<(), Error> {
    Ok(remove::ensure_unused(&session.layout, doomed)?)
}

fn talk(
    tense: Tense,
    doomed: &[(ComponentName, TreeName)],
    inventory: &Inventory,
    session: &Session,
) -> Result<Vec<String>, Error> {
    let mut talk = Vec::new();
    for (component, tree) in doomed {
        let shown = session.shown(component, tree, inventory)?;
        let verb = tense.of("remove", "removed");
        talk.push(format!("{verb} {component} {shown}"));
        if inventory.is_active(component, tree) {
            talk.push(active_now((component, tree), tense, doomed, inventory, session)?);
        }
    }
    Ok(talk)
}

fn rows(doomed: &[(ComponentName, TreeName)]) -> Vec<Value> {
    doomed
        .iter()
        .map(|(component, tree)| json!({"name": component, "version": tree.to_string()}))
        .collect()
}

/// Says what is active in the place of a version that was.
fn active_now(
    (component, tree): (&ComponentName, &TreeName),
    tense: Tense,
    doomed: &[(ComponentName, TreeName)],
    inventory: &Inventory,
    session: &Session,
) -> Result<String, Error> {
    if let Some(next) = remove::successor(inventory, component, tree, doomed) {
        return Ok(format!(
            "{component} {} {}",
            session.shown(component, next, inventory)?,
            tense.of("becomes active", "is active now")
        ));
    }
    let ceases = tense.of("becomes inactive", "is no longer active");
    let is_left = |other: &&Tree| !doomed.contains(&(component.clone(), other.name.clone()));
    let others = inventory.trees(component).iter().filter(is_left);
    Ok(match others.map(|other| &other.name).max() {
        Some(other) => format!(
            "{component} {ceases}; {} activates another version",
            session.use_command(component, other, inventory)?
        ),
        None if local_name(tree.version()).is_some() => {
            format!("{component} {ceases}; `ampup link {component} PATH` brings it back")
        }
        // Another registry has it, which this line did not name.
        None if session.registry()?.component(component).is_none() => format!("{component} {ceases}"),
        None => format!("{component} {ceases}; `ampup install {component}` brings it back"),
    })
}

/// The trees that all specs mean, each once.
fn find_all(
    specs: &[ComponentSpec],
    inventory: &Inventory,
    session: &Session,
) -> Result<Vec<(ComponentName, TreeName)>, Error> {
    let mut doomed = Vec::new();
    for spec in specs {
        for found in find(spec, inventory, session)? {
            if !doomed.contains(&found) {
                doomed.push(found);
            }
        }
    }
    Ok(doomed)
}

/// The trees that a spec means; of components that move together, all.
fn find(
    spec: &ComponentSpec,
    inventory: &Inventory,
    session: &Session,
) -> Result<Vec<(ComponentName, TreeName)>, Error> {
    let registry = session.registry()?;
    let mut names: Vec<ComponentName> = registry
        .group_of(&spec.name)
        .into_iter()
        .map(|component| component.name.clone())
        .collect();
    if names.is_empty() {
        // Installed once, and dropped by the registry since.
        names.push(spec.name.clone());
    }
    let mut found = Vec::new();
    for name in &names {
        let mut meant: Vec<&Tree> = inventory
            .trees(name)
            .iter()
            .filter(|tree| is_meant(spec, tree, name, session))
            .collect();
        // Nobody knows the builder of one that is damaged: its directory's name means it alone.
        let is_named =
            |tree: &Tree| spec.requirement == Some(Requirement::Exact(tree.name.version().clone()));
        if meant.iter().any(|tree| tree.origin.is_none() && is_named(tree)) {
            meant.retain(|tree| is_named(tree));
        }
        if let [first, _, ..] = meant[..] {
            // What is in use is not what goes first.
            let inactive = meant.iter().find(|tree| !inventory.is_active(name, &tree.name));
            let suggested = inactive.unwrap_or(&first);
            return Err(Error::Usage {
                message: format!(
                    "which version of {name}? Installed: {}",
                    installed(session, Some(name))?
                ),
                hint: match suggested.origin {
                    Some(_) => format!(
                        "`ampup uninstall {}`",
                        session.typed(name, &suggested.name, inventory)?
                    ),
                    None => format!("`ampup uninstall {name}@{}`", suggested.name),
                },
            });
        }
        found.extend(meant.first().map(|tree| (name.clone(), tree.name.clone())));
    }
    if found.is_empty() {
        if inventory.trees(&spec.name).is_empty() {
            registry.require(&spec.name)?;
        }
        return Err(Error::NotFound {
            message: installed::instead_of(spec, session)?,
            hint: "`ampup list` shows what is installed".to_owned(),
        });
    }
    Ok(found)
}
