//! `ampup list`: what is installed, or what there is.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Error, Outcome, Session, concerns, installed, paint, pinned, pinned::Chosen, requests};
use crate::{
    domain::{Channel, ComponentName, Inventory, version::local_name},
    event::counted,
    registry::concern::Concern,
};

/// Arguments of `ampup list`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The components to list [default: all]
    #[arg(value_parser = requests::name)]
    pub names: Vec<ComponentName>,
    /// List what can be installed on this host: the newest of each major version
    #[arg(long)]
    pub available: bool,
    /// Include ampup itself; with --available, list every version
    #[arg(long)]
    pub all: bool,
}

/// Lists the installed versions by name, the active ones marked; or what the registry has.
///
/// # Errors
/// When the home or the registry cannot be read, or a component is named that is neither here nor in the registry.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let inventory = session.inventory()?;
    for name in &args.names {
        if inventory.trees(name).is_empty() {
            session.component(name)?;
        }
    }
    let mut rows = if args.available {
        available(args, session, &inventory)?
    } else {
        here(args, session, &inventory)?
    };
    let is_named = |name: &ComponentName| args.names.is_empty() || args.names.contains(name);
    rows.retain(|row| is_named(&row.name));
    let (pinned, _) = pinned::installed(&inventory, session)?;
    for row in &mut rows {
        let by = pinned.iter().find(|chosen| row.is(chosen));
        row.pin = by.map(|chosen| chosen.by.json());
    }
    // What is neither active nor pinned here serves nobody; `--json` tells of it too.
    let used = rows
        .iter()
        .filter(|row| row.state == Some("active") || row.pin.is_some());
    let mut talk: Vec<String> = used.flat_map(|row| concerns::lines(&row.concerns)).collect();
    for chosen in &pinned {
        let row = rows.iter().find(|row| row.is(chosen));
        let concerns = row.map_or(&[][..], |row| &row.concerns);
        talk.extend(chosen.raised_here(concerns, session)?);
    }
    talk.extend(pinned::talk(is_named, &inventory, session)?);
    if !args.available && args.names.is_empty() {
        talk.extend(installed::nothing(&inventory, !rows.is_empty()));
    }
    let mut absent = args.names.clone();
    // A pin of which nothing is installed was told, with the command that installs it.
    let is_pinned = |name: &ComponentName| {
        session
            .pins()
            .is_ok_and(|pins| pins.is_some_and(|pins| pins.of(name).is_some()))
    };
    absent.retain(|name| !is_pinned(name) && !rows.iter().any(|row| row.name == *name));
    if !args.available {
        talk.extend(
            absent
                .iter()
                .map(|name| format!("{name} is not installed; `ampup install {name}`")),
        );
    }
    let json = json!({ "components": rows.iter().map(Row::json).collect::<Vec<_>>() });
    let older = if args.all { 0 } else { leave_out_older(&mut rows) };
    if older > 0 {
        talk.push(format!(
            "and {}: `ampup list --available --all`",
            counted(older, "older version")
        ));
    }
    Ok(Outcome {
        talk,
        ..Outcome::prose(table(&rows), json)
    })
}

/// Leaves out what a person who looks for something to install does not want: what is available is the newest of its line. Gives
/// how many there were.
fn leave_out_older(rows: &mut Vec<Row>) -> usize {
    let before = rows.len();
    let mut lines = BTreeSet::new();
    rows.retain(|row| {
        let line = row.line.map(|line| (row.name.clone(), line));
        let is_newest = line.is_none_or(|line| lines.insert(line));
        is_newest || row.state != Some(AVAILABLE)
    });
    before - rows.len()
}

/// The state of what is not installed.
const AVAILABLE: &str = "available";

struct Row {
    name: ComponentName,
    shown: String,
    version: String,
    state: Option<&'static str>,
    concerns: Vec<Concern>,
    /// The releases of a component that follow each other; only of what is listed as available.
    line: Option<(Channel, u64)>,
    /// True if the registry has no build of it for this host.
    is_elsewhere: bool,
    /// A build on this machine, which lies elsewhere.
    is_linked: bool,
    /// The pin of the project here that means it.
    pin: Option<Value>,
}

impl Row {
    /// Returns true if this row is about what was chosen for the project.
    fn is(&self, chosen: &Chosen) -> bool {
        self.name == chosen.component && self.version == chosen.tree.to_string()
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name, "version": self.version, "state": self.state.unwrap_or("installed"),
            "concerns": concerns::json(&self.concerns), "linked": self.is_linked, "pin": self.pin,
        })
    }
}

fn here(args: &Args, session: &Session, inventory: &Inventory) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for (name, trees) in &inventory.trees {
        if is_hidden(name, args) {
            continue;
        }
        for tree in trees.iter().rev() {
            let state = match (&tree.origin, inventory.is_active(name, &tree.name)) {
                (None, _) => Some("damaged"),
                (Some(_), true) => Some("active"),
                (Some(_), false) => None,
            };
            let shown = session.shown(name, &tree.name, inventory)?;
            rows.push(Row {
                name: name.clone(),
                shown,
                version: tree.name.to_string(),
                state,
                concerns: concerns::of_tree(name, &tree.name, inventory, session)?,
                line: None,
                is_elsewhere: false,
                is_linked: local_name(tree.name.version()).is_some(),
                pin: None,
            });
        }
    }
    // The active generation may name a tree that was removed by hand.
    for (name, tree) in &inventory.active.components {
        if inventory.tree(name, tree).is_none() && !is_hidden(name, args) {
            let shown = session.shown(name, tree, inventory)?;
            rows.push(Row {
                name: name.clone(),
                shown,
                version: tree.to_string(),
                state: Some("missing"),
                concerns: Vec::new(),
                line: None,
                is_elsewhere: false,
                is_linked: false,
                pin: None,
            });
        }
    }
    sort(&mut rows, session)?;
    Ok(rows)
}

/// ampup itself is listed only if it was asked for.
fn is_hidden(name: &ComponentName, args: &Args) -> bool {
    name.as_str() == "ampup" && !args.all && !args.names.contains(name)
}

/// By name; but what moves together stands together, the daemon before its client (the shorter name first), as in the
/// contract.
fn sort(rows: &mut [Row], session: &Session) -> Result<(), Error> {
    let registry = session.registry()?;
    let group = |name: &ComponentName| match registry.component(name) {
        Some(component) => component.group.clone(),
        None => name.to_string(),
    };
    rows.sort_by_cached_key(|row| (group(&row.name), row.name.as_str().len(), row.name.clone()));
    Ok(())
}

fn available(args: &Args, session: &Session, inventory: &Inventory) -> Result<Vec<Row>, Error> {
    let target = session.host()?.target;
    let mut rows = Vec::new();
    for component in session.registry()?.components.values() {
        for release in &component.releases {
            let mut artifacts = release.artifacts.iter();
            let is_elsewhere = !artifacts.any(|artifact| Some(artifact.target) == target);
            if is_elsewhere && !args.all {
                continue;
            }
            let tree = inventory.best(&component.name, |origin| origin.version == release.version);
            let state = match tree {
                Some((tree, _)) if inventory.is_active(&component.name, &tree.name) => "active",
                Some(_) => "installed",
                None => AVAILABLE,
            };
            rows.push(Row {
                name: component.name.clone(),
                shown: component.version_style.show(&release.version),
                version: release.version.to_string(),
                state: Some(state),
                concerns: Vec::new(),
                line: Some((release.channel, release.version.major)),
                is_elsewhere,
                is_linked: false,
                pin: None,
            });
        }
    }
    sort(&mut rows, session)?;
    Ok(rows)
}

/// Columns as wide as their longest cell: `postgres 18.4   (active)`.
fn table(rows: &[Row]) -> String {
    let names = rows.iter().map(|row| row.name.as_str().len()).max().unwrap_or(0);
    let versions = rows.iter().map(|row| row.shown.len()).max().unwrap_or(0);
    let line = |row: &Row| {
        let state = row.state.filter(|state| *state != AVAILABLE);
        let notes = [
            row.is_linked.then_some("linked"),
            row.is_elsewhere.then_some("not for this host"),
            row.pin.as_ref().map(|_| "pinned here"),
        ];
        let words: Vec<&str> = state.into_iter().chain(notes.into_iter().flatten()).collect();
        let words = match &words[..] {
            [] => String::new(),
            words => format!("({})", words.join(", ")),
        };
        let state = match state {
            Some("active") => paint::good(&words),
            Some("damaged" | "missing") => paint::bad(&words),
            _ => words,
        };
        format!("{:names$} {:versions$} {state}", row.name, row.shown)
            .trim_end()
            .to_owned()
            + "\n"
    };
    rows.iter().map(line).collect()
}
