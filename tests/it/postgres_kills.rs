//! Laws 2, 3, 6 and 13 where they need another process: one that is killed, one in another container, one of another
//! user. The other process is this test binary, told to run one of the two functions at the end.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

#[cfg(target_os = "linux")]
use ampup::postgres::Stopped;
use ampup::{
    env::Env,
    event::Silent,
    locate::{Located, Locator},
    postgres::{Cluster, Force, Project, Released, ServerOrigin, StartOptions, identity},
};

use crate::support::postgres::{TestProject, eventually, postgres_tree, sql};
#[cfg(target_os = "linux")]
use crate::support::table::every;

const PROJECT: &str = "AMPUP_TEST_PROJECT";
const TREE: &str = "AMPUP_TEST_TREE";

/// Another process, run through these words, that does `what` with a project's database.
fn other_process(through: &[&str], what: &str, project: &TestProject) -> Command {
    #[expect(clippy::disallowed_methods, reason = "the tests' own program")]
    let program = std::env::current_exe().expect("this program");
    let mut words = through.iter().map(AsRef::as_ref).chain([program.as_os_str()]);
    let mut command = Command::new(words.next().expect("at least the program"));
    command
        .args(words)
        .args(["--exact", what, "--ignored", "--nocapture"])
        .env(PROJECT, &project.directory)
        .env(TREE, postgres_tree(18))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// Process ids, shared memory and a host name of its own.
#[cfg(target_os = "linux")]
const CONTAINER: &[&str] = &[
    "unshare",
    "--pid",
    "--ipc",
    "--uts",
    "--mount-proc",
    "--fork",
    "--kill-child",
];

/// Another user of a database; it leaves when its stdin is closed.
struct Other {
    child: Child,
    stdin: Option<ChildStdin>,
    said: BufReader<std::process::ChildStdout>,
}

impl Other {
    fn start(through: &[&str], project: &TestProject) -> Self {
        let mut child = other_process(through, "postgres_kills::other_starts", project)
            .spawn()
            .expect("started");
        let said = BufReader::new(child.stdout.take().expect("piped"));
        let stdin = child.stdin.take();
        Self { child, stdin, said }
    }

    /// The line that begins so, without that.
    fn says(&mut self, begin: &str) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            let length = self.said.read_line(&mut line).expect("read");
            assert_ne!(length, 0, "no `{begin}` in: {all}");
            if let Some((_, rest)) = line.split_once(begin) {
                return rest.trim().to_owned();
            }
            all.push_str(&line);
        }
    }

    fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("waited for");
    }

    fn leave(mut self) {
        drop(self.stdin.take());
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).expect("read");
        assert!(self.child.wait().expect("waited for").success(), "{rest}");
    }
}

/// 2: a few points here; `AMPUP_TEST_POINTS=200` for the whole law.
#[test]
fn wherever_the_making_is_killed_the_next_start_serves() {
    #[expect(clippy::disallowed_methods, reason = "the tests' own environment")]
    let points = std::env::var("AMPUP_TEST_POINTS").map_or(5, |points| points.parse().expect("a number"));
    let project = TestProject::new();
    let began = Instant::now();
    let mut whole = Other::start(&[], &project);
    whole.says("url ");
    let duration = began.elapsed();
    whole.leave();
    for point in 0..points {
        let project = TestProject::new();
        let killed = Other::start(&[], &project);
        thread::sleep(duration * point / points);
        killed.kill();
        let server = project.start();
        sql(server.url(), "create table t (x int)").unwrap_or_else(|error| panic!("point {point}: {error}"));
        assert_eq!(
            server.release(&Silent).expect("stopped"),
            Released::Stopped,
            "point {point}"
        );
    }
}

/// 6
#[test]
fn a_server_whose_starter_was_killed_is_adopted_and_goes_with_its_last_user() {
    let project = TestProject::with_cluster(18);
    let mut starter = Other::start(&[], &project);
    starter.says("url ");
    starter.kill();
    let server = project.start();
    assert_eq!(server.evidence().origin, ServerOrigin::Found);
    sql(server.url(), "select 1").expect("it serves");
    assert_eq!(server.release(&Silent).expect("left"), Released::Stopped);
    eventually("nothing is left", || {
        identity::servers_of(&project.data()).expect("listed").is_empty()
    });
}

/// 3
#[test]
fn two_processes_share_one_server_and_the_last_stops_it() {
    let project = TestProject::with_cluster(18);
    let mut other = Other::start(&[], &project);
    let pid = other.says("pid ");
    let ours = project.start();
    assert_eq!(ours.evidence().pid.expect("seen").to_string(), pid);
    other.leave();
    sql(ours.url(), "create table t (x int)").expect("ours still writes");
    assert_eq!(ours.release(&Silent).expect("left"), Released::Stopped);
}

/// 3: a host and its container, where neither knows the other's process ids.
#[cfg(target_os = "linux")]
#[test]
fn one_server_across_containers_also_where_it_cannot_be_reached() {
    let ours = ampup::postgres::user::current_uid();
    let through: Vec<&str> = match ours {
        0 => CONTAINER.to_vec(),
        _ => [
            &CONTAINER[..1],
            &["--user", "--map-current-user"],
            &CONTAINER[1..],
        ]
        .concat(),
    };
    let tried = Command::new(through[0]).args(&through[1..]).arg("true").status();
    assert!(
        tried.is_ok_and(|status| status.success()),
        "this test needs `{}`; in a container that forbids it, leave the test out by name",
        through.join(" ")
    );
    let project = TestProject::with_cluster(18);

    // Started outside: used inside by its socket, and not stoppable there.
    let outside = project.start();
    let mut inside = Other::start(&through, &project);
    assert_eq!(inside.says("pid "), "unseen");
    inside.leave();
    sql(outside.url(), "select 1").expect("the other left, and it serves");
    let stop = other_process(&through, "postgres_kills::other_stops", &project)
        .output()
        .expect("ran");
    let said = String::from_utf8_lossy(&stop.stdout).into_owned();
    assert!(said.contains("cannot be seen from here"), "{said}");
    assert_eq!(outside.release(&Silent).expect("left"), Released::Stopped);

    // Started inside: outside sees its processes, and may stop it.
    let mut inside = Other::start(&through, &project);
    inside.says("url ");
    let outside = project.start();
    assert_eq!(outside.evidence().origin, ServerOrigin::Found);
    assert_eq!(outside.release(&Silent).expect("left"), Released::InUse);
    let stopped = project.cluster(18).stop(Force::No, &Silent).expect("stopped");
    assert!(matches!(stopped, Stopped::Stopped { .. }));
    inside.leave();
}

/// 3: a host and its container, which share the project and not the directory of the socket of a long path.
#[cfg(target_os = "linux")]
#[test]
fn a_server_whose_socket_is_out_of_reach_is_named_and_no_second_one_starts() {
    if ampup::postgres::user::current_uid() != 0 {
        // Nobody else may mount something over a directory.
        return;
    }
    let mut project = TestProject::with_cluster(18);
    let long = project.world.path().join("p".repeat(100));
    fs_err::rename(&project.directory, &long).expect("moved");
    project.directory = long;
    let outside = project.start();
    let socket = outside.evidence().socket.clone();
    assert!(!socket.host.starts_with(&project.directory), "{socket}");
    let hide = format!(
        "mount -t tmpfs none '{}' && hostname container && exec \"$@\"",
        socket.host
    );
    let through: Vec<&str> = CONTAINER
        .iter()
        .copied()
        .chain(["sh", "-c", &hide, "sh"])
        .collect();
    let start = other_process(&through, "postgres_kills::other_starts", &project)
        .output()
        .expect("ran");
    let said = String::from_utf8_lossy(&start.stdout).into_owned();
    let pid = outside.evidence().pid.expect("seen");
    let rows = [
        "cannot be seen from here",
        &format!("process {pid} on `"),
        "postgres -D",
    ];
    every(rows, |words| {
        assert!(said.contains(words), "no `{words}` in {said}");
    });
    sql(outside.url(), "create table t (x int)").expect("it serves on");
    assert_eq!(outside.release(&Silent).expect("left"), Released::Stopped);
    // Once it has ended, the other one may.
    let mut inside = Other::start(&through[..CONTAINER.len()], &project);
    inside.says("url ");
    inside.leave();
}

/// 13
#[test]
fn a_user_without_an_entry_gets_a_clear_word() {
    if ampup::postgres::user::current_uid() != 0 {
        // Only root can become somebody whom nobody knows; `user`'s unit tests have the error itself.
        return;
    }
    let project = TestProject::new();
    fs_err::os::unix::fs::chown(&project.directory, Some(54321), Some(54321)).expect("given away");
    let through = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"];
    let output = other_process(&through, "postgres_kills::other_starts", &project)
        .stdin(Stdio::null())
        .output()
        .expect("ran");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("user 54321 has no entry in the passwd database"),
        "{said}"
    );
    assert!(!project.project().amp_dir().exists());
}

fn others_cluster() -> Cluster {
    #[expect(
        clippy::disallowed_methods,
        reason = "told by the test that started this process"
    )]
    let variable = |name| std::env::var(name).expect("told by a test");
    let env = Env::from_variables([("HOME", "/nonexistent")], variable(PROJECT));
    let locator = Locator::from_env(&env).expect("a home");
    let programs = Located {
        component: "postgres".parse().expect("a name"),
        name: "18.4.0".parse().expect("a version"),
        tree: variable(TREE).into(),
    };
    Cluster::open(Project::find(&env, None).expect("a project"), locator, &env).with_programs(programs)
}

#[test]
#[ignore = "run by other tests in a process of its own"]
#[expect(clippy::print_stdout, reason = "the other test reads it")]
fn other_starts() {
    match others_cluster().start(&StartOptions::default(), &Silent) {
        Ok(server) => {
            let pid = server.evidence().pid;
            println!(
                "pid {}",
                pid.map_or_else(|| "unseen".to_owned(), |pid| pid.to_string())
            );
            println!("url {}", server.url());
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            println!("left {:?}", server.release(&Silent).expect("left"));
        }
        Err(error) => println!("error: {error}"),
    }
}

#[test]
#[ignore = "run by other tests in a process of its own"]
#[expect(clippy::print_stdout, reason = "the other test reads it")]
fn other_stops() {
    // Not within the time that a server takes to stop: an answer at once.
    let began = Instant::now();
    match others_cluster().stop(Force::No, &Silent) {
        Ok(stopped) => println!("{stopped:?}"),
        Err(error) => println!("error: {error}"),
    }
    assert!(began.elapsed() < Duration::from_secs(20));
}
