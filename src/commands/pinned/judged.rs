//! The concerns about what a project pins, installed or not.

use super::{Chooser, Chosen, installed};
use crate::{
    commands::{Error, Session, concerns},
    domain::{ComponentName, Inventory, Release, Requirement, TreeName},
    host,
    pins::Pin,
    registry::concern::{self, Concern},
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

impl Chosen {
    /// The lines about the concerns, and after what is dangerous the commands that bring what takes its place.
    ///
    /// # Errors
    /// As `raised`.
    pub(in super::super) fn told(
        &self,
        concerns: &[Concern],
        session: &Session,
    ) -> Result<Vec<String>, Error> {
        let lines = concerns::lines(concerns);
        Ok(lines.chain(self.raised_here(concerns, session)?).collect())
    }

    /// The same where what is active was told: of that, only these commands.
    ///
    /// # Errors
    /// As `raised`.
    pub(in super::super) fn told_beside_active(
        &self,
        concerns: &[Concern],
        inventory: &Inventory,
        session: &Session,
    ) -> Result<Vec<String>, Error> {
        if inventory.is_active(&self.component, &self.tree) {
            Ok(self.raised_here(concerns, session)?.into_iter().collect())
        } else {
            self.told(concerns, session)
        }
    }

    /// The line with these commands, which leave what is active as it is.
    ///
    /// # Errors
    /// As `raised`.
    pub(in super::super) fn raised_here(
        &self,
        concerns: &[Concern],
        session: &Session,
    ) -> Result<Option<String>, Error> {
        if !concerns.iter().any(Concern::is_dangerous) {
            return Ok(None);
        }
        let raised = self.raised(session)?;
        Ok(raised.map(|commands| format!("for this project: {commands}")))
    }

    /// The commands that bring the newest release which takes its place into the project, where there is one.
    ///
    /// # Errors
    /// When the registry has no such component.
    pub(in super::super) fn raised(&self, session: &Session) -> Result<Option<String>, Error> {
        let Chooser::Pin { requirement, .. } = &self.by else {
            return Ok(None);
        };
        let (name, version) = (&self.component, self.tree.version());
        let component = session.component(name)?;
        let exact = Requirement::Exact(version.clone());
        let newer = concern::held_back(component, version, Some(&exact), host::target());
        let Some(Concern::HeldBack { newest, .. }) = newer else {
            return Ok(None);
        };
        let mut releases = component.releases.iter();
        let release = releases.find(|release| release.version == newest);
        let is_allowed = release.is_some_and(|release| component.is_meant(requirement, release));
        Ok(Some(if is_allowed {
            let newest = component.version_style.typed(&newest);
            format!("`ampup install --no-activate {name}@{newest}`")
        } else {
            let builder = release.and_then(|release| builder_of(requirement, release));
            let builder = builder.unwrap_or_default();
            format!("`ampup pin {name}@{newest}{builder}`, then `ampup install`")
        }))
    }
}

/// The builder that a pin names, as its version ends in it, if that has built a release for this host.
fn builder_of(requirement: &Requirement, release: &Release) -> Option<String> {
    let Requirement::Exact(version) = requirement else {
        return None;
    };
    let builder = version.build.as_str();
    let mut artifacts = release.artifacts.iter();
    let is_built =
        artifacts.any(|one| Some(one.target) == host::target() && one.provider.as_str() == builder);
    is_built.then(|| format!("+{builder}"))
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
