//! JSON without duplicate keys. Of two values with one key, two readers may take different ones; so none is taken.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// Reads a document for its keys alone, and keeps nothing.
///
/// # Errors
/// When it is not JSON, or an object in it has a key twice.
pub(super) fn ensure_unique(document: &str) -> Result<(), serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(document);
    Unique(&mut Vec::new()).deserialize(&mut reader)?;
    reader.end()
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
        let keys = &mut self.0[outer..];
        // Most differ in length already.
        keys.sort_unstable_by(|one, other| one.len().cmp(&other.len()).then_with(|| one.cmp(other)));
        if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(A::Error::custom(format!("the key `{}` is there twice", pair[0])));
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
    use super::ensure_unique;
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
}
