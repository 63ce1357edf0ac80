//! Somebody who uses ampup: a home directory, a shell, and a release to install from.

use std::{
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::Command,
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{
    files::{FileServer, Reply},
    home::{Home, Run, finish, program},
    postgres::run_as,
    programs,
    release::Release,
};

/// The version of the program under test.
pub(crate) const NOW: &str = env!("CARGO_PKG_VERSION");
/// A version of the same length that is newer.
pub(crate) const NEXT: &str = "0.9.0";

/// Who runs ampup: everybody of `all()` must have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// An ordinary user.
    Ordinary,
    /// Root, in a home directory that others cannot enter.
    Root,
}

impl Who {
    /// An ordinary user, and root where the tests run as root.
    pub(crate) fn all() -> Vec<Self> {
        if run_as().is_some() {
            vec![Self::Ordinary, Self::Root]
        } else {
            vec![Self::Ordinary]
        }
    }
}

pub(crate) struct Person {
    pub(crate) home: Home,
    who: Who,
}

impl Person {
    pub(crate) fn new(who: Who) -> Self {
        let home = Home::new();
        let directory = home.directory("user");
        if who == Who::Root {
            fs_err::os::unix::fs::chown(&directory, Some(0), Some(0)).expect("taken");
            fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).expect("closed");
        }
        Self { home, who }
    }

    /// Their home directory.
    pub(crate) fn directory(&self) -> Utf8PathBuf {
        self.home.work().parent().expect("a world").join("user")
    }

    /// A file of theirs.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Utf8PathBuf {
        let path = self.directory().join(name);
        super::world::write(&path, content);
        self.own(self.directory().as_path());
        path
    }

    /// Everything below is theirs.
    fn own(&self, top: &Utf8Path) {
        let (Who::Ordinary, Some(user)) = (self.who, run_as()) else {
            return;
        };
        for entry in top.read_dir_utf8().expect("listed") {
            let path = entry.expect("an entry").into_path();
            fs_err::os::unix::fs::lchown(&path, Some(user.uid), Some(user.gid)).expect("given");
            if path.symlink_metadata().expect("there").is_dir() {
                self.own(&path);
            }
        }
    }

    /// A program, run by them, with an ordinary PATH.
    pub(crate) fn command(&self, program: &Utf8Path, arguments: &[&str]) -> Command {
        let mut command = self.home.other_program(program);
        command
            .args(arguments)
            .env("PATH", "/usr/local/bin:/usr/bin:/bin");
        // `init` asks before it changes the shells' files; they agree.
        if arguments.contains(&"init") {
            command.env("AMPUP_YES", "1");
        }
        if let (Who::Ordinary, Some(user)) = (self.who, run_as()) {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    /// The program under test, from where it was built.
    pub(crate) fn built(&self, arguments: &[&str]) -> Run {
        finish(self.command(program(), arguments))
    }

    /// The ampup that is installed.
    pub(crate) fn ampup(&self, arguments: &[&str]) -> Run {
        finish(self.command(&self.home.path().join("bin/ampup"), arguments))
    }

    /// A line in a shell, as they would start it.
    pub(crate) fn shell(&self, program: &str, arguments: &[&str], line: &str) -> Option<Run> {
        let program = programs::find(program)?;
        let mut command = self.command(&program, arguments);
        command.arg(line).env("TERM", "dumb");
        Some(finish(command))
    }

    /// install.sh of these files, read from stdin.
    pub(crate) fn install(&self, files: &Utf8Path, arguments: &[&str]) -> Run {
        let mirror = format!("file://{files}");
        let arguments = [&["-s", "--", "--mirror", &mirror, "--yes"], arguments].concat();
        let mut command = self.command("/bin/sh".into(), &arguments);
        let script = fs::File::open(files.join("install.sh")).expect("there");
        command.stdin(script.into_parts().0);
        finish(command)
    }
}

/// The place of a world's releases, and who serves it.
pub(crate) struct Publisher {
    directory: Utf8PathBuf,
    pub(crate) server: FileServer,
}

impl Publisher {
    pub(crate) fn new(person: &Person) -> Self {
        let directory = person.home.work().parent().expect("a world").join("releases");
        fs::create_dir(&directory).expect("made");
        let server = FileServer::serve(&directory, Reply::Whole);
        Self { directory, server }
    }

    /// Publishes the program under test, as what it is.
    pub(crate) fn publish_now(&self) -> Utf8PathBuf {
        self.publish(NOW, fs::read(program()).expect("read"))
    }

    /// Publishes the program under test, as if it were built with a newer number.
    pub(crate) fn publish_next(&self) -> Utf8PathBuf {
        let program = fs::read(program()).expect("read");
        self.publish(NEXT, replaced(program, NOW, NEXT))
    }

    pub(crate) fn publish(&self, version: &str, program: impl AsRef<[u8]>) -> Utf8PathBuf {
        Release::of_this_machine(&self.directory, version, program, &self.server.url())
    }
}

/// Every `old` becomes `new`, of the same length.
fn replaced(mut bytes: Vec<u8>, old: &str, new: &str) -> Vec<u8> {
    assert_eq!(old.len(), new.len(), "offsets stay");
    let first = old.as_bytes()[0];
    let mut found = 0;
    let mut at = 0;
    while at + old.len() <= bytes.len() {
        if bytes[at] == first && bytes[at..].starts_with(old.as_bytes()) {
            bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
            found += 1;
        }
        at += 1;
    }
    assert!(found > 0, "the version is in the program");
    bytes
}
