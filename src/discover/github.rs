//! The releases of a repository on GitHub (<https://docs.github.com/rest/releases>): drafts are nobody's business, a
//! pre-release is one only where the recipe knows nightlies, and an asset counts once it is uploaded whole.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use semver::Version;
use serde::Deserialize;

use super::{DiscoverError, IndexEntry, Listed, Question, malformed, template::Words};
use crate::domain::{Channel, Integrity, Source, origin::Index};

/// The highest number of releases on a page.
const PAGE: usize = 100;
/// No repository that we follow has more pages.
const PAGES: usize = 20;

#[derive(Deserialize)]
struct Release {
    tag_name: String,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    prerelease: bool,
    published_at: Option<String>,
    #[serde(default)]
    assets: Vec<Asset>,
}

impl Release {
    fn published(&self) -> Option<Timestamp> {
        self.published_at.as_deref()?.parse().ok()
    }
}

#[derive(Deserialize)]
struct Asset {
    name: String,
    size: u64,
    state: Option<String>,
    digest: Option<String>,
    browser_download_url: String,
}

/// Reads pages, newest first, up to the one on which a release is known that shows that older ones are of no interest.
pub(super) async fn list(question: &Question<'_>) -> Result<Vec<Listed>, DiscoverError> {
    let Index::Github { releases, .. } = &question.origin.index else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    let mut page = Some(format!("{releases}?per_page={PAGE}"));
    for _ in 0..PAGES {
        let Some(url) = page else { break };
        let answer = question.asker.get(&url).await?;
        let here: Vec<Release> =
            serde_json::from_slice(&answer.body).map_err(|cause| malformed(&url, cause))?;
        all.extend(here);
        if listed(question, &all).iter().any(question.is_enough) {
            break;
        }
        page = answer.next;
    }
    Ok(listed(question, &all))
}

/// The releases that count, with an asset for a target that is asked about. No IO.
fn listed(question: &Question<'_>, releases: &[Release]) -> Vec<Listed> {
    let Index::Github {
        releases: api,
        tag,
        nightly,
        asset,
    } = &question.origin.index
    else {
        return Vec::new();
    };
    let stable = |release: &Release| {
        let words = Words::read(tag, &release.tag_name).filter(|_| !release.draft && !release.prerelease)?;
        question.version(&words)
    };
    let mut all = Vec::new();
    for release in releases {
        let of_night = || {
            let words = Words::read(nightly.as_ref()?, &release.tag_name).filter(|_| !release.draft)?;
            let published = release.published()?;
            let before = releases
                .iter()
                .filter(|other| other.published().is_some_and(|other| other <= published));
            let known = known_before(question, published);
            let newest = before.filter_map(stable).chain(known).max();
            let newest = newest.unwrap_or(Version::new(0, 0, 0));
            let day = published.strftime("%Y%m%d");
            let next = Version::new(newest.major, newest.minor, newest.patch + 1);
            Version::parse(&format!("{next}-nightly.{day}+{}", words.get("sha7")?)).ok()
        };
        let (version, channel) = match (stable(release), of_night()) {
            (Some(version), _) => (version, Channel::Stable),
            (None, Some(version)) => (version, Channel::Nightly),
            (None, None) => continue,
        };
        for (target, platform) in question.targets() {
            let words = question.words(&version, target, platform, &release.tag_name);
            let name = words.fill(asset);
            let is_whole = |one: &&Asset| {
                one.name == name && one.state.as_deref().is_none_or(|state| state == "uploaded")
            };
            let Some(asset) = release.assets.iter().find(is_whole) else {
                continue;
            };
            let url = &asset.browser_download_url;
            let at = format!("{api}/tags/{}", release.tag_name);
            let stated = asset.digest.as_deref().and_then(|digest| digest.parse().ok());
            let integrity = stated
                .map(|digest| Integrity::Stated {
                    digest,
                    by: at.clone(),
                })
                .or_else(|| question.checksum(url))
                .unwrap_or_else(|| Integrity::GithubAsset {
                    release: at,
                    asset: name.clone(),
                });
            all.push(Listed {
                version: version.clone(),
                channel,
                tag: (release.tag_name != version.to_string()).then(|| release.tag_name.clone()),
                published: release
                    .published()
                    .map(|published| published.strftime("%Y-%m-%d").to_string()),
                target,
                words,
                entry: IndexEntry::Complete {
                    source: Source::Https { url: url.clone() },
                    integrity,
                    size: Some(asset.size),
                },
            });
        }
    }
    all
}

/// The stable releases that the registry knows from before a moment: not all are on the pages that were read.
fn known_before<'a>(question: &'a Question<'_>, moment: Timestamp) -> impl Iterator<Item = Version> + 'a {
    let day = moment.to_zoned(TimeZone::UTC).date();
    let releases = question.component.releases.iter();
    releases
        .filter(|release| release.channel == Channel::Stable)
        .filter(move |release| {
            let published = release.published.as_deref();
            published
                .and_then(|published| published.parse::<Date>().ok())
                .is_some_and(|published| published <= day)
        })
        .map(|release| release.version.clone())
}
