//! Digests that the publisher states.

use ampup::{
    domain::Integrity,
    fetch::{FetchError, Verdict},
};

use super::*;
use crate::support::{
    server::{Reply, Server},
    table::every,
};

fn beside(server: &Server, algorithm: Algorithm) -> Artifact {
    Artifact {
        integrity: Integrity::ChecksumFile {
            algorithm,
            url: server.url("/thing.jar.sum"),
        },
        ..artifact(server.url("/thing.jar"), b"")
    }
}

fn of_release(server: &Server, asset: &str) -> Artifact {
    Artifact {
        integrity: Integrity::GithubAsset {
            release: server.url("/release"),
            asset: asset.to_owned(),
        },
        ..artifact(server.url("/thing"), b"")
    }
}

#[test]
fn a_checksum_file_beside_the_artifact_is_believed() {
    let sha512 = digest_of(&mut &b"abc"[..], Algorithm::Sha512)
        .expect("memory")
        .0
        .hex();
    let sha256 = digest(b"abc").hex();
    let rows = [
        (Algorithm::Sha512, sha512.clone()),
        (
            Algorithm::Sha256,
            format!("{sha256}  thing.jar\n{sha512}  thing.jar\n"),
        ),
        (
            Algorithm::Sha512,
            format!("{} *./thing.jar\r\n", sha512.to_uppercase()),
        ),
    ];
    every(rows, |(algorithm, text)| {
        let server = Server::start(move |request, _| match request.target.as_str() {
            "/thing.jar.sum" => Reply::whole(text.as_bytes()),
            _ => Reply::whole(b"abc"),
        });
        let verified = World::new().fetch(&beside(&server, algorithm)).expect("fetched");
        assert_eq!(verified.digest().algorithm(), algorithm);
    });
}

#[test]
fn a_release_is_asked_once_for_all_its_assets() {
    let abc = digest(b"abc");
    let release = format!(
        r#"{{"assets":[{{"name":"one","digest":"{abc}"}},{{"name":"two","digest":"{abc}"}},{{"name":"old","digest":null}}]}}"#
    );
    let server = Server::start(move |request, _| match request.target.as_str() {
        "/release" => Reply::whole(release.as_bytes()),
        _ => Reply::whole(b"abc"),
    });
    let world = World::new();
    let wire = world.wire();
    for asset in ["one", "two"] {
        world
            .fetch_with(&wire, &of_release(&server, asset))
            .expect("fetched");
    }
    every([("old", "mid-2025"), ("none", "exactly one")], |(asset, says)| {
        let error = world
            .fetch_with(&wire, &of_release(&server, asset))
            .expect_err("no digest");
        assert_eq!(
            (error.verdict(), error.exit_code().code()),
            (Verdict::NextSource, 4)
        );
        assert!(error.to_string().contains(says), "{error}");
    });
    let asked = server.requests();
    assert_eq!(asked.iter().filter(|one| one.target == "/release").count(), 1);
}

#[test]
fn without_a_digest_nothing_is_fetched() {
    let rows = [
        Reply::whole(b""),
        Reply::whole(b"<!DOCTYPE html>").header("Content-Type", "text/html"),
        Reply::whole(&content(70_000)),
        Reply::status(404),
        Reply::status(403),
        Reply::status(500),
        Reply::whole(b"00").header("Content-Encoding", "gzip"),
    ];
    every(rows, |reply| {
        let server = Server::start(move |_, _| reply.clone());
        let world = World::new();
        let outcome = quick(|| world.fetch(&beside(&server, Algorithm::Sha512)));
        assert!(outcome.is_err());
        assert!(server.requests().iter().all(|one| one.target == "/thing.jar.sum"));
        assert!(world.downloaded().is_empty());
    });
}

#[test]
fn require_pinned_refuses_what_only_the_publisher_states() {
    let server = Server::start(|_, _| Reply::whole(b"abc"));
    let mut world = World::new();
    world.settings.require_pinned = Some(SetBy::Flag("--require-pinned"));
    for artifact in [beside(&server, Algorithm::Sha256), of_release(&server, "one")] {
        let error = world.fetch(&artifact).expect_err("not pinned");
        assert!(matches!(&error, FetchError::Unpinned { .. }), "{error}");
        assert_eq!(error.exit_code().code(), 4);
    }
    assert!(server.requests().is_empty());
    world
        .fetch(&artifact(server.url("/thing"), b"abc"))
        .expect("pinned");
}

#[test]
fn where_a_checksum_is_out_of_reach_the_host_of_its_file_is_named_too() {
    let stated_at = |host: &str| Artifact {
        integrity: Integrity::ChecksumFile {
            algorithm: Algorithm::Sha256,
            url: format!("https://{host}:9/thing.sum"),
        },
        ..artifact("https://localhost:9/thing".to_owned(), b"")
    };
    let said = |host: &str| {
        let error = World::new().fetch(&stated_at(host)).expect_err("nobody listens");
        error.to_string()
    };
    let other = said("127.0.0.1");
    assert!(
        other.ends_with("; it states the checksum of a file on `localhost:9`)"),
        "{other}"
    );
    let same = said("localhost");
    assert!(!same.contains("checksum"), "{same}");
}
