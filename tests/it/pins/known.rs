//! Versions that a known project pins: they are spared, wherever a command is typed.

use fs_err as fs;

use super::{home, pin};
use crate::support::{home::finish, table::every};

/// A project without a database is known by what it pins, for as long as it pins something.
#[test]
fn pin_and_install_write_the_project_down() {
    let home = home();
    let typed = |directory: &str, words: &[&str]| {
        let place = home.directory(directory);
        home.give(&place);
        let mut command = home.command(words);
        command.current_dir(place);
        finish(command)
    };
    let uninstall = ["uninstall", "tool@1.0.0"];
    typed("other", &["pin", "tool@1", "--dry-run"]).exits(0);
    home.ampup(&["install", "--dry-run"]).exits(0);
    typed("elsewhere", &[&uninstall[..], &["--dry-run"]].concat()).exits(0);
    home.ampup(&["install"]).exits(0);
    typed("elsewhere", &uninstall)
        .exits(6)
        .says("tool 1.0.0 is the last one that line 2 of ");
    typed("other", &["pin", "tool@1"]).exits(0);
    fs::remove_file(home.work().join("ampup.toml")).expect("removed");
    typed("elsewhere", &["prune"])
        .exits(0)
        .says("1 removed project forgotten");
    typed("elsewhere", &uninstall)
        .exits(6)
        .says("other/ampup.toml` pins");
    // It has no database, and nothing was made for one.
    typed("elsewhere", &["db", "list"]).exits(0).prints("");
    assert!(!home.work().join(".amp").exists());
    fs::remove_dir_all(home.directory("other")).expect("removed");
    typed("elsewhere", &uninstall).exits(0);
}

/// A known project's pin keeps its version, wherever the command is typed.
#[test]
fn what_a_project_pins_is_neither_pruned_nor_uninstalled() {
    let home = home();
    let elsewhere = home.directory("elsewhere");
    let typed_elsewhere = |words: &[&str]| {
        let mut command = home.command(words);
        command.current_dir(&elsewhere);
        finish(command)
    };
    let needed = "tool 1.0.0 is the last one that line 2 of ";
    home.ampup(&["install"]).exits(0);
    every([&["--dry-run"][..], &[]], |dry_run| {
        let uninstall = [&["uninstall", "tool@1.0.0"], dry_run].concat();
        let prune = [&["prune", "tool"], dry_run].concat();
        for run in [home.ampup(&uninstall), typed_elsewhere(&uninstall)] {
            run.exits(6)
                .says(needed)
                .says("hint: `ampup uninstall tool@1.0.0 --force`");
        }
        for run in [home.ampup(&prune), typed_elsewhere(&prune)] {
            run.exits(0)
                .says(&format!("kept: {needed}"))
                .says("nothing to remove");
        }
    });
    // Another that the pin means will do.
    pin(&home, "[components]\ntool = \">=1\"\n");
    typed_elsewhere(&["uninstall", "tool@1.0.0"]).exits(0);
    home.ampup(&["uninstall", "tool@2.0.0"]).exits(6);
    home.ampup(&["uninstall", "tool@2.0.0", "--force"]).exits(0);
}

/// A file that cannot be read may pin anything.
#[test]
fn a_malformed_file_of_another_project_disarms_no_guard() {
    let home = home();
    let elsewhere = home.directory("elsewhere");
    home.give(&elsewhere);
    let typed_elsewhere = |words: &[&str]| {
        let mut command = home.command(words);
        command.current_dir(&elsewhere);
        finish(command)
    };
    home.ampup(&["install"]).exits(0);
    let rows = [
        ("[components\ntool = 1", "work/ampup.toml` is malformed"),
        ("[components]\ntool = 1\n", "work/ampup.toml`, line 2: "),
    ];
    every(rows, |(text, why)| {
        pin(&home, text);
        for words in [&["uninstall", "tool@1.0.0"][..], &["prune", "tool"]] {
            for more in [&["--dry-run"][..], &[]] {
                typed_elsewhere(&[words, more].concat())
                    .exits(6)
                    .says("cannot tell which versions each project pins")
                    .says(why)
                    .says("\n  mend that file");
            }
        }
    });
    typed_elsewhere(&["uninstall", "tool@1.0.0", "--force"]).exits(0);
}
