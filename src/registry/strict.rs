//! A manifest read strictly, for whoever writes one: every mistake, where it is, and what would be right. Clients are lenient
//! and skip what they do not know; here nothing is skipped. The rules are those of `registry/schema.json`, and the few that
//! it cannot say.

mod days;
mod meaning;
mod releases;
mod schema;
mod skipped;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::Value;

use super::unique::{self, JsonError};

/// One mistake of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where: a JSON path, such as `$.components.hello.releases[0].version`.
    pub path: String,
    /// The text, which says what is wrong and what would be right.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.text)
    }
}

/// Every mistake of a manifest; none when it is right.
pub fn mistakes(document: &[u8]) -> Vec<Mistake> {
    let (text, manifest) = match read(document) {
        Ok(read) => read,
        Err(mistake) => return vec![mistake],
    };
    let mut mistakes = losing(text, &manifest);
    let harmless = [releases::mistakes(&manifest), days::mistakes(&manifest)].concat();
    add(harmless, &mut mistakes);
    mistakes
}

/// The mistakes for which a client may leave something out, or take another version than was meant.
pub fn mistakes_that_hide(document: &[u8]) -> Vec<Mistake> {
    match read(document) {
        Ok((text, manifest)) => losing(text, &manifest),
        Err(mistake) => vec![mistake],
    }
}

fn losing(text: &str, manifest: &Value) -> Vec<Mistake> {
    let mut mistakes = schema::mistakes(manifest);
    add(meaning::mistakes(manifest), &mut mistakes);
    let skipped = skipped::mistakes(text, manifest, &mistakes);
    mistakes.extend(skipped);
    mistakes
}

/// Adds those of places of which nothing is said yet.
fn add(more: Vec<Mistake>, mistakes: &mut Vec<Mistake>) {
    let is_new = |one: &Mistake| mistakes.iter().all(|other| other.path != one.path);
    let more: Vec<Mistake> = more.into_iter().filter(is_new).collect();
    mistakes.extend(more);
}

fn read(document: &[u8]) -> Result<(&str, Value), Mistake> {
    let top = |text: String| Mistake::at("$", text);
    let text =
        std::str::from_utf8(document).map_err(|_| top("not valid JSON: it is not UTF-8".to_owned()))?;
    unique::ensure_unique(text).map_err(|cause| top(cause.to_string()))?;
    let manifest = serde_json::from_str(text).map_err(|cause| top(JsonError::from(cause).to_string()))?;
    Ok((text, manifest))
}

/// The artifacts of a manifest, each with its JSON path.
pub fn artifacts(manifest: &Value) -> impl Iterator<Item = (String, &Value)> {
    components(manifest).flat_map(|(name, component)| {
        let releases = list(component, "releases").enumerate();
        releases.flat_map(move |(number, release)| {
            let artifacts = list(release, "artifacts").enumerate();
            artifacts.map(move |(index, artifact)| {
                let path = format!("$.components.{name}.releases[{number}].artifacts[{index}]");
                (path, artifact)
            })
        })
    })
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

impl Mistake {
    fn at(path: &str, text: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            text: text.into(),
        }
    }
}
