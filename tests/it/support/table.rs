//! Tables of cases, of which every row is tried.

use std::{
    fmt::Debug,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Tries every row, and fails the test when any did, with all of them. What each had to say stands above.
#[track_caller]
pub(crate) fn every<R: Debug>(rows: impl IntoIterator<Item = R>, attempt: impl FnMut(R)) {
    every_named(rows, |row| format!("{row:?}"), attempt);
}

/// The same for rows that have no text of their own.
#[track_caller]
pub(crate) fn every_named<R>(
    rows: impl IntoIterator<Item = R>,
    name: impl Fn(&R) -> String,
    mut attempt: impl FnMut(R),
) {
    let (mut tried, mut failed) = (0, Vec::new());
    for row in rows {
        tried += 1;
        let name: String = name(&row).chars().take(200).collect();
        if catch_unwind(AssertUnwindSafe(|| attempt(row))).is_err() {
            failed.push(name);
        }
    }
    assert!(tried > 0, "a table without rows");
    assert!(
        failed.is_empty(),
        "{} of {tried} rows fail:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

#[test]
fn every_failing_row_is_named() {
    let failed = catch_unwind(|| every([1, 2, 3, 4], |row| assert!(row % 2 == 0, "{row} is odd")));
    let said = failed.expect_err("two rows fail");
    let said = said.downcast_ref::<String>().expect("a text");
    assert_eq!(said, "2 of 4 rows fail:\n1\n3");
}
