//! JSON without duplicate keys. Of two values with one key, two readers may take different ones; so none is taken.

use std::{borrow::Cow, fmt};

use memchr::memchr;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

/// Reads a document for its keys alone, and keeps nothing.
///
/// # Errors
/// When it is not JSON, or an object in it has a key twice.
pub(super) fn ensure_unique(document: &str) -> Result<(), JsonError> {
    let mut reader = serde_json::Deserializer::from_str(document);
    Unique(&mut Vec::new()).deserialize(&mut reader)?;
    Ok(reader.end()?)
}

/// The fault of a document that is not JSON, or not of the shape that it must have.
#[derive(Debug, thiserror::Error)]
#[error("{}", in_words(.0))]
pub struct JsonError(serde_json::Error);

impl From<serde_json::Error> for JsonError {
    fn from(fault: serde_json::Error) -> Self {
        Self(fault)
    }
}

fn in_words(fault: &serde_json::Error) -> String {
    let text = fault.to_string();
    let (what, _) = text.rsplit_once(" at line ").unwrap_or((&text, ""));
    let (line, column) = (fault.line(), fault.column());
    match fault.classify() {
        Category::Eof => {
            let what = what.strip_prefix("EOF while parsing ").unwrap_or("a value");
            format!("not valid JSON: the file ends in the middle of {what} (line {line})")
        }
        Category::Syntax => format!("not valid JSON: {what} (line {line}, column {column})"),
        Category::Data if line > 0 => format!("{what} (line {line}, column {column})"),
        Category::Data | Category::Io => text,
    }
}

/// Objects and lists in each other; serde_json reads no more.
const DEPTH: usize = 127;
/// Digits of a number that every reader can hold.
const DIGITS: usize = 15;

/// Returns true of a document for which `ensure_unique` need not be asked, if it is JSON: no object has a key twice, a text has
/// no escapes and so ends with the next quote, numbers are short, and the depth is bounded.
pub(super) fn is_plainly_unique(document: &str) -> bool {
    let document = document.as_bytes();
    if !document.is_ascii() || memchr(b'\\', document).is_some() {
        return false;
    }
    let (mut keys, mut open) = (Vec::new(), Vec::new());
    let mut rest = document;
    while let [first, behind @ ..] = rest {
        rest = behind;
        match first {
            b'"' => {
                let Some(end) = memchr(b'"', rest) else {
                    return false;
                };
                let text = &rest[..end];
                rest = &rest[end + 1..];
                if rest.trim_ascii_start().starts_with(b":") {
                    keys.push(text);
                }
            }
            b'{' | b'[' if open.len() == DEPTH => return false,
            b'{' | b'[' => open.push(keys.len()),
            b'}' | b']' => {
                let Some(outer) = open.pop() else { return false };
                if twice(&mut keys[outer..], |key: &&[u8]| key.len()).is_some() {
                    return false;
                }
                keys.truncate(outer);
            }
            b'0'..=b'9' => {
                let digits = rest.iter().take_while(|next| next.is_ascii_digit()).count();
                rest = &rest[digits..];
                if digits >= DIGITS || rest.first().is_some_and(|next| b".eE".contains(next)) {
                    return false;
                }
            }
            _ => {}
        }
    }
    open.is_empty()
}

/// A key that is there twice. Most differ in length already.
fn twice<K: Ord>(keys: &mut [K], length: impl Fn(&K) -> usize) -> Option<&K> {
    keys.sort_unstable_by(|one, other| length(one).cmp(&length(other)).then_with(|| one.cmp(other)));
    let twins = keys.windows(2).find(|pair| pair[0] == pair[1])?;
    Some(&twins[0])
}

/// A value in which each object has a key once. The keys are those of the objects that it is in, the outermost first; what
/// is read adds its own, and takes them away again.
struct Unique<'k, 'de>(&'k mut Vec<Cow<'de, str>>);

impl<'de> DeserializeSeed<'de> for Unique<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let outer = self.0.len();
        while let Some(Key(key)) = map.next_key()? {
            self.0.push(key);
            map.next_value_seed(Unique(self.0))?;
        }
        if let Some(key) = twice(&mut self.0[outer..], |key| key.len()) {
            return Err(A::Error::custom(format!("the key `{key}` is there twice")));
        }
        self.0.truncate(outer);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Unique(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

/// A key, which is copied only where it is written with escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(LookAtKey)
    }
}

struct LookAtKey;

impl<'de> Visitor<'de> for LookAtKey {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(key)))
    }

    fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{ensure_unique, is_plainly_unique};
    use crate::table::every;

    #[test]
    fn a_key_may_be_there_once_in_each_object() {
        assert!(ensure_unique(r#"{"a":[{"a":1.5},{"a":-1},null,true,"a"],"b":{"a":{}}}"#).is_ok());
        let rows = [
            r#"{"a":1,"a":1}"#,
            r#"{"b":[{"x":{"a":1,"c":2,"a":3}}]}"#,
            // Two spellings of one key.
            r#"{"a":1,"\u0061":2}"#,
            "{} {}",
            "",
        ];
        every(rows, |bad| {
            assert!(ensure_unique(bad).is_err(), "{bad}");
        });
        assert!(ensure_unique(&"[".repeat(100_000)).is_err(), "depth is bounded");
    }

    #[test]
    fn a_fault_is_told_in_words_with_its_place() {
        let rows = [
            (
                "{\n",
                "not valid JSON: the file ends in the middle of an object (line 2)",
            ),
            (
                "",
                "not valid JSON: the file ends in the middle of a value (line 1)",
            ),
            ("[1,]", "not valid JSON: trailing comma (line 1, column 4)"),
            (
                r#"{"a":1,"a":1}"#,
                "the key `a` is there twice (line 1, column 13)",
            ),
        ];
        every(rows, |(document, told)| {
            let fault = ensure_unique(document).expect_err(document);
            assert_eq!(fault.to_string(), told, "{document}");
        });
    }

    #[test]
    fn what_is_plainly_unique_needs_no_second_look() {
        let plain = r#"{"a":[{"a":15},{"a":-1}, null,true,"a:"],"b" : {"a":{}, "e":"{"}}"#;
        assert!(is_plainly_unique(plain) && ensure_unique(plain).is_ok());
        assert!(is_plainly_unique(include_str!("../../registry/manifest.json")));
        let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_plainly_unique(&deep(127)) && ensure_unique(&deep(127)).is_ok());
        let rows = [
            r#"{"a":1,"a":1}"#,
            r#"{"b":[{"x":{"a":1,"c":2,"a" : 3}}]}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"["\ud800"]"#,
            "[1e999]",
            "[1234567890123456]",
            &deep(128),
        ];
        every(rows, |doubtful| {
            assert!(!is_plainly_unique(doubtful), "{doubtful}")
        });
    }

    proptest! {
        #[test]
        fn nothing_is_plainly_unique_that_is_not(document in r#"([{}\[\]:, ]|"[ab]?"|[0-9]|true){0,24}"#) {
            let is_json = serde_json::from_str::<serde_json::Value>(&document).is_ok();
            if is_json && is_plainly_unique(&document) {
                prop_assert!(ensure_unique(&document).is_ok(), "{document}");
            }
        }

        #[test]
        fn objects_are_plainly_unique_where_they_are_unique(
            keys in proptest::collection::vec("[abc]{0,2}", 0..6),
            inner in proptest::collection::vec("[ab]", 0..3),
        ) {
            let object = |keys: &[String], value: &str| {
                let fields: Vec<String> = keys.iter().map(|key| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", fields.join(","))
            };
            let document = object(&keys, &format!("[{}]", object(&inner, "\"a\"")));
            prop_assert_eq!(is_plainly_unique(&document), ensure_unique(&document).is_ok());
        }
    }
}
