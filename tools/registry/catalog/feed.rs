//! The releases as an Atom feed (RFC 4287), newest first.

use ampup::{
    domain::{Component, Release},
    registry::Registry,
};

use super::{
    builders,
    html::{Html, fill},
    release_path, shown, targets,
};

/// No feed has more entries.
const ENTRIES: usize = 50;

/// The feed. Links are below `base`; without one they are relative to the feed.
pub(super) fn feed(registry: &Registry, base: Option<&str>) -> String {
    let base = base.map_or_else(String::new, |base| format!("{}/", base.trim_end_matches('/')));
    let mut dated: Vec<(&str, &Component, &Release)> = registry
        .components
        .values()
        .flat_map(|component| component.releases.iter().map(move |release| (component, release)))
        .filter_map(|(component, release)| Some((release.published.as_deref()?, component, release)))
        .collect();
    dated.sort_by(|(a, one, x), (b, other, y)| {
        b.cmp(a)
            .then_with(|| one.name.cmp(&other.name))
            .then_with(|| y.version.cmp(&x.version))
    });
    let entries = dated
        .into_iter()
        .take(ENTRIES)
        .map(|(day, component, release)| entry(day, component, release, &base, registry));
    fill(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n\
         <title>Releases of the registry {id}</title>\n<id>urn:ampup:{id}</id>\n<updated>{issued}</updated>\n\
         <author><name>{id}</name></author>\n<link rel=\"self\" type=\"application/atom+xml\" href=\"{base}feed.xml\"/>\n\
         <link rel=\"alternate\" type=\"text/html\" href=\"{base}index.html\"/>\n{entries}</feed>\n",
        &[
            ("id", &registry.id),
            ("issued", &registry.issued),
            ("base", &base),
            ("entries", &Html::of(entries)),
        ],
    )
    .into_string()
}

fn entry(day: &str, component: &Component, release: &Release, base: &str, registry: &Registry) -> Html {
    let targets: Vec<&str> = targets(release)
        .into_iter()
        .map(|target| target.as_str())
        .collect();
    let mut summary = format!(
        "Built by {} for {}.",
        builders(release).join(", "),
        targets.join(", ")
    );
    if let Some(security) = &release.security {
        summary += &format!(" Security fixes: {}.", security.cves.join(", "));
    }
    fill(
        "<entry>\n<title>{title}</title>\n<id>urn:ampup:{id}:{name}:{version}</id>\n<updated>{day}T00:00:00Z</updated>\n\
         <link rel=\"alternate\" type=\"text/html\" href=\"{base}{path}\"/>\n<summary>{summary}</summary>\n</entry>\n",
        &[
            ("title", &shown(component, release)),
            ("id", &registry.id),
            ("name", &component.name.as_str()),
            ("version", &release.version.to_string()),
            ("day", &day),
            ("base", &base),
            ("path", &release_path(component, release)),
            ("summary", &summary),
        ],
    )
}
