//! Leftovers of ampd by itself: a cluster that it began to make, and a server that outlives it.

use std::process::{Command, Stdio};

use ampup::{children::Interrupt, postgres::program::Program};
use camino::Utf8Path;
use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::{
    postgres_ampd::{ampds_server, serves, url as ampds_url},
    postgres_law::signal,
    support::{
        home::Run,
        postgres::{eventually, postgres_tree, run_as, sql},
        programs,
        served::{Running, Served},
        table::every,
    },
};

/// initdb as ampd runs it, killed as soon as this file of the cluster is there. ampd's next start takes the lock file away.
fn killed_initdb(data: &Utf8Path, until: &str) {
    // On a busy machine it may be faster than we.
    let was_killed = (0..20).any(|_| {
        let _ = fs::remove_dir_all(data);
        !initdb_ended(data, until)
    });
    assert!(was_killed, "it ended each time before it was killed");
}

/// Returns true if it ended by itself.
fn initdb_ended(data: &Utf8Path, until: &str) -> bool {
    use std::os::unix::process::CommandExt as _;
    let (tree, user) = (postgres_tree(18), run_as());
    fs::create_dir(data).expect("made");
    if let Some(user) = &user {
        fs_err::os::unix::fs::chown(data, Some(user.uid), Some(user.gid)).expect("given");
    }
    let initdb = Program {
        tree: &tree,
        name: "initdb",
        run_as: user.as_ref(),
        interrupt: &Interrupt::default(),
    };
    let mut making = initdb
        .command()
        .args([
            "-D",
            data.as_str(),
            "--locale=C",
            "--encoding=UTF8",
            "--auth=trust",
        ])
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    eventually("initdb came so far", || data.join(until).exists());
    let group = Pid::from_child(&making);
    kill_process_group(group, Signal::KILL).expect("killed");
    let ended = making.wait().expect("ended").success();
    eventually("its processes are gone", || {
        ampup::postgres::identity::servers_of(data)
            .expect("listed")
            .is_empty()
    });
    let _ = fs::remove_file(data.join("postmaster.pid"));
    ended
}

#[test]
fn what_a_killed_first_start_of_ampd_left_is_made_again() {
    let served = Served::new();
    served.ampup(&["run", "--", "true"]).exits(0);
    let data = served.data();
    let rows = [
        ("global/pg_control", Some(Signal::TERM)),
        ("base/1/1259", Some(Signal::KILL)),
        ("global/pg_filenode.map", None),
        ("base/4", Some(Signal::KILL)),
        ("base/5", Some(Signal::TERM)),
    ];
    every(rows, |(until, ending)| {
        fs::remove_dir_all(&data).expect("removed");
        killed_initdb(&data, until);
        let mut ampds = ampds_server(&data);
        eventually("ampd tried once more", || {
            data.join(".s.PGSQL.5432").exists() || ampds.try_wait().expect("asked").is_some()
        });
        let is_running = ampds.try_wait().expect("asked").is_none();
        if let Some(ending) = ending.filter(|_| is_running) {
            signal(ampds.id(), ending);
            ampds.wait().expect("ended");
        }
        served
            .ampup(&["db", "status"])
            .exits(0)
            .says("was not finished when it was made")
            .says("hint: `ampup db start`");
        let found = served.ampup(&["doctor"]);
        assert!(found.stdout.contains("was not finished"), "{until}: {found:?}");
        served
            .ampup(&["run", "--", "true"])
            .exits(0)
            .says("an unfinished cluster, in which no data can be, was moved to")
            .says("created the database");
        let _ = ampds.kill();
        ampds.wait().expect("ended");
    });
    // One that lost the database which clients are led to is nobody's to move.
    served.ampup(&["db", "start"]).exits(0);
    let url = served.ampup(&["db", "url"]).exits(0).stdout;
    let in_database = |name: &str| url.trim().replace("/postgres?", &format!("/{name}?"));
    sql(&in_database("template1"), "create database x").expect("made");
    sql(&in_database("x"), "create table t as select 7 as n").expect("written");
    sql(&in_database("template1"), "drop database postgres").expect("dropped");
    let is_told = |words: &[&str]| {
        served
            .ampup(words)
            .exits(1)
            .says("the database `postgres`, which clients are led to, was dropped from `.amp/metadb`")
            .says("hint: `ampup db start` makes it again, empty, and leaves the others as they are");
    };
    is_told(&["run", "--", "true"]);
    served.ampup(&["db", "stop"]).exits(0);
    is_told(&["run", "--", "true"]);
    is_told(&["db", "psql", "-c", "select 1"]);
    served
        .ampup(&["db", "start"])
        .exits(0)
        .says("the database `postgres` was dropped: it is made again");
    served.ampup(&["run", "--", "true"]).exits(0);
    assert_eq!(sql(&in_database("x"), "select n from t").expect("read"), "7");
    served.ampup(&["db", "stop"]).exits(0);
}

#[test]
fn a_cluster_that_lost_a_file_is_made_again_only_where_nothing_was_ever_made_in_it() {
    let served = Served::new();
    // A start by itself makes nothing.
    served.ampup(&["run", "--", "true"]).exits(0);
    let data = served.data();
    let files = [
        "global/pg_filenode.map",
        "global/1260",
        "global/1262",
        "base/5/PG_VERSION",
        "base/5/pg_filenode.map",
        "base/5/1259",
    ];
    let without = |file: &str, then: &dyn Fn()| {
        let aside = data.with_file_name("aside");
        fs::rename(data.join(file), &aside).expect("taken away");
        then();
        fs::rename(&aside, data.join(file)).expect("put back");
    };
    every(files, |file| {
        without(file, &|| {
            served
                .ampup(&["db", "status"])
                .exits(0)
                .says("was not finished when it was made");
        });
    });
    // A function has no file of its own.
    served.sql("create function f() returns int language sql as 'select 7'");
    every(files, |file| {
        without(file, &|| {
            let what = format!("the cluster `.amp/metadb` is damaged: it lacks `{file}`");
            for words in [&["run", "--", "true"][..], &["db", "start"], &["db", "backup"]] {
                served.ampup(words).exits(1).says(&what).says(
                    "hint: restore a backup with `ampup db restore`, or start over with `ampup db reset`",
                );
            }
            served
                .ampup(&["db", "status"])
                .exits(0)
                .says(&what)
                .prints_with("damaged");
            let found = served.ampup(&["doctor"]);
            assert!(found.stdout.contains(&format!("it lacks `{file}`")), "{found:#?}");
        });
    });
    assert_eq!(served.sql("select f()"), "7");
    served.ampup(&["db", "reset", "work"]).exits(0);
    served.ampup(&["run", "--", "true"]).exits(0);
    let lose = || fs::remove_file(data.join("global/1262")).expect("removed");
    lose();
    // A restore of it would be refused.
    let reset = served.ampup(&["db", "reset", "work"]).exits(0);
    let kept = reset.stderr.split_once("ampup prune --remove ").expect("named").1;
    let kept = kept.split('`').next().expect("a path");
    served
        .ampup(&["prune", "--remove", kept])
        .exits(0)
        .says("removed `");
    served.ampup(&["run", "--", "true"]).exits(0);
    lose();
    served
        .ampup(&["run", "--", "true"])
        .exits(0)
        .says("an unfinished cluster, in which no data can be, was moved to")
        .says("created the database");
    // What is in the place of a server's own file.
    let pid_file = data.join("postmaster.pid");
    fs::create_dir(&pid_file).expect("made");
    served.ampup(&["run", "--", "true"]).exits(0);
    fs::write(&pid_file, "").expect("written");
    fs::set_permissions(&pid_file, std::os::unix::fs::PermissionsExt::from_mode(0o000)).expect("closed");
    served
        .ampup(&["run", "--", "true"])
        .exits(7)
        .says("hint: as its owner, `chmod 600 .amp/metadb/postmaster.pid`");
    fs::remove_file(&pid_file).expect("removed");
}

/// ampd's server as a killed ampd leaves it.
fn orphan(data: &Utf8Path) {
    use std::os::unix::process::CommandExt as _;
    let tree = postgres_tree(18);
    let line = "\"$0\" -D \"$1\" -k \"$1\" -h '' -c autovacuum=off -c fsync=off -c full_page_writes=off \
                -c synchronous_commit=off >/dev/null 2>&1 &";
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", line, tree.join("bin/postgres").as_str(), data.as_str()])
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null());
    if let Some(user) = run_as() {
        shell.uid(user.uid).gid(user.gid);
    }
    assert!(shell.status().expect("run").success());
    serves(data);
}

fn session(served: &Served) -> Running {
    let mut command = served
        .home
        .other_program(&programs::find("psql").expect("it is needed"));
    command.args(["-XAt", "-d", &ampds_url(&served.data())]);
    let mut session = Running::begin(command);
    session.say("select 7;");
    assert_eq!(session.line(), "7");
    session
}

#[test]
fn a_server_that_a_killed_ampd_left_without_fsync_is_started_again_unless_somebody_uses_it() {
    let served = Served::new();
    served.sql("create table t as select 'ours' as x");
    orphan(&served.data());
    let using = session(&served);
    served
        .ampup(&["run", "--", "true"])
        .exits(0)
        .says("using the running database")
        .says("fsync");
    assert_eq!(using.code(), 0);
    eventually("its session is gone", || {
        served.ampup(&["--json", "db", "status"]).exits(0).json()["connections"] == 0
    });
    let run = served
        .ampup(&["run", "psql", "-XtAc", "show fsync; select x from t"])
        .exits(0);
    run.prints("on\nours\n").says("it is started again");
    assert!(!served.is_running(), "it is a run's now");
}

/// A run that goes on, and whose messages are read at its end.
fn heard(served: &Served) -> Running {
    let mut command = served.home.command(&["run", "sh", "-c", "echo ready; read x"]);
    command.stderr(Stdio::piped());
    Running::begin(command)
}

#[test]
fn of_a_server_that_a_living_ampd_started_that_is_said() {
    let served = Served::new();
    served.sql("create table t as select 'ours' as x");
    let mut ampd = ampds_server(&served.data());
    serves(&served.data());
    let until = |run: &Run| {
        run.stderr.contains("keeps running until ") && run.stderr.contains(", which started it, ends")
    };
    let run = served.ampup(&["run", "--", "true"]).exits(0);
    assert!(until(&run), "{run:?}");
    served
        .ampup(&["db", "status"])
        .exits(0)
        .prints_with(", which started it, ends");
    served
        .ampup(&["db", "logs"])
        .exits(0)
        .says("started the server that runs now, and has its log");
    // Nobody is there to be asked.
    let using = session(&served);
    served
        .ampup(&["db", "stop"])
        .exits(6)
        .says("is in use by psql of user ")
        .says("(idle); ")
        .says("started it, and would be left without it")
        .says("hint: `ampup db stop --yes`");
    assert!(ampd.try_wait().expect("asked").is_none(), "it runs");
    served.ampup(&["db", "stop", "--yes"]).exits(0);
    ampd.wait().expect("ended");
    using.code();

    // What ended meanwhile does not keep running, whoever started it.
    let mut running = heard(&served);
    assert_eq!(running.line(), "ready");
    served
        .ampup(&["db", "stop"])
        .exits(6)
        .says("is in use by process ")
        .says("(`");
    served.ampup(&["db", "stop", "--yes"]).exits(0);
    let ended = running.ended();
    assert!(ended.contains("was stopped meanwhile"), "{ended}");
    served.ampup(&["db", "start"]).exits(0);
    let mut running = heard(&served);
    assert_eq!(running.line(), "ready");
    let pid = ampup::postgres::identity::postmaster(
        &ampup::postgres::identity::servers_of(&served.data()).expect("listed"),
    )
    .expect("it runs")
    .pid;
    signal(pid, Signal::KILL);
    eventually("its processes are gone", || !served.is_running());
    let ended = running.ended();
    assert!(ended.contains("was stopped meanwhile"), "{ended}");
}
