//! The maintainers' program: keeps `registry/manifest.json` as the recipes and the origins have it, and signs it. Not part
//! of ampup; `registry/README.md` says when what is run.

pub(crate) mod catalog;
pub(crate) mod measure;
mod refresh;
mod sign;
mod site;
mod watch;

use std::ffi::OsString;

use ampup::env::Env;
use camino::Utf8PathBuf;
use clap::{Parser, Subcommand};
use serde_json::Value;

/// Keeps the registry.
#[derive(Debug, Parser)]
#[command(name = "registry", max_term_width = 100)]
pub(crate) struct Cli {
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
#[derive(Debug)]
pub(crate) struct Answer {
    /// Lines for a person.
    pub(crate) lines: Vec<String>,
    /// The same for a program.
    pub(crate) json: Value,
    /// True if all is well.
    pub(crate) is_well: bool,
}

/// The reason a command failed, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failure(String);

impl Failure {
    /// A failure at a file.
    fn at(path: &camino::Utf8Path) -> impl FnOnce(std::io::Error) -> Self {
        move |cause| {
            let text = cause.to_string();
            Self(if text.contains(path.as_str()) {
                text
            } else {
                format!("`{path}`: {text}")
            })
        }
    }

    /// A failure that something else tells.
    fn of(cause: impl std::fmt::Display) -> Self {
        Self(cause.to_string())
    }
}

/// Carries out a command in this environment.
pub(crate) fn run(cli: &Cli, env: &Env) -> Result<Answer, Failure> {
    match &cli.command {
        Command::Refresh(args) => refresh::run(args, &cli.directory, env),
        Command::Watch(args) => watch::run(args, &cli.directory, env),
        Command::Keygen(args) => sign::keygen(args),
        Command::Sign(args) => sign::sign(args, &cli.directory),
        Command::Verify(args) => sign::verify(args, &cli.directory),
        Command::Site(args) => site::run(args, &cli.directory),
    }
}

impl Cli {
    /// Reads a command line, the program's name first.
    pub(crate) fn read(
        words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        Self::try_parse_from(words)
    }

    /// The answer as it is printed.
    pub(crate) fn shown(&self, answer: &Answer) -> String {
        if self.json {
            return format!("{}\n", answer.json);
        }
        answer.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}
