//! The names that a cluster's superuser may have.

use crate::postgres::{
    context::{ClusterContext, Reach},
    observe::files,
    user::{OsUser, SUPERUSER, current_uid},
};

/// The superuser's likely name while nobody can be asked: the cluster's owner, who made it.
pub(crate) fn superuser(cluster: &ClusterContext) -> String {
    let owner = files::owner(&cluster.directory).unwrap_or_else(|_| current_uid());
    roles(cluster, owner).swap_remove(0)
}

/// The names that the superuser may have: what was said, its owner's, or what most other programs choose, and we on a
/// loopback.
pub(crate) fn roles(cluster: &ClusterContext, owner: u32) -> Vec<String> {
    let of_owner = match cluster.reach {
        Reach::Socket => OsUser::by_uid(owner).ok(),
        Reach::Loopback => None,
    };
    let of_owner = of_owner.map(|user| user.superuser().to_owned());
    let mut roles: Vec<String> = cluster
        .named_superuser
        .clone()
        .into_iter()
        .chain(of_owner)
        .collect();
    if roles.iter().all(|role| role != SUPERUSER) {
        roles.push(SUPERUSER.to_owned());
    }
    roles
}
