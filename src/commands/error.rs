//! Every way a command fails, with its exit code and what to type next.

use std::io;

use camino::Utf8PathBuf;

use super::advice::{ANOTHER_HOME, hint_of_io, hint_of_room};
use crate::{
    backup::BackupError,
    distributions::os_release,
    dump::DumpError,
    postgres::{ClusterError, loading::LoadFailure},
};
use crate::{
    domain::ComponentName,
    env::{HomeError, PathError, SwitchError},
    event::{sized_down, sized_up},
    exit::Exit,
    fs::lock::LockError,
    hindrance::Hindrance,
    install::{Attempt, InstallError, in_one_line, out_of_reach},
    mirror::MirrorError,
    pins::PinsError,
    refresh::RefreshError,
    registry::manifest::ManifestError,
    remove::RemoveError,
    resolve::{PassedOver, ResolveError},
    settings::{SetBy, SettingsError},
    setup::SetupError,
};

/// An executable is installed, in a version that is not active, or that the project's pin passes over.
#[derive(Debug, thiserror::Error)]
#[error("it is in {component} {version}, {}", self.standing())]
pub(super) struct Unused {
    pub component: ComponentName,
    /// The version, as it is shown.
    pub version: String,
    /// The command that activates it, in backticks.
    pub remedy: String,
    pub is_active: bool,
}

impl Unused {
    pub(super) fn standing(&self) -> &'static str {
        match self.is_active {
            true => "which this project does not use",
            false => "which is not active",
        }
    }

    pub(super) fn hint(&self) -> String {
        match self.is_active {
            true => format!(
                "`ampup why {}` says which version it uses instead",
                self.component
            ),
            false => self.remedy.clone(),
        }
    }
}

/// The reason a command failed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the inner errors are documented where they are made")]
pub enum Error {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Path(#[from] PathError),
    #[error(transparent)]
    Switch(#[from] SwitchError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Pins(#[from] PinsError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// A line of a project's `ampup.toml` that the registry cannot answer.
    #[error("{place}: {error}")]
    Pin { place: String, error: ResolveError },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Install(#[from] InstallError),
    #[error(transparent)]
    Host(#[from] Hindrance),
    #[error(transparent)]
    Remove(#[from] RemoveError),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// The project's database.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The command of `run` cannot be started.
    #[error("cannot run `{command}`")]
    NoCommand { command: String, source: io::Error },
    /// A copy of a table needs room.
    #[error("{} are free, and its largest table has {}", sized_down(*free), sized_up(*needed))]
    NoRoom { needed: u64, free: u64 },
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// The home cannot be read or written.
    #[error("cannot {action} ampup's home")]
    Store { action: &'static str, source: io::Error },
    /// The home is another user's, or on a read-only file system. The command is what was typed.
    #[error("cannot change ampup's home")]
    NotOurs { command: String, source: io::Error },
    /// Something of the home that is to go.
    #[error("cannot remove `{path}`")]
    NotRemoved { path: Utf8PathBuf, source: io::Error },
    /// A file that the user named.
    #[error("cannot read `{path}`")]
    File { path: Utf8PathBuf, source: io::Error },
    /// The manifest that the user named as the registry.
    #[error("cannot read the registry `{path}`")]
    NamedRegistry {
        path: Utf8PathBuf,
        by: SetBy,
        source: io::Error,
    },
    /// The command line is wrong in a way that only the command knows.
    #[error("{message}")]
    Usage { message: String, hint: String },
    /// An installed tree that nobody can vouch for.
    #[error("{component} {version} may be incomplete: its `.receipt.json` cannot be read")]
    Damaged {
        component: ComponentName,
        version: String,
    },
    /// Nothing matches the request.
    #[error("{message}")]
    NotFound { message: String, hint: String },
    /// It could be done, and another way is meant.
    #[error("{message}")]
    Refused { message: String, hint: String },
    /// Others use it, and it can be done all the same.
    #[error("{error}")]
    Busy { error: ClusterError, hint: String },
    /// Something is not what it should be.
    #[error("{message}")]
    Integrity { message: String, hint: String },
}

impl Error {
    /// The exit code of the command.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Home(_) | Self::Path(_) | Self::Switch(_) | Self::Usage { .. } => Exit::Usage,
            Self::Settings(error) => error.exit_code(),
            Self::Pins(error) => error.exit_code(),
            Self::Manifest(error) => error.exit_code(),
            Self::Refresh(error) => error.exit_code(),
            Self::Resolve(error) | Self::Pin { error, .. } => error.exit_code(),
            Self::Lock(error) => error.exit_code(),
            Self::Install(error) => error.exit_code(),
            Self::Host(error) => error.exit_code(),
            Self::Remove(error) => error.exit_code(),
            Self::Cluster(error) => error.exit_code(),
            Self::NoCommand { source, .. } => Exit::of_start(source),
            Self::NoRoom { .. } => Exit::Disk,
            Self::Store { source, .. } if is_damage(source) => Exit::Integrity,
            Self::File { source, .. } | Self::NamedRegistry { source, .. }
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Exit::NotFound
            }
            Self::Store { source, .. }
            | Self::NotOurs { source, .. }
            | Self::NotRemoved { source, .. }
            | Self::File { source, .. }
            | Self::NamedRegistry { source, .. } => Exit::of_io(source),
            Self::Damaged { .. } => Exit::Integrity,
            Self::NotFound { .. } => Exit::NotFound,
            Self::Refused { .. } => Exit::Failed,
            Self::Busy { error, .. } => error.exit_code(),
            Self::Integrity { .. } => Exit::Integrity,
            Self::Setup(error) => error.exit_code(),
            Self::Mirror(error) => error.exit_code(),
            Self::Backup(error) => error.exit_code(),
            Self::Dump(error) => error.exit_code(),
        }
    }

    /// Returns the next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Home(_) => Some("set `AMPUP_HOME` to an absolute path, or use `--home`".to_owned()),
            Self::Path(_) => Some("unset it, or set it to an absolute path".to_owned()),
            Self::Switch(_) => {
                Some("set it to `1`, `true`, `yes` or `on`, or to `0`, `false`, `no` or `off`".to_owned())
            }
            Self::Settings(error) => error.hint(),
            Self::Pins(error) => error.hint(),
            Self::Manifest(error) => error.hint(),
            Self::Refresh(error) => error.hint(),
            // One registry is used at a time, and the line may be of another.
            Self::Pin {
                error:
                    ResolveError::UnknownComponent {
                        program_of: None,
                        nearest,
                        ..
                    },
                ..
            } if nearest.is_empty() => {
                Some("name the registry that has it with `--registry FILE`, or remove that line".to_owned())
            }
            // The line that is named is of the first component.
            Self::Pin {
                error:
                    ResolveError::Contradiction {
                        components, other, ..
                    },
                ..
            } => Some(format!(
                "`ampup pin {}@{other}` changes every line",
                components.first()?
            )),
            Self::Resolve(error) | Self::Pin { error, .. } => error.hint(),
            Self::Lock(error) => error.hint(),
            Self::Install(error) => error.hint(),
            Self::Host(error) => error.hint(),
            Self::Remove(error) => error.hint(),
            Self::Cluster(error) => error.hint(),
            Self::NoCommand { command, source } => hint_of_command(command, source),
            Self::NoRoom { .. } => {
                Some("free disk space and run the same command again; nothing was changed".to_owned())
            }
            Self::Store { source, .. } if is_damage(source) => {
                Some("`ampup verify --repair` repairs what can be repaired".to_owned())
            }
            Self::Store { source, .. } => hint_of_io(source),
            Self::NotOurs { command, source } => Some(match source.kind() {
                io::ErrorKind::PermissionDenied => format!("as its owner, `{command}`; or {ANOTHER_HOME}"),
                _ => ANOTHER_HOME.to_owned(),
            }),
            Self::NotRemoved { .. } => {
                Some("make it removable and run `ampup self uninstall` again".to_owned())
            }
            Self::File { source, .. } => hint_of_room(source),
            Self::NamedRegistry { by, .. } => Some(format!(
                "correct the path; or, to use the default registry, {}",
                by.removal()
            )),
            Self::Damaged { component, .. } => Some(format!("`ampup verify --repair {component}`")),
            Self::Setup(error) => error.hint(),
            Self::Mirror(error) => error.hint(),
            Self::Backup(error) => error.hint(),
            Self::Dump(error) => error.hint(),
            Self::Usage { hint, .. }
            | Self::NotFound { hint, .. }
            | Self::Refused { hint, .. }
            | Self::Busy { hint, .. }
            | Self::Integrity { hint, .. } => Some(hint.clone()),
        }
    }

    /// Its causes, outermost first. The attempts of an installation are causes side by side.
    pub fn causes(&self) -> Vec<String> {
        if let Self::Install(InstallError::Exhausted {
            attempts,
            passed_over,
            offer,
            ..
        }) = self
        {
            let answered = attempts.iter().filter(|attempt| !attempt.is_out_of_reach());
            let answered = answered.map(|attempt| in_one_line(attempt));
            let told = PassedOver::told(passed_over).map(|build| build.reason.clone());
            let causes = offer
                .iter()
                .map(ToString::to_string)
                .chain(out_of_reach(attempts.iter().filter_map(Attempt::fetch_error)));
            let mut causes: Vec<String> = causes.chain(answered).chain(told).collect();
            // A mirror has one copy, whatever sources an artifact has.
            causes.dedup();
            return causes;
        }
        if let Self::Install(InstallError::Fatal(attempt)) = self {
            return vec![in_one_line(attempt.as_ref())];
        }
        let mut causes = Vec::new();
        let mut above = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            let text = of_a_file(&inner.to_string(), &above);
            above = format!("{above}\n{text}");
            causes.push(text);
            cause = inner.source();
        }
        // A transparent error repeats its source's text.
        causes.dedup();
        causes
    }

    /// The same for programs.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({ "message": self.to_string(), "causes": self.causes(), "hint": self.hint() })
    }

    /// The error with its causes, without the hint.
    pub fn in_one_line(&self) -> String {
        let causes = self.causes();
        std::iter::once(self.to_string())
            .chain(causes)
            .collect::<Vec<_>>()
            .join(": ")
    }

    /// All that a person is told of it, line by line.
    pub fn lines(&self) -> Vec<String> {
        let causes = self.causes();
        let causes = causes
            .iter()
            .flat_map(|cause| cause.lines())
            .map(|line| format!("  {line}"));
        let hint = self.hint().map(|hint| super::advice::line(&hint));
        std::iter::once(format!("error: {self}"))
            .chain(causes)
            .chain(hint)
            .collect()
    }
}

/// The cause of a failed file operation without the words of the library and the system's number, and without the path
/// that was named already.
fn of_a_file(cause: &str, above: &str) -> String {
    let plain = cause.split(" (os error ").next().unwrap_or(cause);
    let Some((what, why)) = plain
        .strip_prefix("failed to ")
        .and_then(|plain| plain.rsplit_once("`: "))
    else {
        return plain.to_owned();
    };
    match what.split_once('`') {
        Some((_, path)) if above.contains(path) => why.to_owned(),
        Some((_, path)) => format!("`{path}`: {why}"),
        None => plain.to_owned(),
    }
}

/// Amp's own programs can be installed.
fn hint_of_command(command: &str, cause: &io::Error) -> Option<String> {
    let inner = cause.get_ref();
    if let Some(failure) = inner.and_then(|inner| inner.downcast_ref::<LoadFailure>()) {
        return failure.hint(&os_release());
    }
    if let Some(unused) = inner.and_then(|inner| inner.downcast_ref::<Unused>()) {
        return Some(unused.hint());
    }
    match (cause.kind(), command) {
        (io::ErrorKind::NotFound, "ampd" | "ampctl") => Some(format!("`ampup install {command}`")),
        (io::ErrorKind::NotFound, "amp" | "solo") => Some("`ampup run ampd solo` runs Amp".to_owned()),
        (io::ErrorKind::NotFound, _) => Some("name a program that is on PATH, or give its path".to_owned()),
        _ => None,
    }
}

/// Returns true if the home is no longer as ampup made it.
fn is_damage(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
    )
}
