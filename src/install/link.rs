//! A local build linked into the store: accepted by running it, and then a version like any other. Its executables stay
//! where they are.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use semver::{Prerelease, Version};
use url::Url;

use super::{
    InstallContext,
    acquire::seal,
    error::{Attempt, AttemptError, InstallError},
    locks::lock_store,
};
use crate::{
    accept::{AcceptError, Expected, accept},
    children::Interrupt,
    domain::{Algorithm, Component, Provider, Source, TreeName, component::Acceptance},
    hindrance, host,
    postgres::{program::Program, user::OsUser},
    store::{
        commit::{StoreChange, commit},
        receipt::Receipt,
        staging::Staging,
    },
    unpack,
    verify::digest_of,
};

/// A build on this machine.
#[derive(Debug, Clone)]
pub struct LocalBuild<'a> {
    /// The component that it is of.
    pub component: &'a Component,
    /// Its name, `local-…`.
    pub name: String,
    /// The name and the absolute path of each executable; never none.
    pub executables: Vec<(String, Utf8PathBuf)>,
    /// The directory that they lie in.
    pub directory: Utf8PathBuf,
}

/// Links a local build, and gives the version that it printed. One that is linked already is run and linked anew. What is active
/// stays so.
///
/// # Errors
/// When it does not run here, or the store cannot be changed; nothing is changed then.
pub fn link(build: &LocalBuild<'_>, context: &InstallContext<'_>) -> Result<String, InstallError> {
    let staging = {
        let _store = lock_store(context)?;
        Staging::create(context.layout)?
    };
    hindrance::ensure_none(staging.path(), build.component.acceptance).map_err(InstallError::Host)?;
    let staged = unpack::linked(&build.executables, &staging.directory("tree")?)?;
    let version = version(build, staged.path(), context.interrupt).map_err(|error| refused(build, error))?;
    let work = staging.directory("cluster")?;
    let accepted = accept(
        staged,
        build.component,
        Expected::Any(&version),
        &work,
        context.interrupt,
    );
    let accepted = accepted.map_err(|error| refused(build, error))?;
    let receipt = receipt(build, &version)?;
    seal(&accepted, &receipt)?;
    let _lock = lock_store(context)?;
    commit(
        context.layout,
        &StoreChange {
            adds: vec![(
                accepted.staged().path(),
                (build.component.name.clone(), TreeName::new(version)),
            )],
            removes: Vec::new(),
            set: None,
            command: context.command,
            before: None,
        },
    )?;
    Ok(accepted.version().to_owned())
}

/// The version that a local build has in the store. PostgreSQL's numbers decide which clusters it serves.
fn version(build: &LocalBuild<'_>, tree: &Utf8Path, interrupt: &Interrupt) -> Result<Version, AcceptError> {
    let pre = Prerelease::new(&build.name).expect("letters, digits and hyphens");
    let mut version = Version {
        pre,
        ..Version::new(0, 0, 0)
    };
    if build.component.acceptance == Acceptance::Postgres {
        let run_as = OsUser::for_postgres()?;
        let program = Program {
            tree,
            name: "postgres",
            run_as: run_as.as_ref(),
            interrupt,
        };
        let printed = program.version().map_err(AcceptError::DoesNotRun)?;
        let numbers = |word: &str| -> Option<(u64, u64)> {
            let mut numbers = word.split(|letter: char| !letter.is_ascii_digit());
            let major = numbers.next()?.parse().ok()?;
            Some((
                major,
                numbers.next().and_then(|minor| minor.parse().ok()).unwrap_or(0),
            ))
        };
        // A branch under development prints `19devel`.
        let (major, minor) =
            printed
                .split_whitespace()
                .find_map(numbers)
                .ok_or_else(|| AcceptError::WrongVersion {
                    executable: "postgres".to_owned(),
                    expected: "a version of PostgreSQL".to_owned(),
                    printed: printed.clone(),
                })?;
        (version.major, version.minor) = (major, minor);
    }
    Ok(version)
}

fn receipt(build: &LocalBuild<'_>, version: &Version) -> std::io::Result<Receipt> {
    let unsupported = |what: &str| std::io::Error::new(std::io::ErrorKind::Unsupported, what.to_owned());
    let url = Url::from_file_path(&build.directory)
        .map_err(|()| unsupported(&format!("`{}` is not an absolute path", build.directory)))?;
    let (_, first) = build.executables.first().expect("it has one");
    let (digest, _) = digest_of(&mut fs::File::open(first)?, Algorithm::Sha256)?;
    Ok(Receipt {
        schema: 1,
        component: build.component.name.clone(),
        version: version.clone(),
        target: host::target().ok_or_else(|| unsupported("no component is made for this kind of host"))?,
        provider: provider(),
        source: Source::File { url: url.into() },
        digest,
        stated_by: None,
        executables: build.component.executables.clone(),
        installed: jiff::Timestamp::now().to_string(),
        ampup: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

fn provider() -> Provider {
    "local".parse().expect("a valid name")
}

fn refused(build: &LocalBuild<'_>, error: AcceptError) -> InstallError {
    InstallError::Fatal(Box::new(Attempt {
        component: build.component.name.clone(),
        version: build.name.clone(),
        provider: provider(),
        error: AttemptError::Accept(error),
    }))
}
