//! The messages that docs/troubleshooting.md explains are the program's: whoever changes one changes the page.

use camino::Utf8Path;
use fs_err as fs;

use crate::support::release::repository;

/// Texts that other programs print.
const OF_OTHERS: [&str; 4] = [
    "command not found",
    "data directory has invalid permissions",
    "cannot be run as root",
    "failed to bind",
];

/// The code spans of a line.
fn spans(line: &str) -> Vec<&str> {
    let mut spans = Vec::new();
    let mut rest = line;
    while let Some((_, code)) = rest.split_once('`') {
        let (fence, code) = match code.strip_prefix('`') {
            Some(code) => ("``", code),
            None => ("`", code),
        };
        let (span, after) = code.split_once(fence).expect("a code span ends");
        spans.push(span);
        rest = after;
    }
    spans
}

/// Every line of the program's sources, with the strings that go over several lines in one.
fn sources(directory: &Utf8Path, text: &mut String) {
    for entry in directory.read_dir_utf8().expect("listed") {
        let path = entry.expect("an entry").into_path();
        if path.is_dir() {
            sources(&path, text);
        } else {
            let file = fs::read_to_string(&path).expect("read").replace("\\\"", "\"");
            let mut parts = file.split("\\\n");
            text.push_str(parts.next().expect("a part"));
            parts.for_each(|part| text.push_str(part.trim_start()));
        }
    }
}

#[test]
fn each_message_that_is_explained_is_one_of_ours() {
    let page = fs::read_to_string(repository().join("docs/troubleshooting.md")).expect("read");
    let mut program = String::new();
    sources(&repository().join("src"), &mut program);
    let actions: Vec<String> = program
        .split("action: \"")
        .skip(1)
        .filter_map(|rest| Some(format!("cannot {} …\n", rest.split_once('"')?.0)))
        .collect();
    program += &actions.concat();
    program += &fs::read_to_string(repository().join("install.sh")).expect("read");
    let headings = page.lines().filter(|line| line.starts_with("### "));
    let messages: Vec<&str> = headings
        .flat_map(spans)
        .filter(|message| !OF_OTHERS.contains(message))
        .collect();
    assert!(messages.len() > 40, "{messages:#?}");
    let is_ours = |message: &&str| message.split('…').all(|part| program.contains(part.trim()));
    let others: Vec<&str> = messages.into_iter().filter(|message| !is_ours(message)).collect();
    assert!(
        others.is_empty(),
        "no message of ours has these words: {others:#?}"
    );
}
