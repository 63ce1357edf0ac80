//! Commands of root's in another user's project, and with a cluster that becomes another user's: nothing that they could plant
//! there leads root elsewhere. As an ordinary user nobody has anything to give away, and these tests have nothing to try.

use std::{
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    process::Command,
};

use ampup::{
    event::Silent,
    locate::Located,
    postgres::{StartOptions, user::OsUser},
};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::support::{
    database::{Build, Ends},
    home::{Home, Run, finish},
    postgres::{TestProject, cluster, done, postgres_tree, programs, run_as, sql},
    table::every,
    tracer::{Call, Deed, Traced, trace, trace_with},
};

/// As root.
fn root(home: &Home, words: &[&str]) -> Run {
    finish(home.command_as_we_are(&[&["db"], words].concat()))
}

fn uid(path: &Utf8Path) -> u32 {
    fs::symlink_metadata(path).expect("there").uid()
}

/// A link of this user's.
fn plant(target: &Utf8Path, link: &Utf8Path, user: &OsUser) {
    let _ = fs::remove_file(link);
    fs_err::os::unix::fs::symlink(target, link).expect("linked");
    fs_err::os::unix::fs::lchown(link, Some(user.uid), Some(user.gid)).expect("given away");
}

#[test]
fn root_does_not_follow_a_link_of_the_projects_owner() {
    let Some(user) = run_as() else { return };
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    let amp = home.work().join(".amp");
    let victim = home.work().join("../victim");
    fs::create_dir(&victim).expect("made");
    fs::set_permissions(&victim, std::fs::Permissions::from_mode(0o700)).expect("closed");
    let is_untouched = || {
        assert_eq!(fs::read_dir(&victim).expect("listed").count(), 0);
        assert_eq!((uid(&victim), uid(&amp)), (0, user.uid));
    };

    // Their own link is theirs to follow.
    let elsewhere = home.directory("elsewhere");
    fs::create_dir(&amp).expect("made");
    home.give(&amp);
    plant(&elsewhere, &amp.join("log"), &user);
    home.db(&["start"]).exits(0);
    home.db(&["stop"]).exits(0);
    assert_eq!(uid(&elsewhere.join("postgres.log")), user.uid);
    for place in [&elsewhere, &victim] {
        plant(place, &amp.join("log"), &user);
        root(&home, &["start"])
            .exits(7)
            .says(&format!("`{}` is a link", home.shown(&amp.join("log"))))
            .says(&format!("hint: run this as that user, `sudo -u '#{}'", user.uid));
        is_untouched();
    }
    fs::remove_file(amp.join("log")).expect("removed");
    root(&home, &["start"]).exits(0);
    assert_eq!(uid(&amp.join("log")), user.uid);
    assert_eq!(uid(&amp.join("log/postgres.log")), user.uid);

    plant(&elsewhere, &amp.join("backups"), &user);
    home.db(&["backup"]).exits(0);
    plant(&victim, &amp.join("backups"), &user);
    root(&home, &["backup"])
        .exits(7)
        .says(&format!("`{}` is a link", home.shown(&amp.join("backups"))));
    is_untouched();
    fs::remove_file(amp.join("backups")).expect("removed");
    root(&home, &["backup"]).exits(0);
    assert_eq!(uid(&amp.join("backups")), user.uid);
    root(&home, &["stop"]).exits(0);
}

/// The target of root's own link is root's own choice, in a project of root's own.
#[test]
fn root_follows_a_link_of_its_own() {
    if run_as().is_none() {
        return;
    }
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    let amp = home.work().join(".amp");
    done(Command::new("chown").args(["0:0", home.work().as_str()]));
    let elsewhere = home.work().join("elsewhere");
    fs::create_dir(&elsewhere).expect("made");
    fs::create_dir(&amp).expect("made");
    fs_err::os::unix::fs::symlink(&elsewhere, amp.join("log")).expect("linked");
    root(&home, &["start"]).exits(0);
    root(&home, &["backup", "b.tar.gz"]).exits(0);
    root(&home, &["restore", "b.tar.gz"]).exits(0);
    root(&home, &["stop"]).exits(0);
    assert!(elsewhere.join("postgres.log").exists());
    assert_eq!((uid(&amp), uid(&amp.join("data")), uid(&elsewhere)), (0, 0, 0));
}

/// A directory of the host's, in a container that does not know its users.
#[test]
fn an_owner_without_a_name_keeps_all_but_the_cluster() {
    if run_as().is_none() {
        return;
    }
    const NAMELESS: u32 = 54321;
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    let (amp, below) = (home.work().join(".amp"), home.directory("work/below"));
    let chown = |owner: u32, path: &Utf8Path| {
        done(Command::new("chown").args(["-R", &format!("{owner}:{owner}"), path.as_str()]));
    };
    chown(NAMELESS, &home.work());
    let other = OsUser::unprivileged().expect("a user");
    let doctor = || finish(home.command_as_we_are(&["doctor"]));
    let said = format!(
        "you are root, whom PostgreSQL refuses: ampup runs it as `{}`",
        other.name
    );
    doctor().prints_with(&said);
    root(&home, &["start"]).exits(0).says(&format!(
        "user {NAMELESS}, who owns `{}`, has no name on this system: the database belongs to `{}`",
        home.work(),
        other.name
    ));
    let theirs = [amp.clone(), amp.join("data"), amp.join("log")].map(|path| uid(&path));
    assert_eq!((theirs, uid(&amp.join("metadb"))), ([NAMELESS; 3], other.uid));
    let nobody_is_told = || {
        let run = doctor();
        assert!(!run.stdout.contains("may not use it"), "{run:#?}");
    };
    nobody_is_told();
    // It is found from below, like that of a user with a name.
    let mut in_below = home.command_as_we_are(&["db", "url"]);
    in_below.current_dir(&below);
    finish(in_below).exits(0).says("using the project in");
    root(&home, &["backup", "b.tar.gz"]).exits(0);
    root(&home, &["restore", "b.tar.gz"]).exits(0);
    root(&home, &["stop"]).exits(0);
    assert_eq!(uid(&amp.join("metadb")), other.uid);
    doctor().prints_with(&said);

    // A cluster of theirs is nobody else's to run.
    chown(NAMELESS, &amp.join("metadb"));
    root(&home, &["start"])
        .exits(1)
        .says("user 54321 has no entry in the passwd database, and PostgreSQL needs one")
        .says("hint: `echo 'amp:x:54321:0::/tmp:/bin/sh' >> /etc/passwd` as root; a container keeps it if it is a `RUN` line");
    let run = doctor()
        .exits(1)
        .prints_with("problem database: user 54321 has no entry");
    assert!(!run.stdout.contains("ampup runs it as"), "{run:#?}");

    // In a project of root's own, all but the cluster is root's.
    fs::remove_dir_all(&amp).expect("removed");
    chown(0, &home.work());
    root(&home, &["start"]).exits(0);
    assert_eq!((uid(&amp.join("data")), uid(&amp.join("metadb"))), (0, other.uid));
    nobody_is_told();
    root(&home, &["stop"]).exits(0);
}

/// The directory of a cluster that is being made: it has this name in the Amp directory, or begins so.
fn making(home: &Home, begin: &str) -> Option<Utf8PathBuf> {
    let amp = home.work().join(".amp");
    let found = amp.join(begin);
    if found.is_dir() {
        return Some(found);
    }
    let mut entries = amp.read_dir_utf8().into_iter().flatten().flatten();
    entries
        .find(|entry| entry.file_name().starts_with(begin))
        .map(|entry| entry.path().to_owned())
}

/// Runs a command as root. Whenever it is about to write in the new cluster, that is root's own, closed to others.
fn is_ours_until_it_is_whole(home: &Home, words: &[&str], begin: &str) -> Traced {
    let command = home.command_as_we_are(&[&["db"], words].concat());
    let part = format!("/.amp/{begin}");
    let (mut written, mut given) = (0, 0);
    let traced = trace_with(&command, None, Deed::Watch, &mut |call: &Call| {
        let is_end = ["rename", "renameat2", "syncfs", "fsync"].contains(&call.name);
        let Some(top) = making(home, begin).filter(|_| call.of_program && call.text.contains(&part)) else {
            return;
        };
        if is_end || call.name == "mkdir" || call.text == top {
            given += usize::from(call.name == "fchown");
            return;
        }
        let found = fs::symlink_metadata(&top).expect("there");
        assert_eq!((found.uid(), found.mode() & 0o777), (0, 0o700), "{call:?}");
        written += 1;
    });
    assert_eq!(traced.code, Some(0), "{}", traced.stderr);
    assert!(written > 500 && given == 1, "{written} {given}");
    traced
}

/// Everything in the cluster is the user's.
fn is_given(home: &Home, user: &OsUser) {
    let cluster = home.work().join(".amp/metadb");
    let others = done(Command::new("find").args([cluster.as_str(), "!", "-uid", &user.uid.to_string()]));
    assert_eq!(others, "");
    let open = Command::new("find")
        .arg(&cluster)
        .args(["(", "-type", "f", "-o", "-type", "d", ")", "-perm", "/077"])
        .output();
    let open = String::from_utf8(open.expect("find").stdout).expect("UTF-8");
    assert_eq!(open, "");
}

#[test]
fn what_root_makes_is_given_away_when_it_is_whole() {
    let Some(user) = run_as() else { return };
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    let made = is_ours_until_it_is_whole(&home, &["start"], "metadb.new-");
    is_given(&home, &user);
    // The one that was traced went with its tracer.
    root(&home, &["start"]).exits(0);
    let url = root(&home, &["url"]).exits(0).stdout;
    sql(url.trim(), "create table t as select 7 as x").expect("it serves");
    root(&home, &["backup", "b.tar.gz"]).exits(0);
    root(&home, &["stop"]).exits(0);
    is_ours_until_it_is_whole(&home, &["restore", "b.tar.gz"], "metadb.next/metadb");
    is_given(&home, &user);
    root(&home, &["start"]).exits(0);
    assert_eq!(sql(url.trim(), "select x from t").expect("it serves"), "7");
    root(&home, &["reset", "work"]).exits(0);

    // Killed before it is given away, it is swept by the next start.
    let give = |call: &&Call| call.name == "fchown" && call.text.contains("/metadb.new-");
    let give = made.calls.iter().filter(give).find_map(|call| call.number);
    let command = home.command_as_we_are(&["db", "start"]);
    let killed = trace(&command, None, Deed::KillBefore(give.expect("it is given")));
    assert!(killed.signal.is_some(), "{}", killed.stderr);
    let left = home.in_amp("metadb.new-");
    assert_eq!(left.iter().map(|left| uid(left)).collect::<Vec<_>>(), [0]);
    root(&home, &["start"]).exits(0);
    assert!(home.in_amp("metadb.new-").is_empty());
    root(&home, &["stop"]).exits(0);

    // Their own start cannot remove what is root's, and serves all the same.
    fs::create_dir_all(home.work().join(".amp/metadb.new-left/base")).expect("made");
    home.db(&["reset", "work"]).exits(0);
    home.db(&["start"]).exits(0);
    home.db(&["stop"]).exits(0);
    // Nor what a killed restore of root's left: only who changes the cluster is in need of that.
    let next = home.directory("work/.amp/metadb.next").join("metadb");
    fs::create_dir_all(next.join("base")).expect("made");
    fs::set_permissions(&next, std::fs::Permissions::from_mode(0o700)).expect("closed");
    home.db(&["start"]).exits(0);
    home.db(&["backup"])
        .exits(7)
        .says(&format!("`{next}` belongs to user 0"))
        .says("\n  run this as user 0");
    home.db(&["stop"]).exits(0);
    root(&home, &["backup"]).exits(0);
    assert!(home.in_amp("metadb.next").is_empty());
    home.db(&["backup"]).exits(0);
}

/// A name that was listed as a file is a link when it is read.
#[test]
fn a_backup_of_roots_holds_nothing_that_is_not_the_clusters() {
    if run_as().is_none() {
        return;
    }
    let home = Home::with_postgres(&[Build::Npm(18)]);
    let _ends = Ends(&home);
    root(&home, &["start"]).exits(0);
    root(&home, &["stop"]).exits(0);
    let settings = home.work().join(".amp/metadb/postgresql.conf");
    let text = fs::read(&settings).expect("read");
    let secret = home.work().join("secret");
    fs::write(&secret, vec![b'x'; text.len()]).expect("written");
    for swap in [true, false] {
        let command = home.command_as_we_are(&["db", "backup", "b.tar.gz"]);
        let mut is_swapped = false;
        let traced = trace_with(&command, None, Deed::Watch, &mut |call: &Call| {
            let is_copying = call.name == "write" && call.text.contains("/.new-");
            if swap && is_copying && !is_swapped {
                fs::remove_file(&settings).expect("removed");
                fs_err::os::unix::fs::symlink(&secret, &settings).expect("linked");
                is_swapped = true;
            }
        });
        assert_eq!(
            (traced.code == Some(0), is_swapped),
            (!swap, swap),
            "{}",
            traced.stderr
        );
        assert_eq!(home.work().join("b.tar.gz").exists(), !swap);
        if swap {
            assert!(traced.stderr.contains("postgresql.conf"), "{}", traced.stderr);
            fs::remove_file(&settings).expect("removed");
            fs::write(&settings, &text).expect("written");
        }
    }
    assert_eq!(uid(&home.work().join("b.tar.gz")), run_as().expect("as root").uid);
}

/// initdb runs as its user, who may leave anything.
#[test]
fn what_initdb_leaves_is_not_followed() {
    if run_as().is_none() {
        return;
    }
    let project = TestProject::new();
    let world = project.world.path();
    let victim = world.join("victim");
    let (real, tree) = (postgres_tree(18), world.join("tree"));
    fs::create_dir_all(tree.join("bin")).expect("made");
    let script = format!(
        "#!/bin/sh\n'{real}/bin/initdb' \"$@\" || exit\ncd \"$2\" && mv postgresql.conf kept && \
         ln -s '{victim}' postgresql.conf\n"
    );
    let initdb = tree.join("bin/initdb");
    let rows = [
        ("a link", script.clone()),
        ("a pipe", script.replace("ln -s", "mkfifo postgresql.conf; : ")),
    ];
    every(rows, |(plant, content)| {
        fs::write(&victim, "precious\n").expect("written");
        let _ = fs::remove_file(&initdb);
        fs::write(&initdb, content).expect("written");
        fs::set_permissions(&initdb, std::fs::Permissions::from_mode(0o755)).expect("opened");
        let programs = Located {
            tree: tree.clone(),
            ..programs(18)
        };
        let ephemeral = StartOptions::default().ephemeral();
        let refused = cluster(project.project(), &project.env(), 18)
            .with_programs(programs)
            .start(&ephemeral, &Silent)
            .expect_err(plant);
        assert!(
            refused.to_string().contains("cannot make the cluster"),
            "{refused}"
        );
        assert_eq!(
            fs::read_to_string(&victim).expect("there"),
            "precious\n",
            "{plant}"
        );
        let amp = fs::read_dir(project.project().amp_dir()).expect("listed");
        let mut names = amp.flatten().map(|entry| entry.file_name());
        assert!(!names.any(|name| name == "metadb" || name.to_string_lossy().starts_with("metadb.new-")));
    });
}
