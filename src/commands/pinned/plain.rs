//! Plain `ampd solo`, which follows what is active and not what a project pins.

use std::fmt;

use super::Chooser;
use crate::{
    commands::Session,
    locate::{self, Located, Locator},
    pins::Pins,
};

/// The word about a pin of PostgreSQL that plain `ampd solo` does not follow: it would make a database of another major.
pub(in super::super) struct PlainWord {
    by: Chooser,
    major: u64,
    active: Located,
}

impl PlainWord {
    /// The word about PostgreSQL of this major; `None` where the active one is of it too, or none is active.
    pub(in super::super) fn of(by: &Chooser, major: u64, session: &Session) -> Option<Self> {
        let active = Locator::new(session.layout.home()).postgres(None).ok()?;
        (active.major() != major).then(|| Self {
            by: by.clone(),
            major,
            active,
        })
    }

    /// The word about what these pins ask for, with what to do, for whoever pins or installs it.
    pub(in super::super) fn of_pins(pins: &Pins, session: &Session) -> Option<String> {
        let pin = pins.of(&locate::postgres())?;
        let word = Self::of(&Chooser::of_pin(pins, pin), pin.requirement.major()?, session)?;
        Some(format!("{word}: start it with `ampup run ampd solo`"))
    }

    /// The commands that help.
    pub(in super::super) fn remedy(&self) -> String {
        format!("`ampup run ampd solo`, or `ampup use postgres@{}`", self.major)
    }
}

impl fmt::Display for PlainWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} pins PostgreSQL {}, and plain `ampd solo` follows what is active, postgres {}",
            self.by,
            self.major,
            locate::shown(&self.active.component, &self.active.name)
        )
    }
}
