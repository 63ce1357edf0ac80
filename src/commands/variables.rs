//! The environment of a command that uses the project's database.

use camino::Utf8Path;

use crate::postgres::{Evidence, observe::endpoint::Socket};

/// Where ampd takes the address of its database from.
pub(crate) const URL: &str = "AMP_CONFIG_METADATA_DB__URL";

/// Variables that libpq and sqlx read and that would lead them away from the database, or make it refuse them
/// (<https://www.postgresql.org/docs/current/libpq-envars.html>). Some of it is in the address too; ampd's own managed
/// mode, and whatever looks at one variable alone, has no address. What says nothing about where and how to connect
/// (PGAPPNAME, PGTZ, PGPASSWORD, …) stays.
pub(crate) const LEADS_AWAY: &[&str] = &[
    "PGHOST",
    "PGHOSTADDR",
    "PGPORT",
    "PGDATABASE",
    "PGUSER",
    "PGSERVICE",
    "PGSERVICEFILE",
    TLS,
    "PGREQUIRESSL",
    "PGSSLNEGOTIATION",
    "PGSSLCERT",
    "PGSSLKEY",
    "PGSSLROOTCERT",
    "PGSSLCRL",
    "PGSSLCERTMODE",
    "PGSSLMINPROTOCOLVERSION",
    "PGSSLMAXPROTOCOLVERSION",
    "PGGSSENCMODE",
    "PGREQUIREAUTH",
    "PGREQUIREPEER",
    "PGCHANNELBINDING",
    "PGTARGETSESSIONATTRS",
    "PGLOADBALANCEHOSTS",
    "PGOPTIONS",
    "PGDATA",
];

/// The choice of TLS, which no server of a project has. `ampup run` leaves it unset: it would also hold where the command
/// connects to other servers.
pub(crate) const TLS: &str = "PGSSLMODE";

/// The variables that `ampup db env` prints, and that `ampup run` sets for its command, all but [`TLS`].
pub(crate) fn of_the_cluster(
    socket: &Socket,
    user: &str,
    url: &str,
    amp_dir: &Utf8Path,
) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        (URL, url.to_owned()),
        ("AMP_DIR", amp_dir.to_string()),
        ("PGHOST", socket.host.to_string()),
        ("PGPORT", socket.port.to_string()),
        ("PGUSER", user.to_owned()),
        ("PGDATABASE", "postgres".to_owned()),
        (TLS, "disable".to_owned()),
    ];
    if let Some(password) = &socket.password {
        variables.push(("PGPASSWORD", password.reveal().to_owned()));
    }
    variables
}

/// The same of a server that serves.
pub(crate) fn of_the_server(
    evidence: &Evidence,
    url: &str,
    amp_dir: &Utf8Path,
) -> Vec<(&'static str, String)> {
    of_the_cluster(&evidence.socket, &evidence.user, url, amp_dir)
}
