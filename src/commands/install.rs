//! `ampup install`: the default components, or those named.

use super::{
    Error, Outcome, Session,
    installation::{How, perform},
};
use crate::{
    domain::{ComponentName, ComponentSpec, Requirement, requirement::InvalidSpec},
    resolve,
};

/// Arguments of `ampup install`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// A version of ampd and ampctl (`0.0.35`), or a component (`postgres@18`); several are installed together
    #[arg(value_name = "VERSION|SPEC")]
    pub what: Vec<String>,
    /// A component, with a version if you like: `postgres`, `postgres@18`, `postgres@18.4.0+zonky`
    #[arg(short, long = "component", value_name = "SPEC")]
    pub components: Vec<String>,
    /// How to install.
    #[command(flatten)]
    pub how: How,
}

/// Installs and activates components. What is here already is only activated.
///
/// # Errors
/// When something does not exist, or nothing at all could be installed.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    session.warn_of_age()?;
    let specs = specs(args, session)?;
    let plan = resolve::install(
        session.registry()?,
        &session.inventory()?,
        &session.host()?,
        &specs,
    )?;
    perform(&plan, &args.how, session)
}

/// What was asked for: a bare version means the daemon and its client.
fn specs(args: &Args, session: &Session) -> Result<Vec<ComponentSpec>, Error> {
    let mut specs = Vec::new();
    for word in &args.what {
        match word.parse::<Requirement>() {
            Ok(requirement) => specs.push(ComponentSpec {
                name: daemon(),
                requirement: Some(requirement),
            }),
            Err(_) => specs.push(spec(word, session)?),
        }
    }
    for word in &args.components {
        specs.push(spec(word, session)?);
    }
    if specs.is_empty() {
        let defaults = session
            .registry()?
            .components
            .values()
            .filter(|component| component.default_install);
        specs.extend(defaults.map(|component| ComponentSpec {
            name: component.name.clone(),
            requirement: None,
        }));
    }
    Ok(specs)
}

fn spec(word: &str, session: &Session) -> Result<ComponentSpec, Error> {
    word.parse().map_err(|cause: InvalidSpec| {
        // A name of the registry in other letters is a component that is not there.
        let name = word.split('@').next().unwrap_or_default().to_lowercase();
        let known = session
            .registry()
            .is_ok_and(|registry| registry.components.contains_key(name.as_str()));
        if known && matches!(cause, InvalidSpec::Name(_)) {
            return Error::NotFound {
                message: format!("there is no component `{word}`"),
                hint: format!("did you mean `{name}`?"),
            };
        }
        Error::Usage {
            message: cause.to_string(),
            hint: "`ampup install postgres@18`, or `ampup install 0.0.35` for ampd and ampctl".to_owned(),
        }
    })
}

/// The component that a version alone means; its client moves with it.
pub(super) fn daemon() -> ComponentName {
    "ampd".parse().expect("a valid name")
}
