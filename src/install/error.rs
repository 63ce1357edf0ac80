//! Errors of an installation, attempt by attempt.

use std::{fmt, io};

use semver::Version;
use url::Url;

use crate::{
    accept::AcceptError,
    domain::{ComponentName, Provider},
    fetch::{FetchError, Verdict},
    fs::{
        lock::LockError,
        space::{sized_down, sized_up},
    },
    hindrance::Hindrance,
    resolve::PassedOver,
    settings::SetBy,
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
        /// The builds that were no candidates on this host.
        passed_over: Vec<PassedOver>,
        /// The versions that the mirror has instead, where one was named and has not what was wanted.
        offer: Option<Box<MirrorOffer>>,
    },
    /// An attempt failed in a way that forbids another one.
    #[error("could not install {}", .0.name())]
    Fatal(#[source] Box<Attempt>),
    /// There is too little room for it.
    #[error("`{place}` has {} free, and {component} needs {}", sized_down(*.free), sized_up(*.needed))]
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

/// The versions that a mirror has in the place of one that it has not.
#[derive(Debug)]
pub struct MirrorOffer {
    /// The mirror's address.
    pub mirror: Url,
    /// The component.
    pub component: ComponentName,
    /// The version that was wanted, as it is shown.
    pub wanted: String,
    /// The versions that it has, as they are shown.
    pub has: Vec<String>,
    /// The highest of them.
    pub highest: Option<Version>,
}

impl fmt::Display for MirrorOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            mirror,
            component,
            wanted,
            has,
            ..
        } = self;
        let mirror = mirror.as_str().trim_end_matches('/');
        match has.is_empty() {
            true => write!(f, "the mirror `{mirror}` has no {component} for this host"),
            false => write!(
                f,
                "the mirror `{mirror}` has no {component} {wanted} (it has {})",
                has.join(", ")
            ),
        }
    }
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

/// Says in a line who was asked in vain and why, and who was not asked: hosts, proxies and package clients, each once. `None`
/// where all of them answered.
pub fn out_of_reach<'a>(errors: impl IntoIterator<Item = &'a FetchError>) -> Option<String> {
    let mut asked: Vec<String> = Vec::new();
    let mut unasked: Vec<String> = Vec::new();
    let mut offline = None;
    for error in errors {
        let who = match error {
            FetchError::Unreachable { at, why } => format!("{at} ({why})"),
            FetchError::NoClient { client } => format!("{client} (not on this machine)"),
            FetchError::Client { client, why } => format!("{client} ({why})"),
            FetchError::Offline { host, by, .. } => {
                offline = Some(*by);
                unasked.push(format!("`{host}`"));
                continue;
            }
            _ => continue,
        };
        asked.push(who);
    }
    let offline = offline.map_or_else(String::new, |by: SetBy| {
        format!("not asked, because {by} is set: ")
    });
    let lists = [("out of reach: ".to_owned(), asked), (offline, unasked)];
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
    let lines = lists.map(|(what, list)| {
        let once: Vec<_> = list
            .iter()
            .enumerate()
            .filter(|(number, who)| !list[..*number].contains(who))
            .map(|(_, who)| who.as_str())
            .collect();
        format!("{what}{}", once.join(", "))
    });
    let lines: Vec<String> = lines.collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

impl Attempt {
    /// The failure of the wire, if it is one.
    pub fn fetch_error(&self) -> Option<&FetchError> {
        match &self.error {
            AttemptError::Fetch(error) => Some(error),
            AttemptError::Unpack(_) | AttemptError::Accept(_) => None,
        }
    }

    /// Returns true if nobody answered.
    pub fn is_out_of_reach(&self) -> bool {
        out_of_reach(self.fetch_error()).is_some()
    }

    /// Returns true if it was not to be had, whatever was wrong with who was asked.
    pub fn is_unfetched(&self) -> bool {
        matches!(&self.error, AttemptError::Fetch(error) if error.verdict() == Verdict::NextSource)
    }

    fn name(&self) -> String {
        format!("{} {}", self.component, self.version)
    }
}

fn names(components: &[ComponentName]) -> String {
    components
        .iter()
        .map(ComponentName::as_str)
        .collect::<Vec<_>>()
        .join(" and ")
}
