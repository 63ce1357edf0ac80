//! Releases that origins have and the registry has not. They become a registry of its own, which lives as long as the command: a
//! value that is merged before anything is decided, and kept nowhere.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use semver::Version;
use tokio::time::timeout;

use super::{Asker, DiscoverError, Found, Listed, Question};
use crate::{
    domain::{Component, ComponentName, Release, Requirement, Target, origin::ReleaseOrigin},
    fetch::FetchError,
    registry::Registry,
};

/// A list that takes longer to come is not waited for.
const LIST: Duration = Duration::from_secs(20);
/// The digest of a wheel may cost its download.
const DIGEST: Duration = Duration::from_secs(300);

/// The releases of a component that are looked for.
#[derive(Debug, Clone)]
pub enum Wish {
    /// The newest of each line, if the registry has none that is as new; of those that this means, where something was named.
    Newer(Option<Requirement>),
    /// Those that this means.
    Exactly(Requirement),
}

/// A component, and what of it is looked for.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The component.
    pub component: &'a Component,
    /// The releases that are looked for.
    pub wish: Wish,
}

/// A release that an origin has and the registry has not.
#[derive(Debug, Clone)]
pub struct News<'a> {
    /// The component.
    pub component: &'a Component,
    /// The origin.
    pub origin: &'a ReleaseOrigin,
    /// The release.
    pub listed: Listed,
}

/// An origin that told nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unasked {
    /// The reason, in words.
    pub why: String,
    /// True if this machine has no client for it, which is no news.
    pub is_without_client: bool,
}

impl Unasked {
    fn new(error: &DiscoverError) -> Self {
        let is_without_client = matches!(
            error,
            DiscoverError::Fetch(cause) if matches!(**cause, FetchError::NoClient { .. })
        );
        Self {
            why: error.to_string().lines().next().unwrap_or_default().to_owned(),
            is_without_client,
        }
    }
}

/// The answers of all origins.
#[derive(Debug, Clone, Default)]
pub struct Survey<'a> {
    /// The releases that they have and the registry has not, in the order of the components and their origins.
    pub news: Vec<News<'a>>,
    /// Those that told nothing.
    pub unasked: Vec<Unasked>,
}

impl Survey<'_> {
    /// One for which nobody was asked, for this reason.
    pub fn of_nobody(why: String) -> Self {
        let unasked = vec![Unasked {
            why,
            is_without_client: false,
        }];
        Self {
            unasked,
            ..Self::default()
        }
    }

    /// The newest release of a component that takes the place of a version, and who builds it.
    pub fn newest(&self, component: &ComponentName, than: &Version) -> Option<(&Listed, Vec<&News<'_>>)> {
        let newer = |news: &&News<'_>| {
            news.component.name == *component
                && news.component.is_one_line(&news.listed.version, than)
                && news.listed.version.cmp_precedence(than).is_gt()
        };
        let all: Vec<&News<'_>> = self.news.iter().filter(newer).collect();
        let newest = all
            .iter()
            .max_by(|one, other| one.listed.version.cmp(&other.listed.version))?;
        let same = all
            .iter()
            .copied()
            .filter(|news| news.listed.version == newest.listed.version);
        Some((&newest.listed, same.collect()))
    }
}

/// Asks all origins of the components at once, about one kind of host.
pub async fn survey<'a>(wanted: &[Wanted<'a>], target: Target, asker: &Asker<'_>) -> Survey<'a> {
    let asked = wanted.iter().flat_map(|wanted| {
        let origins = wanted.component.origins.iter();
        let here = origins.filter(|origin| origin.targets.contains_key(&target));
        here.map(move |origin| async move { (wanted, origin, list(wanted, origin, asker).await) })
    });
    let mut survey = Survey::default();
    for (wanted, origin, answer) in join_all(asked).await {
        match answer {
            Ok(listed) => {
                survey.news.extend(
                    of_interest(wanted, listed, target)
                        .into_iter()
                        .map(|listed| News {
                            component: wanted.component,
                            origin,
                            listed,
                        }),
                )
            }
            Err(error) => survey.unasked.push(Unasked::new(&error)),
        }
    }
    // One host has the lists of several origins.
    survey.unasked.sort();
    survey.unasked.dedup();
    survey
}

async fn list(
    wanted: &Wanted<'_>,
    origin: &ReleaseOrigin,
    asker: &Asker<'_>,
) -> Result<Vec<Listed>, DiscoverError> {
    let is_known = |listed: &Listed| {
        let mut releases = wanted.component.releases.iter();
        releases.any(|release| release.version == listed.version)
    };
    let is_enough = |listed: &Listed| match &wanted.wish {
        Wish::Newer(None) => is_known(listed),
        Wish::Newer(Some(requirement)) | Wish::Exactly(requirement) => {
            is_meant(wanted.component, requirement, listed)
        }
    };
    let question = Question {
        component: wanted.component,
        origin,
        asker,
        is_enough: &is_enough,
    };
    in_time(LIST, question.list()).await
}

async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, DiscoverError>>,
) -> Result<T, DiscoverError> {
    let late = DiscoverError::Late {
        seconds: limit.as_secs(),
    };
    timeout(limit, work).await.unwrap_or(Err(late))
}

/// The listed releases that are looked for and that the registry does not have. No IO.
fn of_interest(wanted: &Wanted<'_>, listed: Vec<Listed>, target: Target) -> Vec<Listed> {
    let component = wanted.component;
    let has_build = |release: &&Release| release.artifacts.iter().any(|artifact| artifact.target == target);
    let built = || component.releases.iter().filter(has_build);
    let is_new = |listed: &Listed| match &wanted.wish {
        Wish::Newer(requirement) => {
            let requirement = requirement.as_ref();
            requirement.is_none_or(|requirement| is_meant(component, requirement, listed))
                && built()
                    .filter(|release| component.is_one_line(&release.version, &listed.version))
                    .filter(|release| requirement.is_none_or(|meant| component.is_meant(meant, release)))
                    .all(|release| release.version.cmp_precedence(&listed.version).is_lt())
        }
        Wish::Exactly(requirement) => {
            is_meant(component, requirement, listed)
                && built().all(|release| release.version != listed.version)
        }
    };
    let mut newest: Vec<Listed> = Vec::new();
    for one in listed.into_iter().filter(is_new) {
        let is_same_line = |other: &&mut Listed| {
            component.is_one_line(&other.version, &one.version) && other.channel == one.channel
        };
        match newest.iter_mut().find(is_same_line) {
            Some(other) if other.version < one.version => *other = one,
            Some(_) => {}
            None => newest.push(one),
        }
    }
    newest
}

fn is_meant(component: &Component, requirement: &Requirement, listed: &Listed) -> bool {
    let tags: Vec<String> = listed.tag.iter().cloned().collect();
    requirement.matches(&listed.version, listed.channel, &tags, component.default_channel)
}

/// The registry with what was found beyond it, each artifact with the digest that its publisher states now; and who told
/// nothing more.
pub async fn merged(registry: &Registry, survey: &Survey<'_>, asker: &Asker<'_>) -> (Registry, Vec<Unasked>) {
    let found = survey.news.iter().map(|news| async move {
        let question = Question {
            component: news.component,
            origin: news.origin,
            asker,
            is_enough: &|_| false,
        };
        let found = in_time(DIGEST, question.complete(&news.listed)).await;
        (&news.component.name, found)
    });
    let mut unasked = Vec::new();
    let mut additions: BTreeMap<&ComponentName, Vec<Found>> = BTreeMap::new();
    for (name, found) in join_all(found).await {
        match found {
            Ok(found) => additions.entry(name).or_default().extend(found),
            Err(error) => unasked.push(Unasked::new(&error)),
        }
    }
    let mut registry = registry.clone();
    for (name, found) in additions {
        if let Some(component) = registry.components.get_mut(name) {
            found.into_iter().for_each(|one| add(component, one));
        }
    }
    (registry, unasked)
}

/// Adds an artifact behind those that the release has. No IO.
fn add(component: &mut Component, found: Found) {
    let same = |release: &&mut Release| release.version == found.version;
    if let Some(release) = component.releases.iter_mut().find(same) {
        let mut artifacts = release.artifacts.to_vec();
        artifacts.push(found.artifact);
        release.artifacts = artifacts.into();
        return;
    }
    component.releases.push(Release {
        version: found.version,
        channel: found.channel,
        tags: found.tag.into_iter().collect(),
        published: found.published,
        security: None,
        artifacts: vec![found.artifact].into(),
    });
    component
        .releases
        .sort_by(|one, other| other.version.cmp(&one.version));
}
