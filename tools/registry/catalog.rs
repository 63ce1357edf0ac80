//! The catalog: a registry as pages for people, and its releases as a feed. The same registry gives the same bytes; nothing
//! is read but the registry, and every value of it is escaped.

// The tests read this file from elsewhere; so its rooms are named by their paths.
#[path = "catalog/component.rs"]
mod component;
#[path = "catalog/feed.rs"]
mod feed;
#[path = "catalog/html.rs"]
mod html;
#[path = "catalog/index.rs"]
mod index;
#[path = "catalog/release.rs"]
mod release;

use std::collections::BTreeMap;

use ampup::{
    domain::{Artifact, Component, Integrity, Release, Target},
    registry::Registry,
};

use self::html::{Html, fill};

const STYLE: &str = include_str!("catalog/style.css");
const SEARCH: &str = include_str!("catalog/search.js");

/// The files of the catalog, by path.
pub(crate) fn files(registry: &Registry, base: Option<&str>) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::from([
        ("style.css".to_owned(), STYLE.to_owned()),
        ("search.js".to_owned(), SEARCH.to_owned()),
        ("index.html".to_owned(), index::page(registry)),
        ("feed.xml".to_owned(), feed::feed(registry, base)),
    ]);
    for component in registry.components.values() {
        files.insert(component_path(component), component::page(component, registry));
        for release in &component.releases {
            files.insert(
                release_path(component, release),
                release::page(component, release, registry),
            );
        }
    }
    files
        .into_iter()
        .map(|(path, text)| (path, text.into_bytes()))
        .collect()
}

/// Where the page of a component is.
fn component_path(component: &Component) -> String {
    format!("components/{}.html", component.name)
}

/// Where the page of a release is. Some buckets take a plus sign for a space; no version has an underscore.
fn release_path(component: &Component, release: &Release) -> String {
    let version = release.version.to_string().replace('+', "_");
    format!("components/{}/{version}.html", component.name)
}

/// A whole page, which lies `depth` directories below the top.
fn page(title: &str, depth: usize, main: &Html, registry: &Registry) -> String {
    let top = "../".repeat(depth);
    fill(
        include_str!("catalog/page.html"),
        &[
            ("title", &title),
            ("top", &top),
            ("main", main),
            ("registry", &registry.id),
            ("serial", &registry.serial.to_string()),
            ("issued", &day(&registry.issued)),
        ],
    )
    .into_string()
}

/// The day of a time in RFC 3339.
fn day(time: &str) -> &str {
    time.get(..10).unwrap_or(time)
}

/// A component and a version as a person writes them.
fn shown(component: &Component, release: &Release) -> String {
    format!(
        "{} {}",
        component.title(),
        component.version_style.show(&release.version)
    )
}

/// The command that installs a component, or exactly this release of it.
fn command(component: &Component, release: Option<&Release>) -> Html {
    let (name, version) = (component.name.as_str(), release.map(|release| &release.version));
    let words = match (name, version) {
        ("ampup", None) => "ampup self update".to_owned(),
        ("ampup", Some(version)) => format!("ampup self update {version}"),
        (name, None) => format!("ampup install {name}"),
        (name, Some(version)) => format!("ampup install {name}@{version}"),
    };
    fill("<pre><code>{words}</code></pre>", &[("words", &words)])
}

/// The targets that a release is built for, each once and in order.
fn targets(release: &Release) -> Vec<Target> {
    let has = |target: &Target| release.artifacts.iter().any(|one| one.target == *target);
    Target::ALL.into_iter().filter(has).collect()
}

/// The builders of a release, each once and in order.
fn builders(release: &Release) -> Vec<&str> {
    let mut all: Vec<&str> = Vec::new();
    for artifact in &release.artifacts {
        if !all.contains(&artifact.provider.as_str()) {
            all.push(artifact.provider.as_str());
        }
    }
    all
}

/// The digest that the registry states.
fn pinned(artifact: &Artifact) -> Option<String> {
    match &artifact.integrity {
        Integrity::Pinned { digest } => Some(digest.to_string()),
        _ => None,
    }
}

/// A release in a list, or its fixes: a badge that says so.
fn badge(release: &Release) -> Html {
    match &release.security {
        Some(security) => {
            let severity = security.severity.map(|severity| format!(", {severity}"));
            fill(
                "<span class=\"badge\">security fixes{severity}</span>",
                &[("severity", &severity.unwrap_or_default())],
            )
        }
        None => Html::default(),
    }
}
