//! The concerns about what a project pins, installed or not.

use super::{Chooser, Chosen, installed};
use crate::{
    commands::{Error, Session, concerns},
    domain::{ComponentName, Inventory, Requirement, TreeName},
    host,
    pins::Pin,
    registry::concern::Concern,
};

/// The concerns about each version that the project pins. Of a pin of which nothing is installed, the version that `ampup
/// install` takes is judged.
///
/// # Errors
/// As `installed`.
pub(in super::super) fn all_concerns(
    is_shown: impl Fn(&ComponentName) -> bool,
    inventory: &Inventory,
    session: &Session,
) -> Result<Vec<(Chosen, Vec<Concern>)>, Error> {
    let (mut chosen, missing) = installed(inventory, session)?;
    if let Some(pins) = session.pins()? {
        for pin in missing {
            chosen.extend(to_install(pin, Chooser::of_pin(pins, pin), session)?);
        }
    }
    let shown = chosen.into_iter().filter(|chosen| is_shown(&chosen.component));
    shown
        .map(|chosen| {
            let concerns = concerns::of_tree(&chosen.component, &chosen.tree, inventory, session)?;
            Ok((chosen, concerns))
        })
        .collect()
}

/// Those about what is not active: what is active has its own.
///
/// # Errors
/// As `installed`.
pub(in super::super) fn further_concerns(
    is_shown: impl Fn(&ComponentName) -> bool,
    inventory: &Inventory,
    session: &Session,
) -> Result<Vec<(Chosen, Vec<Concern>)>, Error> {
    let mut all = all_concerns(is_shown, inventory, session)?;
    all.retain(|(chosen, _)| !inventory.is_active(&chosen.component, &chosen.tree));
    Ok(all)
}

/// The version of which nothing is installed and that a pin will bring; `None` if the registry has none that it means.
fn to_install(pin: &Pin, by: Chooser, session: &Session) -> Result<Option<Chosen>, Error> {
    let component = session.component(&pin.name)?;
    let releases = component.releases.iter().filter(|release| {
        let is_built = |target| release.artifacts.iter().any(|one| one.target == target);
        host::target().is_some_and(is_built) && component.is_meant(&pin.requirement, release)
    });
    let highest = releases.map(|release| &release.version).max();
    let exact = match &pin.requirement {
        Requirement::Exact(version) => Some(version),
        _ => None,
    };
    Ok(highest.or(exact).map(|version| Chosen {
        component: pin.name.clone(),
        tree: TreeName::new(version.clone()),
        by,
    }))
}
