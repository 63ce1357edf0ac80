//! Generations: each is one active set, and `active` names one of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{
    directories,
    journal::{Pending, Spot},
    pointer::{RECORD, active, leads_to, number_of},
    receipt::Receipt,
};
use crate::{
    domain::{ActiveSet, ComponentName, Requirement, TreeName, checked},
    fs::{atomic, flush, link},
    layout::Layout,
};

/// The number of generations that are kept.
pub const KEPT: usize = 10;

/// No `generation.json` is larger, in bytes.
const LIMIT: u64 = 64 << 10;

/// One active set, and how it came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Its number.
    pub number: u64,
    /// When it was made (RFC 3339), by which command, and from which generation.
    pub record: Record,
    /// The active set.
    pub set: ActiveSet,
}

/// The content of `generation.json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Record {
    /// When it was made, RFC 3339.
    pub made: String,
    /// The command that made it.
    pub command: String,
    /// The generation that was active before; `undo` goes there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// The requirement that each component was requested with, if there was one.
    #[serde(default)]
    pub requests: BTreeMap<ComponentName, Requirement>,
    /// The version of each component, which the links must agree with; records of older ampups do not have it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<ComponentName, TreeName>,
}

/// A generation by number. What its links name need not be there any more. A damaged record counts as an empty one.
///
/// # Errors
/// When its directory cannot be read; `NotFound` when it was dropped, also while it was read.
pub fn read(layout: &Layout, number: u64) -> io::Result<Generation> {
    let directory = layout.generation(number);
    let mut components = BTreeMap::new();
    for entry in fs::read_dir(&directory)? {
        let entry = entry?;
        let name: Option<ComponentName> = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(name) = name else { continue };
        let Ok(target) = link::read(&directory.join(name.as_str())) else {
            continue;
        };
        // A link that leads anywhere else is no version of ours (`links` names it).
        if let Some(tree) = tree_of(&name, &target) {
            components.insert(name, tree);
        }
    }
    let record = read_record(layout, number).unwrap_or_default();
    // One that was moved away meanwhile was read in part.
    fs::symlink_metadata(&directory)?;
    let requests = record.requests.clone();
    Ok(Generation {
        number,
        record,
        set: ActiveSet { components, requests },
    })
}

/// The executables that a generation holds, by the receipts of its trees.
pub(super) fn executables(layout: &Layout, number: u64) -> BTreeSet<String> {
    let set = read(layout, number)
        .map(|generation| generation.set)
        .unwrap_or_default();
    let receipts = set.components.iter().filter_map(|(component, tree)| {
        Receipt::read(&layout.tree(component, tree), component, tree.version()).ok()
    });
    receipts.flat_map(|receipt| receipt.executables).collect()
}

/// Reads the record of a generation; `None` if it cannot be read any more.
pub(super) fn read_record(layout: &Layout, number: u64) -> Option<Record> {
    let text = atomic::read_own(&layout.generation(number).join(RECORD), LIMIT).ok()?;
    checked::read(&text).ok()
}

/// The numbers of all generations that were ever active, lowest first. What has no record is somebody else's.
///
/// # Errors
/// When the directory cannot be read.
pub fn numbers(layout: &Layout) -> io::Result<Vec<u64>> {
    let pending = Pending::read(layout)?;
    let mut numbers = all_numbers(layout, |kind| kind.is_dir())?;
    let has_record = |number| layout.generation(number).join(RECORD).symlink_metadata().is_ok();
    numbers.retain(|number| has_record(*number) && !pending.hides_generation(*number));
    Ok(numbers)
}

/// The fault of `active` where `is_active_lost`.
pub(super) const LOST: &str = "is missing";

/// Returns true if there are generations and no `active`, which every change leaves pointing at one.
///
/// # Errors
/// When the directory cannot be read.
pub(super) fn is_active_lost(layout: &Layout) -> io::Result<bool> {
    let is_ours = directories::foreign_entry(&layout.generations(), layout).is_none();
    Ok(is_ours && active(layout)?.is_none() && !numbers(layout)?.is_empty())
}

/// The numbers that something of such a kind has.
fn all_numbers(layout: &Layout, counts: impl Fn(std::fs::FileType) -> bool) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(layout.generations()) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(cause),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let entry = entry?;
        if counts(entry.file_type()?)
            && let Some(number) = entry.file_name().to_str().and_then(number_of)
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Returns the target of the link that a generation holds for a version of a component.
fn link_to_tree(component: &ComponentName, tree: &TreeName) -> Utf8PathBuf {
    Utf8PathBuf::from("../../components")
        .join(component.as_str())
        .join(tree.to_string())
}

/// The version that a generation's link means, if it is one of ours.
pub(super) fn tree_of(component: &ComponentName, target: &Utf8Path) -> Option<TreeName> {
    let tree: TreeName = target.file_name()?.parse().ok()?;
    leads_to(target, &link_to_tree(component, &tree)).then_some(tree)
}

/// A number that nothing has, be it a generation or a foreign entry.
pub(super) fn next(layout: &Layout) -> io::Result<u64> {
    Ok(all_numbers(layout, |_| true)?.last().map_or(1, |last| last + 1))
}

/// Makes `directory` a generation and puts it on disk. Trees in `sealed` are published later.
pub(super) fn fill(
    layout: &Layout,
    sealed: &[(&Utf8Path, Spot)],
    set: &ActiveSet,
    record: &Record,
    directory: &Utf8Path,
) -> io::Result<()> {
    let bin = directory.join("bin");
    atomic::make_directory(directory)?;
    atomic::make_directory(&bin)?;
    for (component, tree) in &set.components {
        link::directory(
            &link_to_tree(component, tree),
            &directory.join(component.as_str()),
        )?;
        // A tree without a receipt is not known to be whole: nothing of it is put on PATH.
        let place = sealed
            .iter()
            .find(|(_, (name, version))| name == component && version == tree)
            .map_or_else(|| layout.tree(component, tree), |(place, _)| (*place).to_owned());
        let receipt = Receipt::read(&place, component, tree.version());
        for executable in receipt.map(|receipt| receipt.executables).unwrap_or_default() {
            let target = Utf8PathBuf::from("..")
                .join(component.as_str())
                .join("bin")
                .join(&executable);
            match link::executable(&target, &bin.join(&executable)) {
                // The component that comes first by name keeps it.
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
        }
    }
    atomic::write(&directory.join(RECORD), &checked::written(record))?;
    flush::sync_directory(&bin)?;
    flush::sync_directory(directory)
}

/// The generations beyond the newest that are kept; never the active one, and never what `undo` can go to from there.
pub fn old(layout: &Layout) -> Vec<u64> {
    let (Ok(numbers), Ok(active)) = (numbers(layout), active(layout)) else {
        return Vec::new();
    };
    let before = |number: &u64| read(layout, *number).ok()?.record.before;
    let needed: Vec<u64> = std::iter::successors(active, before).take(KEPT + 1).collect();
    let old = numbers.iter().rev().skip(KEPT).copied();
    old.filter(|number| !needed.contains(number)).collect()
}

/// Drops what is old.
pub(super) fn drop_old(layout: &Layout, scratch: &Utf8Path) {
    for number in old(layout) {
        // Moved first, so that nobody ever sees half of it. One that cannot be removed does no harm.
        let _ = fs::rename(layout.generation(number), scratch.join(format!("old-{number}")));
    }
}
