//! Hindrances that came after the installation: whatever runs a program names them as `install` and `doctor` do.

use std::process::Command;

use camino::Utf8Path;
use fs_err as fs;

use super::within;
use crate::support::{
    database::{Build, Ends},
    home::{Home, Run, finish, is_advice, program},
    postgres::{done, run_as},
    table::every,
};

#[test]
fn what_keeps_a_database_from_starting_is_named_with_its_remedy() {
    if run_as().is_none() {
        return;
    }
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    let commands = [
        &["run", "--", "true"][..],
        &["db", "start"],
        &["db", "psql", "-c", "select 1"],
        &["db", "stop"],
    ];
    let rows = [
        (
            "mount --bind \"$HOME/.ampup\" \"$HOME/.ampup\" && mount -o remount,bind,noexec \"$HOME/.ampup\"",
            7,
            "noexec",
            "AMPUP_HOME",
        ),
        (
            "mount -t tmpfs tmpfs /proc",
            1,
            "`/proc` is not mounted",
            "mount -t proc",
        ),
    ];
    every(rows, |(setup, code, text, remedy)| {
        for words in commands {
            // There is nothing to stop, and nothing is run for it.
            if words == ["db", "stop"] && code == 7 {
                continue;
            }
            let run = finish(within(&home, setup, words).expect("root"));
            let is_hint = |line: &str| is_advice(line) && line.contains(remedy);
            assert!(
                run.code == code && run.stderr.contains(text) && run.stderr.lines().any(is_hint),
                "{words:?}: {run:?}"
            );
        }
    });
}

#[test]
fn a_limit_that_a_program_of_postgresql_meets_is_named() {
    if run_as().is_none() {
        return;
    }
    let home = Home::with_postgres(&[Build::Npm(18)]);
    // A user who has nothing else running: the limit counts all of it.
    let uid = 62_236 + std::process::id() % 1_000;
    let passwd = fs::read_to_string("/etc/passwd").expect("read");
    let file = home.work().join("../passwd");
    fs::write(&file, format!("{passwd}limited:x:{uid}:{uid}::/:/bin/sh\n")).expect("written");
    let world = home.work().join("..");
    done(Command::new("chmod").args(["a+rx", world.as_str()]));
    done(Command::new("chown").args(["-R", &uid.to_string(), home.work().as_str()]));
    let run = |limit: &str, words: &[&str]| {
        let mut command = home.other_program("unshare".into());
        command
            .args(["--mount", "sh", "-c"])
            .args([
                &format!("mount --bind {file} /etc/passwd && exec \"$@\""),
                "sh",
                "setpriv",
            ])
            .args([
                &format!("--reuid={uid}"),
                &format!("--regid={uid}"),
                "--clear-groups",
            ])
            .args(["prlimit", limit, program().as_str()])
            .args(words);
        finish(command)
    };
    let rows = [
        ("--nproc=2", "ulimit -u"),
        ("--nproc=3", "ulimit -u"),
        ("--nproc=4", "ulimit -u"),
        ("--data=5000000", "ulimit -d"),
    ];
    every(rows, |(limit, remedy)| {
        let run = run(limit, &["run", "--", "true"]);
        let is_hint = |line: &str| is_advice(line) && line.contains(remedy);
        assert!(run.code == 1 && run.stderr.lines().any(is_hint), "{run:?}");
    });
}

#[test]
fn a_file_system_on_which_no_program_runs_is_named_by_init() {
    let is_there = |path: &str| Utf8Path::new(path).exists();
    if run_as().is_none() || !(is_there("/usr/bin/bindfs") && is_there("/dev/fuse")) {
        return;
    }
    let home = Home::new();
    let setup = "bindfs --perms=0666,a+X --chmod-ignore -o allow_other \"$HOME\" \"$HOME\"";
    finish(within(&home, setup, &["init", "--yes"]).expect("root"))
        .exits(7)
        .says("keeps no permission to run programs")
        .says("\n  choose a home on a file system of this system's own");
}

/// Told by `db status` and `doctor` as by `run`, where it is seen without writing.
#[test]
fn what_is_in_the_place_of_a_cluster_or_of_its_directory_is_named() {
    if run_as().is_none() {
        return;
    }
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let rows = [
        (
            "mkdir -p .amp/metadb",
            "mount -t tmpfs -o mode=777 none .amp/metadb && mkdir .amp/metadb/lost+found",
            (1, true),
            "it holds `lost+found`",
            "mount the volume at `.amp` instead",
        ),
        (
            "mkdir -p .amp/metadb && mount -t tmpfs -o mode=777,nr_inodes=100 none .amp/metadb",
            "true",
            (7, false),
            "No space left on device",
            "df -i",
        ),
        (
            "mkdir -p .amp/metadb",
            "mount -t tmpfs -o mode=755 none .amp/metadb",
            (7, true),
            "the volume `.amp/metadb` belongs to user 0",
            "as root, `chown ",
        ),
        (
            "mkdir -p .amp/metadb",
            "mount -t tmpfs -o mode=755 none .amp/metadb && mkdir .amp/metadb/base",
            (7, true),
            "the volume `.amp/metadb` belongs to user 0",
            "mount a volume of yours at `.amp` instead",
        ),
        (
            "ln -s nowhere .amp",
            "true",
            (7, true),
            "`.amp` is a link to `nowhere`",
            "rm .amp",
        ),
        (
            "mkdir .amp; touch .amp/log",
            "true",
            (7, true),
            "`.amp/log` is no directory",
            "move it away",
        ),
        (
            "mkdir .amp",
            "chown 0:0 .amp && chmod 755 .amp",
            (7, true),
            "cannot make the Amp directory `.amp`",
            "as root, `chown ",
        ),
        (
            "touch .amp",
            "true",
            (7, true),
            "Not a directory",
            "must be directories",
        ),
        (
            "mkdir .amp; touch .amp/metadb",
            "true",
            (7, true),
            "Not a directory",
            "must be directories",
        ),
        (
            "mkdir .amp; ln -s nowhere .amp/metadb.lock",
            "true",
            (7, true),
            "`.amp/metadb.lock` is a link to `nowhere`",
            "`rm .amp/metadb.lock`",
        ),
        (
            "mkdir -p .amp/metadb.lock",
            "true",
            (7, true),
            "`.amp/metadb.lock` is not a file",
            "`rmdir .amp/metadb.lock`",
        ),
        (
            "mkdir -p .amp/metadb.lock; touch .amp/metadb.lock/mine",
            "true",
            (7, true),
            "`.amp/metadb.lock` is not a file",
            "`mv .amp/metadb.lock .amp/metadb.lock.old`",
        ),
        (
            "mkdir -p .amp/metadb.users",
            "true",
            (7, true),
            "`.amp/metadb.users` is not a file",
            "`rmdir .amp/metadb.users`",
        ),
        // As `sudo` leaves them.
        (
            "mkdir .amp; touch .amp/metadb.users",
            "chown 0 .amp/metadb.users && chmod 600 .amp/metadb.users",
            (7, true),
            "cannot lock `.amp/metadb.users`",
            ".amp/metadb.users`",
        ),
        (
            "mkdir -p .amp/log; touch .amp/log/postgres.log",
            "chown 0 .amp/log/postgres.log && chmod 600 .amp/log/postgres.log",
            (7, true),
            "cannot open the log `.amp/log/postgres.log`",
            "as root, `chown -R ",
        ),
        (
            "mkdir -p .amp/log; touch .amp/log/postgres.log",
            "chown -R 0 .amp/log && chmod 755 .amp/log && chmod 600 .amp/log/postgres.log",
            (7, true),
            "cannot open the log `.amp/log/postgres.log`",
            ".amp/log`",
        ),
    ];
    every(rows, |(setup, after, (code, is_seen), text, hint)| {
        let setup = format!(
            "rm -rf .amp && {setup} && chmod -R a+rwX . && chown -hR {} . && {after}",
            run_as().expect("root").uid
        );
        let within = |words: &[&str]| finish(within(&home, &setup, words).expect("root"));
        let is_hint = |line: &str| is_advice(line) && line.contains(hint);
        let told = |run: &Run| {
            assert!(
                run.stderr.contains(text) && run.stderr.lines().any(is_hint),
                "{run:?}"
            );
        };
        let run = within(&["run", "--", "true"]).exits(code);
        told(&run);
        if !is_seen {
            return;
        }
        let status = within(&["db", "status"]);
        told(&status);
        assert!(!status.stdout.contains("create it"), "{status:?}");
        let doctor = within(&["doctor"]).exits(1);
        assert!(
            doctor.stdout.contains("problem project: ") || doctor.stdout.contains("problem database: "),
            "{doctor:?}"
        );
    });
}

/// A missing `/dev/null` is not a missing loader.
#[test]
fn without_the_null_device_no_program_is_blamed() {
    if run_as().is_none() {
        return;
    }
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let setup = "mount -t tmpfs tmpfs /dev && mkdir -m 1777 /dev/shm && mknod -m 666 /dev/zero c 1 5 \
                 && mknod -m 666 /dev/urandom c 1 9";
    let run = finish(within(&home, setup, &["doctor"]).expect("root"))
        .exits(1)
        .prints_with("`/dev/null` cannot be used");
    assert!(!run.stdout.contains("the loader"), "{run:#?}");
}
