//! The manifest on its way to the next serial: what it has, and what is added to it. No IO but the reading of recipes.

use ampup::{
    discover::Found,
    distributions::Distributions,
    domain::{Artifact, Integrity, Needs, Source, Target, origin::Index},
    registry::{Registry, recipe::Recipe},
};
use camino::Utf8Path;
use fs_err as fs;
use semver::Version;
use serde_json::{Value, json};

use super::Failure;

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

/// The manifest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Document(Value);

/// The result of an addition.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Addition {
    /// It is new.
    Added,
    /// It is there, as it is.
    Same,
    /// It is there with another digest: the one that was published, and the one that is stated now.
    Changed { published: String, stated: String },
}

impl Document {
    pub(super) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self)
    }

    pub(super) fn value(&self) -> &Value {
        &self.0
    }

    pub(super) fn serial(&self) -> u64 {
        self.0["serial"].as_u64().unwrap_or_default()
    }

    /// Gives it the next serial.
    pub(super) fn raise(&mut self, now: &str) {
        self.0["serial"] = (self.serial() + 1).into();
        self.0["issued"] = now.into();
    }

    /// The manifest as clients read it.
    pub(super) fn registry(&self) -> Result<Registry, Failure> {
        Registry::parse(self.0.to_string().as_bytes()).map_err(Failure::of)
    }

    /// Compiles the recipes into it.
    pub(super) fn compile(&mut self, recipes: &[Recipe], distributions: &Utf8Path) -> Result<(), Failure> {
        let text = fs::read_to_string(distributions).map_err(Failure::at(distributions))?;
        let read: Distributions =
            toml::from_str(&text).map_err(|cause| Failure(format!("`{distributions}`: {cause}")))?;
        self.0["distributions"] = json!(read);
        for recipe in recipes {
            let mut header = recipe.header().map_err(Failure::of)?;
            let component = &mut self.0["components"][&recipe.component];
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

    /// Leaves out what a recipe says of its makers' newest version where a newer one is built.
    pub(super) fn drop_overtaken(&mut self) {
        let components = self.0["components"].as_object_mut();
        for component in components
            .into_iter()
            .flat_map(|components| components.values_mut())
        {
            let releases = component.get("releases").and_then(Value::as_array);
            let versions = releases.into_iter().flatten();
            let releases: Vec<Version> = versions
                .filter_map(|release| release["version"].as_str()?.parse().ok())
                .collect();
            let lines = component.get_mut("lines").and_then(Value::as_array_mut);
            for line in lines.into_iter().flatten() {
                if is_overtaken(line, &releases) {
                    line.as_object_mut().map(|fields| fields.remove("upstream"));
                }
            }
        }
    }

    fn releases(&mut self, component: &str) -> Option<&mut Vec<Value>> {
        self.0["components"][component]["releases"].as_array_mut()
    }

    /// The effect that adding an artifact would have.
    pub(super) fn standing(&mut self, component: &str, version: &Version, artifact: &Artifact) -> Addition {
        let version = version.to_string();
        let is_of_version = |release: &&mut Value| release["version"] == version.as_str();
        let release = self
            .releases(component)
            .and_then(|releases| releases.iter_mut().find(is_of_version));
        let artifacts = release.and_then(|release| release["artifacts"].as_array());
        let here = artifacts.into_iter().flatten().find_map(|one| {
            let one: Artifact = serde_json::from_value(one.clone()).ok()?;
            let is_same = one.target == artifact.target
                && one.provider == artifact.provider
                && kind_of_source(&one.source) == kind_of_source(&artifact.source);
            is_same.then_some(one)
        });
        let Some(here) = here else {
            return Addition::Added;
        };
        match (identity(&here), identity(artifact)) {
            (Some((file, published)), Some((same, stated))) if file == same && published != stated => {
                Addition::Changed { published, stated }
            }
            _ => Addition::Same,
        }
    }

    /// Adds an artifact to its release, which is made where there is none.
    pub(super) fn add(&mut self, component: &str, found: &Found, security: Option<Value>) {
        let Some(releases) = self.releases(component) else {
            return;
        };
        let version = found.version.to_string();
        let is_of_version = |release: &Value| release["version"] == version.as_str();
        let release = match releases.iter().position(is_of_version) {
            Some(position) => &mut releases[position],
            None => {
                let mut release = json!({"version": version, "channel": found.channel, "artifacts": []});
                if let Some(tag) = &found.tag {
                    release["tags"] = json!([tag]);
                }
                if let Some(published) = &found.published {
                    release["published"] = published.as_str().into();
                }
                if let Some(security) = security {
                    release["security"] = security;
                }
                releases.push(release);
                releases.last_mut().expect("it was just put there")
            }
        };
        if let Some(artifacts) = release["artifacts"].as_array_mut() {
            artifacts.push(json!(found.artifact));
        }
    }

    /// Changes an artifact that is there, and those of its release that are the same bytes from elsewhere.
    pub(super) fn change(
        &mut self,
        component: &str,
        version: &Version,
        artifact: &Artifact,
        change: impl Fn(&mut Value),
    ) {
        let version = version.to_string();
        let integrity = json!(artifact.integrity);
        let releases = self.releases(component).into_iter().flatten();
        let of_version = releases.filter(|release| release["version"] == version.as_str());
        for one in of_version
            .filter_map(|release| release["artifacts"].as_array_mut())
            .flatten()
        {
            if one["integrity"] == integrity && one["target"] == artifact.target.as_str() {
                change(one);
            }
        }
    }

    /// Releases newest first; artifacts by target, and within one in the order of the origins.
    pub(super) fn sort(&mut self, component: &str) {
        let origins = self.0["components"][component]["origins"].as_array();
        let origins: Vec<(Value, Value)> = origins
            .into_iter()
            .flatten()
            .map(|origin| (origin["provider"].clone(), origin["index"]["kind"].clone()))
            .map(|(provider, kind)| match kind.as_str() {
                Some("github" | "maven") => (provider, json!("https")),
                _ => (provider, kind),
            })
            .collect();
        let Some(releases) = self.releases(component) else {
            return;
        };
        let version = |release: &Value| -> Option<Version> { release["version"].as_str()?.parse().ok() };
        releases.sort_by_key(|release| std::cmp::Reverse(version(release)));
        for artifacts in releases
            .iter_mut()
            .filter_map(|release| release["artifacts"].as_array_mut())
        {
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

/// Returns true if a release of a line is newer than what it calls the newest version of its makers.
fn is_overtaken(line: &Value, releases: &[Version]) -> bool {
    let upstream = line["upstream"]["version"].as_str();
    let upstream: Option<Version> = upstream.and_then(|text| text.parse().ok());
    upstream.is_some_and(|upstream| {
        let mut of_line = releases.iter().filter(|release| release.major == upstream.major);
        of_line.any(|release| release.pre.is_empty() && *release > upstream)
    })
}

/// The file that an artifact is, and the digests that state the identity of its bytes: its own, and that of the wheel
/// around it. Another package of the same version is another file, not another digest of this one.
fn identity(artifact: &Artifact) -> Option<(&str, String)> {
    let Integrity::Pinned { digest } = &artifact.integrity else {
        return None;
    };
    Some(match &artifact.source {
        Source::PyPi { version, wheel, .. } => (version, format!("{digest} in the wheel {wheel}")),
        Source::Npm { version, .. } => (version, digest.to_string()),
        Source::Https { .. } | Source::File { .. } => ("", digest.to_string()),
    })
}

/// The kind of source that the artifacts of an index have.
pub(super) fn kind_of(index: &Index) -> &'static str {
    match index {
        Index::Github { .. } | Index::Maven { .. } => "https",
        Index::Npm { .. } => "npm",
        Index::PyPi { .. } => "pypi",
    }
}

/// The kind of a source.
pub(super) fn kind_of_source(source: &Source) -> &'static str {
    match source {
        Source::Https { .. } => "https",
        Source::File { .. } => "file",
        Source::Npm { .. } => "npm",
        Source::PyPi { .. } => "pypi",
    }
}

/// Needs as a manifest has them: absent where there are none.
pub(super) fn set_needs(artifact: &mut Value, needs: &Needs) {
    if needs.is_empty() {
        artifact.as_object_mut().map(|fields| fields.remove("needs"));
    } else {
        artifact["needs"] = json!(needs);
    }
}
