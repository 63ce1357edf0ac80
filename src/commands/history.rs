//! `ampup history`: the generations of the active set.

use std::{collections::BTreeSet, fmt::Write as _, io};

use serde_json::json;

use super::{Error, Outcome, Session, installed, session::NAMED_REGISTRY, times};
use crate::{
    domain::{ActiveSet, ComponentName, Inventory, TreeName, version::local_name},
    self_install,
    store::generation::{self, Generation},
};

/// Arguments of `ampup history`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {}

/// The kept generations, newest first, the active one marked.
///
/// # Errors
/// When the home cannot be read.
pub fn run(_: &Args, session: &Session) -> Result<Outcome, Error> {
    let failed = |source| Error::Store {
        action: "read",
        source,
    };
    let inventory = session.inventory()?;
    let chain = chain(inventory.generation, session).map_err(failed)?;
    let mut data = String::new();
    let mut rows = Vec::new();
    let mut told = BTreeSet::new();
    for number in generation::numbers(&session.layout)
        .map_err(failed)?
        .into_iter()
        .rev()
    {
        let generation = match generation::read(&session.layout, number) {
            // Dropped since the numbers were read.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            read => read.map_err(failed)?,
        };
        let missing = missing(&inventory, &generation);
        let active = inventory.generation == Some(number);
        let earlier = generation
            .record
            .before
            .and_then(|before| generation::read(&session.layout, before).ok());
        let changes = match (&earlier, generation.record.before) {
            // What it was made from was dropped, so that nobody knows what changed.
            (None, Some(_)) => vec![format!(
                "then active: {}",
                shown(&generation.set, &inventory, session)?
            )],
            _ => changes(
                earlier.as_ref().map(|earlier| &earlier.set),
                &generation.set,
                &inventory,
                session,
            )?,
        };
        let mark = if active { "*" } else { " " };
        let state = match chain.contains(&number) {
            _ if active => "  active",
            true => "",
            false => "  undone",
        };
        let made = times::local(&generation.record.made);
        let command = &generation.record.command;
        let _ = writeln!(
            data,
            "{mark} {number:<3} {made:19}  {}  (`{command}`){state}",
            changes.join(", ")
        );
        for one in &missing {
            let shown = session.shown(&one.0, &one.1, &inventory)?;
            let back = match told.insert(one.clone()) {
                true => format!(
                    "; {} brings it back",
                    completing(std::slice::from_ref(one), session)?
                ),
                false => String::new(),
            };
            let _ = writeln!(data, "      {} {shown} was removed since{back}", one.0);
        }
        rows.push(json!({
            "number": number, "active": active, "undone": !chain.contains(&number), "made": generation.record.made, "command": generation.record.command,
            "before": generation.record.before, "missing": missing.iter().map(spec).collect::<Vec<_>>(),
            "components": generation.set.components.iter()
                .map(|(component, tree)| (component.to_string(), tree.to_string().into()))
                .collect::<serde_json::Map<_, _>>(),
        }));
    }
    let is_listed = inventory.trees.contains_key(&self_install::name());
    Ok(Outcome {
        talk: installed::nothing(&inventory, is_listed).into_iter().collect(),
        ..Outcome::prose(data, json!({ "generations": rows }))
    })
}

/// The active generation and those that it was made from, one after the other: whatever is not among them was undone.
fn chain(active: Option<u64>, session: &Session) -> io::Result<BTreeSet<u64>> {
    let numbers = generation::numbers(&session.layout)?;
    let mut chain = BTreeSet::new();
    let mut next = active;
    // Each is seen at most once, whatever the records say.
    while let Some(number) = next.filter(|number| chain.insert(*number)) {
        let read = generation::read(&session.layout, number).ok();
        let before = read.and_then(|generation| generation.record.before);
        // Earlier versions did not write down which one it was.
        next = before.or_else(|| numbers.iter().copied().filter(|other| *other < number).max());
    }
    Ok(chain)
}

/// Says what updates follow from a generation on, where it changed nothing else.
pub(super) fn followed(generation: u64, session: &Session) -> Option<String> {
    let now = generation::read(&session.layout, generation).ok()?;
    let before = generation::read(&session.layout, now.record.before?).ok()?;
    let is_only_asked =
        before.set.components == now.set.components && before.set.requests != now.set.requests;
    let inventory = session.inventory().ok()?;
    let changes = is_only_asked.then(|| changes(Some(&before.set), &now.set, &inventory, session));
    let changes = changes?.ok()?.join(", ");
    Some(format!("{changes} from now on; `ampup undo` takes that back"))
}

/// Lists what one active set has that the one before had not; all of it where nobody knows that one any more. Where the
/// versions are the same, what is asked for differs.
pub(super) fn changes(
    before: Option<&ActiveSet>,
    now: &ActiveSet,
    inventory: &Inventory,
    session: &Session,
) -> Result<Vec<String>, Error> {
    let nothing = ActiveSet::default();
    let requests = &before.unwrap_or(&nothing).requests;
    let before = &before.unwrap_or(&nothing).components;
    let mut changes = Vec::new();
    let names: BTreeSet<_> = before.keys().chain(now.components.keys()).collect();
    for name in names {
        let show = |tree: &TreeName| session.shown(name, tree, inventory);
        changes.extend(match (before.get(name), now.components.get(name)) {
            (Some(old), Some(new)) if old != new => Some(format!("{name} {} -> {}", show(old)?, show(new)?)),
            (None, Some(new)) => Some(format!("{name} {}", show(new)?)),
            (Some(old), None) => Some(format!("{name} {} removed", show(old)?)),
            _ => None,
        });
    }
    if changes.is_empty() {
        let names: BTreeSet<_> = requests.keys().chain(now.requests.keys()).collect();
        for name in names {
            changes.extend(match (requests.get(name), now.requests.get(name)) {
                (old, Some(new)) if old != Some(new) => Some(match new.is_exact() {
                    true => format!("updates keep {name} at {new}"),
                    false => format!("updates of {name} follow `{name}@{new}`"),
                }),
                (Some(_), None) => Some(format!("updates of {name} follow its new versions")),
                _ => None,
            });
        }
    }
    if changes.is_empty() {
        changes.push("no change of versions".to_owned());
    }
    Ok(changes)
}

/// An active set in words.
fn shown(set: &ActiveSet, inventory: &Inventory, session: &Session) -> Result<String, Error> {
    let each = set
        .components
        .iter()
        .map(|(name, tree)| Ok(format!("{name} {}", session.shown(name, tree, inventory)?)));
    Ok(each.collect::<Result<Vec<_>, Error>>()?.join(", "))
}

/// A version that a generation names and the store no longer has.
pub(super) type Missing = (ComponentName, TreeName);

/// Lists the versions that a generation names and the store no longer has.
pub(super) fn missing(inventory: &Inventory, generation: &Generation) -> Vec<Missing> {
    let set = generation.set.components.iter();
    set.filter(|(component, tree)| inventory.tree(component, tree).is_none())
        .map(|(component, tree)| (component.clone(), tree.clone()))
        .collect()
}

/// A missing version as a spec, to the letter: its builders may be all who have it.
fn spec((component, tree): &Missing) -> String {
    format!("{component}@{tree}")
}

/// The commands that bring missing versions back. A local build is linked again: nobody else has it.
pub(super) fn completing(missing: &[Missing], session: &Session) -> Result<String, Error> {
    let registry = session.registry()?;
    let (mut released, mut elsewhere, mut links) = (Vec::new(), Vec::new(), Vec::new());
    for one in missing {
        let (component, version) = (&one.0, one.1.version());
        match registry.component(component) {
            _ if local_name(version).is_some() => links.push(format!(
                "`ampup link {component} PATH`, with the path of the build,"
            )),
            Some(known) if known.release(version).is_some() => {
                released.push(format!("{component}@{}", known.version_style.typed(version)));
            }
            Some(_) => released.push(spec(one)),
            None => elsewhere.push(spec(one)),
        }
    }
    let install = |specs: &[String], option: &str| {
        (!specs.is_empty()).then(|| format!("`ampup install {}{option}`", specs.join(" ")))
    };
    let installs = [install(&released, ""), install(&elsewhere, NAMED_REGISTRY)];
    let commands: Vec<String> = installs.into_iter().flatten().chain(links).collect();
    Ok(commands.join(" and "))
}
