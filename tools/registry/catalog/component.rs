//! The page of a component.

use ampup::{
    domain::{Component, Line, Release},
    registry::Registry,
};

use super::{
    badge, builders, command, day,
    html::{Html, fill, link},
    release_path, shown, targets,
};

/// The page as text.
pub(super) fn page(component: &Component, registry: &Registry) -> String {
    let main = fill(
        include_str!("component.html"),
        &[
            ("title", &component.title()),
            ("summary", &component.summary),
            ("install", &command(component, None)),
            ("facts", &facts(component)),
            ("lines", &lines(component, registry)),
            (
                "releases",
                &Html::of(component.releases.iter().map(|release| row(component, release))),
            ),
        ],
    );
    super::page(&format!("{} · ampup", component.title()), 1, &main, registry)
}

fn facts(component: &Component) -> Html {
    let mut facts = Html::default();
    let mut fact = |name: &'static str, value: Html| {
        facts.push(&fill(
            "<div><dt>{name}</dt><dd>{value}</dd></div>\n",
            &[("name", &name), ("value", &value)],
        ));
    };
    let text = |text: &str| fill("{text}", &[("text", &text)]);
    fact(
        "Name",
        fill("<code>{name}</code>", &[("name", &component.name.as_str())]),
    );
    fact("Homepage", link(&component.homepage, &component.homepage));
    if let Some(licence) = &component.licence {
        fact("Licence", text(licence));
    }
    fact("Default channel", text(component.default_channel.as_str()));
    if let Some(requirement) = &component.default_requirement {
        fact("Default version", text(&requirement.to_string()));
    }
    fact("Executables", text(&component.executables.join(", ")));
    if component.group != component.name.as_str() {
        fact("Moves with", text(&format!("the group {}", component.group)));
    }
    facts
}

/// The lines of releases of which something is known.
fn lines(component: &Component, registry: &Registry) -> Html {
    if component.lines.is_empty() {
        return Html::default();
    }
    let rows = component.lines.iter().map(|line| {
        fill(
            "<tr><td data-label=\"Version\">{title} {major}</td><td data-label=\"Fixes until\">{end}</td>\
             <td data-label=\"Released by its makers\">{upstream}</td></tr>\n",
            &[
                ("title", &component.title()),
                ("major", &line.major.to_string()),
                ("end", &end_of_life(line, registry)),
                ("upstream", &upstream(component, line)),
            ],
        )
    });
    fill(
        "<section>\n<h2>Support</h2>\n<table>\n<thead><tr><th>Version</th><th>Fixes until</th><th>Released by its makers</th>\
         </tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</section>\n",
        &[("rows", &Html::of(rows))],
    )
}

/// The end of a line; whether it has passed is judged on the day the registry was issued.
pub(super) fn end_of_life(line: &Line, registry: &Registry) -> String {
    match line.end_of_life.as_deref() {
        None => String::new(),
        Some(end) if end <= day(&registry.issued) => format!("{end} (no fixes any more)"),
        Some(end) => end.to_owned(),
    }
}

fn upstream(component: &Component, line: &Line) -> Html {
    let Some(upstream) = &line.upstream else {
        return Html::default();
    };
    let version = component.version_style.show(&upstream.version);
    let is_built = component
        .releases
        .iter()
        .any(|release| release.version.cmp_precedence(&upstream.version).is_eq());
    let note = if is_built { "" } else { ", not built yet" };
    let version = match &upstream.link {
        Some(address) => link(address, &version),
        None => fill("{version}", &[("version", &version)]),
    };
    fill("{version}{note}", &[("version", &version), ("note", &note)])
}

fn row(component: &Component, release: &Release) -> Html {
    let path = release_path(component, release);
    let path = path.strip_prefix("components/").unwrap_or(&path);
    let hosts = targets(release)
        .into_iter()
        .map(|target| fill("<li>{target}</li>", &[("target", &target.as_str())]));
    fill(
        "<tr><td data-label=\"Version\"><a href=\"{path}\">{shown}</a> {badge}</td>\
         <td data-label=\"Published\">{published}</td><td data-label=\"Built by\">{builders}</td>\
         <td data-label=\"Hosts\"><ul class=\"words\">{hosts}</ul></td></tr>\n",
        &[
            ("path", &path),
            ("shown", &shown(component, release)),
            ("badge", &badge(release)),
            ("published", &release.published.clone().unwrap_or_default()),
            ("builders", &builders(release).join(", ")),
            ("hosts", &Html::of(hosts)),
        ],
    )
}
