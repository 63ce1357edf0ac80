//! Linux: `/proc` (proc(5)).

use std::{collections::BTreeSet, fs::Metadata, io, os::unix::fs::MetadataExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{Process, idles, role};

pub(super) fn processes_in(directory: &Utf8Path) -> io::Result<Vec<Process>> {
    let Ok(found) = fs::metadata(directory) else {
        return Ok(Vec::new());
    };
    let place = number(&found);
    let lock = fs::metadata(format!("{directory}.lock")).ok();
    processes(lock.as_ref().map(number), |cwd| {
        fs::metadata(cwd).is_ok_and(|works_in| number(&works_in) == place)
    })
}

pub(super) fn processes_in_removed(
    directories: &BTreeSet<&Utf8Path>,
) -> io::Result<Vec<(Utf8PathBuf, Process)>> {
    let place = |cwd: &str| {
        let works_in = Utf8PathBuf::from_path_buf(fs::read_link(cwd).ok()?).ok()?;
        let directory = works_in.as_str().strip_suffix(" (deleted)")?;
        directories
            .contains(Utf8Path::new(directory))
            .then(|| directory.into())
    };
    let there = processes(None, |cwd| place(cwd).is_some())?;
    let with_place = |process: Process| Some((place(&format!("/proc/{}/cwd", process.pid))?, process));
    Ok(there.into_iter().filter_map(with_place).collect())
}

/// The number of a file, whatever its name.
fn number(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// Those of PostgreSQL whose working directory is the one; `lock` is that of its cluster.
fn processes(lock: Option<(u64, u64)>, is_there: impl Fn(&str) -> bool) -> io::Result<Vec<Process>> {
    // Without ourselves in it, it is no list.
    fs::read_link("/proc/self")?;
    let entries = fs::read_dir("/proc")?;
    let here: Vec<_> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Found::look(pid, &is_there, lock))
        .collect();
    let processes = here
        .iter()
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
                idles: idles(found.is_asleep, &found.command_line, role),
            }
        })
        .collect();
    Ok(processes)
}

struct Found {
    pid: u32,
    parent: u32,
    started: String,
    used: String,
    is_asleep: bool,
    command_line: String,
}

impl Found {
    fn look(pid: u32, is_there: &impl Fn(&str) -> bool, lock: Option<(u64, u64)>) -> Option<Self> {
        let of = |file: &str| format!("/proc/{pid}/{file}");
        let executable = fs::read_link(of("exe")).ok()?;
        if !is_there(&of("cwd")) {
            return None;
        }
        let command_line = String::from_utf8_lossy(&fs::read(of("cmdline")).ok()?).into_owned();
        // A server whose tree was removed is still a server. One for another processor is run by an emulator: then its command
        // line has its name, as that of an editor may, and it holds the lock that it inherited (`spawn::equip`).
        let name = executable.file_name()?.to_str()?;
        let is_emulated = || {
            let stdin = fs::metadata(of("fd/0")).ok().as_ref().map(number);
            is_named(&command_line) && lock.is_some() && stdin == lock
        };
        if name.strip_suffix(" (deleted)").unwrap_or(name) != "postgres" && !is_emulated() {
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
            is_asleep: *fields.first()? == "S",
            command_line,
        })
    }
}

/// The process group of a process, and its name. (`getpgid` gives 0 for a group whose first process is outside of our container,
/// which is no number of a group.)
pub(super) fn group_and_name(pid: u32) -> Option<(String, String)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (begin, rest) = stat.rsplit_once(')')?;
    let (_, name) = begin.split_once('(')?;
    let group = rest.split_whitespace().nth(2)?;
    Some((group.to_owned(), name.to_owned()))
}

pub(super) fn is_suspended(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    // Not `t`: a debugger has it for a moment.
    state.starts_with('T')
}

/// Returns true if one of the words of a command line is a path of postgres.
fn is_named(command_line: &str) -> bool {
    command_line
        .split('\0')
        .any(|word| word.rsplit('/').next() == Some("postgres"))
}
