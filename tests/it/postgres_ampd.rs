//! With ampd as it is: its exact command lines, on its own clusters and on ours, before us and after us.

use std::process::{Child, Stdio};

use ampup::{
    children::Interrupt,
    event::Silent,
    postgres::{
        Force, Released, ServerOrigin,
        change::lease::Lease,
        program::Program,
        run::initdb::{Flush, initdb},
    },
};
use camino::Utf8Path;
use fs_err as fs;

use crate::support::postgres::{TestProject, eventually, postgres_tree, run_as, sql};

/// Runs the server that ampd runs (metadb's postgres crate of March 2026), with `data` as its data directory.
pub(crate) fn ampds_server(data: &Utf8Path) -> Child {
    let (tree, user) = (postgres_tree(18), run_as());
    let postgres = Program {
        tree: &tree,
        name: "postgres",
        run_as: user.as_ref(),
        interrupt: &Interrupt::default(),
    };
    postgres
        .command()
        .args(["-D", data.as_str(), "-k", data.as_str(), "-h", ""])
        .args(["-c", "autovacuum=off", "-c", "fsync=off"])
        .args(["-c", "full_page_writes=off", "-c", "synchronous_commit=off"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("started")
}

pub(crate) fn url(data: &Utf8Path) -> String {
    let user = run_as().unwrap_or_else(|| ampup::postgres::user::OsUser::current().expect("somebody"));
    format!("postgresql:///postgres?host={data}&user={}", user.name)
}

pub(crate) fn serves(data: &Utf8Path) {
    eventually("ampd's server serves", || sql(&url(data), "select 1").is_ok());
}

#[test]
fn a_cluster_that_ampd_made_is_served_and_goes_back_to_it() {
    let project = TestProject::new();
    let amp_dir = project.directory.join(".amp");
    fs::create_dir(&amp_dir).expect("made");
    if let Some(user) = run_as() {
        fs_err::os::unix::fs::chown(&amp_dir, Some(user.uid), Some(user.gid)).expect("given");
    }
    let (tree, user) = (postgres_tree(18), run_as());
    let program = Program {
        tree: &tree,
        name: "initdb",
        run_as: user.as_ref(),
        interrupt: &Interrupt::default(),
    };
    initdb(&program, &project.data(), None, Flush::Yes).expect("made by ampd");

    let server = project.start();
    assert_eq!(server.evidence().made, None, "it is the same thing");
    assert!(server.evidence().is_durable);
    sql(server.url(), "create table t as select 'ours' as x").expect("written");
    assert_eq!(server.release(&Silent).expect("left"), Released::Stopped);

    let mut ampds = ampds_server(&project.data());
    serves(&project.data());
    assert_eq!(
        sql(&url(&project.data()), "select x from t").expect("read"),
        "ours"
    );
    let stopped = project.cluster(18).stop(Force::No, &Silent);
    stopped.expect("a server is a server, whoever started it");
    ampds.wait().expect("ended");
}

#[test]
fn a_server_that_outlives_ampd_is_adopted_and_left_running() {
    let project = TestProject::with_cluster(18);
    let mut orphan = ampds_server(&project.data());
    serves(&project.data());
    let server = project.start();
    assert_eq!(server.evidence().origin, ServerOrigin::Found);
    assert_eq!(server.evidence().pid, Some(orphan.id()));
    assert!(
        !server.evidence().is_durable,
        "ampd turns fsync off, and that is said"
    );
    assert_eq!(
        server.release(&Silent).expect("left"),
        Released::Stays,
        "no session started it"
    );
    sql(&url(&project.data()), "select 1").expect("it serves");
    project.cluster(18).stop(Force::No, &Silent).expect("stopped");
    orphan.wait().expect("ended");
}

#[test]
fn ampds_server_and_ours_exclude_each_other_under_both_names() {
    let project = TestProject::new();
    let server = project.start();
    sql(server.url(), "create table t as select 1 as x").expect("written");
    for name in ["", "data"] {
        let data = project.data().join(name);
        let data = Utf8Path::new(data.as_str().trim_end_matches('/'));
        let ended = ampds_server(data).wait().expect("ended");
        assert!(!ended.success(), "a second server through `{data}`");
    }
    assert_eq!(sql(server.url(), "select x from t").expect("untouched"), "1");
    server.release(&Silent).expect("stopped");

    let mut ampds = ampds_server(&project.data().join("data"));
    serves(&project.data().join("data"));
    let found = project.start();
    assert_eq!(found.evidence().pid, Some(ampds.id()));
    assert_eq!(sql(found.url(), "select x from t").expect("read"), "1");
    found.release(&Silent).expect("left");
    project.cluster(18).stop(Force::No, &Silent).expect("stopped");
    ampds.wait().expect("ended");
}

/// ampd asks for no lock of ours: what it wrote while we copied is noticed.
#[test]
fn a_server_that_came_and_went_under_our_hands_is_noticed() {
    let test = TestProject::with_cluster(18);
    let cluster = test.cluster(18);
    let lease = Lease::take(&cluster, &Silent).expect("nobody is there");
    lease.ensure_undisturbed().expect("nobody was there");
    let mut ampd = ampds_server(&test.data());
    serves(&test.data());
    lease.ensure_undisturbed().expect_err("one is there");
    crate::postgres_law::signal(ampd.id(), rustix::process::Signal::INT);
    ampd.wait().expect("ended");
    let noticed = lease.ensure_undisturbed().expect_err("one was there").to_string();
    assert!(noticed.contains("came and went"), "{noticed}");
    lease.release();
}
