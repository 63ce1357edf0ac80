//! PostgreSQL's client programs: where they are, and how they are run.

use std::{
    ops::RangeInclusive,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};

use super::DumpError;
use crate::{
    children::{Enlisted, Interrupt},
    env::Env,
    locate::Located,
    postgres::{
        Cluster, ClusterError, Server,
        observe::endpoint::Socket,
        packaged::{self, version_in},
        program,
        user::OsUser,
    },
};

/// Major and minor: 15 and 20.
pub type Version = (u64, u64);

/// A directory with programs of one version.
#[derive(Debug, Clone)]
pub struct Clients {
    directory: Utf8PathBuf,
    version: Version,
    run_as: Option<OsUser>,
    home: Option<Utf8PathBuf>,
    interrupt: Interrupt,
}

/// Which programs are looked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Their names: all must be in one directory, so that each understands what another writes.
    pub names: &'static [&'static str],
    /// The majors that would do.
    pub majors: RangeInclusive<u64>,
    /// The server that they are for.
    pub server: Version,
    /// Only a psql that knows `\restrict`, which keeps a dump from running programs here.
    pub restricts: bool,
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
        /// Where it is, for people.
        host: String,
        /// The time for which it may be silent, also while a session is opened.
        limit: Duration,
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
            Self::Address {
                address,
                password,
                limit,
                ..
            } => {
                command
                    .args(["-d", address])
                    .env("PGCONNECT_TIMEOUT", limit.as_secs().to_string());
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

impl Clients {
    /// Finds programs: a component's, else PATH's.
    ///
    /// Of the majors that would do, the one nearest to the server's is taken, which is its own where that is to be had, and
    /// there, before all, a version that is not older than the server: a minor release may keep something in its catalogues
    /// that only a pg_dump of its time leaves out of a dump.
    ///
    /// # Errors
    /// When they are nowhere.
    pub fn find(
        wanted: &Wanted,
        cluster: &Cluster,
        env: &Env,
        run_as: Option<&OsUser>,
    ) -> Result<Self, DumpError> {
        let Wanted {
            names,
            majors,
            server,
            restricts,
        } = wanted;
        let installed = cluster.locator().every_postgres().map_err(ClusterError::from)?;
        let has_all = |directory: &Utf8Path| names.iter().all(|name| program_in(directory, name).is_file());
        let clients = |directory: Utf8PathBuf, version| Self {
            directory,
            version,
            run_as: run_as.cloned(),
            home: env.user_home().map(Utf8Path::to_owned),
            interrupt: cluster.interrupt().clone(),
        };
        let components = installed
            .iter()
            .filter(|located| has_all(&located.tree.join("bin")))
            .map(|located| clients(located.tree.join("bin"), version_of(located)));
        // Where a server of the system's is, its own programs are too.
        let packaged = std::iter::once_with(|| packaged::programs(server.0, cluster.interrupt()))
            .flatten()
            .filter(|located| has_all(&located.tree.join("bin")))
            .map(|located| clients(located.tree.join("bin"), version_of(&located)));
        let in_path = env
            .search_path()
            .into_iter()
            .filter(|directory| directory.is_absolute() && has_all(directory))
            .filter_map(|directory| {
                // psql alone would say little: a wrapper may choose each program's version for itself.
                let mut found = names
                    .iter()
                    .map(|name| version(&program_in(&directory, name), cluster.interrupt()));
                let version = found.next()??;
                found
                    .all(|other| other == Some(version))
                    .then(|| clients(directory, version))
            });
        let mut best: Option<Self> = None;
        let mut broken = None;
        for clients in components.chain(packaged).chain(in_path) {
            let is_better = best
                .as_ref()
                .is_none_or(|best| rank(clients.version, *server) < rank(best.version, *server));
            let would_do =
                majors.contains(&clients.version.0) && (!restricts || knows_restrict(clients.version));
            if would_do && is_better {
                // They may want a library that this host lacks, as a slim image lacks psql's.
                if let Err(failure) = clients.ensure_run(names) {
                    broken.get_or_insert(failure);
                    continue;
                }
                let is_best = rank(clients.version, *server) == (0, false);
                best = Some(clients);
                // PATH's programs are not even run then.
                if is_best {
                    break;
                }
            }
        }
        best.ok_or_else(|| {
            broken.unwrap_or_else(|| DumpError::NoClients {
                names: names.join(", "),
                majors: majors.clone(),
                restricts: *restricts,
                searched: installed.iter().map(|located| located.tree.join("bin")).collect(),
            })
        })
    }

    /// Their version.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    fn ensure_run(&self, names: &[&str]) -> Result<(), DumpError> {
        for name in names {
            let mut command = self.unconnected(name);
            command
                .arg("--version")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            Running::start(command, &self.interrupt)?.output()?;
        }
        Ok(())
    }

    /// The handle that ends them.
    pub(crate) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// A program, connected to this database of this server. Nothing of our environment reaches it but where the user's
    /// `.pgpass` is.
    pub fn command(&self, name: &str, side: &Side, database: &str) -> Command {
        let mut command = self.unconnected(name);
        command.env("PGCLIENTENCODING", "UTF8");
        if let Some(home) = &self.home {
            command.env("HOME", home);
        }
        side.name(database, &mut command);
        command
    }

    /// A program that is to connect to nothing.
    pub(crate) fn unconnected(&self, name: &str) -> Command {
        program::bare_command(&program_in(&self.directory, name), self.run_as.as_ref())
    }

    /// psql, which stops at the first error and reads no settings of the user's.
    pub fn psql(&self, side: &Side, database: &str) -> Command {
        let mut command = self.command("psql", side, database);
        command.args(["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1"]);
        command
    }

    /// psql, started and waiting for statements. All that it says is to be read.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn session(&self, side: &Side, database: &str) -> Result<Running, DumpError> {
        let mut command = self.psql(side, database);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Running::start(command, &self.interrupt)
    }

    /// Returns psql's output for these statements.
    ///
    /// # Errors
    /// When it fails.
    pub fn ask(&self, side: &Side, database: &str, statements: &str) -> Result<String, DumpError> {
        let mut psql = self.session(side, database)?;
        if let Some(mut stdin) = psql.child.stdin.take() {
            // A program that ends before it has read all of it tells why by itself.
            let _ = std::io::Write::write_all(&mut stdin, statements.as_bytes());
        }
        Ok(String::from_utf8_lossy(&psql.output()?).into_owned())
    }
}

/// A program that was started, and that ends with us, like all that it starts: pg_dumpall starts pg_dump.
pub(crate) struct Running {
    /// It.
    pub(crate) child: Child,
    /// Its path.
    pub(crate) program: String,
    /// Dropped when it was waited for.
    pub(crate) enlisted: Enlisted,
}

impl Running {
    /// Returns all of its output.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub(crate) fn output(self) -> Result<Vec<u8>, DumpError> {
        let Self {
            child,
            program,
            enlisted,
        } = self;
        let output = child.wait_with_output().map_err(|source| DumpError::Spawn {
            program: program.clone(),
            source,
        })?;
        drop(enlisted);
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(DumpError::failed(program, output.status, &said))
    }

    /// Starts it.
    pub(crate) fn start(mut command: Command, interrupt: &Interrupt) -> Result<Self, DumpError> {
        let program = command.get_program().to_string_lossy().into_owned();
        match interrupt.start(&mut command) {
            Ok((child, enlisted)) => Ok(Self {
                child,
                program,
                enlisted,
            }),
            Err(source) => Err(DumpError::Spawn { program, source }),
        }
    }
}

fn program_in(directory: &Utf8Path, name: &str) -> Utf8PathBuf {
    directory.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Returns true if psql of this version knows `\restrict` (<https://www.postgresql.org/support/security/CVE-2025-8714/>).
fn knows_restrict((major, minor): Version) -> bool {
    let since = match major {
        18.. => 0,
        17 => 6,
        16 => 10,
        15 => 14,
        14 => 19,
        13 => 22,
        _ => return false,
    };
    minor >= since
}

/// Ranks programs for a server: the lower the better.
fn rank(programs: Version, server: Version) -> (u64, bool) {
    (programs.0.abs_diff(server.0), programs < server)
}

/// The version of a component.
pub fn version_of(located: &Located) -> Version {
    let version = located.name.version();
    (version.major, version.minor)
}

/// Returns the version that a program reports.
pub(crate) fn version(program: &Utf8Path, interrupt: &Interrupt) -> Option<Version> {
    let mut command = program::bare_command(program, None);
    command
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let (child, _enlisted) = interrupt.start(&mut command).ok()?;
    let output: Output = child.wait_with_output().ok()?;
    version_in(&String::from_utf8_lossy(&output.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn a_servers_own_programs_are_the_best_for_it() {
        let from_best = [(15, 20), (15, 18), (16, 2), (18, 4)];
        assert!(from_best.is_sorted_by_key(|programs| rank(*programs, (15, 20))));
        assert_eq!(rank((15, 21), (15, 20)), rank((15, 20), (15, 20)));
    }

    #[test]
    fn psql_knows_restrict_since_a_minor_release_of_each_major() {
        let rows = [
            ((12, 22), false),
            ((13, 22), true),
            ((15, 13), false),
            ((15, 14), true),
            ((16, 2), false),
            ((18, 0), true),
            ((19, 0), true),
        ];
        every(rows, |(version, knows)| {
            assert_eq!(knows_restrict(version), knows, "{version:?}");
        });
    }

    #[test]
    fn a_server_that_the_user_named_has_a_time_limit() {
        let side = Side::Address {
            address: "postgresql://h/d".to_owned(),
            password: None,
            host: "h".to_owned(),
            limit: Duration::from_secs(15),
        };
        let mut command = Command::new("psql");
        side.name("", &mut command);
        let limit = command
            .get_envs()
            .find(|(name, _)| *name == "PGCONNECT_TIMEOUT")
            .and_then(|(_, value)| value);
        assert_eq!(limit, Some("15".as_ref()));
    }
}
