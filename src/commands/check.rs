//! `ampup check`: whether there are updates.

use serde_json::{Value, json};

use super::{
    Error, Outcome, Session, concerns,
    how::How,
    installation::hindered,
    installed, paint,
    pinned::{self, Chooser},
    requests,
    standing::{self, Standing},
    upstream,
};
use crate::{
    discover::survey::Survey,
    domain::{ComponentName, Inventory},
    exit::Exit,
    resolve::{self, Action, Plan, Update},
    store::directories,
};

/// Arguments of `ampup check`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The components to check [default: all that are active or pinned]
    #[arg(value_parser = requests::name)]
    pub names: Vec<ComponentName>,
}

/// One line for each active component: up to date as far as everybody could be asked, or what `update` would install. Exit
/// code 100 exactly when `update` would change something; like that, it asks for a newer registry first. What `update` could
/// not install is held back, and the reason is told; so is what the builders have that the registry does not have yet. A
/// registry that is not proven is a warning: `update` ends with it, and what is known already is told here.
///
/// # Errors
/// When there is no registry, or a named component is neither active nor pinned by the project.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    // In a home that is not ours nothing can be kept, and `update` would fail.
    let refused = if directories::ensure_writable(&session.layout).is_ok() {
        session.refresh_or_warn()?
    } else {
        session.skip_refresh()?;
        None
    };
    session.warn_of_age()?;
    let inventory = session.inventory()?;
    // A pin is judged below, also where nothing of the component is active.
    let by_pin = pinned::inactive(&args.names, &inventory, session)?;
    let names = args.names.iter().filter(|name| !by_pin.contains(name));
    let names: Vec<ComponentName> = names.cloned().collect();
    let (survey, updates) = if names.is_empty() && !by_pin.is_empty() {
        (Survey::default(), Vec::new())
    } else {
        (
            upstream::news(&names, &inventory, &How::default(), session)?,
            resolve::update(session.registry()?, &inventory, &session.host()?, &names, false)?,
        )
    };
    let groups = updates.iter().filter_map(|update| match update {
        Update::Available { plan, .. } => Some(plan.clone()),
        Update::UpToDate { .. } | Update::Pinned { .. } => None,
    });
    let plan = Plan::of(groups.collect());
    let hindered = hindered(&plan, session)?;
    let mut exit = Exit::Done;
    let mut data = String::new();
    let mut rows = Vec::new();
    let mut talk = Vec::new();
    for update in &updates {
        let (components, from, to, word) = match update {
            Update::Available { from, plan } => {
                let is_hindered = hindered
                    .iter()
                    .any(|(components, _)| components.contains(&plan.components[0]));
                let word = if is_hindered || refused.is_some() {
                    "held back"
                } else {
                    exit = Exit::UpdatesAvailable;
                    "update available"
                };
                (&plan.components, from, Some(&plan.candidates[0].version), word)
            }
            Update::UpToDate {
                components, version, ..
            } => (components, version, None, "up to date"),
            // A project's pins are another thing.
            Update::Pinned { components, version } => (components, version, None, "exact version"),
        };
        for name in components {
            let style = session.style(name)?;
            let found = standing::of_active(name, from, &survey, &inventory, session)?;
            let word = match (word, &found.standing) {
                ("up to date", Standing::HeldBack) => "held back",
                ("up to date", Standing::Unknown(_)) => UNKNOWN,
                (word, _) => word,
            };
            data += &match to {
                Some(to) => format!(
                    "{name} - {}: {} -> {}{}\n",
                    paint::notable(word),
                    style.show(from),
                    style.show(to),
                    if is_here(update) {
                        ", which is installed"
                    } else {
                        ""
                    }
                ),
                None => {
                    // "no newer build known: 18.6" would be said of 18.6 itself.
                    let than = if word == UNKNOWN { " than" } else { ":" };
                    format!("{name} - {word}{than} {}\n", style.show(from))
                }
            };
            talk.extend(found.lines());
            let beyond = found.beyond.as_ref().map(|(_, json)| json);
            let reason = hindered.iter().find(|(components, _)| components.contains(name));
            let reason = reason.map(|(_, error)| error);
            let reason = reason.or(refused.as_ref().filter(|_| to.is_some()));
            rows.push(json!({
                "name": name, "state": word, "version": from, "available": to, "concerns": concerns::json(&found.concerns),
                "reason": reason.map(Error::json), "upstream": beyond,
            }));
        }
    }
    let is_named = |name: &ComponentName| args.names.is_empty() || args.names.contains(name);
    talk.extend(pinned::talk(is_named, &inventory, session)?);
    let pins = judge_pins(is_named, &inventory, session, &mut talk)?;
    for (_, error) in &hindered {
        let mut lines = error.lines();
        lines[0] = lines[0].replacen("error: ", "held back: ", 1);
        talk.extend(lines);
    }
    let advice = refused.as_ref().and_then(Error::hint);
    talk.extend(advice.map(|hint| super::advice::line(&hint)));
    talk.extend(installed::unknown(&args.names, &inventory, session.registry()?));
    talk.extend(installed::nothing(&inventory, !updates.is_empty()));
    // Those who could not be asked were told of.
    if session.is_offline() || session.require_pinned().is_some() {
        talk.extend(survey.unasked.iter().map(|one| one.why.clone()));
    }
    let unasked: Vec<&str> = survey.unasked.iter().map(|one| one.why.as_str()).collect();
    let json = json!({ "components": rows, "pins": pins, "not_asked": unasked });
    Ok(Outcome {
        exit,
        talk,
        ..Outcome::prose(data, json)
    })
}

/// Judges what the project pins: adds to `talk` what was not told of what is active, and gives a row for each pin.
fn judge_pins(
    is_named: impl Fn(&ComponentName) -> bool,
    inventory: &Inventory,
    session: &Session,
    talk: &mut Vec<String>,
) -> Result<Vec<Value>, Error> {
    let judged = pinned::all_concerns(&is_named, inventory, session)?;
    let mut pins = Vec::new();
    for (chosen, concerns) in &judged {
        let (name, tree) = (&chosen.component, &chosen.tree);
        talk.extend(chosen.told_beside_active(concerns, inventory, session)?);
        let is_told = inventory.is_active(name, tree) || inventory.tree(name, tree).is_none();
        if concerns.is_empty() && !is_told {
            let shown = session.shown(name, tree, inventory)?;
            talk.push(format!("{name} {shown} has every security fix that is known"));
        }
        pins.push(json!({
            "name": name, "version": tree.to_string(), "pin": chosen.by.json(),
            "installed": inventory.tree(name, tree).is_some(), "concerns": concerns::json(concerns),
        }));
    }
    // The registry has nothing that these mean.
    let in_file = session.pins()?;
    for (file, pin) in in_file
        .iter()
        .flat_map(|file| file.pins.iter().map(move |pin| (file, pin)))
    {
        if is_named(&pin.name) && judged.iter().all(|(chosen, _)| chosen.component != pin.name) {
            pins.push(json!({
                "name": pin.name, "version": null, "pin": Chooser::of_pin(file, pin).json(), "installed": false,
                "concerns": [],
            }));
        }
    }
    Ok(pins)
}

/// The word for a component of which somebody who may have a newer build was not asked.
const UNKNOWN: &str = "no newer build known";

/// Returns true if an update would fetch nothing.
fn is_here(update: &Update) -> bool {
    match update {
        Update::Available { plan, .. } => plan
            .candidates
            .iter()
            .flat_map(|candidate| &candidate.steps)
            .all(|step| !matches!(step.action, Action::Acquire(_))),
        Update::UpToDate { .. } | Update::Pinned { .. } => false,
    }
}
