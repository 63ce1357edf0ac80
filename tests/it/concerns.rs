//! Concerns about what is installed: flaws that a newer release mends, what holds one back, what nobody has built; and what
//! a registry may not say.

use fs_err as fs;
use serde_json::{Value, json};

use crate::support::{
    archives::{TarEntry, tar_gz},
    home::{Home, Run, TARGET, script, sha256},
    table::every,
};

/// Changes the registry that the home uses.
fn amend(home: &Home, change: impl FnOnce(&mut Value)) {
    let text = fs::read_to_string(home.registry()).expect("read");
    let mut registry = serde_json::from_str(&text).expect("JSON");
    change(&mut registry);
    fs::write(home.registry(), registry.to_string()).expect("written");
}

/// The kinds of what is said of the first component, in JSON.
fn kinds(run: &Run) -> Vec<String> {
    let json = run.json();
    let concerns = json["components"][0]["concerns"].as_array().expect("a list");
    concerns
        .iter()
        .map(|one| one["kind"].as_str().expect("text").to_owned())
        .collect()
}

#[test]
fn a_missed_security_fix_is_told_by_every_command_that_looks() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    home.ampup(&["install", "tool"]).exits(0);
    home.offer("tool", "2.0.0");
    amend(&home, |registry| {
        let releases = registry["components"]["tool"]["releases"].as_array_mut();
        let newest = releases.expect("a list").last_mut().expect("one");
        newest["security"] = json!({"cves": ["CVE-2026-0001"], "severity": "high"});
    });
    let lacks = "tool 1.0.0 lacks the security fixes of 2.0.0 (CVE-2026-0001, high)";
    home.ampup(&["list"])
        .exits(0)
        .prints("tool 1.0.0 (active)\n")
        .says(lacks);
    home.ampup(&["check"]).exits(100).says(lacks);
    home.ampup(&["install", "tool"]).exits(0).says(lacks);
    home.ampup(&["doctor"])
        .exits(0)
        .prints_with(&format!("warning security: {lacks}"));
    home.ampup(&["doctor", "--strict"]).exits(1);
    assert_eq!(kinds(&home.ampup(&["list", "--json"])), ["security"]);
    assert_eq!(kinds(&home.ampup(&["check", "--json"])), ["security"]);
    home.ampup(&["update"]).exits(0);
    let run = home.ampup(&["list"]).exits(0);
    assert!(!run.stderr.contains("lacks"), "{run:#?}");
    home.ampup(&["check"]).exits(0);
    // The fixes are here already, and another version is active.
    home.ampup(&["use", "tool@1.0.0"]).exits(0);
    home.ampup(&["doctor"]).exits(0).prints_with(&format!(
        "{lacks}\n        `ampup use tool@2.0.0`, which is installed\n"
    ));
    // The project may pin what is active.
    home.ampup(&["pin", "tool@1.0.0"]).exits(0);
    home.ampup(&["check"])
        .exits(0)
        .says("for this project: `ampup pin tool@2.0.0`, then `ampup install`\n");
    home.ampup(&["use", "tool@2.0.0"]).exits(0);
    let pins = || home.ampup(&["check", "--json"]).exits(0).json()["pins"].clone();
    // Every pin is listed: of what is active, and of what there is nothing.
    every(
        [("2", json!("2.0.0")), ("9", json!(null))],
        |(requirement, version)| {
            home.ampup(&["pin", "--force", &format!("tool@{requirement}")])
                .exits(0);
            let pins = pins();
            assert_eq!(pins[0]["version"], version, "{pins}");
            assert_eq!(pins[0]["pin"]["requirement"], requirement, "{pins}");
        },
    );
    // What the project uses in place of it is no better for that.
    home.ampup(&["pin", "tool@1.0.0"]).exits(0);
    home.ampup(&["list"]).exits(0).says(lacks);
    home.ampup(&["doctor"])
        .exits(0)
        .prints_with("warning pins: this project uses `tool@1.0.0`")
        .prints_with(&format!(
            "`ampup.toml`): {lacks}\n        `ampup pin tool@2.0.0`, then `ampup install`\n"
        ));
    let remedy = format!("{lacks}\nfor this project: `ampup pin tool@2.0.0`, then `ampup install`\n");
    every(["check", "update", "install"], |verb| {
        home.ampup(&[verb]).exits(0).says(&remedy);
    });
    assert_eq!(pins()[0]["installed"], true);
    // Nor is it in a fresh container, where nothing of it is installed yet; a range is judged by what it would bring.
    fs::remove_dir_all(home.path().join("components/tool/1.0.0")).expect("removed");
    every(["1.0.0", "1"], |requirement| {
        home.ampup(&["pin", &format!("tool@{requirement}")]).exits(0);
        home.ampup(&["check"]).exits(0).says(&remedy);
        let pins = pins();
        assert_eq!(pins[0]["installed"], false, "{pins}");
        assert_eq!(pins[0]["concerns"][0]["kind"], "security", "{pins}");
    });
}

#[test]
fn what_is_held_back_is_told_with_what_lets_go() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    home.ampup(&["install", "tool@1.0.0"]).exits(0);
    home.offer("tool", "2.0.0");
    let sentence =
        "2.0.0 is available, but you asked for `tool@1.0.0` (`ampup install tool`, then `ampup update`)";
    home.ampup(&["check"]).exits(0).says(sentence);
    home.ampup(&["update"]).exits(0).says(sentence);
    home.ampup(&["list"]).exits(0).says(sentence);
    home.ampup(&["doctor"]).prints_with(
        "tool 2.0.0 is available, but you asked for `tool@1.0.0`\n        `ampup install tool`, then",
    );
    assert_eq!(kinds(&home.ampup(&["check", "--json"])), ["held-back"]);
    // And it does let go, and says what then brings the newer one, where that would.
    let next = "next: `ampup update tool` installs tool 2.0.0\n";
    home.ampup(&["install", "tool"]).exits(0).says(next);
    home.ampup(&["install", "tool"]).exits(0).says(next);
    home.ampup(&["check"]).exits(100);
    let whole = fs::read_to_string(home.registry()).expect("read");
    amend(&home, |registry| {
        let releases = registry["components"]["tool"]["releases"].as_array_mut();
        let newest = releases.expect("a list").last_mut().expect("one");
        newest["artifacts"][0]["source"] = json!({"kind": "https", "url": "https://a.example/tool"});
    });
    let run = home.ampup(&["--offline", "install", "tool"]).exits(0);
    assert!(!run.stderr.contains("next:"), "{run:#?}");
    fs::write(home.registry(), whole).expect("written");
    home.ampup(&["update"]).exits(0).says("installed tool 2.0.0");
    home.ampup(&["check"]).exits(0);
    // Whoever goes back holds it again, and is told what it takes where the newer one is installed.
    let installed = "2.0.0 is installed, but you asked for `tool@1.0.0` (`ampup use tool@2.0.0`)\n";
    home.ampup(&["use", "tool@1.0.0"]).exits(0).says(installed);
    every(["check", "update", "list"], |verb| {
        home.ampup(&[verb]).exits(0).says(installed);
    });
    home.ampup(&["use", "tool@2.0.0"]).exits(0);
    home.ampup(&["install", "tool"]).exits(0);
    let run = home.ampup(&["install", "tool"]).exits(0);
    assert!(!run.stderr.contains("next:"), "{run:#?}");
    // What a prefix holds back is not called up to date.
    home.ampup(&["install", "tool@2.0"]).exits(0);
    home.offer("tool", "3.0.0");
    home.ampup(&["check"])
        .exits(0)
        .prints("tool - held back: 2.0.0\n");
    home.ampup(&["update"]).exits(0).says("tool 2.0.0 is held back");
}

#[test]
fn what_nobody_has_built_and_what_is_not_maintained_is_told() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    home.ampup(&["install", "tool"]).exits(0);
    amend(&home, |registry| {
        let tool = &mut registry["components"]["tool"];
        tool["title"] = json!("The Tool");
        tool["lines"] = json!([{"major": 1, "end_of_life": "2020-01-02", "upstream": {"version": "1.5.0"}}]);
    });
    home.ampup(&["check"])
        .exits(0)
        .says("The Tool 1.5.0 is released; no build of it is known yet\n")
        .says("The Tool 1 has had no fixes since 2020-01-02");
    assert_eq!(
        kinds(&home.ampup(&["check", "--json"])),
        ["unbuilt", "end-of-life"]
    );
    // What is installed already is only to be activated.
    home.offer("tool", "2.0.0");
    home.ampup(&["install", "tool@2.0.0"]).exits(0);
    home.ampup(&["use", "tool@1.0.0"]).exits(0);
    amend(&home, |registry| {
        registry["components"]["tool"]["lines"] = json!([{"major": 1, "end_of_life": "2020-01-02"}]);
    });
    home.ampup(&["update"])
        .exits(0)
        .says("has had no fixes since 2020-01-02: `ampup use tool@2` activates a newer major version\n");
}

#[test]
fn what_a_registry_may_not_say_is_not_taken_from_it() {
    let mut home = Home::new();
    home.offer("one", "1.0.0")
        .offer("two", "1.0.0")
        .offer("tool", "1.0.0");
    type Edit = fn(&mut Value);
    let cases: [(&str, Edit); 6] = [
        ("no executable", |all| all["tool"]["executables"] = json!([])),
        ("one twice", |all| {
            all["tool"]["executables"] = json!(["tool", "tool"])
        }),
        ("another component's", |all| {
            all["tool"]["executables"] = json!(["one"])
        }),
        ("ampup", |all| all["tool"]["executables"] = json!(["ampup"])),
        ("an empty root", |all| {
            all["tool"]["releases"][0]["artifacts"][0]["root"] = json!("")
        }),
        ("the top as root", |all| {
            all["tool"]["releases"][0]["artifacts"][0]["root"] = json!("/")
        }),
    ];
    let whole = fs::read_to_string(home.registry()).expect("read");
    let mut taken = Vec::new();
    for (what, change) in cases {
        fs::write(home.registry(), &whole).expect("written");
        amend(&home, |registry| change(&mut registry["components"]));
        let run = home.ampup(&["install", "tool"]);
        if run.code != 3 {
            taken.push(format!("{what}: {run:#?}"));
        }
    }
    assert!(taken.is_empty(), "{}", taken.join("\n"));
}

#[test]
fn nothing_of_a_registry_moves_the_cursor() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    amend(&home, |registry| {
        let tool = &mut registry["components"]["tool"];
        tool["summary"] = json!("harmless\u{1b}[2Jtext\u{202e}");
        tool["homepage"] = json!("https://h.example/\u{7}");
        let artifact = &mut tool["releases"][0]["artifacts"][0];
        artifact["source"]["url"] = json!("file:///not\u{1b}[31m/here");
    });
    let rows = [
        &["info", "tool"][..],
        &["search", "tool"],
        &["info", "tool", "--json"],
        &["install", "tool"],
        &["install", "tool", "--dry-run"],
    ];
    every(rows, |command| {
        let run = home.ampup(command);
        let all = format!("{}{}", run.stdout, run.stderr);
        let is_harmful = |letter: char| letter != '\n' && letter.is_control() || letter == '\u{202e}';
        assert!(!all.contains(is_harmful), "{command:?}: {run:#?}");
    });
    home.ampup(&["search", "tool"])
        .prints_with("harmless\\u{1b}[2Jtext\\u{202e}");
}

/// A tar.gz with these files, none of them executable.
fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(packed);
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, content.as_bytes())
            .expect("added");
    }
    tar.into_inner().expect("whole").finish().expect("packed")
}

#[test]
fn an_archive_without_a_bin_has_its_executables_named_by_the_registry() {
    let mut home = Home::new();
    let archive = archive(&[
        ("tool-1.0.0/tool-linux", &script("tool", "1.0.0")),
        ("tool-1.0.0/LICENCE", "free"),
    ]);
    let path = home.registry().with_file_name("tool.tar.gz");
    fs::write(&path, &archive).expect("written");
    let artifact = |at: &str| {
        json!({
            "target": TARGET, "provider": "acme", "format": "tar.gz", "root": "tool-1.0.0", "bin": {"tool": at},
            "source": {"kind": "file", "url": format!("file://{path}")},
            "integrity": {"kind": "pinned", "digest": sha256(&archive)},
        })
    };
    home.offer_artifacts("tool", "1.0.0", &[artifact("tool-1.0.0/tool")]);
    home.ampup(&["install", "tool"])
        .exits(4)
        .says("the manifest says that `tool` is an executable in it, and it holds no such file");
    home.withdraw("tool", "1.0.0");
    home.offer_artifacts("tool", "1.0.0", &[artifact("tool-1.0.0/tool-linux")]);
    home.ampup(&["install", "tool"]).exits(0);
    let tree = home.path().join("components/tool/1.0.0");
    assert!(tree.join("LICENCE").is_file() && !tree.join("tool-linux").exists());
    let run = std::process::Command::new(home.path().join("bin/tool"))
        .output()
        .expect("it runs");
    assert_eq!(run.stdout, b"tool 1.0.0\n");
    home.ampup(&["verify"]).exits(0);
}

/// A client skips whatever it does not understand: whoever keeps the file is told how to find the mistake.
#[test]
fn a_mistake_in_a_registry_of_ones_own_is_hinted() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0").offer("other", "1.0.0");
    let whole = fs::read_to_string(home.registry()).expect("read");
    type Change = fn(&mut Value);
    let changes: [(&str, Change, i32); 4] = [
        ("a component", |all| all["tool"]["executables"] = json!([]), 3),
        (
            "a release",
            |all| all["tool"]["releases"][0]["version"] = json!("one"),
            3,
        ),
        (
            "an artifact",
            |all| all["tool"]["releases"][0]["artifacts"][0]["integrity"]["digest"] = json!("sha256:0"),
            3,
        ),
        ("another one", |all| all["other"]["executables"] = json!([]), 0),
    ];
    for (what, change, code) in changes {
        fs::write(home.registry(), &whole).expect("written");
        amend(&home, |registry| change(&mut registry["components"]));
        let run = home.ampup(&["install", "tool"]);
        let hint = format!(
            "hint: `ampup registry check {}` shows what is wrong in it",
            home.registry()
        );
        assert_eq!(
            (run.code, run.stderr.contains(&hint)),
            (code, code != 0),
            "{what}: {run:#?}"
        );
    }
    fs::write(home.registry(), &whole[..whole.len() - 1]).expect("cut");
    home.ampup(&["list"])
        .exits(4)
        .says("hint: `ampup registry check ");
    let missing = home.ampup(&["--registry", "/nowhere.json", "list"]);
    assert!(!missing.stderr.contains("registry check"), "{missing:#?}");
}

/// Of one registry, no two components have the same executable; of two, only one is on PATH.
#[test]
fn a_component_of_another_registry_takes_no_executable_of_an_active_one() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    home.ampup(&["install", "tool"]).exits(0);
    let text = fs::read_to_string(home.registry()).expect("read");
    let mut foreign: Value = serde_json::from_str(&text).expect("JSON");
    let tool = foreign["components"]["tool"].clone();
    foreign["components"] = json!({ "mine": tool });
    foreign["components"]["mine"]["group"] = json!("mine");
    let mut executable = TarEntry::file("bin/tool", &script("tool", "1.0.0"));
    executable.mode = 0o755;
    let archive = tar_gz(&[TarEntry::directory("bin/"), executable]);
    let place = home.work().join("mine.tar.gz");
    fs::write(&place, &archive).expect("written");
    foreign["components"]["mine"]["releases"][0]["artifacts"][0] = json!({
        "target": TARGET, "provider": "acme", "format": "tar.gz",
        "source": {"kind": "file", "url": format!("file://{place}")},
        "integrity": {"kind": "pinned", "digest": sha256(&archive)},
    });
    let path = home.work().join("foreign.json");
    fs::write(&path, foreign.to_string()).expect("written");
    let before = home.store();
    let with = |words: &[&str]| home.ampup(&[&["--registry", path.as_str()], words].concat());
    for words in [&["install", "mine"][..], &["install", "mine", "--dry-run"]] {
        with(words)
            .exits(1)
            .says("mine has an executable `tool`, and so has tool, which is active")
            .says(&format!(
                "hint: `ampup uninstall tool` first, or `ampup --registry {path} install --no-activate mine`"
            ));
        assert_eq!(home.store(), before, "{words:?}");
    }
    with(&["install", "--no-activate", "mine"]).exits(0);
    with(&["use", "mine@1.0.0"]).exits(1).says("so has tool");
    with(&["run", "--no-db", "--with", "mine", "tool"])
        .exits(0)
        .prints("tool 1.0.0\n");
    home.ampup(&["uninstall", "tool"]).exits(0);
    with(&["use", "mine@1.0.0"]).exits(0);
    home.ampup(&["install", "tool"]).exits(1).says("so has mine");
    // This registry has none that could be installed again.
    home.ampup(&["uninstall", "mine"])
        .exits(0)
        .says("mine is no longer active\n");
}
