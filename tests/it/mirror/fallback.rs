//! A version that is carried in the place of the newest, and versions that nobody answers for.

use fs_err as fs;
use serde_json::{Value, json};

use super::Kept;
use crate::support::{
    archives::{TarEntry, tar_gz},
    home::{Home, TARGET, sha256},
    server::{Reply, Server},
};

/// PostgreSQL with these programs.
fn build(programs: &[&str]) -> Vec<u8> {
    let files = programs
        .iter()
        .map(|name| TarEntry::file(&format!("bin/{name}"), name));
    tar_gz(
        &std::iter::once(TarEntry::directory("bin"))
            .chain(files)
            .collect::<Vec<_>>(),
    )
}

#[test]
fn an_older_version_goes_with_the_word_of_what_it_lacks() {
    let (small, whole) = (
        build(&["initdb", "postgres"]),
        build(&["initdb", "postgres", "psql"]),
    );
    let served = [small.clone(), whole.clone()];
    let server = Server::start(move |request, _| match request.target.as_str() {
        "/small" => Reply::honest(&served[0], request),
        "/whole" => Reply::honest(&served[1], request),
        _ => Reply::status(404),
    });
    let artifact = |provider: &str, path: &str, content: &[u8]| {
        json!({
            "target": TARGET, "provider": provider, "format": "tar.gz",
            "source": {"kind": "https", "url": server.url(path)},
            "integrity": {"kind": "pinned", "digest": sha256(content)},
        })
    };
    let mut home = Home::new();
    home.offer_artifacts("postgres", "18.6.0", &[artifact("zonky", "/gone", b"gone")]);
    home.offer_artifacts("postgres", "18.4.0", &[artifact("zonky", "/small", &small)]);
    let mends = |home: &Home| {
        let text = fs::read_to_string(home.registry()).expect("read");
        let mut registry: Value = serde_json::from_str(&text).expect("JSON");
        registry["components"]["postgres"]["releases"][0]["security"] =
            json!({"cves": ["CVE-2026-14669"], "severity": "high"});
        fs::write(home.registry(), registry.to_string()).expect("written");
    };
    mends(&home);
    let kept = Kept { home, content: small };
    let lacks = " lacks the security fixes of 18.6";
    let incomplete = "this build has no psql, pg_dump or pg_upgrade\n";
    // Also where nothing is to be fetched any more.
    for verb in ["added postgres 18.4", "already in the mirror: postgres 18.4"] {
        kept.mirror(&["postgres"])
            .exits(0)
            .says(verb)
            .says(incomplete)
            .says(lacks)
            .says("(CVE-2026-14669, high)\nnot in the mirror: postgres 18.6");
    }
    let json = kept.mirror(&["postgres", "--json"]).exits(0).json();
    assert_eq!(json["artifacts"][0]["concerns"][0]["kind"], "security", "{json}");

    // Beside a build that has psql, one without it is no loss.
    let mut kept = kept;
    kept.home.withdraw("postgres", "18.4.0");
    let both = [
        artifact("zonky", "/small", &kept.content),
        artifact("theseus", "/whole", &whole),
    ];
    kept.home.offer_artifacts("postgres", "18.4.0", &both);
    let run = kept.mirror(&["postgres"]).exits(0);
    assert!(!run.stderr.contains(incomplete), "{run:#?}");
}

#[test]
fn what_nobody_answers_for_is_one_line() {
    let mut home = Home::new();
    for version in ["18.3.0", "18.4.0", "18.6.0"] {
        let artifacts = ["acme", "other"].map(|provider| {
            json!({
                "target": TARGET, "provider": provider, "format": "raw",
                "source": {"kind": "https", "url": "https://127.0.0.1:1/tool"},
                "integrity": {"kind": "pinned", "digest": sha256(format!("{version} {provider}").as_bytes())},
            })
        });
        home.offer_artifacts("postgres", version, &artifacts);
    }
    let kept = Kept {
        home,
        content: Vec::new(),
    };
    let run = kept.mirror(&["postgres"]).exits(5);
    let told: Vec<&str> = run
        .stderr
        .lines()
        .filter(|line| line.starts_with("not in the mirror: postgres"))
        .collect();
    let expected = format!(
        "not in the mirror: postgres 18.6 (acme, other), 18.4 (acme, other), 18.3 (acme, other) for {TARGET}; out of reach: \
         `127.0.0.1:1` ("
    );
    assert!(
        matches!(&told[..], [line] if line.starts_with(&expected)),
        "{run:#?}"
    );
    let json = kept.mirror(&["postgres", "--json"]).exits(5).json();
    let absent = json["not_carried"].as_array().expect("a list").iter();
    assert_eq!(
        absent.filter(|row| row["name"] == "postgres").count(),
        6,
        "{json}"
    );
    let message = format!("no build of postgres for {TARGET} could be had");
    assert_eq!(json["error"]["message"], message, "{json}");
}

#[test]
fn what_moves_with_a_build_that_is_not_to_be_had_is_named_too() {
    let mut home = Home::new();
    for name in ["ampctl", "ampd"] {
        let artifact = json!({
            "target": TARGET, "provider": "acme", "format": "raw",
            "source": {"kind": "https", "url": "https://127.0.0.1:1/tool"},
            "integrity": {"kind": "pinned", "digest": sha256(name.as_bytes())},
        });
        home.offer_artifacts(name, "1.0.0", &[artifact]);
    }
    let kept = Kept {
        home,
        content: Vec::new(),
    };
    kept.mirror(&["ampd"]).exits(5).says(&format!(
        "not in the mirror: ampctl for {TARGET}: of no use without ampd, with which it moves\n\
         error: no build of ampd and ampctl for {TARGET} could be had\n"
    ));
    let json = kept.mirror(&["ampd", "--json"]).exits(5).json();
    let absent = json["not_carried"].as_array().expect("a list").iter();
    let absent: Vec<_> = absent
        .filter(|row| row["name"] != "ampup")
        .map(|row| &row["name"])
        .collect();
    assert_eq!(absent, ["ampd", "ampctl"], "{json}");
    let causes = json["error"]["causes"].as_array().expect("a list");
    assert!(
        matches!(&causes[..], [one] if one.as_str().is_some_and(|one| one.starts_with("ampd v1.0.0"))),
        "{json}"
    );
}
