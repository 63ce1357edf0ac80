//! The pin of PostgreSQL, and a database whose major it does not serve.

use camino::Utf8Path;

use super::{Chooser, way_out};
use crate::{
    commands::{Error, Session, requests, unbuilt},
    domain::{ComponentSpec, Requirement},
    locate::{self, Locator},
    postgres::{
        Cluster, Contents,
        enclosing::{self, Surprise},
    },
    resolve,
};

/// The project's pin of PostgreSQL, with the major that it means.
pub(in super::super) struct PostgresPin {
    /// The line that pins it.
    by: Chooser,
    /// The pin as a request.
    spec: ComponentSpec,
    /// The major.
    major: u64,
}

impl PostgresPin {
    /// The pin of the project that the working directory lies in. `None` where PostgreSQL is not pinned, or nobody knows yet
    /// which major the pin means.
    ///
    /// # Errors
    /// As `installed`.
    pub(in super::super) fn of_project(session: &Session) -> Result<Option<Self>, Error> {
        let Some((pins, pin)) = session
            .pins()?
            .and_then(|pins| Some((pins, pins.of(&locate::postgres())?)))
        else {
            return Ok(None);
        };
        let major = match pin.requirement.major() {
            Some(major) => Some(major),
            None => resolve::pinned(session.registry()?, &session.inventory()?, &pin.spec())?
                .first()
                .map(|(_, tree)| tree.version().major),
        };
        Ok(major.map(|major| Self {
            by: Chooser::of_pin(pins, pin),
            spec: pin.spec(),
            major,
        }))
    }

    /// Ensures that a database of this major could be used in the project.
    ///
    /// # Errors
    /// When the pin is of another major; the hint ends with `command`, which works once the pin is changed.
    pub(in super::super) fn ensure_serves(
        &self,
        major: u64,
        command: &str,
        session: &Session,
    ) -> Result<(), Error> {
        if self.major == major {
            return Ok(());
        }
        Err(Error::Refused {
            message: format!(
                "{} pins `{}`, which cannot serve a database of PostgreSQL {major}",
                self.by, self.spec
            ),
            hint: self.changed_to(major, command, session),
        })
    }

    /// Ensures that the project's database, in `place`, could be served by what is pinned, once that is installed.
    ///
    /// # Errors
    /// When the pin is of another major.
    pub(super) fn ensure_serves_database(
        &self,
        major: u64,
        place: &str,
        session: &Session,
    ) -> Result<(), Error> {
        if self.major == major {
            return Ok(());
        }
        Err(Error::Refused {
            message: format!(
                "the database in {place} is of PostgreSQL {major}, and {} pins `{}`, which cannot serve it",
                self.by, self.spec
            ),
            hint: way_out(major, self.major, &self.by, session),
        })
    }

    /// The refusal of the database here, which the project's pin could not serve; `None` where it could, or there is none. What
    /// is wrong with the pins themselves is told by whoever uses them.
    pub(in super::super) fn refusal_here(session: &Session) -> Option<Error> {
        let pin = Self::of_project(session).ok()??;
        let (place, major) = database_here(session)?;
        pin.ensure_serves_database(major, &place, session).err()
    }

    /// Ensures that a database of this major, which is to come from `place`, could be used in the project. One of a major that
    /// no pin can mean comes with a warning, because only an upgrade makes it one that a pin serves.
    ///
    /// # Errors
    /// As `ensure_serves`.
    pub(in super::super) fn ensure_takes(
        &self,
        major: u64,
        place: &Utf8Path,
        command: &str,
        session: &Session,
    ) -> Result<(), Error> {
        if self.major == major || !unbuilt::is_so(major, session) {
            return self.ensure_serves(major, command, session);
        }
        session.warn(format!(
            "the database in `{place}` is of PostgreSQL {major}, which {} does not serve: {}",
            self.by,
            way_out(major, self.major, &self.by, session)
        ));
        Ok(())
    }

    /// Says that the pin is why a database stays with its major, where a higher one is installed.
    ///
    /// # Errors
    /// When the home cannot be read.
    pub(in super::super) fn holds_back(&self, session: &Session) -> Result<Option<String>, Error> {
        let inventory = session.inventory()?;
        let trees = inventory.trees(&locate::postgres()).iter();
        let highest = trees.map(|tree| tree.name.version().major).max();
        let higher = highest.filter(|highest| *highest > self.major);
        Ok(higher.map(|higher| {
            format!(
                "{} pins `{}`; for PostgreSQL {higher}: {}",
                self.by,
                self.spec,
                self.changed_to(higher, "ampup db upgrade", session)
            )
        }))
    }

    /// The command after which PostgreSQL of this major serves the project's database; `None` where the pin already allows that.
    pub(in super::super) fn lets_serve(&self, major: u64, session: &Session) -> Option<String> {
        (self.major != major).then(|| {
            let repinned = self.by.repinned(major, session);
            format!("`ampup pin {repinned}` lets PostgreSQL {major} serve it again")
        })
    }

    /// The commands that move the pin to another major, and then run a command that needs that.
    fn changed_to(&self, major: u64, command: &str, session: &Session) -> String {
        format!(
            "`ampup pin {}`, `ampup install`, then `{command}`",
            self.by.repinned(major, session)
        )
    }
}

/// The place and the major of the database of the project here, if there is one: the place in backticks, and named with `AMP_DIR`
/// where that leads to another project.
pub(in super::super) fn database_here(session: &Session) -> Option<(String, u64)> {
    let (project, surprise) = enclosing::find(&session.env, None).ok()?;
    let place = match surprise {
        Some(Surprise::Variable) => format!("`{}` (named by `AMP_DIR`)", project.cluster()),
        Some(Surprise::Above) | None => format!("`{}`", project.cluster()),
    };
    let cluster = Cluster::open(project, Locator::new(session.layout.home()), &session.env);
    match cluster.contents() {
        Ok(Contents::Cluster { major }) => Some((place, major)),
        Ok(_) | Err(_) => None,
    }
}

impl Chooser {
    /// PostgreSQL of another major, as this pin would ask for it: an exact version where it asks for one.
    pub(super) fn repinned(&self, major: u64, session: &Session) -> String {
        let spec = ComponentSpec {
            name: locate::postgres(),
            requirement: Some(Requirement::Prefix(major, None)),
        };
        match self {
            Self::Pin { requirement, .. } if requirement.is_exact() => {
                requests::exactly(&spec, session).unwrap_or_else(|_| spec.to_string())
            }
            Self::Pin { .. } | Self::With => spec.to_string(),
        }
    }
}
