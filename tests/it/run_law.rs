//! The law of data safety on the command line, where a person would meet it: whose a cluster is, what `--force` does, what
//! an ephemeral database says of itself, who uses a server. The numbers are its lines.

use std::{thread, time::Duration};

use ampup::postgres::identity::{postmaster, servers_of};
use camino::Utf8Path;
use fs_err as fs;

use crate::{
    postgres_law::signal,
    support::{
        home::finish,
        postgres::{done, eventually, fingerprint, run_as},
        served::{Served, ampup_in, run_in},
        table::every,
    },
};

fn server(served: &Served) -> u32 {
    postmaster(&servers_of(&served.data()).expect("listed"))
        .expect("it runs")
        .pid
}

fn chown(owner: &str, path: &Utf8Path) {
    done(std::process::Command::new("chown").args(["-hR", owner, path.as_str()]));
}

/// 12. Only root can give a directory away.
#[test]
fn a_cluster_of_another_user_is_refused_by_every_command() {
    let Some(user) = run_as() else { return };
    let served = Served::new();
    served.sql("create table t as select 1 as x");
    let before = fingerprint(&served.data());
    chown("54321", &served.data());
    let rows = [
        &["run", "true"][..],
        &["db", "start"],
        &["db", "psql", "-Xc", "select 1"],
        &["db", "stop"],
        &["db", "stop", "--force"],
        &["db", "status"],
        &["db", "url"],
        &["db", "compact"],
        &["db", "backup"],
        &["db", "reset", "work"],
    ];
    every(rows, |words| {
        let run = served.ampup(words).exits(7);
        let why = format!("belongs to user 54321, and this is user {}", user.uid);
        run.says(&why).says("\n  run this as user 54321");
    });
    served
        .ampup(&["db", "list"])
        .exits(0)
        .prints_with("belongs to user 54321");
    // Root could do everything, and does not: nobody has that name, and PostgreSQL does not run as root.
    finish(served.home.command_as_we_are(&["run", "true"]))
        .exits(1)
        .says("54321");
    chown("0", &served.data());
    finish(served.home.command_as_we_are(&["run", "true"]))
        .exits(7)
        .says("belongs to root, and PostgreSQL does not run as root")
        .says("chown -R");
    chown(&format!("{}:{}", user.uid, user.gid), &served.data());
    assert_eq!(
        fingerprint(&served.data()),
        before,
        "not a byte and no permission was changed"
    );
    assert_eq!(served.sql("select x from t"), "1");
}

/// 12. Where the path is too long for a socket.
#[test]
fn a_runtime_directory_of_another_user_is_refused() {
    let Some(user) = run_as() else { return };
    let served = Served::new();
    let long = served.home.directory(&"p".repeat(100));
    let runtime = served.home.directory("runtime");
    let start = || {
        let mut command = ampup_in(&served, &long, &["db", "start"]);
        command.env("XDG_RUNTIME_DIR", &runtime);
        finish(command)
    };
    let ours = runtime.join("ampup");
    fs::create_dir(&ours).expect("made");
    fs::set_permissions(&ours, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("closed");
    start().exits(7).says(&format!(
        "is not a directory that user {} alone can enter",
        user.uid
    ));
    chown(&user.uid.to_string(), &ours);
    start().exits(0);
    let mut stop = ampup_in(&served, &long, &["db", "stop"]);
    stop.env("XDG_RUNTIME_DIR", &runtime);
    finish(stop).exits(0);
}

/// 6
#[test]
fn a_server_that_does_not_stop_is_killed_by_force_alone() {
    let served = Served::new();
    served.ampup(&["db", "start"]).exits(0);
    served.sql("create table t as select 1 as x");
    let pid = server(&served);
    signal(pid, rustix::process::Signal::STOP);
    // Asked and not forced: it waits, and kills nobody.
    let mut stop = served.home.command(&["db", "stop"]).spawn().expect("started");
    let asked = || {
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
            return true; // Only Linux tells.
        };
        let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
        let pending = u64::from_str_radix(pending.expect("it is told").trim(), 16).expect("a number");
        pending >> (rustix::process::Signal::INT.as_raw() - 1) & 1 == 1
    };
    while !asked() {
        assert!(stop.try_wait().expect("asked").is_none(), "it waits");
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(Duration::from_secs(1));
    assert!(stop.try_wait().expect("asked").is_none(), "it waits");
    assert_eq!(server(&served), pid);
    // It was asked as one who loses nothing.
    signal(pid, rustix::process::Signal::CONT);
    assert!(stop.wait().expect("ended").success());
    let log = served.ampup(&["db", "logs"]).exits(0).stdout;
    assert!(
        log.contains("received fast shutdown request") && !log.contains("immediate shutdown request"),
        "{log}"
    );

    served.ampup(&["db", "start"]).exits(0);
    served.sql("insert into t values (2)");
    let pid = server(&served);
    signal(pid, rustix::process::Signal::STOP);
    // Nobody waits for it, and what is said of it is true.
    let suspended = format!("(process {pid}) is suspended");
    let resume = format!("`kill -CONT {pid}` resumes it");
    served
        .ampup(&["db", "status"])
        .exits(0)
        .prints_with(&format!("not serving: its server {suspended}"))
        .says(&resume);
    served
        .ampup(&["db", "url"])
        .exits(0)
        .says(&format!("the database is not serving: its server {suspended}"));
    for command in [&["run", "true"][..], &["db", "start"]] {
        served.ampup(command).exits(6).says(&suspended).says(&resume);
    }
    served.ampup(&["doctor"]).exits(1).prints_with(&suspended);
    let forced = served
        .ampup(&["db", "stop", "--force"])
        .exits(0)
        .says("stopped the database");
    assert!(forced.stderr.matches("is suspended").count() <= 1, "{forced:#?}");
    assert!(!served.is_running());
    assert_eq!(served.sql("select sum(x) from t"), "3");
}

/// 7
#[test]
fn an_ephemeral_database_says_so_wherever_it_is_shown() {
    let served = Served::new();
    served
        .ampup(&["run", "--ephemeral", "true"])
        .exits(0)
        .says("may cost this database its data: as asked");
    let shows = |is_running: bool| {
        let shown = served.ampup(&["db", "status"]).exits(0).stdout;
        assert!(
            shown.contains("durable      no: it was created with --ephemeral"),
            "{shown}"
        );
        let json = served.ampup(&["--json", "db", "status"]).exits(0).json();
        assert_eq!(json["ephemeral"], true, "{json}");
        assert_eq!(
            json["durable"],
            if is_running {
                false.into()
            } else {
                serde_json::Value::Null
            }
        );
        served.ampup(&["db", "list"]).exits(0).prints_with(", ephemeral");
    };
    shows(false);
    let json = served.ampup(&["--json", "db", "start"]).exits(0).json();
    assert_eq!(json["durable"], false, "{json}");
    shows(true);
    served
        .ampup(&["run", "true"])
        .exits(0)
        .says("may cost this database its data");
    served.ampup(&["db", "stop"]).exits(0);
    // One that is there stays as it was made.
    let other = served.home.directory("durable");
    run_in(&served, &other, &["run", "true"]).exits(0);
    let run = run_in(&served, &other, &["run", "--ephemeral", "true"]).exits(0);
    assert!(!run.stderr.contains("its data"), "{run:?}");
}

#[test]
fn a_config_file_of_another_place_is_the_one_that_counts() {
    let served = Served::new();
    let work = served.home.work();
    let elsewhere = "[metadata_db]\nurl = \"postgresql://there/amp\"\n";
    fs::write(work.join("other.toml"), elsewhere).expect("written");
    let run = |config: &str| {
        let mut command = served.home.command(&["run", "true"]);
        command.env("AMP_CONFIG", config);
        finish(command)
    };
    for config in ["other.toml", work.join("other.toml").as_str()] {
        run(config)
            .exits(0)
            .says(&format!("`metadata_db.url` in `{}`", "other.toml"))
            .says("is not started");
        assert!(!work.join(".amp/metadb").exists());
    }
    // The project's own is not read where another is named, as ampd does not.
    served
        .ampup(&["run", "true"])
        .exits(0)
        .says("created the database");
    fs::write(served.amp_dir().join("config.toml"), elsewhere).expect("written");
    fs::write(work.join("empty.toml"), "").expect("written");
    run("empty.toml").exits(0).says("started the database");
    run("missing.toml").exits(0).says("started the database");
    served.ampup(&["run", "true"]).exits(0).says("is not started");
}

/// 6
#[test]
fn a_command_that_outlives_its_run_keeps_the_database_until_it_ends() {
    let served = Served::new();
    let line = "psql -Xqc 'create table t (x int)' \"$AMP_CONFIG_METADATA_DB__URL\"; echo ready; read x; \
                psql -Xqc \"insert into t values ($x)\" \"$AMP_CONFIG_METADATA_DB__URL\" && echo written";
    let mut run = served.running(line);
    assert_eq!(run.line(), "ready");
    run.signal(rustix::process::Signal::KILL);
    // Not `wait`, which closes what the command reads from.
    eventually("the run has ended", || {
        run.child.try_wait().expect("asked").is_some()
    });
    served
        .ampup(&["run", "true"])
        .exits(0)
        .says("using the running database");
    assert!(served.is_running());
    run.say("7");
    assert_eq!(run.line(), "written");
    eventually(
        "the command has ended, and the next run stops the database",
        || {
            served.ampup(&["run", "true"]).exits(0);
            !served.is_running()
        },
    );
    assert_eq!(served.sql("select x from t"), "7");
}

/// A server that a command leaves behind in the background is none of the command's any more.
#[test]
fn what_a_command_leaves_in_the_background_does_not_keep_the_database() {
    let served = Served::new();
    let mut run = served.running("sleep 600 >/dev/null 2>&1 & echo $!");
    let left = run.line();
    assert_eq!(run.code(), 0);
    assert!(!served.is_running());
    done(std::process::Command::new("kill").arg(left));
}

/// Only Linux tells where a process works whose directory was removed.
#[cfg(target_os = "linux")]
#[test]
fn a_server_whose_project_was_removed_is_listed_until_it_ends() {
    let served = Served::new();
    let other = served.home.directory("other");
    run_in(&served, &other, &["db", "start"]).exits(0);
    let data = other.join(".amp/metadb");
    let pid = postmaster(&servers_of(&data).expect("listed"))
        .expect("it runs")
        .pid;
    fs::remove_dir_all(&other).expect("removed");
    let list = served.ampup(&["db", "list"]).exits(0);
    assert!(
        list.stdout
            .contains(&format!("removed, and its server (process {pid})")),
        "{list:?}"
    );
    let list = served.ampup(&["--json", "db", "list"]).exits(0).json();
    let row = &list["projects"][0];
    assert_eq!(
        (&row["state"], &row["pid"], &row["orphan"]),
        (&"removed".into(), &pid.into(), &true.into())
    );
    // PostgreSQL itself ends it, within a minute; the test does not wait for that.
    signal(pid, rustix::process::Signal::QUIT);
    eventually("it has ended, and its project is forgotten", || {
        served.ampup(&["db", "list"]).exits(0).stdout.is_empty()
    });
    let would = served.ampup(&["--json", "prune", "--dry-run"]).exits(0);
    assert_eq!(would.json()["forgotten"], serde_json::json!([other.join(".amp")]));
    served
        .ampup(&["prune"])
        .exits(0)
        .says("1 removed project forgotten");
    assert_eq!(
        served.ampup(&["--json", "prune"]).exits(0).json()["forgotten"],
        serde_json::json!([])
    );
}
