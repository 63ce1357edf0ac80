//! Windows: the pipe that each process of PostgreSQL listens on for what Unix has signals for
//! (<https://www.postgresql.org/docs/current/app-pg-ctl.html>, `kill`; the pipe's name and words are those of PostgreSQL's
//! `port/kill.c`).

use std::{
    io::{self, Read as _, Write as _},
    sync::mpsc,
    thread,
    time::Duration,
};

use fs_err as fs;
use sysinfo::{Pid, ProcessesToUpdate, System};

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

pub(super) fn send(
    pid: u32,
    signal: Signal,
    is_still_there: impl Fn() -> io::Result<bool>,
) -> io::Result<bool> {
    if !is_still_there()? {
        return Ok(false);
    }
    if signal == Signal::KILL {
        let mut system = System::new();
        let pid = Pid::from_u32(pid);
        system.refresh_processes(ProcessesToUpdate::Some(&[pid]), true);
        return Ok(system.process(pid).is_some_and(sysinfo::Process::kill));
    }
    // A process that is suspended never answers; whoever stops it looks whether it ends, and may go on to a kill.
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(tell(pid, signal)));
    match receiver.recv_timeout(TIMEOUT) {
        Ok(Err(cause)) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Ok(answer) => answer.map(|()| true),
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
