//! `ampup db restore`: the project's database as it was when a backup was made.

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use serde_json::json;

use super::{super::database::Selected, Error, Session, agreement, named};
use crate::{
    backup::{self, Header},
    commands::{Outcome, pinned::PostgresPin, requests, times},
    event::sized,
    postgres::{Cluster, Contents, observe::files, projects::kept_clusters},
};

/// Arguments of `ampup db restore`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// A file that `ampup db backup` wrote, or an old database, such as `.amp/metadb.old-20260101T000000Z`; without it, list
    /// those in `.amp`
    #[arg(value_parser = requests::path(), value_hint = clap::ValueHint::AnyPath)]
    pub file: Option<Utf8PathBuf>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a text here would be printed in the help")]
    pub which: Selected,
}

/// Puts a backup in the cluster's place and keeps what is there under another name. Without a file, lists what could be
/// restored.
///
/// # Errors
/// When the file is not a complete backup, PostgreSQL of its major is not installed, the project pins another major, or the
/// cluster is in use; nothing is changed then.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let cluster = args.which.cluster(session)?;
    let Some(given) = &args.file else {
        return Ok(list(&cluster, &args.which));
    };
    let file = named(given, session);
    let header = backup::header(&file)?;
    if let Some(pin) = PostgresPin::of_project(session)? {
        let again = super::restore_command(given, &args.which);
        pin.ensure_takes(header.major, &file, &again, session)?;
    }
    if args.dry_run {
        return plan(&cluster, &file);
    }
    args.which.ensure_meant(&cluster, session)?;
    agreement::ensure_agreed(&cluster, None, session)?;
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

/// The word for a file that `ampup db backup` wrote.
const BACKUP: &str = "backup";

/// The word on backups that lie elsewhere.
const UNLISTED: &str = "a backup with a name of your own is not listed; `ampup db restore FILE` restores it";

/// The backups of the project and the databases that were put aside, oldest first.
fn list(cluster: &Cluster, which: &Selected) -> Outcome {
    let amp_dir = cluster.project().amp_dir();
    let kinds = [
        (backup::kept(amp_dir), BACKUP),
        (kept_clusters(amp_dir), "old database"),
    ];
    let each = kinds.into_iter();
    let each = each.flat_map(|(paths, what)| paths.into_iter().map(move |path| (path, what)));
    let mut found: Vec<_> = each
        .filter_map(|(path, what)| Some((backup::header(&path).ok()?, path, what)))
        .collect();
    // The name of what was put aside says the second: it is then the last of that second.
    let second = |header: &Header| header.created.parse().map_or(0, Timestamp::as_second);
    found.sort_by_key(|(header, _, what)| (second(header), *what != BACKUP));
    let mut data = String::new();
    for (header, path, what) in &found {
        let (made, size) = (times::local(&header.created), sized(header.bytes));
        let major = header.major;
        let what = format!("{what}{}", packed(path));
        let _ = writeln!(data, "{made}  PostgreSQL {major}  {size:>8}  {what:22}  {path}");
    }
    let newest = found.iter().rfind(|(_, _, what)| *what == BACKUP);
    let last = found.last();
    let talk = match last
        .filter(|last| is_wanted(last, &found, cluster))
        .or(newest)
        .or(last)
    {
        Some((_, path, BACKUP)) => {
            format!(
                "`{}` restores the newest one in `{}`",
                super::restore_command(path, which),
                path.parent().unwrap_or(path)
            )
        }
        Some((_, path, _)) => format!(
            "`{}` brings back what was put aside last",
            super::restore_command(path, which)
        ),
        None if matches!(cluster.contents(), Ok(Contents::Cluster { .. })) => {
            format!("there is nothing to restore in `{amp_dir}`; `ampup db backup` makes a backup")
        }
        None => format!("there is nothing to restore in `{amp_dir}`"),
    };
    let row = |(header, path, what): &(Header, Utf8PathBuf, &str)| {
        json!({
            "path": path, "what": what, "major": header.major, "created": header.created, "bytes": header.bytes,
        })
    };
    let json = json!({ "restorable": found.iter().map(row).collect::<Vec<_>>() });
    Outcome {
        talk: vec![talk, UNLISTED.to_owned()],
        ..Outcome::prose(data, json)
    }
}

/// The size of the file, where a backup is packed in one.
fn packed(path: &Utf8Path) -> String {
    match path.metadata() {
        Ok(found) if found.is_file() => format!(", packed {}", sized(found.len())),
        _ => String::new(),
    }
}

/// Returns true if this is a database that an empty or another one took the place of. Where a copy of itself did, or of
/// another one that is kept, somebody restored that to be rid of this.
fn is_wanted(
    (_, _, what): &(Header, Utf8PathBuf, &str),
    found: &[(Header, Utf8PathBuf, &str)],
    cluster: &Cluster,
) -> bool {
    let now = files::identifier(&cluster.project().cluster());
    let mut others = found.iter().filter(|(_, _, what)| *what != BACKUP);
    let is_of_kept = |now| others.any(|(_, other, _)| files::identifier(other) == Some(now));
    *what != BACKUP && !now.is_some_and(is_of_kept)
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
    talk.extend(agreement::ending(cluster)?);
    let json = json!({
        "major": header.major, "created": header.created, "kept": null, "restarted": false,
    });
    Ok(Outcome::planned(talk, json))
}
