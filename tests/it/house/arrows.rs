//! The arrows between the source files: who uses what is defined where.
//!
//! The sources are read word by word, and every path is followed to the file that defines what it names: each `use`, also
//! inside a module or a function, each path in an expression, a type or a macro, through `crate`, `self`, `super`, groups,
//! globs and re-exports. No arrow is what a type brings along without being named (a method, an inferred type), what a file
//! takes from one that it is a part of (`store/commit.rs` from `store.rs`), and what only unit tests use.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::tokens::{self, Token};

/// The arrows of a crate: from each file to the files that it uses, by their paths below `src/`.
pub(super) type Arrows = BTreeMap<Utf8PathBuf, BTreeSet<Utf8PathBuf>>;

type Words = Vec<String>;
type Id = usize;
type Tokens = std::iter::Peekable<std::vec::IntoIter<Token>>;

/// The words before a name that an item defines.
const DEFINING: [&str; 8] = [
    "const",
    "enum",
    "fn",
    "macro_rules",
    "static",
    "struct",
    "trait",
    "type",
];

/// A module, in a file of its own or inside another's.
struct Module {
    file: Utf8PathBuf,
    parent: Id,
    /// Several, where the platform decides which file it is.
    children: BTreeMap<String, Vec<Id>>,
    imports: BTreeMap<String, Words>,
    globs: Vec<Words>,
    items: BTreeSet<String>,
    paths: Vec<Words>,
}

/// A whole crate, parsed.
struct House {
    root: Utf8PathBuf,
    modules: Vec<Module>,
}

/// The arrows of the program and its library, whose sources are below `root`.
pub(super) fn read(root: &Utf8Path) -> Arrows {
    let mut house = House {
        root: root.to_owned(),
        modules: Vec::new(),
    };
    let library = house.open("lib.rs".into(), None);
    let main = house.open("main.rs".into(), None);
    house.modules[main]
        .children
        .insert("ampup".to_owned(), vec![library]);
    let mut arrows = Arrows::new();
    for (id, module) in house.modules.iter().enumerate() {
        let targets = arrows.entry(module.file.clone()).or_default();
        for path in &module.paths {
            let found = house.follow(id, path, 0);
            let files = found.into_iter().map(|id| house.modules[id].file.clone());
            targets.extend(files.filter(|file| !is_within(&module.file, file)));
        }
    }
    arrows
}

impl House {
    /// Reads a file and the modules that it declares.
    fn open(&mut self, file: Utf8PathBuf, parent: Option<Id>) -> Id {
        let text = fs::read_to_string(self.root.join(&file)).expect("read");
        let beneath = match file.file_name() {
            Some("lib.rs" | "main.rs") => Utf8PathBuf::new(),
            _ => file.with_extension(""),
        };
        let id = self.enter(file, parent);
        self.read(id, &beneath, &mut tokens::of(&text).into_iter().peekable());
        id
    }

    fn enter(&mut self, file: Utf8PathBuf, parent: Option<Id>) -> Id {
        let id = self.modules.len();
        self.modules.push(Module {
            file,
            parent: parent.unwrap_or(id),
            children: BTreeMap::new(),
            imports: BTreeMap::new(),
            globs: Vec::new(),
            items: BTreeSet::new(),
            paths: Vec::new(),
        });
        id
    }

    /// Reads a module to its closing brace. Files that it declares lie in `beneath`.
    fn read(&mut self, id: Id, beneath: &Utf8Path, tokens: &mut Tokens) {
        let mut depth = 0;
        let mut attributes = Attributes::default();
        while let Some(token) = tokens.next() {
            match token {
                Token::Mark('#') => attributes.take(tokens),
                Token::Mark('}') if depth == 0 => return,
                Token::Mark(mark @ ('{' | '}' | ';')) => {
                    depth += i32::from(mark == '{') - i32::from(mark == '}');
                    attributes = Attributes::default();
                }
                Token::Word(word) if word == "use" => {
                    self.modules[id].take(&mut Vec::new(), tokens);
                    attributes = Attributes::default();
                }
                Token::Word(word) if word == "mod" => {
                    let attributes = std::mem::take(&mut attributes);
                    self.module(id, beneath, &attributes, tokens);
                }
                Token::Word(word) if depth == 0 && DEFINING.contains(&word.as_str()) => {
                    if let Some(Token::Word(name)) = tokens.peek() {
                        self.modules[id].items.insert(name.clone());
                    }
                }
                Token::Word(word) => self.modules[id].path(word, tokens),
                _ => {}
            }
        }
    }

    /// Reads `mod name;` or `mod name { … }`, from the name on.
    fn module(&mut self, parent: Id, beneath: &Utf8Path, attributes: &Attributes, tokens: &mut Tokens) {
        let Some(Token::Word(name)) = tokens.next() else {
            panic!("a module without a name in {}", self.modules[parent].file);
        };
        let file = self.modules[parent].file.clone();
        let inline = tokens.next() == Some(Token::Mark('{'));
        let here = file.parent().expect("in src");
        let child = match &attributes.path {
            place if inline => {
                let within = place
                    .as_ref()
                    .map_or(beneath.join(&name), |place| here.join(place));
                let child = self.enter(file, Some(parent));
                self.read(child, &within, tokens);
                child
            }
            Some(place) => self.open(here.join(place), Some(parent)),
            None => self.open(beneath.join(format!("{name}.rs")), Some(parent)),
        };
        if attributes.for_tests {
            self.silence(child);
        }
        self.modules[parent].children.entry(name).or_default().push(child);
    }

    /// Forgets what a module and those in it use.
    fn silence(&mut self, module: Id) {
        self.modules[module].paths.clear();
        let below: Vec<Id> = self.modules[module]
            .children
            .values()
            .flatten()
            .copied()
            .collect();
        for child in below {
            self.silence(child);
        }
    }

    /// The modules that define what a path names, as seen from a module; none for what another crate defines.
    fn follow(&self, from: Id, path: &[String], depth: usize) -> Vec<Id> {
        let Some((first, rest)) = path.split_first() else {
            return Vec::new();
        };
        match first.as_str() {
            "crate" => self.descend(self.top(from), rest, depth),
            "self" => self.descend(from, rest, depth),
            "super" => {
                let mut above = vec!["self".to_owned()];
                above.extend_from_slice(rest);
                match rest.first().map(String::as_str) {
                    Some("super") => self.follow(self.modules[from].parent, rest, depth),
                    _ => self.follow(self.modules[from].parent, &above, depth),
                }
            }
            _ if self.knows(from, first) => self.descend(from, path, depth),
            _ => {
                let globs = self.modules[from].globs.iter();
                let through = globs.flat_map(|glob| self.follow_import(from, glob, depth + 1));
                let owner = through
                    .into_iter()
                    .find(|id| *id != from && self.knows(*id, first));
                owner.map_or_else(Vec::new, |id| self.descend(id, path, depth + 1))
            }
        }
    }

    /// The modules that define what a path names below a module.
    fn descend(&self, module: Id, path: &[String], depth: usize) -> Vec<Id> {
        assert!(
            depth < 50,
            "{path:?} leads round in {}",
            self.modules[module].file
        );
        let here = &self.modules[module];
        let Some((first, rest)) = path.split_first() else {
            return vec![module];
        };
        if here.items.contains(first) && (rest.is_empty() || !here.children.contains_key(first)) {
            return vec![module];
        }
        if let Some(children) = here.children.get(first) {
            let below = children.iter();
            return below
                .flat_map(|child| self.descend(*child, rest, depth))
                .collect();
        }
        if let Some(import) = here.imports.get(first) {
            let mut path = import.clone();
            // A name that stands for an item of another crate, or for itself.
            if path.first() == Some(first) && path.len() == 1 {
                return Vec::new();
            }
            path.extend_from_slice(rest);
            return self.follow_import(module, &path, depth + 1);
        }
        for glob in &here.globs {
            let through = self.follow_import(module, glob, depth + 1);
            if let Some(owner) = through
                .into_iter()
                .find(|id| *id != module && self.knows(*id, first))
            {
                return self.descend(owner, path, depth + 1);
            }
        }
        vec![module]
    }

    /// An import's own path begins at a crate, or at a child of the module: not at another import of the same name.
    fn follow_import(&self, from: Id, path: &[String], depth: usize) -> Vec<Id> {
        match path.first().map(String::as_str) {
            Some("crate" | "self" | "super") => self.follow(from, path, depth),
            Some(first) if self.modules[from].children.contains_key(first) => self.descend(from, path, depth),
            Some(first)
                if self.modules[from]
                    .imports
                    .get(first)
                    .is_some_and(|import| import[0] != *first) =>
            {
                self.descend(from, path, depth)
            }
            _ => Vec::new(),
        }
    }

    fn knows(&self, module: Id, name: &str) -> bool {
        let here = &self.modules[module];
        here.items.contains(name) || here.children.contains_key(name) || here.imports.contains_key(name)
    }

    fn top(&self, mut module: Id) -> Id {
        while self.modules[module].parent != module {
            module = self.modules[module].parent;
        }
        module
    }
}

impl Module {
    /// The names that a `use` brings in, from behind `use` to its semicolon, or to the end of a group.
    fn take(&mut self, before: &mut Words, tokens: &mut Tokens) {
        let depth = before.len();
        while let Some(token) = tokens.next() {
            match token {
                Token::Word(word) if word == "as" => {
                    let Some(Token::Word(alias)) = tokens.next() else {
                        continue;
                    };
                    self.import(Some(alias), before);
                    before.truncate(depth);
                }
                Token::Word(word) => before.push(word),
                Token::Mark('*') => {
                    self.globs.push(before.clone());
                    self.paths.push(before.clone());
                    before.truncate(depth);
                }
                Token::Mark('{') => {
                    self.take(before, tokens);
                    before.truncate(depth);
                }
                Token::Mark(mark @ (',' | ';' | '}')) => {
                    if before.len() > depth {
                        self.import(None, before);
                        before.truncate(depth);
                    }
                    if mark != ',' {
                        return;
                    }
                }
                _ => {}
            }
        }
    }

    fn import(&mut self, alias: Option<String>, words: &[String]) {
        let mut path = words.to_vec();
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let alias = alias.or_else(|| path.last().cloned()).expect("a name");
        self.paths.push(path.clone());
        self.imports.insert(alias, path);
    }

    /// A path that begins with `first`. One of a single word is an import's or an item's of this module.
    fn path(&mut self, first: String, tokens: &mut Tokens) {
        let mut path = vec![first];
        while tokens.peek() == Some(&Token::Path) {
            tokens.next();
            match tokens.peek() {
                Some(Token::Word(_)) => {
                    let Some(Token::Word(word)) = tokens.next() else {
                        break;
                    };
                    path.push(word);
                }
                _ => break,
            }
        }
        if path.len() > 1 {
            self.paths.push(path);
        }
    }
}

/// The attributes of a module.
#[derive(Default)]
struct Attributes {
    for_tests: bool,
    path: Option<String>,
}

impl Attributes {
    /// Reads one attribute, from behind its `#`.
    fn take(&mut self, tokens: &mut Tokens) {
        let mut words = Words::new();
        let mut depth = 0;
        for token in tokens {
            match token {
                Token::Mark('[') => depth += 1,
                Token::Mark(']') => depth -= 1,
                Token::Word(word) => words.push(word),
                Token::Text(text) if words == ["path"] => self.path = Some(text),
                _ => {}
            }
            if depth == 0 && !words.is_empty() {
                break;
            }
        }
        self.for_tests |=
            words.first().is_some_and(|word| word == "cfg") && words.contains(&"test".to_owned());
    }
}

/// Returns true if a file is another one, or one of those that it divides into: `store/commit.rs` is within `store.rs`.
fn is_within(file: &Utf8Path, door: &Utf8Path) -> bool {
    file.starts_with(door.with_extension("")) || file == door
}

/// The circles: sets of places of which each leads to every other.
pub(super) fn circles<T: Ord + Clone>(arrows: &BTreeMap<T, BTreeSet<T>>) -> Vec<BTreeSet<T>> {
    let reached = |from: &T| {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&T> = arrows.get(from).into_iter().flatten().collect();
        while let Some(place) = next.pop() {
            if seen.insert(place.clone()) {
                next.extend(arrows.get(place).into_iter().flatten());
            }
        }
        seen
    };
    let all: BTreeMap<&T, BTreeSet<T>> = arrows.keys().map(|from| (from, reached(from))).collect();
    let mut found = BTreeSet::new();
    for (from, to) in &all {
        let back = to
            .iter()
            .filter(|place| all.get(place).is_some_and(|it| it.contains(*from)));
        let circle: BTreeSet<T> = back.cloned().collect();
        if circle.len() > 1 {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}
