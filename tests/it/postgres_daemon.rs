//! A daemon on what ampup installed: the example that authors copy, and the library as it uses it.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
};

use ampup::{
    env::Env,
    event::Silent,
    locate::Locator,
    postgres::{Cluster, Project, Released, ServerOrigin, StartOptions, run::create::Made},
};

use crate::support::{home::Home, postgres::sql};

#[path = "../../examples/daemon.rs"]
mod daemon;

#[test]
fn the_example_daemon_serves_from_what_is_installed_and_says_what_is_missing() {
    let home = Home::new();
    let missing = the_daemon(&home).output().expect("ran");
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(said.contains("error: PostgreSQL 18 is not installed\n"), "{said}");
    assert!(said.contains("looked for `"), "{said}");

    home.ampup(&["install", "--component", "postgres"]).exits(0);
    let mut daemon = the_daemon(&home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut said = BufReader::new(daemon.stdout.take().expect("piped"));
    let mut line = String::new();
    while !line.contains("postgresql://") {
        line.clear();
        assert_ne!(
            said.read_line(&mut line).expect("read"),
            0,
            "it ended without a word"
        );
    }
    let url = &line[line.find("postgresql://").expect("it is there")..];
    sql(url.trim(), "create table t as select 1 as x").expect("written");

    // The library finds the daemon's server, and the daemon leaves it to us.
    let ours = cluster(&home)
        .start(&StartOptions::default(), &Silent)
        .expect("found");
    assert_eq!(ours.evidence().origin, ServerOrigin::Found);
    drop(daemon.stdin.take());
    said.read_to_string(&mut line).expect("read");
    assert!(daemon.wait().expect("waited for").success());
    assert_eq!(sql(ours.url(), "select x from t").expect("read"), "1");
    assert_eq!(ours.release(&Silent).expect("left"), Released::Stopped);
}

#[test]
fn a_new_project_gets_a_copy_of_what_proved_the_installation() {
    let home = Home::new();
    home.ampup(&["install", "--component", "postgres"]).exits(0);
    let server = cluster(&home)
        .start(&StartOptions::default(), &Silent)
        .expect("started");
    assert_eq!(server.evidence().made, Some(Made::FromTemplate));
    assert!(server.evidence().is_durable);
    let known = home.path().join("projects.json");
    assert!(
        fs_err::read_to_string(known)
            .expect("read")
            .contains(home.work().as_str())
    );
    server.release(&Silent).expect("stopped");
}

fn cluster(home: &Home) -> Cluster {
    let user = home.path().parent().expect("in the user's directory").to_owned();
    let env = Env::from_variables([("HOME", user.as_str())], home.work().as_std_path());
    let project = Project::find(&env, None).expect("a project");
    Cluster::open(project, Locator::from_env(&env).expect("a home"), &env)
}

/// The example, in a process of its own.
fn the_daemon(home: &Home) -> Command {
    #[expect(clippy::disallowed_methods, reason = "the tests' own program")]
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args([
            "--exact",
            "postgres_daemon::other_is_the_daemon",
            "--ignored",
            "--nocapture",
        ])
        .env("AMPUP_HOME", home.path())
        .env_remove("AMP_DIR")
        .current_dir(home.work())
        .stdin(Stdio::null());
    command
}

#[test]
#[ignore = "run by other tests in a process of its own"]
fn other_is_the_daemon() {
    daemon::main();
}
