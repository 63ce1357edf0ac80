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
    fs::link,
};

/// A tree being written.
#[derive(Debug)]
pub(super) struct Tree {
    top: Utf8PathBuf,
    directories: HashSet<Utf8PathBuf>,
    records: BTreeMap<Utf8PathBuf, FileRecord>,
    buffer: Vec<u8>,
}

impl Tree {
    /// Makes the tree's top, which must not exist.
    pub(super) fn new(top: &Utf8Path) -> io::Result<Self> {
        fs::create_dir(top)?;
        set_directory_mode(top)?;
        Ok(Self {
            top: top.to_owned(),
            directories: HashSet::new(),
            records: BTreeMap::new(),
            buffer: vec![0; BUFFER],
        })
    }

    /// Makes a directory and its parents, where they are not made yet.
    pub(super) fn directory(&mut self, path: &Utf8Path) -> Result<(), Failure> {
        if path.as_str().is_empty() || self.directories.contains(path) {
            return Ok(());
        }
        self.parents(path)?;
        let full = self.top.join(path);
        fs::create_dir(&full).map_err(Failure::Write)?;
        set_directory_mode(&full).map_err(Failure::Write)?;
        self.directories.insert(path.to_owned());
        Ok(())
    }

    fn parents(&mut self, path: &Utf8Path) -> Result<(), Failure> {
        path.parent().map_or(Ok(()), |parent| self.directory(parent))
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
        self.parents(path)?;
        let full = self.top.join(path);
        // create_new is O_CREAT with O_EXCL: it neither opens what is there nor follows a link (open(2)).
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&full)
            .map_err(Failure::Write)?;
        set_file_mode(&file, executable).map_err(Failure::Write)?;
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let mut size = 0;
        loop {
            let count = read_some(content, &mut self.buffer).map_err(unreadable)?;
            if count == 0 {
                break;
            }
            let octets = &self.buffer[..count];
            hasher.update(octets);
            file.write_all(octets).map_err(Failure::Write)?;
            size += count as u64;
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
            self.parents(Utf8Path::new(&link.path))?;
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

// Modes are set and not left to the umask: the tree must be the same whoever installs it.

#[cfg(unix)]
fn set_directory_mode(path: &Utf8Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

#[cfg(unix)]
fn set_file_mode(file: &fs::File, executable: bool) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = if executable { 0o755 } else { 0o644 };
    file.set_permissions(std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_directory_mode(_: &Utf8Path) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn set_file_mode(_: &fs::File, _: bool) -> io::Result<()> {
    Ok(())
}
