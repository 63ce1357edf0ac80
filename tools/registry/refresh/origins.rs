//! Origins, asked one after the other: what one states of an archive, the next one rests on. What cannot be reached stays
//! as it is.

use std::{collections::BTreeSet, sync::Arc};

use ampup::{
    discover::{Asker, Found, Listed, Question},
    domain::{Artifact, Component, Integrity, Provider, Release, Source, Target},
    env::Env,
    event::Silent,
    fetch::{self, FetchContext, FetchOptions, Fresh, Secret, Wire},
    fs::space::SpaceNeed,
    registry::recipe::Recipe,
    unpack::{self, Shape},
};
use camino::{Utf8Path, Utf8PathBuf};
use semver::Version;
use serde_json::json;
use tokio::runtime::Runtime;

use super::{
    super::measure::{self, Measured},
    Failure, Summary,
    document::{Addition, Document, kind_of, kind_of_source, set_needs},
};

/// The network, and whoever asks by it.
pub(super) struct Network {
    wire: Wire,
}

impl Network {
    pub(super) fn new(env: &Env) -> Self {
        let options = FetchOptions {
            github_token: env.var("GITHUB_TOKEN").map(Secret::new),
            ..FetchOptions::default()
        };
        Self {
            wire: Wire::new(options, env, Arc::new(Silent)),
        }
    }
}

/// All origins of all components.
pub(super) struct Origins<'a> {
    wire: &'a Wire,
    asker: Asker<'a>,
    runtime: &'a Runtime,
    /// Leaves out the digests of what the manifest has.
    new_only: bool,
    room: tempfile::TempDir,
}

/// An artifact as its bytes are.
struct Weighed {
    size: u64,
    unpacked_size: u64,
    measured: Measured,
}

/// The reason an artifact was not measured.
enum Unweighed {
    /// It could not be had.
    Unreached(String),
    /// It does not run where it should.
    Unfit(String),
}

impl<'a> Origins<'a> {
    pub(super) fn new(network: &'a Network, new_only: bool, runtime: &'a Runtime) -> Result<Self, Failure> {
        Ok(Self {
            wire: &network.wire,
            asker: Asker::new(&network.wire, None, None),
            runtime,
            new_only,
            room: tempfile::tempdir().map_err(Failure::of)?,
        })
    }

    /// Adds what the origins of a component have, and pins what was only published.
    pub(super) fn refresh(
        &self,
        recipe: &Recipe,
        document: &mut Document,
        summary: &mut Summary,
    ) -> Result<(), Failure> {
        let name = &recipe.component;
        let before = document.registry()?;
        let origins = before
            .components
            .get(name.as_str())
            .map(|component| component.origins.len());
        for number in 0..origins.unwrap_or_default() {
            let registry = document.registry()?;
            let component = &registry.components[name.as_str()];
            let origin = &component.origins[number];
            let kind = kind_of(&origin.index);
            let question = Question {
                component,
                origin,
                asker: &self.asker,
                is_enough: &|_| false,
            };
            let listed = match self.runtime.block_on(question.list()) {
                Ok(listed) => listed,
                Err(error) => {
                    summary.unasked.insert(format!(
                        "{name}, {} from {kind}: {}",
                        origin.provider,
                        first_line(&error)
                    ));
                    continue;
                }
            };
            for one in listed {
                let is_there = has(component, &one, |artifact| {
                    artifact.provider == origin.provider && kind_of_source(&artifact.source) == kind
                });
                if is_there && self.new_only && !one.states_its_digest() {
                    continue;
                }
                let what = format!(
                    "{name} {} {} by {} from {kind}",
                    one.version, one.target, origin.provider
                );
                match self.runtime.block_on(question.complete(&one)) {
                    Ok(Some(mut found)) => {
                        if recipe.takes_nothing(number) {
                            found.artifact.needs = ampup::domain::Needs::default();
                        } else {
                            let (provider, target) = (&found.artifact.provider, found.artifact.target);
                            found.artifact.needs = recipe.needs(provider, target, Some(&found.version));
                        }
                        self.take(&what, found, recipe, component, document, summary);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        summary.unasked.insert(format!("{what}: {}", first_line(&error)));
                    }
                }
            }
        }
        self.pin(recipe, document, summary)
    }

    /// Adds what an origin has, or compares it with what is there.
    fn take(
        &self,
        what: &str,
        mut found: Found,
        recipe: &Recipe,
        component: &Component,
        document: &mut Document,
        summary: &mut Summary,
    ) {
        if let (Source::PyPi { .. }, Integrity::Stated { .. }) =
            (&found.artifact.source, &found.artifact.integrity)
        {
            let why = "its makers' own digest of the archive in the wheel is not known";
            summary.unasked.insert(format!("{what}: {why}"));
            return;
        }
        match self.runtime.block_on(self.stated(&found.artifact)) {
            Ok(integrity) => found.artifact.integrity = integrity,
            // Nothing enters the manifest without a digest; the next refresh asks again.
            Err(why) => {
                summary.unasked.insert(format!("{what}: {why}"));
                return;
            }
        }
        match document.standing(&recipe.component, &found.version, &found.artifact) {
            Addition::Same => return,
            Addition::Changed { published, stated } => {
                summary.changed.push(format!(
                    "{what}: {published} was published, and it states {stated}"
                ));
                return;
            }
            Addition::Added => {}
        }
        match self.weigh(component, &found.artifact) {
            Ok(weighed) => {
                summary.measured.extend(
                    weighed
                        .measured
                        .notes
                        .iter()
                        .map(|note| format!("{what}: {note}")),
                );
                let artifact = &mut found.artifact;
                artifact.size = Some(weighed.size);
                artifact.unpacked_size = Some(weighed.unpacked_size);
                artifact.needs = weighed.measured.with(&artifact.needs, artifact.target);
            }
            Err(Unweighed::Unfit(why)) => {
                summary.refused.push(format!("{what}: {why}"));
                return;
            }
            Err(Unweighed::Unreached(why)) => {
                summary.unasked.insert(format!("{what}, its bytes: {why}"));
            }
        }
        let security = recipe.mends(&found.version).map(|(security, _)| security);
        document.add(&recipe.component, &found, security);
        summary.added.push(what.to_owned());
    }

    /// The digest that the publisher states now, pinned.
    async fn stated(&self, artifact: &Artifact) -> Result<Integrity, String> {
        let get = async |url: &str| match self.wire.get_small(url, 4 << 20, None).await {
            Ok(Fresh::Modified { body, .. }) => Ok(body),
            Ok(Fresh::NotModified) => Ok(Vec::new()),
            Err(error) => Err(error.to_string()),
        };
        let digest = match &artifact.integrity {
            Integrity::Pinned { digest } | Integrity::Stated { digest, .. } => digest.clone(),
            Integrity::ChecksumFile { algorithm, url } => {
                let file = match &artifact.source {
                    Source::Https { url } | Source::File { url } => {
                        url.rsplit('/').next().unwrap_or_default()
                    }
                    Source::Npm { package, .. } | Source::PyPi { package, .. } => package,
                };
                fetch::of_checksum_file(&get(url).await?, *algorithm, file)?
            }
            Integrity::GithubAsset { release, asset } => {
                fetch::of_github_release(&get(release).await?, asset)?
            }
        };
        Ok(Integrity::Pinned { digest })
    }

    /// Pins what the manifest had only as published, where the publisher can be asked.
    fn pin(&self, recipe: &Recipe, document: &mut Document, summary: &mut Summary) -> Result<(), Failure> {
        let name = &recipe.component;
        for (release, artifact) in artifacts(document, name)? {
            if matches!(artifact.integrity, Integrity::Pinned { .. }) {
                continue;
            }
            match self.runtime.block_on(self.stated(&artifact)) {
                Ok(integrity) => {
                    document.change(name, &release, &artifact, |one| {
                        one["integrity"] = json!(integrity)
                    });
                    summary.pinned.push(format!(
                        "{name} {release} {} by {}",
                        artifact.target, artifact.provider
                    ));
                }
                Err(why) => {
                    summary
                        .unasked
                        .insert(format!("{name}, published digests: {why}"));
                }
            }
        }
        Ok(())
    }

    /// Fetches what the manifest has without a size, and whatever it has of the provider `again`, and states what the bytes
    /// say.
    pub(super) fn measure_all(
        &self,
        recipe: &Recipe,
        again: Option<&Provider>,
        document: &mut Document,
        summary: &mut Summary,
    ) -> Result<(), Failure> {
        let name = &recipe.component;
        let registry = document.registry()?;
        let mut weighed_digests = BTreeSet::new();
        let Some(component) = registry.components.get(name.as_str()) else {
            return Ok(());
        };
        for (release, artifact) in artifacts(document, name)? {
            let is_weighed = artifact.size.is_some() && artifact.unpacked_size.is_some();
            let digest = json!(artifact.integrity).to_string();
            if (is_weighed && again != Some(&artifact.provider)) || weighed_digests.contains(&digest) {
                continue;
            }
            let what = format!(
                "{name} {release} {} by {} from {}",
                artifact.target,
                artifact.provider,
                kind_of_source(&artifact.source)
            );
            match self.weigh(component, &artifact) {
                Ok(weighed) => {
                    weighed_digests.insert(digest);
                    let needs = weighed.measured.with(&artifact.needs, artifact.target);
                    document.change(name, &release, &artifact, |one| {
                        one["size"] = weighed.size.into();
                        one["unpacked_size"] = weighed.unpacked_size.into();
                        set_needs(one, &needs);
                    });
                    let differs = (needs != artifact.needs)
                        .then(|| format!("; it needs {}, not {}", json!(needs), json!(artifact.needs)));
                    summary.measured.push(format!(
                        "{what}: {} bytes, {} unpacked{}",
                        weighed.size,
                        weighed.unpacked_size,
                        differs.unwrap_or_default()
                    ));
                }
                Err(Unweighed::Unfit(why)) => summary.refused.push(format!("{what}: {why}")),
                Err(Unweighed::Unreached(why)) => {
                    summary.unasked.insert(format!("{what}, its bytes: {why}"));
                }
            }
        }
        Ok(())
    }

    /// Fetches an artifact, proves it, unpacks it, and measures what is in it.
    fn weigh(&self, component: &Component, artifact: &Artifact) -> Result<Weighed, Unweighed> {
        let unreached =
            |cause: String| Unweighed::Unreached(cause.lines().next().unwrap_or_default().to_owned());
        let room = tempfile::tempdir_in(self.room.path()).map_err(|cause| unreached(cause.to_string()))?;
        let room = Utf8Path::from_path(room.path()).ok_or_else(|| unreached("no UTF-8".to_owned()))?;
        let places = FetchContext {
            downloads: &room.join("downloads"),
            staging: &room.join("staging"),
            open_wheel: unpack::open_wheel,
        };
        let fetched = self.wire.fetch(component.name.as_str(), artifact, &places);
        let verified = self
            .runtime
            .block_on(fetched)
            .map_err(|cause| unreached(cause.to_string()))?;
        let into = room.join("tree");
        fs_err::create_dir(&into).map_err(|cause| unreached(cause.to_string()))?;
        // What it states of its size is what is looked for here.
        let artifact = Artifact {
            unpacked_size: None,
            ..artifact.clone()
        };
        let shape = Shape::of(&component.name, &artifact, SpaceNeed::default());
        let staged = unpack::unpack(&verified, &shape, &into).map_err(|cause| {
            Unweighed::Unfit(std::error::Error::source(&cause).map_or(cause.to_string(), ToString::to_string))
        })?;
        let measured = measure::tree(staged.path(), artifact.target, &component.executables)
            .map_err(|cause| Unweighed::Unfit(cause.to_string()))?;
        Ok(Weighed {
            size: verified.size(),
            unpacked_size: size_of(staged.path()).map_err(|cause| unreached(cause.to_string()))?,
            measured,
        })
    }
}

/// The bytes of all files below a directory.
fn size_of(directory: &Utf8Path) -> std::io::Result<u64> {
    let mut size = 0;
    for entry in fs_err::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let path = Utf8PathBuf::try_from(entry.path()).map_err(std::io::Error::other)?;
            size += size_of(&path)?;
        } else if kind.is_file() {
            size += entry.metadata()?.len();
        }
    }
    Ok(size)
}

/// Every artifact of a component, with its release's version.
fn artifacts(document: &Document, name: &str) -> Result<Vec<(Version, Artifact)>, Failure> {
    let registry = document.registry()?;
    let releases = registry.components.get(name).map(|component| &component.releases);
    let of_release = |release: &Release| {
        let version = release.version.clone();
        let artifacts = release.artifacts.to_vec();
        artifacts
            .into_iter()
            .map(move |artifact| (version.clone(), artifact))
    };
    Ok(releases.into_iter().flatten().flat_map(of_release).collect())
}

/// Returns true if a component has such an artifact of a release, for its target.
fn has(component: &Component, listed: &Listed, is_such: impl Fn(&Artifact) -> bool) -> bool {
    let target: Target = listed.target;
    let release = component
        .releases
        .iter()
        .find(|release| release.version == listed.version);
    release.is_some_and(|release| {
        release
            .artifacts
            .iter()
            .any(|artifact| artifact.target == target && is_such(artifact))
    })
}

fn first_line(error: &impl ToString) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
