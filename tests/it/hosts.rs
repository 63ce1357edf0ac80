//! Hosts that are not as a developer's: users of other names, what a container leaves out, what a parent leaves behind.
//! Where it takes a mount namespace, the test needs root, and has nothing to try without.

mod clusters;
mod hindrances;
mod homes;
mod limits;
mod login_shells;

use std::{
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use camino::Utf8Path;
use fs_err as fs;
use serde_json::json;

use crate::support::{
    database::{Build, Ends},
    home::{Home, Run, TARGET, finish, is_advice, program},
    postgres::{done, run_as},
};

/// The program as an ordinary user, in mounts of its own that `setup`, lines of a shell, has changed before; `None` where
/// we may not change any.
fn within(home: &Home, setup: &str, arguments: &[&str]) -> Option<Command> {
    let user = run_as()?;
    let mut command = home.other_program("unshare".into());
    command
        .args([
            "--mount",
            "--ipc",
            "sh",
            "-c",
            &format!("{setup} && exec \"$@\""),
            "sh",
        ])
        .args([
            "setpriv",
            &format!("--reuid={}", user.uid),
            &format!("--regid={}", user.gid),
        ])
        .args(["--clear-groups", program().as_str()])
        .args(arguments);
    Some(command)
}

/// Lines that give the ordinary user another name.
fn named(home: &Home, name: &str) -> String {
    let user = run_as().expect("root");
    let number = format!(":x:{}:", user.uid);
    let passwd = fs::read_to_string("/etc/passwd").expect("read");
    let others: String = passwd
        .lines()
        .filter(|line| !line.contains(&number))
        .map(|line| format!("{line}\n"))
        .collect();
    let file = home.work().join("../passwd");
    fs::write(&file, format!("{others}{name}{number}{}::/:/bin/sh\n", user.gid)).expect("written");
    format!("mount --bind {file} /etc/passwd")
}

/// A home in which nothing is installed, and a registry whose postgres nobody can have.
fn bare() -> Home {
    let mut home = Home::new();
    let nowhere = json!({
        "target": TARGET, "provider": "acme", "format": "tar.gz",
        "source": {"kind": "file", "url": "file:///nowhere/postgres.tar.gz"},
        "integrity": {"kind": "pinned", "digest": format!("sha256:{}", "0".repeat(64))},
    });
    home.offer_artifacts("postgres", "18.4.0", &[nowhere]);
    home
}

#[test]
fn what_hinders_every_build_is_named_before_one_is_fetched() {
    if run_as().is_none() {
        return;
    }
    let shell = fs::canonicalize("/bin/sh").expect("there");
    let shell = format!("mount --bind /dev/null {}", shell.display());
    let mut wrong = Vec::new();
    for (setup, code, text, remedy) in [
        (
            "mount -t tmpfs -o noexec,mode=777 tmpfs \"$HOME\"",
            7,
            "noexec",
            "AMPUP_HOME",
        ),
        (&shell, 1, "cannot run `/bin/sh`", "install a shell"),
        (
            "mount -t tmpfs tmpfs /proc",
            1,
            "`/proc` is not mounted",
            "mount -t proc",
        ),
        (
            "ulimit -v 50000",
            1,
            "the memory of a process is limited to 48 MiB, and PostgreSQL needs at least 64 MiB",
            "ulimit -v",
        ),
        (
            "ulimit -n 40",
            1,
            "the number of open files of a process is limited to 40",
            "ulimit -n",
        ),
        (
            "ulimit -f 1000",
            1,
            "the size of a file is limited to",
            "ulimit -f",
        ),
        (
            "ulimit -s 64",
            1,
            "the stack of a process is limited to 64 KiB, and PostgreSQL needs at least 612 KiB",
            "ulimit -s 8192",
        ),
        (
            "mount -t tmpfs tmpfs /sys/fs/cgroup && mkdir /sys/fs/cgroup/memory && cd /sys/fs/cgroup && \
             echo 8388608 | tee memory.max memory/memory.limit_in_bytes >/dev/null && cd - >/dev/null",
            1,
            "the memory of this container or service is limited to 8 MiB",
            "--memory",
        ),
        (
            "bindfs --perms=0777 --chmod-ignore --chown-ignore -o allow_other \"$HOME\" \"$HOME\" 2>/dev/null",
            7,
            "keeps no permissions",
            "AMPUP_HOME",
        ),
    ] {
        let home = bare();
        let is_there = |path: &str| Utf8Path::new(path).exists();
        if setup.starts_with("bindfs") && !(is_there("/usr/bin/bindfs") && is_there("/dev/fuse")) {
            continue;
        }
        let run = finish(within(&home, setup, &["install", "-c", "postgres"]).expect("root"));
        let hint = run
            .stderr
            .lines()
            .any(|line| is_advice(line) && line.contains(remedy));
        // The artifact is nowhere: whoever asked for it would say so.
        if run.code != code || !run.stderr.contains(text) || !hint || run.stderr.contains("nowhere") {
            wrong.push(format!("{setup}: {run:?}"));
        }
        let setup = format!(
            "mkdir -p \"$HOME/.ampup/staging\"; {setup}; mkdir -p \"$HOME/.ampup/staging\"; chmod -R 777 \"$HOME\""
        );
        let run = finish(within(&home, &setup, &["doctor"]).expect("root"));
        if run.code != 1 || !run.stdout.contains(text) || !run.stdout.contains(remedy) {
            wrong.push(format!("doctor, {setup}: {run:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn where_processes_cannot_be_listed_nothing_goes_that_may_be_in_use() {
    if run_as().is_none() {
        return;
    }
    let mut home = Home::new();
    home.offer("tool", "1.0.0").offer("tool", "2.0.0");
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    home.ampup(&["install", "tool@2.0.0"]).exits(0);
    let mut wrong = Vec::new();
    for (arguments, code, text) in [
        (
            &["uninstall", "tool@1.0.0"][..],
            6,
            "cannot list the running processes",
        ),
        (
            &["self", "uninstall", "--yes"],
            6,
            "cannot list the running processes",
        ),
        (&["prune", "tool"], 0, "nothing to remove"),
    ] {
        let run = finish(within(&home, "mount -t tmpfs tmpfs /proc", arguments).expect("root"));
        let stays = home.path().join("components/tool/1.0.0/.receipt.json").is_file();
        if run.code != code || !run.stderr.contains(text) || !stays {
            wrong.push(format!("{arguments:?}: {run:?}, it stays: {stays}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// theseus's psql is the one program that wants it; slim images have it not.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn without_libreadline_the_package_is_named_that_has_it() {
    if run_as().is_none() {
        return;
    }
    let home = Home::with_postgres(&[Build::Theseus18]);
    let _ends = Ends(&home);
    fs::write(home.work().join("dump.sql"), "create table t (x int);\n").expect("written");
    let world = home.directory("libraries");
    let setup = format!(
        "mkdir -p {world}/all && mount --bind /usr/lib/x86_64-linux-gnu {world}/all \
         && {{ [ -d {world}/left ] || {{ cp -rs {world}/all {world}/left && rm {world}/left/libreadline.so* \
         && chmod -R a+rX {world}; }}; }} && mount --bind {world}/left /usr/lib/x86_64-linux-gnu"
    );
    let within = |arguments: &[&str]| finish(within(&home, &setup, arguments).expect("root"));
    let hint = "hint: `apt-get install libreadline8`";
    within(&["db", "import", "dump.sql"])
        .exits(1)
        .says("libreadline.so.8")
        .says(hint);
    // The database works without it.
    for command in [
        &["db", "psql", "-c", "select 1"][..],
        &["run", "--", "psql", "-c", "select 1"],
    ] {
        within(command)
            .exits(127)
            .says("`psql` does not load here: the library `libreadline.so.8` is not on this system")
            .says(hint);
    }
    within(&["doctor"]).prints_with("`psql` does not load here");
    home.db(&["import", "dump.sql"])
        .exits(0)
        .says("1 table with 0 rows");
}

#[test]
fn what_a_parent_leaves_behind_changes_nothing() {
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    let ends_with_3 = ["run", "--", "sh", "-c", "exit 3"];
    let mut wrong = Vec::new();
    for parent in [
        "exec env --ignore-signal=CHLD \"$@\"",
        "exec env --block-signal=CHLD \"$@\"",
        "exec \"$@\" <&- >&- 2>&-",
    ] {
        for arguments in [&ends_with_3[..], &["run", "--no-db", "--", "sh", "-c", "exit 3"]] {
            let run = finish(left_by(&home, parent, arguments));
            if run.code != 3 {
                wrong.push(format!("{parent}, {arguments:?}: {run:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // A server wants a stack of its own.
    let small = "ulimit -s 64; exec \"$@\"";
    finish(left_by(
        &home,
        small,
        &["run", "--no-db", "--", "sh", "-c", "exit 3"],
    ))
    .exits(3);
    finish(left_by(&home, small, &ends_with_3))
        .exits(1)
        .says("hint: raise the limit: `ulimit -s 8192`");

    // A signal that was blocked is passed on all the same.
    let mut command = left_by(
        &home,
        "exec env --block-signal=TERM \"$@\"",
        &["run", "--no-db", "--", "sh", "-c", "echo; exec sleep 600"],
    );
    let mut child = command.stdout(Stdio::piped()).spawn().expect("started");
    let mut line = [0];
    std::io::Read::read_exact(&mut child.stdout.take().expect("piped"), &mut line).expect("begun");
    done(Command::new("kill").arg(child.id().to_string()));
    assert_eq!(child.wait().expect("ended").code(), Some(143));
}

/// The program, as the user, started by these lines of a shell.
fn left_by(home: &Home, parent: &str, arguments: &[&str]) -> Command {
    let mut command = home.other_program("/bin/sh".into());
    command
        .args(["-c", parent, "sh", program().as_str()])
        .args(arguments);
    if let Some(user) = run_as() {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

#[test]
fn where_no_thread_can_be_had_that_is_said() {
    if run_as().is_none() {
        return;
    }
    let home = bare();
    // A user who has nothing else running: the limit counts all of it.
    let uid = 61_236 + std::process::id() % 1_000;
    let passwd = fs::read_to_string("/etc/passwd").expect("read");
    let file = home.work().join("../passwd");
    fs::write(&file, format!("{passwd}limited:x:{uid}:{uid}::/:/bin/sh\n")).expect("written");
    done(Command::new("chmod").args(["-R", "777", home.work().parent().expect("a world").as_str()]));
    let mut wrong = Vec::new();
    for (arguments, code) in [
        (&["list"][..], 0),
        (&["list", "--json"], 0),
        (&["run", "--", "true"], 1),
        (&["run", "--no-db", "--", "true"], 1),
        (&["install", "-c", "postgres"], 1),
        (&["install", "-c", "postgres", "--json"], 1),
    ] {
        let mut command = home.other_program("unshare".into());
        command
            .args([
                "--mount",
                "sh",
                "-c",
                &format!("mount --bind {file} /etc/passwd && exec \"$@\""),
                "sh",
            ])
            .args([
                "setpriv",
                &format!("--reuid={uid}"),
                &format!("--regid={uid}"),
                "--clear-groups",
            ])
            .args(["prlimit", "--nproc=1", program().as_str()])
            .args(arguments);
        let run = finish(command);
        let said = format!("{}{}", run.stdout, run.stderr);
        let is_named =
            code == 0 || said.contains("no further process or thread") && said.contains("ulimit -u");
        if run.code != code || said.contains("panicked") || !is_named {
            wrong.push(format!("{arguments:?}: {run:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_a_command_lacks_is_told_from_the_command_itself() {
    let home = Home::new();
    let mut wrong = Vec::new();
    for (content, text, hint) in [
        (
            "#!/bin/sh\r\necho hi\r\n",
            "names the interpreter `/bin/sh\\r`, which is not on this system",
            "sed -i",
        ),
        (
            "#!/nowhere/python3\n",
            "names the interpreter `/nowhere/python3`",
            "install it",
        ),
    ] {
        let file = home.work().join("x");
        fs::write(&file, content).expect("written");
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("executable");
        let run = home.ampup(&["run", "--no-db", "--", "./x"]);
        if run.code != 127 || !run.stderr.contains(text) || !run.stderr.contains(hint) {
            wrong.push(format!("{content:?}: {run:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    home.ampup(&["run", "--no-db", "--", "./y"])
        .exits(127)
        .says("give its path");
}

#[test]
fn a_file_system_without_permissions_is_named_and_a_place_that_would_do() {
    let is_there = |path: &str| Utf8Path::new(path).exists();
    if run_as().is_none() || !(is_there("/usr/bin/bindfs") && is_there("/dev/fuse")) {
        return;
    }
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let keeps_none = "bindfs --perms=0777 --chmod-ignore --chown-ignore -o allow_other . . && cd \"$PWD\"";
    let mounted = |setup: &str, arguments: &[&str]| finish(within(&home, setup, arguments).expect("root"));
    let refused = |run: Run| {
        assert!(
            !run.stderr.contains("chmod") && !run.stderr.contains("FATAL"),
            "{run:#?}"
        );
        run.says("keeps no permissions").says("/.local/share/amp/work");
    };
    refused(mounted(keeps_none, &["run", "--", "true"]).exits(7));
    assert_eq!(home.in_amp("metadb.new-"), [""; 0], "nothing is left");
    mounted(keeps_none, &["doctor"])
        .exits(1)
        .prints_with("keeps no permissions");
    // The modes are right, and none can be set.
    let refuses = "bindfs --chmod-deny -o allow_other . . && cd \"$PWD\"";
    refused(mounted(refuses, &["run", "--", "true"]).exits(7));
    assert_eq!(home.in_amp("metadb.new-"), [""; 0], "nothing is left");
    // One that was copied there.
    home.db(&["start"]).exits(0);
    home.db(&["stop"]).exits(0);
    refused(mounted(keeps_none, &["run", "--", "true"]).exits(7));
    refused(mounted(keeps_none, &["db", "status"]));
}
