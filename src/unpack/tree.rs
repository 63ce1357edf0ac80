//! The tree as it is written: into a private directory where nothing is yet, files and directories first, links last.
//! While anything is written there is no link in the tree, so nothing can be written through one.

use std::{
    collections::{BTreeMap, HashSet},
    io::{self, Read, Write as _},
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{BUFFER, census::Link, fault::Failure};
use crate::{
    domain::{Algorithm, FileList, FileRecord, digest::Hasher},
    fs::{directory::Directory, flush, link},
};

/// Modes are set and not left to the umask: the tree must be the same whoever installs it.
const DIRECTORY: u32 = 0o755;
const EXECUTABLE: u32 = 0o755;
const FILE: u32 = 0o644;

/// The size, in bytes, from which a file begins to be put on disk when it is whole. Of a PostgreSQL, one file in twenty is as
/// large, and these hold 95 % of its bytes: to ask for each of the others costs more than to flush all of them at the end.
const FLUSHED_EARLY: u64 = 64 * 1024;

/// A tree being written.
#[derive(Debug)]
pub(super) struct Tree {
    top: Utf8PathBuf,
    directories: HashSet<Utf8PathBuf>,
    /// The directories that lead to the one of the last file, from the top, each open, with its name: most entries of an
    /// archive lie beside the entry before.
    open: Vec<(String, Directory)>,
    records: BTreeMap<Utf8PathBuf, FileRecord>,
    buffer: Vec<u8>,
}

impl Tree {
    /// Makes the tree's top, which must not exist.
    pub(super) fn new(top: &Utf8Path) -> io::Result<Self> {
        let directory = Directory::make(top)?;
        directory.set_mode(DIRECTORY)?;
        Ok(Self {
            top: top.to_owned(),
            directories: HashSet::new(),
            open: vec![(String::new(), directory)],
            records: BTreeMap::new(),
            buffer: vec![0; BUFFER],
        })
    }

    /// Makes a directory and its parents, where they are not made yet, and opens it.
    pub(super) fn directory(&mut self, path: &Utf8Path) -> Result<(), Failure> {
        self.enter(path).map(drop).map_err(Failure::Write)
    }

    fn enter(&mut self, path: &Utf8Path) -> io::Result<&Directory> {
        let parts = || path.as_str().split('/').filter(|part| !part.is_empty());
        let open = self.open.iter().skip(1).map(|(name, _)| name.as_str());
        let common = open.zip(parts()).take_while(|(one, other)| one == other).count();
        self.open.truncate(common + 1);
        let mut here: Utf8PathBuf = parts().take(common).collect();
        for name in parts().skip(common) {
            here.push(name);
            let above = last(&self.open);
            let directory = if self.directories.contains(&here) {
                above.enter(Utf8Path::new(name))?
            } else {
                let made = above.directory(name)?;
                made.set_mode(DIRECTORY)?;
                self.directories.insert(here.clone());
                made
            };
            self.open.push((name.to_owned(), directory));
        }
        Ok(last(&self.open))
    }

    /// Writes all that `content` gives to a new file.
    pub(super) fn file(
        &mut self,
        path: &Utf8Path,
        executable: bool,
        content: &mut dyn Read,
    ) -> Result<(), Failure> {
        self.write(path, executable, content, Failure::reading)
    }

    /// Writes the content of a file of this tree to a new one.
    pub(super) fn copy(&mut self, from: &Utf8Path, path: &Utf8Path, executable: bool) -> Result<(), Failure> {
        let mut file = fs::File::open(self.top.join(from)).map_err(Failure::Write)?;
        self.write(path, executable, &mut file, Failure::Write)
    }

    fn write(
        &mut self,
        path: &Utf8Path,
        executable: bool,
        content: &mut dyn Read,
        unreadable: fn(io::Error) -> Failure,
    ) -> Result<(), Failure> {
        let (parent, name) = split(path);
        let mode = if executable { EXECUTABLE } else { FILE };
        let parent = self.enter(parent).map_err(Failure::Write)?;
        let mut file = parent.file_of_mode(name, mode).map_err(Failure::Write)?;
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let mut size = 0;
        loop {
            let count = read_some(content, &mut self.buffer).map_err(unreadable)?;
            if count == 0 {
                break;
            }
            let bytes = &self.buffer[..count];
            hasher.update(bytes);
            file.write_all(bytes).map_err(Failure::Write)?;
            size += count as u64;
        }
        if size >= FLUSHED_EARLY {
            flush::begin_to_flush(&file);
        }
        self.records.insert(
            path.to_owned(),
            FileRecord::File {
                digest: hasher.finish(),
                size,
                executable,
            },
        );
        Ok(())
    }

    /// Makes the links; nothing is written after them. Gives all that the tree holds.
    pub(super) fn finish(mut self, links: Vec<Link>) -> Result<FileList, Failure> {
        for link in &links {
            self.directory(split(Utf8Path::new(&link.path)).0)?;
        }
        for Link { path, target } in links {
            let path = Utf8PathBuf::from(path);
            link::in_tree(Utf8Path::new(&target), &self.top.join(&path)).map_err(Failure::Write)?;
            self.records.insert(path, FileRecord::Link { target });
        }
        Ok(FileList::new(self.records).expect("the rules for names are stricter"))
    }
}

/// Reads what is to be had, past interruptions.
pub(super) fn read_some(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

fn last(open: &[(String, Directory)]) -> &Directory {
    let (_, directory) = open.last().expect("the top stays");
    directory
}

/// The directory that a file lies in, and its name.
fn split(path: &Utf8Path) -> (&Utf8Path, &str) {
    let (parent, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
    (Utf8Path::new(parent), name)
}
