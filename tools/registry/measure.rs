//! The needs of a build, read from its bytes: the executables that ampup links, and whatever of the tree they
//! load; beside them, the libraries of its other programs. Modules that are loaded on demand are left out, because most of them are optional. Nothing is run.

mod elf;
mod macho;
mod pe;

use std::collections::{BTreeSet, VecDeque};

use ampup::domain::{Needs, Target};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

/// The findings in the bytes of a tree.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Measured {
    /// The requirements on the host.
    pub(crate) needs: Needs,
    /// Facts that no field of the manifest holds, for a maintainer.
    pub(crate) notes: BTreeSet<String>,
}

impl Measured {
    /// The needs, measured and known: what the bytes say takes the place of what a recipe says, and files that only a
    /// recipe can know stay.
    pub(crate) fn with(&self, known: &Needs, target: Target) -> Needs {
        if target == Target::X86_64Windows {
            return known.clone();
        }
        let files = self.needs.files.iter().chain(&known.files).cloned();
        let files: BTreeSet<String> = files.collect();
        // The order of whoever knew them, so that nothing changes where nothing is new.
        let in_order = |known: &[String], all: BTreeSet<String>| -> Vec<String> {
            let kept = known.iter().filter(|one| all.contains(*one)).cloned();
            let new = all.iter().filter(|one| !known.contains(*one)).cloned();
            kept.chain(new).collect()
        };
        let libraries = self.needs.libraries.iter().cloned().collect();
        let recommended = self.needs.recommended.iter().cloned().collect();
        Needs {
            glibc: self.needs.glibc.clone(),
            macos: self.needs.macos.clone(),
            libraries: in_order(&known.libraries, libraries),
            recommended: in_order(&known.recommended, recommended),
            files: in_order(&known.files, files),
        }
    }
}

/// The reason a tree cannot be measured, or cannot run on its target.
#[derive(Debug, thiserror::Error)]
#[error("`{file}`: {why}")]
pub(crate) struct Unfit {
    /// The file, from the tree's top.
    pub(crate) file: Utf8PathBuf,
    /// The reason, in words.
    pub(crate) why: String,
}

/// One file as its format says.
#[derive(Debug, Default)]
struct File {
    /// Libraries by name, or by path.
    loads: Vec<String>,
    /// Directories in which they are looked for, as they are written.
    paths: Vec<String>,
    /// The lowest version of the system's own libraries, or of the system.
    floor: Option<(u32, u32)>,
    notes: Vec<String>,
}

/// Where a library that a file loads is.
#[derive(Debug)]
enum LoadedFrom {
    /// In the tree.
    Tree(Utf8PathBuf),
    /// Part of every such system.
    System,
    /// On the host, by its name.
    Library(String),
    /// On the host, by its path.
    Path(String),
    /// A maintainer should know.
    Note(String),
}

/// The way in which the files of a system are read.
struct System {
    read: fn(&[u8], Target) -> Result<File, String>,
    place: fn(&Way<'_>, &str) -> LoadedFrom,
}

/// A file that loads another.
struct Way<'a> {
    top: &'a Utf8Path,
    /// The file, from the tree's top.
    from: &'a Utf8Path,
    /// The directories that it and its executable name.
    paths: &'a [String],
}

impl Way<'_> {
    /// The file at a path from the tree's top, if it is there.
    fn in_tree(&self, path: &Utf8Path) -> Option<Utf8PathBuf> {
        let mut clean = Utf8PathBuf::new();
        for part in path.components() {
            match part {
                camino::Utf8Component::ParentDir => {
                    if !clean.pop() {
                        return None;
                    }
                }
                camino::Utf8Component::Normal(part) => clean.push(part),
                camino::Utf8Component::CurDir => {}
                _ => return None,
            }
        }
        self.top.join(&clean).is_file().then_some(clean)
    }

    /// The directory of the file, from the tree's top.
    fn directory(&self) -> &Utf8Path {
        self.from.parent().unwrap_or_else(|| Utf8Path::new(""))
    }
}

/// The findings in some programs of a tree, and in what of it they load.
#[derive(Debug, Default)]
struct Found {
    floor: Option<(u32, u32)>,
    libraries: BTreeSet<String>,
    files: BTreeSet<String>,
    notes: BTreeSet<String>,
}

impl Found {
    /// Adds what a program, and whatever of the tree it loads, says.
    fn follow(
        &mut self,
        start: Utf8PathBuf,
        top: &Utf8Path,
        target: Target,
        system: &System,
    ) -> Result<(), Unfit> {
        let mut seen = BTreeSet::from([start.clone()]);
        let mut pending = VecDeque::from([start]);
        let mut of_executable: Option<Vec<String>> = None;
        while let Some(from) = pending.pop_front() {
            let unfit = |why: String| Unfit {
                file: from.clone(),
                why,
            };
            let bytes = fs::read(top.join(&from)).map_err(|cause| unfit(cause.to_string()))?;
            let file = (system.read)(&bytes, target).map_err(unfit)?;
            self.floor = self.floor.max(file.floor);
            self.notes
                .extend(file.notes.iter().map(|note| format!("`{from}` {note}")));
            let mut paths = file.paths.clone();
            paths.extend(of_executable.iter().flatten().cloned());
            of_executable.get_or_insert(file.paths);
            let way = Way {
                top,
                from: &from,
                paths: &paths,
            };
            for load in &file.loads {
                match (system.place)(&way, load) {
                    LoadedFrom::Tree(path) => {
                        if seen.insert(path.clone()) {
                            pending.push_back(path);
                        }
                    }
                    LoadedFrom::System => {}
                    LoadedFrom::Library(name) => {
                        self.libraries.insert(name);
                    }
                    LoadedFrom::Path(path) => {
                        self.files.insert(path);
                    }
                    LoadedFrom::Note(note) => {
                        self.notes.insert(note);
                    }
                }
            }
        }
        Ok(())
    }
}

/// The files of `bin/` that are none of the executables, from the tree's top.
fn others(top: &Utf8Path, executables: &[String]) -> Vec<Utf8PathBuf> {
    let listed = top.join("bin").read_dir_utf8().into_iter().flatten().flatten();
    let names = listed.map(|entry| entry.file_name().to_owned());
    names
        .filter(|name| !executables.contains(name))
        .map(|name| Utf8Path::new("bin").join(name))
        .collect()
}

/// Measures the programs of a tree: what its executables cannot do without, and what its other programs ask for besides.
///
/// # Errors
/// When one is missing, is no program for this target, or cannot be read.
pub(crate) fn tree(top: &Utf8Path, target: Target, executables: &[String]) -> Result<Measured, Unfit> {
    let system = match target {
        Target::X86_64Darwin | Target::Aarch64Darwin => macho::SYSTEM,
        Target::X86_64Windows => pe::SYSTEM,
        _ => elf::SYSTEM,
    };
    let suffix = if target == Target::X86_64Windows {
        ".exe"
    } else {
        ""
    };
    let mut measured = Measured::default();
    let mut found = Found::default();
    for executable in executables {
        let start = Utf8Path::new("bin").join(format!("{executable}{suffix}"));
        found.follow(start, top, target, &system)?;
    }
    let mut of_others = Found::default();
    for program in others(top, executables) {
        // What is no program of this system, such as a script, asks for no library.
        let mut of_one = Found::default();
        if of_one.follow(program, top, target, &system).is_ok() {
            of_others.libraries.append(&mut of_one.libraries);
        }
    }
    let Found {
        floor,
        libraries,
        files,
        notes,
    } = found;
    measured.notes = notes;
    let floor = floor.map(|(major, minor)| format!("{major}.{minor}"));
    let needs = &mut measured.needs;
    match target {
        Target::X86_64Darwin | Target::Aarch64Darwin => needs.macos = floor,
        Target::X86_64LinuxGnu | Target::Aarch64LinuxGnu => needs.glibc = floor,
        _ => {}
    }
    needs.recommended = of_others.libraries.difference(&libraries).cloned().collect();
    needs.libraries = libraries.into_iter().collect();
    needs.files = files.into_iter().collect();
    Ok(measured)
}

/// `2.34` as two numbers.
fn numbers(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.');
    let major = numbers.next()?.parse().ok()?;
    Some((major, numbers.next().map_or(Some(0), |minor| minor.parse().ok())?))
}
