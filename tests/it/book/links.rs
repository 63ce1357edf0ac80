//! Every relative link leads to a file, and every fragment to a heading. Every command of the book is run, or says why not.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::support::release::repository;

/// Every Markdown file that is committed.
fn pages() -> Vec<Utf8PathBuf> {
    fn walk(directory: &Utf8Path, found: &mut Vec<Utf8PathBuf>) {
        for entry in directory.read_dir_utf8().expect("listed") {
            let path = entry.expect("an entry").into_path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension() == Some("md") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for directory in ["docs", "registry", "examples"] {
        walk(&repository().join(directory), &mut found);
    }
    let top = repository().read_dir_utf8().expect("listed");
    let top = top.map(|entry| entry.expect("an entry").into_path());
    found.extend(top.filter(|path| path.extension() == Some("md")));
    assert!(found.len() > 10, "{found:?}");
    found
}

/// The lines of a page outside its code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence && !line.starts_with("    ")
    })
}

/// The targets of a page's inline links.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        for (at, _) in line.match_indices("](") {
            let rest = &line[at + 2..];
            found.extend(rest.split_once(')').map(|(target, _)| target.to_owned()));
        }
    }
    found
}

/// A heading as the fragment that leads to it.
fn fragment(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        letter if letter.is_alphanumeric() || letter == '-' || letter == '_' => Some(letter),
        _ => None,
    });
    kept.collect()
}

fn has_heading(page: &Utf8Path, wanted: &str) -> bool {
    let text = fs::read_to_string(page).expect("read");
    let mut headings = prose(&text).filter_map(|line| line.strip_prefix('#'));
    headings.any(|heading| fragment(heading.trim_start_matches('#')) == wanted)
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("read");
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() {
                page.clone()
            } else {
                page.parent().expect("a directory").join(path)
            };
            let leads = target.exists() && (heading.is_empty() || has_heading(&target, heading));
            if !leads {
                wrong.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The pages whose `console` blocks are typed by a test, as the tests' own sources name them.
const TYPED_BY: [&str; 2] = [include_str!("session.rs"), include_str!("daemon.rs")];

/// Blocks that are no command and no program.
const DATA: [&str; 2] = ["toml", "text"];

#[test]
fn every_block_of_the_book_is_run_or_says_why_not() {
    let mut wrong = Vec::new();
    for page in pages() {
        let name = page.strip_prefix(repository()).expect("below it");
        if name != "README.md"
            && (name.parent() != Some("docs".into()) || OF_MAINTAINERS.contains(&name.as_str()))
        {
            continue;
        }
        let text = fs::read_to_string(&page).expect("read");
        let is_typed = TYPED_BY
            .iter()
            .any(|source| source.contains(&format!("\"{name}\"")));
        let (mut is_code, mut before) = (false, "");
        for (number, line) in text.lines().enumerate() {
            if let Some(language) = line.strip_prefix("```") {
                is_code ^= true;
                let says = before.starts_with("<!-- not run: ") || before.starts_with("<!-- run by: ");
                let is_run = match language {
                    "console" => is_typed,
                    // tests/it/book/daemon.rs, and the doctests of the crate.
                    "sh" | "python" | "go" | "rust,no_run" => name == "docs/daemon-authors.md",
                    other => DATA.contains(&other),
                };
                if is_code && !is_run && !says {
                    wrong.push(format!("{name}:{}: {language}", number + 1));
                }
            }
            // A block without a fence names no language, and so none of the above; the generated page shows usage so.
            let is_block = line.starts_with("    ") && !is_code && before.is_empty();
            if is_block && name != "docs/reference.md" {
                wrong.push(format!("{name}:{}: a block without a fence", number + 1));
            }
            before = line;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Pages for those who work on ampup itself.
const OF_MAINTAINERS: [&str; 4] = [
    "docs/fuzzing.md",
    "docs/keys.md",
    "docs/performance.md",
    "docs/torture.md",
];

#[test]
fn the_readme_is_short_and_has_the_two_commands_for_a_clone() {
    let readme = fs::read_to_string(repository().join("README.md")).expect("read");
    assert!(readme.lines().count() <= 150);
    let commands: Vec<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .filter(|line| line.starts_with("cargo run ") || line.starts_with("cargo test"))
        .collect();
    assert_eq!(
        commands,
        [
            "cargo run --release -- install --component postgres",
            "cargo test"
        ]
    );
}
