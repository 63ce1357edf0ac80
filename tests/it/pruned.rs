//! `ampup prune` knows what ampup leaves outside of its home too: it takes away what nobody uses, names what only the user can
//! judge, and touches nothing of anybody else's.

use std::{os::unix::net::UnixListener, process::Command};

use ampup::{fs::lock::Lock, postgres::observe::endpoint};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::support::{
    database::Build,
    home::{Home, finish},
    postgres::run_as,
    served::Served,
    world::write,
};

/// Makes something look as if it was written two days ago.
fn age(path: &Utf8Path) {
    let done = Command::new("touch")
        .args(["-hd", "2 days ago", path.as_str()])
        .status();
    assert!(done.expect("started").success());
}

/// A directory for sockets of this user's, in a runtime directory of the world's own.
fn runtime(served: &Served) -> Utf8PathBuf {
    let place = served.home.directory("runtime");
    fs::set_permissions(&place, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("closed");
    served.home.give(&place);
    place
}

#[test]
fn what_killed_commands_left_goes_and_nothing_else_does() {
    let served = Served::new();
    let runtime = runtime(&served);
    let world = runtime.parent().expect("a parent").to_owned();
    let prune = |words: &[&str]| {
        let mut command = served.home.command(&[&["--json", "prune"], words].concat());
        command.env("XDG_RUNTIME_DIR", &runtime);
        let run = finish(command).exits(0);
        assert_eq!(run.stderr, "");
        run.json()
    };
    served.sql("create table t as select 7 as x");
    served.ampup(&["db", "start"]).exits(0);
    let amp = served.amp_dir();
    let sockets = runtime.join("ampup");
    let of_another = sockets.join("00112233445566aa");
    let living = sockets.join("00112233445566bb");
    let left = [
        // A trial of doctor's, which it locks while it tries.
        served.home.work().join(".apW/ampup-doctor"),
        amp.join("metadb.fork-0123456789ab/copy.tar.zst"),
        amp.join("backups/.new-aaaaaa"),
        amp.join(".new-bbbbbb"),
        amp.join(".probe-0123456789ab/link"),
        // One that an earlier ampup made has no lock.
        amp.join("metadb.fork-ffffff/copy.tar.zst"),
        endpoint::elsewhere(&sockets, &served.data()).join(".s.PGSQL.5432.lock"),
        of_another.join(".s.PGSQL.5432"),
        // While a server runs, a start may be making one.
        amp.join("metadb.new-abcdef/PG_VERSION"),
    ];
    let trial = served.home.work().join(".aqW/ampup-doctor");
    let stays = [
        trial.clone(),
        amp.join("metadb.fork-held/copy.tar.zst"),
        amp.join(".new-cccccc"),
        amp.join("metadb.old-mine/PG_VERSION"),
        amp.join("backups/metadb-notes.txt"),
        amp.join("data/.new-dddddd"),
        living.join("note"),
        sockets.join("mine/note"),
    ];
    for path in left.iter().chain(&stays) {
        write(path, "x".repeat(2000));
    }
    write(
        &amp.join("metadb.fork-0123456789ab/lock"),
        "1 elsewhere ampup db fork",
    );
    for path in &left[3..=5] {
        age(path);
        age(path.parent().filter(|parent| *parent != amp).unwrap_or(path));
    }
    age(&of_another);
    served.home.give(&served.home.work());
    served.home.give(&runtime);
    let _tried = Lock::try_acquire(&trial).expect("made").expect("free");
    let _held = Lock::try_acquire(&amp.join("metadb.fork-held/lock"))
        .expect("made")
        .expect("free");
    let _listens = UnixListener::bind(living.join(".s.PGSQL.5432")).expect("bound");
    age(&living);
    let tops: Vec<Utf8PathBuf> = left
        .iter()
        .map(|path| match path.parent() {
            Some(parent) if parent == amp || parent.ends_with("backups") => path.clone(),
            parent => parent.expect("a parent").to_owned(),
        })
        .collect();
    let listed = |answer: &serde_json::Value, field: &str| {
        let rows = answer[field].as_array().expect("a list").clone();
        let mut paths: Vec<String> = rows
            .iter()
            .map(|row| row["path"].as_str().expect("a path").to_owned())
            .collect();
        // Those of other tests lie in `/tmp`.
        paths.retain(|path| path.starts_with(world.as_str()));
        paths.sort();
        paths
    };
    let sorted = |paths: &[Utf8PathBuf]| {
        let mut paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
        paths.sort();
        paths
    };
    let but_of_server = sorted(&[&tops[..6], &tops[7..8]].concat());
    assert_eq!(listed(&prune(&["--dry-run"]), "would_remove"), but_of_server);
    assert!(left.iter().all(|path| path.exists()), "nothing was removed");
    let removed = prune(&[]);
    assert_eq!(listed(&removed, "removed"), but_of_server);
    assert!(removed["bytes"].as_u64().expect("a number") >= 7 * 2000);

    served.ampup(&["db", "stop"]).exits(0);
    assert_eq!(
        listed(&prune(&[]), "removed"),
        sorted(&[tops[6].clone(), tops[8].clone()])
    );
    for path in &stays {
        assert!(path.exists(), "{path}");
    }
    assert_eq!(served.sql("select x from t"), "7");
    // Before there is an Amp directory, doctor tries beside it.
    let bare = served.home.directory("bare");
    write(&bare.join(".apW/ampup-doctor"), "");
    served.home.give(&bare);
    let mut in_bare = served.home.command(&["prune"]);
    in_bare.current_dir(&bare).env("XDG_RUNTIME_DIR", &runtime);
    finish(in_bare).exits(0);
    assert!(!bare.join(".apW").exists());
}

#[test]
fn the_socket_of_a_server_stays_until_that_ends_and_a_name_is_enough() {
    let served = Served::new();
    let runtime = runtime(&served);
    let project = served.home.directory(&format!("long/{}", "p".repeat(90)));
    served.home.give(&project);
    let ampup = |words: &[&str]| {
        let mut command = served.home.command(words);
        command.current_dir(&project).env("XDG_RUNTIME_DIR", &runtime);
        finish(command)
    };
    let directories = || ampup::fs::entries(&runtime.join("ampup"));
    ampup(&["db", "start"]).exits(0);
    ampup(&["prune"]).exits(0);
    ampup(&["db", "psql", "-XtAc", "select 7"]).exits(0).prints("7\n");
    assert_eq!(directories().len(), 1);
    ampup(&["db", "stop"]).exits(0);
    ampup(&["prune", "--dry-run"])
        .exits(0)
        .prints_with("directory for the socket of a server that is gone");
    assert_eq!(directories().len(), 1);
    ampup(&["prune"]).exits(0);
    assert!(!runtime.join("ampup").exists(), "it was the last in it");
    ampup(&["db", "psql", "-XtAc", "select 7"]).exits(0).prints("7\n");

    // By its name alone, from anywhere; not where two have it.
    let name = "metadb.old-20260101T000000Z";
    let kept = project.join(".amp").join(name);
    write(&kept.join("PG_VERSION"), "18\n");
    served.home.give(&kept);
    let from_home = served
        .ampup(&["prune", "--json", "--remove", name])
        .exits(0)
        .json();
    assert_eq!(from_home["removed"][0]["path"], kept.as_str());
    assert!(!kept.exists());
    served.sql("select 7");
    for amp in [project.join(".amp"), served.amp_dir()] {
        write(&amp.join(name).join("PG_VERSION"), "18\n");
        served.home.give(&amp.join(name));
    }
    served
        .ampup(&["prune", "--remove", name])
        .exits(2)
        .says("2 items are called");
    assert!(kept.exists());
    served
        .ampup(&["prune"])
        .exits(0)
        .says("removed only if you name them:\n")
        .says("` removes the first\nin its project, `ampup db restore` brings an old database back\nnothing else to remove\n");
    let rows = served.ampup(&["prune", "--json"]).exits(0).json()["kept"].clone();
    assert_eq!(rows.as_array().map(Vec::len), Some(2), "{rows}");
    // As a shell writes it for a pattern.
    let of_other = served.amp_dir().join(name);
    served
        .ampup(&["prune", "--remove", kept.as_str(), "postgres"])
        .exits(3)
        .says("\n  a component stands before the option: `ampup prune NAME --remove …`");
    served
        .ampup(&["prune", "--remove", kept.as_str(), of_other.as_str()])
        .exits(0)
        .says("removed 2 unused items");
    assert!(!kept.exists() && !of_other.exists());
}

#[test]
fn what_a_killed_change_left_is_settled() {
    let served = Served::new();
    served.sql("create table t as select 7 as x");
    let next = served.amp_dir().join("metadb.next");
    write(&next.join("metadb/PG_VERSION"), "18\n");
    served.home.give(&next);
    served
        .ampup(&["prune", "--dry-run"])
        .exits(0)
        .prints_with("leftover of a change of the database that was killed");
    assert!(next.exists());
    served.ampup(&["prune"]).exits(0).says(" unused item");
    assert!(!next.exists());
    assert_eq!(served.sql("select x from t"), "7");
}

#[test]
fn what_another_user_keeps_is_not_listed() {
    let home = Home::new();
    let project = home.directory("of another");
    // Where we are root, who types is not.
    let kept = project.join(".amp/metadb.old-20260101T000000Z");
    write(&kept.join("PG_VERSION"), "18");
    let mut command = home.command(&["--json", "prune", "--dry-run"]);
    command.current_dir(&project);
    let json = finish(command).exits(0).json();
    let is_listed = json["kept"].to_string().contains(kept.as_str());
    assert_eq!(is_listed, run_as().is_none(), "{json:#}");
}

/// A template that only a removed version needed goes with it, and a dry run lists both.
#[test]
fn one_prune_removes_a_version_and_its_template() {
    let home = Home::with_postgres(&[Build::Npm(17), Build::Npm(18)]);
    let templates = home.path().join("cache/templates");
    let count = || templates.read_dir_utf8().expect("there").count();
    let before = count();
    home.ampup(&["prune", "postgres", "--dry-run"])
        .exits(0)
        .prints_with("cluster template of a removed version")
        .prints_with("inactive version");
    assert_eq!(count(), before);
    home.ampup(&["prune", "postgres"])
        .exits(0)
        .says("removed postgres 17");
    assert_eq!(count(), before - 1);
    home.ampup(&["prune"]).exits(0).says("nothing to remove");
}
