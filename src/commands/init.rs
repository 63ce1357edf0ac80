//! `ampup init`: puts a running ampup in place. The install scripts end with it; run again, it repairs.

mod intent;

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde_json::json;

use super::{
    Error, Outcome, Session, env,
    how::How,
    installation::{self, Activation},
    next, requests,
    self_uninstall::user,
};
use crate::{
    domain::{Algorithm, ComponentSpec},
    exit::Exit,
    fs::atomic,
    manual,
    postgres::user::home_directory,
    registry::Registry,
    self_install,
    setup::{self, Action, SetupError},
    shell::{self, Shell, foreign::AnyShell, start_files::ShellUser},
    store::directories,
    verify::digest_of,
};
use env::Usual;
use intent::Intent;

/// Arguments of `ampup init`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Do not change the shells' startup files
    #[arg(long)]
    pub no_modify_path: bool,
    /// List every file and line that would be changed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Also install this component; may be repeated
    #[arg(short, long = "component", value_name = "SPEC", value_parser = requests::spec)]
    pub components: Vec<ComponentSpec>,
    /// Replace even a newer ampup
    #[arg(long)]
    pub allow_downgrade: bool,
    /// The SHA-256 that the install script expects of this program and could not check
    #[arg(long, hide = true, value_name = "HEX")]
    verify_self: Option<String>,
    /// So many directories, the home and those above it, were made by the install script
    #[arg(long, hide = true, value_name = "N", default_value_t = 0)]
    made: usize,
    #[arg(long, hide = true)]
    no_install_latest: bool,
    #[arg(long, hide = true)]
    github_token: Option<String>,
}

/// Puts this ampup into the store, makes the shells find it, and installs what was named.
///
/// # Errors
/// When this is not the program it should be, the home cannot be made, a shell's file cannot be written, or what was named
/// cannot be installed; in the last two cases ampup itself is in place.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let program = program(session)?;
    if let Some(expected) = &args.verify_self {
        ensure_digest(&program, expected)?;
    }
    ensure_no_removed_flags(args)?;
    let mut intent = Intent::form(args, program, session)?;
    if args.dry_run {
        return show(args, &intent, session);
    }
    warn_of_another_home(session);
    if let Some(value) = astray(session) {
        session.warn(format!(
            "`ZDOTDIR` is `{}`, and not an absolute path: zsh reads none of your files; unset it, then run `ampup init` again",
            value.escape_debug()
        ));
    }
    // What does not exist is told once ampup is in place.
    let downloads = installation::downloads(&args.components, session).unwrap_or_default();
    let lines = intent.summary(&downloads);
    if !lines.is_empty() {
        match session.ask(&format!("{}\n\nContinue?", lines.join("\n")), true) {
            Some(true) => {}
            Some(false) => {
                return Ok(Outcome {
                    exit: Exit::Failed,
                    ..Outcome::done(intent.declined(), json!({ "done": false }))
                });
            }
            // Whoever pipes a script into a shell wants ampup; nobody has agreed to changes of other files.
            None => intent.leave_shells(),
        }
    }
    let mut talk = intent.mend(session)?;
    talk.extend(put_in_place(&intent, session)?);
    let shells = set_up_shells(&intent, session);
    write_manual(session)?;
    let (mut by_hand, mut about_shells) = shells?;
    talk.append(&mut about_shells);
    talk.extend(shadow(&intent, session));
    if !intent.left.is_empty() {
        by_hand.extend(intent.left.iter().map(|change| change.file.path.clone()));
        talk.push(left_alone(&intent.left, session));
    }
    talk.extend(what_next(args, &intent, &by_hand, session));
    let json = json!({
        "done": true, "version": self_install::version(), "home": session.layout.home(), "by_hand": by_hand,
    });
    if args.components.is_empty() {
        return Ok(Outcome::done(talk, json));
    }
    // Whatever comes of this, ampup itself is in place. How to find it is said at the end of the installation.
    for line in talk {
        session.note(line);
    }
    let outcome = installation::install(&args.components, Activation::Activate, &How::default(), session)?;
    let mut all = json;
    all["components"] = outcome.json["components"].clone();
    Ok(Outcome { json: all, ..outcome })
}

fn program(session: &Session) -> Result<Utf8PathBuf, Error> {
    let program = session.env.current_exe().map(Utf8Path::to_owned);
    program.ok_or_else(|| Error::Refused {
        message: "this system does not say where this program is".to_owned(),
        hint: "put it where its path is UTF-8; on Linux `/proc` must be mounted".to_owned(),
    })
}

/// The install script found no tool that computes a digest: then this program proves itself, or does nothing.
fn ensure_digest(program: &Utf8Path, expected: &str) -> Result<(), Error> {
    let failed = |source| Error::File {
        path: program.to_owned(),
        source,
    };
    let mut file = fs::File::open(program).map_err(failed)?;
    let (digest, _) = digest_of(&mut file, Algorithm::Sha256).map_err(failed)?;
    if digest.hex() == expected {
        return Ok(());
    }
    Err(Error::Integrity {
        message: format!(
            "the sha256 of `{program}` is {} instead of {expected}",
            digest.hex()
        ),
        hint: "try again; if it stays so, report it".to_owned(),
    })
}

fn ensure_no_removed_flags(args: &Args) -> Result<(), Error> {
    let (flag, hint) = if args.no_install_latest {
        (
            "--no-install-latest",
            "leave it out: only what `--component` names is installed",
        )
    } else if args.github_token.is_some() {
        (
            "--github-token",
            "leave it out; `ampup install --github-token` takes one",
        )
    } else {
        return Ok(());
    };
    Err(Error::Usage {
        message: format!("`{flag}` of ampup 0.1 is gone"),
        hint: hint.to_owned(),
    })
}

fn show(args: &Args, intent: &Intent, session: &Session) -> Result<Outcome, Error> {
    let mut data = String::new();
    for line in intent.lines() {
        data += &line;
        data.push('\n');
    }
    let mut json = json!({ "dry_run": true, "home": session.layout.home(), "changes": intent.json() });
    if !args.components.is_empty() {
        let how = How {
            dry_run: true,
            ..How::default()
        };
        let plan = installation::install(&args.components, Activation::Activate, &how, session)?;
        data += &plan.data;
        json["components"] = plan.json;
    }
    Ok(Outcome::prose(data, json))
}

/// Under sudo HOME may still be the other user's; then files of root would lie there.
fn warn_of_another_home(session: &Session) {
    let is_sudo = ["SUDO_USER", "DOAS_USER"]
        .iter()
        .any(|name| session.env.var_os(name).is_some());
    if !is_sudo || !is_root() {
        return;
    }
    if let (Some(own), Some(home)) = (home_directory(0).ok().flatten(), session.env.user_home())
        && own != home
    {
        session.warn(format!(
            "HOME is `{home}`, and the home directory of root is `{own}`: run without sudo, or with `sudo -H`, or \
             files of root will lie in `{home}`"
        ));
    }
}

#[cfg(unix)]
fn is_root() -> bool {
    crate::postgres::user::current_uid() == 0
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

/// The home, and this program in it.
fn put_in_place(intent: &Intent, session: &Session) -> Result<Vec<String>, Error> {
    let failed = |source| Error::Store {
        action: "make",
        source,
    };
    session.prepare()?;
    // Before anything else is made outside of the home: what must go again with it.
    if let Some(damage) = setup::damage(&session.layout) {
        session.warn(damage);
    }
    let mut record = setup::read_record(&session.layout)?;
    for directory in &intent.parents {
        record.make_directory(directory);
    }
    setup::write_record(&record, &session.layout).map_err(failed)?;
    self_install::sweep(&session.layout, &intent.program);
    match &intent.self_install {
        self_install::SelfInstall::Nothing => Ok(vec![format!(
            "ampup v{} is in place in `{}`",
            self_install::version(),
            session.layout.home()
        )]),
        self_install::SelfInstall::Newer(version) => Ok(vec![format!(
            "ampup v{version} is active, which is newer than this v{}; it stays (`--allow-downgrade` replaces it)",
            self_install::version()
        )]),
        self_install::SelfInstall::Installation { plan, instead_of } => {
            // Only the registry that this program was built with is sure to know it.
            let registry = Registry::embedded();
            let mut talk = Vec::new();
            if let Some(tree) = instead_of {
                // In its place: there is no moment without an ampup.
                installation::rebuild(&self_install::name(), tree, plan, &registry, session)?;
                talk.push(format!("repaired ampup v{}", self_install::version()));
            }
            let report = installation::carry_out(plan, &How::default(), &registry, session)?;
            talk.extend(installation::outcome::of_report(plan, report, session)?.talk);
            Ok(talk)
        }
    }
}

/// The files in the home that shells read, and the lines in the user's files that make them. Gives the files that the
/// user must change by hand, and what to say; one that could not be written is an error once the others are.
fn set_up_shells(intent: &Intent, session: &Session) -> Result<(Vec<Utf8PathBuf>, Vec<String>), Error> {
    let Some(changes) = &intent.changes else {
        setup::write_env_files(&intent.setting, &session.layout).map_err(|source| Error::Store {
            action: "write",
            source,
        })?;
        return Ok((Vec::new(), Vec::new()));
    };
    let mut by_hand = Vec::new();
    let mut failed = None;
    let mut talk = Vec::new();
    for change in setup::apply(changes.clone(), &intent.setting, &session.layout)? {
        let path = &change.file.path;
        if change.file.shell.is_posix() && setup::has_windows_line_ends(path) {
            session.warn(format!(
                "`{path}` has Windows line ends, at which its shell fails: `sed -i 's/\\r$//' {}`",
                shell::typed(path.as_str())
            ));
            by_hand.push(path.clone());
        }
        match &change.action {
            Action::Nothing => {}
            Action::ByHand(why) => {
                session.warn(format!(
                    "{}: {why}; add this line to it by hand:\n    {}",
                    change.file.path, change.line
                ));
                by_hand.push(change.file.path);
            }
            Action::Failed(kind, why) => {
                failed.get_or_insert(SetupError::NotAdded {
                    path: change.file.path,
                    line: change.line,
                    source: io::Error::new(*kind, why.clone()),
                });
            }
            Action::Make(..) => talk.push(format!("created `{}`", change.file.path)),
            Action::Append(_) => talk.push(format!("added a line to `{}`", change.file.path)),
            Action::Rewrite(_) => talk.push(format!("replaced ampup's line in `{}`", change.file.path)),
        }
    }
    failed.map_or(Ok((by_hand, talk)), |error| Err(error.into()))
}

fn write_manual(session: &Session) -> Result<(), Error> {
    let directory = session.layout.manual();
    if let Some(entry) = directories::foreign_entry(&directory, &session.layout) {
        session.warn(format!("{entry}; the manual is not written"));
        return Ok(());
    }
    let pages = manual::pages(session.grammar());
    let written = atomic::make_directories(&directory)
        .and_then(|()| atomic::write_many_through(&session.layout.staging(), &directory, &pages));
    written.map_err(|source| Error::Store {
        action: "write",
        source,
    })?;
    // `man` asks the directories of PATH, unless MANPATH forbids it: an empty entry there means its own list.
    let share = directory.parent().unwrap_or(&directory);
    let manpath = session.env.var("MANPATH").unwrap_or_default();
    let allows = manpath.is_empty() || manpath.split(':').any(|entry| entry.is_empty() || entry == share);
    if !allows {
        session.note(format!(
            "`man ampup` needs `{share}` in MANPATH, which is set and has it not"
        ));
    }
    Ok(())
}

/// Says which other ampup every shell would find in the place of this one.
fn shadow(intent: &Intent, session: &Session) -> Option<String> {
    let bin = session.layout.bin();
    let found = setup::shadows(&session.env.search_path(), &bin, &["ampup"]);
    // The program that runs may be on PATH itself, and was found there.
    let other = found
        .into_iter()
        .find(|shadow| shadow.path != intent.program && shadow.is_lasting)?;
    Some(format!(
        "warning: `{}` comes before ampup's own on PATH: put `{bin}` first",
        other.path
    ))
}

/// Says which files were left alone because there was nobody to ask, and what belongs in them.
fn left_alone(left: &[setup::FileChange], session: &Session) -> String {
    let mut lines: Vec<&str> = left.iter().map(|change| change.line.as_str()).collect();
    lines.dedup();
    format!(
        "no terminal to ask on, so the shells' files were left alone; `{} init --yes` adds to them:\n    {}",
        next::ampup(session),
        lines.join("\n    ")
    )
}

/// The reason that ampup must be looked up in each shell.
const NO_FILE: &str = "your startup files do not read it";

/// Lists the commands to type next.
fn what_next(args: &Args, intent: &Intent, by_hand: &[Utf8PathBuf], session: &Session) -> Vec<String> {
    let mut lines = Vec::new();
    let bin = session.layout.bin();
    let is_shown =
        !args.components.is_empty() && matches!(env::usual(session), Usual::Known(AnyShell::Own(_)));
    if !session.env.search_path().contains(&bin) && !cfg!(windows) && !is_shown {
        lines.push(match env::usual(session) {
            Usual::Known(AnyShell::Own(shell)) => {
                // sh reads a file of the user's when it logs in alone.
                let reading = next::reading(session).unwrap_or_default();
                match (intent.is_found_by(shell, by_hand), shell) {
                    (true, Shell::Sh) => {
                        format!("in this shell: `{reading}`; new login shells find it by themselves")
                    }
                    (true, _) => format!("in this shell: `{reading}`; new shells find it by themselves"),
                    (false, _) => format!("in this shell and in each new one: `{reading}` ({NO_FILE})"),
                }
            }
            Usual::Known(AnyShell::Foreign(shell)) => {
                let text = shell.env_text(&intent.setting);
                let text = text.trim_end().replace('\n', "; ");
                format!(
                    "{} does not find ampup by itself: add this to `{}`, and type it in this shell: `{text}`",
                    shell.as_str(),
                    shell.start_file()
                )
            }
            Usual::Unknown(name) => {
                format!("`{name}` is not supported, and does not find ampup by itself: put `{bin}` first on its PATH")
            }
        });
    }
    // This shell may have it from its parent, or from an ampup that was here before; the shells of a CI job all have it.
    if session.env.search_path().contains(&bin)
        && session.env.var_os("CI").is_none()
        && let Usual::Known(AnyShell::Own(shell)) = env::usual(session)
        && !intent.is_found_by(shell, by_hand)
        && !cfg!(windows)
    {
        let reading = next::reading(session).unwrap_or_default();
        lines.push(format!("in each new shell: `{reading}` ({NO_FILE})"));
    }
    if args.components.is_empty() {
        lines.push("next: `ampup install`; PostgreSQL alone: `ampup install postgres`".to_owned());
    }
    lines
}

/// The user whose files are changed, and the shells of this machine.
fn shells(session: &Session) -> Option<ShellUser> {
    let mut user = user(session)?;
    let path = session.env.search_path();
    let usual = env::usual(session);
    let is_here = |shell: &Shell| {
        let on_path = || {
            shell
                .programs()
                .iter()
                .any(|program| path.iter().any(|directory| directory.join(program).is_file()))
        };
        let has_file = || {
            let one = ShellUser {
                shells: vec![*shell],
                ..user.clone()
            };
            let there = |path: &Utf8Path| fs::symlink_metadata(path).is_ok();
            one.start_files(there)
                .iter()
                .any(|file| file.shell == *shell && there(&file.path))
        };
        matches!(usual, Usual::Known(AnyShell::Own(usual)) if usual == *shell) || on_path() || has_file()
    };
    let is_lost = |shell: &Shell| *shell == Shell::Zsh && astray(session).is_some();
    let mut shells = Shell::ALL.to_vec();
    shells.retain(|shell| is_here(shell) && !is_lost(shell));
    user.shells = shells;
    Some(user)
}

/// The value of `ZDOTDIR` with which zsh reads no file of the user's: one that is empty, too, is put before `/.zshenv`.
fn astray(session: &Session) -> Option<String> {
    let (_, value) = session.env.variables().find(|(name, _)| *name == "ZDOTDIR")?;
    let value = value.to_string_lossy().into_owned();
    (!Utf8Path::new(&value).is_absolute()).then_some(value)
}
