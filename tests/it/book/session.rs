//! The `console` blocks of each page, as one session of somebody who types them in order, in a fresh home.
//!
//! A comment before a block says what differs: `<!-- not run: why -->`, or `<!-- exits: 0 5 -->` for the exit codes that its
//! commands may have (0 alone without it). What a block shows below a command is on the command's stdout.

use std::fmt::Write as _;

use camino::Utf8Path;
use fs_err as fs;
use serde_json::Value;

use crate::support::{
    home::finish,
    person::{Person, Publisher, Who},
    programs,
    release::repository,
    world::snapshot,
};

/// A command of a page, what it shows, and how it may end.
#[derive(Debug)]
struct Step {
    command: String,
    shown: Vec<String>,
    codes: Vec<String>,
}

/// The commands of a page that are run.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut is_run, mut codes) = (true, vec!["0".to_owned()]);
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let comment = line
            .strip_prefix("<!-- ")
            .and_then(|rest| rest.strip_suffix(" -->"));
        if let Some(comment) = comment {
            if let Some(reason) = comment.strip_prefix("not run: ") {
                assert!(!reason.is_empty(), "a reason");
                is_run = false;
            } else if let Some(list) = comment.strip_prefix("exits: ") {
                codes = list.split(' ').map(str::to_owned).collect();
            }
        } else if line.starts_with("```") {
            let block = lines.by_ref().take_while(|line| *line != "```");
            if line == "```console" && is_run {
                read_block(block, &codes, &mut steps);
            } else {
                block.for_each(drop);
            }
            (is_run, codes) = (true, vec!["0".to_owned()]);
        }
    }
    steps
}

fn read_block<'a>(block: impl Iterator<Item = &'a str>, codes: &[String], steps: &mut Vec<Step>) {
    for line in block {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step {
                command: command.to_owned(),
                shown: Vec::new(),
                codes: codes.to_owned(),
            });
            continue;
        }
        let step = steps.last_mut().expect("a command comes first");
        match line.strip_prefix("> ") {
            Some(more) => {
                step.command.push('\n');
                step.command.push_str(more);
            }
            None => step.shown.push(line.to_owned()),
        }
    }
}

/// One bash script that does each step and notes how it ended.
fn script(steps: &[Step]) -> String {
    let mut script = String::new();
    for (number, step) in steps.iter().enumerate() {
        let command = step.command.replace('\'', r"'\''");
        let _ = writeln!(
            script,
            "eval '{command}' > \"$NOTES/{number}.out\" 2> \"$NOTES/{number}.err\"; echo $? > \"$NOTES/{number}.code\""
        );
    }
    script
}

/// A line without its numbers, which differ from day to day.
fn without_numbers(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        if word.bytes().any(|letter| letter.is_ascii_digit()) {
            "N"
        } else {
            word
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Without what is newer than what a package registry has, so that updates are the same everywhere.
pub(super) fn registry(person: &Person) -> camino::Utf8PathBuf {
    let text = fs::read_to_string(repository().join("registry/manifest.json")).expect("read");
    let mut manifest: Value = serde_json::from_str(&text).expect("JSON");
    let releases = manifest["components"]["postgres"]["releases"]
        .as_array_mut()
        .expect("a list");
    releases.retain(|release| release["version"] == "18.4.0");
    let path = person.home.registry();
    fs::write(&path, manifest.to_string()).expect("written");
    path
}

fn ampup_of_the_page_is_ready(person: &Person, steps: &[Step]) {
    if !steps[0].command.starts_with("curl ") && !steps[0].command.starts_with("export ") {
        person.built(&["init", "--no-modify-path"]).exits(0);
    }
}

/// Types the commands of a page, as somebody new in an empty directory.
fn typed(page: &str) {
    typed_by(&Person::new(Who::Ordinary), page);
}

pub(super) fn typed_by(person: &Person, page: &str) {
    let text = fs::read_to_string(repository().join(page)).expect("read");
    let steps = steps(&text);
    assert!(!steps.is_empty(), "{page} has commands");
    let publisher = Publisher::new(person);
    publisher.publish_now();
    ampup_of_the_page_is_ready(person, &steps);
    let notes = person.home.directory("notes");
    let bash = programs::find("bash").expect("a part of every system");
    let mut shell = person.command(&bash, &["-c", &from(&publisher, &script(&steps))]);
    let path = format!("{}/.ampup/bin:/usr/local/bin:/usr/bin:/bin", person.directory());
    shell
        .env("AMPUP_REGISTRY", registry(person))
        .env("NOTES", &notes)
        .env("PATH", path)
        .current_dir(person.home.directory("session"));
    finish(shell);
    let wrong: Vec<String> = steps
        .iter()
        .enumerate()
        .filter_map(|(number, step)| difference(step, number, &notes))
        .collect();
    assert!(wrong.is_empty(), "{page}:\n{}", wrong.join("\n"));
}

/// A script with the one constant that a test cannot have: where releases are.
pub(super) fn from(publisher: &Publisher, script: &str) -> String {
    script
        .replace(
            "https://github.com/edgeandnode/ampup/releases",
            &publisher.server.url(),
        )
        .replace("--proto '\\''=https'\\'' --tlsv1.2 ", "")
        .replace("--proto '=https' --tlsv1.2 ", "")
}

/// In words, where a step did not end or print as its page says.
fn difference(step: &Step, number: usize, notes: &Utf8Path) -> Option<String> {
    let read = |what: &str| fs::read_to_string(notes.join(format!("{number}.{what}"))).unwrap_or_default();
    let (code, out, err) = (read("code"), read("out"), read("err"));
    if !step.codes.iter().any(|allowed| allowed == code.trim()) {
        return Some(format!(
            "`{}` ended with {}: {out}{err}",
            step.command,
            code.trim()
        ));
    }
    let heard: Vec<String> = out.lines().map(without_numbers).collect();
    let missing = step
        .shown
        .iter()
        .find(|line| !heard.contains(&without_numbers(line)))?;
    Some(format!(
        "`{}` did not print `{missing}`: {out}{err}",
        step.command
    ))
}

#[test]
fn the_readmes_session_works_as_it_stands_and_ampup_leaves_without_a_trace() {
    for who in Who::all() {
        let person = Person::new(who);
        let before = snapshot(&person.directory());
        typed_by(&person, "README.md");
        person.ampup(&["self", "uninstall", "--yes"]).exits(0);
        assert_eq!(snapshot(&person.directory()), before, "{who:?}");
    }
}

/// `just picture` draws it.
#[test]
fn the_picture_is_of_the_readmes_session() {
    let read = |path: &str| fs::read_to_string(repository().join(path)).expect("read");
    let commands: Vec<String> = steps(&read("README.md"))
        .into_iter()
        .map(|step| step.command)
        .collect();
    let picture = read("docs/first-session.svg");
    let (_, rest) = picture.split_once("<desc>").expect("a description");
    let (described, _) = rest.split_once("</desc>").expect("its end");
    let described = described.replace("&#x27;", "'").replace("&amp;", "&");
    assert_eq!(described.lines().collect::<Vec<_>>(), commands);
}

#[test]
fn getting_started() {
    typed("docs/getting-started.md");
}

#[test]
fn projects() {
    typed("docs/projects.md");
}

#[test]
fn installing() {
    typed("docs/installing.md");
}

#[test]
fn pins() {
    typed("docs/pins.md");
}

#[test]
fn troubleshooting() {
    typed("docs/troubleshooting.md");
}

#[test]
fn mirror() {
    typed("docs/mirror.md");
}

#[test]
fn publishing() {
    typed("docs/publishing.md");
}
