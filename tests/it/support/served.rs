//! A home in which the program has installed PostgreSQL, with a project to run it for.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdout, Command, Stdio},
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::process::Signal;

use super::{
    home::{Home, Run, finish},
    postgres::{cache, copy_home, done},
};

/// Every home is a copy of one that the program made.
fn ready_home() -> Utf8PathBuf {
    let place = cache().join("home-18.4");
    let lock = fs::File::create(cache().join("home-18.4.lock")).expect("a lock file");
    lock.file().lock().expect("locked");
    if !place.exists() {
        let home = Home::new();
        home.ampup(&["install", "postgres@18.4.0+zonky"]).exits(0);
        let copy = cache().join("home-18.4.copy");
        done(Command::new("rm").args(["-rf", copy.as_str()]));
        done(Command::new("cp").args(["-a", home.path().as_str(), copy.as_str()]));
        fs::rename(&copy, &place).expect("published");
    }
    place
}

/// A home with PostgreSQL, and the project `work` in which the program runs.
pub(crate) struct Served {
    pub(crate) home: Home,
}

impl Served {
    pub(crate) fn new() -> Self {
        let home = Home::new();
        let served = Self { home };
        served.restore_home();
        served
    }

    /// Makes the home what it was, after a command that removed from it.
    fn restore_home(&self) {
        done(Command::new("rm").args(["-rf", self.home.path().as_str()]));
        copy_home(&ready_home(), &self.home.path());
    }

    /// A home in which something is set up so that nothing must be downloaded.
    pub(crate) fn ampup(&self, arguments: &[&str]) -> Run {
        self.home.ampup(arguments)
    }

    pub(crate) fn amp_dir(&self) -> Utf8PathBuf {
        self.home.work().join(".amp").canonicalize_utf8().expect("made")
    }

    pub(crate) fn data(&self) -> Utf8PathBuf {
        self.amp_dir().join("metadb")
    }

    pub(crate) fn is_running(&self) -> bool {
        !ampup::postgres::identity::servers_of(&self.data())
            .expect("listed")
            .is_empty()
    }

    /// Runs one statement through `ampup run` and the system's psql.
    #[track_caller]
    pub(crate) fn sql(&self, statement: &str) -> String {
        self.ampup(&["db", "psql", "-XtAc", statement])
            .exits(0)
            .stdout
            .trim()
            .to_owned()
    }

    /// `ampup run` of a shell's line that goes on for a while.
    pub(crate) fn running(&self, line: &str) -> Running {
        Running::begin(self.home.command(&["run", "sh", "-c", line]))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // A failed test must not leave servers behind.
        let mut stop = self.home.command(&["db", "stop", "--force"]);
        stop.stdout(Stdio::null()).stderr(Stdio::null());
        let _ = stop.status();
    }
}

/// A run that goes on.
pub(crate) struct Running {
    pub(crate) child: Child,
    out: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn begin(mut command: Command) -> Self {
        // A group of its own, which is not the terminal's: signals come from the test alone.
        command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("started");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, out }
    }

    /// Its next line.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("read");
        line.trim().to_owned()
    }

    /// Gives it a line.
    pub(crate) fn say(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("piped");
        writeln!(stdin, "{line}").expect("written");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        crate::postgres_law::signal(self.child.id(), signal);
    }

    pub(crate) fn code(mut self) -> i32 {
        drop(self.child.stdin.take());
        self.child.wait().expect("ended").code().unwrap_or(-1)
    }

    /// Reads what it says on stderr, which must be piped, until its end.
    pub(crate) fn ended(mut self) -> String {
        use std::io::Read as _;
        drop(self.child.stdin.take());
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().expect("piped");
        stderr.read_to_string(&mut said).expect("read");
        self.child.wait().expect("ended");
        said
    }
}

/// The program in another project.
pub(crate) fn ampup_in(served: &Served, directory: &Utf8Path, arguments: &[&str]) -> Command {
    let mut command = served.home.command(arguments);
    command.current_dir(directory);
    command
}

/// Runs it to its end.
pub(crate) fn run_in(served: &Served, directory: &Utf8Path, arguments: &[&str]) -> Run {
    finish(ampup_in(served, directory, arguments))
}
