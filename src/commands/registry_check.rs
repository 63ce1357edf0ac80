//! `ampup registry check`: a manifest read strictly, for whoever writes one.

use camino::Utf8PathBuf;
use serde_json::{Value, json};
use url::Url;

use super::{Error, Outcome, Session, requests};
use crate::{
    event::counted,
    exit::Exit,
    fs::atomic,
    registry::{
        Registry, manifest,
        manifest::ManifestError,
        strict::{self, Mistake},
    },
    resolve::ResolveError,
    shell,
};

/// The verbs that are about registries.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Find every mistake in a registry's manifest
    Check(Args),
}

/// Arguments of `ampup registry check`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The manifest
    #[arg(value_parser = requests::path(), value_hint = clap::ValueHint::FilePath)]
    pub file: Utf8PathBuf,
}

/// Reads a manifest strictly, where a client skips what it does not know. A line for each mistake: its JSON path, what is
/// wrong, and what would be right. Exit code 1 when there is any.
///
/// # Errors
/// When the file cannot be read.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    let document = atomic::read(&args.file, manifest::LIMIT).map_err(|source| Error::File {
        path: args.file.clone(),
        source,
    })?;
    let mut mistakes = strict::mistakes(&document);
    mistakes.extend(other_sizes(&document));
    let registry = Registry::parse(&document);
    let data: String = mistakes.iter().map(|mistake| format!("{mistake}\n")).collect();
    let rows: Vec<_> = mistakes
        .iter()
        .map(|mistake| json!({"path": mistake.path, "text": mistake.text}))
        .collect();
    let (exit, sentence) = match registry {
        Ok(registry) if mistakes.is_empty() => (Exit::Done, described(&registry)),
        _ => (
            Exit::Failed,
            format!("{} in `{}`", counted(mistakes.len(), "mistake"), args.file),
        ),
    };
    Ok(Outcome {
        exit,
        talk: vec![sentence],
        ..Outcome::answer(data, json!({ "mistakes": rows }))
    })
}

/// Files of this machine whose size is another than the manifest says. One that is not there may be on another machine.
fn other_sizes(document: &[u8]) -> Vec<Mistake> {
    let manifest: Value = serde_json::from_slice(document).unwrap_or_default();
    let fault = |(path, artifact): (String, &Value)| {
        let stated = artifact.get("size")?.as_u64()?;
        let url = artifact.pointer("/source/url")?.as_str()?;
        let file = Url::parse(url).ok()?.to_file_path().ok()?;
        let found = fs_err::metadata(file)
            .ok()
            .filter(std::fs::Metadata::is_file)?
            .len();
        (found != stated).then(|| Mistake {
            path: format!("{path}.size"),
            text: format!(
                "it is {stated}, and the file `{url}` has {}",
                counted(usize::try_from(found).unwrap_or(usize::MAX), "byte")
            ),
        })
    };
    strict::artifacts(&manifest).filter_map(fault).collect()
}

/// The same error, with this check as its hint where it may come from a mistake in the registry's file that the user named:
/// what a client does not understand, it skips.
pub fn with_mistakes(error: Error, session: &Session) -> Error {
    let about = match &error {
        Error::Manifest(ManifestError::Malformed(_)) => String::new(),
        Error::Resolve(
            ResolveError::UnknownComponent { name: component, .. }
            | ResolveError::NoSuchVersion { component, .. }
            | ResolveError::NoBuild { component, .. }
            | ResolveError::NoProvider { component, .. },
        ) => format!(".components.{component}"),
        _ => return error,
    };
    let Some(path) = session.named_registry() else {
        return error;
    };
    let path = path.strip_prefix("file://").unwrap_or(path);
    let document = atomic::read(path.into(), manifest::LIMIT).unwrap_or_default();
    let is_about_it = |mistake: &Mistake| {
        let rest = mistake
            .path
            .strip_prefix('$')
            .and_then(|path| path.strip_prefix(&about));
        rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '-'))
    };
    if !strict::mistakes_that_hide(&document).iter().any(is_about_it) {
        return error;
    }
    let hint = format!(
        "`ampup registry check {}` shows what is wrong in it",
        shell::typed(path)
    );
    let message = error.in_one_line();
    match error {
        Error::Manifest(_) => Error::Integrity { message, hint },
        _ => Error::NotFound { message, hint },
    }
}

/// A registry in numbers.
fn described(registry: &Registry) -> String {
    let releases = || {
        registry
            .components
            .values()
            .flat_map(|component| &component.releases)
    };
    let artifacts = releases().map(|release| release.artifacts.len()).sum::<usize>();
    format!(
        "the registry `{}`, number {}, has no mistake: {}, {}, {}",
        registry.id,
        registry.serial,
        counted(registry.components.len(), "component"),
        counted(releases().count(), "release"),
        counted(artifacts, "artifact"),
    )
}
