//! `ampup install`: the default components, those that the project pins, or those named.

use super::{
    Error, Outcome, Session,
    how::How,
    installation::{self, Activation},
    pinned::{self, Chooser, PlainWord, PostgresPin},
    requests::{self, Request},
};
use crate::{
    domain::{ComponentSpec, Requirement},
    exit::Exit,
    pins::Pins,
    postgres::projects::Projects,
};

/// A command that installs, for whoever named nothing that can be.
const EXAMPLE: &str = "ampup install postgres@18";

/// Arguments of `ampup install`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// A version of ampd and ampctl (`0.0.35`), or a component (`postgres@18`); several are installed together
    #[arg(value_name = "VERSION|SPEC", value_parser = requests::version_or_component(EXAMPLE))]
    pub what: Vec<Request>,
    /// The same as a SPEC without this option: `postgres`, `postgres@18`, `postgres@18.4.0+zonky`
    #[arg(short, long = "component", value_name = "SPEC", value_parser = requests::component(EXAMPLE))]
    pub components: Vec<Request>,
    /// Install without activating what is installed
    #[arg(long)]
    pub no_activate: bool,
    /// Accept only exact versions whose digests are in the registry
    #[arg(long)]
    pub locked: bool,
    /// The options of every installation.
    #[command(flatten)]
    pub how: How,
}

/// Installs and activates the components that are named, else the default ones. In a project that pins versions and with
/// none named, those are installed, and what is active stays so. What is here already is not fetched again.
///
/// # Errors
/// When something does not exist, or nothing at all could be installed.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let named = args.what.iter().chain(&args.components);
    let named = requests::specs(named, session)?;
    let mut how = args.how.clone();
    how.is_locked = args.locked;
    if !named.is_empty() {
        ensure_exact(
            args,
            &named,
            "the command line",
            "ampup install --locked",
            session,
        )?;
        return installation::install(&named, activation(args.no_activate), &how, session);
    }
    match session.pins()?.filter(|pins| !pins.pins.is_empty()) {
        Some(pins) => of_project(pins, args, &how, session),
        None if args.locked => Err(Error::NotFound {
            message: "no `ampup.toml` here or above says which versions to take".to_owned(),
            hint: "`ampup pin` writes one with the versions that are active".to_owned(),
        }),
        None => {
            let defaults = defaults(session)?;
            if defaults.is_empty() {
                return Err(Error::NotFound {
                    message: "this registry names no component that is installed by default".to_owned(),
                    hint: "name one: `ampup list --available` shows what there is".to_owned(),
                });
            }
            installation::install(&defaults, activation(args.no_activate), &how, session)
        }
    }
}

/// Installs what the project pins.
fn of_project(pins: &Pins, args: &Args, how: &How, session: &Session) -> Result<Outcome, Error> {
    let specs: Vec<ComponentSpec> = pins.pins.iter().map(|pin| pin.spec()).collect();
    let path = &pins.path;
    ensure_exact(args, &specs, &format!("`{path}`"), "ampup pin", session)
        .map_err(|error| at_line(error, pins))?;
    session.note(format!("installing what `{path}` pins"));
    let installed = installation::install(&specs, Activation::Keep, how, session);
    let mut outcome = installed.map_err(|error| at_line(error, pins))?;
    if !how.dry_run {
        // Only a memory aid, as for a database.
        let _ = Projects::new(&session.layout, &session.env).add_pinned(path);
    }
    if !how.dry_run && outcome.exit == Exit::Done {
        outcome.talk.push(format!(
            "`ampup run` uses these versions in this project; {}",
            outside(session)?
        ));
        // Where the pin cannot serve the database, that was told.
        if PostgresPin::refusal_here(session).is_none() {
            outcome.talk.extend(PlainWord::of_pins(pins, session));
        }
    }
    Ok(outcome)
}

/// Says what projects without a pin use: what is active, or of what is pinned here what could be.
fn outside(session: &Session) -> Result<String, Error> {
    let inventory = session.inventory()?;
    let (chosen, _) = pinned::installed(&inventory, session)?;
    let inactive = chosen
        .iter()
        .filter(|one| !inventory.active.components.contains_key(&one.component));
    let uses: Vec<String> = inactive
        .map(|one| session.use_command(&one.component, &one.tree, &inventory))
        .collect::<Result<_, _>>()?;
    Ok(if uses.is_empty() {
        "what is active stayed as it was".to_owned()
    } else {
        format!("{} for projects that pin none", uses.join(", "))
    })
}

/// The error of a pin that the registry cannot answer, with its line.
fn at_line(error: Error, pins: &Pins) -> Error {
    match error {
        Error::Resolve(error) => match error.component().and_then(|name| pins.of(name)) {
            Some(pin) => Chooser::of_pin(pins, pin).refused(error),
            None => error.into(),
        },
        other => other,
    }
}

/// Ensures that `--locked` is given no version that is left to choose. `command` takes the exact ones.
fn ensure_exact(
    args: &Args,
    specs: &[ComponentSpec],
    place: &str,
    command: &str,
    session: &Session,
) -> Result<(), Error> {
    let is_exact = |spec: &&ComponentSpec| spec.requirement.as_ref().is_some_and(Requirement::is_exact);
    let loose: Vec<&ComponentSpec> = specs
        .iter()
        .filter(|spec| args.locked && !is_exact(spec))
        .collect();
    if loose.is_empty() {
        return Ok(());
    }
    let quoted: Vec<String> = loose.iter().map(|spec| format!("`{spec}`")).collect();
    let mut exact = Vec::new();
    for spec in &loose {
        exact.push(requests::exactly(spec, session)?);
    }
    Err(Error::Usage {
        message: format!(
            "`--locked` takes exact versions only, and {place} leaves {} open",
            quoted.join(", ")
        ),
        hint: format!("`{command} {}`", exact.join(" ")),
    })
}

fn activation(no_activate: bool) -> Activation {
    if no_activate {
        Activation::Keep
    } else {
        Activation::Activate
    }
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
