//! Programs of a component that this host cannot load: a build is accepted when its servers run, and its psql may take a
//! library more.

use camino::Utf8Path;

use super::Session;
use crate::{
    distributions::os_release,
    locate,
    postgres::{
        loading::LoadFailure,
        program::{Program, ProgramError},
        user::OsUser,
    },
};

/// Said of a build without clients.
pub(super) const INCOMPLETE: &str = "this build has no psql, pg_dump or pg_upgrade";

/// A program that does not load here.
pub(super) struct Unloadable {
    name: String,
    failure: LoadFailure,
}

impl Unloadable {
    /// A line, for a person.
    pub(super) fn text(&self) -> String {
        format!("`{}` does not load here: {}", self.name, self.failure)
    }

    /// The command that helps.
    pub(super) fn hint(&self) -> Option<String> {
        self.failure.hint(&os_release())
    }

    /// Both in one line.
    pub(super) fn in_one_line(&self) -> String {
        let hint = self.hint().map(|hint| format!(" ({hint})"));
        self.text() + &hint.unwrap_or_default()
    }
}

/// The psql of a tree, if that has one which does not load here.
pub(super) fn psql(tree: &Utf8Path, session: &Session) -> Option<Unloadable> {
    unloadable(tree, "psql", session)
}

/// The psql of the active PostgreSQL, likewise.
pub(super) fn active_psql(session: &Session) -> Option<Unloadable> {
    psql(&session.layout.active_tree(&locate::postgres()), session)
}

/// A program of a tree, if it does not load here. It is asked for its version, which needs no server.
pub(super) fn unloadable(tree: &Utf8Path, name: &str, session: &Session) -> Option<Unloadable> {
    let run_as = OsUser::for_postgres().ok().flatten();
    let program = Program {
        tree,
        name,
        run_as: run_as.as_ref(),
        interrupt: &session.options.interrupt,
    };
    if !program.path().is_file() {
        return None;
    }
    match program.version() {
        Err(ProgramError::DoesNotLoad { failure, .. }) => Some(Unloadable {
            name: name.to_owned(),
            failure,
        }),
        Ok(_) | Err(_) => None,
    }
}
