//! Making a cluster's files.

use camino::Utf8Path;

use crate::postgres::{
    host_fault::HostFault,
    program::{Program, ProgramError},
    run::memory::INSTEAD,
};

/// The choice whether files must survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// initdb flushes it.
    Yes,
    /// It is thrown away, or the caller flushes it.
    No,
}

/// A superuser that is not its cluster's owner.
#[derive(Debug, Clone, Copy)]
pub struct Superuser<'a> {
    /// Its name.
    pub name: &'a str,
    /// A file that holds its password, where everybody may connect who knows that.
    pub password: Option<&'a Utf8Path>,
}

/// Makes a cluster by `initdb` in `directory`, which is absent or empty and whose parent its user can enter and write to.
///
/// The flags are ampd's own, so that a cluster is the same whoever made it
/// (<https://www.postgresql.org/docs/current/app-initdb.html>): the host's locale decides nothing, and whoever may enter
/// the directory, which is its owner alone, may connect. Where no superuser is named, it is named after that user.
///
/// # Errors
/// When initdb does not run here or fails; what it made it removes.
pub fn initdb(
    initdb: &Program<'_>,
    directory: &Utf8Path,
    superuser: Option<Superuser<'_>>,
    flush: Flush,
) -> Result<(), ProgramError> {
    let mut made = run(initdb, directory, superuser, flush, None);
    // initdb looks whether it can have a segment of shared memory, and not whether there is room for one.
    for memory in INSTEAD {
        match &made {
            Err(failed)
                if matches!(
                    failed.host_fault(),
                    Some(HostFault::DevShm | HostFault::MemoryId | HostFault::Forbidden)
                ) =>
            {
                made = run(initdb, directory, superuser, flush, Some(memory));
            }
            _ => break,
        }
    }
    made
}

fn run(
    initdb: &Program<'_>,
    directory: &Utf8Path,
    superuser: Option<Superuser<'_>>,
    flush: Flush,
    memory: Option<&str>,
) -> Result<(), ProgramError> {
    let mut command = initdb.command();
    #[cfg(windows)]
    for name in super::shell_names::names_in([initdb.tree.as_str()]) {
        command.env(name, format!("%{name}%"));
    }
    command
        .args(["-D", directory.as_str()])
        .args(["--locale=C", "--encoding=UTF8"]);
    if let Some(superuser) = superuser {
        command.arg(format!("--username={}", superuser.name));
    }
    match superuser.and_then(|superuser| superuser.password) {
        None => command.arg("--auth=trust"),
        Some(file) => command
            .arg("--auth=scram-sha-256")
            .arg(format!("--pwfile={file}")),
    };
    if flush == Flush::No {
        command.arg("--no-sync");
    }
    if let Some(memory) = memory {
        command.arg(format!("--set=dynamic_shared_memory_type={memory}"));
    }
    initdb.run(command, "").map(|_| ())
}
