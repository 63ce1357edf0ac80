//! `ampup why`: why a component is at the version that it is at.

use std::{fmt::Write as _, io};

use serde_json::json;

use super::{Error, Outcome, Session};
use crate::{
    domain::{ComponentName, Inventory, TreeName},
    store::{
        generation::{self, Generation},
        receipt::Receipt,
    },
};

/// Arguments of `ampup why`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The component
    pub name: ComponentName,
}

/// Shows what was requested, which command made this version the active one and when, and where its bytes came from.
///
/// # Errors
/// When the component is not installed.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let name = &args.name;
    let inventory = session.inventory()?;
    let style = session.style(name)?;
    let others: Vec<String> = inventory
        .trees(name)
        .iter()
        .filter(|tree| !inventory.is_active(name, &tree.name))
        .map(|tree| style.show(tree.name.version()))
        .collect();
    let Some(tree) = inventory.active.components.get(name) else {
        return Err(not_active(name, &others, session)?);
    };
    let mut data = format!("{name} {} is active\n", style.show(tree.version()));
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(data, "{label:12}{value}");
    };
    let request = inventory.active.requests.get(name);
    line(
        "asked for",
        &asked(name, request.map(ToString::to_string), session)?,
    );
    let maker = maker(&inventory, name, tree, session)?;
    if let Some(maker) = &maker {
        let (made, command) = (&maker.record.made, &maker.record.command);
        line("since", &format!("generation {}, {made}", maker.number));
        line("by", &format!("`{command}`"));
    }
    let receipt = Receipt::read(&session.layout.tree(name, tree), name, tree.version());
    match &receipt {
        Ok(receipt) => {
            line("built by", receipt.provider.as_str());
            line("from", &receipt.source.to_string());
            line("digest", &receipt.digest.to_string());
            line(
                "installed",
                &format!("{}, by ampup {}", receipt.installed, receipt.ampup),
            );
        }
        Err(why) => line(
            "installed",
            &format!("unknown: {why}; `ampup verify --repair {name}`"),
        ),
    }
    if !others.is_empty() {
        line("also here", &others.join(", "));
    }
    let json = json!({
        "name": name, "version": tree.to_string(), "request": request,
        "generation": maker.as_ref().map(|maker| maker.number),
        "made": maker.as_ref().map(|maker| &maker.record.made),
        "command": maker.as_ref().map(|maker| &maker.record.command),
        "receipt": receipt.as_ref().ok(), "inactive": others,
    });
    Ok(Outcome::answer(data, json))
}

/// Describes the request that `update` follows.
fn asked(name: &ComponentName, request: Option<String>, session: &Session) -> Result<String, Error> {
    if let Some(request) = request {
        return Ok(format!("`{name}@{request}`"));
    }
    let default = session.registry()?.component(name).map(|component| {
        let requirement = component.default_requirement.as_ref();
        let requirement = requirement.map(|requirement| format!(", `{requirement}`"));
        format!("{}{}", component.default_channel, requirement.unwrap_or_default())
    });
    Ok(match default {
        Some(default) => format!("`{name}` alone, which means {default}"),
        None => format!("`{name}` alone"),
    })
}

/// The oldest generation since which this version was active without a break, as far as they are kept.
fn maker(
    inventory: &Inventory,
    name: &ComponentName,
    tree: &TreeName,
    session: &Session,
) -> Result<Option<Generation>, Error> {
    let failed = |source| Error::Store {
        action: "read",
        source,
    };
    let kept = generation::numbers(&session.layout).map_err(failed)?;
    let mut maker = None;
    let mut next = inventory.generation;
    while let Some(number) = next.filter(|number| kept.contains(number)) {
        let generation = match generation::read(&session.layout, number) {
            // Dropped since the numbers were read.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => break,
            read => read.map_err(failed)?,
        };
        if generation.set.components.get(name) != Some(tree) {
            break;
        }
        // A damaged record may name any number; only an older one was before.
        next = generation.record.before.filter(|before| *before < number);
        maker = Some(generation);
    }
    Ok(maker)
}

fn not_active(name: &ComponentName, others: &[String], session: &Session) -> Result<Error, Error> {
    if let Some(other) = others.last() {
        return Ok(Error::NotFound {
            message: format!(
                "{name} is installed ({}), and no version of it is active",
                others.join(", ")
            ),
            hint: format!("`ampup use {name}@{other}`"),
        });
    }
    session.registry()?.require(name)?;
    Ok(Error::NotFound {
        message: format!("{name} is not installed"),
        hint: format!("`ampup install --component {name}`"),
    })
}
