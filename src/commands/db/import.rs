//! `ampup db import`: another database's rows in the project's.

use clap::builder::NonEmptyStringValueParser;
use serde_json::json;

use super::{
    super::{database::Selected, external::External},
    Error, Session, agreement, with_build,
};
use crate::{
    commands::{Outcome, next, pinned},
    event::counted,
    import::{self, ImportSource, Importer, Present},
    postgres::Cluster,
};

/// Arguments of `ampup db import`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The server's address, such as postgresql://postgres:postgres@localhost:5432/amp, or a file that pg_dump wrote
    #[arg(value_name = "URL|FILE", value_parser = NonEmptyStringValueParser::new(), value_hint = clap::ValueHint::FilePath)]
    pub source: String,
    /// If the project's database has tables, keep it under another name and start with an empty one
    #[arg(long)]
    pub replace: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a text here would be printed in the help")]
    pub which: Selected,
}

/// Copies a database into a new cluster, counts its rows, and exchanges that with the project's. The source is only read.
///
/// # Errors
/// When the source cannot be read, programs are missing, the project has tables already, or not every row came.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let cluster = args.which.cluster(session)?;
    let source = ImportSource::parse(&args.source, session.env.current_dir());
    source.ensure_plausible()?;
    let present = match args.replace {
        true => Present::IsPutAside,
        false => Present::ensure_empty(&cluster)?,
    };
    // Asked before: what ampd could not read is told while nothing is done yet.
    let change = to_change(&cluster, session)?;
    let chosen = pinned::chosen(&[], session)?;
    let pinned = pinned::postgres(&chosen, session)?.map(|(programs, _)| programs);
    let importer = Importer {
        cluster: &cluster,
        present: &present,
        maker: pinned.as_ref(),
    };
    let (env, reporter) = (&session.env, session.reporter.as_ref());
    if args.dry_run {
        import::ensure_possible(&source, importer, env, reporter)
            .map_err(|error| with_build(error, session))?;
        return planned(&cluster, &source);
    }
    args.which.ensure_meant(&cluster, session)?;
    agreement::ensure_agreed(&cluster, None, session)?;
    let imported =
        import::import(&source, importer, env, reporter).map_err(|error| with_build(error, session))?;
    let checked = if imported.is_compared {
        "counted on both sides"
    } else {
        "counted here; a dump does not say how many there were"
    };
    let mut talk = vec![format!(
        "copied {} with {}, {checked}",
        counted(imported.tables, "table"),
        counted(imported.rows, "row"),
    )];
    talk.extend(imported.kept.iter().map(|kept| super::kept(kept, &args.which)));
    if !imported.left_behind.is_empty() {
        let why = match source {
            ImportSource::Address(_) => "a dump of one database does not hold it",
            ImportSource::File(_) => "it is about the database itself, and what is in it was copied",
        };
        talk.push(format!("not copied, because {why}:"));
        talk.extend(imported.left_behind.iter().map(|one| format!("  {one}")));
    }
    talk.extend(change.iter().cloned());
    if change.is_empty() {
        talk.extend(next::after_import(session).map(str::to_owned));
    }
    let json = json!({
        "tables": imported.tables, "rows": imported.rows, "compared": imported.is_compared, "kept": imported.kept,
        "left_behind": imported.left_behind, "restarted": imported.resumed, "to_change": change,
    });
    Ok(Outcome::done(talk, json))
}

/// Lists the settings that still lead ampd to the other database.
fn to_change(cluster: &Cluster, session: &Session) -> Result<Vec<String>, Error> {
    let project = cluster.project();
    Ok(External::every(project, &session.env)?
        .into_iter()
        .filter(|external| !external.is_of(cluster))
        .map(|external| format!("{}: until then, ampd uses the other database", external.removal()))
        .collect())
}

/// The plan, in words.
fn planned(cluster: &Cluster, source: &ImportSource) -> Result<Outcome, Error> {
    let place = cluster.project().cluster();
    let source = match source {
        ImportSource::Address(_) => "the database at that address".to_owned(),
        ImportSource::File(path) => format!("`{path}`"),
    };
    let mut talk = vec![
        format!("{source} is copied into a new database, and its rows are counted"),
        format!("that takes the place of `{place}`"),
    ];
    talk.extend(super::would_keep(cluster)?);
    talk.extend(agreement::ending(cluster)?);
    Ok(Outcome::planned(talk, json!({ "cluster": place })))
}
