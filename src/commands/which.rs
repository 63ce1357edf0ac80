//! `ampup which`: where an executable of an active component is.

use camino::Utf8PathBuf;
use serde_json::json;

use super::{Error, Outcome, Session, installed::damaged};
use crate::{domain::Inventory, fs::link, store::look_again::until_unchanged};

/// Arguments of `ampup which`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The executable, such as `postgres`
    pub executable: String,
    /// Its component's directory in place of its own path
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
    for (component, name) in &inventory.active.components {
        let tree = session.layout.tree(component, name);
        let executable = in_bin(&tree, &args.executable);
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
                "component": component, "version": name.to_string(),
            });
            return Ok(Outcome::answer(format!("{path}\n"), json));
        }
        searched.push(format!("`{}`", tree.join("bin")));
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
        hint: hint(args, session)?,
    })
}

/// The file in the tree's `bin/`; a name that is a path is none.
fn in_bin(tree: &camino::Utf8Path, executable: &str) -> Option<Utf8PathBuf> {
    if executable.is_empty() || executable.contains(['/', '\\']) || executable.starts_with('.') {
        return None;
    }
    let path = tree
        .join("bin")
        .join(format!("{executable}{}", std::env::consts::EXE_SUFFIX));
    path.is_file().then_some(path)
}

/// The component that would have it, where the registry says so.
fn hint(args: &Args, session: &Session) -> Result<String, Error> {
    let component = session
        .registry()?
        .components
        .values()
        .find(|component| component.executables.contains(&args.executable));
    Ok(match component {
        Some(component) => format!("`ampup install --component {}`", component.name),
        None => "`ampup list` shows what is installed".to_owned(),
    })
}
