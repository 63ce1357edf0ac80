//! The links that a home is made of. Each has one right target; what differs is named, and never followed.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    commit, directories,
    generation::{self, LOST},
    journal::Pending,
    look_again::until_unchanged,
    pointer,
    staging::Staging,
};
use crate::{
    domain::{ActiveSet, ComponentName, TreeName},
    fs::{
        atomic,
        link::{self, ForeignEntry},
    },
    layout::Layout,
};

/// A link, or what stands in its place, that is not as ampup made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The path of the link.
    pub path: Utf8PathBuf,
    /// The fault, as the rest of a sentence.
    pub what: String,
    /// The command to type, if `verify --repair` cannot repair it.
    pub by_hand: Option<String>,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, text: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(text, "`{}` {}", self.path, self.what)
    }
}

/// Every link of the home that is not as ampup makes it.
pub fn faults(layout: &Layout) -> Vec<Fault> {
    // A commit may happen meanwhile, in parts as it seems: what is wrong is wrong twice, under the same `active`.
    let pointers = || (link::read(&layout.active()).ok(), Pending::read(layout).ok());
    let state = || (pointers(), look(layout));
    until_unchanged(state, |(_, faults)| faults.clone(), Vec::is_empty)
}

fn look(layout: &Layout) -> Vec<Fault> {
    let mut found = Found::default();
    for directory in directories::known(layout) {
        found.foreign(directories::foreign_entry(&directory, layout));
    }
    for lock in directories::entries(&layout.locks(), layout) {
        found.foreign(ForeignEntry::instead_of_file(&lock));
    }
    // What else lies there, like the `.DS_Store` of a file browser, is in nobody's place.
    let has_number = |entry: &Utf8PathBuf| entry.file_name().and_then(pointer::number_of).is_some();
    let entries = directories::entries(&layout.generations(), layout);
    for entry in entries.into_iter().filter(has_number) {
        found.foreign(directories::foreign_entry(&entry, layout));
    }
    let active = found.pointers(layout);
    let mut numbers = generation::numbers(layout).unwrap_or_default();
    // The active one is ampup's also where it has lost its record.
    numbers.extend(active.filter(|active| !numbers.contains(active)));
    for number in numbers {
        found.generation(layout, number, active == Some(number));
    }
    for component in directories::entries(&layout.components(), layout) {
        found.link(&component, layout);
        if component
            .symlink_metadata()
            .is_ok_and(|metadata| metadata.is_dir())
        {
            for tree in directories::entries(&component, layout) {
                found.link(&tree, layout);
            }
        }
    }
    found.0
}

/// The faults of `active` and `bin` that `mend` repairs: a link that leads elsewhere, or nowhere, or is missing. What stands in
/// the place of a link and is none is not among them.
pub fn mendable(layout: &Layout) -> Vec<Fault> {
    let mut found = Found::default();
    found.pointers(layout);
    // What lies where somebody's link leads may only be away.
    let is_astray = directories::foreign_entry(&layout.generations(), layout).is_some();
    let stays = |path: &Utf8Path| is_taken(path) || is_astray && path == layout.active();
    found.0.retain(|fault| !stays(&fault.path));
    found.0
}

/// The generation that `active` leads to once it is mended: the newest, where it leads to none.
///
/// # Errors
/// When the generations cannot be read.
pub fn to_be_active(layout: &Layout) -> io::Result<Option<u64>> {
    match Found::default().active(layout) {
        None if !is_taken(&layout.active()) => Ok(generation::numbers(layout)?.pop()),
        active => Ok(active),
    }
}

/// Mends `bin`, and `active` where it leads to no generation: it gets the newest, or goes where there is none. Gives what was
/// mended. The caller holds the store lock.
///
/// # Errors
/// When a link cannot be replaced.
pub fn mend(layout: &Layout) -> io::Result<Vec<Fault>> {
    let faults = mendable(layout);
    for fault in &faults {
        let work = Staging::create_in(&directories::generations_scratch(layout)?)?;
        if fault.path == layout.bin() {
            link::replace_directory("active/bin".into(), &layout.bin(), work.path())?;
        } else if let Some(newest) = to_be_active(layout)? {
            commit::flip(layout, newest)?;
        } else {
            atomic::rename(&layout.active(), &work.path().join("active"))?;
        }
    }
    Ok(faults)
}

/// The set that a new generation should hold, where the active one has links that are not ours.
///
/// # Errors
/// When the active generation cannot be read.
pub fn set_anew(layout: &Layout) -> io::Result<Option<ActiveSet>> {
    let active = Found::default().active(layout);
    let Some(number) = active else { return Ok(None) };
    let mut wrong = Found::default();
    wrong.generation(layout, number, true);
    if wrong.0.is_empty() {
        return Ok(None);
    }
    let mut set = generation::read(layout, number)?.set;
    for path in directories::entries(&layout.generation(number), layout) {
        let component: Option<ComponentName> = path.file_name().and_then(|name| name.parse().ok());
        // A link that was bent still says by its last part which version was meant.
        let meant = link::read(&path)
            .ok()
            .and_then(|target| target.file_name()?.parse::<TreeName>().ok());
        if let (Some(component), Some(tree)) = (component, meant) {
            set.components.entry(component).or_insert(tree);
        }
    }
    // What it was made with is known for sure; a link may lead to another version that is here.
    let recorded = generation::read_record(layout, number)
        .unwrap_or_default()
        .versions;
    set.components.extend(recorded);
    set.components
        .retain(|component, tree| layout.tree(component, tree).is_dir());
    Ok(Some(set))
}

/// Tells whether the active generation has every executable of its components in `bin/`, and no other.
pub fn is_bin_whole(layout: &Layout) -> bool {
    let mut wrong = Found::default();
    if let Some(number) = Found::default().active(layout) {
        wrong.bin(layout, number, true);
    }
    wrong.0.is_empty()
}

/// The generations with links that are not ours, but for the active one: nothing may be led back to them.
pub fn damaged_generations(layout: &Layout) -> Vec<u64> {
    let active = Found::default().active(layout);
    let is_damaged = |number: &u64| {
        let mut found = Found::default();
        found.generation(layout, *number, false);
        !found.0.is_empty()
    };
    let numbers = generation::numbers(layout).unwrap_or_default();
    numbers
        .into_iter()
        .filter(|number| Some(*number) != active && is_damaged(number))
        .collect()
}

#[derive(Default)]
struct Found(Vec<Fault>);

impl Found {
    fn add(&mut self, path: &Utf8Path, what: impl Into<String>) {
        self.0.push(Fault {
            path: path.to_owned(),
            what: what.into(),
            by_hand: None,
        });
    }

    fn foreign(&mut self, entry: Option<ForeignEntry>) {
        if let Some(entry) = entry
            && !self.0.iter().any(|known| known.path == entry.path)
        {
            self.0.push(Fault {
                by_hand: Some(entry.remedy()),
                path: entry.path,
                what: entry.what,
            });
        }
    }

    fn link(&mut self, path: &Utf8Path, layout: &Layout) {
        if is_link(path) {
            self.foreign(directories::foreign_entry(path, layout));
        }
    }

    /// The link must have this target.
    fn exact(&mut self, path: &Utf8Path, expected: &Utf8Path) {
        match link::read(path) {
            Ok(target) if pointer::leads_to(&target, expected) => {}
            Ok(target) => self.add(path, format!("leads to `{target}`, not to `{expected}`")),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => self.add(path, "is missing"),
            Err(_) => self.add(path, "is not a link"),
        }
    }

    /// The same as `active`; `bin` leads through it.
    fn pointers(&mut self, layout: &Layout) -> Option<u64> {
        let before = self.0.len();
        let active = self.active(layout);
        if active.is_some() || self.0.len() > before {
            self.exact(&layout.bin(), "active/bin".into());
        }
        active
    }

    /// The number of the active generation, where `active` is as it should be.
    fn active(&mut self, layout: &Layout) -> Option<u64> {
        match pointer::active(layout) {
            Ok(Some(number)) if layout.generation(number).is_dir() => Some(number),
            Ok(Some(number)) => {
                let text = format!("leads to `generations/{number}`, which does not exist");
                self.add(&layout.active(), text);
                None
            }
            Ok(None) => {
                if generation::is_active_lost(layout).unwrap_or_default() {
                    self.add(&layout.active(), LOST);
                }
                None
            }
            Err(_) => {
                let what = match link::read(&layout.active()) {
                    Ok(target) => format!("leads to `{target}`, which is no set of active versions"),
                    Err(_) => "is not a link".to_owned(),
                };
                self.add(&layout.active(), what);
                None
            }
        }
    }

    fn generation(&mut self, layout: &Layout, number: u64, is_active: bool) {
        let directory = layout.generation(number);
        let record = generation::read_record(layout, number);
        if is_active && record.is_none() {
            self.add(
                &directory.join(pointer::RECORD),
                "is damaged: its origin and the requests are not known",
            );
        }
        let recorded = record.unwrap_or_default().versions;
        for component in recorded.keys() {
            let path = directory.join(component.as_str());
            // What was removed since is told of an active one alone.
            if path.symlink_metadata().is_err() {
                self.add(&path, "is missing");
            }
        }
        for path in directories::entries(&directory, layout) {
            let name = path.file_name().unwrap_or_default();
            if ["bin", pointer::RECORD].contains(&name) {
                continue;
            }
            let Ok(component) = name.parse::<ComponentName>() else {
                self.add(&path, "was not made by ampup");
                continue;
            };
            match link::read(&path) {
                Ok(target) => match generation::tree_of(&component, &target) {
                    // What was removed since leaves an older generation incomplete, as `history` says.
                    Some(tree) if is_active && !layout.tree(&component, &tree).is_dir() => {
                        self.add(
                            &path,
                            format!("leads to {component} {tree}, which is not installed"),
                        );
                    }
                    Some(tree) => {
                        if let Some(right) = recorded.get(&component).filter(|right| **right != tree) {
                            self.add(
                                &path,
                                format!("leads to {component} {tree}, and this set was made with {right}"),
                            );
                        }
                    }
                    None => self.add(
                        &path,
                        format!("leads to `{target}`, which is not an installed version"),
                    ),
                },
                Err(_) => self.add(&path, "is not a link"),
            }
        }
        self.bin(layout, number, is_active);
    }

    fn bin(&mut self, layout: &Layout, number: u64, is_active: bool) {
        let bin = layout.generation(number).join("bin");
        if is_link(&bin) {
            self.add(&bin, "is not as ampup makes it");
        }
        for path in directories::entries(&bin, layout) {
            let executable = path.file_name().unwrap_or_default();
            let right = link::read(&path).is_ok_and(|target| {
                let parts: Vec<&str> = target.iter().collect();
                matches!(parts[..], ["..", name, "bin", file]
                    if name.parse::<ComponentName>().is_ok() && file == executable)
            });
            if cfg!(unix) && !right {
                self.add(&path, "is not as ampup makes it");
            }
        }
        // An older generation was made for the trees of its time.
        for executable in is_active
            .then(|| generation::executables(layout, number))
            .into_iter()
            .flatten()
        {
            let path = link::executable_path(&bin.join(executable));
            if path.symlink_metadata().is_err() {
                self.add(&path, "is missing");
            }
        }
    }
}

/// Returns true if something that is no link stands there.
fn is_taken(path: &Utf8Path) -> bool {
    path.symlink_metadata().is_ok() && !is_link(path)
}

fn is_link(path: &Utf8Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| metadata.is_symlink())
}
