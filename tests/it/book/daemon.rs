//! The programs of docs/daemon-authors.md. The Rust one is a doctest of the crate.

use camino::Utf8PathBuf;
use fs_err as fs;

use super::session::{registry, typed_by};
use crate::support::{
    home::{Run, finish},
    person::{Person, Who},
    programs,
    release::repository,
};

const PAGE: &str = "docs/daemon-authors.md";

/// The blocks of a language, in order.
fn blocks(language: &str) -> Vec<String> {
    let text = fs::read_to_string(repository().join(PAGE)).expect("read");
    let fence = format!("\n```{language}\n");
    let blocks = text.split(fence.as_str()).skip(1);
    blocks
        .map(|rest| rest.split_once("\n```").expect("its end").0.to_owned() + "\n")
        .collect()
}

/// A program of the page: the words that start it.
struct Program(Vec<String>);

impl Program {
    /// The programs of the page whose languages are on this machine.
    fn all(person: &Person) -> Vec<Self> {
        let mut all = Vec::new();
        let go = programs::find("go").map(Utf8PathBuf::into_string);
        for (language, start) in [
            ("sh", Some(vec!["sh".to_owned()])),
            ("python", Some(vec!["python3".to_owned()])),
            ("go", go.map(|go| vec![go, "run".to_owned()])),
        ] {
            let blocks = blocks(language);
            assert!(!blocks.is_empty(), "{language}");
            for (number, block) in blocks.iter().enumerate() {
                let file = person.write(&format!("programs/{number}.{language}"), block);
                let program = |start: Vec<String>| Self([start, vec![file.to_string()]].concat());
                all.extend(start.clone().map(program));
            }
        }
        all
    }

    fn run(&self, person: &Person) -> Run {
        let words: Vec<&str> = self.0.iter().map(String::as_str).collect();
        let mut command = person.command("/usr/bin/env".into(), &words);
        command.env("PGDATA", person.directory().join("data"));
        finish(command)
    }
}

#[test]
fn each_program_finds_what_is_installed_and_says_what_is_missing() {
    let person = Person::new(Who::Ordinary);
    person.built(&["init", "--no-modify-path"]).exits(0);
    person.write("data/PG_VERSION", "18\n");
    let programs = Program::all(&person);
    for program in &programs {
        program
            .run(&person)
            .exits(1)
            .says("ampup install --component postgres");
    }
    let mut install = person.command(
        &person.home.path().join("bin/ampup"),
        &["install", "--component", "postgres"],
    );
    install.env("AMPUP_REGISTRY", registry(&person));
    finish(install).exits(0);
    for program in &programs {
        program
            .run(&person)
            .exits(0)
            .prints("postgres (PostgreSQL) 18.4\n");
    }
    typed_by(&person, PAGE);
}
