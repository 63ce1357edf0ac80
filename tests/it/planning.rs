//! `--dry-run` on every verb that changes something: it says what would be done, and does nothing.

use fs_err as fs;

use crate::support::{home::Home, postgres::fingerprint, served::Served, table::every};

#[test]
fn what_would_be_done_is_said_and_nothing_is_done() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0").offer("tool", "2.0.0");
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    home.ampup(&["install", "tool@2.0.0"]).exits(0);
    let rows: &[(&[&str], &str)] = &[
        (&["use", "tool@1.0.0"], "tool 1.0.0 becomes active"),
        (&["uninstall", "tool@1.0.0"], "remove tool 1.0.0"),
        (
            &["use", "tool@2.0.0"],
            "nothing would be done:\n  tool 2.0.0 is active already",
        ),
        (
            &["undo"],
            "undo `ampup install tool@2.0.0`\n  tool 1.0.0 becomes active again",
        ),
    ];
    let mut wrong = Vec::new();
    for (verb, said) in rows {
        let before = home.store();
        let planned: Vec<&str> = verb.iter().copied().chain(["--dry-run"]).collect();
        let run = home.ampup(&planned);
        let is_said = run.stderr.contains("nothing w") && run.stderr.contains(said);
        if run.code != 0 || !is_said || home.store() != before {
            wrong.push(format!("{verb:?}: {run:?}"));
        }
    }
    // And the real thing does what was said.
    home.ampup(&["undo"]).exits(0).says("tool 1.0.0 is active");
    home.ampup(&["uninstall", "tool@2.0.0"])
        .exits(0)
        .says("removed tool 2.0.0");
    home.ampup(&["uninstall", "tool@2.0.0", "--dry-run"]).exits(3);
    home.ampup(&["use", "tool@2.0.0", "--dry-run"]).exits(3);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Every verb that changes something; `run` is whatever its command is, and psql too.
const VERBS: [&str; 22] = [
    "install",
    "update",
    "use",
    "uninstall",
    "undo",
    "prune",
    "verify",
    "link",
    "pin",
    "mirror",
    "init",
    "self update",
    "self uninstall",
    "db start",
    "db stop",
    "db backup",
    "db restore",
    "db reset",
    "db compact",
    "db import",
    "db upgrade",
    "db fork",
];

#[test]
fn every_verb_that_changes_something_has_a_plan() {
    let home = Home::new();
    every(VERBS, |verb| {
        let words: Vec<&str> = verb.split(' ').chain(["--help"]).collect();
        home.ampup(&words).exits(0).prints_with("--dry-run");
    });
}

#[test]
fn the_verbs_of_a_database_say_what_they_would_do_and_do_nothing() {
    let served = Served::new();
    let users = || fs::read(served.home.work().join(".amp/metadb.users")).unwrap_or_default();
    let plan = |words: &[&str]| {
        let before = users();
        let run = served
            .ampup(&[words, &["--dry-run"]].concat())
            .exits(0)
            .says("nothing w");
        served
            .ampup(&[&["--json"], words, &["--dry-run"]].concat())
            .exits(0);
        assert_eq!(users(), before, "{words:?}: nothing is written down");
        run
    };
    plan(&["db", "start"]).says("a database is created in");
    assert!(!served.home.work().join(".amp").exists(), "nothing was made");
    served.sql("create table t as select 7 as x");
    let before = fingerprint(&served.data());
    let rows: [(&[&str], &str); 6] = [
        (&["db", "start", "--tcp"], "it listens on a port of 127.0.0.1 too"),
        (&["db", "start"], "is served by postgres 18"),
        (&["db", "stop"], "is not running"),
        (
            &["db", "backup"],
            "is copied into `.amp/backups/metadb-<time>.tar.zst`",
        ),
        (&["db", "compact"], "every table is rewritten"),
        (&["db", "reset", "work"], "is kept as"),
    ];
    every(rows, |(words, said)| {
        plan(words).says(said);
        assert_eq!(fingerprint(&served.data()), before);
        assert!(!served.is_running() && !served.amp_dir().join("backups").exists());
    });
    served.ampup(&["db", "backup", "one.tar.zst"]).exits(0);
    plan(&["db", "restore", "one.tar.zst"]).says("takes the place of");
    plan(&["db", "backup"]);
    served
        .ampup(&["db", "backup", "one.tar.zst", "--dry-run"])
        .exits(1)
        .says("already exists");
    served.ampup(&["db", "start"]).exits(0);
    plan(&["db", "start"]).says("runs already");
    plan(&["db", "stop"]).says(") is stopped");
    assert!(served.is_running());
}
