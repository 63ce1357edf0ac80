//! The versions of a project of a Python package index. The index states the digest of a wheel, and nobody there that of
//! the archive in it: an artifact is found only where the registry knows the archive from its makers.

use serde::Deserialize;

use super::{DiscoverError, Found, Question, malformed, template::Words};
use crate::domain::{Algorithm, Channel, Digest, Integrity, Source, Target, origin::Index};

/// Whatever Python the machine has: a wheel without code for one is the same for all.
const PYTHON: &str = "3.13";

pub(super) async fn ask(question: &Question<'_>) -> Result<Vec<Found>, DiscoverError> {
    let Index::PyPi { package, version } = &question.origin.index else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for (target, platform) in &question.origin.targets {
        let tag = platform.platform.as_deref().unwrap_or_default();
        for listed in listed(question, package, tag).await? {
            let read = Words::read(version, &listed).and_then(|words| question.version(&words));
            let Some(version) = read.filter(|version| (question.wants)(version, *target)) else {
                continue;
            };
            let Some((integrity, size)) = archive(question, &version, *target) else {
                continue;
            };
            let wheel = wheel(question, package, &listed, tag).await?;
            let words = question.words(&version, *target, platform, &listed);
            let source = Source::PyPi {
                package: package.clone(),
                version: listed,
                platform: tag.to_owned(),
                wheel,
            };
            found.push(Found {
                channel: Channel::Stable,
                tag: None,
                published: None,
                artifact: question.artifact(*target, &words, source, integrity, size),
                version,
            });
        }
    }
    Ok(found)
}

/// The archive of a release as its makers publish it: its digest, and its size where it is known.
fn archive(
    question: &Question<'_>,
    version: &semver::Version,
    target: Target,
) -> Option<(Integrity, Option<u64>)> {
    let releases = &question.component.releases;
    let release = releases.iter().find(|release| release.version == *version)?;
    let is_same = |artifact: &&crate::domain::Artifact| {
        artifact.target == target
            && artifact.provider == question.origin.provider
            && matches!(artifact.source, Source::Https { .. })
            && matches!(artifact.integrity, Integrity::Pinned { .. })
    };
    let artifact = release.artifacts.iter().find(is_same)?;
    Some((artifact.integrity.clone(), artifact.size))
}

/// The versions that have a wheel for a platform.
async fn listed(question: &Question<'_>, package: &str, tag: &str) -> Result<Vec<String>, DiscoverError> {
    let arguments = [&["index", "versions"][..], &restrictions(tag)[..], &[package][..]].concat();
    let body = question.clients.pip(&arguments).await?;
    let text = String::from_utf8_lossy(&body);
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Available versions: "));
    let line = line.ok_or_else(|| malformed(package, "it lists no versions"))?;
    Ok(line.split(", ").map(str::to_owned).collect())
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
        hashes: std::collections::BTreeMap<String, String>,
    }
    let spec = format!("{package}=={version}");
    let words = [
        "install",
        "--dry-run",
        "--ignore-installed",
        "--no-deps",
        "--quiet",
        "--report",
        "-",
        "--target",
        "unused",
    ];
    let arguments = [&words[..], &restrictions(tag)[..], &[spec.as_str()][..]].concat();
    let body = question.clients.pip(&arguments).await?;
    let report: Report = serde_json::from_slice(&body).map_err(|cause| malformed(&spec, cause))?;
    let mut hashes = report
        .install
        .into_iter()
        .map(|item| item.download_info.archive_info.hashes);
    let stated = hashes.next().and_then(|hashes| hashes.get("sha256").cloned());
    stated
        .and_then(|hex| Digest::from_hex(Algorithm::Sha256, &hex).ok())
        .ok_or_else(|| malformed(&spec, "it states no sha256"))
}

/// Returns the options that make pip look for the wheel of a platform, whatever Python runs it.
fn restrictions(tag: &str) -> [&str; 6] {
    [
        "--ignore-requires-python",
        "--only-binary=:all:",
        "--platform",
        tag,
        "--python-version",
        PYTHON,
    ]
}
