//! `ampup link`: a build on this machine as a version.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Error, Outcome, Session, how::How, installation, requests};
use crate::{
    domain::{
        Component, ComponentName,
        component::Acceptance,
        version::{LOCAL, local_name},
    },
    fs::{entries, link},
    install::{self, LocalBuild},
    locate, shell,
};

/// Arguments of `ampup link`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The component that it is a build of
    #[arg(value_parser = requests::name)]
    pub name: ComponentName,
    /// An executable, or a directory with the executables (or with a `bin` that has them)
    #[arg(value_name = "PATH", value_parser = requests::path(), value_hint = clap::ValueHint::AnyPath)]
    pub path: Utf8PathBuf,
    /// Show what would be linked, and link nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Runs a local build and makes it a version, `local-…`, which `ampup use` activates. Its files stay where they are, and
/// what is built there next is what runs.
///
/// # Errors
/// When the component's executables are not there, or do not run here.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let component = session.component(&args.name)?;
    let path = super::session::absolute(&session.env, &args.path)?;
    let directory = directory(component, &path)?;
    let build = LocalBuild {
        component,
        name: name(&directory),
        executables: executables(component, &path, &directory)?,
        directory,
    };
    let (name, directory) = (&build.name, &build.directory);
    let mut data = json!({
        "name": component.name, "version": name, "directory": directory, "dry_run": args.dry_run,
        "executables": build.executables.iter().map(|(name, _)| name).collect::<Vec<_>>(),
    });
    // Of a file, no other in its directory is meant.
    let linked = match &build.executables[..] {
        [(_, file)] => file,
        _ => directory,
    };
    if args.dry_run {
        let line = format!("link `{linked}` as {} {name}", component.name);
        return Ok(Outcome::planned(vec![line], data));
    }
    let printed = installation::at_work(&How::default(), session.registry()?, session, |context| {
        install::link(&build, context)
    })?;
    // The server's version is PostgreSQL's.
    let first = match component.acceptance {
        Acceptance::Postgres => locate::postgres().to_string(),
        Acceptance::Version => build.executables[0].0.clone(),
    };
    let inventory = session.inventory()?;
    let mut linked_trees = inventory.trees(&component.name).iter().map(|tree| &tree.name);
    let tree = linked_trees.find(|tree| local_name(tree.version()) == Some(name));
    data["version"] = json!(tree);
    let talk = vec![
        format!(
            "linked `{linked}` as {} {name}: `{first} --version` prints `{}`",
            component.name,
            printed.escape_debug()
        ),
        format!("`ampup use {}@{name}` makes it the active one", component.name),
    ];
    Ok(Outcome::done(talk, data))
}

/// The directory that the executables lie in.
fn directory(component: &Component, path: &Utf8Path) -> Result<Utf8PathBuf, Error> {
    let real = link::real(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Error::NotFound {
            message: format!("`{path}` does not exist"),
            hint: format!(
                "build it first, or name the directory that `{}` was built in",
                component.executables.join("` and `"),
            ),
        },
        _ => Error::File {
            path: path.to_owned(),
            source,
        },
    })?;
    if real.is_dir() {
        let bin = real.join("bin");
        let has = |directory: &Utf8Path| {
            component
                .executables
                .iter()
                .all(|name| file(directory, name).is_file())
        };
        return Ok(if has(&bin) { bin } else { real });
    }
    match &component.executables[..] {
        [_] => Ok(real.parent().unwrap_or(&real).to_owned()),
        names => Err(Error::Usage {
            message: format!(
                "`{path}` is a file, and {} has {} executables",
                component.name,
                names.len()
            ),
            hint: "name the directory that they lie in".to_owned(),
        }),
    }
}

/// The name of a build in this directory: the same each time, and for all components that are built there.
fn name(directory: &Utf8Path) -> String {
    let digest = Sha256::digest(directory.as_str());
    format!("{LOCAL}{}", &hex::encode(digest)[..7])
}

/// The executables to link: the component's; of a PostgreSQL, all that lie beside them too.
fn executables(
    component: &Component,
    path: &Utf8Path,
    directory: &Utf8Path,
) -> Result<Vec<(String, Utf8PathBuf)>, Error> {
    let mut found = Vec::new();
    for name in &component.executables {
        let place = if path.is_dir() {
            file(directory, name)
        } else {
            link::real(path).unwrap_or_else(|_| path.to_owned())
        };
        if !place.is_file() {
            return Err(Error::NotFound {
                message: format!("{} needs `{name}`, and `{directory}` has none", component.name),
                hint: hint_at_build(component, path),
            });
        }
        found.push((name.clone(), place));
    }
    if component.acceptance == Acceptance::Postgres {
        for place in entries(directory) {
            if let Some(name) = place.file_name()
                && place.is_file()
                && found.iter().all(|(known, _)| known != name)
            {
                found.push((name.to_owned(), place.clone()));
            }
        }
    }
    Ok(found)
}

/// The command that links what was built below a directory, by cargo or else as it was named.
fn hint_at_build(component: &Component, path: &Utf8Path) -> String {
    let name = &component.name;
    let link = |directory: &Utf8Path| format!("`ampup link {name} {}`", shell::typed(directory.as_str()));
    let is_built = |directory: &Utf8PathBuf| {
        let mut executables = component.executables.iter();
        executables.all(|name| file(directory, name).is_file())
    };
    let directories = ["debug", "release", "target/debug", "target/release"].map(|below| path.join(below));
    match directories.iter().find(|directory| is_built(directory)) {
        Some(directory) => link(directory),
        None if path.join("Cargo.toml").is_file() => {
            format!("`cargo build` there, then {}", link(&path.join("target/debug")))
        }
        None => format!("build it, then {}", link(path)),
    }
}

fn file(directory: &Utf8Path, name: &str) -> Utf8PathBuf {
    directory.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}
