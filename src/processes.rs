//! The list of this machine's processes where there is no `/proc`, by sysinfo. On Linux only the tests come here.

use std::io;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

/// All processes with their parents, programs, working directories and command lines, as far as this user may know them.
///
/// # Errors
/// When there is no list: one without ourselves is none.
pub(crate) fn list() -> io::Result<System> {
    let mut system = System::new();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, facts());
    if system.process(Pid::from_u32(std::process::id())).is_none() {
        return Err(io::Error::other("the system does not list its processes"));
    }
    Ok(system)
}

/// Looks at some of them once more: macOS says from the second look on what a process does.
pub(crate) fn look_again(system: &mut System, pids: &[Pid]) {
    system.refresh_processes_specifics(ProcessesToUpdate::Some(pids), true, facts());
}

fn facts() -> ProcessRefreshKind {
    ProcessRefreshKind::nothing()
        .without_tasks()
        .with_exe(UpdateKind::Always)
        .with_cwd(UpdateKind::Always)
        .with_cmd(UpdateKind::Always)
        .with_cpu()
}
