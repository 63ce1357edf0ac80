//! Taking over what an ampup 0.1 installed, if the user wants it.

use super::Args;
use crate::{
    commands::{
        Error, Session,
        install::{self, How},
    },
    install::{Effect, GroupReport},
    migrate,
};

/// The versions of an ampup 0.1, if the user wants them.
pub(super) fn take_over(args: &Args, session: &Session) -> Result<Vec<String>, Error> {
    let Some(old) = migrate::find(&session.env) else {
        let none = "there is no home of an ampup 0.1".to_owned();
        return Ok(if args.migrate { vec![none] } else { Vec::new() });
    };
    let Some(target) = session.host()?.target else {
        return Ok(Vec::new());
    };
    let registry = session.registry()?;
    let takeover =
        migrate::plan(&old, registry, &session.inventory()?, target).map_err(|source| Error::File {
            path: old.home.clone(),
            source,
        })?;
    let count = takeover.plan.groups.len();
    if count == 0 && !args.migrate {
        return Ok(Vec::new());
    }
    let offer = format!(
        "`{}` has versions of an ampup 0.1: {}. Copy them? (Nothing changes there.)",
        old.home,
        old.tags.join(", ")
    );
    let wanted = args.migrate || (!session.options.yes && session.ask(&offer, false).unwrap_or(false));
    if !wanted {
        return Ok(vec![format!(
            "`{}` has versions of an ampup 0.1; `ampup init --migrate` copies them",
            old.home
        )]);
    }
    let mut talk: Vec<String> = takeover
        .passed_over
        .iter()
        .map(|why| format!("left in `{}`: {why}", old.home))
        .collect();
    if count > 0 {
        let report = install::carry_out(&takeover.plan, &How::default(), registry, session)?;
        for group in report.groups {
            match group {
                GroupReport::Done(members) => {
                    for done in members {
                        if matches!(done.effect, Effect::Installed { .. }) {
                            let shown = session.style(&done.component)?.show(&done.version);
                            talk.push(format!("copied {} {shown} from `{}`", done.component, old.home));
                        }
                    }
                }
                GroupReport::Failed { error, .. } => {
                    let mut lines = Error::from(error).lines();
                    lines[0] = lines[0].replacen("error:", "warning:", 1);
                    talk.extend(lines);
                }
            }
        }
    }
    Ok(talk)
}
