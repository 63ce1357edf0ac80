//! `ampup db start`: a database that stays.

use clap::builder::NonEmptyStringValueParser;
use serde_json::json;

use super::psql;
use crate::{
    commands::{
        Error, Outcome, Session,
        database::{self, Selected},
        external::External,
    },
    postgres::{Cluster, Contents, Purpose, ServerOrigin, ServerState, StartOptions},
};

/// Arguments of `ampup db start`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Which project.
    #[command(flatten)]
    pub project: Selected,
    /// Create the database without durability: faster, but a crash may lose its data; an existing one is not changed
    #[arg(long)]
    pub ephemeral: bool,
    /// As root: run the server as this user
    #[arg(long, value_name = "USER", value_parser = NonEmptyStringValueParser::new())]
    pub run_as: Option<String>,
    /// Also listen on a port of 127.0.0.1, with a password, for programs that cannot use a Unix socket
    #[arg(long)]
    pub tcp: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// The commands to type next: psql where there is one, of the build or on PATH.
fn next(cluster: &Cluster, session: &Session) -> String {
    let opens = match psql::find(cluster, session) {
        Ok(_) => "`ampup db psql` opens it",
        Err(_) => "there is no psql to open it; `ampup db url` prints its address",
    };
    format!("it runs until `ampup db stop`; {opens}")
}

/// For whoever writes the address down.
const PORT: &str = "`ampup db url --tcp` prints this address again; the socket's has the same port, which stays if it is free and \
    every start has `--tcp`";

/// Starts the database, which is made on first use, and leaves it running.
///
/// # Errors
/// When it does not serve.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let cluster = args.project.served(session)?;
    External::tell(&cluster, session);
    if args.tcp {
        ensure_port_possible(&cluster)?;
    }
    if args.dry_run {
        return plan(&cluster, args.tcp, session);
    }
    let start = StartOptions {
        run_as: database::user(args.run_as.as_deref())?,
        ephemeral: args.ephemeral,
        purpose: Purpose::Stay,
        tcp: args.tcp,
    };
    args.project.ensure_meant(&cluster, session)?;
    let server = database::start(&cluster, &start, session.reporter.as_ref())?;
    let evidence = server.evidence();
    let json = json!({
        "url": server.url(), "version": evidence.version, "pid": evidence.pid, "socket": evidence.socket.path(),
        "address": evidence.socket.address(),
        "cluster": evidence.data_directory, "user": evidence.user, "durable": evidence.is_durable,
        "started": evidence.origin == ServerOrigin::Started, "made": evidence.made.is_some(),
    });
    if !args.tcp || evidence.socket.path().is_none() {
        return Ok(Outcome::done(vec![next(&cluster, session)], json));
    }
    let Some(url) = cluster.status()?.tcp_url else {
        return Err(without_port(&cluster));
    };
    let mut json = json;
    json["tcp_url"] = url.clone().into();
    Ok(Outcome {
        talk: vec![next(&cluster, session), PORT.to_owned()],
        ..Outcome::answer(format!("{url}\n"), json)
    })
}

/// The plan, in words.
fn plan(cluster: &Cluster, tcp: bool, session: &Session) -> Result<Outcome, Error> {
    let place = cluster.project().cluster();
    let programs = cluster.programs()?;
    cluster.run_as(None)?;
    cluster.ensure_startable()?;
    let runs = matches!(cluster.status()?.server, ServerState::Serves(_));
    let is_new = matches!(
        cluster.contents()?,
        Contents::Absent | Contents::Empty | Contents::Unfinished
    );
    let name = &programs.component;
    let shown = session.shown(name, &programs.name, &session.inventory()?)?;
    let version = format!("{name} {shown}");
    let line = match (runs, is_new) {
        (true, _) => format!("the server of `{place}` runs already, and stays until it is stopped"),
        (false, true) => {
            format!("a database is created in `{place}` by {version}, and stays until it is stopped")
        }
        (false, false) => format!("the database `{place}` is served by {version} until it is stopped"),
    };
    let mut talk = vec![line];
    if tcp && !runs {
        talk.push("it listens on a port of 127.0.0.1 too, with a password".to_owned());
    }
    let json = json!({ "cluster": place, "started": !runs, "made": is_new && !runs });
    Ok(Outcome::planned(talk, json))
}

/// Ensures that no server runs without a port: it would not get one, and is not to stay for that.
fn ensure_port_possible(cluster: &Cluster) -> Result<(), Error> {
    let status = cluster.status()?;
    let has_socket = status.socket.is_some_and(|socket| socket.path().is_some());
    match status.server {
        ServerState::Serves(_) if has_socket && status.tcp_url.is_none() => Err(without_port(cluster)),
        _ => Ok(()),
    }
}

fn without_port(cluster: &Cluster) -> Error {
    Error::Refused {
        message: format!(
            "the server of `{}` runs already, without a port",
            cluster.project().cluster()
        ),
        hint: "`ampup db stop`, then `ampup db start --tcp`".to_owned(),
    }
}
