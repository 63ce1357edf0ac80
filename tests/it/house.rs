//! The rules of the house that a compiler does not check: ARCHITECTURE.md, "Invariants".

use std::{collections::BTreeMap, process::Command};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

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
    ("event", 2),
    ("layout", 2),
    ("manual", 2),
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
    ("locate", 4),
    ("postgres", 4),
    ("backup", 5),
    ("doctor", 5),
    ("import", 5),
    ("install", 5),
    ("self_install", 5),
    ("prune", 5),
    ("refresh", 5),
    ("remove", 5),
    ("transfer", 5),
    ("upgrade", 5),
    ("commands", 6),
    ("cli", 7),
    ("main", 7),
    ("lib", 7),
];

fn sources() -> Vec<Utf8PathBuf> {
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
    let mut found = Vec::new();
    walk(&Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 30, "the sources are here");
    found
}

/// The top module that a file belongs to.
fn top(path: &Utf8Path) -> String {
    let inside = path
        .strip_prefix(Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .expect("inside");
    inside
        .components()
        .next()
        .expect("a name")
        .as_str()
        .trim_end_matches(".rs")
        .to_owned()
}

/// The top modules that a text names after `crate::`.
fn imported(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (start, _) in text.match_indices("crate::") {
        let rest = &text[start + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            // `use crate::{a::b, c::{d, e}};`: the names at the first level.
            let mut depth = 0;
            let mut name = String::new();
            for letter in group.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => names.push(std::mem::take(&mut name)),
                    _ if depth == 0 => name.push(letter),
                    _ => {}
                }
            }
            names.push(name);
        } else {
            names.push(
                rest.chars()
                    .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                    .collect(),
            );
        }
    }
    let first = |name: &String| {
        name.trim()
            .split("::")
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    names.iter().map(first).filter(|name| !name.is_empty()).collect()
}

#[test]
fn arrows_point_down() {
    let floors: BTreeMap<&str, u8> = FLOORS.iter().copied().collect();
    let mut wrong = Vec::new();
    for path in sources() {
        let from = top(&path);
        let floor = floors
            .get(from.as_str())
            .unwrap_or_else(|| panic!("`{from}` has a floor"));
        for to in imported(&fs::read_to_string(&path).expect("read")) {
            let Some(below) = floors.get(to.as_str()) else {
                continue;
            };
            // Modules of one floor do not know each other on floor 3; elsewhere a floor is one room.
            let allowed = to == from || below < floor || (below == floor && *floor != 3);
            if !allowed {
                wrong.push(format!(
                    "{path}: `{from}` (floor {floor}) uses `{to}` (floor {below})"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_face_prints() {
    for path in sources()
        .iter()
        .filter(|path| !["cli", "main"].contains(&top(path).as_str()))
    {
        let text = fs::read_to_string(path).expect("read");
        for word in ["println!", "eprintln!", "print!(", "io::stdout", "io::stderr"] {
            let printing = text
                .lines()
                .find(|line| line.contains(word) && !line.trim_start().starts_with("//"));
            assert!(printing.is_none(), "{path}: {printing:?}");
        }
    }
}

/// What a daemon links has no network client and no async runtime.
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
    for heavy in ["tokio", "reqwest", "hyper", "rustls", "clap", "futures", "async"] {
        assert!(
            !tree.lines().any(|line| line.starts_with(heavy)),
            "{heavy} in {tree}"
        );
    }
}

/// A file is read in one sitting.
#[test]
fn no_file_is_longer_than_one_sitting() {
    for path in sources() {
        let lines = fs::read_to_string(&path).expect("read").lines().count();
        assert!(lines <= 600, "{path} has {lines} lines");
    }
}
