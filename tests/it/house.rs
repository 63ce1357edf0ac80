//! The rules of the house that a compiler does not check: ARCHITECTURE.md, "Invariants".

mod arrows;
mod tokens;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::support::table::every;

/// The floor of each top module, as `src/lib.rs` and ARCHITECTURE.md have it.
const FLOORS: &[(&str, u8)] = &[
    ("children", 1),
    ("distributions", 1),
    ("domain", 1),
    ("env", 1),
    ("exit", 1),
    ("fs", 1),
    ("host", 1),
    ("machine", 1),
    ("nearest", 1),
    ("processes", 1),
    ("event", 2),
    ("layout", 2),
    ("manual", 2),
    ("pins", 2),
    ("registry", 2),
    ("settings", 2),
    ("shell", 2),
    ("verify", 2),
    ("fetch", 3),
    ("resolve", 3),
    ("setup", 3),
    ("store", 3),
    ("unpack", 3),
    ("accept", 4),
    ("hindrance", 4),
    ("locate", 4),
    ("postgres", 4),
    ("backup", 5),
    ("discover", 5),
    ("doctor", 5),
    ("dump", 5),
    ("import", 5),
    ("install", 5),
    ("self_install", 5),
    ("mirror", 5),
    ("prune", 5),
    ("refresh", 5),
    ("remove", 5),
    ("upgrade", 5),
    ("commands", 6),
    ("cli", 7),
    ("main", 7),
    ("lib", 7),
];

/// Adds every Rust file below a directory.
fn walk(directory: &Utf8Path, found: &mut Vec<Utf8PathBuf>) {
    for entry in directory.read_dir_utf8().expect("listed") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("a type").is_dir() {
            walk(entry.path(), found);
        } else if entry.path().extension() == Some("rs") {
            found.push(entry.path().to_owned());
        }
    }
}

/// Every source file, by its path below `src/`.
fn sources() -> Vec<Utf8PathBuf> {
    let mut found = Vec::new();
    walk(&root(), &mut found);
    assert!(found.len() > 30, "the sources are here");
    let beneath = found
        .iter()
        .map(|path| path.strip_prefix(root()).expect("inside"));
    beneath.map(Utf8Path::to_owned).collect()
}

fn root() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The arrows of the crate.
fn arrows() -> arrows::Arrows {
    let mut arrows = arrows::read(&root());
    // Of the tests' own.
    arrows.retain(|file, _| !file.starts_with(".."));
    let missed: Vec<_> = sources()
        .into_iter()
        .filter(|path| !arrows.contains_key(path))
        .collect();
    assert!(missed.is_empty(), "no module: {missed:#?}");
    arrows
}

/// The room of a file, which is its top module.
fn room(file: &Utf8Path) -> String {
    let first = file.components().next().expect("a name");
    first.as_str().trim_end_matches(".rs").to_owned()
}

#[test]
fn arrows_point_down() {
    let floors: BTreeMap<&str, u8> = FLOORS.iter().copied().collect();
    let mut wrong = Vec::new();
    let mut rooms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, targets) in arrows() {
        let from = room(&path);
        let floor = floors
            .get(from.as_str())
            .unwrap_or_else(|| panic!("`{from}` has a floor"));
        for target in targets {
            let to = room(&target);
            let below = floors[to.as_str()];
            // Modules of one floor do not know each other on floor 3.
            if to != from && (below > *floor || (below == *floor && *floor == 3)) {
                wrong.push(format!("{path} (floor {floor}) uses {target} (floor {below})"));
            }
            if to != from {
                rooms.entry(from.clone()).or_default().insert(to);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let none: [BTreeSet<String>; 0] = [];
    assert_eq!(arrows::circles(&rooms), none, "circles of rooms");
}

/// Each way of naming something is seen, and each leads to the file that defines it.
#[test]
fn an_arrow_is_seen_however_it_is_written() {
    let world = tempfile::tempdir().expect("made");
    let root = Utf8Path::from_path(world.path()).expect("UTF-8");
    fs::create_dir(root.join("room")).expect("made");
    for (file, text) in [
        ("main.rs", "fn main() { ampup::room::door::open() }"),
        (
            "lib.rs",
            "pub use self::parts::*; #[path = \"\"] mod parts { pub mod ground; pub mod room; pub mod other; }",
        ),
        (
            "ground.rs",
            "pub fn a() {} pub fn b() {} /* /* use crate::other; */ use crate::other; */",
        ),
        (
            "other.rs",
            "pub struct Thing; pub struct Shown; const SAID: &str = r#\"use crate::room::door::open\"#;",
        ),
        (
            "room.rs",
            "pub mod door; mod inner; #[path = \"room/elsewhere.rs\"] mod system; pub use inner::{self, Shared as Known};",
        ),
        (
            "room/door.rs",
            "use super::Known; pub fn open() { let _ = ('\"', Known); crate::ground::a(); }",
        ),
        (
            "room/inner.rs",
            "pub struct Shared; mod deeper { use super::super::{system::{self}, super::ground as below}; fn b<'a>() \
             { system::c(); below::b() } } #[cfg(test)] mod tests { use crate::other::Thing; }",
        ),
        (
            "room/elsewhere.rs",
            "use crate::other::*; pub fn c() { println!(\"{:?}\", format!(\"{}\", super::inner::Shared)) }",
        ),
    ] {
        fs::write(root.join(file), text).expect("written");
    }
    let arrows = arrows::read(root);
    let found: Vec<(&str, Vec<&str>)> = arrows
        .iter()
        .map(|(from, to)| (from.as_str(), to.iter().map(|file| file.as_str()).collect()))
        .collect();
    let expected: [(&str, Vec<&str>); 8] = [
        ("ground.rs", vec![]),
        ("lib.rs", vec![]),
        ("main.rs", vec!["room/door.rs"]),
        ("other.rs", vec![]),
        ("room/door.rs", vec!["ground.rs", "room/inner.rs"]),
        ("room/elsewhere.rs", vec!["other.rs", "room/inner.rs"]),
        ("room/inner.rs", vec!["ground.rs", "room/elsewhere.rs"]),
        ("room.rs", vec!["room/inner.rs"]),
    ];
    assert_eq!(found, expected);
    let circle = ["room/elsewhere.rs", "room/inner.rs"].map(Utf8PathBuf::from);
    assert_eq!(arrows::circles(&arrows), [BTreeSet::from(circle)]);
}

#[test]
fn no_files_lean_on_each_other() {
    let none: [BTreeSet<Utf8PathBuf>; 0] = [];
    assert_eq!(arrows::circles(&arrows()), none, "files that lean on each other");
}

#[test]
fn only_the_face_prints() {
    for path in sources()
        .iter()
        .filter(|path| !["cli", "main"].contains(&room(path).as_str()))
    {
        let text = fs::read_to_string(root().join(path)).expect("read");
        every(
            ["println!", "eprintln!", "print!(", "io::stdout", "io::stderr"],
            |word| {
                let printing = text
                    .lines()
                    .find(|line| line.contains(word) && !line.trim_start().starts_with("//"));
                assert!(printing.is_none(), "{path}: {printing:?}");
            },
        );
    }
}

/// The tree of a daemon has no network client and no async runtime.
#[test]
fn the_library_alone_is_light() {
    let cargo = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(arguments)
            .output();
        String::from_utf8(output.expect("started").stdout).expect("UTF-8")
    };
    let tree = cargo(&[
        "tree",
        "--no-default-features",
        "--edges",
        "normal",
        "--prefix",
        "none",
    ]);
    assert!(tree.contains("semver"), "{tree}");
    every(
        ["tokio", "reqwest", "hyper", "rustls", "clap", "futures", "async"],
        |heavy| {
            assert!(
                !tree.lines().any(|line| line.starts_with(heavy)),
                "{heavy} in {tree}"
            );
        },
    );
}

/// Every Rust file of the program, of its tests and of the maintainers' program.
fn files() -> Vec<Utf8PathBuf> {
    let mut files = Vec::new();
    for directory in ["src", "tests", "tools"] {
        walk(&root().with_file_name(directory), &mut files);
    }
    files
}

/// A comment that documents something names it, or says what it does.
#[test]
fn documentation_begins_with_a_noun_or_a_verb() {
    let mut wrong = Vec::new();
    for path in files() {
        let text = fs::read_to_string(&path).expect("read");
        let mut above = "";
        for line in text.lines().map(str::trim_start) {
            let begins = !above.starts_with("//!") && !above.starts_with("///");
            let first = line.strip_prefix("/// ").or_else(|| line.strip_prefix("//! "));
            let word = first.and_then(|text| text.split([' ', ',']).next());
            if begins && word.is_some_and(|word| ["What", "Whether", "How", "Why"].contains(&word)) {
                wrong.push(format!("{path}: {line}"));
            }
            above = line;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A file is read in one sitting, also one of tests or of the maintainers' program.
#[test]
fn no_file_is_longer_than_one_sitting() {
    let files = files();
    let lines = |path: &Utf8PathBuf| fs::read_to_string(path).expect("read").lines().count();
    let long: Vec<_> = files
        .iter()
        .map(|path| (lines(path), path))
        .filter(|(lines, _)| *lines > 450)
        .collect();
    assert!(long.is_empty(), "more than 450 lines: {long:#?}");
}
