//! Where an installed component is: for a daemon, which asks nobody and works offline.
//!
//! The answer is resolved once, through the links, so that a later `ampup update` changes nothing under a program that
//! already runs. Nothing is ever written here.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::{
    domain::{ComponentName, TreeName, VersionStyle},
    env::{Env, HomeError},
    fs::link,
    layout::Layout,
    store::{journal::Pending, look_again::until_unchanged, receipt::Receipt},
};

/// The major of PostgreSQL that new clusters get when nothing else is active: the registry's default requirement.
pub(crate) const DEFAULT_MAJOR: u64 = 18;

/// Finds what is installed in one home.
#[derive(Debug, Clone)]
pub struct Locator {
    layout: Layout,
}

/// An installed component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Which component.
    pub component: ComponentName,
    /// Its tree's name, which holds its version.
    pub name: TreeName,
    /// Its tree: absolute, without links.
    pub tree: Utf8PathBuf,
}

/// The reason a component was not found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocateError {
    /// There is no home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// It is not installed.
    #[error("{} is not installed{}", titled(.component, *.major), other(.component, .active.as_ref()))]
    NotInstalled {
        /// Which component.
        component: ComponentName,
        /// Which major, where only that will do.
        major: Option<u64>,
        /// The version of another major that is active.
        active: Option<TreeName>,
        /// Where was looked.
        source: NothingAt,
    },
    /// It is installed, and no version of it is active.
    #[error("{component} {} is installed but not active", shown(.component, .name))]
    NotActive {
        /// Which component.
        component: ComponentName,
        /// The newest that is installed.
        name: TreeName,
    },
    /// It is active, but its tree was removed.
    #[error("the active {component} {} is gone from `{place}`", shown(.component, .name))]
    Gone {
        /// Which component.
        component: ComponentName,
        /// Which tree.
        name: TreeName,
        /// Where it should be.
        place: Utf8PathBuf,
    },
    /// Its tree is there, and nobody can say that it is whole, or it lies elsewhere.
    #[error("`{place}` may be incomplete: its `.receipt.json` cannot be read")]
    Damaged {
        /// Which component.
        component: ComponentName,
        /// Where it is.
        place: Utf8PathBuf,
    },
    /// The home cannot be read.
    #[error("cannot look up `{component}` in ampup's home")]
    Io {
        /// Which component.
        component: ComponentName,
        /// The cause.
        source: io::Error,
    },
}

/// The place that was searched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("looked for `{0}`")]
pub struct NothingAt(pub Utf8PathBuf);

impl Located {
    /// The path of one of its programs.
    pub fn program(&self, name: &str) -> Utf8PathBuf {
        self.tree
            .join("bin")
            .join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    /// The number before the first point: PostgreSQL's major.
    pub fn major(&self) -> u64 {
        self.name.version().major
    }
}

impl Locator {
    /// The locator of the home at this absolute path.
    pub fn new(home: impl Into<Utf8PathBuf>) -> Self {
        Self {
            layout: Layout::new(home),
        }
    }

    /// The locator of the home that the environment names.
    ///
    /// # Errors
    /// When the environment names none.
    pub fn from_env(env: &Env) -> Result<Self, LocateError> {
        Ok(Self::new(env.ampup_home()?))
    }

    /// The paths of the home.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The active version of a component.
    ///
    /// # Errors
    /// When none is active, or its tree is gone.
    pub fn active(&self, component: &ComponentName) -> Result<Located, LocateError> {
        self.try_active(component)?
            .ok_or_else(|| self.not_active(component, None))
    }

    /// PostgreSQL of this major: the active version if it is of it, else the highest that is installed, of two builds of it
    /// the one with the `+`. Without a major: the active version.
    ///
    /// # Errors
    /// When there is none.
    pub fn postgres(&self, major: Option<u64>) -> Result<Located, LocateError> {
        let component = postgres();
        match (self.try_active(&component), major) {
            (Ok(Some(active)), None) => Ok(active),
            (Ok(Some(active)), Some(major)) if active.major() == major => Ok(active),
            (answer, None) => {
                answer?;
                Err(self.not_active(&component, Some(DEFAULT_MAJOR)))
            }
            // That the active one is missing or damaged is no reason not to use another.
            (answer, Some(major)) => {
                let mut names = self.installed(&component)?;
                names.retain(|name| name.version().major == major && name.version().pre.is_empty());
                names.sort_by(|one, other| one.rank(None).cmp(&other.rank(None)));
                let found = names
                    .iter()
                    .rev()
                    .find_map(|name| self.located(&component, name.clone()));
                // What was removed meanwhile is not damaged.
                names.retain(|name| self.layout.tree(&component, name).is_dir());
                found.ok_or_else(|| match names.pop() {
                    Some(name) => LocateError::Damaged {
                        place: self.layout.tree(&component, &name),
                        component,
                    },
                    None => {
                        let active = answer.ok().flatten().map(|active| active.name);
                        self.not_installed(&component, Some(major), active)
                    }
                })
            }
        }
    }

    /// Every installed PostgreSQL, the highest version first; of two builds of it the active one, else the one with the `+`.
    ///
    /// # Errors
    /// When the home cannot be read.
    pub fn every_postgres(&self) -> Result<Vec<Located>, LocateError> {
        let component = postgres();
        let active = self.try_active(&component).ok().flatten();
        let active = active.as_ref().map(|active| &active.name);
        let mut names = self.installed(&component)?;
        names.sort_by(|one, other| one.rank(active).cmp(&other.rank(active)));
        Ok(names
            .into_iter()
            .rev()
            .filter_map(|name| self.located(&component, name))
            .collect())
    }

    /// An installed version of a component.
    ///
    /// # Errors
    /// When it is gone, or nobody can say that it is whole.
    #[cfg(feature = "cli")]
    pub(crate) fn version(&self, component: &ComponentName, name: &TreeName) -> Result<Located, LocateError> {
        self.located(component, name.clone())
            .ok_or_else(|| LocateError::Damaged {
                component: component.clone(),
                place: self.layout.tree(component, name),
            })
    }

    fn try_active(&self, component: &ComponentName) -> Result<Option<Located>, LocateError> {
        // What was active may be replaced and removed while it is looked at.
        until_unchanged(
            || link::read(&self.layout.active()).ok(),
            |_| self.look(component),
            |answer| matches!(answer, Ok(Some(_))),
        )
    }

    fn look(&self, component: &ComponentName) -> Result<Option<Located>, LocateError> {
        let failed = |source| LocateError::Io {
            component: component.clone(),
            source,
        };
        // Resolved in two steps, so that both come from one generation also while it is switched.
        let generation = match link::real(&self.layout.active()) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            answer => answer.map_err(failed)?,
        };
        let place = generation.join(component.as_str());
        let target = match link::read(&place) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            answer => answer.map_err(failed)?,
        };
        let name: TreeName = target
            .file_name()
            .unwrap_or_default()
            .parse()
            .map_err(|cause| failed(io::Error::new(io::ErrorKind::InvalidData, cause)))?;
        match link::real(&place) {
            Ok(tree) if self.is_vouched_for(component, &name, &tree) => Ok(Some(Located {
                component: component.clone(),
                name,
                tree,
            })),
            Ok(_) => Err(LocateError::Damaged {
                component: component.clone(),
                place,
            }),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Err(LocateError::Gone {
                place: self.layout.tree(component, &name),
                component: component.clone(),
                name,
            }),
            Err(cause) => Err(failed(cause)),
        }
    }

    /// The names of the installed trees of a component.
    fn installed(&self, component: &ComponentName) -> Result<Vec<TreeName>, LocateError> {
        let pending = Pending::read(&self.layout).map_err(|source| LocateError::Io {
            component: component.clone(),
            source,
        })?;
        let entries = match fs::read_dir(self.layout.component(component)) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            answer => answer,
        };
        entries
            .and_then(|entries| entries.collect::<io::Result<Vec<_>>>())
            .map(|entries| {
                entries
                    .iter()
                    .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
                    .filter(|name| !pending.hides_tree(component, name))
                    .collect()
            })
            .map_err(|source| LocateError::Io {
                component: component.clone(),
                source,
            })
    }

    fn located(&self, component: &ComponentName, name: TreeName) -> Option<Located> {
        let tree = link::real(&self.layout.tree(component, &name)).ok()?;
        self.is_vouched_for(component, &name, &tree).then_some(Located {
            component: component.clone(),
            name,
            tree,
        })
    }

    /// Returns true if the tree is in our store and has its receipt, which is written last. The target of somebody
    /// else's link and an incomplete tree are never run.
    fn is_vouched_for(&self, component: &ComponentName, name: &TreeName, tree: &Utf8Path) -> bool {
        let components = link::real(&self.layout.components());
        components.is_ok_and(|components| tree.starts_with(components))
            && Receipt::read(tree, component, name.version()).is_ok()
    }

    /// The reason that no version is active; `major` is the one to install where none is.
    fn not_active(&self, component: &ComponentName, major: Option<u64>) -> LocateError {
        let mut names = self.installed(component).unwrap_or_default();
        names.retain(|name| self.located(component, name.clone()).is_some());
        match names.into_iter().max() {
            Some(name) => LocateError::NotActive {
                component: component.clone(),
                name,
            },
            None => self.not_installed(component, major, None),
        }
    }

    fn not_installed(
        &self,
        component: &ComponentName,
        major: Option<u64>,
        active: Option<TreeName>,
    ) -> LocateError {
        LocateError::NotInstalled {
            component: component.clone(),
            major,
            active,
            source: NothingAt(match major {
                Some(major) => self.layout.component(component).join(format!("{major}.*")),
                None => self.layout.active_tree(component),
            }),
        }
    }
}

/// The component that the database is run with.
pub(crate) fn postgres() -> ComponentName {
    "postgres".parse().expect("a valid name")
}

/// A version as users write it.
pub(crate) fn shown(component: &ComponentName, name: &TreeName) -> String {
    style(component).show(name.version())
}

/// The style of a component's versions where no registry says it.
pub(crate) fn style(component: &ComponentName) -> VersionStyle {
    if *component == postgres() {
        VersionStyle::Postgres
    } else {
        VersionStyle::Plain
    }
}

/// ` (active: postgres 17.10)`.
fn other(component: &ComponentName, active: Option<&TreeName>) -> String {
    active.map_or_else(String::new, |name| {
        format!(" (active: {component} {})", shown(component, name))
    })
}

fn titled(component: &ComponentName, major: Option<u64>) -> String {
    match (component.as_str(), major) {
        ("postgres", Some(major)) => format!("PostgreSQL {major}"),
        ("postgres", None) => "PostgreSQL".to_owned(),
        (name, Some(major)) => format!("{name} {major}"),
        (name, None) => name.to_owned(),
    }
}

#[cfg(all(test, unix))]
mod tests;
