//! The file of a backup. What is read from one is a stranger's: only plain files and directories with plain names below
//! the cluster are taken, each once, and every byte is compared with what was written down.

mod listing;

use std::{
    collections::BTreeMap,
    io::{self, Read, Write as _},
};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

pub(super) use self::listing::{ClusterEntry, list};
use super::{
    BackupError, Header, SCHEMA,
    compress::{Compressing, decompressed},
    failed,
};
use crate::{
    children::Interrupt,
    fs::{directory::Directory, flush},
    postgres::{
        ownership::{give_all, give_file},
        run::create,
        user::OsUser,
    },
};

const HEADER: &str = "ampup-backup.json";
const DIGESTS: &str = "ampup-digests.json";
/// Where the cluster's files lie in the archive.
const TOP: &str = "metadb";
/// A header is small; a list has a line for each file.
const HEADER_LIMIT: u64 = 1 << 16;
const DIGESTS_LIMIT: u64 = 256 << 20;

/// Files are read and written in pieces of this size.
const BUFFER: usize = 1 << 16;

/// The expected files: name to size and digest; directories have neither.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Digests {
    files: BTreeMap<String, (u64, String)>,
    directories: Vec<String>,
}

/// An archive beside its place, which was not compared yet.
pub(super) struct Written(NamedTempFile);

/// Copies a cluster that nobody works in into a file beside `path`.
pub(super) fn write(
    cluster: &Utf8Path,
    major: u64,
    path: &Utf8Path,
    interrupt: &Interrupt,
) -> Result<Written, BackupError> {
    let mut entries = Vec::new();
    list(cluster, Utf8Path::new(""), &mut entries)?;
    let sizes = entries.iter().filter_map(|entry| entry.size);
    let header = Header {
        schema: SCHEMA,
        major,
        created: jiff::Timestamp::now().to_string(),
        bytes: sizes.sum(),
    };
    let directory = path.parent().filter(|parent| !parent.as_str().is_empty());
    let failed_at = failed("write", path);
    let beside = NamedTempFile::with_prefix_in(".new-", directory.unwrap_or(Utf8Path::new(".")))
        .map_err(&failed_at)?;
    // The server's user could put a link in the place of what was listed.
    let top = Directory::open(cluster).map_err(failed("read", cluster))?;
    let copy = || -> io::Result<NamedTempFile> {
        let (file, beside) = beside.into_parts();
        let mut archive = tar::Builder::new(Compressing::new(
            fs::File::from_parts(file, beside.to_path_buf()),
            path,
        )?);
        append(&mut archive, HEADER, &serde_json::to_vec_pretty(&header)?)?;
        let mut digests = Digests::default();
        for entry in &entries {
            let name = Utf8Path::new(TOP).join(&entry.name);
            match entry.size {
                None => {
                    let mut head = head(0, tar::EntryType::Directory);
                    archive.append_data(&mut head, &name, io::empty())?;
                    digests.directories.push(entry.name.to_string());
                }
                Some(size) => {
                    let from = io::BufReader::with_capacity(BUFFER, opened(&top, &entry.name)?);
                    let mut hashing = Hashing::new(from.take(size), interrupt);
                    let mut head = head(size, tar::EntryType::Regular);
                    archive.append_data(&mut head, &name, &mut hashing)?;
                    let (bytes, digest) = hashing.finish();
                    if bytes != size {
                        return Err(io::Error::other(format!(
                            "`{}` became shorter while it was copied",
                            entry.name
                        )));
                    }
                    digests.files.insert(entry.name.to_string(), (size, digest));
                }
            }
        }
        append(&mut archive, DIGESTS, &serde_json::to_vec(&digests)?)?;
        let file = archive.into_inner()?.finish()?;
        file.sync_all()?;
        Ok(NamedTempFile::from_parts(file.into_parts().0, beside))
    };
    copy().map(Written).map_err(&failed_at)
}

/// Compares what was written with what should be, and gives it its name.
pub(super) fn publish(
    written: Written,
    path: &Utf8Path,
    owner: Option<&OsUser>,
    interrupt: &Interrupt,
) -> Result<Header, BackupError> {
    let beside =
        Utf8PathBuf::from_path_buf(written.0.path().to_owned()).map_err(|_| BackupError::Damaged {
            file: path.to_owned(),
            why: "its path is not UTF-8".to_owned(),
        })?;
    let sink = &mut |_: BackupEntry<'_>, content: &mut dyn Read| io::copy(content, &mut io::sink()).map(drop);
    let header = read(&beside, sink, interrupt)?;
    give_file(written.0.as_file(), owner).map_err(failed("give away", path))?;
    written
        .0
        .persist_noclobber(path)
        .map_err(|cause| failed("write", path)(cause.error))?;
    if let Some(directory) = path.parent().filter(|parent| !parent.as_str().is_empty()) {
        flush::sync_directory(directory).map_err(failed("flush", directory))?;
    }
    Ok(header)
}

/// Reads the header of a backup.
pub(super) fn header(file: &Utf8Path) -> Result<Header, BackupError> {
    let mut archive = open(file)?;
    let mut entries = archive.entries().map_err(|cause| damaged(file, &cause))?;
    let first = entries.next().ok_or_else(|| damaged(file, &"it is empty"))?;
    let mut first = first.map_err(|_| damaged(file, &NO_ARCHIVE))?;
    header_of(&mut first).map_err(|cause| damaged(file, &cause))
}

/// Unpacks a backup into a directory that is not there yet. It is ours until it is whole: what root wrote into another
/// user's directory could land elsewhere.
pub(super) fn unpack(
    file: &Utf8Path,
    into: &Utf8Path,
    owner: Option<&OsUser>,
    interrupt: &Interrupt,
) -> Result<(), BackupError> {
    let top = Directory::make(into).map_err(failed("make", into))?;
    let mut broken = None;
    let mut visit = |place: BackupEntry<'_>, content: &mut dyn Read| {
        // A disk that is full is not the backup's fault.
        let mut content = Reading {
            from: content,
            has_failed: false,
        };
        let written = match place {
            BackupEntry::Directory(path) => {
                place_of(&top, path).and_then(|(above, name)| above.directory(name).map(drop))
            }
            BackupEntry::File(path) => place_of(&top, path)
                .and_then(|(above, name)| above.file(name))
                .and_then(|target| {
                    let mut target = io::BufWriter::with_capacity(BUFFER, target);
                    io::copy(&mut content, &mut target)?;
                    target.flush()
                }),
        };
        let is_its_own = |cause: &io::Error| {
            // What it names twice, or in a directory that it does not name.
            matches!(
                cause.kind(),
                io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound
            )
        };
        written.map_err(|cause| {
            if content.has_failed || is_its_own(&cause) {
                return cause;
            }
            let kind = cause.kind();
            broken = Some(cause);
            io::Error::from(kind)
        })
    };
    let done = read(file, &mut visit, interrupt);
    if let Some(cause) = broken {
        return Err(failed("restore into", into)(cause));
    }
    done?;
    create::link_data(&top)
        .and_then(|()| give_all(&top, owner))
        .map_err(failed("restore into", into))
}

/// The directory of what is below the top, and its name there.
pub(super) fn place_of<'n>(top: &Directory, path: &'n Utf8Path) -> io::Result<(Directory, &'n str)> {
    let above = top.enter(path.parent().unwrap_or(Utf8Path::new("")))?;
    Ok((above, path.file_name().unwrap_or_default()))
}

pub(super) fn opened(top: &Directory, path: &Utf8Path) -> io::Result<fs::File> {
    let (above, name) = place_of(top, path)?;
    above.read(name)
}

/// A directory or a file of a backup, by its name in the cluster.
enum BackupEntry<'a> {
    Directory(&'a Utf8Path),
    File(&'a Utf8Path),
}

type Visit<'v> = dyn FnMut(BackupEntry<'_>, &mut dyn Read) -> io::Result<()> + 'v;

/// The fault of a file that is something else.
const NO_ARCHIVE: &str = "it was not made by `ampup db backup`";

/// Reads a whole backup and compares it with its own list.
fn read(file: &Utf8Path, visit: &mut Visit<'_>, interrupt: &Interrupt) -> Result<Header, BackupError> {
    read_entries(open(file)?, visit, interrupt).map_err(|cause| damaged(file, &cause))
}

fn read_entries<R: Read>(
    mut archive: tar::Archive<R>,
    visit: &mut Visit<'_>,
    interrupt: &Interrupt,
) -> io::Result<Header> {
    let bad = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut found = Digests::default();
    let (mut header, mut stated) = (None, None);
    let mut bytes = 0;
    for entry in archive.entries()? {
        let mut entry = match entry {
            Err(_) if header.is_none() => return Err(bad(NO_ARCHIVE.to_owned())),
            entry => entry?,
        };
        let Some(header) = &header else {
            header = Some(header_of(&mut entry)?);
            continue;
        };
        if stated.is_some() {
            return Err(bad("something follows its list".to_owned()));
        }
        let name = entry.path()?.to_str().map(Utf8PathBuf::from);
        let name = name.ok_or_else(|| bad("a name in it is not UTF-8".to_owned()))?;
        if name == DIGESTS {
            let text = limited(&mut entry, DIGESTS_LIMIT)?;
            stated = Some(serde_json::from_slice::<Digests>(&text)?);
            continue;
        }
        let inside = plain(&name)
            .ok_or_else(|| bad(format!("it holds `{name}`")))?
            .to_owned();
        let key = inside.to_string();
        match entry.header().entry_type() {
            tar::EntryType::Directory => {
                visit(BackupEntry::Directory(&inside), &mut io::empty())?;
                found.directories.push(key);
            }
            tar::EntryType::Regular => {
                bytes += entry.size();
                if bytes > header.bytes || found.files.contains_key(&key) {
                    return Err(bad(format!("`{name}` is more than it says")));
                }
                let mut hashing = Hashing::new(&mut entry, interrupt);
                visit(BackupEntry::File(&inside), &mut hashing)?;
                found.files.insert(key, hashing.finish());
            }
            _ => return Err(bad(format!("`{name}` is neither a file nor a directory"))),
        }
    }
    let stated = stated.ok_or_else(|| bad("its list is missing: it was cut off".to_owned()))?;
    // To its very end: only there is the compression's own checksum. A tar ends with two empty blocks, the first of which
    // was read.
    let mut rest = Vec::new();
    archive.into_inner().take(513).read_to_end(&mut rest)?;
    if rest != [0; 512] {
        return Err(bad("something follows its end".to_owned()));
    }
    if let Some((name, _)) = stated
        .files
        .iter()
        .find(|(name, file)| found.files.get(*name) != Some(file))
    {
        return Err(bad(format!("`{name}` is not what was written")));
    }
    if found != stated {
        return Err(bad("it holds what was not written".to_owned()));
    }
    let header = header.ok_or_else(|| bad("it is empty".to_owned()))?;
    match found.files.contains_key("PG_VERSION") {
        true => Ok(header),
        false => Err(bad("it holds no cluster".to_owned())),
    }
}

fn header_of<R: Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<Header> {
    let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
    if entry.path()?.to_str() != Some(HEADER) {
        return Err(bad(NO_ARCHIVE));
    }
    let header: Header = serde_json::from_slice(&limited(entry, HEADER_LIMIT)?)
        .map_err(|_| bad("its header is damaged, or was changed"))?;
    match header.schema {
        SCHEMA => Ok(header),
        _ => Err(bad("a newer ampup made it")),
    }
}

fn limited(from: &mut impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    from.take(limit + 1).read_to_end(&mut text)?;
    if text.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a part of it is too large",
        ));
    }
    Ok(text)
}

/// The name below the cluster, if it is one that a cluster's file may have.
fn plain(name: &Utf8Path) -> Option<&Utf8Path> {
    let inside = name.strip_prefix(TOP).ok()?;
    let is_plain = inside.components().all(|part| match part {
        Utf8Component::Normal(part) => !part.contains(['\\', '\0']),
        _ => false,
    });
    (is_plain && !inside.as_str().is_empty() && inside.as_str().len() < 1024).then_some(inside)
}

fn open(file: &Utf8Path) -> Result<tar::Archive<Box<dyn Read>>, BackupError> {
    let found = fs::metadata(file).map_err(failed("read", file))?;
    if !found.is_file() {
        return Err(damaged(file, &"it is not a file"));
    }
    let opened = fs::File::open(file).map_err(failed("read", file))?;
    decompressed(opened)
        .map(tar::Archive::new)
        .map_err(|cause| damaged(file, &cause))
}

fn append(archive: &mut tar::Builder<impl io::Write>, name: &str, content: &[u8]) -> io::Result<()> {
    let mut head = head(content.len() as u64, tar::EntryType::Regular);
    archive.append_data(&mut head, name, content)
}

fn head(size: u64, kind: tar::EntryType) -> tar::Header {
    let mut head = tar::Header::new_gnu();
    head.set_size(size);
    head.set_entry_type(kind);
    head.set_mode(if kind == tar::EntryType::Directory {
        0o700
    } else {
        0o600
    });
    head
}

fn damaged(file: &Utf8Path, why: &dyn std::fmt::Display) -> BackupError {
    BackupError::Damaged {
        file: file.to_owned(),
        why: why.to_string(),
    }
}

/// Knows whether it was the reading that failed.
struct Reading<'a> {
    from: &'a mut dyn Read,
    has_failed: bool,
}

impl Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.from.read(buffer).inspect_err(|_| self.has_failed = true)
    }
}

/// Hashes what is read through it.
struct Hashing<'i, R> {
    interrupt: &'i Interrupt,
    from: R,
    bytes: u64,
    hasher: Sha256,
}

impl<'i, R: Read> Hashing<'i, R> {
    fn new(from: R, interrupt: &'i Interrupt) -> Self {
        Self {
            interrupt,
            from,
            bytes: 0,
            hasher: Sha256::new(),
        }
    }

    fn finish(self) -> (u64, String) {
        (self.bytes, hex::encode(self.hasher.finalize()))
    }
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt.ensure_not_ending()?;
        let count = self.from.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }
}
