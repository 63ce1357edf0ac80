//! The programs of docs/daemon-authors.md. The Rust one is a doctest of the crate.

use std::{process::Command, thread};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::session::{registry, typed_by};
use crate::support::{
    home::{Run, finish},
    person::{Person, Who},
    postgres::{eventually, sql},
    programs,
    release::repository,
    table::every,
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

/// The beginning of the program that starts a database; the others print a version.
const START: &str = "#!/bin/sh\n";

impl Program {
    /// The program of the page that starts a project's database.
    fn start(person: &Person) -> Self {
        let program = blocks("sh").into_iter().find(|block| block.starts_with(START));
        let file = person.write("programs/start", program.expect("there is one"));
        Self(vec!["sh".to_owned(), file.to_string()])
    }

    /// The programs of the page that print a version, and whose languages are on this machine.
    fn all(person: &Person) -> Vec<Self> {
        let mut all = Vec::new();
        let go = programs::find("go").map(Utf8PathBuf::into_string);
        let rows = [
            ("sh", Some(vec!["sh".to_owned()])),
            ("python", Some(vec!["python3".to_owned()])),
            ("go", go.map(|go| vec![go, "run".to_owned()])),
        ];
        every(rows, |(language, start)| {
            let mut blocks = blocks(language);
            blocks.retain(|block| !block.starts_with(START));
            assert!(!blocks.is_empty(), "{language}");
            for (number, block) in blocks.iter().enumerate() {
                let file = person.write(&format!("programs/{number}.{language}"), block);
                let program = |start: Vec<String>| Self([start, vec![file.to_string()]].concat());
                all.extend(start.clone().map(program));
            }
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

    fn run_in(&self, directory: &Utf8Path, person: &Person) -> Run {
        let mut command = self.command(person);
        command.current_dir(directory);
        finish(command)
    }
}

#[test]
fn each_program_finds_what_is_installed_and_says_what_is_missing() {
    let person = Person::new(Who::Ordinary);
    person.built(&["init", "--no-modify-path"]).exits(0);
    let start = Program::start(&person);
    let programs = Program::all(&person);
    for program in programs.iter().chain([&start]) {
        program.run(&person).exits(1).says("ampup install postgres");
        let mut without_a_home = program.command(&person);
        without_a_home.env("AMPUP_HOME", "");
        finish(without_a_home).says("AMPUP_HOME");
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
    the_database_of_the_start_program_is_the_projects(&start, &person);
    typed_by(&person, PAGE);
}

fn the_database_of_the_start_program_is_the_projects(start: &Program, person: &Person) {
    let project = person.home.directory("a project");
    let address = || {
        let run = start.run_in(&project, person).exits(0);
        run.stdout.trim().to_owned()
    };
    let ampup = |arguments: &[&str]| {
        let mut command = person.command(&person.home.path().join("bin/ampup"), arguments);
        command.current_dir(&project);
        finish(command)
    };
    let made = address();
    sql(&made, "create table t as select 1 as x").expect("written");
    assert_eq!(address(), made, "it runs");
    ampup(&["run", "true"])
        .exits(0)
        .says("using the running database");
    assert_eq!(sql(&made, "select x from t").expect("it is left running"), "1");
    ampup(&["db", "stop"]).exits(0).says("stopped the database");

    // Another major is active, or none.
    let (active, aside) = (
        person.home.path().join("active"),
        person.directory().join("aside"),
    );
    fs::rename(&active, &aside).expect("moved");
    // A linked build of the same major serves only where it is active.
    let linked = person
        .home
        .path()
        .join("components/postgres/18.99.0-local-1a2b3c4");
    fs::create_dir(&linked).expect("made");
    fs::write(linked.join(".receipt.json"), "{}").expect("written");
    assert_eq!(sql(&address(), "select x from t").expect("kept"), "1");
    fs::remove_dir_all(&linked).expect("removed");
    fs::rename(&aside, &active).expect("moved back");
    ampup(&["db", "psql", "-Atc", "select x from t"])
        .exits(0)
        .prints("1\n");
    ampup(&["db", "stop"]).exits(0).says("stopped the database");

    assert_eq!(sql(&address(), "select x from t").expect("kept"), "1");
    after_a_crash_each_start_answers_or_says_why(start, &project, person);
    ampup(&["db", "stop"]).exits(0).says("stopped the database");
    a_path_that_no_socket_can_have_is_refused(start, person);
}

fn after_a_crash_each_start_answers_or_says_why(start: &Program, project: &Utf8Path, person: &Person) {
    let pid_file = project.join(".amp/metadb/postmaster.pid");
    let left = fs::read_to_string(&pid_file).expect("it runs");
    let pid = left.lines().next().expect("a line");
    assert!(
        Command::new("kill")
            .args(["-KILL", pid])
            .status()
            .expect("run")
            .success()
    );
    // At first the process is there still, a zombie: PostgreSQL refuses to start as long as it is.
    eventually("it is started again", || {
        let runs: Vec<Run> = thread::scope(|scope| {
            let starts: Vec<_> = (0..6)
                .map(|_| scope.spawn(|| start.run_in(project, person)))
                .collect();
            starts
                .into_iter()
                .map(|start| start.join().expect("ended"))
                .collect()
        });
        for run in &runs {
            if run.code == 0 {
                assert_eq!(
                    sql(run.stdout.trim(), "select x from t").expect("it answers"),
                    "1"
                );
            } else {
                assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{}", run.stderr);
                assert!(run.stderr.contains("no server runs"), "{}", run.stderr);
            }
        }
        runs.iter().any(|run| run.code == 0)
    });
}

fn a_path_that_no_socket_can_have_is_refused(start: &Program, person: &Person) {
    let long = "d".repeat(90);
    let rows = [("a,b", "comma"), (long.as_str(), "too long")];
    every(rows, |(name, word)| {
        let project = person.home.directory(name);
        start.run_in(&project, person).exits(1).says(word);
        assert!(!project.join(".amp/metadb").exists(), "{name}");
    });
}
