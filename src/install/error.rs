//! Errors of an installation, attempt by attempt.

use std::io;

use semver::Version;

use crate::{
    accept::AcceptError,
    domain::{ComponentName, Provider},
    exit::{Exit, hint_of_io},
    fetch::FetchError,
    fs::lock::LockError,
    hindrance::Hindrance,
    unpack::UnpackError,
};

/// The reason components were not installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Every source of every version that would do was tried.
    #[error("could not install {}", names(.components))]
    Exhausted {
        /// The components.
        components: Vec<ComponentName>,
        /// The attempts, in order.
        attempts: Vec<Attempt>,
    },
    /// An attempt failed in a way that forbids another one.
    #[error("could not install {}", .0.name())]
    Fatal(#[source] Box<Attempt>),
    /// There is too little room for it.
    #[error("`{place}` has {free} bytes free, and {component} needs {needed} bytes")]
    NoRoom {
        /// The component.
        component: ComponentName,
        /// Where it should go.
        place: String,
        /// The space needed, in bytes.
        needed: u64,
        /// The space free, in bytes.
        free: u64,
    },
    /// The file system takes too few further files, however small.
    #[error("`{place}` has room for {free} more files, and {component} needs at least {needed}")]
    NoEntries {
        /// The component.
        component: ComponentName,
        /// Where it should go.
        place: String,
        /// The number of files and directories needed, at least.
        needed: u64,
        /// The number that can still be made.
        free: u64,
    },
    /// No build could run on this host.
    #[error(transparent)]
    Host(Hindrance),
    /// Another ampup holds what this one needs.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The home cannot be written.
    #[error("cannot change ampup's home")]
    Store(#[from] io::Error),
    /// A damaged tree must be replaced, and a process runs from it.
    #[error("{component} {version} is damaged and must be replaced, and process {pid} runs from it")]
    InUse {
        /// The component.
        component: ComponentName,
        /// The version.
        version: Version,
        /// The process.
        pid: u32,
    },
}

/// One artifact that was tried in vain.
#[derive(Debug, thiserror::Error)]
#[error("{component} {version} by {provider}: {error}")]
pub struct Attempt {
    /// The component.
    pub component: ComponentName,
    /// The version, as it is shown.
    pub version: String,
    /// Who built it.
    pub provider: Provider,
    /// The error.
    #[source]
    pub error: AttemptError,
}

/// The reason an artifact could not be installed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the inner errors are documented where they are made")]
pub enum AttemptError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    #[error(transparent)]
    Accept(#[from] AcceptError),
}

impl AttemptError {
    /// The exit code of a command that fails so.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Fetch(error) => error.exit_code(),
            Self::Unpack(error) => error.exit_code(),
            Self::Accept(error) => error.exit_code(),
        }
    }

    /// Returns the next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fetch(error) => error.hint(),
            Self::Unpack(error) => error.hint(),
            Self::Accept(error) => error.hint(),
        }
    }
}

impl Attempt {
    fn name(&self) -> String {
        format!("{} {}", self.component, self.version)
    }
}

impl InstallError {
    /// The exit code of a command that fails so. Where several builds were tried, that one does not run here says more
    /// than that another was out of reach.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Exhausted { attempts, .. } => {
                let codes = || attempts.iter().map(|attempt| attempt.error.exit_code());
                codes()
                    .find(|code| *code != Exit::Network)
                    .or_else(|| codes().next())
                    .unwrap_or(Exit::Failed)
            }
            Self::Fatal(attempt) => attempt.error.exit_code(),
            Self::NoRoom { .. } | Self::NoEntries { .. } => Exit::Disk,
            Self::Host(error) => error.exit_code(),
            Self::Lock(error) => error.exit_code(),
            Self::InUse { .. } => Exit::Busy,
            Self::Store(source) => Exit::of_io(source),
        }
    }

    /// Returns the next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Exhausted { attempts, .. } => {
                let worst = attempts
                    .iter()
                    .find(|attempt| attempt.error.exit_code() != Exit::Network);
                worst.or(attempts.first())?.error.hint()
            }
            Self::Fatal(attempt) => attempt.error.hint(),
            Self::Host(error) => error.hint(),
            Self::NoRoom { .. } | Self::NoEntries { .. } => {
                Some("make room, or choose another home with `AMPUP_HOME`".to_owned())
            }
            Self::Lock(error) => error.hint(),
            Self::Store(source) => hint_of_io(source),
            Self::InUse { .. } => Some("end that process and run the same command again".to_owned()),
        }
    }
}

fn names(components: &[ComponentName]) -> String {
    components
        .iter()
        .map(ComponentName::as_str)
        .collect::<Vec<_>>()
        .join(" and ")
}
