//! `ampup db fork`: another project's database becomes this one's.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

use super::{super::database::Selected, Error, Session, agreement, named};
use crate::{
    backup,
    commands::{Outcome, database, pinned::PostgresPin, requests},
    event::sized,
    postgres::{Cluster, ClusterError, Project, ServerState},
    shell,
};

/// Arguments of `ampup db fork`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The other project's directory, such as another working tree of this repository
    #[arg(value_name = "DIR", value_parser = requests::path(), value_hint = clap::ValueHint::DirPath)]
    pub from: Utf8PathBuf,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a text here would be printed in the help")]
    pub which: Selected,
}

/// Makes a backup of another project's database and restores it here. The other one is only read, and stopped for a
/// moment if it runs; what was here is kept under another name.
///
/// # Errors
/// When there is no database, one of the two is in use (the other one: also by any session), or PostgreSQL of its major is not
/// installed, or the project pins another major; nothing is changed then.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let here = args.which.cluster(session)?;
    let there = other(&args.from, &here, session)?;
    ensure_idle(&there)?;
    let major = backup::major_of_other(&there)?;
    if let Some(pin) = PostgresPin::of_project(session)? {
        let again = format!("ampup db fork {}", shell::typed(args.from.as_str()));
        pin.ensure_takes(major, &there.project().cluster(), &again, session)?;
    }
    if args.dry_run {
        return plan(&there, &here);
    }
    args.which.ensure_meant(&here, session)?;
    agreement::ensure_agreed(&here, None, session)?;
    let (made, restored) = backup::fork(&there, &here, session.reporter.as_ref())?;
    let from = there.project().cluster();
    let mut talk = vec![format!(
        "this project's database is a copy of `{from}` now: PostgreSQL {}",
        restored.header.major
    )];
    talk.extend(restored.aside.iter().map(|aside| super::kept(aside, &args.which)));
    let json = json!({
        "from": from, "major": restored.header.major, "kept": restored.aside,
        "restarted": restored.resumed, "restarted_there": made.resumed,
    });
    Ok(Outcome::done(talk, json))
}

/// The plan, in words.
fn plan(there: &Cluster, here: &Cluster) -> Result<Outcome, Error> {
    let (major, bytes) = backup::ensure_forkable(there, here)?;
    let (from, place) = (there.project().cluster(), here.project().cluster());
    let mut talk = vec![format!(
        "a copy of `{from}` (PostgreSQL {major}, {}) takes the place of `{place}`",
        sized(bytes)
    )];
    if matches!(there.status()?.server, ServerState::Serves(_)) {
        talk.push(format!(
            "the server of `{from}` is stopped for the copy, and started again"
        ));
    }
    talk.extend(super::would_keep(here)?);
    talk.extend(agreement::ending(here)?);
    let json = json!({
        "from": from, "major": major, "kept": null, "restarted": false, "restarted_there": false,
    });
    Ok(Outcome::planned(talk, json))
}

/// Ensures that nobody is cut off: the other project's server is stopped for the copy.
fn ensure_idle(there: &Cluster) -> Result<(), Error> {
    let sessions = there.sessions()?;
    if sessions.is_empty() {
        return Ok(());
    }
    let amp_dir = shell::typed(there.project().amp_dir().as_str());
    Err(Error::Busy {
        error: ClusterError::InUse {
            cluster: there.project().cluster(),
            holder: sessions.join(", "),
        },
        hint: format!(
            "end that first: its server is stopped for the copy; or `ampup db import \"$(ampup db url --amp-dir {amp_dir})\"`, \
             which copies its database `postgres` while it is used"
        ),
    })
}

/// The cluster of the project in a directory, or of this Amp directory.
fn other(directory: &Utf8Path, here: &Cluster, session: &Session) -> Result<Cluster, Error> {
    let directory = named(directory, session);
    let amp_dir = match directory.join("metadb").is_dir() {
        true => directory,
        false => directory.join(".amp"),
    };
    let project = Project::at(&amp_dir).map_err(ClusterError::from)?;
    if project.amp_dir() == here.project().amp_dir() {
        return Err(Error::Usage {
            message: format!("`{}` is this project's own", project.amp_dir()),
            hint: "name another project's directory".to_owned(),
        });
    }
    Ok(database::open(&project, session))
}
