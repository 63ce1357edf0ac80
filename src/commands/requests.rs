//! The components that the user named, parsed once, at the door: behind it there are components and requirements, and
//! no words. Not a verb itself.

use camino::Utf8PathBuf;
use clap::builder::{NonEmptyStringValueParser, TypedValueParser};

use super::{Error, Session, installed::is_meant};
use crate::{
    domain::{
        ComponentName, ComponentSpec, Requirement, name::InvalidComponentName, requirement::InvalidSpec,
    },
    self_install,
};

/// A word of the command line that names what to install, to use or to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A version alone: the daemon's, and its client moves with it.
    Version(Requirement),
    /// A component, at a version or not.
    Component(ComponentSpec),
    /// A name that has capital letters, which no component's has.
    Capitals {
        /// As it was written.
        word: String,
        /// The same in small letters.
        name: ComponentName,
        /// The reason that it is not a spec.
        cause: InvalidSpec,
    },
}

/// Names that people use for a component, and its own.
const ALIASES: &[(&str, &str)] = &[("pg", "postgres"), ("postgresql", "postgres")];

/// The name of the component that people call so.
pub(super) fn known_as(word: &str) -> &str {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == word);
    alias.map_or(word, |(_, name)| name)
}

impl Request {
    /// The component that is meant, and what its version must be.
    ///
    /// # Errors
    /// When the name is not written as names are, or a version alone is none of the daemon's and one of something else.
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
                        hint: meant(requirement, &of(other), session),
                    }),
                    None => Ok(of(daemon())),
                }
            }
            Self::Component(spec) => Ok(spec.clone()),
            Self::Capitals { word, name, cause } => {
                let is_known = session
                    .registry()
                    .is_ok_and(|registry| registry.component(name).is_some());
                Err(if is_known {
                    Error::NotFound {
                        message: format!("there is no component `{word}`"),
                        hint: format!("did you mean `{name}`?"),
                    }
                } else {
                    Error::Usage {
                        message: cause.to_string(),
                        hint: "`ampup list --available` lists the components".to_owned(),
                    }
                })
            }
        }
    }
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
        let cause = match spec(word) {
            Ok(spec) => return Ok(Request::Component(spec)),
            Err(cause) => cause,
        };
        let name = word.split('@').next().unwrap_or_default().to_lowercase();
        match (known_as(&name).parse(), &cause) {
            (Ok(name), InvalidSpec::Name(_)) => Ok(Request::Capitals {
                word: word.to_owned(),
                name,
                cause,
            }),
            _ => Err(Error::Usage {
                message: cause.to_string(),
                hint: format!("`{example}`"),
            }),
        }
    }
}

/// Reads a component and what its version must be.
pub fn spec(word: &str) -> Result<ComponentSpec, InvalidSpec> {
    let spec: ComponentSpec = word.parse()?;
    Ok(ComponentSpec {
        name: known_as(spec.name.as_str()).parse()?,
        ..spec
    })
}

/// Reads the name of a component.
pub fn name(word: &str) -> Result<ComponentName, InvalidComponentName> {
    known_as(word).parse()
}

/// Reads a path. An empty one would mean the working directory.
pub fn path() -> impl TypedValueParser<Value = Utf8PathBuf> {
    NonEmptyStringValueParser::new().map(Utf8PathBuf::from)
}

/// The component that has such a version, where the daemon has none: one that is installed, or else one of the registry.
fn other_with(requirement: &Requirement, session: &Session) -> Option<ComponentName> {
    let (registry, inventory) = (session.registry().ok()?, session.inventory().ok()?);
    let is_installed = |name: &ComponentName| {
        let spec = ComponentSpec {
            name: name.clone(),
            requirement: Some(requirement.clone()),
        };
        let mut trees = inventory.trees(name).iter();
        trees.any(|tree| is_meant(&spec, tree, name, session))
    };
    let is_released = |name: &ComponentName| {
        registry.component(name).is_some_and(|component| {
            let mut releases = component.releases.iter();
            releases.any(|release| component.is_meant(requirement, release))
        })
    };
    let group = registry.group_of(&daemon());
    let mut daemons = group.iter().map(|component| &component.name);
    if daemons.any(|name| is_installed(name) || is_released(name)) {
        return None;
    }
    let others = || {
        registry
            .components
            .keys()
            .filter(|name| **name != self_install::name())
    };
    let installed = inventory.trees.keys().find(|name| is_installed(name));
    installed
        .or_else(|| others().find(|name| is_released(name)))
        .cloned()
}

/// Names the command line in which this version is that of a component, or the component's version where the line is not
/// known as it was typed.
fn meant(version: &Requirement, spec: &ComponentSpec, session: &Session) -> String {
    let is_version = |word: &str| word.parse().is_ok_and(|word: Requirement| word == *version);
    let words = || session.command.split(' ');
    let is_as_typed = words().any(is_version) && !session.command.contains('…');
    let line: Vec<String> = words()
        .map(|word| {
            if is_version(word) {
                spec.to_string()
            } else {
                word.to_owned()
            }
        })
        .collect();
    match is_as_typed {
        true => format!("did you mean `{}`?", line.join(" ")),
        false => format!("did you mean `{spec}`?"),
    }
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
        every(["pg", "postgresql", "postgres"], |word| {
            assert_eq!(name(word).expect(word).as_str(), "postgres");
            let spec = spec(&format!("{word}@17")).expect(word);
            assert_eq!(spec.to_string(), "postgres@17");
        });
        assert_eq!(name("pgx").expect("a name").as_str(), "pgx");
    }

    #[test]
    fn a_word_is_a_version_a_component_or_refused_with_an_example() {
        let read = version_or_component("ampup use postgres@18.4");
        assert!(matches!(read("0.0.35"), Ok(Request::Version(_))));
        assert!(matches!(read("nightly"), Ok(Request::Version(_))));
        assert!(matches!(read("postgres@18"), Ok(Request::Component(_))));
        assert!(matches!(read("Postgres@18"), Ok(Request::Capitals { .. })));
        every(["", "postgres@", "postgres@eighteen", "@18", "a b"], |wrong| {
            let refused = read(wrong).expect_err(wrong);
            assert_eq!(
                refused.hint().as_deref(),
                Some("`ampup use postgres@18.4`"),
                "{wrong}"
            );
        });
        assert!(component("ampup install postgres")("18").is_err());
    }
}
