//! The maintainers' program: keeps `registry/manifest.json` as the recipes and the origins have it, and signs it. Not part
//! of ampup; `registry/README.md` says when what is run.

mod catalog;
mod refresh;
mod sign;
mod site;
mod watch;

use std::{io::Write as _, process::ExitCode};

use camino::Utf8PathBuf;
use clap::{Parser, Subcommand};
use serde_json::Value;

/// Keeps the registry.
#[derive(Debug, Parser)]
#[command(name = "registry", max_term_width = 100)]
struct Cli {
    /// The directory of the recipes and the manifest
    #[arg(long, global = true, default_value = "registry")]
    directory: Utf8PathBuf,
    /// Answer with one JSON object
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask the origins for releases, and put what they have into the manifest
    Refresh(refresh::Args),
    /// Fail where a builder lags behind the makers' newest version
    Watch(watch::Args),
    /// Make a key: a secret file, and a public one for registry/keys/
    Keygen(sign::KeygenArgs),
    /// Sign the manifest, and write what is published
    Sign(sign::SignArgs),
    /// Prove what is published, as a client does
    Verify(sign::VerifyArgs),
    /// Write all that is published: what clients fetch, and the catalog for people
    Site(site::Args),
}

/// The output of a command.
struct Answer {
    /// Lines for a person.
    lines: Vec<String>,
    /// The same for a program.
    json: Value,
    /// True if all is well.
    is_well: bool,
}

/// The reason a command failed, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failure(String);

impl Failure {
    /// A failure at a file.
    fn at(path: &camino::Utf8Path) -> impl FnOnce(std::io::Error) -> Self {
        move |cause| Self(format!("`{path}`: {cause}"))
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let answer = match &cli.command {
        Command::Refresh(args) => refresh::run(args, &cli.directory),
        Command::Watch(args) => watch::run(args, &cli.directory),
        Command::Keygen(args) => sign::keygen(args),
        Command::Sign(args) => sign::sign(args, &cli.directory),
        Command::Verify(args) => sign::verify(args, &cli.directory),
        Command::Site(args) => site::run(args, &cli.directory),
    };
    match answer {
        Ok(answer) => {
            let text = if cli.json {
                format!("{}\n", answer.json)
            } else {
                answer.lines.iter().map(|line| format!("{line}\n")).collect()
            };
            // Whoever reads may have gone.
            let _ = std::io::stdout().write_all(text.as_bytes());
            if answer.is_well {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            ExitCode::FAILURE
        }
    }
}
