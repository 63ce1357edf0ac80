//! `self uninstall`, cut before every call that changes something, and with each of them failing: whatever happens, a
//! command works or is gone, and the same command again leaves what was there before ampup.

use std::{os::unix::process::CommandExt as _, process::Command};

use ampup::shell::record::Record;
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use nix::sys::signal::Signal;

use super::{
    point::{Point, account},
    sweep::{all, points_at, sample, telling, wrong_end},
    whole,
};
use crate::support::{
    home::{Home, finish},
    postgres::run_as,
    tracer::Deed,
    world::snapshot,
};

const UNINSTALL: &[&str] = &["self", "uninstall", "--yes"];

/// Somebody with shells, ampup and a component.
struct Model {
    home: Home,
    user: Utf8PathBuf,
    /// Their home directory before ampup.
    before: Vec<String>,
}

impl Model {
    fn new() -> Self {
        let mut home = Home::new();
        home.offer("keeper", "1.0.0");
        let user = home.path().parent().expect("a user").to_owned();
        for (name, content) in [(".bashrc", "mine"), (".profile", "mine\n"), (".zshenv", "")] {
            fs::write(user.join(name), content).expect("written");
        }
        home.give(&user);
        let before = outside(&user);
        home.ampup(&["init"]).exits(0);
        home.ampup(&["install", "keeper@1.0.0"]).exits(0);
        // Lines of the user's after the block: then the file is written anew.
        let profile = fs::read_to_string(user.join(".profile")).expect("there");
        fs::write(user.join(".profile"), profile + "later\n").expect("written");
        let mut before = before;
        for line in before.iter_mut().filter(|line| line.starts_with(".profile")) {
            line.push_str("later\n");
        }
        Self { home, user, before }
    }

    /// A copy of them, whose files the record names.
    fn copy(&self, name: &str) -> Point<'_> {
        let user = self.home.directory(&format!("points/{name}"));
        let mut command = Command::new("cp");
        command.args(["-a", &format!("{}/.", self.user), user.as_str()]);
        assert_eq!(finish(command).code, 0);
        let record = user.join(".ampup/shells.json");
        let mut known = Record::parse(&fs::read(&record).expect("there")).expect("a record");
        let moved = |path: &Utf8Path| user.join(path.strip_prefix(&self.user).expect("theirs"));
        for file in &mut known.files {
            file.path = moved(&file.path);
        }
        for directory in &mut known.directories {
            *directory = moved(directory);
        }
        fs::write(&record, known.to_json()).expect("written");
        Point::at(&self.home, user)
    }

    fn attempt(&self, deed: Deed, name: &str) -> Result<(), String> {
        let point = self.copy(name);
        let traced = point.trace(UNINSTALL, deed);
        let complain = |what: String| format!("self uninstall, {deed:?}: {what}\n{}", account(&traced));
        let now = outside(&point.user);
        let is_done = now == self.before && !point.path().exists();
        for path in list(&point.path().join("bin")) {
            // One whose tree is gone is a link to nothing, which no shell finds.
            if path.exists() {
                let mut command = Command::new(&path);
                command.arg("--version");
                if let Some(user) = run_as() {
                    command.uid(user.uid).gid(user.gid);
                }
                let run = finish(command);
                if run.code != 0 {
                    return Err(complain(format!("`{path}` neither works nor is gone: {run:?}")));
                }
            }
        }
        let has_lines = now.iter().any(|line| line.contains("ampup >>>"));
        if has_lines && !point.path().join("shells.json").is_file() {
            return Err(complain("lines of ampup's, and no record of them".to_owned()));
        }
        if let Some(wrong) = wrong_end(&traced, deed, is_done) {
            return Err(complain(wrong));
        }
        // By whatever ampup is there.
        let again = finish(point.command(UNINSTALL));
        if ![0, 3].contains(&again.code) || again.code == 3 && !is_done && now != self.before {
            return Err(complain(format!("again: {again:#?}")));
        }
        let left = outside(&point.user);
        if left != self.before || point.path().exists() {
            return Err(complain(format!(
                "again, and left is {left:#?} {:#?}",
                list(&point.path())
            )));
        }
        Ok(())
    }
}

/// A user's home directory without ampup's: names, kinds and content.
fn outside(user: &Utf8Path) -> Vec<String> {
    let mut lines = Vec::new();
    for path in list(user).into_iter().filter(|path| !path.ends_with(".ampup")) {
        let name = path.file_name().expect("a name");
        if path.is_dir() {
            lines.push(format!("{name}/"));
            lines.extend(snapshot(&path).into_iter().map(|line| format!("{name}/{line}")));
        } else {
            lines.push(format!("{name} {}", fs::read_to_string(&path).expect("text")));
        }
    }
    lines.sort();
    lines
}

fn list(directory: &Utf8Path) -> Vec<Utf8PathBuf> {
    let entries = directory.read_dir_utf8().into_iter().flatten().flatten();
    entries.map(|entry| entry.path().to_owned()).collect()
}

#[test]
fn a_self_uninstall_is_finished_by_the_next() {
    let model = Model::new();
    let reference = model.copy("reference");
    let watched = reference.trace(UNINSTALL, Deed::Watch);
    assert_eq!(watched.code, Some(0), "{watched:#?}");
    assert_eq!(outside(&reference.user), model.before, "{watched:#?}");
    assert!(!reference.path().exists(), "{watched:#?}");
    let kept = if whole() {
        [usize::MAX, 40, 400]
    } else {
        [8, 2, 10]
    };
    let deeds: Vec<Deed> = points_at(&telling(&watched.calls), Signal::SIGTERM)
        .into_iter()
        .zip(kept)
        .flat_map(|(some, kept)| sample(some, kept))
        .collect();
    all("self uninstall", watched.count(), &deeds, |deed, name| {
        model.attempt(deed, name)
    });
}
