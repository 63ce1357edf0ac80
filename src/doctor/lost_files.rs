//! Files of a stopped cluster that its server, or a session of it, looks for only when it needs them.

use camino::Utf8Path;

use super::Finding;
use crate::{
    fs::{atomic, entries},
    postgres::observe::{
        control::{self, Span},
        files,
    },
};

/// PostgreSQL reads no more of `pg_control` either.
const LIMIT: u64 = 8 << 10;
/// The pages of a segment of these logs (`SLRU_PAGES_PER_SEGMENT` in PostgreSQL's `slru.h`).
const PAGES: u32 = 32;
/// Numbers further apart are not a history: `pg_resetwal` makes such a lower end up.
const FURTHEST: u32 = 1 << 30;
/// The numbers of the databases `template1` and `template0` since PostgreSQL 15.
const TEMPLATES: [&str; 2] = ["1", "4"];

/// Looks for a file of the transactions' logs that must be there, and for the database that clients are led to.
pub(crate) fn finding(cluster: &Utf8Path) -> Option<Finding> {
    lost_segment(cluster).or_else(|| lost_database(cluster))
}

fn lost_segment(cluster: &Utf8Path) -> Option<Finding> {
    // A base backup is the control file of one moment and the logs of another.
    if cluster.join("backup_label").exists() {
        return None;
    }
    let control = atomic::read_beginning(&cluster.join("global/pg_control"), LIMIT).ok()?;
    let logs = control::logs(&control)?;
    // How much is in a page: two bits of a transaction, four bytes of a multixact.
    let logs = [
        ("pg_xact", logs.transactions, 8192 * 4),
        ("pg_multixact/offsets", logs.multixacts, 8192 / 4),
    ];
    let lost = logs.into_iter().find_map(|(name, span, page)| {
        let log = cluster.join(name);
        // One that cannot be listed is told by whoever looks for directories.
        log.read_dir_utf8().ok()?;
        let mut needed = needed(span, page, !control::is_open(&control));
        let lost = needed.find(|segment| !log.join(segment).exists())?;
        Some((log, lost))
    });
    lost.map(|(log, segment)| {
        let text =
            format!("`{log}` lacks `{segment}`, in which transactions are recorded, as `pg_control` says");
        Finding::problem("database", text, files::BRINGS_BACK)
    })
}

/// The names of the segments that hold these numbers, of which a page has so many. Of a cluster that was not shut down it is
/// the last one: others may have been removed since.
fn needed(span: Span, page: u32, is_shut_down: bool) -> impl Iterator<Item = String> {
    let segment = page * PAGES;
    let count = u32::MAX / segment + 1;
    let length = span.next.wrapping_sub(span.oldest);
    // The page of the next number is there unless that will be the first in it.
    let last = if span.next.is_multiple_of(page) {
        span.next.wrapping_sub(1)
    } else {
        span.next
    };
    let first = if is_shut_down && (1..FURTHEST).contains(&length) {
        span.oldest
    } else {
        last
    };
    let (first, last) = (first / segment, last / segment);
    let is_empty = length == 0 && span.next.is_multiple_of(page);
    (0..=(last + count - first) % count)
        .filter(move |_| !is_empty)
        .map(move |step| format!("{:04X}", (first + step) % count))
}

/// The database `postgres`, if there is no directory that could be its. One of another number, or elsewhere, could.
fn lost_database(cluster: &Utf8Path) -> Option<Finding> {
    let is_number = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let base = cluster.join("base");
    let mut databases: Vec<String> = entries(&base)
        .iter()
        .filter_map(|path| path.file_name())
        .filter(|name| is_number(name))
        .map(str::to_owned)
        .collect();
    let has_templates = !databases.is_empty();
    databases.retain(|name| !TEMPLATES.contains(&name.as_str()));
    let is_lost = has_templates && databases.is_empty() && entries(&cluster.join("pg_tblspc")).is_empty();
    is_lost.then(|| {
        Finding::problem(
            "database",
            format!("`{base}` lacks the database `postgres`, which clients are led to: it was dropped, or its files are gone"),
            format!(
                "`ampup db start` makes it again, empty, if it was dropped; else {}",
                files::BRINGS_BACK
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn the_segments_between_two_numbers_are_needed() {
        let page = 8192 * 4;
        let segment = page * PAGES;
        let rows: [((u32, u32), bool, &[&str]); 8] = [
            ((731, 752), true, &["0000"]),
            ((1, 1), true, &["0000"]),
            ((segment, segment), true, &[]),
            ((731, segment), true, &["0000"]),
            ((731, segment + 1), true, &["0000", "0001"]),
            ((731, segment + 1), false, &["0001"]),
            ((2_294_967_299, 3), true, &["0000"]),
            ((u32::MAX - segment, 5), true, &["0FFE", "0FFF", "0000"]),
        ];
        every(rows, |((oldest, next), is_shut_down, expected)| {
            let found: Vec<String> = needed(Span { oldest, next }, page, is_shut_down).collect();
            assert_eq!(found, expected, "{oldest} {next}");
        });
    }
}
