//! The names of an archive, as the tree that they make: one name is one thing, and no link leads out of it.

use std::collections::HashMap;

use super::super::{fault::Fault, limits, rules::key};

/// The number of the archive's top.
pub(super) const TOP: usize = 0;

/// Every name that is taken, by its number; the first is the archive's top.
#[derive(Debug)]
pub(super) struct Names {
    nodes: Vec<Node>,
    /// By directory and key of the name within it.
    children: HashMap<(usize, String), usize>,
}

/// A name that is taken.
#[derive(Debug)]
struct Node {
    parent: usize,
    /// As it is written.
    name: String,
    kind: NodeKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NodeKind {
    Directory,
    File { size: u64, executable: bool },
    Link { target: String },
}

impl Names {
    /// Of an archive of which nothing was seen yet.
    pub(super) fn new() -> Self {
        let top = Node {
            parent: TOP,
            name: String::new(),
            kind: NodeKind::Directory,
        };
        Self {
            nodes: vec![top],
            children: HashMap::new(),
        }
    }

    /// The kind of a node.
    pub(super) fn kind(&self, node: usize) -> &NodeKind {
        &self.nodes[node].kind
    }

    /// Takes a name, and those of the directories it lies in.
    pub(super) fn enter(&mut self, path: &str, kind: NodeKind) -> Result<usize, Fault> {
        let mut here = TOP;
        let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
        while let Some(part) = parts.next() {
            let is_last = parts.peek().is_none();
            let place = (here, key(part).into_owned());
            here = match self.children.get(&place) {
                None => {
                    // Directories without an entry of their own count too: they cost as much.
                    if self.nodes.len() > 2 * limits::ENTRIES {
                        return Err(Fault::TooManyEntries);
                    }
                    self.nodes.push(Node {
                        parent: here,
                        name: part.to_owned(),
                        kind: if is_last {
                            kind.clone()
                        } else {
                            NodeKind::Directory
                        },
                    });
                    self.children.insert(place, self.nodes.len() - 1);
                    self.nodes.len() - 1
                }
                Some(&taken) => {
                    let there = &self.nodes[taken];
                    let is_directory = there.kind == NodeKind::Directory;
                    if there.name != part {
                        return Err(Fault::Duplicate(self.path(taken)));
                    }
                    if is_last && !is_directory && kind.is_same(&there.kind) {
                        return Err(Fault::Duplicate(self.path(taken)));
                    }
                    if !is_directory || (is_last && kind != NodeKind::Directory) {
                        return Err(Fault::ChangesKind(self.path(taken)));
                    }
                    taken
                }
            };
        }
        Ok(here)
    }

    /// The node of exactly this name.
    pub(super) fn find(&self, path: &str) -> Option<usize> {
        let mut here = TOP;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let next = *self.children.get(&(here, key(part).into_owned()))?;
            if self.nodes[next].name != part {
                return None;
            }
            here = next;
        }
        Some(here)
    }

    /// The name of a node, from the archive's top.
    pub(super) fn path(&self, mut node: usize) -> String {
        let mut parts = Vec::new();
        while node != TOP {
            parts.push(self.nodes[node].name.as_str());
            node = self.nodes[node].parent;
        }
        parts.reverse();
        parts.join("/")
    }

    /// Marks, by number, what lies below a node.
    pub(super) fn below(&self, top: Option<usize>) -> Vec<bool> {
        let mut below = vec![false; self.nodes.len()];
        for (number, node) in self.nodes.iter().enumerate().skip(1) {
            // What a name lies in was taken before it.
            below[number] = Some(node.parent) == top || below[node.parent];
        }
        below
    }

    /// Follows a link twice, and it must stay under `top` both times: as its text reads, and as a disk would resolve it,
    /// through the links that it meets.
    pub(super) fn ensure_within(&self, link: usize, target: &str, top: usize) -> Result<(), Fault> {
        let leaves = || Fault::LinkLeaves(target.to_owned());
        let mut depth = self.depth(self.nodes[link].parent) - self.depth(top);
        for part in target.split('/') {
            match part {
                "" | "." => {}
                ".." => depth = depth.checked_sub(1).ok_or_else(leaves)?,
                _ => depth += 1,
            }
        }
        let mut here = self.nodes[link].parent;
        // Parts walked below `here` that nothing has the name of: such a link leads nowhere, and yet not outside.
        let mut missing = 0_usize;
        let mut hops = 0;
        let mut ahead: Vec<&str> = target.split('/').rev().collect();
        while let Some(part) = ahead.pop() {
            match part {
                "" | "." => {}
                ".." if missing > 0 => missing -= 1,
                ".." if here == top => return Err(leaves()),
                ".." => here = self.nodes[here].parent,
                _ if missing > 0 => missing += 1,
                // By key: where case does not count, the disk finds this one.
                _ => match self.children.get(&(here, key(part).into_owned())) {
                    None => missing = 1,
                    Some(&next) => match &self.nodes[next].kind {
                        NodeKind::Directory => here = next,
                        NodeKind::File { .. } => missing = 1,
                        NodeKind::Link { target } => {
                            hops += 1;
                            if hops > limits::HOPS {
                                return Err(Fault::LinkLoop);
                            }
                            ahead.extend(target.split('/').rev());
                        }
                    },
                },
            }
        }
        Ok(())
    }

    fn depth(&self, mut node: usize) -> usize {
        let mut depth = 0;
        while node != TOP {
            depth += 1;
            node = self.nodes[node].parent;
        }
        depth
    }
}

impl NodeKind {
    fn is_same(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}
