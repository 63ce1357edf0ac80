//! The directories that a file of a project may lie in.

use camino::Utf8Path;

use super::identity::{FileIdentity, is_same};

/// A directory and those above it, nearest first: short of the user's home directory, of which nothing above is the user's, and
/// as far as they have the same owner, because what lies in a directory of somebody else's is not the project's.
pub fn within_reach<'a>(
    here: &'a Utf8Path,
    home: Option<&'a Utf8Path>,
) -> impl Iterator<Item = &'a Utf8Path> + use<'a> {
    // The working directory is told without links, and a home directory with them.
    let is_home = move |directory: &Utf8Path| home.is_some_and(|home| is_same(home, directory));
    let above = (!is_home(here)).then(|| here.ancestors().skip(1));
    let above = above
        .into_iter()
        .flatten()
        .take_while(move |above| !is_home(above) && have_one_owner(above, here));
    std::iter::once(here).chain(above)
}

/// Returns true if two files or directories belong to the same user. What cannot be looked at belongs to nobody.
pub fn have_one_owner(one: &Utf8Path, other: &Utf8Path) -> bool {
    let owner = |path: &Utf8Path| FileIdentity::at(path).map(|found| found.uid);
    matches!((owner(one), owner(other)), (Ok(one), Ok(other)) if one == other)
}
