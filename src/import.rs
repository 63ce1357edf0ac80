//! Importing a database into the project's cluster: from a server that runs, which is only read, or from a dump. A new
//! cluster is built beside the project's, filled, counted, and exchanged with it; what was there is kept.

mod address;
mod edit;
mod file;
mod icu;
mod importer;
mod left;
mod present;
mod roles;
mod snapshot;

use std::process::Stdio;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

pub(crate) use self::icu::TAKE_ANOTHER;
use self::{
    address::side,
    edit::Editor,
    file::{Kind, Said},
    snapshot::Snapshot,
};
pub use self::{importer::Importer, present::Present};
use crate::{
    dump::{self, Clients, DumpError, DumpFile, From, Patience, Running, Side, Version, Wanted},
    env::Env,
    event::{Reporter, counted},
    locate::Located,
    postgres::{
        Cluster, ClusterError,
        change::{
            lease::{self, Lease},
            swap::{self, Swap, Swapped},
        },
        observe::endpoint::DATABASE,
        user::OsUser,
    },
    shell,
    upgrade::{ensure_space, fill, step},
};

/// The source of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportSource {
    /// A server's database.
    Address(String),
    /// A dump.
    File(Utf8PathBuf),
}

/// The result of an import.
#[derive(Debug)]
pub struct Imported {
    /// Tables.
    pub tables: usize,
    /// Their rows.
    pub rows: u64,
    /// True if the rows were counted on both sides.
    pub is_compared: bool,
    /// The properties beyond the content of one database, in words.
    pub left_behind: Vec<String>,
    /// Where the cluster is that was there before.
    pub kept: Option<Utf8PathBuf>,
    /// True if the server was stopped for it and started again.
    pub resumed: bool,
}

impl ImportSource {
    /// An address or a path, as the user wrote it.
    pub fn parse(text: &str, here: Option<&Utf8Path>) -> Self {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Self::Address(text.to_owned());
        }
        Self::File(here.map_or_else(|| text.into(), |here| here.join(text)))
    }

    /// Ensures that this is an address, or the beginning of a dump, whatever the project has.
    ///
    /// # Errors
    /// When it is neither, or the file cannot be read.
    pub fn ensure_plausible(&self) -> Result<(), DumpError> {
        match self {
            Self::Address(address) => side(address).map(drop),
            Self::File(path) => file::kind(path).map(drop),
        }
    }
}

/// Ensures that the project could take this import, as far as can be known: the server is connected to, the dump read. Nothing
/// is changed.
///
/// # Errors
/// Those of an import that are seen before a cluster is made for it.
pub fn ensure_possible(
    source: &ImportSource,
    importer: Importer<'_>,
    env: &Env,
    reporter: &dyn Reporter,
) -> Result<(), DumpError> {
    let Importer { cluster, present, .. } = importer;
    let programs = importer.programs()?;
    let run_as = cluster.run_as(None)?;
    present.ensure_still(cluster)?;
    swap::ensure_possible(cluster)?;
    lease::ensure_unused(cluster)?;
    let importing = Importing {
        cluster,
        programs: &programs,
        run_as: run_as.as_ref(),
        env,
        reporter,
    };
    match source {
        ImportSource::Address(address) => importing.ensure_server(address),
        ImportSource::File(path) => importing.read(path).map(drop),
    }
}

/// Imports a database.
///
/// # Errors
/// When it cannot be read, the programs for it are not there, the project has tables already, or not every row came; the
/// project is then as it was. The source is never changed.
pub fn import(
    source: &ImportSource,
    importer: Importer<'_>,
    env: &Env,
    reporter: &dyn Reporter,
) -> Result<Imported, DumpError> {
    let Importer { cluster, present, .. } = importer;
    swap::settle(cluster, reporter)?;
    let programs = importer.programs()?;
    let run_as = cluster.run_as(None)?;
    present.ensure_still(cluster)?;
    cluster
        .project()
        .prepare(run_as.as_ref())
        .map_err(ClusterError::from)?;
    let swap = Swap::begin(cluster, reporter)?;
    swap.ensure_possible()?;
    let importing = Importing {
        cluster,
        programs: &programs,
        run_as: run_as.as_ref(),
        env,
        reporter,
    };
    let imported = match source {
        ImportSource::Address(address) => importing.a_server(address, swap.next()),
        ImportSource::File(path) => importing.a_file(path, swap.next()),
    };
    let taken = imported.and_then(|filled| Ok((filled, Lease::take(cluster, reporter)?)));
    let (filled, lease) = match taken {
        Ok(taken) => taken,
        Err(error) => {
            swap.abandon(reporter);
            return Err(error);
        }
    };
    // Whoever was there meanwhile may have written.
    if let Err(error) = present.ensure_still(cluster) {
        swap.abandon(reporter);
        let _ = lease.resume(reporter);
        return Err(error);
    }
    let Swapped { kept, resumed } = swap.publish(lease, reporter)?;
    Ok(Imported {
        tables: filled.counts.len(),
        rows: dump::total(&filled.counts),
        is_compared: filled.is_compared,
        left_behind: filled.left_behind,
        kept,
        resumed,
    })
}

struct Importing<'a> {
    cluster: &'a Cluster,
    programs: &'a Located,
    run_as: Option<&'a OsUser>,
    env: &'a Env,
    reporter: &'a dyn Reporter,
}

/// The content of the new cluster.
struct Filled {
    counts: dump::Counts,
    is_compared: bool,
    left_behind: Vec<String>,
}

impl Importing<'_> {
    /// The programs that dump a server of this version, or a file's content for the project's.
    fn dumper(&self, names: &'static [&'static str], server: Option<Version>) -> Result<Clients, DumpError> {
        let wanted = Wanted {
            names,
            // What a later pg_dump writes, an earlier server may not understand.
            majors: server.map_or(0, |server| server.0)..=self.programs.major(),
            server: server.unwrap_or_else(|| dump::version_of(self.programs)),
            restricts: false,
        };
        Clients::find(&wanted, self.cluster, self.env, self.run_as)
    }

    /// A psql that a dump cannot make run other programs.
    fn psql(&self) -> Result<Clients, DumpError> {
        let wanted = Wanted {
            names: &["psql"],
            majors: 0..=u64::MAX,
            server: dump::version_of(self.programs),
            restricts: true,
        };
        Clients::find(&wanted, self.cluster, self.env, self.run_as)
    }

    /// Ensures that a server answers, and that there is a pg_dump for it.
    fn ensure_server(&self, address: &str) -> Result<(), DumpError> {
        let (side, host) = side(address)?;
        let psql = self.psql()?;
        let patience = Patience {
            psql: &psql,
            side: &side,
            reporter: self.reporter,
        };
        step(self.reporter, format!("connecting to {host}"));
        self.pg_dump(snapshot::version(&patience)?)?;
        icu::ensure(self.programs, icu::used_by(&patience)?.as_deref())
    }

    /// The pg_dump for a server, which may not be of a later major than the project's.
    fn pg_dump(&self, server: Version) -> Result<Clients, DumpError> {
        let major = server.0;
        if major > self.programs.major() {
            return Err(DumpError::Refused {
                message: format!(
                    "that server is PostgreSQL {major}; this project's is {}",
                    self.programs.major()
                ),
                hint: format!("`ampup install postgres@{major}`, then run the same command again"),
            });
        }
        self.dumper(&["pg_dump"], Some(server))
    }

    fn a_server(&self, address: &str, next: &Cluster) -> Result<Filled, DumpError> {
        let (side, host) = side(address)?;
        let psql = self.psql()?;
        let patience = Patience {
            psql: &psql,
            side: &side,
            reporter: self.reporter,
        };
        step(self.reporter, format!("connecting to {host}"));
        let snapshot = Snapshot::take(&patience)?;
        let pg_dump = self.pg_dump(snapshot.server)?;
        icu::ensure(self.programs, icu::used_by(&patience)?.as_deref())?;
        lease::ensure_unused(self.cluster)?;
        ensure_space(self.cluster.project().amp_dir(), snapshot.bytes)?;
        step(
            self.reporter,
            format!(
                "copying {} from PostgreSQL {}",
                counted(snapshot.counts.len(), "table"),
                snapshot.server.0
            ),
        );
        let roles = roles::of_server(&patience.ask(roles::OF_SERVER)?);
        let left_behind = left::behind(&patience, snapshot.server.0)?;
        let mut dump = pg_dump.command("pg_dump", &side, "");
        // There are no other places for tables here.
        dump.args(["-w", "--no-tablespaces", "--snapshot", &snapshot.name])
            .stdin(Stdio::null());
        let from = From::Elsewhere(dump, patience);
        let counts = self.load(next, from, &psql, &roles, |_, counts| {
            dump::compare(DATABASE, &snapshot.counts, counts)
        })?;
        Ok(Filled {
            counts,
            is_compared: true,
            left_behind,
        })
    }

    /// Reads a dump, as far as that needs no server: its SQL to be, and what it says.
    fn read(&self, path: &Utf8Path) -> Result<(From<'_>, Said), DumpError> {
        let failed = |source| DumpError::File {
            path: path.to_owned(),
            source,
        };
        let open = || fs::File::open(path).map_err(failed);
        let (from, said) = match file::kind(path)? {
            Kind::Archive => {
                let pg_restore = self.dumper(&["pg_restore"], None)?;
                let (version, project) = (pg_restore.version().0, self.programs.major());
                let said = listed(&pg_restore, &DumpFile::open(path).map_err(failed)?)
                    .map_err(|error| error.of_pg_restore(version, project))?;
                let dump = DumpFile::open(path).map_err(failed)?;
                let mut text = pg_restore.unconnected("pg_restore");
                text.args(["--no-tablespaces", "--file=-"])
                    .stdin(dump.as_input().map_err(failed)?);
                (From::Archive(text, dump), said)
            }
            Kind::Directory => {
                // Where there is none, that is told.
                self.dumper(&["pg_restore"], None)?;
                return Err(file::in_directory(path));
            }
            Kind::Plain => {
                let said = file::scan(open()?, self.cluster.interrupt()).map_err(failed)?;
                (From::File(open()?), said)
            }
        };
        if said.is_cut_off {
            return Err(file::cut_off(path));
        }
        if !said.has_statements {
            return Err(DumpError::Refused {
                message: format!("`{path}` holds no statement"),
                hint: "write a dump with `pg_dump --format=custom`".to_owned(),
            });
        }
        if let Some(too_much) = said.too_much {
            return Err(DumpError::Refused {
                message: format!("`{path}` {too_much}, and an import copies one"),
                hint: format!(
                    "`ampup db psql -q -f {}` loads all of it into an empty database (psql reports that your role exists already); or \
                     `pg_dump --format=custom DATABASE > FILE` dumps one, for `ampup db import FILE`",
                    shell::typed(path.as_str())
                ),
            });
        }
        icu::ensure(self.programs, said.icu.as_deref())?;
        Ok((from, said))
    }

    fn a_file(&self, path: &Utf8Path, next: &Cluster) -> Result<Filled, DumpError> {
        let size = fs::metadata(path).map_err(|source| DumpError::File {
            path: path.to_owned(),
            source,
        })?;
        lease::ensure_unused(self.cluster)?;
        ensure_space(self.cluster.project().amp_dir(), size.len())?;
        let psql = self.psql()?;
        let (from, said) = self.read(path)?;
        step(self.reporter, format!("reading `{path}`"));
        let counts = self.load(next, from, &psql, &said.roles, |next, _| {
            roles::settle(&psql, next, &said.roles)
        })?;
        Ok(Filled {
            counts,
            is_compared: false,
            left_behind: said.of_database,
        })
    }

    /// Fills a new cluster with a dump, and counts what is in it.
    fn load(
        &self,
        next: &Cluster,
        from: From<'_>,
        psql: &Clients,
        roles: &roles::Roles,
        check: impl FnOnce(&Side, &dump::Counts) -> Result<(), DumpError>,
    ) -> Result<dump::Counts, DumpError> {
        fill(next, self.programs, self.run_as, self.reporter, |next| {
            roles::make(psql, next, roles)?;
            let mut load = psql.psql(next, DATABASE);
            // The statement that failed is said: see `dump::DumpError::failed`.
            load.args(["--single-transaction", "--echo-errors"]);
            let mut editor = Editor::new()?;
            dump::pipe(from, load, &mut |line| editor.edit(line), psql.interrupt())?;
            let counts = dump::count(next, DATABASE)?;
            check(next, &counts)?;
            Ok(counts)
        })
    }
}

/// Lists an archive's statements, without its rows.
fn listed(clients: &Clients, archive: &DumpFile) -> Result<Said, DumpError> {
    let program = |source| DumpError::Spawn {
        program: "pg_restore".to_owned(),
        source,
    };
    let mut list = clients.unconnected("pg_restore");
    // With what it says of the database itself.
    list.args(["--schema-only", "--create", "--file=-"])
        .stdin(archive.as_input().map_err(program)?)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let Running {
        child,
        program: path,
        enlisted,
    } = Running::start(list, clients.interrupt())?;
    let output = archive.over(&enlisted, |pulse| {
        pulse.listen();
        child.wait_with_output()
    })?;
    let output = output.map_err(program)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(DumpError::failed(path, output.status, &said));
    }
    let said = file::scan(&output.stdout[..], clients.interrupt()).map_err(program)?;
    Ok(Said {
        // pg_restore itself said so.
        too_much: None,
        ..said
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_like_an_address_is_one() {
        let source = |text| ImportSource::parse(text, Some(Utf8Path::new("/w")));
        assert_eq!(
            source("postgres://h/d"),
            ImportSource::Address("postgres://h/d".to_owned())
        );
        assert_eq!(source("d.sql"), ImportSource::File("/w/d.sql".into()));
    }
}
