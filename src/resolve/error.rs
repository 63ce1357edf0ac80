//! Errors of resolving, which say what would have worked.

use semver::Version;

use crate::{
    domain::{Component, ComponentName, Inventory, Provider, Requirement, Target, VersionStyle},
    nearest::nearest,
    registry::Registry,
};

/// The number of versions that an error names: a line of them.
const SHOWN: usize = 8;

/// The reason there is no plan.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ResolveError {
    /// The registry has no such component.
    #[error("there is no component `{name}`{}", as_program(.program_of.as_ref()))]
    UnknownComponent {
        /// The component that was requested.
        name: ComponentName,
        /// The component that has a program of this name.
        program_of: Option<ComponentName>,
        /// Names like it, nearest first.
        nearest: Vec<ComponentName>,
        /// Every name.
        known: Vec<ComponentName>,
    },
    /// No release matches.
    #[error("{}", no_such_version(.component, .requirement, .versions, *.further))]
    NoSuchVersion {
        /// The component.
        component: ComponentName,
        /// The requirement that was given.
        requirement: String,
        /// The versions nearest to it, as they are shown.
        versions: Vec<String>,
        /// The number of versions that it has besides.
        further: usize,
    },
    /// A release has no build for this kind of host.
    #[error("{component} {version} has no build for {host}; it has builds for {}", listed(.targets, "no host at all"))]
    NoBuild {
        /// The component.
        component: ComponentName,
        /// The version, as it is shown.
        version: String,
        /// This kind of host.
        host: String,
        /// The kinds of host that it is built for.
        targets: Vec<Target>,
    },
    /// A release has no build by this provider for this kind of host.
    #[error("{component} {version} has no build by `{provider}` for {host}; it has builds by {}", listed(.providers, "nobody"))]
    NoProvider {
        /// The component.
        component: ComponentName,
        /// The version, as it is shown.
        version: String,
        /// Who was asked for.
        provider: Provider,
        /// This kind of host.
        host: String,
        /// Who built it for this kind of host.
        providers: Vec<Provider>,
    },
    /// There are builds for this kind of host, but each needs what this host lacks.
    #[error("no build of {component} {version} runs on this host: {}", .lacks.join("; "))]
    Unfit {
        /// The component.
        component: ComponentName,
        /// The version, as it is shown.
        version: String,
        /// Who built each, and what it lacks, in words.
        lacks: Vec<String>,
        /// The command that installs what one of them lacks.
        install: Option<String>,
    },
    /// Components that move together were asked for in two versions.
    #[error("{} move together, and were requested as `{one}` and `{other}`", listed(.components, ""))]
    Contradiction {
        /// The components.
        components: Vec<ComponentName>,
        /// The one request.
        one: Requirement,
        /// The other.
        other: Requirement,
    },
    /// It is installed, and no version of it is active: only an active one is updated.
    #[error("{component} is installed ({}), and no version of it is active", .installed.join(", "))]
    NotActive {
        /// The component.
        component: ComponentName,
        /// Its installed versions, as they are shown, lowest first.
        installed: Vec<String>,
    },
    /// Only what is installed can be updated.
    #[error("{component} is not installed")]
    NotInstalled {
        /// The component.
        component: ComponentName,
    },
}

fn as_program(of: Option<&ComponentName>) -> String {
    of.map_or_else(String::new, |of| format!("; it is a program of {of}"))
}

fn no_such_version(
    component: &ComponentName,
    requirement: &str,
    versions: &[String],
    further: usize,
) -> String {
    if versions.is_empty() {
        return format!("the registry has no version of {component} yet");
    }
    let it_has = match further {
        0 => listed(versions, "none"),
        further => format!("{} and {further} more", versions.join(", ")),
    };
    format!("{component} has no version `{requirement}`; it has {it_has}")
}

impl ResolveError {
    /// The component that it is about.
    pub fn component(&self) -> Option<&ComponentName> {
        match self {
            Self::UnknownComponent { name, .. } => Some(name),
            Self::NoSuchVersion { component, .. }
            | Self::NoBuild { component, .. }
            | Self::NoProvider { component, .. }
            | Self::Unfit { component, .. }
            | Self::NotActive { component, .. }
            | Self::NotInstalled { component } => Some(component),
            Self::Contradiction { components, .. } => components.first(),
        }
    }

    /// No version of a component is active, or even installed.
    pub fn not_active(name: &ComponentName, style: VersionStyle, inventory: &Inventory) -> Self {
        let component = name.clone();
        let trees = inventory.trees(name).iter();
        let shown = trees.map(|tree| style.show(inventory.told_apart(name, &tree.name).version()));
        let installed: Vec<String> = shown.collect();
        if installed.is_empty() {
            return Self::NotInstalled { component };
        }
        Self::NotActive { component, installed }
    }

    /// No component has this name.
    pub(super) fn unknown_component(registry: &Registry, name: &ComponentName) -> Self {
        let mut known: Vec<ComponentName> = registry.components.keys().cloned().collect();
        let near = nearest(name.as_str(), known.iter().map(ComponentName::as_str));
        let near = near.iter().filter_map(|name| name.parse().ok()).collect();
        known.sort();
        let mut components = registry.components.values();
        let owner = components.find(|component| component.has_program(name.as_str()));
        Self::UnknownComponent {
            name: name.clone(),
            program_of: owner.map(|component| component.name.clone()),
            nearest: near,
            known,
        }
    }

    /// No release of a component matches.
    pub(super) fn no_such_version(component: &Component, requirement: Option<&Requirement>) -> Self {
        let major = requirement.and_then(Requirement::major);
        // The same major version first, each highest first; never more than a line of them.
        let mut versions: Vec<&Version> = component
            .releases
            .iter()
            .map(|release| &release.version)
            .collect();
        versions.sort_by_key(|version| Some(version.major) != major);
        Self::NoSuchVersion {
            component: component.name.clone(),
            requirement: requirement
                .map_or_else(|| component.default_channel.to_string(), ToString::to_string),
            further: versions.len().saturating_sub(SHOWN),
            versions: versions
                .into_iter()
                .take(SHOWN)
                .map(|version| component.version_style.show(version))
                .collect(),
        }
    }
}

/// `a, b and c`.
fn listed<T: ToString>(items: &[T], none: &str) -> String {
    match items {
        [] => none.to_owned(),
        [one] => one.to_string(),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(ToString::to_string).collect();
            format!("{} and {}", first.join(", "), last.to_string())
        }
    }
}
