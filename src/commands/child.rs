//! A command run in our place: its input, output and exit code are ours, and signals go on to it. With a database, that
//! is started before and left after, however the command ends. Not a verb itself.

#[cfg(unix)]
mod signals;
#[cfg(windows)]
#[path = "child/console.rs"]
mod signals;

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::Arc,
};

use camino::{Utf8Path, Utf8PathBuf};
use is_executable::is_executable;

use self::signals::{Signal, Signals, asks_to_end, ended_by, number, pass_on};
use super::{
    Error, Session, client, database,
    error::Unused,
    installed::{damaged, ensure_there, unused_with},
    variables,
};
use crate::{
    children,
    domain::{ComponentName, TreeName},
    event::{Event, Reporter},
    fs::{is_forbidden_call, link},
    hindrance::Hindrance,
    postgres::{Cluster, HandedOn, Server, StartOptions, loading::LoadFailure},
    store::receipt::Receipt,
};

/// The number that a shell adds to the number of the signal that ended a command.
const SIGNALLED: u8 = 128;

/// The command to run.
#[derive(Debug, Clone)]
pub(super) struct Command {
    program: PathBuf,
    words: Vec<OsString>,
    set: Vec<(&'static str, OsString)>,
    cleared: Vec<&'static str>,
    is_client: bool,
}

/// The database that it is run with.
#[derive(Debug, Clone, Copy)]
pub(super) struct With<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) start: &'a StartOptions,
}

impl Command {
    pub(super) fn new(program: PathBuf, words: &[OsString]) -> Self {
        Self {
            program,
            words: words.to_vec(),
            set: Vec::new(),
            cleared: Vec::new(),
            is_client: false,
        }
    }

    pub(super) fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.set.push((name, value.into()));
    }

    /// Puts directories before all others on the command's PATH.
    ///
    /// # Errors
    /// When one of them cannot be written into a PATH.
    pub(super) fn find_first(&mut self, directories: &[Utf8PathBuf], session: &Session) -> Result<(), Error> {
        if directories.is_empty() {
            return Ok(());
        }
        let path = session.env.var_os("PATH").unwrap_or_default();
        let first = directories
            .iter()
            .map(|directory| directory.clone().into_std_path_buf());
        let joined = std::env::join_paths(first.chain(std::env::split_paths(path)));
        let joined = joined.map_err(|cause| Error::Usage {
            message: format!("the home `{}` cannot be on PATH: {cause}", session.layout.home()),
            hint: "choose another home with `--home` or `AMPUP_HOME`".to_owned(),
        })?;
        self.set("PATH", joined);
        Ok(())
    }

    /// Leads libpq to the database through the variables that it reads: `-d` and a name then mean one of that server.
    pub(super) fn for_libpq(mut self) -> Self {
        self.is_client = true;
        self
    }

    fn prepared(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.words);
        for name in &self.cleared {
            command.env_remove(name);
        }
        for (name, value) in &self.set {
            command.env(name, value);
        }
        command
    }
}

/// The program that the first word means: a path as it is, a name in one of the `first` directories or on PATH, else one of
/// ampup's own programs.
///
/// # Errors
/// When there is none, or it belongs to a component that may be half of itself.
pub(super) fn find(words: &[OsString], first: &[Utf8PathBuf], session: &Session) -> Result<PathBuf, Error> {
    let name = words.first().map(OsString::as_os_str).unwrap_or_default();
    if std::path::Path::new(name).components().count() > 1 || name.as_encoded_bytes().contains(&b'/') {
        return vouched_for(name.into(), session);
    }
    let path = session.env.var_os("PATH").unwrap_or_default();
    let ours = session.layout.bin();
    let first = first
        .iter()
        .map(|directory| directory.clone().into_std_path_buf());
    first
        .chain(std::env::split_paths(path))
        .chain([ours.clone().into_std_path_buf()])
        .flat_map(|directory| signals::candidates(&directory, name))
        .find(|path| is_executable(path))
        .ok_or_else(|| nowhere(name, session))
        .and_then(|path| vouched_for(path, session))
}

/// The error for a command that is nowhere. An active local build of it may be gone, or a version that has it not be active.
fn nowhere(name: &OsStr, session: &Session) -> Error {
    let name = name.to_string_lossy().into_owned();
    let is_linked = link::read(&session.layout.bin().join(&name)).is_ok();
    let inventory = session.inventory().ok();
    let active = inventory
        .iter()
        .filter(|_| is_linked)
        .flat_map(|inventory| &inventory.active.components);
    let mut gone = active.filter_map(|(component, tree)| {
        let gone = ensure_there(component, tree, session).err();
        gone.filter(|_| link::read(&session.layout.tree(component, tree).join("bin").join(&name)).is_ok())
    });
    gone.next().unwrap_or_else(|| {
        let unused = inventory.as_ref().and_then(|inventory| {
            let (component, tree) = unused_with(&name, inventory, session)?;
            Some(Unused {
                component: component.clone(),
                version: session.shown(component, tree, inventory).ok()?,
                remedy: session.use_command(component, tree, inventory).ok()?,
                is_active: inventory.is_active(component, tree),
            })
        });
        let kind = io::ErrorKind::NotFound;
        let source = match unused {
            Some(unused) => io::Error::new(kind, unused),
            None => io::Error::new(kind, format!("neither on PATH nor in `{}`", session.layout.bin())),
        };
        Error::NoCommand {
            command: name.clone(),
            source,
        }
    })
}

/// Returns the program; one that is a component's, wherever it was found, only where a receipt says that the component is
/// whole.
fn vouched_for(program: PathBuf, session: &Session) -> Result<PathBuf, Error> {
    let Some((component, name)) = tree_of(&program, session) else {
        return Ok(program);
    };
    let tree = session.layout.tree(&component, &name);
    match Receipt::read(&tree, &component, name.version()) {
        // What was removed meanwhile has no receipt either; the program is then another, or is not there.
        Err(_) if tree.is_dir() => Err(damaged(&component, &name, session)?),
        _ => Ok(program),
    }
}

/// The installed tree that a program lies in.
fn tree_of(program: &Path, session: &Session) -> Option<(ComponentName, TreeName)> {
    let real = link::real(Utf8Path::from_path(program)?).ok()?;
    let components = link::real(&session.layout.components()).ok()?;
    let mut parts = real.strip_prefix(&components).ok()?.components();
    let component = parts.next()?.as_str().parse().ok()?;
    Some((component, parts.next()?.as_str().parse().ok()?))
}

/// The exit code of the loader that lacks a library of a program, as a shell's for a command that is not there.
const NOT_RUN: u8 = 127;

/// Runs a command to its end and gives its exit code, or 128 and the signal's number.
///
/// # Errors
/// When the database does not serve, or the command cannot be started.
pub(super) fn run(command: &Command, with: Option<&With<'_>>, session: &Session) -> Result<u8, Error> {
    let failed = |source| cannot_run(&command.program, source);
    if with.is_some() {
        children::ensure_thread().map_err(Hindrance::NoProcess)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let ended = runtime.block_on(async {
        // Before anything is started: from here on a signal ends the command, and not us.
        let mut watch = Watch::begin().map_err(failed)?;
        let Some(with) = with else {
            return watch.drive(command.prepared()).await.map_err(failed);
        };
        let server = match watch.start(with, session.reporter.clone()).await? {
            Started::Serves(server) => *server,
            Started::Interrupted(number) => return Ok(SIGNALLED + number),
        };
        let mut command = command.clone();
        equip(&mut command, server.hand_on(), with.cluster, session);
        let ended = match watch.interrupted() {
            Some(number) => Ok(SIGNALLED + number),
            None => watch.drive(command.prepared()).await.map_err(failed),
        };
        leave(server, with.cluster, session);
        ended
    });
    // A start that a second signal gave up on must not keep us.
    runtime.shutdown_background();
    if let Ok(NOT_RUN) = ended {
        explain(&command.program, session);
    }
    ended
}

/// Says which package helps, where a component's program could not be loaded. The loader has said the rest.
fn explain(program: &Path, session: &Session) {
    let Some((component, tree)) = tree_of(program, session) else {
        return;
    };
    let tree = session.layout.tree(&component, &tree);
    let name = program.file_stem().unwrap_or_default().to_string_lossy();
    if let Some(unloadable) = client::unloadable(&tree, &name, session) {
        session.warn(unloadable.text());
        if let Some(hint) = unloadable.hint() {
            session.note(super::advice::line(&hint));
        }
    }
}

/// The error of a command that does not start. The system says "No such file or directory" of a script's interpreter, too.
fn cannot_run(program: &Path, cause: io::Error) -> Error {
    let is_forbidden = is_forbidden_call(&cause) && children::ensure_thread().is_err();
    if cause.kind() == io::ErrorKind::WouldBlock || is_forbidden {
        return Hindrance::NoProcess(cause).into();
    }
    let failure = Utf8Path::from_path(program).and_then(|program| LoadFailure::of_start(program, &cause));
    Error::NoCommand {
        command: program.to_string_lossy().into_owned(),
        source: match failure {
            Some(failure) => io::Error::new(cause.kind(), failure),
            None => cause,
        },
    }
}

/// Gives the command the way to the database, and takes from it what would lead it elsewhere. psql without an address finds
/// it too, and so does a driver that knows no `host=` in an address.
fn equip(command: &mut Command, server: HandedOn<'_>, cluster: &Cluster, session: &Session) {
    let amp_dir = cluster.project().amp_dir();
    let ours = variables::of_the_server(server.evidence(), server.url(), amp_dir);
    let is_ours = |name: &str, value: &OsStr| {
        ours.iter()
            .any(|(own, same)| *own == name && same.as_str() == value)
    };
    for name in variables::LEADS_AWAY {
        if let Some(value) = session.env.var_os(name)
            && !is_ours(name, value)
        {
            command.cleared.push(name);
        }
    }
    if !command.cleared.is_empty() {
        session.note(format!(
            "not handed on to the command, which uses the project's database: {}",
            command.cleared.join(", ")
        ));
    }
    let is_client = command.is_client;
    for (name, value) in ours {
        // TLS that is switched off would follow a command to other servers.
        if is_client || name != variables::TLS {
            command.set(name, value);
        }
    }
}

/// The command has ended, and its exit code stands; that a database does not stop is said.
fn leave(server: Server, cluster: &Cluster, session: &Session) {
    let origin = server.evidence().origin;
    match server.release(session.reporter.as_ref()) {
        Ok(left) => {
            if let Some(line) = database::farewell(left, origin, cluster) {
                session.note(line);
            }
        }
        Err(error) => {
            let error = Error::from(error);
            session.warn(error.in_one_line());
            if let Some(hint) = error.hint() {
                session.note(super::advice::line(&hint));
            }
        }
    }
}

/// Whoever starts a database or a command, and what asks it to end meanwhile.
struct Watch {
    signals: Signals,
    seen: Option<Signal>,
}

/// The result of a start.
enum Started {
    Serves(Box<Server>),
    Interrupted(u8),
}

impl Watch {
    fn begin() -> io::Result<Self> {
        Ok(Self {
            signals: Signals::listen()?,
            seen: None,
        })
    }

    /// The signal that came during the start, if one did.
    fn interrupted(&self) -> Option<u8> {
        self.seen.map(number)
    }

    /// Starts the database. The first signal lets that come to its end, so that the database can be stopped in order;
    /// the second gives up on it, and the next run finds what there is.
    async fn start(&mut self, with: &With<'_>, reporter: Arc<dyn Reporter>) -> Result<Started, Error> {
        let (cluster, start) = (with.cluster.clone(), with.start.clone());
        let teller = reporter.clone();
        let mut starting =
            tokio::task::spawn_blocking(move || database::start(&cluster, &start, teller.as_ref()));
        loop {
            tokio::select! {
                ended = &mut starting => {
                    let ended = ended.map_err(|cause| Error::NoCommand {
                        command: "postgres".to_owned(),
                        source: io::Error::other(cause),
                    })?;
                    return Ok(Started::Serves(Box::new(ended?)));
                }
                // Another one is for the command, which is not there yet.
                signal = self.signals.next() => if asks_to_end(signal) {
                    if self.seen.replace(signal).is_some() {
                        return Ok(Started::Interrupted(number(signal)));
                    }
                    reporter.report(Event::Note("stopping as soon as the database has started".to_owned()));
                }
            }
        }
    }

    /// Runs the command to its end, and passes signals on to it.
    async fn drive(&mut self, mut command: tokio::process::Command) -> io::Result<u8> {
        let mut child = command.spawn()?;
        loop {
            tokio::select! {
                status = child.wait() => return Ok(code(status?)),
                signal = self.signals.next() => pass_on(signal, &child),
            }
        }
    }
}

fn code(status: ExitStatus) -> u8 {
    match status.code() {
        Some(code) => u8::try_from(code).unwrap_or(u8::MAX),
        None => SIGNALLED.saturating_add(ended_by(status)),
    }
}
