//! `ampup db backup`: a copy of the project's database in one file.

use camino::Utf8PathBuf;
use serde_json::json;

use super::{
    super::database::Selected, Error, Session, agreement, complete_build, has_clients, named, restore_command,
};
use crate::{
    backup,
    commands::{Outcome, requests},
    event::sized,
    postgres::Cluster,
};

/// Arguments of `ampup db backup`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The file to write, for the same major version of PostgreSQL [default: in .amp/backups, which keeps three]
    #[arg(value_parser = requests::path(), value_hint = clap::ValueHint::FilePath)]
    pub file: Option<Utf8PathBuf>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a text here would be printed in the help")]
    pub which: Selected,
}

/// Copies the cluster while it is stopped, compares the copy, and starts the server again if it ran.
///
/// # Errors
/// When there is no cluster, it is in use and nobody says that it may end, or the file cannot be written.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let cluster = args.which.cluster(session)?;
    let file = args.file.as_ref().map(|file| named(file, session));
    if args.dry_run {
        return plan(&cluster, file);
    }
    let has_pg_dump = has_clients("pg_dumpall", &cluster, session);
    let instead = has_pg_dump.then_some("`ampup run -- pg_dumpall -f all.sql` copies it while it is used");
    agreement::ensure_agreed(&cluster, instead, session)?;
    let made = backup::back_up(&cluster, file.as_deref(), session.reporter.as_ref())?;
    let mut talk = vec![format!(
        "a copy of the files of PostgreSQL {} ({}, in a file of {}), each compared with its original{}",
        made.header.major,
        sized(made.header.bytes),
        sized(made.bytes),
        for_other_majors(made.header.major, has_pg_dump, session).unwrap_or_default()
    )];
    talk.extend(
        made.removed
            .iter()
            .map(|old| format!("removed `{old}`: the last {} are kept", backup::KEPT)),
    );
    let restore = restore_command(&made.path, &args.which);
    talk.push(format!("`{restore}` restores it"));
    let json = json!({
        "file": made.path, "major": made.header.major, "bytes": made.bytes, "removed": made.removed,
        "restarted": made.resumed,
    });
    Ok(Outcome {
        talk,
        ..Outcome::answer(format!("{}\n", made.path), json)
    })
}

/// Says how a copy is made that other majors read, as far as it can be made here.
fn for_other_majors(major: u64, has_pg_dump: bool, session: &Session) -> Option<String> {
    let brings = match has_pg_dump {
        true => String::new(),
        false => format!("after {}, ", complete_build(&(major..=major), session)?),
    };
    Some(format!(
        "; {brings}`ampup run -- pg_dumpall -f all.sql` makes one that other majors read"
    ))
}

/// The plan, in words.
fn plan(cluster: &Cluster, file: Option<Utf8PathBuf>) -> Result<Outcome, Error> {
    let major = backup::ensure_possible(cluster, file.as_deref())?;
    let bytes = cluster.size();
    let amp_dir = cluster.project().amp_dir();
    let file = file.unwrap_or_else(|| amp_dir.join("backups/metadb-<time>.tar.zst"));
    let mut talk = vec![format!(
        "the database (PostgreSQL {major}, {}) is copied into `{file}` while its server is stopped",
        sized(bytes)
    )];
    talk.extend(agreement::ending(cluster)?);
    let json = json!({
        "file": file, "major": major, "bytes": bytes, "removed": [], "restarted": false,
    });
    Ok(Outcome::planned(talk, json))
}
