//! Windows: the system's list of processes, and the pipe that each process of PostgreSQL listens on for what Unix has
//! signals for (<https://www.postgresql.org/docs/current/app-pg-ctl.html>, `kill`; the pipe's name and words are those of
//! PostgreSQL's `port/kill.c`).

use std::{
    collections::BTreeSet,
    io::{self, Read as _, Write as _},
    sync::mpsc,
    thread,
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

use super::{Process, role};
use crate::fs::identity::is_same;

/// The time in which a process must confirm a signal.
const TIMEOUT: Duration = Duration::from_secs(1);

/// A signal to a server, with the number that it has on Unix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(u8);

impl Signal {
    /// A fast shutdown.
    pub const INT: Self = Self(2);
    /// An immediate one.
    pub const QUIT: Self = Self(3);
    /// The process is ended by the system.
    pub const KILL: Self = Self(9);
}

pub(super) fn processes_in(directory: &Utf8Path) -> Vec<Process> {
    let kind = ProcessRefreshKind::nothing()
        .with_exe(UpdateKind::Always)
        .with_cwd(UpdateKind::Always)
        .with_cmd(UpdateKind::Always)
        .with_cpu();
    let mut system = System::new();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
    let here: Vec<&sysinfo::Process> = system
        .processes()
        .values()
        .filter(|process| {
            let name = process.exe().and_then(|path| path.file_name());
            let works_in = process.cwd().and_then(Utf8Path::from_path);
            name.is_some_and(|name| name.eq_ignore_ascii_case("postgres.exe"))
                && works_in.is_some_and(|place| is_same(place, directory))
        })
        .collect();
    here.iter()
        .map(|process| {
            let words: Vec<_> = process.cmd().iter().map(|word| word.to_string_lossy()).collect();
            let parent = process.parent();
            Process {
                pid: process.pid().as_u32(),
                parent: parent.map_or(0, Pid::as_u32),
                started: process.start_time().to_string(),
                used: process.accumulated_cpu_time().to_string(),
                role: role(
                    &words.join(" "),
                    here.iter().any(|other| Some(other.pid()) == parent),
                ),
                // The system does not say.
                idles: false,
            }
        })
        .collect()
}

/// A directory in which a process works cannot be removed here.
pub(super) fn processes_in_removed(_: &BTreeSet<&Utf8Path>) -> Vec<(Utf8PathBuf, Process)> {
    Vec::new()
}

pub(super) fn send(pid: u32, signal: Signal, is_still_there: impl Fn() -> bool) -> io::Result<bool> {
    if !is_still_there() {
        return Ok(false);
    }
    if signal == Signal::KILL {
        let mut system = System::new();
        let pid = Pid::from_u32(pid);
        system.refresh_processes(ProcessesToUpdate::Some(&[pid]), true);
        return Ok(system.process(pid).is_some_and(sysinfo::Process::kill));
    }
    // A process that is suspended never answers; whoever stops it looks whether it ends, and may go on to a kill.
    let (told, is_told) = mpsc::channel();
    thread::spawn(move || told.send(tell(pid, signal)));
    match is_told.recv_timeout(TIMEOUT) {
        Ok(Err(cause)) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Ok(told) => told.map(|()| true),
        Err(_) => Ok(true),
    }
}

/// It is told a number, and says it back.
fn tell(pid: u32, signal: Signal) -> io::Result<()> {
    let pipe = format!(r"\\.\pipe\pgsignal_{pid}");
    let mut pipe = fs::OpenOptions::new().read(true).write(true).open(pipe)?;
    pipe.write_all(&[signal.0])?;
    pipe.read_exact(&mut [0])
}
