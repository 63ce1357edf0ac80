//! `registry watch`: the makers' own list of versions against what is built. It fails where a builder lags, so that a
//! scheduled run is noticed.

use std::sync::Arc;

use ampup::{
    env::Env,
    event::Silent,
    fetch::{self, Fresh, Wire},
    registry::Registry,
};
use camino::Utf8Path;
use fs_err as fs;
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Failure};

/// Arguments of `registry watch`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// PostgreSQL's list of its versions
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://www.postgresql.org/versions.json"
    )]
    versions: String,
}

/// A line of PostgreSQL's list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    major: String,
    latest_minor: String,
    supported: bool,
}

pub(crate) fn run(args: &Args, directory: &Utf8Path, env: &Env) -> Result<Answer, Failure> {
    let path = directory.join("manifest.json");
    let document = fs::read(&path).map_err(Failure::at(&path))?;
    let registry = Registry::parse(&document).map_err(|cause| Failure(cause.to_string()))?;
    let postgres = registry
        .components
        .get("postgres")
        .ok_or_else(|| Failure(format!("`{path}` has no postgres")))?;
    let wire = Wire::new(fetch::FetchOptions::default(), env, Arc::new(Silent));
    let runtime = tokio::runtime::Runtime::new().map_err(|cause| Failure(cause.to_string()))?;
    let answer = runtime.block_on(wire.get_small(&args.versions, 1 << 20, None));
    runtime.shutdown_background();
    let body = match answer {
        Ok(Fresh::Modified { body, .. }) => body,
        Ok(Fresh::NotModified) => Vec::new(),
        Err(error) => return Err(Failure(error.to_string())),
    };
    let listed: Vec<Line> =
        serde_json::from_slice(&body).map_err(|cause| Failure(format!("`{}`: {cause}", args.versions)))?;
    let mut lines = Vec::new();
    let mut rows = Vec::new();
    for line in listed.iter().filter(|line| line.supported) {
        let (Ok(major), Ok(latest)) = (line.major.parse::<u64>(), line.latest_minor.parse::<u64>()) else {
            continue;
        };
        // Lines that the registry does not follow lag by intent.
        if !postgres.lines.iter().any(|one| one.major == major) {
            continue;
        }
        let of_line = postgres
            .releases
            .iter()
            .filter(|release| release.version.major == major);
        let built = of_line.map(|release| release.version.minor).max();
        let lags = built < Some(latest);
        let shown = built.map_or_else(|| "nothing".to_owned(), |built| format!("{major}.{built}"));
        if lags {
            lines.push(format!(
                "PostgreSQL {major}.{latest} is released, and the newest build is {shown}"
            ));
        }
        rows.push(json!({"major": major, "released": latest, "built": built, "lags": lags}));
    }
    let is_well = lines.is_empty();
    if is_well {
        lines.push(format!("every line of PostgreSQL is built: {}", rows.len()));
    }
    Ok(Answer {
        lines,
        json: json!({ "lines": rows }),
        is_well,
    })
}
