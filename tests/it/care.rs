//! `verify`, `doctor`, `why` and `prune`: looking after what is installed.

mod prune;

use std::os::unix::fs::{PermissionsExt as _, symlink};

use camino::Utf8PathBuf;
use fs_err as fs;

use crate::support::{home::Home, table::every};

/// A home with two versions of `tool`, the second active, and `other`.
fn home() -> Home {
    let mut home = Home::new();
    home.offer("tool", "1.0.0")
        .offer("tool", "2.0.0")
        .offer("other", "1.0.0");
    home.ampup(&["install", "tool@1.0.0", "other"]).exits(0);
    home.ampup(&["install", "tool@2"]).exits(0);
    home
}

fn tool(home: &Home) -> Utf8PathBuf {
    home.path().join("components/tool/2.0.0")
}

/// The owner may do everything again.
fn write(path: &Utf8PathBuf, content: &str) {
    fs::write(path, content).expect("written");
}

#[test]
fn what_is_whole_is_said_to_be_whole() {
    let home = home();
    // A file browser was here.
    write(&home.path().join("generations/.DS_Store"), "");
    let before = home.store();
    home.ampup(&["verify"])
        .exits(0)
        .prints("other 1.0.0 is intact\ntool 1.0.0 is intact\ntool 2.0.0 is intact\n");
    home.ampup(&["verify", "other"])
        .exits(0)
        .prints("other 1.0.0 is intact\n");
    home.ampup(&["verify", "nothing"])
        .exits(3)
        .says("nothing is not installed");
    assert_eq!(home.store(), before);
}

#[test]
fn every_kind_of_damage_is_found_and_made_anew() {
    let mut home = home();
    home.offer("tool", "2.0.0");
    let before = home.store();
    let executable = tool(&home).join("bin/tool");
    type Deed<'a> = (&'a str, Box<dyn Fn(&Home)>);
    let deeds: Vec<Deed<'_>> = vec![
        (
            "`bin/tool` was altered",
            Box::new(|home| write(&tool(home).join("bin/tool"), "#!/bin/sh\nexit 0\n")),
        ),
        ("`bin/tool` was altered", {
            let length = fs::read(&executable).expect("read").len();
            Box::new(move |home| write(&tool(home).join("bin/tool"), &"x".repeat(length)))
        }),
        (
            "`bin/tool` was altered",
            Box::new(|home| {
                fs::set_permissions(
                    tool(home).join("bin/tool"),
                    std::fs::Permissions::from_mode(0o644),
                )
                .expect("changed");
            }),
        ),
        (
            "`bin/tool` was altered",
            Box::new(|home| {
                fs::remove_file(tool(home).join("bin/tool")).expect("removed");
                symlink("/bin/sh", tool(home).join("bin/tool")).expect("linked");
            }),
        ),
        (
            "`bin/tool` is missing",
            Box::new(|home| fs::remove_file(tool(home).join("bin/tool")).expect("removed")),
        ),
        (
            "`bin/more` was not installed",
            Box::new(|home| write(&tool(home).join("bin/more"), "more")),
        ),
        (
            "its `.receipt.json` cannot be used",
            Box::new(|home| fs::remove_file(tool(home).join(".receipt.json")).expect("removed")),
        ),
        (
            "its list of files cannot be used",
            Box::new(|home| write(&tool(home).join(".files.json"), "{")),
        ),
        (
            "is missing",
            Box::new(|home| fs::remove_dir_all(tool(home)).expect("removed")),
        ),
    ];
    for (what, deed) in deeds {
        deed(&home);
        let damaged = home.store();
        let run = home
            .ampup(&["verify"])
            .exits(4)
            .says("hint: `ampup verify --repair`");
        assert!(run.stdout.contains("tool 2.0.0 is damaged\n"), "{what}: {run:#?}");
        assert!(run.stdout.contains(what), "{what}: {run:#?}");
        assert_eq!(home.store(), damaged, "{what}");
        home.ampup(&["verify", "--repair"])
            .exits(0)
            .says("repaired tool 2.0.0, built by acme");
        home.ampup(&["verify"]).exits(0);
        // But for the time in its receipt.
        let timeless = |store: Vec<String>| {
            let receipt = |line: &String| !line.starts_with("components/tool/2.0.0/.receipt.json ");
            store.into_iter().filter(receipt).collect::<Vec<_>>()
        };
        assert_eq!(timeless(home.store()), timeless(before.clone()), "{what}");
    }
}

#[test]
fn what_cannot_be_had_again_stays_as_it_is() {
    let mut home = home();
    fs::remove_file(tool(&home).join(".receipt.json")).expect("removed");
    home.withdraw("tool", "2.0.0");
    let before = home.store();
    home.ampup(&["verify", "--repair", "tool"]).exits(3);
    assert_eq!(home.store(), before);
}

#[test]
fn a_tree_without_a_receipt_is_not_told_as_if_whole() {
    let home = home();
    fs::remove_file(tool(&home).join(".receipt.json")).expect("removed");
    home.ampup(&["which", "tool"])
        .exits(4)
        .says("hint: `ampup verify --repair tool`");
    home.ampup(&["list"])
        .exits(0)
        .prints("other 1.0.0 (active)\ntool  2.0.0 (damaged)\ntool  1.0.0\n");
}

#[test]
fn a_tree_without_a_receipt_is_neither_activated_nor_run() {
    let home = home();
    let hint = "hint: `ampup verify --repair tool`";
    let active = home.path().join("bin/tool");
    home.ampup(&["run", "--no-db", "--", "tool"])
        .exits(0)
        .prints("tool 2.0.0\n");
    write(&home.path().join("components/tool/1.0.0/.receipt.json"), "{");
    let before = home.store();
    let rows = [
        &["undo"][..],
        &["use", "tool@1.0.0"],
        &["use", "tool@1"],
        &[
            "run",
            "--no-db",
            "--",
            &format!("{}/components/tool/1.0.0/bin/tool", home.path()),
        ],
    ];
    every(rows, |words| {
        let run = home.ampup(words).exits(4).says(hint);
        assert!(run.stderr.contains("tool 1.0.0 may be incomplete"), "{run:#?}");
        assert_eq!(run.stdout, "", "{run:#?}");
    });
    assert_eq!(home.store(), before);
    write(&tool(&home).join(".receipt.json"), "{");
    for program in ["tool", active.as_str()] {
        let run = home.ampup(&["run", "--no-db", "--", program]).exits(4).says(hint);
        assert_eq!(run.stdout, "", "{run:#?}");
    }
    home.ampup(&["verify", "--repair"]).exits(0);
    home.ampup(&["undo"]).exits(0).says("tool 1.0.0 is active");
    home.ampup(&["run", "--no-db", "--", "tool"])
        .exits(0)
        .prints("tool 1.0.0\n");
}

/// A version that is active already gets no worse by going back.
#[test]
fn a_damaged_tree_that_stays_active_does_not_keep_another_from_going_back() {
    let mut home = home();
    home.offer("other", "2.0.0");
    home.ampup(&["install", "other@2"]).exits(0);
    write(&tool(&home).join(".receipt.json"), "{");
    home.ampup(&["undo"]).exits(0).says("other 1.0.0 is active");
}

/// No target of a link.
const MISSING: &str = "";

#[test]
fn links_that_are_not_ours_are_named_and_mended_and_never_followed() {
    let home = home();
    let outside = home.directory("outside");
    fs::write(outside.join("precious"), "precious").expect("written");
    let active = || home.path().join("active").canonicalize_utf8().expect("active");
    let replace = |path: &Utf8PathBuf, target: &str| {
        fs::remove_file(path).expect("removed");
        if target != MISSING {
            symlink(target, path).expect("linked");
        }
    };
    let faults = [
        ("active", MISSING),
        ("bin", MISSING),
        ("active", "../outside"),
        ("active", "generations/99"),
        ("active", "generations/../../outside/2"),
        ("bin", "../outside"),
        ("tool", outside.as_str()),
        ("tool", "../../../outside/tool/2.0.0"),
        ("tool", "../../components/other/2.0.0"),
        // Another version that is here, which this set was not made with.
        ("tool", "../../components/tool/1.0.0"),
        ("bin/tool", "/bin/sh"),
        ("bin/tool", "../other/bin/other"),
    ];
    for (name, target) in faults {
        let path = match name {
            "active" | "bin" => home.path().join(name),
            name => active().join(name),
        };
        replace(&path, target);
        let run = home.ampup(&["verify"]).exits(4);
        assert!(
            run.stdout.contains(&home.shown(&path)),
            "{path} -> {target}: {run:#?}"
        );
        let run = home.ampup(&["doctor"]).exits(1);
        assert!(
            run.stdout.contains(&home.shown(&path)),
            "{path} -> {target}: {run:#?}"
        );
        let run = home.ampup(&["verify", "--repair"]);
        assert_eq!(run.code, 0, "{path} -> {target}: {run:#?}");
        home.ampup(&["verify"]).exits(0);
        assert_eq!(
            fs::read_to_string(outside.join("precious")).expect("there"),
            "precious"
        );
        // What was active is, unless the link itself forgot which version it meant.
        home.ampup(&["install", "tool@2.0.0"]).exits(0);
        home.ampup(&["which", "tool"]).exits(0);
        assert_eq!(
            fs::read_link(home.path().join("bin")).expect("a link").to_str(),
            Some("active/bin")
        );
    }
    // What is removed takes nothing with it that a link leads to.
    symlink(&outside, home.path().join("components/tool/1.0.0/away")).expect("linked");
    symlink(&outside, home.path().join("staging/away")).expect("linked");
    symlink(&outside, home.path().join("cache/downloads/away")).expect("linked");
    symlink(&outside, home.path().join("components/tool/3.0.0")).expect("linked");
    home.ampup(&["verify"]).exits(4);
    home.ampup(&["uninstall", "tool@1.0.0"]).exits(0);
    home.ampup(&["prune"]).exits(0);
    assert_eq!(
        fs::read_to_string(outside.join("precious")).expect("there"),
        "precious"
    );
    assert!(
        home.path()
            .join("components/tool/3.0.0")
            .symlink_metadata()
            .is_ok(),
        "not ours to remove"
    );
}

#[test]
fn what_is_repaired_is_said_to_be_repaired() {
    let home = home();
    let link = home.path().join("active/bin/tool");
    for mend in [&["verify", "--repair"][..], &["install", "tool@2"]] {
        fs::remove_file(&link).expect("removed");
        home.ampup(&["doctor"])
            .exits(1)
            .prints_with("/bin/tool` is missing");
        home.ampup(&["verify"])
            .exits(4)
            .prints_with("/bin/tool` is missing\n");
        let run = home.ampup(mend).exits(0);
        assert!(
            run.stdout.contains("is missing; it is repaired\n") || run.stderr.contains("repaired the links"),
            "{run:#?}"
        );
        home.ampup(&["verify"]).exits(0);
        let ran = std::process::Command::new(home.path().join("bin/tool"))
            .output()
            .expect("started");
        assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), "tool 2.0.0");
    }
    fs::remove_file(&link).expect("removed");
    write(&tool(&home).join("bin/tool"), "x");
    let damaged = home.ampup(&["verify", "--json"]).exits(4).json();
    let repaired = home.ampup(&["verify", "--repair", "--json"]).exits(0).json();
    every(
        [(damaged, "damaged"), (repaired, "repaired")],
        |(answer, state)| {
            assert_eq!(answer["components"][2]["state"], state, "{answer:#}");
            assert_eq!(answer["links"][0]["state"], state, "{answer:#}");
        },
    );
    home.ampup(&["verify"]).exits(0);
}

/// One that this registry does not have is named, and keeps nothing from being repaired.
#[test]
fn a_component_that_cannot_be_repaired_keeps_no_other_from_it() {
    let mut home = home();
    write(&tool(&home).join("bin/tool"), "x");
    write(&home.path().join("components/other/1.0.0/bin/other"), "x");
    home.withdraw("other", "1.0.0");
    for command in ["check", "update"] {
        home.ampup(&[command])
            .exits(0)
            .says("other 1.0.0 stays: this registry has no component of that name");
    }
    home.ampup(&["verify", "--repair"])
        .exits(3)
        .says("repaired tool 2.0.0")
        .says("there is no component `other`");
    home.ampup(&["verify", "tool"]).exits(0);
    home.ampup(&["verify", "other"]).exits(4);
}

#[test]
fn why_says_what_was_asked_for_and_by_which_command() {
    let home = home();
    let run = home.ampup(&["why", "tool"]).exits(0);
    assert!(
        run.stdout
            .starts_with("tool 2.0.0 is active\nasked for   `tool@2`\n"),
        "{run:#?}"
    );
    assert!(run.stdout.contains(", by `ampup install tool@2`\n"), "{run:#?}");
    assert!(
        run.stdout.contains("built by    acme\n") && run.stdout.contains("beside it   1.0.0\n"),
        "{run:#?}"
    );
    // Later commands that left it alone are not why.
    home.ampup(&["uninstall", "other"]).exits(0);
    let run = home.ampup(&["--json", "why", "tool"]).exits(0).json();
    assert_eq!(run["command"], "ampup install tool@2");
    assert_eq!(run["request"], "2");
    home.ampup(&["why", "other"])
        .exits(3)
        .says("hint: `ampup install other`");
    home.ampup(&["why", "nothing"]).exits(3);
    // Another program of its name, while there is one of ampup's to be found, and when there is none.
    fs::copy("/bin/true", home.directory("another").join("tool")).expect("copied");
    let others = |says: &str| {
        let mut why = home.command(&["why", "tool"]);
        let (another, bin) = (home.directory("another"), home.path().join("bin"));
        why.env("PATH", format!("{another}:{bin}:/usr/bin:/bin"));
        let run = crate::support::home::finish(why);
        assert!(
            run.stdout.contains(&format!("another `tool`{says}: `")),
            "{run:#?}"
        );
    };
    others(", which shells find before ampup's");
    fs::write(home.work().join("ampup.toml"), "[components]\ntool = \"1.0.0\"\n").expect("written");
    home.ampup(&["uninstall", "tool@2"]).exits(0);
    home.ampup(&["uninstall", "tool", "--force"]).exits(0);
    home.ampup(&["install"]).exits(0);
    others("");
}

#[test]
fn doctor_finds_nothing_in_a_healthy_home_and_says_which_registry_is_used() {
    let home = home();
    let path = format!("{}:/usr/bin:/bin", home.path().join("bin"));
    let doctor = |change: &dyn Fn(&mut std::process::Command)| {
        let mut command = home.command(&["doctor"]);
        command.env("PATH", &path);
        change(&mut command);
        crate::support::home::finish(command)
    };
    doctor(&|_| {}).exits(0).says("no problems found");
    let run_of_ours = doctor(&|command| {
        command.env_remove("AMPUP_REGISTRY");
    })
    .exits(1);
    assert!(
        run_of_ours.stdout.contains("a newer ampup has a newer one"),
        "{run_of_ours:#?}"
    );
    assert!(
        run_of_ours.stdout.contains("ampd: not installed"),
        "{run_of_ours:#?}"
    );
    let run = doctor(&|command| {
        command.env("PATH", "/usr/bin:/bin");
    })
    .exits(0);
    assert!(run.stdout.contains("is not on PATH"), "{run:#?}");
    let shadow = home.directory("shadow");
    fs::copy("/bin/true", shadow.join("tool")).expect("copied");
    let run = doctor(&|command| {
        command.env("PATH", format!("{shadow}:{path}"));
    })
    .exits(0);
    assert!(
        run.stdout
            .contains(&format!("`{shadow}/tool` comes before ampup's `tool`")),
        "{run:#?}"
    );
    fs::remove_file(tool(&home).join(".receipt.json")).expect("removed");
    let run = doctor(&|_| {}).exits(1).says("1 problem found");
    assert!(run.stdout.contains("`ampup verify --repair tool`"), "{run:#?}");
}

#[test]
fn doctor_makes_no_home() {
    let home = Home::new();
    home.ampup(&["doctor"]).exits(1);
    home.ampup(&["verify"]).exits(0);
    home.ampup(&["prune"]).exits(0);
    assert!(!home.path().exists());
}
