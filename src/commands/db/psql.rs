//! `ampup db psql`: the project's database in psql.

use std::ffi::OsString;

use crate::{
    commands::{
        Error, Outcome, Session, child,
        database::{self, Selected},
        run::ended,
    },
    locate::Locator,
    postgres::Start,
};

/// Arguments of `ampup db psql`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Which project.
    #[command(flatten)]
    pub project: Selected,
    /// As root: run the server as this user
    #[arg(long, value_name = "USER")]
    pub run_as: Option<String>,
    /// psql's own arguments
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}

/// Opens the database in the component's psql, else the one on PATH. It is started if it does not run, and then stopped
/// after.
///
/// # Errors
/// When there is no psql, or the database does not serve.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let cluster = args.project.cluster(session)?;
    let own = cluster.programs().map(|programs| programs.program("psql")).ok();
    let program = match own.filter(|program| program.is_file()) {
        Some(program) => program.into_std_path_buf(),
        None => child::find(&["psql".into()], session).map_err(|error| match error {
            Error::NoCommand { .. } => missing(session),
            error => error,
        })?,
    };
    let start = Start {
        run_as: database::user(args.run_as.as_deref())?,
        ..Start::default()
    };
    let with = child::With {
        cluster: &cluster,
        start: &start,
    };
    let command = child::Command::new(program, &args.words).with_url();
    ended(child::run(&command, Some(&with), session)?)
}

fn missing(session: &Session) -> Error {
    let installed = Locator::new(session.layout.clone()).postgres(None).ok();
    let build = installed.map_or_else(String::new, |tree| {
        format!(
            ": the installed build of PostgreSQL {} has none",
            tree.name.version()
        )
    });
    Error::NotFound {
        message: format!("there is no `psql` on PATH{build}"),
        hint: "`ampup install postgres@18.6.0+theseus` brings one, and so does your system's package of PostgreSQL's client"
            .to_owned(),
    }
}
