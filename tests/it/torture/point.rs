//! A command that is tried, the home in which it is tried, and what must hold there afterwards.

use std::process::Command;

use camino::Utf8PathBuf;
use fs_err as fs;

use super::oracle::{Store, leftovers};
use crate::support::{
    archives::{TarEntry, tar_gz},
    home::{Home, Run, TARGET, finish, script, sha256},
    postgres::run_as,
    tracer::{Deed, Traced, trace},
};

/// A command, and the home in which it is tried.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) prepare: fn(&mut Home),
    pub(super) command: &'static [&'static str],
    /// True if the same command says that there is nothing left to do (exit 3) after it was done.
    pub(super) once: bool,
    /// The part of it that a torture run tries.
    pub(super) extent: Extent,
}

/// The part of a command that is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Every point, and sixteen in the suite.
    Whole,
    /// Every point, and eight in the suite: it moves many megabytes.
    Large,
    /// So many kills, signals and faults, and nothing in the suite.
    Sampled([usize; 3]),
}

/// Further commands are a line each.
pub(super) const CASES: [Case; 10] = [
    Case {
        name: "first install",
        prepare: nothing,
        command: &["install", "tool@1.0.0"],
        once: false,
        extent: Extent::Whole,
    },
    Case {
        name: "install",
        prepare: keeper,
        command: &["install", "tool@1.0.0"],
        once: false,
        extent: Extent::Whole,
    },
    Case {
        name: "install over",
        prepare: first,
        command: &["install", "tool@2.0.0"],
        once: false,
        extent: Extent::Whole,
    },
    Case {
        name: "update",
        prepare: outdated,
        command: &["update"],
        once: false,
        extent: Extent::Whole,
    },
    Case {
        name: "use",
        prepare: both,
        command: &["use", "tool@1.0.0"],
        once: false,
        extent: Extent::Whole,
    },
    Case {
        name: "undo",
        prepare: both,
        command: &["undo"],
        once: true,
        extent: Extent::Whole,
    },
    Case {
        name: "uninstall",
        prepare: both,
        command: &["uninstall", "tool@2.0.0"],
        once: true,
        extent: Extent::Whole,
    },
    Case {
        name: "uninstall what is not active",
        prepare: both,
        command: &["uninstall", "tool@1.0.0"],
        once: true,
        extent: Extent::Whole,
    },
    Case {
        name: "repair",
        prepare: damaged,
        command: &["verify", "--repair"],
        once: false,
        extent: Extent::Whole,
    },
    Case {
        name: "repair of a link",
        prepare: unlinked,
        command: &["verify", "--repair"],
        once: false,
        extent: Extent::Whole,
    },
];

/// The real PostgreSQL, from the built-in registry.
pub(super) const POSTGRES: Case = Case {
    name: "install PostgreSQL",
    prepare: |_| {},
    command: &["install", "postgres@18.4.0+zonky"],
    once: false,
    extent: Extent::Sampled([15, 5, 30]),
};

/// ampup itself, newer. It is run from the home, as it must be.
pub(super) const SELF_UPDATE: Case = Case {
    name: "self update",
    prepare: settled,
    command: &["self", "update"],
    once: false,
    extent: Extent::Large,
};

fn settled(home: &mut Home) {
    nothing(home);
    home.ampup(&["init"]).exits(0);
    home.ampup(&["install", "keeper@1.0.0"]).exits(0);
    home.offer("ampup", "9.0.0");
}

/// ampup itself, which goes into the store, and into the files that shells read.
pub(super) const INIT: Case = Case {
    name: "init",
    prepare: nothing,
    command: &["init"],
    once: false,
    extent: Extent::Large,
};

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

fn damaged(home: &mut Home) {
    first(home);
    let file = home.path().join("components/tool/1.0.0/share/0/file-0");
    fs::write(file, "altered").expect("written");
}

fn unlinked(home: &mut Home) {
    first(home);
    fs::remove_file(home.path().join("active/bin/tool")).expect("removed");
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
pub(super) struct Point<'a> {
    pub(super) home: &'a Home,
    pub(super) user: Utf8PathBuf,
}

impl<'a> Point<'a> {
    /// One whose home is there already.
    pub(super) fn at(home: &'a Home, user: Utf8PathBuf) -> Self {
        Self { home, user }
    }

    pub(super) fn new(home: &'a Home, name: &str) -> Self {
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

    pub(super) fn path(&self) -> Utf8PathBuf {
        self.user.join(".ampup")
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.command(arguments);
        command
            .env("HOME", &self.user)
            .env("npm_config_cache", self.home.directory("npm-cache"));
        command
    }

    /// The same with the ampup that is installed here, where there is one and it is about itself.
    fn own_command(&self, arguments: &[&str]) -> Command {
        let plain = self.command(arguments);
        if arguments[0] != "self" {
            return plain;
        }
        let mut command = Command::new(self.path().join("bin/ampup"));
        command.args(arguments).current_dir(self.home.work()).env_clear();
        for (name, value) in plain.get_envs() {
            command.env(name, value.expect("set"));
        }
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Run {
        finish(self.command(arguments))
    }

    fn run_as_traced(&self, arguments: &[&str]) -> Run {
        let mut command = self.own_command(arguments);
        if let Some(user) = run_as() {
            use std::os::unix::process::CommandExt as _;
            command.uid(user.uid).gid(user.gid);
        }
        finish(command)
    }

    pub(super) fn trace(&self, arguments: &[&str], deed: Deed) -> Traced {
        trace(
            &self.own_command(arguments),
            run_as().map(|user| (user.uid, user.gid)),
            deed,
        )
    }

    /// Starts every active command.
    fn starts(&self, store: &Store) -> Result<(), String> {
        for executable in store.executables() {
            let mut command = Command::new(self.path().join("bin").join(executable));
            if let Some(user) = run_as() {
                use std::os::unix::process::CommandExt as _;
                command.uid(user.uid).gid(user.gid);
            }
            let run = finish({
                command.arg("--version");
                command
            });
            let version = store
                .active(executable)
                .or(store.active("postgres"))
                .unwrap_or("?");
            if run.code != 0 || !run.stdout.contains(version.trim_end_matches(".0")) {
                return Err(format!("`{executable}` does not start: {run:?}"));
            }
        }
        Ok(())
    }
}

impl Drop for Point<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.user);
    }
}

/// The store before a command and after it, and what it does.
pub(super) struct Reference {
    pub(super) before: Store,
    pub(super) after: Store,
    pub(super) watched: Traced,
}

impl Reference {
    pub(super) fn of(case: &Case, home: &Home) -> Self {
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

/// Judges a home after a command was cut there: `Ok` says whether the command is done.
pub(super) fn judge(case: &Case, point: &Point<'_>, reference: &Reference) -> Result<bool, String> {
    // 1. As before or as after.
    let store = Store::read(&point.path());
    let is_done = store == reference.after;
    if !is_done && store != reference.before {
        return Err(format!("a third thing: {store:#?}"));
    }
    // 2. Every active command starts.
    point.starts(&store)?;
    // 4. Leftovers only in staging and cache, and the next command sweeps them.
    let left = leftovers(&point.path(), false);
    if !left.is_empty() {
        return Err(format!("leftovers: {left:?}"));
    }
    // One that writes: where nothing was installed, `use` has nothing to write.
    let is_first = reference.before == Store::default();
    let next = if is_first {
        point.run(&["prune"])
    } else {
        point.run(&["use", "keeper@1.0.0"])
    };
    if next.code != 0 {
        return Err(format!("the next command fails: {next:#?}"));
    }
    let left = leftovers(&point.path(), true);
    if !left.is_empty() {
        return Err(format!("not swept: {left:?}"));
    }
    if Store::read(&point.path()) != store {
        return Err("the sweep changed the store".to_owned());
    }
    // 5. The same command again succeeds.
    if case.once && is_done {
        return Ok(true);
    }
    let again = point.run_as_traced(case.command);
    if again.code != 0 {
        return Err(format!("again: {again:#?}"));
    }
    let store = Store::read(&point.path());
    if store != reference.after {
        return Err(format!("again, and not as after: {store:#?}"));
    }
    Ok(is_done)
}

/// The account of a try that went wrong.
pub(super) fn account(traced: &Traced) -> String {
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
