//! Which processes run from a tree. Removing it under a PostgreSQL server breaks the server.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::fs::link;

/// A process that runs from a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningProcess {
    /// Its process id.
    pub pid: u32,
    /// Its executable.
    pub executable: Utf8PathBuf,
}

/// The processes of this machine, as far as this user may know them.
///
/// On Linux they are looked at whenever it is asked. Elsewhere that takes a child process, and none is started under the
/// store lock: there they are as they were when this value was made, before the lock was taken. A program that starts
/// later is missed, as is one that starts right after any look.
#[derive(Debug)]
pub struct Processes {
    seen: Option<Vec<RunningProcess>>,
}

impl Processes {
    /// Looks at them.
    pub fn look() -> Self {
        Self {
            seen: (!cfg!(target_os = "linux")).then(from_ps),
        }
    }

    /// Those whose executable lies below `tree`.
    pub fn of(&self, tree: &Utf8Path) -> Vec<RunningProcess> {
        let Ok(tree) = link::real(tree) else {
            return Vec::new();
        };
        let below = |process: &RunningProcess| process.executable.starts_with(&tree);
        match &self.seen {
            Some(seen) => seen.iter().filter(|process| below(process)).cloned().collect(),
            None => from_proc().into_iter().filter(below).collect(),
        }
    }
}

/// `/proc/<pid>/exe` (proc(5)); the ones of other users cannot be read and are left out. Where that is an emulator, or what
/// a script names in its first line, the program is the first argument.
fn from_proc() -> Vec<RunningProcess> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let users = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let executable = Utf8PathBuf::from_path_buf(fs::read_link(entry.path().join("exe")).ok()?).ok()?;
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let run = line
            .split(|byte| *byte == 0)
            .nth(1)
            .and_then(|word| str::from_utf8(word).ok());
        let run = run.filter(|word| word.starts_with('/')).map(Utf8PathBuf::from);
        Some(
            [Some(executable), run]
                .into_iter()
                .flatten()
                .map(move |executable| RunningProcess { pid, executable }),
        )
    };
    entries.flatten().filter_map(users).flatten().collect()
}

/// `ps` of macOS and the BSDs, whose `comm` is the whole path.
fn from_ps() -> Vec<RunningProcess> {
    let Ok(output) = Command::new("ps").args(["-axo", "pid=,comm="]).output() else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let process = |line: &str| {
        let (pid, executable) = line.trim().split_once(' ')?;
        Some(RunningProcess {
            pid: pid.parse().ok()?,
            executable: executable.trim().into(),
        })
    };
    text.lines().filter_map(process).collect()
}
