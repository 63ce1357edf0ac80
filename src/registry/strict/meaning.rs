//! Checks of a manifest that a schema cannot express.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Mistake;

/// Every mistake that the schema lets pass.
pub(super) fn mistakes(manifest: &Value) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    executables(manifest, &mut mistakes);
    releases(manifest, &mut mistakes);
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
