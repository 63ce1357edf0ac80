//! `ampup db backup`: a copy of the project's database in one file.

use camino::Utf8PathBuf;
use serde_json::json;

use super::{super::database::Selected, Error, Session, named};
use crate::{
    backup,
    commands::{Outcome, requests},
    event::sized,
};

/// Arguments of `ampup db backup`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The file to write [default: .amp/backups/, where the last three are kept]
    #[arg(value_parser = requests::path(), value_hint = clap::ValueHint::FilePath)]
    pub file: Option<Utf8PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a text here would be printed in the help")]
    pub which: Selected,
}

/// Copies the cluster while it is stopped, compares the copy, and starts the server again if it ran.
///
/// # Errors
/// When there is no cluster, it is in use, or the file cannot be written.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let cluster = args.which.cluster(session)?;
    let file = args.file.as_ref().map(|file| named(file, session));
    let made = backup::back_up(&cluster, file.as_deref(), session.reporter.as_ref())?;
    let mut talk = vec![format!(
        "PostgreSQL {}, {}, every file compared",
        made.header.major,
        sized(made.header.bytes)
    )];
    talk.extend(
        made.removed
            .iter()
            .map(|old| format!("removed `{old}`: the last {} are kept", backup::KEPT)),
    );
    let json = json!({
        "file": made.path, "major": made.header.major, "bytes": made.bytes, "removed": made.removed,
        "restarted": made.resumed,
    });
    Ok(Outcome {
        talk,
        ..Outcome::answer(format!("{}\n", made.path), json)
    })
}
