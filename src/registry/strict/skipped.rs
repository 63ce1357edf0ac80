//! The general rule: whatever a client would skip is a mistake. A client's own reader is asked, for what no other check found.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{Mistake, components, list};
use crate::{
    distributions::Distributions,
    domain::{Artifact, Component, Line, ReleaseOrigin, Security},
    registry::Registry,
};

/// Everything that a client would skip, beside what was `found` already.
pub(super) fn mistakes(document: &str, manifest: &Value, found: &[Mistake]) -> Vec<Mistake> {
    let mut reading = Reading {
        found,
        mistakes: Vec::new(),
    };
    if let Err(why) = Registry::parse(document.as_bytes()) {
        reading.skipped("$", "document", Some(why.to_string()));
    }
    reading.part::<Distributions>(manifest.get("distributions"), "$.distributions", "list");
    for (name, component) in components(manifest) {
        let path = format!("$.components.{name}");
        match alone(name, component, manifest) {
            Some(read) => reading.component(component, &read, &path),
            None => reading.skipped(&path, "component", None),
        }
    }
    reading.mistakes
}

/// A component as a client reads it where there is no other.
fn alone(name: &str, component: &Value, manifest: &Value) -> Option<Component> {
    let components = Map::from_iter([(name.to_owned(), component.clone())]);
    let document = json!({
        "schema": 1, "registry": manifest["registry"], "serial": 1, "issued": "", "components": components,
    });
    let registry = Registry::parse(document.to_string().as_bytes()).ok()?;
    registry.components.into_values().next()
}

/// The manifest as a client reads it.
struct Reading<'a> {
    found: &'a [Mistake],
    mistakes: Vec<Mistake>,
}

impl Reading<'_> {
    fn component(&mut self, component: &Value, read: &Component, path: &str) {
        for (index, line) in list(component, "lines").enumerate() {
            self.part::<Line>(Some(line), &format!("{path}.lines[{index}]"), "line");
        }
        for (index, origin) in list(component, "origins").enumerate() {
            self.part::<ReleaseOrigin>(Some(origin), &format!("{path}.origins[{index}]"), "origin");
        }
        for (index, release) in list(component, "releases").enumerate() {
            self.release(release, read, &format!("{path}.releases[{index}]"));
        }
    }

    fn release(&mut self, release: &Value, component: &Component, path: &str) {
        let read: Vec<_> = match release["version"].as_str().unwrap_or_default().parse() {
            Ok(version) => component
                .releases
                .iter()
                .filter(|one| one.version == version)
                .collect(),
            Err(cause) => {
                return self.skipped(&format!("{path}.version"), "release", Some(cause.to_string()));
            }
        };
        if read.is_empty() {
            return self.skipped(path, "release", None);
        }
        self.part::<Security>(release.get("security"), &format!("{path}.security"), "field");
        for (index, artifact) in list(release, "artifacts").enumerate() {
            let path = format!("{path}.artifacts[{index}]");
            if let Some(artifact) = self.part::<Artifact>(Some(artifact), &path, "artifact")
                && !read.iter().any(|release| release.artifacts.contains(&artifact))
            {
                self.skipped(&path, "artifact", None);
            }
        }
    }

    /// Reads a part of the manifest, which a client that cannot read it skips.
    fn part<T: DeserializeOwned>(&mut self, value: Option<&Value>, path: &str, what: &str) -> Option<T> {
        // From text, as a client does: the same from values would be in the program twice.
        match serde_json::from_str(&value?.to_string()) {
            Ok(part) => Some(part),
            Err(cause) => {
                let why = cause.to_string();
                // The line is that of this text.
                let why = why.split(" at line ").next().unwrap_or_default();
                self.skipped(path, what, Some(why.to_owned()));
                None
            }
        }
    }

    fn skipped(&mut self, path: &str, what: &str, why: Option<String>) {
        let is_within = |one: &Mistake| {
            let rest = one.path.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if !self.found.iter().any(is_within) {
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            self.mistakes.push(Mistake::at(
                path,
                format!("a client cannot read this {what}, and skips it{why}"),
            ));
        }
    }
}
