//! Errors of dump and restore.

use std::{io, ops::RangeInclusive, process::ExitStatus};

use camino::Utf8PathBuf;

use crate::{
    distributions::os_release,
    event::sized,
    exit::{Exit, hint_of_room},
    postgres::{ClusterError, loading::LoadFailure},
};

/// The reason rows were not moved.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// A cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Not every build of PostgreSQL has its client programs.
    #[error(
        "no {names}{}{} is installed or in PATH{}",
        ranged(.majors),
        if *.restricts { RESTRICTS } else { "" },
        .searched.iter().map(|place| format!("\n  not in `{place}`")).collect::<String>()
    )]
    NoClients {
        /// The programs.
        names: String,
        /// Of which majors they must be.
        majors: RangeInclusive<u64>,
        /// True if psql must know `\restrict`.
        restricts: bool,
        /// Where they are not.
        searched: Vec<Utf8PathBuf>,
    },
    /// A program cannot be run.
    #[error("cannot run `{program}`")]
    Spawn {
        /// Which.
        program: String,
        /// The cause.
        source: io::Error,
    },
    /// A program failed.
    #[error("`{program}` failed ({status}){}", .last_lines.iter().map(|line| format!("\n  {line}")).collect::<String>())]
    Failed {
        /// Which.
        program: String,
        /// The exit status.
        status: ExitStatus,
        /// The last lines of its output.
        last_lines: Vec<String>,
    },
    /// Not everything came.
    #[error("database `{database}` has different rows after the copy: `{expected}` became `{found}`")]
    RowsDiffer {
        /// Where.
        database: String,
        /// A table and its rows as they were.
        expected: String,
        /// A table and its rows as they are.
        found: String,
    },
    /// It would not fit.
    #[error("a second cluster needs about {} and `{amp_dir}` has {} free", sized(*needed), sized(*free))]
    NoRoom {
        /// Where it would go.
        amp_dir: Utf8PathBuf,
        /// The space needed.
        needed: u64,
        /// The space free.
        free: u64,
    },
    /// There is nothing to do it with, or no sense in it.
    #[error("{message}")]
    Refused {
        /// The state that was found.
        message: String,
        /// The remedy.
        hint: String,
    },
    /// A file that the user named.
    #[error("cannot read `{path}`")]
    File {
        /// The file.
        path: Utf8PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl TransferError {
    pub(crate) fn failed(program: String, status: ExitStatus, said: &str) -> Self {
        let lines: Vec<_> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        Self::Failed {
            program,
            status,
            // The first error of psql is the reason, and the last line of pg_dump is the query.
            last_lines: lines.iter().take(8).map(|line| (*line).to_owned()).collect(),
        }
    }

    /// The next command to type.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Cluster(error) => error.hint(),
            // The command knows the registry, and says which build has them.
            Self::NoClients { majors, .. } => Some(match *majors.end() {
                u64::MAX => "install the client programs of PostgreSQL, and put them in PATH".to_owned(),
                major => format!("install the client programs of PostgreSQL {major}, and put them in PATH"),
            }),
            Self::Spawn { source, .. } => hint_of_room(source),
            Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("name a file that is there, or an address `postgresql://…`".to_owned())
            }
            Self::File { source, .. } => hint_of_room(source),
            Self::Failed { last_lines, .. } if is_of_disk(last_lines) => Some(MAKE_ROOM.to_owned()),
            Self::Failed { last_lines, .. } if is_of_network(last_lines) => Some(
                "see that the server runs there and takes connections, then run the same command again"
                    .to_owned(),
            ),
            Self::Failed { last_lines, .. } => {
                LoadFailure::find(&last_lines.join("\n")).and_then(|failure| failure.hint(&os_release()))
            }
            Self::RowsDiffer { .. } => {
                Some("nothing was changed; end what writes to it and run the same command again".to_owned())
            }
            Self::NoRoom { .. } => Some(MAKE_ROOM.to_owned()),
            Self::Refused { hint, .. } => Some(hint.clone()),
        }
    }

    /// Returns the exit code of the program.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Cluster(error) => error.exit_code(),
            Self::NoClients { .. } => Exit::NotFound,
            Self::Spawn { source, .. } => Exit::of_io(source),
            Self::Failed { last_lines, .. } if is_of_disk(last_lines) => Exit::Disk,
            Self::Failed { last_lines, .. } if is_of_network(last_lines) => Exit::Network,
            Self::Failed { .. } | Self::Refused { .. } => Exit::Failed,
            Self::RowsDiffer { .. } => Exit::Integrity,
            Self::NoRoom { .. } => Exit::Disk,
            Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound => Exit::NotFound,
            Self::File { source, .. } => Exit::of_io(source),
        }
    }
}

const RESTRICTS: &str = " that knows `\\restrict` (18, 17.6, 16.10, 15.14 or later)";
const MAKE_ROOM: &str = "make room (`ampup prune` lists what can go) and run the same command again";

fn is_of_disk(last_lines: &[String]) -> bool {
    last_lines
        .iter()
        .any(|line| line.contains("No space left on device"))
}

/// Returns true if a server could not be reached, judged by libpq's messages. A server that refuses says FATAL.
fn is_of_network(last_lines: &[String]) -> bool {
    last_lines.iter().any(|line| {
        line.contains("could not translate host name")
            || line.contains("connection to server at ")
                && line.contains(" failed: ")
                && !line.contains("FATAL:")
    })
}

/// ` of PostgreSQL 15 to 18`; nothing where any will do.
fn ranged(majors: &RangeInclusive<u64>) -> String {
    match (majors.start(), majors.end()) {
        (0, &u64::MAX) => String::new(),
        (low, high) if low == high => format!(" of PostgreSQL {low}"),
        (0, high) => format!(" of PostgreSQL {high} or lower"),
        (low, high) => format!(" of PostgreSQL {low} to {high}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_program_failed_decides_the_hint_and_the_code() {
        let failed = |said: &str| TransferError::failed("psql".to_owned(), ExitStatus::default(), said);
        let full = failed("ERROR:  could not extend file \"base/5/1\": No space left on device\n");
        assert_eq!(full.exit_code(), Exit::Disk);
        assert!(full.hint().is_some_and(|hint| hint.contains("make room")));
        for (said, code) in [
            (
                "connection to server at \"::1\", port 1 failed: timeout expired",
                Exit::Network,
            ),
            (
                "connection to server at \"h\", port 1 failed: FATAL:  no password",
                Exit::Failed,
            ),
            (
                "psql: error: could not translate host name \"h\" to address",
                Exit::Network,
            ),
        ] {
            assert_eq!(failed(said).exit_code(), code, "{said}");
        }
        assert_eq!(failed("ERROR:  syntax error\n").hint(), None);
    }
}
