//! The versions that a project pins, and those that `run --with` names, among what is installed. Not a verb itself.

mod chooser;
mod judged;
mod known;
mod plain;
mod postgres;

pub(super) use self::{
    chooser::Chooser,
    judged::all_concerns,
    known::{ensure_known, needed},
    plain::PlainWord,
    postgres::{PostgresPin, database_here},
};
use super::{Error, Session, requests::Request, unbuilt};
use crate::{
    domain::{ComponentName, ComponentSpec, Inventory, TreeName},
    locate::{self, Located, Locator},
    pins::{Pin, Pins},
    postgres::{Cluster, ClusterError, Contents},
    resolve,
};

/// An installed version that is used in place of the active one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// The component.
    pub component: ComponentName,
    /// Its tree.
    pub tree: TreeName,
    /// The reason that it was chosen.
    pub by: Chooser,
}

impl Chosen {
    /// The place where it is.
    ///
    /// # Errors
    /// When it is gone, or nobody can say that it is whole.
    pub(super) fn located(&self, session: &Session) -> Result<Located, Error> {
        let locator = Locator::new(session.layout.home());
        let located = locator.version(&self.component, &self.tree);
        Ok(located.map_err(ClusterError::from)?)
    }
}

/// The versions that the project pins, as far as they are installed, and the pins of which nothing is.
///
/// # Errors
/// When the pins, the home or the registry cannot be read.
pub(super) fn installed<'s>(
    inventory: &Inventory,
    session: &'s Session,
) -> Result<(Vec<Chosen>, Vec<&'s Pin>), Error> {
    let mut chosen = Vec::new();
    let mut missing = Vec::new();
    if let Some(pins) = session.pins()? {
        for pin in &pins.pins {
            let by = Chooser::of_pin(pins, pin);
            let group = Group { by: &by, named: &[] };
            if !choose(&pin.spec(), group, inventory, session, &mut chosen)? {
                missing.push(pin);
            }
        }
    }
    Ok((chosen, missing))
}

/// A line about a pin.
pub(super) struct Line {
    /// The component.
    pub name: ComponentName,
    /// The words.
    pub text: String,
    /// Something that is installed will do.
    pub is_installed: bool,
}

/// A line about each pin of the project.
///
/// # Errors
/// As `installed`.
pub(super) fn lines(inventory: &Inventory, session: &Session) -> Result<Vec<Line>, Error> {
    let Some(pins) = session.pins()? else {
        return Ok(Vec::new());
    };
    let (_, missing) = installed(inventory, session)?;
    let line = |pin: &Pin| {
        let is_installed = !missing.contains(&pin);
        let missing = if is_installed {
            ""
        } else {
            ", which is not installed"
        };
        Line {
            name: pin.name.clone(),
            text: format!(
                "this project uses `{}` ({}){missing}",
                pin.spec(),
                Chooser::of_pin(pins, pin)
            ),
            is_installed,
        }
    };
    Ok(pins.pins.iter().map(line).collect())
}

/// The lines about the pins of the components of which `is_shown` is true.
///
/// # Errors
/// As `installed`.
pub(super) fn talk(
    is_shown: impl Fn(&ComponentName) -> bool,
    inventory: &Inventory,
    session: &Session,
) -> Result<Vec<String>, Error> {
    let lines = lines(inventory, session)?
        .into_iter()
        .filter(|line| is_shown(&line.name));
    Ok(lines
        .map(|line| match line.is_installed {
            true => line.text,
            false => format!("{}: `ampup install`", line.text),
        })
        .collect())
}

/// Every installed version that is used in place of the active one, and the database that it is to serve, if one is.
///
/// # Errors
/// As `chosen` and `serve`. That the pin could not serve the database is said before that nothing of it is installed.
pub(super) fn chosen_for(
    cluster: Option<Cluster>,
    with: &[Request],
    session: &Session,
) -> Result<(Vec<Chosen>, Option<Cluster>), Error> {
    let chosen = chosen(with, session).or_else(|error| {
        let pin = PostgresPin::of_project(session)?.filter(|_| with.is_empty());
        if let (Some(pin), Some(cluster)) = (pin, &cluster)
            && let Contents::Cluster { major } = cluster.contents()?
        {
            pin.ensure_serves_database(major, &format!("`{}`", cluster.project().cluster()), session)?;
        }
        Err(error)
    })?;
    let cluster = cluster
        .map(|cluster| serve(cluster, &chosen, session))
        .transpose()?;
    Ok((chosen, cluster))
}

/// Every installed version that is used in place of the active one: those that `with` names, then those that the project
/// pins.
///
/// # Errors
/// When one of them is not installed.
pub(super) fn chosen(with: &[Request], session: &Session) -> Result<Vec<Chosen>, Error> {
    let pins = session.pins()?;
    if with.is_empty() && pins.is_none() {
        return Ok(Vec::new());
    }
    let inventory = session.inventory()?;
    let with = with
        .iter()
        .map(|request| request.spec(session))
        .collect::<Result<Vec<_>, _>>()?;
    ensure_each_once(&with)?;
    let mut chosen = Vec::new();
    for spec in &with {
        let group = Group {
            by: &Chooser::With,
            named: &with,
        };
        if !choose(spec, group, &inventory, session, &mut chosen)? {
            return Err(Error::NotFound {
                message: format!("`--with {spec}` names a version that is not installed"),
                hint: format!("`ampup install --no-activate {spec}`"),
            });
        }
    }
    let of_project = |pins: &'_ Pins| -> Vec<(Chooser, ComponentSpec)> {
        let pairs = pins
            .pins
            .iter()
            .map(|pin| (Chooser::of_pin(pins, pin), pin.spec()));
        pairs.collect()
    };
    for (by, spec) in pins.map(of_project).unwrap_or_default() {
        let group = Group { by: &by, named: &[] };
        if !choose(&spec, group, &inventory, session, &mut chosen)? {
            return Err(by.not_installed(&spec.name));
        }
    }
    Ok(chosen)
}

/// Ensures that no component is named in two versions, of which one would win.
fn ensure_each_once(with: &[ComponentSpec]) -> Result<(), Error> {
    let twice = with.iter().enumerate().find_map(|(number, spec)| {
        let mut earlier = with[..number].iter();
        Some((
            earlier.find(|earlier| earlier.name == spec.name && *earlier != spec)?,
            spec,
        ))
    });
    match twice {
        None => Ok(()),
        Some((one, other)) => Err(Error::Usage {
            message: format!(
                "`--with` names two versions of {}: `{one}` and `{other}`",
                one.name
            ),
            hint: format!("name one: `ampup run --with {other} -- CMD`"),
        }),
    }
}

/// The reason that a version is chosen, and the specs beside it that come before what merely moves with it.
#[derive(Debug, Clone, Copy)]
struct Group<'a> {
    by: &'a Chooser,
    named: &'a [ComponentSpec],
}

/// Adds what a spec means, unless something before has chosen for the component already. Gives `false` if nothing that is
/// installed will do.
fn choose(
    spec: &ComponentSpec,
    group: Group<'_>,
    inventory: &Inventory,
    session: &Session,
    chosen: &mut Vec<Chosen>,
) -> Result<bool, Error> {
    if chosen.iter().any(|earlier| earlier.component == spec.name) {
        return Ok(true);
    }
    let pins = session.pins()?;
    let trees = resolve::pinned(session.registry()?, inventory, spec);
    let trees = trees.map_err(|error| group.by.refused(error))?;
    let is_found = !trees.is_empty();
    for (component, tree) in trees {
        // What moves with it may be named or have a pin of its own.
        let is_named = group.named.iter().any(|spec| spec.name == component);
        let is_pinned = pins.is_some_and(|pins| pins.of(&component).is_some());
        let has_own = component != spec.name && (is_named || is_pinned);
        if !has_own && chosen.iter().all(|earlier| earlier.component != component) {
            let by = group.by.clone();
            chosen.push(Chosen { component, tree, by });
        }
    }
    Ok(is_found)
}

/// Those of the named components that the project pins and of which no version is active: all that can be said of them is
/// what the pin means.
///
/// # Errors
/// When the pins cannot be read.
pub(super) fn inactive<'n>(
    names: &'n [ComponentName],
    inventory: &Inventory,
    session: &Session,
) -> Result<Vec<&'n ComponentName>, Error> {
    let Some(pins) = session.pins()? else {
        return Ok(Vec::new());
    };
    let is_active = |name: &ComponentName| inventory.active.components.contains_key(name);
    let found = names
        .iter()
        .filter(|name| pins.of(name).is_some() && !is_active(name));
    Ok(found.collect())
}

/// Ensures that of each named component that the project pins a version is active: only what is active is updated.
///
/// # Errors
/// When none is active; what is pinned may be installed or not.
pub(super) fn ensure_active(
    names: &[ComponentName],
    inventory: &Inventory,
    session: &Session,
) -> Result<(), Error> {
    let Some(pins) = session.pins()?.filter(|_| !names.is_empty()) else {
        return Ok(());
    };
    let registry = session.registry()?;
    let inactive = inactive(names, inventory, session)?;
    if let Some(pin) = inactive.into_iter().find_map(|name| pins.of(name)) {
        let by = Chooser::of_pin(pins, pin);
        let trees = resolve::pinned(registry, inventory, &pin.spec()).map_err(|error| by.refused(error))?;
        let tree = trees.into_iter().find(|(name, _)| *name == pin.name);
        let Some((component, tree)) = tree else {
            return Err(by.not_installed(&pin.name));
        };
        let chosen = Chosen { component, tree, by };
        let (name, tree) = (&chosen.component, &chosen.tree);
        return Err(Error::NotFound {
            message: format!(
                "no version of {name} is active; this project pins `{}`",
                pin.requirement
            ),
            hint: match chosen.raised(session)? {
                Some(raised) => raised,
                None => session.use_command(name, tree, inventory)?,
            },
        });
    }
    Ok(())
}

/// The commands after which a database and the PostgreSQL that was chosen for it fit together.
pub(super) fn way_out(major: u64, chosen: u64, by: &Chooser, session: &Session) -> String {
    let upgrade = (chosen > major && !unbuilt::is_so(chosen, session))
        .then(|| format!("`ampup db upgrade --to {chosen}` moves the database"));
    let other = match by {
        Chooser::With => Some("`--no-db` runs the command without it".to_owned()),
        // No pin helps that cannot be installed.
        Chooser::Pin { .. } if unbuilt::is_so(major, session) => None,
        Chooser::Pin { .. } => Some(format!(
            "`ampup pin {}` changes the pin",
            by.repinned(major, session)
        )),
    };
    match (upgrade, other) {
        (Some(upgrade), Some(other)) => format!("{upgrade}, or {other}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => unbuilt::hint(major, session).unwrap_or_default(),
    }
}

/// The PostgreSQL that was chosen, and by what.
///
/// # Errors
/// When it is gone, or nobody can say that it is whole.
pub(super) fn postgres<'c>(
    chosen: &'c [Chosen],
    session: &Session,
) -> Result<Option<(Located, &'c Chooser)>, Error> {
    let postgres = chosen
        .iter()
        .find(|chosen| chosen.component == locate::postgres());
    postgres
        .map(|chosen| Ok((chosen.located(session)?, &chosen.by)))
        .transpose()
}

/// The cluster served by the PostgreSQL that was chosen for it, if one was.
///
/// # Errors
/// When the cluster is of another major, which rules; or as `postgres`.
pub(super) fn serve(cluster: Cluster, chosen: &[Chosen], session: &Session) -> Result<Cluster, Error> {
    let Some((programs, by)) = postgres(chosen, session)? else {
        return Ok(cluster);
    };
    if let Contents::Cluster { major } = cluster.contents()?
        && major != programs.major()
    {
        let shown = locate::shown(&programs.component, &programs.name);
        let directory = cluster.project().cluster();
        return Err(Error::Refused {
            message: format!(
                "the database in `{directory}` is of PostgreSQL {major}, and {by} chooses postgres {shown}, which cannot \
                 serve it"
            ),
            hint: way_out(major, programs.major(), by, session),
        });
    }
    Ok(cluster.with_programs(programs))
}
