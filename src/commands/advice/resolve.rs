//! Advice where a request cannot be met.

use crate::{domain::programs, exit::Exit, resolve::ResolveError};

impl ResolveError {
    /// The exit code of a command that fails so.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::UnknownComponent { .. }
            | Self::NoSuchVersion { .. }
            | Self::NoBuild { .. }
            | Self::NoProvider { .. }
            | Self::NotActive { .. }
            | Self::NotInstalled { .. } => Exit::NotFound,
            Self::Unfit { .. } => Exit::Failed,
            Self::Contradiction { .. } => Exit::Usage,
        }
    }

    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownComponent {
                name,
                program_of,
                nearest,
                known,
            } => {
                let has_amp = || known.iter().any(|known| programs::AMP.contains(&known.as_str()));
                let meant = programs::meant_by(name.as_str()).filter(|_| has_amp());
                match (meant, program_of.as_ref().or(nearest.first())) {
                    (Some(meant), _) => meant.to_owned(),
                    (None, Some(nearest)) => format!("did you mean `{nearest}`?"),
                    (None, None) if known.is_empty() => "the registry has no components".to_owned(),
                    (None, None) => "`ampup list --available` lists the components".to_owned(),
                }
            }
            Self::NoSuchVersion { versions, .. } if versions.is_empty() => {
                "`ampup update` fetches the current registry".to_owned()
            }
            Self::NoSuchVersion { component, .. } => format!("`ampup info {component}` lists every version"),
            Self::NoBuild { component, .. } | Self::NoProvider { component, .. } => {
                format!("`ampup info {component}` lists every version and the hosts it is built for")
            }
            Self::Unfit {
                component, install, ..
            } => match install {
                Some(command) => format!("`{command}`"),
                None => format!("ask for another build; `ampup info {component}` lists them"),
            },
            Self::Contradiction { components, one, .. } => {
                format!("`ampup install {}@{one}`", components.first()?)
            }
            Self::NotActive { component, installed } => {
                format!("`ampup use {component}@{}`", installed.last()?)
            }
            Self::NotInstalled { component } => format!("`ampup install {component}`"),
        })
    }
}
