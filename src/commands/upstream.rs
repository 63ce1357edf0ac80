//! Releases that the builders have beyond the registry, for the commands that look for them: `check` tells them, `install`
//! and `update` take them when asked. They are believed as far as the builders' own servers, and never where only the
//! registry may be believed.

use std::{borrow::Cow, sync::Arc, time::Duration};

use jiff::Timestamp;
use semver::Version;
use serde_json::{Value, json};

use super::{
    Error, Session,
    how::{How, github_token},
};
use crate::{
    discover::{
        Asker, Memory,
        survey::{self, Survey, Unasked, Wanted, Wish},
    },
    domain::{ComponentName, ComponentSpec, Inventory, Requirement},
    event::Silent,
    fetch::{FetchOptions, Limits, Wire},
    host,
    install::{Done, Effect},
    registry::{Registry, concern::Concern},
    resolve::ResolveError,
    settings::SetBy,
    store::{claim, directories, receipt::Receipt},
};

/// Ensures that `--upstream` does not contradict what was settled otherwise.
pub(super) fn ensure_allowed(how: &How, session: &Session) -> Result<(), Error> {
    let against = match (session.offline_by(), how.pinned_by(session)) {
        _ if !how.upstream => return Ok(()),
        (Some(by), _) => format!("the network may not be used ({by})"),
        (None, Some(by)) => format!("only digests that the registry states are taken ({by})"),
        (None, None) => return Ok(()),
    };
    Err(Error::Usage {
        message: format!("`--upstream` asks the builders' own servers, and {against}"),
        hint: "leave out one of the two".to_owned(),
    })
}

fn is_pinned(how: &How, session: &Session) -> bool {
    how.pinned_by(session).is_some()
}

/// The registry for an installation: with `--upstream`, with what is newer elsewhere; and with a version that is named
/// exactly and that only its builders have.
pub(super) fn for_install<'a>(
    specs: &[ComponentSpec],
    inventory: &Inventory,
    how: &How,
    session: &'a Session,
) -> Result<Cow<'a, Registry>, Error> {
    ensure_allowed(how, session)?;
    let registry = session.registry()?;
    if session.is_offline() || is_pinned(how, session) {
        return Ok(Cow::Borrowed(registry));
    }
    let mut wanted = Vec::new();
    for spec in specs {
        for component in registry.group_of(&spec.name) {
            let wish = match &spec.requirement {
                Some(exact) if exact.is_exact() => {
                    if has(registry, inventory, &component.name, exact) {
                        continue;
                    }
                    Wish::Exactly(exact.clone())
                }
                meant if how.upstream => Wish::Newer(meant.clone()),
                _ => continue,
            };
            wanted.push(Wanted { component, wish });
        }
    }
    beyond(registry, &wanted, how, session)
}

/// Says of a version that the registry does not have why its builders were not asked for it, or what asks them.
pub(super) fn unasked(error: ResolveError, specs: &[ComponentSpec], how: &How, session: &Session) -> Error {
    let ResolveError::NoSuchVersion { component: name, .. } = &error else {
        return error.into();
    };
    let spec = specs.iter().find(|spec| spec.name == *name);
    let component = session
        .registry()
        .ok()
        .and_then(|registry| registry.component(name));
    let (Some(spec), Some(component)) = (spec, component) else {
        return error.into();
    };
    let Some(requirement) = spec
        .requirement
        .as_ref()
        .filter(|_| !component.origins.is_empty())
    else {
        return error.into();
    };
    let not_asked = |by: SetBy| Error::NotFound {
        message: format!("{error}; its builders were not asked for it ({by})"),
        hint: format!("`ampup info {name}` lists every version; `ampup install {spec}` without it asks them"),
    };
    match session.offline_by().or_else(|| how.pinned_by(session)) {
        Some(by) => not_asked(by),
        None if how.upstream || requirement.is_exact() => error.into(),
        None => Error::NotFound {
            hint: format!("`ampup install {spec} --upstream` asks its builders for it"),
            message: error.to_string(),
        },
    }
}

/// The registry for an update of these components.
pub(super) fn for_update<'a>(
    names: &[ComponentName],
    inventory: &Inventory,
    how: &How,
    session: &'a Session,
) -> Result<Cow<'a, Registry>, Error> {
    ensure_allowed(how, session)?;
    let registry = session.registry()?;
    let wanted = if how.upstream {
        active(registry, names, inventory)
    } else {
        Vec::new()
    };
    beyond(registry, &wanted, how, session)
}

/// Returns true if the registry, or the store, has what is named exactly.
fn has(registry: &Registry, inventory: &Inventory, name: &ComponentName, requirement: &Requirement) -> bool {
    let Some(component) = registry.component(name) else {
        return true;
    };
    let target = host::target();
    let is_installed = inventory.trees(name).iter().any(|tree| {
        let origin = tree.origin.as_ref();
        origin.is_some_and(|origin| {
            matches!(requirement, Requirement::Exact(wanted) if wanted.cmp_precedence(&origin.version).is_eq())
        })
    });
    is_installed
        || component.releases.iter().any(|release| {
            component.is_meant(requirement, release)
                && release
                    .artifacts
                    .iter()
                    .any(|artifact| Some(artifact.target) == target)
        })
}

/// The active components of these names and of their groups, or all; what is newer of each is looked for.
fn active<'a>(registry: &'a Registry, names: &[ComponentName], inventory: &Inventory) -> Vec<Wanted<'a>> {
    let active = inventory.active.components.keys();
    active
        .filter_map(|name| registry.component(name))
        .filter(|component| {
            names.is_empty()
                || names.iter().any(|name| {
                    registry
                        .component(name)
                        .is_some_and(|named| named.group == component.group)
                })
        })
        .map(|component| Wanted {
            component,
            wish: Wish::Newer(None),
        })
        .collect()
}

/// The registry with what is wanted and found beyond it.
fn beyond<'a>(
    registry: &'a Registry,
    wanted: &[Wanted<'a>],
    how: &How,
    session: &Session,
) -> Result<Cow<'a, Registry>, Error> {
    let Some(target) = host::target().filter(|_| !wanted.is_empty()) else {
        return Ok(Cow::Borrowed(registry));
    };
    let (wire, memory) = (wire(how, session), memory(session, how.dry_run));
    let asker = Asker::new(&wire, Some(target), memory.as_ref());
    let runtime = session.runtime()?;
    let (merged, mut unasked) = runtime.block_on(async {
        let survey = survey::survey(wanted, target, &asker).await;
        let (merged, more) = survey::merged(registry, &survey, &asker).await;
        (merged, [survey.unasked, more].concat())
    });
    // A name look-up that hangs must not keep us.
    runtime.shutdown_background();
    unasked.sort();
    unasked.dedup();
    tell(&unasked, session);
    Ok(Cow::Owned(merged))
}

/// The releases of the active components that builders have beyond the registry; none where they may not be asked, which
/// leaves a doubt.
pub(super) fn news<'a>(
    names: &[ComponentName],
    inventory: &Inventory,
    how: &How,
    session: &'a Session,
) -> Result<Survey<'a>, Error> {
    let registry = session.registry()?;
    let mut wanted = active(registry, names, inventory);
    let target = host::target();
    wanted.retain(|wanted| {
        let mut origins = wanted.component.origins.iter();
        origins.any(|origin| target.is_some_and(|target| origin.targets.contains_key(&target)))
    });
    let Some(target) = target.filter(|_| !wanted.is_empty()) else {
        return Ok(Survey::default());
    };
    if let Some(by) = session.offline_by().or_else(|| how.pinned_by(session)) {
        session.is_in_doubt(format!("its builders were not asked ({by})"));
        return Ok(Survey::of_nobody(format!(
            "no builder was asked for newer versions ({by})"
        )));
    }
    let (wire, memory) = (wire(how, session), memory(session, how.dry_run));
    let asker = Asker::new(&wire, Some(target), memory.as_ref());
    let runtime = session.runtime()?;
    let survey = runtime.block_on(survey::survey(&wanted, target, &asker));
    runtime.shutdown_background();
    tell(&survey.unasked, session);
    Ok(survey)
}

/// One line for all that could not be asked. A client that this machine does not have is no news.
fn tell(unasked: &[Unasked], session: &Session) {
    let why: Vec<&str> = unasked
        .iter()
        .filter(|one| !one.is_without_client)
        .map(|one| one.why.as_str())
        .collect();
    if !why.is_empty() {
        session.note(format!(
            "not every builder could be asked for newer versions: {}",
            why.join("; ")
        ));
        session.is_in_doubt("not every builder could be asked");
    }
}

/// A network that gives up soon and says nothing: what cannot be asked is told in one line.
fn wire(how: &How, session: &Session) -> Wire {
    let options = FetchOptions {
        github_token: github_token(how, session),
        limits: Limits {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(10),
            retries: 0,
            ..Limits::default()
        },
        ..FetchOptions::default()
    };
    Wire::new(options, &session.env, Arc::new(Silent))
}

/// Answers are kept where there is a home of ours to keep them in.
fn memory(session: &Session, is_dry_run: bool) -> Option<Memory> {
    let layout = &session.layout;
    let place = layout.upstream();
    let may_write = !is_dry_run
        && claim::is_made(layout)
        && directories::ensure_writable(layout).is_ok()
        && directories::foreign_entry(&place, layout).is_none();
    may_write.then(|| Memory::new(place, Timestamp::now()))
}

/// A line about what the builders have beyond the registry, and the same for a program.
pub(super) fn beyond_registry(
    name: &ComponentName,
    version: &Version,
    survey: &Survey<'_>,
    inventory: &Inventory,
    session: &Session,
) -> Result<Option<(String, Value)>, Error> {
    let Some((listed, news)) = survey.newest(name, version) else {
        return Ok(None);
    };
    let component = session.component(name)?;
    let request = inventory.active.requests.get(name);
    let tags: Vec<String> = listed.tag.iter().cloned().collect();
    let is_allowed = request.is_none_or(|request| {
        !request.is_exact()
            && request.matches(&listed.version, listed.channel, &tags, component.default_channel)
    });
    let command = if is_allowed {
        format!("ampup update {name} --upstream")
    } else {
        format!("ampup install {name}@{}", listed.version)
    };
    let mut builders: Vec<&str> = news.iter().map(|news| news.origin.provider.as_str()).collect();
    builders.dedup();
    let text = format!(
        "{name} {} is released by {}, and the registry does not have it yet: `{command}` takes it from there",
        component.version_style.show(&listed.version),
        builders.join(" and "),
    );
    let json = json!({
        "version": listed.version, "channel": listed.channel, "published": listed.published,
        "providers": builders, "command": command, "text": text,
    });
    Ok(Some((text, json)))
}

/// Leaves out what is not true any more beside what was found: that nobody has built a version.
pub(super) fn without_denied(concerns: Vec<Concern>, found: Option<&Value>) -> Vec<Concern> {
    let built: Option<Version> =
        found.and_then(|found| found["version"].as_str().and_then(|text| text.parse().ok()));
    let is_denied = |concern: &Concern| match (concern, &built) {
        (Concern::Unbuilt { version, .. }, Some(built)) => version.cmp_precedence(built).is_le(),
        _ => false,
    };
    concerns
        .into_iter()
        .filter(|concern| !is_denied(concern))
        .collect()
}

/// Tells that an installed release is none of the registry's, and who stands for its digest.
pub(super) fn word_of_publisher(done: &Done, session: &Session) -> Result<Option<String>, Error> {
    let name = &done.component;
    let is_known = session.registry()?.component(name).is_some_and(|component| {
        let mut releases = component.releases.iter();
        releases.any(|release| release.version == done.version)
    });
    let Some(by) = stated_by(done, session).filter(|_| !is_known) else {
        return Ok(None);
    };
    let shown = session.style(name)?.show(&done.version);
    Ok(Some(format!(
        "{name} {shown} is not in the registry: its digest is what its publisher states now ({by})"
    )))
}

/// Who stated the digest of what was installed, where the registry did not.
pub(super) fn stated_by(done: &Done, session: &Session) -> Option<String> {
    if !matches!(done.effect, Effect::Installed { .. }) {
        return None;
    }
    let tree = session.layout.tree(&done.component, &done.tree);
    Receipt::read(&tree, &done.component, done.tree.version())
        .ok()?
        .stated_by
}
