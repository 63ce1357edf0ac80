//! Trust in a published registry: a signature by one of our keys over its exact bytes, and a serial that never goes
//! down (`SECURITY.md`). Only judged here; nothing is fetched, read or kept.
//!
//! `registry.minisig` is pointer and signature in one: its trusted comment names the file, and bounds its size before
//! anything of it is believed. Every field of the comment is compared with the file after.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use minisign_verify::Signature;
use serde::{Deserialize, Serialize};

use super::{
    Registry,
    keys::{KeyId, Keyring},
    manifest::{self, ManifestError},
};
use crate::domain::{Algorithm, Digest, digest::Hasher};

/// No signature is larger, in bytes.
pub const POINTER_LIMIT: u64 = 4 << 10;
/// The highest serial: the highest number that every reader of JSON reads alike (RFC 7493, section 2.2).
const HIGHEST_SERIAL: u64 = (1 << 53) - 1;
/// A registry older than this is worth a warning; nothing more.
const OLD: SignedDuration = SignedDuration::from_hours(90 * 24);
/// A content network may serve the one before ours for so long.
const SLOW: SignedDuration = SignedDuration::from_hours(48);

/// The reason a registry is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Not the four lines of a signature.
    #[error("it is not a minisign signature: {0}")]
    NotASignature(&'static str),
    /// A signature over the bytes themselves; ours are over their hash.
    #[error("it is a signature of the legacy kind")]
    Legacy,
    /// By nobody we know.
    #[error("it is signed by the key {0}, which this ampup does not know")]
    UnknownKey(KeyId),
    /// By a key that may be in wrong hands.
    #[error("it is signed by the key {0}, which was revoked")]
    RevokedKey(KeyId),
    /// The trusted comment is not of our form.
    #[error("its trusted comment is not `ampup registry=… serial=… sha256=… size=…`: `{0}`")]
    Comment(String),
    /// The signature does not belong to these bytes and this comment.
    #[error("its signature by the key {0} is not valid")]
    Forged(KeyId),
    /// Another registry's.
    #[error("it is the registry `{found}`, not `{expected}`")]
    OtherRegistry {
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// A further registry that calls itself the default one.
    #[error("it calls itself `{0}`, which is the default registry")]
    DefaultId(String),
    /// The file is not what the trusted comment says.
    #[error("its {field} is {found}, and the signature says {stated}")]
    Disagrees {
        /// Which field.
        field: &'static str,
        /// The value in the file.
        found: String,
        /// The value in the signature.
        stated: String,
    },
    /// Signed, and no manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Older than what was accepted before.
    #[error("its serial is {found}, and {accepted} was accepted before")]
    Lower {
        /// Its serial.
        found: u64,
        /// Ours.
        accepted: u64,
    },
    /// Two files under one serial.
    #[error("its serial {serial} was accepted before with other content")]
    SameOtherBytes {
        /// The serial of both.
        serial: u64,
    },
}

/// The claims of the trusted comment about the file: believed only after `verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The registry's id.
    pub registry: String,
    /// Its serial.
    pub serial: u64,
    /// The SHA-256 of the file.
    pub digest: Digest,
    /// The size of the file in bytes.
    pub size: u64,
}

impl Claim {
    /// Returns the name of the file.
    pub fn file_name(&self) -> String {
        format!("registry-{}.json", self.serial)
    }

    /// Reads a trusted comment; only the one spelling that we write is understood.
    fn parse(comment: &str) -> Option<Self> {
        let mut words = comment.strip_prefix("ampup ")?.split(' ');
        let mut field = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=');
        let claim = Self {
            registry: field("registry")?.to_owned(),
            serial: field("serial")?.parse().ok()?,
            digest: Digest::from_hex(Algorithm::Sha256, field("sha256")?).ok()?,
            size: field("size")?.parse().ok()?,
        };
        let named = claim.registry.parse::<crate::domain::ComponentName>().is_ok();
        let within = claim.serial <= HIGHEST_SERIAL && claim.size <= manifest::LIMIT;
        (named && within && claim.to_string() == comment).then_some(claim)
    }
}

/// The trusted comment.
impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, serial, size) = (&self.registry, self.serial, self.size);
        write!(
            f,
            "ampup registry={id} serial={serial} sha256={} size={size}",
            self.digest.hex()
        )
    }
}

/// A `registry.minisig` of the right form, by a key that may sign. Its claim is not proven yet.
pub struct Pointer {
    signature: Signature,
    key: KeyId,
    claim: Claim,
}

impl Pointer {
    /// Reads one. It must be by a key of `keyring` and for the registry `id`.
    ///
    /// # Errors
    /// When it is no signature, or nothing that it might prove would be believed.
    pub fn parse(bytes: &[u8], keyring: &Keyring, id: &str) -> Result<Self, TrustError> {
        let text = framed(bytes)?;
        let signature = Signature::decode(text).map_err(|error| {
            TrustError::NotASignature(match error {
                minisign_verify::Error::UnsupportedAlgorithm => "its algorithm is unknown",
                _ => "a line of it is malformed",
            })
        })?;
        let line = text.lines().nth(1).unwrap_or_default();
        let key = KeyId::of_line(line).ok_or(TrustError::NotASignature("it names no key"))?;
        // Base64 of the algorithm `Ed`; ours, over the hash, is `ED`.
        if line.starts_with("RW") {
            return Err(TrustError::Legacy);
        }
        if keyring.is_revoked(key) {
            return Err(TrustError::RevokedKey(key));
        }
        if keyring.with_id(key).next().is_none() {
            return Err(TrustError::UnknownKey(key));
        }
        let comment = signature.trusted_comment();
        let claim = Claim::parse(comment).ok_or_else(|| {
            TrustError::Comment(comment.chars().take(200).flat_map(char::escape_debug).collect())
        })?;
        if claim.registry != id {
            return Err(TrustError::OtherRegistry {
                found: claim.registry,
                expected: id.to_owned(),
            });
        }
        Ok(Self {
            signature,
            key,
            claim,
        })
    }

    /// The id of the registry that a pointer claims to be of, which is not proven.
    ///
    /// # Errors
    /// When it is no signature of ours.
    pub fn claimed_id(bytes: &[u8]) -> Result<String, TrustError> {
        let text = framed(bytes)?;
        let comment = text.lines().nth(2).unwrap_or_default();
        let comment = comment.strip_prefix("trusted comment: ").unwrap_or_default();
        let claim = Claim::parse(comment);
        claim.map(|claim| claim.registry).ok_or_else(|| {
            TrustError::Comment(comment.chars().take(200).flat_map(char::escape_debug).collect())
        })
    }

    /// Returns its claims about the file.
    pub fn claim(&self) -> &Claim {
        &self.claim
    }
}

impl fmt::Debug for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pointer")
            .field("key", &self.key)
            .field("claim", &self.claim)
            .finish_non_exhaustive()
    }
}

/// Exactly four lines of ASCII, the last one ended too.
fn framed(bytes: &[u8]) -> Result<&str, TrustError> {
    let text = std::str::from_utf8(bytes).map_err(|_| TrustError::NotASignature("it is not text"))?;
    let visible = |letter: char| letter == '\n' || letter == ' ' || letter.is_ascii_graphic();
    if bytes.len() as u64 > POINTER_LIMIT {
        return Err(TrustError::NotASignature("it is too long"));
    }
    if !text.starts_with("untrusted comment: ") {
        return Err(TrustError::NotASignature("it does not begin as one"));
    }
    if !text.chars().all(visible) {
        return Err(TrustError::NotASignature("it has other letters than ASCII"));
    }
    if text.matches('\n').count() != 4 || !text.ends_with('\n') {
        return Err(TrustError::NotASignature("it has not four lines"));
    }
    Ok(text)
}

/// A registry that one of our keys signed. Holding it is the proof.
#[derive(Debug, Clone)]
pub struct Signed {
    registry: Registry,
    floor: Floor,
}

impl Signed {
    /// Returns the registry.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The same, to be kept.
    pub fn into_registry(self) -> Registry {
        self.registry
    }

    /// Returns the floor for later registries.
    pub fn floor(&self) -> &Floor {
        &self.floor
    }
}

/// Proves the bytes of a manifest by its pointer. They are parsed after, never before.
///
/// # Errors
/// When the signature does not hold, or what it signs is not what its comment says.
pub fn verify(pointer: &Pointer, document: &[u8], keyring: &Keyring) -> Result<Signed, TrustError> {
    let claim = &pointer.claim;
    let disagrees = |field, found: &dyn fmt::Display, stated: &dyn fmt::Display| TrustError::Disagrees {
        field,
        found: found.to_string(),
        stated: stated.to_string(),
    };
    let size = document.len() as u64;
    if size != claim.size {
        return Err(disagrees("size", &size, &claim.size));
    }
    let proven = |key: &minisign_verify::PublicKey| key.verify(document, &pointer.signature, false).is_ok();
    if !keyring.with_id(pointer.key).any(proven) {
        return Err(TrustError::Forged(pointer.key));
    }
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(document);
    let digest = hasher.finish();
    if digest != claim.digest {
        return Err(disagrees("digest", &digest, &claim.digest));
    }
    let registry = Registry::parse(document)?;
    if registry.id != claim.registry {
        return Err(disagrees("id", &registry.id, &claim.registry));
    }
    if registry.serial != claim.serial {
        return Err(disagrees("serial", &registry.serial, &claim.serial));
    }
    let floor = Floor {
        serial: registry.serial,
        sha256: digest,
        issued: registry.issued.clone(),
    };
    Ok(Signed { registry, floor })
}

/// The highest that was ever accepted of one registry (`trust.json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floor {
    /// Its serial.
    pub serial: u64,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// When it was issued.
    pub issued: String,
}

/// The relation of a registry to what was accepted before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Newer.
    Higher,
    /// The very same.
    Same,
    /// Older: an attacker, or a slow content network.
    Lower,
    /// Two files under one serial.
    SameOtherBytes,
}

impl Floor {
    /// Returns the relation of `other` to this one.
    pub fn standing(&self, other: &Self) -> Standing {
        match other.serial.cmp(&self.serial) {
            std::cmp::Ordering::Greater => Standing::Higher,
            std::cmp::Ordering::Less => Standing::Lower,
            std::cmp::Ordering::Equal if other.sha256 == self.sha256 => Standing::Same,
            std::cmp::Ordering::Equal => Standing::SameOtherBytes,
        }
    }

    /// Returns true if ours is so recent that a slow content network may not have it yet.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        age(&self.issued, now).is_some_and(|age| age < SLOW)
    }
}

/// A sentence about a registry that is old, for who installs or updates. Nothing ever stops working for it.
pub fn age_warning(issued: &str, now: Timestamp) -> Option<String> {
    let age = age(issued, now).filter(|age| *age > OLD)?;
    Some(format!("is {} days old", age.as_hours() / 24))
}

fn age(issued: &str, now: Timestamp) -> Option<SignedDuration> {
    Some(now.duration_since(issued.parse::<Timestamp>().ok()?))
}
