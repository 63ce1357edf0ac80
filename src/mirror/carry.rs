//! The artifacts of a mirror: for each target a build of every provider, by digest.

use std::{
    fs::File,
    io::{self, Seek as _, Write as _},
};

use camino::Utf8Path;
use fs_err as fs;
use semver::Version;

use super::{ArtifactEntry, Effect, Mirror, MirrorContext, MirrorError, NEW, open_to_all};
use crate::{
    domain::{Artifact, ComponentName, ComponentSpec, Digest, Integrity, Inventory, Provider, Target},
    fetch::{FetchContext, FetchError},
    fs::{atomic, flush, space::SpaceNeed},
    host::Host,
    registry::Registry,
    resolve::{self, Action, Candidate, GroupPlan, ResolveError},
    unpack::{self, Shape},
    verify::{self, Verified},
};

/// Components that move together, for one target, and the versions that would do.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The kind of host that they are for.
    pub target: Target,
    /// The versions that would do, best first.
    pub plan: GroupPlan,
}

/// Plans what the specs mean on hosts of these targets, as if these had all that any build needs.
///
/// # Errors
/// When a component, a version or a build for a target does not exist.
pub fn wanted(
    registry: &Registry,
    specs: &[ComponentSpec],
    targets: &[Target],
) -> Result<Vec<Wanted>, ResolveError> {
    let mut all = Vec::new();
    for target in targets {
        let host = Host {
            target: Some(*target),
            description: target.to_string(),
            glibc: None,
            macos: None,
            os_release: String::new(),
            missing: Default::default(),
        };
        let plan = resolve::install(registry, &Inventory::default(), &host, specs)?;
        all.extend(plan.groups.into_iter().map(|plan| Wanted {
            target: *target,
            plan,
        }));
    }
    Ok(all)
}

/// A build in the mirror.
#[derive(Debug, Clone)]
pub struct Build {
    /// Which one.
    pub entry: ArtifactEntry,
    /// The artifact that the registry states.
    pub artifact: Artifact,
    /// The effect of carrying it.
    pub effect: Effect,
}

/// A build that could not be had.
#[derive(Debug)]
pub struct Failure {
    /// The component.
    pub component: ComponentName,
    /// Its version.
    pub version: Version,
    /// The kind of host.
    pub target: Target,
    /// Who built it.
    pub provider: Provider,
    /// The reason.
    pub error: FetchError,
}

/// The builds of what was wanted.
#[derive(Debug, Default)]
pub struct Builds {
    /// Those that are in the mirror.
    pub carried: Vec<Build>,
    /// Those that are not. Nothing could be had where there are only such.
    pub failed: Vec<Failure>,
}

impl Builds {
    /// The names of components of which no build is here.
    pub fn lacking<'a>(&'a self, wanted: &'a Wanted) -> impl Iterator<Item = &'a ComponentName> {
        let has = |name: &ComponentName| self.carried.iter().any(|build| build.entry.component == *name);
        wanted.plan.components.iter().filter(move |name| !has(name))
    }

    /// The names of those among them that nobody needed to fetch, each with that of what it moves with and could not be had.
    pub fn left_out<'a>(
        &'a self,
        wanted: &'a Wanted,
    ) -> impl Iterator<Item = (&'a ComponentName, &'a ComponentName)> {
        let has_failed = |name: &ComponentName| self.failed.iter().any(|failure| failure.component == *name);
        let first = self.failed.first().map(|failure| &failure.component);
        let left_out = self.lacking(wanted).filter(move |name| !has_failed(name));
        left_out.filter_map(move |name| Some((name, first?)))
    }
}

impl Mirror {
    /// Puts the builds of the best version into the mirror that can be had, and says what cannot.
    ///
    /// # Errors
    /// When the mirror cannot be written.
    pub fn carry(&self, wanted: &Wanted, context: &MirrorContext<'_>) -> Result<Builds, MirrorError> {
        let mut builds = Builds::default();
        for candidate in &wanted.plan.candidates {
            let mut carried = Vec::new();
            for (component, artifacts) in steps(candidate) {
                let before = carried.len();
                for of_provider in by_provider(artifacts) {
                    let of = (component, &candidate.version);
                    match self.carry_one_of(of, &of_provider, context)? {
                        Ok(build) => carried.push(build),
                        Err(failures) => builds.failed.extend(failures),
                    }
                }
                if carried.len() == before {
                    break;
                }
            }
            builds.carried.append(&mut carried);
            if builds.lacking(wanted).next().is_none() {
                break;
            }
            // What moves together is of no use apart.
            builds.carried.clear();
        }
        Ok(builds)
    }

    /// Puts one of the archives of a build into the mirror: the one that is there, else the first that can be had.
    pub(super) fn carry_one_of(
        &self,
        (component, version): (&ComponentName, &Version),
        artifacts: &[&Artifact],
        context: &MirrorContext<'_>,
    ) -> Result<Result<Build, Vec<Failure>>, MirrorError> {
        let is_here = |artifact: &&&Artifact| match &artifact.integrity {
            Integrity::Pinned { digest } => self.directory.join(digest.blob()).is_file(),
            Integrity::ChecksumFile { .. } | Integrity::GithubAsset { .. } | Integrity::Stated { .. } => {
                false
            }
        };
        let (here, elsewhere): (Vec<&Artifact>, Vec<&Artifact>) =
            artifacts.iter().partition(|artifact| is_here(artifact));
        let mut failures = Vec::new();
        for artifact in here.into_iter().chain(elsewhere) {
            let name = name(component, version, artifact.target, context.registry);
            match self.carry_artifact(&name, artifact, context)? {
                Ok((digest, size, effect)) => {
                    let entry = ArtifactEntry {
                        component: component.clone(),
                        version: version.clone(),
                        target: artifact.target,
                        provider: artifact.provider.clone(),
                        digest,
                        size,
                        stated_at: stated_at(&artifact.integrity).map(str::to_owned),
                    };
                    self.change(context, |index| index.add(entry.clone()))?;
                    let artifact = artifact.clone();
                    return Ok(Ok(Build {
                        entry,
                        artifact,
                        effect,
                    }));
                }
                Err(error) => failures.push(Failure {
                    component: component.clone(),
                    version: version.clone(),
                    target: artifact.target,
                    provider: artifact.provider.clone(),
                    error,
                }),
            }
        }
        Ok(Err(failures))
    }

    /// Puts one artifact into the mirror, under the mirror's lock: a second process finds it done.
    fn carry_artifact(
        &self,
        name: &str,
        artifact: &Artifact,
        context: &MirrorContext<'_>,
    ) -> Result<Result<(Digest, u64, Effect), FetchError>, MirrorError> {
        let digest = match context.runtime.block_on(context.wire.expected(name, artifact)) {
            Ok(digest) => digest,
            Err(error) => return Ok(Err(error)),
        };
        let path = self.directory.join(digest.blob());
        let _lock = self.lock(context)?;
        if self.has_content(&path, &digest, artifact.size)? {
            let size = path.metadata().map_err(self.disk())?.len();
            return Ok(Ok((digest, size, Effect::Present)));
        }
        let (downloads, staging) = (self.downloads(), self.work());
        let places = FetchContext {
            downloads: &downloads,
            staging: &staging,
            open_wheel: unpack::open_wheel,
        };
        match context
            .runtime
            .block_on(context.wire.fetch(name, artifact, &places))
        {
            Ok(verified) => {
                self.make(path.parent().expect("below the mirror"))?;
                self.publish(&verified, &path).map_err(self.disk())?;
                Ok(Ok((digest, verified.size(), Effect::Added)))
            }
            Err(FetchError::Disk { path, source }) => {
                let text = format!("`{path}`: {source}");
                Err(self.disk()(io::Error::new(source.kind(), text)))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// Gives a proven file its place. One that lies elsewhere, in another mirror or as a user's own file, is copied.
    fn publish(&self, verified: &Verified, path: &Utf8Path) -> io::Result<()> {
        if verified.path().starts_with(self.downloads()) {
            // Windows flushes no file that was opened for reading alone.
            let mut options = fs::OpenOptions::new();
            options.read(true).write(cfg!(windows));
            options.open(verified.path())?.sync_all()?;
            open_to_all(verified.path())?;
            return atomic::rename(verified.path(), path);
        }
        let mut copy = tempfile::NamedTempFile::with_prefix_in(NEW, self.work())?;
        let mut from: &File = verified.file();
        from.rewind()?;
        io::copy(&mut from, copy.as_file_mut())?;
        copy.flush()?;
        copy.as_file().sync_all()?;
        copy.persist(path).map_err(|cause| cause.error)?;
        open_to_all(path)?;
        flush::sync_directory(path.parent().expect("below the mirror"))
    }

    /// Returns true if a build in the mirror installs a file at this path of its tree; `None` where it cannot be read.
    pub fn installs(&self, build: &Build, path: &str) -> Option<bool> {
        let Build { entry, artifact, .. } = build;
        let place = self.directory.join(entry.digest.blob());
        let file = File::open(&place).ok()?;
        let archive = verify::verify(file, &place, place.as_str(), &entry.digest, None).ok()?;
        let shape = Shape::of(&entry.component, artifact, SpaceNeed::default());
        unpack::installs(&archive, &shape, path).ok()
    }

    /// Returns true if a build of `artifacts` is in the mirror.
    pub fn has(&self, artifacts: &[&Artifact]) -> Result<bool, MirrorError> {
        for artifact in artifacts {
            if let Integrity::Pinned { digest } = &artifact.integrity
                && self.has_content(&self.directory.join(digest.blob()), digest, artifact.size)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A build that a mirror may have, in one or more archives.
pub struct Candidates<'a> {
    /// The component.
    pub component: &'a ComponentName,
    /// Its archives, by one provider; never none.
    pub artifacts: Vec<&'a Artifact>,
}

/// The builds of a version.
pub fn builds(candidate: &Candidate) -> Vec<Candidates<'_>> {
    let of_step = |(component, artifacts)| {
        by_provider(artifacts)
            .into_iter()
            .map(move |artifacts| Candidates { component, artifacts })
    };
    steps(candidate).flat_map(of_step).collect()
}

/// The artifacts of each component of a candidate.
fn steps(candidate: &Candidate) -> impl Iterator<Item = (&ComponentName, &[Artifact])> {
    candidate.steps.iter().map(|step| match &step.action {
        Action::Acquire(artifacts) => (&step.component, artifacts.as_slice()),
        // Nothing is installed in a mirror.
        Action::Keep(_) | Action::Activate(_) => (&step.component, &[][..]),
    })
}

/// The artifacts of each provider, in order.
fn by_provider(artifacts: &[Artifact]) -> Vec<Vec<&Artifact>> {
    let mut all: Vec<Vec<&Artifact>> = Vec::new();
    for artifact in artifacts {
        match all.iter_mut().find(|of| of[0].provider == artifact.provider) {
            Some(of) => of.push(artifact),
            None => all.push(vec![artifact]),
        }
    }
    all
}

/// The name of a build, for a person.
fn name(component: &ComponentName, version: &Version, target: Target, registry: &Registry) -> String {
    let shown = registry.component(component).map_or_else(
        || version.to_string(),
        |component| component.version_style.show(version),
    );
    format!("{component} {shown} for {target}")
}

/// The address that states a digest that the registry does not.
fn stated_at(integrity: &Integrity) -> Option<&str> {
    match integrity {
        Integrity::Pinned { .. } | Integrity::Stated { .. } => None,
        Integrity::ChecksumFile { url, .. } | Integrity::GithubAsset { release: url, .. } => Some(url),
    }
}
