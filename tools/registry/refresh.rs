//! `registry refresh`: what the origins have and the manifest lacks is added, with a pinned digest; integrity that was only
//! published is pinned. A digest that was published is never changed: where an origin states another now, nothing is
//! written. With nothing new no byte changes.

use std::{collections::BTreeSet, sync::Arc};

use ampup::{
    discover::{self, Clients, DiscoverError, Found, Question},
    distributions::Distributions,
    domain::{Artifact, Component, ComponentName, Integrity, Release, Source, Target},
    env::Env,
    event::Silent,
    fetch::{self, Fresh, Wire},
    fs::atomic,
    registry::{Registry, builds, recipe::Recipe, strict, written::written},
};
use camino::Utf8Path;
use fs_err as fs;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, Failure};

/// The order of the targets within a release.
const TARGETS: [Target; 7] = [
    Target::X86_64LinuxGnu,
    Target::Aarch64LinuxGnu,
    Target::X86_64LinuxMusl,
    Target::Aarch64LinuxMusl,
    Target::X86_64Darwin,
    Target::Aarch64Darwin,
    Target::X86_64Windows,
];
/// The parts of the README between which the matrix stands.
const MATRIX: (&str, &str) = (
    "<!-- matrix: refresh writes it, a test reads it -->\n",
    "<!-- end of matrix -->",
);
/// The text behind the number of pairs in the README.
const PAIRS: &str = " pairs of version and target have two places or more";

/// Arguments of `registry refresh`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Show what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Compile the recipes only; ask nobody
    #[arg(long)]
    offline: bool,
    /// Ask also for what the manifest has, and compare the digests
    #[arg(long)]
    all: bool,
    /// Only this component
    #[arg(long, value_name = "NAME")]
    only: Option<ComponentName>,
}

/// The manifest on its way to the next serial.
struct Work {
    manifest: Value,
    recipes: Vec<Recipe>,
    wire: Wire,
    clients: Clients,
    added: Vec<String>,
    pinned: Vec<String>,
    unasked: BTreeSet<String>,
    changed: Vec<String>,
}

pub(crate) fn run(args: &Args, directory: &Utf8Path) -> Result<Answer, Failure> {
    let path = directory.join("manifest.json");
    let text = fs::read_to_string(&path).map_err(Failure::at(&path))?;
    let before: Value = serde_json::from_str(&text).map_err(|cause| Failure(format!("`{path}`: {cause}")))?;
    let env = Env::capture();
    let settings = fetch::FetchOptions {
        github_token: env.var("GITHUB_TOKEN").map(fetch::Secret::new),
        ..fetch::FetchOptions::default()
    };
    let mut work = Work {
        manifest: before.clone(),
        recipes: recipes(directory, args.only.as_ref())?,
        wire: Wire::new(settings, &env, Arc::new(Silent)),
        clients: Clients::new(&env),
        added: Vec::new(),
        pinned: Vec::new(),
        unasked: BTreeSet::new(),
        changed: Vec::new(),
    };
    work.compile(directory)?;
    if !args.offline {
        let runtime = tokio::runtime::Runtime::new().map_err(|cause| Failure(cause.to_string()))?;
        runtime.block_on(work.ask(args.all))?;
        runtime.shutdown_background();
    }
    if !work.changed.is_empty() {
        let lines = work.changed.join("\n  ");
        return Err(Failure(format!(
            "an origin states another digest than the one that was published; nothing is written:\n  {lines}"
        )));
    }
    let is_new = work.manifest != before;
    if is_new {
        let serial = before["serial"].as_u64().unwrap_or_default() + 1;
        work.manifest["serial"] = serial.into();
        work.manifest["issued"] = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
        let text = written(&work.manifest);
        let mistakes = strict::mistakes(text.as_bytes());
        if let Some(first) = mistakes.first() {
            return Err(Failure(format!(
                "the manifest would have {} mistakes: {first}",
                mistakes.len()
            )));
        }
        if !args.dry_run {
            write(&path, &text)?;
            readme(&directory.join("README.md"), &text)?;
        }
    }
    Ok(work.answer(is_new))
}

fn recipes(directory: &Utf8Path, only: Option<&ComponentName>) -> Result<Vec<Recipe>, Failure> {
    let mut recipes = Vec::new();
    let listed = directory.read_dir_utf8().map_err(Failure::at(directory))?;
    let mut paths: Vec<_> = listed.filter_map(|entry| Some(entry.ok()?.into_path())).collect();
    paths.sort();
    for path in paths {
        let is_recipe = path.extension() == Some("toml") && path.file_name() != Some("distributions.toml");
        if !is_recipe || only.is_some_and(|only| path.file_stem() != Some(only.as_str())) {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(Failure::at(&path))?;
        recipes.push(Recipe::parse(&text).map_err(|cause| Failure(format!("`{path}`: {cause}")))?);
    }
    Ok(recipes)
}

impl Work {
    /// Compiles the recipes into the manifest.
    fn compile(&mut self, directory: &Utf8Path) -> Result<(), Failure> {
        let path = directory.join("distributions.toml");
        let text = fs::read_to_string(&path).map_err(Failure::at(&path))?;
        let distributions: Distributions =
            toml::from_str(&text).map_err(|cause| Failure(format!("`{path}`: {cause}")))?;
        self.manifest["distributions"] = json!(distributions);
        for recipe in &self.recipes {
            let mut header = recipe.header().map_err(|cause| Failure(cause.to_string()))?;
            let component = &mut self.manifest["components"][&recipe.component];
            let mut releases = component.get("releases").cloned().unwrap_or_else(|| json!([]));
            for release in releases.as_array_mut().into_iter().flatten() {
                let version = release["version"].as_str().and_then(|text| text.parse().ok());
                if let Some((security, published)) = version.and_then(|version| recipe.mends(&version)) {
                    release["security"] = security;
                    if let Some(published) = published {
                        release["published"] = published.into();
                    }
                }
            }
            header.insert("releases".to_owned(), releases);
            *component = Value::Object(header);
        }
        Ok(())
    }

    /// The manifest as clients read it.
    fn registry(&self) -> Result<Registry, Failure> {
        Registry::parse(self.manifest.to_string().as_bytes()).map_err(|cause| Failure(cause.to_string()))
    }

    /// Asks every origin, each after the other: what one states of an archive, the next one rests on.
    async fn ask(&mut self, all: bool) -> Result<(), Failure> {
        for number in 0..self.recipes.len() {
            let name = self.recipes[number].component.clone();
            let registry = self.registry()?;
            let Some(component) = registry.components.get(name.as_str()) else {
                continue;
            };
            for origin in &component.origins {
                let registry = self.registry()?;
                let component = &registry.components[name.as_str()];
                let kind = kind_of(&origin.index);
                let recipe = &self.recipes[number];
                // GitHub's list costs one question, whatever is wanted of it: what it states is always compared.
                let costs_nothing = kind == "https";
                let wants = |version: &semver::Version, target: Target| {
                    !recipe.excludes(version, target, &origin.provider, kind)
                        && (all
                            || costs_nothing
                            || !has(component, version, target, |artifact| {
                                artifact.provider == origin.provider
                                    && kind_of_source(&artifact.source) == kind
                            }))
                };
                let question = Question {
                    component,
                    origin,
                    wire: &self.wire,
                    clients: &self.clients,
                    wants: &wants,
                };
                let answer = discover::ask(&question).await;
                match answer {
                    Ok(found) => {
                        for one in found {
                            self.take(number, one).await;
                        }
                    }
                    Err(error) => {
                        self.unasked.insert(format!(
                            "{name}, {} from {kind}: {}",
                            origin.provider,
                            told(&error)
                        ));
                    }
                }
            }
            self.pin(&name).await?;
            self.sort(&name);
        }
        Ok(())
    }

    /// Adds what an origin has, or compares it with what is there.
    async fn take(&mut self, number: usize, found: Found) {
        let recipe = &self.recipes[number];
        let name = recipe.component.clone();
        let mut artifact = found.artifact;
        artifact.needs = recipe.needs(&artifact.provider, artifact.target, Some(&found.version));
        let mends = recipe.mends(&found.version).map(|(security, _)| security);
        let kind = kind_of_source(&artifact.source);
        let what = format!(
            "{name} {} {} by {} from {kind}",
            found.version, artifact.target, artifact.provider
        );
        match self.stated(&artifact).await {
            Ok(integrity) => artifact.integrity = integrity,
            // Nothing enters the manifest without a digest; the next refresh asks again.
            Err(why) => {
                self.unasked.insert(format!("{what}: {why}"));
                return;
            }
        }
        let releases = self.manifest["components"][&name]["releases"].as_array_mut();
        let Some(releases) = releases else { return };
        let version = found.version.to_string();
        let position = releases
            .iter()
            .position(|release| release["version"] == version.as_str());
        let release = match position {
            Some(position) => &mut releases[position],
            None => {
                let mut release = json!({"version": version, "channel": found.channel, "artifacts": []});
                if let Some(tag) = &found.tag {
                    release["tags"] = json!([tag]);
                }
                if let Some(published) = &found.published {
                    release["published"] = published.as_str().into();
                }
                if let Some(security) = mends {
                    release["security"] = security;
                }
                releases.push(release);
                releases.last_mut().expect("it was just put there")
            }
        };
        let Some(artifacts) = release["artifacts"].as_array_mut() else {
            return;
        };
        let here = artifacts.iter().find_map(|one| {
            let one: Artifact = serde_json::from_value(one.clone()).ok()?;
            let is_same = one.target == artifact.target
                && one.provider == artifact.provider
                && kind_of_source(&one.source) == kind;
            is_same.then_some(one)
        });
        match here {
            None => {
                artifacts.push(json!(artifact));
                self.added.push(what);
            }
            Some(here) => {
                let digests = (pinned_digest(&here), pinned_digest(&artifact));
                if let (Some(here), Some(there)) = digests
                    && here != there
                {
                    self.changed
                        .push(format!("{what}: {here} was published, and it states {there}"));
                }
            }
        }
    }

    /// The digest that the publisher states now, pinned.
    async fn stated(&self, artifact: &Artifact) -> Result<Integrity, String> {
        let get = async |url: &str| match self.wire.get_small(url, 4 << 20, None).await {
            Ok(Fresh::Modified { body, .. }) => Ok(body),
            Ok(Fresh::NotModified) => Ok(Vec::new()),
            Err(error) => Err(error.to_string()),
        };
        let digest = match &artifact.integrity {
            Integrity::Pinned { digest } => digest.clone(),
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
    async fn pin(&mut self, name: &str) -> Result<(), Failure> {
        let registry = self.registry()?;
        let Some(component) = registry.components.get(name) else {
            return Ok(());
        };
        for release in &component.releases {
            for artifact in &release.artifacts {
                if matches!(artifact.integrity, Integrity::Pinned { .. }) {
                    continue;
                }
                let what = format!(
                    "{name} {} {} by {}",
                    release.version, artifact.target, artifact.provider
                );
                match self.stated(artifact).await {
                    Ok(integrity) => {
                        self.replace(name, release, artifact, &integrity);
                        self.pinned.push(what);
                    }
                    Err(why) => {
                        self.unasked.insert(format!("{name}, published digests: {why}"));
                    }
                }
            }
        }
        Ok(())
    }

    fn replace(&mut self, name: &str, release: &Release, artifact: &Artifact, integrity: &Integrity) {
        let version = release.version.to_string();
        let releases = self.manifest["components"][name]["releases"].as_array_mut();
        let of_version = |one: &&mut Value| one["version"] == version.as_str();
        let Some(release) = releases.into_iter().flatten().find(of_version) else {
            return;
        };
        let source = json!(artifact.source);
        for one in release["artifacts"].as_array_mut().into_iter().flatten() {
            if one["source"] == source && one["target"] == artifact.target.as_str() {
                one["integrity"] = json!(integrity);
            }
        }
    }

    /// Releases newest first; artifacts by target, and within one in the order of the origins.
    fn sort(&mut self, name: &str) {
        let component = &mut self.manifest["components"][name];
        let origins: Vec<(Value, Value)> = component["origins"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|origin| (origin["provider"].clone(), origin["index"]["kind"].clone()))
            .map(|(provider, kind)| match kind.as_str() {
                Some("github" | "maven") => (provider, json!("https")),
                _ => (provider, kind),
            })
            .collect();
        let Some(releases) = component["releases"].as_array_mut() else {
            return;
        };
        let version =
            |release: &Value| -> Option<semver::Version> { release["version"].as_str()?.parse().ok() };
        releases.sort_by_key(|release| std::cmp::Reverse(version(release)));
        for release in releases {
            if let Some(artifacts) = release["artifacts"].as_array_mut() {
                artifacts.sort_by_key(|artifact| {
                    let target = TARGETS
                        .iter()
                        .position(|target| artifact["target"] == target.as_str());
                    let key = (artifact["provider"].clone(), artifact["source"]["kind"].clone());
                    (target, origins.iter().position(|origin| *origin == key))
                });
            }
        }
    }

    fn answer(&self, is_new: bool) -> Answer {
        let mut lines: Vec<String> = Vec::new();
        lines.extend(self.added.iter().map(|one| format!("added     {one}")));
        lines.extend(self.pinned.iter().map(|one| format!("pinned    {one}")));
        lines.extend(self.unasked.iter().map(|one| format!("not asked {one}")));
        let serial = &self.manifest["serial"];
        lines.push(if is_new {
            format!("the manifest is number {serial} now")
        } else {
            format!("nothing is new; the manifest stays number {serial}")
        });
        Answer {
            lines,
            json: json!({
                "serial": serial, "changed": is_new, "added": self.added, "pinned": self.pinned,
                "not_asked": self.unasked,
            }),
            is_well: true,
        }
    }
}

/// Returns true if a component has such an artifact.
fn has(
    component: &Component,
    version: &semver::Version,
    target: Target,
    is_such: impl Fn(&Artifact) -> bool,
) -> bool {
    let release = component
        .releases
        .iter()
        .find(|release| release.version == *version);
    release.is_some_and(|release| {
        release
            .artifacts
            .iter()
            .any(|artifact| artifact.target == target && is_such(artifact))
    })
}

/// Returns the digests that state the identity of an artifact's bytes: its own, and that of the wheel around it.
fn pinned_digest(artifact: &Artifact) -> Option<String> {
    let Integrity::Pinned { digest } = &artifact.integrity else {
        return None;
    };
    Some(match &artifact.source {
        Source::PyPi { version, wheel, .. } => format!("{digest} in the wheel {version} {wheel}"),
        // Another package of the same version is another file, not another digest of this one.
        Source::Npm { version, .. } => format!("{digest} in the package {version}"),
        Source::Https { .. } | Source::File { .. } => digest.to_string(),
    })
}

fn kind_of(index: &ampup::domain::origin::Index) -> &'static str {
    use ampup::domain::origin::Index;
    match index {
        Index::Github { .. } | Index::Maven { .. } => "https",
        Index::Npm { .. } => "npm",
        Index::PyPi { .. } => "pypi",
    }
}

fn kind_of_source(source: &Source) -> &'static str {
    match source {
        Source::Https { .. } => "https",
        Source::File { .. } => "file",
        Source::Npm { .. } => "npm",
        Source::PyPi { .. } => "pypi",
    }
}

fn told(error: &DiscoverError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

fn write(path: &Utf8Path, text: &str) -> Result<(), Failure> {
    atomic::write(path, text.as_bytes()).map_err(Failure::at(path))
}

/// Prints the matrix into the README, where it has a place for it.
fn readme(path: &Utf8Path, manifest: &str) -> Result<(), Failure> {
    let registry = Registry::parse(manifest.as_bytes()).map_err(|cause| Failure(cause.to_string()))?;
    let (Some(postgres), Ok(text)) = (registry.components.get("postgres"), fs::read_to_string(path)) else {
        return Ok(());
    };
    let (Some((before, rest)), true) = (text.split_once(MATRIX.0), text.contains(MATRIX.1)) else {
        return Ok(());
    };
    let (_, after) = rest.split_once(MATRIX.1).unwrap_or_default();
    let pairs = builds::pairs_with_two_places(postgres);
    let mut before = before.to_owned();
    if let Some(end) = before.find(PAIRS) {
        let start = before[..end].rfind(' ').map_or(0, |space| space + 1);
        before.replace_range(start..end, &pairs.to_string());
    }
    let text = format!(
        "{before}{}\n{}\n{}{after}",
        MATRIX.0,
        builds::matrix(postgres),
        MATRIX.1
    );
    write(path, &text)
}
