//! Bytes proven by their digest. Nothing is unpacked that is not `Verified`.

use std::{
    fs::File,
    io::{self, Read, Seek as _},
};

use camino::{Utf8Path, Utf8PathBuf};

use crate::domain::{Algorithm, Digest, digest::Hasher};

/// A file whose digest was computed and is the expected one. It keeps open the very file that was hashed, so that what
/// is unpacked is what was proven, whatever happens to the path.
#[derive(Debug)]
pub struct Verified {
    file: File,
    path: Utf8PathBuf,
    digest: Digest,
    size: u64,
}

/// The reason a file is not the expected one.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Other bytes than promised.
    #[error("checksum mismatch for `{origin}`: expected {expected}, got {actual}")]
    Digest {
        /// Where the bytes came from.
        origin: String,
        /// The promised digest.
        expected: Digest,
        /// The computed digest.
        actual: Digest,
    },
    /// More or fewer bytes than promised.
    #[error("size mismatch for `{origin}`: expected {expected} bytes, got {actual}")]
    Size {
        /// Where the bytes came from.
        origin: String,
        /// The promised size.
        expected: u64,
        /// The size of the file.
        actual: u64,
    },
    /// The file cannot be read.
    #[error("cannot read `{path}`")]
    Io {
        /// The file.
        path: Utf8PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Hashes the whole of an open file, from its beginning, and gives it back as proven.
///
/// `path` is where it lies and `origin` where it came from, both for messages only.
///
/// # Errors
/// When its size or digest is another than promised, or it cannot be read.
pub fn verify(
    mut file: File,
    path: &Utf8Path,
    origin: &str,
    expected: &Digest,
    size: Option<u64>,
) -> Result<Verified, VerifyError> {
    let failed = |source| VerifyError::Io {
        path: path.to_owned(),
        source,
    };
    file.rewind().map_err(failed)?;
    let (digest, length) = digest_of(&mut file, expected.algorithm()).map_err(failed)?;
    file.rewind().map_err(failed)?;
    let hashed = Hashed { file, digest, length };
    verify_hashed(hashed, path, origin, expected, size)
}

/// An open file with the digest and the length of all that is in it.
#[derive(Debug)]
pub struct Hashed {
    /// The file.
    pub file: File,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub length: u64,
}

/// Gives back as proven a file that was hashed while it was written, by one who alone could write it.
///
/// # Errors
/// When its size or digest is another than promised.
pub fn verify_hashed(
    hashed: Hashed,
    path: &Utf8Path,
    origin: &str,
    expected: &Digest,
    size: Option<u64>,
) -> Result<Verified, VerifyError> {
    let Hashed {
        file,
        digest: actual,
        length,
    } = hashed;
    if let Some(size) = size
        && size != length
    {
        return Err(VerifyError::Size {
            origin: origin.to_owned(),
            expected: size,
            actual: length,
        });
    }
    if actual != *expected {
        return Err(VerifyError::Digest {
            origin: origin.to_owned(),
            expected: expected.clone(),
            actual,
        });
    }
    Ok(Verified {
        file,
        path: path.to_owned(),
        digest: actual,
        size: length,
    })
}

/// The digest and the length of all that `reader` gives.
///
/// # Errors
/// Those of reading.
pub fn digest_of(reader: &mut impl Read, algorithm: Algorithm) -> io::Result<(Digest, u64)> {
    let mut hasher = Hasher::new(algorithm);
    let mut buffer = vec![0; 256 * 1024];
    let mut length = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finish(), length)),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                length += count as u64;
            }
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
}

impl Verified {
    /// The open file. Whoever reads it seeks to the beginning first.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Where it lay when it was opened; for messages and for removing it when it is no longer needed.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Its digest.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}
