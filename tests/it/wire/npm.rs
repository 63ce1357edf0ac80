//! The npm source: with npm itself where it is on this machine, and with scripts in its place for what it may say.
#![cfg(unix)]

mod itself;

use std::os::unix::fs::PermissionsExt as _;

use ampup::fetch::{FetchError, Verdict};

use super::*;
use crate::support::table::every;

fn package(content: &[u8]) -> Artifact {
    Artifact {
        source: Source::Npm {
            package: "@x/y".to_owned(),
            version: "1.0.0".to_owned(),
        },
        ..sized("", content)
    }
}

/// A world where `npm` is this script.
fn scripted(script: &str) -> World {
    let world = World::new();
    with_program(world, "npm", script)
}

/// A world where this program is this script.
pub(super) fn with_program(mut world: World, name: &str, script: &str) -> World {
    let program = world.path().join("bin").join(name);
    fs_err::create_dir_all(program.parent().expect("a parent")).expect("made");
    fs_err::write(&program, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("set");
    let path = format!(".:{}:/usr/bin:/bin", world.path().join("bin"));
    world.variables.insert("PATH".to_owned(), path);
    world
}

/// The next source is tried whatever npm says; that the registry has no such package does not speak against npm.
#[test]
fn whatever_npm_says_is_quoted_and_the_next_source_is_tried() {
    let mut faults = Vec::new();
    let rows = [
        (
            r#"echo '{"error":{"code":"E404","summary":"Not Found"}}'"#,
            "`npm @x/y@1.0.0` was not found (E404: Not Found)",
        ),
        (
            r#"echo '{"error":{"code":"ETARGET"}}'"#,
            "`npm @x/y@1.0.0` was not found (ETARGET)",
        ),
        (r#"echo '{"error":{"code":"E401"}}'"#, "npm failed: E401"),
        (
            r#"echo '{"error":{"code":"ECONNREFUSED","summary":"FetchError: request to https://npm.example/@x%2fy failed, reason: connect"}}'"#,
            "npm failed: ECONNREFUSED: request to `npm.example` failed",
        ),
        (r#"echo '{"error":{"code":"E503"}}'"#, "npm failed: E503"),
        ("echo 'npm ERR! code ENOTFOUND' >&2", "npm failed: ENOTFOUND"),
        (
            r#"echo '{"error":{"code":"EINTEGRITY","summary":"a\u001b[2Jb"}}'"#,
            r"npm failed: EINTEGRITY: a\u{1b}[2Jb",
        ),
        ("true", "npm failed: exit code 1, and it did not say why"),
        ("echo broken >&2", "npm failed: broken"),
        (
            "printf 'node:internal/x:1\\n  throw err;\\n\\nError: Cannot find module\\n    at x\\n\\nNode.js v20.1.0\\n' >&2; exit 1",
            "npm failed: Error: Cannot find module",
        ),
    ];
    every(rows, |(said, text)| {
        let world = scripted(&format!("{said}; exit 1"));
        let error = world.fetch(&package(b"abc")).expect_err(said);
        let left = fs_err::read_dir(world.path().join("staging"))
            .expect("there")
            .count();
        let seen = (error.to_string(), error.verdict(), error.exit_code().code(), left);
        if seen != (text.to_owned(), Verdict::NextSource, 5, 0) {
            faults.push(format!("{said}: {seen:?}"));
        }
    });
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn what_the_disk_refuses_npm_is_named_with_its_path() {
    let lines = |code: &str| {
        format!(
            "echo 'npm error code {code}' >&2; echo 'npm error syscall open' >&2; echo 'npm error path /full/x' >&2; exit 1"
        )
    };
    let rows = [
        ("ENOSPC", 7),
        ("EDQUOT", 7),
        ("EROFS", 7),
        ("EACCES", 7),
        ("EIO", 1),
    ];
    every(rows, |(code, exit)| {
        let world = scripted(&lines(code));
        let error = world.fetch(&package(b"abc")).expect_err(code);
        assert_eq!(error.to_string(), "cannot use `/full/x`", "{code}");
        assert_eq!(
            (error.verdict(), error.exit_code().code()),
            (Verdict::Fatal, exit)
        );
    });
    let world = scripted("echo 'npm error code EACCES' >&2; echo 'npm error syscall connect' >&2; exit 1");
    let error = world.fetch(&package(b"abc")).expect_err("forbidden");
    assert!(matches!(error, FetchError::Client { .. }), "{error}");
}

/// Of a directory in a cache on a read-only file system npm says that it is not there.
#[test]
fn a_cache_in_which_npm_makes_no_directory_is_passed_over() {
    let mut world = scripted(
        r#"for last; do :; done
           case $npm_config_cache in
           /read-only/*)
               printf 'npm error %s\n' 'code ENOENT' 'syscall mkdir' 'path /read-only/npm/_cacache' >&2
               exit 1 ;;
           esac
           printf abc > "$last/x-y-1.0.0.tgz""#,
    );
    let (name, cache) = ("npm_config_cache".to_owned(), "/read-only/npm".to_owned());
    world.variables.insert(name, cache);
    assert_eq!(read(&world.fetch(&package(b"abc")).expect("fetched")), b"abc");
    let lines = world.lines();
    assert!(
        lines.len() == 1 && lines[0].contains("npm cannot use `/read-only/npm/_cacache`"),
        "{lines:?}"
    );
}

#[test]
fn npm_is_started_as_the_design_says() {
    let world = scripted(
        r#"for last; do :; done; pwd > "$0.where"; printf '%s\n' "$@" > "$0.arguments"; cat > "$0.input"
           head -c 10000000 /dev/zero; head -c 10000000 /dev/zero >&2; printf abc > "$last/x-y-1.0.0.tgz""#,
    );
    assert_eq!(
        read(&quick(|| world.fetch(&package(b"abc"))).expect("fetched")),
        b"abc"
    );
    let noted =
        |name: &str| fs_err::read_to_string(world.path().join(format!("bin/npm.{name}"))).expect("noted");
    let here = noted("where");
    let here = Utf8Path::new(here.trim_end());
    assert_eq!(here.parent().and_then(Utf8Path::file_name), Some("staging"));
    let expected = format!(
        "pack\n@x/y@1.0.0\n--json\n--ignore-scripts\n--fetch-retries=0\n--fetch-timeout=20000\n--prefix={here}\n\
         --dry-run=false\n--global=false\n--location=user\n--usage=false\n--color=false\n--heading=npm\n--progress=false\n\
         --loglevel=http\n--pack-destination\n"
    );
    let arguments = noted("arguments");
    let out = arguments.strip_prefix(expected.as_str()).expect(&arguments);
    assert!(out.trim_end().ends_with("/out"), "{out}");
    assert_eq!(noted("input"), "");
}

#[test]
fn what_npm_leaves_must_be_one_file() {
    let rows = [
        "exit 0",
        r#"for last; do :; done; echo a > "$last/a"; echo b > "$last/b""#,
        r#"for last; do :; done; ln -s /etc/passwd "$last/a.tgz""#,
        r#"for last; do :; done; mkdir "$last/a.tgz""#,
    ];
    every(rows, |script| {
        let world = scripted(script);
        let error = world.fetch(&package(b"abc")).expect_err(script);
        assert!(matches!(&error, FetchError::Client { .. }), "{error}");
        assert!(world.downloaded().is_empty());
    });
}

#[test]
fn without_npm_the_next_source_is_tried() {
    let mut world = World::new();
    world.variables.insert("PATH".to_owned(), "/nowhere".to_owned());
    let wire = world.wire();
    for _ in 0..2 {
        let error = world.fetch_with(&wire, &package(b"abc")).expect_err("no npm");
        assert_eq!(error.to_string(), "there is no npm on this machine");
        assert_eq!(
            (error.verdict(), error.exit_code().code()),
            (Verdict::NextSource, 5)
        );
    }
    assert_eq!(world.lines(), [""; 0], "whoever asked says so");
}

#[test]
fn npm_and_its_children_end_with_us() {
    let world = scripted(r#"sleep 60 & echo $! > "$0.child"; echo "npm http x" >&2; wait"#);
    let (wire, artifact) = (world.wire(), package(b"abc"));
    let (downloads, staging) = (world.downloads(), world.path().join("staging"));
    let places = FetchContext {
        downloads: &downloads,
        staging: &staging,
        open_wheel: ampup::unpack::open_wheel,
    };
    let file = world.path().join("bin/npm.child");
    block_on(async {
        let fetch = wire.fetch("thing 1.0", &artifact, &places);
        let started = async {
            while !fs_err::read_to_string(&file).is_ok_and(|text| text.ends_with('\n')) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            _ = fetch => panic!("it does not end"),
            () = started => {}
        }
    });
    let child: i32 = fs_err::read_to_string(&file)
        .expect("noted")
        .trim()
        .parse()
        .expect("a pid");
    let child = rustix::process::Pid::from_raw(child).expect("a pid");
    let began = Instant::now();
    while is_running(child) {
        assert!(began.elapsed() < Duration::from_secs(5), "the child lives on");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(fs_err::read_dir(&staging).expect("there").count(), 0);
}

/// Dead and not yet buried does not count.
fn is_running(process: rustix::process::Pid) -> bool {
    let stat = fs_err::read_to_string(format!("/proc/{process}/stat"));
    match stat {
        Ok(stat) => !stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with('Z')),
        Err(_) if cfg!(target_os = "linux") => false,
        Err(_) => rustix::process::test_kill_process(process).is_ok(),
    }
}
