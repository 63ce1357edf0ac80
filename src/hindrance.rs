//! Hindrances of this host that every build meets alike. They are looked for before a build is fetched, so that no build is
//! blamed for one.

#[cfg(unix)]
mod limits;

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use crate::{
    children,
    domain::component::Acceptance,
    fs::mounts::{self, Lack},
    postgres::user::{OsUser, UserError},
};

#[cfg(unix)]
pub use limits::{Limited, LowLimit};

/// Something of this host that no build can do without.
#[derive(Debug, thiserror::Error)]
pub enum Hindrance {
    /// No program there may run.
    #[error("`{place}` is on a file system that is mounted noexec: no program in it can run")]
    NoExec {
        /// Where programs would lie.
        place: Utf8PathBuf,
    },
    /// The file system keeps less than is needed.
    #[error("the file system of `{place}`{} keeps no {lack}", in_brackets(.kind))]
    FileSystem {
        /// Where it is.
        place: Utf8PathBuf,
        /// Its kind, where the system says so.
        kind: Option<String>,
        /// The thing that it cannot keep.
        lack: Lack,
    },
    /// PostgreSQL's programs name each other to a shell, in double quotes.
    #[error("the path `{}` has {sign}, and PostgreSQL's initdb cannot start the server from such a path", .place.as_str().escape_debug())]
    Path {
        /// Where the programs would lie.
        place: Utf8PathBuf,
        /// The sign, with its article.
        sign: &'static str,
    },
    /// Programs are started with it in place of what they neither read nor write.
    #[error("`/dev/null` cannot be used")]
    NoNull(#[source] io::Error),
    /// initdb starts the server through a shell.
    #[error("cannot run `/bin/sh`, which PostgreSQL's initdb needs")]
    NoShell(#[source] io::Error),
    /// Programs find the libraries beside them by it.
    #[error("`/proc` is not mounted, and PostgreSQL's programs find their libraries by it")]
    NoProc,
    /// The limit of the user, or of the container, is reached.
    #[error("no further process or thread can be started")]
    NoProcess(#[source] io::Error),
    /// This process may open no further file.
    #[error("no further file can be opened")]
    NoFile(#[source] io::Error),
    /// A limit of the process or the container is too low.
    #[error("{0}")]
    #[cfg(unix)]
    Limit(limits::LowLimit),
    /// There is nobody whom PostgreSQL could be run as.
    #[error(transparent)]
    User(#[from] UserError),
}

fn in_brackets(kind: &Option<String>) -> String {
    kind.as_ref().map(|kind| format!(" ({kind})")).unwrap_or_default()
}

/// Fails where something hinders components of this kind whose programs would lie in `place`, a directory that is there and
/// that we can write to.
///
/// # Errors
/// The first hindrance.
pub fn ensure_none(place: &Utf8Path, acceptance: Acceptance) -> Result<(), Hindrance> {
    let mut found = seen(place, acceptance);
    found.extend(tried(place, acceptance));
    found.into_iter().next().map_or(Ok(()), Err)
}

/// The hindrances that are seen without writing.
pub fn seen(place: &Utf8Path, acceptance: Acceptance) -> Vec<Hindrance> {
    let mut found = Vec::new();
    if mounts::forbids_programs(place) {
        found.push(Hindrance::NoExec {
            place: place.to_owned(),
        });
    }
    // Before what else fails for it, as a thread does whose stack is more than may be had.
    #[cfg(unix)]
    if acceptance == Acceptance::Postgres {
        found.extend(limits::low().map(Hindrance::Limit));
    }
    found.extend(children::ensure_thread().err().map(Hindrance::NoProcess));
    if acceptance == Acceptance::Postgres {
        found.extend(of_path(place));
        found.extend(of_postgres());
    }
    found
}

/// Signs that mean something in the double quotes in which initdb hands the server's path to a shell
/// (`find_other_exec` of PostgreSQL's `src/common/exec.c`).
fn of_path(place: &Utf8Path) -> Option<Hindrance> {
    let signs = [
        ('"', "a double quote"),
        ('`', "a backquote"),
        ('$', "a dollar sign"),
        ('\n', "a line break"),
        ('\r', "a line break"),
    ];
    let found = signs
        .into_iter()
        .find(|(sign, _)| cfg!(unix) && place.as_str().contains(*sign));
    found.map(|(_, sign)| Hindrance::Path {
        place: place.to_owned(),
        sign,
    })
}

/// The things that they need and that the file system of `place` does not keep, tried in a directory that is removed again. Where
/// nothing can be made, nothing is found: whoever writes there says why.
pub fn tried(place: &Utf8Path, acceptance: Acceptance) -> Vec<Hindrance> {
    let needed: &[Lack] = match acceptance {
        Acceptance::Version => &[Lack::Links, Lack::Execution],
        Acceptance::Postgres => &[Lack::Links, Lack::Permissions, Lack::Execution],
    };
    let lacks = mounts::lacks(place).unwrap_or_default();
    let finding = |lack| Hindrance::FileSystem {
        place: place.to_owned(),
        kind: mounts::kind_of(place),
        lack,
    };
    lacks
        .into_iter()
        .filter(|lack| needed.contains(lack))
        .map(finding)
        .collect()
}

#[cfg(unix)]
fn of_postgres() -> Vec<Hindrance> {
    use std::process::Stdio;

    use crate::postgres::program::bare_command;

    let mut found = Vec::new();
    if cfg!(target_os = "linux") && fs_err::read_link("/proc/self/exe").is_err() {
        found.push(Hindrance::NoProc);
    }
    if let Err(cause) = ensure_null() {
        found.push(Hindrance::NoNull(cause));
        return found;
    }
    let shell = bare_command("/bin/sh".into(), None)
        .args(["-c", ":"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match shell {
        Ok(status) if status.success() => {}
        Ok(status) => found.push(Hindrance::NoShell(io::Error::other(status.to_string()))),
        Err(cause) if cause.kind() == io::ErrorKind::WouldBlock || crate::fs::is_forbidden_call(&cause) => {
            found.push(Hindrance::NoProcess(cause));
        }
        Err(cause) if crate::fs::is_out_of_files(&cause) => found.push(Hindrance::NoFile(cause)),
        Err(cause) => found.push(Hindrance::NoShell(cause)),
    }
    found.extend(OsUser::for_postgres().err().map(Hindrance::User));
    found
}

/// Opens `/dev/null` as every program does; a container that was built carelessly has a file there, which root alone may write.
#[cfg(unix)]
fn ensure_null() -> io::Result<()> {
    std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map(drop)
}

#[cfg(not(unix))]
fn of_postgres() -> Vec<Hindrance> {
    OsUser::for_postgres()
        .err()
        .map(Hindrance::User)
        .into_iter()
        .collect()
}
