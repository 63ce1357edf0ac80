//! Storage of a fetched registry: its copy in `cache/`, one file that holds signature and manifest, and the floor for
//! later ones in `trust.json`. Each is replaced whole.

use std::{collections::BTreeMap, io};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::Newer;
use crate::{
    domain::{Algorithm, Digest, digest::Hasher},
    fs::{atomic, lock::Lock},
    layout::Layout,
    registry::{
        keys::RegistryOrigin,
        manifest,
        trust::{self, Floor, Pointer, Signed, Standing},
    },
    store::{claim, directories, shared_home},
};

/// `trust.json` is never larger, in bytes.
const LIMIT: u64 = 64 << 10;

/// The result of storing a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It is in use from now on, unless the built-in one is newer still.
    Newer {
        /// Its serial.
        serial: u64,
        /// When it was issued.
        issued: String,
    },
    /// We had it.
    Same,
    /// It is older than ours, which is young: a content network needs its time.
    Behind {
        /// Its serial.
        found: u64,
        /// Ours.
        accepted: u64,
    },
}

/// `trust.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Trust {
    schema: u32,
    registries: BTreeMap<String, Accepted>,
}

/// The last accepted state of one registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Accepted {
    #[serde(flatten)]
    pub floor: Floor,
    /// The server's entity tag of its pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The digest of all of the above: a serial that a failing disk has raised would keep every later registry out.
    check: Digest,
}

impl Accepted {
    fn new(id: &str, floor: Floor, etag: Option<String>) -> Self {
        let check = check(id, &floor, etag.as_deref());
        Self { floor, etag, check }
    }

    fn is_whole(&self, id: &str) -> bool {
        self.check == check(id, &self.floor, self.etag.as_deref())
    }
}

fn check(id: &str, floor: &Floor, etag: Option<&str>) -> Digest {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let (serial, digest) = (floor.serial.to_string(), floor.sha256.to_string());
    for part in [id, &serial, &digest, &floor.issued, etag.unwrap_or_default()] {
        hasher.update(part.as_bytes());
        hasher.update(b"\n");
    }
    hasher.finish()
}

/// Returns the last accepted state; if it cannot be read, a sentence that says so.
pub(super) fn accepted(origin: &RegistryOrigin, layout: &Layout) -> Result<Option<Accepted>, String> {
    let damaged = |why: &dyn std::fmt::Display| {
        format!(
            "`{}` is damaged ({why}): which registry was accepted last is taken from its copy",
            layout.trust()
        )
    };
    match read(layout) {
        Ok(mut trust) => match trust.registries.remove(&origin.name()) {
            Some(accepted) if !accepted.is_whole(&origin.name()) => Err(damaged(&"its check does not match")),
            accepted => Ok(accepted),
        },
        Err(cause) => Err(damaged(&cause)),
    }
}

/// The id of the further registry of this place, if one was accepted.
pub(super) fn known_id(origin: &RegistryOrigin, layout: &Layout) -> Option<String> {
    let place = format!("-{}", origin.place());
    let trust = read(layout).ok()?;
    let names = trust.registries.into_keys();
    names
        .filter_map(|name| name.strip_suffix(&place).map(str::to_owned))
        .next()
}

fn read(layout: &Layout) -> io::Result<Trust> {
    match atomic::read_own(&layout.trust(), LIMIT) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Trust::default()),
        Err(cause) => Err(cause),
    }
}

/// The reason a copy is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// It cannot be read now, and may be good.
    #[error("{0}")]
    Unread(io::Error),
    /// It is not what was signed, or not what was accepted.
    #[error("{0}")]
    Refused(String),
}

impl Unusable {
    fn of_io(cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::InvalidData => Self::Refused(cause.to_string()),
            _ => Self::Unread(cause),
        }
    }
}

/// The copy, if there is one, proven again and not another than what was accepted, which was read before.
pub(super) fn accepted_copy(
    origin: &RegistryOrigin,
    layout: &Layout,
    accepted: Option<&Accepted>,
) -> Result<Option<Signed>, Unusable> {
    let Some(signed) = copy(origin, layout)? else {
        return Ok(None);
    };
    match accepted.map_or(Standing::Higher, |accepted| {
        accepted.floor.standing(signed.floor())
    }) {
        Standing::Higher | Standing::Same => Ok(Some(signed)),
        Standing::Lower | Standing::SameOtherBytes => Err(Unusable::Refused(
            "it is not the one that was accepted last".to_owned(),
        )),
    }
}

/// The copy, if there is one, proven again.
pub(super) fn copy(origin: &RegistryOrigin, layout: &Layout) -> Result<Option<Signed>, Unusable> {
    let Some((pointer, document)) = parts(origin, layout)? else {
        return Ok(None);
    };
    proven(origin, &pointer, &document).map(Some)
}

fn proven(origin: &RegistryOrigin, pointer: &[u8], document: &[u8]) -> Result<Signed, Unusable> {
    Pointer::parse(pointer, &origin.keyring, &origin.id)
        .and_then(|pointer| trust::verify(&pointer, document, &origin.keyring))
        .map_err(|error| Unusable::Refused(error.to_string()))
}

/// The two files of a published registry, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its serial.
    pub serial: u64,
    /// The signature, which names the document.
    pub pointer: Vec<u8>,
    /// The manifest.
    pub document: Vec<u8>,
}

/// The two files that the copy was made of, proven again.
pub(super) fn published(origin: &RegistryOrigin, layout: &Layout) -> Option<Published> {
    let (pointer, document) = parts(origin, layout).ok()??;
    let serial = proven(origin, &pointer, &document).ok()?.floor().serial;
    Some(Published {
        serial,
        pointer,
        document,
    })
}

/// A signature and a manifest, neither of them proven.
type Parts = (Vec<u8>, Vec<u8>);

/// The two files that the copy was made of.
fn parts(origin: &RegistryOrigin, layout: &Layout) -> Result<Option<Parts>, Unusable> {
    let limit = trust::POINTER_LIMIT + manifest::LIMIT;
    let mut pointer = match atomic::read_own(&layout.registry_copy(&origin.name()), limit) {
        Ok(bytes) => bytes,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(Unusable::of_io(cause)),
    };
    let ends = pointer.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let (end, _) = ends
        .take(4)
        .last()
        .ok_or_else(|| Unusable::Refused("it is cut short".to_owned()))?;
    let document = pointer.split_off(end + 1);
    Ok(Some((pointer, document)))
}

/// Removes a copy that is refused, as far as that can be done.
pub(super) fn drop_refused(origin: &RegistryOrigin, layout: &Layout) {
    // In a directory that is no home, or behind a link in one, nothing is made and nothing is removed.
    let places = [layout.locks(), layout.cache()];
    if !claim::is_made(layout)
        || places
            .iter()
            .any(|place| directories::foreign_entry(place, layout).is_some())
    {
        return;
    }
    // Whoever keeps a newer one holds this lock: without it, the newer one would go in place of the one that was read.
    // What stays, here or in a home of another user, is refused again the next time.
    if let Ok(Some(lock)) = Lock::try_acquire(&layout.store_lock()) {
        let accepted = accepted(origin, layout).unwrap_or_default();
        if let Err(Unusable::Refused(_)) = accepted_copy(origin, layout, accepted.as_ref()) {
            let _ = fs::remove_file(layout.registry_copy(&origin.name()));
        }
        lock.release();
    }
}

/// Keeps all of it: the copy first, so that the floor never rises above what is here.
pub(super) fn keep(newer: &Newer, origin: &RegistryOrigin, layout: &Layout) -> io::Result<()> {
    let copy = [newer.pointer.as_slice(), newer.document.as_slice()].concat();
    atomic::write_through(&layout.staging(), &layout.registry_copy(&origin.name()), &copy)?;
    // A damaged one says nothing that could be kept.
    let mut trust = read(layout).unwrap_or_default();
    trust.schema = 1;
    let accepted = Accepted::new(&origin.name(), newer.signed.floor().clone(), newer.etag.clone());
    trust.registries.insert(origin.name(), accepted);
    let mut text = serde_json::to_vec_pretty(&trust).expect("text and numbers are JSON");
    text.push(b'\n');
    shared_home::write_state(layout, &layout.trust(), &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_opened_is_not_refused() {
        use io::ErrorKind::{InvalidData, Other, PermissionDenied};
        let is_refused = |kind: io::ErrorKind| matches!(Unusable::of_io(kind.into()), Unusable::Refused(_));
        // EMFILE and EIO have no kind of their own.
        assert_eq!(
            [InvalidData, PermissionDenied, Other].map(is_refused),
            [true, false, false]
        );
    }
}
