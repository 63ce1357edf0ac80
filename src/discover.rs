//! The index of a component's origins: the releases that GitHub, a Maven repository, npm and a Python package index list.
//! One index is asked at a time. What it says is believed as far as that server at that moment; it never enters the registry
//! that is kept, and nothing is installed here.

mod asker;
mod github;
mod maven;
mod memory;
mod npm;
mod pypi;
pub mod survey;
pub mod template;

use std::sync::Arc;

use semver::Version;

use crate::{
    domain::{
        Artifact, Channel, Component, Integrity, Needs, Source, Target,
        component::Acceptance,
        origin::{Index, Platform, ReleaseOrigin},
    },
    fetch::FetchError,
};
pub use asker::Asker;
pub use memory::Memory;
use template::Words;

/// A release for one target, as an index lists it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The component's version.
    pub version: Version,
    /// Its channel.
    pub channel: Channel,
    /// The name that its makers give the release, if it is not the version.
    pub tag: Option<String>,
    /// The day it was published, where the index says it.
    pub published: Option<String>,
    /// The kind of host it is built for.
    pub target: Target,
    words: Words,
    entry: IndexEntry,
}

impl Listed {
    /// Returns true if the list states the digest too, so that it costs no further question.
    pub fn states_its_digest(&self) -> bool {
        matches!(
            self.entry,
            IndexEntry::Complete {
                integrity: Integrity::Stated { .. },
                ..
            }
        )
    }
}

/// The entry of an index, and what must still be asked about it.
#[derive(Debug, Clone)]
enum IndexEntry {
    /// Nothing.
    Complete {
        source: Source,
        integrity: Integrity,
        size: Option<u64>,
    },
    /// The digest of the package.
    Npm { package: String, version: String },
    /// The digest of the wheel.
    PyPi {
        package: String,
        version: String,
        platform: String,
    },
}

/// A listed release with its artifact.
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
#[derive(Debug, Clone, thiserror::Error)]
pub enum DiscoverError {
    /// It was not had.
    #[error(transparent)]
    Fetch(#[from] Arc<FetchError>),
    /// The answer does not have the expected format.
    #[error("`{what}` answered what is not of its format: {why}")]
    Malformed {
        /// The address or the package that was asked for.
        what: String,
        /// The fault in the answer.
        why: String,
    },
    /// There was no answer in time.
    #[error("no answer within {seconds} s")]
    Late {
        /// The time that it had.
        seconds: u64,
    },
}

/// A question to an index, and the means to ask it.
pub struct Question<'a> {
    /// The component.
    pub component: &'a Component,
    /// Its origin.
    pub origin: &'a ReleaseOrigin,
    /// Whoever asks.
    pub asker: &'a Asker<'a>,
    /// Decides whether a listed release shows that further pages, which hold older ones, are of no interest.
    pub is_enough: &'a (dyn Fn(&Listed) -> bool + Sync),
}

impl Question<'_> {
    /// Asks which releases of the lines that the registry follows the origin has. What the recipe leaves out is not
    /// among them.
    ///
    /// # Errors
    /// When the index cannot be asked, or answers what is not of its format.
    pub async fn list(&self) -> Result<Vec<Listed>, DiscoverError> {
        let mut listed = match &self.origin.index {
            Index::Github { .. } => github::list(self).await,
            Index::Maven { .. } => maven::list(self).await,
            Index::Npm { .. } => npm::list(self).await,
            Index::PyPi { .. } => pypi::list(self).await,
        }?;
        listed.retain(|one| !self.origin.excludes(&one.version, one.target));
        Ok(listed)
    }

    /// Gives a listed release's artifact, with the digest that its publisher states; `None` where nobody states one.
    ///
    /// # Errors
    /// As `list`.
    pub async fn complete(&self, listed: &Listed) -> Result<Option<Found>, DiscoverError> {
        let (source, integrity, size) = match &listed.entry {
            IndexEntry::Complete {
                source,
                integrity,
                size,
            } => (source.clone(), integrity.clone(), *size),
            IndexEntry::Npm { package, version } => match npm::complete(self, package, version).await? {
                Some((source, integrity)) => (source, integrity, None),
                None => return Ok(None),
            },
            IndexEntry::PyPi {
                package,
                version,
                platform,
            } => pypi::complete(self, listed, (package, version, platform)).await?,
        };
        let origin = self.origin;
        let is_wheel = matches!(
            (&source, &integrity),
            (Source::PyPi { .. }, Integrity::Stated { .. })
        );
        let artifact = Artifact {
            target: listed.target,
            provider: origin.provider.clone(),
            source,
            format: if is_wheel {
                crate::domain::Format::WheelTarGz
            } else {
                origin.format
            },
            root: origin.root.as_ref().map(|root| listed.words.fill(root)),
            links: origin.links.clone(),
            bin: std::collections::BTreeMap::new(),
            integrity,
            size,
            unpacked_size: None,
            needs: self.needs(listed.target),
        };
        Ok(Some(Found {
            version: listed.version.clone(),
            channel: listed.channel,
            tag: listed.tag.clone(),
            published: listed.published.clone(),
            artifact,
        }))
    }

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
        let is_followed = lines.is_empty() || lines.iter().any(|line| line.contains(&version));
        // PostgreSQL has two numbers; a third one counts packagings.
        let is_packaging = self.component.acceptance == Acceptance::Postgres && version.patch != 0;
        (is_followed && version.pre.is_empty() && !is_packaging).then_some(version)
    }

    /// The targets that are asked about.
    fn targets(&self) -> impl Iterator<Item = (Target, &Platform)> {
        let targets = self.origin.targets.iter();
        let only = self.asker.target();
        targets
            .filter(move |(target, _)| only.is_none_or(|only| only == **target))
            .map(|(target, platform)| (*target, platform))
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

    /// A stable release without a name of its own.
    fn stable(&self, version: Version, target: Target, words: Words, entry: IndexEntry) -> Listed {
        Listed {
            version,
            channel: Channel::Stable,
            tag: None,
            published: None,
            target,
            words,
            entry,
        }
    }

    fn needs(&self, target: Target) -> Needs {
        let platform = self.origin.targets.get(&target);
        platform
            .map(|platform| platform.needs.clone())
            .unwrap_or_default()
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
