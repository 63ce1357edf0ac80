//! Links and files of somebody else's in the places of the home's own directories: what they lead to is neither written to
//! nor removed, they are named with what to do, and ampup can leave all the same.

use std::{collections::BTreeMap, os::unix::fs::symlink, process::Command, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::support::{
    home::{Home, Run, finish},
    postgres::run_as,
    table::every,
};

/// Every directory of the home that ampup makes, or may make.
const DIRECTORIES: [&str; 14] = [
    "components/tool",
    "components/ampup",
    "components/.staging",
    "generations",
    "generations/2",
    "generations/.staging",
    "locks",
    "staging",
    "cache",
    "cache/downloads",
    "cache/templates",
    "share",
    "share/man",
    "share/man/man1",
];

const COMMANDS: [&[&str]; 8] = [
    &["install", "tool@3.0.0"],
    &["use", "tool@1.0.0"],
    &["undo"],
    &["uninstall", "tool@1.0.0"],
    &["prune"],
    &["verify", "--repair"],
    &["init"],
    &["self", "uninstall", "--yes"],
];

/// A home with everything in it, a copy of it, and a directory of somebody else's with all the names that ampup uses.
struct Scene {
    home: Home,
    copy: Utf8PathBuf,
    outside: Utf8PathBuf,
}

impl Scene {
    fn new() -> Self {
        let mut home = Home::new();
        for version in ["1.0.0", "2.0.0", "3.0.0"] {
            home.offer("tool", version);
        }
        home.ampup(&["init"]).exits(0);
        home.ampup(&["install", "tool@1.0.0"]).exits(0);
        home.ampup(&["install", "tool@2.0.0"]).exits(0);
        let outside = home.directory("outside");
        for file in [
            "thesis",
            ".new-old",
            "ampup.1",
            "ampup-install.1",
            "man1/ampup.1",
            "man/man1/ampup.1",
            "store",
            "tool-3.0.0",
            "1.0.0/bin/tool",
            "3.0.0/bin/tool",
            "0.2.0/bin/ampup",
            "tool/1.0.0/bin/tool",
            "1/bin/tool",
            "2/generation.json",
            "4/x",
            "abcdefghijkl/x",
            "downloads/sha256-00.partial",
            "templates/sha256-00-nobody/PG_VERSION",
        ] {
            let path = outside.join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(&path, "precious").expect("written");
        }
        fs::create_dir(outside.join("empty")).expect("made");
        let old = std::time::SystemTime::now() - Duration::from_secs(9000);
        let file = fs::File::options().write(true).open(outside.join(".new-old"));
        file.expect("opened").file().set_modified(old).expect("aged");
        home.give(&outside);
        let copy = home.work().join("copy");
        let scene = Self { home, copy, outside };
        scene.copy(&scene.home.path(), &scene.copy);
        scene
    }

    fn copy(&self, from: &Utf8Path, to: &Utf8Path) {
        let status = Command::new("cp")
            .args(["-a", from.as_str(), to.as_str()])
            .status();
        assert!(status.expect("started").success());
    }

    /// The home as it was, with a link to `target` in the place of `name`.
    fn with_link(&self, name: &str, target: &Utf8Path) -> Utf8PathBuf {
        if self.home.path().exists() {
            fs::remove_dir_all(self.home.path()).expect("removed");
        }
        self.copy(&self.copy, &self.home.path());
        let path = self.home.path().join(name);
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(&path).expect("removed"),
            Ok(_) => fs::remove_file(&path).expect("removed"),
            Err(_) => {}
        }
        symlink(target, &path).expect("linked");
        if let Some(user) = run_as() {
            std::os::unix::fs::lchown(&path, Some(user.uid), Some(user.gid)).expect("given");
        }
        path
    }

    /// All that lies outside: names, kinds, contents, and when a directory was changed last.
    fn outside(&self) -> BTreeMap<Utf8PathBuf, String> {
        let mut found = BTreeMap::new();
        let mut open = vec![self.outside.clone()];
        while let Some(path) = open.pop() {
            let metadata = path.symlink_metadata().expect("there");
            let shown = if metadata.is_dir() {
                open.extend(
                    path.read_dir_utf8()
                        .expect("listed")
                        .map(|entry| entry.expect("an entry").into_path()),
                );
                format!("{:?}", metadata.modified().expect("known"))
            } else {
                fs::read_to_string(&path).expect("read")
            };
            found.insert(path, shown);
        }
        found
    }

    fn names_it(&self, path: &Utf8Path) {
        let link = format!("`{path}` is a link to `");
        self.home.ampup(&["verify"]).exits(4).prints_with(&link);
        self.home
            .ampup(&["doctor"])
            .exits(1)
            .prints_with(&link)
            .prints_with(&format!("`rm {}`", self.home.shown(path)));
    }
}

/// A failure says what is in the way, and what to type.
fn explains(run: &Run, path: &Utf8Path, what: &str) {
    assert!(!run.stderr.contains("panicked"), "{what}: {run:#?}");
    if run.code == 7 {
        assert!(
            run.stderr
                .contains(&run.shown(&format!("`{path}` is a link to `"))),
            "{what}: {run:#?}"
        );
        let shown = run.shown(&format!("`{path}`"));
        let hint = format!("hint: `rm {}", &shown[1..]);
        assert!(run.stderr.contains(&hint), "{what}: {run:#?}");
    }
}

fn leads_nowhere_else(directories: &[&str]) {
    let scene = Scene::new();
    let before = scene.outside();
    for name in directories {
        let path = scene.with_link(name, &scene.outside);
        scene.names_it(&path);
        assert_eq!(scene.outside(), before, "{name}: looking");
        every(COMMANDS, |words| {
            let what = format!("{name}: {words:?}");
            let path = scene.with_link(name, &scene.outside);
            let run = scene.home.ampup(words);
            explains(&run, &path, &what);
            assert_eq!(scene.outside(), before, "{what}: {run:#?}");
            if words[0] == "self" {
                let run = run.exits(0);
                assert!(run.stderr.contains("removed ampup from"), "{what}: {run:#?}");
                let active = scene.home.path().join("active");
                assert!(active.symlink_metadata().is_err(), "{what}: {run:#?}");
            }
        });
    }
}

#[test]
fn a_link_in_the_place_of_a_directory_of_the_store_is_named_and_not_followed() {
    leads_nowhere_else(&DIRECTORIES[..7]);
}

#[test]
fn a_link_in_the_place_of_a_directory_beside_the_store_is_named_and_not_followed() {
    leads_nowhere_else(&DIRECTORIES[7..]);
}

/// A link that leads nowhere, and a file: each is named with what to do, and with it gone everything works.
#[test]
fn what_is_in_the_place_of_a_directory_and_is_none_is_named() {
    let scene = Scene::new();
    let nowhere = scene.home.work().join("nowhere");
    let rows = [
        "components",
        "staging",
        "cache",
        "cache/downloads",
        "cache/templates",
        "generations",
        "locks",
    ];
    every(rows, |name| {
        let path = scene.with_link(name, &nowhere);
        scene
            .home
            .ampup(&["verify"])
            .exits(4)
            .prints_with(&format!("`{path}` is a link to `nowhere`; no directory"));
        let run = scene.home.ampup(&["install", "tool@3.0.0"]).exits(7);
        explains(&run, &path, name);
        fs::remove_file(&path).expect("removed");
        let again = scene.home.ampup(&["install", "tool@3.0.0"]);
        // Without its generations nobody knows what was active.
        if name == "generations" {
            assert_eq!(again.code, 4, "{again:#?}");
            scene.home.ampup(&["verify", "--repair"]);
        } else {
            again.exits(0);
        }
        for file in [false, true] {
            let path = scene.with_link(name, &nowhere);
            if file {
                fs::remove_file(&path).expect("removed");
                fs::write(&path, "").expect("written");
                let shown = scene.home.shown(&path);
                scene
                    .home
                    .ampup(&["install", "tool@3.0.0"])
                    .exits(7)
                    .says(&format!("hint: `mv {shown} {shown}.old`"));
            }
            scene
                .home
                .ampup(&["self", "uninstall", "--yes"])
                .exits(0)
                .says("removed ampup from");
            // What ampup did not make stays.
            let left = fs::read_dir(scene.home.path()).into_iter().flatten().flatten();
            let left: Vec<String> = left
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect();
            assert!(left.iter().all(|left| left == name), "{name}: {left:?}");
        }
    });
}

#[test]
fn what_is_in_the_place_of_a_lock_is_named() {
    let scene = Scene::new();
    let before = scene.outside();
    for name in ["locks/store", "locks/tool-3.0.0"] {
        for directory in [false, true] {
            let path = scene.with_link(name, &scene.outside.join("store"));
            let shown = scene.home.shown(&path);
            let remedy = if directory {
                fs::remove_file(&path).expect("removed");
                fs::create_dir(&path).expect("made");
                format!("`rmdir {shown}`")
            } else {
                format!("`rm {shown}`")
            };
            scene
                .home
                .ampup(&["doctor"])
                .exits(1)
                .prints_with(&scene.home.shown(&path))
                .prints_with(&remedy);
            scene
                .home
                .ampup(&["install", "tool@3.0.0"])
                .exits(7)
                .says(&scene.home.shown(&path))
                .says(&format!("hint: {remedy}"));
            if directory {
                fs::write(path.join("mine"), "precious").expect("written");
            }
            scene.home.ampup(&["self", "uninstall", "--yes"]).exits(0);
            assert_eq!(scene.outside(), before, "{name}");
            // A lock is a file: a directory is somebody's.
            assert_eq!(path.join("mine").exists(), directory, "{name}");
            if directory {
                fs::remove_dir_all(scene.home.path()).expect("removed");
            }
        }
    }
}

/// An entry that has the number of a generation and is none is named, counted, and left where it is.
#[test]
fn a_number_that_a_stranger_has_is_passed_over() {
    let scene = Scene::new();
    let path = scene.with_link("generations/3", &scene.outside);
    let file = scene.home.path().join("generations/4");
    fs::write(&file, "precious").expect("written");
    scene.home.ampup(&["use", "tool@1.0.0"]).exits(0);
    let active = scene.home.path().join("active").read_link_utf8().expect("a link");
    assert_eq!(active, "generations/5");
    assert_eq!(fs::read_to_string(&file).expect("there"), "precious");
    scene.names_it(&path);
    scene
        .home
        .ampup(&["verify"])
        .exits(4)
        .prints_with(&format!("`{file}` is not a directory"));
    let shown = scene.home.shown(&file);
    scene
        .home
        .ampup(&["verify", "--repair"])
        .exits(4)
        .says(&format!("`{shown}` is not a directory: `mv {shown} {shown}.old`"));
    let tool = scene.home.path().join("components/tool/1.0.0/bin/tool");
    let whole = fs::read(&tool).expect("read");
    fs::write(&tool, "x").expect("written");
    scene.home.ampup(&["verify"]).exits(4).says(&format!(
        "hint: `rm {}`; then `ampup verify --repair` repairs the damage",
        scene.home.shown(&path)
    ));
    fs::write(&tool, whole).expect("written");
    scene.home.ampup(&["use", "tool@2.0.0"]).exits(0);
    scene.home.ampup(&["undo"]).exits(0);
}

/// The record of what was made outside of the home: one warning, and on.
#[test]
fn a_record_that_is_damaged_keeps_nobody_from_coming_or_going() {
    let scene = Scene::new();
    for words in [&["init"][..], &["self", "uninstall", "--yes"]] {
        every(["link", "noise", "directory"], |damage| {
            let path = scene.with_link("shells.json", &scene.outside.join("thesis"));
            if damage != "link" {
                fs::remove_file(&path).expect("removed");
            }
            match damage {
                "noise" => fs::write(&path, "{").expect("written"),
                "directory" => fs::create_dir_all(path.join("inside")).expect("made"),
                _ => {}
            }
            scene.home.give(&scene.home.path());
            let run = scene.home.ampup(words).exits(0);
            let warnings = run
                .stderr
                .lines()
                .filter(|line| line.starts_with("warning: ") && line.contains("shells.json"));
            assert_eq!(warnings.count(), 1, "{damage}: {run:#?}");
            assert_eq!(
                fs::read_to_string(scene.outside.join("thesis")).expect("there"),
                "precious"
            );
        });
    }
    let profile = fs::read_to_string(scene.home.directory("user").join(".profile")).unwrap_or_default();
    assert!(!profile.contains("ampup"), "{profile}");
}

#[test]
fn a_home_that_can_be_none_is_refused_with_a_hint() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    let (file, link) = (home.work().join("file"), home.work().join("link"));
    fs::write(&file, "precious").expect("written");
    symlink("nowhere", &link).expect("linked");
    for place in [&file, &link] {
        let mut command = home.command(&["install", "tool"]);
        command.env("AMPUP_HOME", place);
        finish(command)
            .exits(7)
            .says(&home.shown(place))
            .says("with `AMPUP_HOME` or `--home`\n");
    }
    assert_eq!(fs::read_to_string(&file).expect("there"), "precious");
}
