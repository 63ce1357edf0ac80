//! The versions of a project of a Python package index. The index states the digest of a wheel, and nobody there that of
//! the archive in it: where the registry knows the archive from its makers, their digest counts; elsewhere the wheel itself
//! is the artifact.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{DiscoverError, IndexEntry, Listed, Question, malformed, template::Words};
use crate::domain::{Algorithm, Artifact, Digest, Integrity, Source, origin::Index};

pub(super) async fn list(question: &Question<'_>) -> Result<Vec<Listed>, DiscoverError> {
    let Index::PyPi { package, version } = &question.origin.index else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    for (target, platform) in question.targets() {
        let tag = platform.platform.as_deref().unwrap_or_default();
        for listed in listed(question, package, tag).await? {
            let read = Words::read(version, &listed).and_then(|words| question.version(&words));
            let Some(version) = read else { continue };
            let words = question.words(&version, target, platform, &listed);
            let entry = IndexEntry::PyPi {
                package: package.clone(),
                version: listed,
                platform: tag.to_owned(),
            };
            all.push(question.stable(version, target, words, entry));
        }
    }
    Ok(all)
}

/// The source of a wheel, the digest that counts, and the size of the artifact where it is known.
pub(super) async fn complete(
    question: &Question<'_>,
    listed: &Listed,
    (package, version, platform): (&str, &str, &str),
) -> Result<(Source, Integrity, Option<u64>), DiscoverError> {
    let wheel = wheel(question, package, version, platform).await?;
    let source = Source::PyPi {
        package: package.to_owned(),
        version: version.to_owned(),
        platform: platform.to_owned(),
        wheel: wheel.clone(),
    };
    Ok(match archive(question, listed) {
        Some(archive) => (source, archive.integrity.clone(), archive.size),
        None => {
            let by = source.to_string();
            (source, Integrity::Stated { digest: wheel, by }, None)
        }
    })
}

/// The archive of a release as its makers publish it, where the registry knows it.
fn archive<'a>(question: &'a Question<'_>, listed: &Listed) -> Option<&'a Artifact> {
    let releases = &question.component.releases;
    let release = releases
        .iter()
        .find(|release| release.version == listed.version)?;
    release.artifacts.iter().find(|artifact| {
        artifact.target == listed.target
            && artifact.provider == question.origin.provider
            && matches!(artifact.source, Source::Https { .. })
            && matches!(artifact.integrity, Integrity::Pinned { .. })
    })
}

/// The versions that have a wheel for a platform.
async fn listed(question: &Question<'_>, package: &str, tag: &str) -> Result<Vec<String>, DiscoverError> {
    let answer = question
        .asker
        .pip(package, &["index", "versions", "--ignore-requires-python"], tag);
    let answer = answer.await?;
    let text = String::from_utf8_lossy(&answer.body);
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Available versions: "));
    let line = line.ok_or_else(|| malformed(package, "it lists no versions"))?;
    Ok(line
        .split(", ")
        .map(|version| version.trim().to_owned())
        .collect())
}

/// The SHA-256 that the index states of a wheel.
async fn wheel(
    question: &Question<'_>,
    package: &str,
    version: &str,
    tag: &str,
) -> Result<Digest, DiscoverError> {
    #[derive(Deserialize)]
    struct Report {
        install: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        download_info: Download,
    }
    #[derive(Deserialize)]
    struct Download {
        archive_info: Archive,
    }
    #[derive(Deserialize)]
    struct Archive {
        hashes: BTreeMap<String, String>,
    }
    let spec = format!("{package}=={version}");
    let words = [
        "install",
        "--dry-run",
        "--ignore-installed",
        "--ignore-requires-python",
        "--no-deps",
        "--quiet",
        "--progress-bar",
        "off",
        "--report",
        "-",
        "--target",
        "unused",
    ];
    let answer = question.asker.pip(&spec, &words, tag).await?;
    let report: Report = serde_json::from_slice(&answer.body).map_err(|cause| malformed(&spec, cause))?;
    let mut hashes = report
        .install
        .into_iter()
        .map(|item| item.download_info.archive_info.hashes);
    let stated = hashes.next().and_then(|hashes| hashes.get("sha256").cloned());
    stated
        .and_then(|hex| Digest::from_hex(Algorithm::Sha256, &hex).ok())
        .ok_or_else(|| malformed(&spec, "it states no sha256"))
}
