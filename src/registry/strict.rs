//! A manifest read strictly, for whoever writes one: every mistake, where it is, and what would be right. Clients are lenient
//! and skip what they do not know; here nothing is skipped. The rules are those of `registry/schema.json`, and the few that
//! it cannot say.

mod meaning;
mod schema;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::Value;

use super::unique;

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
    let top = |text: String| vec![Mistake::at("$", text)];
    let document = match std::str::from_utf8(document) {
        Ok(document) => document,
        Err(cause) => return top(format!("it is not JSON: {cause}")),
    };
    if let Err(cause) = unique::ensure_unique(document) {
        return top(format!("it is not JSON that every reader reads alike: {cause}"));
    }
    let manifest: Value = match serde_json::from_str(document) {
        Ok(manifest) => manifest,
        Err(cause) => return top(format!("it is not JSON: {cause}")),
    };
    let mut mistakes = schema::mistakes(&manifest);
    mistakes.extend(meaning::mistakes(&manifest));
    mistakes
}

impl Mistake {
    fn at(path: &str, text: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            text: text.into(),
        }
    }
}
