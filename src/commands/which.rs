//! `ampup which`: where an executable of a component that is active, or pinned here, is.

use serde_json::json;

use super::{
    Error, Outcome, Session,
    error::Unused,
    installed::{damaged, ensure_there, executable_in, is_linked, unused_with},
    pinned::{self, Chooser},
    requests,
};
use crate::{
    domain::{ComponentName, Inventory},
    fs::link,
    pins::Pin,
    store::look_again::until_unchanged,
};

/// Arguments of `ampup which`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The executable, such as `postgres`
    #[arg(value_parser = requests::program)]
    pub executable: String,
    /// Print the directory of its component instead
    #[arg(long)]
    pub dir: bool,
}

/// The real path of an executable, with every link resolved. Programs that are not linked into `bin/` (such as
/// `pg_ctl`) are found too.
///
/// # Errors
/// When no active component has it, or the one that has it has no readable receipt: it may be half of itself.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    // What was active may be replaced and removed while its tree is looked into.
    let look = |inventory: &Option<Inventory>| match inventory {
        Some(inventory) => find(args, inventory, session),
        None => find(args, &session.inventory()?, session),
    };
    until_unchanged(|| session.inventory().ok(), look, Result::is_ok)
}

fn find(args: &Args, inventory: &Inventory, session: &Session) -> Result<Outcome, Error> {
    let mut searched = Vec::new();
    let (pinned, missing) = pinned::installed(inventory, session)?;
    let pins = session.pins()?;
    let is_pinned = |name: &ComponentName| pinned.iter().any(|chosen| chosen.component == *name);
    let active = inventory.active.components.iter();
    let active = active
        .filter(|(name, _)| !is_pinned(name))
        .map(|(component, tree)| (component, tree, None));
    let pinned_trees = pinned
        .iter()
        .map(|chosen| (&chosen.component, &chosen.tree, Some(&chosen.by)));
    for (component, name, by) in pinned_trees.chain(active) {
        let tree = session.layout.tree(component, name);
        let executable = executable_in(&tree, &args.executable);
        if let Some(executable) = executable {
            if inventory
                .tree(component, name)
                .is_none_or(|tree| tree.origin.is_none())
            {
                return Err(damaged(component, name, session)?);
            }
            let tree = link::real(&tree).unwrap_or(tree);
            let executable = link::real(&executable).unwrap_or(executable);
            let path = if args.dir { &tree } else { &executable };
            let json = json!({
                "executable": args.executable, "path": executable, "directory": tree,
                "component": component, "version": name.to_string(), "pin": by.map(Chooser::json),
            });
            let pin = match by {
                Some(by) => {
                    let shown = session.shown(component, name, inventory)?;
                    Some(format!("this project uses {component} {shown} ({by})"))
                }
                None => None,
            };
            let lacks = missing.iter().filter(|pin| pin.name == *component);
            let lacks = lacks.map(|pin| {
                format!(
                    "this project pins `{}`{}, which is not installed: `ampup install`",
                    pin.spec(),
                    pins.map_or_else(String::new, |pins| format!(" ({})", Chooser::of_pin(pins, pin)))
                )
            });
            return Ok(Outcome {
                talk: pin.into_iter().chain(lacks).collect(),
                ..Outcome::answer(format!("{path}\n"), json)
            });
        }
        if is_linked(&tree, &args.executable) {
            ensure_there(component, name, session)?;
        }
        searched.push(format!("`{}`", tree.join("bin")));
    }
    if let Some((component, tree)) = unused_with(&args.executable, inventory, session) {
        ensure_there(component, tree, session)?;
        let unused = Unused {
            component: component.clone(),
            version: session.shown(component, tree, inventory)?,
            remedy: session.use_command(component, tree, inventory)?,
            is_active: inventory.is_active(component, tree),
        };
        return Err(Error::NotFound {
            message: format!(
                "`{}` is in {component} {}, {}",
                args.executable,
                unused.version,
                unused.standing()
            ),
            hint: unused.hint(),
        });
    }
    let message = if searched.is_empty() {
        format!(
            "`{}` is not installed: nothing is active in `{}`",
            args.executable,
            session.layout.home()
        )
    } else {
        format!(
            "no active component has `{}`; searched: {}",
            args.executable,
            searched.join(", ")
        )
    };
    Err(Error::NotFound {
        message,
        hint: hint(args, &missing, session)?,
    })
}

/// The component that would have it, where the registry says so. One that is pinned is installed with all pins.
fn hint(args: &Args, missing: &[&Pin], session: &Session) -> Result<String, Error> {
    let component = session
        .registry()?
        .components
        .values()
        .find(|component| component.executables.contains(&args.executable));
    Ok(match component {
        Some(component) if missing.iter().any(|pin| pin.name == component.name) => {
            "`ampup install`".to_owned()
        }
        Some(component) => format!("`ampup install {}`", component.name),
        None => "`ampup list` shows what is installed".to_owned(),
    })
}
