//! The life of a project's database: made, used, left, found again.

use std::{thread, time::Duration};

use ampup::{
    event::Silent,
    postgres::{
        Force, Purpose, Released, ServerOrigin, ServerState, StartOptions, Stopped, run::create::Made,
    },
};
use fs_err as fs;

use crate::support::postgres::{TestProject, eventually, sql};

#[test]
fn a_database_is_there_when_it_is_needed_and_keeps_what_it_was_given() {
    let project = TestProject::new();
    let server = project.start();
    let evidence = server.evidence().clone();
    assert_eq!(
        (evidence.origin, evidence.made),
        (ServerOrigin::Started, Some(Made::ByInitdb))
    );
    assert_eq!(evidence.version, "18.4");
    assert!(evidence.is_durable);
    sql(server.url(), "create table t (x int); insert into t values (42)").expect("written");
    assert_eq!(server.release(&Silent).expect("stopped"), Released::Stopped);

    let server = project.start();
    let evidence = server.evidence();
    assert_eq!((evidence.origin, evidence.made), (ServerOrigin::Started, None));
    assert_eq!(sql(server.url(), "select x from t").expect("read"), "42");
    server.release(&Silent).expect("stopped");
    assert!(!project.project().cluster().join("postmaster.pid").exists());
    // Nobody was refused on the way.
    let log = fs::read_to_string(project.project().log()).expect("a log");
    assert!(
        log.contains("ready to accept connections") && !log.contains("FATAL"),
        "{log}"
    );
}

#[test]
fn both_names_of_the_cluster_are_one_directory() {
    let project = TestProject::new();
    let server = project.start();
    let cluster = project.project().cluster();
    let link = fs::read_link(cluster.join("data")).expect("a link");
    assert_eq!(link.as_os_str(), ".");
    assert!(cluster.join("data/postmaster.pid").exists());
    server.release(&Silent).expect("stopped");
}

#[test]
fn whoever_leaves_last_stops_the_server() {
    let project = TestProject::new();
    let first = project.start();
    let second = project.start();
    assert_eq!(second.evidence().origin, ServerOrigin::Found);
    assert_eq!(first.evidence().pid, second.evidence().pid);
    assert_eq!(first.release(&Silent).expect("left"), Released::InUse);
    sql(second.url(), "create table t (x int)").expect("the second still writes");
    assert_eq!(second.release(&Silent).expect("stopped"), Released::Stopped);
    let gone = project
        .cluster(18)
        .stop(Force::No, &Silent)
        .expect("nothing to stop");
    assert_eq!(gone, Stopped::WasNotRunning);
}

#[test]
fn a_server_that_was_started_to_stay_stays() {
    let project = TestProject::new();
    let stay = StartOptions::default().purpose(Purpose::Stay);
    let kept = project.cluster(18).start(&stay, &Silent).expect("started");
    assert_eq!(project.start().release(&Silent).expect("left"), Released::Stays);
    assert!(matches!(
        project.cluster(18).stop(Force::No, &Silent).expect("stopped"),
        Stopped::Stopped { pid } if Some(pid) == kept.evidence().pid
    ));
    // One that a session started is kept by a later wish.
    let session = project.start();
    let wish = project.cluster(18).start(&stay, &Silent).expect("found");
    assert_eq!(wish.evidence().origin, ServerOrigin::Found);
    assert_eq!(session.release(&Silent).expect("left"), Released::Stays);
    sql(wish.url(), "select 1").expect("it serves");
}

#[test]
fn a_server_that_is_full_for_a_moment_is_waited_for() {
    let project = TestProject::with_cluster(18);
    let settings = project.data().join("postgresql.conf");
    let mut text = fs::read_to_string(&settings).expect("read");
    text.push_str("max_connections = 3\nsuperuser_reserved_connections = 0\nreserved_connections = 0\n");
    fs::write(&settings, text).expect("written");
    let first = project.start();
    let fill = |seconds: &'static str| {
        let sessions: Vec<_> = (0..3)
            .map(|_| {
                let url = first.url().to_owned();
                let sleep = format!("select pg_sleep({seconds})");
                // One that ended a moment ago may have its place still.
                let is_refused = move |_: &_| {
                    thread::sleep(Duration::from_millis(50));
                    sql(&url, &sleep).is_err()
                };
                thread::spawn(move || (0..100).take_while(is_refused).count())
            })
            .collect();
        eventually("it is full", || sql(first.url(), "select 1").is_err());
        sessions
    };
    let sessions = fill("4");
    assert_eq!(project.start().release(&Silent).expect("left"), Released::InUse);
    for session in sessions {
        session.join().expect("ended");
    }
    let sessions = fill("60");
    let refused = project
        .cluster(18)
        .start(&StartOptions::default(), &Silent)
        .expect_err("full");
    assert!(
        refused
            .hint()
            .expect("a hint")
            .contains("close some of its sessions"),
        "{refused}"
    );
    let status = project.cluster(18).status().expect("looked at");
    assert!(
        matches!(status.server, ServerState::Busy { is_full: true, .. }),
        "{status:?}"
    );
    project.cluster(18).stop(Force::No, &Silent).expect("stopped");
    for session in sessions {
        session.join().expect("ended");
    }
}

#[test]
fn an_ephemeral_cluster_says_so_for_ever() {
    let project = TestProject::new();
    let ephemeral = StartOptions::default().ephemeral();
    let server = project.cluster(18).start(&ephemeral, &Silent).expect("started");
    assert!(!server.evidence().is_durable);
    server.release(&Silent).expect("stopped");
    let server = project.start();
    assert!(!server.evidence().is_durable, "it was made so");
    server.release(&Silent).expect("stopped");
}

#[test]
fn what_is_missing_is_said_before_anything_is_made() {
    let project = TestProject::new();
    let env = project.env();
    let locator = ampup::locate::Locator::from_env(&env).expect("a home");
    let cluster = ampup::postgres::Cluster::open(project.project(), locator, &env);
    let refused = cluster
        .start(&StartOptions::default(), &Silent)
        .expect_err("not installed");
    assert_eq!(refused.to_string(), "PostgreSQL 18 is not installed");
    assert_eq!(refused.hint().as_deref(), Some("`ampup install postgres`"));
    assert!(!project.project().amp_dir().exists());
}
