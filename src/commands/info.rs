//! `ampup info`: everything about one component.

use std::{collections::BTreeSet, fmt::Write as _};

use serde_json::json;

use super::{Error, Outcome, Session, requests};
use crate::domain::{ComponentName, Target};

/// Arguments of `ampup info`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The component
    #[arg(value_parser = requests::name)]
    pub name: ComponentName,
    /// Show the versions and builds for all hosts, not only for this one
    #[arg(long)]
    pub all: bool,
}

/// Shows what the registry says of a component, and which of its versions are installed.
///
/// # Errors
/// When there is no such component.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let component = session.component(&args.name)?;
    let inventory = session.inventory()?;
    let host = session.host()?;
    let style = component.version_style;
    let mut data = format!("{}: {}\n", component.name, component.summary);
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(data, "{label:12}{value}");
    };
    line("homepage", &component.homepage);
    if let Some(licence) = &component.licence {
        line("license", licence);
    }
    let requirement = component
        .default_requirement
        .as_ref()
        .map(|default| format!(" of {default}"))
        .unwrap_or_default();
    line(
        "default",
        &format!("the newest {} release{requirement}", component.default_channel),
    );
    let active = inventory.active.components.get(&component.name);
    let shown = |tree| session.shown(&component.name, tree, &inventory);
    let none = || "none".to_owned();
    line("active", &active.map(shown).transpose()?.unwrap_or_else(none));
    if let Some(active) = active {
        line("directory", session.layout.tree(&component.name, active).as_str());
    }
    let installed: Vec<String> = inventory
        .trees(&component.name)
        .iter()
        .rev()
        .map(|tree| shown(&tree.name))
        .collect::<Result<_, _>>()?;
    let installed = Some(installed.join(", ")).filter(|_| !installed.is_empty());
    line("installed", &installed.unwrap_or_else(none));
    data += &match (args.all, host.target) {
        (false, Some(target)) => format!(
            "versions for this host ({target}); of several builds, the first that runs here is taken\n"
        ),
        (false, None) => format!("versions for this host ({})\n", host.description),
        (true, _) => "versions for all hosts\n".to_owned(),
    };
    let is_shown = |target: Target| args.all || Some(target) == host.target;
    let mut releases = Vec::new();
    let mut rows = Vec::new();
    for release in &component.releases {
        let targets: BTreeSet<Target> = release.artifacts.iter().map(|artifact| artifact.target).collect();
        let builds = targets.iter().map(|target| {
            let mut providers: Vec<&str> = release
                .artifacts
                .iter()
                .filter(|artifact| artifact.target == *target)
                .map(|artifact| artifact.provider.as_str())
                .collect();
            providers.dedup();
            (*target, providers)
        });
        let builds: Vec<_> = builds.collect();
        let words: Vec<String> = builds
            .iter()
            .filter(|(target, _)| is_shown(*target))
            .map(|(target, providers)| match args.all {
                true => format!("{target} ({})", providers.join(", ")),
                false => format!("built by {}", providers.join(", ")),
            })
            .collect();
        if !words.is_empty() {
            rows.push((style.show(&release.version), words.join(", ")));
        }
        let builds: Vec<_> = builds
            .iter()
            .map(|(target, providers)| json!({"target": target, "providers": providers}))
            .collect();
        releases.push(json!({
            "version": release.version, "channel": release.channel, "tags": release.tags,
            "published": release.published, "builds": builds,
        }));
    }
    let width = rows.iter().map(|(version, _)| version.len()).max().unwrap_or(0);
    for (version, builds) in rows {
        let _ = writeln!(data, "  {version:width$}  {builds}");
    }
    let json = json!({
        "name": component.name, "summary": component.summary, "homepage": component.homepage,
        "licence": component.licence, "default_channel": component.default_channel,
        "default_requirement": component.default_requirement, "active": active.map(ToString::to_string),
        "installed": inventory.trees(&component.name).iter().map(|tree| tree.name.to_string()).collect::<Vec<_>>(),
        "releases": releases,
    });
    Ok(Outcome::prose(data, json))
}
