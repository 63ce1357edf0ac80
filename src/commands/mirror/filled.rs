//! The outcome of filling a mirror, in the user's words and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};
use url::Url;

use super::{
    super::{Error, Outcome, Session, client, concerns},
    typed,
};
use crate::{
    domain::Target,
    event::sized,
    exit::Exit,
    install::out_of_reach,
    locate,
    mirror::{Build, Builds, Effect, Failure, Itself, Mirror, NotCarried, RegistryEntry, Wanted},
    shell,
};

/// Says what the mirror has now, and what it has not.
pub(super) fn outcome(
    mirror: &Mirror,
    filled: &[(&Wanted, Builds)],
    itself: &[Result<Itself, NotCarried>],
    registry: &RegistryEntry,
    session: &Session,
) -> Result<Outcome, Error> {
    let mut talk = Vec::new();
    let (mut rows, mut absent, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for (wanted, builds) in filled {
        let mut said = Vec::new();
        for build in &builds.carried {
            talk.push(sentence(build, session)?);
            let entry = &build.entry;
            let concerns = concerns::of_version(&entry.component, &entry.version, session)?;
            for line in concerns::lines(&concerns) {
                if !said.contains(&line) {
                    said.push(line);
                }
            }
            let mut row = row(build);
            row["concerns"] = concerns::json(&concerns).into();
            rows.push(row);
        }
        if lacks_psql(mirror, builds) {
            talk.push(client::INCOMPLETE.to_owned());
        }
        talk.append(&mut said);
        talk.extend(not_carried(wanted, builds, session)?);
        absent.extend(builds.failed.iter().map(|failure| {
            json!({
                "name": failure.component, "version": failure.version, "target": failure.target,
                "provider": failure.provider, "why": failure.error.to_string(),
            })
        }));
        for (component, other) in builds.left_out(wanted) {
            let why = format!("of no use without {other}, with which it moves");
            talk.push(format!(
                "not in the mirror: {component} for {}: {why}",
                wanted.target
            ));
            absent.push(json!({"name": component, "target": wanted.target, "why": why}));
        }
        if let Some(failed) = Failed::of(wanted, builds, session)? {
            talk.extend(failed.talk());
            errors.push(failed);
        }
    }
    // Wrong bytes say more than that something could not be had.
    errors.sort_by_key(|failed| failed.exit != Exit::Integrity);
    let exit = errors.first().map_or(Exit::Done, |failed| failed.exit);
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
    let mut json = json!({
        "mirror": mirror.directory(), "registry": registry_row(registry), "artifacts": rows, "ampup": own,
        "not_carried": absent,
    });
    if let Some(failed) = errors.first() {
        json["error"] = failed.json();
    }
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

/// The reason that the mirror has not all that was wanted.
struct Failed {
    exit: Exit,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    /// There is no build of something.
    is_lacking: bool,
}

impl Failed {
    fn of(wanted: &Wanted, builds: &Builds, session: &Session) -> Result<Option<Self>, Error> {
        let exit = exit_of(wanted, builds);
        if exit == Exit::Done {
            return Ok(None);
        }
        let lacking: Vec<String> = builds.lacking(wanted).map(ToString::to_string).collect();
        let is_lacking = !lacking.is_empty();
        let mut causes = Vec::new();
        for failure in &builds.failed {
            causes.push(failed(failure, session)?);
        }
        Ok(Some(Self {
            exit,
            message: match is_lacking {
                true => format!(
                    "no build of {} for {} could be had",
                    lacking.join(" and "),
                    wanted.target
                ),
                false => format!("not every build for {} could be had", wanted.target),
            },
            causes,
            hint: builds.failed.iter().find_map(|failure| failure.error.hint()),
            is_lacking,
        }))
    }

    /// The lines for a person, who was told of each build: of what another builder has too, that is enough.
    fn talk(&self) -> Vec<String> {
        if !self.is_lacking {
            return Vec::new();
        }
        let hint = self.hint.as_deref().map(super::super::advice::line);
        std::iter::once(format!("error: {}", self.message))
            .chain(hint)
            .collect()
    }

    fn json(&self) -> Value {
        json!({ "message": self.message, "causes": self.causes, "hint": self.hint })
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

/// Returns true if PostgreSQL is in the mirror for a kind of host, and no build of it has a psql.
fn lacks_psql(mirror: &Mirror, builds: &Builds) -> bool {
    let postgres = locate::postgres();
    let mut of_postgres = builds
        .carried
        .iter()
        .filter(|build| build.entry.component == postgres)
        .peekable();
    of_postgres.peek().is_some()
        && of_postgres.all(|build| {
            let suffix = match build.entry.target {
                Target::X86_64Windows => ".exe",
                _ => "",
            };
            mirror.installs(build, &format!("bin/psql{suffix}")) == Some(false)
        })
}

/// Says what could not be had: a line for all that nobody answered for, and one for each other failure.
fn not_carried(wanted: &Wanted, builds: &Builds, session: &Session) -> Result<Vec<String>, Error> {
    let is_unanswered = |failure: &&Failure| out_of_reach([&failure.error]).is_some();
    let (unanswered, others): (Vec<&Failure>, Vec<&Failure>) = builds.failed.iter().partition(is_unanswered);
    let mut lines = Vec::new();
    if let [one] = unanswered[..] {
        lines.push(format!("not in the mirror: {}", failed(one, session)?));
    } else if let Some(who) = out_of_reach(unanswered.iter().map(|failure| &failure.error)) {
        lines.push(format!(
            "not in the mirror: {} for {}; {who}",
            listed(&unanswered, session)?,
            wanted.target
        ));
    }
    for failure in others {
        lines.push(format!("not in the mirror: {}", failed(failure, session)?));
    }
    Ok(lines)
}

/// Each version once, with its builders: `postgres 18.6 (theseus, zonky), 18.4 (zonky)`.
fn listed(failures: &[&Failure], session: &Session) -> Result<String, Error> {
    let mut text = String::new();
    for of_version in
        failures.chunk_by(|one, other| one.component == other.component && one.version == other.version)
    {
        let Failure {
            component, version, ..
        } = of_version[0];
        let mut providers: Vec<&str> = of_version
            .iter()
            .map(|failure| failure.provider.as_str())
            .collect();
        providers.dedup();
        let is_first = !text.contains(&format!("{component} "));
        let name = if is_first {
            format!("{component} ")
        } else {
            String::new()
        };
        let comma = if text.is_empty() { "" } else { ", " };
        let shown = session.style(component)?.show(version);
        let _ = write!(text, "{comma}{name}{shown} ({})", providers.join(", "));
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
