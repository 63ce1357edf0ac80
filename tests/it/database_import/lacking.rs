//! Imports of what the PostgreSQL here does not have.

use super::Elsewhere;
use crate::support::{
    database::{Build, Ends},
    home::Home,
    postgres::sql,
    table::every,
};

/// A build without ICU, and functions of an extension that have other arguments in the newer one.
#[test]
fn what_this_build_does_not_have_is_told_with_what_works() {
    let home = Home::with_postgres(&[Build::Theseus18]);
    let _ends = Ends(&home);
    let elsewhere = Elsewhere::start(&home);
    let statements = |statements: &[&str]| {
        for statement in statements {
            sql(&elsewhere.address, statement).expect("written");
        }
    };
    statements(&[
        "alter default privileges grant execute on functions to app",
        "create extension postgres_fdw",
    ]);
    for (format, name) in [("--format=custom", "with.dump"), ("--format=plain", "with.sql")] {
        elsewhere.dump(&home, format, name);
    }
    every([elsewhere.address.as_str(), "with.dump", "with.sql"], |source| {
        home.db(&["import", source])
            .exits(1)
            .says("function public.postgres_fdw_get_connections() does not exist")
            .says("hint: PostgreSQL here has it with other arguments; without privileges it can be copied: `pg_dump --no-privileges");
    });
    elsewhere.write(
        &home,
        &["pg_dump", "--no-privileges", "--format=custom"],
        "without.dump",
    );
    home.db(&["import", "without.dump"])
        .exits(0)
        .says("2 tables with 3000 rows");

    statements(&["drop extension postgres_fdw"]);
    let rows = [
        (
            "create collation german (provider = icu, locale = 'de')",
            "german",
        ),
        (
            "drop collation german; alter table empty add name text collate \"de-x-icu\"",
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
                home.db(&[&["import", "--replace", source], more].concat())
                    .exits(1)
                    .says("text is sorted by ICU there (the collation `")
                    .says(collation)
                    .says("and this build of PostgreSQL 18 has no ICU")
                    .says("hint: take a build of PostgreSQL with ICU");
            }
        }
    });
    assert!(home.in_amp("metadb.next").is_empty());
}
