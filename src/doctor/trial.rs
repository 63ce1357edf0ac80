//! ampd's own two command lines, tried in a scratch directory: what no reading can tell.

use std::{
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use is_executable::is_executable;

use super::Finding;
use crate::{
    children::Interrupt,
    env::Env,
    fs::{
        atomic, entries,
        lock::{self, Lock},
    },
    postgres::{
        identity::servers_of,
        run::tether::Tether,
        user::{OsUser, current_uid},
    },
};

/// The time that a server is given to answer; ampd gives it thirty seconds.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The socket where ampd waits for its server, whatever PGPORT says.
const SOCKET: &str = ".s.PGSQL.5432";

/// The name of the scratch directory is as long as `.amp`, so that the path of the socket is.
const PREFIX: &str = ".a";
const RANDOM: usize = 2;

/// The file in it that says whose it is, and is locked while it is tried.
const MARK: &str = "ampup-doctor";

/// The scratch directories that killed trials left in a directory: no server works in them.
pub fn abandoned(place: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut found = entries(place);
    found.retain(|path| {
        let is_named = path
            .file_name()
            .is_some_and(|name| name.starts_with(PREFIX) && name.len() == PREFIX.len() + RANDOM);
        let has_server = || servers_of(&path.join("metadb")).map_or(true, |servers| !servers.is_empty());
        let mark = path.join(MARK);
        let is_left = || lock::is_left(&mark) || atomic::is_old(path);
        is_named && mark.is_file() && is_left() && !has_server()
    });
    found
}

/// Runs `initdb` and `postgres` from PATH as ampd does, in a scratch directory beside the project's Amp directory, and says
/// what went wrong. They end with us, however we end. Nothing is tried where they are not on PATH, or as root, whom they refuse.
pub(super) fn check(amp_dir: &Utf8Path, env: &Env, interrupt: &Interrupt) -> Vec<Finding> {
    let (Some(initdb), Some(postgres)) = (on_path("initdb", env), on_path("postgres", env)) else {
        return Vec::new();
    };
    let is_nobody = OsUser::current().is_err();
    let Some(place) = amp_dir.ancestors().find(|path| path.is_dir()) else {
        return Vec::new();
    };
    if current_uid() == 0 || is_nobody {
        return Vec::new();
    }
    for left in abandoned(place) {
        let _ = fs::remove_dir_all(left);
    }
    // A directory in which nothing can be made is found by whoever looks at the project.
    let Ok(scratch) = tempfile::Builder::new()
        .prefix(PREFIX)
        .rand_bytes(RANDOM)
        .tempdir_in(place)
    else {
        return Vec::new();
    };
    let Some(scratch) = Utf8Path::from_path(scratch.path()) else {
        return Vec::new();
    };
    let Ok(Some(_lock)) = Lock::try_acquire(&scratch.join(MARK)) else {
        return Vec::new();
    };
    let cluster = scratch.join("metadb");
    let failed =
        try_initdb(&initdb, &cluster, interrupt).or_else(|| try_postgres(&postgres, &cluster, interrupt));
    failed
        .map(|why| {
            Finding::warning(
                "trial",
                format!("plain `ampd solo` cannot start a database here: {why}"),
                "`ampup run ampd solo`, which keeps these variables from the server, or mend that",
            )
        })
        .into_iter()
        .collect()
}

fn on_path(name: &str, env: &Env) -> Option<Utf8PathBuf> {
    let files = env
        .search_path()
        .into_iter()
        .map(|directory| directory.join(name));
    files.into_iter().find(|file| is_executable(file))
}

/// Makes a cluster; gives what went wrong.
fn try_initdb(program: &Utf8Path, cluster: &Utf8Path, interrupt: &Interrupt) -> Option<String> {
    let mut command = Command::new(program);
    command
        .args(["-D", cluster.as_str()])
        .args(["--locale=C", "--encoding=UTF8", "--auth=trust", "--no-sync"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let started = interrupt.start(&mut command);
    match started.and_then(|(child, _enlisted)| child.wait_with_output()) {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("`{program}`: {}", last_line(&output.stderr))),
        Err(cause) => Some(format!("`{program}`: {cause}")),
    }
}

/// Starts a server on it, waits until it answers, and stops it; gives what went wrong. Nothing is tried where it could not
/// be tied to us.
fn try_postgres(program: &Utf8Path, cluster: &Utf8Path, interrupt: &Interrupt) -> Option<String> {
    let log = cluster.join("log.txt");
    let file = fs::File::create(&log).ok()?;
    let tether = Tether::new(cluster, None).ok()?;
    let mut command = Command::new(program);
    command
        .args(["-D", cluster.as_str(), "-k", cluster.as_str(), "-h", ""])
        .args(["-c", "autovacuum=off", "-c", "fsync=off"])
        .args(["-c", "full_page_writes=off", "-c", "synchronous_commit=off"])
        .args(["-c", tether.setting()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::from(file.into_parts().0));
    let failed = match interrupt.start(&mut command) {
        Ok((mut server, _enlisted)) => {
            let failed = has_failed(&mut server, cluster);
            stop(&mut server);
            failed.map(|why| match why {
                Failure::Ended => last_line(&fs::read(&log).unwrap_or_default()),
                Failure::Silent => format!("it makes no socket `{SOCKET}`"),
            })
        }
        Err(cause) => Some(cause.to_string()),
    };
    tether.release();
    failed.map(|why| format!("`{program}`: {why}"))
}

/// The reason that a server does not answer.
enum Failure {
    Ended,
    Silent,
}

/// Waits until a server answers.
fn has_failed(server: &mut Child, cluster: &Utf8Path) -> Option<Failure> {
    let socket = cluster.join(SOCKET);
    let until = Instant::now() + TIMEOUT;
    loop {
        if UnixStream::connect(&socket).is_ok() {
            return None;
        }
        if let Ok(Some(_)) = server.try_wait() {
            return Some(Failure::Ended);
        }
        if Instant::now() > until {
            return Some(Failure::Silent);
        }
        thread::sleep(Duration::from_millis(10));
    }
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

/// The last line that says something: PostgreSQL ends with hints of its own.
fn last_line(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let mut lines = text.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let telling = ["FATAL", "error:", "PANIC"];
    let all: Vec<&str> = lines.by_ref().collect();
    all.iter()
        .find(|line| telling.iter().any(|word| line.contains(word)))
        .or(all.first())
        .map_or_else(|| "it ended without a word".to_owned(), |line| (*line).to_owned())
}
