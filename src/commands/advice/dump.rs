//! Advice on PostgreSQL's client programs.

use std::io;

use super::{MAKE_ROOM, hint_of_room, meant};
use crate::{
    distributions::os_release,
    dump::{DumpError, PRIVILEGES},
    exit::Exit,
    import,
    postgres::loading::{LoadFailure, missing_library},
};

impl DumpError {
    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Cluster(error) => error.hint(),
            Self::NoDatabase(_) => Some("`ampup db start` makes one".to_owned()),
            // The command knows the registry, and says which build has them.
            Self::NoClients { majors, .. } => Some(match *majors.end() {
                u64::MAX => "install PostgreSQL's client programs, on PATH".to_owned(),
                major => format!("install the client programs of PostgreSQL {major}, on PATH"),
            }),
            // The command knows which build has one that is new enough.
            Self::TooOld { majors, .. } if !majors.is_empty() => Some(format!(
                "install the client programs of PostgreSQL {}, on PATH",
                majors.end()
            )),
            Self::TooOld { .. } => Some(
                "a later PostgreSQL wrote it: `ampup install postgres` installs the newest, and `ampup db upgrade` moves a database \
                 that is there to it; then run the same command again"
                    .to_owned(),
            ),
            Self::Spawn { source, .. } => hint_of_room(source),
            Self::File { path, source } if source.kind() == io::ErrorKind::NotFound => {
                let other = || "name a file that is there, or an address `postgresql://…`".to_owned();
                Some(meant(path, |path| path.is_file()).unwrap_or_else(other))
            }
            Self::File { source, .. } => hint_of_room(source),
            Self::Failed { last_lines, .. } if is_of_disk(last_lines) => Some(MAKE_ROOM.to_owned()),
            Self::Failed { last_lines, .. } if is_of_login(last_lines) => Some(
                "put the user and the password into the address: `postgresql://USER:PASSWORD@HOST/DATABASE`"
                    .to_owned(),
            ),
            Self::Failed { last_lines, .. } if is_of_network(last_lines) => Some(REACH_IT.to_owned()),
            Self::Lost { .. } => Some(REACH_IT.to_owned()),
            Self::Failed { last_lines, .. } if says(last_lines, &BEYOND_SQL) => Some(
                "a dump for this holds the SQL and the rows of one database, and no commands of psql: \
                 `pg_dump --format=custom DATABASE > FILE` writes one"
                    .to_owned(),
            ),
            Self::Failed { last_lines, .. }
                if says(last_lines, &["invalid byte sequence for encoding \"UTF8\""]) =>
            {
                Some(
                    "that text is not UTF-8, and its database does not say what it is; if it is Latin-1: \
                 `pg_dump --encoding=LATIN1 --format=custom DATABASE > FILE`, then `ampup db import FILE`"
                        .to_owned(),
                )
            }
            Self::Failed { last_lines, .. } if says(last_lines, &["ICU is not supported in this build"]) => {
                Some(import::TAKE_ANOTHER.to_owned())
            }
            Self::Failed { last_lines, .. }
                if says(last_lines, &PRIVILEGES) && says(last_lines, &["does not exist"]) =>
            {
                Some(
                    "PostgreSQL here has it with other arguments; without privileges it can be copied: \
                 `pg_dump --no-privileges --format=custom DATABASE > FILE`, then `ampup db import FILE`"
                        .to_owned(),
                )
            }
            Self::Silent { .. } => Some(
                "see that the server still works and can be reached, then run the same command again; \
                 `connect_timeout=SECONDS` in its address gives it more time"
                    .to_owned(),
            ),
            Self::Failed { last_lines, .. }
                if last_lines
                    .iter()
                    .any(|line| line.contains("\"default_tablespace\"")) =>
            {
                Some(
                    "dump it again with `pg_dump --no-tablespaces --format=custom DATABASE > FILE`"
                        .to_owned(),
                )
            }
            Self::Failed { last_lines, .. } => {
                let said = last_lines.join("\n");
                LoadFailure::find(&said)?.hint(&os_release()).or_else(|| {
                    let library = missing_library(&said)?;
                    Some(format!(
                        "install the package of this system that has `{library}`, or dump it again without the extension"
                    ))
                })
            }
            Self::Uncounted { .. } => Some("`ampup db logs` shows what its server says".to_owned()),
            Self::RowsDiffer { .. } => {
                Some("nothing was changed; end what writes to it and run the same command again".to_owned())
            }
            Self::NoRoom { .. } => Some(MAKE_ROOM.to_owned()),
            Self::Downgrade {
                from,
                is_served: true,
                ..
            } => Some(format!(
                "nothing needs to be done: PostgreSQL {from} serves it, whatever is active"
            )),
            Self::Downgrade {
                from,
                is_served: false,
                ..
            } => Some(format!(
                "`ampup install --no-activate postgres@{from}`: it is served by its own major"
            )),
            Self::Refused { hint, .. } => Some(hint.clone()),
        }
    }

    /// Returns the exit code of the program.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Cluster(error) => error.exit_code(),
            Self::NoDatabase(_) | Self::NoClients { .. } => Exit::NotFound,
            Self::Spawn { source, .. } => Exit::of_io(source),
            Self::Failed { last_lines, .. } if is_of_disk(last_lines) => Exit::Disk,
            Self::Failed { last_lines, .. } if is_of_login(last_lines) => Exit::Failed,
            Self::Failed { last_lines, .. } if is_of_network(last_lines) => Exit::Network,
            Self::Silent { .. } | Self::Lost { .. } => Exit::Network,
            Self::Failed { .. }
            | Self::TooOld { .. }
            | Self::Uncounted { .. }
            | Self::Downgrade { .. }
            | Self::Refused { .. } => Exit::Failed,
            Self::RowsDiffer { .. } => Exit::Integrity,
            Self::NoRoom { .. } => Exit::Disk,
            Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound => Exit::NotFound,
            Self::File { source, .. } => Exit::of_io(source),
        }
    }
}

const REACH_IT: &str =
    "see that the server runs there and takes connections, then run the same command again";

/// The words of psql and the server for what is no SQL, or more than one database's.
const BEYOND_SQL: [&str; 3] = [
    "backslash commands are restricted",
    "CREATE DATABASE cannot run inside a transaction block",
    "DROP DATABASE cannot run inside a transaction block",
];

fn says(last_lines: &[String], words: &[&str]) -> bool {
    last_lines
        .iter()
        .any(|line| words.iter().any(|words| line.contains(words)))
}

fn is_of_disk(last_lines: &[String]) -> bool {
    last_lines
        .iter()
        .any(|line| line.contains("No space left on device"))
}

/// Returns true if a server was reached that lets this user in with no such password, judged by its messages and libpq's.
fn is_of_login(last_lines: &[String]) -> bool {
    last_lines.iter().any(|line| {
        line.contains("fe_sendauth: no password supplied") || line.contains("password authentication failed")
    })
}

/// Returns true if a server could not be reached, judged by libpq's messages. A server that refuses says FATAL.
fn is_of_network(last_lines: &[String]) -> bool {
    last_lines.iter().any(|line| {
        line.contains("could not translate host name")
            || (line.contains("connection to server at ") || line.contains("connection to server on socket "))
                && line.contains(" failed: ")
                && !line.contains("FATAL:")
    })
}

#[cfg(test)]
mod tests {
    use std::process::ExitStatus;

    use super::*;
    use crate::table::every;

    #[test]
    fn why_a_program_failed_decides_the_hint_and_the_code() {
        let failed = |said: &str| DumpError::failed("psql".to_owned(), ExitStatus::default(), said);
        let full = failed("ERROR:  could not extend file \"base/5/1\": No space left on device\n");
        assert_eq!(full.exit_code(), Exit::Disk);
        assert!(full.hint().is_some_and(|hint| hint.contains("free disk space")));
        let rows = [
            (
                "connection to server at \"::1\", port 1 failed: timeout expired",
                Exit::Network,
            ),
            (
                "connection to server at \"h\", port 1 failed: FATAL:  no password",
                Exit::Failed,
            ),
            (
                "connection to server at \"::1\", port 1 failed: fe_sendauth: no password supplied",
                Exit::Failed,
            ),
            (
                "connection to server on socket \"/s/.s.PGSQL.1\" failed: Connection refused",
                Exit::Network,
            ),
            (
                "psql: error: could not translate host name \"h\" to address",
                Exit::Network,
            ),
        ];
        every(rows, |(said, code)| {
            assert_eq!(failed(said).exit_code(), code, "{said}");
        });
        assert_eq!(failed("ERROR:  syntax error\n").hint(), None);
        // A server that says nothing but notices.
        let notices = "no error message available\n".repeat(20);
        let late = "psql: error: connection to server at \"h\", port 1 failed: timeout expired\n";
        assert_eq!(failed(&(notices + late)).exit_code(), Exit::Network);
        let cut = "pg_dump: detail: Error message from server: server closed the connection unexpectedly\n";
        let at = |said: &str| DumpError::failed_at("h:1", "pg_dump".to_owned(), ExitStatus::default(), said);
        assert_eq!(at(cut).exit_code(), Exit::Network);
        assert!(
            at(cut).hint().is_some() && at(cut).to_string().starts_with("the connection to h:1 was lost")
        );
        assert_eq!(at("ERROR:  syntax error\n").exit_code(), Exit::Failed);
        // Ours, which ended by itself.
        assert_eq!(failed(cut).exit_code(), Exit::Failed);
    }

    #[test]
    fn what_a_server_refuses_is_told_with_a_remedy() {
        let rows = [
            (
                "psql:<stdin>:7: error: backslash commands are restricted; only \\unrestrict is allowed",
                "--format=custom",
            ),
            (
                "ERROR:  CREATE DATABASE cannot run inside a transaction block",
                "--format=custom",
            ),
            (
                "ERROR:  invalid byte sequence for encoding \"UTF8\": 0xe9 0x0a",
                "--encoding=LATIN1",
            ),
            ("ERROR:  ICU is not supported in this build", "+zonky"),
            (
                "ERROR:  could not load library \"/p/lib/uuid-ossp.so\": libossp-uuid.so.16: cannot open shared object file: \
                 No such file or directory",
                "libossp-uuid",
            ),
        ];
        every(rows, |(said, remedy)| {
            let error = DumpError::failed("psql".to_owned(), ExitStatus::default(), said);
            assert!(
                error.hint().is_some_and(|hint| hint.contains(remedy)),
                "{said}: {:?}",
                error.hint()
            );
        });
    }
}
