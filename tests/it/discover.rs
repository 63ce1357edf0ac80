//! What GitHub and a Maven repository answer, in their own formats, and what is found in it: pages, drafts, pre-releases,
//! assets without a digest, renamed ones and half uploaded ones.

use std::sync::Arc;

use ampup::{
    discover::{self, Clients, DiscoverError, Found, Question},
    domain::{Integrity, Target},
    env::Env,
    event::Silent,
    fetch::{FetchOptions, Wire},
    registry::Registry,
};
use serde_json::{Value, json};

use crate::support::server::{Reply, Server};

const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// Asks the one origin of a component for everything.
fn ask(origin: Value, acceptance: &str) -> Result<Vec<Found>, DiscoverError> {
    let lines = if acceptance == "postgres" {
        json!([{"major": 18}, {"major": 17}])
    } else {
        json!([])
    };
    let document = json!({
        "schema": 1, "registry": "test", "serial": 1, "issued": "2026-01-01T00:00:00Z",
        "components": {"tool": {
            "summary": "s", "homepage": "h", "default": {"channel": "stable"}, "group": "tool", "default_install": false,
            "executables": ["tool"], "acceptance": acceptance, "lines": lines, "origins": [origin], "releases": [],
        }},
    });
    let registry = Registry::parse(document.to_string().as_bytes()).expect("a registry");
    let component = &registry.components["tool"];
    let env = Env::capture();
    let question = Question {
        component,
        origin: component.origins.first().expect("it is understood"),
        wire: &Wire::new(FetchOptions::default(), &env, Arc::new(Silent)),
        clients: &Clients::new(&env),
        wants: &|_, _| true,
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(discover::ask(&question))
}

fn asset(name: &str, more: &Value) -> Value {
    let mut asset = json!({
        "name": name, "size": 7, "state": "uploaded", "digest": DIGEST,
        "browser_download_url": format!("https://example.com/{name}"),
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        asset[key] = value.clone();
    }
    asset
}

fn release(tag: &str, published: &str, more: &Value, assets: &[Value]) -> Value {
    let mut release = json!({
        "tag_name": tag, "draft": false, "prerelease": false, "published_at": published, "assets": assets,
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        release[key] = value.clone();
    }
    release
}

#[test]
fn the_releases_of_a_repository_on_github_are_found_on_every_page() {
    let nothing = json!({});
    let linux = |more: &Value| asset("tool-linux", more);
    let mut first = vec![
        release(
            "v2.0.0",
            "2026-03-01T10:00:00Z",
            &nothing,
            &[linux(&nothing), asset("tool-mac", &json!({"digest": null}))],
        ),
        release(
            "nightly-188bfd4",
            "2026-02-20T10:00:00Z",
            &json!({"prerelease": true}),
            &[linux(&nothing)],
        ),
        release(
            "v1.9.0",
            "2026-02-01T10:00:00Z",
            &json!({"draft": true}),
            &[linux(&nothing)],
        ),
        release(
            "v1.8.0",
            "2026-01-09T10:00:00Z",
            &nothing,
            &[linux(&json!({"state": "starter"}))],
        ),
        release(
            "v1.7.0",
            "2026-01-08T10:00:00Z",
            &nothing,
            &[asset("tool-linux-renamed", &nothing)],
        ),
        release(
            "v1.6.0-rc1",
            "2026-01-07T10:00:00Z",
            &json!({"prerelease": true}),
            &[linux(&nothing)],
        ),
    ];
    while first.len() < 100 {
        first.push(release("experiment", "2026-01-01T10:00:00Z", &nothing, &[]));
    }
    let second = vec![release(
        "v1.0.0",
        "2025-01-01T10:00:00Z",
        &nothing,
        &[linux(&nothing)],
    )];
    let server = Server::start(move |request, _| {
        let page = if request.target.ends_with("&page=1") {
            &first
        } else {
            &second
        };
        Reply::whole(json!(page).to_string().as_bytes())
    });
    let origin = json!({
        "provider": "acme", "format": "raw",
        "index": {
            "kind": "github", "releases": server.url("/repos/acme/tool/releases"), "tag": "v{version}",
            "nightly": "nightly-{sha7}", "asset": "tool-{platform}",
        },
        "checksum": {"algorithm": "sha256", "url": "{url}.sha256"},
        "targets": {
            "x86_64-unknown-linux-gnu": {"platform": "linux", "needs": {"glibc": "2.31"}},
            "aarch64-apple-darwin": {"platform": "mac"},
        },
    });
    let found = ask(origin, "version").expect("an answer");
    let told: Vec<String> = found
        .iter()
        .map(|one| format!("{} {} {}", one.version, one.channel, one.artifact.target))
        .collect();
    assert_eq!(
        told,
        [
            "2.0.0 stable aarch64-apple-darwin",
            "2.0.0 stable x86_64-unknown-linux-gnu",
            "1.8.1-nightly.20260220+188bfd4 nightly x86_64-unknown-linux-gnu",
            "1.0.0 stable x86_64-unknown-linux-gnu",
        ]
    );
    assert!(
        matches!(&found[0].artifact.integrity, Integrity::ChecksumFile { url, .. } if url.ends_with("tool-mac.sha256"))
    );
    let linux = &found[1];
    assert!(
        matches!(&linux.artifact.integrity, Integrity::Pinned { digest } if digest.to_string() == DIGEST)
    );
    assert_eq!(linux.artifact.size, Some(7));
    assert_eq!(linux.artifact.needs.glibc.as_deref(), Some("2.31"));
    assert_eq!(
        (linux.published.as_deref(), linux.tag.as_deref()),
        (Some("2026-03-01"), Some("v2.0.0"))
    );
}

#[test]
fn the_versions_of_a_maven_repository_are_found() {
    let server = Server::start(|request, _| {
        match request.target.as_str() {
        "/binaries-linux-amd64/maven-metadata.xml" => Reply::whole(
            b"<metadata><versioning><versions><version>16.4.0</version><version>18.6.0</version><version>18.6.1</version>\
              <version>17.0.0-rc1</version><version>17.11.0</version></versions></versioning></metadata>",
        ),
        _ => Reply::status(404),
    }
    });
    let origin = |platform: &str| {
        json!({
            "provider": "zonky", "format": "jar/tar.xz",
            "index": {
                "kind": "maven", "metadata": server.url("/binaries-{platform}/maven-metadata.xml"),
                "url": server.url("/binaries-{platform}/{version}/b-{version}.jar"),
            },
            "checksum": {"algorithm": "sha512", "url": "{url}.sha512"},
            "targets": {"x86_64-unknown-linux-gnu": {"platform": platform}},
        })
    };
    let found = ask(origin("linux-amd64"), "postgres").expect("an answer");
    let told: Vec<String> = found
        .iter()
        .map(|one| match &one.artifact.integrity {
            Integrity::ChecksumFile { url, .. } => {
                format!("{} {}", one.version, url.rsplit('/').next().unwrap_or_default())
            }
            other => format!("{other:?}"),
        })
        .collect();
    // A line that nobody follows, a packaging and a candidate are none.
    assert_eq!(
        told,
        ["18.6.0 b-18.6.0.jar.sha512", "17.11.0 b-17.11.0.jar.sha512"]
    );
    assert_eq!(found[0].artifact.target, Target::X86_64LinuxGnu);
    assert!(matches!(
        ask(origin("riscv"), "postgres"),
        Err(DiscoverError::Fetch(_))
    ));
}
