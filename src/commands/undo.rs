//! `ampup undo`: back to the generation before.

use serde_json::json;

use super::{
    Error, Outcome, Session, history,
    installed::{damaged, ensure_there, is_empty},
    outcome::Tense,
    serving,
};
use crate::{
    domain::{ActiveSet, ComponentName, Inventory, TreeName},
    locate, self_install,
    store::{
        commit,
        generation::{self, Generation},
    },
};

/// Arguments of `ampup undo`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Also go back to the previous ampup
    #[arg(long)]
    pub include_ampup: bool,
    /// Show what would be active, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Goes back to the generation that was active before this one. ampup itself stays, unless asked.
///
/// # Errors
/// When there is none before, or it names what was removed since.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let failed = |source| Error::Store {
        action: "change",
        source,
    };
    let inventory = session.inventory()?;
    let active = inventory.generation.ok_or_else(|| nothing(false, &inventory))?;
    if args.dry_run {
        let back = way_back(args, &inventory, active, session)?;
        return Ok(Outcome::planned(
            talk(&back, Tense::Planned, &inventory, session)?,
            json!({ "from": active, "generation": back.number, "undone": back.undone }),
        ));
    }
    let _lock = session.lock_store()?;
    let inventory = session.inventory()?;
    let active = inventory.generation.ok_or_else(|| nothing(false, &inventory))?;
    let back = way_back(args, &inventory, active, session)?;
    let reached = if back.set == back.target.set {
        commit::flip(&session.layout, back.number).map_err(failed)?;
        back.number
    } else {
        // Further back from there is further back from the target.
        let before = back.target.record.before;
        commit::activate(&session.layout, &back.set, &session.command, before).map_err(failed)?
    };
    let mut talk = talk(&back, Tense::Done, &inventory, session)?;
    let postgres: Vec<TreeName> = back
        .set
        .components
        .get(&locate::postgres())
        .cloned()
        .into_iter()
        .collect();
    let left = serving::left_behind(&postgres, session);
    talk.extend(left.into_iter().map(|left| left.text));
    Ok(Outcome::done(
        talk,
        json!({ "from": active, "generation": reached, "undone": back.undone }),
    ))
}

/// The way to what was active before.
struct WayBack {
    /// The generation to go back to.
    number: u64,
    target: Generation,
    /// The versions that will be active then.
    set: ActiveSet,
    /// The command that is undone; `None` where an earlier `undo` made what is active.
    undone: Option<String>,
}

/// The generation to go back to, and what will be active then, all of which is there and whole.
fn way_back(args: &Args, inventory: &Inventory, active: u64, session: &Session) -> Result<WayBack, Error> {
    let back = target(args, inventory, active, session)?;
    let missing = history::missing(inventory, &back.target);
    if !missing.is_empty() {
        let specs = missing
            .iter()
            .map(|(component, tree)| session.typed(component, tree, inventory));
        return Err(Error::NotFound {
            message: format!(
                "{}, which was active before, was removed",
                specs.collect::<Result<Vec<_>, _>>()?.join(" and ")
            ),
            hint: history::completing(&missing, session)?
                .trim_end_matches(',')
                .to_owned(),
        });
    }
    // What is active already gets no worse.
    let becomes_active =
        |(component, tree): &(&ComponentName, &TreeName)| !inventory.is_active(component, tree);
    for (component, tree) in back.set.components.iter().filter(becomes_active) {
        if inventory
            .tree(component, tree)
            .is_none_or(|tree| tree.origin.is_none())
        {
            return Err(damaged(component, tree, session)?);
        }
        ensure_there(component, tree, session)?;
    }
    Ok(back)
}

fn talk(
    back: &WayBack,
    tense: Tense,
    inventory: &Inventory,
    session: &Session,
) -> Result<Vec<String>, Error> {
    let set = &back.set;
    let mut talk = vec![match &back.undone {
        Some(command) => format!("{} `{command}`", tense.of("undo", "undid")),
        None => format!("{} back one more step", tense.of("go", "went")),
    }];
    for (component, tree) in &set.components {
        if inventory.active.components.get(component) != Some(tree) {
            let shown = session.shown(component, tree, inventory)?;
            let becomes = tense.of("becomes", "is");
            talk.push(format!("{component} {shown} {becomes} active again"));
        }
    }
    let gone = inventory.active.components.iter();
    for (component, tree) in gone.filter(|(component, _)| !set.components.contains_key(*component)) {
        let ceases = tense.of("becomes inactive", "is no longer active");
        let stays = tense.of("stays", "is still");
        let use_it = use_again(component, tree, inventory, session)?;
        talk.push(format!(
            "{component} {ceases}; it {stays} installed, and {use_it} activates it"
        ));
    }
    if talk.len() == 1 {
        let follows = history::changes(Some(&inventory.active), set, inventory, session)?;
        talk.push(format!(
            "the active versions are the same; {} again",
            follows.join(", ")
        ));
        let earlier = &back.target.record;
        if earlier.before.is_some() && !earlier.command.starts_with("ampup undo") {
            talk.push(format!("`ampup undo` once more takes back `{}`", earlier.command));
        }
    }
    Ok(talk)
}

/// The command that activates what is active now, once more. Where no version was asked for, it asks for none either, so that
/// updates go on as before.
fn use_again(
    component: &ComponentName,
    tree: &TreeName,
    inventory: &Inventory,
    session: &Session,
) -> Result<String, Error> {
    let is_asked_for = inventory.active.requests.contains_key(component);
    let is_known = session.registry()?.component(component).is_some();
    match inventory.trees(component) {
        [_] if is_known && !is_asked_for => Ok(format!("`ampup use {component}`")),
        _ => session.use_command(component, tree, inventory),
    }
}

/// The generation to go back to, and what will be active then. Where ampup stays, those that differ in nothing else are
/// passed over.
fn target(args: &Args, inventory: &Inventory, active: u64, session: &Session) -> Result<WayBack, Error> {
    let failed = |source| Error::Store {
        action: "read",
        source,
    };
    let numbers = generation::numbers(&session.layout).map_err(failed)?;
    let mut from = active;
    let mut passed_over = false;
    let mut record = generation::read(&session.layout, active).map_err(failed)?.record;
    // Each is seen at most once, whatever the records say.
    for _ in &numbers {
        let number = match record.before {
            // What was dropped meanwhile is not replaced by something that was not active then.
            Some(before) => Some(before).filter(|before| numbers.contains(before)),
            None => numbers.iter().copied().filter(|number| *number < from).max(),
        };
        let Some(number) = number else { break };
        let target = generation::read(&session.layout, number).map_err(failed)?;
        let set = if args.include_ampup {
            target.set.clone()
        } else {
            with_ampup_of(&inventory.active, &target.set)
        };
        if args.include_ampup || set != inventory.active {
            let is_undo = record.command.starts_with("ampup undo");
            return Ok(WayBack {
                number,
                target,
                set,
                undone: (!is_undo).then_some(record.command),
            });
        }
        passed_over |= target.set != inventory.active;
        record = target.record;
        from = number;
    }
    Err(nothing(passed_over, inventory))
}

fn with_ampup_of(active: &ActiveSet, target: &ActiveSet) -> ActiveSet {
    let ampup = self_install::name();
    let mut set = target.clone();
    set.components.remove(&ampup);
    set.requests.remove(&ampup);
    if let Some(tree) = active.components.get(&ampup) {
        set.components.insert(ampup.clone(), tree.clone());
    }
    if let Some(request) = active.requests.get(&ampup) {
        set.requests.insert(ampup, request.clone());
    }
    set
}

fn nothing(passed_over: bool, inventory: &Inventory) -> Error {
    let (message, hint) = if is_empty(inventory) && !passed_over {
        (
            "there is nothing to undo: nothing is installed",
            "`ampup install`",
        )
    } else if passed_over {
        (
            "there is nothing to undo but an update of ampup itself",
            "`ampup undo --include-ampup` takes ampup back",
        )
    } else {
        (
            "there is nothing to undo: no other versions were active before",
            "`ampup history` shows what changed, and what was undone",
        )
    };
    Error::NotFound {
        message: message.to_owned(),
        hint: hint.to_owned(),
    }
}
