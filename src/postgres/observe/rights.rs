//! Who may serve a cluster here: the facts that `access` decides from.

use camino::Utf8Path;

use crate::{
    fs::mounts,
    postgres::{
        access::{self, AccessError, Asking, RunAs},
        context::ClusterContext,
        error::ClusterError,
        observe::{decide::Contents, files, programs::contents},
        user::{OsUser, current_uid},
    },
};

/// The user that a cluster's server runs as (`None`: ourselves), after everything that forbids it was looked for.
pub(crate) fn run_as(
    cluster: &ClusterContext,
    requested: Option<&OsUser>,
) -> Result<Option<OsUser>, ClusterError> {
    let directory = &cluster.directory;
    let amp_dir = cluster.project.amp_dir();
    let failed = cluster.failed("look at");
    let exists = match files::is_link(directory).map_err(&failed)? {
        Some(Ok(())) => true,
        Some(Err(link)) => return Err(link.into()),
        None => false,
    };
    let found = if exists {
        contents(cluster)?
    } else {
        Contents::Absent
    };
    let us = current_uid();
    if us != 0 && matches!(found, Contents::Empty | Contents::Unfinished) && mounts::is_mount(directory) {
        let owner = files::owner(directory).map_err(&failed)?;
        if owner != us {
            let volume = directory.clone();
            return Err(AccessError::Volume { volume, owner, us }.into());
        }
    }
    let is_cluster = !matches!(found, Contents::Absent | Contents::Empty);
    let asking = Asking {
        us,
        sudo_caller: cluster.sudo_caller,
        requested: requested.map(|user| user.uid),
        project: (amp_dir, files::project_owner(amp_dir).map_err(&failed)?),
        cluster: if is_cluster {
            Some((directory, files::owner(directory).map_err(&failed)?))
        } else {
            None
        },
    };
    let user = access::run_as(&asking)?;
    // What an interrupted initdb left is put aside, whoever can enter it.
    if is_cluster && found != Contents::Unfinished {
        files::is_private(directory).map_err(&failed)??;
    }
    let user = match (user, requested) {
        (RunAs::Uid(uid), Some(requested)) if requested.uid == uid => Some(requested.clone()),
        (user, _) => user.user()?,
    };
    if let Some(user) = &user {
        ensure_open_to(cluster, user, amp_dir)?;
    }
    Ok(user)
}

/// Fails unless this user can come as far as this path.
pub(crate) fn ensure_open_to(
    cluster: &ClusterContext,
    user: &OsUser,
    path: &Utf8Path,
) -> Result<(), AccessError> {
    let way = files::way_to(path);
    let Some(closed) = access::first_closed(user, &way) else {
        return Ok(());
    };
    let name = cluster.project.amp_dir().parent().and_then(Utf8Path::file_name);
    let instead = Utf8Path::new("/var/lib/amp").join(name.unwrap_or("project"));
    let is_open = access::first_closed(user, &files::way_to(&instead)).is_none();
    Err(AccessError::Closed {
        user: user.name.clone(),
        closed: closed.path.clone(),
        path: path.to_owned(),
        instead: is_open.then_some(instead),
    })
}
