//! The `file` source: a file of this machine, used where it lies.

use std::io;

use camino::Utf8Path;
use fs_err as fs;
use url::Url;

use super::{FetchError, Wire, address, download::Wanted};
use crate::{fs::atomic, verify::Verified};

impl Wire {
    /// Opens and proves it. It is not copied.
    pub(super) async fn open(&self, url: &Url, wanted: &Wanted<'_>) -> Result<Verified, FetchError> {
        let path = address::file_path(url)?;
        ensure_regular(&path)?;
        let file = fs::File::open(&path).map_err(|cause| missing_or_disk(&path, cause))?;
        self.verified(file.into_file(), &path, path.as_str(), wanted)
            .await
            .map_err(|cause| FetchError::of_verify(cause, false))
    }
}

/// The content of a small one.
pub(super) fn read(url: &Url, limit: u64) -> Result<Vec<u8>, FetchError> {
    let path = address::file_path(url)?;
    ensure_regular(&path)?;
    atomic::read(&path, limit).map_err(|cause| missing_or_disk(&path, cause))
}

/// Looks whether it is there, and does not open it.
pub(super) fn look(url: &Url) -> Result<(), FetchError> {
    ensure_regular(&address::file_path(url)?)
}

/// Looked at before it is opened: opening a pipe would wait for whoever writes it.
fn ensure_regular(path: &Utf8Path) -> Result<(), FetchError> {
    let metadata = fs::metadata(path).map_err(|cause| missing_or_disk(path, cause))?;
    if metadata.is_file() {
        return Ok(());
    }
    Err(FetchError::Address {
        address: path.to_string(),
        why: "it is not a regular file".to_owned(),
    })
}

fn missing_or_disk(path: &Utf8Path, cause: io::Error) -> FetchError {
    match cause.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FetchError::Gone {
            origin: path.to_string(),
            why: "no such file".to_owned(),
        },
        // Another source may be readable.
        io::ErrorKind::PermissionDenied => FetchError::Gone {
            origin: path.to_string(),
            why: "it may not be read".to_owned(),
        },
        _ => FetchError::disk(path)(cause),
    }
}
