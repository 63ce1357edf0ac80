//! `registry refresh`: what the origins have and the manifest lacks is added, with a pinned digest; integrity that was only
//! published is pinned; what a build needs of a host is measured. A digest that was published is never changed: where an
//! origin states another now, nothing is written. With nothing new no byte changes.

mod document;
mod origins;
mod readme;

use std::collections::BTreeSet;

use ampup::{
    domain::{ComponentName, Provider},
    env::Env,
    fs::atomic,
    registry::{recipe::Recipe, strict, written::written},
};
use camino::Utf8Path;
use fs_err as fs;
use jiff::Timestamp;
use serde_json::json;

use super::{Answer, Failure};
use document::Document;
use origins::{Network, Origins};

/// Arguments of `registry refresh`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Show what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Compile the recipes only; ask nobody
    #[arg(long)]
    offline: bool,
    /// Ask only for what the manifest lacks; digests that were published are not compared with what their origins state now
    #[arg(long)]
    new_only: bool,
    /// Fetch also what the manifest has without its sizes, and measure it
    #[arg(long)]
    measure: bool,
    /// Fetch also whatever the manifest has of this builder, and measure it again
    #[arg(long, value_name = "PROVIDER")]
    measure_again: Option<Provider>,
    /// Only this component
    #[arg(long, value_name = "NAME")]
    only: Option<ComponentName>,
}

/// The course of a refresh, for the summary.
#[derive(Debug, Default)]
struct Summary {
    added: Vec<String>,
    pinned: Vec<String>,
    /// Measured artifacts, with what a maintainer should know of them.
    measured: Vec<String>,
    /// Builds that cannot run on their target.
    refused: Vec<String>,
    unasked: BTreeSet<String>,
    /// Published digests for which an origin states others now.
    changed: Vec<String>,
}

pub(crate) fn run(args: &Args, directory: &Utf8Path, env: &Env) -> Result<Answer, Failure> {
    let path = directory.join("manifest.json");
    let text = fs::read_to_string(&path).map_err(Failure::at(&path))?;
    let before = Document::parse(&text).map_err(|cause| Failure(format!("`{path}`: {cause}")))?;
    let recipes = recipes(directory, args.only.as_ref())?;
    let mut document = before.clone();
    document.compile(&recipes, &directory.join("distributions.toml"))?;
    let mut summary = Summary::default();
    if !args.offline {
        let runtime = tokio::runtime::Runtime::new().map_err(Failure::of)?;
        let network = Network::new(env);
        let origins = Origins::new(&network, args.new_only, &runtime)?;
        for recipe in &recipes {
            origins.refresh(recipe, &mut document, &mut summary)?;
            if args.measure || args.measure_again.is_some() {
                origins.measure_all(recipe, args.measure_again.as_ref(), &mut document, &mut summary)?;
            }
            document.sort(&recipe.component);
        }
        runtime.shutdown_background();
    }
    if !summary.changed.is_empty() {
        let lines = summary.changed.join("\n  ");
        return Err(Failure(format!(
            "an origin states another digest than the one that was published; nothing is written:\n  {lines}"
        )));
    }
    document.drop_overtaken();
    let is_new = document != before;
    if is_new {
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        document.raise(&now);
        let text = written(document.value());
        let mistakes = strict::mistakes(text.as_bytes());
        if let Some(first) = mistakes.first() {
            return Err(Failure(format!(
                "the manifest would have {} mistakes: {first}",
                mistakes.len()
            )));
        }
        if !args.dry_run {
            atomic::write(&path, text.as_bytes()).map_err(Failure::at(&path))?;
            readme::print_matrix(&directory.join("README.md"), &document.registry()?)?;
        }
    }
    Ok(summary.answer(&document, is_new))
}

/// The recipes, by name.
fn recipes(directory: &Utf8Path, only: Option<&ComponentName>) -> Result<Vec<Recipe>, Failure> {
    let mut recipes = Vec::new();
    let listed = directory.read_dir_utf8().map_err(Failure::at(directory))?;
    let mut paths: Vec<_> = listed.filter_map(|entry| Some(entry.ok()?.into_path())).collect();
    paths.sort();
    for path in paths {
        let is_recipe = path.extension() == Some("toml") && path.file_name() != Some("distributions.toml");
        if !is_recipe || only.is_some_and(|only| path.file_stem() != Some(only.as_str())) {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(Failure::at(&path))?;
        recipes.push(Recipe::parse(&text).map_err(|cause| Failure(format!("`{path}`: {cause}")))?);
    }
    Ok(recipes)
}

impl Summary {
    fn answer(&self, document: &Document, is_new: bool) -> Answer {
        let mut lines: Vec<String> = Vec::new();
        lines.extend(self.added.iter().map(|one| format!("added     {one}")));
        lines.extend(self.pinned.iter().map(|one| format!("pinned    {one}")));
        lines.extend(self.measured.iter().map(|one| format!("measured  {one}")));
        lines.extend(self.refused.iter().map(|one| format!("refused   {one}")));
        lines.extend(self.unasked.iter().map(|one| format!("not asked {one}")));
        let serial = document.serial();
        lines.push(if is_new {
            format!("the manifest is number {serial} now")
        } else {
            format!("nothing is new; the manifest stays number {serial}")
        });
        Answer {
            lines,
            json: json!({
                "serial": serial, "changed": is_new, "added": self.added, "pinned": self.pinned,
                "measured": self.measured, "refused": self.refused, "not_asked": self.unasked,
            }),
            is_well: true,
        }
    }
}
