//! The versions of a package of npm. The package's version is not the component's: the newest package of a version wins.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use semver::Version;
use serde::Deserialize;

use super::{DiscoverError, Found, Question, malformed, pinned, template::Words};
use crate::domain::{Algorithm, Channel, Digest, Source, origin::Index};

pub(super) async fn ask(question: &Question<'_>) -> Result<Vec<Found>, DiscoverError> {
    let Index::Npm { package, version } = &question.origin.index else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for (target, platform) in &question.origin.targets {
        let mut words = Words::default();
        words.set("platform", platform.platform.as_deref().unwrap_or_default());
        let package = words.fill(package);
        let body = question
            .clients
            .npm(&["view", &package, "versions", "--json"])
            .await?;
        let listed: Vec<String> =
            serde_json::from_slice(&body).map_err(|cause| malformed(&package, cause))?;
        for (version, listed) in newest(question, version, &listed) {
            if !(question.wants)(&version, *target) {
                continue;
            }
            let Some(digest) = stated(question, &format!("{package}@{listed}")).await? else {
                continue;
            };
            let words = question.words(&version, *target, platform, &listed);
            let source = Source::Npm {
                package: package.clone(),
                version: listed,
            };
            found.push(Found {
                channel: Channel::Stable,
                tag: None,
                published: None,
                artifact: question.artifact(*target, &words, source, pinned(digest), None),
                version,
            });
        }
    }
    Ok(found)
}

/// The newest package of each version.
fn newest(question: &Question<'_>, template: &str, listed: &[String]) -> BTreeMap<Version, String> {
    let mut newest: BTreeMap<Version, (u64, u64, String)> = BTreeMap::new();
    for text in listed {
        let Some(words) = Words::read(template, text) else {
            continue;
        };
        let Some(version) = question.version(&words) else {
            continue;
        };
        let number = |name| words.get(name).and_then(|word| word.parse().ok()).unwrap_or(0);
        let candidate = (number("revision"), number("number"), text.clone());
        let place = newest.entry(version).or_insert_with(|| candidate.clone());
        if (place.0, place.1) < (candidate.0, candidate.1) {
            *place = candidate;
        }
    }
    newest
        .into_iter()
        .map(|(version, (_, _, text))| (version, text))
        .collect()
}

/// The SHA-512 that the registry states of a package; `None` where it states none.
async fn stated(question: &Question<'_>, package: &str) -> Result<Option<Digest>, DiscoverError> {
    #[derive(Deserialize)]
    struct Dist {
        integrity: Option<String>,
    }
    let body = question.clients.npm(&["view", package, "dist", "--json"]).await?;
    let dist: Dist = serde_json::from_slice(&body).map_err(|cause| malformed(package, cause))?;
    Ok(dist.integrity.as_deref().and_then(sha512))
}

/// The digest in an integrity of npm (<https://www.w3.org/TR/SRI/>).
fn sha512(integrity: &str) -> Option<Digest> {
    let text = integrity
        .split_whitespace()
        .find_map(|one| one.strip_prefix("sha512-"))?;
    let bytes = STANDARD.decode(text).ok()?;
    Digest::from_hex(Algorithm::Sha512, &hex::encode(bytes)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integrity_of_npm_is_a_digest() {
        let stated = "sha1-AAAA sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==";
        let digest = sha512(stated).expect("a digest").hex();
        assert!(digest.starts_with("8d5c3f31d0ed217f") && digest.len() == 128);
        for bad in ["", "sha1-AAAA", "sha512-AAAA", "sha512-!"] {
            assert_eq!(sha512(bad), None, "{bad}");
        }
    }
}
