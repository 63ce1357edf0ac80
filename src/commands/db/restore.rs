//! `ampup db restore`: the project's database as it was when a backup was made.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

use super::{super::database::Selected, Error, Session, named};
use crate::{
    backup,
    commands::{Outcome, pinned::PostgresPin, requests, times},
    event::sized,
    postgres::Cluster,
};

/// Arguments of `ampup db restore`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// A file that `ampup db backup` wrote, or a database that was put aside, such as `.amp/metadb.old-20260101T000000Z`
    #[arg(value_parser = requests::path(), value_hint = clap::ValueHint::AnyPath)]
    pub file: Utf8PathBuf,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a text here would be printed in the help")]
    pub which: Selected,
}

/// Puts a backup in the cluster's place and keeps what is there under another name.
///
/// # Errors
/// When the file is not a complete backup, PostgreSQL of its major is not installed, the project pins another major, or the
/// cluster is in use; nothing is changed then.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let cluster = args.which.cluster(session)?;
    let file = named(&args.file, session);
    if let (Some(pin), Ok(header)) = (PostgresPin::of_project(session)?, backup::header(&file)) {
        let again = super::restore_command(&args.file, &args.which);
        pin.ensure_takes(header.major, &file, &again, session)?;
    }
    if args.dry_run {
        return plan(&cluster, &file);
    }
    let restored = backup::restore(&cluster, &file, session.reporter.as_ref())?;
    let mut talk = vec![format!(
        "restored the database of {} (PostgreSQL {})",
        times::local(&restored.header.created),
        restored.header.major
    )];
    talk.extend(restored.aside.iter().map(|aside| super::kept(aside, &args.which)));
    let json = json!({
        "major": restored.header.major, "created": restored.header.created, "kept": restored.aside,
        "restarted": restored.resumed,
    });
    Ok(Outcome::done(talk, json))
}

/// The plan, in words.
fn plan(cluster: &Cluster, file: &Utf8Path) -> Result<Outcome, Error> {
    let header = backup::ensure_restorable(cluster, file)?.header;
    let place = cluster.project().cluster();
    let mut talk = vec![format!(
        "the database of {} (PostgreSQL {}, {}) takes the place of `{place}`",
        times::local(&header.created),
        header.major,
        sized(header.bytes)
    )];
    talk.extend(super::would_keep(cluster)?);
    let json = json!({
        "major": header.major, "created": header.created, "kept": null, "restarted": false,
    });
    Ok(Outcome::planned(talk, json))
}
