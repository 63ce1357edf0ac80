//! Checks of a manifest that a schema cannot express.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Mistake;

/// The registry that ampup itself comes from.
const OURS: &str = "amp";

/// Every mistake that the schema lets pass.
pub(super) fn mistakes(manifest: &Value) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    executables(manifest, &mut mistakes);
    own_component(manifest, &mut mistakes);
    defaults(manifest, &mut mistakes);
    releases(manifest, &mut mistakes);
    controls(manifest, "$", &mut mistakes);
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

/// Without a version, somebody gets a release of the default channel.
fn defaults(manifest: &Value, mistakes: &mut Vec<Mistake>) {
    for (name, component) in components(manifest) {
        let default = component.pointer("/default/channel").and_then(Value::as_str);
        let mut channels: Vec<&str> = list(component, "releases")
            .filter_map(|release| release.get("channel")?.as_str())
            .collect();
        channels.sort_unstable();
        channels.dedup();
        if let Some(default) = default.filter(|default| !channels.is_empty() && !channels.contains(default)) {
            mistakes.push(Mistake::at(
                &format!("$.components.{name}.default.channel"),
                format!(
                    "no release is of the channel `{default}`; there is `{}`",
                    channels.join("`, `")
                ),
            ));
        }
    }
}

/// Text is shown on terminals, which control characters would command.
fn controls(value: &Value, path: &str, mistakes: &mut Vec<Mistake>) {
    match value {
        Value::String(text) => {
            if let Some(sign) = text.chars().find(|sign| sign.is_control()) {
                mistakes.push(Mistake::at(
                    path,
                    format!("it holds the control character `{}`", sign.escape_unicode()),
                ));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                controls(item, &format!("{path}[{index}]"), mistakes);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                controls(field, &format!("{path}.{name}"), mistakes);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A version is there once, and so is an artifact of one target, provider and kind of source.
fn releases(manifest: &Value, mistakes: &mut Vec<Mistake>) {
    for (name, component) in components(manifest) {
        let mut versions = Vec::new();
        for (index, release) in list(component, "releases").enumerate() {
            let path = format!("$.components.{name}.releases[{index}]");
            let version = release.get("version");
            if versions.contains(&version) {
                mistakes.push(Mistake::at(
                    &format!("{path}.version"),
                    "this version is there already",
                ));
            }
            versions.push(version);
            artifacts(release, component, &path, mistakes);
        }
    }
}

fn artifacts(release: &Value, component: &Value, path: &str, mistakes: &mut Vec<Mistake>) {
    let mut known = Vec::new();
    for (index, artifact) in list(release, "artifacts").enumerate() {
        let path = format!("{path}.artifacts[{index}]");
        let key = ["/target", "/provider", "/source/kind"].map(|part| artifact.pointer(part));
        if known.contains(&key) {
            mistakes.push(Mistake::at(
                &path,
                "an artifact of this target, provider and kind of source is there already",
            ));
        }
        known.push(key);
        let root = artifact.get("root").and_then(Value::as_str);
        // One that is no directory in an archive is a mistake of its own.
        let root = root.filter(|root| !root.is_empty() && !root.starts_with('/'));
        let bin = artifact.get("bin").and_then(Value::as_object);
        for (executable, at) in bin.into_iter().flatten() {
            let at = at.as_str().unwrap_or_default();
            let is_below =
                root.is_none_or(|root| at.strip_prefix(root).is_some_and(|rest| rest.starts_with('/')));
            let inner = format!("{path}.bin.{executable}");
            if !is_below {
                let root = root.unwrap_or_default();
                mistakes.push(Mistake::at(
                    &inner,
                    format!("`{at}` lies outside the root `{root}`; it is `{root}/…`"),
                ));
            }
            if !list(component, "executables").any(|one| one == executable.as_str()) {
                mistakes.push(Mistake::at(
                    &inner,
                    format!(
                        "`{executable}` is not among the component's `executables`, so it cannot be found"
                    ),
                ));
            }
        }
    }
}

fn components(manifest: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let components = manifest.get("components").and_then(Value::as_object);
    components
        .into_iter()
        .flatten()
        .map(|(name, component)| (name.as_str(), component))
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}
