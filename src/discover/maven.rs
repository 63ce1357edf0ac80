//! The versions of an artifact in a Maven repository (<https://maven.apache.org/repositories/metadata.html>): unordered text,
//! one list for each target. Files never change; their digests lie beside them.

use super::{DiscoverError, IndexEntry, Listed, Question, malformed, template::Words};
use crate::domain::{Source, origin::Index};

pub(super) async fn list(question: &Question<'_>) -> Result<Vec<Listed>, DiscoverError> {
    let Index::Maven { metadata, url } = &question.origin.index else {
        return Ok(Vec::new());
    };
    let mut listed = Vec::new();
    for (target, platform) in question.targets() {
        let mut words = Words::default();
        words.set("platform", platform.platform.as_deref().unwrap_or_default());
        let at = words.fill(metadata);
        let answer = question.asker.get(&at).await?;
        for text in versions(&answer.body).map_err(|why| malformed(&at, why))? {
            let version = Words::read("{version}", text).and_then(|words| question.version(&words));
            let Some(version) = version else { continue };
            let words = question.words(&version, target, platform, text);
            let url = words.fill(url);
            // Nothing is taken whose digest nobody states.
            let Some(integrity) = question.checksum(&url) else {
                continue;
            };
            let entry = IndexEntry::Complete {
                source: Source::Https { url },
                integrity,
                size: None,
            };
            listed.push(question.stable(version, target, words, entry));
        }
    }
    Ok(listed)
}

/// The texts of the `version` elements.
fn versions(xml: &[u8]) -> Result<Vec<&str>, &'static str> {
    let text = std::str::from_utf8(xml).map_err(|_| "it is not text")?;
    let (_, text) = text
        .split_once("<versions>")
        .ok_or("it has no list of versions, as maven-metadata.xml has")?;
    let (list, _) = text
        .split_once("</versions>")
        .ok_or("its list of versions has no end")?;
    let parts = list.split("<version>").skip(1);
    parts
        .map(|part| part.split_once("</version>").map(|(version, _)| version.trim()))
        .collect::<Option<_>>()
        .ok_or("a version has no end")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn the_versions_of_a_list_are_read() {
        let xml = "<metadata><versioning><latest>18.6.0</latest><versions>\n<version>9.6.24</version>\n <version>18.6.0</version>
            </versions><lastUpdated>20260820</lastUpdated></versioning></metadata>";
        assert_eq!(versions(xml.as_bytes()), Ok(vec!["9.6.24", "18.6.0"]));
        let rows = [
            "",
            "<html>",
            "<versions><version>1</versions>",
            "<versions><version>1.0.0",
        ];
        every(rows, |bad| {
            assert!(versions(bad.as_bytes()).is_err(), "{bad}");
        });
    }
}
