//! `prune`: what goes, and what stays.

use std::os::unix::process::CommandExt as _;

use fs_err as fs;

use super::home;
use crate::support::{home::Home, postgres::run_as};

#[test]
fn prune_removes_what_serves_nobody_and_nothing_else() {
    let mut home = home();
    home.ampup(&["prune"]).exits(0).says("nothing to remove");
    let waste = [
        "cache/downloads/sha256-00.partial",
        "cache/templates/sha256-00-nobody/PG_VERSION",
        "staging/left/tree/file",
    ];
    for name in waste {
        let path = home.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, "x".repeat(3000)).expect("written");
    }
    home.give(&home.path());
    let before = home.store();
    let run = home
        .ampup(&["prune", "--dry-run"])
        .exits(0)
        .says("would remove 3 unused items (9 KiB)");
    assert_eq!(run.stdout.lines().count(), 3, "{run:#?}");
    assert!(waste.iter().all(|name| home.path().join(name).exists()));
    home.ampup(&["prune"])
        .exits(0)
        .says("removed `~/.ampup/cache/downloads/sha256-00.partial` (download, 3 KiB)\n")
        .says("removed 3 unused items (9 KiB)");
    assert!(!waste.iter().any(|name| home.path().join(name).exists()));
    assert_eq!(home.store(), before, "installed versions and generations stay");

    home.ampup(&["prune", "--dry-run", "tool"])
        .exits(0)
        .says("would remove 1 unused item");
    home.ampup(&["prune", "tool"]).exits(0).says("removed tool 1.0.0");
    home.ampup(&["list"])
        .exits(0)
        .prints("other 1.0.0 (active)\ntool  2.0.0 (active)\n");
    home.ampup(&["prune", "nothing"]).exits(3);
    home.offer("tool", "3.0.0");
    home.ampup(&["install", "tool@3"]).exits(0);
}

#[test]
fn a_version_that_a_process_runs_from_is_not_pruned() {
    let mut home = Home::new();
    home.offer_script(
        "tool",
        "1.0.0",
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo tool 1.0.0; else exec sleep 60; fi\n",
    );
    home.offer("tool", "2.0.0");
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    home.ampup(&["install", "tool@2.0.0"]).exits(0);
    // A process whose executable lies in the tree: a script is run by the shell, so the shell is put there.
    let inside = home.path().join("components/tool/1.0.0/bin/sleep");
    fs::copy("/bin/sleep", &inside).expect("copied");
    let mut process = std::process::Command::new(&inside);
    process.arg("60");
    if let Some(user) = run_as() {
        process.uid(user.uid).gid(user.gid);
    }
    let mut process = process.spawn().expect("started");
    home.ampup(&["prune", "tool"])
        .exits(0)
        .says(&format!(
            "kept: tool 1.0.0 is in use by process {} (`",
            process.id()
        ))
        .says("nothing to remove\n");
    process.kill().expect("killed");
    process.wait().expect("ended");
    home.ampup(&["prune"])
        .exits(0)
        .says("tool 1.0.0 is not active and stays; `ampup prune tool` removes such versions\n");
    home.ampup(&["prune", "tool"]).exits(0).says("removed tool 1.0.0");
}
