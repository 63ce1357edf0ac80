//! The words and codes that a command answers with.

use fs_err as fs;

use super::home;
use crate::support::{home::finish, table::every};

#[test]
fn what_does_not_exist_is_answered_with_what_does() {
    let home = home();
    home.ampup(&["install", "tol"])
        .exits(3)
        .says("error: there is no component `tol`")
        .says("did you mean `tool`?");
    home.ampup(&["install", "tool@3"])
        .exits(3)
        .says("tool has no version `3`; it has 2.0.0 and 1.0.0");
    home.ampup(&["install", "tool@1.0.0+zonky"])
        .exits(3)
        .says("it has builds by acme");
    home.ampup(&["info", "nothing"]).exits(3);
    home.ampup(&["search", "nothing-like-it"]).exits(3);
    home.ampup(&["which", "tool"])
        .exits(3)
        .says("hint: `ampup install tool`");
    home.ampup(&["uninstall", "tool"]).exits(3);
    home.ampup(&["use", "tool"])
        .exits(3)
        .says("tool is not installed\nhint: `ampup install tool`");
    home.ampup(&["use", "tool@1.0.0"])
        .exits(3)
        .says("tool@1.0.0 is not installed");
    home.ampup(&["update", "tool"])
        .exits(3)
        .says("tool is not installed");
    home.ampup(&["undo"]).exits(3);
    home.ampup(&["list"]).exits(0).prints("");
    assert!(!home.path().exists(), "questions make no home");
}

#[test]
fn what_is_malformed_is_a_usage_error() {
    let home = home();
    let rows = [
        &["install", "tool@"][..],
        &["install", "../x"],
        &["install", "-c", "tool@nope"],
        &["nonsense"],
        &["install", "--no-such-flag"],
        &["use"],
        &["uninstall"],
        &["which"],
        &["build"],
        &["build", "-p", "."],
    ];
    every(rows, |words| {
        let run = home.ampup(words).exits(2);
        assert!(run.stderr.contains("error: "), "{words:?} {run:?}");
    });
}

#[test]
fn a_dry_run_shows_the_plan_and_makes_nothing() {
    let home = home();
    let run = home.ampup(&["install", "tool", "--dry-run"]).exits(0);
    assert!(
        run.stdout.starts_with("install tool 2.0.0\n  from file://"),
        "{run:?}"
    );
    // Another major version is no choice.
    assert!(!run.stdout.contains("1.0.0"), "{run:?}");
    assert!(!home.path().exists());
}

#[test]
fn json_is_one_object_on_stdout_also_for_errors() {
    let home = home();
    let done = home.ampup(&["--json", "install", "tool"]).exits(0).json();
    assert_eq!(done["components"][0]["effect"], "installed");
    assert_eq!(done["generation"], 1);
    let error = home.ampup(&["--json", "install", "nothing"]).exits(3).json();
    assert_eq!(error["exit"], 3);
    assert!(
        error["error"]["message"]
            .as_str()
            .expect("text")
            .contains("nothing")
    );
    let usage = home.ampup(&["--json", "nonsense"]).exits(2).json();
    assert_eq!(usage["exit"], 2);
    let rows = [
        &[][..],
        &["list"],
        &["list", "--available"],
        &["check"],
        &["history"],
        &["info", "tool"],
        &["search", "tool"],
        &["which", "tool"],
    ];
    every(rows, |words| {
        home.ampup(&[words, &["--json"]].concat()).exits(0).json();
    });
}

#[test]
fn quiet_says_nothing_and_a_damaged_receipt_is_reported_and_mended_by_an_installation() {
    let home = home();
    let run = home.ampup(&["--quiet", "install", "tool@1.0.0"]).exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    let receipt = home.path().join("components/tool/1.0.0/.receipt.json");
    fs::write(&receipt, "{").expect("written");
    home.ampup(&["list"]).exits(0).prints("tool 1.0.0 (damaged)\n");
    home.ampup(&["install", "tool@1.0.0"])
        .exits(0)
        .says("installed tool 1.0.0");
    home.ampup(&["list"]).exits(0).prints("tool 1.0.0 (active)\n");
}

#[test]
fn the_flags_of_todays_ampup_work_or_say_what_replaced_them() {
    let home = home();
    let elsewhere = home.directory("user").join("elsewhere");
    home.ampup(&[
        "install",
        "v0.0.35",
        "--install-dir",
        elsewhere.as_str(),
        "-j",
        "2",
    ])
    .exits(0);
    assert!(elsewhere.join("bin/ampd").exists());
    every(["--repo", "--arch", "--platform"], |flag| {
        home.ampup(&["install", flag, "x"])
            .exits(2)
            .says(" of ampup 0.1 is gone\n  ");
    });
}

#[test]
fn a_part_that_failed_is_an_error_in_json_too() {
    let mut home = home();
    home.offer_script("broken", "1.0.0", "#!/bin/sh\nexit 9\n");
    let answer = home
        .ampup(&["--json", "install", "tool", "broken"])
        .exits(1)
        .json();
    assert!(
        answer["error"]["message"]
            .as_str()
            .expect("text")
            .contains("broken"),
        "{answer}"
    );
    let usage = home.ampup(&["--json", "which"]).exits(2).json();
    assert!(
        usage["error"]["message"]
            .as_str()
            .expect("text")
            .contains("<EXECUTABLE>"),
        "{usage}"
    );
}

#[test]
fn no_secret_is_written_down_or_shown_to_others() {
    let home = home();
    let secret = "ghp_averysecrettoken";
    let mirror = "http://user:averysecretpassword@127.0.0.1:9/";
    home.ampup(&[
        "install",
        "tool@1.0.0",
        "--github-token",
        secret,
        "--mirror",
        mirror,
    ])
    .exits(0);
    let mut found = finish({
        let mut command = std::process::Command::new("grep");
        command.args(["-rl", "averysecret", home.path().as_str()]);
        command
    });
    found.stdout.retain(|letter| letter != '\n');
    assert_eq!(found.stdout, "");
}

#[test]
fn settings_without_sense_are_named() {
    let home = home();
    home.ampup(&["--mirror", "ftp://x/", "install", "tool"])
        .exits(2)
        .says("neither https, http nor file");
    home.ampup(&["--registry", "https://example.com/", "list"])
        .exits(2)
        .says("is believed only with the public key of whoever signs it");
    home.ampup(&["install", "--jobs", "0", "tool"]).exits(2);
    home.ampup(&["install", "Toool"])
        .exits(3)
        .says("did you mean `tool`?");
    let mut command = home.command(&["list"]);
    command.env("AMPUP_LOCK_TIMEOUT", "soon");
    finish(command).exits(2).says("AMPUP_LOCK_TIMEOUT");
}
