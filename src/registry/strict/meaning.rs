//! Checks of components, and of every text, that a schema cannot express.

use std::collections::BTreeMap;

use semver::Version;
use serde_json::Value;

use super::{Mistake, components, list};
use crate::{
    domain::{Channel, Requirement},
    registry::manifest,
};

/// The registry that ampup itself comes from.
const OURS: &str = "amp";

/// Every mistake that the schema lets pass.
pub(super) fn mistakes(manifest: &Value) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    executables(manifest, &mut mistakes);
    own_component(manifest, &mut mistakes);
    acceptances(manifest, &mut mistakes);
    defaults(manifest, &mut mistakes);
    texts(manifest, "$", &mut mistakes);
    mistakes
}

/// An executable belongs to one component, and `ampup` to ampup.
fn executables(manifest: &Value, mistakes: &mut Vec<Mistake>) {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, component) in components(manifest) {
        let listed = component.get("executables").and_then(Value::as_array);
        let listed: Vec<&str> = listed.into_iter().flatten().filter_map(Value::as_str).collect();
        for (index, executable) in listed.iter().enumerate() {
            let path = format!("$.components.{name}.executables[{index}]");
            if *executable == "ampup" && name != "ampup" {
                mistakes.push(Mistake::at(&path, "`ampup` belongs to the component ampup alone"));
            }
            if let Some(owner) = owners.insert(executable, name).filter(|owner| *owner != name) {
                mistakes.push(Mistake::at(
                    &path,
                    format!(
                        "`{executable}` belongs to `{owner}` already; an executable belongs to one component"
                    ),
                ));
            }
        }
    }
}

/// ampup itself comes from its own registry alone; a client leaves out what another says of it.
fn own_component(manifest: &Value, mistakes: &mut Vec<Mistake>) {
    let is_ours = manifest.get("registry").and_then(Value::as_str) == Some(OURS);
    if !is_ours && components(manifest).any(|(name, _)| name == "ampup") {
        mistakes.push(Mistake::at(
            "$.components.ampup",
            format!(
                "only the registry `{OURS}` provides ampup: remove this component, or give it another name"
            ),
        ));
    }
}

/// The acceptance of PostgreSQL makes a cluster and starts it.
fn acceptances(manifest: &Value, mistakes: &mut Vec<Mistake>) {
    let of_postgres = components(manifest).filter(|(_, component)| component["acceptance"] == "postgres");
    for (name, component) in of_postgres {
        for program in ["initdb", "postgres"] {
            if !list(component, "executables").any(|one| one == program) {
                mistakes.push(Mistake::at(
                    &format!("$.components.{name}.executables"),
                    format!("the acceptance `postgres` runs `{program}`, which is missing here"),
                ));
            }
        }
    }
}

/// Without a version, somebody gets a release of the default channel that meets the default requirement.
fn defaults(manifest: &Value, mistakes: &mut Vec<Mistake>) {
    for (name, component) in components(manifest) {
        let path = format!("$.components.{name}.default");
        let default = component.pointer("/default/channel").and_then(Value::as_str);
        let mut channels: Vec<&str> = list(component, "releases")
            .filter_map(|release| release.get("channel")?.as_str())
            .collect();
        channels.sort_unstable();
        channels.dedup();
        let is_released = default.is_some_and(|default| channels.contains(&default));
        if let Some(default) = default.filter(|_| !channels.is_empty() && !is_released) {
            mistakes.push(Mistake::at(
                &format!("{path}.channel"),
                format!(
                    "no release is of the channel `{default}`; there is `{}`",
                    channels.join("`, `")
                ),
            ));
        }
        let requirement = component.pointer("/default/requirement").and_then(Value::as_str);
        let Some(requirement) = requirement else { continue };
        let fault = match requirement.parse::<Requirement>() {
            Err(cause) => Some(cause.to_string()),
            Ok(wanted) => default
                .filter(|_| is_released)
                .and_then(|channel| unmet(&wanted, channel.parse().ok()?, component)),
        };
        mistakes.extend(fault.map(|fault| Mistake::at(&format!("{path}.requirement"), fault)));
    }
}

/// Says that no release of the default channel meets the default requirement, where none does.
fn unmet(wanted: &Requirement, channel: Channel, component: &Value) -> Option<String> {
    let mut newest: Option<Version> = None;
    for release in list(component, "releases").filter(|release| release["channel"] == channel.as_str()) {
        let version: Version = release["version"].as_str()?.parse().ok()?;
        let tags = list(release, "tags").filter_map(|tag| tag.as_str().map(str::to_owned));
        if wanted.matches(&version, channel, &tags.collect::<Vec<_>>(), channel) {
            return None;
        }
        newest = newest.max(Some(version));
    }
    let newest = newest?;
    Some(format!(
        "no release of the channel `{channel}` is `{wanted}`; the newest is `{newest}`"
    ))
}

/// Text is shown on terminals, which control characters would command, and an address is read by everybody who has the registry.
fn texts(value: &Value, path: &str, mistakes: &mut Vec<Mistake>) {
    match value {
        Value::String(text) => {
            if let Some(sign) = text.chars().find(|sign| manifest::is_harmful(*sign)) {
                mistakes.push(Mistake::at(
                    path,
                    format!("it holds the control character `{}`", sign.escape_unicode()),
                ));
            }
            let authority = text
                .strip_prefix("https://")
                .and_then(|rest| rest.split(['/', '?', '#']).next());
            if authority.is_some_and(|authority| authority.contains('@')) {
                mistakes.push(Mistake::at(
                    path,
                    "it holds a user name or a password, which everybody reads who has the registry; leave out all from `//` to `@`",
                ));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                texts(item, &format!("{path}[{index}]"), mistakes);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                texts(field, &format!("{path}.{name}"), mistakes);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
