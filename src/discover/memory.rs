//! Answers of indexes that are kept for an hour, each in a file of its own in the cache. Nothing there is trusted more than
//! the server that gave it: a file that is damaged is as good as none.

use camino::Utf8PathBuf;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{Algorithm, checked, digest::Hasher},
    fs::atomic,
};

/// An answer is asked for again after this.
const RECENT: SignedDuration = SignedDuration::from_hours(1);
/// No file is larger, in bytes: an answer, and what JSON makes of its line ends.
const LIMIT: u64 = 48 << 20;

/// An answer of an index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    /// The server's entity tag.
    pub(super) etag: Option<String>,
    /// The address of the page that follows.
    pub(super) next: Option<String>,
}

impl Answer {
    /// The answer that a client printed.
    pub(super) fn of_client(body: Vec<u8>) -> Self {
        Self {
            body,
            etag: None,
            next: None,
        }
    }
}

/// The place of kept answers.
#[derive(Debug, Clone)]
pub struct Memory {
    directory: Utf8PathBuf,
    now: Timestamp,
}

/// A kept answer.
#[derive(Serialize, Deserialize)]
struct Kept {
    schema: u32,
    question: String,
    asked: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    body: String,
}

impl Memory {
    /// The memory in a directory, at this time.
    pub fn new(directory: Utf8PathBuf, now: Timestamp) -> Self {
        Self { directory, now }
    }

    fn path(&self, question: &str) -> Utf8PathBuf {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(question.as_bytes());
        self.directory
            .join(format!("{}.json", &hasher.finish().hex()[..32]))
    }

    /// The answer that was given before; true with one of the last hour.
    pub(super) fn recall(&self, question: &str) -> Option<(Answer, bool)> {
        let content = atomic::read_own(&self.path(question), LIMIT).ok()?;
        let kept: Kept = checked::read(&content).ok()?;
        if kept.schema != 1 || kept.question != question {
            return None;
        }
        let age = self.now.duration_since(kept.asked.parse().ok()?);
        let answer = Answer {
            body: kept.body.into_bytes(),
            etag: kept.etag,
            next: kept.next,
        };
        // A clock that was set back must not keep an answer for years.
        Some((answer, age >= SignedDuration::ZERO && age < RECENT))
    }

    /// Keeps an answer. Where it cannot be kept, it is asked for again.
    pub(super) fn keep(&self, question: &str, answer: &Answer) {
        let Ok(body) = String::from_utf8(answer.body.clone()) else {
            return;
        };
        let kept = Kept {
            schema: 1,
            question: question.to_owned(),
            asked: self.now.to_string(),
            etag: answer.etag.clone(),
            next: answer.next.clone(),
            body,
        };
        if atomic::make_directories(&self.directory).is_ok() {
            let _ = atomic::write(&self.path(question), &checked::written(&kept));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn an_answer_is_recent_for_an_hour_and_believed_only_as_it_was_written() {
        let world = tempfile::tempdir().expect("a directory");
        let directory = Utf8PathBuf::try_from(world.path().join("m")).expect("UTF-8");
        let then: Timestamp = "2026-11-28T12:00:00Z".parse().expect("a time");
        let at = |minutes| Memory::new(directory.clone(), then + SignedDuration::from_mins(minutes));
        let answer = Answer {
            body: b"[1]\n".to_vec(),
            etag: Some("\"a\"".to_owned()),
            next: None,
        };
        assert_eq!(at(0).recall("q"), None);
        at(0).keep("q", &answer);
        every(
            [(0, true), (59, true), (60, false), (-1, false)],
            |(minutes, is_recent)| {
                assert_eq!(
                    at(minutes).recall("q"),
                    Some((answer.clone(), is_recent)),
                    "{minutes}"
                );
            },
        );
        assert_eq!(at(0).recall("another"), None);
        let path = at(0).path("q");
        let whole = fs_err::read_to_string(&path).expect("read");
        fs_err::write(&path, whole.replace("[1]", "[2]")).expect("written");
        assert_eq!(at(0).recall("q"), None);
    }
}
