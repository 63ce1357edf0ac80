//! The cluster that an import would take the place of: it is put aside if nothing of the user's is in it, or if that was said.

use std::collections::BTreeSet;

use crate::{
    dump::{DumpError, Side, session_in},
    event::counted,
    postgres::{
        Cluster, ClusterError, ServerState,
        observe::{
            decide::Contents,
            files::{self, UsersFile},
            sql_session::{Row, WireError},
        },
    },
};

/// The databases that every cluster has, and that users may fill.
const FILLED: &str =
    "select datname from pg_catalog.pg_database where datallowconn and datname in ('postgres', 'template1')";

/// Asks a server for what initdb does not make, and what sort of thing each is.
const BESIDES: &str = "select 'database', datname::text from pg_catalog.pg_database \
    where datname not in ('postgres', 'template0', 'template1') \
    union all select 'tablespace', spcname::text from pg_catalog.pg_tablespace where spcname !~ '^pg_' order by 1, 2";

/// Asks the same of one database.
const WITHIN: &str = "select case c.relkind when 'S' then 'sequence' when 'm' then 'materialized view' else 'table' end, \
    n.nspname || '.' || c.relname \
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
    where c.relkind in ('r', 'p', 'm', 'S') and c.relpersistence <> 't' \
    and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_toast' \
    and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass \
    and d.objid = c.oid and d.deptype in ('a', 'e', 'i')) order by 1 desc, 2";

/// So many things are named.
const NAMED: usize = 3;

/// The reason for which what is there may be put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Present {
    /// Its server named nothing of a user's, and these files with numbers of users' were there: whatever comes later is new.
    IsEmpty(BTreeSet<UsersFile>),
    /// The user said so.
    IsPutAside,
}

impl Present {
    /// Looks for what a user made in the cluster. Where files may be a user's, its server is asked, if it runs: a table that was
    /// dropped, and a catalog that was written anew, have such files too. None is started, which would write in the cluster.
    ///
    /// # Errors
    /// When a user made something, or nobody knows.
    pub fn ensure_empty(cluster: &Cluster) -> Result<Self, DumpError> {
        let files = users_files(cluster)?;
        if files.is_empty() {
            return Ok(Self::IsEmpty(files));
        }
        let place = cluster.project().cluster();
        let cause = match ask(cluster) {
            Ok(things) if things.is_empty() => return Ok(Self::IsEmpty(files)),
            Ok(things) => {
                return Err(refused(
                    format!("`{place}` holds {} already", in_words(&things)),
                    "",
                ));
            }
            Err(Unasked::Stopped) => {
                let message =
                    format!("`{place}` may hold tables: only its server can tell, and it is not running");
                return Err(refused(
                    message,
                    "`ampup db start`, then the same command again; or ",
                ));
            }
            Err(Unasked::Cluster(error)) => error.to_string(),
            Err(Unasked::Wire(error)) => error.to_string(),
        };
        Err(refused(
            format!("`{place}` may hold tables, and its server cannot be asked: {cause}"),
            "",
        ))
    }

    /// Ensures that nothing came since.
    ///
    /// # Errors
    /// When something did, or it cannot be looked at.
    pub(super) fn ensure_still(&self, cluster: &Cluster) -> Result<(), DumpError> {
        match self {
            Self::IsPutAside => Ok(()),
            Self::IsEmpty(files) if users_files(cluster)?.is_subset(files) => Ok(()),
            Self::IsEmpty(_) => Err(refused(
                format!("`{}` was written to meanwhile", cluster.project().cluster()),
                "run the same command again; or ",
            )),
        }
    }
}

fn refused(message: String, before: &str) -> DumpError {
    DumpError::Refused {
        message,
        hint: format!(
            "{before}add `--replace`, which keeps what is there as `metadb.old-<time>` for `ampup db restore`"
        ),
    }
}

fn users_files(cluster: &Cluster) -> Result<BTreeSet<UsersFile>, ClusterError> {
    let place = cluster.project().cluster();
    match cluster.contents()? {
        Contents::Cluster { .. } => files::of_users(&place).map_err(|source| ClusterError::Io {
            action: "look at",
            path: place.clone(),
            source,
        }),
        _ => Ok(BTreeSet::new()),
    }
}

/// The reason that no server was asked.
enum Unasked {
    /// None runs.
    Stopped,
    Cluster(ClusterError),
    Wire(WireError),
}

impl From<ClusterError> for Unasked {
    fn from(error: ClusterError) -> Self {
        Self::Cluster(error)
    }
}

impl From<WireError> for Unasked {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// Asks the cluster's server for what users made: of each thing its sort and its name.
fn ask(cluster: &Cluster) -> Result<Vec<[String; 2]>, Unasked> {
    let status = cluster.status()?;
    match (status.server, status.socket, status.user) {
        (ServerState::Serves(_), Some(socket), Some(user)) => Ok(things(&Side::Socket { socket, user })?),
        _ => Err(Unasked::Stopped),
    }
}

fn things(server: &Side) -> Result<Vec<[String; 2]>, WireError> {
    let pairs = |rows: Vec<Row>| {
        let pair = |row: Row| <[String; 2]>::try_from(row.into_iter().flatten().collect::<Vec<_>>()).ok();
        rows.into_iter().filter_map(pair).collect::<Vec<_>>()
    };
    // Users may have removed the one that clients are led to.
    let mut first = session_in("postgres", server).or_else(|_| session_in("template1", server))?;
    let mut found = pairs(first.query(BESIDES)?);
    for database in first.query(FILLED)?.into_iter().flatten().flatten() {
        found.extend(pairs(session_in(&database, server)?.query(WITHIN)?));
    }
    Ok(found)
}

/// Names some of them, and counts the others.
fn in_words(things: &[[String; 2]]) -> String {
    let named = things.iter().take(NAMED);
    let named: Vec<_> = named
        .map(|[sort, name]| format!("the {sort} `{}`", name.escape_debug()))
        .collect();
    match things.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        others => format!("{} and {}", named.join(", "), counted(others, "other")),
    }
}
