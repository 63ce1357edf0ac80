//! Which processes run from a tree. Removing it under a PostgreSQL server breaks the server.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use crate::fs::link;

/// A process that runs from a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningProcess {
    /// Its process id.
    pub pid: u32,
    /// Its executable.
    pub executable: Utf8PathBuf,
    /// Its working directory, where the system says.
    pub directory: Option<Utf8PathBuf>,
}

/// The processes whose executable lies below `tree`, as far as this user may know them; each once.
///
/// # Errors
/// When the system does not list its processes: then nobody knows that there are none.
pub fn users(tree: &Utf8Path) -> io::Result<Vec<RunningProcess>> {
    let Ok(tree) = link::real(tree) else {
        return Ok(Vec::new());
    };
    let mut all = system::processes()?;
    all.retain(|process| process.executable.starts_with(&tree));
    all.dedup_by_key(|process| process.pid);
    Ok(all)
}

/// Returns true if a process runs from a tree, or nobody knows that none does.
pub fn may_be_used(tree: &Utf8Path) -> bool {
    users(tree).map_or(true, |users| !users.is_empty())
}

#[cfg(target_os = "linux")]
use from_proc as system;
#[cfg(not(target_os = "linux"))]
use from_sysinfo as system;

#[cfg(target_os = "linux")]
mod from_proc {
    use std::io;

    use camino::{Utf8Path, Utf8PathBuf};
    use fs_err as fs;
    use is_executable::is_executable;

    use super::RunningProcess;
    use crate::fs::link::real;

    /// `/proc/<pid>/exe` (proc(5)); the ones of other users cannot be read and are left out. Where that is an emulator, or
    /// what a script names in its first line, the program is one of the arguments.
    pub(super) fn processes() -> io::Result<Vec<RunningProcess>> {
        let link = |path: std::path::PathBuf| Utf8PathBuf::from_path_buf(fs::read_link(path).ok()?).ok();
        let users = |entry: fs::DirEntry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let executable = link(entry.path().join("exe"))?;
            let directory = link(entry.path().join("cwd"));
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let words = line.split(|byte| *byte == 0).skip(1);
            let words = words.filter_map(|word| Some(Utf8Path::new(str::from_utf8(word).ok()?)));
            let programs = words.filter(|word| word.is_absolute() && is_executable(word));
            let programs = programs.filter_map(|program| real(program).ok());
            let process = |executable| RunningProcess {
                pid,
                executable,
                directory: directory.clone(),
            };
            let all = std::iter::once(executable).chain(programs);
            Some(all.map(process).collect::<Vec<_>>())
        };
        // Without ourselves in it, it is no list.
        fs::read_link("/proc/self")?;
        Ok(fs::read_dir("/proc")?
            .flatten()
            .filter_map(users)
            .flatten()
            .collect())
    }
}

#[cfg(any(not(target_os = "linux"), test))]
mod from_sysinfo {
    use std::{io, path::Path};

    use camino::Utf8Path;

    use super::RunningProcess;
    use crate::{fs::link, processes};

    /// The system says by which path a program was run, which may lead through a link.
    pub(super) fn processes() -> io::Result<Vec<RunningProcess>> {
        let real = |path: &Path| {
            let path = Utf8Path::from_path(path)?;
            Some(link::real(path).unwrap_or_else(|_| path.to_owned()))
        };
        let process = |process: &sysinfo::Process| {
            Some(RunningProcess {
                pid: process.pid().as_u32(),
                executable: real(process.exe()?)?,
                directory: process.cwd().and_then(real),
            })
        };
        Ok(processes::list()?
            .processes()
            .values()
            .filter_map(process)
            .collect())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn both_lists_say_who_runs_from_a_tree_and_where() {
        let world = tempfile::tempdir().expect("a directory");
        let tree = link::real(Utf8Path::from_path(world.path()).expect("UTF-8")).expect("there");
        let program = tree.join("server");
        fs_err::copy("/bin/sleep", &program).expect("copied");
        let mut child = Command::new(&program)
            .arg("600")
            .current_dir(&tree)
            .spawn()
            .expect("started");
        let pid = child.id();
        let expected = RunningProcess {
            pid,
            executable: program,
            directory: Some(tree),
        };
        let ours = |list: io::Result<Vec<RunningProcess>>| {
            let mut list = list.expect("a list");
            list.retain(|process| process.pid == pid);
            list
        };
        let (proc, sysinfo) = (ours(from_proc::processes()), ours(from_sysinfo::processes()));
        child.kill().expect("killed");
        child.wait().expect("ended");
        assert_eq!(proc, std::slice::from_ref(&expected));
        assert_eq!(sysinfo, [expected]);
    }
}
