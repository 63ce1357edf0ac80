//! ampd's own two command lines, tried in a scratch directory: what no reading can tell.

use std::{
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use is_executable::is_executable;

use super::{
    Finding, complaint,
    scratch::{self, Scratch},
    watchdog::Watchdog,
};
use crate::{
    children::Interrupt,
    env::Env,
    fs::link,
    layout::Layout,
    postgres::{
        host_fault::HostFault,
        loading::LoadFailure,
        observe::{
            endpoint::Socket,
            sql_session::{Answer, connect_with},
        },
        program::bare_command,
        user::{OsUser, current_uid},
    },
};

/// The time that a server is given to answer; ampd gives it thirty seconds.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A server's next word is waited for as long.
const ANSWER: Duration = Duration::from_secs(5);

/// The first work of ampd in a new database, in short.
const MIGRATION: &str = "create table tried (number int)";

/// The socket where ampd waits for its server, whatever PGPORT says.
const SOCKET: &str = ".s.PGSQL.5432";

/// Runs `initdb` and `postgres` from PATH as ampd does, in a scratch directory beside the project's Amp directory, and says
/// what went wrong. They end with us, however we end. Nothing is tried where they are not on PATH, or as root, whom they refuse.
pub(super) fn check(amp_dir: &Utf8Path, layout: &Layout, env: &Env, interrupt: &Interrupt) -> Vec<Finding> {
    let programs = on_path("initdb", env).zip(on_path("postgres", env));
    let place = amp_dir.ancestors().find(|path| path.is_dir());
    let (Some((initdb, postgres)), Some(place), Ok(user)) = (programs, place, OsUser::current()) else {
        return Vec::new();
    };
    if current_uid() == 0 {
        return Vec::new();
    }
    for left in scratch::abandoned(place) {
        let _ = fs::remove_dir_all(left);
    }
    let trial = Trial {
        initdb,
        postgres,
        place,
        user,
        options: env.var("PGOPTIONS").unwrap_or_default(),
        interrupt,
    };
    let finding = trial
        .failure(Surroundings::AsTheyAre)
        .map(|failure| match failure {
            Failure::Session(why) if !trial.options.is_empty() => Finding::warning(
                "PGOPTIONS",
                format!(
                    "it is set to `{}`: ampd's sessions begin with these options, and none can work: {why}",
                    trial.options.escape_debug()
                ),
                "`unset PGOPTIONS`, or `ampup run ampd solo`",
            ),
            failure => trial.finding(&failure, layout, env),
        });
    finding.into_iter().collect()
}

fn on_path(name: &str, env: &Env) -> Option<Utf8PathBuf> {
    let files = env
        .search_path()
        .into_iter()
        .map(|directory| directory.join(name));
    files.into_iter().find(|file| is_executable(file))
}

/// The programs that are tried, and where.
struct Trial<'a> {
    initdb: Utf8PathBuf,
    postgres: Utf8PathBuf,
    place: &'a Utf8Path,
    user: OsUser,
    /// The options that ampd's sessions begin with.
    options: &'a str,
    interrupt: &'a Interrupt,
}

/// The environment that a program gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Surroundings {
    /// The one that ampd would hand on.
    AsTheyAre,
    /// That of `ampup run`'s server, in which no variable of the user's is.
    Bare,
}

/// The reason that plain ampd would have no database.
enum Failure {
    /// A program ended with this output.
    Ended(Utf8PathBuf, String),
    /// A program could not be started.
    Spawn(Utf8PathBuf, String),
    /// The server makes no socket.
    Silent(Utf8PathBuf),
    /// No session opens, or it can make no table.
    Session(String),
}

impl Trial<'_> {
    /// Makes a cluster and starts a server on it; gives what went wrong. A directory in which nothing can be made is found by
    /// whoever looks at the project.
    fn failure(&self, surroundings: Surroundings) -> Option<Failure> {
        let scratch = Scratch::make(self.place)?;
        let cluster = scratch.cluster();
        // Nothing is tried where it could not be tied to us.
        let mut watchdog = Watchdog::over(scratch.path()).ok()?;
        let failure = self
            .try_initdb(&cluster, surroundings, &mut watchdog)
            .or_else(|| self.try_postgres(&cluster, surroundings, &mut watchdog));
        // Should we end meanwhile, the watchdog goes on with it.
        drop(scratch);
        failure
    }

    /// The failure in words, with what mends it.
    fn finding(&self, failure: &Failure, layout: &Layout, env: &Env) -> Finding {
        let (program, why) = match failure {
            Failure::Ended(program, output) => (program, self.reason(output)),
            Failure::Spawn(program, why) => (program, why.clone()),
            Failure::Silent(program) => (program, format!("it makes no socket `{SOCKET}`")),
            Failure::Session(why) => (&self.postgres, why.clone()),
        };
        let text = format!("plain `ampd solo` cannot start a database here: `{program}`: {why}");
        let variables = suspects(env);
        if !variables.is_empty() && self.failure(Surroundings::Bare).is_none() {
            let quoted: Vec<String> = variables.iter().map(|name| format!("`{name}`")).collect();
            return Finding::warning(
                "trial",
                format!("{text}; it can without {}", quoted.join(", ")),
                format!(
                    "`unset {}`, or `ampup run ampd solo`, which keeps them from the server",
                    variables.join(" ")
                ),
            );
        }
        let is_ours = || {
            let (program, trees) = (link::real(program), link::real(&layout.components()));
            matches!((program, trees), (Ok(program), Ok(trees)) if program.starts_with(&trees))
        };
        let is_of_host = matches!(failure, Failure::Ended(_, output) if fault_of_host(output));
        let remedy = if is_of_host || !is_ours() {
            "mend that, or `ampup run ampd solo`"
        } else {
            "`ampup verify` says whether its files are as they were installed, or `ampup run ampd solo`"
        };
        Finding::warning("trial", text, remedy)
    }

    /// The reason in a program's output. initdb says of a postgres that does not load that it is not there, so postgres itself
    /// is asked.
    fn reason(&self, output: &str) -> String {
        if output.contains("program \"postgres\" is needed by") {
            let mut version = Command::new(&self.postgres);
            version.arg("--version");
            let answer = self.run(&mut version, None);
            let said = answer.map(|answer| String::from_utf8_lossy(&answer.stderr).into_owned());
            if let Some(failure) = said.ok().and_then(|said| LoadFailure::find(&said)) {
                return failure.to_string();
            }
        }
        if let Some(failure) = LoadFailure::find(output) {
            return failure.to_string();
        }
        let lines = || output.lines().map(str::trim).filter(|line| !line.is_empty());
        complaint::first(lines(), complaint::ERRORS)
            .or_else(|| lines().next_back().map(str::to_owned))
            .unwrap_or_else(|| "it ended without a word".to_owned())
    }

    fn run(&self, command: &mut Command, mut watchdog: Option<&mut Watchdog>) -> std::io::Result<Output> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let (child, _enlisted) = self.interrupt.start(command)?;
        if let Some(watchdog) = &mut watchdog {
            watchdog.watch(Some(child.id()));
        }
        let output = child.wait_with_output();
        if let Some(watchdog) = watchdog {
            watchdog.watch(None);
        }
        output
    }

    fn try_initdb(
        &self,
        cluster: &Utf8Path,
        surroundings: Surroundings,
        watchdog: &mut Watchdog,
    ) -> Option<Failure> {
        let program = || self.initdb.clone();
        let mut command = surroundings.command(&self.initdb);
        command.args(["-D", cluster.as_str()]).args([
            "--locale=C",
            "--encoding=UTF8",
            "--auth=trust",
            "--no-sync",
        ]);
        match self.run(&mut command, Some(watchdog)) {
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(Failure::Ended(
                program(),
                String::from_utf8_lossy(&output.stderr).into_owned(),
            )),
            Err(cause) => Some(Failure::Spawn(program(), cause.to_string())),
        }
    }

    /// Starts a server on it, waits until it takes a session, and stops it.
    fn try_postgres(
        &self,
        cluster: &Utf8Path,
        surroundings: Surroundings,
        watchdog: &mut Watchdog,
    ) -> Option<Failure> {
        let log = cluster.join("log.txt");
        let file = fs::File::create(&log).ok()?;
        let mut command = surroundings.command(&self.postgres);
        command
            .args(["-D", cluster.as_str(), "-k", cluster.as_str(), "-h", ""])
            .args(["-c", "autovacuum=off", "-c", "fsync=off"])
            .args(["-c", "full_page_writes=off", "-c", "synchronous_commit=off"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(file.into_parts().0));
        let program = || self.postgres.clone();
        match self.interrupt.start(&mut command) {
            Ok((mut server, _enlisted)) => {
                watchdog.watch(Some(server.id()));
                let failed = self.until_served(&mut server, cluster, &log);
                stop(&mut server);
                watchdog.watch(None);
                failed
            }
            Err(cause) => Some(Failure::Spawn(program(), cause.to_string())),
        }
    }

    /// Waits until a server takes a session as ampd's, and does ampd's first work in it.
    fn until_served(&self, server: &mut Child, cluster: &Utf8Path, log: &Utf8Path) -> Option<Failure> {
        let socket = Socket::new(cluster.to_owned());
        let until = Instant::now() + TIMEOUT;
        loop {
            match connect_with(self.options, &socket, &self.user.name, ANSWER) {
                Answer::Ready(mut session) => {
                    let made = session.query(MIGRATION);
                    return made.err().map(|cause| Failure::Session(cause.to_string()));
                }
                Answer::Refused { message, .. } => return Some(Failure::Session(message)),
                Answer::NotYet(_) | Answer::Nobody => {}
            }
            if let Ok(Some(_)) = server.try_wait() {
                let output = fs::read(log).unwrap_or_default();
                let output = String::from_utf8_lossy(&output).into_owned();
                return Some(Failure::Ended(self.postgres.clone(), output));
            }
            if Instant::now() > until {
                return Some(Failure::Silent(self.postgres.clone()));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Surroundings {
    fn command(self, program: &Utf8Path) -> Command {
        match self {
            Self::AsTheyAre => Command::new(program),
            Self::Bare => bare_command(program, None),
        }
    }
}

/// The variables by which PostgreSQL's programs, or the libraries that they load, become others.
fn suspects(env: &Env) -> Vec<String> {
    let names = env.variables().filter_map(|(name, _)| name.to_str());
    let mut names: Vec<String> = names
        .filter(|name| ["LD_", "DYLD_", "PG"].iter().any(|begin| name.starts_with(begin)))
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

fn fault_of_host(output: &str) -> bool {
    let lines: Vec<String> = output.lines().map(str::to_owned).collect();
    HostFault::find(&lines).is_some()
}

/// An immediate shutdown: nothing in it is worth keeping.
fn stop(server: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = i32::try_from(server.id()).ok().and_then(Pid::from_raw);
    if pid.is_none_or(|pid| kill_process(pid, Signal::QUIT).is_err()) {
        let _ = server.kill();
    }
    let _ = server.wait();
}
