//! Limits of a host: sockets in directories, open files, what a umask leaves.

use std::{os::unix::fs::PermissionsExt as _, process::Command};

use fs_err as fs;
use nix::errno::Errno;

use super::left_by;
use crate::support::{
    database::{Build, Ends},
    home::{Home, finish},
    postgres::run_as,
    table::every,
    tracer::{Call, Deed, trace},
};

#[test]
fn a_file_system_without_sockets_has_its_socket_in_the_runtime_directory() {
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    let user = run_as().map(|user| (user.uid, user.gid));
    let run = |name: &'static str, path: &'static str, errno: Errno| {
        let command =
            home.command_as_we_are(&["run", "--", "sh", "-c", "echo \"$AMP_CONFIG_METADATA_DB__URL\""]);
        trace(&command, user, Deed::FailAt { name, path, errno })
    };
    let mut wrong = Vec::new();
    for (name, path, errno) in [
        ("bind", "/.amp/metadb/", Errno::EOPNOTSUPP),
        ("bind", "/.amp/metadb/", Errno::EPERM),
        // Some let one be made that nobody reaches.
        ("connect", "/.s.ampup.trial", Errno::ECONNREFUSED),
        ("connect", "/.s.ampup.trial", Errno::ENXIO),
    ] {
        let traced = run(name, path, errno);
        let is_elsewhere = traced.stdout.contains("?host=/tmp/ampup-");
        if traced.code != Some(0) || !is_elsewhere {
            wrong.push(format!("{name} {errno}: {traced:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Where it was is where it will be, as far as anybody knows.
    home.db(&["url"]).exits(0).prints_with("?host=/tmp/ampup-");

    let traced = run("bind", "/.s.PGSQL.5432", Errno::EOPNOTSUPP);
    assert_eq!(traced.code, Some(1), "{traced:#?}");
    assert!(traced.stderr.contains("set `XDG_RUNTIME_DIR`"), "{traced:#?}");

    // As everywhere else, once it can.
    home.ampup(&["run", "--", "true"]).exits(0);
    home.db(&["url"]).exits(0).prints_with("/.amp/metadb&");
}

/// An older container engine answers EPERM to calls that it does not know, and others leave some out.
#[test]
fn a_call_that_a_sandbox_forbids_is_done_without_or_named() {
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    let user = run_as().map(|user| (user.uid, user.gid));
    let sandbox = "--security-opt seccomp=unconfined";
    let run = &["run", "--", "true"][..];
    let rows = [
        ("syncfs", Errno::ENOSYS, run, 0, ""),
        ("syncfs", Errno::EINVAL, run, 0, ""),
        ("flock", Errno::EINVAL, run, 0, "has no locks"),
        ("clone3", Errno::EPERM, run, 1, sandbox),
        ("clone3", Errno::EPERM, &["db", "start"], 1, sandbox),
        ("clone3", Errno::EPERM, &["doctor"], 1, sandbox),
        (
            "clone3",
            Errno::EPERM,
            &["run", "--no-db", "--", "true"],
            1,
            sandbox,
        ),
    ];
    every(rows, |(name, errno, words, code, text)| {
        let _ = fs::remove_dir_all(home.work().join(".amp"));
        let deed = Deed::FailAt {
            name,
            path: "",
            errno,
        };
        let traced = trace(&home.command_as_we_are(words), user, deed);
        let said = format!("{}{}", traced.stdout, traced.stderr);
        assert!(traced.calls.iter().any(|call| call.failed), "{traced:#?}");
        assert!(traced.code == Some(code) && said.contains(text), "{traced:#?}");
        assert!(!said.contains("/bin/sh") && !said.contains("ulimit"), "{said}");
        assert!(said.matches("no further process").count() < 2, "{said}");
        let is_flushed = |call: &Call| call.name == "fsync" && call.text.contains("/metadb.new-");
        assert!(
            name != "syncfs" || traced.calls.iter().filter(|call| is_flushed(call)).count() > 500,
            "every file of the new cluster"
        );
    });
}

#[test]
fn where_no_further_file_can_be_opened_the_limit_is_named() {
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    home.ampup(&["run", "--", "true"]).exits(0);
    let mut wrong = Vec::new();
    for limit in [4, 6, 8, 12, 20, 40] {
        let parent = format!("ulimit -n {limit}; exec \"$@\"");
        for arguments in [&["list"][..], &["verify"], &["run", "--", "true"]] {
            let run = finish(left_by(&home, &parent, arguments));
            let is_named = run.code == 1 && run.stderr.contains("`ulimit -n 1024`");
            if run.code != 0 && !is_named || run.stderr.contains("panicked") {
                wrong.push(format!("{limit}, {arguments:?}: {run:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_home_that_root_makes_can_be_entered_whatever_the_umask() {
    if run_as().is_none() {
        return;
    }
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    let above = home.work().join("../opt");
    let mut wrong = Vec::new();
    for umask in ["022", "027", "077", "0777"] {
        let place = above.join(umask).join("ampup");
        let mut command = home.other_program("/bin/sh".into());
        command
            .args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"])
            .arg(crate::support::home::program())
            .args(["--home", place.as_str(), "install", "tool"]);
        let run = finish(command);
        let mode = |path| fs::metadata(path).map(|found| found.permissions().mode() & 0o777);
        let modes = [mode(place.parent().expect("a parent")), mode(&place)];
        let is_open = modes.iter().all(|mode| matches!(mode, Ok(0o755)));
        let mut other = Command::new(place.join("bin/tool"));
        let user = run_as().expect("root");
        std::os::unix::process::CommandExt::uid(&mut other, user.uid);
        if run.code != 0 || !is_open || finish(other).stdout != "tool 1.0.0\n" {
            wrong.push(format!("{umask}: {modes:?} {run:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A file that may not grow is an error with its remedy, and not the end of ampup by a signal.
#[test]
fn a_limit_of_a_files_size_is_told() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    finish(left_by(&home, "ulimit -f 0; exec \"$@\"", &["install", "tool"]))
        .exits(7)
        .says("error: ")
        .says("hint: raise the limit of a file's size: `ulimit -f unlimited`");
}
