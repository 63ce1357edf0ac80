//! Events that are reported while ampup works.

use std::time::Duration;

pub(crate) use crate::fs::space::{sized, sized_down, sized_up};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A download begins, or goes on where an earlier one was cut.
    DownloadStarted {
        /// The name of the download, such as `postgres 18.4`; the same text in all events of one download.
        name: String,
        /// Where it comes from, for a person.
        source: String,
        /// Its size in bytes, where it is known.
        total: Option<u64>,
        /// The number of bytes that were here already.
        resumed: u64,
        /// Progress is reported. False where another program, such as npm, fetches and does not tell how far it is.
        is_measured: bool,
    },
    /// More of it came.
    DownloadProgress {
        /// As when it began.
        name: String,
        /// Bytes that are here now.
        received: u64,
    },
    /// It is here, whole; its digest is checked next.
    DownloadFinished {
        /// As when it began.
        name: String,
        /// Its size in bytes.
        received: u64,
    },
    /// It, or a step after it, ended without success; another event or the error says why.
    DownloadStopped {
        /// As when it began.
        name: String,
    },
    /// A step begins.
    Step {
        /// The name of the version that it is done to, such as `postgres 18.4`.
        name: String,
        /// Which step.
        phase: Phase,
    },
    /// Another process holds what we need.
    Waiting {
        /// The thing that is waited for, in words, such as `another ampup to finish`.
        name: String,
        /// Who holds it.
        holder: String,
        /// For how long already.
        waited: Duration,
    },
    /// Something worth a line, as expected.
    Note(String),
    /// Something worth a line, not as expected.
    Warning(String),
}

/// So many of them, in words: `1 row`, `2 rows`.
pub(crate) fn counted(number: impl std::fmt::Display, one: &str) -> String {
    let number = number.to_string();
    let more = if number == "1" { "" } else { "s" };
    format!("{number} {one}{more}")
}

/// A step that takes long enough to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// The digest is computed.
    Verifying,
    /// The archive is unpacked in staging.
    Unpacking,
    /// The tree is run, to see that it works here.
    Proving,
    /// The tree is flushed and published.
    Publishing,
}

/// Whoever is told what happens. Called from several threads.
pub trait Reporter: Send + Sync {
    /// Takes one event. Must not block for long.
    fn report(&self, event: Event);
}

/// A reporter that shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn report(&self, _: Event) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        assert_eq!([1, 2].map(|number| counted(number, "row")), ["1 row", "2 rows"]);
    }
}
