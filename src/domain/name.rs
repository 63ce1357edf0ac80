//! The name of a component.

use std::{borrow::Borrow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::programs;

/// The name of a component: `[a-z][a-z0-9-]*`, at most 64 bytes, not `bin`
/// (that name is taken by the directory of links beside the components of a generation).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ComponentName(String);

/// The reason a text is not a component name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", no_name(.0))]
pub struct InvalidComponentName(String);

fn no_name(text: &str) -> String {
    if programs::POSTGRES.contains(&text) {
        return format!("`{text}` is a program of the component `postgres`");
    }
    format!(
        "`{text}` is not a component name (a lower-case letter, then letters, digits and hyphens, at most 64; not `bin`)"
    )
}

impl ComponentName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ComponentName {
    type Err = InvalidComponentName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut letters = text.bytes();
        let valid = letters.next().is_some_and(|first| first.is_ascii_lowercase())
            && letters.all(|next| next.is_ascii_lowercase() || next.is_ascii_digit() || next == b'-')
            && text.len() <= 64
            && text != "bin";
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidComponentName(text.to_owned()))
        }
    }
}

impl TryFrom<String> for ComponentName {
    type Error = InvalidComponentName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ComponentName> for String {
    fn from(name: ComponentName) -> Self {
        name.0
    }
}

impl Borrow<str> for ComponentName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn names_that_could_leave_their_directory_are_no_names() {
        let rows = [
            "",
            "bin",
            "..",
            "a/b",
            "A",
            "1a",
            "-a",
            "a b",
            "a.b",
            "é",
            &"a".repeat(65),
        ];
        every(rows, |bad| {
            assert!(bad.parse::<ComponentName>().is_err(), "{bad}");
        });
        every(["a", "postgres", "ampd2", "a-b"], |good| {
            assert_eq!(good.parse::<ComponentName>().expect("valid").as_str(), good);
        });
    }
}
