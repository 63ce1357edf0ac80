//! The commands to type after something was installed. Not a verb itself.

use camino::Utf8PathBuf;

use super::{
    Error, Session, client, env,
    pinned::{self, PostgresPin},
    serving::LeftBehind,
};
use crate::{
    domain::{ComponentName, Inventory, version::local_name},
    locate::{self, Locator},
    resolve, self_install,
    shell::{Shell, foreign::AnyShell, quote, typed},
};

/// Lists them: how this shell finds what was installed, and what it is for. `left` are the servers that do not run it yet.
pub(super) fn after_install(
    installed: &[ComponentName],
    left: &[LeftBehind],
    session: &Session,
) -> Vec<String> {
    let has = |name: &str| installed.iter().any(|component| component.as_str() == name);
    let use_it = if has("ampd") {
        Some("`ampup run ampd solo`")
    } else if has("postgres") && has_psql(session) {
        Some("`ampup db psql`")
    } else if has("postgres") {
        Some("`ampup db start`")
    } else {
        None
    };
    // What would fail here, or use an older server, is no next step.
    let is_behind = left.iter().any(|left| left.is_here);
    let use_it = use_it.filter(|_| !is_behind && PostgresPin::refusal_here(session).is_none());
    if installed.is_empty() || installed.iter().all(|name| *name == self_install::name()) {
        return Vec::new();
    }
    let mut lines: Vec<String> = path(session).into_iter().collect();
    lines.extend(use_it.map(|command| match is_in_project(session) {
        true => format!("next: {command}"),
        false => format!("next: in your project's directory, {command}"),
    }));
    lines
}

/// Says that the pin of the project here could not serve its database, where PostgreSQL is among what was installed.
pub(super) fn refused_here(installed: &[ComponentName], session: &Session) -> Vec<String> {
    if !installed.contains(&locate::postgres()) {
        return Vec::new();
    }
    let refusal = PostgresPin::refusal_here(session);
    refusal.map_or_else(Vec::new, |error| {
        let hint = error.hint().map(|hint| super::advice::line(&hint));
        std::iter::once(format!("warning: {error}")).chain(hint).collect()
    })
}

/// Returns true if the working directory is a project's: it pins versions, or has a database.
fn is_in_project(session: &Session) -> bool {
    session.pins().is_ok_and(|pins| pins.is_some()) || pinned::database_here(session).is_some()
}

/// Says which command works on what the project's database holds now: ampd where there is one to run, else psql.
pub(super) fn after_import(session: &Session) -> Option<&'static str> {
    if has_ampd(session) {
        return Some("next: `ampup run ampd solo` uses what was copied");
    }
    let is_there = has_psql(session) || is_on_path("psql", session);
    is_there.then_some("next: `ampup db psql` shows what was copied")
}

/// Returns true if `ampup run` finds an ampd: an active one, a pinned one, or one on PATH.
pub(super) fn has_ampd(session: &Session) -> bool {
    let name: ComponentName = "ampd".parse().expect("a valid name");
    let is_pinned = || {
        let inventory = session.inventory().ok();
        let chosen = inventory.and_then(|inventory| pinned::installed(&inventory, session).ok());
        chosen.is_some_and(|(chosen, _)| chosen.iter().any(|chosen| chosen.component == name))
    };
    Locator::new(session.layout.home()).active(&name).is_ok() || is_pinned() || is_on_path("ampd", session)
}

fn is_on_path(program: &str, session: &Session) -> bool {
    let file = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    let path = session.env.search_path();
    path.iter().any(|directory| directory.join(&file).is_file())
}

/// Says what this project uses in place of the versions of these components that became active: what it pins, and for a
/// database that is there PostgreSQL of its own major.
pub(super) fn in_this_project(activated: &[ComponentName], session: &Session) -> Result<Vec<String>, Error> {
    let inventory = session.inventory()?;
    // What is wrong with the pins is told by whoever uses them.
    let (chosen, _) = pinned::installed(&inventory, session).unwrap_or_default();
    let mut lines = Vec::new();
    for one in &chosen {
        let name = &one.component;
        if activated.contains(name) && !inventory.is_active(name, &one.tree) {
            let shown = session.shown(name, &one.tree, &inventory)?;
            lines.push(format!("this project keeps using {name} {shown} ({})", one.by));
        }
    }
    let is_pinned = chosen.iter().any(|one| one.component == locate::postgres());
    if !is_pinned && activated.contains(&locate::postgres()) {
        lines.extend(database(&inventory, session));
    }
    Ok(lines)
}

/// Says that the database here stays with PostgreSQL of its major, where another is active.
fn database(inventory: &Inventory, session: &Session) -> Option<String> {
    let active = inventory.active.components.get(&locate::postgres())?.version();
    let (place, major) = pinned::database_here(session)?;
    if major == active.major || local_name(active).is_some() {
        return None;
    }
    let upgrade = match major < active.major {
        true => "; `ampup db upgrade` moves it",
        false => "",
    };
    Some(format!(
        "the database in {place} stays with PostgreSQL {major}, and new ones use {}{upgrade}",
        active.major
    ))
}

/// Returns true if the PostgreSQL that serves here, which is the pinned one or the active one, has its client, and that
/// loads here.
fn has_psql(session: &Session) -> bool {
    let psql = format!("psql{}", std::env::consts::EXE_SUFFIX);
    let tree = pinned_postgres(session).unwrap_or_else(|| session.layout.active_tree(&locate::postgres()));
    tree.join("bin").join(psql).is_file() && client::psql(&tree, session).is_none()
}

/// The tree of the PostgreSQL that the project pins, if it is installed.
fn pinned_postgres(session: &Session) -> Option<Utf8PathBuf> {
    let pin = session.pins().ok()??.of(&locate::postgres())?;
    let inventory = session.inventory().ok()?;
    let trees = resolve::pinned(session.registry().ok()?, &inventory, &pin.spec()).ok()?;
    let (name, tree) = trees.first()?;
    Some(session.layout.tree(name, tree))
}

/// The line after which this shell finds the home's `bin`, if it does not.
fn path(session: &Session) -> Option<String> {
    let bin = session.layout.bin();
    // sudo has a PATH of its own, which says nothing of the user's.
    if session.env.search_path().contains(&bin) || session.env.var_os("SUDO_USER").is_some() {
        return None;
    }
    if let Err(unfit) = env::setting(session) {
        return Some(format!(
            "{unfit}; name its programs by their paths, or choose another home"
        ));
    }
    Some(format!(
        "`{bin}` is not on PATH; in this shell: `{}`",
        reading(session)?
    ))
}

/// The ampup that was put in place, as this shell finds it, with its home where that is not the usual one.
pub(super) fn ampup(session: &Session) -> String {
    let (home, bin) = (session.layout.home(), session.layout.bin());
    if session.env.search_path().contains(&bin) {
        return "ampup".to_owned();
    }
    let program = typed(bin.join("ampup").as_str());
    let usual = session.env.user_home().map(|user| user.join(".ampup"));
    match usual.as_deref() == Some(home) {
        true => program,
        false => format!("{program} --home {}", typed(home.as_str())),
    }
}

/// The command with which this shell reads how to find ampup; `None` where it cannot.
pub(super) fn reading(session: &Session) -> Option<String> {
    let bin = session.layout.bin();
    let env::Usual::Known(AnyShell::Own(shell)) = env::usual(session) else {
        return None;
    };
    let file = session.layout.home().join(shell.env_file());
    if file.is_file() {
        let read = match shell {
            Shell::Sh | Shell::Bash | Shell::Zsh | Shell::PowerShell => ".",
            Shell::Fish | Shell::Nushell => "source",
        };
        // Where it lies in the working directory, a line that is typed later needs the whole path, and quotes keep that.
        let here = session
            .env
            .current_dir()
            .filter(|here| Some(*here) != session.env.user_home());
        let typed = match here.is_some_and(|here| file.starts_with(here)) {
            true => quote(shell, file.as_str()),
            false => word(shell, file.as_str()),
        };
        return Some(format!("{read} {typed}"));
    }
    match shell {
        Shell::Sh | Shell::Bash | Shell::Zsh => Some(format!("export PATH=\"{bin}:$PATH\"")),
        Shell::Fish => Some(format!("fish_add_path {}", word(shell, bin.as_str()))),
        Shell::Nushell | Shell::PowerShell => None,
    }
}

/// A path as it is typed: in quotes only where it must be, because `~` is none in them.
fn word(shell: Shell, path: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-+".contains(letter);
    if path.chars().all(is_plain) {
        path.to_owned()
    } else {
        quote(shell, path)
    }
}
