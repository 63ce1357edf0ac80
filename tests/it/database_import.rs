//! `ampup db import`: from a server that wants a password, as Docker's does, and from dumps.

mod elsewhere;
mod lacking;
mod present;
mod silence;

use std::{net::TcpListener, process::Command};

use ampup::{
    event::Silent,
    postgres::{Purpose, Server, StartOptions},
};
use camino::Utf8Path;
use fs_err as fs;

use self::elsewhere::{Elsewhere, OBJECTS};
use crate::support::{
    database::{Build, DEBIAN, Ends},
    home::{Home, finish},
    postgres::sql,
    table::every,
};

fn start(home: &Home) -> Server {
    let start = StartOptions::default().purpose(Purpose::Session);
    home.cluster().start(&start, &Silent).expect("started")
}

fn ask(home: &Home, statement: &str) -> String {
    let server = start(home);
    let answer = sql(server.url(), statement).expect("answered");
    server.release(&Silent).expect("left");
    answer
}

#[test]
fn a_running_database_and_its_dumps_are_copied_row_by_row() {
    let home = Home::with_postgres(&[Build::Wheel16]);
    let _ends = Ends(&home);
    let elsewhere = Elsewhere::start(&home);
    let rows = "select count(*) from t where y = E'a\\tb\\n\\\\.'";

    fs::create_dir_all(home.work().join(".amp")).expect("made");
    home.give(&home.work());
    fs::write(
        home.work().join(".amp/config.toml"),
        "[metadata_db]\nurl = \"postgresql://x/y\"\n",
    )
    .expect("written");
    let run = home
        .db(&["import", &elsewhere.address])
        .exits(0)
        .says("2 tables with 3000 rows, counted on both sides")
        .says("remove `metadata_db.url` from `");
    // That of initdb is in every cluster.
    assert!(!run.stderr.contains("the comment on the database"), "{run:#?}");
    assert_eq!(ask(&home, rows), "3000");
    assert_eq!(
        sql(&elsewhere.address, "select count(*) from t").expect("answered"),
        "3000"
    );

    // What is there is put aside only when asked.
    let settings = home.work().join(".amp/config.toml");
    // Before anything else is looked at.
    fs::write(&settings, "[").expect("damaged");
    home.db(&["import", &elsewhere.address])
        .exits(1)
        .says("may hold tables: only its server can tell")
        .says("--replace");
    elsewhere.dump(&home, "--format=custom", "custom.dump");
    elsewhere.dump(&home, "--format=plain", "plain.sql");
    fs::remove_file(settings).expect("removed");
    // There is no ampd to run.
    let run = home
        .db(&["import", "--replace", "custom.dump"])
        .exits(0)
        .says("2 tables with 3000 rows")
        .says("next: `ampup db psql` shows what was copied\n");
    assert!(!run.stderr.contains("COMMENT ON DATABASE"), "{run:#?}");
    assert_eq!(ask(&home, rows), "3000");
    assert_eq!(home.in_amp("metadb.old-").len(), 1);

    // psql 16.2 does not know `\restrict`: Debian's is taken.
    let text = fs::read_to_string(home.work().join("plain.sql")).expect("read");
    home.db(&["import", "--replace", "plain.sql"])
        .exits(0)
        .says("2 tables with 3000 rows, counted here");
    assert_eq!(ask(&home, rows), "3000");

    // What cannot be imported changes nothing.
    fs::write(home.work().join("cut.sql"), &text[..text.len() / 2]).expect("written");
    let custom = fs::read(home.work().join("custom.dump")).expect("read");
    fs::write(home.work().join("cut.dump"), &custom[..custom.len() / 2]).expect("written");
    fs::write(
        home.work().join("wrong.sql"),
        "create table t (x int);\nnonsense;\n",
    )
    .expect("written");
    fs::write(home.work().join("empty"), "").expect("written");
    // Accepts, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent_host = silent.local_addr().expect("known");
    let silent_address = format!("postgresql://x@{silent_host}/x?connect_timeout=2");
    let chatty_address = format!("postgresql://x@{}/x?connect_timeout=2", silence::chatty());
    let sources = [
        ("cut.sql", 1),
        ("cut.dump", 1),
        ("wrong.sql", 1),
        ("empty", 1),
        ("absent", 3),
        (".", 1),
        ("postgresql://nobody:x@127.0.0.1:1/none", 5),
        ("postgresql://nobody:x@absent.invalid/none", 5),
        ("postgresql://nobody@/none?host=/nonexistent", 5),
        (&silent_address, 5),
        (&chatty_address, 5),
        (&elsewhere.address.replace("p%25ss", "other"), 1),
    ];
    every(sources, |(source, code)| {
        home.db(&["import", "--replace", source]).exits(code);
        assert!(home.in_amp("metadb.next").is_empty(), "{source}");
    });
    // A dry run ends as the run would, as far as it can know.
    let sources = [
        ("cut.sql", 1),
        ("absent", 3),
        ("postgresql://nobody:x@127.0.0.1:1/none", 5),
        ("custom.dump", 0),
        (&elsewhere.address, 0),
    ];
    every(sources, |(source, code)| {
        home.db(&["import", "--replace", "--dry-run", source]).exits(code);
    });
    assert_eq!(home.in_amp("metadb.old-").len(), 2);
    assert_eq!(ask(&home, rows), "3000");
    is_not_in_the_list(&elsewhere, &home.work());
}

/// With theseus's build alone. Its pg_dump is older than the server and does not know what that keeps of each column; its
/// extensions would take the host's libpq, which is older than they are.
#[test]
fn every_sort_of_object_is_copied_without_a_postgresql_of_the_host() {
    let home = Home::with_postgres(&[Build::Theseus18]);
    let _ends = Ends(&home);
    let elsewhere = Elsewhere::start(&home);
    sql(&elsewhere.address, OBJECTS).expect("written");
    let fast = home.directory("elsewhere/fast");
    home.give(&fast);
    for statement in [
        &format!("create tablespace fast location '{fast}'"),
        "create database shop",
        "alter database postgres connection limit 70",
        "alter system set work_mem = '6MB'",
        "select pg_reload_conf()",
        "alter table empty set tablespace fast",
        "comment on role app is 'the application'",
        "grant set, alter system on parameter log_statement to app",
    ] {
        sql(&elsewhere.address, statement).expect("written");
    }
    let programs = home.path().join("components/postgres/18.6.0/bin");
    let by_theseus = |url: &str, words: &[&str]| {
        let mut dump = Command::new(programs.join("pg_dump"));
        let output = dump.args(words).args(["-d", url]).output().expect("started");
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    let alone = |words: &[&str]| {
        let mut command = home.command(words);
        command.env("PATH", "/nonexistent");
        finish(command)
    };
    let schema = |url: &str| -> Vec<String> {
        let text = String::from_utf8(by_theseus(url, &["--schema-only", "--no-tablespaces"])).expect("UTF-8");
        let not_of_both = [
            "-- ",
            "\\restrict ",
            "\\unrestrict ",
            "SET client_encoding",
            "ALTER TABLE ONLY public.base ALTER COLUMN x SET (",
        ];
        let is_of_both = |line: &&str| {
            !line.contains("SET (pg_attver=") && not_of_both.iter().all(|begin| !line.starts_with(begin))
        };
        text.lines().filter(is_of_both).map(str::to_owned).collect()
    };
    let there = schema(&elsewhere.address);
    for (name, words) in [
        ("archive.dump", &["--format=custom"][..]),
        ("placed.sql", &["--format=plain"]),
        ("plain.sql", &["--format=plain", "--no-tablespaces"]),
    ] {
        fs::write(home.work().join(name), by_theseus(&elsewhere.address, words)).expect("written");
    }
    alone(&["db", "import", "placed.sql"])
        .exits(1)
        .says("  dump it again with `pg_dump --no-tablespaces");
    let rows = [
        (
            elsewhere.address.as_str(),
            "9 tables with 3023 rows, counted on both sides",
        ),
        ("archive.dump", "9 tables with 3023 rows, counted here"),
        ("plain.sql", "9 tables with 3023 rows, counted here"),
    ];
    every(rows, |(source, said)| {
        let run = alone(&["db", "import", "--replace", source]).exits(0).says(said);
        if source == elsewhere.address {
            run.says("connecting to 127.0.0.1:")
                .says("not copied, because a dump of one database does not hold it:")
                .says("the comment on the database: mine")
                .says("other databases of the server: shop")
                .says("logins and memberships of roles: app, ")
                .says("comments on roles: app")
                .says("privileges on the parameter log_statement: ")
                .says("tablespaces: fast")
                .says("the connection limit of the database: 70")
                .says("setting of the server: work_mem = 6MB (postgresql.auto.conf)")
                .says("settings of role reader: work_mem=7MB")
                .says("settings of the database: statement_timeout=1min");
        } else if source == "archive.dump" {
            run.says("not copied, because it is about the database itself, and what is in it was copied:")
                .says("  COMMENT ON DATABASE postgres IS 'mine'");
        }
        let server = start(&home);
        assert_eq!(schema(server.url()), there, "{source}");
        let kept =
            "select string_agg(attoptions::text, ' ') from pg_attribute where attrelid = 'base'::regclass";
        assert_eq!(
            sql(server.url(), kept).expect("answered"),
            "{n_distinct=5}",
            "{source}"
        );
        server.release(&ampup::event::Silent).expect("left");
    });
}

/// Commands that psql could be given to run, however it is written.
#[test]
fn a_dump_runs_no_program_here() {
    let home = Home::with_postgres(&[Build::Wheel16]);
    let _ends = Ends(&home);
    let trace = home.directory("trace").join("ran");
    let end = "--\n-- PostgreSQL database dump complete\n--\n";
    let rows = [
        format!("\\! touch {trace}\n"),
        format!("create table t (x int);\n\\o |touch {trace}\nselect 1;\n"),
        format!("select 1 \\g |touch {trace}\n"),
        format!("select 1;\n\\w |touch {trace}\n"),
        format!("\\copy (select 1) to program 'touch {trace}'\n"),
        format!("\\set x `touch {trace}`\n"),
        format!("\\setenv PAGER 'touch {trace}'\nselect 1;\n"),
        format!("select '\n\\unrestrict x\n';\n\\! touch {trace}\n"),
        format!(
            "--\n-- PostgreSQL database dump\n--\n\n\\restrict a\nselect 1;\n\\unrestrict a\n\\! touch {trace}\n{end}"
        ),
    ];
    every(rows, |dump| {
        fs::write(home.work().join("evil.sql"), &dump).expect("written");
        home.db(&["import", "evil.sql"])
            .exits(1)
            .says("backslash commands are restricted");
        assert!(!trace.exists(), "{dump}");
    });
    fs::write(home.work().join("good.sql"), "create table t (x int);\n").expect("written");
    let mut command = home.command(&["db", "import", "good.sql"]);
    command.env("PATH", "/nonexistent");
    finish(command).exits(3).says("no psql that knows `\\restrict`");
    home.db(&["import", "good.sql"])
        .exits(0)
        .says("1 table with 0 rows");
}

/// Each kind that pg_dump writes is imported, or the command is named that writes one which is.
#[test]
fn every_kind_of_dump_is_read_or_told_how_to_write_another() {
    let home = Home::with_postgres(&[Build::Wheel16]);
    let _ends = Ends(&home);
    let elsewhere = Elsewhere::start(&home);
    let rows = [
        (&["pg_dump", "--format=tar"][..], "tar", "2 tables with 3000 rows"),
        (
            &["pg_dump", "--inserts"],
            "inserts.sql",
            "2 tables with 3000 rows",
        ),
        (
            &["pg_dump", "--schema-only"],
            "schema.sql",
            "2 tables with 0 rows",
        ),
    ];
    every(rows, |(words, name, said)| {
        elsewhere.write(&home, words, name);
        home.db(&["import", "--replace", name]).exits(0).says(said);
    });
    assert_eq!(home.in_amp("metadb.old-").len(), 2);
    let rows = [
        (
            &["pg_dump", "--create"][..],
            "create.sql",
            "makes a database of its own",
        ),
        (
            &["pg_dump", "--create", "--clean"],
            "clean.sql",
            "makes a database of its own",
        ),
        (&["pg_dumpall"], "all.sql", "holds every database of a server"),
    ];
    every(rows, |(words, name, said)| {
        elsewhere.write(&home, words, name);
        home.db(&["import", "--replace", name])
            .exits(1)
            .says(said)
            .says(&format!(
                "hint: `ampup db psql -q -f {name}` loads all of it into an empty database (psql reports that your role exists already); or `pg_dump --format"
            ));
    });
    let directory = home.work().join("directory");
    elsewhere.write(
        &home,
        &["pg_dump", "--format=directory", "--file", directory.as_str()],
        "nothing",
    );
    home.give(&directory);
    home.db(&["import", "--replace", "directory"])
        .exits(1)
        .says("is a dump in a directory")
        .says("hint: `ampup run -- pg_restore --file directory.sql directory`");
    home.db(&["import", "--replace", "."])
        .exits(1)
        .says("is a project's directory")
        .says("hint: `ampup db fork ")
        .says("copies its database");
    let status = Command::new(format!("{DEBIAN}/bin/pg_restore"))
        .args(["--file", &format!("{directory}.sql"), directory.as_str()])
        .status();
    assert!(status.expect("started").success());
    home.db(&["import", "--replace", "directory.sql"])
        .exits(0)
        .says("2 tables with 3000 rows");
}

/// Rows, comments and functions may say anything, and a text may be cut anywhere.
#[test]
fn what_a_dump_only_seems_to_say_is_not_done() {
    let home = Home::with_postgres(&[Build::Wheel16]);
    let _ends = Ends(&home);
    let elsewhere = Elsewhere::start(&home);
    sql(
        &elsewhere.address,
        "create table log (line text); create role maker; create publication real; \
         insert into log values ('GRANT ALL ON DATABASE prod TO evilrole;'), ('ALTER PUBLICATION p OWNER TO app;'), \
         ('ALTER PUBLICATION p OWNER TO boss;'), ('COMMENT ON DATABASE x IS ''y'';'), \
         ('-- PostgreSQL database cluster dump'); comment on table log is E'use\\n\\\\connect prod\\nfirst'; \
         create table \"a\nb\" as select 1 as x; alter role maker superuser createdb; alter publication real owner to maker",
    )
    .expect("written");
    let roles = "select string_agg(rolname || rolsuper, ' ' order by rolname) from pg_roles where rolname ~ '^(app|boss|evil|maker)'";
    elsewhere.dump(&home, "--format=plain", "plain.sql");
    elsewhere.dump(&home, "--format=tar", "dump.tar");
    for source in ["plain.sql", "dump.tar", elsewhere.address.as_str()] {
        let run = home
            .db(&["import", "--replace", source])
            .exits(0)
            .says("4 tables with 3006 rows");
        if source == elsewhere.address {
            run.says("attributes of roles: maker (CREATEDB)");
        } else {
            assert!(!run.stderr.contains("ON DATABASE x"), "{run:?}");
        }
        assert_eq!(ask(&home, roles), "appfalse makertrue", "{source}");
    }
    let kept = home.in_amp("metadb.old-").len();
    let mut raw = b"--\n-- PostgreSQL database dump\n--\n\nSET client_encoding = 'SQL_ASCII';\nCREATE TABLE r (x text);\n\
        COPY r (x) FROM stdin;\n\xe9\n\\.\n"
        .to_vec();
    raw.extend(b"\n--\n-- PostgreSQL database dump complete\n--\n\n");
    fs::write(home.work().join("raw.sql"), raw).expect("written");
    let archive = fs::read(home.work().join("dump.tar")).expect("read");
    fs::write(home.work().join("cut.tar"), &archive[..archive.len() / 4]).expect("written");
    fs::write(home.work().join("cut.sql"), "--\n-- PostgreSQL da").expect("written");
    every(
        [
            ("cut.tar", "was cut off"),
            ("cut.sql", "holds no statement"),
            ("raw.sql", "--encoding=LATIN1"),
        ],
        |(source, said)| {
            home.db(&["import", "--replace", source]).exits(1).says(said);
        },
    );
    assert_eq!(home.in_amp("metadb.old-").len(), kept);
}

/// The password was shown to nobody: what failed is told without it.
fn is_not_in_the_list(elsewhere: &Elsewhere, work: &Utf8Path) {
    let log = fs::read_to_string(work.join(".amp/log/postgres.log")).expect("read");
    assert!(!log.contains("p%ss/word") && !log.contains(&elsewhere.address));
}

/// From the address that `ampup db url` prints in another project.
#[test]
fn another_projects_database_is_copied_and_that_of_a_later_major_refused() {
    let old = Home::with_postgres(&[Build::Debian15]);
    let new = Home::with_postgres(&[Build::Wheel16]);
    let _ends = (Ends(&old), Ends(&new));
    let (of_old, of_new) = (start(&old), start(&new));
    for server in [&of_old, &of_new] {
        sql(
            server.url(),
            "create table t as select generate_series(1, 9) as x",
        )
        .expect("written");
    }
    old.db(&["import", "--replace", of_new.url()])
        .exits(1)
        .says("that server is PostgreSQL 16; this project's is 15")
        .says("hint: `ampup install postgres@16`");
    assert!(old.in_amp("metadb.old-").is_empty() && old.in_amp("metadb.next").is_empty());
    assert_eq!(
        sql(of_old.url(), "select count(*) from t").expect("it serves on"),
        "9"
    );
    of_new.release(&Silent).expect("left");
    new.db(&["import", "--replace", of_old.url()])
        .exits(0)
        .says("1 table with 9 rows, counted on both sides");
    assert_eq!(ask(&new, "select count(*) from t"), "9");
    of_old.release(&Silent).expect("left");
}
