//! Which processes are servers of a cluster, known by what they are and not by what a file says of them.
//!
//! A server works in its data directory, so a process whose executable is `postgres` and whose working directory is
//! that very directory (by device and inode, so also through links, bind mounts and from outside a container) is one.
//! Process ids are used again, so a process is its id together with its start.

use std::io;

use camino::Utf8Path;

#[cfg(target_os = "linux")]
#[path = "identity/proc.rs"]
mod system;
#[cfg(all(unix, not(target_os = "linux")))]
#[path = "identity/ps.rs"]
mod system;
#[cfg(windows)]
#[path = "identity/windows.rs"]
mod system;

#[cfg(unix)]
pub use rustix::process::Signal;
#[cfg(windows)]
pub use system::Signal;

// So that what macOS runs is compiled and its parsers are tested where most of us work.
#[cfg(all(test, target_os = "linux"))]
#[path = "identity/ps.rs"]
#[expect(dead_code, reason = "only its tests run here")]
mod ps;

/// A process of PostgreSQL that works in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id, as this process sees it.
    pub pid: u32,
    /// The process that started it.
    pub parent: u32,
    /// When it started, in a measure of the system's.
    pub started: String,
    /// How much processor time it used, in a measure of the system's: it grows while the process works.
    pub used: String,
    /// What it does.
    pub role: Role,
}

/// What a process of PostgreSQL does.
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
pub fn servers_of(directory: &Utf8Path) -> Vec<Process> {
    system::processes_in(directory)
}

/// The one of them to talk to.
pub fn postmaster(processes: &[Process]) -> Option<&Process> {
    processes.iter().find(|process| process.role == Role::Postmaster)
}

/// Sends a signal to a process of this data directory, after it was looked at once more. Gives whether it was still
/// there.
///
/// # Errors
/// When the system does not permit it.
pub fn signal(directory: &Utf8Path, process: &Process, signal: Signal) -> io::Result<bool> {
    let is_still_there = || {
        servers_of(directory)
            .iter()
            .any(|now| now.pid == process.pid && now.started == process.started)
    };
    system::send(process.pid, signal, is_still_there)
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
