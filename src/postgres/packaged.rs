//! PostgreSQL of the system's own packages: for a cluster of a major that no build of the registry serves.

use camino::{Utf8Path, Utf8PathBuf};

use super::program::Program;
use crate::{
    children::Interrupt,
    fs::link,
    locate::{Located, postgres},
};

/// The places in which packages put the PostgreSQL of one major, which is `@` here: those of Debian, Red Hat, SUSE, Homebrew,
/// Postgres.app and EDB.
const PLACES: [&str; 8] = [
    "/usr/lib/postgresql/@",
    "/usr/pgsql-@",
    "/usr/lib/postgresql@",
    "/opt/homebrew/opt/postgresql@@",
    "/usr/local/opt/postgresql@@",
    "/Applications/Postgres.app/Contents/Versions/@",
    "/Library/PostgreSQL/@",
    "C:/Program Files/PostgreSQL/@",
];

/// Finds the server of this major, with all that initdb and it need.
pub fn programs(major: u64, interrupt: &Interrupt) -> Option<Located> {
    PLACES
        .iter()
        .map(|place| tree(place, major))
        .find_map(|tree| located(&tree, interrupt).filter(|located| located.major() == major))
}

/// The version in what a program of PostgreSQL says of itself: of `psql (PostgreSQL) 15.18 (Debian …)` it is 15 and 18. A
/// beta, `19beta1`, has no minor.
pub fn version_in(said: &str) -> Option<(u64, u64)> {
    let word = said
        .split_whitespace()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    let mut numbers = word.split(|letter: char| !letter.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next().and_then(|minor| minor.parse().ok());
    Some((major, minor.unwrap_or_default()))
}

fn tree(place: &str, major: u64) -> Utf8PathBuf {
    // Homebrew has an `@` of its own before it.
    let (begin, end) = place.rsplit_once('@').expect("each has one");
    format!("{begin}{major}{end}").into()
}

fn located(tree: &Utf8Path, interrupt: &Interrupt) -> Option<Located> {
    let postgres_of = Program {
        tree,
        name: "postgres",
        run_as: None,
        interrupt,
    };
    if !postgres_of.path().is_file() {
        return None;
    }
    let (major, minor) = version_in(&postgres_of.version().ok()?)?;
    Some(Located {
        component: postgres(),
        name: format!("{major}.{minor}.0").parse().ok()?,
        tree: link::real(tree).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_what_a_program_says() {
        assert_eq!(
            version_in("psql (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n"),
            Some((15, 20))
        );
        assert_eq!(version_in("pg_dump (PostgreSQL) 16.2\n"), Some((16, 2)));
        assert_eq!(version_in("psql (PostgreSQL) 18devel\n"), Some((18, 0)));
        assert_eq!(version_in("no such thing"), None);
    }

    #[test]
    fn the_places_of_packages_hold_a_major() {
        let all: Vec<_> = PLACES.iter().map(|place| tree(place, 15)).collect();
        assert_eq!(all[0], "/usr/lib/postgresql/15");
        assert_eq!(all[3], "/opt/homebrew/opt/postgresql@15");
    }
}
