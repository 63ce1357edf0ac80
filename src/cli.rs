//! The face: reads the command line, shows what happens, prints what comes out. Only this floor prints.

pub mod args;
mod progress;
mod report;
#[cfg(unix)]
mod signals;

use std::{ffi::OsString, io::IsTerminal as _, process::ExitCode, sync::Arc};

use clap::Parser as _;

use crate::{
    commands::{self, Error, Outcome, Session},
    env::Env,
    event::{Reporter, Silent},
    exit::Exit,
};
use args::{Cli, Command};
use report::Face;

/// Runs the program with the arguments and the environment of this process.
pub fn main() -> ExitCode {
    let env = Env::capture();
    let words: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(refusal) => return ExitCode::from(report::refused(&refusal, &words, &env).code()),
    };
    let face = Face::new(&cli.global, &env);
    #[cfg(unix)]
    signals::watch(&face, cli.global.home.clone().or_else(|| env.ampup_home().ok()));
    let ended = perform(&cli, env, &words, &face);
    #[cfg(unix)]
    signals::settle();
    ExitCode::from(face.ended(ended).code())
}

fn perform(cli: &Cli, env: Env, words: &[OsString], face: &Face) -> Result<Outcome, Error> {
    let reporter = reporter(cli, &env, face);
    let command: Vec<_> = words.iter().skip(1).map(|word| word.to_string_lossy()).collect();
    let command = format!("ampup {}", command.join(" ")).trim_end().to_owned();
    let session = Session::new(env, cli.global.options(), reporter, redacted(&command))?;
    // As ever, `ampup` alone installs what Amp needs.
    let install = Command::Install(commands::install::Args::default());
    match cli.command.as_ref().unwrap_or(&install) {
        Command::Install(args) => commands::install::run(args, &session),
        Command::List(args) => commands::list::run(args, &session),
        Command::Check(args) => commands::check::run(args, &session),
        Command::Info(args) => commands::info::run(args, &session),
        Command::Search(args) => commands::search::run(args, &session),
        Command::Update(args) => commands::update::run(args, &session),
        Command::Use(args) => commands::use_version::run(args, &session),
        Command::Uninstall(args) => commands::uninstall::run(args, &session),
        Command::Undo(args) => commands::undo::run(args, &session),
        Command::History(args) => commands::history::run(args, &session),
        Command::Which(args) => commands::which::run(args, &session),
        Command::Build(_) => Err(args::no_build()),
    }
}

/// The history must not hold a token.
fn redacted(command: &str) -> String {
    let mut words: Vec<&str> = command.split(' ').collect();
    for index in 0..words.len() {
        if words[index].starts_with("--github-token=") {
            words[index] = "--github-token=…";
        } else if index > 0 && words[index - 1] == "--github-token" {
            words[index] = "…";
        }
    }
    words.join(" ")
}

fn reporter(cli: &Cli, env: &Env, face: &Face) -> Arc<dyn Reporter> {
    let terminal = std::io::stderr().is_terminal();
    match progress::kind(cli.global.progress, terminal, cli.global.quiet, env) {
        progress::Kind::Silent => Arc::new(Silent),
        progress::Kind::Bars => Arc::new(progress::Bars::new(face.clone())),
        progress::Kind::Lines => Arc::new(progress::Lines::new(face.clone(), true)),
        progress::Kind::Notes => Arc::new(progress::Lines::new(face.clone(), false)),
        progress::Kind::Json => Arc::new(progress::Json),
    }
}

/// How a usage error of our own ends.
const USAGE: Exit = Exit::Usage;
