//! Laws 11 to 14: where a cluster may lie, and whose it may be.

use std::{os::unix::fs::PermissionsExt as _, process::Command};

use ampup::{
    event::Silent,
    postgres::{Project, StartOptions, observe::endpoint, run::listen},
};
use fs_err as fs;

use crate::support::{
    postgres::{TestProject, cluster, done, fingerprint, run_as, sql},
    table::every,
};

/// 11
#[test]
fn a_project_may_have_any_path() {
    let project = TestProject::with_cluster(18);
    let world = project.world.path().to_owned();
    let mut here = project.directory.clone();
    let base = world.as_str().len() + 1;
    // Each length near the limit, and some of the others; `AMPUP_TEST_POINTS` asks for each.
    #[expect(clippy::disallowed_methods, reason = "the tests' own environment")]
    let all = std::env::var("AMPUP_TEST_POINTS").is_ok();
    let lengths = (40..=200)
        .filter(|length| all || (76..=88).contains(length) || length % 12 == 0)
        .filter(|length| *length > base)
        .map(|length| "p".repeat(length - base));
    let strange = ["a,b", "a b", "a'b", "a\"b", "é", "$HOME", "a%41b", "a&b?c#d", ";"].map(str::to_owned);
    for name in lengths.chain(strange) {
        let next = world.join(&name);
        fs::rename(&here, &next).expect("moved");
        here = next;
        let found = Project::at(&here.join(".amp")).expect("a project");
        let server = cluster(found, &project.env(), 18)
            .start(&StartOptions::default(), &Silent)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let inside = server.evidence().socket.host.starts_with(&here);
        assert_eq!(inside, endpoint::fits(&here.join(".amp/metadb")), "{name}");
        if !inside {
            let directory = &server.evidence().socket.host;
            let mode = fs::metadata(directory).expect("there").permissions().mode() & 0o777;
            assert_eq!(mode, 0o700);
        }
        assert_eq!(
            sql(server.url(), "select 1").expect("a client gets there"),
            "1",
            "{name}"
        );
        server.release(&Silent).expect("stopped");
    }
    fs::rename(here, &project.directory).expect("moved back");
}

/// 12
#[test]
fn a_cluster_that_others_can_enter_is_refused_and_left_so() {
    let project = TestProject::with_cluster(18);
    fs::set_permissions(project.data(), std::fs::Permissions::from_mode(0o755)).expect("opened");
    let before = fingerprint(&project.data());
    let refused = project
        .cluster(18)
        .start(&StartOptions::default(), &Silent)
        .expect_err("open");
    assert!(refused.hint().expect("a hint").contains("chmod 700"), "{refused}");
    assert_eq!(fingerprint(&project.data()), before);
}

/// 12
#[test]
fn a_cluster_that_is_a_link_is_refused() {
    let project = TestProject::with_cluster(18);
    let elsewhere = project.world.path().join("elsewhere");
    fs::rename(project.data(), &elsewhere).expect("moved");
    fs_err::os::unix::fs::symlink(&elsewhere, project.data()).expect("linked");
    let refused = project
        .cluster(18)
        .start(&StartOptions::default(), &Silent)
        .expect_err("a link");
    assert!(refused.to_string().contains("is a link to"), "{refused}");
}

/// 12
#[test]
fn a_runtime_directory_that_others_made_or_can_enter_is_refused() {
    let world = TestProject::new();
    every([("open", 0o755), ("group", 0o710)], |(name, mode)| {
        let directory = world.directory.join(name);
        fs::create_dir(&directory).expect("made");
        fs::set_permissions(&directory, std::fs::Permissions::from_mode(mode)).expect("opened");
        assert!(listen::make_private(&directory, None).is_err(), "{name}");
    });
    let link = world.directory.join("link");
    let private = world.directory.join("private");
    listen::make_private(&private, None).expect("made");
    listen::make_private(&private, None).expect("found");
    fs_err::os::unix::fs::symlink(&private, &link).expect("linked");
    assert!(listen::make_private(&link, None).is_err(), "a link");
}

/// 13
#[test]
fn as_root_the_server_is_the_owners_and_closed_ways_are_named() {
    let Some(user) = run_as() else {
        // An ordinary user's refusals need another user's cluster, which only root can make: see `access`'s unit tests.
        return;
    };
    let project = TestProject::new();
    let server = project.start();
    let data = fs::metadata(project.data()).expect("there");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&data), user.uid);
    assert_eq!(server.evidence().user, user.name);
    server.release(&Silent).expect("stopped");

    // A project of root's behind a closed door.
    let closed = project.world.path().join("closed");
    fs::create_dir_all(closed.join("project")).expect("made");
    fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).expect("closed");
    let found = Project::at(&closed.join("project/.amp")).expect("a project");
    let refused = cluster(found, &project.env(), 18)
        .start(&StartOptions::default(), &Silent)
        .expect_err("closed");
    assert!(
        refused.to_string().contains(&format!("cannot enter `{closed}`")),
        "{refused}"
    );
    assert!(
        refused.hint().expect("a hint").contains("AMP_DIR="),
        "{refused:?}"
    );
    assert!(!closed.join("project/.amp").exists(), "before anything is made");

    // Under sudo, another user's project.
    let sudo = ampup::env::Env::from_variables(
        [("HOME", project.world.path().as_str()), ("SUDO_UID", "4242")],
        project.directory.as_std_path(),
    );
    let refused = cluster(project.project(), &sudo, 18)
        .start(&StartOptions::default(), &Silent)
        .expect_err("another's project");
    assert!(
        refused.to_string().contains("sudo was called by user 4242"),
        "{refused}"
    );
}

/// 13
#[test]
fn a_cluster_of_roots_is_served_once_it_was_given_away() {
    let Some(user) = run_as() else {
        return;
    };
    let project = TestProject::with_cluster(18);
    let rows = [
        (project.directory.clone(), "postgres".to_owned()),
        (project.data(), user.uid.to_string()),
    ];
    every(rows, |(directory, wanted)| {
        done(Command::new("chown").args(["-hR", "0:0", directory.as_str()]));
        let refused = project
            .cluster(18)
            .start(&StartOptions::default(), &Silent)
            .expect_err("root's");
        assert!(
            refused.to_string().contains("PostgreSQL does not run as root"),
            "{refused}"
        );
        let hint = refused.hint().expect("a hint");
        assert!(hint.contains(&format!("`chown -R {wanted} ")), "{hint}");
        let command = hint
            .split('`')
            .nth(1)
            .expect("a command")
            .replace(" postgres ", &format!(" {} ", user.name));
        done(Command::new("sh").args(["-c", &command]));
        project.start().release(&Silent).expect("stopped");
        done(Command::new("chown").args([&user.name, project.project().amp_dir().as_str()]));
    });
}

/// 14
#[test]
fn a_cluster_is_c_and_utf8_whatever_the_host_is() {
    let project = TestProject::with_cluster(18);
    let server = project.start();
    let answer = sql(
        server.url(),
        "select pg_encoding_to_char(encoding) || ' ' || datcollate || ' ' || datctype from pg_database \
         where datname = 'postgres'",
    );
    assert_eq!(answer.expect("read"), "UTF8 C C");
    server.release(&Silent).expect("stopped");
}
