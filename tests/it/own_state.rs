//! Every file that ampup writes for itself, damaged in every way: it is read as damaged, made anew or passed over, and
//! nothing outside the home is touched.

mod foreign_entries;
mod foreign_homes;
mod root_home;
mod scene;

use std::{os::unix::fs::symlink, time::Instant};

use ampup::exit::Exit;
use camino::Utf8Path;
use fs_err as fs;

use self::scene::{Scene, TIMEOUT, bounded, run};
use crate::support::{home::finish, table::every};

/// All that is written by ampup itself, below the home.
const FILES: [&str; 13] = [
    "components/tool/2.0.0/.receipt.json",
    "components/tool/2.0.0/.files.json",
    "generations/2/generation.json",
    "trust.json",
    "cache/registry-amp.signed",
    "config.toml",
    "locks/store",
    "locks/tool-2.0.0",
    "cache/downloads/sha256-00.partial",
    "cache/downloads/sha256-00.partial.json",
    "projects.json",
    "shells.json",
    ".ampup-home",
];

/// Faults that may stand in the place of a file.
const FAULTS: [&str; 9] = [
    "empty",
    "half",
    "flipped",
    "noise",
    "directory",
    "link",
    "dangling",
    "sparse",
    "pipe",
];

fn damage(path: &Utf8Path, fault: &str, precious: &Utf8Path) {
    let mut content = fs::read(path).expect("there");
    let middle = content.len() / 2;
    match fault {
        "empty" => return fs::write(path, "").expect("written"),
        "half" => return fs::write(path, &content[..middle]).expect("written"),
        "flipped" => {
            if let Some(byte) = content.get_mut(middle) {
                *byte ^= 0x11;
            }
            return fs::write(path, content).expect("written");
        }
        "noise" => {
            return fs::write(path, (0..=255).cycle().take(3000).collect::<Vec<u8>>()).expect("written");
        }
        "sparse" => {
            let file = fs::File::create(path).expect("opened");
            return file.set_len(1 << 30).expect("grown");
        }
        _ => fs::remove_file(path).expect("removed"),
    }
    match fault {
        "directory" => {
            fs::create_dir(path).expect("made");
            fs::write(path.join("inside"), "").expect("written");
        }
        "link" => symlink(precious, path).expect("linked"),
        "dangling" => symlink("nowhere", path).expect("linked"),
        "pipe" => run("mkfifo", &[path.as_str()]),
        other => panic!("{other}"),
    }
}

/// Every truncation and every byte flipped, read by everything that reads; sampled here, whole when it is asked for.
#[test]
fn no_truncation_and_no_flipped_byte_makes_a_reader_fail_badly() {
    sweep(2);
}

#[test]
#[ignore = "every byte of every file takes long: `just own-state`"]
fn every_truncation_and_every_flipped_byte() {
    sweep(usize::MAX);
}

fn sweep(samples: usize) {
    let scene = Scene::new();
    let healthy = scene.read("healthy", true);
    assert_eq!(healthy[0], Exit::Done);
    for name in FILES {
        let path = scene.home.path().join(name);
        let whole = fs::read(&path).expect("read");
        let step = (whole.len() / samples).max(1);
        for (count, at) in (0..whole.len()).step_by(step).enumerate() {
            // What starts other programs is slow.
            let all = count % 3 == 0;
            fs::write(&path, &whole[..at]).expect("written");
            scene.read(&format!("{name} cut at {at}"), all);
            let mut flipped = whole.clone();
            flipped[at] ^= if count % 2 == 0 { 0x01 } else { 0x80 };
            fs::write(&path, &flipped).expect("written");
            scene.read(&format!("{name} flipped at {at}"), all);
        }
        scene.restore();
        assert_eq!(scene.read(name, true), healthy, "{name}");
    }
}

/// The same for what is no such file at all, then everything that writes, then the fault gone. A third of it in the suite.
fn survives(names: &[&str], all: bool) {
    let scene = Scene::new();
    let store = scene.home.store();
    for (row, name) in names.iter().enumerate() {
        for (column, fault) in FAULTS.into_iter().enumerate() {
            if !all && (row + column) % 3 != 0 {
                continue;
            }
            let what = format!("{name}: {fault}");
            let path = scene.home.path().join(name);
            damage(&path, fault, &scene.precious);
            scene.home.give(path.parent().expect("a parent"));
            scene.read(&what, true);
            let commands: [&[&str]; 10] = [
                &["list"],
                &["which", "tool"],
                &["history"],
                &["install", "tool@2"],
                &["update"],
                &["use", "tool@1.0.0"],
                &["undo"],
                &["uninstall", "tool@1.0.0"],
                &["verify", "--repair"],
                &["prune"],
            ];
            for words in commands {
                let began = Instant::now();
                let run = finish(bounded(&scene.home.command(words), &scene.home));
                assert!(
                    began.elapsed() < TIMEOUT,
                    "{what}: {words:?} took {:?}",
                    began.elapsed()
                );
                assert!(!run.stderr.contains("panicked"), "{what}: {words:?}: {run:#?}");
                assert!(
                    [0, 1, 2, 3, 4, 6, 7].contains(&run.code),
                    "{what}: {words:?}: {run:#?}"
                );
                if run.code != 0 {
                    let errors = run
                        .stderr
                        .lines()
                        .filter(|line| line.starts_with("error: "))
                        .count();
                    assert!(errors == 1 || run.code == 4, "{what}: {words:?}: {run:#?}");
                }
            }
            assert_eq!(
                fs::read_to_string(&scene.precious).expect("there"),
                "precious",
                "{what}"
            );
            // The fault gone, everything works.
            scene.restore();
            assert_eq!(scene.home.store(), store, "{what}");
        }
    }
    scene.home.ampup(&["install", "tool@1.0.0"]).exits(0);
}

#[test]
fn a_tree_outlives_what_is_in_the_place_of_its_records() {
    survives(&FILES[..3], false);
}

#[test]
fn a_home_outlives_what_is_in_the_place_of_its_records() {
    survives(&FILES[3..8], false);
}

#[test]
fn a_home_outlives_what_is_in_the_place_of_its_notes() {
    survives(&FILES[8..], false);
}

#[test]
#[ignore = "every byte of every file takes long: `just own-state`"]
fn a_home_outlives_everything_in_the_place_of_every_record() {
    survives(&FILES, true);
}

/// With a damaged receipt, an installation or a repair makes the version anew, and until then it is not used.
#[test]
fn a_damaged_receipt_is_reported_and_mended() {
    let scene = Scene::new();
    let path = scene.home.path().join(FILES[0]);
    every(FAULTS, |fault| {
        let rows = [
            &["install", "tool@2"][..],
            &["verify", "--repair", "tool"],
            &["install", "tool@2.0.0"],
        ];
        every(rows, |mend| {
            damage(&path, fault, &scene.precious);
            scene.home.give(path.parent().expect("a parent"));
            let run = scene.home.ampup(&["list"]).exits(0);
            assert!(run.stdout.contains("tool 2.0.0 (damaged)"), "{fault}: {run:#?}");
            scene.home.ampup(&["which", "tool"]).exits(4);
            scene.home.ampup(&["use", "tool@2.0.0"]).exits(4);
            scene.home.ampup(&["run", "--no-db", "--", "tool"]).exits(4);
            scene.home.ampup(mend).exits(0);
            scene.home.ampup(&["verify"]).exits(0);
            let run = scene.home.ampup(&["which", "tool"]).exits(0);
            assert!(run.stdout.contains("components/tool/2.0.0/"), "{fault}: {run:#?}");
            scene.restore();
        });
    });
}

/// One byte that a disk turned into another leaves valid JSON more often than not.
#[test]
fn a_flipped_byte_that_leaves_valid_json_is_noticed() {
    let scene = Scene::new();
    let flip = |name: &str, from: &str, to: &str| {
        let path = scene.home.path().join(name);
        let text = fs::read_to_string(&path).expect("read");
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replacen(from, to, 1)).expect("written");
    };
    flip(FILES[0], "acme", "acmd");
    scene
        .home
        .ampup(&["list"])
        .exits(0)
        .prints_with("tool 2.0.0 (damaged)");
    scene.home.ampup(&["verify", "--repair"]).exits(0);
    flip(FILES[2], "install tool", "install tnol");
    scene
        .home
        .ampup(&["verify"])
        .exits(4)
        .prints_with("generations/2/generation.json");
    scene.home.ampup(&["verify", "--repair"]).exits(0);
    scene.home.ampup(&["verify"]).exits(0);
    scene.home.ampup(&["which", "tool"]).exits(0);
    // As they were written at first.
    for name in [FILES[0], FILES[2]] {
        scene.restore();
        let path = scene.home.path().join(name);
        let mut value: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
        assert!(
            value
                .as_object_mut()
                .expect("an object")
                .remove("check")
                .is_some(),
            "{name}"
        );
        fs::write(&path, value.to_string()).expect("written");
        scene.home.ampup(&["verify"]).exits(0);
    }
}
