//! The programs of docs/daemon-authors.md. The Rust one is a doctest of the crate.

use std::process::Command;

use camino::Utf8PathBuf;
use fs_err as fs;

use super::session::{registry, typed_by};
use crate::support::{
    home::{Run, finish},
    person::{Person, Who},
    programs,
    release::repository,
    table::every,
    world,
};

const PAGE: &str = "docs/daemon-authors.md";

/// The program of a language.
fn block(language: &str) -> String {
    let text = fs::read_to_string(repository().join(PAGE)).expect("read");
    let fence = format!("\n```{language}\n");
    let (_, rest) = text.split_once(fence.as_str()).expect("a program");
    let (program, rest) = rest.split_once("\n```").expect("its end");
    assert!(!rest.contains(fence.as_str()), "{language} has one program");
    program.to_owned() + "\n"
}

/// A program of the page, which prints a version: the words that start it.
struct Program(Vec<String>);

impl Program {
    /// Those whose languages are on this machine.
    fn all(person: &Person) -> Vec<Self> {
        let mut all = Vec::new();
        let go = programs::find("go").map(Utf8PathBuf::into_string);
        let rows = [
            ("sh", Some(vec!["sh".to_owned()])),
            ("python", Some(vec!["python3".to_owned()])),
            ("go", go.map(|go| vec![go, "run".to_owned()])),
        ];
        every(rows, |(language, start)| {
            let file = person.write(&format!("programs/version.{language}"), block(language));
            all.extend(start.map(|start| Self([start, vec![file.to_string()]].concat())));
        });
        all
    }

    fn command(&self, person: &Person) -> Command {
        let words: Vec<&str> = self.0.iter().map(String::as_str).collect();
        person.command("/usr/bin/env".into(), &words)
    }

    fn run(&self, person: &Person) -> Run {
        finish(self.command(person))
    }
}

#[test]
fn each_program_finds_what_is_installed_and_says_which_command_helps() {
    let person = Person::new(Who::Ordinary);
    person.built(&["init", "--no-modify-path"]).exits(0);
    let programs = Program::all(&person);
    for program in &programs {
        program.run(&person).exits(1).says("ampup install postgres");
        let mut without_a_home = program.command(&person);
        without_a_home.env("AMPUP_HOME", "");
        finish(without_a_home).says("AMPUP_HOME");
        if program.0[0] == "sh" {
            let mut nobody = program.command(&person);
            nobody.env_remove("AMPUP_HOME").env_remove("HOME");
            finish(nobody).says("set HOME or AMPUP_HOME");
        }
    }
    let ampup = person.home.path().join("bin/ampup");
    let mut install = person.command(&ampup, &["install", "--component", "postgres"]);
    install.env("AMPUP_REGISTRY", registry(&person));
    finish(install).exits(0);
    for program in &programs {
        program
            .run(&person)
            .exits(0)
            .prints("postgres (PostgreSQL) 18.4\n");
    }
    what_is_damaged_is_named_with_a_command_that_helps(&programs, &person);
    typed_by(&person, PAGE);
}

/// The thing in the place of a file that was lost.
#[derive(Debug)]
enum Left {
    Nothing,
    Empty,
    ToItself,
}

/// A link that leads to itself, a version that is gone, one without its server, and one whose server is empty.
fn what_is_damaged_is_named_with_a_command_that_helps(programs: &[Program], person: &Person) {
    let link = person.home.path().join("active");
    let version = person.home.path().join("components/postgres/18.4.0");
    let aside = person.directory().join("aside");
    let server = version.join("bin/postgres");
    let rows = [
        (link, Left::ToItself, "ampup install postgres"),
        (version, Left::Nothing, "ampup install postgres"),
        (server.clone(), Left::Nothing, "ampup doctor"),
        (server, Left::Empty, "ampup doctor"),
    ];
    every(rows, |(lost, left, helps)| {
        fs::rename(&lost, &aside).expect("moved");
        match left {
            Left::Nothing => {}
            Left::Empty => world::write_program(&lost, ""),
            Left::ToItself => fs_err::os::unix::fs::symlink("active", &lost).expect("linked"),
        }
        for program in programs {
            let run = program.run(person).exits(1).says(helps);
            assert!(!run.stderr.contains("Traceback"), "{run:#?}");
        }
        fs::rename(&aside, &lost).expect("moved back");
    });
}
