//! The files that ampup writes for itself: JSON objects whose last member, `check`, is the SHA-256 of all that stands before
//! it. A disk that turns one byte into another often leaves valid JSON, which would be believed. It is no protection
//! against anybody: who can write the file can write the check.

use serde::{Serialize, de::DeserializeOwned};

use super::digest::{Algorithm, Hasher};

/// The text between the other members and the digest.
const MEMBER: &str = ",\n  \"check\": \"";
/// The text after the digest.
const END: &str = "\"\n}\n";

/// The reason a file is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It is not the JSON that it should be.
    #[error("it is not the JSON that it should be")]
    Malformed(#[from] serde_json::Error),
    /// It is not as it was written.
    #[error("its check does not match: it was altered")]
    Altered,
}

/// The content of the file for a value that has members and text keys.
pub fn written(value: &impl Serialize) -> Vec<u8> {
    let text = serde_json::to_string_pretty(value).expect("members with text keys are JSON");
    let before = text
        .strip_suffix("\n}")
        .expect("a value with members is written in several lines");
    format!("{before}{MEMBER}{}{END}", digest(before.as_bytes())).into_bytes()
}

/// The value in a file. One without a check, as they were written at first, is read too.
///
/// # Errors
/// When it is no JSON of this kind, or differs from what was written.
pub fn read<T: DeserializeOwned>(content: &[u8]) -> Result<T, CheckError> {
    // Ours is the last: a text in the value has no line ends.
    let found = content
        .windows(MEMBER.len())
        .rposition(|window| window == MEMBER.as_bytes());
    if let Some(at) = found
        && content[at + MEMBER.len()..] != *format!("{}{END}", digest(&content[..at])).as_bytes()
    {
        return Err(CheckError::Altered);
    }
    Ok(serde_json::from_slice(content)?)
}

fn digest(bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(bytes);
    hasher.finish().to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed_or_changes_nothing() {
        let value = BTreeMap::from([
            ("name".to_owned(), vec!["a".to_owned()]),
            ("n".to_owned(), vec![]),
        ]);
        let whole = written(&value);
        assert_eq!(
            read::<BTreeMap<String, serde_json::Value>>(&whole)
                .expect("whole")
                .len(),
            3
        );
        #[derive(Debug, PartialEq, serde::Deserialize)]
        struct Value {
            name: Vec<String>,
            n: Vec<String>,
        }
        let right: Value = read(&whole).expect("whole");
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                if let Ok(found) = read::<Value>(&flipped) {
                    assert_eq!(found, right, "byte {at}, bit {bit}");
                }
            }
            assert!(read::<Value>(&whole[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn what_was_written_before_there_were_checks_is_read() {
        let old = b"{\"name\": [\"a\"]}";
        assert_eq!(
            read::<BTreeMap<String, Vec<String>>>(old).expect("read"),
            BTreeMap::from([("name".to_owned(), vec!["a".to_owned()])])
        );
        assert!(matches!(
            read::<BTreeMap<String, String>>(b"{"),
            Err(CheckError::Malformed(_))
        ));
    }
}
