//! JSON without duplicate keys. Of two values with one key, two readers may take different ones; so none is taken.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// Reads a document for its keys alone, and keeps nothing.
///
/// # Errors
/// When it is not JSON, or an object in it has a key twice.
pub(super) fn ensure_unique(document: &str) -> Result<(), serde_json::Error> {
    serde_json::from_str::<Unique>(document).map(|_| ())
}

struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Look)
    }
}

struct Look;

impl<'de> Visitor<'de> for Look {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
        let mut keys = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            map.next_value::<Unique>()?;
            keys.push(key);
        }
        keys.sort_unstable();
        match keys.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(A::Error::custom(format!("the key `{}` is there twice", pair[0]))),
            None => Ok(Unique),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Unique, A::Error> {
        while seq.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
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
