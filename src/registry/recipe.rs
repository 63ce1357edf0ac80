//! A recipe (`registry/<component>.toml`): what the manifest says of a component beside its releases, and what is left out.

use semver::{Version, VersionReq};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::domain::{Needs, Provider, Target};

/// A recipe as it is read.
#[derive(Debug, Clone, Deserialize)]
pub struct Recipe {
    /// The component's name.
    pub component: String,
    title: Option<String>,
    summary: String,
    homepage: String,
    licence: Option<String>,
    group: String,
    default_install: bool,
    version_style: String,
    acceptance: String,
    executables: Vec<String>,
    default: Defaults,
    versions: Versions,
    #[serde(default)]
    line: Vec<toml::Value>,
    #[serde(default, rename = "security")]
    mends: Vec<Mends>,
    #[serde(default)]
    origin: Vec<OriginTable>,
    #[serde(default)]
    needs: Vec<NeedsOf>,
    #[serde(default)]
    excluded: Vec<Excluded>,
}

#[derive(Debug, Clone, Deserialize)]
struct Defaults {
    channel: String,
    requirement: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Versions {
    nightly: Option<Tag>,
    stable: Option<Tag>,
}

#[derive(Debug, Clone, Deserialize)]
struct Tag {
    tag: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Mends {
    versions: Vec<String>,
    published: Option<String>,
    cves: Option<Vec<String>>,
    severity: Option<String>,
    link: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct OriginTable {
    provider: Provider,
    source: String,
    releases: Option<String>,
    url: Option<String>,
    tag: Option<String>,
    package: Option<String>,
    package_version: Option<String>,
    format: String,
    root: Option<String>,
    links: Option<toml::Value>,
    checksum: Option<Checksum>,
    integrity: Option<Checksum>,
    /// `false` where its builds take nothing from the host.
    needs: Option<bool>,
    targets: Targets,
}

#[derive(Debug, Clone, Deserialize)]
struct Checksum {
    algorithm: Option<String>,
    url: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Targets {
    Same(Vec<Target>),
    Named(std::collections::BTreeMap<Target, Platform>),
}

#[derive(Debug, Clone, Deserialize)]
struct Platform {
    platform: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct NeedsOf {
    provider: Provider,
    targets: Vec<Target>,
    versions: Option<Vec<String>>,
    #[serde(flatten)]
    needs: Needs,
}

/// A build that is left out.
#[derive(Debug, Clone, Deserialize)]
struct Excluded {
    version: String,
    provider: Provider,
    source: Option<String>,
    target: Option<Target>,
}

/// The reason a text is not a recipe.
#[derive(Debug, thiserror::Error)]
#[error("the recipe is malformed: {0}")]
pub struct RecipeError(String);

impl Recipe {
    /// Reads a recipe.
    ///
    /// # Errors
    /// When it is not of this form.
    pub fn parse(text: &str) -> Result<Self, RecipeError> {
        toml::from_str(text).map_err(|cause| RecipeError(cause.to_string()))
    }

    /// Returns what the manifest says of the component, without its releases.
    ///
    /// # Errors
    /// When an origin has no index that could be asked.
    pub fn header(&self) -> Result<Map<String, Value>, RecipeError> {
        let origins = self
            .origin
            .iter()
            .map(|origin| self.origin(origin))
            .collect::<Result<Vec<_>, _>>()?;
        let mut header = json!({
            "title": self.title, "summary": self.summary, "homepage": self.homepage, "licence": self.licence,
            "default": {"channel": self.default.channel, "requirement": self.default.requirement},
            "group": self.group, "default_install": self.default_install, "version_style": self.version_style,
            "executables": self.executables, "acceptance": self.acceptance,
            "lines": json_of(&self.line), "origins": origins,
        });
        prune(&mut header);
        match header {
            Value::Object(header) => Ok(header),
            _ => unreachable!("it was made as an object"),
        }
    }

    fn origin(&self, origin: &OriginTable) -> Result<Value, RecipeError> {
        let (releases, url) = (
            origin.releases.as_deref().unwrap_or_default(),
            origin.url.as_deref().unwrap_or_default(),
        );
        let stable = origin
            .tag
            .as_ref()
            .or(self.versions.stable.as_ref().map(|stable| &stable.tag));
        let index = match origin.source.as_str() {
            "https" if releases.starts_with("https://api.github.com/") => json!({
                "kind": "github", "releases": releases, "tag": stable,
                "nightly": self.versions.nightly.as_ref().map(|nightly| &nightly.tag),
                "asset": url.rsplit('/').next(),
            }),
            "https" if releases.ends_with(".xml") => {
                json!({"kind": "maven", "metadata": releases, "url": url})
            }
            kind @ ("npm" | "pypi") => json!({
                "kind": kind, "package": origin.package, "version": origin.package_version,
            }),
            other => {
                return Err(RecipeError(format!(
                    "no index lists the releases of the origin `{other}`"
                )));
            }
        };
        let mut stated = [&origin.checksum, &origin.integrity].into_iter().flatten();
        let checksum = stated.find_map(|stated| {
            let (algorithm, at) = (stated.algorithm.as_ref()?, stated.url.as_ref()?);
            Some(json!({"algorithm": algorithm, "url": at.replace(url, "{url}")}))
        });
        let targets: Vec<(Target, Option<String>)> = match &origin.targets {
            Targets::Same(targets) => targets.iter().map(|target| (*target, None)).collect(),
            Targets::Named(targets) => targets
                .iter()
                .map(|(target, platform)| (*target, platform.platform.clone()))
                .collect(),
        };
        let targets: Map<String, Value> = targets
            .into_iter()
            .map(|(target, platform)| {
                let needs = match origin.needs {
                    Some(false) => Needs::default(),
                    _ => self.needs(&origin.provider, target, None),
                };
                let needs = (!needs.is_empty()).then_some(needs);
                (target.to_string(), json!({"platform": platform, "needs": needs}))
            })
            .collect();
        Ok(json!({
            "provider": origin.provider, "index": index, "format": origin.format, "root": origin.root,
            "links": json_of(&origin.links), "checksum": checksum, "targets": targets,
            "excluded": self.excluded_from(origin),
        }))
    }

    /// The builds of an origin that are left out, for clients that ask it themselves.
    fn excluded_from(&self, origin: &OriginTable) -> Vec<Value> {
        let is_there = |one: &&Excluded| {
            one.provider == origin.provider
                && one.source.as_ref().is_none_or(|source| *source == origin.source)
        };
        let row = |one: &Excluded| {
            let versions = match Version::parse(&one.version) {
                Ok(version) => format!("={version}"),
                Err(_) => one.version.clone(),
            };
            json!({"versions": versions, "target": one.target})
        };
        self.excluded.iter().filter(is_there).map(row).collect()
    }

    /// Returns the requirements of a build on the host; without a version, those of every build of the provider.
    pub fn needs(&self, provider: &Provider, target: Target, version: Option<&Version>) -> Needs {
        let mut merged = Needs::default();
        for table in &self.needs {
            let is_of_version = match (&table.versions, version) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(ranges), Some(version)) => ranges.iter().any(|range| is_in(range, version)),
            };
            if table.provider != *provider || !table.targets.contains(&target) || !is_of_version {
                continue;
            }
            merged.glibc = table.needs.glibc.clone().or(merged.glibc);
            merged.macos = table.needs.macos.clone().or(merged.macos);
            merged.libraries.extend(table.needs.libraries.iter().cloned());
            merged.recommended.extend(table.needs.recommended.iter().cloned());
            merged.files.extend(table.needs.files.iter().cloned());
        }
        merged
    }

    /// Returns true if the builds of an origin, by its place among the origins, take nothing from the host.
    pub fn takes_nothing(&self, origin: usize) -> bool {
        self.origin
            .get(origin)
            .is_some_and(|origin| origin.needs == Some(false))
    }

    /// Returns true if a build is left out.
    pub fn excludes(&self, version: &Version, target: Target, provider: &Provider, source: &str) -> bool {
        self.excluded.iter().any(|one| {
            one.provider == *provider
                && one.target.is_none_or(|other| other == target)
                && one.source.as_deref().is_none_or(|other| other == source)
                && is_in(&one.version, version)
        })
    }

    /// Returns the vulnerabilities that a release fixes, and the day it was published, as far as the recipe says.
    pub fn mends(&self, version: &Version) -> Option<(Value, Option<&str>)> {
        let text = version.to_string();
        let table = self.mends.iter().find(|table| table.versions.contains(&text))?;
        let mut security = json!({"cves": table.cves, "severity": table.severity, "link": table.link});
        prune(&mut security);
        Some((security, table.published.as_deref()))
    }
}

/// Returns true if a version is this one, or in this range.
fn is_in(range: &str, version: &Version) -> bool {
    match Version::parse(range) {
        Ok(one) => one == *version,
        Err(_) => VersionReq::parse(range).is_ok_and(|range| range.matches(version)),
    }
}

fn json_of(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Takes out what is null, and lists in which nothing is.
fn prune(value: &mut Value) {
    let Value::Object(fields) = value else {
        if let Value::Array(items) = value {
            items.iter_mut().for_each(prune);
        }
        return;
    };
    fields.retain(|_, field| !field.is_null() && field.as_array().is_none_or(|items| !items.is_empty()));
    fields.values_mut().for_each(prune);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;
    use crate::{distributions::Distributions, registry::Registry};

    const RECIPES: [&str; 4] = [
        include_str!("../../registry/ampctl.toml"),
        include_str!("../../registry/ampd.toml"),
        include_str!("../../registry/ampup.toml"),
        include_str!("../../registry/postgres.toml"),
    ];

    #[test]
    fn the_manifest_says_what_the_recipes_say() {
        let text = include_str!("../../registry/manifest.json");
        let manifest: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(Registry::embedded().distributions, Distributions::built_in());
        every(RECIPES, |text| {
            let recipe = Recipe::parse(text).expect("a recipe");
            let mut component = manifest["components"][&recipe.component].clone();
            let fields = component.as_object_mut().expect("a component");
            let releases = fields.remove("releases").expect("releases");
            assert_eq!(
                *fields,
                recipe.header().expect("a header"),
                "{}",
                recipe.component
            );
            let mut differing = Vec::new();
            for release in releases.as_array().expect("a list") {
                let version: Version = release["version"]
                    .as_str()
                    .expect("text")
                    .parse()
                    .expect("a version");
                let mends = recipe.mends(&version).map(|(security, _)| security);
                assert_eq!(release.get("security").cloned(), mends, "{version}");
                for artifact in release["artifacts"].as_array().expect("a list") {
                    let provider: Provider =
                        serde_json::from_value(artifact["provider"].clone()).expect("a name");
                    let target: Target =
                        serde_json::from_value(artifact["target"].clone()).expect("a target");
                    let kind = artifact["source"]["kind"].as_str().expect("text");
                    let stated: Needs = artifact
                        .get("needs")
                        .map(|needs| serde_json::from_value(needs.clone()).expect("needs"))
                        .unwrap_or_default();
                    // The rest is measured.
                    let files = recipe.needs(&provider, target, Some(&version)).files;
                    if !files.iter().all(|file| stated.files.contains(file))
                        || recipe.excludes(&version, target, &provider, kind)
                    {
                        differing.push(format!("{version} {target} {provider} {kind}"));
                    }
                }
            }
            assert!(differing.is_empty(), "{differing:#?}");
        });
    }
}
