//! Digests: what an artifact is believed by.

use std::{fmt, io, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// A hash function that a digest may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// SHA-512 (FIPS 180-4).
    Sha512,
}

impl Algorithm {
    /// `sha256` or `sha512`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The length of a digest in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// A digest with its algorithm. Text form: `sha256:<64 lower-case hex>` or `sha512:<128 lower-case hex>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest {
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

/// The reason a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest (`sha256:` and 64 hex digits, or `sha512:` and 128)")]
pub struct InvalidDigest(String);

impl Digest {
    /// A digest from its hex digits alone, in either case.
    ///
    /// # Errors
    /// When `hex` is not hex or not as long as the algorithm's digests are.
    pub fn from_hex(algorithm: Algorithm, hex: &str) -> Result<Self, InvalidDigest> {
        let invalid = || InvalidDigest(format!("{}:{hex}", algorithm.as_str()));
        let mut bytes = vec![0; algorithm.bytes()];
        // It refuses another length, too.
        hex::decode_to_slice(hex, &mut bytes).map_err(|_| invalid())?;
        Ok(Self { algorithm, bytes })
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hex digits, lower case, without the algorithm.
    pub fn hex(&self) -> String {
        hex::encode(&self.bytes)
    }

    /// `sha256-<hex>`: a name for files that are kept by digest.
    pub fn file_name(&self) -> String {
        format!("{}-{}", self.algorithm.as_str(), self.hex())
    }

    /// The path of the file with this digest in a mirror: `blobs/<algorithm>/<hex>`.
    pub fn blob(&self) -> String {
        format!("blobs/{}/{}", self.algorithm.as_str(), self.hex())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.as_str(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidDigest(text.to_owned());
        let (algorithm, hex) = text.split_once(':').ok_or_else(invalid)?;
        let algorithm = match algorithm {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return Err(invalid()),
        };
        Self::from_hex(algorithm, hex)
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// A hash being computed. Everything written to it is hashed.
#[derive(Debug, Clone)]
pub enum Hasher {
    /// SHA-256 so far.
    Sha256(Box<sha2::Sha256>),
    /// SHA-512 so far.
    Sha512(Box<sha2::Sha512>),
}

impl Hasher {
    /// A hasher that has seen nothing.
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Box::default()),
            Algorithm::Sha512 => Self::Sha512(Box::default()),
        }
    }

    /// Hashes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(state) => state.update(bytes),
            Self::Sha512(state) => state.update(bytes),
        }
    }

    /// The digest of everything seen.
    pub fn finish(self) -> Digest {
        let (algorithm, bytes) = match self {
            Self::Sha256(state) => (Algorithm::Sha256, state.finalize().to_vec()),
            Self::Sha512(state) => (Algorithm::Sha512, state.finalize().to_vec()),
        };
        Digest { algorithm, bytes }
    }
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    /// The vectors for "abc" of FIPS 180-4.
    #[test]
    fn known_digests_are_computed_and_parsed() {
        let known = [
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ];
        every(known, |text| {
            let digest: Digest = text.parse().expect("valid");
            let mut hasher = Hasher::new(digest.algorithm());
            hasher.update(b"a");
            hasher.update(b"bc");
            assert_eq!(hasher.finish(), digest);
            assert_eq!(digest.to_string(), text);
        });
    }

    #[test]
    fn texts_that_are_no_digest_are_refused() {
        let rows = [
            "",
            "sha256",
            "sha256:",
            "md5:00",
            "sha256:00",
            "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709",
        ];
        every(rows, |bad| {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        });
        assert!(format!("sha256:{}", "g".repeat(64)).parse::<Digest>().is_err());
    }
}
