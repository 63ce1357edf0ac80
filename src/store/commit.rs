//! A change of the store in one step. What is added, what is removed and what becomes active are several renames; whoever
//! looks at the store sees all of them or none, because the commit is written down before the first (`.commit.json`, in
//! its own directory of unfinished work) and counts as done from the moment that `active` names its generation.
//!
//! Readers leave out what an unfinished commit added and what a finished one still has to remove (`journal::Pending`). The next
//! command that writes settles what an interrupted one left: it takes back, or it completes (`settle`).

use std::io;

use camino::Utf8Path;
use fs_err as fs;

use super::{
    directories,
    generation::{self, Record},
    in_use::may_be_used,
    journal::{Journal, Spot},
    pointer,
    receipt::is_recorded,
    staging::Staging,
};
use crate::{
    domain::{ActiveSet, ComponentName, TreeName},
    fs::{atomic, flush, link::ForeignEntry},
    layout::Layout,
};

/// A generation until it has its number: while it is there, what has the number is somebody else's.
const GENERATION: &str = "generation";

/// A change to the store.
#[derive(Debug)]
pub struct StoreChange<'a> {
    /// Sealed trees that are published, each with its place. One that is there already is exchanged. They are borrowed, so
    /// that whoever sealed them keeps their locks until the commit is over.
    pub adds: Vec<(&'a Utf8Path, Spot)>,
    /// Trees that go.
    pub removes: Vec<Spot>,
    /// The active set afterwards; `None` if it does not change.
    pub set: Option<&'a ActiveSet>,
    /// The command that does it, for the history.
    pub command: &'a str,
    /// The generation that `undo` goes to from the new one.
    pub before: Option<u64>,
}

/// Carries out a change. Gives the number of the new generation, if the active set changed. The caller holds the store
/// lock.
///
/// # Errors
/// When anything cannot be written. The store is then as it was, or as it should be and not all of it flushed or tidied.
pub fn commit(layout: &Layout, change: &StoreChange<'_>) -> io::Result<Option<u64>> {
    let added = change.adds.iter().map(|(_, spot)| spot);
    for (component, _) in added.chain(&change.removes) {
        directories::ensure_ours(&layout.component(component), layout)?;
    }
    let work = Staging::create(layout)?;
    let beside = scratch(layout, &work)?;
    let beside = beside.as_ref().unwrap_or(&work);
    let mut journal = Journal {
        generation: None,
        adds: change.adds.iter().map(|(_, spot)| spot.clone()).collect(),
        removes: change.removes.clone(),
    };
    // A whole tree that takes the place of a damaged one is not taken back.
    journal
        .adds
        .retain(|(component, name)| is_absent(&layout.tree(component, name)));
    if let Some(set) = change.set {
        let record = Record {
            made: jiff::Timestamp::now().to_string(),
            command: change.command.to_owned(),
            before: change.before,
            requests: set.requests.clone(),
            versions: set.components.clone(),
        };
        journal.generation = Some(generation::next(layout)?);
        let made = beside.path().join(GENERATION);
        generation::fill(layout, &change.adds, set, &record, &made)?;
    }
    journal.write(work.path())?;
    match carry_out(change, &mut journal, layout, &work, beside) {
        Ok(()) => {}
        Err(Cut::Before(cause)) => {
            // Where it cannot be taken back, readers leave it out, and the next command tries again.
            if take_back(&journal, layout, work.path(), beside.path()).is_err() {
                work.leave();
            }
            return Err(cause);
        }
        Err(Cut::After(cause)) => {
            work.leave();
            return Err(cause);
        }
    }
    if journal.generation.is_some() {
        generation::drop_old(layout, beside.path());
    }
    work.discard()?;
    Ok(journal.generation)
}

/// When a commit was cut: before it counts, or after.
enum Cut {
    Before(io::Error),
    After(io::Error),
}

fn carry_out(
    change: &StoreChange<'_>,
    journal: &mut Journal,
    layout: &Layout,
    work: &Staging,
    beside: &Staging,
) -> Result<(), Cut> {
    for (sealed, (component, name)) in &change.adds {
        publish(layout, sealed, component, name).map_err(Cut::Before)?;
    }
    if let Some(number) = journal.generation {
        let made = beside.path().join(GENERATION);
        let number = match claim(&made, number, journal, layout, work.path()) {
            Ok(number) => number,
            Err(cause) => {
                // What has that number is somebody else's, and is not taken back.
                if !is_absent(&made) {
                    journal.generation = None;
                }
                return Err(Cut::Before(cause));
            }
        };
        if let Err(cause) = pointer::flip_in(layout, number, beside.path()) {
            // Renamed, but perhaps not flushed: it counts.
            return Err(match pointer::active(layout) {
                Ok(Some(active)) if active == number => Cut::After(cause),
                _ => Cut::Before(cause),
            });
        }
    }
    remove(&change.removes, layout, work.path()).map_err(Cut::After)
}

/// Gives a generation its number, or the next that is free. It is never empty, so a rename claims the number also where
/// there are no locks.
fn claim(
    made: &Utf8Path,
    mut number: u64,
    journal: &mut Journal,
    layout: &Layout,
    work: &Utf8Path,
) -> io::Result<u64> {
    use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty, NotADirectory};
    loop {
        let place = layout.generation(number);
        match atomic::rename(made, &place) {
            Err(cause)
                if [AlreadyExists, DirectoryNotEmpty, NotADirectory].contains(&cause.kind())
                    && place.symlink_metadata().is_ok() =>
            {
                number += 1;
                journal.generation = Some(number);
                journal.write(work)?;
            }
            claimed => return claimed.map(|()| number),
        }
    }
}

/// Gives a sealed tree its place. What had that place before, which can only be a damaged tree, is exchanged for it, and
/// goes with the sealed one's directory. A directory with something in it that has no record of ampup's is somebody else's.
fn publish(layout: &Layout, sealed: &Utf8Path, component: &ComponentName, name: &TreeName) -> io::Result<()> {
    let directory = layout.component(component);
    match atomic::make_directory(&directory) {
        Ok(()) => flush::sync_directory(&layout.components())?,
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
        Err(cause) => return Err(cause),
    }
    let tree = layout.tree(component, name);
    if is_absent(&tree) {
        atomic::rename(sealed, &tree)
    } else if tree.is_dir() && !is_recorded(&tree) && !crate::fs::entries(&tree).is_empty() {
        Err(ForeignEntry {
            path: tree,
            what: "is not ampup's, and has the name of this version".to_owned(),
        }
        .into())
    } else {
        atomic::exchange(sealed, &tree)
    }
}

/// Moves trees out of sight, into a directory of unfinished work that goes as a whole.
fn remove(trees: &[Spot], layout: &Layout, work: &Utf8Path) -> io::Result<()> {
    for (component, name) in trees {
        let tree = layout.tree(component, name);
        // What somebody's link leads to was never ours.
        if is_absent(&tree) || directories::foreign_entry(&layout.component(component), layout).is_some() {
            continue;
        }
        let doomed = atomic::private_directory(work, "removed-")?;
        atomic::rename(&tree, &doomed.join("tree"))?;
    }
    for (component, _) in trees {
        // The directory of a component without versions says nothing.
        let _ = fs::remove_dir(layout.component(component));
    }
    Ok(())
}

/// Makes everything as it was before a commit that does not count.
fn take_back(journal: &Journal, layout: &Layout, work: &Utf8Path, beside: &Utf8Path) -> io::Result<()> {
    // One that somebody found and runs already is whole: it stays, installed and not active.
    remove(&idle(&journal.adds, layout), layout, work)?;
    if let Some(number) = journal.generation {
        let made = layout.generation(number);
        // What has the number and no record is somebody else's, who was there before the rename.
        let is_generation = made.symlink_metadata().is_ok_and(|found| found.is_dir())
            && generation::read_record(layout, number).is_some();
        if pointer::active(layout)? != Some(number) && is_generation {
            atomic::rename(
                &made,
                &atomic::private_directory(beside, "removed-")?.join("generation"),
            )?;
        }
    }
    Ok(())
}

/// Settles what an interrupted commit left in a directory of unfinished work that nobody holds any more: one that counts
/// is completed, one that does not is taken back. The caller holds the store lock.
///
/// # Errors
/// When that is not possible; nothing else may be changed then, and readers go on leaving it out.
pub(super) fn settle(layout: &Layout, work: &Utf8Path) -> io::Result<()> {
    let Some(mut journal) = Journal::read(work)? else {
        return Ok(());
    };
    if journal.counts(pointer::active(layout)?) {
        // Never under a running process: what is used stays, installed and not active.
        remove(&idle(&journal.removes, layout), layout, work)
    } else {
        if !is_absent(&work.join(GENERATION)) {
            journal.generation = None;
        }
        let beside = atomic::private_directory(&directories::generations_scratch(layout)?, "settled-")?;
        let taken = take_back(&journal, layout, work, &beside);
        // What stays is swept by a later command.
        let _ = fs::remove_dir_all(&beside);
        taken
    }
}

/// Those of the trees that no process runs from.
fn idle(trees: &[Spot], layout: &Layout) -> Vec<Spot> {
    let is_idle = |(component, name): &&Spot| !may_be_used(&layout.tree(component, name));
    trees.iter().filter(is_idle).cloned().collect()
}

/// A place for a generation in the making, where `staging/` is on another file system than `generations/`.
fn scratch(layout: &Layout, work: &Staging) -> io::Result<Option<Staging>> {
    let root = directories::generations_scratch(layout)?;
    if work.path().parent() == Some(&root) {
        return Ok(None);
    }
    Ok(Some(Staging::create_in(&root)?))
}

fn is_absent(path: &Utf8Path) -> bool {
    matches!(path.symlink_metadata(), Err(cause) if cause.kind() == io::ErrorKind::NotFound)
}

/// Writes a new generation that holds `set`, makes it the active one by one rename, and drops old ones. Gives its
/// number.
///
/// # Errors
/// When anything cannot be written or flushed.
pub fn activate(layout: &Layout, set: &ActiveSet, command: &str, before: Option<u64>) -> io::Result<u64> {
    let change = StoreChange {
        adds: Vec::new(),
        removes: Vec::new(),
        set: Some(set),
        command,
        before,
    };
    Ok(commit(layout, &change)?.expect("there is a set"))
}

/// Points `active` at a generation that exists, by one rename. The caller holds the store lock.
///
/// # Errors
/// When the link cannot be replaced; or it was, and could not be flushed.
pub fn flip(layout: &Layout, number: u64) -> io::Result<()> {
    let work = Staging::create_in(&directories::generations_scratch(layout)?)?;
    pointer::flip_in(layout, number, work.path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    /// A foreign entry that came between the choice of a number and the rename.
    #[test]
    fn a_number_that_a_foreign_entry_has_is_passed_over_and_never_taken_back() {
        let world = tempfile::tempdir().expect("tempdir");
        let home = Utf8Path::from_path(world.path()).expect("UTF-8");
        let layout = Layout::new(home);
        directories::prepare(&layout, None).expect("made");
        let work = layout.staging().join("work");
        let made = work.join(GENERATION);
        fs::create_dir(&work).expect("made");
        generation::fill(&layout, &[], &ActiveSet::default(), &Record::default(), &made).expect("filled");
        fs::write(layout.generation(1), "a stranger's").expect("written");
        fs::create_dir_all(layout.generation(2).join("a stranger's")).expect("made");
        let mut journal = Journal {
            generation: Some(1),
            adds: Vec::new(),
            removes: Vec::new(),
        };
        every([1, 2], |number| {
            journal.generation = Some(number);
            journal.write(&work).expect("written");
            settle(&layout, &work).expect("settled");
            assert!(layout.generation(number).exists());
        });
        let number = claim(&made, 1, &mut journal, &layout, &work).expect("claimed");
        assert_eq!((number, journal.generation), (3, Some(3)));
        settle(&layout, &work).expect("settled");
        assert!(!layout.generation(3).exists() && layout.generation(2).exists());
        // Nor where ours would have come from another file system, and was not in this directory at all.
        journal.generation = Some(2);
        journal.write(&work).expect("written");
        settle(&layout, &work).expect("settled");
        assert!(layout.generation(2).exists());
    }
}
