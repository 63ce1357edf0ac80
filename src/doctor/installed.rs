//! Installed versions: is each of them whole, as far as that is seen without reading its files?

use super::Finding;
use crate::{
    domain::{ComponentName, Inventory, Tree, TreeName},
    event::counted,
    layout::Layout,
    locate, self_install,
    store::check,
};

/// Looks for versions that are not whole: the receipt, the directories and the programs of each.
pub(super) fn findings(inventory: &Inventory, layout: &Layout) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (ampup, trees) = (self_install::name(), inventory.trees.iter());
    let listed = trees.filter(|(name, _)| **name != ampup);
    let count = listed.map(|(_, trees)| trees.len()).sum();
    for (component, trees) in &inventory.trees {
        findings.extend(trees.iter().filter_map(|tree| damaged(component, tree, layout)));
    }
    for (component, tree) in &inventory.active.components {
        if inventory.tree(component, tree).is_none() {
            findings.push(Finding::problem(
                "components",
                format!(
                    "{component} {} is active and not installed",
                    locate::shown(component, tree)
                ),
                format!("`ampup install {component}@{}`", locate::shown(component, tree)),
            ));
        }
    }
    if findings.is_empty() {
        let text = match count {
            0 => "nothing is installed".to_owned(),
            count => format!("{}, all complete", counted(count, "installed version")),
        };
        findings.push(Finding::fine("components", text));
    }
    findings
}

/// The damage of a version: no receipt; of a local build, no tree that it was linked from; no directory or program of its own.
fn damaged(component: &ComponentName, tree: &Tree, layout: &Layout) -> Option<Finding> {
    if tree.origin.is_none() {
        let text = format!(
            "`{}` may be incomplete: its `.receipt.json` cannot be read",
            layout.tree(component, &tree.name)
        );
        let remedy = format!("`ampup verify --repair {component}`");
        return Some(Finding::problem("components", text, remedy));
    }
    match check::gone(layout, component, &tree.name) {
        Some(gone) => Some(Finding::problem("components", gone.to_string(), gone.remedy())),
        None => lacking(component, &tree.name, layout),
    }
}

/// A version that lacks a directory or a program of its own.
pub(crate) fn lacking(component: &ComponentName, tree: &TreeName, layout: &Layout) -> Option<Finding> {
    let lost = check::lost(layout, component, tree)?;
    let text = format!(
        "{component} {} lacks its `{lost}`",
        locate::shown(component, tree)
    );
    let remedy = format!("`ampup verify --repair {component}`");
    Some(Finding::problem("components", text, remedy))
}
