//! Other versions than the active one: `use`, `update`, `uninstall`, `undo`.

use camino::Utf8Path;
use fs_err as fs;

use super::{active, home};
use crate::support::{home::finish, table::every};

#[test]
fn use_switches_between_installed_versions_without_a_network() {
    let home = home();
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    home.ampup(&["install", "tool@2.0.0"]).exits(0);
    home.ampup(&["list"])
        .exits(0)
        .prints("tool 2.0.0 (active)\ntool 1.0.0\n");
    home.ampup(&["use", "tool@1.0.0"])
        .exits(0)
        .says("tool 1.0.0 is active now");
    assert_eq!(active(&home, "tool"), "1.0.0");
    home.ampup(&["use", "tool@1"])
        .exits(0)
        .says("tool 1.0.0 is active already");
    home.ampup(&["use", "tool@3.0.0"])
        .exits(3)
        .says("installed: `tool@1.0.0` (active), `tool@2.0.0`");
}

/// It asks for no version: `update` follows what was asked for before.
#[test]
fn a_name_alone_means_the_one_version_that_is_installed() {
    let home = home();
    home.ampup(&["use"]).exits(2).says("hint: `ampup install`");
    home.ampup(&["use", "tool"])
        .exits(3)
        .says("tool is not installed\nhint: `ampup install tool`");
    home.ampup(&["install", "--no-activate", "tool@1.0.0", "ampd@0.0.34"])
        .exits(0);
    home.ampup(&["use", "tool"])
        .exits(0)
        .says("tool 1.0.0 is active now");
    home.ampup(&["use", "tool"])
        .exits(0)
        .says("tool 1.0.0 is active already");
    home.ampup(&["use", "ampctl"])
        .exits(0)
        .says("ampd v0.0.34 is active now");
    home.ampup(&["update", "tool"])
        .exits(0)
        .says("installed tool 2.0.0");
    home.ampup(&["use", "tool"])
        .exits(2)
        .says("which version of tool? Installed: `tool@1.0.0`, `tool@2.0.0` (active)")
        .says("hint: `ampup use tool@2.0.0`");
    home.ampup(&["use"])
        .exits(2)
        .says("which version? Installed: `ampctl@0.0.34`, `ampd@0.0.34`, `tool@1.0.0`, `tool@2.0.0` (active)")
        .says("hint: `ampup use tool@1.0.0`");
    home.ampup(&["uninstall", "tool@2.0.0"]).exits(0);
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    home.ampup(&["use", "tool"]).exits(0);
    home.ampup(&["check", "tool"])
        .exits(0)
        .says("you asked for `tool@1.0.0`");
}

#[test]
fn where_no_version_is_active_all_that_are_installed_are_named() {
    let home = home();
    for version in ["tool@1.0.0", "tool@2.0.0"] {
        home.ampup(&["install", "--no-activate", version]).exits(0);
    }
    every(["update", "why"], |verb| {
        home.ampup(&[verb, "tool"])
            .exits(3)
            .says("tool is installed (1.0.0, 2.0.0), and no version of it is active")
            .says("hint: `ampup use tool@2.0.0`");
    });
}

/// PostgreSQL has two numbers, in the commands that are told as in the lists.
#[test]
fn commands_that_are_told_spell_a_version_as_lists_do() {
    let home = home();
    let mut document: serde_json::Value =
        serde_json::from_slice(&fs::read(home.registry()).expect("read")).expect("JSON");
    document["components"]["tool"]["version_style"] = "postgres".into();
    fs::write(home.registry(), document.to_string()).expect("written");
    let say = |words: &[&str], exit: i32, said: &str| {
        home.ampup(words).exits(exit).says(said);
    };
    for version in ["tool@1.0", "tool@2.0"] {
        home.ampup(&["install", "--no-activate", version]).exits(0);
    }
    say(&["update", "tool"], 3, "hint: `ampup use tool@2.0`");
    say(
        &["use", "tool"],
        2,
        "Installed: `tool@1.0`, `tool@2.0`\nhint: `ampup use tool@2.0`",
    );
    say(&["use", "tool@1.0"], 0, "tool 1.0 is active now");
    say(&["use", "tool@2.0"], 0, "tool 2.0 is active now");
    say(&["uninstall", "tool"], 2, "hint: `ampup uninstall tool@1.0`");
    say(&["uninstall", "tool@1.0"], 0, "removed tool 1.0\n");
    say(
        &["undo"],
        3,
        "tool@1.0, which was active before, was removed\nhint: `ampup install tool@1.0`",
    );
    say(&["install", "tool@1.0"], 0, "installed tool 1.0 ");
    say(
        &["uninstall", "tool@1.0"],
        0,
        "tool is no longer active; `ampup use tool@2.0` activates",
    );
}

#[test]
fn a_version_alone_that_is_none_of_the_daemons_names_whose_it_is() {
    let home = home();
    let rows = [
        (&["use", "2"][..], "hint: did you mean `ampup use tool@2`?"),
        (
            &["uninstall", "2.0"],
            "hint: did you mean `ampup uninstall tool@2.0`?",
        ),
        (
            &["install", "v2.0.0", "--dry-run"],
            "hint: did you mean `ampup install tool@2.0.0 --dry-run`?",
        ),
        (
            &["pin", "2", "--dry-run"],
            "hint: did you mean `ampup pin tool@2 --dry-run`?",
        ),
        (&["run", "--with", "2", "true"], "\n  did you mean `tool@2`?"),
    ];
    for installed in [false, true] {
        every(rows, |(words, meant)| {
            home.ampup(words)
                .exits(3)
                .says("a version alone means ampd, which has no version `2")
                .says(meant);
        });
        if !installed {
            home.ampup(&["install", "tool"]).exits(0);
        }
    }
    for words in [
        ["install", "tool", "2"],
        ["uninstall", "tool", "2"],
        ["pin", "tool", "2"],
    ] {
        home.ampup(&words)
            .exits(2)
            .says("is joined to its name: `tool@2`")
            .says(&format!("hint: did you mean `ampup {} tool@2`?", words[0]));
    }
    home.ampup(&["use", "2"]).exits(3);
    home.ampup(&["use", "9"]).exits(3).says("ampd@9 is not installed");
    home.ampup(&["use", "0.0.34"])
        .exits(3)
        .says("hint: `ampup install ampd@0.0.34`");
}

#[test]
fn uninstall_takes_the_active_version_out_first() {
    let home = home();
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    home.ampup(&["install", "tool@2.0.0"]).exits(0);
    home.ampup(&["uninstall", "tool"])
        .exits(2)
        .says("which version of tool? Installed: `tool@1.0.0`, `tool@2.0.0` (active)")
        .says("hint: `ampup uninstall tool@1.0.0`");
    home.ampup(&["use", "tool@1.0.0"]).exits(0);
    home.ampup(&["uninstall", "tool"])
        .exits(2)
        .says("hint: `ampup uninstall tool@2.0.0`");
    home.ampup(&["use", "tool@2.0.0"]).exits(0);
    home.ampup(&["uninstall", "tool@2.0.0"])
        .exits(0)
        .says("tool is no longer active; `ampup use tool@1.0.0` activates another version");
    home.ampup(&["list"]).exits(0).prints("tool 1.0.0\n");
    assert!(home.path().join("bin/tool").symlink_metadata().is_err());
    home.ampup(&["uninstall", "tool"]).exits(0);
    home.ampup(&["list"]).exits(0).prints("");
}

/// The newest other one of its major version takes its place, in the same generation.
#[test]
fn the_next_of_the_same_major_takes_the_place_of_what_is_uninstalled() {
    let mut home = home();
    for version in ["1.0.0", "1.1.0", "1.2.0", "2.0.0"] {
        home.offer("tool", version);
        home.ampup(&["install", &format!("tool@{version}")]).exits(0);
    }
    home.ampup(&["use", "tool@1.2.0"]).exits(0);
    let run = home.ampup(&["--json", "uninstall", "tool@1.2.0"]).exits(0);
    let generation = run.json()["generation"].as_u64().expect("a number");
    assert_eq!(
        home.path().join("active").read_link_utf8().expect("a link"),
        format!("generations/{generation}")
    );
    home.ampup(&["which", "tool"])
        .exits(0)
        .prints_with("components/tool/1.1.0/bin/tool");
    home.ampup(&["uninstall", "tool@1.1.0"])
        .exits(0)
        .says("tool 1.0.0 is active now");
    home.ampup(&["list"])
        .exits(0)
        .prints("tool 2.0.0\ntool 1.0.0 (active)\n");
}

#[test]
fn a_version_that_a_process_runs_from_is_not_removed() {
    let mut home = home();
    // A copy of a real program, so that the process's executable lies in the tree.
    let sleep = fs::read("/bin/sleep").expect("read");
    let path = home.directory("work").join("sleeper");
    fs::write(&path, &sleep).expect("written");
    home.offer("sleeper", "1.0.0");
    home.ampup(&["install", "sleeper"]).exits(0);
    let tree = home.path().join("components/sleeper/1.0.0/bin");
    let running = tree.join("really-sleep");
    fs::copy(&path, &running).expect("copied");
    make_executable(&running);
    let mut child = std::process::Command::new(&running)
        .arg("60")
        .spawn()
        .expect("started");
    let before = home.store();
    let mut command = home.command_as_we_are(&["uninstall", "sleeper"]);
    let run = finish({
        command.env("HOME", home.directory("user"));
        command
    });
    let run = run.exits(6).says(&format!("process {}", child.id()));
    assert!(run.stderr.contains("really-sleep"), "{run:?}");
    assert_eq!(home.store(), before);
    child.kill().expect("ended");
    child.wait().expect("reaped");
    home.ampup(&["uninstall", "sleeper"]).exits(0);
}

fn make_executable(path: &Utf8Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("set");
}

#[test]
fn update_follows_what_was_asked_for_and_check_says_it_first() {
    let mut home = home();
    home.ampup(&["install", "tool@1"]).exits(0);
    home.ampup(&["install", "ampd@0.0.34"]).exits(0);
    home.ampup(&["check"])
        .exits(0)
        .prints("ampctl - exact version: v0.0.34\nampd - exact version: v0.0.34\ntool - held back: 1.0.0\n");
    home.offer("tool", "1.1.0");
    home.ampup(&["check"]).exits(100).says("").prints(
        "ampctl - exact version: v0.0.34\nampd - exact version: v0.0.34\ntool - update available: 1.0.0 -> 1.1.0\n",
    );
    home.ampup(&["update"])
        .exits(0)
        .says("installed tool 1.1.0")
        .says("ampd v0.0.34 stays");
    assert_eq!(active(&home, "tool"), "1.1.0");
    home.ampup(&["update"]).exits(0).says("tool 1.1.0 is held back");
    // It never goes lower.
    home.withdraw("tool", "1.1.0");
    home.ampup(&["update"]).exits(0).says("tool 1.1.0 is held back");
}

#[test]
fn an_update_that_fails_keeps_the_old_version() {
    let mut home = home();
    home.ampup(&["install", "tool@2"]).exits(0);
    home.offer_script("tool", "2.1.0", "#!/bin/sh\nexit 3\n");
    let before = home.store();
    home.ampup(&["update"]).exits(1).says("could not install tool");
    assert_eq!(home.store(), before);
}

#[test]
fn undo_goes_back_step_by_step_and_history_shows_it() {
    let home = home();
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    home.ampup(&["install", "tool@2.0.0"]).exits(0);
    home.ampup(&["undo"]).exits(0).says("tool 1.0.0 is active");
    assert_eq!(active(&home, "tool"), "1.0.0");
    let history = home.ampup(&["history"]).exits(0).stdout;
    let lines: Vec<&str> = history.lines().collect();
    assert!(
        lines[0].starts_with("  2 ") && lines[1].starts_with("* 1 ") && lines[1].ends_with("  active"),
        "{history}"
    );
    assert!(
        lines[0].contains("tool 1.0.0 -> 2.0.0")
            && lines[0].ends_with("(`ampup install tool@2.0.0`)  undone"),
        "{history}"
    );
    home.ampup(&["undo"]).exits(3).says("there is nothing to undo");
    // A step that changes no version says what it changes.
    home.ampup(&["use", "tool@2.0.0"]).exits(0);
    home.ampup(&["install", "tool"])
        .exits(0)
        .says("updates of tool follow its new versions from now on; `ampup undo` takes that back\n");
    home.ampup(&["use", "tool@2.0.0"])
        .exits(0)
        .says("updates keep tool at 2.0.0 from now on; `ampup undo` takes that back\n");
    home.ampup(&["undo"]).exits(0);
    home.ampup(&["undo"]).exits(0).says(
        "undid `ampup install tool`\nthe active versions are the same; updates keep tool at 2.0.0 again\n\
         `ampup undo` once more takes back `ampup use tool@2.0.0`\n",
    );
    assert_eq!(active(&home, "tool"), "2.0.0");
}

#[test]
fn undo_nine_steps_and_install_twice_and_the_active_generation_still_exists() {
    let home = home();
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    home.ampup(&["install", "tool@2.0.0"]).exits(0);
    for round in 0..5 {
        home.ampup(&["use", "tool@1.0.0"]).exits(0);
        home.ampup(&["use", if round == 4 { "tool@1" } else { "tool@2.0.0" }])
            .exits(0);
    }
    for _ in 0..9 {
        home.ampup(&["undo"]).exits(0);
    }
    home.ampup(&["install", "ampd@0.0.34"]).exits(0);
    home.ampup(&["install", "ampd@0.0.35"]).exits(0);
    assert!(home.path().join("active/generation.json").is_file());
    assert_eq!(active(&home, "ampd"), "0.0.35");
    assert!(!active(&home, "tool").is_empty());
    assert!(
        fs::read_dir(home.path().join("generations"))
            .expect("listed")
            .count()
            <= 12
    );
    // What the oldest was made from is gone.
    let history = home.ampup(&["history"]).exits(0).stdout;
    let oldest = history.lines().last().unwrap_or_default();
    assert!(oldest.contains("  then active: tool "), "{history}");
}

#[test]
fn undo_to_a_removed_version_names_the_command_that_completes_it() {
    let home = home();
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    home.ampup(&["install", "tool@2.0.0"]).exits(0);
    home.ampup(&["uninstall", "tool@1.0.0"]).exits(0);
    home.ampup(&["undo"])
        .exits(3)
        .says("hint: `ampup install tool@1.0.0`");
    let history = home.ampup(&["history"]).exits(0).stdout;
    assert!(
        history.contains("tool 1.0.0 was removed since; `ampup install tool@1.0.0` brings it back"),
        "{history}"
    );
}

#[test]
fn undo_never_goes_to_what_was_not_active_before() {
    let home = home();
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    home.ampup(&["install", "tool@2.0.0"]).exits(0);
    for _ in 0..5 {
        home.ampup(&["use", "tool@1.0.0"]).exits(0);
        home.ampup(&["use", "tool@2.0.0"]).exits(0);
    }
    for _ in 0..9 {
        home.ampup(&["undo"]).exits(0);
    }
    let reached = active(&home, "tool");
    home.ampup(&["install", "ampd@0.0.34"]).exits(0);
    home.ampup(&["install", "ampd@0.0.35"]).exits(0);
    home.ampup(&["undo"]).exits(0);
    assert_eq!(
        (active(&home, "ampd").as_str(), active(&home, "tool")),
        ("0.0.34", reached.clone())
    );
    home.ampup(&["undo"]).exits(0);
    assert_eq!(
        (active(&home, "ampd").as_str(), active(&home, "tool")),
        ("", reached)
    );
}
