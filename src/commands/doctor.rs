//! `ampup doctor`: what may be wrong, and its remedy.

mod project;
mod server;

use std::{collections::BTreeSet, fmt::Write as _, io};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use serde_json::json;

use super::{
    Error, Outcome, RegistrySource, Session, advice::mended, client, paint, pinned, requests,
    session::absolute,
};
use crate::{
    doctor::{self, Advice, Finding, InUse, Level},
    event::counted,
    exit::Exit,
    hindrance::Hindrance,
    postgres::{
        access::AccessError,
        projects::{Projects, UnreadRecord},
    },
    store::check::{self, Damage},
};

/// The number of damaged files that are named.
const NAMED: usize = 3;

/// The checks that belong to other commands.
const NOT_CHECKED: &str = "the files of what is installed (`--files`), the network, and the databases of other projects \
    (`ampup db list`)";

/// Arguments of `ampup doctor`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// Check the project in this directory instead of the working directory
    #[arg(long, value_name = "DIR", value_parser = requests::path(), value_hint = clap::ValueHint::DirPath)]
    pub project: Option<Utf8PathBuf>,
    /// Also compare every installed file with its checksum
    #[arg(long)]
    pub files: bool,
    /// Exit with 1 for warnings too: what affects only plain `ampd solo`, and missing security fixes
    #[arg(long)]
    pub strict: bool,
}

/// Answers whether `ampd solo` will work here, and if not, what mends it: looks at the home, what is in it and what is
/// around it, and tries ampd's own command lines in a scratch directory. Exit code 1 when `ampup run ampd solo` would fail or
/// the home is damaged; with `--strict` also on warnings.
///
/// # Errors
/// When `--project` names no directory. What cannot be read is a finding.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    if let Some(project) = &args.project {
        let directory = absolute(&session.env, project)?;
        ensure_directory(&directory)?;
        return examine(args, &session.in_directory(&directory)?);
    }
    examine(args, session)
}

fn ensure_directory(path: &Utf8Path) -> Result<(), Error> {
    let why = match path.metadata() {
        Ok(found) if !found.is_dir() => "is not a directory",
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => "does not exist",
        // What cannot be looked at is a finding.
        Ok(_) | Err(_) => return Ok(()),
    };
    Err(Error::Usage {
        message: format!("`{path}` {why}"),
        hint: "`ampup doctor --project DIR` takes the project's directory".to_owned(),
    })
}

fn examine(args: &Args, session: &Session) -> Result<Outcome, Error> {
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
        // Why there is none was told above.
        session.publisher().unwrap_or(&session.origin),
        Timestamp::now(),
        Advice {
            on_host: Hindrance::hint,
            on_access: AccessError::hint,
        },
    ));
    findings.extend(records(session));
    findings.extend(pins(session));
    findings.extend(psql(session));
    findings.extend(project::check(session));
    #[cfg(unix)]
    {
        let tried = doctor::try_out(
            &session.layout,
            &session.env,
            &findings,
            &session.options.interrupt,
        );
        findings.extend(tried);
    }
    if args.files {
        let damaged = damages(session);
        // What is missing at first sight is told with every file.
        let is_told = |finding: &Finding| damaged.iter().any(|other| other.remedy == finding.remedy);
        findings.retain(|finding| finding.about != "components" || !is_told(finding));
        findings.extend(damaged);
    }
    // Several checks may stumble over the same: they say the same, or one installation mends it all.
    let (mut known, mut installs) = (BTreeSet::new(), BTreeSet::new());
    findings.retain(|finding| {
        let install = finding
            .remedy
            .clone()
            .filter(|remedy| remedy.starts_with("`ampup install "));
        known.insert(finding.text.clone()) && install.is_none_or(|install| installs.insert(install))
    });
    let mut data = String::new();
    let mut rows = Vec::new();
    for finding in &findings {
        let word = match finding.level {
            Level::Fine => "fine",
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Problem => "problem",
        };
        let level = match finding.level {
            Level::Fine => paint::good("ok     "),
            Level::Note => paint::notable("note   "),
            Level::Warning => paint::notable("warning"),
            Level::Problem => paint::bad("problem"),
        };
        let _ = writeln!(data, "{level} {}: {}", finding.about, finding.text);
        if let Some(remedy) = &finding.remedy {
            let _ = writeln!(data, "        {remedy}");
        }
        rows.push(json!({
            "about": finding.about, "level": word, "text": finding.text, "remedy": finding.remedy,
        }));
    }
    let count = |level: Level| findings.iter().filter(|finding| finding.level == level).count();
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    let (exit, sentence) = match (problems, warnings) {
        (0, 0) => (Exit::Done, "no problems found".to_owned()),
        (0, some) => {
            let has_ampd = findings.iter().all(|finding| finding.about != "ampd");
            let what = if has_ampd {
                "`ampup run ampd solo` will work here"
            } else {
                "no problems found"
            };
            (
                if args.strict { Exit::Failed } else { Exit::Done },
                format!("{what}; {}", counted(some, "warning")),
            )
        }
        (1, _) => (Exit::Failed, "1 problem found".to_owned()),
        (many, _) => (Exit::Failed, format!("{many} problems found")),
    };
    let mut talk = vec![sentence];
    let unseen = unseen(session);
    if !args.files {
        talk.push(format!("not checked: {unseen}{NOT_CHECKED}"));
    } else if !unseen.is_empty() {
        talk.push(format!("not checked: {}", unseen.trim_end_matches(", ")));
    }
    Ok(Outcome {
        exit,
        talk,
        ..Outcome::prose(
            data,
            json!({ "findings": rows, "problems": problems, "warnings": warnings }),
        )
    })
}

/// The versions of which a file is not as it was.
fn damages(session: &Session) -> Vec<Finding> {
    let inventory = match session.inventory() {
        Ok(inventory) => inventory,
        Err(error) => return vec![refused("components", &error)],
    };
    let mut findings = Vec::new();
    for (component, trees) in &inventory.trees {
        for tree in trees {
            // A local build that is gone was told already.
            let damages = check::check(&session.layout, component, &tree.name).into_iter();
            let damages = damages.filter(|damage| !matches!(damage, Damage::Gone(_)));
            let damages: Vec<String> = damages.map(|damage| damage.to_string()).collect();
            if damages.is_empty() {
                continue;
            }
            let first = damages[..damages.len().min(NAMED)].join(", ");
            let more = match damages.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            findings.push(Finding::problem(
                "components",
                format!(
                    "{component} {}: {first}{more}",
                    session
                        .shown(component, &tree.name, &inventory)
                        .unwrap_or_else(|_| tree.name.to_string())
                ),
                format!("`ampup verify --repair {component}`"),
            ));
        }
    }
    findings
}

/// A psql that lacks a library: the database works without it.
fn psql(session: &Session) -> Option<Finding> {
    let unloadable = client::active_psql(session)?;
    let otherwise = || "use another psql".to_owned();
    Some(Finding::note(
        "psql",
        unloadable.text(),
        unloadable.hint().unwrap_or_else(otherwise),
    ))
}

/// The records of projects that cannot be read, so that nothing of what they name is spared or listed.
fn records(session: &Session) -> Vec<Finding> {
    let unread = Projects::new(&session.layout, &session.env).unread();
    let ours = unread.iter().filter(|unread| !unread.is_closed);
    let finding = |unread: &UnreadRecord| {
        let text = format!("{unread}; the projects that it names are not known");
        Finding::warning("home", text, mended(unread))
    };
    ours.map(finding).collect()
}

/// The pins of the project here.
fn pins(session: &Session) -> Vec<Finding> {
    try_pins(session).unwrap_or_else(|error| vec![refused("pins", &error)])
}

/// A finding for each pin: one that is not installed stops `ampup run`, and one may lack security fixes.
fn try_pins(session: &Session) -> Result<Vec<Finding>, Error> {
    let inventory = session.inventory()?;
    let lines = pinned::lines(&inventory, session)?;
    let concerns = pinned::all_concerns(|_| true, &inventory, session)?;
    let mut findings = Vec::new();
    for line in lines {
        let concerned = concerns.iter().find(|(chosen, _)| chosen.component == line.name);
        let danger = concerned.and_then(|(chosen, concerns)| {
            let danger = concerns.iter().find(|concern| concern.is_dangerous())?;
            Some((chosen, danger))
        });
        findings.push(match danger {
            _ if !line.is_installed => Finding::problem("pins", line.text, "`ampup install`"),
            None => Finding::fine("pins", line.text),
            Some((chosen, danger)) => Finding {
                about: "pins",
                level: Level::Warning,
                text: format!("{}: {danger}", line.text),
                remedy: chosen.raised(session)?,
            },
        });
    }
    Ok(findings)
}

/// The checks that could not be made, in words.
fn unseen(session: &Session) -> String {
    let home = session.layout.home();
    let mut unseen = String::new();
    if home.is_dir() && home.read_dir_utf8().is_err() {
        unseen += &format!("what is in `{home}`, ");
    }
    if session.registry().is_err() {
        unseen += "whether what is installed is current (no registry can be read), ";
    }
    unseen
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
