//! The holder of a lock: who wrote himself down as it, and whether he is it now.
//!
//! The record is two lines: the process id, host and command, and the time at which that process started. It outlives its process,
//! and whoever takes the lock by other means (`flock`) writes none; so it counts only while that process lives and has the lock.

use camino::{Utf8DirEntry, Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::fs::{atomic, identity::FileIdentity};

/// The record of a holder on this host.
pub(super) fn record(pid: u32, command: &str) -> String {
    let started = started(pid).unwrap_or_default();
    format!("{pid} {} {command}\n{started}\n", host_name())
}

/// This process's command, for whoever waits.
pub(super) fn command_line() -> String {
    let words: Vec<_> = std::env::args_os().take(12).collect();
    crate::env::shown_command(&words)
}

/// The words that a holder wrote.
struct Record {
    pid: u32,
    host: String,
    command: String,
    /// Empty where the system did not say, and in one of an older ampup's.
    started: String,
}

impl Record {
    fn read(path: &Utf8Path) -> Option<Self> {
        let text = String::from_utf8(atomic::read(path, 4096).ok()?).ok()?;
        let (line, started) = text.split_once('\n').unwrap_or((&text, ""));
        let mut words = line.splitn(3, ' ');
        Some(Self {
            pid: words.next()?.parse().ok()?,
            host: words.next()?.to_owned(),
            command: words.next()?.to_owned(),
            started: started.trim().to_owned(),
        })
    }

    fn is_of_this_host(&self) -> bool {
        self.host == host_name()
    }

    /// Returns true if the process is gone, as far as this host can tell; another one may have its id since.
    fn is_gone(&self) -> bool {
        let is_another = || started(self.pid).is_some_and(|started| started != self.started);
        self.is_of_this_host() && (!exists(self.pid) || (!self.started.is_empty() && is_another()))
    }
}

/// Returns true if the process that is recorded as the holder is gone, as far as this machine can tell.
pub fn holder_is_gone(path: &Utf8Path) -> bool {
    Record::read(path).is_some_and(|record| record.is_gone())
}

/// The word for a holder who wrote nothing down.
pub const ANOTHER_PROCESS: &str = "another process";

/// The holder in words: while it lives and has the lock, its process id, host and command, as it wrote them; else another
/// process.
pub fn holder(path: &Utf8Path) -> String {
    let is_it = |record: &Record| !record.is_gone() && (!record.is_of_this_host() || has(record.pid, path));
    let Some(record) = Record::read(path).filter(is_it) else {
        return ANOTHER_PROCESS.to_owned();
    };
    let on = match record.is_of_this_host() {
        true => String::new(),
        false => format!(" on `{}`", record.host.escape_debug()),
    };
    format!("process {}{on} (`{}`)", record.pid, record.command.escape_debug())
}

/// Returns true if somebody holds or shares the lock, without touching it: trying it would make others believe that it
/// is held. `None` if the system does not say.
pub fn is_held(path: &Utf8Path) -> Option<bool> {
    holders(path).map(|holders| !holders.is_empty())
}

/// The processes that hold or share the lock, without touching it: 0 stands for one that is not seen from here, or that took it
/// for others and is gone. `None` if the system does not say.
pub fn holders(path: &Utf8Path) -> Option<Vec<u32>> {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt as _;
        let inode = match fs::metadata(path) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Some(Vec::new()),
            found => found.ok()?.ino(),
        };
        // `1: FLOCK ADVISORY READ 1234 08:01:5678 0 EOF` (proc(5)). The device is left out: an overlay has another there.
        let locks = fs::read_to_string("/proc/locks").ok()?;
        let suffix = format!(":{inode}");
        let holder = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let is_ours = words.get(1) == Some(&"FLOCK") && words.get(5)?.ends_with(&suffix);
            is_ours.then(|| words[4].parse().ok().filter(|pid| exists(*pid)).unwrap_or(0))
        };
        Some(locks.lines().filter_map(holder).collect())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        None
    }
}

/// Returns true if a process took the lock, or has its file open. Where the system does not let us see, it is believed.
fn has(pid: u32, path: &Utf8Path) -> bool {
    if !cfg!(target_os = "linux") || holders(path).is_some_and(|holders| holders.contains(&pid)) {
        return true;
    }
    let open = Utf8PathBuf::from(format!("/proc/{pid}/fd"));
    let (Ok(lock), Ok(entries)) = (FileIdentity::of(path), open.read_dir_utf8()) else {
        return true;
    };
    let is_it = |entry: Utf8DirEntry| FileIdentity::of(entry.path()).is_ok_and(|found| found.id == lock.id);
    entries.flatten().any(is_it)
}

/// Returns true if a process with this id lives, as far as the system says: one that has ended, and that its parent has not
/// waited for yet, holds nothing.
fn exists(pid: u32) -> bool {
    let has_ended = |fields: Vec<String>| fields.first().is_some_and(|state| state == "Z" || state == "X");
    if stat(pid).is_some_and(has_ended) {
        return false;
    }
    #[cfg(unix)]
    {
        use rustix::process::{Pid, test_kill_process};
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
    }
    #[cfg(not(unix))]
    {
        let _ = pid;
        true
    }
}

/// The time at which a process started, in the system's own measure; `None` where it does not say.
fn started(pid: u32) -> Option<String> {
    // The twenty-second field of proc(5).
    stat(pid)?.into_iter().nth(19)
}

/// The fields of `/proc/PID/stat` from the third on: the state is the first. `None` where the system has no such file.
fn stat(pid: u32) -> Option<Vec<String>> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in brackets, which may hold any character.
    let (_, fields) = line.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

/// Process ids mean nothing on another machine or in another container, and those have names of their own.
fn host_name() -> String {
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let name = String::new();
    if name.is_empty() || name.contains(char::is_whitespace) {
        "localhost".to_owned()
    } else {
        name
    }
}
