//! Advice where an installed component is not found.

use super::hint_of_io;
use crate::{
    exit::Exit,
    locate::{DEFAULT_MAJOR, LocateError, shown},
};

impl LocateError {
    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Home(_) => Some("set `AMPUP_HOME` to an absolute path".to_owned()),
            Self::NotInstalled {
                component,
                major: None,
                ..
            } => Some(format!("`ampup install {component}`")),
            // The default needs no number, and is what most people want to hear.
            Self::NotInstalled {
                component,
                major: Some(DEFAULT_MAJOR),
                active: None,
                ..
            } => Some(format!("`ampup install {component}`")),
            Self::NotInstalled {
                component,
                major: Some(major),
                active,
                ..
            } => {
                // It is for this data alone: what is active stays so.
                let beside = active.as_ref().map_or("", |_| "--no-activate ");
                Some(format!("`ampup install {beside}{component}@{major}`"))
            }
            Self::NotActive { component, name } => {
                Some(format!("`ampup use {component}@{}`", shown(component, name)))
            }
            Self::Gone { component, name, .. } => {
                Some(format!("`ampup install {component}@{}`", shown(component, name)))
            }
            Self::Damaged { component, .. } => Some(format!("`ampup verify --repair {component}`")),
            Self::Io { source, .. } => hint_of_io(source),
        }
    }

    /// Returns the exit code of the program.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::NotInstalled { .. } | Self::NotActive { .. } | Self::Gone { .. } => Exit::NotFound,
            Self::Damaged { .. } => Exit::Integrity,
            Self::Home(_) => Exit::Failed,
            Self::Io { source, .. } => Exit::of_io(source),
        }
    }
}
