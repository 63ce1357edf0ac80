//! Kill and fault sweeps: each command, cut before every call that changes something, and with each of them failing.

use std::{
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use nix::errno::Errno;

use super::{
    oracle::{Store, leftovers, wrong_words},
    whole,
};
use crate::support::{
    archives::{TarEntry, tar_gz},
    home::{Home, Run, TARGET, finish, script, sha256},
    postgres::run_as,
    tracer::{Call, Deed, Traced, trace},
};

/// A command, and the home in which it is tried.
struct Case {
    name: &'static str,
    prepare: fn(&mut Home),
    command: &'static [&'static str],
    /// Whether the same command says that there is nothing left to do (exit 3) after it was done.
    once: bool,
}

/// Further commands are a line each.
const CASES: [Case; 8] = [
    Case {
        name: "first install",
        prepare: nothing,
        command: &["install", "tool@1.0.0"],
        once: false,
    },
    Case {
        name: "install",
        prepare: keeper,
        command: &["install", "tool@1.0.0"],
        once: false,
    },
    Case {
        name: "install over",
        prepare: first,
        command: &["install", "tool@2.0.0"],
        once: false,
    },
    Case {
        name: "update",
        prepare: outdated,
        command: &["update"],
        once: false,
    },
    Case {
        name: "use",
        prepare: both,
        command: &["use", "tool@1.0.0"],
        once: false,
    },
    Case {
        name: "undo",
        prepare: both,
        command: &["undo"],
        once: true,
    },
    Case {
        name: "uninstall",
        prepare: both,
        command: &["uninstall", "tool@2.0.0"],
        once: true,
    },
    Case {
        name: "uninstall what is not active",
        prepare: both,
        command: &["uninstall", "tool@1.0.0"],
        once: true,
    },
];

fn nothing(home: &mut Home) {
    home.offer("keeper", "1.0.0");
    ten_files(home, "tool", "1.0.0");
    ten_files(home, "tool", "2.0.0");
}

fn keeper(home: &mut Home) {
    nothing(home);
    home.ampup(&["install", "keeper@1.0.0"]).exits(0);
}

fn first(home: &mut Home) {
    keeper(home);
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
}

fn outdated(home: &mut Home) {
    keeper(home);
    home.ampup(&["install", "tool@2"]).exits(0);
    ten_files(home, "tool", "2.1.0");
}

fn both(home: &mut Home) {
    first(home);
    home.ampup(&["install", "tool@2.0.0"]).exits(0);
}

/// Offers a component of ten files, as a tar.gz.
fn ten_files(home: &mut Home, component: &str, version: &str) {
    let mut program = TarEntry::file(
        &format!("{component}-{version}/bin/{component}"),
        &script(component, version),
    );
    program.mode = 0o755;
    let mut entries = vec![program];
    for number in 0..8 {
        let name = format!("{component}-{version}/share/{}/file-{number}", number % 3);
        entries.push(TarEntry::file(
            &name,
            &format!("{component} {version} {number}\n").repeat(1 << number),
        ));
    }
    entries.push(TarEntry::symlink(
        &format!("{component}-{version}/share/link"),
        "0/file-0",
    ));
    let archive = tar_gz(&entries);
    let path = home
        .directory("work")
        .join(format!("{component}-{version}.tar.gz"));
    fs::write(&path, &archive).expect("written");
    home.offer_artifacts(component, version, &[serde_json::json!({
        "target": TARGET, "provider": "acme", "format": "tar.gz", "root": format!("{component}-{version}"),
        "source": {"kind": "file", "url": format!("file://{path}")},
        "integrity": {"kind": "pinned", "digest": sha256(&archive)}, "size": archive.len(),
    })]);
}

/// One try: a copy of the prepared home.
struct Point<'a> {
    home: &'a Home,
    user: Utf8PathBuf,
}

impl<'a> Point<'a> {
    fn new(home: &'a Home, name: &str) -> Self {
        let user = home.directory(&format!("points/{name}"));
        if home.path().exists() {
            let copied = finish({
                let mut command = Command::new("cp");
                command.arg("-a").arg(home.path()).arg(&user);
                command
            });
            assert_eq!(copied.code, 0, "{copied:?}");
        }
        Self { home, user }
    }

    fn path(&self) -> Utf8PathBuf {
        self.user.join(".ampup")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.command(arguments);
        command.env("HOME", &self.user);
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        finish(self.command(arguments))
    }

    fn trace(&self, arguments: &[&str], deed: Deed) -> Traced {
        trace(
            &self.command(arguments),
            run_as().map(|user| (user.uid, user.gid)),
            deed,
        )
    }

    /// What is wrong with the active commands.
    fn wrong_start(&self, store: &Store) -> Option<String> {
        for executable in store.executables() {
            let run = finish(Command::new(self.path().join("bin").join(executable)));
            let expected = format!("{executable} {}\n", store.active(executable).unwrap_or("?"));
            if run.stdout != expected {
                return Some(format!("`{executable}` does not start: {run:?}"));
            }
        }
        None
    }
}

impl Drop for Point<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.user);
    }
}

/// The store before a command and after it, and what it does.
struct Reference {
    before: Store,
    after: Store,
    watched: Traced,
}

impl Reference {
    fn of(case: &Case, home: &Home) -> Self {
        let point = Point::new(home, "reference");
        let before = Store::read(&point.path());
        let watched = point.trace(case.command, Deed::Watch);
        assert_eq!(watched.code, Some(0), "{}: {watched:#?}", case.name);
        let after = Store::read(&point.path());
        assert_ne!(before, after, "{}", case.name);
        assert_eq!(
            leftovers(&point.path(), true),
            Vec::<Utf8PathBuf>::new(),
            "{}",
            case.name
        );
        Self {
            before,
            after,
            watched,
        }
    }
}

/// Tries one point, and gives what is wrong.
fn attempt(case: &Case, home: &Home, reference: &Reference, deed: Deed, name: &str) -> Result<(), String> {
    let point = Point::new(home, name);
    let traced = point.trace(case.command, deed);
    let complain = |what: String| Err(format!("{}, {deed:?}: {what}\n{}", case.name, told(&traced)));
    // 1. As before or as after.
    let store = Store::read(&point.path());
    let is_done = store == reference.after;
    if !is_done && store != reference.before {
        return complain(format!("a third thing: {store:#?}"));
    }
    // 2. Every active command starts.
    if let Some(wrong) = point.wrong_start(&store) {
        return complain(wrong);
    }
    // 3. It failed and said so, or did it.
    match traced.code {
        Some(0) if !is_done => return complain("exit 0, and not done".to_owned()),
        Some(0) if traced.stderr.contains("error:") => return complain("exit 0 with an error".to_owned()),
        Some(code) if code != 0 => {
            if let Some(wrong) = wrong_words(code, &traced.stdout, &traced.stderr) {
                return complain(wrong);
            }
            if let Some(wrong) = wrong_code(&traced, deed, code) {
                return complain(wrong);
            }
        }
        None if !matches!(deed, Deed::KillBefore(_)) => {
            return complain(format!("ended by {:?}", traced.signal));
        }
        _ => {}
    }
    if traced.outlived > 0 {
        return complain(format!("{} processes live on", traced.outlived));
    }
    // 4. Leftovers only in staging and cache, and the next command sweeps them.
    let left = leftovers(&point.path(), false);
    if !left.is_empty() {
        return complain(format!("leftovers: {left:?}"));
    }
    let next = point.run(&["use", "keeper@1.0.0"]);
    if next.code != 0 && !(next.code == 3 && reference.before == Store::default()) {
        return complain(format!("the next command fails: {next:#?}"));
    }
    let left = leftovers(&point.path(), true);
    if !left.is_empty() {
        return complain(format!("not swept: {left:?}"));
    }
    if Store::read(&point.path()) != store {
        return complain("the sweep changed the store".to_owned());
    }
    // 5. The same command again succeeds.
    if case.once && is_done {
        return Ok(());
    }
    let again = point.run(case.command);
    if again.code != 0 {
        return complain(format!("again: {again:#?}"));
    }
    if Store::read(&point.path()) != reference.after {
        return complain(format!(
            "again, and not as after: {:#?}",
            Store::read(&point.path())
        ));
    }
    Ok(())
}

/// What the disk refuses ends with code 7; what is interrupted is made again.
fn wrong_code(traced: &Traced, deed: Deed, code: i32) -> Option<String> {
    let Deed::Fail { errno, .. } = deed else {
        return None;
    };
    let failed = traced.calls.iter().find(|call| call.failed)?;
    let of_disk = [Errno::ENOSPC, Errno::EDQUOT, Errno::EROFS, Errno::EACCES].contains(&errno);
    if of_disk && failed.of_program && code != 7 {
        return Some(format!("exit code {code} where the disk refused"));
    }
    let ours = |call: &&Call| call.of_program && call.is_interruptible();
    if errno == Errno::EINTR
        && traced
            .calls
            .iter()
            .filter(|call| call.failed)
            .all(|call| ours(&call))
    {
        return Some(format!("it failed because `{}` was interrupted", failed.name));
    }
    None
}

fn told(traced: &Traced) -> String {
    let last = traced.calls.iter().filter(|call| call.failed).collect::<Vec<_>>();
    let last = if last.is_empty() {
        traced.calls.last().into_iter().collect()
    } else {
        last
    };
    format!(
        "code {:?}, signal {:?}\nstdout: {}\nstderr: {}\ncalls: {:#?}",
        traced.code,
        traced.signal,
        traced.stdout,
        traced.stderr,
        &last[..last.len().min(3)]
    )
}

const ERRORS: [Errno; 7] = [
    Errno::ENOSPC,
    Errno::EDQUOT,
    Errno::EIO,
    Errno::EACCES,
    Errno::EROFS,
    Errno::EMFILE,
    Errno::EINTR,
];

/// All points of a command.
fn points(count: usize) -> Vec<Deed> {
    let mut deeds: Vec<Deed> = (1..=count).map(Deed::KillBefore).collect();
    for errno in ERRORS {
        for on in [false, true] {
            deeds.extend((1..=count).map(|number| Deed::Fail { number, errno, on }));
        }
    }
    deeds
}

/// So many of them, spread evenly, with every kind of fault.
fn sample(deeds: Vec<Deed>, kept: usize) -> Vec<Deed> {
    // A step that shares no factor with the number of calls would visit all in the end.
    let step = deeds.len().div_ceil(kept).max(1) | 1;
    deeds.into_iter().step_by(step).collect()
}

fn sweep(case: &Case) {
    let mut home = Home::new();
    (case.prepare)(&mut home);
    let reference = Reference::of(case, &home);
    let count = reference.watched.count();
    let all = points(count);
    let deeds = if whole() { all } else { sample(all, 60) };
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(deed) = deeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = format!("{deed:?}").replace([' ', '{', '}', ':', ','], "");
                    if let Err(what) = attempt(case, &home, &reference, *deed, &name) {
                        wrong.lock().expect("no panic while held").push(what);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no panic while held");
    report(case.name, count, deeds.len(), wrong.len());
    assert!(
        wrong.is_empty(),
        "{} of {} points are wrong; some of them:\n{}",
        wrong.len(),
        deeds.len(),
        wrong
            .iter()
            .take(12)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n----\n")
    );
}

#[expect(clippy::print_stderr, reason = "docs/torture.md is written from it")]
fn report(name: &str, calls: usize, tried: usize, wrong: usize) {
    eprintln!("torture: {name}: {calls} calls, {tried} points tried, {wrong} wrong");
}

fn case(name: &str) -> &'static Case {
    CASES.iter().find(|case| case.name == name).expect("a case")
}

/// One test a case, so that they are found and run by name.
macro_rules! sweeps {
    ($($test:ident => $name:literal,)*) => {
        $(#[test]
        fn $test() {
            sweep(case($name));
        })*

        #[test]
        fn no_case_is_forgotten() {
            assert_eq!([$($name),*].as_slice(), CASES.map(|case| case.name).as_slice());
        }
    };
}

sweeps! {
    a_first_install_is_whole_or_absent => "first install",
    an_install_is_whole_or_absent => "install",
    an_install_over_another_is_whole_or_absent => "install over",
    an_update_is_whole_or_absent => "update",
    a_use_is_whole_or_absent => "use",
    an_undo_is_whole_or_absent => "undo",
    an_uninstall_is_whole_or_absent => "uninstall",
    an_uninstall_of_what_is_not_active_is_whole_or_absent => "uninstall what is not active",
}

/// The directory of a run's calls, for `docs/torture.md` and for whoever wonders.
#[expect(dead_code, reason = "used when looking for the cause of a violation")]
fn log(traced: &Traced, path: &Utf8Path) {
    let lines: String = traced.calls.iter().map(|call| format!("{call:?}\n")).collect();
    fs::write(path, lines).expect("written");
}
