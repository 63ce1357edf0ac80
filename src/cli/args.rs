//! The command line.

use std::io::IsTerminal as _;

use camino::Utf8PathBuf;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use crate::children::Interrupt;
use crate::commands::{
    Error, Options, check, complete, completions, doctor, env, history, info, init, install, link, list,
    mirror, pin, prune, registry_check, search, self_uninstall, self_update, undo, uninstall, update,
    use_version, verify, which, why,
};
use crate::commands::{db, requests, run};
use crate::env::Env;
use crate::postgres::project::AMP;

/// Installs Amp (ampd, ampctl, PostgreSQL) and runs each project's database.
#[derive(Debug, Parser)]
#[command(
    name = "ampup",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 failed or does not run here, 2 usage, 3 no such component, version, database or \
                  file, or not installed, 4 integrity, 5 network, 6 busy or in use, 7 disk, 100 updates available (`check`); \
                  `run` and `db psql` end as their command does."
)]
pub struct Cli {
    /// The options of every command.
    #[command(flatten)]
    pub global: Global,
    /// The command; the help where there is none.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Global {
    /// Print JSON on stdout, errors included
    #[arg(long, global = true)]
    pub json: bool,
    /// Print only errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more details
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Do not use the network [env: AMPUP_OFFLINE]
    #[arg(long, global = true)]
    pub offline: bool,
    /// Colors: auto, always or never [env: NO_COLOR]
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub color: When,
    /// Progress: auto, always, never, or json on stderr
    #[arg(
        long,
        global = true,
        value_name = "HOW",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub progress: Progress,
    /// ampup's home [default: ~/.ampup] [env: AMPUP_HOME]
    #[arg(long, global = true, value_name = "DIR", value_parser = requests::path(), alias = "install-dir", value_hint = ValueHint::DirPath)]
    pub home: Option<Utf8PathBuf>,
    /// Use another registry: a manifest file, or an https address [env: AMPUP_REGISTRY]
    #[arg(long, global = true, value_name = "FILE|URL", value_parser = NonEmptyStringValueParser::new(), value_hint = ValueHint::FilePath)]
    pub registry: Option<String>,
    /// The public key of the registry at that address [env: AMPUP_REGISTRY_KEY]
    #[arg(long, global = true, value_name = "FILE", value_parser = requests::path(), value_hint = ValueHint::FilePath)]
    pub registry_key: Option<Utf8PathBuf>,
    /// A mirror to try first [env: AMPUP_MIRROR]
    #[arg(long, global = true, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    pub mirror: Option<String>,
    /// Answer yes to every question [env: AMPUP_YES]
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Seconds to wait for another ampup to finish [default: 600]
    #[arg(long, global = true, value_name = "N")]
    pub lock_timeout: Option<u64>,
}

impl Global {
    /// Returns the options as the commands take them, for a run that is interrupted through this handle.
    pub fn options(&self, interrupt: Interrupt) -> Options {
        Options {
            home: self.home.clone(),
            registry: self.registry.clone(),
            registry_key: self.registry_key.clone(),
            mirror: self.mirror.clone(),
            offline: self.offline,
            yes: self.yes,
            verbose: self.verbose,
            lock_timeout: self.lock_timeout,
            color: given(self.color, When::Auto),
            progress: given(self.progress, Progress::Auto),
            is_lenient: false,
            interrupt,
            ask: std::io::stdin()
                .is_terminal()
                .then_some(super::ask as fn(&Env, &str, bool) -> bool),
            ask_for: std::io::stdin()
                .is_terminal()
                .then_some(super::ask_for as fn(&str) -> Option<String>),
            grammar: None,
        }
    }
}

/// A word of the command line that is not the default.
fn given<T: ValueEnum + PartialEq>(word: T, default: T) -> Option<String> {
    let word = Some(word).filter(|word| *word != default)?;
    Some(word.to_possible_value()?.get_name().to_owned())
}

/// When to do something that suits a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(
    missing_docs,
    reason = "the words say it, and a text here would be printed in every help"
)]
pub enum When {
    Auto,
    Always,
    Never,
}

/// The ways to show progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(
    missing_docs,
    reason = "the words say it, and a text here would be printed in every help"
)]
pub enum Progress {
    Auto,
    Always,
    Never,
    Json,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Install and activate components
    Install(install::Args),
    /// List the installed versions, or those available
    #[command(alias = "ls")]
    List(list::Args),
    /// Check for updates (exit code 100 if there are any)
    #[command(alias = "outdated")]
    Check(check::Args),
    /// Show a component, its versions and builds
    #[command(alias = "show")]
    Info(info::Args),
    /// Search the components for a word
    Search(search::Args),
    /// Update within the version you asked for
    #[command(alias = "upgrade")]
    Update(update::Args),
    /// Use a build of your own as a version of a component
    Link(link::Args),
    /// Write the versions that a project uses into its `ampup.toml`
    Pin(pin::Args),
    /// Switch to another installed version
    Use(use_version::Args),
    /// Remove installed versions
    #[command(aliases = ["remove", "rm"])]
    Uninstall(uninstall::Args),
    /// Go back to the versions that were active before
    Undo(undo::Args),
    /// Show what changed, and when
    History(history::Args),
    /// Print the path of an installed executable
    Which(which::Args),
    /// Run a command with the project's database
    Run(run::Args),
    /// Start, stop, back up, import or upgrade the project's database
    #[command(subcommand, arg_required_else_help = true)]
    Db(db::Db),
    /// Check this host, ampup's home and the project for problems
    Doctor(doctor::Args),
    /// Explain where a component's version, or a setting, comes from
    Why(why::Args),
    /// Remove unused downloads and leftovers
    Prune(prune::Args),
    /// Check the installed files against their checksums
    Verify(verify::Args),
    /// Create, extend or check a mirror, for hosts without a network
    Mirror(mirror::Args),
    /// Print the lines that put ampup's programs on PATH
    Env(env::Args),
    /// Print a shell's completion script
    Completions(completions::Args),
    /// Set up ampup itself, as the install script does
    Init(init::Args),
    /// Check a registry of your own
    #[command(subcommand, arg_required_else_help = true)]
    Registry(registry_check::Verb),
    /// Update or remove ampup itself
    #[command(name = "self", subcommand, arg_required_else_help = true)]
    Itself(Itself),
    /// Complete a command line
    #[command(hide = true)]
    Complete(complete::Args),
    /// Print ampup's version
    #[command(hide = true)]
    Version,
    /// Was in ampup 0.1
    #[command(hide = true, disable_help_flag = true)]
    Build(Gone),
}

impl Command {
    /// The Amp directory that the command line names.
    pub(super) fn amp_dir(&self) -> Option<Utf8PathBuf> {
        match self {
            Self::Run(args) => args.selected().amp_dir,
            Self::Db(verb) => verb.selected()?.amp_dir.clone(),
            Self::Doctor(args) => Some(args.project.as_ref()?.join(AMP)),
            _ => None,
        }
    }
}

/// The verbs that are about ampup.
#[derive(Debug, Subcommand)]
pub enum Itself {
    /// Update ampup
    Update(self_update::Args),
    /// Remove ampup, everything it installed, and its lines in the shells' startup files
    Uninstall(self_uninstall::Args),
    /// Print ampup's version
    Version,
}

/// Whatever stood behind a verb that is gone.
#[derive(Debug, Args)]
pub struct Gone {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    _words: Vec<String>,
}

/// The error that names the replacement of `ampup build`.
pub fn no_build() -> Error {
    Error::Usage {
        message: "`ampup build` of ampup 0.1 is gone: ampup installs released builds".to_owned(),
        hint:
            "in a clone of amp, `cargo build --release -p ampd -p ampctl`, and put `target/release` on PATH"
                .to_owned(),
    }
}
