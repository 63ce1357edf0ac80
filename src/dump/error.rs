//! Errors of dump and restore.

use std::{io, ops::RangeInclusive, process::ExitStatus};

use camino::Utf8PathBuf;

use crate::{
    children::ended,
    event::{sized_down, sized_up},
    postgres::{ClusterError, observe::sql_session::WireError},
    shell,
};

/// The reason rows were not moved.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// A cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// There is no cluster.
    #[error("there is no database in `{0}`")]
    NoDatabase(Utf8PathBuf),
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
    /// No major reads what a later one wrote.
    #[error("the database was created by PostgreSQL {from} and cannot be downgraded to {to}")]
    Downgrade {
        /// The major that it is of.
        from: u64,
        /// The major that was asked for.
        to: u64,
        /// True if the one that it is of is installed.
        is_served: bool,
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
    #[error("`{program}` failed ({}){}", ended(.status), .last_lines.iter().map(|line| format!("\n  {line}")).collect::<String>())]
    Failed {
        /// Which.
        program: String,
        /// The exit status.
        status: ExitStatus,
        /// The last lines of its output.
        last_lines: Vec<String>,
    },
    /// A dump that this pg_restore does not know.
    #[error("`{program}` of PostgreSQL {version} is too old for this dump: {said}")]
    TooOld {
        /// Which.
        program: String,
        /// Its major.
        version: u64,
        /// Its words.
        said: String,
        /// The majors of those that may know it, and that an import into the project takes.
        majors: RangeInclusive<u64>,
    },
    /// A server of somebody else's.
    #[error("no answer from {host} for {seconds} s")]
    Silent {
        /// Where it is.
        host: String,
        /// For how long it was waited for.
        seconds: u64,
    },
    /// The connection to a server of somebody else's.
    #[error("the connection to {host} was lost{}", .last_lines.iter().map(|line| format!("\n  {line}")).collect::<String>())]
    Lost {
        /// Where it is.
        host: String,
        /// The last lines of the program that had it.
        last_lines: Vec<String>,
    },
    /// The rows of a database.
    #[error("cannot count the rows of database `{database}`")]
    Uncounted {
        /// Which.
        database: String,
        /// The cause.
        source: WireError,
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
    #[error("a second cluster needs about {} and `{amp_dir}` has {} free", sized_up(*needed), sized_down(*free))]
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

/// The words of pg_restore for an archive that a later pg_dump wrote.
const UNKNOWN_ARCHIVE: &str = "unsupported version (";

impl DumpError {
    pub(crate) fn failed(program: String, status: ExitStatus, said: &str) -> Self {
        Self::Failed {
            program,
            status,
            last_lines: last_lines(said),
        }
    }

    /// The same error, where it is said by a pg_restore of this version which does not know the dump; the project's PostgreSQL
    /// is of the major `project`.
    pub(crate) fn of_pg_restore(self, version: u64, project: u64) -> Self {
        let Self::Failed {
            program, last_lines, ..
        } = &self
        else {
            return self;
        };
        match last_lines.iter().find(|line| line.contains(UNKNOWN_ARCHIVE)) {
            Some(said) => Self::TooOld {
                program: program.clone(),
                version,
                said: said.trim_start_matches("pg_restore: error: ").to_owned(),
                majors: version.saturating_add(1)..=project,
            },
            None => self,
        }
    }

    /// The same error; with the statement that helps, where a privilege is on what the newer PostgreSQL does not have.
    pub(crate) fn with_privilege_back(self) -> Self {
        let Self::Failed { last_lines, .. } = &self else {
            return self;
        };
        match privilege_back(last_lines) {
            Some(statement) => Self::Refused {
                message: self.to_string(),
                hint: format!(
                    "the newer PostgreSQL has it with other arguments, or not at all: `ampup db psql -c {}` takes the privilege \
                     back (with `-d NAME` where it is in another database), then run the same command again",
                    shell::typed(&statement)
                ),
            },
            None => self,
        }
    }

    /// The failure of a program that was connected to a server of somebody else's.
    pub(crate) fn failed_at(host: &str, program: String, status: ExitStatus, said: &str) -> Self {
        if LOST.iter().any(|words| said.contains(words)) {
            Self::Lost {
                host: host.to_owned(),
                last_lines: last_lines(said),
            }
        } else {
            Self::failed(program, status, said)
        }
    }
}

/// The words of libpq for a connection that was there.
const LOST: [&str; 6] = [
    "server closed the connection unexpectedly",
    "could not receive data from server",
    "could not send data to server",
    "SSL connection has been closed unexpectedly",
    "SSL SYSCALL error",
    "terminating connection due to administrator command",
];

/// The first error of psql is the reason, and the last line of pg_dump is the query. Of the statements that psql was told to
/// say only one about privileges is kept, which holds no secret.
fn last_lines(said: &str) -> Vec<String> {
    let is_statement = |line: &&str| line.contains("STATEMENT:  ");
    let mut statements = said.lines().filter(is_statement);
    let statement = statements
        .next()
        .filter(|line| PRIVILEGES.iter().any(|words| line.contains(words)));
    let lines = said.lines().take_while(|line| !is_statement(line));
    let lines = lines.filter(|line| !line.trim().is_empty());
    let mut lines: Vec<&str> = lines.chain(statement).collect();
    // What is said again and again hides the reason.
    lines.dedup();
    lines.into_iter().take(8).map(str::to_owned).collect()
}

/// The statement that takes back a privilege on what is not there.
fn privilege_back(last_lines: &[String]) -> Option<String> {
    let is_missing = last_lines.iter().any(|line| line.contains("does not exist"));
    let (_, statement) = last_lines
        .last()
        .filter(|_| is_missing)?
        .split_once("STATEMENT:  ")?;
    let statement = statement.trim_end().trim_end_matches(';');
    let ways = [
        ("GRANT ", " TO ", "REVOKE ", " FROM "),
        ("REVOKE ", " FROM ", "GRANT ", " TO "),
    ];
    ways.into_iter().find_map(|(begin, middle, other, towards)| {
        let (what, whom) = statement.strip_prefix(begin)?.rsplit_once(middle)?;
        Some(format!("{other}{what}{towards}{whom}"))
    })
}

/// The beginnings of statements about privileges, as psql says which one failed.
pub(crate) const PRIVILEGES: [&str; 2] = ["STATEMENT:  GRANT ", "STATEMENT:  REVOKE "];

const RESTRICTS: &str = " that knows `\\restrict` (18, 17.6, 16.10, 15.14 or later)";

/// ` of PostgreSQL 15 to 18`; nothing where any will do.
fn ranged(majors: &RangeInclusive<u64>) -> String {
    match (majors.start(), majors.end()) {
        (0, &u64::MAX) => String::new(),
        (low, high) if low == high => format!(" of PostgreSQL {low}"),
        (0, high) => format!(" of PostgreSQL {high} or lower"),
        (low, high) => format!(" of PostgreSQL {low} to {high}"),
    }
}
