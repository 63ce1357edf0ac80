//! An error and its causes in one line, for a build that was passed over.

use crate::postgres::program::disk_in;

/// An error with its causes; a transparent error's text is not repeated. A fault of the disk keeps its whole path: it says
/// which disk.
pub fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut is_of_disk = false;
    let mut cause = error.source();
    while let Some(inner) = cause {
        is_of_disk |= inner.is::<std::io::Error>();
        let more = inner.to_string();
        let more = more.split(" (os error ").next().unwrap_or_default();
        if !text.contains(more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    // PostgreSQL's programs tell of the disk in words alone.
    is_of_disk |= disk_in(std::slice::from_ref(&text)).is_some();
    if is_of_disk { text } else { without_staging(&text) }
}

/// The text with the files of a staged tree as they are called in it: where it was staged is nobody's concern.
fn without_staging(text: &str) -> String {
    const TREE: &str = "/tree/tree/";
    let words = text.split('`').map(|word| match word.split_once(TREE) {
        Some((place, file)) if place.contains("/staging/") => file,
        _ => word,
    });
    words.collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::in_one_line;

    #[derive(Debug, thiserror::Error)]
    #[error("`/home/ada/.ampup/staging/7/tree/tree/bin/initdb` failed\n  initdb: error: could not {0}")]
    struct Failed(&'static str);

    /// Which disk refused is said by the path; where a program that does not run was staged concerns nobody.
    #[test]
    fn the_path_of_a_staged_program_is_told_where_the_disk_refused() {
        let of_disk = in_one_line(&Failed("write to file \"pg_control\": No space left on device"));
        assert!(
            of_disk.starts_with("`/home/ada/.ampup/staging/7/tree/tree/bin/initdb` failed"),
            "{of_disk}"
        );
        let other = in_one_line(&Failed("find its messages"));
        assert!(other.starts_with("`bin/initdb` failed"), "{other}");
    }
}
