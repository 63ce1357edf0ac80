//! The record of the projects that ampup was used in, damaged.

use fs_err as fs;

use crate::support::{home::Home, table::every};

/// Whoever cannot know what a project needs removes nothing, and everybody says so.
pub(super) fn a_damaged_one_disarms_no_guard(home: &Home) {
    let record = home.path().join("projects.json");
    let whole = fs::read_to_string(&record).expect("read");
    let damages = [
        (&whole[..whole.len() - 3], "is damaged: "),
        ("", "is damaged: "),
        (
            r#"{"schema":9,"projects":[]}"#,
            "is of another ampup: it has schema 9",
        ),
    ];
    every(damages, |(damaged, why)| {
        fs::write(&record, damaged).expect("written");
        let guarded = [
            &["uninstall", "postgres@17"][..],
            &["uninstall", "postgres@17", "--dry-run"],
            &["prune", "postgres"],
            &["self", "uninstall", "--dry-run"],
        ];
        for words in guarded {
            home.ampup(words)
                .exits(6)
                .says("cannot tell which projects need what would be removed: `~/.ampup/projects.json` ")
                .says(why)
                .says("hint: put it back from a backup, or remove it: `rm ");
        }
        for words in [&["db", "list"][..], &["prune", "--dry-run"]] {
            home.ampup(words)
                .exits(0)
                .says(&format!("warning: `~/.ampup/projects.json` {why}"));
        }
        let found = home.ampup(&["doctor"]);
        assert!(found.stdout.contains(why), "{found:#?}");
        assert_eq!(
            fs::read_to_string(&record).expect("read"),
            damaged,
            "it is never written over"
        );
    });
    fs::write(&record, whole).expect("written");
}
