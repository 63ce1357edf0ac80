//! Which version, and which of its builds.

use std::collections::BTreeSet;

use semver::Version;

use super::{Action, Candidate, GroupPlan, PassedOver, ResolveError, Step, Update, is_major_bound};
use crate::{
    domain::{
        Artifact, Channel, Component, Inventory, Needs, Provider, Requirement, Target, Tree, TreeName,
        inventory::TreeOrigin, version::local_name,
    },
    host::{Host, Lack},
    registry::Registry,
};

/// The command that installs all that a build lacks on a host, where a command can: what it cannot run without, and what
/// its further programs ask for.
pub fn remedy(needs: &Needs, registry: &Registry, host: &Host) -> Option<String> {
    let lacks = host.lacks(needs);
    if lacks.iter().any(|lack| matches!(lack, Lack::Newer { .. })) {
        return None;
    }
    let recommended = needs.recommended.iter().map(String::as_str);
    let recommended = recommended.filter(|library| host.missing.contains(*library));
    let things: Vec<&str> = lacks.iter().filter_map(Lack::thing).chain(recommended).collect();
    registry.distributions.install(things, &host.os_release)
}

/// The end of a sentence about what a build lacks on a host: those of the libraries that its distribution has no longer.
/// Empty where there are none.
fn ended(lacks: &[Lack], registry: &Registry, host: &Host) -> String {
    let things = lacks.iter().filter_map(Lack::thing);
    let ended = registry.distributions.ended(things, &host.os_release);
    let ended: Vec<String> = ended.iter().map(|thing| format!("`{thing}`")).collect();
    match ended.as_slice() {
        [] => String::new(),
        ended => format!("; its distribution has no {} any more", ended.join(" and no ")),
    }
}

/// Components that move together, and what they are chosen for.
pub(super) struct Group<'a> {
    pub components: Vec<&'a Component>,
    pub registry: &'a Registry,
    pub inventory: &'a Inventory,
    pub host: &'a Host,
    /// True if what is active has no precedence over a higher version, because it stays active.
    pub is_beside: bool,
}

impl<'a> Group<'a> {
    /// The requirements of the builds among which `install` chooses; none where it chooses what is installed.
    pub(super) fn needs(&self, request: Option<&Requirement>) -> Vec<&'a Needs> {
        let mut versions = self.versions(request);
        if self.keeps(&versions, request).is_some() {
            versions.clear();
        }
        let releases = self.components.iter().flat_map(|component| &component.releases);
        let artifacts = releases
            .filter(|release| versions.contains(&release.version))
            .flat_map(|release| &release.artifacts);
        artifacts
            .filter(|artifact| Some(artifact.target) == self.host.target)
            .map(|artifact| &artifact.needs)
            .collect()
    }

    /// The candidates for a request, best first.
    pub(super) fn install(&self, request: Option<Requirement>) -> Result<GroupPlan, ResolveError> {
        let versions = self.versions(request.as_ref());
        if versions.is_empty() {
            return Err(ResolveError::no_such_version(
                self.components[0],
                request.as_ref(),
            ));
        }
        let mut plan = GroupPlan {
            components: self
                .components
                .iter()
                .map(|component| component.name.clone())
                .collect(),
            candidates: Vec::new(),
            passed_over: Vec::new(),
            request,
        };
        if let Some(version) = self.keeps(&versions, plan.request.as_ref()) {
            plan.candidates
                .push(self.candidate(&version, plan.request.as_ref())?);
            return Ok(plan);
        }
        let exact = plan.request.as_ref().is_some_and(Requirement::is_exact);
        let mut refusal = None;
        for version in versions.iter().rev() {
            // A cluster is bound to its major version: never fall from one to a lower one.
            if plan
                .candidates
                .first()
                .is_some_and(|first| first.version.major != version.major)
            {
                break;
            }
            match self.candidate(version, plan.request.as_ref()) {
                Ok(candidate) => {
                    plan.passed_over
                        .extend(self.passed_over(&candidate, plan.request.as_ref()));
                    plan.candidates.push(candidate);
                }
                Err(cause) => {
                    plan.passed_over.push(PassedOver::from(&cause));
                    refusal.get_or_insert(cause);
                }
            }
            if exact {
                break;
            }
        }
        if plan.candidates.is_empty() {
            Err(refusal.expect("there was a version, and no candidate"))
        } else {
            Ok(plan)
        }
    }

    /// The highest version above the active one that its request allows.
    pub(super) fn update(&self, allow_major: bool) -> Result<Update, ResolveError> {
        let first = self.components[0];
        let components = || {
            self.components
                .iter()
                .map(|component| component.name.clone())
                .collect()
        };
        let active =
            self.inventory
                .active
                .components
                .get(&first.name)
                .ok_or_else(|| ResolveError::NotInstalled {
                    component: first.name.clone(),
                })?;
        let request = self.inventory.active.requests.get(&first.name).cloned();
        let from = self.version_of(first, active);
        if request.as_ref().is_some_and(Requirement::is_exact) {
            return Ok(Update::Pinned {
                components: components(),
                version: from,
            });
        }
        let bound = is_major_bound(first);
        let newer = |request: Option<&Requirement>| -> Vec<Version> {
            self.versions(request)
                .into_iter()
                .filter(|version| {
                    version.cmp_precedence(&from).is_gt() && self.candidate(version, request).is_ok()
                })
                .collect()
        };
        let within: Vec<Version> = newer(request.as_ref())
            .into_iter()
            .filter(|version| !bound || version.major == from.major)
            .collect();
        let across = newer(Some(&Requirement::Latest))
            .into_iter()
            .filter(|version| version.major > from.major)
            .max();
        let (version, request) = match across {
            Some(version) if bound && allow_major => {
                let request = Requirement::Prefix(version.major, None);
                (version, Some(request))
            }
            across => match within.into_iter().max() {
                Some(version) => (version, request),
                None => {
                    let newer_major = across.filter(|_| bound);
                    return Ok(Update::UpToDate {
                        components: components(),
                        version: from,
                        newer_major,
                    });
                }
            },
        };
        let candidate = self.candidate(&version, request.as_ref())?;
        let plan = GroupPlan {
            components: components(),
            passed_over: self.passed_over(&candidate, request.as_ref()),
            candidates: vec![candidate],
            request,
        };
        Ok(Update::Available { from, plan })
    }

    /// Every version that all components have, in the registry or installed, and that the request means; lowest first.
    fn versions(&self, request: Option<&Requirement>) -> BTreeSet<Version> {
        let mut sets = self.components.iter().map(|component| {
            let released = component.releases.iter().map(|release| release.version.clone());
            let installed = self
                .inventory
                .trees(&component.name)
                .iter()
                .filter_map(|tree| Some(tree.origin.as_ref()?.version.clone()));
            released
                .chain(installed)
                .filter(|version| is_meant(component, version, request))
                .collect::<BTreeSet<_>>()
        });
        let first = sets.next().unwrap_or_default();
        sets.fold(first, |common, set| common.intersection(&set).cloned().collect())
    }

    /// The version that is installed and will do.
    fn keeps(&self, versions: &BTreeSet<Version>, request: Option<&Requirement>) -> Option<Version> {
        match request {
            Some(Requirement::Latest) => None,
            request => self.installed(versions, request),
        }
    }

    /// The version of `versions` that is installed whole: the active one, unless that has no precedence, else the highest.
    fn installed(&self, versions: &BTreeSet<Version>, request: Option<&Requirement>) -> Option<Version> {
        let whole = |version: &&Version| {
            self.components
                .iter()
                .all(|component| self.tree(component, version, request).is_some())
        };
        let is_active = |version: &&Version| {
            self.components.iter().all(|component| {
                let tree = self.tree(component, version, request);
                tree.is_some_and(|tree| self.inventory.is_active(&component.name, &tree.name))
            })
        };
        let installed: Vec<&Version> = versions.iter().filter(whole).collect();
        installed
            .iter()
            .copied()
            .find(|version| !self.is_beside && is_active(version))
            .or(installed.last().copied())
            .cloned()
    }

    /// The installed tree of a version, by the provider that the request names.
    fn tree(&self, component: &Component, version: &Version, request: Option<&Requirement>) -> Option<&Tree> {
        let tree = self.inventory.best(&component.name, |origin| {
            origin.version == *version && is_by_provider(origin, request)
        });
        tree.map(|(tree, _)| tree)
    }

    fn version_of(&self, component: &Component, tree: &TreeName) -> Version {
        let origin = self
            .inventory
            .tree(&component.name, tree)
            .and_then(|tree| tree.origin.as_ref());
        origin.map_or_else(|| tree.version().clone(), |origin| origin.version.clone())
    }

    /// Returns the steps that bring every component to a version.
    fn candidate(&self, version: &Version, request: Option<&Requirement>) -> Result<Candidate, ResolveError> {
        let step = |component: &&Component| {
            let action = match self.tree(component, version, request) {
                Some(tree) if self.inventory.is_active(&component.name, &tree.name) => {
                    Action::Keep(tree.name.clone())
                }
                Some(tree) => Action::Activate(tree.name.clone()),
                None => Action::Acquire(self.artifacts(component, version, request)?),
            };
            Ok(Step {
                component: component.name.clone(),
                version: version.clone(),
                action,
            })
        };
        let steps = self
            .components
            .iter()
            .map(step)
            .collect::<Result<_, ResolveError>>()?;
        Ok(Candidate {
            version: version.clone(),
            steps,
        })
    }

    /// The builds of a release for this kind of host that a request means, in order; never none.
    fn builds<'c>(
        &self,
        component: &'c Component,
        version: &Version,
        request: Option<&Requirement>,
    ) -> Result<Vec<&'c Artifact>, ResolveError> {
        let shown = component.version_style.show(version);
        let Some(release) = component.release(version) else {
            return Err(ResolveError::no_such_version(component, request));
        };
        let for_host: Vec<&Artifact> = release
            .artifacts
            .iter()
            .filter(|artifact| Some(artifact.target) == self.host.target)
            .collect();
        if for_host.is_empty() {
            let targets: BTreeSet<Target> =
                release.artifacts.iter().map(|artifact| artifact.target).collect();
            return Err(ResolveError::NoBuild {
                component: component.name.clone(),
                version: shown,
                host: self.host_name(),
                targets: targets.into_iter().collect(),
            });
        }
        let provider = request.and_then(|request| request.provider(version));
        let wanted: Vec<&Artifact> = for_host
            .iter()
            .copied()
            .filter(|artifact| {
                provider
                    .as_ref()
                    .is_none_or(|provider| *provider == artifact.provider)
            })
            .collect();
        if let Some(provider) = provider
            && wanted.is_empty()
        {
            let providers: BTreeSet<Provider> = for_host
                .iter()
                .map(|artifact| artifact.provider.clone())
                .collect();
            return Err(ResolveError::NoProvider {
                component: component.name.clone(),
                version: shown,
                provider,
                host: self.host_name(),
                providers: providers.into_iter().collect(),
            });
        }
        Ok(wanted)
    }

    /// The builds of a release that may run here, in order; never none.
    fn artifacts(
        &self,
        component: &Component,
        version: &Version,
        request: Option<&Requirement>,
    ) -> Result<Vec<Artifact>, ResolveError> {
        let (fit, unfit): (Vec<&Artifact>, Vec<&Artifact>) = self
            .builds(component, version, request)?
            .into_iter()
            .partition(|artifact| self.host.lacks(&artifact.needs).is_empty());
        if fit.is_empty() {
            let mut lacks: Vec<_> = unfit
                .iter()
                .map(|artifact| (artifact.provider.clone(), self.host.lacks(&artifact.needs)))
                .collect();
            lacks.dedup();
            let of_builds = lacks.iter().map(|(provider, lacks)| {
                let ended = ended(lacks, self.registry, self.host);
                format!("the build by {provider}: {}{ended}", Lack::in_words(lacks))
            });
            return Err(ResolveError::Unfit {
                component: component.name.clone(),
                version: component.version_style.show(version),
                lacks: of_builds.collect(),
                install: unfit
                    .iter()
                    .find_map(|artifact| remedy(&artifact.needs, self.registry, self.host)),
            });
        }
        Ok(fit.into_iter().cloned().collect())
    }

    /// The builds of a candidate's release that do not run here as it is, beside those that do.
    fn passed_over(&self, candidate: &Candidate, request: Option<&Requirement>) -> Vec<PassedOver> {
        let to_acquire = candidate
            .steps
            .iter()
            .filter(|step| matches!(step.action, Action::Acquire(_)));
        let components = to_acquire.filter_map(|step| {
            let mut components = self.components.iter();
            components.find(|component| component.name == step.component)
        });
        let mut passed_over = Vec::new();
        for component in components {
            let shown = component.version_style.show(&candidate.version);
            let builds = self.builds(component, &candidate.version, request);
            for artifact in builds.unwrap_or_default() {
                let lacks = self.host.lacks(&artifact.needs);
                if !lacks.is_empty() {
                    let ended = ended(&lacks, self.registry, self.host);
                    passed_over.push(PassedOver {
                        reason: format!(
                            "the build of {} {shown} by {} {}{ended}",
                            component.name,
                            artifact.provider,
                            Lack::in_words(&lacks)
                        ),
                        remedy: remedy(&artifact.needs, self.registry, self.host),
                        is_final: !ended.is_empty(),
                    });
                }
            }
        }
        passed_over.dedup();
        passed_over
    }

    fn host_name(&self) -> String {
        self.host
            .target
            .map_or_else(|| self.host.description.clone(), |target| target.to_string())
    }
}

/// Returns true if an installed tree is by the provider that a request names, if it names one.
pub(super) fn is_by_provider(origin: &TreeOrigin, request: Option<&Requirement>) -> bool {
    let provider = request.and_then(|request| request.provider(&origin.version));
    provider.is_none_or(|provider| provider == origin.provider)
}

/// Returns true if a request for a component means this version, also one that the registry no longer has.
pub(super) fn is_meant(component: &Component, version: &Version, request: Option<&Requirement>) -> bool {
    let (channel, tags) = match component.release(version) {
        Some(release) => (release.channel, release.tags.as_slice()),
        None if version.pre.is_empty() => (Channel::Stable, [].as_slice()),
        None => (Channel::Nightly, [].as_slice()),
    };
    match request {
        Some(request) => request.matches(version, channel, tags, component.default_channel),
        None => {
            local_name(version).is_none()
                && channel == component.default_channel
                && component
                    .default_requirement
                    .as_ref()
                    .is_none_or(|default| default.matches(version, channel, tags, component.default_channel))
        }
    }
}
