//! Imports of what the PostgreSQL here does not have.

use fs_err as fs;
use serde_json::json;

use super::Elsewhere;
use crate::support::{
    database::{Build, Ends},
    home::{Home, TARGET, sha256},
    postgres::sql,
    table::every,
};

/// The functions of an extension may have other arguments in the newer one.
#[test]
fn a_grant_on_a_function_that_is_another_here_is_told_with_what_works() {
    let home = Home::with_postgres(&[Build::Theseus18]);
    let _ends = Ends(&home);
    let elsewhere = Elsewhere::start(&home);
    for statement in [
        "alter default privileges grant execute on functions to app",
        "create extension postgres_fdw",
    ] {
        sql(&elsewhere.address, statement).expect("written");
    }
    for (format, name) in [("--format=custom", "with.dump"), ("--format=plain", "with.sql")] {
        elsewhere.dump(&home, format, name);
    }
    every([elsewhere.address.as_str(), "with.dump", "with.sql"], |source| {
        home.db(&["import", source])
            .exits(1)
            .says("function public.postgres_fdw_get_connections() does not exist")
            .says("  PostgreSQL here has it with other arguments; without privileges it can be copied: `pg_dump --no-privileges");
    });
    elsewhere.write(
        &home,
        &["pg_dump", "--no-privileges", "--format=custom"],
        "without.dump",
    );
    home.db(&["import", "without.dump"])
        .exits(0)
        .says("2 tables with 3000 rows");
}

/// A build without ICU.
#[test]
fn text_that_this_build_cannot_sort_is_seen_before_anything_is_copied() {
    let home = Home::with_postgres(&[Build::Theseus18]);
    let _ends = Ends(&home);
    let mut elsewhere = Elsewhere::start(&home);
    // ICU knows no text without an encoding.
    let utf8 = "create database utf8 encoding 'UTF8' template template0";
    sql(&elsewhere.address, utf8).expect("made");
    let server = elsewhere.address.strip_suffix("postgres").expect("its database");
    elsewhere.address = format!("{server}utf8");
    let rows = [
        (
            "create table t (x text); create collation german (provider = icu, locale = 'de')",
            "german",
        ),
        (
            "drop collation german; alter table t add name text collate \"de-x-icu\"",
            "de-x-icu",
        ),
    ];
    every(rows, |(statement, collation)| {
        sql(&elsewhere.address, statement).expect("written");
        for (format, name) in [("--format=custom", "icu.dump"), ("--format=plain", "icu.sql")] {
            elsewhere.dump(&home, format, name);
        }
        for source in [elsewhere.address.as_str(), "icu.dump", "icu.sql"] {
            for more in [&["--dry-run"][..], &[]] {
                home.db(&[&["import", source], more].concat())
                    .exits(1)
                    .says("text is sorted by ICU there (the collation `")
                    .says(collation)
                    .says("and this build of PostgreSQL 18 has no ICU")
                    .says("hint: take a build of PostgreSQL with ICU");
            }
        }
    });
    assert!(home.in_amp("metadb.next").is_empty());
    // Without it nothing hinders.
    sql(&elsewhere.address, "alter table t drop name").expect("written");
    home.db(&["import", &elsewhere.address])
        .exits(0)
        .says("1 table with 0 rows");
}

/// An archive of a later pg_dump, for the pg_restore of the system.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_dump_that_pg_restore_is_too_old_for_is_told_with_one_that_is_not() {
    let old = "of PostgreSQL 15 is too old for this dump: unsupported version (1.16) in file header";
    // No server of theirs is ever started.
    let mut later = Home::with_postgres(&[Build::Npm(18)]);
    let same = Home::with_postgres(&[Build::Debian15]);
    let elsewhere = Elsewhere::start(&later);
    elsewhere.dump(&later, "--format=custom", "my.dump");
    let mut dump = fs::read(later.work().join("my.dump")).expect("read");
    // `PGDMP`, the version's major, its minor.
    dump[6] = 16;
    let rows = [
        (&later, "install the client programs of PostgreSQL 18, on PATH"),
        (
            &same,
            "hint: a later PostgreSQL wrote it: `ampup install postgres` installs the newest",
        ),
    ];
    for (home, hint) in rows {
        fs::write(home.work().join("my.dump"), &dump).expect("written");
        home.db(&["import", "my.dump"]).exits(1).says(old).says(hint);
    }
    later.offer_artifacts(
        "postgres",
        "18.6.0",
        &[json!({
            "target": TARGET, "provider": "theseus", "format": "raw",
            "source": {"kind": "file", "url": "file:///nowhere"},
            "integrity": {"kind": "pinned", "digest": sha256(b"nothing")},
        })],
    );
    later
        .db(&["import", "my.dump"])
        .exits(1)
        .says(old)
        .says("hint: `ampup install postgres@18.6+theseus` installs a newer one");
}
