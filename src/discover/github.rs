//! The releases of a repository on GitHub (<https://docs.github.com/rest/releases>): drafts are nobody's business, a
//! pre-release is one only where the recipe knows nightlies, and an asset counts once it is uploaded whole.

use jiff::Timestamp;
use semver::Version;
use serde::Deserialize;

use super::{DiscoverError, Found, Question, malformed, pinned, template::Words};
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

pub(super) async fn ask(question: &Question<'_>) -> Result<Vec<Found>, DiscoverError> {
    let Index::Github { releases, .. } = &question.origin.index else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    for page in 1..=PAGES {
        let url = format!("{releases}?per_page={PAGE}&page={page}");
        let body = question.get(&url).await?;
        let listed: Vec<Release> = serde_json::from_slice(&body).map_err(|cause| malformed(&url, cause))?;
        let count = listed.len();
        all.extend(listed);
        if count < PAGE {
            break;
        }
    }
    Ok(found(question, &all))
}

/// Finds the wanted artifacts in the listed releases. No IO.
fn found(question: &Question<'_>, releases: &[Release]) -> Vec<Found> {
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
    let mut found = Vec::new();
    for release in releases {
        let of_night = || {
            let words = Words::read(nightly.as_ref()?, &release.tag_name).filter(|_| !release.draft)?;
            let published = release.published()?;
            let before = releases
                .iter()
                .filter(|other| other.published().is_some_and(|other| other <= published));
            let newest = before.filter_map(stable).max().unwrap_or(Version::new(0, 0, 0));
            let day = published.strftime("%Y%m%d");
            let next = Version::new(newest.major, newest.minor, newest.patch + 1);
            Version::parse(&format!("{next}-nightly.{day}+{}", words.get("sha7")?)).ok()
        };
        let (version, channel) = match (stable(release), of_night()) {
            (Some(version), _) => (version, Channel::Stable),
            (None, Some(version)) => (version, Channel::Nightly),
            (None, None) => continue,
        };
        for (target, platform) in question.targets(&version) {
            let words = question.words(&version, target, platform, &release.tag_name);
            let name = words.fill(asset);
            let is_whole = |one: &&Asset| {
                one.name == name && one.state.as_deref().is_none_or(|state| state == "uploaded")
            };
            let Some(asset) = release.assets.iter().find(is_whole) else {
                continue;
            };
            let url = &asset.browser_download_url;
            let stated = asset.digest.as_deref().and_then(|digest| digest.parse().ok());
            let integrity = stated
                .map(pinned)
                .or_else(|| question.checksum(url))
                .unwrap_or_else(|| Integrity::GithubAsset {
                    release: format!("{api}/tags/{}", release.tag_name),
                    asset: name.clone(),
                });
            let source = Source::Https { url: url.clone() };
            found.push(Found {
                version: version.clone(),
                channel,
                tag: (release.tag_name != version.to_string()).then(|| release.tag_name.clone()),
                published: release
                    .published()
                    .map(|published| published.strftime("%Y-%m-%d").to_string()),
                artifact: question.artifact(target, &words, source, integrity, Some(asset.size)),
            });
        }
    }
    found
}
