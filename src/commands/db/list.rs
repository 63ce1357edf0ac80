//! `ampup db list`: the databases of the projects in which ampup was used.

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

use super::status::{described, state, version};
use crate::{
    commands::{Error, Outcome, Session, database},
    event::sized,
    postgres::{
        Contents, Project, enclosing,
        identity::{Process, servers_of_removed},
        projects::has_databases,
    },
};

/// Arguments of `ampup db list`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {}

/// One line a project: its Amp directory, the version, size and state of its database. Whether a server runs is read from
/// the processes that work in the very directory, not from a process id that somebody wrote down. A project that was removed
/// is not listed, unless its server still runs.
///
/// # Errors
/// None: what cannot be looked at is listed so.
pub fn run(_: &Args, session: &Session) -> Result<Outcome, Error> {
    let mut known = database::projects(session).read();
    if let Ok((here, _)) = enclosing::find(&session.env, None)
        && here.cluster().symlink_metadata().is_ok()
    {
        known.insert(here.amp_dir().to_owned());
    }
    // One that has only what was kept is listed, because it can be restored.
    let (gone, there): (Vec<_>, Vec<_>) = known.into_iter().partition(|amp_dir| !has_databases(amp_dir));
    let clusters: Vec<_> = gone
        .iter()
        .chain(&there)
        .map(|amp_dir| amp_dir.join("metadb"))
        .collect();
    let left = servers_of_removed(&clusters);
    let server = |amp_dir: &Utf8PathBuf| left.get(&amp_dir.join("metadb"));
    let removed = gone.iter().filter(|amp_dir| server(amp_dir).is_some());
    let mut rows: Vec<Row> = removed
        .chain(&there)
        .map(|amp_dir| row(amp_dir, server(amp_dir), session))
        .collect();
    rows.sort_by(|one, other| one.amp_dir.cmp(&other.amp_dir));
    let widths = |cell: fn(&Row) -> &str| {
        rows.iter()
            .map(|row| cell(row).chars().count())
            .max()
            .unwrap_or(0)
    };
    let (project, version, size) = (
        widths(|row| row.amp_dir.as_str()).min(WIDEST),
        widths(|row| &row.version),
        widths(|row| &row.size),
    );
    let mut text = String::new();
    for row in &rows {
        let _ = writeln!(
            text,
            "{:<project$}  {:<version$}  {:>size$}  {}",
            row.amp_dir, row.version, row.size, row.state
        );
    }
    let mut talk = Vec::new();
    if rows.is_empty() {
        talk.push(
            "no project's database is known in this home; one is listed once `ampup run` or `ampup db psql` has used it since \
             ampup was installed"
                .to_owned(),
        );
    }
    let json = json!({ "projects": rows.into_iter().map(|row| row.json).collect::<Vec<_>>() });
    Ok(Outcome {
        talk,
        ..Outcome::answer(text, json)
    })
}

/// The width of the column of projects: a longer path moves its own row alone.
const WIDEST: usize = 40;

struct Row {
    amp_dir: String,
    version: String,
    size: String,
    state: String,
    json: Value,
}

/// A row; `left` is the server of a cluster that was removed under it.
fn row(amp_dir: &Utf8Path, left: Option<&Process>, session: &Session) -> Row {
    let shown = session.env.short_path(amp_dir);
    let looked = Project::at(amp_dir)
        .map_err(|cause| cause.to_string())
        .and_then(|project| {
            let cluster = database::open(&project, session);
            let status = cluster.status().map_err(|cause| cause.to_string())?;
            Ok((cluster, status))
        });
    match looked {
        Ok((cluster, status)) => {
            let size = cluster.size();
            let mut json = described(&cluster, &status, size);
            let state = match left {
                Some(server) => {
                    json["state"] = "removed".into();
                    json["pid"] = server.pid.into();
                    json["orphan"] = true.into();
                    format!(
                        "removed, and its server (process {}) ends within a minute",
                        server.pid
                    )
                }
                None if matches!(status.contents, Contents::Absent | Contents::Empty) => {
                    "none; `ampup db restore` there lists what was kept".to_owned()
                }
                None if status.is_ephemeral => format!("{}, ephemeral", state(&status)),
                None => state(&status),
            };
            Row {
                amp_dir: shown,
                version: version(&status).unwrap_or_else(|| "-".to_owned()),
                size: sized(size),
                state,
                json,
            }
        }
        Err(cause) => Row {
            amp_dir: shown,
            version: "-".to_owned(),
            size: "-".to_owned(),
            json: json!({ "amp_dir": amp_dir, "state": "unknown", "described": cause }),
            state: cause,
        },
    }
}
