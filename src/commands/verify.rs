//! `ampup verify`: whether what is installed is still what was installed.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Error, Outcome, Session, how::How, installation, installed, paint, requests, upstream};
use crate::{
    domain::{ComponentName, ComponentSpec, Inventory, Requirement, TreeName, version::local_name},
    exit::Exit,
    resolve, self_install,
    store::{
        check::{Damage, Gone, check},
        commit, generation, inventory,
        links::{self, Fault},
        look_again::until_unchanged,
        pointer,
        receipt::Receipt,
        staging,
    },
};

/// So many of a tree's damages are told one by one.
const SHOWN: usize = 10;

/// Arguments of `ampup verify`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// The components to check [default: everything that is installed, and the home's links]
    #[arg(value_parser = requests::name)]
    pub names: Vec<ComponentName>,
    /// Repair what is damaged
    #[arg(long)]
    pub repair: bool,
    /// Show what `--repair` would repair, and repair nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Hashes every file of the installed trees and looks at the home's links. Exit code 4 where something is damaged and
/// was not repaired.
///
/// # Errors
/// When a named component is not installed, or what is damaged cannot be made anew.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let repair = args.repair && !args.dry_run;
    let mut talk = Vec::new();
    let all = args.names.is_empty();
    let faults = if all {
        links::faults(&session.layout)
    } else {
        Vec::new()
    };
    if repair && !faults.is_empty() {
        mend_pointers(session)?;
    }
    let inventory = match session.inventory() {
        // What is installed can be looked at also where nobody knows what is active.
        Err(_) if all && !faults.is_empty() => inventory::trees(&session.layout).map_err(failed)?,
        inventory => inventory?,
    };
    if repair && !faults.is_empty() && inventory.generation.is_none() {
        talk.push(
            "nothing is active any more: `ampup init` makes ampup active, `ampup use NAME@VERSION` the others"
                .to_owned(),
        );
    }
    let mut data = String::new();
    let mut rows = Vec::new();
    let mut has_damage = false;
    let mut gone = Vec::new();
    let mut failures = Vec::new();
    for (component, tree) in trees(&args.names, &inventory)? {
        let Some(damages) = damages(&component, &tree, session) else {
            continue;
        };
        let state = match (damages.is_empty(), repair) {
            (true, _) => "whole",
            (false, true) => match rebuild(&component, &tree, &inventory, session) {
                Ok(repaired) => {
                    talk.push(repaired);
                    "repaired"
                }
                // The others can be repaired all the same.
                Err(error) => {
                    has_damage = true;
                    failures.push((vec![component.clone()], of_itself(&component, error)));
                    "damaged"
                }
            },
            (false, false) => {
                match damages.iter().find_map(of_gone) {
                    Some(of) => gone.push(of.remedy()),
                    None => has_damage = true,
                }
                "damaged"
            }
        };
        let shown = session.shown(&component, &tree, &inventory)?;
        let _ = writeln!(data, "{component} {shown} is {}", shown_state(state));
        for damage in damages.iter().take(SHOWN) {
            let _ = writeln!(data, "  {damage}");
        }
        if damages.len() > SHOWN {
            let _ = writeln!(data, "  and {} more", damages.len() - SHOWN);
        }
        rows.push(json!({
            "name": component, "version": tree.to_string(), "state": state,
            "damages": damages.iter().map(Damage::to_string).collect::<Vec<_>>(),
        }));
    }
    let left = if repair && !faults.is_empty() {
        mend_links(&mut talk, session)?
    } else {
        faults.clone()
    };
    let mut links = Vec::new();
    for fault in faults
        .iter()
        .chain(left.iter().filter(|fault| !faults.contains(fault)))
    {
        let is_left = left.contains(fault);
        let repaired = if is_left { "" } else { "; it is repaired" };
        let _ = writeln!(data, "{fault}{repaired}");
        let state = if is_left { "damaged" } else { "repaired" };
        links.push(json!({"path": fault.path, "what": fault.what, "state": state}));
    }
    if all && rows.is_empty() {
        talk.extend(installed::nothing(&inventory, false));
    }
    let mut exit = Exit::Done;
    if has_damage || !left.is_empty() || !gone.is_empty() {
        exit = Exit::Integrity;
        if !repair {
            talk.push(super::advice::line(&hint(&left, has_damage, &gone)));
        }
    }
    // What could not be repaired is the command's own failure where nothing else was.
    let is_all = rows
        .iter()
        .chain(&links)
        .all(|row: &Value| row["state"] != "repaired");
    let json = json!({ "components": rows, "links": links });
    let outcome = Outcome {
        exit,
        talk,
        ..Outcome::prose(data, json)
    };
    installation::outcome::with_failures(outcome, failures, is_all)
}

/// The state as a person reads it, with its color.
fn shown_state(state: &str) -> String {
    match state {
        "whole" => paint::good("intact"),
        "damaged" => paint::bad(state),
        state => paint::notable(state),
    }
}

/// The local build in this damage that is gone.
fn of_gone(damage: &Damage) -> Option<&Gone> {
    match damage {
        Damage::Gone(gone) => Some(gone),
        _ => None,
    }
}

/// The next command to type; whatever is in the way comes first.
fn hint(faults: &[Fault], has_damage: bool, gone: &[String]) -> String {
    let by_hand = faults.iter().find_map(|fault| fault.by_hand.as_deref());
    let by_hand = by_hand.into_iter().chain(gone.iter().map(String::as_str));
    let repairs = has_damage || faults.iter().any(|fault| fault.by_hand.is_none());
    let repair = repairs.then_some("`ampup verify --repair` repairs the damage");
    let hints: Vec<&str> = by_hand.chain(repair).collect();
    hints.join("; then ")
}

/// Lists the damage in a tree; `None` if the tree was removed meanwhile. A tree that another process removes or replaces
/// during the check is not damaged: it is checked again.
fn damages(component: &ComponentName, tree: &TreeName, session: &Session) -> Option<Vec<Damage>> {
    let path = session.layout.tree(component, tree);
    // The last thing that happens to the directory of a tree is that its receipt is written.
    let made = || path.symlink_metadata().and_then(|found| found.modified()).ok();
    let look = |_: &Option<_>| check(&session.layout, component, tree);
    let damages = until_unchanged(made, look, Vec::is_empty);
    let is_unwanted = |inventory: Inventory| {
        inventory.tree(component, tree).is_none() && !inventory.is_active(component, tree)
    };
    // Where nobody knows whether it is still wanted, what was found stands.
    let is_removed = !damages.is_empty() && session.inventory().is_ok_and(is_unwanted);
    (!is_removed).then_some(damages)
}

/// ampup may have come from elsewhere than the registry: then whatever put it here repairs it.
fn of_itself(component: &ComponentName, error: Error) -> Error {
    match error {
        Error::Resolve(cause) if *component == self_install::name() => Error::NotFound {
            message: format!("this ampup cannot be repaired from the registry: {cause}"),
            hint: "run the install script again; it repairs".to_owned(),
        },
        error => error,
    }
}

/// The trees to look at: all of the named components, and those that are active and gone.
fn trees(names: &[ComponentName], inventory: &Inventory) -> Result<Vec<(ComponentName, TreeName)>, Error> {
    let wanted = |name: &ComponentName| names.is_empty() || names.contains(name);
    let installed = inventory
        .trees
        .iter()
        .flat_map(|(name, trees)| trees.iter().map(|tree| (name.clone(), tree.name.clone())));
    let active = inventory
        .active
        .components
        .iter()
        .filter(|(name, tree)| inventory.tree(name, tree).is_none())
        .map(|(name, tree)| (name.clone(), tree.clone()));
    let mut found: Vec<_> = installed.chain(active).filter(|(name, _)| wanted(name)).collect();
    found.sort();
    for name in names {
        if !found.iter().any(|(found, _)| found == name) {
            return Err(Error::NotFound {
                message: format!("{name} is not installed"),
                hint: "`ampup list --all` shows what is installed".to_owned(),
            });
        }
    }
    Ok(found)
}

fn failed(source: std::io::Error) -> Error {
    Error::Store {
        action: "mend",
        source,
    }
}

/// Mends the links without which nobody knows what is active. Gives what was mended.
pub(super) fn mend_pointers(session: &Session) -> Result<Vec<Fault>, Error> {
    let _lock = session.lock_store()?;
    links::mend(&session.layout).map_err(failed)
}

/// Makes a new generation where the active one has wrong links. Gives what cannot be mended.
fn mend_links(talk: &mut Vec<String>, session: &Session) -> Result<Vec<Fault>, Error> {
    let _lock = session.lock_store()?;
    if let Some(set) = links::set_anew(&session.layout).map_err(failed)? {
        // The damaged one goes: `undo` leads to the one before it.
        let before = match pointer::active(&session.layout).map_err(failed)? {
            Some(active) => {
                generation::read(&session.layout, active)
                    .map_err(failed)?
                    .record
                    .before
            }
            None => None,
        };
        commit::activate(&session.layout, &set, &session.command, before).map_err(failed)?;
        talk.push("repaired the links to the active versions".to_owned());
    }
    for number in links::damaged_generations(&session.layout) {
        staging::remove(&session.layout, &session.layout.generation(number)).map_err(failed)?;
    }
    let left = links::faults(&session.layout);
    for fault in &left {
        let by_hand = fault.by_hand.as_deref().unwrap_or("remove it by hand");
        talk.push(format!("{fault}: {by_hand}"));
    }
    Ok(left)
}

/// Ensures that a tree is none of this machine's own builds, which nobody else has.
fn ensure_can_be_had(component: &ComponentName, tree: &TreeName, session: &Session) -> Result<(), Error> {
    installed::ensure_there(component, tree, session)?;
    match local_name(tree.version()) {
        None => Ok(()),
        Some(local) => Err(Error::NotFound {
            message: format!("{component} {local} is a build of this machine, which nobody else has"),
            hint: format!("`ampup uninstall {component}@{local}`, then `ampup link {component} PATH` again"),
        }),
    }
}

/// Makes one tree anew, from the builder that it came from, where that is known.
fn rebuild(
    component: &ComponentName,
    tree: &TreeName,
    inventory: &Inventory,
    session: &Session,
) -> Result<String, Error> {
    ensure_can_be_had(component, tree, session)?;
    let receipt = Receipt::read(&session.layout.tree(component, tree), component, tree.version()).ok();
    let exact = match &receipt {
        Some(receipt) => TreeName::with_provider(&receipt.version, &receipt.provider),
        None => tree.clone(),
    };
    let spec = ComponentSpec {
        name: component.clone(),
        requirement: Some(Requirement::Exact(exact.version().clone())),
    };
    // As if it were not here: then the plan says what would be fetched.
    let mut without = inventory.clone();
    without.active.components.remove(component);
    without.trees.remove(component);
    let specs = [spec];
    // What came from its builders alone comes from them again.
    let registry = upstream::for_install(&specs, &without, &How::default(), session)?;
    let plan = resolve::install(&registry, &without, &Session::host_for(&registry), &specs)?;
    let shown = session.shown(component, tree, inventory)?;
    let Some(provider) = installation::rebuild(component, tree, &plan, &registry, session)? else {
        return Err(Error::NotFound {
            message: format!("the registry no longer has {component} {shown}, so it cannot be repaired"),
            hint: format!("`ampup uninstall {}`", session.typed(component, tree, inventory)?),
        });
    };
    Ok(format!("repaired {component} {shown}, built by {provider}"))
}
