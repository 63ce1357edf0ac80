//! PostgreSQL's client programs: where they are, and how they are run.

use std::{
    ops::RangeInclusive,
    process::{Command, Stdio},
};

use camino::{Utf8Path, Utf8PathBuf};

use super::TransferError;
use crate::{
    env::Env,
    postgres::{Cluster, ClusterError, Server, program, socket::Socket, user::User},
};

/// A directory with programs of one major.
#[derive(Debug, Clone)]
pub struct Tools {
    directory: Utf8PathBuf,
    /// Their major.
    pub major: u64,
    run_as: Option<User>,
    home: Option<Utf8PathBuf>,
}

/// A server that the programs connect to.
#[derive(Debug, Clone)]
pub enum Side {
    /// A project's: by its socket.
    Socket {
        /// The socket.
        socket: Socket,
        /// The superuser.
        user: String,
    },
    /// One that the user named.
    Address {
        /// Its address without a password.
        address: String,
        /// The password, which no list of processes shows.
        password: Option<String>,
    },
}

impl Side {
    /// The server of a project.
    pub fn of(server: &Server) -> Self {
        let evidence = server.evidence();
        Self::Socket {
            socket: evidence.socket.clone(),
            user: evidence.user.clone(),
        }
    }

    fn name(&self, database: &str, command: &mut Command) {
        match self {
            Self::Socket { socket, user } => {
                command
                    .args([
                        "-h",
                        socket.host.as_str(),
                        "-p",
                        &socket.port.to_string(),
                        "-U",
                        user,
                    ])
                    .args(["-d", &connection_string(database)]);
                if let Some(password) = &socket.password {
                    command.env("PGPASSWORD", password.reveal());
                }
            }
            Self::Address { address, password } => {
                command.args(["-d", address]);
                if let Some(password) = password {
                    command.env("PGPASSWORD", password);
                }
            }
        }
    }
}

/// A database's name may hold what libpq would read as an address.
fn connection_string(database: &str) -> String {
    format!("dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'"))
}

impl Tools {
    /// The programs of these names, all in one directory: the highest major of these that is installed, else PATH.
    ///
    /// # Errors
    /// When they are nowhere.
    pub fn find(
        names: &[&'static str],
        majors: &RangeInclusive<u64>,
        cluster: &Cluster,
        env: &Env,
        run_as: Option<&User>,
    ) -> Result<Self, TransferError> {
        let installed = cluster.locator().every_postgres().map_err(ClusterError::from)?;
        let has_all = |directory: &Utf8Path| names.iter().all(|name| program_in(directory, name).is_file());
        let tools = |directory: Utf8PathBuf, major| Self {
            directory,
            major,
            run_as: run_as.cloned(),
            home: env.user_home().map(Utf8Path::to_owned),
        };
        let component = installed
            .iter()
            .filter(|located| majors.contains(&located.major()))
            .find(|located| has_all(&located.tree.join("bin")));
        if let Some(located) = component {
            return Ok(tools(located.tree.join("bin"), located.major()));
        }
        env.search_path()
            .into_iter()
            .filter(|directory| directory.is_absolute() && has_all(directory))
            .filter_map(|directory| {
                // psql alone would say little: a wrapper may choose each program's version for itself.
                let mut found = names.iter().map(|name| version(&program_in(&directory, name)));
                let major = found.next()??;
                found
                    .all(|other| other == Some(major))
                    .then(|| tools(directory, major))
            })
            .find(|tools| majors.contains(&tools.major))
            .ok_or_else(|| TransferError::NoTools {
                names: names.join(", "),
                majors: majors.clone(),
                searched: installed.iter().map(|located| located.tree.join("bin")).collect(),
            })
    }

    /// A program, connected to this database of this server. Nothing of our environment reaches it but where the user's
    /// `.pgpass` is.
    pub fn command(&self, name: &str, side: &Side, database: &str) -> Command {
        let mut command = program::bare_command(&program_in(&self.directory, name), self.run_as.as_ref());
        command.env("PGCLIENTENCODING", "UTF8");
        if let Some(home) = &self.home {
            command.env("HOME", home);
        }
        side.name(database, &mut command);
        command
    }

    /// psql, which stops at the first error and reads no settings of the user's.
    pub fn psql(&self, side: &Side, database: &str) -> Command {
        let mut command = self.command("psql", side, database);
        command.args(["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1"]);
        command
    }

    /// What psql prints for these statements.
    ///
    /// # Errors
    /// When it fails.
    pub fn ask(&self, side: &Side, database: &str, statements: &str) -> Result<String, TransferError> {
        let mut command = self.psql(side, database);
        let program = self.directory.join("psql").to_string();
        let spawn = |source| TransferError::Spawn {
            program: program.clone(),
            source,
        };
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(spawn)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends before it has read all of it tells why by itself.
            let _ = std::io::Write::write_all(&mut stdin, statements.as_bytes());
        }
        let output = child.wait_with_output().map_err(spawn)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(TransferError::failed(program, output.status, &said))
    }
}

fn program_in(directory: &Utf8Path, name: &str) -> Utf8PathBuf {
    directory.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// `psql (PostgreSQL) 15.18 (Debian …)`: 15.
fn version(program: &Utf8Path) -> Option<u64> {
    let mut command = program::bare_command(program, None);
    command.arg("--version");
    let output = command.stdin(Stdio::null()).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = said
        .split_whitespace()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    number
        .split(|letter: char| !letter.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}
