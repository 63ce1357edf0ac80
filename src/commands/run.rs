//! `ampup run`: a command with the project's database.

pub(super) mod variables;

use std::ffi::OsString;

use camino::Utf8PathBuf;
use serde_json::Value;

use super::{
    Error, Outcome, Session, child,
    database::{self, Selected},
    external::External,
};
use crate::{
    exit::Exit,
    postgres::{Left, Start},
};

/// Arguments of `ampup run`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Start no database
    #[arg(long)]
    pub no_db: bool,
    /// Which project.
    #[command(flatten)]
    pub project: Selected,
    /// Make the database so that it is faster and may lose its data; one that exists stays as it is
    #[arg(long)]
    pub ephemeral: bool,
    /// As root: run the server as this user
    #[arg(long, value_name = "USER")]
    pub run_as: Option<String>,
    /// The command and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true, allow_hyphen_values = true, value_hint = clap::ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

/// Starts the project's database, which is made on first use, runs the command with `AMP_CONFIG_METADATA_DB__URL` and
/// `AMP_DIR` set, and stops the database when the command ends, unless others use it. Ends as the command does.
///
/// # Errors
/// When the command is not found, or the database does not serve; the command is then not run.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let program = child::find(&args.command, session)?;
    let words = args.command.get(1..).unwrap_or_default();
    let project = args.project.find(session)?;
    let mut command = child::Command::new(program, words);
    command.set("AMP_DIR", project.amp_dir().as_str());
    if args.no_db {
        return ended(child::run(&command, None, session)?);
    }
    let cluster = database::open(&project, session);
    if let Some(external) = External::find(&project, &session.env)?
        && !external.is_of(&cluster)
    {
        session.note(format!(
            "{external} names a database of its own: the project's is not started"
        ));
        return ended(child::run(&command, None, session)?);
    }
    let start = Start {
        run_as: database::user(args.run_as.as_deref())?,
        ephemeral: args.ephemeral,
        ..Start::default()
    };
    let with = child::With {
        cluster: &cluster,
        start: &start,
    };
    ended(child::run(&command, Some(&with), session)?)
}

/// The command has said what there was to say.
pub(super) fn ended(code: u8) -> Result<Outcome, Error> {
    Ok(Outcome {
        exit: Exit::Command(code),
        data: String::new(),
        talk: Vec::new(),
        json: Value::Null,
    })
}

/// What became of the database, in a line.
pub(super) fn told(left: Left, place: &Utf8PathBuf) -> Option<String> {
    match left {
        Left::Stopped => Some(format!("stopped the database in `{place}`")),
        Left::InUse => Some(format!("others use the database in `{place}`: it goes on")),
        Left::Stays => Some(format!(
            "the database in `{place}` goes on: `ampup db stop` ends it"
        )),
        Left::WasGone => Some(format!("the database in `{place}` had ended already")),
    }
}
