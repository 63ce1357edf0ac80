//! The proof of a mirror: every file is hashed again. No network is touched and nothing is changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use camino::{Utf8Component, Utf8Path};
use fs_err as fs;

use super::{ArtifactEntry, Mirror, MirrorError, index};
use crate::{
    domain::{Algorithm, Digest, Integrity},
    fs::atomic,
    registry::{Registry, manifest},
    verify,
};

/// The result of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// The number of files that are what they should be.
    pub whole: usize,
    /// Their bytes.
    pub bytes: u64,
    /// The others, and files that are missing.
    pub findings: Vec<Finding>,
    /// The addresses that state digests which the registry in the mirror does not: without them, what has such a digest cannot
    /// be installed.
    pub needed: BTreeSet<String>,
}

/// A file of a mirror that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its path in the mirror.
    pub path: String,
    /// The difference.
    pub what: String,
    /// The artifact that it should be.
    pub entry: Option<ArtifactEntry>,
}

impl Mirror {
    /// Hashes every file of the mirror.
    ///
    /// # Errors
    /// When it is no mirror, or cannot be read.
    pub fn check(&self) -> Result<Checked, MirrorError> {
        let mut checked = Checked::default();
        let index = match self.index() {
            Ok(index) => index,
            Err(error @ MirrorError::Damaged { .. }) => {
                checked.find(index::NAME, with_cause(&error), None);
                index::Index::default()
            }
            Err(error) => return Err(error),
        };
        let registry = self.registry();
        let mut known: BTreeMap<String, (Digest, Option<ArtifactEntry>)> = BTreeMap::new();
        for entry in index.artifacts {
            match registry.as_ref().and_then(|registry| pinned(registry, &entry)) {
                Some(pinned) if !pinned.contains(&entry.digest) => checked.find(
                    &entry.digest.blob(),
                    "is not what the registry in the mirror says".to_owned(),
                    Some(entry.clone()),
                ),
                Some(_) => {}
                None => checked.needed.extend(entry.stated_at.clone()),
            }
            known.insert(entry.digest.blob(), (entry.digest.clone(), Some(entry)));
        }
        for (path, digest) in index.files {
            known.insert(path, (digest, None));
        }
        for path in self.blobs().map_err(self.disk())? {
            match digest_in(&path) {
                Some(digest) => {
                    known.entry(path).or_insert((digest, None));
                }
                None => checked.find(&path, "is not named by a digest".to_owned(), None),
            }
        }
        for (path, (digest, entry)) in known {
            let is_below = Utf8Path::new(&path)
                .components()
                .all(|part| matches!(part, Utf8Component::Normal(_)));
            if !is_below {
                checked.find(&path, "is outside of the mirror".to_owned(), entry);
                continue;
            }
            match read(&self.directory.join(&path), digest.algorithm()).map_err(self.disk())? {
                None => checked.find(&path, "is missing".to_owned(), entry),
                Some((actual, size)) if actual == digest => {
                    checked.whole += 1;
                    checked.bytes += size;
                }
                Some((actual, _)) => {
                    let what = format!("is damaged: expected {digest}, got {actual}");
                    checked.find(&path, what, entry);
                }
            }
        }
        Ok(checked)
    }

    /// The registry in the mirror, if it can be read.
    fn registry(&self) -> Option<Registry> {
        let document = atomic::read(&self.directory.join("registry.json"), manifest::LIMIT).ok()?;
        Registry::parse(&document).ok()
    }

    /// Every file below `blobs/`, by its path in the mirror.
    fn blobs(&self) -> io::Result<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        let mut pending = vec!["blobs".to_owned()];
        while let Some(directory) = pending.pop() {
            let entries = match self.directory.join(&directory).read_dir_utf8() {
                Ok(entries) => entries,
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
                Err(cause) => return Err(cause),
            };
            for entry in entries {
                let entry = entry?;
                let path = format!("{directory}/{}", entry.file_name());
                if entry.file_type()?.is_dir() {
                    pending.push(path);
                } else {
                    found.insert(path);
                }
            }
        }
        Ok(found)
    }
}

impl Checked {
    fn find(&mut self, path: &str, what: String, entry: Option<ArtifactEntry>) {
        self.findings.push(Finding {
            path: path.to_owned(),
            what,
            entry,
        });
    }
}

/// The digests that a registry states for this build; `None` where it states none.
fn pinned(registry: &Registry, entry: &ArtifactEntry) -> Option<Vec<Digest>> {
    let component = registry.component(&entry.component)?;
    let release = component
        .releases
        .iter()
        .find(|release| release.version == entry.version)?;
    let of_build = release
        .artifacts
        .iter()
        .filter(|artifact| artifact.target == entry.target && artifact.provider == entry.provider);
    let digests = of_build.map(|artifact| match &artifact.integrity {
        Integrity::Pinned { digest } => Some(digest.clone()),
        Integrity::ChecksumFile { .. } | Integrity::GithubAsset { .. } | Integrity::Stated { .. } => None,
    });
    digests
        .collect::<Option<Vec<_>>>()
        .filter(|digests| !digests.is_empty())
}

/// The digest that the path of a blob names.
fn digest_in(path: &str) -> Option<Digest> {
    let mut parts = path.split('/').skip(1);
    let algorithm = match parts.next()? {
        "sha256" => Algorithm::Sha256,
        "sha512" => Algorithm::Sha512,
        _ => return None,
    };
    let digest = Digest::from_hex(algorithm, parts.next()?).ok()?;
    (digest.blob() == path).then_some(digest)
}

/// Returns true if the file at `path` is regular and has this digest and, where it is known, this size.
pub(super) fn has_content(path: &Utf8Path, digest: &Digest, size: Option<u64>) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() || size.is_some_and(|size| size != found.len()) => Ok(false),
        Ok(_) => Ok(read(path, digest.algorithm())?.is_some_and(|(actual, _)| actual == *digest)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// The digest and the size of a file; `None` where there is none.
fn read(path: &Utf8Path, algorithm: Algorithm) -> io::Result<Option<(Digest, u64)>> {
    match fs::File::open(path) {
        Ok(mut file) => verify::digest_of(&mut file, algorithm).map(Some),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cause),
    }
}

fn with_cause(error: &MirrorError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    format!("is damaged: {}", cause.unwrap_or_default())
}
