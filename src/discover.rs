//! The index of a component's origins: the releases that GitHub, a Maven repository, npm and a Python package index list.
//! One index is asked at a time. What it says is believed as far as that server at that moment; nothing is kept here, and
//! nothing is installed.

mod clients;
mod github;
mod maven;
mod npm;
mod pypi;
pub mod template;

use semver::Version;

use crate::{
    domain::{
        Artifact, Channel, Component, Digest, Integrity, Needs, Source, Target,
        component::Acceptance,
        origin::{Index, Platform, ReleaseOrigin},
    },
    fetch::{FetchError, Fresh, Wire},
};
pub use clients::Clients;
use template::Words;

/// An answer of an index is not larger, in bytes. A page of GitHub's with a hundred releases has about two MiB.
const ANSWER: u64 = 16 << 20;

/// One artifact that an index has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The component's version.
    pub version: Version,
    /// Its channel.
    pub channel: Channel,
    /// The name that its makers give the release, if it is not the version.
    pub tag: Option<String>,
    /// The day it was published, where the index says it.
    pub published: Option<String>,
    /// The file, with the digest that its publisher states.
    pub artifact: Artifact,
}

/// The reason an index could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// It was not had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The machine's client of a package index is missing, or failed.
    #[error("{client} could not be asked: {why}")]
    Client {
        /// The client.
        client: &'static str,
        /// The reason, in its own words.
        why: String,
    },
    /// The answer does not have the expected format.
    #[error("`{what}` answered what is not of its format: {why}")]
    Malformed {
        /// The address or the command that was asked.
        what: String,
        /// The fault in the answer.
        why: String,
    },
}

/// A question to an index, and the means to ask it.
pub struct Question<'a> {
    /// The component.
    pub component: &'a Component,
    /// Its origin.
    pub origin: &'a ReleaseOrigin,
    /// The network.
    pub wire: &'a Wire,
    /// The machine's own clients.
    pub clients: &'a Clients,
    /// Decides whether an artifact of this version and target is wanted: each costs a request.
    pub wants: &'a (dyn Fn(&Version, Target) -> bool + Sync),
}

/// Asks an origin for all that it has and that is wanted.
///
/// # Errors
/// When the index cannot be asked, or answers what is not of its format.
pub async fn ask(question: &Question<'_>) -> Result<Vec<Found>, DiscoverError> {
    match &question.origin.index {
        Index::Github { .. } => github::ask(question).await,
        Index::Maven { .. } => maven::ask(question).await,
        Index::Npm { .. } => npm::ask(question).await,
        Index::PyPi { .. } => pypi::ask(question).await,
    }
}

impl Question<'_> {
    /// The component's version that these words of an index mean: `18.4.0`, also for the builder's second packaging of it.
    /// `None` for what is no release of a line that the registry follows.
    fn version(&self, words: &Words) -> Option<Version> {
        let version = match words.get("version") {
            Some(text) => Version::parse(text).ok()?,
            None => {
                let number = |name| words.get(name)?.parse().ok();
                Version::new(number("major")?, number("minor")?, 0)
            }
        };
        let lines = &self.component.lines;
        let is_followed = lines.is_empty() || lines.iter().any(|line| line.holds(&version));
        // PostgreSQL has two numbers; a third one counts packagings.
        let is_packaging = self.component.acceptance == Acceptance::Postgres && version.patch != 0;
        (is_followed && version.pre.is_empty() && !is_packaging).then_some(version)
    }

    /// The targets of the origin for which a version is wanted.
    fn targets(&self, version: &Version) -> impl Iterator<Item = (Target, &Platform)> {
        let targets = self.origin.targets.iter();
        let wanted = targets.filter(|(target, _)| (self.wants)(version, **target));
        wanted.map(|(target, platform)| (*target, platform))
    }

    /// The words that a template may use.
    fn words(&self, version: &Version, target: Target, platform: &Platform, tag: &str) -> Words {
        let mut words = Words::default();
        words.set("version", version);
        words.set("target", target);
        words.set("tag", tag);
        if let Some(platform) = &platform.platform {
            words.set("platform", platform);
        }
        words
    }

    /// An artifact of the origin's shape.
    fn artifact(
        &self,
        target: Target,
        words: &Words,
        source: Source,
        integrity: Integrity,
        size: Option<u64>,
    ) -> Artifact {
        let origin = self.origin;
        Artifact {
            target,
            provider: origin.provider.clone(),
            source,
            format: origin.format,
            root: origin.root.as_ref().map(|root| words.fill(root)),
            links: origin.links.clone(),
            bin: std::collections::BTreeMap::new(),
            integrity,
            size,
            unpacked_size: None,
            needs: self.needs(target),
        }
    }

    fn needs(&self, target: Target) -> Needs {
        let platform = self.origin.targets.get(&target);
        platform
            .map(|platform| platform.needs.clone())
            .unwrap_or_default()
    }

    /// A file of the web, whole.
    async fn get(&self, url: &str) -> Result<Vec<u8>, DiscoverError> {
        match self.wire.get_small(url, ANSWER, None).await? {
            Fresh::Modified { body, .. } => Ok(body),
            Fresh::NotModified => Ok(Vec::new()),
        }
    }

    /// The file beside an artifact that states its digest.
    fn checksum(&self, url: &str) -> Option<Integrity> {
        let checksum = self.origin.checksum.as_ref()?;
        Some(Integrity::ChecksumFile {
            algorithm: checksum.algorithm,
            url: checksum.url.replace("{url}", url),
        })
    }
}

fn malformed(what: &str, why: impl ToString) -> DiscoverError {
    DiscoverError::Malformed {
        what: what.to_owned(),
        why: why.to_string(),
    }
}

fn pinned(digest: Digest) -> Integrity {
    Integrity::Pinned { digest }
}
