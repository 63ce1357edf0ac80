//! Why rows were not moved.

use std::{io, ops::RangeInclusive, process::ExitStatus};

use camino::Utf8PathBuf;

use crate::{
    event::sized,
    exit::{Exit, hint_of_room},
    postgres::ClusterError,
};

/// Why rows were not moved.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// A cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Not every build of PostgreSQL has its client programs.
    #[error(
        "no {names} of PostgreSQL {} is installed or in PATH{}",
        ranged(.majors),
        .searched.iter().map(|place| format!("\n  not in `{place}`")).collect::<String>()
    )]
    NoClients {
        /// The programs.
        names: String,
        /// Of which majors they must be.
        majors: RangeInclusive<u64>,
        /// Where they are not.
        searched: Vec<Utf8PathBuf>,
    },
    /// A program cannot be run.
    #[error("cannot run `{program}`")]
    Spawn {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A program failed.
    #[error("`{program}` failed ({status}){}", .last_lines.iter().map(|line| format!("\n  {line}")).collect::<String>())]
    Failed {
        /// Which.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said last.
        last_lines: Vec<String>,
    },
    /// Not everything came.
    #[error("database `{database}` has other rows after the move: `{expected}` became `{found}`")]
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
        /// How much it is.
        needed: u64,
        /// How much there is.
        free: u64,
    },
    /// There is nothing to do it with, or no sense in it.
    #[error("{message}")]
    Refused {
        /// What is the case.
        message: String,
        /// What would work.
        hint: String,
    },
    /// A file that the user named.
    #[error("cannot read `{path}`")]
    File {
        /// The file.
        path: Utf8PathBuf,
        /// Why not.
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
            Self::NoClients { majors, .. } => Some(format!(
                "install the client programs of PostgreSQL {}, and put them in PATH",
                majors.end()
            )),
            Self::Spawn { source, .. } => hint_of_room(source),
            Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("name a file that is there, or an address `postgresql://…`".to_owned())
            }
            Self::File { source, .. } => hint_of_room(source),
            Self::Failed { last_lines, .. } if is_of_disk(last_lines) => Some(MAKE_ROOM.to_owned()),
            // What a later minor release of a server keeps, and an earlier pg_dump does not know.
            Self::Failed { last_lines, .. }
                if last_lines.iter().any(|line| line.contains("unrecognized parameter")) =>
            {
                Some(
                    "pg_dump was older than the server that it read: put that server's own into PATH, or import a file that it wrote"
                        .to_owned(),
                )
            }
            Self::Failed { .. } => None,
            Self::RowsDiffer { .. } => {
                Some("nothing was changed; end what writes to it and run the same command again".to_owned())
            }
            Self::NoRoom { .. } => Some(MAKE_ROOM.to_owned()),
            Self::Refused { hint, .. } => Some(hint.clone()),
        }
    }

    /// How the program ends.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Cluster(error) => error.exit_code(),
            Self::NoClients { .. } => Exit::NotFound,
            Self::Spawn { source, .. } => Exit::of_io(source),
            Self::Failed { last_lines, .. } if is_of_disk(last_lines) => Exit::Disk,
            Self::Failed { .. } | Self::Refused { .. } => Exit::Failed,
            Self::RowsDiffer { .. } => Exit::Integrity,
            Self::NoRoom { .. } => Exit::Disk,
            Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound => Exit::NotFound,
            Self::File { source, .. } => Exit::of_io(source),
        }
    }
}

const MAKE_ROOM: &str = "make room (`ampup prune` lists what can go) and run the same command again";

fn is_of_disk(last_lines: &[String]) -> bool {
    last_lines
        .iter()
        .any(|line| line.contains("No space left on device"))
}

fn ranged(majors: &RangeInclusive<u64>) -> String {
    match (majors.start(), majors.end()) {
        (low, high) if low == high => low.to_string(),
        (0, high) => format!("{high} or lower"),
        (low, high) => format!("{low} to {high}"),
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
        let older = failed("ERROR:  unrecognized parameter \"pg_attver\"\n");
        assert_eq!(older.exit_code(), Exit::Failed);
        assert!(
            older
                .hint()
                .is_some_and(|hint| hint.contains("older than the server"))
        );
        assert_eq!(failed("ERROR:  syntax error\n").hint(), None);
    }
}
