//! The components that the user named, parsed once, at the door: behind it there are components and requirements, and
//! no words. Not a verb itself.

use std::convert::Infallible;

use camino::Utf8PathBuf;
use clap::builder::{NonEmptyStringValueParser, TypedValueParser};

use super::{Error, Session, installed::is_meant};
use crate::{
    domain::{
        ComponentName, ComponentSpec, Inventory, Requirement, name::InvalidComponentName,
        requirement::InvalidSpec,
    },
    registry::Registry,
    resolve, self_install,
};

/// A word of the command line that names what to install, to use or to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A version alone: the daemon's, and its client moves with it.
    Version(Requirement),
    /// A component, at a version or not.
    Component(ComponentSpec),
}

/// Names that people use for a component, and its own.
const ALIASES: &[(&str, &str)] = &[("pg", "postgres"), ("postgresql", "postgres"), ("self", "ampup")];

/// The name of the component that people call so, in small letters.
pub fn known_as(word: &str) -> &str {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == word);
    alias.map_or(word, |(_, name)| name)
}

impl Request {
    /// The component that is meant, and what its version must be.
    ///
    /// # Errors
    /// When a version alone is none of the daemon's and one of something else.
    pub fn spec(&self, session: &Session) -> Result<ComponentSpec, Error> {
        match self {
            Self::Version(requirement) => {
                let of = |name: ComponentName| ComponentSpec {
                    name,
                    requirement: Some(requirement.clone()),
                };
                match other_with(requirement, session) {
                    Some(other) => Err(Error::NotFound {
                        message: format!(
                            "a version alone means {}, which has no version `{requirement}`",
                            daemon()
                        ),
                        hint: meant(&[&requirement.to_string()], &of(other), session),
                    }),
                    None => Ok(of(daemon())),
                }
            }
            Self::Component(spec) => Ok(spec.clone()),
        }
    }
}

/// The components that several words of one command line mean.
///
/// # Errors
/// As `Request::spec`, and when a version stands behind the name that it belongs to.
pub fn specs<'r>(
    requests: impl IntoIterator<Item = &'r Request>,
    session: &Session,
) -> Result<Vec<ComponentSpec>, Error> {
    let mut specs: Vec<ComponentSpec> = Vec::new();
    for request in requests {
        if let Request::Version(version) = request
            && let Some(before) = specs.last().filter(|before| before.requirement.is_none())
            && !is_of_daemon(version, session)?
        {
            let joined = ComponentSpec {
                requirement: Some(version.clone()),
                ..before.clone()
            };
            return Err(Error::Usage {
                message: format!("the version of a component is joined to its name: `{joined}`"),
                hint: meant(
                    &[&before.name.to_string(), &version.to_string()],
                    &joined,
                    session,
                ),
            });
        }
        specs.push(request.spec(session)?);
    }
    Ok(specs)
}

/// The version that a requirement means here and now, as a request for it alone.
pub(super) fn exactly(spec: &ComponentSpec, session: &Session) -> Result<String, Error> {
    let plan = resolve::install(
        session.registry()?,
        &session.inventory()?,
        &session.host()?,
        std::slice::from_ref(spec),
    )?;
    Ok(format!("{}@{}", spec.name, plan.groups[0].candidates[0].version))
}

/// Reads a version or a component for a command of which `example` is one that works.
pub fn version_or_component(
    example: &'static str,
) -> impl Fn(&str) -> Result<Request, Error> + Clone + Send + Sync + 'static {
    move |word| match word.parse() {
        Ok(requirement) => Ok(Request::Version(requirement)),
        Err(_) => component(example)(word),
    }
}

/// The same where a version alone means nothing.
pub fn component(
    example: &'static str,
) -> impl Fn(&str) -> Result<Request, Error> + Clone + Send + Sync + 'static {
    move |word| {
        let refused = |cause: InvalidSpec| Error::Usage {
            message: cause.to_string(),
            hint: match name(word.split('@').next().unwrap_or_default()) {
                Ok(name) => {
                    format!("`ampup list {name}` shows the installed versions, `ampup info {name}` all")
                }
                Err(_) => format!("`{example}`"),
            },
        };
        spec(word).map(Request::Component).map_err(refused)
    }
}

/// Reads a component and what its version must be.
pub fn spec(word: &str) -> Result<ComponentSpec, InvalidSpec> {
    let (named, requirement) = match word.split_once('@') {
        None => (word, None),
        Some((named, requirement)) => (named, Some(requirement)),
    };
    Ok(ComponentSpec {
        name: name(named)?,
        requirement: requirement.map(str::parse).transpose()?,
    })
}

/// Reads the name of a component, in capital or small letters.
pub fn name(word: &str) -> Result<ComponentName, InvalidComponentName> {
    // What is refused is named as it was written.
    let known = known_as(&word.to_lowercase()).parse();
    known.or_else(|_: InvalidComponentName| word.parse())
}

/// Reads the name of a program; a component's stands for its program.
pub fn program(word: &str) -> Result<String, Infallible> {
    Ok(known_as(word).to_owned())
}

/// Reads a path. An empty one would mean the working directory.
pub fn path() -> impl TypedValueParser<Value = Utf8PathBuf> {
    NonEmptyStringValueParser::new().map(Utf8PathBuf::from)
}

/// True if ampd, or what moves with it, has such a version, installed or in the registry.
fn is_of_daemon(requirement: &Requirement, session: &Session) -> Result<bool, Error> {
    let (registry, inventory) = (session.registry()?, session.inventory()?);
    let group = registry.group_of(&daemon());
    let mut daemons = group.iter().map(|component| &component.name);
    Ok(daemons.any(|name| {
        is_installed(name, requirement, &inventory, session) || is_released(name, requirement, registry)
    }))
}

/// The component that has such a version, where the daemon has none: one that is installed, or else one of the registry.
fn other_with(requirement: &Requirement, session: &Session) -> Option<ComponentName> {
    let (registry, inventory) = (session.registry().ok()?, session.inventory().ok()?);
    if is_of_daemon(requirement, session).ok()? {
        return None;
    }
    let others = || {
        let names = registry.components.keys();
        names.filter(|name| **name != self_install::name())
    };
    let mut installed = inventory.trees.keys();
    let installed = installed.find(|name| is_installed(name, requirement, &inventory, session));
    installed
        .or_else(|| others().find(|name| is_released(name, requirement, registry)))
        .cloned()
}

fn is_installed(
    name: &ComponentName,
    requirement: &Requirement,
    inventory: &Inventory,
    session: &Session,
) -> bool {
    let spec = ComponentSpec {
        name: name.clone(),
        requirement: Some(requirement.clone()),
    };
    let mut trees = inventory.trees(name).iter();
    trees.any(|tree| is_meant(&spec, tree, name, session))
}

fn is_released(name: &ComponentName, requirement: &Requirement, registry: &Registry) -> bool {
    registry.component(name).is_some_and(|component| {
        let mut releases = component.releases.iter();
        releases.any(|release| component.is_meant(requirement, release))
    })
}

/// Names the command line in which these words are this spec, or the spec alone where the line is not known as it was
/// typed.
fn meant(replaced: &[&str], spec: &ComponentSpec, session: &Session) -> String {
    let words: Vec<&str> = session.command.split(' ').collect();
    let is_same = |(typed, meant): (&&str, &&str)| {
        known_as(&typed.to_lowercase()) == *meant || same_version(typed, meant)
    };
    let found = words
        .windows(replaced.len())
        .position(|window| window.iter().zip(replaced).all(is_same));
    match found.filter(|_| !session.command.contains('…')) {
        Some(at) => {
            let (before, after) = (&words[..at], &words[at + replaced.len()..]);
            let spec = spec.to_string();
            let line = [before, &[spec.as_str()], after].concat();
            format!("did you mean `{}`?", line.join(" "))
        }
        None => format!("did you mean `{spec}`?"),
    }
}

/// True if both words are one version: `v2` is `2`.
fn same_version(one: &str, other: &str) -> bool {
    let read = |word: &str| word.parse::<Requirement>().ok();
    read(one).is_some() && read(one) == read(other)
}

fn daemon() -> ComponentName {
    "ampd".parse().expect("a valid name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn postgres_is_found_by_what_people_call_it() {
        every(
            ["pg", "postgresql", "postgres", "PG", "PostgreSQL", "Postgres"],
            |word| {
                assert_eq!(name(word).expect(word).as_str(), "postgres");
                let spec = spec(&format!("{word}@17")).expect(word);
                assert_eq!(spec.to_string(), "postgres@17");
            },
        );
        assert_eq!(name("pgx").expect("a name").as_str(), "pgx");
        let refused = name("Tool!").expect_err("no name").to_string();
        assert!(refused.starts_with("`Tool!` is not"), "{refused}");
    }

    #[test]
    fn a_word_is_a_version_a_component_or_refused_with_an_example() {
        let read = version_or_component("ampup use postgres@18.4");
        assert!(matches!(read("0.0.35"), Ok(Request::Version(_))));
        assert!(matches!(read("nightly"), Ok(Request::Version(_))));
        assert!(matches!(read("postgres@18"), Ok(Request::Component(_))));
        let example = "`ampup use postgres@18.4`";
        let of_ampd = "`ampup list ampd` shows the installed versions, `ampup info ampd` all";
        let rows = [
            ("", example),
            ("@18", example),
            ("a b", example),
            ("ampd@", of_ampd),
            ("ampd@local", of_ampd),
        ];
        every(rows, |(wrong, hint)| {
            let refused = read(wrong).expect_err(wrong);
            assert_eq!(refused.hint().as_deref(), Some(hint), "{wrong}");
        });
        assert!(component("ampup install postgres")("18").is_err());
    }
}
