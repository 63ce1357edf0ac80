//! The matrix of PostgreSQL's builds in `registry/README.md`.

use ampup::{
    fs::atomic,
    registry::{Registry, builds},
};
use camino::Utf8Path;
use fs_err as fs;

use super::Failure;

/// The parts of the README between which the matrix stands.
const MATRIX: (&str, &str) = (
    "<!-- matrix: refresh writes it, a test reads it -->\n",
    "<!-- end of matrix -->",
);
/// The text behind the number of pairs in the README.
const PAIRS: &str = " pairs of version and target have two places or more";

/// Prints the matrix into the README, where it has a place for it.
pub(super) fn print_matrix(path: &Utf8Path, registry: &Registry) -> Result<(), Failure> {
    let (Some(postgres), Ok(text)) = (registry.components.get("postgres"), fs::read_to_string(path)) else {
        return Ok(());
    };
    let (Some((before, rest)), true) = (text.split_once(MATRIX.0), text.contains(MATRIX.1)) else {
        return Ok(());
    };
    let (_, after) = rest.split_once(MATRIX.1).unwrap_or_default();
    let pairs = builds::pairs_with_two_places(postgres);
    let mut before = before.to_owned();
    if let Some(end) = before.find(PAIRS) {
        let start = before[..end].rfind(' ').map_or(0, |space| space + 1);
        before.replace_range(start..end, &pairs.to_string());
    }
    let matrix = builds::matrix(postgres);
    let text = format!("{before}{}\n{matrix}\n{}{after}", MATRIX.0, MATRIX.1);
    atomic::write(path, text.as_bytes()).map_err(Failure::at(path))
}
