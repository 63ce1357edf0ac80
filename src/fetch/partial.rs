//! A download that is not whole yet: a file named by the digest it will have, and beside it a note of what the server
//! called the file, so that a later run can ask for the rest of that very file.

use std::{
    fs::{File, TryLockError},
    io::{self, Seek as _, SeekFrom, Write as _},
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use reqwest::header::{self, HeaderMap};
use serde::{Deserialize, Serialize};
use tempfile::TempPath;

use super::https::text_of;
use crate::{
    domain::{Algorithm, Digest, digest::Hasher},
    fs::atomic,
    verify::Hashed,
};

/// An open file that nobody else writes.
#[derive(Debug)]
pub(super) struct Partial {
    file: File,
    path: Utf8PathBuf,
    /// Where another process has the file of that name, ours has a random one, and goes when we fail.
    alone: Option<TempPath>,
    length: u64,
    /// All that is in the file has gone through it; absent where somebody else may have written any of it.
    hasher: Option<Hasher>,
    algorithm: Algorithm,
    /// True if nobody else writes the file, which where there are no locks nobody knows.
    is_locked: bool,
    validator: Option<Validator>,
    /// True if the earlier part was of no use, so that nothing is resumed any more.
    is_discarded: bool,
    /// Its name is no longer ours: it was finished or removed.
    is_settled: bool,
}

impl Drop for Partial {
    fn drop(&mut self) {
        // What is empty is of no use to a later run.
        if self.length == 0 && !self.is_settled && self.alone.is_none() {
            let _ = remove(&self.path).and_then(|()| remove(&note(&self.path)));
        }
        // A child that another thread is just starting holds the open file until its exec: closing is not enough.
        let _ = self.file.unlock();
    }
}

/// The validator by which a server identifies the file that it sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Validator {
    /// Where the file was asked for.
    url: String,
    /// A strong ETag or, without one, the time of the last change; as `If-Range` wants it.
    value: String,
}

impl Validator {
    /// The validator of an answer, if it has one that `If-Range` can use (RFC 9110, section 13.1.5).
    pub(super) fn of(url: &str, headers: &HeaderMap) -> Option<Self> {
        let strong = text_of(headers, &header::ETAG).filter(|tag| tag.starts_with('"'));
        let value = strong.or_else(|| text_of(headers, &header::LAST_MODIFIED))?;
        Some(Self {
            url: url.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl Partial {
    /// Opens `<directory>/<digest>.partial`, with what is in it. What is there and is no regular file is removed.
    pub(super) fn open(directory: &Utf8Path, digest: &Digest) -> io::Result<Self> {
        let path = directory.join(format!("{}.partial", digest.file_name()));
        loop {
            remove_unless_file(&path)?;
            remove_unless_file(&note(&path))?;
            let file = options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)?
                .into_file();
            let is_locked = match file.try_lock() {
                // It was finished and renamed between opening and locking: it is not ours to write.
                Ok(()) if !is_same(&file, &path)? => continue,
                Ok(()) => true,
                Err(TryLockError::WouldBlock) => return Self::alone(directory, digest),
                // No locks here: the caller's lock on the release has said so already.
                Err(TryLockError::Error(_)) => false,
            };
            let length = file.metadata()?.len();
            let validator = atomic::read(&note(&path), 64 << 10)
                .ok()
                .and_then(|text| serde_json::from_slice(&text).ok());
            return Ok(Self {
                file,
                path,
                alone: None,
                length,
                hasher: None,
                algorithm: digest.algorithm(),
                is_locked,
                validator,
                is_discarded: false,
                is_settled: false,
            });
        }
    }

    fn alone(directory: &Utf8Path, digest: &Digest) -> io::Result<Self> {
        let (file, alone) = tempfile::Builder::new()
            .prefix(&format!("{}.", digest.file_name()))
            .suffix(".partial")
            .tempfile_in(directory)?
            .into_parts();
        let path = alone
            .file_name()
            .and_then(|name| name.to_str())
            .expect("the name is our own ASCII");
        Ok(Self {
            file,
            path: directory.join(path),
            alone: Some(alone),
            length: 0,
            hasher: None,
            algorithm: digest.algorithm(),
            is_locked: true,
            validator: None,
            is_discarded: false,
            is_settled: false,
        })
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Returns the number of bytes that are here.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The open file again, to be hashed.
    pub(super) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// The file as it was hashed while it came; `None` if it must be read again.
    pub(super) fn hashed(&mut self) -> io::Result<Option<Hashed>> {
        let Some(hasher) = self.hasher.take() else {
            return Ok(None);
        };
        Ok(Some(Hashed {
            file: self.file()?,
            digest: hasher.finish(),
            length: self.length,
        }))
    }

    /// Returns the `If-Range` value for the rest from `url`; `None` if only the whole file will do.
    pub(super) fn validator(&self, url: &str) -> Option<&str> {
        let validator = self.validator.as_ref()?;
        (self.length > 0 && !self.is_discarded && validator.url == url).then_some(&validator.value)
    }

    /// Forgets what is here; what comes next is called so.
    pub(super) fn restart(&mut self, validator: Option<Validator>) -> io::Result<()> {
        self.file.set_len(0)?;
        self.length = 0;
        self.hasher = self.is_locked.then(|| Hasher::new(self.algorithm));
        self.validator = validator;
        if self.alone.is_some() {
            return Ok(());
        }
        // Neither is flushed: should the bytes be others after a power cut, the digest notices; and half a note is none.
        remove(&note(&self.path))?;
        match &self.validator {
            Some(validator) => {
                let text = serde_json::to_vec(validator).expect("two strings are JSON");
                atomic::write_unflushed(&note(&self.path), &text)
            }
            None => Ok(()),
        }
    }

    /// Forgets what is here, and goes on with nothing in the future; `false` if that was so already.
    pub(super) fn discard(&mut self) -> io::Result<bool> {
        self.restart(None)?;
        Ok(!std::mem::replace(&mut self.is_discarded, true))
    }

    /// Writes the next bytes.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(bytes)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Gives the finished file its name.
    pub(super) fn finish(mut self, path: &Utf8Path) -> io::Result<()> {
        match self.alone.take() {
            Some(alone) => alone.persist(path).map_err(|cause| cause.error)?,
            None => {
                fs::rename(&self.path, path)?;
                self.is_settled = true;
                remove(&note(&self.path))?;
            }
        }
        Ok(())
    }

    /// Removes it.
    pub(super) fn remove(mut self) -> io::Result<()> {
        self.is_settled = true;
        if self.alone.is_none() {
            remove(&self.path)?;
            remove(&note(&self.path))?;
        }
        Ok(())
    }
}

/// Opens a finished file; `None` when there is none. What is there and is no regular file is removed.
pub(super) fn open_whole(path: &Utf8Path) -> io::Result<Option<File>> {
    remove_unless_file(path)?;
    match options().open(path) {
        Ok(file) => Ok(Some(file.into_file())),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// Removes a file or a link; that it is not there is fine.
pub(super) fn remove(path: &Utf8Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

fn note(partial: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{partial}.json"))
}

/// Nothing of ours follows a link that somebody put in our place.
fn options() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        options
            .mode(0o644)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    }
    #[cfg(windows)]
    {
        use fs_err::os::windows::fs::OpenOptionsExt as _;
        const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
        options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    }
    options
}

fn remove_unless_file(path: &Utf8Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(()),
        // The standard library does not follow links below it.
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => remove(path),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(cause),
    }
}

#[cfg(unix)]
fn is_same(file: &File, path: &Utf8Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    match fs::symlink_metadata(path) {
        Ok(named) => {
            let open = file.metadata()?;
            Ok((named.dev(), named.ino()) == (open.dev(), open.ino()))
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(cause),
    }
}

#[cfg(not(unix))]
fn is_same(_: &File, _: &Utf8Path) -> io::Result<bool> {
    Ok(true)
}
