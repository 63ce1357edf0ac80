//! `ampup db logs`: the server's log.

use std::io;

use fs_err as fs;
use serde_json::json;

use crate::{
    commands::{
        Error, Outcome, Session, child,
        database::{self, Selected},
    },
    fs::atomic,
    postgres::observe::purpose::StartedBy,
};

/// A log is put aside when it is a thousandth of this and a server starts.
const LIMIT: u64 = 1 << 30;

/// Arguments of `ampup db logs`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Go on as it grows
    #[arg(short, long)]
    pub follow: bool,
    /// Which project.
    #[command(flatten)]
    pub project: Selected,
}

/// Prints the current log.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let project = args.project.find(session)?;
    let path = project.log();
    let others = match database::open(&project, session).started_by()? {
        Some(StartedBy::Living(starter)) => Some(format!(
            "{starter} started the server that runs now, and has its log"
        )),
        Some(StartedBy::Gone) => {
            Some("another program started the server that runs now, and had its log".to_owned())
        }
        Some(StartedBy::Ampup) | None => None,
    };
    if let Some(others) = &others {
        session.note(format!("{others}; `{path}` is that of ampup's last server"));
    }
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound if others.is_some() => Error::NotFound {
            message: format!("there is no log in `{}`: ampup started no server", project.logs()),
            hint: "look at the output of the program that started the server".to_owned(),
        },
        io::ErrorKind::NotFound => Error::NotFound {
            message: format!("there is no log in `{}`: no server was started", project.logs()),
            hint: "`ampup db start`".to_owned(),
        },
        _ => Error::File {
            path: path.clone(),
            source,
        },
    };
    if args.follow {
        fs::metadata(&path).map_err(failed)?;
        // By name, because a full log is put aside when a server starts.
        let words = ["-n", "+1", "-F", path.as_str()].map(Into::into);
        let tail = child::find(&["tail".into()], &[], session)?;
        return child::run(&child::Command::new(tail, &words), None, session).map(Outcome::of_command);
    }
    let text = atomic::read(&path, LIMIT).map_err(failed)?;
    let text = String::from_utf8_lossy(&text);
    let json = json!({ "path": path, "text": text });
    Ok(Outcome::answer(text, json))
}
