//! `ampup use`: another installed version.

use serde_json::json;

use super::{
    Error, Outcome, Session, concerns, history,
    installed::{self, damaged, ensure_own_executables, ensure_there, installed, is_meant},
    next,
    requests::{self, Request},
    serving,
};
use crate::{
    domain::{
        ActiveSet, ComponentName, ComponentSpec, Inventory, Requirement, TreeName, version::local_name,
    },
    host::Host,
    locate,
    resolve::{self, Action, ResolveError},
    self_install,
    store::commit,
};

/// Arguments of `ampup use`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// An installed version: `NAME@VERSION`, or `NAME` where one version is installed; a version alone means ampd and ampctl
    #[arg(value_name = "NAME[@VERSION]", value_parser = requests::version_or_component("ampup use postgres@18.4"))]
    pub spec: Option<Request>,
    /// Show what would be active, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Makes an installed version the active one. Nothing is fetched.
///
/// # Errors
/// When it is not installed, or no version is named.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let wanted = wanted(args, session)?;
    let host = session.host()?;
    // A first look, so that a question about nothing makes no home.
    let inventory = session.inventory()?;
    let (set, talk) = choose(&wanted, "becomes active", &inventory, &host, session)?;
    if args.dry_run {
        let json = json!({ "generation": null });
        return Ok(if set == inventory.active {
            Outcome::unneeded(talk, json)
        } else {
            Outcome::planned(talk, json)
        });
    }
    let _lock = session.lock_store()?;
    let inventory = session.inventory()?;
    let (set, mut talk) = choose(&wanted, "is active now", &inventory, &host, session)?;
    let mut number = inventory.generation;
    if set != inventory.active {
        let made = commit::activate(&session.layout, &set, &session.command, inventory.generation);
        let made = made.map_err(|source| Error::Store {
            action: "change",
            source,
        })?;
        talk.extend(history::followed(made, session));
        number = Some(made);
    }
    let postgres: Vec<TreeName> = set
        .components
        .get(&locate::postgres())
        .cloned()
        .into_iter()
        .collect();
    let activated: Vec<ComponentName> = set.components.into_keys().collect();
    talk.extend(next::in_this_project(&activated, session)?);
    let left = serving::left_behind(&postgres, session);
    talk.extend(left.into_iter().map(|left| left.text));
    Ok(Outcome::done(talk, json!({ "generation": number })))
}

/// An installed version that is to be active.
struct Wanted {
    /// The version.
    spec: ComponentSpec,
    /// The request that `update` follows from now on; without one it follows the old one.
    request: Option<Requirement>,
}

/// Chooses the versions to activate, and the messages about them.
fn choose(
    wanted: &Wanted,
    becomes_active: &str,
    inventory: &Inventory,
    host: &Host,
    session: &Session,
) -> Result<(ActiveSet, Vec<String>), Error> {
    let spec = &wanted.spec;
    let plan = resolve::install(session.registry()?, inventory, host, std::slice::from_ref(spec));
    let plan = match plan {
        // What is installed need not be in the registry, nor fit this host by its words.
        Err(
            ResolveError::NoSuchVersion { .. }
            | ResolveError::NoBuild { .. }
            | ResolveError::NoProvider { .. },
        ) => {
            let hint = format!("`ampup info {}` lists every version", spec.name);
            return Err(not_installed(spec, hint, session)?);
        }
        plan => plan?,
    };
    ensure_own_executables(&plan, session.registry()?, session)?;
    let mut set = inventory.active.clone();
    let mut talk = Vec::new();
    for group in &plan.groups {
        for step in &group.candidates[0].steps {
            let (Action::Keep(tree) | Action::Activate(tree)) = &step.action else {
                return Err(not_installed(spec, format!("`ampup install {spec}`"), session)?);
            };
            ensure_there(&step.component, tree, session)?;
            let shown = session.shown(&step.component, tree, inventory)?;
            let state = if inventory.is_active(&step.component, tree) {
                "is active already"
            } else {
                becomes_active
            };
            talk.push(format!("{} {shown} {state}", step.component));
            set.components.insert(step.component.clone(), tree.clone());
            if let Some(request) = &wanted.request {
                let component = session.registry()?.component(&step.component);
                let held_back = component.and_then(|component| {
                    concerns::held_back(component, tree.version(), Some(request), inventory)
                });
                talk.extend(match held_back {
                    Some(concern) => Some(concern.to_string()),
                    None => kept(&step.component, tree, request, inventory),
                });
                set.requests.insert(step.component.clone(), request.clone());
            }
        }
    }
    Ok((set, talk))
}

/// Says that updates keep a version that was named exactly, where it becomes active and they did not before. A build of this
/// machine has none.
fn kept(
    component: &ComponentName,
    tree: &TreeName,
    request: &Requirement,
    inventory: &Inventory,
) -> Option<String> {
    let is_new = !inventory.is_active(component, tree)
        && inventory.active.requests.get(component) != Some(request)
        && request.is_exact()
        && local_name(tree.version()).is_none();
    is_new
        .then(|| format!("updates keep it; `ampup install {component}` lets them install new versions again"))
}

fn wanted(args: &Args, session: &Session) -> Result<Wanted, Error> {
    let Some(request) = &args.spec else {
        return Err(Error::Usage {
            message: format!("which version? Installed: {}", installed(session, None)?),
            hint: example(session)?,
        });
    };
    let spec = request.spec(session)?;
    let inventory = session.inventory()?;
    let trees = inventory.trees(&spec.name);
    if trees.is_empty() {
        session.component(&spec.name)?;
    } else if session.registry()?.component(&spec.name).is_none() {
        return Err(Error::NotFound {
            message: format!(
                "{} is installed, and the registry that is used does not have it",
                spec.name
            ),
            hint: format!("name the registry that has it: `ampup use {spec} --registry FILE`"),
        });
    }
    let request = spec.requirement.clone();
    match (&request, trees) {
        (Some(_), _) => Ok(Wanted { spec, request }),
        // A name alone asks for no version, also where there is but one.
        (None, [only]) => Ok(Wanted {
            spec: ComponentSpec {
                requirement: Some(Requirement::exactly(only.name.version())),
                ..spec
            },
            request,
        }),
        (None, []) => Err(Error::NotFound {
            message: format!("{} is not installed", spec.name),
            hint: format!("`ampup install {}`", spec.name),
        }),
        (None, [.., newest]) => Err(Error::Usage {
            message: format!(
                "which version of {}? Installed: {}",
                spec.name,
                installed(session, Some(&spec.name))?
            ),
            hint: session.use_command(&spec.name, &newest.name, &inventory)?,
        }),
    }
}

/// A command that activates something: what is not active comes first.
fn example(session: &Session) -> Result<String, Error> {
    let inventory = session.inventory()?;
    let trees = || {
        let each = inventory.trees.iter().rev();
        let each = each.filter(|(name, _)| **name != self_install::name());
        each.flat_map(|(name, trees)| trees.iter().rev().map(move |tree| (name, &tree.name)))
    };
    let inactive = trees().find(|(name, tree)| !inventory.is_active(name, tree));
    match inactive.or_else(|| trees().next()) {
        Some((name, tree)) => session.use_command(name, tree, &inventory),
        None => Ok("`ampup install`".to_owned()),
    }
}

fn not_installed(spec: &ComponentSpec, hint: String, session: &Session) -> Result<Error, Error> {
    let inventory = session.inventory()?;
    for component in session.registry()?.group_of(&spec.name) {
        for tree in inventory.trees(&component.name) {
            if tree.origin.is_none() && is_meant(spec, tree, &component.name, session) {
                return damaged(&component.name, &tree.name, session);
            }
        }
    }
    Ok(Error::NotFound {
        message: installed::instead_of(spec, session)?,
        hint,
    })
}
