//! ampup itself in a mirror: the program for each target under the name that the install scripts ask for, with its
//! checksum beside it, and the scripts.

use camino::Utf8Path;
use fs_err as fs;
use semver::Version;

use super::{Effect, Failure, Mirror, MirrorContext, MirrorError, index};
use crate::{
    domain::{Digest, Integrity, Release, Target},
    fs::atomic,
    self_install,
};

/// The install scripts, as the repository has them.
const SCRIPTS: [(&str, &[u8]); 2] = [
    ("install.sh", include_bytes!("../../install.sh")),
    ("install.ps1", include_bytes!("../../install.ps1")),
];
/// No ampup is larger, in bytes.
const LIMIT: u64 = 256 << 20;

/// ampup for a target, in a mirror.
#[derive(Debug, Clone)]
pub struct Itself {
    /// The kind of host.
    pub target: Target,
    /// Its version.
    pub version: Version,
    /// Its digest.
    pub digest: Digest,
    /// True if it is a release of the registry; else the running program.
    pub is_release: bool,
    /// The effect of carrying it.
    pub effect: Effect,
}

/// ampup for a target, which is not in the mirror.
#[derive(Debug, Clone)]
pub struct NotCarried {
    /// The kind of host.
    pub target: Target,
    /// The reason.
    pub why: String,
}

impl Mirror {
    /// Puts the install scripts into the mirror.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn carry_scripts(&self, context: &MirrorContext<'_>) -> Result<(), MirrorError> {
        for (name, content) in SCRIPTS {
            self.put(name, content, context)?;
        }
        Ok(())
    }

    /// Puts ampup for a target into the mirror: the newest release of the registry that can be had, else the running
    /// program if it is for that target.
    ///
    /// # Errors
    /// When the mirror cannot be written.
    pub fn carry_itself(
        &self,
        target: Target,
        program: Option<&Utf8Path>,
        context: &MirrorContext<'_>,
    ) -> Result<Result<Itself, NotCarried>, MirrorError> {
        let not_carried = |why: String| Ok(Err(NotCarried { target, why }));
        let mut failures = Vec::new();
        for release in releases(context) {
            let artifacts: Vec<_> = release
                .artifacts
                .iter()
                .filter(|artifact| artifact.target == target)
                .collect();
            match self.carry_one_of((&self_install::name(), &release.version), &artifacts, context)? {
                Ok(build) => {
                    let blob = self.directory.join(build.entry.digest.blob());
                    let content = atomic::read(&blob, LIMIT).map_err(self.disk())?;
                    return Ok(Ok(Itself {
                        target,
                        version: release.version.clone(),
                        digest: index::digest_of(&content),
                        is_release: true,
                        effect: self.put_program(target, &content, context)?,
                    }));
                }
                Err(mut found) => failures.append(&mut found),
            }
        }
        let why = reason(target, &failures);
        let Some(program) = program.filter(|_| runs_on(target)) else {
            return not_carried(why);
        };
        let version = self_install::version();
        let content = fs::read(program).map_err(self.disk())?;
        let digest = index::digest_of(&content);
        if let Some(pinned) = pinned(target, &version, context)
            && !pinned.contains(&digest)
        {
            return not_carried(format!(
                "{why}, and `{program}` is not the release v{version} of the registry"
            ));
        }
        Ok(Ok(Itself {
            target,
            version,
            digest,
            is_release: false,
            effect: self.put_program(target, &content, context)?,
        }))
    }

    fn put_program(
        &self,
        target: Target,
        content: &[u8],
        context: &MirrorContext<'_>,
    ) -> Result<Effect, MirrorError> {
        let name = asset(target);
        let effect = self.put(&name, content, context)?;
        let checksum = format!("{}  {name}\n", index::digest_of(content).hex());
        self.put(&format!("{name}.sha256"), checksum.as_bytes(), context)?;
        Ok(effect)
    }
}

/// The releases of ampup, newest first.
fn releases<'a>(context: &MirrorContext<'a>) -> impl Iterator<Item = &'a Release> {
    let component = context.registry.component(&self_install::name());
    let stable = component.map(|component| component.default_channel);
    component
        .into_iter()
        .flat_map(|component| &component.releases)
        .filter(move |release| Some(release.channel) == stable)
}

fn reason(target: Target, failures: &[Failure]) -> String {
    failures.first().map_or_else(
        || format!("the registry has no release of ampup for {target}"),
        |failure| failure.error.to_string(),
    )
}

/// The digests that the registry states for this version of ampup; `None` where it states none.
fn pinned(target: Target, version: &Version, context: &MirrorContext<'_>) -> Option<Vec<Digest>> {
    let release = releases(context).find(|release| release.version == *version)?;
    let artifacts = release
        .artifacts
        .iter()
        .filter(|artifact| artifact.target == target);
    let digests = artifacts.filter_map(|artifact| match &artifact.integrity {
        Integrity::Pinned { digest } => Some(digest.clone()),
        Integrity::ChecksumFile { .. } | Integrity::GithubAsset { .. } | Integrity::Stated { .. } => None,
    });
    Some(digests.collect::<Vec<_>>()).filter(|digests| !digests.is_empty())
}

/// Returns true if this program runs on hosts of that kind. A static one for musl runs beside glibc too.
fn runs_on(target: Target) -> bool {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let is_static = cfg!(target_env = "musl");
    match target {
        Target::Aarch64Darwin => os == "macos" && arch == "aarch64",
        Target::X86_64Darwin => os == "macos" && arch == "x86_64",
        Target::Aarch64LinuxGnu => os == "linux" && arch == "aarch64",
        Target::X86_64LinuxGnu => os == "linux" && arch == "x86_64",
        Target::Aarch64LinuxMusl => os == "linux" && arch == "aarch64" && is_static,
        Target::X86_64LinuxMusl => os == "linux" && arch == "x86_64" && is_static,
        Target::X86_64Windows => os == "windows" && arch == "x86_64",
    }
}

/// The name that the install scripts ask for.
pub fn asset(target: Target) -> String {
    let suffix = if target == Target::X86_64Windows {
        ".exe"
    } else {
        ""
    };
    format!("ampup-{target}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_ask_for_the_names_that_a_mirror_has() {
        let [sh, ps1] = SCRIPTS.map(|(_, text)| String::from_utf8_lossy(text));
        assert!(sh.contains("asset=ampup-$target"));
        assert!(ps1.contains("$asset = \"ampup-$target.exe\""));
        assert_eq!(asset(Target::X86_64Windows), "ampup-x86_64-pc-windows-msvc.exe");
        assert_eq!(asset(Target::X86_64LinuxMusl), "ampup-x86_64-unknown-linux-musl");
    }
}
