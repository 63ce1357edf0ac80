//! The versions of a package of npm. The package's version is not the component's: the newest package of a version wins.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use semver::Version;
use serde::Deserialize;

use super::{DiscoverError, IndexEntry, Listed, Question, malformed, template::Words};
use crate::domain::{Algorithm, Digest, Integrity, Source, origin::Index};

pub(super) async fn list(question: &Question<'_>) -> Result<Vec<Listed>, DiscoverError> {
    let Index::Npm { package, version } = &question.origin.index else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    for (target, platform) in question.targets() {
        let mut words = Words::default();
        words.set("platform", platform.platform.as_deref().unwrap_or_default());
        let package = words.fill(package);
        let answer = question.asker.npm(&package, &["versions"]).await?;
        let Versions(listed) =
            serde_json::from_slice(&answer.body).map_err(|cause| malformed(&package, cause))?;
        for (version, listed) in newest(question, version, &listed) {
            let words = question.words(&version, target, platform, &listed);
            let entry = IndexEntry::Npm {
                package: package.clone(),
                version: listed,
            };
            all.push(question.stable(version, target, words, entry));
        }
    }
    Ok(all)
}

/// The versions of a package; npm prints the one of a package that has no other without its list.
struct Versions(Vec<String>);

impl<'de> Deserialize<'de> for Versions {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Text {
            Many(Vec<String>),
            One(String),
        }
        Ok(Self(match Text::deserialize(deserializer)? {
            Text::Many(all) => all,
            Text::One(one) => vec![one],
        }))
    }
}

/// The source of a package, and the digest that the registry states; `None` where it states none.
pub(super) async fn complete(
    question: &Question<'_>,
    package: &str,
    version: &str,
) -> Result<Option<(Source, Integrity)>, DiscoverError> {
    let source = Source::Npm {
        package: package.to_owned(),
        version: version.to_owned(),
    };
    let stated = stated(question, &format!("{package}@{version}")).await?;
    Ok(stated.map(|digest| {
        let by = source.to_string();
        (source, Integrity::Stated { digest, by })
    }))
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
    let answer = question.asker.npm(package, &["dist"]).await?;
    let dist: Dist = serde_json::from_slice(&answer.body).map_err(|cause| malformed(package, cause))?;
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
    use crate::table::every;

    #[test]
    fn an_integrity_of_npm_is_a_digest() {
        let stated = "sha1-AAAA sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==";
        let digest = sha512(stated).expect("a digest").hex();
        assert!(digest.starts_with("8d5c3f31d0ed217f") && digest.len() == 128);
        every(["", "sha1-AAAA", "sha512-AAAA", "sha512-!"], |bad| {
            assert_eq!(sha512(bad), None, "{bad}");
        });
    }
}
