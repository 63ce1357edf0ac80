//! `ampup db upgrade`: the project's database with another major of PostgreSQL.

use serde_json::json;

use super::{super::database::Selected, Error, Session, agreement, with_build};
use crate::{
    commands::{
        Outcome,
        pinned::{self, PostgresPin},
        unbuilt,
    },
    event::{counted, sized},
    postgres::{Cluster, Contents},
    upgrade::{self, Decision, Destination, Upgraded},
};

/// Arguments of `ampup db upgrade`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The major version to upgrade to [default: the pinned version's, else the active one's]
    #[arg(long, value_name = "MAJOR")]
    pub to: Option<u64>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a text here would be printed in the help")]
    pub which: Selected,
}

/// Dumps the cluster into a new one, counts every row, and exchanges them; the old one is kept.
///
/// # Errors
/// When PostgreSQL of either major or its client programs are missing, the project pins another major than the one named, there
/// is too little room, or it is in use.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let cluster = args.which.cluster(session)?;
    ensure_obtainable(args.to, &cluster, session)?;
    let to = destination(args.to, &cluster, session)?;
    if args.dry_run {
        return plan(&cluster, &to, session);
    }
    if is_above(&to, &cluster)? {
        agreement::ensure_agreed(&cluster, None, session)?;
    }
    let upgraded = upgrade::upgrade(&cluster, &to, &session.env, session.reporter.as_ref())
        .map_err(|error| with_build(error, session))?;
    Ok(match upgraded {
        Upgraded::AlreadyThere { major } => Outcome::done(
            already_there(major, session)?,
            json!({ "from": major, "to": major, "upgraded": false }),
        ),
        Upgraded::Upgraded {
            from,
            to,
            rows,
            kept,
            left_behind,
            resumed,
        } => {
            let mut talk = vec![
                format!(
                    "upgraded PostgreSQL {from} to {}: {}, every table counted on both sides",
                    to.major(),
                    counted(rows, "row")
                ),
                super::kept(&kept, &args.which),
            ];
            if !left_behind.is_empty() {
                talk.push(format!(
                    "its own settings were not copied; to bring over: {}",
                    left_behind.join(", ")
                ));
            }
            let json = json!({
                "from": from, "to": to.major(), "upgraded": true, "rows": rows, "kept": kept,
                "settings_left_behind": left_behind, "restarted": resumed,
            });
            Outcome::done(talk, json)
        }
    })
}

/// Returns true if this leads to another major, so that there is something to do.
fn is_above(to: &Destination, cluster: &Cluster) -> Result<bool, Error> {
    let Contents::Cluster { major } = cluster.contents()? else {
        return Ok(false);
    };
    Ok(match to {
        Destination::Major(to) => *to > major,
        Destination::Version(programs) => programs.major() > major,
        Destination::Active => {
            let active = cluster.locator().postgres(None);
            active.is_ok_and(|programs| programs.major() > major)
        }
    })
}

/// The plan, in words.
fn plan(cluster: &Cluster, to: &Destination, session: &Session) -> Result<Outcome, Error> {
    let decision = upgrade::decide(cluster, to, &session.env, session.reporter.as_ref());
    Ok(match decision.map_err(|error| with_build(error, session))? {
        Decision::AlreadyThere { major } => Outcome::unneeded(
            already_there(major, session)?,
            json!({ "from": major, "to": major, "upgraded": false }),
        ),
        Decision::Possible(possible) => {
            let to = possible.to.major();
            let mut talk = vec![
                format!(
                    "every row of PostgreSQL {} ({} on disk) is copied into a new database of PostgreSQL {to}",
                    possible.from,
                    sized(possible.bytes)
                ),
                format!(
                    "the old database is kept as `{}.old-<time>`, for `ampup db restore`",
                    cluster.project().cluster()
                ),
            ];
            talk.extend(agreement::ending(cluster)?);
            Outcome::planned(
                talk,
                json!({ "from": possible.from, "to": to, "upgraded": false }),
            )
        }
    })
}

/// Says that there is nothing to do, and why, where the project's pin is why.
fn already_there(major: u64, session: &Session) -> Result<Vec<String>, Error> {
    let mut talk = vec![format!("the database already uses PostgreSQL {major}")];
    if let Some(pin) = PostgresPin::of_project(session)? {
        talk.extend(pin.holds_back(session)?);
    }
    Ok(talk)
}

/// Ensures that the major to upgrade to is installed, or can be.
fn ensure_obtainable(to: Option<u64>, cluster: &Cluster, session: &Session) -> Result<(), Error> {
    if let (Some(to), Contents::Cluster { major }) = (to, cluster.contents()?)
        && to > major
        && cluster.locator().postgres(Some(to)).is_err()
        && unbuilt::is_so(to, session)
    {
        return Err(Error::NotFound {
            message: format!("PostgreSQL {to} is not installed, and there is no build of it to install"),
            hint: "`ampup info postgres` lists every version; `ampup db upgrade` moves the database to the active one".to_owned(),
        });
    }
    Ok(())
}

/// The PostgreSQL to upgrade to: of the major that is named, which the pin must serve; else the pinned version.
fn destination(to: Option<u64>, cluster: &Cluster, session: &Session) -> Result<Destination, Error> {
    let pin = PostgresPin::of_project(session)?;
    // No other pin would help with that; but with this one nothing may serve the database.
    if let (Some(to), Contents::Cluster { major }) = (to, cluster.contents()?) {
        let refused = upgrade::ensure_no_downgrade(cluster, major, to);
        refused.map_err(
            |error| match pin.as_ref().and_then(|pin| pin.lets_serve(major, session)) {
                Some(hint) => Error::Refused {
                    message: error.to_string(),
                    hint,
                },
                None => error.into(),
            },
        )?;
    }
    if let (Some(to), Some(pin)) = (to, &pin) {
        pin.ensure_serves(to, "ampup db upgrade", session)?;
    }
    let chosen = match to {
        // A pin of which nothing is installed is no reason not to upgrade to what is named.
        Some(_) => pinned::installed(&session.inventory()?, session)?.0,
        None => pinned::chosen(&[], session)?,
    };
    let Some((programs, _)) = pinned::postgres(&chosen, session)? else {
        return Ok(to.map_or(Destination::Active, Destination::Major));
    };
    if let Contents::Cluster { major } = cluster.contents()?
        && major > programs.major()
    {
        pinned::serve(cluster.clone(), &chosen, session)?;
    }
    Ok(Destination::Version(programs))
}
