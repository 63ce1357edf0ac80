//! Templates of the recipes: `postgresql-{version}-{target}.tar.gz`. They are filled in, and read backwards.

use std::collections::BTreeMap;

/// Words that stand for the names in a template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words(BTreeMap<String, String>);

impl Words {
    /// The word of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets the word of a name.
    pub fn set(&mut self, name: &str, word: impl ToString) {
        self.0.insert(name.to_owned(), word.to_string());
    }

    /// The template with a word for each name; a name without one stays as it is.
    pub fn fill(&self, template: &str) -> String {
        self.0.iter().fold(template.to_owned(), |text, (name, word)| {
            text.replace(&format!("{{{name}}}"), word)
        })
    }

    /// The words with which the template is `text`, if there are any. A number is digits, `{sha7}` seven hexadecimal ones.
    pub fn read(template: &str, text: &str) -> Option<Self> {
        let mut words = Self::default();
        let (start, mut template) = template.split_once('{').unwrap_or((template, ""));
        let mut text = text.strip_prefix(start)?;
        while !template.is_empty() {
            let (name, after) = template.split_once('}')?;
            let (literal, next) = after.split_once('{').unwrap_or((after, ""));
            let length = if literal.is_empty() {
                text.len()
            } else {
                text.find(literal)?
            };
            let (word, rest) = text.split_at(length);
            if !is_word(name, word) {
                return None;
            }
            words.set(name, word);
            text = rest.strip_prefix(literal)?;
            template = next;
        }
        text.is_empty().then_some(words)
    }
}

fn is_word(name: &str, word: &str) -> bool {
    match name {
        "major" | "minor" | "revision" | "number" => {
            !word.is_empty() && word.bytes().all(|digit| digit.is_ascii_digit())
        }
        "version" => semver::Version::parse(word).is_ok(),
        "sha7" => word.len() == 7 && word.bytes().all(|digit| digit.is_ascii_hexdigit()),
        _ => !word.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn a_template_is_read_backwards_and_filled_in() {
        let of = |template: &str, text: &str| {
            let words = Words::read(template, text)?;
            assert_eq!(words.fill(template), text);
            Some(words.0.into_values().collect::<Vec<_>>().join(" "))
        };
        let npm = "{major}.{minor}.{revision}-beta.{number}";
        assert_eq!(of(npm, "18.4.0-beta.17").as_deref(), Some("18 4 17 0"));
        assert_eq!(of("v{version}", "v0.0.35").as_deref(), Some("0.0.35"));
        assert_eq!(
            of("nightly-{sha7}", "nightly-188bfd4").as_deref(),
            Some("188bfd4")
        );
        let rows = [
            (npm, "18.4.0"),
            (npm, "18.x.0-beta.1"),
            (npm, "18.4.0-beta.17x"),
            ("v{version}", "0.0.35"),
            ("v{version}", "v1"),
            ("nightly-{sha7}", "nightly-188bfd"),
            ("{version}", ""),
            ("plain", "plainer"),
        ];
        every(rows, |(template, text)| {
            assert_eq!(of(template, text), None, "{template} {text}");
        });
    }
}
