//! Checks of releases and their artifacts that a schema cannot express.

use std::collections::BTreeMap;

use semver::Version;
use serde_json::Value;

use super::{Mistake, components, list};
use crate::domain::Requirement;

/// Every mistake in releases that the schema lets pass.
pub(super) fn mistakes(manifest: &Value) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (name, component) in components(manifest) {
        order(name, component, &mut mistakes);
        tags(name, component, &mut mistakes);
        for (index, release) in list(component, "releases").enumerate() {
            let path = format!("$.components.{name}.releases[{index}]");
            artifacts(release, component, &path, &mut mistakes);
        }
        for (index, origin) in list(component, "origins").enumerate() {
            let targets = origin.get("targets").and_then(Value::as_object);
            for (target, platform) in targets.into_iter().flatten() {
                let path = format!("$.components.{name}.origins[{index}].targets.{target}.needs");
                needs(target, &platform["needs"], &path, &mut mistakes);
            }
        }
    }
    mistakes
}

/// A version is there once, and the newest stands first.
fn order(name: &str, component: &Value, mistakes: &mut Vec<Mistake>) {
    let mut known: Vec<&str> = Vec::new();
    for (index, release) in list(component, "releases").enumerate() {
        let Some(version) = release["version"].as_str() else {
            continue;
        };
        let path = format!("$.components.{name}.releases[{index}].version");
        let before = known.last().copied();
        if known.contains(&version) {
            mistakes.push(Mistake::at(&path, "this version is there already"));
        } else if let Some(before) = before.filter(|before| is_older(before, version)) {
            mistakes.push(Mistake::at(
                &path,
                format!(
                    "`{version}` stands below `{before}`, which is older; the newest release comes first"
                ),
            ));
        }
        known.push(version);
    }
}

fn is_older(one: &str, other: &str) -> bool {
    let version = |text: &str| text.parse::<Version>().ok();
    version(one)
        .zip(version(other))
        .is_some_and(|(one, other)| one.cmp_precedence(&other).is_lt())
}

/// A tag names one release, and is nothing that a request means in another way.
fn tags(name: &str, component: &Value, mistakes: &mut Vec<Mistake>) {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for (number, release) in list(component, "releases").enumerate() {
        let version = release["version"].as_str().unwrap_or_default();
        for (index, tag) in list(release, "tags").enumerate() {
            let Some(tag) = tag.as_str() else { continue };
            let owner = owners.insert(tag, version).filter(|owner| *owner != version);
            let taken = owner.map(|owner| format!("`{owner}` has this tag already; a tag names one release"));
            if let Some(fault) = taken.or_else(|| tag_fault(tag, version)) {
                let path = format!("$.components.{name}.releases[{number}].tags[{index}]");
                mistakes.push(Mistake::at(&path, fault));
            }
        }
    }
}

/// Says what a request for a tag means in place of the release that has it.
fn tag_fault(tag: &str, version: &str) -> Option<String> {
    if tag == version {
        return Some("it is the version itself, which needs no tag; leave it out".to_owned());
    }
    let meant = match tag.parse().ok()? {
        Requirement::Tag(_) => return None,
        Requirement::Exact(meant) if meant.to_string() == version => return None,
        Requirement::Exact(meant) => format!("the version {meant}"),
        Requirement::Prefix(..) | Requirement::Range(_) => "every version that begins so".to_owned(),
        Requirement::Channel(channel) => format!("the channel `{channel}`"),
        Requirement::Latest => "the newest version".to_owned(),
    };
    Some(format!(
        "a request for `{tag}` means {meant}, and never this tag; leave it out"
    ))
}

/// An artifact of one target, provider and kind of source is there once.
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
        let target = artifact["target"].as_str().unwrap_or_default();
        needs(target, &artifact["needs"], &format!("{path}.needs"), mistakes);
        executables(artifact, component, &path, mistakes);
    }
}

/// A name in `bin` is an executable of the component, and its path lies below the root.
fn executables(artifact: &Value, component: &Value, path: &str, mistakes: &mut Vec<Mistake>) {
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
                format!("`{executable}` is not among the component's `executables`, so it cannot be found"),
            ));
        }
    }
}

/// A host has the system of its target, and needs no version of another.
fn needs(target: &str, needs: &Value, path: &str, mistakes: &mut Vec<Mistake>) {
    for (field, system) in [("glibc", "-linux-gnu"), ("macos", "-apple-darwin")] {
        if needs.get(field).is_some() && !target.ends_with(system) {
            mistakes.push(Mistake::at(
                &format!("{path}.{field}"),
                format!("only a target `…{system}` has it, and this is `{target}`; leave it out"),
            ));
        }
    }
}
