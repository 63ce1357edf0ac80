//! `ampup pin`: the versions that a project uses.

use semver::Version;
use serde_json::json;

use super::{
    Error, Outcome, Session,
    installed::OF_ANOTHER_REGISTRY,
    pinned::{self, Chooser, PlainWord},
    requests::{self, Request},
    unbuilt,
};
use crate::{
    domain::{ComponentName, ComponentSpec, Inventory, Requirement, TreeName, version::local_name},
    locate,
    pins::{FILE, Pins},
    postgres::projects::Projects,
    resolve::{self, ResolveError},
    self_install,
};

/// Arguments of `ampup pin`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// The components to pin: `postgres@18`, or `postgres` for the exact version that is active [default: everything active]
    #[arg(value_name = "SPEC", value_parser = requests::version_or_component("ampup pin postgres@18"))]
    pub what: Vec<Request>,
    /// Accept a range that matches no version in the registry
    #[arg(long)]
    pub force: bool,
    /// Show what would be written, and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Writes versions into the project's `ampup.toml`, the nearest here or above, or a new one here, and shows its pins. What
/// else the file says stays, with its comments and its order.
///
/// # Errors
/// When a component is named without a version and is not active, or none that serves the database here is installed, what is
/// named has no version in the registry or is ampup itself, or the file cannot be written.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let mut specs = specs(args, session)?;
    let moved = add_their_groups(&mut specs, args, session)?;
    let path = match session.pins()? {
        Some(pins) => pins.path.clone(),
        None => session
            .env
            .current_dir()
            .ok_or_else(|| Error::Usage {
                message: "the working directory is gone, or its path is not UTF-8".to_owned(),
                hint: "`cd` into the project".to_owned(),
            })?
            .join(FILE),
    };
    let before = session.pins()?.map(|pins| pins.pins.clone()).unwrap_or_default();
    let pins = if args.dry_run {
        Pins::planned(&path, &specs)?
    } else {
        let pins = Pins::write(&path, &specs)?;
        // Only a memory aid, as for a database.
        let _ = Projects::new(&session.layout, &session.env).add_pinned(&path);
        pins
    };
    let is_refused = warn_of_another_major(&pins, session);
    let width = pins.pins.iter().map(|pin| pin.name.as_str().len()).max();
    let width = width.unwrap_or_default();
    let lines = pins
        .pins
        .iter()
        .map(|pin| format!("{:width$} {}\n", pin.name, pin.requirement));
    let rows: Vec<_> = pins
        .pins
        .iter()
        .map(|pin| json!({ "name": pin.name, "requirement": pin.requirement, "line": pin.line }))
        .collect();
    let talk = if args.dry_run {
        format!("`{path}` would pin this")
    } else {
        format!("`{path}` pins this; `ampup install` installs what is missing")
    };
    // Where the pin cannot serve the database, that was told.
    let plain = PlainWord::of_pins(&pins, session).filter(|_| !is_refused);
    let changed = before.iter().filter_map(|old| {
        let now = &pins.of(&old.name)?.requirement;
        let with = moved.iter().find(|(moved, _)| *moved == old.name);
        let why = with.map_or_else(String::new, |(_, with)| format!("; it moves with {with}"));
        (*now != old.requirement).then(|| format!("{}: it was `{}`{why}", old.name, old.requirement))
    });
    Ok(Outcome {
        talk: changed.chain([talk]).chain(plain).collect(),
        ..Outcome::answer(
            lines.collect::<String>(),
            json!({ "path": path, "pins": rows, "dry_run": args.dry_run }),
        )
    })
}

/// Warns where the project's database is of a major that the pinned PostgreSQL does not serve. Gives `true` if so.
fn warn_of_another_major(pins: &Pins, session: &Session) -> bool {
    let pin = pins.pins.iter().find(|pin| pin.name == locate::postgres());
    let chosen = pin.and_then(|pin| Some((pin, pin.requirement.major()?)));
    let (Some((pin, chosen)), Some((place, major))) = (chosen, pinned::database_here(session)) else {
        return false;
    };
    if chosen != major {
        let way_out = pinned::way_out(major, chosen, &Chooser::of_pin(pins, pin), session);
        session.warn(format!(
            "the database in {place} is of PostgreSQL {major}, which this pin does not serve: {way_out}"
        ));
    }
    chosen != major
}

/// The specs that are named; a name alone means the exact version that is active.
fn specs(args: &Args, session: &Session) -> Result<Vec<ComponentSpec>, Error> {
    let mut specs = requests::specs(&args.what, session)?;
    let inventory = session.inventory()?;
    if specs.is_empty() {
        let mut elsewhere = Vec::new();
        for (name, tree) in &inventory.active.components {
            if *name == self_install::name() {
                continue;
            }
            if local_name(tree.version()).is_some() {
                session.warn(format!("{name} is not pinned: {}", of_this_machine(name)));
                continue;
            }
            if session.registry()?.component(name).is_none() {
                elsewhere.push(name.as_str());
                continue;
            }
            specs.push(ComponentSpec {
                name: name.clone(),
                requirement: None,
            });
        }
        let elsewhere = match &elsewhere[..] {
            [] => None,
            [one] => Some(format!("{one} is not pinned: {OF_ANOTHER_REGISTRY}")),
            more => Some(format!(
                "{} are not pinned: this registry has no components of those names",
                more.join(", ")
            )),
        };
        if specs.is_empty() {
            return Err(Error::NotFound {
                message: "nothing is active that could be pinned".to_owned(),
                hint: match elsewhere {
                    None => format!("`ampup pin postgres@{}`", installed_postgres(&inventory)),
                    Some(_) => {
                        "name the registry that has what is active: `ampup pin --registry FILE`".to_owned()
                    }
                },
            });
        }
        if let Some(line) = elsewhere {
            session.note(line);
        }
    }
    for spec in &mut specs {
        if spec.name == self_install::name() {
            return Err(Error::Refused {
                message: "ampup is what reads `ampup.toml`, which cannot choose its version".to_owned(),
                hint: "`AMPUP_VERSION` names the version that install.sh installs".to_owned(),
            });
        }
        session.component(&spec.name)?;
        if spec.requirement.as_ref().is_some_and(Requirement::is_local) {
            session.warn(format!("`{spec}` is a build of this machine, which no other has"));
        }
        if spec.requirement.is_some() {
            let plan = resolve::install(
                session.registry()?,
                &inventory,
                &session.host()?,
                std::slice::from_ref(spec),
            );
            match plan {
                // An exact one may be its builders' alone, whom `ampup install` asks.
                Err(refused @ ResolveError::NoSuchVersion { .. })
                    if !args.force && !spec.requirement.as_ref().is_some_and(Requirement::is_exact) =>
                {
                    return Err(Error::NotFound {
                        message: refused.to_string(),
                        hint: format!(
                            "`ampup info {}` lists every version; `ampup pin {spec} --force` pins it all the same",
                            spec.name
                        ),
                    });
                }
                // What does not run here may run elsewhere.
                Err(refused) => session.warn(refused.to_string()),
                Ok(_) => {}
            }
            continue;
        }
        let active = inventory.active.components.get(&spec.name);
        if let Some(version) = of_database(spec, active, &inventory, session)? {
            spec.requirement = Some(Requirement::Exact(version));
            continue;
        }
        if active.is_some_and(|tree| local_name(tree.version()).is_some()) {
            return Err(Error::Refused {
                message: of_this_machine(&spec.name),
                hint: format!("name a version: `ampup list --available {}`", spec.name),
            });
        }
        let tree = active.and_then(|tree| inventory.tree(&spec.name, tree));
        let origin = tree.and_then(|tree| tree.origin.as_ref());
        let version = origin
            .map(|origin| origin.version.clone())
            .ok_or_else(|| Error::NotFound {
                message: format!("no version of {} is active", spec.name),
                hint: format!("name one: `ampup pin {}@VERSION`", spec.name),
            })?;
        spec.requirement = Some(Requirement::Exact(version));
    }
    Ok(specs)
}

/// The newest installed PostgreSQL, which can be pinned without being active, or else a major.
fn installed_postgres(inventory: &Inventory) -> String {
    let newest = inventory.best(&locate::postgres(), |origin| {
        local_name(&origin.version).is_none()
    });
    newest.map_or_else(|| "18".to_owned(), |(_, newest)| newest.version.to_string())
}

/// Adds the components that move together with those of the specs, at the same version: each that is pinned already, and all
/// where a version alone was named. Gives each with the one that it moves with.
///
/// # Errors
/// When two components that move together are named in different versions.
fn add_their_groups(
    specs: &mut Vec<ComponentSpec>,
    args: &Args,
    session: &Session,
) -> Result<Vec<(ComponentName, ComponentName)>, Error> {
    let (registry, pins) = (session.registry()?, session.pins()?);
    let mut moved = Vec::new();
    for spec in specs.clone() {
        let is_for_all = spec
            .requirement
            .as_ref()
            .is_some_and(|requirement| args.what.contains(&Request::Version(requirement.clone())));
        let group = registry.group_of(&spec.name).into_iter();
        for name in group
            .map(|member| &member.name)
            .filter(|name| **name != spec.name)
        {
            let is_pinned = pins.is_some_and(|pins| pins.of(name).is_some());
            match specs.iter().find(|other| other.name == *name) {
                Some(other) if other.requirement != spec.requirement => {
                    return Err(Error::Usage {
                        message: format!(
                            "{} and {name} move together, and were named as `{spec}` and `{other}`",
                            spec.name
                        ),
                        hint: format!("name one version: `ampup pin {spec}`"),
                    });
                }
                None if is_for_all || is_pinned => {
                    moved.push((name.clone(), spec.name.clone()));
                    specs.push(ComponentSpec {
                        name: name.clone(),
                        ..spec.clone()
                    });
                }
                Some(_) | None => {}
            }
        }
    }
    Ok(moved)
}

/// The newest installed PostgreSQL of the major that the database here is of, where the active one is of another.
///
/// # Errors
/// When none of that major is installed.
fn of_database(
    spec: &ComponentSpec,
    active: Option<&TreeName>,
    inventory: &Inventory,
    session: &Session,
) -> Result<Option<Version>, Error> {
    let Some((place, major)) = pinned::database_here(session).filter(|_| spec.name == locate::postgres())
    else {
        return Ok(None);
    };
    if active.is_some_and(|active| active.version().major == major) {
        return Ok(None);
    }
    let newest = inventory.best(&spec.name, |origin| {
        origin.version.major == major && local_name(&origin.version).is_none()
    });
    let Some((tree, newest)) = newest else {
        return Err(Error::Refused {
            message: format!(
                "the database in {place} is of PostgreSQL {major}, of which no version is installed"
            ),
            hint: unbuilt::hint(major, session)
                .unwrap_or_else(|| format!("`ampup pin postgres@{major}`, then `ampup install`")),
        });
    };
    let shown = session.shown(&spec.name, &tree.name, inventory)?;
    session.note(format!(
        "postgres {shown} is pinned, because the database in {place} is of PostgreSQL {major}"
    ));
    Ok(Some(newest.version.clone()))
}

fn of_this_machine(name: &ComponentName) -> String {
    format!("the active {name} is a build of this machine, which no other has")
}
