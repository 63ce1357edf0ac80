//! The standing of active components: the newest there is, as far as everybody could be asked, or held back, and by what.

use semver::Version;
use serde_json::Value;

use super::{Error, Session, concerns, upstream};
use crate::{
    discover::survey::Survey,
    domain::{ComponentName, Inventory},
    registry::concern::Concern,
};

/// The standing of a component for which the registry has nothing newer that was asked for.
pub(super) enum Standing {
    /// Nobody who could have a newer one was left out.
    Newest,
    /// A newer one is there, and a request or the registry keeps it away.
    HeldBack,
    /// Somebody could not be asked, for this reason.
    Unknown(String),
}

impl Standing {
    /// The same behind a component's name and version.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Newest => "is up to date".to_owned(),
            Self::HeldBack => "is held back".to_owned(),
            Self::Unknown(doubt) => format!("stays: no newer build is known, and {doubt}"),
        }
    }
}

/// The findings about an active component.
pub(super) struct Findings {
    /// The standing.
    pub standing: Standing,
    /// The concerns about its version.
    pub concerns: Vec<Concern>,
    /// The newest release that its builders have beyond the registry: a line, and the same for a program.
    pub beyond: Option<(String, Value)>,
}

impl Findings {
    /// A line each, for a person.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let line = |concern: &Concern| match (concern, &self.standing) {
            (Concern::Unbuilt { .. }, Standing::Unknown(doubt)) => format!("{concern}, and {doubt}"),
            _ => concern.to_string(),
        };
        let concerns = self.concerns.iter().map(line);
        concerns.chain(self.beyond.iter().map(|(line, _)| line.clone()))
    }
}

/// Judges an active component by the registry and by what a survey of its builders found.
pub(super) fn of_active(
    name: &ComponentName,
    version: &Version,
    survey: &Survey<'_>,
    inventory: &Inventory,
    session: &Session,
) -> Result<Findings, Error> {
    let beyond = upstream::beyond_registry(name, version, survey, inventory, session)?;
    let concerns = concerns::of_active(name, inventory, session)?;
    let concerns = upstream::without_denied(concerns, beyond.as_ref().map(|(_, json)| json));
    let standing = match session.doubt()? {
        _ if concerns::is_held_back(&concerns) || beyond.is_some() => Standing::HeldBack,
        Some(doubt) => Standing::Unknown(doubt),
        None => Standing::Newest,
    };
    Ok(Findings {
        standing,
        concerns,
        beyond,
    })
}
