//! `ampup db compact`: the room of deleted rows goes back to the disk.

use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use serde_json::json;

use crate::{
    commands::{
        Error, Outcome, Session,
        database::{self, Selected},
    },
    event::sized,
    fs::space,
    postgres::{
        ClusterError, Evidence, StartOptions,
        observe::{
            endpoint::DATABASE,
            sql_session::{self, Answer, NOT_NOW, SqlSession, WireError},
        },
    },
};

/// A table is rewritten without a word in between.
const TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// The server's databases, but for the templates of others.
const EACH: &str = "pg_database where datallowconn and not datistemplate";

/// The size of the largest table of a database, of which there is a copy for a while.
const LARGEST: &str =
    "select coalesce(max(pg_total_relation_size(oid)), 0) from pg_class where relkind in ('r', 'm')";

/// Arguments of `ampup db compact`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Which project.
    #[command(flatten)]
    pub project: Selected,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// As root: run the server as this user
    #[arg(long, value_name = "USER", value_parser = NonEmptyStringValueParser::new())]
    pub run_as: Option<String>,
}

/// Rewrites every table of every database without its deleted rows, and counts anew what the planner goes by. Tables are locked meanwhile.
///
/// # Errors
/// When there is no database, no room for a copy of its largest table, or the server refuses.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let cluster = args.project.served(session)?;
    if cluster.status()?.url.is_none() {
        return Err(super::url::none(&cluster));
    }
    if args.dry_run {
        let size = cluster.size();
        let talk = "every table is rewritten without its deleted rows, and locked meanwhile";
        return Ok(Outcome::planned(
            vec![format!("{talk}: {} now", sized(size))],
            json!({ "cluster": cluster.project().cluster(), "before": size, "after": null }),
        ));
    }
    let start = StartOptions {
        run_as: database::user(args.run_as.as_deref())?,
        ..StartOptions::default()
    };
    let server = database::start(&cluster, &start, session.reporter.as_ref())?;
    let compacted = compact(server.evidence(), session);
    let left = server.release(session.reporter.as_ref());
    let (before, after) = compacted?;
    left?;
    let line = format!(
        "compacted the tables of every database: {} before, {} now",
        sized(before),
        sized(after)
    );
    let json = json!({ "cluster": cluster.project().cluster(), "before": before, "after": after });
    Ok(Outcome::done(vec![line], json))
}

fn compact(evidence: &Evidence, session: &Session) -> Result<(u64, u64), Error> {
    let refused = |message: String, code: String| {
        Error::from(ClusterError::Refused {
            cluster: evidence.data_directory.clone(),
            code,
            message,
        })
    };
    let failed = |cause: WireError| match cause {
        WireError::Refused { code, message } => refused(message, code),
        WireError::Io(source) => Error::from(ClusterError::Io {
            action: "talk to the server of",
            path: evidence.data_directory.clone(),
            source,
        }),
    };
    let connected =
        |database: &str| match sql_session::connect_to(database, &evidence.socket, &evidence.user, TIMEOUT) {
            Answer::Ready(session) => Ok(session),
            Answer::Refused { code, message } => Err(refused(message, code)),
            Answer::NotYet(message) => Err(refused(message, NOT_NOW.to_owned())),
            Answer::Nobody => Err(refused("no server is listening".to_owned(), "08006".to_owned())),
        };
    let number = |session: &mut SqlSession, statement: &str| {
        let answer = session.value(statement);
        answer
            .map(|text| text.parse::<u64>().unwrap_or_default())
            .map_err(failed)
    };
    let mut first = connected(DATABASE)?;
    let names = first.query(&format!("select datname from {EACH} order by 1"));
    let names = names.map_err(failed)?.into_iter().flatten().flatten();
    let mut sessions = names
        .map(|name| connected(&name))
        .collect::<Result<Vec<_>, _>>()?;
    let size = format!("select sum(pg_database_size(oid)) from {EACH}");
    let before = number(&mut first, &size)?;
    let mut largest = 0;
    for session in &mut sessions {
        largest = largest.max(number(session, LARGEST)?);
    }
    let room = space::free(&evidence.data_directory).ok().flatten();
    if room.is_some_and(|room| room < largest) {
        return Err(Error::NoRoom {
            needed: largest,
            free: room.unwrap_or_default(),
        });
    }
    session.note("compacting: its tables are locked one after the other");
    for session in &mut sessions {
        session.query("vacuum (full, analyze)").map_err(failed)?;
    }
    let after = first.value(&size).ok().and_then(|text| text.parse().ok());
    Ok((before, after.unwrap_or(before)))
}
