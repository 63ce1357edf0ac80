//! ampup as a component of its own home: a running ampup goes into the store through the same pipe as everything else.

use std::{collections::BTreeMap, io};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use semver::Version;
use url::Url;

use crate::{
    domain::{
        Algorithm, Artifact, ComponentName, Digest, Inventory, Needs, Provider, Target, TreeName,
        artifact::{Format, Integrity, Source},
    },
    env::BOOTSTRAP,
    fs::link,
    layout::Layout,
    resolve::{Action, Candidate, GroupPlan, Plan, Step},
    store::check::check,
    verify::digest_of,
};

/// The component's name.
pub fn name() -> ComponentName {
    "ampup".parse().expect("a valid name")
}

/// The version of this program.
pub fn version() -> Version {
    Version::parse(env!("CARGO_PKG_VERSION")).expect("cargo has read it")
}

/// Where a running ampup lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whence {
    /// In the store of this home.
    Store,
    /// Where an install script put it, which proved it against the release's checksum.
    Script,
    /// Somewhere else: whoever put it there updates and removes it.
    Elsewhere,
}

/// Where the program at `program` lies, seen from a home.
pub fn whence(program: &Utf8Path, layout: &Layout) -> Whence {
    if is_in(program, &layout.component(&name())) {
        return Whence::Store;
    }
    let program = real(program);
    let is_download = |directory: &Utf8Path| {
        downloads(layout).any(|(parent, prefix)| {
            let name = directory.file_name().unwrap_or_default();
            directory.parent() == Some(&real(&parent)) && name.starts_with(&prefix)
        })
    };
    if program.parent().is_some_and(is_download) {
        return Whence::Script;
    }
    Whence::Elsewhere
}

fn is_in(program: &Utf8Path, directory: &Utf8Path) -> bool {
    real(program).starts_with(real(directory))
}

fn real(path: &Utf8Path) -> Utf8PathBuf {
    link::real(path).unwrap_or_else(|_| path.to_owned())
}

/// The work needed to have this program in the store and active.
#[derive(Debug, Clone, PartialEq)]
pub enum SelfInstall {
    /// Nothing: it is.
    Nothing,
    /// A newer one is active, and stays.
    Newer(Version),
    /// This plan. A tree of the same version that holds other bytes is in its place, and is made anew first.
    Installation {
        /// The plan to carry out.
        plan: Plan,
        /// The tree that is in its place.
        instead_of: Option<TreeName>,
    },
}

/// Determines the work needed to have the program at `program` in the store and active.
///
/// # Errors
/// When it cannot be read.
pub fn plan(
    program: &Utf8Path,
    layout: &Layout,
    inventory: &Inventory,
    target: Target,
    allow_downgrade: bool,
) -> io::Result<SelfInstall> {
    let whence = whence(program, layout);
    let name = name();
    let version = version();
    let active = inventory.active.components.get(&name);
    if whence == Whence::Store && active.is_some() {
        return Ok(SelfInstall::Nothing);
    }
    if let Some(active) = active
        && active.version().cmp_precedence(&version).is_gt()
        && !allow_downgrade
    {
        return Ok(SelfInstall::Newer(active.version().clone()));
    }
    let provider: Provider = if whence == Whence::Script { "amp" } else { "local" }
        .parse()
        .expect("a valid name");
    let digest = digest(program)?;
    let here = inventory.trees(&name).iter().find(|tree| match &tree.origin {
        Some(_) if whence == Whence::Store => is_in(program, &layout.tree(&name, &tree.name)),
        Some(origin) => origin.version == version && origin.provider == provider,
        None => false,
    });
    let executable = format!("ampup{}", std::env::consts::EXE_SUFFIX);
    let whole = here.filter(|tree| {
        let installed = layout.tree(&name, &tree.name).join("bin").join(&executable);
        self::digest(&installed).is_ok_and(|installed| installed == digest)
            && check(layout, &name, &tree.name).is_empty()
    });
    let action = match whole {
        Some(tree) if inventory.is_active(&name, &tree.name) => return Ok(SelfInstall::Nothing),
        Some(tree) => Action::Activate(tree.name.clone()),
        None if whence == Whence::Store => return Ok(SelfInstall::Nothing),
        None => Action::Acquire(vec![artifact(program, digest, provider, target)?]),
    };
    let instead_of = here.filter(|_| whole.is_none()).map(|tree| tree.name.clone());
    let step = Step {
        component: name.clone(),
        version: version.clone(),
        action,
    };
    let group = GroupPlan {
        components: vec![name],
        request: None,
        candidates: vec![Candidate {
            version,
            steps: vec![step],
        }],
        passed_over: Vec::new(),
    };
    Ok(SelfInstall::Installation {
        plan: Plan::of(vec![group]),
        instead_of,
    })
}

fn digest(path: &Utf8Path) -> io::Result<Digest> {
    digest_of(&mut fs::File::open(path)?, Algorithm::Sha256).map(|(digest, _)| digest)
}

/// A file of this machine as an artifact, with the digest that it has now.
///
/// # Errors
/// When its path is no address.
pub fn artifact(
    program: &Utf8Path,
    digest: Digest,
    provider: Provider,
    target: Target,
) -> io::Result<Artifact> {
    let url = Url::from_file_path(program).map_err(|()| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("`{program}` is not an absolute path"),
        )
    })?;
    Ok(Artifact {
        target,
        provider,
        source: Source::File { url: url.into() },
        format: Format::Raw,
        root: None,
        links: None,
        integrity: Integrity::Pinned { digest },
        size: None,
        unpacked_size: None,
        bin: BTreeMap::new(),
        needs: Needs::default(),
    })
}

/// Where an install script downloads into, as a directory and how a name in it begins.
fn downloads(layout: &Layout) -> impl Iterator<Item = (Utf8PathBuf, String)> {
    let home = layout.home();
    let within = (home.to_owned(), BOOTSTRAP.to_owned());
    let beside = home
        .parent()
        .zip(home.file_name())
        .map(|(parent, name)| (parent.to_owned(), format!("{name}{BOOTSTRAP}")));
    std::iter::once(within).chain(beside)
}

/// Removes the downloads of install scripts that were killed; never the one that `program` runs from. What cannot be
/// removed stays.
pub fn sweep(layout: &Layout, program: &Utf8Path) {
    for path in left(layout, program) {
        let _ = fs::remove_dir_all(&path);
    }
}

/// Lists the downloads of install scripts that were killed; never the one that `program` runs from.
pub fn left(layout: &Layout, program: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut found = Vec::new();
    for (parent, prefix) in downloads(layout) {
        for path in crate::fs::entries(&parent) {
            let script = path.file_name().and_then(|name| name.strip_prefix(&*prefix));
            let is_pid =
                |script: &&str| !script.is_empty() && script.bytes().all(|byte| byte.is_ascii_digit());
            let is_left = script.filter(is_pid).is_some_and(|script| !is_running(script));
            if is_left && !program.starts_with(&path) {
                found.push(path);
            }
        }
    }
    found
}

#[cfg(unix)]
fn is_running(pid: &str) -> bool {
    use rustix::{io::Errno, process};
    let pid = pid.parse().ok().and_then(process::Pid::from_raw);
    pid.is_some_and(|pid| !matches!(process::test_kill_process(pid), Err(Errno::SRCH)))
}

#[cfg(not(unix))]
fn is_running(_: &str) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_knows_its_own() {
        let world = tempfile::tempdir().expect("a directory");
        let home = link::real(Utf8Path::from_path(world.path()).expect("UTF-8")).expect("real");
        let layout = Layout::new(&home);
        let at = |path: &str| whence(&home.join(path), &layout);
        assert_eq!(at("components/ampup/0.2.0/bin/ampup"), Whence::Store);
        assert_eq!(at(".bootstrap-12/ampup-x"), Whence::Script);
        let beside = Utf8PathBuf::from(format!("{home}.bootstrap-12/ampup-x"));
        assert_eq!(whence(&beside, &layout), Whence::Script);
        assert_eq!(at("other/.bootstrap-12/ampup-x"), Whence::Elsewhere);
        assert_eq!(at("ampup"), Whence::Elsewhere);
    }
}
