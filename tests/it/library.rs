//! The door for daemons: what the crate shows without the feature `cli`, as its own documentation lists it. Whoever changes
//! it changes `data/library.txt` too, where a reviewer sees it.

use std::{collections::BTreeSet, process::Command};

use camino::Utf8Path;
use fs_err as fs;

const EXPECTED: &str = include_str!("data/library.txt");

#[test]
fn the_door_for_daemons_shows_what_was_agreed_and_little_at_its_top() {
    let target = Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).join("door");
    let built = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "doc",
            "--quiet",
            "--lib",
            "--no-deps",
            "--no-default-features",
            "--target-dir",
        ])
        .arg(&target)
        // Of `just slowest`; it would be built anew.
        .env_remove("RUSTC_BOOTSTRAP")
        .output()
        .expect("started");
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let documented = target.join("doc/ampup");
    let all = fs::read_to_string(documented.join("all.html")).expect("a list of all items");
    // `<a href="postgres/struct.Cluster.html">`
    let pages: BTreeSet<&str> = between(&all, "href=\"", "\"")
        .filter(|page| page.ends_with(".html") && page.contains('.') && !page.starts_with(['.', '#']))
        .filter(|page| !["all.html", "index.html"].contains(page))
        .collect();
    let mut shown = Vec::new();
    for page in &pages {
        let Some((folder, item)) = page
            .trim_end_matches(".html")
            .rsplit_once('/')
            .or(Some(("", *page)))
        else {
            continue;
        };
        let (kind, name) = item
            .trim_end_matches(".html")
            .split_once('.')
            .expect("a kind and a name");
        let path = if folder.is_empty() {
            name.to_owned()
        } else {
            format!("{}::{name}", folder.replace('/', "::"))
        };
        shown.push(format!("{path} ({kind})"));
        let text = fs::read_to_string(documented.join(page)).expect("its page");
        // What a type has by a trait is not its own.
        let own = text
            .split("id=\"trait-implementations\"")
            .next()
            .unwrap_or_default();
        let members: BTreeSet<&str> = between(own, "id=\"", "\"")
            .filter(|id| {
                ["method.", "tymethod.", "variant.", "structfield."]
                    .iter()
                    .any(|kind| id.strip_prefix(kind).is_some_and(|name| !name.contains('.')))
            })
            .collect();
        shown.extend(members.iter().map(|member| format!("  {member}")));
    }
    let shown = shown.join("\n") + "\n";
    let top = pages.iter().filter(|page| !page.contains('/')).count();
    let modules = pages
        .iter()
        .filter_map(|page| page.split_once('/').map(|(module, _)| module))
        .collect::<BTreeSet<_>>();
    assert!(top + modules.len() <= 20, "{top} items and {modules:?}");
    assert_eq!(
        shown, EXPECTED,
        "the door has changed: if it shall, write this into tests/it/data/library.txt:\n{shown}"
    );
}

/// Finds every text between these two.
fn between<'a>(text: &'a str, before: &'a str, after: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before)
        .skip(1)
        .filter_map(move |rest| rest.split_once(after).map(|(found, _)| found))
}
