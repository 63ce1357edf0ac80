//! `ampup prune`: away with what serves nobody.

use std::{collections::BTreeSet, fmt::Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

use super::{Error, Outcome, Session, requests};
use crate::{
    domain::{ComponentName, Inventory, TreeName},
    event::{counted, sized},
    fs::link,
    postgres::{ClusterError, identity, projects::Projects},
    prune::{self, Waste},
    remove::{self, RemoveError},
    shell,
};

/// Arguments of `ampup prune`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// Components whose inactive versions are removed too
    #[arg(value_parser = requests::name)]
    pub names: Vec<ComponentName>,
    /// Remove this old cluster, backup or log of a project too, such as `.amp/metadb.old-20260101T000000Z`
    #[arg(long = "remove", alias = "kept", value_name = "PATH", value_parser = requests::path(), value_hint = clap::ValueHint::AnyPath)]
    pub kept: Vec<Utf8PathBuf>,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Removes downloads, cluster templates of removed versions, leftovers of killed commands, and generations beyond the
/// newest ten. Installed versions stay, unless they are inactive and their component is named. Of projects, the old
/// clusters, backups and logs are listed, and only those go that are named; their clusters are never touched. Projects that
/// were removed are forgotten.
///
/// # Errors
/// When a named component is not installed, a named path is nothing that may go, or the home cannot be written.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let inventory = session.inventory()?;
    for name in &args.names {
        if inventory.trees(name).is_empty() {
            return Err(Error::NotFound {
                message: format!("{name} is not installed"),
                hint: "`ampup list --all` shows what is installed".to_owned(),
            });
        }
    }
    let projects = Projects::new(&session.layout, &session.env);
    let known = prune::kept(&projects.read());
    let named = named(&args.kept, &known, session)?;
    let mut waste = prune::find(&session.layout, &inventory);
    waste.extend(named.iter().cloned());
    let trees = inactive(&args.names, &inventory, session);
    tell_of_kept(&known, &named, session);
    let forgotten = forget(&projects, args.dry_run, session);
    if args.dry_run || (waste.is_empty() && trees.is_empty()) {
        let mut outcome = show(&waste, &trees, args.dry_run, session)?;
        outcome.json["forgotten"] = json!(forgotten);
        return Ok(outcome);
    }
    let seen = waste;
    let store = session.lock_store()?;
    // Look again: what was waste may be in use now; and what killed commands left went with taking the lock.
    let inventory = session.inventory()?;
    let waste = prune::find(&session.layout, &inventory);
    let swept = |waste: &Waste| waste.path.symlink_metadata().is_err();
    let seen: Vec<Waste> = seen.into_iter().filter(swept).collect();
    let waste: Vec<Waste> = seen.into_iter().chain(waste).chain(named).collect();
    let trees = inactive(&args.names, &inventory, session);
    let mut talk = Vec::new();
    let mut bytes = 0;
    let mut removed = Vec::new();
    for waste in &waste {
        prune::remove(waste, &session.layout).map_err(|source| Error::Store {
            action: "clean",
            source,
        })?;
        bytes += waste.bytes;
        removed.push(json!({"path": waste.path, "what": waste.what, "bytes": waste.bytes}));
    }
    for (component, tree) in &trees {
        let path = session.layout.tree(component, tree);
        let size = prune::size(&path);
        remove::remove(
            &session.layout,
            &inventory,
            &[(component.clone(), tree.clone())],
            &session.command,
            &store,
        )?;
        bytes += size;
        talk.push(format!(
            "removed {component} {}",
            session.style(component)?.show(tree.version())
        ));
        removed.push(json!({"path": path, "what": "inactive version", "bytes": size}));
    }
    let items = counted(waste.len() + trees.len(), "unused item");
    talk.push(format!("removed {items} ({})", sized(bytes)));
    let json = json!({ "removed": removed, "bytes": bytes, "forgotten": forgotten });
    Ok(Outcome::done(talk, json))
}

/// Drops the projects that were removed from the record of projects, and gives them.
fn forget(projects: &Projects, dry_run: bool, session: &Session) -> BTreeSet<Utf8PathBuf> {
    let gone = projects.gone();
    if gone.is_empty() {
        return gone;
    }
    let number = counted(gone.len(), "removed project");
    if dry_run {
        session.note(format!("{number} would be forgotten"));
    } else if let Err(cause) = projects.forget(&gone) {
        session.warn(format!("{number} cannot be forgotten: {cause}"));
        return BTreeSet::new();
    } else {
        session.note(format!("{number} forgotten"));
    }
    gone
}

/// The paths that the user named, each of which must be one of those that projects keep.
fn named(paths: &[Utf8PathBuf], known: &[Waste], session: &Session) -> Result<Vec<Waste>, Error> {
    let here = session.env.current_dir().unwrap_or(Utf8Path::new("/"));
    let find = |path: &Utf8PathBuf| {
        let path = here.join(path);
        // By its directory: the last name is not followed, so that a link is no other's name.
        let real = path.parent().and_then(|parent| link::real(parent).ok());
        let real = real.zip(path.file_name()).map(|(parent, name)| parent.join(name));
        let found = known.iter().find(|waste| Some(&waste.path) == real.as_ref());
        found.cloned().ok_or_else(|| Error::NotFound {
            message: format!("`{path}` is not an old cluster, backup or log of a known project"),
            hint: "`ampup prune --dry-run` lists them".to_owned(),
        })
    };
    let is_free = |waste: Waste| match identity::servers_of(&waste.path) {
        Ok(servers) if servers.is_empty() => Ok(waste),
        Ok(servers) => Err(Error::from(ClusterError::InUse {
            cluster: waste.path,
            holder: format!("process {}", servers[0].pid),
        })),
        Err(cause) => Err(RemoveError::Unlisted(cause).into()),
    };
    paths.iter().map(|path| find(path).and_then(is_free)).collect()
}

/// Lists what projects keep and nobody named.
fn tell_of_kept(known: &[Waste], named: &[Waste], session: &Session) {
    for waste in known.iter().filter(|waste| !named.contains(waste)) {
        let size = sized(waste.bytes);
        session.note(format!(
            "kept: `{}` ({}, {size}); `ampup prune --remove {}` removes it",
            waste.path,
            waste.what,
            shell::typed(waste.path.as_str())
        ));
    }
}

/// The inactive versions of the named components; but not the last PostgreSQL of a major that a known project needs.
fn inactive(
    names: &[ComponentName],
    inventory: &Inventory,
    session: &Session,
) -> Vec<(ComponentName, TreeName)> {
    let projects = Projects::new(&session.layout, &session.env);
    let mut doomed = Vec::new();
    for name in names {
        // From the lowest up, so that of several which would do for a project the highest stays.
        for tree in prune::inactive(name, &session.layout, inventory) {
            doomed.push(tree);
            if remove::check_needed(inventory, &doomed, &projects).is_err() {
                doomed.pop();
            }
        }
    }
    doomed
}

fn show(
    waste: &[Waste],
    trees: &[(ComponentName, TreeName)],
    dry_run: bool,
    session: &Session,
) -> Result<Outcome, Error> {
    let mut data = String::new();
    let mut bytes = 0;
    let mut rows = Vec::new();
    let versions = trees.iter().map(|(component, tree)| {
        let path = session.layout.tree(component, tree);
        let bytes = prune::size(&path);
        Waste {
            path,
            what: "inactive version",
            bytes,
        }
    });
    for waste in waste.iter().cloned().chain(versions) {
        bytes += waste.bytes;
        let _ = writeln!(data, "{}: {}, {}", waste.path, waste.what, sized(waste.bytes));
        rows.push(json!({"path": waste.path, "what": waste.what, "bytes": waste.bytes}));
    }
    let talk = if rows.is_empty() {
        vec!["nothing to remove".to_owned()]
    } else {
        vec![format!(
            "would remove {} ({})",
            counted(rows.len(), "unused item"),
            sized(bytes)
        )]
    };
    let json = if dry_run {
        json!({ "dry_run": true, "would_remove": rows, "bytes": bytes })
    } else {
        json!({ "removed": [], "bytes": 0 })
    };
    Ok(Outcome {
        talk,
        ..Outcome::prose(data, json)
    })
}
