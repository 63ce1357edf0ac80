//! A directory that somebody has things in, named as ampup's home: nothing in it is changed, and what is in the way is
//! named. What somebody puts into a home later outlives ampup.

use camino::Utf8PathBuf;
use fs_err as fs;

use crate::support::{home::Home, table::every, world::snapshot};

/// Entries that may be in the way; a name that ends with `/` is a directory with a file in it.
const NAMES: [&str; 12] = [
    "components/",
    "cache/",
    "staging/",
    "generations/",
    "locks/",
    "bin/",
    "share/",
    "active/",
    "env",
    "env.fish",
    "shells.json",
    "trust.json",
];

const WRITERS: [&[&str]; 8] = [
    &["init"],
    &["install", "tool@1.0.0"],
    &["update"],
    &["use", "tool@1.0.0"],
    &["undo"],
    &["uninstall", "tool@1.0.0"],
    &["prune"],
    &["verify", "--repair"],
];

fn world() -> Home {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    home
}

fn put(home: &Home, name: &str) -> Utf8PathBuf {
    let path = home.path().join(name);
    let file = if name.ends_with('/') {
        path.join("mine/file")
    } else {
        path
    };
    fs::create_dir_all(file.parent().expect("a parent")).expect("made");
    fs::write(&file, "precious").expect("written");
    home.give(&home.path());
    file
}

#[test]
fn what_has_a_name_of_ampups_is_named_and_nothing_is_changed() {
    let home = world();
    let mut wrong = Vec::new();
    for name in NAMES {
        put(&home, name);
        let before = snapshot(&home.path());
        let text = format!(
            "`{}` is not ampup's",
            home.shown(&home.path().join(name.trim_end_matches('/')))
        );
        for words in WRITERS {
            let run = home.ampup(words);
            let is_refused =
                run.code == 2 && run.stderr.contains(&text) && run.stderr.contains("\n  choose another");
            // Where nothing is installed, some have nothing to do.
            let has_nothing_to_do = !["init", "install"].contains(&words[0]) && run.code != 4;
            if !(is_refused || has_nothing_to_do) || snapshot(&home.path()) != before {
                wrong.push(format!("{name}: {words:?}: {run:#?}"));
            }
        }
        let run = home.ampup(&["self", "uninstall", "--yes"]);
        if run.code != 3 || snapshot(&home.path()) != before {
            wrong.push(format!("{name}: self uninstall: {run:#?}"));
        }
        fs::remove_dir_all(home.path()).expect("removed");
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn other_files_beside_are_no_concern_of_ampups() {
    let home = world();
    let mine = ["notes", "config.toml", "photos/"].map(|name| put(&home, name));
    fs::write(home.path().join("config.toml"), "jobs = 2\n").expect("written");
    fs::create_dir(home.path().join("lost+found")).expect("made");
    fs::create_dir(home.path().join(".bootstrap-1")).expect("made");
    home.give(&home.path());
    let before = snapshot(&home.path());
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    home.ampup(&["self", "uninstall", "--yes"])
        .exits(0)
        .says("is not ampup's, and stays");
    let after = snapshot(&home.path());
    let stays = |line: &String| !line.contains(".bootstrap-");
    assert_eq!(
        after.into_iter().filter(stays).collect::<Vec<_>>(),
        before.into_iter().filter(stays).collect::<Vec<_>>()
    );
    assert!(mine.iter().all(|path| path.exists()));
}

#[test]
fn an_empty_directory_that_somebody_made_stays_and_one_of_ampups_goes() {
    let home = world();
    for is_there in [true, false] {
        if is_there {
            fs::create_dir(home.path()).expect("made");
            home.give(&home.path());
        }
        home.ampup(&["install", "tool@1.0.0"]).exits(0);
        let run = home.ampup(&["self", "uninstall", "--yes"]).exits(0);
        assert_eq!(home.path().is_dir(), is_there, "{run:?}");
        if is_there {
            run.says("stays: it was there before ampup");
            fs::remove_dir(home.path()).expect("nothing is left in it");
        }
    }
}

#[test]
fn what_is_put_into_a_home_later_outlives_it() {
    let home = world();
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    let mine = [
        "components/",
        "components/tool/",
        "generations/",
        "share/man/man1/other.1",
    ];
    let mine = mine.map(|name| put(&home, name));
    home.ampup(&["self", "uninstall", "--yes"]).exits(0);
    for path in mine {
        assert_eq!(fs::read_to_string(&path).expect("there"), "precious", "{path}");
    }
    assert!(!home.path().join("components/tool/1.0.0").exists());
    assert!(home.path().join("active").symlink_metadata().is_err());
}

/// Of a home that cannot be removed, nothing is said to be empty that is not.
#[test]
fn a_home_in_a_directory_that_is_not_the_users_is_left_with_what_is_in_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = world();
    let above = home.path().parent().expect("a directory").to_owned();
    let close = |mode| fs::set_permissions(&above, std::fs::Permissions::from_mode(mode)).expect("set");
    every([true, false], |is_mine| {
        home.ampup(&["install", "tool@1.0.0"]).exits(0);
        let mine = is_mine.then(|| put(&home, "components/"));
        close(0o555);
        let run = home.ampup(&["self", "uninstall", "--yes"]);
        close(0o755);
        let is_said = run.stderr.contains("is empty, and stays");
        assert_eq!(is_said, !is_mine, "{run:?}");
        run.exits(0);
        assert!(mine.is_none_or(|path| path.is_file()));
        fs::remove_dir_all(home.path()).expect("removed");
    });
}

/// A mark that was damaged, or that is none, claims nothing.
#[test]
fn a_damaged_mark_makes_nothing_ampups() {
    let home = world();
    let mark = home.path().join(".ampup-home");
    every(["", "mine", "{}", "{\"schema\":1}"], |text| {
        let mine = ["components/", "cache/"].map(|name| put(&home, name));
        fs::write(&mark, text).expect("written");
        home.give(&home.path());
        let before = snapshot(&home.path());
        for words in [&["init", "--yes"][..], &["install", "tool@1.0.0"]] {
            home.ampup(words).exits(2).says("is not ampup's");
        }
        home.ampup(&["self", "uninstall", "--yes"]).exits(3);
        assert_eq!(snapshot(&home.path()), before);
        // Without them it is a mark that was cut, and is written again.
        for path in mine {
            fs::remove_dir_all(path.ancestors().nth(2).expect("a directory")).expect("removed");
        }
        home.ampup(&["install", "tool@1.0.0"]).exits(0);
        assert!(
            fs::read_to_string(&mark)
                .expect("there")
                .contains("\"components\"")
        );
        // One of a home that is known by its receipts is, too.
        fs::write(&mark, text).expect("written");
        home.ampup(&["list"]).exits(0).prints_with("tool");
        home.ampup(&["install", "tool@1.0.0"]).exits(0);
        home.ampup(&["self", "uninstall", "--yes"]).exits(0);
        assert!(!home.path().exists());
    });
}

/// Repairs, installations, removals and the dropping of old generations leave what has no record of ampup's.
#[test]
fn what_has_a_number_or_a_version_and_no_record_stays() {
    let mut home = world();
    home.offer("tool", "2.0.0").offer("tool", "3.0.0");
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    home.ampup(&["install", "tool@3.0.0"]).exits(0);
    let mine = [
        "generations/7/",
        "components/tool/2.0.0/",
        "components/other/1.0.0/",
    ];
    let mine = mine.map(|name| put(&home, name));
    for words in [&["verify"][..], &["verify", "--repair"], &["prune"]] {
        home.ampup(words).exits(0);
    }
    // More than are kept.
    for _ in 0..6 {
        home.ampup(&["use", "tool@1.0.0"]).exits(0);
        home.ampup(&["use", "tool@3.0.0"]).exits(0);
    }
    home.ampup(&["uninstall", "tool@2.0.0"]).exits(3);
    let foreign = home.path().join("components/tool/2.0.0");
    let run = home.ampup(&["install", "tool@2.0.0"]);
    assert_ne!(run.code, 0, "{run:?}");
    run.says(&format!("`{}` is not ampup's", home.shown(&foreign)))
        .says("hint: `mv ");
    home.ampup(&["list"])
        .exits(0)
        .prints("tool 3.0.0 (active)\ntool 1.0.0\n");
    home.ampup(&["self", "uninstall", "--yes"]).exits(0);
    every(mine, |path| {
        assert_eq!(fs::read_to_string(&path).expect("there"), "precious", "{path}");
    });
}

/// A home that was made before homes had marks gets one from its generation, or from a receipt.
#[test]
fn a_home_from_before_marks_gets_its_mark() {
    for gone in [&["active", "generations"][..], &["components"]] {
        let home = world();
        home.ampup(&["install", "tool@1.0.0"]).exits(0);
        let mark = home.path().join(".ampup-home");
        fs::remove_file(&mark).expect("the first file of a home");
        for name in gone {
            fs::rename(home.path().join(name), home.work().join(name)).expect("moved");
        }
        home.ampup(&["install", "tool@1.0.0"]).exits(0);
        assert!(mark.is_file());
        home.ampup(&["self", "uninstall", "--yes"]).exits(0);
        assert!(!home.path().exists());
    }
}
