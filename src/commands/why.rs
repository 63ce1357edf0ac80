//! `ampup why`: why a component is at the version that it is at, an executable is the one that runs, or a setting has its
//! value.

mod path;
mod setting;

use std::{fmt::Write as _, io};

use camino::Utf8PathBuf;
use serde_json::json;

use self::setting::Setting;
use super::{
    Error, Outcome, Session,
    installed::executable_in,
    pinned::{self, Chooser, Chosen},
    requests, times,
};
use crate::{
    domain::{ComponentName, Inventory, TreeName},
    resolve::ResolveError,
    store::{
        check,
        generation::{self, Generation},
        receipt::Receipt,
    },
};

/// Arguments of `ampup why`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// A component, one of its executables, or a setting such as `mirror`
    #[arg(value_name = "COMPONENT|EXECUTABLE|SETTING")]
    pub name: String,
}

/// The subject of the question.
enum Subject {
    Component(ComponentName),
    /// One of the executables of a component.
    Executable(ComponentName, String),
    Setting(Setting),
}

/// Shows which request, pin or default decides, and what it wins over; which command made this version the active one and
/// when; where its bytes came from; and what else of that name is on PATH.
///
/// # Errors
/// When nothing has that name, or the component is not installed.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let inventory = session.inventory()?;
    match subject(&args.name, &inventory, session)? {
        Subject::Component(name) => why(&name, None, &inventory, session),
        Subject::Executable(name, executable) => why(&name, Some(&executable), &inventory, session),
        Subject::Setting(setting) => setting::why(setting, session),
    }
}

fn subject(word: &str, inventory: &Inventory, session: &Session) -> Result<Subject, Error> {
    let registry = session.registry()?;
    let name: Option<ComponentName> = requests::name(word).ok();
    if let Some(name) = &name
        && (registry.component(name).is_some() || !inventory.trees(name).is_empty())
    {
        return Ok(Subject::Component(name.clone()));
    }
    if let Some(setting) = Setting::named(word) {
        return Ok(Subject::Setting(setting));
    }
    let (pinned, _) = pinned::installed(inventory, session)?;
    let pinned = pinned.iter().map(|chosen| (&chosen.component, &chosen.tree));
    let mut trees = pinned.chain(&inventory.active.components);
    if let Some((component, _)) =
        trees.find(|(component, tree)| executable_in(&session.layout.tree(component, tree), word).is_some())
    {
        return Ok(Subject::Executable(component.clone(), word.to_owned()));
    }
    if let Some(name) = name {
        // There is none of that name: the nearest are told.
        registry.require(&name)?;
    }
    Err(Error::NotFound {
        message: format!("there is no component, executable or setting `{word}`"),
        hint: "`ampup list` shows what is installed".to_owned(),
    })
}

fn why(
    name: &ComponentName,
    executable: Option<&str>,
    inventory: &Inventory,
    session: &Session,
) -> Result<Outcome, Error> {
    let (pinned, missing) = pinned::installed(inventory, session)?;
    let pin = pinned.into_iter().find(|chosen| chosen.component == *name);
    let missing = missing.into_iter().find(|pin| pin.name == *name);
    let missing = missing.zip(session.pins()?);
    let missing = missing.map(|(pin, pins)| Chooser::of_pin(pins, pin));
    let active = inventory.active.components.get(name);
    let tree = pin.as_ref().map(|chosen| &chosen.tree).or(active);
    let others: Vec<String> = inventory
        .trees(name)
        .iter()
        .filter(|other| Some(&other.name) != tree)
        .map(|other| session.shown(name, &other.name, inventory))
        .collect::<Result<_, _>>()?;
    let Some(tree) = tree else {
        return Err(match &missing {
            Some(by) => by.not_installed(name),
            None => not_active(name, inventory, session)?,
        });
    };
    let shown = session.shown(name, tree, inventory)?;
    let mut data = match pin {
        Some(_) => format!("{name} {shown} is used in this project\n"),
        None => format!("{name} {shown} is active\n"),
    };
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(data, "{label:12}{value}");
    };
    let by = pin.as_ref().map(|chosen| &chosen.by).or(missing.as_ref());
    let mut chain = chain(name, pin.as_ref(), inventory, session)?;
    if let Some(Chooser::Pin { requirement, .. }) = &missing
        && let Some(by) = &missing
    {
        let value = format!("`{name}@{requirement}`, {by}: not installed; `ampup install` installs it");
        chain.insert(0, ("pinned", value));
    }
    for (label, value) in &chain {
        line(label, value);
    }
    let maker = match active {
        Some(active) if active == tree => maker(inventory, name, tree, session)?,
        _ => None,
    };
    if let Some(maker) = &maker {
        let (made, command) = (times::local(&maker.record.made), &maker.record.command);
        line("activated", &format!("{made}, by `{command}`"));
    }
    let directory = session.layout.tree(name, tree);
    let receipt = Receipt::read(&directory, name, tree.version());
    match &receipt {
        Ok(receipt) => {
            line("built by", receipt.provider.as_str());
            line("from", &receipt.source.to_string());
            line("digest", &receipt.digest.to_string());
            if let Some(by) = &receipt.stated_by {
                line("stated by", by);
            }
            line(
                "installed",
                &format!("{}, by ampup {}", times::local(&receipt.installed), receipt.ampup),
            );
        }
        Err(why) => line(
            "installed",
            &format!("unknown: {why}; `ampup verify --repair {name}`"),
        ),
    }
    let path: Utf8PathBuf = match executable {
        Some(executable) => executable_in(&directory, executable).unwrap_or_else(|| directory.clone()),
        None => directory.clone(),
    };
    line("path", path.as_str());
    let gone = check::gone(&session.layout, name, tree);
    if let Some(gone) = &gone {
        line("gone", &format!("{gone}: {}", gone.remedy()));
    }
    if !others.is_empty() {
        line("beside it", &others.join(", "));
    }
    let copies = path::other_copies(name, executable, session)?;
    for copy in &copies {
        line("on PATH", &copy.to_string());
    }
    let request = inventory.active.requests.get(name);
    let chain: Vec<_> = chain
        .iter()
        .map(|(label, value)| json!({ "by": label, "value": value }))
        .collect();
    let copies: Vec<_> = copies
        .iter()
        .map(|copy| json!({ "path": copy.path, "first": copy.is_first }))
        .collect();
    let json = json!({
        "name": name, "version": tree.to_string(), "request": request,
        "pin": by.map(Chooser::json), "chain": chain,
        "generation": maker.as_ref().map(|maker| maker.number),
        "made": maker.as_ref().map(|maker| &maker.record.made),
        "command": maker.as_ref().map(|maker| &maker.record.command),
        "receipt": receipt.as_ref().ok(), "path": path, "inactive": others, "on_path": copies,
        "gone": gone.map(|gone| gone.target),
    });
    Ok(Outcome::prose(data, json))
}

/// Everything that has a say in the version; the first decides.
fn chain(
    name: &ComponentName,
    pin: Option<&Chosen>,
    inventory: &Inventory,
    session: &Session,
) -> Result<Vec<(&'static str, String)>, Error> {
    let mut chain = Vec::new();
    if let Some(Chosen { by, .. }) = pin
        && let Chooser::Pin { requirement, .. } = by
    {
        chain.push(("pinned", format!("`{name}@{requirement}`, {by}: this decides")));
    }
    let request = inventory.active.requests.get(name);
    let asked = asked(name, request.map(ToString::to_string), session)?;
    chain.push((
        "asked for",
        match (pin, inventory.active.components.get(name)) {
            (Some(_), Some(active)) => {
                let shown = session.shown(name, active, inventory)?;
                format!("{asked}; {shown} is active outside this project")
            }
            (Some(_), None) => return Ok(chain),
            (None, _) => asked,
        },
    ));
    if request.is_some()
        && let Some(default) = default(name, session)?
    {
        chain.push(("default", default));
    }
    Ok(chain)
}

/// Describes the request that `update` follows.
fn asked(name: &ComponentName, request: Option<String>, session: &Session) -> Result<String, Error> {
    if let Some(request) = request {
        return Ok(format!("`{name}@{request}`"));
    }
    Ok(match default(name, session)? {
        Some(default) => format!("`{name}` alone, which means {default}"),
        None => format!("`{name}` alone"),
    })
}

/// The meaning of a request without a version.
fn default(name: &ComponentName, session: &Session) -> Result<Option<String>, Error> {
    Ok(session.registry()?.component(name).map(|component| {
        let requirement = component.default_requirement.as_ref();
        let requirement = requirement.map(|requirement| format!(", `{requirement}`"));
        format!("{}{}", component.default_channel, requirement.unwrap_or_default())
    }))
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

fn not_active(name: &ComponentName, inventory: &Inventory, session: &Session) -> Result<Error, Error> {
    let error = ResolveError::not_active(name, session.style(name)?, inventory);
    let Some(highest) = inventory.trees(name).last() else {
        session.registry()?.require(name)?;
        return Ok(error.into());
    };
    // Another registry may have it, unlike for `update`.
    Ok(Error::NotFound {
        message: error.to_string(),
        hint: session.use_command(name, &highest.name, inventory)?,
    })
}
