//! Where there is no `/proc`: the system's own table of processes. On Linux only the tests come here.

use std::io;

use camino::Utf8Path;
use sysinfo::{Pid, ProcessStatus, System};

use super::{Process, idles, role};
use crate::{
    fs::identity::{FileIdentity, is_same},
    processes,
};

const POSTGRES: &str = if cfg!(windows) { "postgres.exe" } else { "postgres" };

pub(super) fn processes_in(directory: &Utf8Path) -> io::Result<Vec<Process>> {
    if FileIdentity::of(directory).is_err() {
        return Ok(Vec::new());
    }
    let mut system = processes::list()?;
    let here: Vec<Pid> = system
        .processes()
        .values()
        .filter(|process| is_postgres(process) && works_in(process, directory))
        .map(sysinfo::Process::pid)
        .collect();
    if !here.is_empty() {
        processes::look_again(&mut system, &here);
    }
    Ok(here
        .iter()
        .filter_map(|pid| described(*pid, &here, &system))
        .collect())
}

/// The table has no name for a directory that was removed, and Windows lets nobody remove one that somebody works in.
#[cfg(not(target_os = "linux"))]
pub(super) fn processes_in_removed(
    _: &std::collections::BTreeSet<&Utf8Path>,
) -> io::Result<Vec<(camino::Utf8PathBuf, Process)>> {
    Ok(Vec::new())
}

/// The process group of a process, and its name.
#[cfg(all(unix, not(target_os = "linux")))]
pub(super) fn group_and_name(pid: u32) -> Option<(String, String)> {
    let number = rustix::process::Pid::from_raw(i32::try_from(pid).ok()?);
    let group = rustix::process::getpgid(number).ok()?;
    let system = processes::list().ok()?;
    let name = system.process(Pid::from_u32(pid))?.exe()?.file_name()?.to_str()?;
    Some((group.as_raw_nonzero().to_string(), name.to_owned()))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_suspended(pid: u32) -> bool {
    let system = processes::list();
    system.is_ok_and(|system| {
        let process = system.process(Pid::from_u32(pid));
        process.is_some_and(|process| process.status() == ProcessStatus::Stop)
    })
}

fn is_postgres(process: &sysinfo::Process) -> bool {
    let name = process.exe().and_then(|path| path.file_name());
    name.is_some_and(|name| name.eq_ignore_ascii_case(POSTGRES))
}

fn works_in(process: &sysinfo::Process, directory: &Utf8Path) -> bool {
    let place = process.cwd().and_then(Utf8Path::from_path);
    place.is_some_and(|place| is_same(place, directory))
}

fn described(pid: Pid, here: &[Pid], system: &System) -> Option<Process> {
    let process = system.process(pid)?;
    let words: Vec<_> = process.cmd().iter().map(|word| word.to_string_lossy()).collect();
    let command_line = words.join(" ");
    let parent = process.parent();
    let role = role(&command_line, parent.is_some_and(|parent| here.contains(&parent)));
    let is_asleep = matches!(process.status(), ProcessStatus::Sleep | ProcessStatus::Idle);
    Some(Process {
        pid: pid.as_u32(),
        parent: parent.map_or(0, Pid::as_u32),
        started: process.start_time().to_string(),
        used: process.accumulated_cpu_time().to_string(),
        role,
        idles: idles(is_asleep, &command_line, role),
    })
}
