//! The registry that somebody names, and the network that somebody forbids: who named or forbade it is told.

use fs_err as fs;
use serde_json::json;

use crate::support::home::{Home, finish};

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
        .says("malformed");
    let by_flag = || home.command(&["--registry", "/surely/not/here", "install"]);
    let by_variable = || {
        let mut command = home.command(&["install"]);
        command.env("AMPUP_REGISTRY", "/surely/not/here");
        command
    };
    for (command, removal) in [
        (by_flag(), "run the same command without `--registry`"),
        (
            by_variable(),
            "`unset AMPUP_REGISTRY`, then run the same command again",
        ),
    ] {
        finish(command)
            .exits(1)
            .says("cannot read the registry `/surely/not/here`")
            .says(&format!(
                "correct the path; or, to use the default registry, {removal}\n"
            ));
    }
    // It is no file of the home.
    fs::set_permissions(&manifest, std::os::unix::fs::PermissionsExt::from_mode(0o200)).expect("set");
    let run = home.ampup(&["--registry", manifest.as_str(), "install"]).exits(7);
    assert!(!run.stderr.contains("AMPUP_HOME"), "{run:#?}");
}

#[test]
fn offline_touches_no_network_and_says_what_it_would_need() {
    let home = Home::new();
    let run = home.ampup(&["--offline", "install", "postgres"]).exits(5);
    assert_eq!(run.stderr.matches("not asked").count(), 1, "{run:#?}");
    run.says("\n  not asked, because `--offline` is set: `github.com`, ")
        .says("run the same command without `--offline`\n");
    let mut by_variable = home.command(&["install", "postgres"]);
    by_variable.env("AMPUP_OFFLINE", "1");
    finish(by_variable)
        .exits(5)
        .says("\n  not asked, because `AMPUP_OFFLINE` is set: `github.com`, ")
        .says("hint: `unset AMPUP_OFFLINE`, then run the same command again\n");
}
