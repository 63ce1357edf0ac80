//! Clusters on hosts that lack something, or whose disk is a volume or a copy.

use std::{
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::{Command, Stdio},
    time::Duration,
};

use ampup::{
    event::Silent,
    postgres::{Force, StartOptions, Stopped},
};

use camino::{Utf8Path, Utf8PathBuf};

use fs_err as fs;

use super::{named, within};
use crate::support::{
    database::{Build, Ends},
    home::{Home, finish},
    postgres::{TestProject, World, cluster, done, postgres_tree, programs, run_as},
};

#[test]
fn a_user_whose_name_is_no_role_gets_a_database_all_the_same() {
    if run_as().is_none() {
        return;
    }
    let mut home = Home::new();
    home.offer_postgres(Build::Npm(18));
    let _ends = Ends(&home);
    let run =
        |name: &str, arguments: &[&str]| finish(within(&home, &named(&home, name), arguments).expect("root"));
    run("o'brien", &["install", "--component", "postgres"]).exits(0);
    let print = ["run", "--", "sh", "-c", "echo \"$AMP_CONFIG_METADATA_DB__URL\""];
    for name in ["o'brien", r"DOM\u"] {
        run(name, &print).exits(0).prints_with("&user=postgres&");
        run(name, &["db", "start"]).exits(0);
        run(name, &["db", "url"]).exits(0).prints_with("&user=postgres&");
        run(name, &["db", "stop"]).exits(0);
    }
    // The template that the installation left is that of `postgres`.
    fs::remove_dir_all(home.work().join(".amp")).expect("removed");
    run("größe", &print)
        .exits(0)
        .prints_with("&user=gr%C3%B6%C3%9Fe&");
}

#[test]
fn a_cluster_is_served_without_dev_shm_also_one_of_a_template() {
    if run_as().is_none() {
        return;
    }
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    let mut wrong = Vec::new();
    for setup in [
        "mount -t tmpfs -o mode=755 tmpfs /dev/shm",
        "mount -t tmpfs -o ro tmpfs /dev/shm",
        "mount -t tmpfs -o size=4k,mode=1777 tmpfs /dev/shm",
        // Neither is there: files in the cluster are what is left.
        "mount -t tmpfs -o ro tmpfs /dev/shm && echo 4096 >/proc/sys/kernel/shmmax",
    ] {
        let run = finish(within(&home, setup, &["run", "--", "true"]).expect("root"));
        if run.code != 0 {
            wrong.push(format!("{setup}: {run:?}"));
        }
    }
    // What doctor tries takes what a start does.
    let closed = "mount -t tmpfs -o mode=755 tmpfs /dev/shm";
    let run = finish(within(&home, closed, &["doctor"]).expect("root"));
    if run.code != 0
        || !run
            .stdout
            .contains("warning host: `/dev/shm` is missing or closed")
    {
        wrong.push(format!("doctor: {run:?}"));
    }
    // A restored cluster is asked whether it lets its owner in.
    home.db(&["backup", "cluster.tar.zst"]).exits(0);
    let without = "mount -t tmpfs -o ro tmpfs /dev/shm";
    let run = finish(within(&home, without, &["db", "restore", "cluster.tar.zst"]).expect("root"));
    if run.code != 0 {
        wrong.push(format!("restored: {run:?}"));
    }
    // No id of shared memory at all: the disk is not meant, whatever the system's text says.
    let run = finish(within(&home, "echo 0 >/proc/sys/kernel/shmmni", &["run", "--", "true"]).expect("root"));
    if run.code != 1 || !run.stderr.contains("hint: this is no matter of the disk") {
        wrong.push(format!("no ids: {run:?}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_volume_in_the_place_of_the_cluster_is_filled() {
    if run_as().is_none() {
        return;
    }
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let volume = home.directory("volume");
    fs::create_dir_all(home.work().join(".amp/metadb")).expect("made");
    home.give(&home.work().join(".amp"));
    let mounted = |setup: &str, arguments: &[&str]| finish(within(&home, setup, arguments).expect("root"));
    let in_metadb = "mount --bind ../volume .amp/metadb";
    let names = || -> Vec<String> {
        let entries = fs::read_dir(&volume).expect("listed");
        entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect()
    };
    // Whoever was killed while it was filled begins again.
    fs::create_dir_all(volume.join("metadb.new-x/base")).expect("made");
    fs::create_dir(volume.join("base")).expect("made");
    home.give(&volume);
    fs::set_permissions(&volume, std::fs::Permissions::from_mode(0o700)).expect("closed");
    mounted(in_metadb, &["run", "--", "true"])
        .exits(0)
        .says("an unfinished cluster");
    let made = names();
    assert!(
        made.contains(&"PG_VERSION".to_owned()) && !made.iter().any(|name| name.contains("new-")),
        "{made:?}"
    );
    mounted(in_metadb, &["run", "--", "true"]).exits(0);
    mounted(in_metadb, &["db", "reset", "work"]).says("mount it at `.amp` instead");
    mounted(in_metadb, &["run", "--", "true"]).exits(0);

    let all = home.directory("all");
    mounted(&format!("mount --bind {all} .amp"), &["run", "--", "true"]).exits(0);
    assert!(all.join("metadb/PG_VERSION").exists());
}

#[test]
fn an_empty_volume_is_filled_with_another_cluster_and_a_full_one_is_left_alone() {
    if run_as().is_none() {
        return;
    }
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    home.db(&["start"]).exits(0);
    home.db(&["backup", "cluster.tar.zst"]).exits(0);
    home.db(&["stop"]).exits(0);
    fs::write(home.work().join("dump.sql"), "create table t (x int);\n").expect("written");
    fs::rename(home.work().join(".amp"), home.work().join("other")).expect("renamed");
    // As a container's engine makes it: the place below the volume is root's.
    fs::create_dir(home.work().join(".amp")).expect("made");
    home.give(&home.work().join(".amp"));
    fs::create_dir(home.work().join(".amp/metadb")).expect("made");
    let within = |volume: usize, arguments: &[&str]| {
        let volume = home.directory(&format!("volume{volume}"));
        let setup = format!("mount --bind {volume} .amp/metadb");
        let run = finish(within(&home, &setup, arguments).expect("root"));
        (run, volume.join("PG_VERSION").is_file())
    };
    let rows = [
        ["db", "restore", "cluster.tar.zst"],
        ["db", "fork", "other"],
        ["db", "import", "dump.sql"],
    ];
    let mut wrong = Vec::new();
    for (number, arguments) in rows.iter().enumerate() {
        let (run, is_filled) = within(number, arguments);
        let left = home.in_amp("metadb.next");
        if run.code != 0 || !is_filled || !left.is_empty() {
            wrong.push(format!(
                "{arguments:?}: {run:?}, filled: {is_filled}, left: {left:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    within(0, &["run", "--", "true"]).0.exits(0);
    // A plan ends as the run would.
    for arguments in [
        &["db", "restore", "cluster.tar.zst"][..],
        &["db", "restore", "cluster.tar.zst", "--dry-run"],
        &["db", "fork", "other", "--dry-run"],
        &["db", "import", "dump.sql", "--dry-run"],
        &["db", "reset", "work"],
        &["db", "reset", "work", "--dry-run"],
    ] {
        within(0, arguments)
            .0
            .exits(1)
            .says("a volume is mounted there")
            .says("mount it at `.amp` instead");
    }
    let tight = |arguments: &[&str]| {
        let user = run_as().expect("root").uid;
        let setup = format!("mount -t tmpfs -o mode=777,size=8m,uid={user} none .amp/metadb");
        finish(super::within(&home, &setup, arguments).expect("root"))
    };
    for arguments in [&rows[0][..], &["db", "restore", "cluster.tar.zst", "--dry-run"]] {
        tight(arguments).exits(7).says("`.amp/metadb` has 8");
    }
    assert_eq!(home.in_amp("metadb.next"), [""; 0], "nothing is left");
}

#[test]
fn a_cluster_gets_back_the_empty_directories_that_a_copy_lost() {
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    home.db(&["start"]).exits(0);
    home.db(&["stop"]).exits(0);
    let cluster = home.work().join(".amp/metadb");
    done(Command::new("find").args([cluster.as_str(), "-type", "d", "-empty", "-delete"]));
    home.db(&["status"])
        .exits(0)
        .says("lacks its empty directories")
        .says("pg_notify");
    home.ampup(&["doctor"])
        .exits(0)
        .prints_with("lacks its empty directories");
    home.db(&["backup", "lost.tar.zst"])
        .exits(0)
        .says("lacks its empty directories")
        .says("pg_notify");
    home.db(&["restore", "lost.tar.zst"])
        .exits(0)
        .says("created the empty directories");
    done(Command::new("find").args([cluster.as_str(), "-type", "d", "-empty", "-delete"]));
    home.db(&["start"])
        .exits(0)
        .says("created the empty directories")
        .says("pg_notify");
    home.db(&["stop"]).exits(0);
    assert!(!home.db(&["status"]).exits(0).stderr.contains("empty directories"));
}

/// A tree whose postgres is run by another program, as an emulator of its processor would run it: the loader does so, too.
fn emulated(world: &World) -> Utf8PathBuf {
    let tree = world.path().join("emulated");
    done(Command::new("cp").args(["-a", postgres_tree(18).as_str(), tree.as_str()]));
    emulate(&tree, "");
    tree
}

/// Puts such a program in the place of a tree's postgres; `words` are the emulator's own.
fn emulate(tree: &Utf8Path, words: &str) {
    fs::create_dir_all(tree.join("guest/bin")).expect("made");
    let (host, guest) = (tree.join("bin/postgres"), tree.join("guest/bin/postgres"));
    fs::rename(&host, &guest).expect("moved");
    for name in ["lib", "share"] {
        fs_err::os::unix::fs::symlink(format!("../{name}"), tree.join("guest").join(name)).expect("linked");
    }
    let loader = done(Command::new("sh").args([
        "-c",
        "readlink -f /lib64/ld-linux-x86-64.so.2 || readlink -f /lib/ld-linux-*",
    ]));
    fs::write(
        &host,
        format!("#!/bin/sh\nexec {} {words} {guest} \"$@\"\n", loader.trim()),
    )
    .expect("written");
    fs::set_permissions(&host, std::fs::Permissions::from_mode(0o755)).expect("executable");
}

/// Whatever words the emulator has of its own before the program's.
#[test]
fn a_server_behind_an_emulator_is_known_to_run_from_its_tree() {
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    let versions = fs::read_dir(home.path().join("components/postgres")).expect("listed");
    let tree = versions
        .map(|entry| entry.expect("an entry").path())
        .next()
        .expect("one");
    emulate(Utf8Path::from_path(&tree).expect("UTF-8"), "--argv0 \"$0\"");
    home.give(&home.path());
    home.db(&["start"]).exits(0);
    let pid_file = home.work().join(".amp/metadb/postmaster.pid");
    let text = fs::read_to_string(pid_file).expect("read");
    let process = format!("/proc/{}", text.lines().next().expect("a number"));
    let executable = fs::read_link(format!("{process}/exe")).expect("it runs");
    assert_ne!(
        executable.file_name(),
        Some("postgres".as_ref()),
        "{executable:?}"
    );
    home.ampup(&["uninstall", "postgres", "--force"]).exits(6);
    home.ampup(&["self", "uninstall", "--dry-run"])
        .exits(0)
        .prints_with("stop the database of");
    home.ampup(&["self", "uninstall", "--yes"])
        .exits(0)
        .says("stopped the database of");
    // Whoever inherited it may not have waited for it yet.
    assert!(fs::read_link(format!("{process}/exe")).is_err(), "it is stopped");
}

#[test]
fn a_server_behind_an_emulator_is_known_by_its_lock() {
    let project = TestProject::new();
    let mut located = programs(18);
    located.tree = emulated(&project.world);
    let cluster = cluster(project.project(), &project.env(), 18).with_programs(located);
    let server = cluster.start(&StartOptions::default(), &Silent).expect("started");
    let pid = server.evidence().pid.expect("seen");
    let executable = fs::read_link(format!("/proc/{pid}/exe")).expect("it runs");
    assert_ne!(
        executable.file_name(),
        Some("postgres".as_ref()),
        "{executable:?}"
    );
    server.release(&Silent).expect("stopped");
    assert!(
        fs::symlink_metadata(format!("/proc/{pid}")).is_err(),
        "{pid} is gone"
    );

    // One that works there and holds nothing of ours is left alone, whatever its command line says.
    let mut other = Command::new("sh");
    other
        .args(["-c", "read -r _", "/x/postgres"])
        .current_dir(project.data())
        .stdin(Stdio::piped());
    if let Some(user) = run_as() {
        other.uid(user.uid).gid(user.gid);
    }
    let mut other = other.spawn().expect("started");
    std::thread::sleep(Duration::from_millis(50));
    let stopped = cluster.stop(Force::Yes, &Silent).expect("nothing to stop");
    assert!(matches!(stopped, Stopped::WasNotRunning), "{stopped:?}");
    assert!(other.try_wait().expect("asked").is_none(), "it lives");
    drop(other.stdin.take());
    other.wait().expect("ended");
}
