//! The versions that known projects cannot do without, and all who need each of them.

use std::fmt;

use camino::Utf8PathBuf;

use crate::{
    domain::{ComponentName, Inventory, Tree, TreeName},
    locate,
    pins::{Pin, Pins},
    postgres::projects::Projects,
    registry::Registry,
    resolve,
};

/// The highest number of projects that a sentence names.
const NAMED: usize = 3;

/// A reason that a version is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// The database of this project, by its directory, can be started with it.
    Database(Utf8PathBuf),
    /// It can read this database, which a project keeps.
    OldDatabase(Utf8PathBuf),
    /// A pin means it.
    Pin {
        /// The project's `ampup.toml`.
        file: Utf8PathBuf,
        /// The line in it.
        line: usize,
    },
}

/// A version of which no other that stays can take the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// The component.
    pub component: ComponentName,
    /// The version, told apart from every other build.
    pub version: TreeName,
    /// Everybody who needs it.
    pub by: Vec<Need>,
}

impl Needed {
    /// The sentence about it; `verb` is "is", or "was" once it is gone.
    pub fn told(&self, verb: &str) -> String {
        let shown = locate::shown(&self.component, &self.version);
        let is_pin = |need: &Need| matches!(need, Need::Pin { .. });
        let (pins, others): (Vec<Need>, Vec<Need>) = self.by.iter().cloned().partition(is_pin);
        let (uses, pins) = match others.is_empty() {
            true => (uses(&pins), None),
            false => (uses(&others), pinned(&pins, "pins it", "pin it")),
        };
        let uses = uses.join(", and that ");
        let pins = pins.map_or_else(String::new, |pins| format!("; {pins}"));
        format!("{} {shown} {verb} the last one that {uses}{pins}", self.component)
    }
}

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told("is"))
    }
}

/// The uses that a version has for those who need it: "can serve the database of `~/shop`".
pub fn uses(by: &[Need]) -> Vec<String> {
    let named = |name: fn(&Need) -> Option<String>| -> Vec<String> { by.iter().filter_map(name).collect() };
    let databases = named(|need| match need {
        Need::Database(project) => Some(format!("`{project}`")),
        Need::OldDatabase(_) | Need::Pin { .. } => None,
    });
    let old = named(|need| match need {
        Need::OldDatabase(path) => Some(format!("`{path}`")),
        Need::Database(_) | Need::Pin { .. } => None,
    });
    let serves = match &databases[..] {
        [] => None,
        [one] => Some(format!("can serve the database of {one}")),
        more => Some(format!("can serve the databases of {}", listed(more, "projects"))),
    };
    let reads = match &old[..] {
        [] => None,
        [one] => Some(format!(
            "can read the old database {one} (for `ampup db restore`)"
        )),
        more => Some(format!(
            "can read {} (for `ampup db restore`)",
            listed(more, "old databases")
        )),
    };
    let is_pinned = pinned(by, "pins", "pin");
    [serves, reads, is_pinned].into_iter().flatten().collect()
}

/// The lines that pin a version: "line 2 of `~/shop/ampup.toml` pins it", with the verbs for one and for several.
fn pinned(by: &[Need], pins: &str, pin: &str) -> Option<String> {
    let lines = by.iter().filter_map(|need| match need {
        Need::Pin { file, line } => Some(format!("line {line} of `{file}`")),
        Need::Database(_) | Need::OldDatabase(_) => None,
    });
    let lines: Vec<String> = lines.collect();
    match &lines[..] {
        [] => None,
        [one] => Some(format!("{one} {pins}")),
        more => Some(listed(more, &format!("projects {pin}"))),
    }
}

/// Their number, and the first of them by name.
fn listed(names: &[String], what: &str) -> String {
    let number = names.len();
    let named = names[..number.min(NAMED)].join(", ");
    match number.saturating_sub(NAMED) {
        0 => format!("{number} {what}: {named}"),
        more => format!("{number} {what}: {named} and {more} more"),
    }
}

/// The needs of the clusters of this major, be they in use or kept.
pub fn of_clusters(major: u64, projects: &Projects) -> Vec<Need> {
    let clusters = projects.of_major(major).into_iter();
    let needs = clusters.map(|needy| match needy.is_kept {
        false => Need::Database(needy.project().to_owned()),
        true => Need::OldDatabase(needy.cluster),
    });
    needs.collect()
}

/// The versions of PostgreSQL that are the last of their major, where clusters of known projects need it, be they in use or
/// kept. Of several of one major that would go, the highest is named.
pub fn by_clusters(
    inventory: &Inventory,
    doomed: &[(ComponentName, TreeName)],
    projects: &Projects,
) -> Vec<Needed> {
    let postgres = locate::postgres();
    let going = |tree: &Tree| doomed.contains(&(postgres.clone(), tree.name.clone()));
    let trees = inventory.trees(&postgres);
    let last = trees.iter().filter(|tree| {
        let major = tree.name.version().major;
        let mut of_major = trees.iter().filter(|other| other.name.version().major == major);
        going(tree) && of_major.all(|other| going(other) && other.name <= tree.name)
    });
    let needed = last.filter_map(|tree| {
        let by = of_clusters(tree.name.version().major, projects);
        (!by.is_empty()).then(|| Needed {
            component: postgres.clone(),
            version: inventory.told_apart(&postgres, &tree.name),
            by,
        })
    });
    needed.collect()
}

/// The versions that are the last which a project's pin means.
pub fn by_pins(
    inventory: &Inventory,
    doomed: &[(ComponentName, TreeName)],
    pins: &[Pins],
    registry: &Registry,
) -> Vec<Needed> {
    let mut rest = inventory.clone();
    for (component, tree) in doomed {
        if let Some(trees) = rest.trees.get_mut(component) {
            trees.retain(|other| other.name != *tree);
        }
    }
    // What the registry does not know is nobody's pin.
    let meant = |inventory: &Inventory, pin: &Pin| {
        let trees = resolve::pinned(registry, inventory, &pin.spec()).unwrap_or_default();
        trees.into_iter().next().map(|(_, tree)| tree)
    };
    let each = pins
        .iter()
        .flat_map(|file| file.pins.iter().map(move |pin| (file, pin)));
    let last = each.filter_map(|(file, pin)| {
        let version = meant(inventory, pin)?;
        meant(&rest, pin).is_none().then(|| Needed {
            component: pin.name.clone(),
            version: inventory.told_apart(&pin.name, &version),
            by: vec![Need::Pin {
                file: file.path.clone(),
                line: pin.line,
            }],
        })
    });
    last.collect()
}

/// The same with each version once.
pub fn gathered(each: impl IntoIterator<Item = Needed>) -> Vec<Needed> {
    let mut all: Vec<Needed> = Vec::new();
    for one in each {
        let known = all
            .iter_mut()
            .find(|known| known.component == one.component && known.version == one.version);
        match known {
            Some(known) => known.by.extend(one.by),
            None => all.push(one),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_need_a_version_are_in_one_sentence() {
        let project = |number: usize| Need::Database(format!("/p/{number}").into());
        let old = |number: usize| Need::OldDatabase(format!("/p/.amp/metadb.old-{number}").into());
        let pin = |line| Need::Pin {
            file: "/p/ampup.toml".into(),
            line,
        };
        let rows = [
            (vec![project(1)], "can serve the database of `/p/1`"),
            (
                vec![project(1), project(2)],
                "can serve the databases of 2 projects: `/p/1`, `/p/2`",
            ),
            (
                (1..=10).map(project).collect(),
                "can serve the databases of 10 projects: `/p/1`, `/p/2`, `/p/3` and 7 more",
            ),
            (
                vec![project(1), old(1), pin(2)],
                "can serve the database of `/p/1`, and that can read the old database `/p/.amp/metadb.old-1` (for `ampup db restore`); line 2 of \
                 `/p/ampup.toml` pins it",
            ),
            (
                vec![old(1), old(2), pin(2), pin(3)],
                "can read 2 old databases: `/p/.amp/metadb.old-1`, `/p/.amp/metadb.old-2` (for `ampup db restore`); 2 projects pin it: line 2 of \
                 `/p/ampup.toml`, line 3 of `/p/ampup.toml`",
            ),
        ];
        crate::table::every(rows, |(by, expected)| {
            let needed = Needed {
                component: locate::postgres(),
                version: "18.4.0".parse().expect("a version"),
                by,
            };
            assert_eq!(
                needed.to_string(),
                format!("postgres 18.4 is the last one that {expected}")
            );
        });
    }
}
