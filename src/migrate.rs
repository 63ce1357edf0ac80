//! Taking over what an ampup 0.1 installed: its `ampd` and `ampctl` are copied into the store, through the same pipe as
//! everything else. Its own home is only read.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use semver::Version;

use crate::{
    domain::{Algorithm, ComponentName, Inventory, Provider, Target, version::parse_full},
    env::Env,
    fs::atomic,
    itself,
    registry::Registry,
    resolve::{Action, Choice, GroupPlan, Plan, Step},
    verify::digest_of,
};

/// A home of ampup 0.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Old {
    /// Where it is.
    pub home: Utf8PathBuf,
    /// The names of its versions, as they were tagged; the current one last.
    pub tags: Vec<String>,
}

/// The home of an ampup 0.1, where it used to be: `AMP_DIR`, or `.amp` in `XDG_CONFIG_HOME` or HOME. A project's
/// directory is no such home, although it may have the same name.
pub fn find(env: &Env) -> Option<Old> {
    let amp = |directory: &str| Utf8Path::new(directory).join(".amp");
    let places = [
        env.var("AMP_DIR").map(Utf8PathBuf::from),
        env.var("XDG_CONFIG_HOME").map(amp),
        env.user_home().map(|home| amp(home.as_str())),
    ];
    places.into_iter().flatten().find_map(|home| {
        let is_one = home.is_absolute() && home.join("bin/ampup").symlink_metadata().is_ok();
        let tags = if is_one { tags(&home) } else { Vec::new() };
        (!tags.is_empty()).then_some(Old { home, tags })
    })
}

fn tags(home: &Utf8Path) -> Vec<String> {
    let Ok(entries) = home.join("versions").read_dir_utf8() else {
        return Vec::new();
    };
    let mut tags: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("ampd").is_file())
        .map(|entry| entry.file_name().to_owned())
        .collect();
    let current = atomic::read(&home.join(".version"), 4096).unwrap_or_default();
    let current = String::from_utf8_lossy(&current).trim().to_owned();
    tags.sort_by_key(|tag| (*tag == current, parse_full(tag), tag.clone()));
    tags
}

/// What taking them over means.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Takeover {
    /// One group for each version; the last one becomes active, unless another one is already.
    pub plan: Plan,
    /// What is left where it is, and why.
    pub passed_over: Vec<String>,
}

/// Plans to take over the versions of an ampup 0.1. What is active here stays active.
///
/// # Errors
/// When a file of it cannot be read.
pub fn plan(old: &Old, registry: &Registry, inventory: &Inventory, target: Target) -> io::Result<Takeover> {
    let names: [ComponentName; 2] = ["ampctl", "ampd"].map(|name| name.parse().expect("a valid name"));
    let mut takeover = Takeover::default();
    for tag in &old.tags {
        let Some(version) = version_of(tag, registry) else {
            takeover
                .passed_over
                .push(format!("`{tag}` is a build of your own, and no release"));
            continue;
        };
        let directory = old.home.join("versions").join(tag);
        let mut steps = Vec::new();
        for name in &names {
            let file = directory.join(name.as_str());
            let is_here = inventory.trees(name).iter().any(|tree| {
                let origin = tree.origin.as_ref();
                origin.is_some_and(|origin| origin.version == version)
            });
            if !is_here && file.is_file() {
                let (digest, _) = digest_of(&mut fs::File::open(&file)?, Algorithm::Sha256)?;
                let artifact = itself::artifact(&file, digest, provider(), target)?;
                steps.push(Step {
                    component: name.clone(),
                    version: version.clone(),
                    action: Action::Acquire(vec![artifact]),
                });
            }
        }
        match steps.len() {
            2 => takeover.plan.groups.push(group(&names, version, steps)),
            0 => takeover.passed_over.push(format!("{tag} is here already")),
            _ => takeover.passed_over.push(format!(
                "{tag} is not whole (`ampup install {tag}` installs it anew)"
            )),
        }
    }
    // The last group becomes the active one: that must be what is active now.
    let active: Option<Vec<Step>> = names
        .iter()
        .map(|name| {
            let tree = inventory.active.components.get(name)?;
            Some(Step {
                component: name.clone(),
                version: tree.version().clone(),
                action: Action::Keep(tree.clone()),
            })
        })
        .collect();
    if let Some(steps) = active
        && !takeover.plan.groups.is_empty()
    {
        let version = steps[0].version.clone();
        let mut keep = group(&names, version, steps);
        keep.request = inventory.active.requests.get(&names[1]).cloned();
        takeover.plan.groups.push(keep);
    }
    Ok(takeover)
}

/// Whoever built them: nobody has proven these bytes.
fn provider() -> Provider {
    "migrated".parse().expect("a valid name")
}

fn group(names: &[ComponentName], version: Version, steps: Vec<Step>) -> GroupPlan {
    GroupPlan {
        components: names.to_vec(),
        request: None,
        choices: vec![Choice { version, steps }],
        passed_over: Vec::new(),
    }
}

/// ampup 0.1 named versions by their git tag: `v0.0.35`, `nightly-188bfd4`; its own builds `local-…`, `pr-…`.
fn version_of(tag: &str, registry: &Registry) -> Option<Version> {
    let component = registry.component(&"ampd".parse().expect("a valid name"))?;
    let by_tag = component
        .releases
        .iter()
        .find(|release| release.tags.iter().any(|known| known == tag));
    by_tag
        .map(|release| release.version.clone())
        .or_else(|| parse_full(tag))
}
