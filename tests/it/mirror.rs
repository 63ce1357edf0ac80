//! `ampup mirror`: what it puts into a directory, what `--check` finds there, and that everything comes from it again.

mod fallback;
mod itself;
mod killed;
#[cfg(target_arch = "x86_64")]
mod no_network;
mod registry;

use std::process::Stdio;

use ampup::domain::Digest;
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde_json::{Value, json};

use crate::support::{
    home::{Home, Run, TARGET, finish, program, script, sha256},
    server::{Reply, Server},
    table::every,
    world::snapshot,
};

/// Another kind of host than this one.
const OTHER: &str = "aarch64-apple-darwin";

/// A home whose registry has `tool`, and what the artifact of its version 1.0.0 holds.
struct Kept {
    home: Home,
    content: Vec<u8>,
}

impl Kept {
    /// `tool` comes from files.
    fn new() -> Self {
        let mut home = Home::new();
        home.offer("tool", "1.0.0");
        Self {
            home,
            content: script("tool", "1.0.0").into_bytes(),
        }
    }

    /// `tool` comes from a server, for two kinds of host by two builders; for one of them the second one's is had from two
    /// places.
    fn served(server: &Server) -> Self {
        let mut home = Home::new();
        let content = script("tool", "1.0.0").into_bytes();
        let artifact = |target: &str, provider: &str, url: String| {
            json!({
                "target": target, "provider": provider, "format": "raw", "source": {"kind": "https", "url": url},
                "integrity": {"kind": "pinned", "digest": sha256(&body(&url[url.rfind('/').expect("a path")..]))},
            })
        };
        let artifacts = [
            artifact(TARGET, "acme", server.url("/here")),
            artifact(TARGET, "other", server.url("/gone")),
            artifact(TARGET, "other", server.url("/second")),
            artifact(OTHER, "acme", server.url("/there")),
        ];
        home.offer_artifacts("tool", "1.0.0", &artifacts);
        Self { home, content }
    }

    fn directory(&self) -> Utf8PathBuf {
        self.home.work().join("stick")
    }

    fn mirror(&self, arguments: &[&str]) -> Run {
        self.home.ampup(&[&["mirror", "stick"], arguments].concat())
    }

    fn blob(&self, content: &[u8]) -> Utf8PathBuf {
        let digest: Digest = sha256(content).parse().expect("a digest");
        self.directory().join(digest.blob())
    }

    fn url(&self) -> String {
        format!("file://{}", self.directory())
    }
}

/// The content of the server's file at a path.
fn body(path: &str) -> Vec<u8> {
    match path {
        "/here" => script("tool", "1.0.0").into_bytes(),
        other => format!("{other}\n").into_bytes(),
    }
}

fn honest() -> Server {
    Server::start(|request, _| match request.target.as_str() {
        "/gone" => Reply::status(404),
        path => Reply::honest(&body(path), request),
    })
}

#[test]
fn a_mirror_has_every_build_once_and_nothing_is_fetched_again() {
    let server = honest();
    let kept = Kept::served(&server);
    let run = kept
        .mirror(&["tool", "--target", TARGET, "--target", OTHER, "--json"])
        .exits(0);
    let json = run.json();
    let found: Vec<(&str, &str, &str)> = rows(&json, "artifacts")
        .map(|row| (text(row, "target"), text(row, "provider"), text(row, "effect")))
        .collect();
    let mut expected = vec![
        (OTHER, "acme", "added"),
        (TARGET, "acme", "added"),
        (TARGET, "other", "added"),
    ];
    expected.sort_unstable();
    let mut sorted = found.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected, "{run:#?}");
    assert_eq!(
        json["registry"],
        json!({"id": "test", "serial": 1, "issued": "2099-01-01T00:00:00Z", "signed": false})
    );
    for path in ["/here", "/second", "/there"] {
        assert_eq!(fs::read(kept.blob(&body(path))).expect("there"), body(path));
    }
    let names: Vec<String> = names(&kept.directory());
    let own = format!("ampup-{TARGET}");
    for name in [
        own.as_str(),
        "install.ps1",
        "install.sh",
        "mirror.json",
        "registry.json",
    ] {
        assert!(names.iter().any(|one| one == name), "{name}: {names:?}");
    }
    let given = fs::read(kept.home.registry()).expect("read");
    assert_eq!(
        fs::read(kept.directory().join("registry.json")).expect("there"),
        given
    );
    // ampup for the other host is not carried, which is said.
    assert!(
        rows(&json, "not_carried").any(|row| row["name"] == "ampup" && row["target"] == OTHER),
        "{json}"
    );

    let (before, asked) = (content(&kept.directory()), server.requests().len());
    let run = kept
        .mirror(&["tool", "--target", TARGET, "--target", OTHER])
        .exits(0);
    assert!(
        run.stderr.contains("already in the mirror: tool 1.0.0"),
        "{run:#?}"
    );
    run.says(&format!(
        "on {OTHER} ampup itself must come from elsewhere: put `ampup-{OTHER}` and `ampup-{OTHER}.sha256` of a release beside \
         `install.sh`"
    ))
    .says(&format!("to install from it where ampup is, so not yet on {OTHER}: `--mirror file:///"));
    assert_eq!(content(&kept.directory()), before, "nothing changes");
    assert_eq!(server.requests().len(), asked, "nothing is asked");
    kept.mirror(&["--check"])
        .exits(0)
        .says("8 files intact")
        .prints("");
}

#[test]
fn what_is_in_a_mirror_is_installed_without_any_other_source() {
    let server = honest();
    let kept = Kept::served(&server);
    kept.mirror(&["tool"]).exits(0);
    drop(server);
    let mut elsewhere = Home::new();
    elsewhere.offer_artifacts("other", "1.0.0", &[]);
    fs::copy(kept.home.registry(), elsewhere.registry()).expect("copied");
    // A file of the maker's own counts too, where it is not on this machine.
    let run = elsewhere
        .ampup(&["--offline", "--mirror", &kept.url(), "install", "tool"])
        .exits(0);
    assert!(run.stderr.contains("installed tool 1.0.0"), "{run:#?}");
    // What it has not is named with what it has, and nobody's proxy is to blame.
    let far = "https://127.0.0.1:1/tool";
    let digest = format!("sha256:{}", "0".repeat(64));
    elsewhere.offer_artifacts(
        "tool",
        "2.0.0",
        &[json!({
            "target": TARGET, "provider": "acme", "format": "raw", "source": {"kind": "https", "url": far},
            "integrity": {"kind": "pinned", "digest": digest},
        })],
    );
    let mut command = elsewhere.command(&["--mirror", &kept.url(), "install", "tool@2"]);
    command.env("https_proxy", "http://127.0.0.1:1");
    finish(command)
        .exits(5)
        .says(&format!(
            "error: could not install tool\n  the mirror `{}` has no tool 2.0.0 (it has 1.0.0)\n",
            kept.url()
        ))
        .says(&format!(
            "hint: `ampup --mirror {} install tool@1.0.0` takes what the mirror has",
            kept.url()
        ));

    let kept = Kept::new();
    kept.mirror(&["tool"]).exits(0);
    let source = kept.home.registry().with_file_name("tool-1.0.0");
    fs::remove_file(&source).expect("removed");
    kept.home.ampup(&["install", "tool"]).exits(5);
    kept.home
        .ampup(&["--mirror", &kept.url(), "install", "tool"])
        .exits(0);
}

/// Nothing that a mirror says of a digest is believed; it says who must be asked, and what a registry would have to state.
#[test]
fn what_only_its_publisher_states_is_installed_from_a_mirror_once_a_registry_states_it() {
    let content = script("tool", "1.0.0");
    let (body, sum) = (content.clone(), sha256(content.as_bytes()).replace("sha256:", ""));
    let server = Server::start(move |request, _| match request.target.as_str() {
        "/tool.sha256" => Reply::whole(sum.as_bytes()),
        _ => Reply::honest(body.as_bytes(), request),
    });
    let offer = |integrity: Value| {
        let mut home = Home::new();
        let artifact = json!({
            "target": TARGET, "provider": "acme", "format": "raw", "integrity": integrity,
            "source": {"kind": "https", "url": server.url("/tool")},
        });
        home.offer_artifacts("tool", "1.0.0", &[artifact]);
        home
    };
    let address = server.url("/tool.sha256");
    let kept = Kept {
        home: offer(json!({"kind": "checksum_file", "algorithm": "sha256", "url": address})),
        content: content.into_bytes(),
    };
    kept.mirror(&["tool"])
        .exits(0)
        .says(&format!("installing it needs `{address}` too"));
    kept.mirror(&["--check"])
        .exits(0)
        .says(&format!("not enough by itself: `{address}` must be reached too"));
    let json = kept.mirror(&["tool", "--json"]).exits(0).json();
    let row = rows(&json, "artifacts").next().expect("the build");
    assert_eq!(text(row, "digest_stated_at"), address);
    let stated = offer(json!({"kind": "pinned", "digest": row["digest"]}));
    drop(server);

    let offline = ["--offline", "--mirror", &kept.url(), "install"];
    kept.home.ampup(&[&offline[..], &["tool"]].concat()).exits(5);
    stated
        .ampup(&[&offline[..], &["--locked", "tool@1.0.0"]].concat())
        .exits(0)
        .says("installed tool 1.0.0");
}

#[test]
fn a_check_names_every_file_that_is_missing_or_damaged_and_a_second_run_mends_it() {
    let kept = Kept::new();
    kept.mirror(&["tool"]).exits(0);
    let whole = content(&kept.directory());
    let blob = kept.blob(&kept.content);
    let own = format!("ampup-{TARGET}");
    let damages: [(&str, &dyn Fn(), String); 6] = [
        (
            "a flipped byte",
            &|| {
                let mut content = kept.content.clone();
                content[3] ^= 1;
                fs::write(&blob, content).expect("written");
            },
            format!("is damaged: expected {}", sha256(&kept.content)),
        ),
        (
            "half a file",
            &|| fs::write(&blob, &kept.content[..9]).expect("written"),
            "(tool 1.0.0 for ".to_owned(),
        ),
        (
            "a missing artifact",
            &|| fs::remove_file(&blob).expect("removed"),
            "is missing (tool 1.0.0 for ".to_owned(),
        ),
        (
            "a script of somebody else's",
            &|| fs::write(kept.directory().join("install.sh"), "#!/bin/sh\n").expect("written"),
            "`install.sh` is damaged".to_owned(),
        ),
        (
            "no registry",
            &|| fs::remove_file(kept.directory().join("registry.json")).expect("removed"),
            "`registry.json` is missing".to_owned(),
        ),
        (
            "another program",
            &|| fs::write(kept.directory().join(&own), "x").expect("written"),
            format!("`{own}` is damaged"),
        ),
    ];
    for (what, damage, expected) in damages {
        damage();
        let run = kept.mirror(&["--check"]).exits(4);
        assert!(run.stdout.contains(&expected), "{what}: {run:#?}");
        assert_eq!(run.stdout.lines().count(), 1, "{what}: {run:#?}");
        // Of what it has: the default components are another matter, and may be nowhere.
        let mends = format!(" tool@1.0.0 --target {TARGET}` fetches it again");
        assert!(
            run.stderr.contains("hint: `ampup mirror ") && run.stderr.contains(&mends),
            "{what}: {run:#?}"
        );
        let json = kept.mirror(&["--check", "--json"]).exits(4).json();
        assert_eq!(rows(&json, "findings").count(), 1, "{what}: {json}");
        kept.mirror(&["tool"]).exits(0);
        assert_eq!(content(&kept.directory()), whole, "{what}");
    }
    // What nobody put there is named by its own digest, or is in the way.
    let stray = blob.with_file_name("0".repeat(64));
    fs::write(&stray, "x").expect("written");
    kept.mirror(&["--check"]).exits(4).prints_with("is damaged");
    fs::rename(&stray, stray.with_file_name("stray")).expect("renamed");
    kept.mirror(&["--check"])
        .exits(4)
        .prints_with("is not named by a digest");
    fs::remove_file(stray.with_file_name("stray")).expect("removed");
    fs::write(kept.directory().join("mirror.json"), "{}").expect("written");
    kept.mirror(&["--check"])
        .exits(4)
        .prints_with("`mirror.json` is damaged");
    kept.mirror(&["tool"]).exits(0).says("mirror.json` is damaged");
    kept.mirror(&["--check"]).exits(0);
}

#[test]
fn two_at_once_fetch_everything_once() {
    let server = honest();
    let kept = Kept::served(&server);
    let start = || {
        let mut command = kept
            .home
            .command(&["mirror", "stick", "tool", "--target", TARGET, "--target", OTHER]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().expect("started")
    };
    let running = [start(), start(), start()];
    for one in running {
        let output = one.wait_with_output().expect("ended");
        assert!(output.status.success(), "{output:?}");
    }
    for path in ["/here", "/second", "/there"] {
        let asked = server.requests().into_iter().filter(|one| one.target == path);
        assert_eq!(asked.count(), 1, "{path}");
    }
    kept.mirror(&["--check"]).exits(0).says("8 files intact");
}

#[test]
fn a_dry_run_and_a_refusal_make_nothing() {
    let kept = Kept::new();
    let run = kept.mirror(&["tool", "--dry-run"]).exits(0);
    assert!(
        run.stdout.starts_with("tool 1.0.0 for ") && run.stdout.contains(": from file://"),
        "{run:#?}"
    );
    let rows = [
        (&["--check"][..], 3, "is not a mirror"),
        (&["nothing"], 3, "no component"),
        (&["tool@2"], 3, "tool"),
        (&["tool", "--target", OTHER], 3, OTHER),
        (&["tool", "--target", "vax"], 2, "x86_64-unknown-linux-gnu"),
        (&["tool", "--check"], 2, "--check"),
    ];
    every(rows, |(arguments, code, text)| {
        let run = kept.mirror(arguments).exits(code);
        assert!(run.stderr.contains(text), "{arguments:?}: {run:#?}");
    });
    assert!(!kept.directory().exists());
    // What is somebody else's stays as it is.
    let theirs = kept.home.directory("work/stick");
    fs::write(theirs.join("install.sh"), "theirs").expect("written");
    kept.mirror(&["tool"])
        .exits(2)
        .says("install.sh` is there already")
        .says("\n  name an empty directory, or one that does not exist yet");
    assert_eq!(names(&theirs), ["install.sh"]);
    // A directory with other files may become one.
    fs::rename(theirs.join("install.sh"), theirs.join("photo.jpg")).expect("renamed");
    kept.mirror(&["tool"]).exits(0);
    kept.mirror(&["tool", "--dry-run"])
        .exits(0)
        .prints_with("already in the mirror");
}

fn rows<'a>(json: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    json[name].as_array().expect("a list").iter()
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().expect("a text")
}

/// All of a mirror but the lock, which says who held it last.
fn content(directory: &Utf8Path) -> Vec<String> {
    let mut lines = snapshot(directory);
    lines.retain(|line| !line.starts_with(".unfinished/lock "));
    lines
}

/// The names at the top of a directory, sorted.
fn names(directory: &Utf8Path) -> Vec<String> {
    let entries = directory.read_dir_utf8().expect("listed");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_owned())
        .collect();
    names.sort();
    names
}
