//! Unpacking: from a proven archive to a tree in staging.
//!
//! Every entry of an archive is a stranger. `rules` judges one, `census` the archive as a whole, and neither looks at
//! anything but what the archive says; `tar` and `zip` read the framing, `room` counts before `tree` writes. An archive that
//! breaks a rule leaves nothing behind.

mod census;
mod contents;
mod fault;
mod limits;
mod linked;
mod pipe;
mod room;
mod rules;
mod tar;
mod tree;
mod wheel;
mod zip;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek as _},
};

use camino::{Utf8Path, Utf8PathBuf};
use flate2::bufread::GzDecoder;
use fs_err as fs;
use liblzma::{bufread::XzDecoder, stream};

use self::{
    census::{Census, Link, ListedLink, Step},
    fault::Failure,
    limits::Limits,
    pipe::Content,
    rules::{Claim, judge},
    tree::Tree,
};
pub use self::{
    contents::installs,
    fault::{Fault, Refusal},
    linked::linked,
    wheel::open_wheel,
};
use crate::{
    domain::{Artifact, ComponentName, FileList, Format, LinkList, Target},
    fs::space::{Lack, SpaceNeed},
    verify::Verified,
};

/// Bytes that are read or written at once.
const BUFFER: usize = 128 * 1024;

/// The expected shape of an archive.
#[derive(Debug, Clone)]
pub struct Shape<'a> {
    /// The format of the archive.
    pub format: Format,
    /// The directory in it that becomes the tree; its top where there is none.
    pub root: Option<&'a str>,
    /// The list of links that it carries.
    pub links: Option<&'a LinkList>,
    /// Files of the tree that are executables and come to lie elsewhere in it: from where, and to where.
    pub moved: BTreeMap<String, String>,
    /// Bytes of the tree, where they are known: it has no more.
    pub unpacked_size: Option<u64>,
    /// The file name of the executable that a raw artifact is.
    pub executable: String,
    /// The space needed besides the tree, for what is made of it later.
    pub beside: SpaceNeed,
}

impl<'a> Shape<'a> {
    /// The shape that the registry states for an artifact of a component.
    pub fn of(component: &ComponentName, artifact: &'a Artifact, beside: SpaceNeed) -> Self {
        let suffix = match artifact.target {
            Target::X86_64Windows => ".exe",
            _ => "",
        };
        Self {
            format: artifact.format,
            root: artifact.root.as_deref(),
            links: artifact.links.as_ref(),
            moved: artifact
                .bin
                .iter()
                .map(|(name, path)| {
                    (
                        in_tree(path, artifact.root.as_deref()),
                        format!("bin/{name}{suffix}"),
                    )
                })
                .collect(),
            unpacked_size: artifact.unpacked_size,
            executable: format!("{component}{suffix}"),
            beside,
        }
    }
}

impl Shape<'_> {
    /// Where a file of the tree comes to lie.
    fn placed<'a>(&'a self, path: &'a str) -> &'a Utf8Path {
        self.moved.get(path).map_or(path, String::as_str).into()
    }
}

/// A tree in staging, which nobody sees yet. Only `unpack` and `linked` make one.
#[derive(Debug)]
pub struct Staged {
    path: Utf8PathBuf,
    files: FileList,
}

impl Staged {
    /// Where the tree is.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// All that it holds: the content of its `.files.json`.
    pub fn files(&self) -> &FileList {
        &self.files
    }
}

/// The reason nothing was unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The archive breaks a rule.
    #[error("archive `{archive}` is refused")]
    Refused {
        /// The archive.
        archive: Utf8PathBuf,
        /// Which rule, and which entry.
        source: Refusal,
    },
    /// The archive's file cannot be read.
    #[error("cannot read `{archive}`")]
    Read {
        /// The archive.
        archive: Utf8PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The tree cannot be written.
    #[error("cannot unpack `{archive}`")]
    Write {
        /// The archive.
        archive: Utf8PathBuf,
        /// The cause, which names the path.
        source: io::Error,
    },
    /// There is no room for the tree. Nothing was written.
    #[error("not enough disk space to unpack `{archive}`")]
    NoRoom {
        /// The archive.
        archive: Utf8PathBuf,
        /// The space that is needed and the space that is free.
        source: Lack,
    },
}

impl UnpackError {
    fn new(archive: &Verified, failure: Failure) -> Self {
        let archive = archive.path().to_owned();
        match failure {
            Failure::Refused(source) => Self::Refused { archive, source },
            Failure::Read(source) => Self::Read { archive, source },
            Failure::Write(source) => Self::Write { archive, source },
            Failure::NoRoom(source) => Self::NoRoom { archive, source },
        }
    }
}

/// Unpacks an archive as `into/tree`. `into` is an empty directory that only its owner can write to; after an error it
/// is empty again.
///
/// # Errors
/// When the archive breaks a rule, there is too little room, or a file cannot be read or written.
pub fn unpack(archive: &Verified, shape: &Shape<'_>, into: &Utf8Path) -> Result<Staged, UnpackError> {
    let limits = Limits::new(archive.size(), shape.unpacked_size);
    room::ensure_space(archive, shape, limits, into).map_err(|failure| UnpackError::new(archive, failure))?;
    let path = into.join("tree");
    // Made here, so that on failure nothing is removed that somebody else made.
    let made = Tree::new(&path).map_err(|cause| UnpackError::new(archive, Failure::Write(cause)))?;
    match fill(archive, shape, limits, made) {
        Ok(files) => Ok(Staged { path, files }),
        Err(failure) => {
            // Before the tree goes, and its room is free again.
            let failure = room::with_free_space(failure, into);
            // What cannot be removed stays in staging, for the next sweep; the first failure is what to tell.
            let _ = fs::remove_dir_all(&path);
            Err(UnpackError::new(archive, failure))
        }
    }
}

fn fill(archive: &Verified, shape: &Shape<'_>, limits: Limits, mut tree: Tree) -> Result<FileList, Failure> {
    if shape.format == Format::Raw {
        let path = Utf8Path::new("bin").join(&shape.executable);
        let mut file = archive.file();
        file.rewind().map_err(Failure::Read)?;
        tree.file(&path, true, &mut file)?;
        return tree.finish(Vec::new());
    }
    let mut missing: BTreeSet<&String> = shape.moved.keys().collect();
    let (_, links) = walk(archive, shape, limits, &mut |step, content| match step {
        Step::Skip | Step::LinkList => Ok(()),
        Step::Directory { path } => tree.directory(path.as_ref()),
        Step::File { path, executable } => {
            missing.remove(&path);
            let executable = executable || shape.moved.contains_key(&path);
            tree.file(shape.placed(&path), executable, content)
        }
        Step::Copy {
            from,
            path,
            executable,
        } => {
            missing.remove(&path);
            let executable = executable || shape.moved.contains_key(&path);
            tree.copy(shape.placed(&from), shape.placed(&path), executable)
        }
    })?;
    if let Some(path) = missing.into_iter().next() {
        return Err(Fault::NoExecutable(path.clone()).into());
    }
    tree.finish(links)
}

/// Where a path of the archive lies in the tree.
fn in_tree(path: &str, root: Option<&str>) -> String {
    let below = root.and_then(|root| path.strip_prefix(root)?.strip_prefix('/'));
    below.unwrap_or(path).to_owned()
}

/// The callback for each admitted entry and its content.
type Act<'a> = dyn FnMut(Step, &mut Content<'_>) -> Result<(), Failure> + 'a;

/// Reads and judges an archive, whole. Gives what was admitted, and the links to make at the end.
fn walk<'a>(
    archive: &Verified,
    shape: &Shape<'a>,
    limits: Limits,
    act: &mut Act<'_>,
) -> Result<(Census<'a>, Vec<Link>), Failure> {
    let mut file = archive.file();
    file.rewind().map_err(Failure::Read)?;
    let mut census = Census::new(limits, shape.root, shape.links);
    let mut listed = Vec::new();
    let mut place = |claim: &Claim<'_>, content: &mut Content<'_>| {
        let admitted = judge(claim).and_then(|entry| census.admit(&entry));
        let step = admitted.map_err(|fault| fault.of(claim.name))?;
        if step == Step::LinkList {
            listed = read_link_list(content)?;
        }
        act(step, content)
    };
    match shape.format {
        Format::Raw => unreachable!("it has no entries, and nobody walks through it"),
        Format::TarGz => tar_gz(BufReader::with_capacity(BUFFER, file), &mut place)?,
        Format::TarXz => tar_xz(BufReader::with_capacity(BUFFER, file), &mut place)?,
        Format::Zip => zip::read(file, archive.size(), &mut place)?,
        Format::JarTarXz => inner(file, archive.size(), limits, Inner::TarXz, &mut place)?,
        Format::WheelTarGz => inner(file, archive.size(), limits, Inner::TarGz, &mut place)?,
    }
    let links = census.finish(&listed)?;
    Ok((census, links))
}

/// A tar in one gzip member.
fn tar_gz(file: impl BufRead + Send, place: &mut tar::Visit<'_>) -> Result<(), Failure> {
    // This decoder reads one member, and checks its CRC and length when it is read to its end.
    let mut decoder = GzDecoder::new(file);
    let read = pipe::beside(&mut decoder, &mut |stream| tar::read(stream, place));
    let end = End {
        of: "the gzip member",
        magic: &[0x1f, 0x8b],
        another: Fault::SecondMember,
    };
    end.ensure(read, decoder.into_inner())
}

/// A tar in one xz stream.
fn tar_xz(file: impl BufRead + Send, place: &mut tar::Visit<'_>) -> Result<(), Failure> {
    let decoder = stream::Stream::new_stream_decoder(limits::XZ_MEMORY, stream::TELL_UNSUPPORTED_CHECK)
        .map_err(|cause| Failure::Read(cause.into()))?;
    let mut decoder = XzDecoder::new_stream(file, decoder);
    let read = pipe::beside(&mut decoder, &mut |stream| tar::read(stream, place));
    let end = End {
        of: "the xz stream",
        magic: b"\xfd7zXZ\0",
        another: Fault::SecondStream,
    };
    end.ensure(read, decoder.into_inner())
}

/// The end of a compressed stream, which is the end of its file.
struct End {
    of: &'static str,
    /// The first bytes of another such stream.
    magic: &'static [u8],
    another: Fault,
}

impl End {
    /// Fails unless the tar in the stream was read, and nothing but zeros is left of the file.
    fn ensure(self, read: Result<(), Failure>, rest: impl BufRead) -> Result<(), Failure> {
        match read {
            // The tar may go on in the next stream, as bgzip and `cat` make it.
            Err(cause) if cause.is_truncated() => match self.after(rest)? {
                Some(Fault::TrailingData(_)) | None => Err(cause),
                Some(another) => Err(another.into()),
            },
            Err(cause) => Err(cause),
            Ok(()) => self.after(rest)?.map_or(Ok(()), |fault| Err(fault.into())),
        }
    }

    /// Reads on to the first byte that is not zero, and says what begins there.
    fn after(self, mut rest: impl BufRead) -> Result<Option<Fault>, Failure> {
        loop {
            let bytes = rest.fill_buf().map_err(Failure::reading)?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
            let is_more = zeros < bytes.len();
            rest.consume(zeros);
            if is_more {
                break;
            }
        }
        let mut start = Vec::new();
        rest.take(self.magic.len() as u64)
            .read_to_end(&mut start)
            .map_err(Failure::reading)?;
        Ok(Some(if start == self.magic {
            self.another
        } else {
            Fault::TrailingData(self.of)
        }))
    }
}

/// The archive that is in another one.
#[derive(Debug, Clone, Copy)]
enum Inner {
    TarGz,
    TarXz,
}

/// A zip with one entry that is a compressed tar. Its other entries are judged as well, and not installed.
fn inner(
    file: &File,
    size: u64,
    limits: Limits,
    inner: Inner,
    place: &mut tar::Visit<'_>,
) -> Result<(), Failure> {
    // What the manifest states of the tree says nothing of the inner archive, which may be larger than what is in it.
    let outer = Limits { tree: None, ..limits };
    let suffix: &[u8] = match inner {
        Inner::TarGz => b".tar.gz",
        Inner::TarXz => b".txz",
    };
    let mut census = Census::new(outer, None, None);
    let mut found = false;
    zip::read(file, size, &mut |claim, content| {
        let admitted = judge(claim).and_then(|entry| census.admit(&entry));
        let step = admitted.map_err(|fault| fault.of(claim.name))?;
        if !matches!(step, Step::File { .. }) || !claim.name.ends_with(suffix) {
            return Ok(());
        }
        if std::mem::replace(&mut found, true) {
            return Err(Fault::InnerArchives("more").into());
        }
        let content = BufReader::with_capacity(BUFFER, content);
        match inner {
            Inner::TarGz => tar_gz(content, place),
            Inner::TarXz => tar_xz(content, place),
        }
    })?;
    if !found {
        return Err(Fault::InnerArchives("none").into());
    }
    census.finish(&[])?;
    Ok(())
}

fn read_link_list(content: &mut Content<'_>) -> Result<Vec<ListedLink>, Failure> {
    let mut text = Vec::new();
    // Its size was admitted.
    content.read_to_end(&mut text).map_err(Failure::reading)?;
    serde_json::from_slice(&text).map_err(|cause| Fault::MalformedLinkList(cause.to_string()).into())
}
