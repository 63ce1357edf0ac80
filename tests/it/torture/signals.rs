//! Signals in each phase: the code that a shell shows, one line that tells it, no child left, the store as it was.

use std::{
    io::Write as _,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use camino::Utf8PathBuf;
use fs_err as fs;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;

use super::oracle::{Store, leftovers};
use crate::support::{
    home::{Home, TARGET, finish, script, sha256},
    programs::is_heard,
    server::{End, Reply, Server},
    world::write_program,
};

fn signals() -> Vec<Signal> {
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]
        .into_iter()
        .filter(|signal| is_heard(*signal as i32))
        .collect()
}

/// Starts a command, waits until `is_there`, sends the signal, and checks all that must hold then.
fn interrupted(home: &Home, words: &[&str], path: Option<&str>, signal: Signal, is_there: impl Fn() -> bool) {
    let before = Store::read(&home.path());
    let mut command = home.command(words);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    wait_until(&is_there);
    send(&child, signal);
    let output = child.wait_with_output().expect("ended");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(
        output.status.code(),
        Some(128 + signal as i32),
        "{signal}: {stderr}"
    );
    let errors: Vec<_> = stderr.lines().filter(|line| line.starts_with("error:")).collect();
    assert_eq!(errors.len(), 1, "{stderr}");
    assert!(
        errors[0].contains(signal.as_str()) && errors[0].contains("/.ampup/"),
        "{stderr}"
    );
    assert!(!stderr.contains("installed"), "{stderr}");
    assert_eq!(Store::read(&home.path()), before);
    assert_eq!(leftovers(&home.path(), false), Vec::<Utf8PathBuf>::new());
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a pid")), signal).expect("sent");
}

fn wait_until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "it takes too long");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The processes that a script wrote down are no more.
fn have_ended(pids: &Utf8PathBuf) {
    let text = fs::read_to_string(pids).expect("written down");
    assert!(text.split_whitespace().count() >= 2, "{text}");
    let lives =
        |pid: &&str| fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    wait_until(|| text.split_whitespace().filter(lives).count() == 0);
    fs::remove_file(pids).expect("removed");
}

/// A script that writes down itself and a child of its own, and takes its time.
fn slow(pids: &Utf8PathBuf) -> String {
    format!("#!/bin/sh\nsleep 60 &\necho $$ $! > {pids}.new\nmv {pids}.new {pids}\nwait\n")
}

#[test]
fn while_a_component_proves_that_it_runs() {
    let mut home = Home::new();
    let pids = home.directory("work").join("pids");
    home.offer_script("slow", "1.0.0", &slow(&pids));
    home.offer("tool", "1.0.0");
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    for signal in signals() {
        interrupted(&home, &["install", "slow"], None, signal, || pids.is_file());
        have_ended(&pids);
    }
    home.ampup(&["use", "tool@1.0.0"]).exits(0);
    assert_eq!(leftovers(&home.path(), true), Vec::<Utf8PathBuf>::new());
}

#[test]
fn while_npm_downloads() {
    let mut home = Home::new();
    let pids = home.directory("work").join("pids");
    write_program(&home.directory("bin").join("npm"), slow(&pids));
    home.offer_artifacts(
        "tool",
        "1.0.0",
        &[json!({
            "target": TARGET, "provider": "acme", "format": "tar.gz",
            "source": {"kind": "npm", "package": "tool", "version": "1.0.0"},
            "integrity": {"kind": "pinned", "digest": sha256(b"")},
        })],
    );
    let path = format!("{}:/usr/bin:/bin", home.directory("bin"));
    for signal in signals() {
        interrupted(&home, &["install", "tool"], Some(&path), signal, || {
            pids.is_file()
        });
        have_ended(&pids);
    }
}

#[test]
fn while_it_downloads_and_the_partial_download_stays() {
    let script = format!("{}# {}\n", script("tool", "1.0.0"), "x".repeat(200_000));
    for signal in signals() {
        let mut home = Home::new();
        let content = script.clone().into_bytes();
        // The first answer stops in the middle; the second is asked for the rest.
        let server = Server::start(move |request, nth| match nth {
            0 => Reply::honest(&content, request).ending(End::SilentAfter(100_000)),
            _ => Reply::honest(&content, request),
        });
        home.offer_artifacts(
            "tool",
            "1.0.0",
            &[json!({
                "target": TARGET, "provider": "acme", "format": "raw",
                "source": {"kind": "https", "url": server.url("/tool")},
                "integrity": {"kind": "pinned", "digest": sha256(script.as_bytes())},
            })],
        );
        let downloads = home.path().join("cache/downloads");
        let has_begun = || {
            let entries = downloads.read_dir_utf8().into_iter().flatten().flatten();
            let mut sizes = entries
                .filter_map(|entry| entry.metadata().ok())
                .map(|metadata| metadata.len());
            sizes.any(|size| size >= 100_000)
        };
        interrupted(&home, &["install", "tool"], None, signal, has_begun);
        assert!(has_begun(), "the partial download stays");
        home.ampup(&["install", "tool"]).exits(0);
        let range = server.requests()[1].header("range").map(str::to_owned);
        assert_eq!(range.as_deref(), Some("bytes=100000-"), "and is gone on with");
    }
}

#[test]
fn while_it_waits_for_another() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    home.ampup(&["install", "tool"]).exits(0);
    let lock = home.path().join("locks/store");
    for signal in signals() {
        // Not at once: a child that another test starts holds what we have open until it is its own program.
        let held = ampup::fs::lock::Lock::acquire(&lock, Duration::from_secs(10), |_, _| {}).expect("free");
        let began = Instant::now();
        interrupted(&home, &["use", "tool@1.0.0"], None, signal, || {
            began.elapsed() > Duration::from_millis(300)
        });
        drop(held);
    }
}

/// Nobody listens any more, which is no reason not to do the work; a closed stdout has had what it wanted.
#[test]
fn a_broken_pipe_ends_no_command() {
    let mut home = Home::new();
    let begun = home.directory("work").join("begun");
    home.offer_script(
        "tool",
        "1.0.0",
        &format!("#!/bin/sh\ntouch {begun}\nsleep 0.3\necho tool 1.0.0\n"),
    );
    let mut child = home
        .command(&["install", "tool"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    wait_until(|| begun.is_file());
    drop((child.stdout.take(), child.stderr.take()));
    send(&child, Signal::SIGPIPE);
    assert_eq!(child.wait().expect("ended").code(), Some(0));
    home.ampup(&["list"]).exits(0).prints("tool 1.0.0 (active)\n");
    let mut list = home.command(&["list"]);
    let mut list = list.stdout(Stdio::piped()).spawn().expect("started");
    drop(list.stdout.take());
    assert_eq!(list.wait().expect("ended").code(), Some(0));
}

/// `nohup ampup install` survives the end of its terminal.
#[test]
fn a_signal_that_was_ignored_stays_so() {
    let mut home = Home::new();
    let begun = home.directory("work").join("begun");
    home.offer_script(
        "tool",
        "1.0.0",
        &format!("#!/bin/sh\ntouch {begun}\nsleep 0.5\necho tool 1.0.0\n"),
    );
    let plain = home.command(&["install", "tool"]);
    let mut command = std::process::Command::new("/bin/sh");
    command
        .args(["-c", r#"trap '' HUP; exec "$0" "$@""#])
        .arg(plain.get_program())
        .args(plain.get_args());
    command.env_clear().current_dir(home.work());
    for (name, value) in plain.get_envs() {
        command.env(name, value.expect("set"));
    }
    if let Some(user) = crate::support::postgres::run_as() {
        use std::os::unix::process::CommandExt as _;
        command.uid(user.uid).gid(user.gid);
    }
    let child = thread::scope(|scope| {
        let run = scope.spawn(|| finish(command));
        wait_until(|| begun.is_file());
        let lock = fs::read_to_string(home.path().join("locks/tool-1.0.0")).expect("written");
        let pid = lock
            .split(' ')
            .next()
            .and_then(|pid| pid.parse().ok())
            .expect("a pid");
        kill(Pid::from_raw(pid), Signal::SIGHUP).expect("sent");
        run.join().expect("no panic")
    });
    child.exits(0);
}

/// Ctrl-C at a question ends it at once, and says that nothing was begun.
#[test]
fn a_question_is_interrupted_by_ctrl_c() {
    let Some(program) = crate::support::programs::find("script") else {
        return;
    };
    if !is_heard(Signal::SIGINT as i32) {
        return;
    }
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    home.ampup(&["install", "tool"]).exits(0);
    let before = Store::read(&home.path());
    let shown = home.work().join("shown");
    let mut command = home.other_program(&program);
    let line = format!("{} self uninstall", crate::support::home::program());
    let mut child = command
        .args(["-qefc", &line, shown.as_str()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("started");
    let text = || fs::read_to_string(&shown).unwrap_or_default();
    wait_until(|| text().contains("[y/N]"));
    let mut keys = child.stdin.take().expect("piped");
    keys.write_all(b"\x03").expect("typed");
    assert_eq!(child.wait().expect("ended").code(), Some(130), "{}", text());
    let is_told =
        |line: &str| line.ends_with("interrupted by SIGINT; nothing was changed") && !line.contains("[y/N]");
    assert!(text().lines().any(is_told), "{}", text());
    assert_eq!(Store::read(&home.path()), before);
}

/// Bars are taken off, the cursor is there, and the settings of the terminal are what they were.
#[test]
fn a_terminal_is_left_as_it_was() {
    let Some(program) = crate::support::programs::find("script") else {
        return;
    };
    if !is_heard(Signal::SIGINT as i32) {
        return;
    }
    let mut home = Home::new();
    let pids = home.directory("work").join("pids");
    home.offer_script("slow", "1.0.0", &slow(&pids));
    let plain = home.command(&["install", "slow"]);
    let work = home.work();
    let inside = format!(
        "stty -g > {work}/before; {} install slow; echo code $?; stty -g > {work}/after",
        plain.get_program().display()
    );
    let mut command = std::process::Command::new(program);
    command
        .args(["-qefc", &inside, "/dev/null"])
        .current_dir(&work)
        .env_clear()
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::null());
    for (name, value) in plain.get_envs().filter(|(name, _)| *name != "CI") {
        command.env(name, value.expect("set"));
    }
    if let Some(user) = crate::support::postgres::run_as() {
        use std::os::unix::process::CommandExt as _;
        command.uid(user.uid).gid(user.gid);
    }
    let shown = thread::scope(|scope| {
        let run = scope.spawn(|| finish(command));
        wait_until(|| pids.is_file());
        // So long that the bar is drawn.
        thread::sleep(Duration::from_millis(500));
        let lock = fs::read_to_string(home.path().join("locks/slow-1.0.0")).expect("written");
        let pid = lock
            .split(' ')
            .next()
            .and_then(|pid| pid.parse().ok())
            .expect("a pid");
        kill(Pid::from_raw(pid), Signal::SIGINT).expect("sent");
        run.join().expect("no panic").stdout
    });
    have_ended(&pids);
    assert!(shown.contains("code 130"), "{shown:?}");
    assert!(
        shown.contains("checking that it runs"),
        "a bar was drawn: {shown:?}"
    );
    let (before, after) = shown.split_once("interrupted by SIGINT").expect("told");
    let line = before.rsplit(['\r', '\n']).next().expect("a line");
    assert!(!line.contains("checking"), "on a line of its own: {shown:?}");
    assert!(!after.contains("checking"), "nothing is drawn after: {shown:?}");
    assert_eq!(
        shown.matches("\x1b[?25l").count(),
        shown.matches("\x1b[?25h").count(),
        "{shown:?}"
    );
    let settings = |name: &str| fs::read_to_string(work.join(name)).expect("written");
    assert_eq!(settings("before"), settings("after"));
}
