//! Directories of Windows, which are not kept open: there is no user whom a server would run as, and nobody to give anything to.

use std::io;

use camino::Utf8Path;
use fs_err as fs;

use super::{Directory, DirectoryEntry, Kind, bad};

impl Directory {
    /// Makes a directory.
    ///
    /// # Errors
    /// When it cannot be made; `AlreadyExists` when something has that name.
    pub fn make(path: &Utf8Path) -> io::Result<Self> {
        fs::create_dir(path)?;
        Self::open(path)
    }

    /// A directory that we made a moment ago.
    ///
    /// # Errors
    /// None.
    pub fn made(path: &Utf8Path) -> io::Result<Self> {
        Self::open(path)
    }

    /// A directory that is read from.
    ///
    /// # Errors
    /// None.
    pub fn open(path: &Utf8Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Makes a directory in it.
    ///
    /// # Errors
    /// As `make`.
    pub fn directory(&self, name: &str) -> io::Result<Self> {
        Self::make(&self.path.join(name))
    }

    /// Enters a directory below it.
    ///
    /// # Errors
    /// None.
    pub fn enter(&self, below: &Utf8Path) -> io::Result<Self> {
        Self::open(&self.path.join(below))
    }

    /// Makes a file in it, to be written.
    ///
    /// # Errors
    /// When it cannot be made; `AlreadyExists` when something has that name.
    pub fn file(&self, name: &str) -> io::Result<fs::File> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).open(self.path.join(name))
    }

    /// Makes a file in it, to be written. There are no modes here.
    ///
    /// # Errors
    /// As `file`.
    pub fn file_of_mode(&self, name: &str, _: u32) -> io::Result<fs::File> {
        self.file(name)
    }

    /// There are no modes here.
    ///
    /// # Errors
    /// None.
    pub fn set_mode(&self, _: u32) -> io::Result<()> {
        Ok(())
    }

    /// Opens a file in it to be read.
    ///
    /// # Errors
    /// When it is not there.
    pub fn read(&self, name: &str) -> io::Result<fs::File> {
        fs::File::open(self.path.join(name))
    }

    /// Opens a file in it to be written at its end.
    ///
    /// # Errors
    /// When it is not there.
    pub fn append(&self, name: &str) -> io::Result<fs::File> {
        fs::OpenOptions::new().append(true).open(self.path.join(name))
    }

    /// Lists its entries.
    ///
    /// # Errors
    /// When it cannot be read, or has a name that is not text.
    pub fn entries(&self) -> io::Result<Vec<DirectoryEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let name = entry.file_name().into_string();
            entries.push(DirectoryEntry {
                name: name.map_err(|_| bad(&self.path, "holds a name that is not text"))?,
                kind: match (kind.is_dir(), kind.is_file()) {
                    (true, _) => Kind::Directory,
                    (_, true) => Kind::File,
                    _ => Kind::Other,
                },
            });
        }
        Ok(entries)
    }

    /// Gives it away with all that is in it, which here nobody can.
    ///
    /// # Errors
    /// None.
    pub fn give_all(&self, _: u32, _: u32) -> io::Result<()> {
        Ok(())
    }

    /// Gives it away, which here nobody can.
    ///
    /// # Errors
    /// None.
    pub fn give(&self, _: u32, _: u32) -> io::Result<()> {
        Ok(())
    }
}
