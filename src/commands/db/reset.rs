//! `ampup db reset`: an empty database; the old one is kept under another name.

use std::iter;

use camino::Utf8Path;
use serde_json::json;

use super::agreement;
use crate::{
    commands::{Error, Outcome, Session, database::Selected},
    postgres::{
        ClusterError, Project,
        change::{
            lease::{self, Lease},
            swap::{self, Swap},
        },
        observe::decide::Contents,
    },
    shell,
};

/// Arguments of `ampup db reset`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The name of the project's directory, to confirm that you mean this database
    #[arg(value_name = "PROJECT")]
    pub name: Option<String>,
    /// Show what would be put aside, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Which project.
    #[command(flatten)]
    pub project: Selected,
}

/// Stops the database and renames it. The next start makes a new one. `--yes` alone is not enough: a name is asked for.
///
/// # Errors
/// When there is none, the name is another, or somebody uses it.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let cluster = args.project.cluster(session)?;
    if !args.dry_run {
        swap::settle(&cluster, session.reporter.as_ref())?;
    }
    let project = cluster.project();
    match cluster.contents()? {
        Contents::Absent | Contents::Empty => return Err(super::url::none(&cluster)),
        // It is nobody's to rename.
        Contents::Foreign { entry } => {
            let cluster = project.cluster();
            return Err(ClusterError::Foreign { cluster, entry }.into());
        }
        Contents::Cluster { .. } | Contents::Damaged { .. } | Contents::Unfinished => {}
    }
    swap::ensure_possible(&cluster)?;
    ensure_meant(args, name(project), session)?;
    if args.dry_run {
        lease::ensure_unused(&cluster)?;
        let place = project.cluster();
        let renamed = format!(
            "`{place}` is kept as `{place}.old-<time>`, for `ampup db restore`; the next start creates an empty one"
        );
        return Ok(Outcome::planned(
            iter::once(renamed).chain(agreement::ending(&cluster)?).collect(),
            json!({ "cluster": place, "aside": null }),
        ));
    }
    agreement::ensure_agreed(&cluster, None, session)?;
    // Nobody is changing it, and no run uses it.
    let reporter = session.reporter.as_ref();
    let _swap = Swap::begin(&cluster, reporter)?;
    let lease = Lease::take(&cluster, reporter)?;
    let aside = match lease.put_aside() {
        Ok(aside) => aside,
        Err(error) => {
            // One that does not start again is told of.
            let _ = lease.resume(reporter);
            return Err(error.into());
        }
    };
    lease.release();
    let talk = vec![
        "the next start creates an empty database".to_owned(),
        super::kept(&aside, &args.project),
    ];
    Ok(Outcome::done(
        talk,
        json!({ "cluster": project.cluster(), "aside": aside }),
    ))
}

/// Ensures that this project's name was given, as an argument or on a terminal, which a dry run does not ask.
fn ensure_meant(args: &Args, name: &str, session: &Session) -> Result<(), Error> {
    let question = format!(
        "This project starts over with an empty database; the old one is kept for `ampup db restore`. Type `{name}` to continue:"
    );
    let given = match (&args.name, session.options.ask_for) {
        (Some(given), _) => Some(given.clone()),
        (None, Some(_)) if args.dry_run => return Ok(()),
        (None, _) => session.ask_for(&question),
    };
    match given {
        Some(given) if given == name => Ok(()),
        Some(given) => Err(Error::Refused {
            message: format!("`{given}` is not this project's name; nothing was changed"),
            hint: format!("`ampup db reset {}`", shell::typed(name)),
        }),
        None => Err(Error::Usage {
            message: "resetting a database needs the name of its project".to_owned(),
            hint: format!("`ampup db reset {}`", shell::typed(name)),
        }),
    }
}

/// The name of the directory that the project is.
fn name(project: &Project) -> &str {
    project
        .amp_dir()
        .parent()
        .and_then(Utf8Path::file_name)
        .unwrap_or("/")
}
