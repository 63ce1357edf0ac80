//! `ampup db`: what is said of a database, and what is done to it when asked.

mod addresses;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod older_servers;

use std::process::{Command, Stdio};

use camino::Utf8Path;
use fs_err as fs;

#[cfg(target_os = "linux")]
use crate::support::disk::SmallDisk;
use crate::{
    postgres_ampd::{ampds_server, serves, url as ampds_url},
    support::{
        home::{Home, finish},
        postgres::{done, eventually, fingerprint, sql},
        programs,
        served::{Running, Served},
        table::every,
    },
};

#[test]
fn a_start_that_is_interrupted_leaves_nobody_behind() {
    let served = Served::new();
    // Without the template initdb makes the cluster, which takes long enough to be seen.
    fs::remove_dir_all(served.home.path().join("cache")).expect("removed");
    let amp_dir = served.home.work().join(".amp");
    let making = || {
        let entries = fs::read_dir(&amp_dir).into_iter().flatten().flatten();
        let mut found =
            entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("metadb.new-"));
        found.next().map(|entry| entry.path().join("PG_VERSION"))
    };
    let mut command = served.home.command(&["db", "start"]);
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    eventually("initdb works", || {
        making().is_some_and(|version| version.exists())
    });
    done(Command::new("kill").args(["-TERM", &child.id().to_string()]));
    let ended = child.wait_with_output().expect("ended");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(143), "{said}");
    assert!(
        said.contains("error: interrupted by SIGTERM; `ampup db status`"),
        "{said}"
    );
    // initdb, which was asked to end, has removed what it made.
    assert!(making().is_none_or(|version| !version.exists()));
    assert!(!served.data().exists());
    assert_eq!(served.sql("select 1"), "1");
}

#[test]
fn a_database_is_started_described_and_stopped() {
    let served = Served::new();
    served.ampup(&["db", "status"]).exits(0).prints_with("none");
    served.ampup(&["db", "url"]).exits(3).says("there is no database");
    served
        .ampup(&["db", "stop"])
        .exits(0)
        .says("there is no database in");
    served.ampup(&["db", "logs"]).exits(3).says("there is no log");
    let started = served.ampup(&["--json", "db", "start"]).exits(0).json();
    assert_eq!(
        (&started["started"], &started["durable"]),
        (&true.into(), &true.into())
    );
    served
        .ampup(&["db", "start"])
        .exits(0)
        .says("using the running database");

    let url = served.ampup(&["db", "url"]).exits(0).stdout;
    assert_eq!(sql(url.trim(), "select 1").expect("served"), "1");
    let status = served.ampup(&["--json", "db", "status"]).exits(0).json();
    assert_eq!(status["state"], "running");
    assert_eq!(status["version"], "18.4");
    assert_eq!(status["url"], url.trim());
    assert_eq!(status["durable"], true);
    assert_eq!(status["stays"], true);
    assert_eq!(status["connections"], 0);
    assert_eq!(status["pid"], started["pid"]);
    assert!(status["size"].as_u64().expect("bytes") > 1 << 20, "{status}");
    assert!(status["uptime"].is_u64() && status["free"].is_u64(), "{status}");
    let shown = served.ampup(&["db", "status"]).exits(0);
    let rows = [
        "running",
        "18.4",
        "connections",
        "durable      yes",
        ".s.PGSQL.5432",
        "`ampup db stop`",
    ];
    every(rows, |word| {
        assert!(shown.stdout.contains(word), "{word}: {shown:?}");
    });
    let list = served.ampup(&["db", "list"]).exits(0).stdout;
    assert!(
        list.contains(served.amp_dir().as_str()) && list.contains("running"),
        "{list}"
    );
    served
        .ampup(&["db", "logs"])
        .exits(0)
        .prints_with("ready to accept connections");

    served
        .ampup(&["db", "stop"])
        .exits(0)
        .says("stopped the database");
    served.ampup(&["db", "status"]).exits(0).prints_with("stopped");
    served.ampup(&["db", "url"]).exits(0).prints(&url);
    let elsewhere = served.home.directory("elsewhere");
    let mut command = served
        .home
        .command(&["db", "status", "--amp-dir", served.amp_dir().as_str()]);
    command.current_dir(elsewhere);
    finish(command).exits(0).prints_with("stopped");
}

#[test]
fn reset_asks_for_the_projects_name_and_keeps_the_old_database() {
    let served = Served::new();
    served.sql("create table t as select 1 as x");
    let before = fingerprint(&served.data());
    let rows = [
        &["db", "reset"][..],
        &["db", "reset", "--yes"],
        &["db", "reset", "other"],
        &["db", "reset", "--dry-run"],
        &["db", "reset", "other", "--dry-run"],
    ];
    every(rows, |refused| {
        let run = served.ampup(refused);
        assert!([1, 2].contains(&run.code), "{run:?}");
        run.says("`ampup db reset work`");
    });
    assert_eq!(fingerprint(&served.data()), before);
    let reset = served.ampup(&["--json", "db", "reset", "work"]).exits(0).json();
    let aside = Utf8Path::new(reset["aside"].as_str().expect("a path"));
    let name = aside.file_name().expect("a name");
    assert!(name.starts_with("metadb.old-"), "{name}");
    assert_eq!(fingerprint(aside).replace(name, "metadb"), before, "only renamed");
    assert_eq!(served.sql("select to_regclass('t') is null"), "t", "a new one");
    served.ampup(&["db", "reset", "work"]).exits(0);
    fs::rename(aside, served.data()).expect("back");
    assert_eq!(served.sql("select x from t"), "1");
    // Not under somebody who uses it; one that merely runs is stopped first.
    let mut running = served.running("echo ready; read x");
    assert_eq!(running.line(), "ready");
    for more in [&["--dry-run"][..], &[]] {
        served
            .ampup(&[&["db", "reset", "work"], more].concat())
            .exits(6)
            .says("is in use by");
    }
    assert_eq!(served.sql("select x from t"), "1");
    running.code();
    served.ampup(&["db", "start"]).exits(0);
    served.ampup(&["db", "reset", "work"]).exits(0);
    assert!(!served.is_running());
}

#[test]
fn compact_gives_room_back_and_keeps_every_row() {
    let served = Served::new();
    served.sql("create table t as select x, repeat('x', 500) as y from generate_series(1, 20000) x");
    served.sql("delete from t where x > 10");
    // One that somebody made beside `postgres` is compacted too.
    let shop = |statement: &str| {
        served
            .ampup(&["db", "psql", "-d", "shop", "-XtAqc", statement])
            .exits(0)
            .stdout
    };
    served.sql("create database shop");
    shop("create table g as select x, repeat('x', 500) as y from generate_series(1, 20000) x");
    shop("delete from g where x > 10");
    let compacted = served.ampup(&["--json", "db", "compact"]).exits(0).json();
    let number = |key: &str| compacted[key].as_u64().expect("bytes");
    assert!(number("after") + (15 << 20) < number("before"), "{compacted}");
    assert_eq!(served.sql("select count(*) from t"), "10");
    assert_eq!(shop("select count(*) from g"), "10\n");
    assert!(!served.is_running());
}

#[test]
fn a_followed_log_ends_with_a_signal() {
    if programs::find("tail").is_none() {
        return;
    }
    let served = Served::new();
    served.sql("select 1");
    let mut following = crate::support::served::Running::begin(served.home.command(&["db", "logs", "-f"]));
    assert!(following.line().contains("starting PostgreSQL"));
    following.signal(rustix::process::Signal::TERM);
    assert_eq!(following.code(), 143);
    // So is one that is too long to be shown whole.
    let log = fs::OpenOptions::new()
        .write(true)
        .open(served.amp_dir().join("log/postgres.log"))
        .expect("opened");
    log.set_len((1 << 30) + 1).expect("grown");
    let mut following = crate::support::served::Running::begin(served.home.command(&["db", "logs", "-f"]));
    assert!(following.line().contains("starting PostgreSQL"));
    following.signal(rustix::process::Signal::TERM);
    assert_eq!(following.code(), 143);
}

#[test]
fn a_missing_postgresql_is_the_same_everywhere() {
    let home = Home::new();
    for words in [&["db", "start"][..], &["db", "psql"]] {
        home.ampup(words)
            .exits(3)
            .says("error: PostgreSQL 18 is not installed\n")
            .says("hint: `ampup install postgres`\n");
    }
    home.ampup(&["db", "status"])
        .exits(0)
        .says("PostgreSQL 18 is not installed");
}

#[test]
fn a_directory_that_is_no_cluster_is_not_put_aside() {
    let served = Served::new();
    let place = served.home.work().join(".amp/metadb");
    fs::create_dir_all(&place).expect("made");
    fs::write(place.join("diary.txt"), "mine\n").expect("written");
    served.home.give(&served.home.work());
    served
        .ampup(&["db", "reset", "work"])
        .exits(1)
        .says("diary.txt")
        .says("\n  move it away, or set `AMP_DIR` to another directory: it is never written over");
    assert!(place.join("diary.txt").exists());
}

/// ampd by itself asks for no lock of ours: its sessions say that it is there.
#[test]
fn the_server_of_a_living_ampd_is_not_taken_from_it() {
    let served = Served::new();
    served.sql("create table t as select 1 as x");
    let mut ampd = ampds_server(&served.data());
    serves(&served.data());
    let mut command = served
        .home
        .other_program(&programs::find("psql").expect("it is needed"));
    command.args(["-XAt", "-d", &ampds_url(&served.data())]);
    let mut session = Running::begin(command);
    session.say("select 7;");
    assert_eq!(session.line(), "7");
    for words in [&["db", "backup"][..], &["db", "reset", "work"]] {
        served
            .ampup(words)
            .exits(6)
            .says("is in use by 1 session of a server that another program started (process ")
            .says("): psql of user ");
    }
    session.say("select x + 7 from t;");
    assert_eq!(session.line(), "8");
    assert_eq!(session.code(), 0);
    served.ampup(&["db", "backup"]).exits(0);
    ampd.wait().expect("it was stopped");
    assert_eq!(served.sql("select x from t"), "1");
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_read_only_file_system_a_database_is_still_described() {
    let served = Served::new();
    let amp_dir = served.home.work().join(".amp");
    fs::create_dir_all(&amp_dir).expect("made");
    let Some(disk) = SmallDisk::mount(&amp_dir, 400 << 20) else {
        return;
    };
    served.sql("create table t as select 1 as x");
    disk.close();
    served.ampup(&["db", "status"]).exits(0).prints_with("stopped");
    served.ampup(&["db", "url"]).exits(0).prints_with("postgresql:");
    served.ampup(&["db", "list"]).exits(0).prints_with("stopped");
    served
        .ampup(&["db", "start"])
        .exits(7)
        .says(&served.home.shown(&served.amp_dir()));
    disk.grow();
    assert_eq!(served.sql("select x from t"), "1");
}

#[test]
fn a_backup_that_is_interrupted_leaves_the_server_running_and_no_half_of_it() {
    let served = Served::new();
    served.ampup(&["db", "start"]).exits(0);
    served.sql("create table t as select 1 as x");
    let backups = served.amp_dir().join("backups");
    let halves = || {
        let entries = fs::read_dir(&backups).into_iter().flatten().flatten();
        entries.count()
    };
    let mut command = served.home.command(&["db", "backup"]);
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    eventually("it is being written", || halves() == 1);
    // Twice at once, as a terminal that is closed does: that is one word.
    for _ in 0..2 {
        crate::postgres_law::signal(child.id(), rustix::process::Signal::TERM);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let ended = child.wait_with_output().expect("ended");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(143), "{said}");
    assert_eq!(said.matches("error:").count(), 1, "{said}");
    assert!(served.is_running(), "{said}");
    assert_eq!(halves(), 0);
    assert_eq!(served.sql("select x from t"), "1");
    served.ampup(&["db", "stop"]).exits(0);
}

/// Nothing runs on from a tree that was removed; what the project has stays.
#[test]
fn the_servers_that_run_from_a_home_are_stopped_before_it_goes() {
    let served = Served::new();
    served.ampup(&["db", "start"]).exits(0);
    let line = format!("stop the database of `{}`", served.home.shown(&served.amp_dir()));
    served
        .ampup(&["self", "uninstall", "--dry-run"])
        .exits(0)
        .prints_with(&line);
    assert!(served.is_running());
    let run = served.ampup(&["self", "uninstall", "--yes"]).exits(0);
    assert!(run.stderr.contains("stopped the database of `.amp`"), "{run:#?}");
    run.says("the databases stay, each in its project's `.amp`: `");
    assert!(!served.is_running() && !served.home.path().exists());
    assert!(served.data().join("PG_VERSION").is_file());
}

#[test]
fn nothing_is_put_into_a_cluster() {
    let served = Served::new();
    served.sql("select 1");
    for inside in [".amp/metadb", ".amp/metadb/base"] {
        let run = served.ampup(&["db", "start", "--amp-dir", inside]).exits(1);
        run.says("lies in the database")
            .says("\n  name the directory above it");
    }
    served
        .ampup(&["db", "backup", ".amp/metadb/b.tar.gz"])
        .exits(1)
        .says("is inside the database itself");
    served.ampup(&["db", "backup"]).exits(0);
    // An old cluster that somebody serves by hand is not waste.
    served.ampup(&["db", "reset", "work"]).exits(0);
    let aside = fs::read_dir(served.home.work().join(".amp"))
        .expect("listed")
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().starts_with("metadb.old-"));
    let aside = Utf8Path::from_path(&aside.expect("kept").path())
        .expect("UTF-8")
        .to_owned();
    let mut server = ampds_server(&aside);
    serves(&aside);
    served
        .ampup(&["prune", "--kept", aside.as_str()])
        .exits(6)
        .says("is in use by process");
    crate::postgres_law::signal(server.id(), rustix::process::Signal::INT);
    server.wait().expect("ended");
    served.ampup(&["prune", "--kept", aside.as_str()]).exits(0);
    assert!(!aside.exists());
}
