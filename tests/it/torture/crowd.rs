//! Many at once: processes that install the same and others, that switch and remove, and readers beside them.

use std::{
    process::Child,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use ampup::{
    commands::{Options, Session, history, why},
    env::Env,
    event::Silent,
    layout::Layout,
    locate::Locator,
};
use fs_err as fs;
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;

use super::oracle::{Store, leftovers};
use crate::support::{
    home::{Home, Run, TARGET, finish, script, sha256},
    postgres::run_as,
    server::{Reply, Server},
    tracer::{Deed, trace},
};

/// A server of these scripts, each at its path.
fn serving(scripts: Vec<(String, String)>) -> Server {
    Server::start(move |request, _| {
        let found = scripts.iter().find(|(path, _)| *path == request.target);
        match found {
            // Long enough that all the others are there by then.
            Some((_, script)) => {
                thread::sleep(Duration::from_millis(300));
                Reply::whole(script.as_bytes())
            }
            None => Reply::status(404),
        }
    })
}

fn offer_from(server: &Server, home: &mut Home, component: &str, version: &str) {
    let script = script(component, version);
    let url = server.url(&format!("/{component}-{version}"));
    home.offer_artifacts(
        component,
        version,
        &[json!({
            "target": TARGET, "provider": "acme", "format": "raw", "source": {"kind": "https", "url": url},
            "integrity": {"kind": "pinned", "digest": sha256(script.as_bytes())},
        })],
    );
}

/// Runs commands all at once, each to its end.
fn at_once(home: &Home, commands: &[Vec<String>]) -> Vec<Run> {
    thread::scope(|scope| {
        let running: Vec<_> = commands
            .iter()
            .map(|words| {
                scope.spawn(|| {
                    let words: Vec<&str> = words.iter().map(String::as_str).collect();
                    home.ampup(&words)
                })
            })
            .collect();
        running
            .into_iter()
            .map(|run| run.join().expect("no panic"))
            .collect()
    })
}

#[test]
fn fifty_processes_install_one_release_and_it_is_downloaded_once() {
    let mut home = Home::new();
    let server = serving(vec![("/tool-1.0.0".to_owned(), script("tool", "1.0.0"))]);
    offer_from(&server, &mut home, "tool", "1.0.0");
    let commands = vec![vec!["install".to_owned(), "tool@1.0.0".to_owned()]; 50];
    for run in at_once(&home, &commands) {
        run.exits(0);
    }
    assert_eq!(server.requests().len(), 1, "{:#?}", server.requests());
    home.ampup(&["list"]).exits(0).prints("tool 1.0.0 (active)\n");
    assert_eq!(
        fs::read_dir(home.path().join("generations"))
            .expect("listed")
            .count(),
        1
    );
    assert_eq!(leftovers(&home.path(), true), Vec::<camino::Utf8PathBuf>::new());
}

#[test]
fn fifty_processes_install_ten_releases_and_each_is_downloaded_once() {
    let mut home = Home::new();
    let names: Vec<String> = (0..10).map(|number| format!("tool{number}")).collect();
    let files = names
        .iter()
        .map(|name| (format!("/{name}-1.0.0"), script(name, "1.0.0")));
    let server = serving(files.collect());
    for name in &names {
        offer_from(&server, &mut home, name, "1.0.0");
    }
    let commands: Vec<_> = (0..50)
        .map(|number| vec!["install".to_owned(), format!("{}@1.0.0", names[number % 10])])
        .collect();
    for run in at_once(&home, &commands) {
        run.exits(0);
    }
    let mut asked: Vec<_> = server
        .requests()
        .into_iter()
        .map(|request| request.target)
        .collect();
    asked.sort();
    assert_eq!(
        asked,
        names
            .iter()
            .map(|name| format!("/{name}-1.0.0"))
            .collect::<Vec<_>>()
    );
    let store = Store::read(&home.path());
    assert!(
        names.iter().all(|name| store.active(name) == Some("1.0.0")),
        "{store:#?}"
    );
    assert!(
        fs::read_dir(home.path().join("generations"))
            .expect("listed")
            .count()
            <= 10
    );
    assert_eq!(leftovers(&home.path(), true), Vec::<camino::Utf8PathBuf>::new());
}

/// Writers on three components, readers of all; no reader ever sees a version that is missing or half there.
#[test]
fn readers_beside_writers_see_whole_versions_only() {
    let mut home = Home::new();
    for version in ["1.0.0", "2.0.0"] {
        home.offer("tool", version);
    }
    home.offer("other", "1.0.0").offer("third", "1.0.0");
    home.offer("fourth", "1.0.0").offer("fourth", "2.0.0");
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    home.ampup(&["install", "tool@2.0.0"]).exits(0);
    let (over, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    let home = &home;
    let write = |commands: &[&[&str]]| {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(6) {
            for words in commands {
                home.ampup(words).exits(0);
                rounds.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        let writers = [
            scope.spawn(|| write(&[&["use", "tool@1.0.0"], &["use", "tool@2.0.0"]])),
            scope.spawn(|| write(&[&["install", "other@1.0.0"], &["uninstall", "other"]])),
            scope.spawn(|| write(&[&["install", "third", "tool"], &["uninstall", "third@1.0.0"]])),
            scope.spawn(|| {
                write(&[
                    &["install", "fourth@1.0.0"],
                    &["install", "fourth@2.0.0"],
                    &["prune", "fourth"],
                    &["prune"],
                ]);
            }),
        ];
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let which = home.ampup(&["which", "tool"]).exits(0).stdout;
                let run = finish(std::process::Command::new(which.trim()));
                assert!(
                    ["tool 1.0.0\n", "tool 2.0.0\n"].contains(&run.stdout.as_str()),
                    "{run:?}"
                );
            }
        });
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let list = home.ampup(&["list"]).exits(0).stdout;
                assert!(!list.contains("damaged") && !list.contains("missing"), "{list}");
                assert_eq!(list.matches("tool ").count(), 2, "{list}");
            }
        });
        scope.spawn(|| {
            let layout = Layout::new(home.path());
            let locator = Locator::new(layout.home());
            while !over.load(Ordering::Relaxed) {
                let tool = locator
                    .active(&"tool".parse().expect("a name"))
                    .expect("always active");
                assert!(tool.tree.join(".receipt.json").is_file(), "{tool:?}");
                let run = finish(std::process::Command::new(layout.bin().join("tool")));
                assert!(run.stdout.starts_with("tool "), "{run:?}");
                let inventory = ampup::store::inventory::read(&layout).expect("readable");
                for (component, tree) in &inventory.active.components {
                    assert!(
                        inventory.tree(component, tree).is_some(),
                        "{component} {inventory:#?}"
                    );
                }
            }
        });
        for writer in writers {
            writer.join().expect("every writer succeeds");
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(rounds.load(Ordering::Relaxed) > 6, "{rounds:?}");
    home.ampup(&["use", "tool@1.0.0"]).exits(0);
    assert_eq!(leftovers(&home.path(), true), Vec::<camino::Utf8PathBuf>::new());
}

/// Trees come and go while readers are slow: none of them takes that for damage, or for the loss of what is active.
#[test]
fn who_looks_after_a_home_beside_a_writer_finds_nothing_wrong() {
    let mut home = Home::new();
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        home.offer("tool", version);
    }
    // It comes first by name, and takes so long that what comes next may be gone by then.
    let large = script("large", "1.0.0") + &"# large\n".repeat(200_000);
    home.offer_script("large", "1.0.0", &large);
    home.ampup(&["install", "large", "tool@1.0.0"]).exits(0);
    let (home, over) = (&home, AtomicBool::new(false));
    let beside = |command: &[&str]| {
        while !over.load(Ordering::Relaxed) {
            home.ampup(command).exits(0);
        }
    };
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(8) {
                for version in ["tool@2.0.0", "tool@3.0.0"] {
                    home.ampup(&["install", version]).exits(0);
                    home.ampup(&["use", "tool@1.0.0"]).exits(0);
                    home.ampup(&["uninstall", version]).exits(0);
                }
            }
        });
        scope.spawn(|| beside(&["verify"]));
        scope.spawn(|| {
            // In this process, so that it looks often.
            let variables = [("AMPUP_HOME", home.path())];
            while !over.load(Ordering::Relaxed) {
                let env = Env::from_variables(variables.clone(), "/");
                let session = Session::new(env, Options::default(), Arc::new(Silent), "ampup".to_owned());
                let session = session.expect("a session");
                history::run(&history::Args {}, &session).expect("readable");
                let tool = "tool".parse().expect("a name");
                why::run(&why::Args { name: tool }, &session).expect("always active");
            }
        });
        scope.spawn(|| beside(&["which", "tool"]));
        scope.spawn(|| {
            let locator = Locator::new(home.path());
            let tool = "tool".parse().expect("a name");
            while !over.load(Ordering::Relaxed) {
                locator.active(&tool).expect("always active");
            }
        });
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let doctor = home.ampup(&["doctor"]).stdout;
                for found in ["problem links", "problem components"] {
                    assert!(!doctor.contains(found), "{doctor}");
                }
            }
        });
        let written = writer.join();
        over.store(true, Ordering::Relaxed);
        written.expect("every command succeeds");
    });
}

#[test]
fn children_inherit_no_lock_and_no_lock_file_is_deleted() {
    let mut home = Home::new();
    let seen = home.directory("work").join("seen");
    home.offer_script(
        "tool",
        "1.0.0",
        &format!("#!/bin/sh\nfor fd in /proc/$$/fd/*; do readlink \"$fd\"; done > {seen}\necho tool 1.0.0\n"),
    );
    home.ampup(&["install", "tool"]).exits(0);
    let seen = fs::read_to_string(&seen).expect("the acceptance ran");
    assert!(seen.lines().count() > 2, "{seen}");
    assert!(
        !seen.contains("/locks/") && !seen.contains("/staging/") || only_itself(&seen),
        "{seen}"
    );
    let locks = || {
        use std::os::unix::fs::MetadataExt as _;
        let entries = fs::read_dir(home.path().join("locks")).expect("listed");
        let lock = |entry: fs::DirEntry| (entry.file_name(), entry.metadata().expect("there").ino());
        let mut locks: Vec<_> = entries.map(|entry| lock(entry.expect("an entry"))).collect();
        locks.sort();
        locks
    };
    let before = locks();
    assert_eq!(before.len(), 2, "{before:?}");
    home.ampup(&["uninstall", "tool"]).exits(0);
    assert_eq!(locks(), before);
}

/// The shell has the script itself open, which lies in staging.
fn only_itself(seen: &str) -> bool {
    let strange = |line: &&str| {
        (line.contains("/locks/") || line.contains("/staging/")) && !line.ends_with("/bin/tool")
    };
    seen.lines().filter(strange).count() == 0
}

#[test]
fn a_stopped_holder_is_named_after_the_time_limit() {
    let mut home = Home::new();
    let begun = home.directory("work").join("begun");
    home.offer_script(
        "slow",
        "1.0.0",
        &format!("#!/bin/sh\ntouch {begun}\nsleep 30\necho slow 1.0.0\n"),
    );
    home.offer("tool", "1.0.0");
    let mut holder = home.command(&["install", "slow"]).spawn().expect("started");
    // By then it holds the lock of that release, and no other.
    wait_until(|| begun.is_file());
    stop(&holder);
    let run = home.ampup(&["--lock-timeout", "2", "install", "slow"]).exits(6);
    let run = run
        .says("waiting for another ampup to finish with slow 1.0.0: process ")
        .says(&format!("process {}", holder.id()))
        .says("slow-1.0.0")
        .says("--lock-timeout");
    assert_eq!(run.stderr.matches("error:").count(), 1, "{run:?}");
    // Nor is the home taken away from under it.
    let before = home.store();
    home.ampup(&["self", "uninstall", "--yes"])
        .exits(6)
        .says(&format!("process {}", holder.id()))
        .says("slow-1.0.0");
    assert_eq!(home.store(), before);
    // It holds that release only.
    home.ampup(&["--lock-timeout", "1", "install", "tool"]).exits(0);
    kill(pid(&holder), Signal::SIGKILL).expect("ended");
    holder.wait().expect("reaped");

    // The store lock: the test itself holds it.
    let path = home.path().join("locks/store");
    let mut held = ampup::fs::lock::Lock::try_acquire(&path).expect("opened");
    assert!(held.is_some(), "it is free");
    let run = home.ampup(&["--lock-timeout", "0", "use", "tool@1.0.0"]).exits(6);
    run.says(&format!("process {}", std::process::id()))
        .says("locks/store");
    held.take();
    home.ampup(&["use", "tool@1.0.0"]).exits(0);
    home.ampup(&["self", "uninstall", "--yes"]).exits(0);
    assert!(!home.path().exists());
}

fn stop(child: &Child) {
    kill(pid(child), Signal::SIGSTOP).expect("stopped");
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a pid"))
}

fn wait_until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "it takes too long");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Some network file systems have no locks: one warning, and on.
#[test]
fn a_file_system_without_locks_is_one_warning() {
    for errno in [Errno::ENOLCK, Errno::ENOSYS, Errno::EOPNOTSUPP] {
        let mut home = Home::new();
        home.offer("tool", "1.0.0");
        let user = run_as().map(|user| (user.uid, user.gid));
        let deed = Deed::FailAll {
            name: "flock",
            errno,
            killed_before: None,
        };
        let traced = trace(&home.command(&["install", "tool"]), user, deed);
        assert_eq!(traced.code, Some(0), "{traced:#?}");
        assert!(
            traced.calls.iter().filter(|call| call.failed).count() > 2,
            "{traced:#?}"
        );
        assert_eq!(traced.stderr.matches("warning:").count(), 1, "{}", traced.stderr);
        assert!(traced.stderr.contains("has no locks"), "{}", traced.stderr);
        home.ampup(&["list"]).exits(0).prints("tool 1.0.0 (active)\n");
        // What was left by somebody who was killed is swept all the same: the process is no more.
        home.offer("other", "1.0.0");
        let killed = trace(&home.command(&["install", "other"]), user, Deed::KillBefore(40));
        assert_eq!(killed.code, None);
        let next = trace(&home.command(&["use", "tool@1.0.0"]), user, deed);
        assert_eq!(next.code, Some(0), "{next:#?}");
        assert_eq!(leftovers(&home.path(), true), Vec::<camino::Utf8PathBuf>::new());
    }
}
