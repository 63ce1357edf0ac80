//! Answers of GitHub and of a Maven repository, in their own formats, and what is found in it: pages, drafts, pre-releases,
//! assets without a digest, renamed ones and half uploaded ones.

mod indexes;

use std::sync::Arc;

use ampup::{
    discover::{
        Asker, DiscoverError, Found, Memory, Question,
        survey::{self, Wanted, Wish},
    },
    domain::{Integrity, Target},
    env::Env,
    event::Silent,
    fetch::{FetchOptions, Limits, Wire},
    registry::Registry,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use url::Url;

use crate::support::{
    server::{Reply, Request, Server},
    table::every,
    world::World,
};

const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A component with one origin, and these releases.
fn registry(origin: &Value, acceptance: &str, releases: &Value) -> Registry {
    let lines = if acceptance == "postgres" {
        json!([{"major": 18}, {"major": 17}])
    } else {
        json!([])
    };
    let document = json!({
        "schema": 1, "registry": "test", "serial": 1, "issued": "2026-01-01T00:00:00Z",
        "components": {"tool": {
            "summary": "s", "homepage": "h", "default": {"channel": "stable"}, "group": "tool", "default_install": false,
            "executables": ["tool"], "acceptance": acceptance, "lines": lines, "origins": [origin], "releases": releases,
        }},
    });
    Registry::parse(document.to_string().as_bytes()).expect("a registry")
}

/// A wire that does not try again.
fn wire(options: FetchOptions) -> Wire {
    let limits = Limits {
        retries: 0,
        ..Limits::default()
    };
    Wire::new(
        FetchOptions { limits, ..options },
        &Env::capture(),
        Arc::new(Silent),
    )
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(work)
}

/// Asks the one origin of a component for everything.
fn ask(origin: &Value, acceptance: &str) -> Result<Vec<Found>, DiscoverError> {
    ask_by(origin, acceptance, &wire(FetchOptions::default()), None)
}

fn ask_by(
    origin: &Value,
    acceptance: &str,
    wire: &Wire,
    memory: Option<&Memory>,
) -> Result<Vec<Found>, DiscoverError> {
    let registry = registry(origin, acceptance, &json!([]));
    let component = &registry.components["tool"];
    let asker = Asker::new(wire, None, memory);
    let question = Question {
        component,
        origin: component.origins.first().expect("it is understood"),
        asker: &asker,
        is_enough: &|_| false,
    };
    block_on(async {
        let mut found = Vec::new();
        for listed in question.list().await? {
            found.extend(question.complete(&listed).await?);
        }
        Ok(found)
    })
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
        let host = request.header("Host").expect("a host");
        // GitHub names the next page by the repository's number.
        let link = format!(
            "<http://{host}/repositories/7/releases?per_page=100&page=2>; rel=\"next\", <http://{host}/x>; rel=\"last\""
        );
        if request.target.ends_with("&page=2") {
            Reply::whole(json!(second).to_string().as_bytes())
        } else {
            Reply::whole(json!(first).to_string().as_bytes()).header("Link", link)
        }
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
    let found = ask(&origin, "version").expect("an answer");
    let lines: Vec<String> = found
        .iter()
        .map(|one| format!("{} {} {}", one.version, one.channel, one.artifact.target))
        .collect();
    assert_eq!(
        lines,
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
        matches!(&linux.artifact.integrity, Integrity::Stated { digest, by }
            if digest.to_string() == DIGEST && by.ends_with("/repos/acme/tool/releases/tags/v2.0.0"))
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
    let found = ask(&origin("linux-amd64"), "postgres").expect("an answer");
    let lines: Vec<String> = found
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
        lines,
        ["18.6.0 b-18.6.0.jar.sha512", "17.11.0 b-17.11.0.jar.sha512"]
    );
    assert_eq!(found[0].artifact.target, Target::X86_64LinuxGnu);
    assert!(matches!(
        ask(&origin("riscv"), "postgres"),
        Err(DiscoverError::Fetch(_))
    ));
}

/// An origin on GitHub, as this server is one.
fn github(server: &Server) -> Value {
    json!({
        "provider": "acme", "format": "raw",
        "index": {
            "kind": "github", "releases": server.url("/repos/acme/tool/releases"), "tag": "v{version}",
            "asset": "tool-{platform}",
        },
        "targets": {"x86_64-unknown-linux-gnu": {"platform": "linux"}},
    })
}

#[test]
fn older_pages_are_left_alone_where_the_first_has_what_the_registry_knows() {
    let page = json!([
        release(
            "v2.0.0",
            "2026-03-01T10:00:00Z",
            &json!({}),
            &[asset("tool-linux", &json!({}))]
        ),
        release(
            "v1.0.0",
            "2026-02-01T10:00:00Z",
            &json!({}),
            &[asset("tool-linux", &json!({}))]
        ),
    ]);
    let server = Server::start(move |_, _| {
        Reply::whole(page.to_string().as_bytes()).header("Link", "</more>; rel=\"next\"")
    });
    let releases = json!([{"version": "1.0.0", "channel": "stable", "artifacts": [{
        "target": "x86_64-unknown-linux-gnu", "provider": "acme", "format": "raw",
        "source": {"kind": "https", "url": "https://example.com/tool"}, "integrity": {"kind": "pinned", "digest": DIGEST},
    }]}]);
    let registry = registry(&github(&server), "version", &releases);
    let wire = wire(FetchOptions::default());
    let target = Target::X86_64LinuxGnu;
    let asker = Asker::new(&wire, Some(target), None);
    let wanted = [Wanted {
        component: &registry.components["tool"],
        wish: Wish::Newer(None),
    }];
    let survey = block_on(survey::survey(&wanted, target, &asker));
    let versions: Vec<String> = survey
        .news
        .iter()
        .map(|news| news.listed.version.to_string())
        .collect();
    assert_eq!(versions, ["2.0.0"]);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn an_answer_is_kept_for_an_hour_and_asked_for_again_with_its_tag() {
    let page = json!([release(
        "v2.0.0",
        "2026-03-01T10:00:00Z",
        &json!({}),
        &[asset("tool-linux", &json!({}))]
    )]);
    let server = Server::start(
        move |request: &Request, _| match request.header("If-None-Match") {
            Some(tag) if tag == crate::support::server::ETAG => Reply::status(304),
            _ => Reply::whole(page.to_string().as_bytes()),
        },
    );
    let world = World::new();
    let then: Timestamp = "2026-11-28T12:00:00Z".parse().expect("a time");
    let mut asked = Vec::new();
    for minutes in [0, 59, 61, 119, 122] {
        let memory = Memory::new(world.join("kept"), then + SignedDuration::from_mins(minutes));
        let found = ask_by(
            &github(&server),
            "version",
            &wire(FetchOptions::default()),
            Some(&memory),
        );
        assert_eq!(found.expect("an answer").len(), 1, "after {minutes} minutes");
        asked.push(server.requests().len());
    }
    assert_eq!(asked, [1, 1, 2, 2, 3]);
    let tags: Vec<bool> = server
        .requests()
        .iter()
        .map(|request| request.header("If-None-Match").is_some())
        .collect();
    assert_eq!(tags, [false, true, true]);
}

#[test]
fn a_limit_of_githubs_is_told_and_waited_for_by_nobody() {
    let rows = [
        (
            Reply::status(403)
                .header("X-RateLimit-Remaining", "0")
                .header("X-RateLimit-Reset", "1796000000"),
            "is exceeded until 2026-11-30T",
        ),
        (
            Reply::status(429)
                .header("X-RateLimit-Remaining", "0")
                .header("X-RateLimit-Reset", "1796000000"),
            "is exceeded until 2026-11-30T",
        ),
        (Reply::status(403).header("Retry-After", "60"), "403"),
        (
            Reply::status(429).header("Retry-After", "3600"),
            "it asks to wait 3600 s",
        ),
        (Reply::status(403), "was refused (403"),
    ];
    every(rows, |(reply, says)| {
        let shown = format!("{reply:?}");
        let server = Server::start(move |_, _| reply.clone());
        let options = FetchOptions {
            token_origin: Url::parse(&server.url("/")).expect("an address"),
            ..FetchOptions::default()
        };
        let refused = ask_by(&github(&server), "version", &wire(options), None).expect_err("no answer");
        assert!(refused.to_string().contains(says), "{shown}: {refused}");
        assert_eq!(server.requests().len(), 1, "{shown}");
    });
}

#[test]
fn answers_that_are_of_no_format_are_told() {
    for body in ["", "{}", "[{\"tag_name\": 1}]", "<html>Sign in</html>"] {
        let server = Server::start(move |_, _| Reply::whole(body.as_bytes()));
        let refused = ask(&github(&server), "version").expect_err(body);
        assert!(
            matches!(refused, DiscoverError::Malformed { .. }),
            "{body}: {refused}"
        );
    }
}
