//! One component from its artifacts to a sealed tree in staging. The release lock is held from before the first look
//! until after the commit, so that another process waits for this release only, and finds it done.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{
    InstallContext, Member,
    error::{self, Attempt, AttemptError, InstallError},
    locks::{Locks, lock_store},
    one_line::in_one_line,
};
use crate::{
    accept::{AcceptError, Accepted, Expected, ProvenCluster, accept, ensure_open},
    domain::{Artifact, Component, Digest, Provider, Source, TreeName, component::Acceptance},
    event::{Event, Phase},
    fetch::{FetchContext, FetchError, Verdict},
    fs::{
        flush,
        lock::Lock,
        space::{self, SpaceNeed},
    },
    hindrance,
    postgres::user::OsUser,
    resolve::Step,
    store::{self, receipt::Receipt, staging::Staging},
    unpack::{self, Shape, UnpackError, unpack},
    verify::Verified,
};

/// The space of an unpacked tree, if the manifest does not state it, as a multiple of the size of its artifact. (The
/// builds of PostgreSQL that were measured take three.)
const UNPACKED_RATIO: u64 = 4;
/// Room for receipts and links.
const SLACK: u64 = 1 << 20;
/// Room for a throw-away cluster (40 MiB).
const CLUSTER: u64 = 63 << 20;
/// Files and directories of such a cluster (992).
const ENTRIES_OF_CLUSTER: u64 = 1_000;
/// Files and directories that any installation makes. No manifest says how many there are in an archive, so this is the
/// least that it takes.
const ENTRIES: u64 = 16;
/// And those of the smallest PostgreSQL that was measured, with its throw-away cluster.
const ENTRIES_OF_POSTGRES: u64 = 1_500;

/// A tree that was accepted, sealed and flushed, and only needs to be published.
pub(super) struct Sealed {
    tree: Utf8PathBuf,
    /// Who built it.
    pub provider: Provider,
    /// Whoever waits for this release finds it published.
    _release: Option<Lock>,
    /// The directory in staging, which is removed with this value.
    _staging: Staging,
}

impl Sealed {
    /// Where it lies. A commit borrows it, and with it the locks.
    pub(super) fn tree(&self) -> &Utf8Path {
        &self.tree
    }
}

/// Gives the tree of a step: the one that is here, or one that is made from one of the artifacts.
pub(super) fn acquire(
    step: &Step,
    artifacts: &[Artifact],
    context: &InstallContext<'_>,
    locks: &Locks,
) -> Result<Member, InstallError> {
    let release = locks.of(step, context)?;
    // While we waited, another process may have done it.
    let providers: Vec<Provider> = artifacts
        .iter()
        .map(|artifact| artifact.provider.clone())
        .collect();
    if let Some(tree) = installed(step, &providers, context)? {
        return Ok(Member::Present {
            step: step.clone(),
            tree,
        });
    }
    Ok(Member::Sealed {
        step: step.clone(),
        sealed: Box::new(build(step, artifacts, release, context)?),
    })
}

/// Tries the artifacts of a step in order.
pub(super) fn build(
    step: &Step,
    artifacts: &[Artifact],
    release: Option<Lock>,
    context: &InstallContext<'_>,
) -> Result<Sealed, InstallError> {
    let component = context
        .registry
        .require(&step.component)
        .expect("the plan was made from this registry");
    let name = context.name(step);
    let attempt = |artifact: &Artifact, error: AttemptError| Attempt {
        component: step.component.clone(),
        version: context.show(&step.component, &step.version),
        provider: artifact.provider.clone(),
        error,
    };
    let fatal = |attempt| InstallError::Fatal(Box::new(attempt));
    let staging = {
        let _store = lock_store(context)?;
        Staging::create(context.layout)?
    };
    // Better known before a large download than after it, and no fault of a build's.
    hindrance::ensure_none(staging.path(), component.acceptance).map_err(InstallError::Host)?;
    if component.acceptance == Acceptance::Postgres {
        let user = OsUser::for_postgres().map_err(|cause| InstallError::Host(cause.into()))?;
        let open = ensure_open(&staging.path().join("bin/postgres"), user.as_ref());
        if let (Err(error), Some(artifact)) = (open, artifacts.first()) {
            return Err(fatal(attempt(artifact, error.into())));
        }
    }
    let mut attempts = Vec::new();
    for artifact in artifacts {
        check_room(component, artifact, staging.path(), &context.layout.downloads())?;
        match try_artifact(step, component, artifact, &name, &staging, context) {
            Ok(tree) => {
                let provider = artifact.provider.clone();
                tell(&name, Some(&artifact.source), &attempts, context);
                return Ok(Sealed {
                    tree,
                    provider,
                    _release: release,
                    _staging: staging,
                });
            }
            Err(Failure::Store(cause)) => return Err(cause.into()),
            Err(Failure::Attempt(error)) => {
                let is_fatal = is_fatal(&error);
                let attempt = attempt(artifact, *error);
                if is_fatal {
                    return Err(fatal(attempt));
                }
                attempts.push(attempt);
            }
        }
    }
    Err(InstallError::Exhausted {
        components: vec![step.component.clone()],
        attempts,
        passed_over: Vec::new(),
        offer: None,
    })
}

/// Says why a component did not come from where it was looked for first; where nothing came, the error says so. Who is out
/// of reach is told in one line, and of all components that meet the same, only the first says so.
pub(super) fn tell(name: &str, source: Option<&Source>, attempts: &[Attempt], context: &InstallContext<'_>) {
    let errors = attempts.iter().filter_map(Attempt::fetch_error);
    if let Some(who) = error::out_of_reach(errors).filter(|who| context.wire.is_news(who)) {
        let text = match source {
            Some(source) => format!(
                "{who}; {name} came from {} instead, with the same checks",
                source.place()
            ),
            None => who,
        };
        context.reporter.report(Event::Note(text));
    }
    // The mirror has said of its own copy what is wrong.
    let is_reported = |attempt: &&Attempt| {
        attempt.is_out_of_reach()
            || matches!(
                &attempt.error,
                AttemptError::Fetch(FetchError::WrongMirror { .. })
            )
    };
    for attempt in attempts.iter().filter(|attempt| !is_reported(attempt)) {
        context.reporter.report(match &attempt.error {
            AttemptError::Fetch(error @ FetchError::WrongPackage { .. }) => {
                Event::Warning(format!("{error}; continued without it"))
            }
            AttemptError::Fetch(error) => Event::Note(format!("{error}; continued without it")),
            error => Event::Warning(format!(
                "skipped the build by {}: {}{}",
                attempt.provider,
                in_one_line(error),
                hinted(error, context)
            )),
        });
    }
}

fn hinted(error: &AttemptError, context: &InstallContext<'_>) -> String {
    (context.advise)(error)
        .map(|hint| format!(" ({hint})"))
        .unwrap_or_default()
}

/// Returns true if an error ends the attempts: wrong bytes from the origin, or a fault of our own disk. An archive
/// that is refused is passed over like a build that does not run: its bytes are the promised ones, and another may be
/// better.
fn is_fatal(error: &AttemptError) -> bool {
    match error {
        AttemptError::Fetch(error) => error.verdict() == Verdict::Fatal,
        AttemptError::Unpack(error) => !matches!(error, UnpackError::Refused { .. }),
        AttemptError::Accept(AcceptError::DoesNotRun(error)) => error.is_of_host(),
        AttemptError::Accept(error) => matches!(
            error,
            AcceptError::User(_) | AcceptError::Closed { .. } | AcceptError::Io(_)
        ),
    }
}

enum Failure {
    Attempt(Box<AttemptError>),
    Store(std::io::Error),
}

impl<E: Into<AttemptError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Attempt(Box::new(error.into()))
    }
}

/// Fetches, unpacks, runs and seals one artifact; gives the sealed tree.
fn try_artifact(
    step: &Step,
    component: &Component,
    artifact: &Artifact,
    name: &str,
    staging: &Staging,
    context: &InstallContext<'_>,
) -> Result<Utf8PathBuf, Failure> {
    let places = FetchContext {
        downloads: &context.layout.downloads(),
        staging: staging.path(),
        open_wheel: unpack::open_wheel,
    };
    let verified = context
        .runtime
        .block_on(context.wire.fetch(name, artifact, &places))?;
    // Whoever shows what is being done is told that nothing is any more.
    build_tree(step, component, artifact, &verified, name, staging, context).inspect_err(|_| {
        let name = name.to_owned();
        context.reporter.report(Event::DownloadStopped { name });
    })
}

/// Unpacks, runs and seals what was fetched.
fn build_tree(
    step: &Step,
    component: &Component,
    artifact: &Artifact,
    verified: &Verified,
    name: &str,
    staging: &Staging,
    context: &InstallContext<'_>,
) -> Result<Utf8PathBuf, Failure> {
    let phase = |phase| {
        context.reporter.report(Event::Step {
            name: name.to_owned(),
            phase,
        })
    };
    phase(Phase::Unpacking);
    let into = staging.directory("tree").map_err(Failure::Store)?;
    let shape = Shape::of(&step.component, artifact, beside(component));
    let staged = unpack(verified, &shape, &into)?;
    phase(Phase::Proving);
    let work = staging.directory("cluster").map_err(Failure::Store)?;
    let tags = component
        .release(&step.version)
        .map_or(&[][..], |release| release.tags.as_slice());
    let expected = Expected::Release(&step.version, tags);
    let accepted = accept(staged, component, expected, &work, context.interrupt)?;
    phase(Phase::Publishing);
    let receipt = Receipt {
        schema: 1,
        component: step.component.clone(),
        version: step.version.clone(),
        target: artifact.target,
        provider: artifact.provider.clone(),
        source: artifact.source.clone(),
        digest: verified.digest().clone(),
        stated_by: artifact.integrity.stated_by().map(str::to_owned),
        executables: component.executables.clone(),
        installed: jiff::Timestamp::now().to_string(),
        ampup: env!("CARGO_PKG_VERSION").to_owned(),
    };
    seal(&accepted, &receipt).map_err(Failure::Store)?;
    if let Some(cluster) = accepted.cluster() {
        keep_template(cluster, verified.digest(), context);
    }
    // It is unpacked, and can be had again; a downloaded file of the user's own is not ours to remove.
    if verified.path().starts_with(context.layout.downloads()) {
        let _ = fs::remove_file(verified.path());
    }
    Ok(accepted.staged().path().to_owned())
}

pub(super) fn seal(accepted: &Accepted, receipt: &Receipt) -> std::io::Result<()> {
    let files = serde_json::to_vec(accepted.staged().files()).expect("a list has only text and numbers");
    store::seal(accepted.staged().path(), &files, receipt)
}

/// Keeps the cluster that proved a PostgreSQL, for new projects. Without it they only start more slowly.
fn keep_template(cluster: &ProvenCluster, digest: &Digest, context: &InstallContext<'_>) {
    let template = context.layout.template(digest, &cluster.user);
    if template.symlink_metadata().is_err() && flush::sync_tree(&cluster.path).is_ok() {
        let _ = fs::rename(&cluster.path, &template);
    }
}

/// Returns the space that an installation takes besides the tree: receipts, links, and the cluster that proves a
/// PostgreSQL.
fn beside(component: &Component) -> SpaceNeed {
    match component.acceptance {
        Acceptance::Postgres => SpaceNeed {
            bytes: SLACK + CLUSTER,
            entries: ENTRIES_OF_CLUSTER,
        },
        Acceptance::Version => SpaceNeed {
            bytes: SLACK,
            entries: ENTRIES,
        },
    }
}

/// Looks before a large download whether `place` has room for what is in it; and for the download, where that lies on the
/// same file system.
pub(super) fn check_room(
    component: &Component,
    artifact: &Artifact,
    place: &Utf8Path,
    downloads: &Utf8Path,
) -> Result<(), InstallError> {
    let (cluster, entries) = match component.acceptance {
        Acceptance::Postgres => (CLUSTER, ENTRIES_OF_POSTGRES),
        Acceptance::Version => (0, ENTRIES),
    };
    if let Some(free) = space::free_entries(place)?.filter(|free| *free < entries) {
        return Err(InstallError::NoEntries {
            component: component.name.clone(),
            place: place.to_string(),
            needed: entries,
            free,
        });
    }
    let Some(size) = artifact.size else { return Ok(()) };
    // A manifest may say anything.
    let unpacked = artifact
        .unpacked_size
        .unwrap_or(size.saturating_mul(UNPACKED_RATIO));
    let download = if space::is_shared(downloads, place) {
        size
    } else {
        0
    };
    let needed = download.saturating_add(unpacked).saturating_add(SLACK + cluster);
    match space::free(place)? {
        Some(free) if free < needed => Err(InstallError::NoRoom {
            component: component.name.clone(),
            place: place.to_string(),
            needed,
            free,
        }),
        _ => Ok(()),
    }
}

/// The tree of this release, when another process has installed it meanwhile.
pub(super) fn installed(
    step: &Step,
    providers: &[Provider],
    context: &InstallContext<'_>,
) -> Result<Option<TreeName>, InstallError> {
    let inventory = store::inventory::read(context.layout)?;
    let is_it = |tree: &&crate::domain::Tree| {
        tree.origin
            .as_ref()
            .is_some_and(|origin| origin.version == step.version && providers.contains(&origin.provider))
    };
    Ok(inventory
        .trees(&step.component)
        .iter()
        .find(is_it)
        .map(|tree| tree.name.clone()))
}

/// The name under which a sealed tree is published: the version, unless a whole tree by another provider has that name.
pub(super) fn tree_name(
    step: &Step,
    provider: &Provider,
    context: &InstallContext<'_>,
) -> std::io::Result<TreeName> {
    let plain = TreeName::new(step.version.clone());
    let inventory = store::inventory::read(context.layout)?;
    let taken = inventory
        .tree(&step.component, &plain)
        .and_then(|tree| tree.origin.as_ref());
    Ok(match taken {
        Some(origin) if origin.provider != *provider => TreeName::with_provider(&step.version, provider),
        _ => plain,
    })
}
