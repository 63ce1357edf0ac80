//! `ampup mirror`: a static tree from which everything can be installed where there is no other source.

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};
use url::Url;

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
    mirror::{
        ArtifactEntry, Build, Builds, Effect, Failure, Finding, Itself, Mirror, MirrorContext, NotCarried,
        RegistryEntry, Wanted,
    },
    self_install, shell,
};

/// A command that fills a mirror, for whoever named nothing that can be.
const EXAMPLE: &str = "ampup mirror DIR postgres@18";

/// Arguments of `ampup mirror`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The mirror's directory, which is made if there is none
    #[arg(value_name = "DIR", value_parser = requests::path(), value_hint = clap::ValueHint::DirPath)]
    pub directory: Utf8PathBuf,
    /// A component (`postgres@18`), or a version of ampd and ampctl; the default components when none is named
    #[arg(value_name = "VERSION|SPEC", value_parser = requests::version_or_component(EXAMPLE))]
    pub what: Vec<Request>,
    /// For hosts of this kind too; may be repeated [default: this host's]
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
        session.refresh()?;
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
    outcome_of(mirror, &filled, &itself, &registry, session)
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

/// Says what the mirror has now, and what it has not.
fn outcome_of(
    mirror: &Mirror,
    filled: &[(&Wanted, Builds)],
    itself: &[Result<Itself, NotCarried>],
    registry: &RegistryEntry,
    session: &Session,
) -> Result<Outcome, Error> {
    let mut talk = Vec::new();
    let (mut rows, mut absent) = (Vec::new(), Vec::new());
    let mut exit = Exit::Done;
    for (wanted, builds) in filled {
        for build in &builds.carried {
            talk.push(sentence(build, session)?);
            rows.push(row(build));
        }
        for failure in &builds.failed {
            talk.push(format!("not in the mirror: {}", failed(failure, session)?));
            absent.push(json!({
                "name": failure.component, "version": failure.version, "target": failure.target,
                "provider": failure.provider, "why": failure.error.to_string(),
            }));
        }
        exit = worst(exit, exit_of(wanted, builds));
        let lacking: Vec<String> = builds.lacking(wanted).map(ToString::to_string).collect();
        if !lacking.is_empty() {
            let hint = builds.failed.iter().find_map(|failure| failure.error.hint());
            talk.push(format!(
                "error: no build of {} for {} could be had",
                lacking.join(" and "),
                wanted.target
            ));
            talk.extend(hint.map(|hint| format!("hint: {hint}")));
        }
    }
    let mut own = Vec::new();
    for one in itself {
        match one {
            Ok(one) => {
                talk.push(own_sentence(one));
                own.push(json!({
                    "version": one.version, "target": one.target, "digest": one.digest, "effect": one.effect.as_str(),
                    "release": one.is_release,
                }));
            }
            Err(NotCarried { target, why }) => {
                talk.push(format!("not in the mirror: ampup for {target}: {why}"));
                absent.push(json!({"name": "ampup", "target": target, "why": why}));
            }
        }
    }
    talk.push(about_registry(registry));
    if exit == Exit::Done {
        talk.extend(use_of(mirror, itself));
    }
    let json = json!({
        "mirror": mirror.directory(), "registry": registry_row(registry), "artifacts": rows, "ampup": own,
        "not_carried": absent,
    });
    Ok(Outcome {
        exit,
        ..Outcome::done(talk, json)
    })
}

/// Says how to install from the mirror, and what is to be done first for hosts of a kind that ampup itself is not there for.
fn use_of(mirror: &Mirror, itself: &[Result<Itself, NotCarried>]) -> Vec<String> {
    let mut talk = Vec::new();
    let lacking = itself.iter().filter_map(|one| Some(one.as_ref().err()?.target));
    let lacking: Vec<_> = lacking.collect();
    let names = |form: fn(&Target) -> String| lacking.iter().map(form).collect::<Vec<_>>().join(" and ");
    let mut except = String::new();
    if !lacking.is_empty() {
        let targets = names(ToString::to_string);
        let files = names(|target| {
            let file = crate::mirror::asset(*target);
            format!("`{file}` and `{file}.sha256`")
        });
        talk.push(format!(
            "on {targets} ampup itself must come from elsewhere: put {files} of a release beside `install.sh`"
        ));
        except = format!(" where ampup is, so not yet on {targets}");
    }
    if let Ok(url) = Url::from_directory_path(mirror.directory()) {
        let url = shell::typed(url.as_str().trim_end_matches('/'));
        talk.push(format!(
            "to install from it{except}: `--mirror {url}`; to check every file: `ampup mirror {} --check`",
            typed(mirror)
        ));
    }
    talk
}

/// Wrong bytes say more than that something could not be had.
fn worst(one: Exit, other: Exit) -> Exit {
    match (one, other) {
        (Exit::Integrity, _) | (_, Exit::Integrity) => Exit::Integrity,
        (Exit::Done, other) => other,
        (one, _) => one,
    }
}

/// The exit code of what was wanted: that of its failures where nothing could be had, and of wrong bytes always.
fn exit_of(wanted: &Wanted, builds: &Builds) -> Exit {
    let codes = || builds.failed.iter().map(|failure| failure.error.exit_code());
    let is_lacking = builds.lacking(wanted).next().is_some();
    codes()
        .filter(|code| is_lacking || *code == Exit::Integrity)
        .find(|code| *code != Exit::Network)
        .or_else(|| codes().next().filter(|_| is_lacking))
        .unwrap_or(if is_lacking { Exit::Failed } else { Exit::Done })
}

fn sentence(build: &Build, session: &Session) -> Result<String, Error> {
    let entry = &build.entry;
    let shown = session.style(&entry.component)?.show(&entry.version);
    let verb = match build.effect {
        Effect::Added => "added",
        Effect::Present => "already in the mirror:",
    };
    let mut text = format!(
        "{verb} {} {shown} for {}, built by {} ({})",
        entry.component,
        entry.target,
        entry.provider,
        sized(entry.size)
    );
    if let Some(address) = &entry.stated_at {
        let _ = write!(
            text,
            "; the registry does not state its digest: installing it needs `{address}` too"
        );
    }
    Ok(text)
}

fn failed(failure: &Failure, session: &Session) -> Result<String, Error> {
    let shown = session.style(&failure.component)?.show(&failure.version);
    Ok(format!(
        "{} {shown} for {}, built by {}: {}",
        failure.component,
        failure.target,
        failure.provider,
        crate::install::in_one_line(&failure.error)
    ))
}

fn own_sentence(one: &Itself) -> String {
    let verb = match one.effect {
        Effect::Added => "added",
        Effect::Present => "already in the mirror:",
    };
    let whence = if one.is_release {
        ""
    } else {
        ": the running program, which is no release that the registry knows"
    };
    format!("{verb} ampup v{} for {}{whence}", one.version, one.target)
}

fn about_registry(registry: &RegistryEntry) -> String {
    let RegistryEntry {
        id, serial, issued, ..
    } = registry;
    let signed = if registry.is_signed {
        "signed"
    } else {
        "not signed, so used only with `--registry`"
    };
    let day = issued.split('T').next().unwrap_or(issued);
    format!("it holds number {serial} of the registry `{id}`, of {day} ({signed})")
}

fn row(build: &Build) -> Value {
    let entry = &build.entry;
    json!({
        "name": entry.component, "version": entry.version, "target": entry.target, "provider": entry.provider,
        "digest": entry.digest, "size": entry.size, "path": entry.digest.blob(), "effect": build.effect.as_str(),
        "digest_stated_at": entry.stated_at,
    })
}

fn registry_row(registry: &RegistryEntry) -> Value {
    json!({
        "id": registry.id, "serial": registry.serial, "issued": registry.issued, "signed": registry.is_signed,
    })
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
