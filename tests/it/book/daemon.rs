//! The programs of docs/daemon-authors.md. The Rust one is a doctest of the crate.

use std::{os::unix::process::CommandExt as _, process::Command, thread};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::session::{registry, typed_by};
use crate::support::{
    home::{Run, finish},
    person::{Person, Who},
    postgres::{eventually, run_as, sql},
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

/// The beginning of the programs that start and stop a database; the others print a version.
const WHOLE: &str = "#!/bin/sh\n";

impl Program {
    /// The program of the page that starts a project's database, and the one that stops it.
    fn start_and_stop(person: &Person) -> [Self; 2] {
        let mut programs = blocks("sh");
        programs.retain(|block| block.starts_with(WHOLE));
        assert_eq!(programs.len(), 2);
        [("start", 0), ("stop", 1)].map(|(name, number)| {
            let file = person.write(&format!("programs/{name}"), &programs[number]);
            Self(vec!["sh".to_owned(), file.to_string()])
        })
    }

    /// The same in another shell, if that is on this machine.
    fn in_shell(&self, shell: &str) -> Option<Self> {
        let shell = programs::find(shell)?;
        Some(Self(vec![shell.into_string(), self.0[1].clone()]))
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
            blocks.retain(|block| !block.starts_with(WHOLE));
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
    let [start, stop] = Program::start_and_stop(&person);
    let programs = Program::all(&person);
    for program in programs.iter().chain([&start]) {
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
    what_cannot_be_read_is_not_said_to_be_missing(programs.iter().chain([&start]), &person);
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
    what_is_damaged_is_named_with_its_repair(programs.iter().chain([&start]), &person);
    the_database_of_the_start_program_is_the_projects(&start, &person);
    what_a_path_has_is_quoted_in_every_shell(&start, &stop, &person);
    a_path_that_the_program_cannot_serve_is_refused(&start, &person);
    root_joins_a_server_by_its_owners_name_and_starts_none(&start, &stop, &person);
    typed_by(&person, PAGE);
}

fn what_cannot_be_read_is_not_said_to_be_missing<'a>(
    programs: impl Iterator<Item = &'a Program>,
    person: &Person,
) {
    let link = person.home.path().join("active");
    let target = link.read_link_utf8().expect("a link");
    let bend = |target: &Utf8Path| {
        fs::remove_file(&link).expect("removed");
        fs_err::os::unix::fs::symlink(target, &link).expect("linked");
    };
    // It leads to itself: nobody, root neither, reads what is behind it.
    bend("active".into());
    for program in programs {
        let run = program.run(person).exits(1).says("cannot read ampup's home: ");
        assert!(!run.stderr.contains("ampup install"), "{run:#?}");
    }
    bend(&target);
}

/// A version without its server, and one that is gone.
fn what_is_damaged_is_named_with_its_repair<'a>(
    programs: impl Iterator<Item = &'a Program> + Clone,
    person: &Person,
) {
    let version = person.home.path().join("components/postgres/18.4.0");
    let aside = person.directory().join("aside");
    every([version.join("bin/postgres"), version], |lost| {
        fs::rename(&lost, &aside).expect("moved");
        for program in programs.clone() {
            let run = program
                .run(person)
                .exits(1)
                .says("is damaged; run: ampup verify --repair postgres");
            assert!(!run.stderr.contains("Traceback"), "{run:#?}");
        }
        fs::rename(&aside, &lost).expect("moved back");
    });
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
    after_a_crash_each_start_answers(start, &project, person);
    of_a_lock_file_that_postgresql_refuses_the_remedy_is_named(start, &project, person);
    ampup(&["db", "stop"]).exits(0).says("stopped the database");
}

fn after_a_crash_each_start_answers(start: &Program, project: &Utf8Path, person: &Person) {
    let pid_file = project.join(".amp/metadb/postmaster.pid");
    let left = fs::read_to_string(&pid_file).expect("it runs");
    let pid = left.lines().next().expect("a line");
    kill(pid);
    // At first the process is there still, a zombie, beside which PostgreSQL refuses to start.
    let runs: Vec<Run> = thread::scope(|scope| {
        let starts: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| start.run_in(project, person)))
            .collect();
        starts
            .into_iter()
            .map(|start| start.join().expect("ended"))
            .collect()
    });
    for run in runs {
        let run = run.exits(0);
        let x = sql(run.stdout.trim(), "select x from t").expect("it answers");
        assert_eq!(x, "1");
    }
}

/// One with the number of a process of the same user's that is no server, and one that is empty.
fn of_a_lock_file_that_postgresql_refuses_the_remedy_is_named(
    start: &Program,
    project: &Utf8Path,
    person: &Person,
) {
    let pid_file = project.join(".amp/metadb/postmaster.pid");
    let mut sleeper = person
        .command("/bin/sleep".into(), &["600"])
        .spawn()
        .expect("started");
    every([Some(sleeper.id()), None], |number| {
        let left = fs::read_to_string(&pid_file).expect("it runs");
        let (pid, rest) = left.split_once('\n').expect("lines");
        kill(pid);
        eventually("it is gone", || !Utf8Path::new("/proc").join(pid).exists());
        let content = number.map(|number| format!("{number}\n{rest}"));
        fs::write(&pid_file, content.unwrap_or_default()).expect("written");
        start.run_in(project, person).exits(1).says("run: ampup db start");
        let mut command = person.command(&person.home.path().join("bin/ampup"), &["db", "start"]);
        command.current_dir(project);
        finish(command).exits(0);
    });
    sleeper.kill().expect("ended");
    sleeper.wait().expect("ended");
}

fn kill(pid: &str) {
    let killed = Command::new("kill").args(["-KILL", pid]).status().expect("run");
    assert!(killed.success());
}

fn what_a_path_has_is_quoted_in_every_shell(start: &Program, stop: &Program, person: &Person) {
    let project = person.home.directory("back\\slash and it's");
    let shells = ["dash", "bash"].map(|shell| (start.in_shell(shell), stop.in_shell(shell)));
    for (start, stop) in shells {
        let (Some(start), Some(stop)) = (start, stop) else {
            continue;
        };
        let run = start.run_in(&project, person).exits(0);
        assert_eq!(sql(run.stdout.trim(), "select 1").expect("it answers"), "1");
        stop.run_in(&project, person).exits(0);
        assert!(!project.join(".amp/metadb/postmaster.pid").exists());
        stop.run_in(&project, person).exits(1).says("no server");
    }
}

fn root_joins_a_server_by_its_owners_name_and_starts_none(start: &Program, stop: &Program, person: &Person) {
    if run_as().is_none() {
        return;
    }
    let project = person.home.directory("of another");
    let as_root = || {
        let mut command = person.home.other_program("/bin/sh".into());
        command.arg(&start.0[1]).current_dir(&project).uid(0).gid(0);
        finish(command)
    };
    as_root().exits(1).says("refuses to run as root");
    assert!(!project.join(".amp").exists(), "root made nothing");
    let run = start.run_in(&project, person).exits(0);
    as_root().exits(0).prints(&run.stdout);
    stop.run_in(&project, person).exits(0);
    as_root().exits(1).says("refuses to run as root");
}

fn a_path_that_the_program_cannot_serve_is_refused(start: &Program, person: &Person) {
    let long = "d".repeat(90);
    let rows = [
        ("a,b", "comma"),
        (long.as_str(), "too long"),
        ("two\nlines", "line break"),
    ];
    every(rows, |(name, word)| {
        let project = person.home.directory(name);
        start.run_in(&project, person).exits(1).says(word);
        assert!(!project.join(".amp/metadb").exists(), "{name}");
    });
}
