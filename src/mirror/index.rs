//! The index of a mirror: what was put into it, for whoever keeps it. A client that could install nothing reads it
//! too, and only to say what there is instead.

use std::{collections::BTreeMap, io};

use semver::Version;
use serde::{Deserialize, Serialize};

use super::{Mirror, MirrorContext, MirrorError};
use crate::{
    domain::{Algorithm, ComponentName, Digest, Provider, Target, checked},
    event::Event,
    fs::atomic,
    verify,
};

/// The index's name.
pub(super) const NAME: &str = "mirror.json";
/// No index is larger, in bytes.
pub(super) const LIMIT: u64 = 16 << 20;

/// All that was put into a mirror.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// The version of this format.
    pub schema: u32,
    /// The registry that it carries.
    pub registry: Option<RegistryEntry>,
    /// The artifacts, each of which lies at the place of its digest.
    pub artifacts: Vec<ArtifactEntry>,
    /// The other files, by path.
    pub files: BTreeMap<String, Digest>,
}

/// The registry in a mirror.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryEntry {
    /// Its id.
    pub id: String,
    /// Its number.
    pub serial: u64,
    /// When it was issued.
    pub issued: String,
    /// True if it is signed, so that clients take it from the mirror.
    pub is_signed: bool,
}

/// An artifact in a mirror.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ArtifactEntry {
    /// The component.
    pub component: ComponentName,
    /// Its version.
    pub version: Version,
    /// The kind of host.
    pub target: Target,
    /// Who built it.
    pub provider: Provider,
    /// The digest of the file.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The address that stated the digest, where the registry did not: whoever installs the file asks there again, because
    /// nothing that a mirror says is believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated_at: Option<String>,
}

impl Mirror {
    /// The index.
    ///
    /// # Errors
    /// `Absent` where there is none, `Damaged` where it is not as it was written.
    pub fn index(&self) -> Result<Index, MirrorError> {
        let path = self.directory.join(NAME);
        let content = match atomic::read(&path, LIMIT) {
            Ok(content) => content,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return Err(MirrorError::Absent {
                    directory: self.directory.clone(),
                });
            }
            Err(cause) => return Err(self.disk()(cause)),
        };
        checked::read(&content).map_err(|source| MirrorError::Damaged { path, source })
    }

    /// Changes the index, under the lock.
    pub(super) fn change(
        &self,
        context: &MirrorContext<'_>,
        change: impl FnOnce(&mut Index),
    ) -> Result<(), MirrorError> {
        let _lock = self.lock(context)?;
        if let Err(error @ MirrorError::Damaged { .. }) = self.index() {
            let text = format!("{error}; it is made again from what is put into the mirror now");
            context.reporter.report(Event::Warning(text));
        }
        self.record(change)
    }

    /// The same for whoever holds the lock.
    pub(super) fn record(&self, change: impl FnOnce(&mut Index)) -> Result<(), MirrorError> {
        let before = match self.index() {
            Ok(index) => Some(index),
            Err(MirrorError::Absent { .. } | MirrorError::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        let mut after = before.clone().unwrap_or_default();
        after.schema = 1;
        change(&mut after);
        if before.as_ref() == Some(&after) {
            return Ok(());
        }
        let path = self.directory.join(NAME);
        atomic::write_through(&self.work(), &path, &checked::written(&after)).map_err(self.disk())
    }
}

impl Mirror {
    /// Puts the registry into the mirror: as it is, and, where it is signed, in the layout that clients ask for. A newer
    /// one that is there stays.
    ///
    /// # Errors
    /// When the mirror is another registry's, or cannot be written.
    pub fn carry_registry(
        &self,
        document: &[u8],
        signature: Option<&[u8]>,
        context: &MirrorContext<'_>,
    ) -> Result<RegistryEntry, MirrorError> {
        let registry = context.registry;
        let ours = RegistryEntry {
            id: registry.id.clone(),
            serial: registry.serial,
            issued: registry.issued.clone(),
            is_signed: signature.is_some(),
        };
        if let Some(theirs) = self.index()?.registry {
            if theirs.id != ours.id {
                return Err(MirrorError::OtherRegistry {
                    directory: self.directory.clone(),
                    theirs: theirs.id,
                    ours: ours.id,
                });
            }
            if theirs.serial > ours.serial
                || (theirs.serial == ours.serial && theirs.is_signed && !ours.is_signed)
            {
                return Ok(theirs);
            }
        }
        self.put("registry.json", document, context)?;
        if let Some(signature) = signature {
            // The document first: whoever sees the new pointer finds what it points to.
            self.put(&format!("v1/registry-{}.json", ours.serial), document, context)?;
            self.put("v1/registry.minisig", signature, context)?;
        }
        self.change(context, |index| index.registry = Some(ours.clone()))?;
        Ok(ours)
    }
}

impl Index {
    /// Puts an artifact in the place of another of the same build.
    pub(super) fn add(&mut self, entry: ArtifactEntry) {
        // zonky has one build in two archives, and both may be here.
        let is_same = |other: &ArtifactEntry| {
            let stated_at = entry.stated_at.clone();
            entry
                == ArtifactEntry {
                    stated_at,
                    ..other.clone()
                }
        };
        self.artifacts.retain(|other| !is_same(other));
        let at = self.artifacts.partition_point(|other| *other < entry);
        self.artifacts.insert(at, entry);
    }
}

/// The digest of a small file.
pub(super) fn digest_of(content: &[u8]) -> Digest {
    let (digest, _) = verify::digest_of(&mut &*content, Algorithm::Sha256).expect("memory can be read");
    digest
}
