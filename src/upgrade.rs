//! Upgrading the project's cluster to another major of PostgreSQL: dumped from the old one, restored into a new one beside
//! it, every table's rows counted on both sides, then exchanged. Never in place and never with hard links: the old cluster
//! is not touched until the new one is built, compared, stopped and flushed, and it is kept.

use std::process::Stdio;

use camino::{Utf8Path, Utf8PathBuf};

use crate::{
    dump::{self, Clients, DumpError, Edit, From, Side, Wanted, server_settings},
    env::Env,
    event::{Event, Reporter, sized_down},
    fs::space,
    locate::{LocateError, Located},
    postgres::{
        Cluster, ClusterError, Purpose, ServerOrigin, StartOptions,
        change::{
            lease::{self, Lease},
            swap::{self, Swap, Swapped},
        },
        observe::decide::Contents,
        packaged,
        user::OsUser,
    },
    prune,
};

/// The space needed in addition to the size of the old cluster, for the new one's write-ahead log.
const LOG_ROOM: u64 = 128 << 20;
/// PostgreSQL makes its write-ahead log in files of this size.
const ONE_FILE: u64 = 16 << 20;
/// A fresh cluster is about so large.
pub(crate) const FRESH: u64 = 64 << 20;

/// The result of an upgrade.
#[derive(Debug)]
pub enum Upgraded {
    /// It is of that major.
    AlreadyThere {
        /// Its major.
        major: u64,
    },
    /// It was upgraded.
    Upgraded {
        /// From this major.
        from: u64,
        /// To this version.
        to: Located,
        /// Rows, of all tables of all databases.
        rows: u64,
        /// Where the old one is.
        kept: Utf8PathBuf,
        /// The user's changes to its files that are not in those of the new one.
        left_behind: Vec<String>,
        /// True if the server was stopped for it and started again.
        resumed: bool,
    },
}

/// The PostgreSQL that an upgrade leads to.
#[derive(Debug, Clone)]
pub enum Destination {
    /// The active version.
    Active,
    /// This major: the active version, or else the highest.
    Major(u64),
    /// This version.
    Version(Located),
}

/// The decision about an upgrade.
#[derive(Debug)]
pub enum Decision {
    /// It is of that major.
    AlreadyThere {
        /// Its major.
        major: u64,
    },
    /// It can be done.
    Possible(Box<Possible>),
}

/// An upgrade for which everything is there.
#[derive(Debug)]
pub struct Possible {
    /// From this major.
    pub from: u64,
    /// To this version.
    pub to: Located,
    /// Bytes of the old cluster.
    pub bytes: u64,
    /// The old cluster, with the programs that serve it.
    served: Cluster,
    run_as: Option<OsUser>,
    clients: Clients,
}

/// Decides whether the cluster can be upgraded. Nothing is changed.
///
/// # Errors
/// When PostgreSQL of either major or the client programs are not there, or there is too little room.
pub fn decide(
    cluster: &Cluster,
    to: &Destination,
    env: &Env,
    reporter: &dyn Reporter,
) -> Result<Decision, DumpError> {
    let Contents::Cluster { major: from } = cluster.contents()? else {
        // Decided once more for its error.
        cluster.programs()?;
        return Err(DumpError::NoDatabase(cluster.project().cluster()));
    };
    // Said before that the lower one is not installed: that would not help.
    if let Destination::Major(major) = to {
        ensure_no_downgrade(cluster, from, *major)?;
    }
    let to = match to {
        Destination::Version(programs) => Ok(programs.clone()),
        Destination::Active => cluster.locator().postgres(None),
        Destination::Major(major) => cluster.locator().postgres(Some(*major)),
    };
    let to = to.map_err(ClusterError::from)?;
    if to.major() == from {
        return Ok(Decision::AlreadyThere { major: from });
    }
    ensure_no_downgrade(cluster, from, to.major())?;
    swap::ensure_possible(cluster)?;
    // Both, before anything starts.
    let served = with_own_major(cluster, from, reporter)?;
    let old = served.programs()?;
    let run_as = cluster.run_as(None)?;
    let wanted = Wanted {
        names: &["pg_dumpall", "psql", "pg_dump"],
        majors: from..=to.major(),
        server: dump::version_of(&old),
        restricts: false,
    };
    let clients = Clients::find(&wanted, cluster, env, run_as.as_ref())?;
    let bytes = prune::size(&cluster.project().cluster());
    ensure_space(cluster.project().amp_dir(), bytes.saturating_add(LOG_ROOM))?;
    lease::ensure_unused(cluster)?;
    Ok(Decision::Possible(Box::new(Possible {
        from,
        to,
        bytes,
        served,
        run_as,
        clients,
    })))
}

/// Ensures that an upgrade would not lead to a lower major.
///
/// # Errors
/// When it would.
pub fn ensure_no_downgrade(cluster: &Cluster, from: u64, to: u64) -> Result<(), DumpError> {
    if to >= from {
        return Ok(());
    }
    Err(DumpError::Downgrade {
        from,
        to,
        is_served: cluster.locator().postgres(Some(from)).is_ok(),
    })
}

/// Upgrades the cluster.
///
/// # Errors
/// As `decide`, and when it is in use or not every row came; the old cluster is then in its place, and its server runs again
/// if it ran.
pub fn upgrade(
    cluster: &Cluster,
    to: &Destination,
    env: &Env,
    reporter: &dyn Reporter,
) -> Result<Upgraded, DumpError> {
    swap::settle(cluster, reporter)?;
    let possible = match decide(cluster, to, env, reporter)? {
        Decision::AlreadyThere { major } => return Ok(Upgraded::AlreadyThere { major }),
        Decision::Possible(possible) => *possible,
    };
    let Possible {
        from,
        to: new,
        served,
        run_as,
        clients,
        ..
    } = possible;
    let swap = Swap::begin(cluster, reporter)?;
    swap.ensure_possible()?;
    let lease = Lease::take(cluster, reporter)?;
    let open = lease.open();
    step(
        reporter,
        format!("copying every row from PostgreSQL {from} to {}", new.major()),
    );
    let copied = copy(&served, &swap, &new, &clients, run_as.as_ref(), reporter);
    let (copied, lease) = match (copied, open.close(reporter)) {
        (Ok(copied), Ok(lease)) => (copied, lease),
        (Err(error), Ok(lease)) => {
            swap.abandon(reporter);
            // A server that does not start again is told of.
            let _ = lease.resume(reporter);
            return Err(error);
        }
        (copied, Err(error)) => {
            swap.abandon(reporter);
            return Err(copied.err().unwrap_or(error.into()));
        }
    };
    let Swapped { kept, resumed } = swap.publish(lease, reporter)?;
    Ok(Upgraded::Upgraded {
        from,
        to: new,
        rows: copied.rows,
        kept: kept.unwrap_or_default(),
        left_behind: copied.left_behind,
        resumed,
    })
}

/// The cluster, served by its own major: where no build of that is installed, by the system's.
fn with_own_major(cluster: &Cluster, major: u64, reporter: &dyn Reporter) -> Result<Cluster, ClusterError> {
    match cluster.programs() {
        Ok(_) => Ok(cluster.clone()),
        Err(ClusterError::Locate(missing @ LocateError::NotInstalled { .. })) => {
            let own = packaged::programs(major, cluster.interrupt()).ok_or(missing)?;
            step(
                reporter,
                format!(
                    "the old database is served by the system's PostgreSQL {major} in `{}`",
                    own.tree
                ),
            );
            Ok(cluster.clone().with_programs(own))
        }
        Err(error) => Err(error),
    }
}

struct Copied {
    rows: u64,
    left_behind: Vec<String>,
}

fn copy(
    cluster: &Cluster,
    swap: &Swap,
    new: &Located,
    clients: &Clients,
    run_as: Option<&OsUser>,
    reporter: &dyn Reporter,
) -> Result<Copied, DumpError> {
    let start = StartOptions {
        run_as: run_as.cloned(),
        purpose: Purpose::Change,
        ..StartOptions::default()
    };
    let keeps_grantors = cluster.programs()?.major() >= 16;
    let old = cluster.start(&start, reporter)?;
    if old.evidence().origin == ServerOrigin::Found {
        // ampd was faster, and its server takes writes that the new cluster would not have.
        return Err(DumpError::Cluster(ClusterError::InUse {
            cluster: cluster.project().cluster(),
            holder: "a server that was started a moment ago".to_owned(),
        }));
    }
    let first = match first_role(clients, &Side::of(&old)) {
        Ok(first) => first,
        Err(error) => {
            let _ = old.shut_down(reporter);
            return Err(error);
        }
    };
    let next = swap.next().clone().with_superuser(first);
    let copied = fill(&next, new, run_as, reporter, |next| {
        let (from, to) = (Side::of(&old), next);
        let user = match to {
            Side::Socket { user, .. } => user,
            Side::Address { .. } => unreachable!("a project's server has a socket"),
        };
        if let Some(closed) = clients
            .ask(&from, "postgres", server_settings::CLOSED)?
            .lines()
            .next()
        {
            return Err(DumpError::Refused {
                message: format!(
                    "database `{closed}` takes no connections, so that its rows cannot be copied"
                ),
                hint: format!(
                    "`ampup db psql -c 'alter database \"{closed}\" allow_connections true'`, then again"
                ),
            });
        }
        // The one role that both have: the first one.
        let role = format!(
            "CREATE ROLE {};",
            clients.ask(&from, "postgres", &quoted(user))?.trim()
        );
        let mut has_connected = false;
        let mut edit = |line: &[u8]| {
            has_connected = has_connected || line.starts_with(b"\\connect");
            if has_connected {
                Edit::KeepRest
            } else if line.trim_ascii() == role.as_bytes() {
                Edit::Drop
            } else {
                let without = without_grantor(line).filter(|_| !keeps_grantors);
                without.map_or(Edit::Keep, Edit::Replace)
            }
        };
        let mut dump = clients.command("pg_dumpall", &from, "postgres");
        dump.arg("-w").stdin(Stdio::null());
        if clients.ask(&from, "postgres", UNENCODED)?.trim() == "0" {
            // Each database in its own encoding, which the dump names: one without may hold bytes that are no UTF-8.
            dump.env_remove("PGCLIENTENCODING");
        }
        let mut load = clients.psql(to, "postgres");
        // Of the statement that failed only one about privileges is told, which holds no secret.
        load.arg("--echo-errors");
        dump::pipe(From::Program(dump), load, &mut edit, clients.interrupt())
            .map_err(DumpError::with_privilege_back)?;
        let databases = "select datname from pg_catalog.pg_database where datallowconn order by 1;";
        let mut rows = 0;
        for database in clients.ask(&from, "postgres", databases)?.lines() {
            let counts = dump::count(&from, database)?;
            dump::compare(database, &counts, &dump::count(to, database)?)?;
            rows += dump::total(&counts);
        }
        // They are told of, and no reason to give up.
        let left_behind = server_settings::left_behind(clients, &from, to)
            .unwrap_or_else(|_| vec!["settings that could not be read".to_owned()]);
        Ok(Copied { rows, left_behind })
    });
    let ended = old.shut_down(reporter);
    let copied = copied?;
    ended?;
    Ok(copied)
}

/// Asks how many of the databases that every cluster has are without an encoding. In the new cluster they are in UTF-8, and a
/// server takes rows that are said to have no encoding without a look at their bytes.
const UNENCODED: &str = "select count(*) from pg_catalog.pg_database where datname in ('postgres', 'template1') \
    and pg_catalog.pg_encoding_to_char(encoding) = 'SQL_ASCII';";

/// A grant of a role without who gave it. Before 16 that could be anybody, whom a later server then refuses: it asks for
/// the right to do so, which nobody had to have. (Its own pg_dumpall leaves it out too.)
fn without_grantor(line: &[u8]) -> Option<String> {
    let text = str::from_utf8(line).ok()?.strip_prefix("GRANT ")?;
    let (grant, _) = text.rsplit_once(" GRANTED BY ")?;
    Some(format!("GRANT {grant};\n"))
}

/// The superuser that initdb made, which may have got another name since. What it granted, pg_dumpall says to be granted
/// by it, and a new cluster takes that (since 16) from its own first role alone
/// (<https://www.postgresql.org/docs/current/sql-grant.html>). Where it may not log in, the dump could not be loaded as it,
/// and it is ours.
fn first_role(clients: &Clients, side: &Side) -> Result<String, DumpError> {
    // Its number, in every cluster (src/include/catalog/pg_authid.dat).
    let name = clients.ask(
        side,
        "postgres",
        "select coalesce((select rolname from pg_catalog.pg_roles where oid = 10 and rolcanlogin and rolsuper), current_user);",
    )?;
    Ok(name.lines().collect())
}

/// Makes a new cluster in `next`, beside the project's, serves it while `work` fills it, and stops it.
pub(crate) fn fill<T>(
    next: &Cluster,
    programs: &Located,
    run_as: Option<&OsUser>,
    reporter: &dyn Reporter,
    work: impl FnOnce(&Side) -> Result<T, DumpError>,
) -> Result<T, DumpError> {
    let start = StartOptions {
        run_as: run_as.cloned(),
        ..StartOptions::default()
    };
    let next = next.clone().with_programs(programs.clone());
    let server = next.start(&start, reporter)?;
    // Looked at while what it wrote is still there.
    let worked = work(&Side::of(&server)).map_err(|error| with_room(error, next.project().amp_dir()));
    let ended = server.shut_down(reporter);
    let worked = worked?;
    ended?;
    Ok(worked)
}

/// A server whose disk is full breaks off without a word to its client.
fn with_room(mut error: DumpError, amp_dir: &Utf8Path) -> DumpError {
    if let DumpError::Failed { last_lines, .. } = &mut error
        && let Ok(Some(free)) = space::free(amp_dir)
        && free < ONE_FILE
    {
        last_lines.push(format!(
            "No space left on device: {} are free in `{amp_dir}`",
            sized_down(free)
        ));
    }
    error
}

pub(crate) fn ensure_space(amp_dir: &Utf8Path, needed: u64) -> Result<(), DumpError> {
    let needed = needed.saturating_add(FRESH);
    let free = space::free(amp_dir).map_err(|source| ClusterError::Io {
        action: "look at",
        path: amp_dir.to_owned(),
        source,
    })?;
    match free {
        Some(free) if free < needed => Err(DumpError::NoRoom {
            amp_dir: amp_dir.to_owned(),
            needed,
            free,
        }),
        Some(_) | None => Ok(()),
    }
}

pub(crate) fn step(reporter: &dyn Reporter, text: String) {
    reporter.report(Event::Note(text));
}

/// Asks PostgreSQL to quote a name as pg_dumpall does.
fn quoted(name: &str) -> String {
    format!("select pg_catalog.quote_ident('{}');", name.replace('\'', "''"))
}
