//! `ampup install`: the default components, or those named.

use super::{
    Error, Outcome, Session,
    installation::{self, How},
    requests::{self, Request},
};
use crate::domain::ComponentSpec;

/// A command that installs, for whoever named nothing that can be.
const EXAMPLE: &str = "ampup install postgres@18";

/// Arguments of `ampup install`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// A version of ampd and ampctl (`0.0.35`), or a component (`postgres@18`); several are installed together
    #[arg(value_name = "VERSION|SPEC", value_parser = requests::version_or_component(EXAMPLE))]
    pub what: Vec<Request>,
    /// A component, with a version if you like: `postgres`, `postgres@18`, `postgres@18.4.0+zonky`
    #[arg(short, long = "component", value_name = "SPEC", value_parser = requests::component(EXAMPLE))]
    pub components: Vec<Request>,
    /// The options of every installation.
    #[command(flatten)]
    pub how: How,
}

/// Installs and activates components. What is here already is only activated.
///
/// # Errors
/// When something does not exist, or nothing at all could be installed.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let named = args.what.iter().chain(&args.components);
    let mut specs = named
        .map(|request| request.spec(session))
        .collect::<Result<Vec<_>, _>>()?;
    if specs.is_empty() {
        specs = defaults(session)?;
    }
    installation::install(&specs, &args.how, session)
}

/// Returns the components that are installed if none was named.
pub(super) fn defaults(session: &Session) -> Result<Vec<ComponentSpec>, Error> {
    let components = session.registry()?.components.values();
    let defaults = components.filter(|component| component.default_install);
    Ok(defaults
        .map(|component| ComponentSpec {
            name: component.name.clone(),
            requirement: None,
        })
        .collect())
}
