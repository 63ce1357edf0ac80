//! `ampup mirror`: a static tree from which everything can be installed where there is no other source.

mod filled;

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

use super::{
    Error, Outcome, Session,
    how::{How, github_token},
    install,
    requests::{self, Request},
};
use crate::{
    domain::Target,
    event::{counted, sized},
    exit::Exit,
    mirror::{ArtifactEntry, Finding, Mirror, MirrorContext, Wanted},
    self_install, shell,
};

/// A command that fills a mirror, for whoever named nothing that can be.
const EXAMPLE: &str = "ampup mirror DIR postgres@18";

/// Arguments of `ampup mirror`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The mirror's directory, which is created if necessary
    #[arg(value_name = "DIR", value_parser = requests::path(), value_hint = clap::ValueHint::DirPath)]
    pub directory: Utf8PathBuf,
    /// A component (`postgres@18`), or a version of ampd and ampctl; the default components when none is named
    #[arg(value_name = "VERSION|SPEC", value_parser = requests::version_or_component(EXAMPLE))]
    pub what: Vec<Request>,
    /// The kind of host that it is for; may be repeated [default: this host's]
    #[arg(long = "target", value_name = "TARGET", value_parser = target)]
    pub targets: Vec<Target>,
    /// Check every file against its digest, and name what is missing or damaged
    #[arg(long, conflicts_with_all = ["what", "targets", "dry_run"])]
    pub check: bool,
    /// Show what would be put into the mirror, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

fn target(text: &str) -> Result<Target, String> {
    text.parse().map_err(|error| {
        let known = Target::ALL.map(Target::as_str).join(", ");
        format!("{error}; known are {known}")
    })
}

/// Makes a mirror or adds to it: artifacts by digest, the registry, ampup and its install scripts. What is there and whole
/// is not fetched again.
///
/// # Errors
/// When something does not exist, the directory is somebody else's or cannot be written, or nothing could be had.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let here = session.env.current_dir().unwrap_or(Utf8Path::new("/"));
    let mirror = Mirror::at(here.join(&args.directory));
    if args.check {
        return check(&mirror, session);
    }
    if !args.dry_run {
        session.refresh_or_warn()?;
    }
    session.warn_of_age()?;
    let specs = requests::specs(&args.what, session)?;
    let specs = if specs.is_empty() {
        install::defaults(session)?
    } else {
        specs
    };
    let mut targets = args.targets.clone();
    if targets.is_empty() {
        let host = session.host()?;
        targets.push(host.target.ok_or_else(|| Error::Usage {
            message: format!("there are no builds for this host ({})", host.description),
            hint: "name the hosts that the mirror is for with `--target`".to_owned(),
        })?);
    }
    targets.sort();
    targets.dedup();
    let wanted = crate::mirror::wanted(session.registry()?, &specs, &targets)?;
    if args.dry_run {
        return show(&mirror, &wanted, session);
    }
    let runtime = session.runtime()?;
    let wire = session.wire(github_token(&How::default(), session), None)?;
    let context = MirrorContext {
        registry: session.registry()?,
        wire: &wire,
        runtime: &runtime,
        reporter: session.reporter.as_ref(),
        lock_timeout: session.lock_timeout(),
    };
    let filled = fill(&mirror, &wanted, &targets, &context, session);
    // A name look-up that hangs must not keep us.
    runtime.shutdown_background();
    filled
}

fn fill(
    mirror: &Mirror,
    wanted: &[Wanted],
    targets: &[Target],
    context: &MirrorContext<'_>,
    session: &Session,
) -> Result<Outcome, Error> {
    let (document, signature) = session.registry_document()?;
    mirror.claim(context)?;
    let registry = mirror.carry_registry(&document, signature.as_deref(), context)?;
    mirror.carry_scripts(context)?;
    let mut itself = Vec::new();
    for target in own_targets(targets, session)? {
        itself.push(mirror.carry_itself(target, session.env.current_exe(), context)?);
    }
    let mut filled = Vec::new();
    for wanted in wanted {
        filled.push((wanted, mirror.carry(wanted, context)?));
    }
    filled::outcome(mirror, &filled, &itself, &registry, session)
}

/// The kinds of host that ampup itself is carried for: hosts with an old glibc take the static build.
fn own_targets(targets: &[Target], session: &Session) -> Result<Vec<Target>, Error> {
    let component = session.registry()?.component(&self_install::name());
    let has = |target: Target| {
        let mut releases = component.into_iter().flat_map(|component| &component.releases);
        releases.any(|release| release.artifacts.iter().any(|one| one.target == target))
    };
    let mut all = targets.to_vec();
    for target in targets {
        match target {
            Target::X86_64LinuxGnu => all.push(Target::X86_64LinuxMusl),
            Target::Aarch64LinuxGnu => all.push(Target::Aarch64LinuxMusl),
            _ => {}
        }
    }
    all.retain(|one| targets.contains(one) || has(*one));
    all.sort();
    all.dedup();
    Ok(all)
}

/// Shows which builds a run would look for; the first version that can be had is taken.
fn show(mirror: &Mirror, wanted: &[Wanted], session: &Session) -> Result<Outcome, Error> {
    let mut data = String::new();
    let mut rows = Vec::new();
    for wanted in wanted {
        let Some(best) = wanted.plan.candidates.first() else {
            continue;
        };
        for build in crate::mirror::builds(best) {
            let first = build.artifacts[0];
            let shown = session.style(build.component)?.show(&best.version);
            let is_here = mirror.has(&build.artifacts)?;
            let size = first
                .size
                .map(|size| format!(", {}", sized(size)))
                .unwrap_or_default();
            let whence = if is_here {
                "already in the mirror".to_owned()
            } else {
                let sources: Vec<String> = build.artifacts.iter().map(|one| one.source.to_string()).collect();
                format!("from {}", sources.join(" or "))
            };
            let _ = writeln!(
                data,
                "{} {shown} for {}, built by {}{size}: {whence}",
                build.component, wanted.target, first.provider
            );
            rows.push(json!({
                "name": build.component, "version": best.version, "target": wanted.target, "provider": first.provider,
                "size": first.size, "present": is_here,
            }));
        }
    }
    Ok(Outcome::answer(
        data,
        json!({ "dry_run": true, "mirror": mirror.directory(), "artifacts": rows }),
    ))
}

fn check(mirror: &Mirror, session: &Session) -> Result<Outcome, Error> {
    let checked = mirror.check()?;
    let mut data = String::new();
    let mut rows = Vec::new();
    let mut again = Vec::new();
    for finding in &checked.findings {
        let mut name = String::new();
        if let Some(entry) = &finding.entry {
            let shown = session.style(&entry.component)?.show(&entry.version);
            name = format!(
                " ({} {shown} for {}, built by {})",
                entry.component, entry.target, entry.provider
            );
            again.push(as_asked(entry));
        }
        let _ = writeln!(data, "`{}` {}{name}", finding.path, finding.what);
        rows.push(json!({"path": finding.path, "what": finding.what, "artifact": finding.entry}));
    }
    let whole = format!(
        "{} intact ({})",
        counted(checked.whole, "file"),
        sized(checked.bytes)
    );
    let mut outcome = Outcome::answer(
        data,
        json!({
            "mirror": mirror.directory(), "whole": checked.whole, "bytes": checked.bytes, "findings": rows,
            "needed": checked.needed,
        }),
    );
    outcome.talk.push(whole);
    outcome.talk.extend(checked.needed.iter().map(|address| {
        format!("not enough by itself: `{address}` must be reached too, which states a digest that the registry does not")
    }));
    if !checked.findings.is_empty() {
        outcome.exit = Exit::Integrity;
        again.sort();
        again.dedup();
        let what = again
            .first()
            .cloned()
            .or_else(|| alongside(mirror, &checked.findings));
        let what = what.map(|what| format!(" {what}")).unwrap_or_default();
        outcome.talk.push(format!(
            "hint: `ampup mirror {}{what}` fetches it again",
            typed(mirror)
        ));
    }
    Ok(outcome)
}

/// The request that has this artifact carried.
fn as_asked(entry: &ArtifactEntry) -> String {
    format!("{}@{} --target {}", entry.component, entry.version, entry.target)
}

/// Something that the mirror has, with which its own files are carried again: best for the host that one of them is for.
fn alongside(mirror: &Mirror, findings: &[Finding]) -> Option<String> {
    let artifacts = mirror.index().unwrap_or_default().artifacts;
    let is_meant = |entry: &&ArtifactEntry| {
        let target = entry.target.to_string();
        findings.iter().any(|finding| finding.path.contains(&target))
    };
    let entry = artifacts.iter().find(is_meant).or(artifacts.first());
    entry.map(as_asked)
}

/// The mirror's directory as it is typed.
fn typed(mirror: &Mirror) -> String {
    shell::typed(mirror.directory().as_str())
}
