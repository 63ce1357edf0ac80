//! A pin of PostgreSQL, and the major of a project's database.

use fs_err as fs;

use super::pin;
use crate::support::{
    database::Build,
    home::{Home, finish},
    table::every,
};

#[test]
fn two_projects_with_different_majors_run_side_by_side_and_a_clusters_major_rules() {
    let home = Home::with_postgres(&[Build::Npm(17), Build::Npm(18)]);
    pin(&home, "[components]\npostgres = \"17\"\n");
    let serves = [
        "run",
        "--",
        "sh",
        "-c",
        "postgres --version; cat .amp/metadb/PG_VERSION",
    ];
    let run = home.ampup(&serves).exits(0);
    assert!(
        run.stdout.contains(" 17.10\n") && run.stdout.ends_with("\n17\n"),
        "{run:?}"
    );
    let mut other = home.command(&["run", "--", "cat", ".amp/metadb/PG_VERSION"]);
    other.current_dir(home.directory("other"));
    finish(other).exits(0).prints("18\n");
    // Where nothing is pinned, the server's own programs come first.
    let mut own = home.command(&["run", "--", "sh", "-c", "command -v initdb"]);
    own.current_dir(home.directory("other"));
    let initdb = home.path().join("components/postgres/18.4.0/bin/initdb");
    finish(own).exits(0).prints(&format!("{initdb}\n"));
    home.ampup(&["pin", "postgres@18"])
        .exits(0)
        .says("is of PostgreSQL 17, which this pin does not serve")
        .says("`ampup db upgrade --to 18`");
    pin(&home, "[components]\npostgres = \"18\"\n");
    for command in [&["run", "true"][..], &["db", "start"]] {
        home.ampup(command)
            .exits(1)
            .says("is of PostgreSQL 17")
            .says("line 2 of")
            .says("`ampup pin postgres@17`");
    }
    // What would be refused is told by whoever looks, and is no next step.
    let refused = "warning: the database in `.amp/metadb` is of PostgreSQL 17, and line 2 of `ampup.toml` pins `postgres@18`, which \
                   cannot serve it\nhint: `ampup db upgrade --to 18` moves the database, or `ampup pin postgres@17`";
    let run = home.ampup(&["install"]).exits(0).says(refused);
    assert!(!run.stderr.contains("plain `ampd solo`"), "{run:#?}");
    home.ampup(&["uninstall", "postgres@18", "--force"]).exits(0);
    let run = home
        .ampup(&["install"])
        .exits(0)
        .says("installed postgres 18.4")
        .says(refused);
    assert!(!run.stderr.contains("next: "), "{run:#?}");
    home.ampup(&["use", "postgres@18"]).exits(0);
    let unfit = [
        (
            "postgres = \"18\"",
            "is of PostgreSQL 17, and line 2 of `ampup.toml` chooses",
        ),
        (
            "postgres = \"18.3.0\"",
            "line 2 of `ampup.toml` pins `postgres@18.3.0`, which cannot serve it",
        ),
        (
            "postgres = \"17.1.0\"",
            "line 2 of `ampup.toml` pins `postgres@17.1.0`, which is not installed\nhint: ",
        ),
        ("postgres", "`ampup.toml` is malformed: "),
    ];
    every(unfit, |(line, problem)| {
        pin(&home, &format!("[components]\n{line}\n"));
        home.ampup(&["db", "status"])
            .exits(0)
            .prints_with("state        stopped\nPostgreSQL   17\n")
            .says("warning: ")
            .says(problem);
    });
    pin(&home, "[components]\npostgres = \"17\"\n");
    let run = home.ampup(&["db", "status"]).exits(0);
    assert!(!run.stderr.contains("warning: "), "{run:#?}");
    home.ampup(&["uninstall", "postgres@17", "--force"]).exits(0);
    home.ampup(&["install"])
        .exits(0)
        .says("\nnext: `ampup db start`\n");
    // Whoever names no version pins one that serves the database, whatever is active.
    every([&["pin"][..], &["pin", "postgres"]], |words| {
        fs::remove_file(home.work().join("ampup.toml")).expect("removed");
        home.ampup(words)
            .exits(0)
            .prints("postgres 17.10.0\n")
            .says("postgres 17.10 is pinned, because the database in `.amp/metadb` is of PostgreSQL 17");
        home.ampup(&["db", "start", "--dry-run"]).exits(0);
    });
    pin(&home, "[components]\npostgres = \"18\"\n");
    home.ampup(&["run", "--with", "postgres@17", "true"]).exits(0);
    pin(&home, "[components]\npostgres = \"18.3.0\"\n");
    for command in [&["run", "true"][..], &["db", "start"]] {
        home.ampup(command).exits(1).says(
            "is of PostgreSQL 17, and line 2 of `ampup.toml` pins `postgres@18.3.0`, which cannot serve it",
        );
    }
    pin(&home, "[components]\npostgres = \"17\"\n");
    home.ampup(&["run", "--with", "postgres@18", "true"])
        .exits(1)
        .says("`--with` chooses postgres 18.4")
        .says("`--no-db` runs the command without it");
    home.ampup(&["run", "--no-db", "--with", "postgres@18", "true"])
        .exits(0);
}

/// A dump's new cluster is the pinned version's, whatever is active and whatever was there; what comes with a major of its own is
/// told of.
#[test]
fn a_database_that_is_imported_upgraded_or_restored_is_one_that_the_pin_serves() {
    let home = Home::with_postgres(&[Build::Npm(17), Build::Npm(18)]);
    let major = |directory: &str| {
        let file = home.directory(directory).join(".amp/metadb/PG_VERSION");
        fs::read_to_string(file).expect("a cluster")
    };
    fs::write(home.work().join("dump.sql"), "create table t (x int);\n").expect("written");
    pin(&home, "[components]\npostgres = \"17.10.0\"\n");
    home.db(&["import", "dump.sql"]).exits(0);
    assert_eq!(major("work"), "17\n");
    home.ampup(&["run", "true"]).exits(0);
    home.db(&["backup", "of-17.backup"]).exits(0);
    let before = fs::read(home.work().join(".amp/metadb/global/pg_control")).expect("read");
    let raise = "`ampup pin postgres@18.4.0`, `ampup install`, then `ampup db upgrade`";
    every([&["--dry-run"][..], &[]], |dry_run| {
        home.db(&[&["upgrade", "--to", "18"], dry_run].concat())
            .exits(1)
            .says("line 2 of `ampup.toml` pins `postgres@17.10.0`, which cannot serve a database of PostgreSQL 18")
            .says(&format!("hint: {raise}"));
        home.db(&[&["upgrade"], dry_run].concat())
            .exits(0)
            .says("already uses PostgreSQL 17")
            .says(&format!(
                "line 2 of `ampup.toml` pins `postgres@17.10.0`; for PostgreSQL 18: {raise}"
            ));
    });
    let after = fs::read(home.work().join(".amp/metadb/global/pg_control")).expect("read");
    assert!(before == after, "nothing was changed");
    pin(&home, "[components]\npostgres = \"18.4.0\"\n");
    home.ampup(&["run", "true"])
        .exits(1)
        .says("`ampup pin postgres@17.10.0` changes the pin");
    home.db(&["import", "--replace", "dump.sql"]).exits(0);
    assert_eq!(major("work"), "18\n");
    // No pin makes a downgrade possible.
    home.db(&["upgrade", "--to", "17"])
        .exits(1)
        .says("was created by PostgreSQL 18 and cannot be downgraded to 17")
        .says("\n  nothing needs to be done");
    home.ampup(&["run", "true"]).exits(0);
    pin(&home, "[components]\npostgres = \"17.10.0\"\n");
    home.db(&["upgrade", "--to", "17"])
        .exits(1)
        .says("hint: `ampup pin postgres@18.4.0` lets PostgreSQL 18 serve it again");
    pin(&home, "[components]\npostgres = \"18.4.0\"\n");
    let copy = home.directory("copy");
    fs::write(copy.join("ampup.toml"), "[components]\npostgres = \"17.10.0\"\n").expect("written");
    home.give(&copy);
    let fork = |more: &[&str]| {
        let mut fork = home.command(&[&["db", "fork", home.work().as_str()], more].concat());
        fork.current_dir(&copy);
        finish(fork)
    };
    every([&["--dry-run"][..], &[]], |dry_run| {
        home.db(&[&["restore", "of-17.backup"], dry_run].concat())
            .exits(1)
            .says("line 2 of `ampup.toml` pins `postgres@18.4.0`, which cannot serve a database of PostgreSQL 17")
            .says("hint: `ampup pin postgres@17.10.0`, `ampup install`, then `ampup db restore of-17.backup`");
        fork(dry_run)
            .exits(1)
            .says("pins `postgres@17.10.0`, which cannot serve a database of PostgreSQL 18")
            .says(&format!("then `ampup db fork {}`", home.work()));
    });
    assert_eq!(major("work"), "18\n");
    assert!(!copy.join(".amp").exists(), "nothing was made");
    pin(&home, "[components]\npostgres = \"17\"\n");
    home.db(&["restore", "of-17.backup"]).exits(0);
    assert_eq!(major("work"), "17\n");
    fork(&[]).exits(0);
    assert_eq!(major("copy"), "17\n");
}

/// Where nothing is active, what is installed can be pinned.
#[test]
fn what_is_installed_and_not_active_is_named_to_be_pinned() {
    let home = Home::with_postgres(&[Build::Npm(17), Build::Npm(18)]);
    home.ampup(&["uninstall", "postgres@18"]).exits(0);
    home.ampup(&["pin"])
        .exits(3)
        .says("nothing is active that could be pinned\nhint: `ampup pin postgres@17.10.0`\n");
    home.ampup(&["pin", "postgres@17.10.0"])
        .exits(0)
        .prints("postgres 17.10.0\n");
}
