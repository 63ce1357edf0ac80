//! Which processes are servers of a cluster, known by what they are and not by what a file says of them.
//!
//! A server works in its data directory, so a process whose executable is `postgres` and whose working directory is
//! that very directory (by device and inode, so also through links, bind mounts and from outside a container) is one. Where
//! an emulator is its executable, its command line and the lock that it inherited from us say so.
//! Process ids are used again, so a process is its id together with its start.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
};

use camino::{Utf8Path, Utf8PathBuf};

#[cfg(target_os = "linux")]
mod proc;
#[cfg(any(not(target_os = "linux"), test))]
mod table;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use proc as listing;
#[cfg(not(target_os = "linux"))]
use table as listing;
#[cfg(unix)]
use unix as signals;
#[cfg(windows)]
use windows as signals;

#[cfg(unix)]
pub use rustix::process::Signal;
#[cfg(windows)]
pub use windows::Signal;

/// A process of PostgreSQL that works in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id, as this process sees it.
    pub pid: u32,
    /// The process that started it.
    pub parent: u32,
    /// When it started, in a measure of the system's.
    pub started: String,
    /// The processor time that it used, in a unit of the system's: it grows while the process works.
    pub used: String,
    /// The role of the process.
    pub role: Role,
    /// It sleeps, and its postmaster would have to wake it: the postmaster itself, a checkpointer without a checkpoint, or
    /// one that reads and writes for others.
    pub idles: bool,
}

/// A program that started a server and lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Starter {
    /// Its name.
    pub program: String,
    /// Its process.
    pub pid: u32,
}

impl fmt::Display for Starter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.program, self.pid)
    }
}

/// The role of a PostgreSQL process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The server itself, which starts the others and is the one to talk to.
    Postmaster,
    /// One that a postmaster started.
    Backend,
    /// One that works alone: initdb's, or single-user mode.
    Single,
}

/// The processes that work in this data directory, as far as this user may know them. Zombies do not count.
///
/// # Errors
/// When the system does not list its processes: then nobody knows that there are none.
pub fn servers_of(directory: &Utf8Path) -> io::Result<Vec<Process>> {
    listing::processes_in(directory)
}

/// The servers of data directories that were removed, while those paths name nothing: none where the system does not say.
/// All are looked for at once. PostgreSQL looks for its lock file once a minute, and ends when that is gone.
pub fn servers_of_removed(directories: &[Utf8PathBuf]) -> BTreeMap<Utf8PathBuf, Process> {
    let removed: BTreeSet<_> = directories
        .iter()
        .filter(|directory| directory.symlink_metadata().is_err())
        .map(Utf8PathBuf::as_path)
        .collect();
    if removed.is_empty() {
        return BTreeMap::new();
    }
    listing::processes_in_removed(&removed)
        .unwrap_or_default()
        .into_iter()
        .filter(|(_, process)| process.role == Role::Postmaster)
        .collect()
}

/// Returns true if a process does nothing until it is told to go on (SIGCONT): it got a SIGSTOP, or whoever started it a Ctrl-Z.
pub fn is_suspended(pid: u32) -> bool {
    listing::is_suspended(pid)
}

/// The server among them that is suspended.
pub(crate) fn suspended(processes: &[Process]) -> Option<u32> {
    postmaster(processes)
        .map(|server| server.pid)
        .filter(|pid| is_suspended(*pid))
}

/// The one of them to talk to.
pub fn postmaster(processes: &[Process]) -> Option<&Process> {
    processes.iter().find(|process| process.role == Role::Postmaster)
}

/// The program that started a server and would end it: it lives, and its processes are those of one command. Whoever outlives
/// its starter gets another parent, with processes of its own; the first process of a system or container takes all of them.
pub fn starter(server: &Process) -> Option<Starter> {
    #[cfg(unix)]
    {
        let (group, _) = listing::group_and_name(server.pid)?;
        let (group_of_parent, program) = listing::group_and_name(server.parent)?;
        let is_starter = group == group_of_parent && (server.parent != 1 || program == "ampd");
        is_starter.then_some(Starter {
            program,
            pid: server.parent,
        })
    }
    #[cfg(windows)]
    {
        let _ = server;
        None
    }
}

/// Sends a signal to a process of this data directory, after it was looked at once more. Gives whether it was still
/// there.
///
/// # Errors
/// When the system does not permit it.
pub fn signal(directory: &Utf8Path, process: &Process, signal: Signal) -> io::Result<bool> {
    let is_still_there = || {
        let is_it = |now: &Process| now.pid == process.pid && now.started == process.started;
        servers_of(directory).map(|now| now.iter().any(is_it))
    };
    signals::send(process.pid, signal, is_still_there)
}

/// The role of a process, by its command line and whether its parent is a server of the same directory too.
///
/// A backend writes `postgres: what it does` over its command line; until then it has its parent's.
fn role(command_line: &str, parent_is_server: bool) -> Role {
    let mut words = command_line.split(['\0', ' ']);
    // Where a process cannot be forked, it is started with `--fork…`.
    let is_forked = command_line
        .split(['\0', ' '])
        .any(|word| word.starts_with("--fork"));
    if command_line.starts_with("postgres: ") || parent_is_server || is_forked {
        Role::Backend
    } else if words.any(|word| matches!(word, "--single" | "--boot" | "--check" | "--describe-config")) {
        Role::Single
    } else {
        Role::Postmaster
    }
}

/// Returns true if a process waits only for its postmaster: it sleeps, and not for a disk, and its command line, where
/// PostgreSQL says what the process does ("checkpointer performing shutdown checkpoint"), is one of those that do.
fn idles(is_asleep: bool, command_line: &str, role: Role) -> bool {
    let title = command_line.trim_end_matches(['\0', ' ']);
    let is_called_on =
        role == Role::Postmaster || title.ends_with("checkpointer") || title.contains("io worker ");
    is_asleep && is_called_on
}

/// Returns true if the only processes left are those that a postmaster ends last, and all of them are idle: a postmaster
/// that was asked to stop has failed to tell them.
pub fn is_forgotten(processes: &[Process]) -> bool {
    let has_backend = processes.iter().any(|process| process.role == Role::Backend);
    postmaster(processes).is_some() && has_backend && processes.iter().all(|process| process.idles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn a_server_in_which_somebody_works_is_not_forgotten() {
        let process = |state: &str, command_line: &str| {
            let role = role(command_line, false);
            Process {
                pid: 7,
                parent: 1,
                started: "1".to_owned(),
                used: "0".to_owned(),
                role,
                idles: idles(state == "S", command_line, role),
            }
        };
        let left = |rest: &[(&str, &str)]| {
            let server = [("S", "/t/bin/postgres\0-D\0/p\0")];
            let all: Vec<_> = server
                .iter()
                .chain(rest)
                .map(|(state, line)| process(state, line))
                .collect();
            is_forgotten(&all)
        };
        assert!(left(&[
            ("S", "postgres: checkpointer \0\0"),
            ("S", "postgres: io worker 0\0")
        ]));
        assert!(left(&[("S", "postgres: amp: checkpointer")]));
        let rows = [
            ("S", "postgres: checkpointer performing shutdown checkpoint\0"),
            ("D", "postgres: checkpointer \0"),
            ("R", "postgres: io worker 1\0"),
            ("T", "postgres: checkpointer \0"),
            ("S", "postgres: startup recovering 000000010000000000000002\0"),
            ("S", "postgres: postgres postgres [local] idle\0"),
            ("S", "postgres: archiver archiving 000000010000000000000002\0"),
        ];
        every(rows, |working| {
            assert!(
                !left(&[("S", "postgres: checkpointer \0"), working]),
                "{working:?}"
            );
        });
        assert!(!left(&[]), "one that has just begun");
    }

    #[test]
    fn roles_are_read_from_command_lines() {
        assert_eq!(role("/t/bin/postgres\0-D\0/p\0", false), Role::Postmaster);
        assert_eq!(role("/t/bin/postgres\0-D\0/p\0", true), Role::Backend);
        assert_eq!(role("postgres: checkpointer \0\0", false), Role::Backend);
        assert_eq!(
            role("C:/t/postgres.exe --forkchild=\"checkpointer\" 712", false),
            Role::Backend
        );
        assert_eq!(role("/t/bin/postgres --single -F template1", false), Role::Single);
    }

    /// The list that macOS and Windows use is compiled and tested where most of us work.
    #[cfg(target_os = "linux")]
    #[test]
    fn both_lists_find_the_same_servers() {
        use std::{
            os::unix::{fs::symlink, process::CommandExt as _},
            process::{Child, Command},
            time::{Duration, Instant},
        };
        let world = tempfile::tempdir().expect("a directory");
        let world = Utf8Path::from_path(world.path()).expect("UTF-8");
        let (cluster, other, link) = (world.join("cluster"), world.join("other"), world.join("link"));
        let start = |program: &Utf8Path, title: &str| -> Child {
            let directory = program.parent().expect("a directory");
            let mut command = Command::new(program);
            command.arg0(title).arg("600").current_dir(directory);
            command.spawn().expect("started")
        };
        for directory in [&cluster, &other] {
            fs_err::create_dir(directory).expect("made");
            for name in ["postgres", "editor"] {
                fs_err::copy("/bin/sleep", directory.join(name)).expect("copied");
            }
        }
        symlink(&cluster, &link).expect("linked");
        let mut children = [
            start(&cluster.join("postgres"), "/t/bin/postgres"),
            start(&cluster.join("postgres"), "postgres: checkpointer "),
            start(&cluster.join("editor"), "/t/bin/postgres"),
            start(&other.join("postgres"), "/t/bin/postgres"),
        ];
        let found = |list: io::Result<Vec<Process>>| {
            let mut list = list.expect("a list");
            list.sort_by_key(|process| process.pid);
            let facts = |process: Process| (process.pid, process.parent, process.role, process.idles);
            list.into_iter().map(facts).collect::<Vec<_>>()
        };
        let us = std::process::id();
        let mut expected = [
            (children[0].id(), us, Role::Postmaster, true),
            (children[1].id(), us, Role::Backend, false),
        ];
        expected.sort_by_key(|(pid, ..)| *pid);
        // A program that has just begun does not sleep yet.
        let began = Instant::now();
        while found(proc::processes_in(&cluster)) != expected && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let lists = [&cluster, &link, &world.join("none")].map(|place| {
            (
                found(proc::processes_in(place)),
                found(table::processes_in(place)),
            )
        });
        for child in &mut children {
            child.kill().expect("killed");
            child.wait().expect("ended");
        }
        for (proc, table) in &lists[..2] {
            assert_eq!(proc, &expected);
            assert_eq!(table, &expected);
        }
        assert_eq!(lists[2], (Vec::new(), Vec::new()));
    }
}
