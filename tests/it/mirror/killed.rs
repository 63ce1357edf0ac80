//! The leftovers of a killed run in a mirror.

use fs_err as fs;

use super::Kept;
use crate::support::world::write;

#[test]
fn what_a_killed_run_left_goes_with_the_next_and_nothing_else_does() {
    let kept = Kept::new();
    kept.mirror(&["tool"]).exits(0);
    let work = kept.directory().join(".unfinished");
    let digest = format!("sha256-{}", "0".repeat(64));
    let left =
        [".new-a1b2c3", "npm-a1b2c3d4e5f6/out/x.tgz", "pip-a1b2c3d4e5f6/x"].map(|name| work.join(name));
    let (old, cut) = (
        work.join(format!("downloads/{digest}")),
        work.join(format!("downloads/{digest}.partial")),
    );
    let theirs = [".new", "notes", "npm-cache/x", "downloads/notes"].map(|name| work.join(name));
    for path in left.iter().chain(&theirs).chain([&old, &cut]) {
        write(path, "x");
    }
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(8 * 24 * 3600);
    for path in [&old, &theirs[3]] {
        let file = fs::OpenOptions::new().write(true).open(path).expect("opened");
        file.file().set_modified(long_ago).expect("set");
    }
    kept.home.give(&work);
    kept.mirror(&["tool"]).exits(0);
    let gone: Vec<_> = left.iter().chain([&old]).filter(|path| path.exists()).collect();
    let lost: Vec<_> = theirs
        .iter()
        .chain([&cut])
        .filter(|path| !path.exists())
        .collect();
    assert!(
        gone.is_empty() && lost.is_empty(),
        "still there: {gone:?}; lost: {lost:?}"
    );
}
