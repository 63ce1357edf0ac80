//! The project that a person means in a directory below it. ampd itself looks only where it stands.

use camino::{Utf8Path, Utf8PathBuf};

use super::project::{AMP, PINS, Project, ProjectError};
use crate::{
    env::Env,
    fs::above::{have_one_owner, within_reach},
};

/// The way in which a project was found, where that may surprise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surprise {
    /// It is that of a directory above the working directory.
    Above,
    /// `AMP_DIR` names another than the one here.
    Variable,
}

/// The project of this environment: `amp_dir`, else `AMP_DIR`, else the one here, else that of the nearest directory above
/// with a cluster or an `ampup.toml`, short of the home directory and of another owner's. Nothing is made.
///
/// # Errors
/// As [`Project::find`].
pub fn find(env: &Env, amp_dir: Option<&Utf8Path>) -> Result<(Project, Option<Surprise>), ProjectError> {
    let project = Project::find(env, amp_dir)?;
    if amp_dir.is_some() {
        return Ok((project, None));
    }
    let meant = env.current_dir().and_then(|here| nearest(here, env.user_home()));
    match (env.path("AMP_DIR")?, meant) {
        (None, None) => Ok((project, None)),
        (None, Some(above)) => Ok((Project::at(&above.join(AMP))?, Some(Surprise::Above))),
        (Some(_), meant) => {
            let here = || env.current_dir().map(Utf8Path::to_owned);
            let own = meant.or_else(here).map(|directory| directory.join(AMP));
            let is_own = own
                .and_then(|own| Project::at(&own).ok())
                .is_some_and(|own| own == project);
            Ok((project, (!is_own).then_some(Surprise::Variable)))
        }
    }
}

/// The nearest directory above `here` that is a project; none where `here` is one.
fn nearest(here: &Utf8Path, home: Option<&Utf8Path>) -> Option<Utf8PathBuf> {
    if is_begun(here) {
        return None;
    }
    within_reach(here, home)
        .skip(1)
        .find(|directory| is_project(directory))
        .map(Utf8Path::to_owned)
}

/// Returns true if somebody means this directory to be a project.
fn is_begun(directory: &Utf8Path) -> bool {
    [AMP, PINS]
        .iter()
        .any(|name| directory.join(name).symlink_metadata().is_ok())
}

fn is_project(directory: &Utf8Path) -> bool {
    let amp_dir = directory.join(AMP);
    let has_cluster = amp_dir.join("metadb/PG_VERSION").is_file() && have_one_owner(&amp_dir, directory);
    let pins = directory.join(PINS);
    let has_pins = pins.is_file() && have_one_owner(&pins, directory);
    (has_cluster || has_pins) && Project::at(&amp_dir).is_ok()
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;
    use crate::table::every;
    use crate::{env::HOME, fs::link};

    /// A world of ours, and the project that is found in a directory of it.
    fn found(
        directories: &[&str],
        files: &[&str],
        here: &str,
        variables: &[(&str, &str)],
    ) -> (String, Option<Surprise>) {
        let world = tempfile::tempdir().expect("a directory");
        let top = Utf8Path::from_path(world.path()).expect("UTF-8");
        let top = link::real(top).expect("there");
        fs::create_dir(top.join("u")).expect("made");
        link::directory(&top.join("u"), &top.join("link")).expect("made");
        for directory in directories {
            fs::create_dir_all(top.join(directory)).expect("made");
        }
        for file in files {
            fs::create_dir_all(top.join(file).parent().expect("a parent")).expect("made");
            fs::write(top.join(file), "").expect("written");
        }
        let variables = variables
            .iter()
            .map(|(name, value)| (*name, top.join(value).into_string()));
        let env = Env::from_variables(variables, top.join(here).as_std_path());
        let (project, surprise) = find(&env, None).expect("a project");
        let found = project.amp_dir().strip_prefix(&top).expect("in the world");
        (found.as_str().replace('\\', "/"), surprise)
    }

    #[test]
    fn a_directory_below_a_project_is_of_that_project() {
        let above = Some(Surprise::Above);
        let cluster = "u/p/.amp/metadb/PG_VERSION";
        let home = [(HOME, "u")];
        let rows = [
            (
                "here",
                &["u/p"][..],
                &[cluster][..],
                "u/p",
                &home[..],
                ("u/p/.amp", None),
            ),
            (
                "below",
                &["u/p/a/b"],
                &[cluster],
                "u/p/a/b",
                &home,
                ("u/p/.amp", above),
            ),
            (
                "pins",
                &["u/p/a"],
                &["u/p/ampup.toml"],
                "u/p/a",
                &home,
                ("u/p/.amp", above),
            ),
            (
                "begun here",
                &["u/p/a/.amp"],
                &[cluster],
                "u/p/a",
                &home,
                ("u/p/a/.amp", None),
            ),
            (
                "pins here",
                &[],
                &[cluster, "u/p/a/ampup.toml"],
                "u/p/a",
                &home,
                ("u/p/a/.amp", None),
            ),
            (
                "no cluster yet",
                &["u/p/.amp/data", "u/p/a"],
                &[],
                "u/p/a",
                &home,
                ("u/p/a/.amp", None),
            ),
            (
                "the home directory",
                &["u/a"],
                &["u/.amp/metadb/PG_VERSION"],
                "u/a",
                &home,
                ("u/a/.amp", None),
            ),
            (
                "above a link to the home directory",
                &["u/a"],
                &["u/.amp/metadb/PG_VERSION"],
                "u/a",
                &[(HOME, "link")],
                ("u/a/.amp", None),
            ),
            (
                "above the home directory that we are in",
                &[],
                &["ampup.toml"],
                "u",
                &home,
                ("u/.amp", None),
            ),
            (
                "above one by a link",
                &[],
                &[".amp/metadb/PG_VERSION"],
                "u",
                &[(HOME, "link")],
                ("u/.amp", None),
            ),
            (
                "without a home directory",
                &["u/a"],
                &["u/ampup.toml"],
                "u/a",
                &[],
                ("u/.amp", above),
            ),
            (
                "an older ampup's home",
                &["u/p/.amp/versions", "u/p/a"],
                &[cluster],
                "u/p/a",
                &home,
                ("u/p/a/.amp", None),
            ),
            (
                "AMP_DIR decides",
                &["u/q"],
                &[cluster],
                "u/q",
                &[(HOME, "u"), ("AMP_DIR", "u/p/.amp")],
                ("u/p/.amp", Some(Surprise::Variable)),
            ),
            (
                "AMP_DIR says the same",
                &["u/p/a"],
                &[cluster],
                "u/p/a",
                &[(HOME, "u"), ("AMP_DIR", "u/p/.amp")],
                ("u/p/.amp", None),
            ),
        ];
        every(rows, |(what, directories, files, here, variables, expected)| {
            let (amp_dir, surprise) = found(directories, files, here, variables);
            assert_eq!((amp_dir.as_str(), surprise), expected, "{what}");
        });
    }
}
