//! The words in which a program of PostgreSQL's says what is wrong.

/// The levels of an error, as the trial meets them.
#[cfg(any(unix, test))]
pub(crate) const ERRORS: &[&str] = &["ERROR", "FATAL", "PANIC", "error"];
/// The same for whatever only reads settings: it says first which line is wrong.
pub(crate) const OF_SETTINGS: &[&str] = &["LOG", "FATAL"];

/// The first complaint of these levels, without the time and the process before it: what follows is what came of it.
pub(crate) fn first<'l>(lines: impl IntoIterator<Item = &'l str>, levels: &[&str]) -> Option<String> {
    let words = |line: &str| {
        let found = levels
            .iter()
            .find_map(|level| line.split_once(&format!("{level}:")));
        found.map(|(_, words)| words.trim().to_owned())
    };
    lines.into_iter().find_map(words)
}

/// The detail that a program gives of its complaint.
pub(crate) fn detail<'l>(lines: impl IntoIterator<Item = &'l str>) -> Option<String> {
    first(lines, &["DETAIL"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_complaint_is_the_reason() {
        let lines = [
            "creating template1",
            "2026-01-01 00:00:00.000 UTC [7] FATAL:  could not resize shared memory segment",
            "2026-01-01 00:00:00.000 UTC [7] PANIC:  cannot abort transaction 1, it was already committed",
            "child process was terminated by signal 6: Aborted",
        ];
        assert_eq!(
            first(lines, ERRORS).as_deref(),
            Some("could not resize shared memory segment")
        );
        let lines = [
            "1 [2] LOG:  unrecognized parameter \"foo\"",
            "1 [2] FATAL:  the file contains errors",
        ];
        assert_eq!(
            first(lines, OF_SETTINGS).as_deref(),
            Some("unrecognized parameter \"foo\"")
        );
        assert_eq!(first(lines, ERRORS).as_deref(), Some("the file contains errors"));
        assert_eq!(first(["initdb: error: no"], ERRORS).as_deref(), Some("no"));
    }
}
