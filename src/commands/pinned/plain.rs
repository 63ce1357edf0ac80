//! Plain `ampd solo`, which follows what is active and not what a project pins.

use std::fmt;

use super::{Chooser, Chosen, postgres};
use crate::{
    commands::Session,
    locate::{self, Located, Locator},
};

/// The word about a pin of PostgreSQL that plain `ampd solo` does not follow: it would make a database of another major.
pub(in super::super) struct PlainWord<'c> {
    pinned: Located,
    by: &'c Chooser,
    active: Located,
}

impl<'c> PlainWord<'c> {
    /// The word about what was chosen; `None` where the active PostgreSQL is of the same major, or none is active.
    pub(in super::super) fn of(chosen: &'c [Chosen], session: &Session) -> Option<Self> {
        let (pinned, by) = postgres(chosen, session)?;
        let active = Locator::new(session.layout.home()).postgres(None).ok()?;
        (active.major() != pinned.major()).then_some(Self { pinned, by, active })
    }

    /// The commands that help.
    pub(in super::super) fn remedy(&self) -> String {
        format!(
            "`ampup run ampd solo`, or `ampup use {}@{}`",
            self.pinned.component,
            locate::shown(&self.pinned.component, &self.pinned.name)
        )
    }
}

impl fmt::Display for PlainWord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} pins postgres {}, and plain `ampd solo` follows what is active, postgres {}: a database that it makes here \
             is one of PostgreSQL {}, which `ampup run` then refuses",
            self.by,
            locate::shown(&self.pinned.component, &self.pinned.name),
            locate::shown(&self.active.component, &self.active.name),
            self.active.major()
        )
    }
}
