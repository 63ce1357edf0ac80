//! The programs that serve a cluster.

use camino::Utf8PathBuf;

use crate::{
    locate::Located,
    postgres::{
        context::ClusterContext,
        error::ClusterError,
        observe::{decide::Contents, files},
    },
    store::receipt::Receipt,
};

/// Looks at what a cluster's directory is.
pub(crate) fn contents(cluster: &ClusterContext) -> Result<Contents, ClusterError> {
    files::look(&cluster.directory).map_err(cluster.failed("look at"))
}

/// The programs that serve a cluster: those of its own major, which is read before any of them runs, because what they
/// say of another major's data misleads ("control file appears to be corrupt"). A cluster that is still to be made gets
/// the active version.
pub(crate) fn programs(cluster: &ClusterContext) -> Result<Located, ClusterError> {
    let directory = || cluster.directory.clone();
    let major = match contents(cluster)? {
        Contents::Absent | Contents::Empty | Contents::Unfinished => None,
        Contents::Cluster { major } => Some(major),
        Contents::Damaged { lacks } => {
            let cluster = directory();
            return Err(ClusterError::Damaged { cluster, lacks });
        }
        Contents::Foreign { entry } => {
            let cluster = directory();
            return Err(ClusterError::Foreign { cluster, entry });
        }
    };
    match (&cluster.given_programs, major) {
        (Some(given), Some(data)) if given.major() != data => Err(ClusterError::MajorDiffers {
            cluster: directory(),
            data,
            programs: given.major(),
        }),
        (Some(given), _) => Ok(given.clone()),
        (None, major) => Ok(cluster.locator.postgres(major)?),
    }
}

/// The template that an installation left for this user's clusters.
pub(crate) fn template(cluster: &ClusterContext, programs: &Located, owner: &str) -> Option<Utf8PathBuf> {
    let receipt = Receipt::read(&programs.tree, &programs.component, programs.name.version()).ok()?;
    Some(cluster.locator.layout().template(&receipt.digest, owner))
}
