//! Advice on installations.

use super::hint_of_io;
use crate::{
    exit::Exit,
    fetch::{FetchError, OF_OPTIONS},
    install::{AttemptError, InstallError},
    resolve::PassedOver,
};

impl AttemptError {
    /// The exit code of a command that fails so.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Fetch(error) => error.exit_code(),
            Self::Unpack(error) => error.exit_code(),
            Self::Accept(error) => error.exit_code(),
        }
    }

    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fetch(error) => error.hint(),
            Self::Unpack(error) => error.hint(),
            Self::Accept(error) => error.hint(),
        }
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

    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Exhausted {
                attempts,
                passed_over,
                offer,
                ..
            } => {
                let worst = attempts
                    .iter()
                    .find(|attempt| attempt.error.exit_code() != Exit::Network);
                match (worst, PassedOver::mendable(passed_over)) {
                    (Some(worst), _) => worst.error.hint(),
                    (None, Some((_, remedy))) => Some(format!("`{remedy}`")),
                    (None, None) => match offer {
                        // Whoever named a mirror means to get it from there, whatever the network lacks.
                        Some(offer) => {
                            let (name, highest) = (&offer.component, offer.highest.as_ref()?);
                            Some(format!(
                                "`ampup install {name}@{highest}` takes what the mirror has; where there is a network, \
                                 `ampup mirror DIR {name}@{}` adds the other to it",
                                offer.wanted
                            ))
                        }
                        // Where a client of this machine does not start, that is sooner mended than a network.
                        None => {
                            let broken = attempts.iter().find(|attempt| is_broken_client(&attempt.error));
                            broken.or(attempts.first())?.error.hint()
                        }
                    },
                }
            }
            Self::Fatal(attempt) => attempt.error.hint(),
            Self::Host(error) => error.hint(),
            Self::NoRoom { .. } | Self::NoEntries { .. } => {
                Some("free disk space, or choose another home with `AMPUP_HOME`".to_owned())
            }
            Self::Lock(error) => error.hint(),
            Self::Store(source) => hint_of_io(source),
            Self::InUse { .. } => Some("end that process and run the same command again".to_owned()),
        }
    }
}

fn is_broken_client(error: &AttemptError) -> bool {
    matches!(error, AttemptError::Fetch(FetchError::Client { why, .. }) if why.ends_with(OF_OPTIONS))
}
