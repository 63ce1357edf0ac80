//! The first page: every component, and every release with what it is found by.

use ampup::{
    domain::{Component, Release},
    registry::Registry,
};

use super::{
    badge, builders, component_path,
    html::{Html, fill},
    release_path, shown, targets,
};

/// The page as text.
pub(super) fn page(registry: &Registry) -> String {
    super::page("Components of ampup", 0, &main(registry), registry)
}

fn main(registry: &Registry) -> Html {
    let components = registry.components.values().map(card);
    let mut all: Vec<(&Component, &Release)> = registry
        .components
        .values()
        .flat_map(|component| component.releases.iter().map(move |release| (component, release)))
        .collect();
    // The newest first; of one day, by name and version.
    all.sort_by(|(one, a), (other, b)| {
        b.published
            .cmp(&a.published)
            .then_with(|| one.name.cmp(&other.name))
            .then_with(|| b.version.cmp(&a.version))
    });
    let rows = all
        .into_iter()
        .map(|(component, release)| row(component, release));
    fill(
        include_str!("index.html"),
        &[
            ("components", &Html::of(components)),
            ("releases", &Html::of(rows)),
        ],
    )
}

fn card(component: &Component) -> Html {
    let newest = component
        .releases
        .iter()
        .find(|release| release.channel == component.default_channel);
    let version = newest.map_or_else(
        || "no release yet".to_owned(),
        |release| component.version_style.show(&release.version),
    );
    fill(
        "<li data-search=\"{words}\"><a class=\"card\" href=\"{path}\"><h3>{title}</h3><p>{summary}</p>\
         <p class=\"meta\"><code>{name}</code> {version}</p></a></li>\n",
        &[
            (
                "words",
                &format!(
                    "{} {} {} {version}",
                    component.name,
                    component.title(),
                    component.summary
                ),
            ),
            ("path", &component_path(component)),
            ("title", &component.title()),
            ("summary", &component.summary),
            ("name", &component.name.as_str()),
            ("version", &version),
        ],
    )
}

fn row(component: &Component, release: &Release) -> Html {
    let targets: Vec<&str> = targets(release)
        .into_iter()
        .map(|target| target.as_str())
        .collect();
    let builders = builders(release).join(", ");
    let cves = release.security.iter().flat_map(|security| security.cves.iter());
    let cves: Vec<&str> = cves.map(String::as_str).collect();
    let published = release.published.clone().unwrap_or_default();
    let words = [
        component.name.as_str(),
        &shown(component, release),
        &release.version.to_string(),
        release.channel.as_str(),
        &builders,
        &targets.join(" "),
        &cves.join(" "),
        &release.tags.join(" "),
        &published,
    ]
    .join(" ");
    fill(
        "<tr data-search=\"{words}\"><td data-label=\"Release\"><a href=\"{path}\">{shown}</a> {badge}</td>\
         <td data-label=\"Published\">{published}</td><td data-label=\"Built by\">{builders}</td>\
         <td data-label=\"Hosts\">{targets}</td></tr>\n",
        &[
            ("words", &words),
            ("path", &release_path(component, release)),
            ("shown", &shown(component, release)),
            ("badge", &badge(release)),
            ("published", &published),
            ("builders", &builders),
            ("targets", &hosts(targets.len())),
        ],
    )
}

fn hosts(number: usize) -> String {
    match number {
        1 => "1 target".to_owned(),
        number => format!("{number} targets"),
    }
}
