//! The versions that a mirror has in the place of a version that it has not, for whoever could install nothing. Only told: a plan
//! is never made from it.

use std::collections::BTreeSet;

use semver::Version;

use super::index::{Index, LIMIT, NAME};
use crate::{
    domain::{ComponentName, checked},
    fetch::{Fresh, Wire},
    host,
};

/// The versions of a component that the mirror has for this host, lowest first, where it has not the one that was wanted.
/// `None` where it has that, no mirror was named, or its index cannot be read.
pub fn instead_of(
    wanted: &Version,
    component: &ComponentName,
    wire: &Wire,
    runtime: &tokio::runtime::Runtime,
) -> Option<BTreeSet<Version>> {
    let mirror = wire.mirror()?.as_str().trim_end_matches('/');
    let answer = runtime.block_on(wire.get_small(&format!("{mirror}/{NAME}"), LIMIT, None));
    let Ok(Fresh::Modified { body, .. }) = answer else {
        return None;
    };
    let index: Index = checked::read(&body).ok()?;
    let is_for_us = |target| Some(target) == host::target();
    let entries = index.artifacts.into_iter();
    let has: BTreeSet<Version> = entries
        .filter(|entry| entry.component == *component && is_for_us(entry.target))
        .map(|entry| entry.version)
        .collect();
    (!has.contains(wanted)).then_some(has)
}
