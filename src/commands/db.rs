//! `ampup db`: the project's database, one verb a file.

mod agreement;
pub mod backup;
pub mod compact;
pub mod env;
pub mod fork;
pub mod import;
pub mod list;
pub mod logs;
pub mod psql;
pub mod reset;
pub mod restore;
pub mod start;
pub mod status;
pub mod stop;
pub mod upgrade;
pub mod url;

use std::ops::RangeInclusive;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use semver::Version;

use super::{
    Error, Outcome, Session, child,
    database::{self, Selected},
};
use crate::{
    domain::{Channel, Release},
    dump::{self, DumpError},
    env::Env,
    fs::link,
    postgres::{Cluster, Contents, enclosing, observe::files},
    resolve, shell,
};

/// The verbs.
#[derive(Debug, clap::Subcommand)]
pub enum Db {
    /// Start the database, which runs until it is stopped
    Start(start::Args),
    /// Stop the database, whoever started it
    Stop(stop::Args),
    /// Show the state of the database, even if it is stopped
    Status(status::Args),
    /// Print the address of the database
    Url(url::Args),
    /// Print shell commands that point other programs to the database
    Env(env::Args),
    /// Open the database in psql, with any of psql's arguments
    #[command(disable_help_flag = true)]
    Psql(psql::Args),
    /// Print the server's log
    Logs(logs::Args),
    /// List the databases of the projects in which ampup was used
    List(list::Args),
    /// Free the disk space of deleted rows
    Compact(compact::Args),
    /// Start over with an empty database; the old one is kept under another name
    Reset(reset::Args),
    /// Back up the database into one file; a running server is stopped for the copy
    Backup(backup::Args),
    /// Restore the database from a backup; the current one is kept under another name
    Restore(restore::Args),
    /// Replace the database with a copy of another project's; the current one is kept under another name
    Fork(fork::Args),
    /// Copy a database from another server, or from a dump, into the project's
    Import(import::Args),
    /// Move the database to another major version of PostgreSQL
    Upgrade(upgrade::Args),
}

impl Db {
    /// The words that say which project it is about, if it is about one.
    pub fn selected(&self) -> Option<&Selected> {
        Some(match self {
            Self::Start(args) => &args.project,
            Self::Stop(args) => &args.project,
            Self::Status(args) => &args.project,
            Self::Url(args) => &args.project,
            Self::Env(args) => &args.project,
            Self::Psql(args) => &args.project,
            Self::Logs(args) => &args.project,
            Self::Compact(args) => &args.project,
            Self::Reset(args) => &args.project,
            Self::Backup(args) => &args.which,
            Self::Restore(args) => &args.which,
            Self::Fork(args) => &args.which,
            Self::Import(args) => &args.which,
            Self::Upgrade(args) => &args.which,
            Self::List(_) => return None,
        })
    }

    /// The Amp directory of the project that it is about, if it is about one.
    pub fn amp_dir(&self, env: &Env) -> Option<Utf8PathBuf> {
        let (project, _) = enclosing::find(env, self.selected()?.amp_dir.as_deref()).ok()?;
        Some(project.amp_dir().to_owned())
    }
}

/// Runs one of them.
///
/// # Errors
/// As the verb.
pub fn run(verb: &Db, session: &Session) -> Result<Outcome, Error> {
    let outcome = match verb {
        Db::Start(args) => start::run(args, session),
        Db::Stop(args) => stop::run(args, session),
        Db::Status(args) => status::run(args, session),
        Db::Url(args) => url::run(args, session),
        Db::Env(args) => env::run(args, session),
        Db::Psql(args) => psql::run(args, session),
        Db::Logs(args) => logs::run(args, session),
        Db::List(args) => list::run(args, session),
        Db::Compact(args) => compact::run(args, session),
        Db::Reset(args) => reset::run(args, session),
        Db::Backup(args) => backup::run(args, session),
        Db::Restore(args) => restore::run(args, session),
        Db::Fork(args) => fork::run(args, session),
        Db::Import(args) => import::run(args, session),
        Db::Upgrade(args) => upgrade::run(args, session),
    };
    outcome.map_err(|error| database::with_remedy(error, session))
}

/// A path that the user named, from the working directory. It is shown without `..`.
fn named(path: &Utf8Path, session: &Session) -> Utf8PathBuf {
    let named = session
        .env
        .current_dir()
        .map_or_else(|| path.to_owned(), |here| here.join(path));
    if !path.components().any(|part| part == Utf8Component::ParentDir) {
        return named;
    }
    let real = named.parent().and_then(|parent| link::real(parent).ok());
    match (real, named.file_name()) {
        (Some(parent), Some(name)) => parent.join(name),
        _ => named,
    }
}

/// Says where the database is that was there before, and how it comes back.
fn kept(aside: &Utf8Path, which: &Selected) -> String {
    let restore = restore_command(aside, which);
    let path = shell::typed(aside.as_str());
    let deletes = format!("`ampup prune --remove {path}` deletes it");
    match files::look(aside) {
        Ok(Contents::Unfinished) => {
            format!("what was there was unfinished, and no data can be in it: {deletes}")
        }
        Ok(Contents::Damaged { .. }) => {
            format!("the damaged database that was there is kept as `{aside}`: {deletes}")
        }
        Ok(_) | Err(_) => {
            format!("the database that was there is kept: `{restore}` brings it back, {deletes}")
        }
    }
}

/// The command that restores a backup, or a database that was put aside, in the project that was named.
fn restore_command(path: &Utf8Path, which: &Selected) -> String {
    let project = which.amp_dir.iter();
    let project = project.map(|amp_dir| format!(" --amp-dir {}", shell::typed(amp_dir.as_str())));
    let path = shell::typed(path.as_str());
    format!("ampup db restore {path}{}", project.collect::<String>())
}

/// Says where the database would be that is there now, if one is.
fn would_keep(cluster: &Cluster) -> Result<Option<String>, Error> {
    let is_there = !matches!(cluster.contents()?, Contents::Absent | Contents::Empty);
    let place = cluster.project().cluster();
    Ok(is_there.then(|| format!("what is there is kept as `{place}.old-<time>`")))
}

/// The builder whose PostgreSQL has all client programs.
const COMPLETE: &str = "theseus";

/// Returns true if this client program, as `ampup run` finds it, is one for the server of this cluster.
fn has_clients(name: &str, cluster: &Cluster, session: &Session) -> bool {
    let Ok(programs) = cluster.programs() else {
        return false;
    };
    let found = child::find(&[name.into()], &[programs.tree.join("bin")], session).ok();
    let program = found.and_then(|program| Utf8PathBuf::from_path_buf(program).ok());
    let version = program.and_then(|program| dump::version(&program, cluster.interrupt()));
    version.is_some_and(|(major, _)| major >= programs.major())
}

/// Says which build has the programs that are missing or too old, where the registry has one for this host.
fn with_build(error: DumpError, session: &Session) -> Error {
    let (DumpError::NoClients { majors, .. } | DumpError::TooOld { majors, .. }) = &error else {
        return error.into();
    };
    let Some(install) = complete_build(majors, session) else {
        return error.into();
    };
    let message = error.to_string();
    match error {
        DumpError::TooOld { .. } => Error::Refused {
            message,
            hint: format!("{install} installs a newer one; or put that on PATH"),
        },
        _ => Error::NotFound {
            message,
            hint: format!("{install} installs them; or put them on PATH"),
        },
    }
}

/// The commands that install the newest complete build of one of these majors: one that runs here as it is, or else one that
/// does once its libraries are installed.
fn complete_build(majors: &RangeInclusive<u64>, session: &Session) -> Option<String> {
    let host = session.host().ok()?;
    let registry = session.registry().ok()?;
    let component = registry.component(&crate::locate::postgres())?;
    let mut releases: Vec<&Release> = component
        .releases
        .iter()
        .filter(|release| release.channel == Channel::Stable && majors.contains(&release.version.major))
        .collect();
    releases.sort_by(|one, other| other.version.cmp(&one.version));
    let builds = releases.iter().filter_map(|release| {
        let mut artifacts = release.artifacts.iter();
        let build = artifacts.find(|artifact| {
            Some(artifact.target) == host.target && artifact.provider.as_str() == COMPLETE
        })?;
        Some((&release.version, &build.needs))
    });
    let builds: Vec<_> = builds.collect();
    let inventory = session.inventory().ok()?;
    let active = inventory.active.components.get(&crate::locate::postgres());
    let install = |version: &Version| {
        // Another major than the active one is for this alone.
        let is_other = active.is_some_and(|active| active.version().major != version.major);
        let beside = if is_other { "--no-activate " } else { "" };
        let version = component.version_style.typed(version);
        format!("`ampup install {beside}postgres@{version}+{COMPLETE}`")
    };
    if let Some((version, _)) = builds.iter().find(|(_, needs)| host.lacks(needs).is_empty()) {
        return Some(install(version));
    }
    builds.iter().find_map(|(version, needs)| {
        let remedy = resolve::remedy(needs, registry, &host)?;
        Some(format!("`{remedy}`, then {}", install(version)))
    })
}
