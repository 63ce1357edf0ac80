//! Values from outside, at the door: paths, switches, settings and names, each read once.

use std::process::Command;

use ampup::env::Env;
use camino::Utf8Path;
use fs_err as fs;

use serde_json::json;

use crate::support::{
    archives::{TarEntry, tar_gz},
    home::{Home, TARGET, finish, script, sha256},
    table::every,
};

fn home() -> Home {
    let mut home = Home::new();
    home.offer("tool", "1.0.0").offer("tool", "2.0.0");
    home
}

/// The answer of a switch in the environment: yes, no, or nothing that can be understood.
const SWITCHES: &[(&str, Option<bool>)] = &[
    ("1", Some(true)),
    ("true", Some(true)),
    ("yes", Some(true)),
    ("on", Some(true)),
    ("Yes", Some(true)),
    ("0", Some(false)),
    ("false", Some(false)),
    ("no", Some(false)),
    ("off", Some(false)),
    ("NO", Some(false)),
    ("", Some(false)),
    ("2", None),
    ("maybe", None),
    ("y", None),
    ("n", None),
    (" ", None),
];

#[test]
fn a_switch_in_the_environment_says_the_same_to_the_program_and_to_the_scripts() {
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = home();
    let mut wrong = Vec::new();
    for (value, meant) in SWITCHES {
        let switch = Env::from_variables([("AMPUP_YES", *value)], "/").switch("AMPUP_YES");
        if switch.ok() != *meant {
            wrong.push(format!("the program takes `{value}` otherwise"));
        }
        for variable in ["AMPUP_YES", "AMPUP_OFFLINE"] {
            let mut command = home.command(&["list"]);
            command.env(variable, value);
            let run = finish(command);
            let expected = if meant.is_some() { 0 } else { 2 };
            if run.code != expected || (expected == 2 && !run.stderr.contains(variable)) {
                wrong.push(format!("ampup with {variable}=`{value}`: {run:?}"));
            }
        }
        let mut script = Command::new("sh");
        script
            .args([
                "-c",
                "fail() { exit \"$1\"; }; eval \"$(sed -n '/^switch()/,/^}/p' install.sh)\"; switch V \"$1\"",
                "sh",
                value,
            ])
            .current_dir(root);
        let run = finish(script);
        let says = match (run.code, run.stdout.as_str()) {
            (0, "1") => Some(true),
            (0, "") => Some(false),
            _ => None,
        };
        if says != *meant {
            wrong.push(format!("install.sh takes `{value}` otherwise: {run:?}"));
        }
        let mut script = Command::new("sh");
        script
            .args(["install.sh", "--help"])
            .env("AMPUP_DRY_RUN", value)
            .current_dir(root);
        let run = finish(script);
        if (run.code == 2) != meant.is_none() {
            wrong.push(format!("install.sh with AMPUP_DRY_RUN=`{value}`: {run:?}"));
        }
    }
    // PowerShell's own comparison passes over the case of letters.
    let powershell = fs::read_to_string(root.join("install.ps1")).expect("read");
    for words in ["@('1', 'true', 'yes', 'on')", "@('', '0', 'false', 'no', 'off')"] {
        if !powershell.contains(words) {
            wrong.push(format!("install.ps1 has not {words}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_no_in_the_environment_is_no_yes() {
    let home = home();
    home.ampup(&["install", "tool"]).exits(0);
    let mut command = home.command(&["self", "uninstall"]);
    command.env("AMPUP_YES", "no");
    assert_ne!(finish(command).code, 0);
    home.ampup(&["list"]).exits(0).prints_with("tool");
}

#[test]
fn an_empty_path_and_a_relative_one_in_the_environment_are_usage_errors() {
    let home = home();
    let here = home.path().parent().expect("a parent").join("work");
    fs::create_dir_all(&here).expect("made");
    let flags: &[&[&str]] = &[
        &["--home", "", "list"],
        &["--home=", "install", "tool"],
        &["--registry", "", "list"],
        &["--registry-key", "", "list"],
        &["--mirror", "", "list"],
        &["--mirror", "mirror", "list"],
        &["--mirror", "file://mirror/amp", "install", "--dry-run", "tool"],
        &["registry", "check", ""],
        &["db", "start", "--run-as", ""],
        &["run", "--run-as", "", "true"],
        &["db", "fork", ""],
        &["db", "status", "--amp-dir", ""],
        &["run", "--amp-dir", "", "true"],
        &["db", "backup", ""],
        &["db", "restore", ""],
        &["db", "import", ""],
        &["prune", "--kept", ""],
        &["install", ""],
        &["use", ""],
        &["uninstall", ""],
    ];
    let variables: &[(&str, &str, &[&str])] = &[
        ("AMPUP_HOME", "", &["list"]),
        ("AMPUP_HOME", "home", &["list"]),
        ("AMPUP_REGISTRY", "", &["list"]),
        ("AMPUP_REGISTRY", "manifest.json", &["list"]),
        ("AMPUP_REGISTRY_KEY", "", &["list"]),
        ("AMPUP_REGISTRY_KEY", "key.pub", &["list"]),
        ("AMP_DIR", "", &["db", "status"]),
        ("AMP_DIR", ".amp", &["db", "status"]),
        ("AMP_DIR", "", &["run", "true"]),
        ("AMP_DIR", ".", &["run", "true"]),
    ];
    let mut wrong = Vec::new();
    for arguments in flags {
        let mut command = home.command(arguments);
        command.current_dir(&here);
        let run = finish(command);
        if run.code != 2 || !run.stderr.starts_with("error: ") {
            wrong.push(format!("{arguments:?}: {run:?}"));
        }
    }
    for (variable, value, arguments) in variables {
        let mut command = home.command(arguments);
        command.env(variable, value).current_dir(&here);
        let run = finish(command);
        let is_named = run.stderr.contains(variable) && run.stderr.contains("absolute path");
        if run.code != 2 || !is_named {
            wrong.push(format!("{variable}=`{value}` {arguments:?}: {run:?}"));
        }
    }
    // A mirror is an address; an empty variable is none, as for the scripts.
    for (value, code) in [("mirror", 2), ("", 0)] {
        let mut command = home.command(&["list"]);
        command.env("AMPUP_MIRROR", value);
        let run = finish(command);
        if run.code != code || run.stderr.contains("the mirror `mirror`") != (code == 2) {
            wrong.push(format!("AMPUP_MIRROR=`{value}`: {run:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let left = here.read_dir_utf8().expect("listed").count();
    assert_eq!(left, 0, "nothing is made in the working directory");
}

#[test]
fn a_setting_that_means_nothing_is_a_warning_and_a_value_without_sense_an_error_that_doctor_finds() {
    let home = home();
    home.ampup(&["install", "tool"]).exits(0);
    let settings = home.path().join("config.toml");
    fs::write(&settings, "jbos = 3\n").expect("written");
    home.ampup(&["list"])
        .exits(0)
        .prints_with("tool")
        .says("line 1: there is no setting `jbos`; did you mean `jobs`?");
    let rows = [
        ("\njobs = 0\n", "line 2: `jobs` is `0`"),
        (
            "registry = \"manifest.json\"\n",
            "`registry` is `\"manifest.json\"`",
        ),
        ("jobs = [\n", "is malformed"),
    ];
    every(rows, |(text, said)| {
        fs::write(&settings, text).expect("written");
        home.ampup(&["list"]).exits(2).says(said);
        home.ampup(&["doctor"])
            .exits(1)
            .prints_with("problem settings")
            .prints_with(said);
    });
    fs::remove_file(&settings).expect("removed");
    home.ampup(&["doctor", "--registry", "/nowhere/manifest.json"])
        .exits(1)
        .prints_with("problem registry: cannot read the registry `/nowhere/manifest.json`")
        .prints_with("components: ")
        .says("not checked");
}

#[test]
fn ampup_alone_helps_and_names_that_people_bring_along_work() {
    let home = home();
    let alone = home.ampup(&[]).exits(0);
    let help = home.ampup(&["-h"]).exits(0).prints_with("--lock-timeout");
    let commands = |text: &str| text.split("ampup itself:").next().unwrap_or_default().to_owned();
    assert_eq!(commands(&alone.stdout), commands(&help.stdout));
    assert!(alone.stdout.ends_with("`ampup --help`\n"), "{alone:?}");
    assert!(!home.path().exists(), "nothing is made");

    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    let rows = [
        (&["ls"][..], &["list"][..]),
        (&["outdated"], &["check"]),
        (&["show", "tool"], &["info", "tool"]),
        (&["version"], &["self", "version"]),
    ];
    every(rows, |(brought, own)| {
        let (brought, own) = (home.ampup(brought), home.ampup(own));
        assert_eq!(
            (brought.code, &brought.stdout),
            (own.code, &own.stdout),
            "{brought:?}"
        );
    });
    home.ampup(&["upgrade", "tool"])
        .exits(0)
        .says("this exact version was requested");
    home.ampup(&["install", "tool@2.0.0"]).exits(0);
    home.ampup(&["rm", "tool@1.0.0"])
        .exits(0)
        .says("removed tool 1.0.0");
    home.ampup(&["remove", "tool"])
        .exits(0)
        .says("removed tool 2.0.0");
    every(["ls", "outdated", "upgrade", "remove", "version"], |unlisted| {
        let verbs = help.stdout.lines().map(str::trim_start);
        let mut named = verbs.filter(|line| line.split(' ').next() == Some(unlisted));
        assert_eq!(named.next(), None);
    });
}

/// `near` lies in a file; `far` is on a host that is out of reach; of `loose` only its publisher states a digest; `inert`
/// has an executable that may not be executed.
fn mixed() -> Home {
    let mut home = Home::new();
    home.offer("near", "1.0.0");
    let far = |integrity: serde_json::Value| {
        json!({
            "target": TARGET, "provider": "acme", "format": "raw", "integrity": integrity,
            "source": {"kind": "https", "url": "https://host.invalid/tool"},
        })
    };
    let pinned = json!({"kind": "pinned", "digest": sha256(b"far")});
    home.offer_artifacts("far", "1.0.0", &[far(pinned)]);
    let stated =
        json!({"kind": "checksum_file", "algorithm": "sha256", "url": "https://host.invalid/tool.sha256"});
    home.offer_artifacts("loose", "1.0.0", &[far(stated)]);
    let mut executable = TarEntry::file("bin/inert", &script("inert", "1.0.0"));
    executable.mode = 0o644;
    let archive = tar_gz(&[TarEntry::directory("bin/"), executable]);
    let path = home.work().join("inert.tar.gz");
    fs::create_dir_all(home.work()).expect("made");
    fs::write(&path, &archive).expect("written");
    let inert = json!({
        "target": TARGET, "provider": "acme", "format": "tar.gz",
        "source": {"kind": "file", "url": format!("file://{path}")},
        "integrity": {"kind": "pinned", "digest": sha256(&archive)},
    });
    home.offer_artifacts("inert", "1.0.0", &[inert]);
    home
}

#[test]
fn a_dry_run_ends_as_the_run_would_and_makes_nothing() {
    let rows: &[(&[&str], i32)] = &[
        (&["near"], 0),
        (&["near", "--require-pinned"], 0),
        (&["near", "--offline"], 0),
        (&["far", "--offline"], 5),
        (&["far", "near", "--offline"], 5),
        (&["loose", "--offline"], 5),
        (&["loose", "--require-pinned"], 4),
        (&["near", "loose", "--require-pinned"], 4),
        (&["loose", "--require-pinned", "--offline"], 4),
        (&["nothing"], 3),
        (&["near@2"], 3),
        (&["near", "--jobs", "0"], 2),
    ];
    let mut wrong = Vec::new();
    for (arguments, code) in rows {
        let home = mixed();
        let install = |more: &[&str]| home.ampup(&[&["install"], *arguments, more].concat());
        let planned = install(&["--dry-run"]);
        if home.path().exists() {
            wrong.push(format!("{arguments:?}: the dry run made the home"));
        }
        let done = install(&[]);
        if (planned.code, done.code) != (*code, *code) {
            wrong.push(format!("{arguments:?}: {planned:?} and then {done:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_settled_counts_for_a_dry_run_and_what_may_not_be_executed_does_not_run_here() {
    let home = mixed();
    fs::create_dir_all(home.path()).expect("made");
    fs::write(home.path().join("config.toml"), "require_pinned = true\n").expect("written");
    home.give(&home.path());
    for more in [&["--dry-run"][..], &[]] {
        home.ampup(&[&["install", "loose"], more].concat())
            .exits(4)
            .says("the registry has no digest for loose")
            .says("`require_pinned` in `config.toml` takes none that its publisher alone states");
    }
    home.ampup(&["install", "--locked", "loose@1.0.0"])
        .exits(4)
        .says("the registry has no digest for loose 1.0.0; `--locked` takes none that its publisher alone states")
        .says("\n  run the same command without `--locked`");
    home.ampup(&["install", "inert"]).exits(1).says("acme");
}
