//! `ampup prune`: away with what serves nobody.

use std::{collections::BTreeSet, fmt::Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

use super::{Error, Outcome, Session, database, pinned, requests};
use crate::{
    domain::{ComponentName, Inventory, TreeName},
    event::{counted, sized},
    fs::link,
    postgres::{ClusterError, Project, change::swap, enclosing, identity, projects::Projects},
    prune::{self, Waste},
    remove::{self, RemoveError},
    shell,
    store::{directories, in_use},
};

/// Arguments of `ampup prune`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// Also remove the inactive versions of these components
    #[arg(value_parser = requests::name)]
    pub names: Vec<ComponentName>,
    /// Also remove these, named by path or by name: an old database (such as `metadb.old-20260101T000000Z`), a backup or log
    /// of a project, or a home whose link was removed
    #[arg(long = "remove", alias = "kept", value_name = "NAME", num_args = 1.., value_parser = requests::path(), value_hint = clap::ValueHint::AnyPath)]
    pub kept: Vec<Utf8PathBuf>,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Removes downloads, cluster templates of removed versions, generations beyond the newest ten, leftovers of killed commands
/// in the home and in projects, and directories for the sockets of servers that are gone. Installed versions stay, unless they
/// are inactive and their component is named. Of projects, the old databases, backups and logs are listed, and only those go
/// that are named; their clusters are never touched. Projects that were removed are forgotten.
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
    let projects = database::projects(session);
    if !args.names.is_empty() {
        remove::ensure_projects_known(&projects)?;
        pinned::ensure_known(session)?;
    }
    let amp_dirs = known(&projects, session);
    let ours = prune::of_this_user(&amp_dirs);
    let mut kept = prune::kept(&ours);
    kept.extend(prune::gone_homes(&session.env));
    let mut outside = prune::left_in_projects(&ours);
    outside.extend(prune::left_outside(&session.layout, &session.env, &amp_dirs));
    let named = named(&args.kept, &kept, session)?;
    kept.retain(|waste| !named.contains(waste));
    outside.extend(named);
    let unsettled = prune::unsettled(&ours);
    let (trees, spared) = inactive(&args.names, &inventory, session)?;
    let waste = prune::find(&session.layout, &without(&inventory, &trees));
    let mut told: Vec<String> = spared.iter().map(|why| format!("kept: {why}")).collect();
    // Whoever names one has seen them.
    let listed = if args.kept.is_empty() {
        kept_lines(&kept)
    } else {
        Vec::new()
    };
    let forgotten = forget(&projects, args.dry_run, session);
    let is_told = !listed.is_empty() || !forgotten.is_empty();
    told.extend(listed);
    told.extend(forgotten_line(forgotten.len(), args.dry_run));
    let is_nothing = waste.is_empty() && trees.is_empty() && outside.is_empty() && unsettled.is_empty();
    let mut outcome = if args.dry_run || is_nothing {
        let unsettled = unsettled.into_iter().map(|(_, waste)| waste);
        let all: Vec<Waste> = waste.into_iter().chain(outside).chain(unsettled).collect();
        show(&all, &trees, args.dry_run, session)?
    } else {
        let mut removal = Removal::default();
        removal.outside(&outside)?;
        removal.unsettled(unsettled, session)?;
        if !waste.is_empty() || !trees.is_empty() {
            removal.home(waste, &args.names, session)?;
        }
        removal.outcome()
    };
    if is_nothing && is_told {
        outcome.talk = vec!["nothing else to remove".to_owned()];
    }
    told.append(&mut outcome.talk);
    told.extend(removable(&args.names, &inventory, session));
    outcome.talk = told;
    outcome.json["forgotten"] = json!(forgotten);
    outcome.json["kept"] = kept.iter().map(row).collect();
    Ok(outcome)
}

/// The Amp directories that were written down, and the one here.
fn known(projects: &Projects, session: &Session) -> BTreeSet<Utf8PathBuf> {
    let mut amp_dirs = projects.read();
    if let Ok((here, _)) = enclosing::find(&session.env, None) {
        amp_dirs.insert(here.amp_dir().to_owned());
    }
    amp_dirs
}

fn row(waste: &Waste) -> Value {
    json!({"path": waste.path, "what": waste.what, "bytes": waste.bytes})
}

/// The path as a person reads it: with the first digits of a digest.
fn shown(path: &Utf8Path) -> String {
    let part = |part: &str| {
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        match part.split_at(digits) {
            (digest, rest) if digits >= 32 => format!("{}…{rest}", &digest[..8]),
            _ => part.to_owned(),
        }
    };
    path.as_str().split('-').map(part).collect::<Vec<_>>().join("-")
}

/// Everything that was removed so far.
#[derive(Debug, Default)]
struct Removal {
    talk: Vec<String>,
    items: usize,
    bytes: u64,
    removed: Vec<Value>,
}

impl Removal {
    fn add(&mut self, waste: &Waste) {
        if waste.what != INACTIVE {
            self.talk.push(format!(
                "removed `{}` ({}, {})",
                shown(&waste.path),
                waste.what,
                sized(waste.bytes)
            ));
        }
        self.items += 1;
        self.bytes += waste.bytes;
        self.removed.push(row(waste));
    }

    /// Removes what lies in projects and elsewhere.
    fn outside(&mut self, outside: &[Waste]) -> Result<(), Error> {
        for waste in outside {
            prune::remove_outside(waste).map_err(|source| Error::File {
                path: waste.path.clone(),
                source,
            })?;
            self.add(waste);
        }
        Ok(())
    }

    /// Finishes or clears away what killed changes of databases left.
    fn unsettled(&mut self, unsettled: Vec<(Project, Waste)>, session: &Session) -> Result<(), Error> {
        for (project, waste) in unsettled {
            swap::settle(&database::open(&project, session), session.reporter.as_ref())?;
            self.add(&waste);
        }
        Ok(())
    }

    /// Removes what lies in the home, with the inactive versions of the named components.
    fn home(&mut self, seen: Vec<Waste>, names: &[ComponentName], session: &Session) -> Result<(), Error> {
        let store = session.lock_store()?;
        // Look again: what was waste may be in use now; and what killed commands left went with taking the lock.
        let inventory = session.inventory()?;
        let swept = seen
            .into_iter()
            .filter(|waste| waste.path.symlink_metadata().is_err());
        let doomed = inactive(names, &inventory, session)?.0;
        let found = prune::find(&session.layout, &without(&inventory, &doomed));
        let waste: Vec<Waste> = swept.chain(found).collect();
        for waste in &waste {
            prune::remove(waste, &session.layout).map_err(|source| Error::Store {
                action: "clean",
                source,
            })?;
            self.add(waste);
        }
        for (component, tree) in doomed {
            let waste = tree_of(&component, &tree, session);
            let shown = session.shown(&component, &tree, &inventory)?;
            let doomed = [(component.clone(), tree)];
            remove::remove(&session.layout, &inventory, &doomed, &session.command, &store)?;
            self.talk.push(format!("removed {component} {shown}"));
            self.add(&waste);
        }
        Ok(())
    }

    fn outcome(mut self) -> Outcome {
        let items = counted(self.items, "unused item");
        self.talk.push(format!("removed {items} ({})", sized(self.bytes)));
        Outcome::done(self.talk, json!({ "removed": self.removed, "bytes": self.bytes }))
    }
}

/// The description of an installed version.
const INACTIVE: &str = "inactive version";

/// An installed version, as an item.
fn tree_of(component: &ComponentName, tree: &TreeName, session: &Session) -> Waste {
    let path = session.layout.tree(component, tree);
    Waste {
        bytes: prune::size(&path),
        path,
        what: INACTIVE,
    }
}

/// Drops the projects that were removed from the record of projects, and gives them.
fn forget(projects: &Projects, dry_run: bool, session: &Session) -> BTreeSet<Utf8PathBuf> {
    let gone = projects.gone();
    if gone.is_empty() {
        return gone;
    }
    if !dry_run && let Err(cause) = projects.forget(&gone) {
        // In another's home, they are its owner's to forget.
        if directories::ensure_writable(&session.layout).is_err() {
            return BTreeSet::new();
        }
        let number = counted(gone.len(), REMOVED_PROJECT);
        session.warn(format!("{number} cannot be forgotten: {cause}"));
        return BTreeSet::new();
    }
    gone
}

/// A project whose directory is gone.
const REMOVED_PROJECT: &str = "removed project";

/// Says how many projects were forgotten, if any.
fn forgotten_line(number: usize, dry_run: bool) -> Option<String> {
    let verb = if dry_run {
        "would be forgotten"
    } else {
        "forgotten"
    };
    (number > 0).then(|| format!("{} {verb}", counted(number, REMOVED_PROJECT)))
}

/// The items that the user named by path or by name, each of which must be one that is kept.
fn named(names: &[Utf8PathBuf], known: &[Waste], session: &Session) -> Result<Vec<Waste>, Error> {
    names
        .iter()
        .map(|name| find(name, known, session).and_then(ensure_free))
        .collect()
}

fn find(name: &Utf8Path, known: &[Waste], session: &Session) -> Result<Waste, Error> {
    let here = session.env.current_dir().unwrap_or(Utf8Path::new("/"));
    let path = here.join(name);
    // By its directory: the last name is not followed, so that a link is no other's name.
    let real = path.parent().and_then(|parent| link::real(parent).ok());
    let real = real.zip(path.file_name()).map(|(parent, name)| parent.join(name));
    if let Some(found) = known.iter().find(|waste| Some(&waste.path) == real.as_ref()) {
        return Ok(found.clone());
    }
    let of_name: Vec<&Waste> = known
        .iter()
        .filter(|waste| waste.path.file_name() == Some(name.as_str()))
        .collect();
    match of_name[..] {
        [one] => Ok(one.clone()),
        [] => Err(Error::NotFound {
            message: format!("`{name}` is not an old database, backup or log of a known project"),
            hint: if name.as_str().parse::<ComponentName>().is_ok() {
                "a component stands before the option: `ampup prune NAME --remove …`".to_owned()
            } else {
                "`ampup prune --dry-run` lists them".to_owned()
            },
        }),
        [first, ..] => Err(Error::Usage {
            message: format!("{} are called `{name}`", counted(of_name.len(), "item")),
            hint: removal(first),
        }),
    }
}

/// Ensures that no process uses an item: no server works in it, and no program runs from it.
fn ensure_free(waste: Waste) -> Result<Waste, Error> {
    let servers = identity::servers_of(&waste.path).map_err(RemoveError::Unlisted)?;
    let users = in_use::users(&waste.path).map_err(RemoveError::Unlisted)?;
    let pid = servers.first().map(|server| server.pid);
    match pid.or_else(|| users.first().map(|user| user.pid)) {
        None => Ok(waste),
        Some(pid) => Err(Error::from(ClusterError::InUse {
            cluster: waste.path,
            holder: format!("process {pid}"),
        })),
    }
}

/// The command that removes an item.
fn removal(waste: &Waste) -> String {
    format!("`ampup prune --remove {}`", shell::typed(waste.path.as_str()))
}

/// Lists what is kept and nobody named.
fn kept_lines(kept: &[Waste]) -> Vec<String> {
    let Some(first) = kept.first() else {
        return Vec::new();
    };
    let width = kept.iter().map(|waste| waste.what.len()).max().unwrap_or(0);
    let line = |waste: &Waste| {
        let (size, what) = (sized(waste.bytes), waste.what);
        format!("  {size:>8}  {what:width$}  `{}`", waste.path)
    };
    let has_old = kept.iter().any(|waste| waste.what == prune::OLD_DATABASE);
    let which = if kept.len() > 1 { "the first" } else { "it" };
    std::iter::once("removed only if you name them:".to_owned())
        .chain(kept.iter().map(line))
        .chain([format!("{} removes {which}", removal(first))])
        .chain(has_old.then(|| "in its project, `ampup db restore` brings an old database back".to_owned()))
        .collect()
}

/// Installed versions.
type Trees = Vec<(ComponentName, TreeName)>;

/// The inventory as it is once these are gone, and so is what only they need.
fn without(inventory: &Inventory, doomed: &Trees) -> Inventory {
    let mut inventory = inventory.clone();
    for (component, trees) in &mut inventory.trees {
        trees.retain(|tree| {
            !doomed
                .iter()
                .any(|(name, gone)| name == component && *gone == tree.name)
        });
    }
    inventory
}

/// The inactive versions of the named components; but not those that a process runs from, nor the last that known projects need:
/// of these a line each, with whoever uses or needs it.
fn inactive(
    names: &[ComponentName],
    inventory: &Inventory,
    session: &Session,
) -> Result<(Trees, Vec<String>), Error> {
    let mut doomed = Vec::new();
    let mut kept = Vec::new();
    for name in names {
        // From the lowest up, so that of several which would do for a project the highest stays.
        for tree in prune::inactive(name, inventory) {
            if let Err(used) = remove::ensure_unused(&session.layout, std::slice::from_ref(&tree)) {
                kept.push(used.to_string());
                continue;
            }
            doomed.push(tree);
            let needed = pinned::needed(inventory, &doomed, session)?;
            if !needed.is_empty() {
                doomed.pop();
                kept.extend(needed.iter().map(ToString::to_string));
            }
        }
    }
    Ok((doomed, kept))
}

/// The line that names the command which removes inactive versions, where one is installed that no project is known to need.
fn removable(names: &[ComponentName], inventory: &Inventory, session: &Session) -> Option<String> {
    if !names.is_empty() {
        return None;
    }
    let components = inventory.trees.keys();
    let mut all = components.flat_map(|name| prune::inactive(name, inventory));
    // The first one will do: whether a version is used is looked for among all processes.
    let (name, tree) = all.find(|one| {
        let one = std::slice::from_ref(one);
        remove::ensure_unused(&session.layout, one).is_ok()
            && pinned::needed(inventory, one, session).is_ok_and(|needed| needed.is_empty())
    })?;
    let shown = session.shown(&name, &tree, inventory).ok()?;
    Some(format!(
        "{name} {shown} is not active and stays; `ampup prune {name}` removes such versions"
    ))
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
    let versions = trees
        .iter()
        .map(|(component, tree)| tree_of(component, tree, session));
    for waste in waste.iter().cloned().chain(versions) {
        bytes += waste.bytes;
        let _ = writeln!(
            data,
            "{}: {}, {}",
            shown(&waste.path),
            waste.what,
            sized(waste.bytes)
        );
        rows.push(row(&waste));
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
