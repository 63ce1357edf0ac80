//! Installing: what is then there, and what failures leave.

use fs_err as fs;

use super::{active, home};
use crate::support::{
    home::{Home, finish, sha256},
    table::every,
};

#[test]
fn an_installed_component_runs_from_bin_and_is_listed() {
    let home = home();
    home.ampup(&["install", "tool@1.0.0"])
        .exits(0)
        .prints("")
        .says("installed tool 1.0.0 (built by acme)");
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
        .says("tool 2.0.0 is already installed");
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
        run.stderr.contains("printed `broken 9.9.9`; expected 1.0.0"),
        "{run:#?}"
    );
    home.ampup(&["list"]).exits(0).prints("tool 1.0.0 (active)\n");
    // Where nothing else changes, updates go on following what was asked for before.
    let before = home.store();
    home.ampup(&["install", "tool@1", "broken"]).exits(1);
    assert_eq!(home.store(), before);
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
    home.offer("two", "2.0.0")
        .offer_artifacts("two", "1.0.0", &builds);
    home.ampup(&["install", "two@1.0.0"])
        .exits(0)
        .says("built by theseus");
    home.ampup(&["list"]).exits(0).prints("two 1.0.0 (active)\n");
    home.ampup(&["install", "two@1.0.0+zonky"])
        .exits(0)
        .says("built by zonky");
    home.ampup(&["list"])
        .exits(0)
        .prints("two 1.0.0+zonky   (active)\ntwo 1.0.0+theseus\n");
    home.ampup(&["use", "two@1.0.0+theseus"])
        .exits(0)
        .says("two 1.0.0+theseus is active now");
    home.ampup(&["list"])
        .exits(0)
        .prints("two 1.0.0+zonky\ntwo 1.0.0+theseus (active)\n");
    let rows: [(&[&str], &str); 6] = [
        (
            &["verify"],
            "two 1.0.0+theseus is intact\ntwo 1.0.0+zonky is intact\n",
        ),
        (&["why", "two"], "two 1.0.0+theseus is active\n"),
        (&["why", "two"], "beside it   1.0.0+zonky\n"),
        (&["info", "two"], "installed   1.0.0+zonky, 1.0.0+theseus\n"),
        (&["history"], "  two 1.0.0+zonky -> 1.0.0+theseus  ("),
        (&["install", "two@1", "--dry-run"], "keep two 1.0.0+theseus\n"),
    ];
    every(rows, |(words, expected)| {
        home.ampup(words).exits(0).prints_with(expected);
    });
    home.ampup(&["uninstall", "two@1.0.0"])
        .exits(2)
        .says("which version of two? Installed: `two@1.0.0+theseus` (active), `two@1.0.0+zonky`")
        .says("hint: `ampup uninstall two@1.0.0+zonky`");

    // Whoever names no builder gets the active build, else the one with the `+`.
    let pin = |text: &str| {
        fs::write(home.work().join("ampup.toml"), text).expect("written");
        home.give(&home.work());
    };
    let used = |tree: &str| {
        let path = format!("/.ampup/components/two/{tree}/bin/two\n");
        home.ampup(&["which", "two"]).exits(0).prints_with(&path);
    };
    home.ampup(&["use", "two@1"])
        .exits(0)
        .says("two 1.0.0+theseus is active already");
    pin("[components]\n");
    home.ampup(&["pin"]).exits(0).prints("two 1.0.0\n");
    used("1.0.0");
    home.ampup(&["use", "two@1.0.0+zonky"]).exits(0);
    used("1.0.0+zonky");
    home.ampup(&["install", "two@2"]).exits(0);
    used("1.0.0+zonky");
    home.ampup(&["use", "two@1"])
        .exits(0)
        .says("two 1.0.0+zonky is active now");

    // The other build is told apart where a pin keeps it, and goes by the name that is told.
    pin("[components]\ntwo = \"1.0.0+zonky\"\n");
    home.ampup(&["use", "two@1.0.0+theseus"])
        .exits(0)
        .says("this project keeps using two 1.0.0+zonky (line 2 of `");
    home.ampup(&["uninstall", "two@1.0.0+zonky"])
        .exits(6)
        .says("two 1.0.0+zonky is the last one that line 2 of `")
        .says("hint: `ampup uninstall two@1.0.0+zonky --force`");
    pin("[components]\n");
    let receipt = home.path().join("components/two/1.0.0/.receipt.json");
    fs::write(receipt, "{").expect("written");
    // What is damaged has the name of its directory alone.
    home.ampup(&["uninstall", "two@1.0.0"])
        .exits(0)
        .says("removed two 1.0.0\n");
    home.ampup(&["list"])
        .exits(0)
        .prints("two 2.0.0\ntwo 1.0.0+zonky (active)\n");
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
        lines[0].ends_with("another version is active") && !lines[1].contains("active"),
        "{run:#?}"
    );
    home.ampup(&["list"])
        .exits(0)
        .prints("tool 2.0.0 (active)\ntool 1.0.0\n");
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
        .says("skipped the build by theseus")
        .says("built by zonky");
    home.offer_artifacts("other", "1.0.0", &builds[..1]);
    home.ampup(&["install", "other"]).exits(4);
}
