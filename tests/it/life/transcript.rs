//! The README's first transcript, line by line, against a release of the program under test over HTTP.

use serde_json::Value;

use super::*;
use crate::support::release::repository;

/// The commands of the README's first transcript, each with the lines that it shows.
fn transcript() -> Vec<(String, Vec<String>)> {
    let readme = fs::read_to_string(repository().join("README.md")).expect("read");
    let (_, rest) = readme.split_once("\n## A first run\n").expect("the section");
    let lines = rest.lines().skip_while(|line| !line.starts_with("    $ "));
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    for line in lines.map_while(|line| line.strip_prefix("    ")) {
        match line.strip_prefix("$ ") {
            Some(command) => steps.push((command.to_owned(), Vec::new())),
            None => steps.last_mut().expect("a command").1.push(line.to_owned()),
        }
    }
    steps
}

/// A line without what differs between two machines: numbers, who built it, and where the home is.
fn likeness(line: &str, home: &Utf8Path) -> String {
    let line = line.replace(home.as_str(), "/home/you");
    let words = line.split(' ').map(|word| {
        if word.bytes().any(|letter| letter.is_ascii_digit()) {
            "N"
        } else {
            word
        }
    });
    let mut words: Vec<&str> = words.collect();
    if let Some(at) = words.windows(2).position(|pair| pair == ["built", "by"]) {
        words[at + 2] = "somebody,";
    }
    words.join(" ")
}

/// Without what is newer than what npm has, so that an update finds nothing wherever this runs.
fn registry(person: &mut Person) -> Utf8PathBuf {
    let text = fs::read_to_string(repository().join("registry/manifest.json")).expect("read");
    let mut manifest: Value = serde_json::from_str(&text).expect("JSON");
    let releases = manifest["components"]["postgres"]["releases"]
        .as_array_mut()
        .expect("a list");
    releases.retain(|release| release["version"] == "18.4.0");
    assert_eq!(releases.len(), 1);
    let path = person.home.registry();
    fs::write(&path, manifest.to_string()).expect("written");
    path
}

#[test]
fn the_readmes_first_transcript_is_what_happens() {
    for who in Who::all() {
        let mut person = Person::new(who);
        let before = snapshot(&person.directory());
        let publisher = Publisher::new(&person);
        publisher.publish_now();
        let registry = registry(&mut person);
        let steps = transcript();
        let commands: Vec<&str> = steps.iter().map(|(command, _)| command.as_str()).collect();
        assert!(
            commands[0].starts_with("curl ") && commands[0].ends_with("/install.sh | sh"),
            "{commands:?}"
        );
        for needed in ["ampup install --component postgres", "ampup list", "ampup update"] {
            assert!(commands.contains(&needed), "{commands:?}");
        }
        for (command, lines) in &steps {
            // The one constant that a test cannot have: where releases are.
            let line = command
                .replace(
                    "https://github.com/edgeandnode/ampup/releases",
                    &publisher.server.url(),
                )
                .replace("--proto '=https' --tlsv1.2 ", "");
            let bash = programs::find("bash").expect("a part of every system");
            // A new shell for each, as after the first: it finds ampup by itself.
            let mut shell = person.command(&bash, &["-l", "-c", &line]);
            shell.env("AMPUP_REGISTRY", &registry);
            let run = finish(shell).exits(0);
            let heard = format!("{}{}", run.stderr, run.stdout);
            let heard: Vec<String> = heard
                .lines()
                .map(|line| likeness(line, &person.directory()))
                .collect();
            let mut rest = heard.iter();
            for line in lines {
                let wanted = likeness(line, "/home/you".into());
                assert!(
                    rest.any(|line| *line == wanted),
                    "{who:?}: `{command}` did not say, in this order, `{wanted}`: {heard:#?}"
                );
            }
            // What is asked for on stdout is there to the letter, but for the version's number.
            if command == "ampup list" {
                let shown: Vec<String> = lines
                    .iter()
                    .map(|line| likeness(line, "/home/you".into()))
                    .collect();
                assert_eq!(heard, shown);
            }
        }
        person.ampup(&["self", "uninstall", "--yes"]).exits(0);
        assert_eq!(
            snapshot(&person.directory()),
            before,
            "npm, which was never here, left nothing either"
        );
    }
}
