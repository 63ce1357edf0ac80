//! Releases that builders have and the registry has not: told by `check`, taken when asked for, believed as far as the builder's own
//! server at that moment, and kept nowhere but in the cache.

use std::sync::{Arc, Mutex};

use camino::Utf8PathBuf;
use fs_err as fs;
use serde_json::{Value, json};

use crate::support::{
    home::{Home, TARGET, script, sha256},
    server::{Reply, Server},
};

/// A builder with a repository on GitHub, as the registry names it, and what it has released.
struct Builder {
    server: Server,
    releases: Arc<Mutex<Vec<Value>>>,
}

impl Builder {
    fn new() -> Self {
        let releases: Arc<Mutex<Vec<Value>>> = Arc::default();
        let listed = releases.clone();
        let server = Server::start(move |request, _| match request.target.split_once("/download/") {
            Some((_, version)) => Reply::whole(script("tool", version).as_bytes()),
            None if request.header("If-None-Match").is_some() => Reply::status(304),
            None => {
                let listed = listed.lock().expect("no panic");
                Reply::whole(json!(*listed).to_string().as_bytes())
            }
        });
        Self { server, releases }
    }

    /// Releases a version with this digest of its asset.
    fn release_with(&self, version: &str, digest: &str) {
        let asset = json!({
            "name": "tool-here", "size": script("tool", version).len(), "state": "uploaded", "digest": digest,
            "browser_download_url": self.server.url(&format!("/download/{version}")),
        });
        let release = json!({
            "tag_name": format!("v{version}"), "draft": false, "prerelease": false,
            "published_at": "2026-03-01T10:00:00Z", "assets": [asset],
        });
        self.releases.lock().expect("no panic").insert(0, release);
    }

    fn release(&self, version: &str) {
        self.release_with(version, &sha256(script("tool", version).as_bytes()));
    }

    /// A home whose registry has 1.0.0, which is installed, and names this builder.
    fn home(&self) -> Home {
        let mut home = Home::new();
        home.offer("tool", "1.0.0");
        let text = fs::read_to_string(home.registry()).expect("read");
        let mut registry: Value = serde_json::from_str(&text).expect("JSON");
        registry["components"]["tool"]["origins"] = json!([{
            "provider": "acme", "format": "raw",
            "index": {
                "kind": "github", "releases": self.server.url("/releases"), "tag": "v{version}", "asset": "tool-{platform}",
            },
            "targets": {TARGET: {"platform": "here"}},
            "excluded": [{"versions": "=0.9.0"}],
        }]);
        fs::write(home.registry(), registry.to_string()).expect("written");
        home.ampup(&["install", "tool"]).exits(0);
        home
    }

    /// The number of times that its list was asked for.
    fn asked(&self) -> usize {
        let requests = self.server.requests();
        requests
            .iter()
            .filter(|request| request.target.starts_with("/releases"))
            .count()
    }
}

fn receipt(home: &Home, version: &str) -> Value {
    let path = home
        .path()
        .join(format!("components/tool/{version}/.receipt.json"));
    serde_json::from_slice(&fs::read(path).expect("read")).expect("JSON")
}

fn kept(home: &Home) -> Vec<Utf8PathBuf> {
    let place = home.path().join("cache/upstream");
    match place.read_dir_utf8() {
        Ok(entries) => entries
            .map(|entry| entry.expect("an entry").into_path())
            .collect(),
        Err(_) => Vec::new(),
    }
}

#[test]
fn what_a_builder_has_is_told_and_taken_only_when_asked_for() {
    let builder = Builder::new();
    builder.release("0.9.0");
    builder.release("1.0.0");
    builder.release("1.5.0");
    builder.release("2.0.0");
    let home = builder.home();
    assert_eq!(
        builder.asked(),
        0,
        "an installation that the registry has asks nobody"
    );
    let news = "tool 2.0.0 is released by acme, and the registry does not have it yet: `ampup update tool --upstream` \
                takes it from there";
    home.ampup(&["check"])
        .exits(0)
        .prints("tool - held back: 1.0.0\n")
        .says(news);
    let json = home.ampup(&["check", "--json"]).exits(0).json();
    let upstream = &json["components"][0]["upstream"];
    assert_eq!(upstream["version"], "2.0.0", "{json}");
    assert_eq!(upstream["providers"], json!(["acme"]));
    assert_eq!(upstream["command"], "ampup update tool --upstream");
    assert_eq!(json["not_asked"], json!([]));
    assert_eq!(
        builder.asked(),
        1,
        "and the second time within the hour asks nobody"
    );
    assert_eq!(kept(&home).len(), 1);
    let is_there = |name: &str| home.path().join(name).exists();
    assert!(!is_there("trust.json") && !is_there("cache/registry-test.signed"));

    // By itself nothing goes beyond the registry.
    home.ampup(&["update"])
        .exits(0)
        .says("tool 1.0.0 is held back")
        .says(news);
    assert_eq!(builder.asked(), 1);
    home.ampup(&["install", "tool"])
        .exits(0)
        .says("already installed");
    home.ampup(&["install", "tool@1.5"])
        .exits(3)
        .says("hint: `ampup install tool@1.5 --upstream` asks its builders for it");
    // Of what is named in part, all builders are asked, though they have something newer.
    let run = home
        .ampup(&["install", "tool@1.5", "--upstream", "--dry-run"])
        .exits(0);
    assert!(
        format!("{}{}", run.stdout, run.stderr).contains("tool 1.5.0"),
        "{run:#?}"
    );

    // A plan shows it, and who stands for it.
    let json = home
        .ampup(&["update", "--upstream", "--dry-run", "--json"])
        .exits(0)
        .json();
    let by = json["groups"][0]["choices"][0][0]["sources"][0]["stated_by"].clone();
    assert_eq!(by, builder.server.url("/releases/tags/v2.0.0"));

    home.ampup(&["update", "--upstream"])
        .exits(0)
        .says("installed tool 2.0.0 (built by acme)")
        .says("tool 2.0.0 is not in the registry: its digest is what its publisher states now");
    let stated_by = builder.server.url("/releases/tags/v2.0.0");
    let receipt_of_it = receipt(&home, "2.0.0");
    assert_eq!(receipt_of_it["stated_by"], stated_by);
    assert_eq!(
        receipt_of_it["digest"],
        sha256(script("tool", "2.0.0").as_bytes())
    );
    assert!(receipt(&home, "1.0.0").get("stated_by").is_none());
    home.ampup(&["why", "tool"]).exits(0).prints_with(&stated_by);
    let run = home
        .ampup(&["check"])
        .exits(0)
        .prints("tool - up to date: 2.0.0\n");
    assert!(!run.stderr.contains("released by"), "{run:#?}");
    home.ampup(&["update"]).exits(0).says("tool 2.0.0 is up to date");

    // One that is named exactly is taken without a flag, also an older one; what is left out is not there.
    let json = home.ampup(&["install", "tool@1.5.0", "--json"]).exits(0).json();
    assert_eq!(
        json["components"][0]["stated_by"],
        builder.server.url("/releases/tags/v1.5.0")
    );
    home.ampup(&["install", "tool@0.9.0"]).exits(3);
    // What is installed stays without anybody being asked, and is repaired from where it came.
    let asked = builder.asked();
    home.ampup(&["install", "tool@2.0.0", "--offline"]).exits(0);
    home.ampup(&["install", "tool@1.5.0"]).exits(0);
    assert_eq!(builder.asked(), asked);
    let program = home.path().join("components/tool/1.5.0/bin/tool");
    fs::write(&program, "#!/bin/sh\nexit 1\n").expect("written");
    home.ampup(&["verify", "tool", "--repair"])
        .exits(0)
        .says("repaired tool 1.5.0");
    assert_eq!(
        fs::read_to_string(&program).expect("read"),
        script("tool", "1.5.0")
    );
    // A request that is exact holds the newer one back, and the line says what takes it.
    builder.release("3.0.0");
    fs::remove_dir_all(home.path().join("cache/upstream")).expect("removed");
    home.ampup(&["check"])
        .exits(0)
        .says("`ampup install tool@3.0.0` takes it");
}

#[test]
fn no_builder_is_asked_where_only_the_registry_may_be_believed() {
    let builder = Builder::new();
    builder.release("1.0.0");
    builder.release("2.0.0");
    let home = builder.home();
    let in_doubt = |arguments: &[&str], why: &str| {
        home.ampup(&[&["check"], arguments].concat())
            .exits(0)
            .prints("tool - no newer build known than 1.0.0\n");
        home.ampup(&[&["update"], arguments].concat())
            .exits(0)
            .says(&format!(
                "tool 1.0.0 stays: no newer build is known, and its builders {why}"
            ));
    };
    in_doubt(&["--offline"], "were not asked");
    let check = home.ampup(&["--offline", "check", "--json"]).exits(0);
    let why = "no builder was asked for newer versions (`--offline`)";
    assert_eq!(check.json()["not_asked"], json!([why]));
    home.ampup(&["--offline", "check"]).exits(0).says(why);
    for (flag, why) in [
        ("--offline", "`--offline`"),
        ("--require-pinned", "`--require-pinned`"),
        ("--locked", "`--locked`"),
    ] {
        home.ampup(&["install", "tool@2.0.0", flag])
            .exits(3)
            .says(&format!("its builders were not asked for it ({why}"));
    }
    for flag in ["--offline", "--require-pinned"] {
        for command in [&["update", "--upstream"][..], &["install", "tool", "--upstream"]] {
            home.ampup(&[command, &[flag]].concat())
                .exits(2)
                .says("`--upstream` asks the builders' own servers");
        }
    }
    fs::write(home.path().join("config.toml"), "require_pinned = true\n").expect("written");
    home.give(&home.path());
    in_doubt(&[], "were not asked (`require_pinned` in `config.toml`)");
    home.ampup(&["install", "tool@2.0.0"]).exits(3);
    assert_eq!(builder.asked(), 0);
    assert!(kept(&home).is_empty());
}

#[test]
fn a_builder_that_is_out_of_reach_or_wrong_changes_nothing() {
    let builder = Builder::new();
    builder.release("1.0.0");
    builder.release_with("2.0.0", &sha256(b"something else"));
    let home = builder.home();
    home.ampup(&["install", "tool@2.0.0"])
        .exits(4)
        .says("checksum mismatch");
    home.ampup(&["list"]).prints("tool 1.0.0 (active)\n");
    // What is kept is believed only as it was written.
    let [answer] = kept(&home).try_into().expect("one answer");
    let text = fs::read_to_string(&answer).expect("read");
    fs::write(&answer, text.replace("v2.0.0", "v9.0.0")).expect("written");
    let asked = builder.asked();
    home.ampup(&["check"]).exits(0).says("tool 2.0.0 is released");
    assert_eq!(builder.asked(), asked + 1);

    fs::remove_file(&answer).expect("removed");
    drop(builder);
    let run = home
        .ampup(&["check"])
        .exits(0)
        .prints("tool - no newer build known than 1.0.0\n")
        .says("not every builder could be asked for newer versions: ");
    assert_eq!(run.stderr.lines().count(), 1, "{run:#?}");
    home.ampup(&["update", "--upstream"])
        .exits(0)
        .says("tool 1.0.0 stays: no newer build is known, and not every builder could be asked");
    home.ampup(&["install", "tool@2.0.0"]).exits(3);
    // That nobody has built it is no more certain than that.
    let text = fs::read_to_string(home.registry()).expect("read");
    let mut registry: Value = serde_json::from_str(&text).expect("JSON");
    registry["components"]["tool"]["lines"] = json!([{"major": 1, "upstream": {"version": "1.5.0"}}]);
    fs::write(home.registry(), registry.to_string()).expect("written");
    home.ampup(&["check"])
        .exits(0)
        .says("tool 1.5.0 is released; no build of it is known yet, and not every builder could be asked\n");
    let json = home.ampup(&["check", "--json"]).exits(0).json();
    assert_eq!(json["not_asked"].as_array().map(Vec::len), Some(1), "{json}");
}

#[test]
fn a_named_registry_that_is_old_is_said_to_be() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    home.ampup(&["install", "tool"]).exits(0);
    let text = fs::read_to_string(home.registry()).expect("read");
    fs::write(home.registry(), text.replace("2099-", "2026-")).expect("written");
    let old = "days old";
    home.ampup(&["install", "tool"]).exits(0).says(old);
    home.ampup(&["check"])
        .exits(0)
        .prints("tool - no newer build known than 1.0.0\n")
        .says(old);
    home.ampup(&["update"])
        .exits(0)
        .says("tool 1.0.0 stays: no newer build is known, and the registry is ");
    home.ampup(&["doctor"]).prints_with("which you named: it is ");
}
