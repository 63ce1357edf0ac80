//! Limits of an archive. Real archives stay far below them; the cost of a hostile one is bounded.

use crate::fs::space::SpaceNeed;

/// Entries of an archive, and directories that are made without an entry.
pub(super) const ENTRIES: usize = 100_000;
/// Bytes of an entry's name.
pub(super) const PATH: usize = 1_024;
/// Bytes of each part of a name.
pub(super) const PART: usize = 255;
/// Parts of a name.
pub(super) const DEPTH: usize = 64;
/// Links that are followed before a link counts as a loop.
pub(super) const HOPS: usize = 8;
/// Bytes that every archive may unpack to, however small it is.
pub(super) const UNPACKED: u64 = 512 << 20;
/// A larger archive may unpack to this many times its own size.
pub(super) const RATIO: u64 = 20;
/// Bytes of one pax or long-name block of a tar.
pub(super) const EXTENSION: u64 = 1 << 20;
/// Bytes of all extension headers between two entries of a tar.
pub(super) const EXTENSIONS: u64 = 4 << 20;
/// Bytes of zeros after the end of a tar.
pub(super) const PADDING: u64 = 64 << 20;
/// Bytes of a list of links.
pub(super) const LINK_LIST: u64 = 1 << 20;
/// Bytes of memory that the xz decoder may use; `xz -9` needs 65 MiB.
pub(super) const XZ_MEMORY: u64 = 128 << 20;

/// Bytes that the usual file systems give a file at once: it takes whole blocks.
pub(super) const BLOCK: u64 = 4 << 10;

/// The limits of what one archive may unpack to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Bytes of everything in it.
    pub(super) unpacked: u64,
    /// Bytes of the tree, where the manifest states them.
    pub(super) tree: Option<u64>,
}

impl Limits {
    /// The limits of an archive of this many bytes.
    pub(super) fn new(archive: u64, tree: Option<u64>) -> Self {
        Self {
            unpacked: UNPACKED.max(archive.saturating_mul(RATIO)),
            tree,
        }
    }

    /// More than the tree can take of a file system.
    pub(super) fn most(self) -> SpaceNeed {
        let bytes = self.tree.unwrap_or(u64::MAX).min(self.unpacked);
        SpaceNeed {
            bytes: bytes.saturating_add(ENTRIES as u64 * BLOCK),
            entries: 2 * ENTRIES as u64 + 2,
        }
    }
}
