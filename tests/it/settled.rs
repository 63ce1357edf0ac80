//! Versions that are settled, held back or out of reach: `check`, `update` and a dry run agree, and every verb ends with its exit code,
//! for a person and for a program.

use std::process::Command;

use camino::Utf8Path;
use fs_err as fs;
use serde_json::{Value, json};

use crate::support::{
    home::{Home, Run, TARGET, script, sha256},
    postgres::{done, run_as},
};

/// Offers a newer one whose digest only its publisher states, in a file beside it.
fn offer_as_its_publisher_states(home: &mut Home) {
    let file = home.directory("offer").join("tool");
    fs::write(&file, newer()).expect("written");
    let digest = sha256(newer().as_bytes());
    let sums = format!("{}  tool\n", digest.trim_start_matches("sha256:"));
    fs::write(file.with_extension("sha256"), sums).expect("written");
    let stated =
        json!({"kind": "checksum_file", "algorithm": "sha256", "url": format!("file://{file}.sha256")});
    offer_at(home, &format!("file://{file}"), stated);
}

/// Offers `tool` 2.0.0 at this address, with this integrity.
fn offer_at(home: &mut Home, url: &str, integrity: Value) {
    let artifact = json!({
        "target": TARGET, "provider": "acme", "format": "raw", "integrity": integrity,
        "source": {"kind": if url.starts_with("file:") { "file" } else { "https" }, "url": url},
    });
    home.offer_artifacts("tool", "2.0.0", &[artifact]);
}

fn newer() -> String {
    script("tool", "2.0.0")
}

fn pinned() -> Value {
    json!({"kind": "pinned", "digest": sha256(newer().as_bytes())})
}

fn settle(home: &Home, settings: &str) {
    fs::write(home.path().join("config.toml"), settings).expect("written");
}

/// Nobody listens there.
const NOWHERE: &str = "https://127.0.0.1:1/tool";

/// A mirror that has it.
fn mirror(home: &Home) -> String {
    let mirror = home.directory("mirror");
    let digest = sha256(newer().as_bytes());
    let blobs = mirror.join("blobs/sha256");
    fs::create_dir_all(&blobs).expect("made");
    fs::write(blobs.join(digest.trim_start_matches("sha256:")), newer()).expect("written");
    format!("file://{mirror}")
}

/// The case, its making, and the exit codes of `check`, `update --dry-run` and `update`.
type Row = (&'static str, fn(&mut Home), [i32; 3]);

const ROWS: [Row; 10] = [
    ("nothing newer", |_| {}, [0, 0, 0]),
    (
        "in a file",
        |home| {
            home.offer("tool", "2.0.0");
        },
        [100, 0, 0],
    ),
    (
        "pinned by the request",
        |home| {
            home.ampup(&["install", "tool@1.0.0"]).exits(0);
            home.offer("tool", "2.0.0");
        },
        [0, 0, 0],
    ),
    (
        "only its publisher states a digest, and none such is taken",
        |home| {
            offer_as_its_publisher_states(home);
            settle(home, "require_pinned = true\n");
        },
        [0, 4, 4],
    ),
    (
        "only its publisher states a digest",
        |home| {
            offer_as_its_publisher_states(home);
        },
        [100, 0, 0],
    ),
    (
        "on a host that is out of reach",
        |home| offer_at(home, NOWHERE, pinned()),
        // No network is asked for a plan.
        [0, 0, 5],
    ),
    (
        "on such a host, and on a mirror",
        |home| {
            offer_at(home, NOWHERE, pinned());
            let mirror = mirror(home);
            settle(home, &format!("mirror = \"{mirror}\"\n"));
        },
        [100, 0, 0],
    ),
    (
        "in a file that is gone",
        |home| offer_at(home, "file:///nowhere/tool", pinned()),
        [0, 0, 5],
    ),
    (
        "for another system",
        |home| {
            let artifact = json!({
                "target": "s390x-unknown-linux-gnu", "provider": "acme", "format": "raw", "integrity": pinned(),
                "source": {"kind": "https", "url": NOWHERE},
            });
            home.offer_artifacts("tool", "2.0.0", &[artifact]);
        },
        [0, 0, 0],
    ),
    (
        "in a home that is another's",
        |home| {
            home.offer("tool", "2.0.0");
            if run_as().is_some() {
                done(Command::new("chown").args(["-hR", "0:0", home.path().as_str()]));
            } else {
                done(Command::new("chmod").args(["a-w", home.path().as_str()]));
            }
        },
        [0, 7, 7],
    ),
];

#[test]
fn check_says_exactly_whether_update_would_change_something() {
    let mut wrong = Vec::new();
    for (name, prepare, codes) in ROWS {
        let mut home = Home::new();
        home.offer("tool", "1.0.0");
        home.ampup(&["install", "tool"]).exits(0);
        prepare(&mut home);
        let before = home.store();
        let checked = home.ampup(&["check"]);
        let planned = home.ampup(&["update", "--dry-run"]);
        let is_untouched = home.store() == before;
        let updated = home.ampup(&["update"]);
        let has_changed = home.store() != before;
        let found = [&checked, &planned, &updated].map(|run| run.code);
        let is_up_to_date = format!("{}{}", checked.stdout, updated.stderr).contains("up to date");
        let is_held_back = codes != [100, 0, 0] && !["nothing newer", "for another system"].contains(&name);
        if found != codes
            || !is_untouched
            || has_changed != (checked.code == 100)
            || is_held_back && is_up_to_date
        {
            wrong.push(format!(
                "{name}: {found:?}, changed: {has_changed}\n{checked:#?}\n{planned:#?}\n{updated:#?}"
            ));
        }
        if run_as().is_none() {
            let _ = Command::new("chmod").args(["u+w", home.path().as_str()]).status();
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each verb, and its exit code in a home with `tool` 1.0.0 where 2.0.0 is out, in a directory without a database.
const VERBS: [(&[&str], i32); 55] = [
    (&["list"], 0),
    (&["list", "--available"], 0),
    (&["check"], 100),
    (&["check", "nope"], 3),
    (&["info", "tool"], 0),
    (&["info", "nope"], 3),
    (&["search", "tool"], 0),
    (&["search", "nope"], 3),
    (&["which", "tool"], 0),
    (&["which", "nope"], 3),
    (&["why", "tool"], 0),
    (&["why", "nope"], 3),
    (&["history"], 0),
    (&["verify"], 0),
    (&["verify", "nope"], 3),
    (&["doctor"], 0),
    (&["install", "tool", "--dry-run"], 0),
    (&["install", "tool@9", "--dry-run"], 3),
    (&["install", "nope"], 3),
    (&["install", "--jobs", "0"], 2),
    (&["update", "--dry-run"], 0),
    (&["update", "nope"], 3),
    (&["use"], 2),
    (&["use", "tool"], 0),
    (&["use", "tool@9"], 3),
    (&["undo"], 3),
    (&["undo", "--nope"], 2),
    (&["uninstall", "nope"], 3),
    (&["uninstall", "tool@9"], 3),
    (&["prune", "--dry-run"], 0),
    (&["prune", "nope"], 3),
    (&["env"], 0),
    (&["env", "nope"], 2),
    (&["completions", "bash"], 0),
    (&["completions", "nope"], 2),
    (&["registry", "check"], 2),
    (&["self", "version"], 0),
    (&["self", "update", "--dry-run"], 1),
    (&["self", "uninstall", "--dry-run"], 0),
    (&["self", "uninstall"], 2),
    (&["init", "--dry-run"], 0),
    (&["run"], 2),
    (&["run", "--no-db", "--", "false"], 1),
    (&["run", "--no-db", "--", "nope"], 127),
    (&["db", "status"], 0),
    (&["db", "list"], 0),
    (&["db", "stop"], 0),
    (&["db", "url"], 3),
    (&["db", "env"], 3),
    (&["db", "logs"], 3),
    (&["db", "start"], 3),
    (&["db", "backup"], 3),
    (&["db", "reset"], 3),
    (&["nope"], 2),
    (&["--home", "", "list"], 2),
];

#[test]
fn every_verb_ends_with_its_code_for_a_person_and_for_a_program() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    home.ampup(&["install", "tool"]).exits(0);
    home.offer("tool", "2.0.0");
    let before = home.store();
    let mut wrong = Vec::new();
    for (arguments, code) in VERBS {
        let run = home.ampup(arguments);
        let shown = home.ampup(&[&["--json"], arguments].concat());
        let document: Option<Value> = serde_json::from_str(&shown.stdout).ok();
        let is_error = |document: &Value| document.get("error").is_some_and(|error| !error.is_null());
        // `run` gives the place to its command, whose output it is.
        let is_right = arguments[0] == "run" && code == 1
            || document.as_ref().is_some_and(|document| {
                document["schema"] == 1 && (is_error(document) == run.stderr.starts_with("error:"))
            });
        if (run.code, shown.code) != (code, code) || !is_right || has_two_errors(&run) {
            wrong.push(format!("{arguments:?}: {run:#?}\n{shown:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(home.store(), before, "nothing was changed");
    assert!(!Utf8Path::new(&home.work()).join(".amp").exists());
}

fn has_two_errors(run: &Run) -> bool {
    run.stderr
        .lines()
        .filter(|line| line.starts_with("error:"))
        .count()
        > 1
}
