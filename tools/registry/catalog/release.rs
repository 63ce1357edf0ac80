//! The page of a release: its builds for each target, their digests, and what they need.

use ampup::{
    domain::{Artifact, Component, Integrity, Needs, Release, Source},
    registry::{Registry, concern},
};

use super::{
    command,
    component::end_of_life,
    component_path, day,
    html::{Html, fill, link},
    pinned, shown, targets,
};

/// The page as text.
pub(super) fn page(component: &Component, release: &Release, registry: &Registry) -> String {
    let path = component_path(component);
    let main = fill(
        include_str!("release.html"),
        &[
            ("path", &format!("../../{path}")),
            ("component", &component.title()),
            ("title", &shown(component, release)),
            ("install", &command(component, Some(release))),
            ("facts", &facts(component, release, registry)),
            ("concerns", &concerns(component, release, registry)),
            ("fixes", &fixes(release)),
            ("builds", &builds(release)),
        ],
    );
    super::page(
        &format!("{} · ampup", shown(component, release)),
        2,
        &main,
        registry,
    )
}

fn fact(name: &'static str, value: &Html) -> Html {
    fill(
        "<div><dt>{name}</dt><dd>{value}</dd></div>\n",
        &[("name", &name), ("value", value)],
    )
}

fn text(text: &str) -> Html {
    fill("{text}", &[("text", &text)])
}

fn facts(component: &Component, release: &Release, registry: &Registry) -> Html {
    let mut facts = fact(
        "Version",
        &fill(
            "<code>{version}</code>",
            &[("version", &release.version.to_string())],
        ),
    );
    facts.push(&fact("Channel", &text(release.channel.as_str())));
    if let Some(published) = &release.published {
        facts.push(&fact("Published", &text(published)));
    }
    if !release.tags.is_empty() {
        facts.push(&fact("Also called", &text(&release.tags.join(", "))));
    }
    if let Some(line) = component
        .line(&release.version)
        .filter(|line| line.end_of_life.is_some())
    {
        facts.push(&fact("Fixes until", &text(&end_of_life(line, registry))));
    }
    facts
}

/// The concerns about this version, as ampup says it, on the day the registry was issued.
fn concerns(component: &Component, release: &Release, registry: &Registry) -> Html {
    let found = concern::of_version(component, &release.version, day(&registry.issued));
    let lines = found.iter().map(|concern| {
        fill(
            "<p class=\"concern\">{text}</p>\n",
            &[("text", &concern.to_string())],
        )
    });
    Html::of(lines)
}

fn fixes(release: &Release) -> Html {
    let Some(security) = &release.security else {
        return Html::default();
    };
    let mut words = security.cves.join(", ");
    if words.is_empty() {
        words = "vulnerabilities".to_owned();
    }
    if let Some(severity) = security.severity {
        words += &format!(" ({severity})");
    }
    let more = security
        .link
        .as_ref()
        .map(|address| fill(" <span>{link}</span>", &[("link", &link(address, "Read more"))]));
    fill(
        "<p class=\"fixes\"><strong>Fixes</strong> {words}.{more}</p>\n",
        &[("words", &words), ("more", &more.unwrap_or_default())],
    )
}

fn builds(release: &Release) -> Html {
    let of_target = targets(release).into_iter().map(|target| {
        let artifacts: Vec<&Artifact> = release
            .artifacts
            .iter()
            .filter(|artifact| artifact.target == target)
            .collect();
        let builds = grouped(&artifacts).into_iter().map(|build| card(&build));
        fill(
            "<section>\n<h2>{target}</h2>\n{builds}</section>\n",
            &[("target", &target.as_str()), ("builds", &Html::of(builds))],
        )
    });
    Html::of(of_target)
}

/// The artifacts that are one file, which is had from several places.
fn grouped<'a>(artifacts: &[&'a Artifact]) -> Vec<Vec<&'a Artifact>> {
    let mut all: Vec<Vec<&Artifact>> = Vec::new();
    for artifact in artifacts {
        let is_same = |of: &&mut Vec<&Artifact>| {
            of[0].provider == artifact.provider
                && pinned(of[0]).is_some()
                && pinned(of[0]) == pinned(artifact)
        };
        match all.iter_mut().find(is_same) {
            Some(of) => of.push(artifact),
            None => all.push(vec![artifact]),
        }
    }
    all
}

fn card(build: &[&Artifact]) -> Html {
    let artifact = build[0];
    let places = build
        .iter()
        .map(|artifact| fill("<li>{source}</li>", &[("source", &source(&artifact.source))]));
    let mut facts = fact("Digest", &digest(artifact));
    if let Some(bytes) = artifact.size {
        facts.push(&fact("Download", &text(&size(bytes))));
    }
    if let Some(bytes) = artifact.unpacked_size {
        facts.push(&fact("Unpacked", &text(&size(bytes))));
    }
    facts.push(&fact(
        "From",
        &fill("<ul>{places}</ul>", &[("places", &Html::of(places))]),
    ));
    facts.push(&fact("Needs", &needs(&artifact.needs)));
    fill(
        "<article class=\"build\"><h3>Built by {provider}</h3>\n<dl class=\"facts\">\n{facts}</dl></article>\n",
        &[("provider", &artifact.provider.as_str()), ("facts", &facts)],
    )
}

fn source(source: &Source) -> Html {
    match source {
        Source::Https { url } => link(url, url),
        other => fill("<code>{source}</code>", &[("source", &other.to_string())]),
    }
}

fn digest(artifact: &Artifact) -> Html {
    match (&artifact.integrity, pinned(artifact)) {
        (_, Some(digest)) => fill("<code class=\"digest\">{digest}</code>", &[("digest", &digest)]),
        (Integrity::ChecksumFile { url, .. }, None) => {
            fill("stated by its publisher in {link}", &[("link", &link(url, url))])
        }
        (Integrity::GithubAsset { release, .. }, None) => fill(
            "stated by its publisher in {link}",
            &[("link", &link(release, release))],
        ),
        _ => text("stated by its publisher"),
    }
}

fn needs(needs: &Needs) -> Html {
    let mut all = Vec::new();
    all.extend(needs.glibc.iter().map(|version| format!("glibc {version}")));
    all.extend(needs.macos.iter().map(|version| format!("macOS {version}")));
    all.extend(needs.libraries.iter().cloned());
    all.extend(needs.files.iter().cloned());
    all.extend(
        needs
            .recommended
            .iter()
            .map(|library| format!("{library} (recommended)")),
    );
    if all.is_empty() {
        return text("nothing");
    }
    let items = all
        .iter()
        .map(|one| fill("<li><code>{one}</code></li>", &[("one", one)]));
    fill("<ul class=\"words\">{items}</ul>", &[("items", &Html::of(items))])
}

/// A number of bytes, to one digit after the point.
fn size(bytes: u64) -> String {
    let tenths = (bytes * 10).div_ceil(1 << 20);
    format!("{}.{} MiB ({bytes} bytes)", tenths / 10, tenths % 10)
}
