//! `ampup db psql`: the project's database in psql.

use std::{ffi::OsString, path::PathBuf};

use clap::builder::NonEmptyStringValueParser;

use super::with_build;
use crate::{
    commands::{
        Error, Outcome, Session, child,
        database::{self, Selected},
    },
    dump::DumpError,
    locate::Located,
    postgres::{Cluster, StartOptions},
};

/// Arguments of `ampup db psql`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Which project.
    #[command(flatten)]
    pub project: Selected,
    /// As root: run the server as this user
    #[arg(long, value_name = "USER", value_parser = NonEmptyStringValueParser::new())]
    pub run_as: Option<String>,
    /// psql's own arguments, such as `-c 'select 1'`
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}

/// Opens the database in the component's psql, else the one on PATH. It is started if it does not run, and then stopped
/// after.
///
/// # Errors
/// When there is no psql, or the database does not serve.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let cluster = args.project.served(session)?;
    let program = find(&cluster, session)?;
    if asks_for_nothing_else(&args.words) {
        let command = child::Command::new(program, &args.words);
        return child::run(&command, None, session).map(Outcome::of_command);
    }
    let start = StartOptions {
        run_as: database::user(args.run_as.as_deref())?,
        ..StartOptions::default()
    };
    args.project.ensure_meant(&cluster, session)?;
    let with = child::With {
        cluster: &cluster,
        start: &start,
    };
    let command = child::Command::new(program, &args.words).for_libpq();
    child::run(&command, Some(&with), session).map(Outcome::of_command)
}

/// The psql of the component, else the one on PATH.
///
/// # Errors
/// When there is none.
pub(super) fn find(cluster: &Cluster, session: &Session) -> Result<PathBuf, Error> {
    let programs = cluster.programs();
    let own = programs.as_ref().ok().map(|programs| programs.program("psql"));
    match own.filter(|program| program.is_file()) {
        Some(program) => Ok(program.into_std_path_buf()),
        None => match child::find(&["psql".into()], &[], session) {
            Err(Error::NoCommand { .. }) => Err(missing(&programs?, session)),
            found => found,
        },
    }
}

/// Returns true for psql's own help or version, which need no database.
fn asks_for_nothing_else(words: &[OsString]) -> bool {
    let first = words.first().and_then(|word| word.to_str()).unwrap_or_default();
    ["-?", "-V", "--version"].contains(&first) || first.starts_with("--help")
}

fn missing(programs: &Located, session: &Session) -> Error {
    let major = programs.major();
    let error = DumpError::NoClients {
        names: "psql".to_owned(),
        majors: major..=major,
        restricts: false,
        searched: vec![programs.tree.join("bin")],
    };
    with_build(error, session)
}
