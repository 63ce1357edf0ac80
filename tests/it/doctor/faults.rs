//! One fault at a time: doctor finds it, and so does ampd.

use std::process::Command;

use super::{AMPD, ampd_works, doctor, elsewhere, found, home, within};
use crate::support::{
    home::{finish, program},
    table::every_named,
    world::write,
};

/// A fault: variables, a shell's lines that bring it about in the project, what doctor says, at which level, and whether ampd's
/// own two command lines show it. (ampd's client reads PGSSLMODE on a socket too, and takes an empty address for one; psql does
/// not.)
type Fault = (
    &'static [(&'static str, &'static str)],
    &'static str,
    (&'static str, &'static str),
    Shown,
);

/// Who stumbles over a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// PostgreSQL's programs and psql.
    ByCommandLines,
    /// ampd itself.
    ByAmpd,
}
use Shown::{ByAmpd, ByCommandLines};

const FAULTS: &[Fault] = &[
    (&[("PGPORT", "5433")], "", ("warning", "PGPORT: "), ByCommandLines),
    (&[("PGPORT", "")], "", ("warning", "PGPORT: "), ByCommandLines),
    (&[("PGUSER", "zzz")], "", ("warning", "PGUSER: "), ByCommandLines),
    // ampd's client (sqlx 0.8.6) sends the empty name; psql takes it for none.
    (&[("PGUSER", "")], "", ("warning", "PGUSER: "), ByAmpd),
    (
        &[("PGOPTIONS", "-c nonsense=on")],
        "",
        ("warning", "PGOPTIONS: "),
        ByCommandLines,
    ),
    (
        // A temporary table can be made all the same.
        &[("PGOPTIONS", "-c default_transaction_read_only=on")],
        "",
        ("warning", "PGOPTIONS: "),
        ByAmpd,
    ),
    (
        &[("PGSSLMODE", "require")],
        "",
        ("warning", "PGSSLMODE: "),
        ByAmpd,
    ),
    (
        &[("AMP_CONFIG_METADATA_DB__URL", "notaurl")],
        "",
        (
            "problem",
            "database: ampd takes `AMP_CONFIG_METADATA_DB__URL` for an address",
        ),
        ByAmpd,
    ),
    (
        &[("AMP_CONFIG_METADATA_DB__URL", "")],
        "",
        ("warning", "AMP_CONFIG_METADATA_DB__URL: "),
        ByAmpd,
    ),
    (
        &[("PGDATESTYLE", "garbage")],
        "",
        ("warning", "trial: "),
        ByCommandLines,
    ),
    (
        &[("PGCLIENTENCODING", "garbage")],
        "",
        ("warning", "trial: "),
        ByCommandLines,
    ),
    (
        &[("AMP_DIR", "state")],
        "",
        ("problem", "project: `AMP_DIR` is `state`"),
        ByCommandLines,
    ),
    (
        &[("AMP_DIR", "")],
        "",
        ("problem", "project: `AMP_DIR` is set and empty"),
        ByAmpd,
    ),
    (
        &[("PATH", "/usr/bin:/bin")],
        "",
        ("warning", "PATH: "),
        ByCommandLines,
    ),
    (
        &[("PATH", "{project}/shadow:{home}/bin:/usr/bin:/bin")],
        "mkdir shadow; printf '#!/bin/sh\\nexit 1\\n' >shadow/postgres; chmod +x shadow/postgres",
        ("warning", "PATH: "),
        ByCommandLines,
    ),
    (
        &[],
        "umask 0777",
        ("warning", "umask: it is 0777"),
        ByCommandLines,
    ),
    (&[], "umask 0400", ("warning", "umask: it is 0400"), ByAmpd),
    (&[], "chmod 0555 .", ("problem", "project: "), ByCommandLines),
    (
        &[("AMP_DIR", "{project}/a,b")],
        "",
        ("warning", "project: "),
        ByCommandLines,
    ),
    (&[], "touch .amp", ("problem", "project: "), ByCommandLines),
    (
        &[],
        "mkdir -p .amp/metadb; touch .amp/metadb/notes",
        ("problem", "database: "),
        ByCommandLines,
    ),
    (
        &[],
        "umask 077; mkdir -p .amp/metadb/base",
        ("warning", "project: "),
        ByCommandLines,
    ),
    (
        &[],
        "umask 022; mkdir -p .amp/metadb/base",
        ("warning", "project: "),
        ByCommandLines,
    ),
    (
        &[],
        "printf '[components]\\npostgres = \"17\"\\n' >ampup.toml",
        ("warning", "pins: "),
        ByAmpd,
    ),
    (
        &[],
        "ampup run true; rm .amp/metadb/PG_VERSION .amp/metadb/global/pg_control",
        ("problem", "database: "),
        ByCommandLines,
    ),
    (
        &[],
        "ampup run true; rmdir .amp/metadb/pg_notify",
        ("warning", "project: "),
        ByCommandLines,
    ),
    (
        &[],
        "ampup run --with postgres@17 true",
        ("warning", "database: "),
        ByCommandLines,
    ),
    (
        &[],
        "ampup db start",
        ("warning", "database: a server of "),
        ByAmpd,
    ),
    (
        &[],
        "ampup run true; chmod 0500 .amp",
        ("warning", "project: nothing can be made in "),
        ByAmpd,
    ),
    (&[], "echo 'a = ' >ampup.toml", ("problem", "pins: "), ByAmpd),
    (
        &[],
        "mkdir .amp; echo '[metadata_db' >.amp/config.toml",
        ("problem", "settings: "),
        ByAmpd,
    ),
    (
        &[],
        "mkdir .amp; echo 'max_mem_mb = \"x\"' >.amp/config.toml",
        ("problem", "settings: "),
        ByAmpd,
    ),
    (
        &[("AMP_CONFIG", "nowhere.toml")],
        "",
        ("problem", "AMP_CONFIG: "),
        ByAmpd,
    ),
    (
        &[("AMP_CONFIG_METADATA_DB__POOL_SIZE", "many")],
        "",
        ("problem", "settings: "),
        ByAmpd,
    ),
    (
        &[("AMP_CONFIG_JSONL_ADDR", "localhost")],
        "",
        ("problem", "ports: "),
        ByAmpd,
    ),
    (
        &[("AMP_CONFIG_JSONL_ADDR", "")],
        "",
        ("problem", "ports: "),
        ByAmpd,
    ),
];

#[test]
fn each_fault_alone_is_found_alone_and_stops_ampd() {
    let home = home();
    assert!(ampd_works(&home, "sound", |_| {}), "without a fault it works");
    let attempt = |(number, fault): (usize, &Fault)| {
        let (variables, before, (level, said), shown) = fault;
        let name = format!("fault {number}");
        let project = home.directory(&name);
        home.give(&project);
        let in_fault = |command: &mut Command, line: &str| {
            elsewhere(command);
            let text = format!("{before}\n{line}");
            command.args(["-c", &text, "sh"]).env("A", program());
            let first = home.path().join("bin");
            command.env(
                "PATH",
                format!("{first}:{}:/usr/bin:/bin", program().parent().expect("a parent")),
            );
            for (variable, value) in *variables {
                let value = value
                    .replace("{home}", home.path().as_str())
                    .replace("{project}", project.as_str());
                command.env(variable, value);
            }
        };
        let mut doctor = within(&home, home.as_the_user("/bin/sh".into()), &name);
        in_fault(&mut doctor, "exec \"$A\" --json doctor");
        let mut run = finish(doctor);
        run.stdout = run.stdout.split_off(run.stdout.find('{').unwrap_or_default());
        let all = found(&run);
        let is_alone = matches!(&all[..], [(found, text)] if found == level && text.starts_with(said));
        assert!(
            is_alone && run.code == i32::from(*level == "problem"),
            "{fault:?}: {all:#?}\n{}",
            run.stderr
        );
        if *shown == ByCommandLines {
            let mut ampd = within(&home, home.as_the_user("/bin/sh".into()), &name);
            in_fault(&mut ampd, &format!("D=${{AMP_DIR:-$PWD/.amp}}/metadb\n{AMPD}"));
            assert_ne!(finish(ampd).code, 0, "{fault:?} does not stop ampd");
        }
        // What was started ends, and what was closed can be removed.
        let mut after = within(&home, home.as_the_user("/bin/sh".into()), &name);
        after
            .args(["-c", "chmod 755 .; \"$A\" db stop --yes"])
            .env("A", program());
        finish(after);
    };
    every_named(
        FAULTS.iter().enumerate(),
        |(_, fault)| format!("{fault:?}"),
        attempt,
    );

    // The library of somebody else's that comes first, as conda and module systems have it.
    let foreign = home.directory("foreign");
    for library in ["libcrypto.so.1.1", "libicuuc.so.60", "libicuuc.so.68"] {
        write(&foreign.join(library), "not a library");
    }
    let breaks = |command: &mut Command| {
        command.env("LD_LIBRARY_PATH", &foreign);
    };
    let stops = !ampd_works(&home, "libraries", breaks);
    let run = doctor(&home, "libraries", breaks);
    assert_eq!(
        stops,
        found(&run).iter().any(|(_, text)| text.starts_with("trial")),
        "{:#?}",
        found(&run)
    );
    if stops {
        run.prints_with("it can without `LD_LIBRARY_PATH`")
            .prints_with("`unset LD_LIBRARY_PATH`");
    }
    let strict = doctor(&home, "faulty", |command| {
        command.env("PGPORT", "1").arg("--strict");
    });
    strict.exits(1);
}
