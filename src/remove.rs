//! Taking versions away: out of the active set and out of the store, in one commit.

pub mod home;
pub mod needed;

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use self::needed::Needed;
use crate::{
    domain::{ComponentName, Inventory, Tree, TreeName},
    fs::lock::Lock,
    layout::Layout,
    locate,
    pins::PinsError,
    postgres::{
        Project,
        projects::{Projects, UnreadRecord},
    },
    store::{
        commit::{StoreChange, commit},
        in_use,
    },
};

/// The reason a version was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// A process runs from it, and would break.
    #[error("{component} {} is in use by process {pid} (`{executable}`)", locate::shown(.component, .version))]
    InUse {
        /// The component.
        component: ComponentName,
        /// The version.
        version: TreeName,
        /// The process.
        pid: u32,
        /// The program that it runs.
        executable: String,
        /// The Amp directory of the project whose database it serves, if it does.
        amp_dir: Option<Utf8PathBuf>,
    },
    /// Projects need it, and no other takes its place.
    #[error("{0}")]
    Needed(Needed),
    /// A record of projects cannot be read, one of which may need it.
    #[error("cannot tell which projects need what would be removed: {0}")]
    Unknown(UnreadRecord),
    /// A project's pins cannot be read, one of which may mean it.
    #[error("cannot tell which versions each project pins")]
    UnreadPins(#[source] Box<PinsError>),
    /// A process runs from the home that is to go.
    #[error("process {pid} runs from ampup's home (`{executable}`)")]
    Running {
        /// The process.
        pid: u32,
        /// The program that it runs.
        executable: Utf8PathBuf,
    },
    /// Nobody knows that no process runs from it.
    #[error("cannot list the running processes, one of which may use what would be removed")]
    Unlisted(#[source] io::Error),
    /// Another ampup installs something, and would find nothing to put it in.
    #[error("another ampup is at work: {holder} holds `{path}`")]
    AtWork {
        /// Who, in words.
        holder: String,
        /// The lock.
        path: Utf8PathBuf,
    },
    /// The home cannot be written.
    #[error("cannot change ampup's home")]
    Store(#[from] io::Error),
}

/// Ensures that every project of this user's is known, so that what it needs can be told.
///
/// # Errors
/// `Unknown`, with the first record that cannot be read.
pub fn ensure_projects_known(projects: &Projects) -> Result<(), RemoveError> {
    let unread = projects.unread().into_iter().next();
    unread.map_or(Ok(()), |unread| Err(RemoveError::Unknown(unread)))
}

/// The tree that becomes active when this one goes: the newest other one of the same major version. To another major, a
/// user goes by `ampup use`.
pub fn successor<'a>(
    inventory: &'a Inventory,
    component: &ComponentName,
    tree: &TreeName,
    doomed: &[(ComponentName, TreeName)],
) -> Option<&'a TreeName> {
    let stays = |other: &&Tree| {
        other.origin.is_some()
            && other.name.version().major == tree.version().major
            && !doomed
                .iter()
                .any(|(name, gone)| name == component && *gone == other.name)
    };
    let others = inventory.trees(component).iter().filter(stays);
    others.map(|other| &other.name).max()
}

/// Ensures that no process runs from any of these trees.
///
/// # Errors
/// When one does, or nobody knows.
pub fn ensure_unused(layout: &Layout, doomed: &[(ComponentName, TreeName)]) -> Result<(), RemoveError> {
    for (component, tree) in doomed {
        let users = in_use::users(&layout.tree(component, tree)).map_err(RemoveError::Unlisted)?;
        if let Some(user) = users.into_iter().next() {
            return Err(RemoveError::InUse {
                component: component.clone(),
                version: tree.clone(),
                pid: user.pid,
                executable: user.executable.to_string(),
                amp_dir: user.directory.as_deref().and_then(served),
            });
        }
    }
    Ok(())
}

/// The Amp directory of the project whose cluster this is, with a server in it.
fn served(directory: &Utf8Path) -> Option<Utf8PathBuf> {
    let project = Project::at(directory.parent()?).ok()?;
    let is_served = project.cluster() == directory && directory.join("postmaster.pid").is_file();
    is_served.then(|| project.amp_dir().to_owned())
}

/// Removes trees. All are checked before the first is touched. Gives the new generation, where one of them was active.
/// `inventory` was read under the store lock.
///
/// # Errors
/// When a process runs from one of them (nothing is changed then), or the home cannot be written.
pub fn remove(
    layout: &Layout,
    inventory: &Inventory,
    doomed: &[(ComponentName, TreeName)],
    command: &str,
    _store: &Lock,
) -> Result<Option<u64>, RemoveError> {
    ensure_unused(layout, doomed)?;
    let mut set = inventory.active.clone();
    for (component, tree) in doomed
        .iter()
        .filter(|(name, tree)| inventory.is_active(name, tree))
    {
        // What was asked for is gone: another request would bring it back with the next update.
        set.requests.remove(component);
        match successor(inventory, component, tree, doomed) {
            Some(next) => set.components.insert(component.clone(), next.clone()),
            None => set.components.remove(component),
        };
    }
    let change = StoreChange {
        adds: Vec::new(),
        removes: doomed.to_vec(),
        set: (set != inventory.active).then_some(&set),
        command,
        before: inventory.generation,
    };
    Ok(commit(layout, &change)?)
}
