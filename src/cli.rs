//! The face: reads the command line, shows what happens, prints what comes out. Only this floor prints.

pub mod args;
mod carried;
mod handed_on;
pub mod help;
#[cfg(unix)]
mod inherited;
mod paths;
mod progress;
mod refusal;
mod report;
#[cfg(unix)]
mod signals;

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    sync::Arc,
};

use clap::FromArgMatches as _;

#[cfg(unix)]
use crate::{children, hindrance::Hindrance};
use crate::{
    children::Interrupt,
    commands::{self, Error, Options, Outcome, Session},
    env::{Env, shown_command},
    event::{Reporter, Silent},
};
use args::{Cli, Command, Itself};
use paths::ShortPaths;
use report::Face;

/// Runs the program with the arguments and the environment of this process, and with nothing else that its parent left.
pub fn main() -> ExitCode {
    #[cfg(unix)]
    return inherited::without(run);
    #[cfg(not(unix))]
    run(None)
}

fn run(umask: Option<u32>) -> ExitCode {
    let env = Env::capture().with_umask(umask);
    let words = handed_on::marked(std::env::args_os().collect());
    let parsed = help::read(&words);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(refusal) => return ExitCode::from(report::refused(&refusal, &words, &env).code()),
    };
    let interrupt = Interrupt::default();
    let face = Face::new(&cli, &env, &interrupt);
    #[cfg(unix)]
    if let Err(cause) = children::ensure_files() {
        let refused = Error::Host(Hindrance::NoFile(cause));
        return ExitCode::from(face.ended(Err(refused)).code());
    }
    #[cfg(unix)]
    let watch = match &cli.command {
        // What runs another program passes the signal on to it, and ends after it; and who follows a log wants no word.
        Some(Command::Run(_) | Command::Db(commands::db::Db::Psql(_) | commands::db::Db::Logs(_))) => None,
        Some(Command::Db(verb)) => {
            let left = |amp_dir| format!("`ampup db status` shows what there is in `{amp_dir}`");
            signals::watch(
                &face,
                &interrupt,
                verb.amp_dir(&env).map_or_else(String::new, left),
            )
        }
        _ => {
            let home = cli.global.home.clone().or_else(|| env.ampup_home().ok());
            let left = |home| format!("unfinished work stays in `{home}/staging` until the next command");
            signals::watch(&face, &interrupt, home.map_or_else(String::new, left))
        }
    };
    let ended = perform(&cli, env, &words, &face, interrupt);
    #[cfg(unix)]
    watch.into_iter().for_each(signals::Watch::settle);
    face.clear();
    ExitCode::from(face.ended(ended).code())
}

fn perform(
    cli: &Cli,
    env: Env,
    words: &[OsString],
    face: &Face,
    interrupt: Interrupt,
) -> Result<Outcome, Error> {
    let reporter = reporter(cli, &env, face);
    let command = shown_command(words);
    let options = Options {
        // It is there to find such things.
        is_lenient: matches!(cli.command, Some(Command::Doctor(_))),
        grammar: Some(help::grammar),
        ..cli.global.options(interrupt)
    };
    let session = Session::new(env, options, reporter, command)?;
    let Some(command) = &cli.command else {
        return Ok(short_help());
    };
    let done = match command {
        Command::Install(args) => commands::install::run(args, &session),
        Command::List(args) => commands::list::run(args, &session),
        Command::Check(args) => commands::check::run(args, &session),
        Command::Info(args) => commands::info::run(args, &session),
        Command::Search(args) => commands::search::run(args, &session),
        Command::Update(args) => commands::update::run(args, &session),
        Command::Link(args) => commands::link::run(args, &session),
        Command::Pin(args) => commands::pin::run(args, &session),
        Command::Use(args) => commands::use_version::run(args, &session),
        Command::Uninstall(args) => commands::uninstall::run(args, &session),
        Command::Undo(args) => commands::undo::run(args, &session),
        Command::History(args) => commands::history::run(args, &session),
        Command::Which(args) => commands::which::run(args, &session),
        Command::Env(args) => commands::env::run(args, &session),
        Command::Completions(args) => commands::completions::run(args),
        Command::Complete(args) => commands::complete::run(args, &session),
        Command::Init(args) => commands::init::run(args, &session),
        Command::Registry(commands::registry_check::Verb::Check(args)) => commands::registry_check::run(args),
        Command::Itself(Itself::Update(args)) => commands::self_update::run(args, &session),
        Command::Itself(Itself::Uninstall(args)) => commands::self_uninstall::run(args, &session),
        Command::Version | Command::Itself(Itself::Version) => Ok(commands::version()),
        Command::Run(args) => commands::run::run(args, &session),
        Command::Db(verb) => commands::db::run(verb, &session),
        Command::Doctor(args) => commands::doctor::run(args, &session),
        Command::Why(args) => commands::why::run(args, &session),
        Command::Prune(args) => commands::prune::run(args, &session),
        Command::Mirror(args) => commands::mirror::run(args, &session),
        Command::Verify(args) => commands::verify::run(args, &session),
        Command::Build(_) => Err(args::no_build()),
    };
    done.map_err(|error| commands::registry_check::with_mistakes(error, &session))
}

/// Answers `ampup` without a command.
fn short_help() -> Outcome {
    let help = help::short();
    let json = serde_json::json!({ "help": report::plain(&help) });
    Outcome::prose(help, json)
}

/// Asks on stderr and reads the answer from stdin. The end of stdin is a no.
fn ask(env: &Env, question: &str, enter: bool) -> bool {
    let choices = if enter { "[Y/n]" } else { "[y/N]" };
    let mut question = ShortPaths::of(env).shorten(question);
    loop {
        let Some(answer) = ask_for(&format!("{question} {choices}")) else {
            return false;
        };
        match answer.to_lowercase().as_str() {
            "" => return enter,
            "y" | "yes" => return true,
            "n" | "no" => return false,
            _ => "please answer y or n:".clone_into(&mut question),
        }
    }
}

/// Asks on stderr for a word, and reads it from stdin. stderr is not held meanwhile: who interrupts the question is told so there.
fn ask_for(question: &str) -> Option<String> {
    let _ = write!(io::stderr(), "{question} ");
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.is_ok_and(|bytes| bytes > 0)
        .then(|| answer.trim().to_owned())
}

fn reporter(cli: &Cli, env: &Env, face: &Face) -> Arc<dyn Reporter> {
    let terminal = std::io::stderr().is_terminal();
    match progress::kind(cli.global.progress, terminal, cli.global.quiet, env) {
        progress::Kind::Silent => Arc::new(Silent),
        progress::Kind::Bars => Arc::new(progress::Bars(face.clone())),
        progress::Kind::Lines => Arc::new(progress::Lines::new(face.clone(), true)),
        progress::Kind::Notes => Arc::new(progress::Lines::new(face.clone(), false)),
        progress::Kind::Json => Arc::new(progress::Json(face.clone())),
    }
}
