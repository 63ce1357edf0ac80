//! Every verb, run as a user runs it, on small components from files.

use camino::Utf8Path;
use fs_err as fs;

use crate::support::home::{Home, finish, sha256};

/// A home with `tool` 1.0.0 and 2.0.0, and ampd and ampctl in two versions.
fn home() -> Home {
    let mut home = Home::new();
    home.offer("tool", "1.0.0").offer("tool", "2.0.0");
    for version in ["0.0.34", "0.0.35"] {
        home.offer("ampd", version).offer("ampctl", version);
    }
    home
}

fn active(home: &Home, component: &str) -> String {
    let run = home.ampup(&["list", "--json"]).exits(0).json();
    let rows = run["components"].as_array().expect("rows").clone();
    let row = rows
        .iter()
        .find(|row| row["name"] == component && row["state"] == "active");
    row.map(|row| row["version"].as_str().expect("text").to_owned())
        .unwrap_or_default()
}

#[test]
fn an_installed_component_runs_from_bin_and_is_listed() {
    let home = home();
    home.ampup(&["install", "tool@1.0.0"])
        .exits(0)
        .prints("")
        .says("installed tool 1.0.0, built by acme");
    let run = finish(std::process::Command::new(home.path().join("bin/tool")));
    assert_eq!(run.stdout, "tool 1.0.0\n");
    home.ampup(&["list"]).exits(0).prints("tool 1.0.0 (active)\n");
    let which = home.ampup(&["which", "tool"]).exits(0);
    assert!(
        which.stdout.ends_with("/.ampup/components/tool/1.0.0/bin/tool\n"),
        "{which:?}"
    );
    let which = home.ampup(&["which", "tool", "--dir"]).exits(0);
    assert!(
        which.stdout.ends_with("/.ampup/components/tool/1.0.0\n"),
        "{which:?}"
    );
}

#[test]
fn the_layout_is_the_contract() {
    let home = home();
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    let link = |path: &str| home.path().join(path).read_link_utf8().expect(path);
    assert_eq!(link("active"), "generations/1");
    assert_eq!(link("bin"), "active/bin");
    assert_eq!(link("generations/1/tool"), "../../components/tool/1.0.0");
    assert_eq!(link("generations/1/bin/tool"), "../tool/bin/tool");
    let receipt =
        fs::read_to_string(home.path().join("components/tool/1.0.0/.receipt.json")).expect("a receipt");
    assert!(
        receipt.len() <= 4096 && receipt.contains("\"provider\": \"acme\""),
        "{receipt}"
    );
    assert!(home.path().join("components/tool/1.0.0/.files.json").is_file());
    assert!(home.path().join("generations/1/generation.json").is_file());
    assert_eq!(
        fs::read_dir(home.path().join("staging")).expect("listed").count(),
        0
    );

    // Relative links: a moved home works.
    let moved = home.directory("user").join("moved home");
    fs::rename(home.path(), &moved).expect("moved");
    assert_eq!(
        finish(std::process::Command::new(moved.join("bin/tool"))).stdout,
        "tool 1.0.0\n"
    );
}

#[test]
fn installing_what_is_there_changes_nothing() {
    let home = home();
    home.ampup(&["install", "tool"]).exits(0);
    let before = home.store();
    home.ampup(&["--offline", "install", "tool"])
        .exits(0)
        .says("tool 2.0.0 is installed and active already");
    assert_eq!(home.store(), before);
}

#[test]
fn a_bare_install_takes_the_default_components_and_a_bare_version_the_daemon_and_its_client() {
    let home = home();
    home.ampup(&["install", "v0.0.34"]).exits(0);
    home.ampup(&["list"])
        .exits(0)
        .prints("ampd   v0.0.34 (active)\nampctl v0.0.34 (active)\n");
    home.ampup(&["install"]).exits(0);
    home.ampup(&["list"])
        .exits(0)
        .prints("ampd   v0.0.34 (active)\nampctl v0.0.34 (active)\ntool   2.0.0   (active)\n");
}

#[test]
fn several_components_make_one_generation_and_a_group_moves_together() {
    let home = home();
    home.ampup(&["install", "ampd@0.0.34", "-c", "tool@1.0.0"])
        .exits(0);
    assert_eq!(
        (active(&home, "ampd"), active(&home, "ampctl")),
        ("0.0.34".into(), "0.0.34".into())
    );
    assert_eq!(
        fs::read_dir(home.path().join("generations"))
            .expect("listed")
            .count(),
        1
    );
    home.ampup(&["install", "ampd@0.0.35", "ampctl@0.0.34"])
        .exits(2)
        .says("ampctl and ampd move together");
    home.ampup(&["use", "0.0.35"])
        .exits(3)
        .says("hint: `ampup install ampd@0.0.35`");
}

#[test]
fn what_fails_leaves_its_group_alone_and_the_others_are_done() {
    let mut home = home();
    home.offer_script("broken", "1.0.0", "#!/bin/sh\necho broken 9.9.9\n");
    let run = home.ampup(&["install", "tool@1.0.0", "broken"]).exits(1);
    let run = run
        .says("installed tool 1.0.0")
        .says("error: could not install broken");
    assert!(
        run.stderr
            .contains("should name 1.0.0 and printed `broken 9.9.9`"),
        "{run:#?}"
    );
    home.ampup(&["list"]).exits(0).prints("tool 1.0.0 (active)\n");
    assert_eq!(
        fs::read_dir(home.path().join("staging")).expect("listed").count(),
        0
    );
}

/// execvp hands what execve refuses to /bin/sh, which would run the bytes of another machine's program as commands.
#[test]
fn a_program_for_another_machine_is_refused_and_never_handed_to_a_shell() {
    let mut home = home();
    let mut foreign = fs::read(env!("CARGO_BIN_EXE_ampup")).expect("read");
    foreign.truncate(4096);
    // `e_machine`: riscv.
    foreign[18..20].copy_from_slice(&243_u16.to_le_bytes());
    let touched = home.path().join("touched");
    foreign.extend(format!("\ntouch {touched}\n").bytes());
    let said = if cfg!(target_os = "linux") {
        "it was built for Linux on riscv; this host is Linux on"
    } else {
        "does not run here"
    };
    home.offer_raw("foreign", "1.0.0", &foreign);
    home.offer_raw(
        "words",
        "1.0.0",
        format!("touch {touched}\necho words 1.0.0\n").as_bytes(),
    );
    let run = home.ampup(&["install", "foreign"]).exits(1).says(said);
    assert!(!run.stderr.contains("Syntax error"), "{run:#?}");
    home.ampup(&["install", "words"])
        .exits(1)
        .says("neither a program nor a script with a `#!` line");
    assert!(!touched.exists());
}

#[test]
fn wrong_bytes_end_with_code_4_and_change_nothing() {
    let mut home = home();
    let path = home.directory("work").join("other");
    fs::write(&path, "other bytes").expect("written");
    let promised = sha256(b"the promised bytes");
    home.offer_artifacts(
        "tampered",
        "1.0.0",
        &[serde_json::json!({
            "target": crate::support::home::TARGET, "provider": "acme", "format": "raw",
            "source": {"kind": "file", "url": format!("file://{path}")},
            "integrity": {"kind": "pinned", "digest": promised},
        })],
    );
    home.ampup(&["install", "tool"]).exits(0);
    let before = home.store();
    let run = home
        .ampup(&["install", "tampered"])
        .exits(4)
        .says("error: could not install tampered");
    assert!(
        run.stderr.contains(&promised) && run.stderr.contains(&sha256(b"other bytes")),
        "{run:#?}"
    );
    assert_eq!(home.store(), before);
    assert!(path.exists(), "a file of the user's own is not ours to delete");
}

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
        .says("hint: `ampup install --component tool`");
    home.ampup(&["uninstall", "tool"]).exits(3);
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
    for words in [
        &["install", "tool@"][..],
        &["install", "../x"],
        &["install", "-c", "tool@nope"],
        &["nonsense"],
        &["install", "--no-such-flag"],
        &["use"],
        &["use", "tool"],
        &["uninstall"],
        &["which"],
        &["build"],
        &["build", "-p", "."],
    ] {
        let run = home.ampup(words).exits(2);
        assert!(run.stderr.contains("error: "), "{words:?} {run:?}");
    }
}

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
        .says("installed: `tool@1.0.0`, `tool@2.0.0`");
}

#[test]
fn uninstall_takes_the_active_version_out_first() {
    let home = home();
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    home.ampup(&["install", "tool@2.0.0"]).exits(0);
    home.ampup(&["uninstall", "tool"])
        .exits(2)
        .says("which version of tool?");
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
        .prints("ampctl - pinned: v0.0.34\nampd - pinned: v0.0.34\ntool - held back: 1.0.0\n");
    home.offer("tool", "1.1.0");
    home.ampup(&["check"]).exits(100).says("").prints(
        "ampctl - pinned: v0.0.34\nampd - pinned: v0.0.34\ntool - update available: 1.0.0 -> 1.1.0\n",
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
        lines[0].starts_with("  2 ") && lines[1].starts_with("* 1 "),
        "{history}"
    );
    assert!(
        lines[0].contains("tool 2.0.0") && lines[0].ends_with("`ampup install tool@2.0.0`"),
        "{history}"
    );
    home.ampup(&["undo"]).exits(3).says("no generation to go back to");
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
        history.contains("incomplete; `ampup install tool@1.0.0` completes it"),
        "{history}"
    );
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
    for words in [
        &["list"][..],
        &["list", "--available"],
        &["check"],
        &["history"],
        &["info", "tool"],
        &["search", "tool"],
        &["which", "tool"],
    ] {
        home.ampup(&[words, &["--json"]].concat()).exits(0).json();
    }
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
fn a_second_build_lies_beside_the_first() {
    let mut home = home();
    let offer = |home: &mut Home, provider: &str| {
        let path = home.directory("work").join(provider);
        let script = format!("#!/bin/sh\necho two 1.0.0 # {provider}\n");
        fs::write(&path, &script).expect("written");
        serde_json::json!({
            "target": crate::support::home::TARGET, "provider": provider, "format": "raw",
            "source": {"kind": "file", "url": format!("file://{path}")},
            "integrity": {"kind": "pinned", "digest": sha256(script.as_bytes())},
        })
    };
    let builds = [offer(&mut home, "theseus"), offer(&mut home, "zonky")];
    home.offer_artifacts("two", "1.0.0", &builds);
    home.ampup(&["install", "two"]).exits(0).says("built by theseus");
    home.ampup(&["install", "two@1.0.0+zonky"])
        .exits(0)
        .says("built by zonky");
    home.ampup(&["list"])
        .exits(0)
        .prints("two 1.0.0+zonky (active)\ntwo 1.0.0\n");
    home.ampup(&["use", "two@1.0.0+theseus"]).exits(0);
    home.ampup(&["list"])
        .exits(0)
        .prints("two 1.0.0+zonky\ntwo 1.0.0       (active)\n");
    home.ampup(&["uninstall", "two@1.0.0+zonky"]).exits(0);
    home.ampup(&["list"]).exits(0).prints("two 1.0.0 (active)\n");
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
    for flag in ["--repo", "--arch", "--platform"] {
        home.ampup(&["install", flag, "x"]).exits(2).says("hint: ");
    }
}

/// Each of two processes holds what the other wants next, if locks are taken as the work comes.
#[test]
fn two_installations_in_opposite_order_do_not_wait_for_each_other() {
    let mut home = Home::new();
    for component in ["alpha", "beta"] {
        // Slow enough that both processes are at work at once.
        let script = format!("#!/bin/sh\nsleep 1\necho \"{component} 1.0.0\"\n");
        home.offer_script(component, "1.0.0", &script);
    }
    let start = |names: [&str; 2]| {
        let mut command =
            home.command(&[&["--lock-timeout", "60", "install", "--jobs", "1"][..], &names].concat());
        command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        command.spawn().expect("started")
    };
    let both = [start(["alpha", "beta"]), start(["beta", "alpha"])];
    let ended = both.map(|child| child.wait_with_output().expect("ended"));
    let installed = ended
        .iter()
        .filter(|output| String::from_utf8_lossy(&output.stderr).contains("installed alpha"));
    assert_eq!(installed.count(), 1, "the second finds it done: {ended:?}");
    assert!(ended.iter().all(|output| output.status.success()), "{ended:?}");
    home.ampup(&["list"])
        .exits(0)
        .prints("alpha 1.0.0 (active)\nbeta  1.0.0 (active)\n");
}

#[test]
fn of_one_component_in_two_versions_only_the_last_is_said_to_be_active() {
    let home = home();
    let run = home.ampup(&["install", "tool@1.0.0", "tool@2.0.0"]).exits(0);
    let lines: Vec<&str> = run
        .stderr
        .lines()
        .filter(|line| line.starts_with("installed"))
        .collect();
    assert!(
        !lines[0].ends_with("it is active") && lines[1].ends_with("it is active"),
        "{run:#?}"
    );
    home.ampup(&["list"])
        .exits(0)
        .prints("tool 2.0.0 (active)\ntool 1.0.0\n");
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
fn a_refused_archive_leads_to_the_next_build() {
    let mut home = Home::new();
    let good = crate::support::home::script("tool", "1.0.0").into_bytes();
    let artifact = |home: &Home, provider: &str, format: &str, bytes: &[u8]| {
        let path = home.directory("work").join(provider);
        fs::write(&path, bytes).expect("written");
        serde_json::json!({
            "target": crate::support::home::TARGET, "provider": provider, "format": format,
            "source": {"kind": "file", "url": format!("file://{path}")},
            "integrity": {"kind": "pinned", "digest": sha256(bytes)},
        })
    };
    let builds = [
        artifact(&home, "theseus", "tar.gz", b"no archive"),
        artifact(&home, "zonky", "raw", &good),
    ];
    home.offer_artifacts("tool", "1.0.0", &builds);
    home.ampup(&["install", "tool"])
        .exits(0)
        .says("the build by theseus is not taken")
        .says("built by zonky");
    home.offer_artifacts("other", "1.0.0", &builds[..1]);
    home.ampup(&["install", "other"]).exits(4);
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
        .says("is not a file");
    home.ampup(&["install", "--jobs", "0", "tool"]).exits(2);
    home.ampup(&["install", "Tool"])
        .exits(3)
        .says("did you mean `tool`?");
    let mut command = home.command(&["list"]);
    command.env("AMPUP_LOCK_TIMEOUT", "soon");
    finish(command).exits(2).says("AMPUP_LOCK_TIMEOUT");
}
