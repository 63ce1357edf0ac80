//! The server of a project that nobody serves: what its own programs say is found, and keeps `ampup run` from starting it.

use camino::Utf8PathBuf;

use super::{doctor, found, home, within};
use crate::support::{home::finish, table::every_named};

/// A fault of a stopped cluster: a shell's lines that bring it about in its directory (`$T` is the tree that serves), what doctor
/// says, at which level, and the lines that take it back.
type Fault = (&'static str, (&'static str, &'static str), &'static str);

const FAULTS: &[Fault] = &[
    (
        "echo 'foo = bar' >>postgresql.conf",
        (
            "problem",
            "does not start with its settings: unrecognized configuration parameter",
        ),
        "cp ../../postgresql.conf .",
    ),
    (
        "echo 'ssl = on' >>postgresql.conf",
        ("problem", "`ssl = on`"),
        "cp ../../postgresql.conf .",
    ),
    (
        "echo 'port = 5555' >>postgresql.conf",
        ("warning", "have the port 5555"),
        "cp ../../postgresql.conf .",
    ),
    (
        "echo 'local all all scram-sha-256' >pg_hba.conf",
        ("problem", "asks the sessions of"),
        "cp ../../pg_hba.conf .",
    ),
    (
        "rm pg_hba.conf",
        ("problem", "cannot read"),
        "cp ../../pg_hba.conf .",
    ),
    (
        "mkdir .s.PGSQL.5432",
        ("problem", "is a directory"),
        "rmdir .s.PGSQL.5432",
    ),
    ("mv pg_wal wal", ("problem", "lacks `pg_wal`"), "mv wal pg_wal"),
    (
        "mv \"$T/lib\" \"$T/lib.away\"",
        ("problem", "postgres 18.4 lacks its `lib/`"),
        "mv \"$T/lib.away\" \"$T/lib\"",
    ),
];

#[test]
fn each_fault_of_a_stopped_cluster_is_found_alone_and_stops_run() {
    let home = home();
    let project: Utf8PathBuf = home.directory("stopped");
    home.give(&project);
    let shell = |lines: &str| {
        let mut command = within(&home, home.as_the_user("/bin/sh".into()), "stopped");
        let tree = home.path().join("components/postgres/18.4.0");
        command.args(["-ec", lines]).env("T", tree);
        finish(command).exits(0)
    };
    let run = || finish(within(&home, home.command(&["run", "true"]), "stopped"));
    run().exits(0);
    shell("cp .amp/metadb/postgresql.conf .amp/metadb/pg_hba.conf .");
    every_named(
        FAULTS,
        |(before, _, _)| (*before).to_owned(),
        |(before, (level, said), after)| {
            shell(&format!("cd .amp/metadb; {before}"));
            // With this variable nothing is tried, which would take longer.
            let found = found(&doctor(&home, "stopped", |command| {
                command.env("PGPORT", "1");
            }));
            let run = run();
            shell(&format!("cd .amp/metadb; {after}"));
            let others: Vec<_> = found
                .iter()
                .filter(|(_, text)| !text.starts_with("PGPORT: "))
                .collect();
            assert!(
                matches!(&others[..], [(found, text)] if found == level && text.contains(said)),
                "{others:#?}"
            );
            assert_eq!(run.code != 0, *level == "problem", "{run:#?}");
        },
    );
}
