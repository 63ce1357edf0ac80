//! The rules for an archive as a whole, the same for tar and zip: one name one thing, links that stay in the tree, limits.
//! Entries are admitted one by one, as they are met; nothing is looked at but what was admitted before.

mod names;

use self::names::{Names, NodeKind, TOP};
use super::{
    fault::{Failure, Fault},
    limits::{self, Limits},
    rules::{ArchiveEntry, EntryKind, entry_name, key},
};
use crate::{
    domain::LinkList,
    fs::space::SpaceNeed,
    layout::{FILES, RECEIPT},
};

/// All that was admitted of an archive.
#[derive(Debug)]
pub(super) struct Census<'a> {
    limits: Limits,
    /// The directory that becomes the tree, without a trailing slash; empty for the archive's top.
    root: &'a str,
    links: Option<&'a LinkList>,
    names: Names,
    symlinks: Vec<usize>,
    entries: usize,
    unpacked: u64,
    installed: u64,
    /// The same in whole blocks.
    occupied: u64,
    /// Files and links that go into the tree.
    placed: usize,
    has_link_list: bool,
}

/// The action for an entry. Paths are relative to the tree's top; an empty one is the top itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: it lies outside the root, or it is a symlink, and those are made when all files are there.
    Skip,
    /// Make the directory and its parents.
    Directory { path: String },
    /// Write its content to a file.
    File { path: String, executable: bool },
    /// Write the content of an earlier file to another.
    Copy {
        from: String,
        path: String,
        executable: bool,
    },
    /// Read its content: it is the list of links.
    LinkList,
}

/// A symlink to make, when all files are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// Relative to the tree's top.
    pub(super) path: String,
    /// Relative to the link's own directory.
    pub(super) target: String,
}

/// One link of an archive's list.
#[derive(Debug, Clone, serde::Deserialize)]
pub(super) struct ListedLink {
    /// The file that exists.
    pub(super) source: String,
    /// The link to make.
    pub(super) target: String,
}

impl<'a> Census<'a> {
    /// Of an archive of which nothing was seen yet.
    pub(super) fn new(limits: Limits, root: Option<&'a str>, links: Option<&'a LinkList>) -> Self {
        Self {
            limits,
            root: root.unwrap_or_default().trim_end_matches('/'),
            links,
            names: Names::new(),
            symlinks: Vec::new(),
            entries: 0,
            unpacked: 0,
            installed: 0,
            occupied: 0,
            placed: 0,
            has_link_list: false,
        }
    }

    /// Admits the next entry and says what to do for it.
    pub(super) fn admit(&mut self, entry: &ArchiveEntry) -> Result<Step, Fault> {
        self.entries += 1;
        if self.entries > limits::ENTRIES {
            return Err(Fault::TooManyEntries);
        }
        self.count_unpacked(entry.bytes)?;
        let path = entry.path.as_str();
        // Only a directory can be the tree itself.
        let inside = self
            .within_root(path)
            .filter(|inside| !inside.is_empty() || entry.kind == EntryKind::Directory)
            .map(str::to_owned);
        if let Some(inside) = &inside {
            ensure_not_reserved(inside)?;
        }
        match &entry.kind {
            EntryKind::Directory => {
                self.names.enter(path, NodeKind::Directory)?;
                Ok(inside.map_or(Step::Skip, |path| Step::Directory { path }))
            }
            &EntryKind::File { size, executable } => {
                self.names.enter(path, NodeKind::File { size, executable })?;
                if self.links.is_some_and(|links| links.file == path) {
                    if size > limits::LINK_LIST {
                        return Err(Fault::LinkListTooLarge);
                    }
                    self.has_link_list = true;
                    return Ok(Step::LinkList);
                }
                let Some(path) = inside else {
                    return Ok(Step::Skip);
                };
                self.place(size)?;
                Ok(Step::File { path, executable })
            }
            EntryKind::HardLink { target } => self.admit_hard_link(path, target, inside),
            EntryKind::Symlink { target } => {
                let node = self.names.enter(
                    path,
                    NodeKind::Link {
                        target: target.clone(),
                    },
                )?;
                self.symlinks.push(node);
                if inside.is_some() {
                    self.place(0)?;
                }
                Ok(Step::Skip)
            }
        }
    }

    fn admit_hard_link(&mut self, path: &str, target: &str, inside: Option<String>) -> Result<Step, Fault> {
        let no_file = || Fault::HardLink(target.to_owned());
        let earlier = self.names.find(target).ok_or_else(no_file)?;
        let NodeKind::File { size, executable } = *self.names.kind(earlier) else {
            return Err(no_file());
        };
        self.names.enter(path, NodeKind::File { size, executable })?;
        self.count_unpacked(size)?;
        let Some(path) = inside else {
            return Ok(Step::Skip);
        };
        let is_list = self.links.is_some_and(|links| links.file == target);
        let Some(from) = self.within_root(target).filter(|_| !is_list).map(str::to_owned) else {
            return Err(Fault::HardLinkOutside(target.to_owned()));
        };
        self.place(size)?;
        Ok(Step::Copy {
            from,
            path,
            executable,
        })
    }

    /// When the last entry was admitted: adds the links of the list, and gives all links that are to be made.
    pub(super) fn finish(&mut self, listed: &[ListedLink]) -> Result<Vec<Link>, Failure> {
        let root = match self.names.find(self.root) {
            Some(root) if *self.names.kind(root) == NodeKind::Directory => root,
            _ => return Err(Fault::NothingUnderRoot(self.root.to_owned()).into()),
        };
        if let Some(links) = self.links
            && !self.has_link_list
        {
            return Err(Fault::NoLinkList(links.file.clone()).into());
        }
        for link in listed {
            self.add_listed(link)?;
        }
        let mut made = Vec::new();
        for &link in &self.symlinks {
            let path = self.names.path(link);
            let inside = self.within_root(&path);
            let top = if inside.is_some() { root } else { TOP };
            let NodeKind::Link { target } = self.names.kind(link) else {
                unreachable!("only links are kept in `symlinks`");
            };
            self.names
                .ensure_within(link, target, top)
                .map_err(|fault| fault.of(path.as_bytes()))?;
            made.extend(inside.map(|path| Link {
                path: path.to_owned(),
                target: target.clone(),
            }));
        }
        for link in listed {
            // The source may be a link itself, of the list or of the archive, and those are all known only now.
            let source = entry_name(self.listed(&link.source).as_bytes())?.to_owned();
            let is_list = self.links.is_some_and(|links| links.file == source);
            let exists = self
                .names
                .find(&source)
                .is_some_and(|node| *self.names.kind(node) != NodeKind::Directory);
            if !exists || is_list {
                return Err(Fault::NoLinkSource(source).into());
            }
        }
        match self.placed {
            0 if self.root.is_empty() => Err(Fault::Empty.into()),
            0 => Err(Fault::NothingUnderRoot(self.root.to_owned()).into()),
            _ => Ok(made),
        }
    }

    /// Returns the space that the tree needs on a file system.
    pub(super) fn need(&self) -> SpaceNeed {
        let root = self.names.find(self.root);
        let list = self.links.and_then(|links| self.names.find(&links.file));
        let mut inside = self.names.below(root);
        // It is read and not written.
        if let Some(list) = list {
            inside[list] = false;
        }
        SpaceNeed {
            bytes: self.occupied,
            // And the tree's top.
            entries: inside.iter().filter(|inside| **inside).count() as u64 + 1,
        }
    }

    /// Adds a link of the list, as if the archive had an entry for it.
    fn add_listed(&mut self, link: &ListedLink) -> Result<(), Failure> {
        let source = self.listed(&link.source);
        let target = self.listed(&link.target);
        let refused = |fault: Fault| fault.of(target.as_bytes());
        let source = entry_name(source.as_bytes()).map_err(refused)?;
        let path = entry_name(target.as_bytes()).map_err(refused)?;
        for end in [source, path] {
            if self.within_root(end).is_none_or(str::is_empty) {
                return Err(refused(Fault::LinkListOutside(end.to_owned())));
            }
        }
        let entry = ArchiveEntry {
            path: path.to_owned(),
            kind: EntryKind::Symlink {
                target: relative(path, source),
            },
            bytes: 0,
        };
        self.admit(&entry).map_err(refused)?;
        Ok(())
    }

    /// A name of the list, from the archive's top.
    fn listed(&self, name: &str) -> String {
        match self.links.map(|links| links.base.trim_end_matches('/')) {
            Some(base) if !base.is_empty() => format!("{base}/{name}"),
            _ => name.to_owned(),
        }
    }

    /// The path from the root, for what is the root or lies under it.
    fn within_root<'p>(&self, path: &'p str) -> Option<&'p str> {
        if self.root.is_empty() {
            return Some(path);
        }
        match path.strip_prefix(self.root)? {
            "" => Some(""),
            below => below.strip_prefix('/'),
        }
    }

    fn count_unpacked(&mut self, bytes: u64) -> Result<(), Fault> {
        self.unpacked = self.unpacked.saturating_add(bytes);
        if self.unpacked > self.limits.unpacked {
            return Err(Fault::TooLarge(self.limits.unpacked));
        }
        Ok(())
    }

    /// Counts a file or link of the tree.
    fn place(&mut self, bytes: u64) -> Result<(), Fault> {
        self.placed += 1;
        self.installed = self.installed.saturating_add(bytes);
        let blocks = bytes.div_ceil(limits::BLOCK).saturating_mul(limits::BLOCK);
        self.occupied = self.occupied.saturating_add(blocks);
        match self.limits.tree {
            Some(stated) if self.installed > stated => Err(Fault::LargerThanStated(stated)),
            _ => Ok(()),
        }
    }
}

/// The names at the tree's top that are ours.
fn ensure_not_reserved(path: &str) -> Result<(), Fault> {
    let first = key(path.split('/').next().unwrap_or_default());
    if [RECEIPT, FILES].iter().any(|reserved| key(reserved) == first) {
        return Err(Fault::Reserved);
    }
    Ok(())
}

/// Returns the target of a link at `link` that points to `source`, both relative to one top.
fn relative(link: &str, source: &str) -> String {
    let from: Vec<&str> = link.split('/').collect();
    let from = &from[..from.len() - 1];
    let to: Vec<&str> = source.split('/').collect();
    let common = from
        .iter()
        .zip(&to[..to.len() - 1])
        .take_while(|(one, other)| one == other)
        .count();
    let up = from[common..].iter().map(|_| "..");
    up.chain(to[common..].iter().copied())
        .collect::<Vec<_>>()
        .join("/")
}

#[cfg(test)]
mod tests;
