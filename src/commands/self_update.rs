//! `ampup self update`: the component flow for ampup itself.

use super::{Error, Outcome, Session, how::How, installation::perform, standing, upstream};
use crate::{
    discover::survey::Survey,
    domain::{ComponentSpec, Inventory, Requirement},
    exit::Exit,
    registry::Registry,
    resolve::{self, Plan, Update},
    self_install::{self, Whence},
};

/// Arguments of `ampup self update`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// This version in place of the newest
    #[arg(value_name = "VERSION")]
    pub version: Option<Requirement>,
    /// Accept a lower version too
    #[arg(long)]
    pub allow_downgrade: bool,
    /// The options of every installation.
    #[command(flatten)]
    pub how: How,
}

/// Refreshes the registry, installs a newer ampup, proves that it runs, and makes it the active one.
///
/// # Errors
/// When this ampup is not the home's own, the registry that comes is not proven, or the newer one cannot be installed; the old
/// one then stays.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let program = session.env.current_exe().unwrap_or("ampup".into());
    if self_install::whence(program, &session.layout) == Whence::Elsewhere {
        return Err(Error::Refused {
            message: format!("`{program}` was not installed by ampup, and so ampup does not update it"),
            hint: "update it the way it was installed; or `ampup init`, and the ampup of its home updates itself"
                .to_owned(),
        });
    }
    if !args.how.dry_run {
        session.refresh()?;
    }
    session.warn_of_age()?;
    let inventory = session.inventory()?;
    let registry = match &args.version {
        None => upstream::for_update(&[self_install::name()], &inventory, &args.how, session)?,
        Some(version) => upstream::for_install(&[exactly(version)], &inventory, &args.how, session)?,
    };
    let Some(plan) = plan(args, &registry, &inventory)? else {
        return Ok(Outcome::done(
            unchanged(&args.how, &inventory, session)?,
            serde_json::json!({ "components": [], "generation": null }),
        ));
    };
    let mut outcome = perform(&plan, &args.how, &registry, session)?;
    if outcome.exit == Exit::Done && outcome.json["generation"].is_u64() {
        outcome
            .talk
            .push("`ampup undo --include-ampup` goes back".to_owned());
    }
    Ok(outcome)
}

/// Says whether this is the newest, as far as its builder could be asked.
fn unchanged(how: &How, inventory: &Inventory, session: &Session) -> Result<Vec<String>, Error> {
    let name = self_install::name();
    // With `--upstream` it was asked, and what it has is in the registry of this run.
    let survey = match how.upstream {
        true => Survey::default(),
        false => upstream::news(std::slice::from_ref(&name), inventory, how, session)?,
    };
    let version = self_install::version();
    let found = standing::of_active(&name, &version, &survey, inventory, session)?;
    let mut talk = vec![format!("ampup v{version} {}", found.standing.told())];
    talk.extend(found.lines());
    Ok(talk)
}

/// Returns the plan of the update, or `None` if there is nothing newer.
fn plan(args: &Args, registry: &Registry, inventory: &Inventory) -> Result<Option<Plan>, Error> {
    let host = Session::host_for(registry);
    let Some(requirement) = &args.version else {
        let updates = resolve::update(registry, inventory, &host, &[self_install::name()], false)?;
        return Ok(updates.into_iter().find_map(|update| match update {
            Update::Available { plan, .. } => Some(Plan::of(vec![plan])),
            Update::UpToDate { .. } | Update::Pinned { .. } => None,
        }));
    };
    let mut plan = resolve::install(registry, inventory, &host, &[exactly(requirement)])?;
    if let Some(active) = inventory.active.components.get(&self_install::name())
        && !args.allow_downgrade
    {
        let active = active.version();
        for group in &mut plan.groups {
            let lower = group.candidates[0].version.clone();
            group
                .candidates
                .retain(|candidate| candidate.version.cmp_precedence(active).is_ge());
            if group.candidates.is_empty() {
                return Err(Error::Usage {
                    message: format!("ampup v{lower} is lower than v{active}, which is active"),
                    hint: format!("`ampup self update {requirement} --allow-downgrade`"),
                });
            }
        }
    }
    Ok(Some(plan))
}

/// ampup at this version.
fn exactly(requirement: &Requirement) -> ComponentSpec {
    ComponentSpec {
        name: self_install::name(),
        requirement: Some(requirement.clone()),
    }
}
