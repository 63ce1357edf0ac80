//! The registry that somebody names, and the network that somebody forbids: who named or forbade it is told.

use fs_err as fs;
use serde_json::json;

use crate::support::{
    home::{Home, finish},
    table::every,
};

#[test]
fn a_manifest_for_a_newer_ampup_says_so() {
    let home = Home::new();
    let manifest = home.directory("work").join("manifest.json");
    fs::write(&manifest, json!({"schema": 2}).to_string()).expect("written");
    let run = home.ampup(&["--registry", manifest.as_str(), "install"]).exits(1);
    run.says("has schema 2; this ampup knows schemas up to 1")
        .says("hint: `ampup self update`");
    fs::write(&manifest, "{").expect("written");
    home.ampup(&["--registry", manifest.as_str(), "install"])
        .exits(4)
        .says("malformed: not valid JSON: the file ends in the middle of an object (line 1)\nhint: ");
    let by_flag = || home.command(&["--registry", "/surely/not/here", "install"]);
    let by_variable = || {
        let mut command = home.command(&["install"]);
        command.env("AMPUP_REGISTRY", "/surely/not/here");
        command
    };
    for (command, label, removal) in [
        (by_flag(), "  ", "run the same command without `--registry`"),
        (
            by_variable(),
            "hint: ",
            "`unset AMPUP_REGISTRY`, then run the same command again",
        ),
    ] {
        finish(command)
            .exits(3)
            .says("cannot read the registry `/surely/not/here`")
            .says(&format!(
                "\n{label}correct the path; or, to use the default registry, {removal}\n"
            ));
    }
    // It is no file of the home.
    fs::set_permissions(&manifest, std::os::unix::fs::PermissionsExt::from_mode(0o200)).expect("set");
    let run = home.ampup(&["--registry", manifest.as_str(), "install"]).exits(7);
    assert!(!run.stderr.contains("AMPUP_HOME"), "{run:#?}");
}

/// Words of the libraries below are not what a person searches for.
#[test]
fn what_was_typed_wrong_is_told_in_plain_words() {
    let home = {
        let mut home = Home::new();
        home.offer("tool", "1.0.0");
        home
    };
    let key = [
        "--registry",
        "https://a.invalid",
        "--registry-key",
        "/nofile",
        "list",
    ];
    let rows = [
        (
            &["--mirror", "foo", "install"][..],
            2,
            "error: the mirror `foo` is not an address\n",
        ),
        (
            &key,
            3,
            "error: cannot read `/nofile`\n  No such file or directory\n",
        ),
        (
            &["registry", "check", "/nofile"],
            3,
            "error: cannot read `/nofile`\n  No such file or directory\n",
        ),
        (&["which", "postgresql"], 3, "error: `postgres` is not installed"),
    ];
    every(rows, |(words, code, says)| {
        home.ampup(words).exits(code).says(says);
    });
    home.ampup(&["install", "Tool@1.0.0"]).exits(0);
    home.ampup(&["info", "TOOL"]).exits(0).prints_with("tool: ");
    fs::write(home.path().join("config.toml"), "jobs = \n").expect("written");
    home.ampup(&["list"]).exits(2).says("a value is missing");
}

#[test]
fn a_hint_of_several_errors_is_given_once() {
    let run = Home::new().ampup(&["--offline", "install"]).exits(5);
    assert!(run.stderr.matches("error: ").count() > 1, "{run:#?}");
    let advice = "  run the same command without `--offline`\n";
    assert_eq!(run.stderr.matches(advice).count(), 1, "{run:#?}");
    assert!(run.stderr.ends_with(advice), "{run:#?}");
}

#[test]
fn offline_touches_no_network_and_says_what_it_would_need() {
    let home = Home::new();
    let run = home.ampup(&["--offline", "install", "postgres"]).exits(5);
    assert_eq!(run.stderr.matches("not asked").count(), 1, "{run:#?}");
    run.says("\n  not asked, because `--offline` is set: `github.com`, ")
        .says("\n  run the same command without `--offline`\n");
    let mut by_variable = home.command(&["install", "postgres"]);
    by_variable.env("AMPUP_OFFLINE", "1");
    finish(by_variable)
        .exits(5)
        .says("\n  not asked, because `AMPUP_OFFLINE` is set: `github.com`, ")
        .says("hint: `unset AMPUP_OFFLINE`, then run the same command again\n");
}
