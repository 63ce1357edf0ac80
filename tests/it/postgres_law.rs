//! The law of data safety: what no command, no kill and no stranger may do to a cluster. The numbers are its lines.

use std::{sync::Mutex, thread, time::Duration};

use ampup::{
    event::{Event, Reporter, Silent},
    postgres::{ClusterError, Force, ServerOrigin, StartOptions, Stopped, identity},
};
use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{
    postgres::{TestProject, cluster, eventually, fingerprint, sql},
    table::every,
};

pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("not 0");
    kill_process(pid, signal).expect("signalled");
}

/// 1
#[test]
fn only_programs_of_the_datas_major_touch_it() {
    for data in [16, 17, 18] {
        let project = TestProject::with_cluster(data);
        every([16, 17, 18], |programs| {
            if programs == data {
                let server = project
                    .cluster(programs)
                    .start(&StartOptions::default(), &Silent)
                    .expect("served");
                assert!(server.evidence().version.starts_with(&format!("{data}.")));
                server.release(&Silent).expect("stopped");
                return;
            }
            let before = fingerprint(&project.data());
            let refused = project
                .cluster(programs)
                .start(&StartOptions::default(), &Silent)
                .expect_err("another major");
            assert!(matches!(refused, ClusterError::MajorDiffers { .. }), "{refused}");
            assert!(
                refused
                    .hint()
                    .expect("a hint")
                    .contains(&format!("postgres@{data}")),
                "{:?}",
                refused.hint()
            );
            assert!(
                fingerprint(&project.data()) == before,
                "every byte is as it was ({data}, {programs})"
            );
        });
    }
}

/// 2
#[test]
fn a_directory_that_is_no_cluster_is_never_written_over() {
    let project = TestProject::new();
    fs::create_dir_all(project.data()).expect("made");
    fs::write(project.data().join("thesis.txt"), "years").expect("written");
    let before = fingerprint(&project.data());
    let refused = project
        .cluster(18)
        .start(&StartOptions::default(), &Silent)
        .expect_err("foreign");
    assert!(refused.to_string().contains("thesis.txt"), "{refused}");
    assert_eq!(fingerprint(&project.data()), before);
}

/// 2
#[test]
fn what_a_killed_initdb_left_is_put_aside_and_a_cluster_with_data_never() {
    let project = TestProject::with_cluster(18);
    fs::remove_dir_all(project.data().join("base/5")).expect("as if initdb was killed before");
    fs::remove_file(project.data().join("postmaster.opts")).expect("as if no server ever ran");
    let server = project.start();
    assert!(server.evidence().made.is_some());
    server.release(&Silent).expect("stopped");
    let kept = fs::read_dir(project.project().amp_dir())
        .expect("listed")
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("metadb.old-"));
    assert!(kept, "renamed, not deleted");

    let project = TestProject::with_cluster(18);
    let server = project.start();
    sql(server.url(), "create table t (x int)").expect("written");
    server.release(&Silent).expect("stopped");
    fs::remove_file(project.data().join("global/pg_control")).expect("lost");
    let before = fingerprint(&project.data());
    let refused = project
        .cluster(18)
        .start(&StartOptions::default(), &Silent)
        .expect_err("damaged");
    assert!(matches!(refused, ClusterError::Damaged { .. }), "{refused}");
    assert!(refused.hint().is_some());
    assert_eq!(fingerprint(&project.data()), before);
}

/// 3
#[test]
fn fifty_starts_at_once_give_one_server_and_fifty_successes() {
    let project = TestProject::new();
    let servers: Vec<_> = thread::scope(|scope| {
        let starts: Vec<_> = (0..50)
            .map(|number| {
                let project = &project;
                scope.spawn(move || {
                    let server = project.start();
                    let statement =
                        format!("create table if not exists t (x int); insert into t values ({number})");
                    // Two that create a table at the same time may collide in the catalogue, which is PostgreSQL's way.
                    while sql(server.url(), &statement).is_err() {}
                    server
                })
            })
            .collect();
        starts
            .into_iter()
            .map(|start| start.join().expect("started"))
            .collect()
    });
    let pids: std::collections::BTreeSet<_> = servers.iter().map(|server| server.evidence().pid).collect();
    assert_eq!(pids.len(), 1, "one server: {pids:?}");
    let started = servers
        .iter()
        .filter(|server| server.evidence().origin == ServerOrigin::Started)
        .count();
    assert_eq!(started, 1);
    assert_eq!(
        sql(servers[0].url(), "select count(distinct x) from t").expect("read"),
        "50"
    );
    for server in servers {
        server.release(&Silent).expect("left");
    }
    assert!(
        identity::servers_of(&project.data()).expect("listed").is_empty(),
        "the last one stopped it"
    );
}

/// 6
#[test]
fn after_a_kill_no_acknowledged_row_is_lost_and_survivors_are_waited_for() {
    let project = TestProject::with_cluster(18);
    let mut rows = 0;
    let server = project.start();
    sql(server.url(), "create table t (x int)").expect("made");
    let mut server = Some(server);
    for round in 0..5 {
        let living = server.take().unwrap_or_else(|| project.start());
        for row in 0..20 {
            sql(living.url(), &format!("insert into t values ({row})")).expect("acknowledged");
            rows += 1;
        }
        // A session that is busy outlives its postmaster until it looks up.
        let url = living.url().to_owned();
        let busy = thread::spawn(move || sql(&url, "select count(*) from generate_series(1, 20000000)"));
        thread::sleep(Duration::from_millis(50 * round));
        signal(living.evidence().pid.expect("seen"), Signal::KILL);
        drop(living);
        let next = project.start();
        assert_eq!(next.evidence().origin, ServerOrigin::Started);
        assert_eq!(
            sql(next.url(), "select count(*) from t").expect("read"),
            rows.to_string(),
            "round {round}"
        );
        let _ = busy.join();
        server = Some(next);
    }
}

/// 5
#[test]
fn lock_files_of_a_living_server_are_not_removed_however_damaged() {
    let project = TestProject::with_cluster(18);
    let server = project.start();
    let pid_file = project.data().join("postmaster.pid");
    let whole = fs::read(&pid_file).expect("read");
    every(["", "text\n", "0\n", "-1\n", "1\n", "2147483648\n"], |damage| {
        fs::write(&pid_file, damage).expect("damaged");
        let second = project.start();
        assert_eq!(second.evidence().origin, ServerOrigin::Found, "{damage:?}");
        assert_eq!(second.evidence().pid, server.evidence().pid);
        assert_eq!(fs::read_to_string(&pid_file).expect("still there"), damage);
        second.release(&Silent).expect("left");
    });
    fs::write(&pid_file, whole).expect("repaired");
    server.release(&Silent).expect("stopped");
}

/// 6
#[test]
fn a_server_that_does_not_stop_is_killed_only_when_forced() {
    let project = TestProject::with_cluster(18);
    let server = project.start();
    sql(server.url(), "create table t as select 1 as x").expect("written");
    let pid = server.evidence().pid.expect("seen");
    signal(pid, Signal::STOP);
    let stopped = project.cluster(18).stop(Force::Yes, &Silent).expect("killed");
    assert_eq!(stopped, ampup::postgres::Stopped::Stopped { pid });
    drop(server);
    let server = project.start();
    assert_eq!(sql(server.url(), "select x from t").expect("recovered"), "1");
    server.release(&Silent).expect("stopped");
}

/// 6
///
/// Asked to stop while it recovers from the crash of one of its processes, PostgreSQL 18.4 waits for ever for those that it
/// ends last. Whether it is we who ask or somebody who is gone since.
#[test]
fn a_server_that_hangs_in_its_shutdown_is_ended_and_nothing_is_lost() {
    let project = TestProject::with_cluster(18);
    // Enough to recover for a while.
    sql(
        project.start().url(),
        "create table t as select generate_series(1, 100000) as x",
    )
    .expect("written");
    for is_ours in [true, false] {
        let has_hung = (0..3).any(|_| {
            crash(&project);
            let notes = Notes::default();
            if is_ours {
                let stopped = project.cluster(18).stop(Force::No, &notes).expect("stopped");
                assert!(matches!(stopped, Stopped::Stopped { .. }), "{stopped:?}");
                assert!(identity::servers_of(&project.data()).expect("listed").is_empty());
            } else {
                let left = identity::servers_of(&project.data()).expect("listed");
                signal(identity::postmaster(&left).expect("there").pid, Signal::INT);
            }
            let server = project
                .cluster(18)
                .start(&StartOptions::default(), &notes)
                .expect("started");
            assert_eq!(server.evidence().origin, ServerOrigin::Started);
            let rows = "select count(*) || ' ' || sum(x) from t";
            assert_eq!(sql(server.url(), rows).expect("recovered"), "100000 5000050000");
            notes
                .0
                .into_inner()
                .expect("whole")
                .contains("hangs in its shutdown")
        });
        assert!(
            has_hung,
            "the test has never met what it is about (ours: {is_ours})"
        );
    }
    project.cluster(18).stop(Force::No, &Silent).expect("stopped");
}

/// Kills a session after something that takes a while to recover, and comes back when the server begins with that.
fn crash(project: &TestProject) {
    let server = project.start();
    sql(server.url(), "update t set x = x + 0").expect("acknowledged");
    let log = project.project().log();
    let crashes = || {
        fs::read_to_string(&log)
            .expect("read")
            .matches("reinitializing")
            .count()
    };
    let before = crashes();
    let url = server.url().to_owned();
    let victim = thread::spawn(move || sql(&url, "select pg_sleep(600)"));
    let asleep =
        "select pid from pg_stat_activity where query like 'select pg_sleep%' and pid <> pg_backend_pid()";
    let mut pid = String::new();
    eventually("a session to kill", || {
        pid = sql(server.url(), asleep).expect("asked");
        !pid.is_empty()
    });
    signal(pid.parse().expect("a pid"), Signal::KILL);
    victim.join().expect("ended").expect_err("killed");
    eventually("the server begins anew", || crashes() > before);
}

/// Everything that was reported.
#[derive(Default)]
struct Notes(Mutex<String>);

impl Reporter for Notes {
    fn report(&self, event: Event) {
        if let Event::Note(text) = event {
            self.0.lock().expect("whole").push_str(&text);
        }
    }
}

/// 15
#[test]
fn a_project_copied_while_it_runs_is_another_one() {
    let project = TestProject::with_cluster(18);
    let original = project.start();
    sql(
        original.url(),
        "create table t as select 'original' as x; checkpoint",
    )
    .expect("written");
    let copy = TestProject::new();
    let copied = std::process::Command::new("cp")
        .args([
            "-a",
            project.directory.join(".amp").as_str(),
            copy.directory.as_str(),
        ])
        .status()
        .expect("cp");
    // cp says that sockets are not copied, or copies them; either is fine.
    let _ = copied;
    let server = cluster(copy.project(), &copy.env(), 18)
        .start(&StartOptions::default(), &Silent)
        .expect("the copy starts");
    assert_eq!(server.evidence().origin, ServerOrigin::Started);
    assert_ne!(server.evidence().pid, original.evidence().pid);
    sql(server.url(), "update t set x = 'copy'").expect("written");
    assert_eq!(sql(original.url(), "select x from t").expect("read"), "original");
    server.release(&Silent).expect("stopped");
    assert_eq!(sql(original.url(), "select x from t").expect("read"), "original");
    original.release(&Silent).expect("stopped");
}
