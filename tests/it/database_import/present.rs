//! The cluster that an import would take the place of.

use fs_err as fs;

use super::{ask, start};
use crate::support::{
    database::{Build, Ends},
    home::Home,
    postgres::sql,
    table::every,
};

/// Files whose numbers are like those of users' tables need be none of a user's.
#[test]
fn what_is_there_is_what_its_server_says_of_it() {
    let home = Home::with_postgres(&[Build::Wheel16]);
    let _ends = Ends(&home);
    fs::write(home.work().join("one.sql"), "create table imported (x int);\n").expect("written");
    let import = |more: &[&str]| home.db(&[&["import", "one.sql"], more].concat());
    let rows = [
        (&["vacuum full pg_description"][..], ""),
        (&["create table t (x int)", "drop table t"], ""),
        (&["create database shop"], "holds the database `shop` already"),
        (
            &["create table a (x int)", "create table \"B\" (x serial)"],
            "holds the table `public.B`, the table `public.a` already",
        ),
        (
            &[
                "create schema s create table a (x int) create table b (x int) create table c (x int)",
                "create sequence z",
                "create materialized view v as select 1",
            ],
            "holds the table `s.a`, the table `s.b`, the table `s.c` and 2 others already",
        ),
    ];
    for is_running in [true, false] {
        every(rows, |(statements, refusal)| {
            home.db(&["start"]).exits(0);
            let server = start(&home);
            for statement in statements {
                sql(server.url(), statement).expect("done");
            }
            drop(server);
            if !is_running {
                home.db(&["stop"]).exits(0);
            }
            // A dropped table's file is gone with its server; of any other file only a server can tell.
            let unknown = "may hold tables: only its server can tell";
            let refusal = match refusal {
                _ if is_running || statements.last() == Some(&"drop table t") => refusal,
                _ => unknown,
            };
            let code = if refusal.is_empty() { 0 } else { 1 };
            import(&["--dry-run"]).exits(code).says(refusal);
            let run = import(&[]).exits(code);
            if refusal.is_empty() {
                run.says("1 table with 0 rows");
                assert_eq!(ask(&home, "select count(*) from imported"), "0");
            } else {
                let hint = match refusal == unknown {
                    true => "hint: `ampup db start`, then the same command again; or add `--replace`",
                    false => "hint: add `--replace`",
                };
                run.says(refusal).says(hint);
                assert!(home.in_amp("metadb.old-").is_empty());
                // What cannot be imported at all is told first.
                for (name, hint) in [
                    ("nowhere", "\n  name a file that is there"),
                    ("one.sq", "\n  did you mean `one.sql`?"),
                ] {
                    home.db(&["import", name])
                        .exits(3)
                        .says(&format!("cannot read `{name}`"))
                        .says(hint);
                }
            }
            home.db(&["stop"]);
            fs::remove_dir_all(home.work().join(".amp")).expect("removed");
        });
    }
}
