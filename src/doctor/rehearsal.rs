//! A start of a stopped cluster's server, as far as it reads: PostgreSQL itself goes through the settings with all that they
//! include, `pg_control`, the libraries and the certificates that they name, and asks for the memory that they want. It works
//! in a directory of links to what is in the cluster, so that nothing in that is changed, and ends before it would recover.

use std::process::Command;

use camino::Utf8Path;
use fs_err as fs;

use super::scratch::{self, Scratch};
use crate::{
    fs::{directory::Directory, entries},
    postgres::{
        observe::{files, pid_file},
        ownership::give_all,
        program::{Program, ProgramError},
        run::memory::SharedMemory,
    },
};

/// The first major whose programs can be asked so (<https://www.postgresql.org/docs/15/release-15.html>).
const FIRST: u64 = 15;

/// Rehearses a start with these libraries preloaded beside those of the settings. Where there is no scratch directory, nothing is
/// tried.
///
/// # Errors
/// When no server starts, with its words.
pub(crate) fn rehearse(
    postgres: &Program<'_>,
    major: u64,
    cluster: &Utf8Path,
    libraries: &str,
) -> Result<(), ProgramError> {
    let Some(place) = cluster.parent().filter(|_| major >= FIRST) else {
        return Ok(());
    };
    for left in scratch::abandoned(place) {
        let _ = fs::remove_dir_all(left);
    }
    let Some(scratch) = Scratch::make(place) else {
        return Ok(());
    };
    if link_all(cluster, &scratch, postgres).is_err() {
        return Ok(());
    }
    // A start, too, takes another kind of shared memory where that of the settings does not work.
    let mut memory = SharedMemory::default();
    loop {
        match attempt(postgres, cluster, &scratch.cluster(), libraries, memory.kind()) {
            Err(ProgramError::Failed { last_lines, .. }) if memory.is_other_after(&last_lines) => {}
            tried => return tried,
        }
    }
}

/// One start in a directory of links, `view`, with this kind of shared memory.
fn attempt(
    postgres: &Program<'_>,
    cluster: &Utf8Path,
    view: &Utf8Path,
    libraries: &str,
    memory: Option<&str>,
) -> Result<(), ProgramError> {
    // `data_directory` decides over `-D`, which says where the settings are.
    let started = |first: &[&str]| -> Command {
        let mut command = postgres.command();
        command
            .args(first)
            .args(["-D", cluster.as_str(), "-c"])
            .arg(format!("data_directory={view}"))
            .args(["-c", "logging_collector=off", "-c", "log_destination=stderr"]);
        if let Some(memory) = memory {
            command.args(["-c", &format!("dynamic_shared_memory_type={memory}")]);
        }
        #[cfg(target_os = "linux")]
        command.env("LD_LIBRARY_PATH", postgres.tree.join("lib"));
        command
    };
    // A value that is computed last is printed when everything before it went well.
    let mut last = started(&["-C", "shared_memory_size"]);
    if !libraries.is_empty() {
        last.args(["-c", &format!("shared_preload_libraries={libraries}")]);
    }
    postgres.run(last, "")?;
    postgres.run(started(&["--check"]), "").map(drop)
}

/// Fills the scratch directory with links to everything in the cluster but its lock file.
fn link_all(cluster: &Utf8Path, scratch: &Scratch, postgres: &Program<'_>) -> std::io::Result<()> {
    let outer = Directory::made(scratch.path())?;
    let view = outer.directory(scratch.cluster().file_name().expect("it has a name"))?;
    for entry in entries(cluster) {
        if let Some(name) = entry.file_name().filter(|name| *name != pid_file::NAME) {
            view.link(entry.as_str(), name)?;
        }
    }
    // A start makes these again where they are gone.
    for name in files::lost_directories(cluster) {
        if !name.contains('/') {
            view.directory(name)?;
        }
    }
    give_all(&view, postgres.run_as)?;
    // Whoever the server runs as passes through.
    outer.set_mode(0o711)
}
