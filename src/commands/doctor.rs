//! `ampup doctor`: what may be wrong, and its remedy.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::json;

use super::{Error, Outcome, RegistrySource, Session};
use crate::{
    doctor::{self, Advice, Finding, InUse, Level},
    exit::Exit,
    hindrance::Hindrance,
    postgres::access::AccessError,
};

/// The checks that belong to other commands.
const NOT_LOOKED_AT: &str = "not looked at: the files of what is installed (`ampup verify`), the network, and the databases of other \
                             projects (`ampup db list`)";

/// Arguments of `ampup doctor`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {}

/// Looks at the home, what is in it and what is around it. Exit code 1 when there is a problem. Changes nothing and asks
/// nobody.
///
/// # Errors
/// Never: what cannot be read is a finding.
pub fn run(_: &Args, session: &Session) -> Result<Outcome, Error> {
    let mut findings: Vec<Finding> = session
        .unusable
        .iter()
        .map(|error| refused("settings", error))
        .collect();
    let in_use = match session.registry_and_source() {
        Ok((registry, source)) => Some(InUse {
            registry,
            is_fetched: *source == RegistrySource::Fetched,
            named: match source {
                RegistrySource::Named(path) => Some(path),
                RegistrySource::BuiltIn | RegistrySource::Fetched => None,
            },
        }),
        Err(error) => {
            findings.push(refused("registry", &error));
            None
        }
    };
    findings.extend(doctor::examine(
        &session.layout,
        &session.env,
        in_use,
        &session.origin,
        Timestamp::now(),
        Advice {
            on_host: Hindrance::hint,
            on_access: AccessError::hint,
        },
    ));
    let mut data = String::new();
    let mut rows = Vec::new();
    for finding in &findings {
        let word = match finding.level {
            Level::Fine => "fine",
            Level::Note => "note",
            Level::Problem => "problem",
        };
        let _ = writeln!(data, "{word:8}{}: {}", finding.about, finding.text);
        if let Some(remedy) = &finding.remedy {
            let _ = writeln!(data, "        {remedy}");
        }
        rows.push(json!({
            "about": finding.about, "level": word, "text": finding.text, "remedy": finding.remedy,
        }));
    }
    let problems = findings
        .iter()
        .filter(|finding| finding.level == Level::Problem)
        .count();
    let (exit, sentence) = match problems {
        0 => (Exit::Done, "no problem was found".to_owned()),
        1 => (Exit::Failed, "1 problem was found".to_owned()),
        many => (Exit::Failed, format!("{many} problems were found")),
    };
    Ok(Outcome {
        exit,
        talk: vec![sentence, NOT_LOOKED_AT.to_owned()],
        ..Outcome::answer(data, json!({ "findings": rows, "problems": problems }))
    })
}

/// Turns an error that would have ended another command into a finding.
fn refused(about: &'static str, error: &Error) -> Finding {
    Finding {
        about,
        level: Level::Problem,
        text: std::iter::once(error.to_string())
            .chain(error.causes())
            .collect::<Vec<_>>()
            .join(": "),
        remedy: error.hint(),
    }
}
