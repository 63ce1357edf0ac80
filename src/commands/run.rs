//! `ampup run`: a command with the project's database.

use std::ffi::OsString;

use camino::{Utf8Path, Utf8PathBuf};
use clap::builder::NonEmptyStringValueParser;

use super::{
    Error, Outcome, Session, child,
    database::{self, Selected},
    external::External,
    pinned::{self, Chosen},
    requests::{self, Request},
};
use crate::postgres::{Cluster, ClusterError, Project, StartOptions, project::ProjectError};

/// Arguments of `ampup run`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Do not start the database
    #[arg(long)]
    pub no_db: bool,
    /// Use this installed version instead of the active or pinned one
    #[arg(long, value_name = "SPEC", value_parser = requests::version_or_component("ampup run --with postgres@17 -- CMD"))]
    pub with: Vec<Request>,
    /// Which project.
    #[command(flatten)]
    pub project: Selected,
    /// Create the database without durability: faster, but a crash may lose its data; an existing one is not changed
    #[arg(long)]
    pub ephemeral: bool,
    /// As root: run the server as this user
    #[arg(long, value_name = "USER", value_parser = NonEmptyStringValueParser::new())]
    pub run_as: Option<String>,
    /// The command and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true, allow_hyphen_values = true, value_hint = clap::ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

impl Args {
    /// The project that is named, to ampup or to ampd.
    pub fn selected(&self) -> Selected {
        let named = self.project.amp_dir.clone();
        Selected {
            amp_dir: named.or_else(|| to_ampd(&self.command, "--amp-dir")),
        }
    }
}

/// Starts the project's database, which is made on first use, runs the command with `AMP_CONFIG_METADATA_DB__URL`,
/// `AMP_DIR`, `PGHOST`, `PGPORT`, `PGUSER` and `PGDATABASE` set, and stops the database when the command ends, unless others
/// use it. Ends as the command does.
///
/// # Errors
/// When the command is not found, or the database does not serve; the command is then not run.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let selected = args.selected();
    let project = match selected.find(session) {
        // Without a database, a command needs no project.
        Err(Error::Cluster(ClusterError::Project(ProjectError::NoWorkingDirectory))) if args.no_db => None,
        found => Some(found?),
    };
    let cluster = match &project {
        Some(project) => meant(args, project, session)?,
        None => None,
    };
    let (chosen, cluster) = pinned::chosen_for(cluster, &args.with, session)?;
    let first = first_on_path(&chosen, cluster.as_ref(), session)?;
    let program = child::find(&args.command, &first, session)?;
    let words = args.command.get(1..).unwrap_or_default();
    let mut command = child::Command::new(program, words);
    if let Some(project) = &project {
        command.set("AMP_DIR", project.amp_dir().as_str());
    }
    command.find_first(&first, session)?;
    let Some(cluster) = cluster else {
        return child::run(&command, None, session).map(Outcome::of_command);
    };
    let start = StartOptions {
        run_as: database::user(args.run_as.as_deref())?,
        ephemeral: args.ephemeral,
        ..StartOptions::default()
    };
    selected.ensure_meant(&cluster, session)?;
    let with = child::With {
        cluster: &cluster,
        start: &start,
    };
    child::run(&command, Some(&with), session)
        .map(Outcome::of_command)
        .map_err(|error| database::with_remedy(error, session))
}

/// The project's database, if it is to serve the command.
fn meant(args: &Args, project: &Project, session: &Session) -> Result<Option<Cluster>, Error> {
    if args.no_db {
        return Ok(None);
    }
    let cluster = database::open(project, session);
    let config = to_ampd(&args.command, "--config");
    match External::find(project, config.as_deref(), &session.env)? {
        Some(external) if !external.is_of(&cluster) => {
            session.note(format!(
                "{external} names a database of its own: the project's is not started"
            ));
            Ok(None)
        }
        _ => {
            database::ensure_outside_of_home(&cluster, session)?;
            Ok(Some(cluster))
        }
    }
}

/// The directories whose programs the command finds before all others: those of the chosen versions, and those of the
/// PostgreSQL that serves the project's database, so that its psql and pg_dump are the server's own.
///
/// # Errors
/// When a chosen version is gone, or nobody can say that it is whole.
fn first_on_path(
    chosen: &[Chosen],
    cluster: Option<&Cluster>,
    session: &Session,
) -> Result<Vec<Utf8PathBuf>, Error> {
    let mut first = Vec::new();
    for chosen in chosen {
        first.push(chosen.located(session)?.tree.join("bin"));
    }
    // Without one the command is still looked for: what is wrong with the database is said when it is started.
    if let Some(programs) = cluster.and_then(|cluster| cluster.programs().ok()) {
        let bin = programs.tree.join("bin");
        if !first.contains(&bin) {
            first.push(bin);
        }
    }
    Ok(first)
}

/// The value that ampd itself is given with a flag: its own settings and its own Amp directory are meant then.
fn to_ampd(command: &[OsString], flag: &str) -> Option<Utf8PathBuf> {
    let mut words = command.iter().map(|word| word.to_str().unwrap_or_default());
    if Utf8Path::new(words.next()?).file_stem() != Some("ampd") {
        return None;
    }
    while let Some(word) = words.next() {
        let value = match word.strip_prefix(flag) {
            Some("") => words.next(),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        if let Some(value) = value {
            return (!value.is_empty()).then(|| value.into());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ampds_own_flags_count_and_nobody_elses() {
        let given = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            to_ampd(&words, "--config").map(String::from)
        };
        assert_eq!(given("ampd --config a.toml solo").as_deref(), Some("a.toml"));
        assert_eq!(given("/x/ampd solo --config=b.toml").as_deref(), Some("b.toml"));
        assert_eq!(given("ampd --configured x solo"), None);
        assert_eq!(given("ampd solo --config"), None);
        assert_eq!(given("other --config a.toml"), None);
    }
}
