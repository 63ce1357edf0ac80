//! The store as a value, and what must hold of it.
//!
//! The *store* is what a reader of the home finds: which version each active link resolves to, what each executable in
//! `bin/` resolves to, what was asked for, which versions there are, and kind, mode and sha256 of every file of theirs
//! (without the time in a receipt); and the history of generations. Locks, downloads, templates and empty directories are
//! furniture. A tree or a generation that a note in `staging/` calls unfinished is not in the store: no command shows it,
//! and the next one that writes settles it.

use std::collections::BTreeMap;

use ampup::{
    layout::Layout,
    store::{self, generation},
};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

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
        let layout = Layout::new(home);
        let inventory = store::inventory::read(&layout).expect("readable");
        let mut this = Self::default();
        for (component, trees) in &inventory.trees {
            for tree in trees {
                let path = layout.tree(component, &tree.name);
                let mut lines = Vec::new();
                walk(&path, &path, &mut lines);
                lines.sort();
                this.trees.insert(format!("{component}/{}", tree.name), lines);
            }
        }
        for (component, name) in &inventory.active.components {
            // What the link itself says, and not what we believe of it.
            let resolved = layout
                .active_tree(component)
                .canonicalize_utf8()
                .expect("an active tree is there");
            let resolved = resolved.file_name().expect("a name").to_owned();
            assert_eq!(resolved, name.to_string());
            this.active.insert(component.to_string(), resolved);
        }
        for (component, request) in &inventory.active.requests {
            this.requests.insert(component.to_string(), request.to_string());
        }
        let components = layout.components().canonicalize_utf8().unwrap_or_default();
        for executable in layout.bin().read_dir_utf8().into_iter().flatten() {
            let path = executable.expect("an entry").into_path();
            let resolved = path.canonicalize_utf8().expect("every executable is there");
            let resolved = resolved
                .strip_prefix(&components)
                .expect("a component's")
                .to_string();
            this.executables
                .insert(path.file_name().expect("a name").to_owned(), resolved);
        }
        for number in generation::numbers(&layout).expect("readable") {
            let generation = generation::read(&layout, number).expect("readable");
            this.history.push(format!(
                "{number} {} {:?}",
                generation.record.command, generation.set
            ));
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

/// What lies where no leftovers may lie: anything but the contract's names, and what is in `staging/` and `cache/`. With
/// `settled`, `staging/` is empty too, and nothing is hidden from readers. (A download is kept, for the same command again.)
pub(super) fn leftovers(home: &Utf8Path, settled: bool) -> Vec<Utf8PathBuf> {
    const NAMES: &[&str] = &[
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
    let layout = Layout::new(home);
    let pending = store::commit::Pending::read(&layout).expect("readable");
    let mut found = Vec::new();
    let list = |directory: &Utf8Path| -> Vec<Utf8PathBuf> {
        let entries = directory.read_dir_utf8().into_iter().flatten();
        entries
            .map(|entry| entry.expect("an entry").into_path())
            .collect()
    };
    for path in list(home) {
        let name = path.file_name().expect("a name").to_owned();
        if !NAMES.contains(&name.as_str()) && !name.starts_with("env") {
            found.push(path);
        }
    }
    let inventory = store::inventory::read(&layout).expect("readable");
    let is_beside = |path: &Utf8PathBuf| path.file_name() == Some(".staging");
    let (beside, components): (Vec<_>, Vec<_>) = list(&layout.components()).into_iter().partition(is_beside);
    if settled {
        found.extend(beside.iter().flat_map(|beside| list(beside)));
    }
    for component in components {
        let name = component
            .file_name()
            .expect("a name")
            .parse()
            .expect("a component");
        let trees = list(&component);
        for tree in &trees {
            let tree_name = tree.file_name().expect("a name").parse().expect("a version");
            let hidden = pending.hides_tree(&name, &tree_name);
            let whole = inventory
                .tree(&name, &tree_name)
                .is_some_and(|tree| tree.origin.is_some());
            if !(whole || hidden && !settled) {
                found.push(tree.clone());
            }
        }
        if trees.is_empty() && settled {
            found.push(component);
        }
    }
    for generation in list(&layout.generations()) {
        let number = generation.file_name().expect("a name").parse().expect("a number");
        let hidden = pending.hides_generation(number);
        if !generation.join("generation.json").is_file() || hidden && settled {
            found.push(generation);
        }
    }
    if settled {
        found.extend(list(&layout.staging()));
    }
    found
}

/// Words with which a command tells that it did something.
const SUCCESS: [&str; 8] = [
    "installed tool",
    "is active",
    "removed tool",
    "went back",
    "was installed already",
    "is up to date",
    "no longer active",
    "switched",
];

/// Whether a text tells that something was done.
pub(super) fn is_success(text: &str) -> bool {
    SUCCESS.iter().any(|word| text.contains(word))
}

/// What is wrong with how a failed command told it; nothing, if nothing is.
pub(super) fn wrong_words(code: i32, stdout: &str, stderr: &str) -> Option<String> {
    let errors: Vec<&str> = stderr.lines().filter(|line| line.starts_with("error:")).collect();
    if errors.len() != 1 {
        return Some(format!("{} lines of `error:`", errors.len()));
    }
    if !(1..=7).contains(&code) {
        return Some(format!("exit code {code}"));
    }
    let told = &stderr[stderr.find("error:").unwrap_or(0)..];
    if !told.contains("`/") && !told.contains("://") {
        return Some("no path and no URL is named".to_owned());
    }
    if !stdout.is_empty() {
        return Some("something on stdout".to_owned());
    }
    let word = SUCCESS.iter().find(|word| stderr.contains(**word))?;
    Some(format!("`{word}` is a word of success"))
}
