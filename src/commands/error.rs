//! Every way a command fails, with its exit code and what to type next.

use std::io;

use camino::Utf8PathBuf;

#[cfg(unix)]
use crate::{backup::BackupError, postgres::ClusterError, transfer::TransferError};
use crate::{
    domain::ComponentName,
    env::HomeError,
    exit::{Exit, hint_of_io},
    fs::lock::LockError,
    install::InstallError,
    refresh::RefreshError,
    registry::manifest::ManifestError,
    remove::RemoveError,
    resolve::ResolveError,
    settings::SettingsError,
    setup::SetupError,
};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the inner errors are documented where they are made")]
pub enum Error {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Install(#[from] InstallError),
    #[error(transparent)]
    Remove(#[from] RemoveError),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[cfg(unix)]
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[cfg(unix)]
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[cfg(unix)]
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// The home cannot be read or written.
    #[error("cannot {action} ampup's home")]
    Store { action: &'static str, source: io::Error },
    /// A file that the user named.
    #[error("cannot read `{path}`")]
    File { path: Utf8PathBuf, source: io::Error },
    /// The command line is wrong in a way that only the command knows.
    #[error("{message}")]
    Usage { message: String, hint: String },
    /// An installed tree that nobody can vouch for.
    #[error("{component} {version} has no receipt that can be read: it may not be whole")]
    Damaged {
        component: ComponentName,
        version: String,
    },
    /// What was asked for is not there.
    #[error("{message}")]
    NotFound { message: String, hint: String },
    /// It could be done, and another way is meant.
    #[error("{message}")]
    Refused { message: String, hint: String },
    /// Something is not what it should be.
    #[error("{message}")]
    Integrity { message: String, hint: String },
}

impl Error {
    /// The exit code of the command.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Home(_) | Self::Usage { .. } => Exit::Usage,
            Self::Settings(error) => error.exit_code(),
            Self::Manifest(error) => error.exit_code(),
            Self::Refresh(error) => error.exit_code(),
            Self::Resolve(error) => error.exit_code(),
            Self::Lock(error) => exit_of_lock(error),
            Self::Install(error) => error.exit_code(),
            Self::Remove(error) => error.exit_code(),
            Self::Store { source, .. } if is_damage(source) => Exit::Integrity,
            Self::Store { source, .. } | Self::File { source, .. } => Exit::of_io(source),
            Self::Damaged { .. } => Exit::Integrity,
            Self::NotFound { .. } => Exit::NotFound,
            Self::Refused { .. } => Exit::Failed,
            Self::Integrity { .. } => Exit::Integrity,
            Self::Setup(error) => error.exit_code(),
            #[cfg(unix)]
            Self::Cluster(error) => error.exit_code(),
            #[cfg(unix)]
            Self::Backup(error) => error.exit_code(),
            #[cfg(unix)]
            Self::Transfer(error) => error.exit_code(),
        }
    }

    /// What to type next, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Home(_) => Some("set `AMPUP_HOME` to an absolute path, or use `--home`".to_owned()),
            Self::Settings(_) => None,
            Self::Manifest(error) => error.hint(),
            Self::Refresh(error) => error.hint(),
            Self::Resolve(error) => error.hint(),
            Self::Lock(error) => hint_of_lock(error),
            Self::Install(error) => error.hint(),
            Self::Remove(error) => error.hint(),
            Self::Store { source, .. } if is_damage(source) => {
                Some("`ampup verify --repair` mends what can be mended".to_owned())
            }
            Self::Store { source, .. } | Self::File { source, .. } => hint_of_io(source),
            Self::Damaged { component, .. } => Some(format!("`ampup verify --repair {component}`")),
            Self::Setup(error) => error.hint(),
            #[cfg(unix)]
            Self::Cluster(error) => error.hint(),
            #[cfg(unix)]
            Self::Backup(error) => error.hint(),
            #[cfg(unix)]
            Self::Transfer(error) => error.hint(),
            Self::Usage { hint, .. }
            | Self::NotFound { hint, .. }
            | Self::Refused { hint, .. }
            | Self::Integrity { hint, .. } => Some(hint.clone()),
        }
    }

    /// Its causes, outermost first. The attempts of an installation are causes side by side.
    pub fn causes(&self) -> Vec<String> {
        if let Self::Install(InstallError::Exhausted { attempts, .. }) = self {
            return attempts.iter().map(|attempt| chain(attempt)).collect();
        }
        let mut causes = Vec::new();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            causes.push(inner.to_string());
            cause = inner.source();
        }
        // A transparent error repeats its source's text.
        causes.dedup();
        causes
    }

    /// All that a person is told of it, line by line.
    pub fn lines(&self) -> Vec<String> {
        let causes = self.causes();
        let causes = causes
            .iter()
            .flat_map(|cause| cause.lines())
            .map(|line| format!("  {line}"));
        let hint = self.hint().map(|hint| format!("hint: {hint}"));
        std::iter::once(format!("error: {self}"))
            .chain(causes)
            .chain(hint)
            .collect()
    }
}

/// Whether the home is not as ampup made it.
fn is_damage(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
    )
}

/// An error and its causes on one line; a transparent error's text is not repeated.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

/// The exit code when a lock was not had.
pub(crate) fn exit_of_lock(error: &LockError) -> Exit {
    match error {
        LockError::Busy { .. } => Exit::Busy,
        LockError::Io { source, .. } => Exit::of_io(source),
    }
}

/// What to do when a lock was not had.
pub(crate) fn hint_of_lock(error: &LockError) -> Option<String> {
    match error {
        LockError::Busy { .. } => {
            Some("wait for that process, end it, or wait longer with `--lock-timeout`".to_owned())
        }
        LockError::Io { source, .. } => hint_of_io(source),
    }
}
