//! Linux: `/proc` (proc(5)) and process descriptors (`pidfd_open(2)`).

use std::{io, os::unix::fs::MetadataExt as _};

use camino::Utf8Path;
use fs_err as fs;
use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal},
};

use super::{Process, idles, role};

pub(super) fn processes_in(directory: &Utf8Path) -> Vec<Process> {
    let Ok(directory) = fs::metadata(directory) else {
        return Vec::new();
    };
    let place = (directory.dev(), directory.ino());
    processes(|cwd| fs::metadata(cwd).is_ok_and(|works_in| (works_in.dev(), works_in.ino()) == place))
}

pub(super) fn processes_in_removed(directory: &Utf8Path) -> Vec<Process> {
    let link = format!("{directory} (deleted)");
    processes(|cwd| fs::read_link(cwd).is_ok_and(|works_in| works_in.as_os_str() == link.as_str()))
}

/// Those of PostgreSQL whose working directory is the one.
fn processes(is_there: impl Fn(&str) -> bool) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let here: Vec<_> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Found::look(pid, &is_there))
        .collect();
    here.iter()
        .map(|found| {
            let role = role(
                &found.command_line,
                here.iter().any(|other| other.pid == found.parent),
            );
            Process {
                pid: found.pid,
                parent: found.parent,
                started: found.started.clone(),
                used: found.used.clone(),
                role,
                idles: idles(&found.state, &found.command_line, role),
            }
        })
        .collect()
}

struct Found {
    pid: u32,
    parent: u32,
    started: String,
    used: String,
    state: String,
    command_line: String,
}

impl Found {
    fn look(pid: u32, is_there: &impl Fn(&str) -> bool) -> Option<Self> {
        let of = |file: &str| format!("/proc/{pid}/{file}");
        let executable = fs::read_link(of("exe")).ok()?;
        // A server whose tree was removed is still a server.
        let name = executable.file_name()?.to_str()?;
        if name.strip_suffix(" (deleted)").unwrap_or(name) != "postgres" {
            return None;
        }
        if !is_there(&of("cwd")) {
            return None;
        }
        // `pid (name) state parent …`: the name may hold spaces and brackets.
        let stat = fs::read_to_string(of("stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        // A zombie has no working directory, so its state need not be asked.
        Some(Self {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            started: (*fields.get(19)?).to_owned(),
            used: format!("{}+{}", fields.get(11)?, fields.get(12)?),
            state: (*fields.first()?).to_owned(),
            command_line: String::from_utf8_lossy(&fs::read(of("cmdline")).ok()?).into_owned(),
        })
    }
}

/// Sends a signal through a descriptor that was opened before the process was looked at, so that no other process can
/// have taken its id in between.
pub(super) fn send(pid: u32, signal: Signal, is_still_there: impl Fn() -> bool) -> io::Result<bool> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Ok(false);
    };
    let sent = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(descriptor) if is_still_there() => pidfd_send_signal(&descriptor, signal),
        Ok(_) => return Ok(false),
        // Kernels before 5.3, and sandboxes.
        Err(Errno::NOSYS | Errno::PERM) if is_still_there() => kill_process(pid, signal),
        Err(cause) => Err(cause),
    };
    match sent {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(cause) => Err(cause.into()),
    }
}
