//! The kinds of failure on the wire, told apart, and what each means for the next step.

use std::io;

use camino::Utf8PathBuf;
use url::Url;

use super::{Fault, PackageClient, authority};
use crate::{domain::Source, fs::space::sized, settings::SetBy, verify::VerifyError};

/// The reason an artifact, or a small file, could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No answer that can be used from a host, now; it is not asked again in this run.
    #[error("{at} is out of reach ({why})")]
    Unreachable {
        /// Who is at fault.
        at: Fault,
        /// The reason, in a few words.
        why: String,
    },
    /// It is not there.
    #[error("`{origin}` was not found ({why})")]
    Gone {
        /// The address or the package that was requested.
        origin: String,
        /// The answer.
        why: String,
    },
    /// It is not for us.
    #[error("`{origin}` was refused ({why})")]
    Refused {
        /// The address or the package that was requested.
        origin: String,
        /// The answer.
        why: String,
    },
    /// GitHub answers no more questions for now.
    #[error("the rate limit of `{host}` is exceeded{until}")]
    RateLimited {
        /// The host.
        host: String,
        /// Until when, as the end of the sentence; empty where it was not said.
        until: String,
    },
    /// The publisher's bytes are not the promised ones.
    #[error("verification failed{}", web_page_note(*.is_web_page))]
    WrongBytes {
        /// The difference.
        source: Box<VerifyError>,
        /// True if the response calls itself a web page.
        is_web_page: bool,
    },
    /// More bytes than promised, or than anything of its kind has.
    #[error("`{origin}` gives more than {}{}", sized(*.limit), web_page_note(*.is_web_page))]
    TooLarge {
        /// The address or the package that was requested.
        origin: String,
        /// The highest number allowed.
        limit: u64,
        /// True if the response calls itself a web page.
        is_web_page: bool,
    },
    /// The network may not be used.
    #[error("{name} must be downloaded from `{host}`, and {by} is set")]
    Offline {
        /// The name of the artifact.
        name: String,
        /// Which host would have been asked.
        host: String,
        /// Where that is said.
        by: SetBy,
    },
    /// The publisher states no digest that can be used.
    #[error("`{origin}` states no digest: {why}")]
    Unpublished {
        /// Where it should be stated.
        origin: String,
        /// The reason, which says what is there instead.
        why: String,
    },
    /// A digest that the manifest itself does not state is not enough.
    #[error("the registry has no digest for {name}; {by} takes none that its publisher alone states")]
    Unpinned {
        /// The name of the artifact.
        name: String,
        /// The option that refuses it.
        by: SetBy,
    },
    /// An address that is never asked.
    #[error("`{address}` is not asked: {why}")]
    Address {
        /// The address.
        address: String,
        /// Which rule it breaks.
        why: String,
    },
    /// An answer that breaks the rules.
    #[error("the answer of `{origin}` is not accepted: {why}")]
    Answer {
        /// The address or the package that was requested.
        origin: String,
        /// Which rule it breaks.
        why: String,
    },
    /// A package registry's client is not here.
    #[error("there is no {client} on this machine")]
    NoClient {
        /// Which client.
        client: PackageClient,
    },
    /// A package registry's client failed; it is not started again in this run.
    #[error("{client} failed: {why}")]
    Client {
        /// Which client.
        client: PackageClient,
        /// The message of the client.
        why: String,
    },
    /// A package registry's bytes are not the promised ones. Packages are published again by others than their makers.
    #[error("`{origin}` is not the promised package: {why}")]
    WrongPackage {
        /// The package.
        origin: String,
        /// The difference.
        why: String,
    },
    /// A mirror's bytes are not the promised ones, and no other source has the artifact.
    #[error("the mirror's copy of {name} is not the promised one: {why}")]
    WrongMirror {
        /// The component and its version.
        name: String,
        /// The difference.
        why: String,
    },
    /// The disk.
    #[error("cannot use `{path}`")]
    Disk {
        /// The file or directory.
        path: Utf8PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// The consequence of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Another source, provider or release may have it.
    NextSource,
    /// The command ends here.
    Fatal,
}

impl FetchError {
    /// Decides whether another source is tried.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Unreachable { .. }
            | Self::Gone { .. }
            | Self::Refused { .. }
            | Self::RateLimited { .. }
            | Self::Offline { .. }
            | Self::Unpublished { .. }
            | Self::Unpinned { .. }
            | Self::Address { .. }
            | Self::Answer { .. }
            | Self::NoClient { .. }
            | Self::Client { .. }
            | Self::WrongPackage { .. }
            | Self::WrongMirror { .. } => Verdict::NextSource,
            Self::WrongBytes { .. } | Self::TooLarge { .. } | Self::Disk { .. } => Verdict::Fatal,
        }
    }

    /// From the check of a digest: a file that cannot be read is the disk's fault, all else the publisher's.
    pub(super) fn of_verify(cause: VerifyError, is_web_page: bool) -> Self {
        match cause {
            VerifyError::Io { path, source } => Self::Disk { path, source },
            cause @ (VerifyError::Digest { .. } | VerifyError::Size { .. }) => Self::WrongBytes {
                source: Box::new(cause),
                is_web_page,
            },
        }
    }

    /// Names the host of the file too, where another that states its checksum was asked for that first: whoever opens the way
    /// to the one needs the other as well.
    pub(super) fn before_file(self, asked: &Url, source: &Source) -> Self {
        let file = match source {
            Source::Https { url } => Url::parse(url).ok(),
            Source::File { .. } | Source::Npm { .. } | Source::PyPi { .. } => None,
        };
        match (self, file.filter(|file| file.host() != asked.host())) {
            (Self::Unreachable { at, why }, Some(file)) => Self::Unreachable {
                at,
                why: format!(
                    "{why}; it states the checksum of a file on `{}`",
                    authority::host(&file)
                ),
            },
            (other, _) => other,
        }
    }

    /// From a file operation on `path`.
    pub(super) fn disk(path: impl Into<Utf8PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk { path, source }
    }
}

fn web_page_note(is_web_page: bool) -> &'static str {
    if is_web_page {
        "; the response is a web page, perhaps the sign-in page of your network"
    } else {
        ""
    }
}
