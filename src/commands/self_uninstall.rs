//! `ampup self uninstall`: ampup away, and nothing tells that it was there.

mod running;

use camino::Utf8PathBuf;
use serde_json::json;

use super::{Error, Outcome, Session, env};
use crate::{
    exit::Exit,
    fs::{
        link::{self, ForeignEntry},
        lock::Lock,
    },
    layout::Layout,
    postgres::projects::Projects,
    remove::{
        self,
        home::{self, Estate, Left},
    },
    self_install::{self, Whence},
    setup::{
        self,
        removal::{self, Return, Undo},
        windows,
    },
    shell::{Shell, start_files::ShellUser},
    store::{self, directories},
};
use running::{Running, ensure_nothing_runs};

/// Arguments of `ampup self uninstall`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Do not change the shells' startup files
    #[arg(long)]
    pub no_modify_path: bool,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Removes the home, what belongs to it elsewhere, and ampup's lines in the shells' files. Projects are not touched.
///
/// # Errors
/// When there is no terminal to ask on, nothing is installed, a project lies in the home, or a process runs from it that is no
/// project's server; nothing is changed then. When a shell's file cannot be changed: then the home is as it was.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let layout = &session.layout;
    let failed = |source| Error::Store {
        action: "look at",
        source,
    };
    if layout.home().symlink_metadata().is_err() {
        return Err(Error::NotFound {
            message: format!("there is no ampup home at `{}`", layout.home()),
            hint: "`--home` or `AMPUP_HOME` name another one".to_owned(),
        });
    }
    let returns = if args.no_modify_path {
        Vec::new()
    } else {
        if let Some(damage) = setup::damage(layout) {
            session.warn(damage);
        }
        returns(session)?
    };
    let estate = home::survey(layout).map_err(failed)?;
    if estate.ours.is_empty() && returns.is_empty() {
        if !args.dry_run {
            // Empty directories may be left of a removal that was killed at its very end.
            home::apply(&estate, layout, session.env.user_home());
        }
        return Err(Error::NotFound {
            message: format!("`{}` has nothing of ampup", layout.home()),
            hint: "`--home` or `AMPUP_HOME` name another one".to_owned(),
        });
    }
    ensure_no_projects(&estate, session)?;
    let running = Running::look(session)?;
    let mut lines: Vec<String> = running
        .projects()
        .iter()
        .map(|project| {
            format!(
                "stop the database of `{project}`, whose server runs from `{}`",
                layout.home()
            )
        })
        .collect();
    lines.extend(self::lines(&returns, &estate, session));
    let mut json = json!({
        "home": layout.home(), "removed": estate.ours, "left": [], "kept": estate.others,
        "files": returns.iter().map(|one| &one.path).collect::<Vec<_>>(), "stopped": running.projects(),
    });
    if args.dry_run {
        let mut outcome = Outcome::prose(lines.join("\n") + "\n", json);
        if let Err(refused) = running.ensure_only_databases() {
            outcome.talk.push(format!("warning: {refused}"));
        }
        return Ok(outcome);
    }
    running.ensure_only_databases()?;
    directories::ensure_writable(layout).map_err(|source| Error::Store {
        action: "remove",
        source,
    })?;
    let question = format!(
        "{}\n\nThe databases stay. Remove ampup and all that it installed?",
        lines.join("\n")
    );
    match session.ask(&question, false) {
        Some(true) => {}
        Some(false) => {
            return Ok(Outcome {
                exit: Exit::Failed,
                ..Outcome::done(vec!["nothing was removed".to_owned()], json!({ "removed": [] }))
            });
        }
        None => {
            return Err(Error::Usage {
                message: "no terminal to ask on".to_owned(),
                hint: "`ampup self uninstall --dry-run` shows what goes, `ampup self uninstall --yes` removes it"
                    .to_owned(),
            });
        }
    }
    running.stop(session)?;
    let (outcome, left) = remove(args, &returns, &estate, session)?;
    let removed: Vec<_> = estate.ours.iter().filter(|path| !left.contains(path)).collect();
    json["removed"] = json!(removed);
    json["left"] = json!(left);
    Ok(Outcome { json, ..outcome })
}

/// Gives what there is to say, and what was not removed.
fn remove(
    args: &Args,
    returns: &[Return],
    estate: &Estate,
    session: &Session,
) -> Result<(Outcome, Vec<Utf8PathBuf>), Error> {
    let layout = &session.layout;
    // The list of them goes with the home.
    let databases = databases(session);
    let lock = lock(session)?;
    home::ensure_unused(layout)?;
    ensure_nothing_runs(session)?;
    for one in returns {
        if let Undo::Stays(why) = &one.action {
            session.warn(format!("`{}` was left unchanged: {why}", one.path));
        }
    }
    // The record of them is in the home, which is whole until all of them are done.
    removal::apply(returns)?;
    // Whoever had the lock may have made more.
    let again = home::survey(layout).unwrap_or_else(|_| estate.clone());
    let mut left = home::apply(&again, layout, session.env.user_home());
    drop(lock);
    if cfg!(windows) {
        leave_windows(&mut left, args, session);
    }
    if let Some((path, source)) = left.failed.take() {
        let error = Error::NotRemoved { path, source };
        let mut outcome = Outcome::done(error.lines(), json!({}));
        outcome.exit = error.exit_code();
        return Ok((outcome, left.paths));
    }
    let mut talk = vec![format!("removed ampup from `{}`", layout.home())];
    // Those above the home, which are empty only now.
    for one in returns.iter().filter(|one| one.action == Undo::DeleteDirectory) {
        if removal::apply(std::slice::from_ref(one)).is_err() {
            talk.push(format!(
                "`{}` is empty, and stays: it cannot be removed",
                one.path
            ));
        }
    }
    if left.is_home_kept {
        talk.push(format!("`{}` stays: it was there before ampup", layout.home()));
    }
    for path in &left.empty {
        talk.push(format!("`{path}` is empty, and stays: it cannot be removed"));
    }
    for path in &estate.others {
        talk.push(format!("`{path}` is not ampup's, and stays"));
    }
    let program = session.env.current_exe().unwrap_or("ampup".into());
    if self_install::whence(program, layout) == Whence::Elsewhere && program.is_file() {
        talk.push(format!(
            "`{program}` was not installed by ampup, and stays: remove it the way it was installed"
        ));
    }
    if !databases.is_empty() {
        let shown = |place: &Utf8PathBuf| format!("`{}`", session.env.short_path(place));
        let places: Vec<String> = databases.iter().map(shown).collect();
        talk.push(format!(
            "the databases stay, each in its project's `.amp`: {}",
            places.join(", ")
        ));
    }
    if session.env.search_path().contains(&layout.bin()) {
        talk.push(format!(
            "this shell still has `{}` on PATH; new ones have not",
            layout.bin()
        ));
    }
    Ok((Outcome::done(talk, json!({})), Vec::new()))
}

/// Nobody works in this home from here on. It need not be prepared, or even be whole, to go: what stands in the place of
/// a lock, or of their directory, is held by nobody.
fn lock(session: &Session) -> Result<Option<Lock>, Error> {
    let path = session.layout.store_lock();
    let is_ours = path.is_file()
        && directories::foreign_entry(&session.layout.locks(), &session.layout).is_none()
        && ForeignEntry::instead_of_file(&path).is_none();
    if !is_ours {
        return Ok(None);
    }
    let reporter = session.reporter.as_ref();
    Ok(Some(store::take(
        &path,
        store::ANOTHER,
        session.lock_timeout(),
        reporter,
    )?))
}

/// The user's PATH, and what is still there because this program runs from it.
fn leave_windows(left: &mut Left, args: &Args, session: &Session) {
    let layout = &session.layout;
    if !args.no_modify_path
        && let Err(cause) = windows::run(&windows::path_script(&layout.bin()))
    {
        session.warn(format!("`{}` stays in your PATH: {cause}", layout.bin()));
    }
    let script = windows::removal_script(std::process::id(), &left.paths, layout.home());
    if !left.paths.is_empty() && windows::start(&script).is_ok() {
        *left = Left::default();
    }
}

/// Whose files are changed; `None` where no home directory is known. Every shell is thought of.
pub(super) fn user(session: &Session) -> Option<ShellUser> {
    let absolute = |name: &str| {
        session
            .env
            .var(name)
            .map(Utf8PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    Some(ShellUser {
        home: session.env.user_home()?.to_owned(),
        zdotdir: absolute("ZDOTDIR"),
        config_home: absolute("XDG_CONFIG_HOME"),
        shells: Shell::ALL.to_vec(),
    })
}

/// Lists the changes to take back in the user's own files.
///
/// # Errors
/// When the record of it is not understood.
pub(super) fn returns(session: &Session) -> Result<Vec<Return>, Error> {
    let Some(user) = user(session) else {
        return Ok(Vec::new());
    };
    // A home that cannot be on PATH was never put into a shell's file.
    let Ok(setting) = env::setting(session) else {
        return Ok(Vec::new());
    };
    Ok(removal::plan(&user, &setting, &session.layout)?)
}

/// A project's data outlives everything: nobody should keep one in ampup's home, and if somebody does, it stays.
fn ensure_no_projects(estate: &Estate, session: &Session) -> Result<(), Error> {
    let record = Projects::new(&session.layout, &session.env);
    remove::ensure_projects_known(&record)?;
    let projects = record.read();
    let is_doomed = |project: &&Utf8PathBuf| estate.ours.iter().any(|path| project.starts_with(path));
    let there = |project: &&Utf8PathBuf| project.symlink_metadata().is_ok();
    if let Some(project) = projects.iter().filter(is_doomed).find(there) {
        return Err(Error::Refused {
            message: format!("`{project}` has a project's data, and is inside what would be removed"),
            hint: "move it elsewhere".to_owned(),
        });
    }
    Ok(())
}

/// Describes what will be removed and changed, for a person: a line for each kind of change, and with `--verbose` one for each
/// entry of the home.
fn lines(returns: &[Return], estate: &Estate, session: &Session) -> Vec<String> {
    let of = |is_meant: fn(&Undo) -> bool| {
        let meant = returns.iter().filter(|one| is_meant(&one.action));
        let paths: Vec<String> = meant.map(|one| format!("`{}`", one.path)).collect();
        (!paths.is_empty()).then(|| paths.join(", "))
    };
    let changed = of(|undo| matches!(undo, Undo::Truncate(_) | Undo::Rewrite(_)));
    let deleted = of(|undo| matches!(undo, Undo::Delete));
    let emptied = of(|undo| matches!(undo, Undo::DeleteDirectory));
    let mut lines: Vec<String> = [
        changed.map(|paths| format!("take ampup's lines out of {paths}")),
        deleted.map(|paths| format!("remove {paths}")),
        emptied.map(|paths| format!("remove {paths}, where empty")),
    ]
    .into_iter()
    .flatten()
    .collect();
    for one in returns {
        if let Undo::Stays(why) = &one.action {
            lines.push(format!("leave `{}` ({why})", one.path));
        }
    }
    if session.options.verbose {
        lines.extend(entries(estate, &session.layout));
    } else if !estate.ours.is_empty() {
        let versions: String = installed(session).iter().map(|one| format!("{one}, ")).collect();
        // Root's home may be a link to a place that other users can enter.
        let home = session.layout.home();
        let real = link::real(home).ok().filter(|_| home.is_symlink());
        let behind = real
            .map(|real| format!(" (a link to `{real}`)"))
            .unwrap_or_default();
        lines.push(format!(
            "remove what ampup has in `{home}`{behind}: {versions}and its own files (`--verbose` lists them)"
        ));
    }
    for path in &estate.others {
        lines.push(format!("leave `{path}`, which is not ampup's"));
    }
    let databases = databases(session);
    if !databases.is_empty() {
        lines.push("leave the databases of your projects:".to_owned());
        let shown = |place: &Utf8PathBuf| format!("    `{}`", session.env.short_path(place));
        lines.extend(databases.iter().map(shown));
    }
    lines
}

/// The databases of the known projects, which stay.
fn databases(session: &Session) -> Vec<Utf8PathBuf> {
    let projects = Projects::new(&session.layout, &session.env).read();
    let places = projects.iter().map(|amp_dir| amp_dir.join("metadb"));
    places.filter(|place| place.is_dir()).collect()
}

/// Lists every entry of the home that goes; the pages of the manual are one.
fn entries(estate: &Estate, layout: &Layout) -> Vec<String> {
    let is_page = |path: &Utf8PathBuf| path.starts_with(layout.manual());
    let (pages, others): (Vec<_>, Vec<_>) = estate.ours.iter().partition(|path| is_page(path));
    let mut lines: Vec<String> = others.iter().map(|path| format!("remove `{path}`")).collect();
    if !pages.is_empty() {
        lines.push(format!("remove `{}/ampup*.1`", layout.manual()));
    }
    lines
}

/// The installed versions, as far as they can be told.
fn installed(session: &Session) -> Vec<String> {
    let Ok(inventory) = session.inventory() else {
        return Vec::new();
    };
    let mut versions = Vec::new();
    for (name, trees) in &inventory.trees {
        for tree in trees {
            if let Ok(shown) = session.shown(name, &tree.name, &inventory) {
                versions.push(format!("{name} {shown}"));
            }
        }
    }
    versions
}
