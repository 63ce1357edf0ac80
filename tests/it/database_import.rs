//! `ampup db import`: from a server that wants a password, as Docker's does, and from dumps.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    thread,
};

use ampup::{
    event::Silent,
    postgres::{Purpose, Server, StartOptions, identity},
};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{
    database::{Build, DEBIAN, Ends},
    home::{Home, finish},
    postgres::{eventually, run_as, sql},
    programs::is_heard,
    table::every,
};

/// Roles that own nothing, and a text that only looks like rows and grants.
const ROLES: &str = "create role grafana login; create role \"a \"\"b; TO c\"; create role giver; \
    grant select on t to grafana, \"a \"\"b; TO c\"; grant select on t to giver with grant option; \
    set session authorization giver; grant select on t to grafana; reset session authorization; \
    create role defaults; alter default privileges for role defaults grant select on tables to grafana; \
    create role reader; create policy p on t to app, reader using (y <> 'x'); create role guest; \
    create foreign data wrapper w; create server s foreign data wrapper w; create user mapping for guest server s; \
    create function f() returns text language sql as $f$ select '\nCOPY t FROM stdin;\nGRANT eve TO eve;\n' $f$";

/// Objects of every other sort.
const OBJECTS: &str = include_str!("data/every-object.sql");

/// A server on a port of its own, with a password, as people have one in a container.
struct Elsewhere {
    server: Child,
    address: String,
    data: Utf8PathBuf,
}

impl Elsewhere {
    fn start(home: &Home) -> Self {
        let directory = home.directory("elsewhere");
        let data = directory.join("data");
        let password = directory.join("password");
        fs::write(&password, "p%ss/word\n").expect("written");
        home.give(&directory);
        let ran = as_user(&format!("{DEBIAN}/bin/initdb"))
            .args([
                "-D",
                data.as_str(),
                "-U",
                "postgres",
                "-A",
                "scram-sha-256",
                "--no-sync",
            ])
            .arg(format!("--pwfile={password}"))
            .output()
            .expect("started");
        assert!(ran.status.success(), "{ran:?}");
        let port = TcpListener::bind("127.0.0.1:0")
            .expect("a port")
            .local_addr()
            .expect("known")
            .port();
        let server = as_user(&format!("{DEBIAN}/bin/postgres"))
            .args([
                "-D",
                data.as_str(),
                "-k",
                directory.as_str(),
                "-p",
                &port.to_string(),
            ])
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .spawn()
            .expect("started");
        let address = format!("postgresql://postgres:p%25ss%2Fword@127.0.0.1:{port}/postgres");
        eventually("it serves", || sql(&address, "select 1").is_ok());
        let elsewhere = Self {
            server,
            address,
            data,
        };
        sql(
            &elsewhere.address,
            "create role app login; create table t as select generate_series(1, 3000) as x, E'a\\tb\\n\\\\.' as y; \
             alter table t owner to app; create table empty (x int); create view v as select count(*) from t",
        )
        .expect("written");
        sql(&elsewhere.address, ROLES).expect("written");
        elsewhere
    }

    fn dump(&self, home: &Home, format: &str, name: &str) {
        self.write(home, &["pg_dump", format], name);
    }

    fn write(&self, home: &Home, words: &[&str], name: &str) {
        let file = fs::File::create(home.work().join(name)).expect("made");
        let status = Command::new(format!("{DEBIAN}/bin/{}", words[0]))
            .args(&words[1..])
            .args(["-d", &self.address])
            // pg_dumpall's own pg_dump has no address.
            .env("PGPASSWORD", "p%ss/word")
            .stdout(file.into_parts().0)
            .status();
        assert!(status.expect("started").success());
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        if let Ok(text) = fs::read_to_string(self.data.join("postmaster.pid"))
            && let Some(pid) = text.lines().next().and_then(|line| line.parse().ok())
        {
            crate::postgres_law::signal(pid, Signal::INT);
        }
        let _ = self.server.wait();
    }
}

fn as_user(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(user) = run_as() {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

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
    home.db(&["import", &elsewhere.address])
        .exits(0)
        .says("2 tables with 3000 rows, counted on both sides")
        .says("remove `metadata_db.url` from `");
    assert_eq!(ask(&home, rows), "3000");
    assert_eq!(
        sql(&elsewhere.address, "select count(*) from t").expect("answered"),
        "3000"
    );

    // What is there is put aside only when asked.
    home.db(&["import", &elsewhere.address])
        .exits(1)
        .says("holds tables already")
        .says("--replace");
    elsewhere.dump(&home, "--format=custom", "custom.dump");
    elsewhere.dump(&home, "--format=plain", "plain.sql");
    home.db(&["import", "--replace", "custom.dump"])
        .exits(0)
        .says("2 tables with 3000 rows");
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
    let sources = [
        ("cut.sql", 1),
        ("cut.dump", 1),
        ("wrong.sql", 1),
        ("empty", 1),
        ("absent", 3),
        (".", 1),
        ("postgresql://nobody:x@127.0.0.1:1/none", 5),
        ("postgresql://nobody:x@absent.invalid/none", 5),
        (&silent_address, 5),
        (&elsewhere.address.replace("p%25ss", "other"), 1),
    ];
    every(sources, |(source, code)| {
        home.db(&["import", "--replace", source]).exits(code);
        assert!(home.in_amp("metadb.next").is_empty(), "{source}");
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
        "alter table empty set tablespace fast",
        "comment on role app is 'the application'",
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
        .says("hint: dump it again with `pg_dump --no-tablespaces");
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
                .says("left behind, and yours to bring over: ")
                .says("the comment on the database: mine")
                .says("logins and memberships of roles: app, ")
                .says("comments on roles: app")
                .says("tablespaces: fast")
                .says("settings of role reader: work_mem=7MB")
                .says("settings of the database: statement_timeout=1min");
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

/// What psql could be told to run, however it is written.
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
            .says("hint: `pg_dump --format=custom DATABASE > FILE`");
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
        .says("hint: `pg_restore --file directory.sql directory`");
    let status = Command::new(format!("{DEBIAN}/bin/pg_restore"))
        .args(["--file", &format!("{directory}.sql"), directory.as_str()])
        .status();
    assert!(status.expect("started").success());
    home.db(&["import", "--replace", "directory.sql"])
        .exits(0)
        .says("2 tables with 3000 rows");
}

/// The password was shown to nobody: what failed is told without it.
fn is_not_in_the_list(elsewhere: &Elsewhere, work: &Utf8Path) {
    let log = fs::read_to_string(work.join(".amp/log/postgres.log")).expect("read");
    assert!(!log.contains("p%ss/word") && !log.contains(&elsewhere.address));
}

/// Programs that were started to read this address.
fn readers(address: &str) -> Vec<String> {
    let place = address.split('@').next_back().expect("a host");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("listed").flatten() {
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        if words.contains(place) && !words.contains(" import ") {
            found.push(words);
        }
    }
    found
}

/// A server that works is waited for, and one that answers nowhere any more is not.
#[test]
fn a_server_that_goes_silent_while_it_is_read_is_given_up() {
    let home = Home::with_postgres(&[Build::Wheel16]);
    let _ends = Ends(&home);
    let elsewhere = Elsewhere::start(&home);
    sql(
        &elsewhere.address,
        "create table parts (x int) partition by range (x)",
    )
    .expect("written");
    let address = format!("{}?connect_timeout=2", elsewhere.address);
    // psql counts the rows of the one, and pg_dump locks the other.
    for table in ["t", "parts"] {
        let url = elsewhere.address.clone();
        let lock = format!("begin; lock table {table}; select pg_sleep(600)");
        let holder = thread::spawn(move || sql(&url, &lock));
        let waiting = "select count(*) from pg_stat_activity where query like 'begin; lock%' and wait_event = 'PgSleep'";
        eventually("it is locked", || {
            sql(&elsewhere.address, waiting).expect("asked") == "1"
        });
        let mut command = home.command(&["db", "import", "--replace", &address]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut import = command.spawn().expect("started");
        let mut told = BufReader::new(import.stderr.take().expect("piped")).lines();
        let mut until = |text: &str| {
            told.by_ref()
                .map_while(Result::ok)
                .any(|line| line.contains(text))
        };
        assert!(until("is still at work"), "{table}");
        let servers = identity::servers_of(&elsewhere.data).expect("listed");
        let all = |signal| {
            for process in &servers {
                let pid = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
                // One that answered a question may have ended since.
                let _ = kill_process(pid.expect("a process"), signal);
            }
        };
        all(Signal::STOP);
        let is_given_up = until("error: no answer from 127.0.0.1:");
        let code = import.wait().expect("ended").code();
        all(Signal::CONT);
        assert!(is_given_up && code == Some(5), "{table}: {code:?}");
        assert!(home.in_amp("metadb.next").is_empty(), "{table}");
        let end = "select pg_terminate_backend(pid) from pg_stat_activity where query like 'begin; lock%' and wait_event = 'PgSleep'";
        sql(&elsewhere.address, end).expect("ended");
        holder.join().expect("ended").expect_err("ended");
    }
}

#[test]
fn whoever_is_interrupted_leaves_nobody_at_the_source() {
    let home = Home::with_postgres(&[Build::Wheel16]);
    let _ends = Ends(&home);
    let elsewhere = Elsewhere::start(&home);
    // pg_dump locks it, and its rows are not counted.
    sql(
        &elsewhere.address,
        "create table parts (x int) partition by range (x)",
    )
    .expect("written");
    for (table, program, signal) in [("parts", "pg_dump", Signal::TERM), ("t", "psql", Signal::HUP)] {
        if !is_heard(signal.as_raw()) {
            continue;
        }
        let url = elsewhere.address.clone();
        let lock = format!("begin; lock table {table}; select pg_sleep(600)");
        let holder = thread::spawn(move || sql(&url, &lock));
        let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'";
        let asleep =
            "select pid from pg_stat_activity where query like 'begin; lock%' and wait_event = 'PgSleep'";
        let mut pid = String::new();
        eventually("it is locked", || {
            pid = sql(&elsewhere.address, asleep).expect("asked");
            !pid.is_empty()
        });
        let import = home
            .command(&["db", "import", &elsewhere.address])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        eventually("somebody waits for the lock", || {
            sql(&elsewhere.address, waiting).expect("asked") == "1"
        });
        let there = readers(&elsewhere.address);
        assert!(there.iter().any(|words| words.contains(program)), "{there:?}");
        crate::postgres_law::signal(import.id(), signal);
        let output = import.wait_with_output().expect("ended");
        assert_eq!(output.status.code(), Some(128 + signal.as_raw()), "{output:?}");
        assert_eq!(readers(&elsewhere.address), Vec::<String>::new());
        sql(&elsewhere.address, &format!("select pg_terminate_backend({pid})")).expect("ended");
        holder.join().expect("ended").expect_err("ended");
    }
    assert!(home.in_amp("metadb.old-").is_empty());
    home.db(&["import", &elsewhere.address])
        .exits(0)
        .says("counted on both sides");
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
        .says("hint: `ampup install --component postgres@16`");
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
