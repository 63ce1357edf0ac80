//! The project that an import is for.

use super::Present;
use crate::{
    locate::Located,
    postgres::{Cluster, ClusterError, observe::decide::Contents},
};

/// The project that an import fills.
#[derive(Debug, Clone, Copy)]
pub struct Importer<'a> {
    /// Its cluster.
    pub cluster: &'a Cluster,
    /// The reason for which what is there may be put aside.
    pub present: &'a Present,
    /// The PostgreSQL that makes the new cluster; where none is named, that of the cluster which is there, else the active one.
    pub maker: Option<&'a Located>,
}

impl Importer<'_> {
    /// The PostgreSQL that makes the new cluster, unless something foreign or damaged is in its place.
    pub(super) fn programs(&self) -> Result<Located, ClusterError> {
        match (self.maker, self.cluster.contents()?) {
            (Some(_), Contents::Damaged { .. } | Contents::Foreign { .. }) | (None, _) => {
                self.cluster.programs()
            }
            (Some(maker), _) => Ok(maker.clone()),
        }
    }
}
