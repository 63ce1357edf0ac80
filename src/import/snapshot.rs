//! A server as it is at one moment, although others write to it: its rows are counted, and pg_dump reads them, in one
//! snapshot (<https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-SNAPSHOT-SYNCHRONIZATION>).

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    process::ChildStdin,
};

use crate::dump::{COUNT, Counts, DumpError, Heard, Patience, Running, Version};

/// The last line of psql's output.
const END: &str = "ampup: that was all";

/// A snapshot, which lasts as long as this value.
pub(super) struct Snapshot {
    /// The name that pg_dump gives it.
    pub(super) name: String,
    /// The server's.
    pub(super) server: Version,
    /// The size of the database.
    pub(super) bytes: u64,
    /// The rows of its tables.
    pub(super) counts: Counts,
    session: Running,
    stdin: Option<ChildStdin>,
}

/// Asks a server for its version.
pub(super) fn version(patience: &Patience<'_>) -> Result<Version, DumpError> {
    let said = patience.ask("select pg_catalog.current_setting('server_version_num');\n")?;
    Ok(version_of(said.trim().parse().unwrap_or_default()))
}

/// `server_version_num`, 150020: before 10 the third number was the minor, and no such server is met.
fn version_of(number: u64) -> Version {
    (number / 10_000, number % 10_000)
}

impl Snapshot {
    /// Connects to a server, and counts.
    pub(super) fn take(patience: &Patience<'_>) -> Result<Self, DumpError> {
        let mut session = patience.psql.session(patience.side, "")?;
        let program = session.program.clone();
        let failed = |source| DumpError::Spawn {
            program: program.clone(),
            source,
        };
        let mut stdin = session.child.stdin.take().expect("it is piped");
        let stdout = session.child.stdout.take().expect("it is piped");
        let statements = format!(
            "begin isolation level repeatable read, read only;\n\
             select pg_catalog.pg_export_snapshot();\n\
             select pg_catalog.current_setting('server_version_num');\n\
             select pg_catalog.pg_database_size(pg_catalog.current_database());\n\
             {COUNT} \\gexec\n\\echo {END}\n"
        );
        let mut lines = patience.over(&session.enlisted, |pulse| {
            // A psql that could not connect tells why by itself.
            let _ = stdin
                .write_all(statements.as_bytes())
                .and_then(|()| stdin.flush());
            let lines = BufReader::new(Heard { said: stdout, pulse }).lines();
            lines
                .map_while(Result::ok)
                .take_while(|line| line != END)
                .collect::<Vec<_>>()
        })?;
        let mut first = lines.drain(..lines.len().min(3));
        let name = first.next();
        let numbers = (first.next(), first.next());
        drop(first);
        let numbers = (
            numbers.0.and_then(|text| text.parse().ok()),
            numbers.1.and_then(|text| text.parse().ok()),
        );
        let ended = session.child.try_wait().map_err(failed)?;
        if let (Some(name), (Some(server), Some(bytes)), None) = (name, numbers, ended) {
            lines.sort();
            return Ok(Self {
                name,
                server: version_of(server),
                bytes,
                counts: lines,
                session,
                stdin: Some(stdin),
            });
        }
        drop(stdin);
        let status = session.child.wait().map_err(failed)?;
        let mut said = String::new();
        if let Some(stderr) = session.child.stderr.take() {
            let _: io::Result<_> = stderr.take(1 << 16).read_to_string(&mut said);
        }
        Err(patience.failed(program, status, &said))
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // The end of its input ends the session, and with it the transaction, which wrote nothing.
        drop(self.stdin.take());
        let _ = self.session.child.wait();
    }
}
