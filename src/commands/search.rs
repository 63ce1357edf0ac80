//! `ampup search`: components by a word.

use serde_json::json;

use super::{Error, Outcome, Session, requests};

/// Arguments of `ampup search`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Text that the name or the summary contains
    pub word: String,
}

/// The components whose name, summary or executables contain a word, in any case.
///
/// # Errors
/// When nothing does, or the registry cannot be had.
pub fn run(args: &Args, session: &Session) -> Result<Outcome, Error> {
    let word = args.word.to_lowercase();
    let known_as = requests::known_as(&word);
    let registry = session.registry()?;
    let found: Vec<_> = registry
        .components
        .values()
        .filter(|component| {
            component.name.as_str().contains(known_as)
                || component.summary.to_lowercase().contains(&word)
                || component
                    .executables
                    .iter()
                    .any(|executable| executable.contains(&word))
        })
        .collect();
    if found.is_empty() {
        return Err(Error::NotFound {
            message: format!("no component matches `{}`", args.word),
            hint: "`ampup list --available` shows everything".to_owned(),
        });
    }
    let width = found
        .iter()
        .map(|component| component.name.as_str().len())
        .max()
        .unwrap_or(0);
    let data = found
        .iter()
        .map(|component| format!("{:width$} {}\n", component.name, component.summary))
        .collect::<String>();
    let rows: Vec<_> = found
        .iter()
        .map(|component| json!({"name": component.name, "summary": component.summary}))
        .collect();
    Ok(Outcome::answer(data, json!({ "components": rows })))
}
