//! Law 4: a pid is never believed alone. Whatever `postmaster.pid` says, bystanders live and the server starts.

use ampup::event::Silent;
use std::{
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use ampup::postgres::ServerOrigin;
use camino::Utf8Path;
use fs_err as fs;

use crate::support::postgres::{TestProject, run_as, sql};

/// A process that has nothing to do with PostgreSQL, run by the user that PostgreSQL runs as, or by us.
fn bystander(same_user: bool) -> std::process::Child {
    let mut sleep = Command::new("sleep");
    sleep.arg("600").stdin(Stdio::null());
    if let (true, Some(user)) = (same_user, run_as()) {
        sleep.uid(user.uid).gid(user.gid);
    }
    sleep.spawn().expect("started")
}

/// A file of a moment ago could be that of a server which is just starting, and would be waited for.
fn write_long_ago(path: &Utf8Path, content: &str) {
    fs::write(path, content).expect("written");
    let file = fs::OpenOptions::new().write(true).open(path).expect("opened");
    let then = SystemTime::now() - Duration::from_secs(60);
    file.file().set_modified(then).expect("dated back");
}

#[test]
fn a_stale_pid_file_harms_nobody_and_stops_nothing() {
    let (mut same_user, mut other) = (bystander(true), bystander(false));
    let project = TestProject::with_cluster(18);
    let parent = std::os::unix::process::parent_id();
    let numbers = [
        same_user.id().to_string(),
        other.id().to_string(),
        format!("-{}", same_user.id()),
        std::process::id().to_string(),
        parent.to_string(),
        "1".to_owned(),
        "0".to_owned(),
        "-1".to_owned(),
        "2147483647".to_owned(),
        "2147483648".to_owned(),
        "text".to_owned(),
        String::new(),
        "\0\u{fffd}".to_owned(),
        "9".repeat(1 << 20),
        "\n".repeat(1 << 20),
    ];
    let pid_file = project.data().join("postmaster.pid");
    let socket_lock = project.data().join(".s.PGSQL.5432.lock");
    for number in numbers {
        let data = project.data();
        for rest in [
            "",
            &format!("\n{data}\n1790000000\n5432\n{data}\n\n  5432001    196610\nready   \n"),
        ] {
            for file in [&pid_file, &socket_lock] {
                write_long_ago(file, &format!("{number}{rest}"));
            }
            let server = project.start();
            let begin: String = number.chars().take(20).collect();
            assert_eq!(server.evidence().origin, ServerOrigin::Started, "{begin}{rest}");
            sql(server.url(), "select 1").expect("it serves");
            server.release(&Silent).expect("stopped");
        }
    }
    for bystander in [&mut same_user, &mut other] {
        assert!(
            bystander.try_wait().expect("asked").is_none(),
            "the bystander lives"
        );
        bystander.kill().expect("ended");
        bystander.wait().expect("waited for");
    }
}

#[test]
fn a_pid_file_that_leads_to_another_projects_server_is_not_followed() {
    let (one, other) = (TestProject::with_cluster(18), TestProject::with_cluster(18));
    let living = one.start();
    sql(living.url(), "create table of_one (x int)").expect("written");
    fs::copy(
        one.data().join("postmaster.pid"),
        other.data().join("postmaster.pid"),
    )
    .expect("copied");
    let server = other.start();
    assert_eq!(server.evidence().origin, ServerOrigin::Started);
    assert!(
        sql(server.url(), "select * from of_one").is_err(),
        "another cluster"
    );
    server.release(&Silent).expect("stopped");
    sql(living.url(), "select * from of_one").expect("it lives");
    living.release(&Silent).expect("stopped");
}
