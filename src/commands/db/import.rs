//! `ampup db import`: another database's rows in the project's.

use serde_json::json;

use super::{super::database::Selected, Error, Session, with_build};
use crate::{
    commands::Outcome,
    fs::atomic,
    import::{self, Present, Source},
    postgres::Project,
};

/// Arguments of `ampup db import`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where it is: postgresql://postgres:postgres@localhost:5432/amp, or a file that pg_dump wrote
    #[arg(value_name = "URL|FILE", value_hint = clap::ValueHint::FilePath)]
    pub source: String,
    /// Put a database that holds tables aside, under another name
    #[arg(long)]
    pub replace: bool,
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
    let source = Source::parse(&args.source, session.env.current_dir());
    let present = if args.replace {
        Present::IsPutAside
    } else {
        Present::Stays
    };
    let imported = import::import(
        &cluster,
        &source,
        present,
        &session.env,
        session.reporter.as_ref(),
    )
    .map_err(|error| with_build(error, session))?;
    let checked = if imported.is_compared {
        "counted on both sides"
    } else {
        "counted here; that dump does not say how many there were"
    };
    let mut talk = vec![format!(
        "{} tables with {} rows, {checked}",
        imported.tables, imported.rows
    )];
    talk.extend(
        imported
            .kept
            .iter()
            .map(|kept| format!("what was there is kept in `{kept}`")),
    );
    let change = to_change(cluster.project(), session);
    talk.extend(change.iter().cloned());
    let json = json!({
        "tables": imported.tables, "rows": imported.rows, "compared": imported.is_compared, "kept": imported.kept,
        "restarted": imported.resumed, "to_change": change,
    });
    Ok(Outcome::done(talk, json))
}

/// What still leads ampd to the other database.
fn to_change(project: &Project, session: &Session) -> Vec<String> {
    let config = project.config();
    let has_url = atomic::read(&config, 1 << 20)
        .ok()
        .and_then(|text| toml::from_slice::<toml::Table>(&text).ok())
        .is_some_and(|table| {
            table
                .get("metadata_db")
                .is_some_and(|section| section.get("url").is_some())
        });
    let mut change = Vec::new();
    if has_url {
        change.push(format!(
            "remove `url` below `[metadata_db]` in `{config}`: it leads ampd to the other database"
        ));
    }
    if session.env.var_os("AMP_CONFIG_METADATA_DB__URL").is_some() {
        change.push("unset `AMP_CONFIG_METADATA_DB__URL`: it leads ampd to the other database".to_owned());
    }
    if change.is_empty() {
        change.push(format!(
            "`{config}` needs no change: without `metadata_db.url` ampd uses the project's database"
        ));
    }
    change
}
