//! `ampup db status`: what is known of the project's database.

use std::fmt::Write as _;

use serde_json::{Value, json};
use url::Url;

use crate::{
    commands::{
        Error, Outcome, Session, concerns,
        database::{self, Selected},
        external::External,
        pinned, serving,
    },
    doctor::lost_files,
    event::{sized, sized_down},
    postgres::{
        Cluster, ClusterError, Purpose, ServerState, Serving, Status, identity::is_suspended,
        observe::decide::Contents, observe::endpoint::Socket, observe::files, observe::status::LITTLE_ROOM,
    },
};

/// Arguments of `ampup db status`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Which project.
    #[command(flatten)]
    pub project: Selected,
}

/// Says what the database is, what its server does, and what is wrong. Starts nothing.
///
/// # Errors
/// When it cannot be looked at.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let cluster = args.project.cluster(session)?;
    let status = cluster.status()?;
    // What the next start would be refused for is a problem, and no reason to say nothing.
    let (cluster, chosen, refusal) = match pinned::chosen_for(Some(cluster.clone()), &[], session) {
        Ok((chosen, served)) => (served.unwrap_or(cluster), chosen, None),
        Err(error) => (cluster, Vec::new(), Some(database::with_remedy(error, session))),
    };
    let refused_start = refused_start(&cluster, &status);
    let state = match (&refused_start, &status.contents) {
        (Some(_), Contents::Absent | Contents::Empty) => "none yet".to_owned(),
        _ => state(&status),
    };
    let mut problems = problems(
        &cluster,
        &status,
        [refusal, refused_start.map(Error::from)],
        session,
    );
    let (concerns, remedies): (Vec<_>, Vec<_>) = serving::concerns(&cluster, &status, &chosen, session)?
        .into_iter()
        .unzip();
    problems.extend(concerns.iter().map(ToString::to_string).zip(remedies));
    let size = cluster.size();
    let mut json = described(&cluster, &status, size);
    json["described"] = state.clone().into();
    json["external"] = External::tell(&cluster, session)
        .map(|external| external.to_string())
        .into();
    json["concerns"] = concerns::json(&concerns).into();
    json["problems"] = problems
        .iter()
        .map(|(problem, hint)| json!({ "problem": problem, "hint": hint }))
        .collect();
    let mut outcome = Outcome::prose(text(&cluster, &status, &state, size), json);
    for (problem, hint) in problems {
        outcome.talk.push(format!("warning: {problem}"));
        outcome
            .talk
            .extend(hint.map(|hint| super::super::advice::line(&hint)));
    }
    Ok(outcome)
}

/// In one word or a few.
pub(super) fn state(status: &Status) -> String {
    match (&status.server, &status.contents) {
        (ServerState::Serves(serving), _) if serving.is_orphan == Some(true) => {
            "running, left behind by a run that was killed; the next takes it over".to_owned()
        }
        (ServerState::Serves(_), _) => "running".to_owned(),
        (ServerState::Busy { is_full: true, .. }, _) => "running; all its connections are taken".to_owned(),
        (ServerState::Busy { message, .. }, _) => format!("not serving: {message}"),
        (ServerState::OutOfReach { holder }, _) => {
            format!("held by {holder}, which cannot be seen from here")
        }
        (ServerState::Stopped, Contents::Absent | Contents::Empty) => {
            "none yet: `ampup run`, `ampup db psql` and `ampup db start` create it".to_owned()
        }
        (ServerState::Stopped, Contents::Unfinished) => {
            "unfinished: the next start creates it again".to_owned()
        }
        (ServerState::Stopped, Contents::Damaged { .. }) => "damaged".to_owned(),
        (ServerState::Stopped, Contents::Foreign { .. }) => "not a database".to_owned(),
        (ServerState::Stopped, Contents::Cluster { .. }) => "stopped".to_owned(),
    }
}

/// PostgreSQL's version: the server's own, else the major that the files name.
pub(super) fn version(status: &Status) -> Option<String> {
    match (&status.server, &status.contents) {
        (ServerState::Serves(serving), _) => Some(serving.version.clone()),
        (_, Contents::Cluster { major }) => Some(major.to_string()),
        _ => None,
    }
}

/// For programs.
pub(super) fn described(cluster: &Cluster, status: &Status, size: u64) -> Value {
    let word = match &status.server {
        ServerState::Stopped => "stopped",
        ServerState::Serves(_) => "running",
        ServerState::Busy { .. } => "busy",
        ServerState::OutOfReach { .. } => "out-of-reach",
    };
    let contents = match &status.contents {
        Contents::Absent | Contents::Empty => "absent",
        Contents::Cluster { .. } => "cluster",
        Contents::Unfinished => "unfinished",
        Contents::Damaged { .. } => "damaged",
        Contents::Foreign { .. } => "foreign",
    };
    let serving = match &status.server {
        ServerState::Serves(serving) => Some(serving),
        _ => None,
    };
    json!({
        "amp_dir": cluster.project().amp_dir(), "cluster": cluster.project().cluster(), "contents": contents,
        "state": word, "described": state(status), "version": version(status),
        "size": size, "free": status.free, "ephemeral": status.is_ephemeral,
        "network": status.network,
        "url": status.url, "user": status.user,
        "socket": status.socket.as_ref().and_then(Socket::path),
        "address": status.socket.as_ref().and_then(Socket::address),
        "tcp_url": serving.and(status.tcp_url.as_ref()),
        "pid": match &status.server {
            ServerState::Serves(Serving { pid, .. }) | ServerState::Busy { pid, .. } => *pid,
            ServerState::Stopped | ServerState::OutOfReach { .. } => None,
        },
        "process_started": serving.and_then(|serving| serving.started.clone()),
        "uptime": serving.map(|serving| serving.uptime),
        "connections": serving.map(|serving| serving.connections),
        "durable": serving.map(|serving| serving.is_durable),
        "stays": serving.map(|serving| serving.purpose == Purpose::Stay),
        "orphan": serving.and_then(|serving| serving.is_orphan),
    })
}

/// The port in an address.
fn port(url: &str) -> Option<u16> {
    Url::parse(url).ok()?.port()
}

fn text(cluster: &Cluster, status: &Status, state: &str, size: u64) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(text, "{key:<12} {value}");
    };
    line("database", cluster.project().cluster().as_str());
    line("state", state);
    if let Some(version) = version(status) {
        line("PostgreSQL", &version);
    }
    if let ServerState::Serves(serving) = &status.server {
        line("up for", &lasting(serving.uptime));
        if let Some(pid) = serving.pid {
            line("process", &pid.to_string());
        }
        line("until", &serving::until(serving, cluster));
        line("connections", &serving.connections.to_string());
        line("durable", durable(serving, status));
    } else if status.is_ephemeral {
        line("durable", "no: it was created with --ephemeral");
    }
    if let Some(socket) = &status.socket {
        let key = if socket.path().is_some() {
            "socket"
        } else {
            "address"
        };
        line(key, &socket.to_string());
    }
    let is_running = matches!(status.server, ServerState::Serves(_));
    if let Some(port) = status.tcp_url.as_deref().filter(|_| is_running).and_then(port) {
        line(
            "port",
            &format!("127.0.0.1:{port}; its address: `ampup db url --tcp`"),
        );
    }
    if status.url.is_some() {
        line("size", &sized(size));
    }
    if let Some(free) = status.free {
        line("free", &sized_down(free));
    }
    text
}

fn durable(serving: &Serving, status: &Status) -> &'static str {
    match (serving.is_durable, status.is_ephemeral) {
        (true, _) => "yes",
        (false, true) => "no: it was created with --ephemeral",
        (false, false) => "no: its server was started without fsync, as ampd does",
    }
}

/// The reason that the database cannot be started, or made, as far as that is seen without writing.
fn refused_start(cluster: &Cluster, status: &Status) -> Option<ClusterError> {
    let refused = cluster.run_as(None).err();
    refused.or_else(|| match status.server {
        ServerState::Stopped => cluster.ensure_startable().err(),
        _ => None,
    })
}

/// An error as a problem, with what helps.
fn told(error: &Error) -> (String, Option<String>) {
    let text = std::iter::once(error.to_string()).chain(error.causes());
    (text.collect::<Vec<_>>().join(": "), error.hint())
}

/// Lists the problems, each with the command that solves it.
fn problems(
    cluster: &Cluster,
    status: &Status,
    [refusal, refused_start]: [Option<Error>; 2],
    session: &Session,
) -> Vec<(String, Option<String>)> {
    let mut problems: Vec<_> = refusal.iter().map(told).collect();
    let mut refused =
        |error: ClusterError| problems.push((error.to_string(), database::hint(&error, session)));
    // A server that serves needs nothing of this now; its next start does.
    if refusal.is_none()
        && let Err(error) = cluster.programs()
    {
        refused(error);
    }
    problems.extend(refused_start.iter().map(told));
    let mut refused =
        |error: ClusterError| problems.push((error.to_string(), database::hint(&error, session)));
    if let ServerState::Busy { pid: Some(pid), .. } = status.server
        && is_suspended(pid)
    {
        refused(ClusterError::Suspended {
            cluster: cluster.project().cluster(),
            pid,
        });
    }
    if let ServerState::Serves(serving) = &status.server
        && !serving.is_durable
        && !status.is_ephemeral
    {
        problems.push((
            "a crash of this machine may cost the database its data: its server was started without fsync"
                .to_owned(),
            Some("`ampup db stop`, then `ampup run ampd solo`".to_owned()),
        ));
    }
    if let Some(unfinished) = files::unfinished(&cluster.project().cluster()) {
        problems.push((
            format!("the database {unfinished}"),
            Some(files::MAKES_AGAIN.to_owned()),
        ));
    }
    if let Contents::Cluster { .. } = status.contents
        && let Some(lost) = files::lost(&cluster.project().cluster())
    {
        problems.push((
            format!("the database {lost}"),
            Some("`ampup db start` makes them".to_owned()),
        ));
    }
    if let (Contents::Cluster { .. }, ServerState::Stopped) = (&status.contents, &status.server)
        && let Some(lost) = lost_files::finding(&cluster.project().cluster())
    {
        problems.push((lost.text, lost.remedy));
    }
    if let Some(kind) = &status.network {
        problems.push((
            format!(
                "the database is on a network file system ({kind}): it is as durable as that, and slower"
            ),
            Some("move the project, or let `AMP_DIR` name a directory on a disk of this machine".to_owned()),
        ));
    }
    if let Some(free) = status.free
        && free < LITTLE_ROOM
    {
        problems.push((
            format!("only {} are free for the database", sized_down(free)),
            Some("free disk space; `ampup db compact` frees that of deleted rows".to_owned()),
        ));
    }
    problems
}

/// Seconds for people.
fn lasting(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_for_people() {
        assert_eq!(
            [59, 60, 3_700, 90_000].map(lasting),
            ["59 s", "1 min", "1 h 1 min", "1 d 1 h"]
        );
    }
}
