//! The pins of all projects that are known, the one here among them: what they mean is spared.

use std::collections::BTreeMap;

use camino::Utf8Path;

use super::super::{Error, Session};
use crate::{
    domain::{ComponentName, Inventory, TreeName},
    pins::{Pins, PinsError},
    postgres::projects::Projects,
    remove::{
        RemoveError,
        needed::{self, Needed},
    },
};

/// Those of these trees that known projects cannot do without: for their databases, for clusters that they keep, or for their
/// pins.
///
/// # Errors
/// When the registry cannot be read.
pub(in super::super) fn needed(
    inventory: &Inventory,
    doomed: &[(ComponentName, TreeName)],
    session: &Session,
) -> Result<Vec<Needed>, Error> {
    let projects = Projects::new(&session.layout, &session.env);
    let mut found = needed::by_clusters(inventory, doomed, &projects);
    let every = of_every_project(&projects, session);
    if !every.is_empty() {
        found.extend(needed::by_pins(inventory, doomed, &every, session.registry()?));
    }
    Ok(needed::gathered(found))
}

/// Ensures that the pins of the project here and of every one that is known can be read.
///
/// # Errors
/// The first whose pins cannot.
pub(in super::super) fn ensure_known(session: &Session) -> Result<(), Error> {
    let projects = Projects::new(&session.layout, &session.env);
    let unread = every_found(&projects, session).find_map(Result::err);
    unread.map_or(Ok(()), |unread| {
        Err(RemoveError::UnreadPins(Box::new(unread)).into())
    })
}

/// The pins of the project here and of every one that is known, each file once. What cannot be read pins nothing.
fn of_every_project(projects: &Projects, session: &Session) -> Vec<Pins> {
    let every = every_found(projects, session).filter_map(Result::ok);
    let by_file: BTreeMap<_, _> = every.map(|pins| (pins.path.clone(), pins)).collect();
    by_file.into_values().collect()
}

fn every_found(projects: &Projects, session: &Session) -> impl Iterator<Item = Result<Pins, PinsError>> {
    let amp_dirs = projects.read();
    let directories = amp_dirs
        .into_iter()
        .filter_map(|amp_dir| Some(amp_dir.parent()?.to_owned()));
    let directories = session
        .env
        .current_dir()
        .map(Utf8Path::to_owned)
        .into_iter()
        .chain(directories);
    directories.filter_map(|directory| Pins::find(&session.env.clone().in_directory(&directory)).transpose())
}
