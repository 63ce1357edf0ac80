//! The plan of a command, decided from what exists and what is installed. No file, no clock, no network: `--dry-run`
//! prints the exact plan that would run.

mod choose;
mod error;
mod pinned;

pub use choose::remedy;
pub use error::ResolveError;
pub use pinned::pinned;

use semver::Version;

use crate::{
    domain::{
        Artifact, Component, ComponentName, ComponentSpec, Inventory, Needs, Requirement, TreeName,
        component::Acceptance, version::local_name,
    },
    host::Host,
    registry::Registry,
};
use choose::Group;

/// The work of a command.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// One entry for each group that moves; they do not depend on each other.
    pub groups: Vec<GroupPlan>,
    /// True if what is active stays active: what is installed is installed beside it.
    pub keeps_active: bool,
}

impl Plan {
    /// The plan of these groups, which become active.
    pub fn of(groups: Vec<GroupPlan>) -> Self {
        Self {
            groups,
            keeps_active: false,
        }
    }

    /// The same, with everything that is active as it is.
    fn beside_the_active(mut self) -> Self {
        self.keeps_active = true;
        let candidates = self.groups.iter_mut().flat_map(|group| &mut group.candidates);
        for step in candidates.flat_map(|candidate| &mut candidate.steps) {
            if let Action::Activate(tree) = &step.action {
                step.action = Action::Keep(tree.clone());
            }
        }
        self
    }
}

/// The plan for components that move together.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupPlan {
    /// The components.
    pub components: Vec<ComponentName>,
    /// The request, which `update` will follow.
    pub request: Option<Requirement>,
    /// The versions that would do, best first; each is tried until one works.
    pub candidates: Vec<Candidate>,
    /// The builds that match the request and are not candidates on this host, best first.
    pub passed_over: Vec<PassedOver>,
}

/// A build that matches a request, and that this host cannot run as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The reason, in words.
    pub reason: String,
    /// The command that installs what it lacks, where a command can.
    pub remedy: Option<String>,
    /// True if this host's distribution has no longer what it lacks.
    pub is_final: bool,
}

impl PassedOver {
    /// The one of them that a person is told: the best that a command would make run here, else the best that nothing would.
    pub fn told(passed_over: &[Self]) -> Option<&Self> {
        let mendable = passed_over.iter().find(|build| build.remedy.is_some());
        mendable.or_else(|| passed_over.iter().find(|build| build.is_final))
    }

    /// The best of them that a command would make run here: the reason, and the command.
    pub fn mendable(passed_over: &[Self]) -> Option<(&str, &str)> {
        passed_over
            .iter()
            .find_map(|build| Some((build.reason.as_str(), build.remedy.as_deref()?)))
    }
}

impl From<&ResolveError> for PassedOver {
    fn from(error: &ResolveError) -> Self {
        let remedy = match error {
            ResolveError::Unfit { install, .. } => install.clone(),
            _ => None,
        };
        Self {
            reason: error.to_string(),
            remedy,
            is_final: false,
        }
    }
}

/// One version of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The version of every component of the group.
    pub version: Version,
    /// One for each component.
    pub steps: Vec<Step>,
}

/// The step that brings one component to a version.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The component.
    pub component: ComponentName,
    /// The version.
    pub version: Version,
    /// The action to take.
    pub action: Action,
}

/// The action that brings a component to a version.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Nothing: this tree is as it should be.
    Keep(TreeName),
    /// This tree is here and becomes the active one.
    Activate(TreeName),
    /// One of these is fetched, in this order, until one works.
    Acquire(Vec<Artifact>),
}

/// The result of `update` for a group.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// Something newer, and how to get it.
    Available {
        /// The version now.
        from: Version,
        /// The plan to get the newer one, which has one candidate.
        plan: GroupPlan,
    },
    /// Nothing newer that the request allows.
    UpToDate {
        /// The components.
        components: Vec<ComponentName>,
        /// Their version.
        version: Version,
        /// A newer major version, which needs `--allow-major`.
        newer_major: Option<Version>,
    },
    /// An exact version was asked for, and stays.
    Pinned {
        /// The components.
        components: Vec<ComponentName>,
        /// Their version.
        version: Version,
    },
}

impl Registry {
    /// A component by name, or an error with the nearest names.
    ///
    /// # Errors
    /// `UnknownComponent`.
    pub fn require(&self, name: &ComponentName) -> Result<&Component, ResolveError> {
        self.component(name)
            .ok_or_else(|| ResolveError::unknown_component(self, name))
    }
}

/// Plans an installation of `specs`.
///
/// # Errors
/// When a component, a version or a build for this host does not exist, or two specs contradict each other. Nothing is
/// planned then.
pub fn install(
    registry: &Registry,
    inventory: &Inventory,
    host: &Host,
    specs: &[ComponentSpec],
) -> Result<Plan, ResolveError> {
    let groups = asked_for(registry, inventory, host, specs)?.into_iter();
    let plans = groups.map(|(group, request)| group.install(request));
    Ok(Plan::of(plans.collect::<Result<_, _>>()?))
}

/// Plans an installation of `specs` beside what is active, which stays so: of what is installed the highest version will do,
/// as for a pin.
///
/// # Errors
/// As `install`.
pub fn install_beside(
    registry: &Registry,
    inventory: &Inventory,
    host: &Host,
    specs: &[ComponentSpec],
) -> Result<Plan, ResolveError> {
    let groups = asked_for(registry, inventory, host, specs)?.into_iter();
    let plans = groups.map(|(group, request)| {
        let group = Group {
            is_beside: true,
            ..group
        };
        group.install(request)
    });
    Ok(Plan::of(plans.collect::<Result<_, _>>()?).beside_the_active())
}

/// The requirements of the builds among which `install` chooses. Of the host only its kind need be known yet.
///
/// # Errors
/// When a component does not exist, or two specs contradict each other.
pub fn needs<'a>(
    registry: &'a Registry,
    inventory: &'a Inventory,
    host: &'a Host,
    specs: &[ComponentSpec],
) -> Result<Vec<&'a Needs>, ResolveError> {
    let groups = asked_for(registry, inventory, host, specs)?;
    let needs = groups
        .iter()
        .flat_map(|(group, request)| group.needs(request.as_ref()));
    Ok(needs.collect())
}

/// The groups that specs ask for, each with its request.
fn asked_for<'a>(
    registry: &'a Registry,
    inventory: &'a Inventory,
    host: &'a Host,
    specs: &[ComponentSpec],
) -> Result<Vec<(Group<'a>, Option<Requirement>)>, ResolveError> {
    let groups = grouped(registry, specs)?.into_iter();
    let groups = groups.map(|(components, request)| {
        let group = Group {
            components: having(components, request.as_ref(), inventory),
            registry,
            inventory,
            host,
            is_beside: false,
        };
        (group, request)
    });
    Ok(groups.collect())
}

/// Finds what is newer than the active version of each of `names`, or of everything active when there are none.
///
/// A PostgreSQL stays within its major version unless `allow_major`: a cluster is bound to it.
///
/// # Errors
/// When a name is unknown or not installed.
pub fn update(
    registry: &Registry,
    inventory: &Inventory,
    host: &Host,
    names: &[ComponentName],
    allow_major: bool,
) -> Result<Vec<Update>, ResolveError> {
    for name in names {
        let component = registry.require(name)?;
        if !inventory.active.components.contains_key(name) {
            return Err(ResolveError::not_active(name, component.version_style, inventory));
        }
    }
    let mut updates = Vec::new();
    let mut seen = Vec::new();
    for name in inventory.active.components.keys() {
        // What this registry does not know stays as it is.
        let Some(component) = registry.component(name) else {
            continue;
        };
        let group = registry.group_of(name);
        let wanted = names.is_empty() || group.iter().any(|member| names.contains(&member.name));
        if !wanted || seen.contains(&component.group) {
            continue;
        }
        seen.push(component.group.clone());
        let components = group
            .into_iter()
            .filter(|member| inventory.active.components.contains_key(&member.name))
            .collect();
        updates.push(
            Group {
                components,
                registry,
                inventory,
                host,
                is_beside: false,
            }
            .update(allow_major)?,
        );
    }
    Ok(updates)
}

/// The requirements of the builds among which `update` chooses for `names`: those of versions newer than the active one. Of the
/// host only its kind need be known yet.
pub fn needs_of_newer<'a>(
    registry: &'a Registry,
    inventory: &Inventory,
    host: &Host,
    names: &[ComponentName],
) -> Vec<&'a Needs> {
    let components = names.iter().flat_map(|name| registry.group_of(name));
    let releases = components.flat_map(|component| {
        let active = inventory.active.components.get(&component.name);
        let newer = component.releases.iter().filter(move |release| {
            active.is_some_and(|active| release.version.cmp_precedence(active.version()).is_gt())
        });
        newer.collect::<Vec<_>>()
    });
    let artifacts = releases.flat_map(|release| &release.artifacts);
    artifacts
        .filter(|artifact| Some(artifact.target) == host.target)
        .map(|artifact| &artifact.needs)
        .collect()
}

/// Returns true if a component's data is bound to its major version.
pub fn is_major_bound(component: &Component) -> bool {
    component.acceptance == Acceptance::Postgres
}

/// Of components that move together, those of which this local build is here; all of them for any other request.
fn having<'a>(
    components: Vec<&'a Component>,
    request: Option<&Requirement>,
    inventory: &Inventory,
) -> Vec<&'a Component> {
    let Some(Requirement::Tag(tag)) = request else {
        return components;
    };
    let is_here = |component: &&Component| {
        let trees = inventory.trees(&component.name).iter();
        trees
            .filter_map(|tree| local_name(tree.name.version()))
            .any(|name| name == tag)
    };
    let here: Vec<_> = components.iter().copied().filter(is_here).collect();
    if here.is_empty() { components } else { here }
}

/// Components that move together, and what was asked for.
type Joined<'a> = (Vec<&'a Component>, Option<Requirement>);

/// The specs, with components that move together joined.
fn grouped<'a>(registry: &'a Registry, specs: &[ComponentSpec]) -> Result<Vec<Joined<'a>>, ResolveError> {
    let mut groups: Vec<Joined<'_>> = Vec::new();
    for spec in specs {
        registry.require(&spec.name)?;
        let mut components = registry.group_of(&spec.name);
        // What was asked for is named first, also in an error.
        components.sort_by_key(|component| component.name != spec.name);
        let same_group = |group: &&mut Joined<'_>| group.0[0].group == components[0].group;
        match groups.iter_mut().find(same_group) {
            // One component may be asked for in several versions: the last one becomes active.
            Some((_, request)) if components.len() == 1 && *request != spec.requirement => {
                groups.push((components, spec.requirement.clone()));
            }
            Some((_, request)) => match (&*request, &spec.requirement) {
                (Some(one), Some(other)) if one != other => {
                    return Err(ResolveError::Contradiction {
                        components: components
                            .iter()
                            .map(|component| component.name.clone())
                            .collect(),
                        one: one.clone(),
                        other: other.clone(),
                    });
                }
                (None, Some(_)) => request.clone_from(&spec.requirement),
                _ => {}
            },
            None => groups.push((components, spec.requirement.clone())),
        }
    }
    Ok(groups)
}

#[cfg(test)]
mod tests;
