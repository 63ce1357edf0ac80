//! Reasons to refuse an archive, in words that state the rule.

use std::{fmt, io};

use super::limits;
use crate::fs::space::{Lack, sized};

/// The rule that an archive broke, and the entry that broke it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// The entry's name as the archive writes it, made safe to print; nothing when it is the archive as a whole.
    pub entry: Option<String>,
    /// The rule.
    pub fault: Fault,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.entry {
            Some(entry) => write!(f, "entry `{entry}`: {}", self.fault),
            None => self.fault.fmt(f),
        }
    }
}

/// A rule for archives, broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each variant is the sentence that it shows")]
pub enum Fault {
    // One entry's kind and name.
    #[error("only files, directories, symlinks and hard links are allowed, and this is {0}")]
    Kind(&'static str),
    #[error("a name is UTF-8")]
    NotUtf8,
    #[error("a name is relative")]
    Absolute,
    #[error("a name holds no `..`")]
    Upwards,
    #[error("a name has no empty part and no `.` within")]
    EmptyPart,
    #[error("the name of {0} does not end with a slash")]
    TrailingSlash(&'static str),
    #[error("a name holds no {}", .0.escape_unicode())]
    Character(char),
    #[error("no part of a name ends with a dot or a space")]
    TrailingDotOrSpace,
    #[error("`{0}` is a device on Windows")]
    Device(String),
    #[error("a name has at most {} bytes, each part {}", limits::PATH, limits::PART)]
    TooLong,
    #[error("a name has at most {} parts", limits::DEPTH)]
    TooDeep,

    // Links.
    #[error("a link points somewhere")]
    EmptyLink,
    #[error("a link is relative, and this one points to `{0}`")]
    AbsoluteLink(String),
    #[error("a link stays in the tree, and this one points to `{0}`")]
    LinkLeaves(String),
    #[error("links lead to an end within {} steps, and this one does not", limits::HOPS)]
    LinkLoop,
    #[error("a hard link names an earlier regular file of the archive, and `{0}` is none")]
    HardLink(String),
    #[error("a hard link names a file that is installed, and `{0}` lies outside the root")]
    HardLinkOutside(String),

    // The archive as a whole.
    #[error(
        "no two entries have one name, also where case and Unicode form do not count; this one is like `{0}`"
    )]
    Duplicate(String),
    #[error("a name keeps its kind, and `{0}` is another kind elsewhere in the archive")]
    ChangesKind(String),
    #[error("the name is reserved for ampup's own record of the tree")]
    Reserved,
    #[error("an archive has at most {} entries", limits::ENTRIES)]
    TooManyEntries,
    #[error("unpacked, this archive may have at most {}", sized(*.0))]
    TooLarge(u64),
    #[error("the manifest says that the tree has {}, and it has more", sized(*.0))]
    LargerThanStated(u64),
    #[error("nothing lies under its root `{0}`")]
    NothingUnderRoot(String),
    #[error("the manifest says that `{0}` is an executable in it, and it holds no such file")]
    NoExecutable(String),
    #[error("it holds no file")]
    Empty,
    #[error("its list of links `{0}` is missing")]
    NoLinkList(String),
    #[error("the list of links has at most {} bytes", limits::LINK_LIST)]
    LinkListTooLarge,
    #[error("the list of links is malformed: {0}")]
    MalformedLinkList(String),
    #[error("the list of links names `{0}`, which is not an installed file")]
    NoLinkSource(String),
    #[error("the list of links names `{0}`, which lies outside the root")]
    LinkListOutside(String),
    #[error("a jar has one entry that ends with `.txz`, and this one has {0}")]
    InnerArchives(&'static str),
    #[error("a wheel holds one archive, and this one has {0}")]
    ArchivesInWheel(&'static str),

    // Framing.
    #[error("it ends too early")]
    Truncated,
    #[error("the compressed data is damaged: {0}")]
    Damaged(String),
    #[error("decoding takes at most {} MiB of memory, and this takes more", limits::XZ_MEMORY >> 20)]
    XzMemory,
    #[error("nothing but zeros may follow the end of {0}")]
    TrailingData(&'static str),
    #[error("a second gzip member follows the first")]
    SecondMember,
    #[error("a second xz stream follows the first")]
    SecondStream,
    #[error("malformed tar: {0}")]
    Tar(&'static str),
    #[error("malformed zip: {0}")]
    Zip(&'static str),
}

/// The failure that stopped the unpacking.
#[derive(Debug)]
pub(super) enum Failure {
    /// The archive broke a rule.
    Refused(Refusal),
    /// The archive's file cannot be read.
    Read(io::Error),
    /// The tree cannot be written; the error names the path.
    Write(io::Error),
    /// There is no room for the tree.
    NoRoom(Lack),
}

impl Failure {
    /// From an error of reading through decoders: the system's own errors are the disk's, all others say that the
    /// archive is not what it should be.
    pub(super) fn reading(cause: io::Error) -> Self {
        if cause.raw_os_error().is_some() {
            Self::Read(cause)
        } else if cause.kind() == io::ErrorKind::UnexpectedEof {
            Fault::Truncated.into()
        } else if cause.get_ref().and_then(|inner| inner.downcast_ref())
            == Some(&liblzma::stream::Error::MemLimit)
        {
            Fault::XzMemory.into()
        } else {
            Fault::Damaged(cause.to_string()).into()
        }
    }
}

impl Failure {
    /// Tells whether the archive ends too early.
    pub(super) fn is_truncated(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.fault == Fault::Truncated)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Refused(Refusal { entry: None, fault })
    }
}

impl Fault {
    /// The fault of the entry of this name.
    pub(super) fn of(self, name: &[u8]) -> Failure {
        Failure::Refused(Refusal {
            entry: Some(shown(name)),
            fault: self,
        })
    }
}

/// A name as it may be printed: nothing in it moves the cursor, reorders the line or fills the screen.
fn shown(name: &[u8]) -> String {
    const MOST: usize = 200;
    let text = String::from_utf8_lossy(&name[..name.len().min(4 * MOST)]);
    let mut shown: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}
