//! The writing of each state file that no command of `sweep.rs` writes: `trust.json` with the registry's copy, and
//! `projects.json` in the home and beside it. Another process writes, so that nothing else is counted.

use std::{process::Command, time::Duration};

use ampup::{commands::update, env::Env, layout::Layout, postgres::projects::Projects, store};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use nix::sys::signal::Signal;

use super::{
    point::account,
    sweep::{all, points_at, sample},
    whole,
};
use crate::{
    support::{
        postgres::World,
        tracer::{Deed, Traced, trace},
    },
    trust_commands::{Publisher, session_at},
};

/// The variable that says what the other process does.
const JOB: &str = "AMPUP_TEST_JOB";
/// Its word when it is done, and the beginning of what it says when it is not.
const DONE: &str = "it is done";
const NOT_DONE: &str = "it failed: ";

/// Runs `job` in another process.
fn other(job: &str, deed: Deed) -> Traced {
    // This program, also when it was built anew meanwhile.
    let program = format!("/proc/{}/exe", std::process::id());
    let mut command = Command::new(program);
    command
        .args([
            "--exact",
            "torture::state::other_writes",
            "--ignored",
            "--nocapture",
        ])
        .env(JOB, job)
        .current_dir("/");
    trace(&command, None, deed)
}

#[test]
#[ignore = "run by other tests in a process of its own"]
#[expect(clippy::print_stdout, reason = "the other test reads it")]
fn other_writes() {
    let env = Env::capture();
    let job = env.var(JOB).expect("told by a test");
    let mut words = job.split(' ');
    let mut next = || words.next().expect("a word");
    let result = match next() {
        "trust" => {
            let (world, port) = (Utf8Path::new(next()), next().parse().expect("a port"));
            let session = session_at(world, port, std::sync::Arc::new(ampup::event::Silent));
            let outcome = update::run(&update::Args::default(), &session);
            outcome.map(drop).map_err(|error| full(&error))
        }
        "projects" => {
            let world = Utf8Path::new(next());
            let projects = projects_of(world);
            projects.add(next().into()).map_err(|error| full(&error))
        }
        other => panic!("{other}"),
    };
    match result {
        Ok(()) => println!("{DONE}"),
        Err(text) => println!("{NOT_DONE}{text}"),
    }
}

/// An error with its causes.
fn full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text += &format!(": {inner}");
        cause = inner.source();
    }
    text
}

fn projects_of(world: &Utf8Path) -> Projects {
    let user = world.join("user");
    let env = Env::from_variables([("HOME", user.as_str())], world.as_std_path());
    Projects::new(&Layout::new(world.join("home")), &env)
}

fn copy(from: &Utf8Path, to: &Utf8Path) {
    let copied = Command::new("cp")
        .args(["-a", from.as_str(), to.as_str()])
        .status();
    assert!(copied.expect("started").success());
}

/// Everything below, and what it holds.
fn content(top: &Utf8Path) -> Vec<(Utf8PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![top.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in directory.read_dir_utf8().into_iter().flatten().flatten() {
            let path = entry.path().to_owned();
            if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
                open.push(path);
            } else {
                let content = fs::read(&path).unwrap_or_default();
                found.push((path.strip_prefix(top).expect("below").to_owned(), content));
            }
        }
    }
    found.sort();
    found
}

/// A directory in which a job writes some files, and nothing else.
struct Writing<'a> {
    name: &'a str,
    /// The directory as it is before, which is copied for each point.
    model: Utf8PathBuf,
    /// The job, for a directory.
    job: &'a (dyn Fn(&Utf8Path) -> String + Sync),
    /// The files, in the order in which they are written. (Those in `locks/` are never deleted, and do not count.)
    files: &'a [&'a str],
    /// Where leftovers may lie until the same is done again.
    passing: &'a [&'a str],
}

impl Writing<'_> {
    /// Sweeps it, in directories below `points`.
    fn sweep(&self, points: &Utf8Path) {
        let read = |place: &Utf8Path| -> Vec<Option<Vec<u8>>> {
            let file = |name: &&str| fs::read(place.join(name)).ok();
            self.files.iter().map(file).collect()
        };
        let before = read(&self.model);
        let reference = points.join("reference");
        copy(&self.model, &reference);
        let watched = other(&(self.job)(&reference), Deed::Watch);
        assert!(watched.stdout.contains(DONE), "{watched:#?}");
        let after = read(&reference);
        assert!(
            after.iter().all(Option::is_some) && after != before,
            "{watched:#?}"
        );
        let names = |place: &Utf8Path| -> Vec<Utf8PathBuf> {
            let names = content(place).into_iter().map(|(name, _)| name);
            names.filter(|name| !name.starts_with("home/locks")).collect()
        };
        let expected = names(&reference);
        let count = watched.count();
        let numbers: Vec<usize> = (1..=count).collect();
        let mut deeds = Vec::new();
        // The other process has no handler of signals: SIGTERM ends it as SIGKILL does.
        let [kills, _, faults] = points_at(&numbers, Signal::SIGTERM);
        for (some, kept) in [(kills, 6), (faults, 16)] {
            deeds.extend(sample(some, if whole() { usize::MAX } else { kept }));
        }
        all(self.name, count, &deeds, |deed, name| {
            let place = points.join(name);
            copy(&self.model, &place);
            let traced = other(&(self.job)(&place), deed);
            let complain = |what: String| format!("{}, {deed:?}: {what}\n{}", self.name, account(&traced));
            let now = read(&place);
            let is_done = now == after;
            // One after the other, each as before or as after.
            let written = now
                .iter()
                .zip(&after)
                .take_while(|(now, after)| now == after)
                .count();
            if now[written..] != before[written..] {
                return Err(complain("a third thing".to_owned()));
            }
            for path in names(&place) {
                let passes = self.passing.iter().any(|begin| path.as_str().starts_with(begin));
                if !passes && !expected.contains(&path) {
                    return Err(complain(format!("leftover `{path}`")));
                }
            }
            let said = traced.stdout.lines().find_map(|line| line.split_once(NOT_DONE));
            match (&said, traced.stdout.contains(DONE)) {
                (None, true) if !is_done => {
                    return Err(complain("said to be done, and it is not".to_owned()));
                }
                (None, true) => {}
                (Some((_, error)), false) if error.contains("`/") || error.contains("\"/") => {}
                (None, false) if matches!(deed, Deed::KillBefore(_)) => {}
                _ => return Err(complain(format!("it says {said:?}"))),
            }
            let again = other(&(self.job)(&place), Deed::Watch);
            // What was left in the home goes with the next command that takes the store lock.
            if place.join("home/locks").is_dir() {
                let home = Layout::new(place.join("home"));
                store::lock(&home, Duration::ZERO, &ampup::event::Silent)
                    .map_err(|cause| complain(cause.to_string()))?;
            }
            if !again.stdout.contains(DONE) || read(&place) != after || names(&place) != expected {
                return Err(complain(format!("again: {:?} {}", names(&place), again.stdout)));
            }
            fs::remove_dir_all(&place).map_err(|cause| complain(cause.to_string()))
        });
    }
}

#[test]
fn what_was_accepted_of_a_registry_is_written_whole_or_not() {
    let publisher = Publisher::new();
    publisher.publish(7).update().expect("updated");
    let model = publisher.world().join("model");
    fs::create_dir(&model).expect("made");
    copy(&publisher.world().join("home"), &model.join("home"));
    publisher.publish(8);
    let port = publisher.port();
    Writing {
        name: "trust.json and the registry's copy",
        model,
        job: &|place| format!("trust {place} {port}"),
        files: &["home/cache/registry-amp.signed", "home/trust.json"],
        passing: &["home/staging/"],
    }
    .sweep(publisher.world());
}

#[test]
fn the_list_of_projects_is_written_whole_or_not() {
    let world = World::new();
    let model = world.directory("model");
    store::directories::prepare(&Layout::new(model.join("home")), None).expect("made");
    // No other place will do.
    fs::write(model.join("user"), "").expect("written");
    projects_of(&model).add("/first/.amp".into()).expect("written");
    Writing {
        name: "projects.json",
        model,
        job: &|place| format!("projects {place} /second/.amp"),
        files: &["home/projects.json"],
        passing: &["home/staging/"],
    }
    .sweep(world.path());
}

/// Where the home is another user's.
#[test]
fn the_list_of_projects_beside_the_home_is_written_whole_or_not() {
    let world = World::new();
    let model = world.directory("model");
    projects_of(&model).add("/first/.amp".into()).expect("written");
    assert!(model.join("user/.local/state/ampup/projects.json").is_file());
    Writing {
        name: "projects.json in the state directory",
        model,
        job: &|place| format!("projects {place} /second/.amp"),
        files: &["user/.local/state/ampup/projects.json"],
        passing: &["user/.local/state/ampup/.new-"],
    }
    .sweep(world.path());
}
