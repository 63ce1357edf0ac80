//! The site of the registry: what clients fetch, and the catalog for people. One directory, which any static server has.

use ampup::{
    fs::atomic,
    registry::{Registry, strict},
};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde_json::json;

use super::{Answer, Failure, catalog, sign};

/// Arguments of `registry site`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Where the site will be, for the links of its feed, such as https://example.com/registry
    #[arg(long, value_name = "URL")]
    base: Option<String>,
    /// The secret key's file; without one, what `registry sign` wrote into DIR is published
    #[arg(long, value_name = "FILE")]
    secret: Option<Utf8PathBuf>,
    /// Where the site is written
    #[arg(value_name = "DIR")]
    into: Utf8PathBuf,
}

/// Writes the site. Pages come first, and the pointer that clients ask for last. The same manifest gives the same bytes;
/// what is right is not written again, and a page that is no longer the catalog's goes.
pub(crate) fn run(args: &Args, directory: &Utf8Path) -> Result<Answer, Failure> {
    let path = directory.join("manifest.json");
    let document = fs::read(&path).map_err(Failure::at(&path))?;
    if let Some(mistake) = strict::mistakes(&document).first() {
        return Err(Failure(format!("`{path}` is not published: {mistake}")));
    }
    let registry = Registry::parse(&document).map_err(|cause| Failure(cause.to_string()))?;
    let mut files = catalog::files(&registry, args.base.as_deref());
    files.insert("registry.json".to_owned(), document);
    let mut written = 0;
    for (name, content) in &files {
        written += usize::from(put(&args.into.join(name), content)?);
    }
    let removed = sweep(&args.into.join("components"), &args.into, &files)?;
    let mut lines = vec![format!(
        "{} files in `{}`: {written} written, {removed} removed",
        files.len(),
        args.into
    )];
    let is_signed = match &args.secret {
        Some(secret) => {
            lines.extend(sign::sign_into(secret, &args.into, directory)?.lines);
            true
        }
        None => args.into.join("v1/registry.minisig").is_file(),
    };
    if !is_signed {
        lines.push(
            "it has no signature yet: `registry sign --secret FILE DIR` adds it for clients".to_owned(),
        );
    }
    Ok(Answer {
        lines,
        json: json!({"files": files.len(), "written": written, "removed": removed, "signed": is_signed}),
        is_well: true,
    })
}

/// Writes a file unless it is what it should be; returns true if it was written.
fn put(path: &Utf8Path, content: &[u8]) -> Result<bool, Failure> {
    if fs::read(path).is_ok_and(|there| there == content) {
        return Ok(false);
    }
    let parent = path.parent().expect("a file of the site lies in it");
    fs::create_dir_all(parent).map_err(Failure::at(parent))?;
    atomic::write(path, content).map_err(Failure::at(path))?;
    Ok(true)
}

/// Removes the pages below `directory` that are not among `files`, and nothing but pages.
fn sweep(
    directory: &Utf8Path,
    top: &Utf8Path,
    files: &std::collections::BTreeMap<String, Vec<u8>>,
) -> Result<usize, Failure> {
    let mut removed = 0;
    if !directory.is_dir() {
        return Ok(0);
    }
    for entry in directory.read_dir_utf8().map_err(Failure::at(directory))? {
        let path = entry.map_err(Failure::at(directory))?.into_path();
        let name = path.strip_prefix(top).expect("below the site");
        if path.is_dir() {
            removed += sweep(&path, top, files)?;
        } else if path.extension() == Some("html") && !files.contains_key(name.as_str()) {
            fs::remove_file(&path).map_err(Failure::at(&path))?;
            removed += 1;
        }
    }
    Ok(removed)
}
