//! macOS and the BSDs: `lsof` knows working directories, `ps` the rest. Both are part of the system.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    os::unix::fs::MetadataExt as _,
    process::Command,
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};

use super::{Process, idles, role};

pub(super) fn processes_in(directory: &Utf8Path) -> Vec<Process> {
    let Ok(place) = fs::metadata(directory) else {
        return Vec::new();
    };
    let place = (place.dev(), place.ino());
    let here: Vec<u32> = working_directories(&answer("lsof", &["-a", "-d", "cwd", "-c", "postgres", "-Fpn"]))
        .into_iter()
        .filter(|(_, path)| fs::metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == place))
        .map(|(pid, _)| pid)
        .collect();
    if here.is_empty() {
        return Vec::new();
    }
    let pids: Vec<_> = here.iter().map(u32::to_string).collect();
    let lines = answer(
        "ps",
        &[
            "-o",
            "pid=,ppid=,time=,lstart=,state=,command=",
            "-p",
            &pids.join(","),
        ],
    );
    lines.lines().filter_map(|line| process(line, &here)).collect()
}

/// lsof has no name for a directory that was removed.
pub(super) fn processes_in_removed(_: &BTreeSet<&Utf8Path>) -> Vec<(Utf8PathBuf, Process)> {
    Vec::new()
}

/// The process group of a process, and its name.
pub(super) fn group_and_name(pid: u32) -> Option<(String, String)> {
    let line = answer("ps", &["-o", "pgid=,comm=", "-p", &pid.to_string()]);
    let (group, path) = line.trim().split_once(' ')?;
    let name = Utf8Path::new(path.trim()).file_name()?;
    Some((group.to_owned(), name.to_owned()))
}

/// `p<pid>` and `n<path>` lines (lsof(8), "Output for other programs").
fn working_directories(text: &str) -> BTreeMap<u32, String> {
    let (mut found, mut pid) = (BTreeMap::new(), None);
    for line in text.lines() {
        if let Some(number) = line.strip_prefix('p') {
            pid = number.parse().ok();
        } else if let (Some(path), Some(pid)) = (line.strip_prefix('n'), pid) {
            found.insert(pid, path.to_owned());
        }
    }
    found
}

/// `pid ppid time lstart state command`; `lstart` has five words.
fn process(line: &str, here: &[u32]) -> Option<Process> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let parent = words.get(1)?.parse().ok()?;
    let command = words.get(9..)?.join(" ");
    let role = role(&command, here.contains(&parent));
    Some(Process {
        pid: words.first()?.parse().ok()?,
        parent,
        started: words.get(3..8)?.join(" "),
        used: (*words.get(2)?).to_owned(),
        role,
        idles: idles(words.get(8)?, &command, role),
    })
}

pub(super) fn send(pid: u32, signal: Signal, is_still_there: impl Fn() -> bool) -> io::Result<bool> {
    match i32::try_from(pid).ok().and_then(Pid::from_raw) {
        Some(pid) if is_still_there() => match kill_process(pid, signal) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(cause) => Err(cause.into()),
        },
        _ => Ok(false),
    }
}

fn answer(program: &str, arguments: &[&str]) -> String {
    Command::new(program)
        .args(arguments)
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::identity::Role;

    #[test]
    fn what_lsof_and_ps_say_is_read() {
        let here = working_directories("p12\nfcwd\nn/Users/a b/.amp/metadb\np13\nfcwd\nn/\n");
        assert_eq!(here[&12], "/Users/a b/.amp/metadb");
        assert_eq!(here.len(), 2);
        let line =
            "   12     1   0:00.05 Fri Nov 20 10:50:16 2026 Ss     /t/bin/postgres -D /Users/a b/.amp/metadb";
        let server = process(line, &[12, 14]).expect("a process");
        assert_eq!(
            (server.pid, server.parent, server.role),
            (12, 1, Role::Postmaster)
        );
        assert_eq!(server.started, "Fri Nov 20 10:50:16 2026");
        let line = "   14    12   0:00.00 Fri Nov 20 10:50:16 2026 Ss     postgres: checkpointer";
        let backend = process(line, &[12, 14]).expect("a process");
        assert_eq!((backend.role, backend.idles), (Role::Backend, true));
        assert_eq!(process("", &[]), None);
    }
}
