//! `refresh`: what it adds, what it keeps, and what stops it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use super::*;
use crate::support::{
    archives::{TarEntry, tar_gz},
    home::sha256,
    server::{Reply, Server},
    tls,
};

/// A Maven repository with what it has, as https serves it.
struct Repository {
    server: Server,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

const RECIPE: &str = r#"
[[origin]]
provider = "acme"
source = "https"
releases = "{base}/tool-{platform}/maven-metadata.xml"
url = "{base}/tool-{platform}/{version}/tool-{version}.tar.gz"
format = "tar.gz"
root = "tool"
checksum = { algorithm = "sha256", url = "{url}.sha256" }

[origin.targets]
x86_64-unknown-linux-gnu = { platform = "linux" }
aarch64-unknown-linux-gnu = { platform = "arm" }

[[needs]]
provider = "acme"
targets = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]
glibc = "2.99"
files = ["/usr/share/zoneinfo"]

[[line]]
major = 1
upstream = { version = "1.0.1" }

[[excluded]]
version = "0.9.0"
provider = "acme"
reason = "It deletes everything."
"#;

impl Repository {
    fn new() -> Self {
        let files: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
        let served = files.clone();
        let server = Server::start_tls(
            tls::certified("127.0.0.1", |_| {}),
            move |request, _| match served.lock().expect("no panic").get(&request.target) {
                Some(file) => Reply::honest(file, request),
                None => Reply::status(404),
            },
        );
        let repository = Self { server, files };
        repository.list("arm", &[]);
        repository
    }

    fn put(&self, path: &str, content: impl Into<Vec<u8>>) {
        let mut files = self.files.lock().expect("no panic");
        files.insert(path.to_owned(), content.into());
    }

    fn list(&self, platform: &str, versions: &[&str]) {
        let versions: Vec<String> = versions
            .iter()
            .map(|version| format!("<version>{version}</version>"))
            .collect();
        self.put(
            &format!("/tool-{platform}/maven-metadata.xml"),
            format!(
                "<metadata><versioning><versions>{}</versions></versioning></metadata>",
                versions.concat()
            ),
        );
    }

    /// Publishes an archive with this program, and its checksum.
    fn publish(&self, platform: &str, version: &str, program: &[u8]) -> Vec<u8> {
        let entry = TarEntry {
            mode: 0o755,
            content: program.to_vec(),
            ..TarEntry::file("tool/bin/tool", "")
        };
        let archive = tar_gz(&[
            TarEntry::directory("tool"),
            TarEntry::directory("tool/bin"),
            entry,
        ]);
        let path = format!("/tool-{platform}/{version}/tool-{version}.tar.gz");
        self.put(&format!("{path}.sha256"), &sha256(&archive)["sha256:".len()..]);
        self.put(&path, archive.clone());
        archive
    }

    /// A registry whose recipe names it.
    fn directory(&self) -> Directory {
        let base = self.server.url("");
        let mut directory = Directory::new(&format!("{COMPONENT}{RECIPE}").replace("{base}", &base));
        directory.variables = tls::trusting(directory.world.path());
        directory
    }
}

/// A program of this system, for x86_64.
fn program() -> Vec<u8> {
    fs::read("/bin/true").expect("a program")
}

#[test]
fn a_refresh_adds_what_is_new_and_with_nothing_new_changes_no_byte() {
    let repository = Repository::new();
    repository.list("linux", &["0.9.0", "1.0.0", "1.0.0-rc1"]);
    let archive = repository.publish("linux", "1.0.0", &program());
    repository.publish("linux", "0.9.0", &program());
    let directory = repository.directory();
    let before = directory.text();

    let dry = directory.done(&["refresh", "--dry-run"]);
    assert_eq!(dry.json["changed"], true);
    assert_eq!(directory.text(), before, "it was only shown");

    let answer = directory.done(&["refresh"]);
    assert_eq!(
        list(&answer.json["added"]),
        ["tool 1.0.0 x86_64-unknown-linux-gnu by acme from https"],
        "{answer:?}"
    );
    assert_eq!(answer.json["serial"], 1008);
    assert_eq!(
        answer.lines.last().map(String::as_str),
        Some("the manifest is number 1008 now")
    );
    let manifest = directory.manifest();
    let artifact = &manifest["components"]["tool"]["releases"][0]["artifacts"][0];
    assert_eq!(
        artifact["integrity"],
        json!({"kind": "pinned", "digest": sha256(&archive)})
    );
    assert_eq!(artifact["size"], archive.len());
    assert_eq!(artifact["unpacked_size"], program().len());
    // What the bytes say takes the place of what the recipe says; what only the recipe can know stays.
    let glibc = artifact["needs"]["glibc"].as_str().expect("measured");
    assert!(glibc.starts_with("2.") && glibc != "2.99", "{artifact}");
    assert_eq!(artifact["needs"]["files"], json!(["/usr/share/zoneinfo"]));
    assert_eq!(
        manifest["components"]["tool"]["origins"][0]["excluded"],
        json!([{"versions": "=0.9.0"}])
    );

    let written = directory.text();
    let again = directory.done(&["refresh"]);
    assert_eq!(
        (&again.json["changed"], &again.json["serial"]),
        (&json!(false), &json!(1008))
    );
    directory.done(&["refresh", "--measure"]);
    assert_eq!(directory.text(), written);

    // One more release is a few lines more, and two that change.
    repository.publish("linux", "1.1.0", &program());
    repository.list("linux", &["1.1.0", "0.9.0", "1.0.0"]);
    let answer = directory.done(&["refresh"]);
    assert_eq!(answer.json["serial"], 1009);
    let gone = lines_without(&written, &directory.text());
    assert!(
        gone.iter().all(|line| ["serial", "issued", "major", "upstream"]
            .iter()
            .any(|name| line.contains(&format!("\"{name}\"")))),
        "{gone:#?}"
    );
    // The makers' newest version is no news once a newer one is built.
    let lines = |manifest: &Value| manifest["components"]["tool"]["lines"].clone();
    assert_eq!(
        lines(&manifest),
        json!([{"major": 1, "upstream": {"version": "1.0.1"}}])
    );
    assert_eq!(lines(&directory.manifest()), json!([{"major": 1}]));
    assert_eq!(
        directory.manifest()["components"]["tool"]["releases"][0]["version"],
        "1.1.0"
    );

    // What cannot be reached stays.
    let written = directory.text();
    drop(repository);
    let answer = directory.done(&["refresh"]);
    assert_eq!(answer.json["changed"], false);
    assert_eq!(list(&answer.json["not_asked"]).len(), 1, "{answer:?}");
    assert_eq!(directory.text(), written);
}

#[test]
fn a_digest_that_was_published_is_never_changed() {
    let repository = Repository::new();
    repository.list("linux", &["1.0.0"]);
    repository.publish("linux", "1.0.0", &program());
    let directory = repository.directory();
    directory.done(&["refresh"]);
    let written = directory.text();
    let path = "/tool-linux/1.0.0/tool-1.0.0.tar.gz.sha256";
    repository.put(path, "0".repeat(64));
    repository.list("linux", &["1.0.0", "1.1.0"]);
    repository.publish("linux", "1.1.0", &program());
    directory.fails(
        &["refresh"],
        "an origin states another digest than the one that was published; nothing is written:\n  tool 1.0.0 \
         x86_64-unknown-linux-gnu by acme from https: sha256:",
    );
    assert_eq!(directory.text(), written, "nor is what is new");
}

#[test]
fn what_was_only_published_is_pinned_and_what_cannot_run_is_refused() {
    let repository = Repository::new();
    repository.list("linux", &["1.0.0"]);
    repository.list("arm", &["1.0.0"]);
    let archive = repository.publish("linux", "1.0.0", &program());
    // Another processor's program, as it happened to builds for Apple silicon.
    repository.publish("arm", "1.0.0", &program());
    let directory = repository.directory();
    directory.done(&["refresh"]);
    let mut manifest = directory.manifest();
    let artifact = &mut manifest["components"]["tool"]["releases"][0]["artifacts"][0];
    let url = artifact["source"]["url"].as_str().expect("text").to_owned();
    artifact["integrity"] =
        json!({"kind": "checksum_file", "algorithm": "sha256", "url": format!("{url}.sha256")});
    artifact.as_object_mut().expect("fields").remove("unpacked_size");
    directory.state(&manifest);

    let answer = directory.done(&["refresh", "--measure"]);
    assert_eq!(
        list(&answer.json["pinned"]),
        ["tool 1.0.0 x86_64-unknown-linux-gnu by acme"]
    );
    assert_eq!(list(&answer.json["measured"]).len(), 1, "{answer:?}");
    let refused = list(&answer.json["refused"]);
    assert!(
        matches!(&refused[..], [one] if one.contains("it is for another processor")),
        "{answer:?}"
    );
    let manifest = directory.manifest();
    let artifacts = manifest["components"]["tool"]["releases"][0]["artifacts"].as_array();
    assert_eq!(artifacts.map(Vec::len), Some(1));
    let artifact = &manifest["components"]["tool"]["releases"][0]["artifacts"][0];
    assert_eq!(artifact["integrity"]["digest"], sha256(&archive));
    assert_eq!(artifact["unpacked_size"], program().len());
}

/// More may be measured than was when a release was added.
#[test]
fn what_a_builder_has_is_measured_again_where_that_is_asked_for() {
    let repository = Repository::new();
    repository.list("linux", &["1.0.0"]);
    repository.publish("linux", "1.0.0", &program());
    let directory = repository.directory();
    directory.done(&["refresh"]);
    let written = directory.manifest();
    let mut manifest = written.clone();
    let artifacts = &mut manifest["components"]["tool"]["releases"][0]["artifacts"];
    artifacts[0]["needs"] = json!({"files": ["/usr/share/zoneinfo"]});
    // The same bytes, from where they cannot be had.
    let mut elsewhere = artifacts[0].clone();
    elsewhere["source"] = json!({
        "kind": "pypi", "package": "tool", "version": "1.0.0", "platform": "any", "sha256": "0".repeat(64),
    });
    artifacts.as_array_mut().expect("a list").insert(0, elsewhere);
    directory.state(&manifest);
    for nothing in [
        &["refresh", "--measure"][..],
        &["refresh", "--measure-again", "other"],
    ] {
        assert_eq!(directory.done(nothing).json["changed"], false, "{nothing:?}");
    }
    let answer = directory.done(&["refresh", "--measure-again", "acme"]);
    assert_eq!(list(&answer.json["measured"]).len(), 1, "{answer:?}");
    let needs = |manifest: &Value, number: usize| {
        manifest["components"]["tool"]["releases"][0]["artifacts"][number]["needs"].clone()
    };
    for number in [0, 1] {
        assert_eq!(
            needs(&directory.manifest(), number),
            needs(&written, 0),
            "{number}"
        );
    }
}

#[test]
fn a_builder_that_lags_behind_the_makers_is_noticed() {
    let directory = Directory::new("");
    directory.state(&json!({
        "schema": 1, "registry": "amp", "serial": 1, "issued": "2026-11-28T12:00:00Z",
        "components": {"postgres": {
            "summary": "s", "homepage": "https://h.example", "default": {"channel": "stable"}, "group": "postgres",
            "default_install": true, "version_style": "postgres", "executables": ["postgres"], "acceptance": "postgres",
            "lines": [{"major": 18}, {"major": 17}],
            "releases": [
                {"version": "18.6.0", "channel": "stable", "artifacts": []},
                {"version": "17.11.0", "channel": "stable", "artifacts": []},
            ],
        }},
    }));
    let answer = |latest: &'static str| {
        let server = Server::start(move |_, _| {
            Reply::whole(
                format!(
                    r#"[{{"major":"18","latestMinor":"6","supported":true}},{{"major":"17","latestMinor":"{latest}","supported":true}},
                    {{"major":"16","latestMinor":"99","supported":true}},{{"major":"9.6","latestMinor":"24","supported":false}}]"#
                )
                .as_bytes(),
            )
        });
        directory
            .run(&["watch", "--versions", &server.url("/versions.json")])
            .expect("an answer")
    };
    let lags = answer("12");
    assert!(!lags.is_well, "the scheduled run fails");
    assert_eq!(
        lags.lines,
        ["PostgreSQL 17.12 is released, and the newest build is 17.11"]
    );
    assert!(answer("11").is_well);
}
