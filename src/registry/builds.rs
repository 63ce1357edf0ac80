//! The builds of a component: which versions it has for which target, and from how many places each is to be had.

use std::fmt::Write;

use crate::domain::{Component, Release, Target};

/// The number of places that `release` can be fetched from for `target`.
pub fn places(release: &Release, target: Target) -> usize {
    release
        .artifacts
        .iter()
        .filter(|artifact| artifact.target == target)
        .count()
}

/// The number of pairs of version and target that at least two places have.
pub fn pairs_with_two_places(component: &Component) -> usize {
    let pairs = component
        .releases
        .iter()
        .flat_map(|release| Target::ALL.map(|target| places(release, target)));
    pairs.filter(|places| *places >= 2).count()
}

/// The table of `registry/README.md`: a line for each version, a column for each target, and in it the number of places.
pub fn matrix(component: &Component) -> String {
    let mut table = "| version |".to_owned();
    for target in Target::ALL {
        let _ = write!(table, " {} |", short(target));
    }
    table += "\n|---|";
    table += &"---|".repeat(Target::ALL.len());
    for release in &component.releases {
        let _ = write!(table, "\n| {} |", component.version_style.show(&release.version));
        for target in Target::ALL {
            let cell = match places(release, target) {
                0 => String::new(),
                places => places.to_string(),
            };
            let _ = write!(table, " {cell} |");
        }
    }
    table + "\n"
}

/// A target without what all of its kind have in common.
fn short(target: Target) -> String {
    let text = target.as_str();
    ["-unknown", "-pc", "-apple"]
        .iter()
        .fold(text.to_owned(), |text, vendor| text.replace(vendor, ""))
}
