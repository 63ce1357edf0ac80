//! `ampup undo`: back to the generation before.

use serde_json::json;

use super::{Error, Outcome, Session, history::missing};
use crate::{itself, store::generation};

/// Arguments of `ampup undo`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Take ampup itself back too
    #[arg(long)]
    pub include_ampup: bool,
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
    let nothing = || Error::NotFound {
        message: "there is no generation to go back to".to_owned(),
        hint: "`ampup history` shows them".to_owned(),
    };
    session.inventory()?.generation.ok_or_else(nothing)?;
    let _lock = session.lock_store()?;
    let inventory = session.inventory()?;
    let active = inventory.generation.ok_or_else(nothing)?;
    let numbers = generation::numbers(&session.layout).map_err(failed)?;
    let before = generation::read(&session.layout, active)
        .map_err(failed)?
        .record
        .before;
    let number = before
        .filter(|before| numbers.contains(before))
        .or_else(|| numbers.iter().copied().filter(|number| *number < active).max())
        .ok_or_else(nothing)?;
    let target = generation::read(&session.layout, number).map_err(failed)?;
    let missing = missing(&inventory, &target);
    if !missing.is_empty() {
        return Err(Error::NotFound {
            message: format!(
                "generation {number} is incomplete: {} was removed",
                missing.join(" and ")
            ),
            hint: format!("`ampup install {}`", missing.join(" ")),
        });
    }
    let mut set = target.set.clone();
    if !args.include_ampup {
        let ampup = itself::name();
        set.components.remove(&ampup);
        set.requests.remove(&ampup);
        if let Some(tree) = inventory.active.components.get(&ampup) {
            set.components.insert(ampup.clone(), tree.clone());
        }
        if let Some(request) = inventory.active.requests.get(&ampup) {
            set.requests.insert(ampup, request.clone());
        }
    }
    let reached = if set == target.set {
        generation::flip(&session.layout, number).map_err(failed)?;
        number
    } else {
        // Further back from there is further back from the target.
        generation::activate(&session.layout, &set, &session.command, target.record.before).map_err(failed)?
    };
    let mut talk = vec![format!("went back from generation {active} to {reached}")];
    for (component, tree) in &set.components {
        if inventory.active.components.get(component) != Some(tree) {
            talk.push(format!(
                "{component} {} is active",
                session.style(component)?.show(tree.version())
            ));
        }
    }
    for component in inventory
        .active
        .components
        .keys()
        .filter(|component| !set.components.contains_key(*component))
    {
        talk.push(format!("{component} is no longer active; it is still installed"));
    }
    Ok(Outcome::done(
        talk,
        json!({ "from": active, "generation": reached }),
    ))
}
