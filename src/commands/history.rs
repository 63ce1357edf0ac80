//! `ampup history`: the generations of the active set.

use std::{fmt::Write as _, io};

use serde_json::json;

use super::{Error, Outcome, Session};
use crate::{
    domain::Inventory,
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
    let mut data = String::new();
    let mut rows = Vec::new();
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
        let mut holds = Vec::new();
        for (component, tree) in &generation.set.components {
            holds.push(format!(
                "{component} {}",
                session.style(component)?.show(tree.version())
            ));
        }
        let mark = if active { "*" } else { " " };
        let made = generation
            .record
            .made
            .split('.')
            .next()
            .unwrap_or_default()
            .trim_end_matches('Z')
            .replace('T', " ");
        let _ = writeln!(
            data,
            "{mark} {number:<3} {made:19} {}  `{}`",
            holds.join(", "),
            generation.record.command
        );
        for spec in &missing {
            let _ = writeln!(data, "      incomplete; `ampup install {spec}` completes it");
        }
        rows.push(json!({
            "number": number, "active": active, "made": generation.record.made, "command": generation.record.command,
            "before": generation.record.before, "missing": missing,
            "components": generation.set.components.iter()
                .map(|(component, tree)| (component.to_string(), tree.to_string().into()))
                .collect::<serde_json::Map<_, _>>(),
        }));
    }
    Ok(Outcome::answer(data, json!({ "generations": rows })))
}

/// Lists, as specs, the versions that a generation names and the store no longer has.
pub(super) fn missing(inventory: &Inventory, generation: &Generation) -> Vec<String> {
    generation
        .set
        .components
        .iter()
        .filter(|(component, tree)| inventory.tree(component, tree).is_none())
        .map(|(component, tree)| format!("{component}@{tree}"))
        .collect()
}
