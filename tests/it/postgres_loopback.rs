//! A cluster that is reached as on Windows: through a port of the loopback interface and with a password. Nothing here is
//! Windows' own but the system's processes, pipes and consoles.

use std::{
    io::Write as _,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use ampup::{
    event::Silent,
    postgres::{Cluster, ClusterError, Force, Released, Server, ServerOrigin, ServerState, StartOptions},
};
use fs_err as fs;

use crate::support::postgres::{TestProject, done, sql};

fn cluster(project: &TestProject) -> Cluster {
    project.cluster(18).on_loopback()
}

fn start(project: &TestProject) -> Server {
    cluster(project)
        .start(&StartOptions::default(), &Silent)
        .expect("started")
}

#[test]
fn a_cluster_without_a_socket_is_made_served_found_and_stopped() {
    let project = TestProject::new();
    let server = start(&project);
    let evidence = server.evidence();
    assert_eq!(
        (evidence.user.as_str(), evidence.socket.path()),
        ("postgres", None)
    );
    sql(server.url(), "create table t as select 7 as x").expect("a client gets there");
    assert!(!project.data().join(".s.PGSQL.5432").exists());
    let written = project.directory.join(".amp/metadb.password");
    let mode = fs::metadata(&written).expect("written down").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);

    // A second user of it finds it; another project beside it has a server, a port and a password of its own.
    let again = start(&project);
    assert_eq!(again.evidence().origin, ServerOrigin::Found);
    assert_eq!(again.url(), server.url());
    let other = TestProject::new();
    let beside = start(&other);
    assert_ne!(beside.evidence().socket.port, evidence.socket.port);
    assert_ne!(beside.evidence().socket.password, evidence.socket.password);
    assert_eq!(
        sql(beside.url(), "select count(*) from pg_class where relname = 't'").expect("served"),
        "0"
    );
    beside.release(&Silent).expect("stopped");
    cluster(&other).stop(Force::No, &Silent).expect("gone");

    let port = evidence.socket.port;
    assert_eq!(again.release(&Silent).expect("left"), Released::InUse);
    assert_eq!(server.release(&Silent).expect("stopped"), Released::Stopped);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "nobody listens");
    // An address that somebody wrote down stays true.
    let server = start(&project);
    assert_eq!(server.evidence().socket.port, port);
    assert_eq!(sql(server.url(), "select x from t").expect("kept"), "7");
    server.release(&Silent).expect("stopped");
}

#[test]
fn only_who_knows_the_password_connects() {
    let project = TestProject::new();
    let server = start(&project);
    let url = server.url().to_owned();
    let (shown, password) = url.split_once("&password=").expect("a password");
    sql(shown, "select 1").expect_err("without one");
    sql(
        &format!("{shown}&password={}", password.replace(|_| true, "0")),
        "select 1",
    )
    .expect_err("a wrong one");
    // libpq's own way of saying it, in the place of ours.
    let psql = Command::new("psql")
        .args(["-XtAc", "select current_user", shown])
        .env("PGPASSWORD", password)
        .output()
        .expect("psql");
    assert_eq!(String::from_utf8_lossy(&psql.stdout), "postgres\n");

    // A cluster whose password was lost is not served, and is not harmed.
    let written = project.directory.join(".amp/metadb.password");
    fs::write(&written, "0123\n").expect("overwritten");
    assert!(matches!(
        cluster(&project).status().expect("looked at").server,
        ServerState::Busy { .. }
    ));
    let refused = cluster(&project)
        .start(&StartOptions::default(), &Silent)
        .expect_err("a wrong password");
    assert!(
        matches!(&refused, ClusterError::Refused { code, .. } if code == "28P01"),
        "{refused}"
    );
    fs::write(&written, password).expect("restored");
    let found = start(&project);
    assert_eq!(found.url(), url);
    drop((found, server));
    cluster(&project).stop(Force::No, &Silent).expect("stopped");
    fs::remove_file(&written).expect("removed");
    let refused = cluster(&project)
        .start(&StartOptions::default(), &Silent)
        .expect_err("no password");
    assert!(matches!(refused, ClusterError::NoPassword { .. }), "{refused}");
    assert!(
        !written.exists(),
        "no other one is made for a cluster that would not know it"
    );
}

/// Things that the server's user can put there for us to wait for, or to fill our memory with.
#[test]
fn a_pipe_in_the_place_of_a_small_file_is_not_waited_for() {
    let project = TestProject::new();
    let amp = project.directory.join(".amp");
    let server = start(&project);
    let plant = |name: &str| {
        let path = amp.join(name);
        let _ = fs::remove_file(&path);
        done(Command::new("mkfifo").arg(&path));
        // Whoever waits all the same gets its end, so that the test fails and does not hang.
        let end = path.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(20));
            while end.exists() {
                let _ = fs::OpenOptions::new().read(true).write(true).open(&end);
                thread::sleep(Duration::from_millis(10));
            }
        });
        path
    };
    let began = Instant::now();
    let keep = plant("metadb.keep");
    assert_eq!(
        server.release(&Silent).expect("it says nothing"),
        Released::Stopped
    );
    fs::remove_file(keep).expect("removed");
    let written = plant("metadb.password");
    let refused = || {
        cluster(&project)
            .start(&StartOptions::default(), &Silent)
            .expect_err("no password")
    };
    let error = refused();
    assert!(matches!(error, ClusterError::NoPassword { .. }), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(15), "it was waited for");
    fs::remove_file(&written).expect("removed");
    fs::write(&written, "0".repeat(1 << 20)).expect("written");
    assert!(matches!(refused(), ClusterError::NoPassword { .. }));
}

#[test]
fn whoever_lets_everybody_in_is_not_ours() {
    let project = TestProject::new();
    start(&project).release(&Silent).expect("stopped");
    // A stranger took the port of a server that was killed, and says what a server would.
    let stranger = TcpListener::bind(("127.0.0.1", 0)).expect("bound");
    let port = stranger.local_addr().expect("bound").port();
    let pid_file = format!("{}\n{}\n1\n{port}\n\n127.0.0.1\n", i32::MAX, project.data());
    fs::write(project.data().join("postmaster.pid"), pid_file).expect("written");
    std::thread::spawn(move || {
        for mut guest in stranger.incoming().flatten() {
            let _ = guest.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I");
        }
    });
    let server = start(&project);
    assert_eq!(server.evidence().origin, ServerOrigin::Started);
    assert_ne!(server.evidence().socket.port, port);
    server.release(&Silent).expect("stopped");
}
