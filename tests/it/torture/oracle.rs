//! The store as a value, and what must hold of it.
//!
//! The *store* is what a reader of the home finds: which version each active link resolves to, what each executable in
//! `bin/` resolves to, what was asked for, which versions there are, and kind, mode and sha256 of every file of theirs
//! (without the time in a receipt); and the history of generations. Locks, downloads, templates and empty directories are
//! furniture. A tree or a generation that a note in `staging/` calls unfinished is not in the store: no command shows it,
//! and the next one that writes settles it.

//!
//! It is read from the disk by readlink, a walk and the JSON in the files, and not through the program's own readers, which
//! are what is tried.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde_json::Value;

use crate::support::home::sha256;

/// The store of one home.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Store {
    active: BTreeMap<String, String>,
    requests: BTreeMap<String, String>,
    executables: BTreeMap<String, String>,
    trees: BTreeMap<String, Vec<String>>,
    history: Vec<String>,
}

impl Store {
    pub(super) fn read(home: &Utf8Path) -> Self {
        let unfinished = Unfinished::read(home);
        let mut this = Self::default();
        for (component, tree, path) in trees(home) {
            let tree = format!("{component}/{tree}");
            if !unfinished.trees.contains(&tree) {
                let mut lines = Vec::new();
                walk(&path, &path, &mut lines);
                lines.sort();
                this.trees.insert(tree, lines);
            }
        }
        if let Some(number) = active(home) {
            let generation = home.join("generations").join(number.to_string());
            this.active = links(&generation);
            for (component, version) in &this.active {
                let tree = home.join("components").join(component).join(version);
                assert!(
                    tree.is_dir(),
                    "generation {number} holds `{tree}`, which does not exist"
                );
            }
            let requests =
                json(&generation.join("generation.json")).expect("the active generation has a record");
            for (component, request) in requests["requests"].as_object().into_iter().flatten() {
                let request = request.as_str().expect("a text").to_owned();
                this.requests.insert(component.clone(), request);
            }
        }
        let components = home.join("components").canonicalize_utf8().unwrap_or_default();
        for path in list(&home.join("bin")) {
            let resolved = path.canonicalize_utf8().expect("every executable is there");
            let resolved = resolved.strip_prefix(&components).expect("a component's");
            let name = path.file_name().expect("a name").to_owned();
            this.executables.insert(name, resolved.to_string());
        }
        for number in generations(home) {
            if !unfinished.generations.contains(&number) {
                let generation = home.join("generations").join(number.to_string());
                let record = json(&generation.join("generation.json")).unwrap_or_default();
                let (command, requests) = (&record["command"], &record["requests"]);
                let set = links(&generation);
                this.history
                    .push(format!("{number} {command} {set:?} {requests}"));
            }
        }
        this
    }

    pub(super) fn executables(&self) -> impl Iterator<Item = &str> {
        self.executables.keys().map(String::as_str)
    }

    /// Name and mode of everything in the trees, without what the files hold.
    pub(super) fn modes(&self) -> Vec<&str> {
        let lines = self.trees.values().flatten();
        let digest = |word: &str| word.starts_with("sha256:");
        lines
            .map(|line| match line.rsplit_once(' ') {
                Some((before, last)) if digest(last) => before,
                _ => line,
            })
            .collect()
    }

    /// The version that a component's executables should name.
    pub(super) fn active(&self, component: &str) -> Option<&str> {
        self.active.get(component).map(String::as_str)
    }
}

/// The trees and generations that the notes in `staging/` call unfinished: `component/tree`, and generations.
#[derive(Default)]
struct Unfinished {
    trees: BTreeSet<String>,
    generations: BTreeSet<u64>,
}

impl Unfinished {
    fn read(home: &Utf8Path) -> Self {
        let mut this = Self::default();
        let active = active(home);
        for root in ["staging", "components/.staging", "generations/.staging"] {
            for work in list(&home.join(root)) {
                let Some(note) = json(&work.join(".commit.json")) else {
                    continue;
                };
                let generation = note["generation"].as_u64();
                let counts = generation.is_none() || generation == active;
                let hidden = note[if counts { "removes" } else { "adds" }].as_array();
                for spot in hidden.expect("a list") {
                    let word = |at: usize| spot[at].as_str().expect("a name");
                    this.trees.insert(format!("{}/{}", word(0), word(1)));
                }
                if !counts {
                    this.generations.extend(generation);
                }
            }
        }
        this
    }
}

/// The number of the generation that `active` names.
fn active(home: &Utf8Path) -> Option<u64> {
    let target = match home.join("active").read_link_utf8() {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => panic!("`active`: {error}"),
    };
    let number = target
        .as_str()
        .strip_prefix("generations/")
        .expect("a generation");
    Some(number.parse().expect("a number"))
}

/// The version that each link of a generation names.
fn links(generation: &Utf8Path) -> BTreeMap<String, String> {
    let links = list(generation).into_iter().filter_map(|path| {
        let target = path.read_link_utf8().ok()?;
        let component = path.file_name()?.to_owned();
        let version = target
            .strip_prefix(format!("../../components/{component}"))
            .ok()?;
        Some((component, version.to_string()))
    });
    links.collect()
}

/// Each version that has a directory: its component, its name and its place.
fn trees(home: &Utf8Path) -> Vec<(String, String, Utf8PathBuf)> {
    let name = |path: &Utf8Path| path.file_name().expect("a name").to_owned();
    let components = list(&home.join("components"));
    let components = components.into_iter().filter(|path| !name(path).starts_with('.'));
    let trees = components.flat_map(|component| {
        let trees = list(&component).into_iter();
        trees.map(move |tree| (name(&component), name(&tree), tree))
    });
    trees.collect()
}

fn generations(home: &Utf8Path) -> Vec<u64> {
    let directories = list(&home.join("generations"));
    let numbers = directories
        .iter()
        .filter_map(|path| path.file_name()?.parse().ok());
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

/// Lists a directory; nothing, if it is not there.
fn list(directory: &Utf8Path) -> Vec<Utf8PathBuf> {
    let entries = directory.read_dir_utf8().into_iter().flatten();
    entries
        .map(|entry| entry.expect("an entry").into_path())
        .collect()
}

/// The JSON in a file; `None` if there is no file, or no JSON in it.
fn json(file: &Utf8Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

fn walk(top: &Utf8Path, path: &Utf8Path, found: &mut Vec<String>) {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = path.symlink_metadata().expect("there");
    let name = path.strip_prefix(top).expect("below");
    let mode = metadata.permissions().mode() & 0o7777;
    if metadata.is_symlink() {
        found.push(format!("{name} -> {}", path.read_link_utf8().expect("a link")));
    } else if metadata.is_dir() {
        found.push(format!("{name}/ {mode:o}"));
        for entry in path.read_dir_utf8().expect("listed") {
            walk(top, entry.expect("an entry").path(), found);
        }
    } else {
        let mut content = fs::read(path).expect("read");
        if path.file_name() == Some(".receipt.json") {
            let text = String::from_utf8(content).expect("UTF-8");
            let of_time = |line: &&str| line.contains("\"installed\"") || line.contains("\"check\"");
            let lines = text.lines().filter(|line| !of_time(line));
            content = lines.collect::<String>().into_bytes();
        }
        found.push(format!("{name} {mode:o} {}", sha256(&content)));
    }
}

/// Lists what lies where no leftovers may lie: anything but the contract's names, and what is in `staging/` and `cache/`. With
/// `settled`, `staging/` is empty too, and nothing is hidden from readers. (A download is kept, for the same command again.)
pub(super) fn leftovers(home: &Utf8Path, settled: bool) -> Vec<Utf8PathBuf> {
    const NAMES: &[&str] = &[
        ".ampup-home",
        "active",
        "bin",
        "components",
        "generations",
        "locks",
        "staging",
        "cache",
        "trust.json",
        "projects.json",
        "config.toml",
        "shells.json",
        "share",
        "projects.json.lock",
    ];
    let unfinished = Unfinished::read(home);
    let mut found = Vec::new();
    for path in list(home) {
        let name = path.file_name().expect("a name").to_owned();
        if !NAMES.contains(&name.as_str()) && !name.starts_with("env") {
            found.push(path);
        }
    }
    for (component, tree, path) in trees(home) {
        // A receipt that is whole, and this version's: it is written last.
        let receipt = json(&path.join(".receipt.json")).unwrap_or_default();
        let is_whole = receipt["component"] == component.as_str()
            && receipt["version"] == tree.as_str()
            && receipt["check"].is_string();
        let is_hidden = unfinished.trees.contains(&format!("{component}/{tree}"));
        let is_left_over = if is_hidden { settled } else { !is_whole };
        if is_left_over {
            found.push(path);
        }
    }
    for generation in list(&home.join("generations")) {
        let number = generation.file_name().expect("a name").parse().expect("a number");
        let is_hidden = unfinished.generations.contains(&number);
        if json(&generation.join("generation.json")).is_none() || is_hidden && settled {
            found.push(generation);
        }
    }
    if settled {
        found.extend(list(&home.join("components/.staging")));
        found.extend(list(&home.join("staging")));
        let components = list(&home.join("components")).into_iter();
        found.extend(components.filter(|path| !path.ends_with(".staging") && list(path).is_empty()));
    }
    found
}

/// Words with which a command tells that it did something.
const SUCCESS: [&str; 10] = [
    "installed tool",
    "activated tool",
    "is active now",
    "is active already",
    "removed tool",
    "undid",
    "is already installed",
    "is up to date",
    "no longer active",
    "switched",
];

/// Returns true if a text tells that something was done.
pub(super) fn is_success(text: &str) -> bool {
    SUCCESS.iter().any(|word| text.contains(word))
}

/// The fault in what a failed command says; nothing, if there is none.
pub(super) fn wrong_words(code: i32, stdout: &str, stderr: &str) -> Option<String> {
    let errors: Vec<&str> = stderr.lines().filter(|line| line.starts_with("error:")).collect();
    if errors.len() != 1 {
        return Some(format!("{} lines of `error:`", errors.len()));
    }
    if !(1..=7).contains(&code) {
        return Some(format!("exit code {code}"));
    }
    let error = &stderr[stderr.find("error:").unwrap_or(0)..];
    // A path is shown from the user's home, or from the project, if it lies there.
    if !["`/", "`~/", "`.amp", "://"]
        .iter()
        .any(|path| error.contains(path))
    {
        return Some("no path and no URL is named".to_owned());
    }
    if !stdout.is_empty() {
        return Some("something on stdout".to_owned());
    }
    let word = SUCCESS.iter().find(|word| stderr.contains(**word))?;
    Some(format!("`{word}` is a word of success"))
}
