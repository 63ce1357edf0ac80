//! Asking a cluster without a server: one process, no socket, no client
//! (<https://www.postgresql.org/docs/current/app-postgres.html>, "Single-User Mode").

use camino::Utf8Path;

use super::{
    program::{Program, ProgramError},
    run::{initdb::Flush, memory::SharedMemory},
};

/// Proves that a `postgres` serves the cluster in `directory`: runs `select 1`, and gives what the server printed. The
/// cluster is shut down in good order after it, and is as little on disk as it was before.
///
/// # Errors
/// When postgres does not run here, fails, or answers something else than 1.
pub fn single_user_select(postgres: &Program<'_>, directory: &Utf8Path) -> Result<String, ProgramError> {
    // An error in the query would be told on stderr alone, with exit code 0.
    let answer = ask(postgres, directory, "select 1 as one", Flush::No)?;
    if answer.contains("one = \"1\"") {
        Ok(answer)
    } else {
        Err(postgres.unexpected(&answer))
    }
}

/// Returns the output for a statement of one line. Each column of a row is a line: `name = "value"`. Where the kind of shared
/// memory of the cluster's settings does not work, another does, as for a server.
pub(super) fn ask(
    postgres: &Program<'_>,
    directory: &Utf8Path,
    statement: &str,
    flush: Flush,
) -> Result<String, ProgramError> {
    let mut memory = SharedMemory::default();
    loop {
        let mut command = postgres.command();
        command.args(["--single", "-D", directory.as_str()]);
        if flush == Flush::No {
            command.arg("-F");
        }
        if let Some(kind) = memory.kind() {
            command.args(["-c", &format!("dynamic_shared_memory_type={kind}")]);
        }
        command.arg("postgres");
        match postgres.run(command, &format!("{statement}\n")) {
            Err(ProgramError::Failed { last_lines, .. }) if memory.is_other_after(&last_lines) => {}
            answer => return answer,
        }
    }
}
