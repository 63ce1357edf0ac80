//! TLS, proxies, and the token.

mod proxies;

use ampup::fetch::{FetchError, Secret};
use rcgen::CertificateParams;

use super::*;
use crate::support::{
    server::{Reply, Request, Server},
    table::{every, every_named},
    tls::{Authority, authority, certified, new_authority},
};

const TOKEN: &str = "ghp_not-to-be-seen";

/// A world that trusts the authority.
fn trusting() -> World {
    trusting_in(authority())
}

fn trusting_in(authority: &Authority) -> World {
    let mut world = World::new();
    let file = world.path().join("authority.pem");
    fs_err::write(&file, authority.pem()).expect("written");
    world
        .variables
        .insert("SSL_CERT_FILE".to_owned(), file.into_string());
    world
}

fn why(outcome: Result<Verified, FetchError>) -> String {
    match outcome {
        Err(FetchError::Unreachable { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_authority_of_the_environment_is_trusted() {
    let bytes = content(100_000);
    let served = bytes.clone();
    let server = Server::start_tls(certified("127.0.0.1", |_| {}), move |request, _| {
        Reply::honest(&served, request)
    });
    let artifact = sized(server.url("/thing"), &bytes);
    assert_eq!(read(&trusting().fetch(&artifact).expect("fetched")), bytes);

    let mut world = World::new();
    let directory = world.path().join("certificates");
    fs_err::create_dir(&directory).expect("made");
    fs_err::write(directory.join("authority.pem"), authority().pem()).expect("written");
    fs_err::write(directory.join("README"), "no certificate").expect("written");
    world
        .variables
        .insert("SSL_CERT_DIR".to_owned(), format!("/nowhere:{directory}"));
    #[cfg(unix)]
    assert_eq!(read(&world.fetch(&artifact).expect("fetched")), bytes);
}

/// A certificate that is named beside it still counts, and over http nothing is read at all.
#[test]
fn authorities_that_cannot_be_used_are_one_warning_that_names_them() {
    let server = Server::start_tls(certified("127.0.0.1", |_| {}), |_, _| Reply::whole(b"abc"));
    let plain = Server::start(|_, _| Reply::whole(b"abc"));
    let mut faults = Vec::new();
    for (variable, path) in [
        ("SSL_CERT_FILE", "/nowhere/authority.pem"),
        ("SSL_CERT_FILE", "empty.pem"),
        ("SSL_CERT_FILE", "useless.pem"),
        ("SSL_CERT_FILE", "directory"),
        ("SSL_CERT_DIR", "/nowhere"),
        ("SSL_CERT_DIR", "directory"),
        ("SSL_CERT_FILE", ""),
        ("SSL_CERT_DIR", ""),
    ] {
        let mut world = trusting();
        let trusted = world.variables["SSL_CERT_FILE"].clone();
        let path = match path {
            "" => String::new(),
            path => world.path().join(path).into_string(),
        };
        fs_err::create_dir(world.path().join("directory")).expect("made");
        fs_err::write(world.path().join("empty.pem"), "").expect("written");
        fs_err::write(
            world.path().join("useless.pem"),
            "-----BEGIN CERTIFICATE-----\nAAAA\n",
        )
        .expect("written");
        if variable == "SSL_CERT_FILE" {
            let directory = world.path().join("good");
            fs_err::create_dir(&directory).expect("made");
            fs_err::rename(&trusted, directory.join("authority.pem")).expect("moved");
            world
                .variables
                .insert("SSL_CERT_DIR".to_owned(), directory.into_string());
        }
        world.variables.insert(variable.to_owned(), path.clone());
        world
            .fetch(&artifact(plain.url("/thing"), b"abc"))
            .expect("over http");
        let over_http = world.lines().len();
        fs_err::remove_dir_all(world.downloads()).expect("removed");
        let outcome = world.fetch(&artifact(server.url("/thing"), b"abc"));
        let lines = world.lines();
        let named = lines.len() == 1 && lines[0].contains(variable) && lines[0].contains(&path);
        if outcome.is_err() || over_http != 0 || named == path.is_empty() {
            faults.push(format!("{variable}={path}: {lines:?} {:?}", outcome.err()));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn certificates_that_do_not_hold_are_told_apart_and_not_tried_again() {
    let long_ago = rcgen::date_time_ymd(2001, 1, 1);
    type Edit = Box<dyn FnOnce(&mut CertificateParams)>;
    let cases: [(&str, Edit, World, &str); 4] = [
        (
            "127.0.0.1",
            Box::new(move |params| params.not_after = long_ago),
            trusting(),
            "expired",
        ),
        (
            "127.0.0.1",
            Box::new(|params| params.not_before = rcgen::date_time_ymd(4000, 1, 1)),
            trusting(),
            "not valid yet",
        ),
        ("other.example", Box::new(|_| {}), trusting(), "another name"),
        (
            "127.0.0.1",
            Box::new(|_| {}),
            trusting_in(&new_authority()),
            "issued by `Tests\\' Authority`",
        ),
    ];
    every_named(
        cases,
        |row| row.3.to_owned(),
        |(name, change, world, says)| {
            let server = Server::start_tls(certified(name, change), |_, _| Reply::whole(b"abc"));
            let error = quick(|| world.fetch(&artifact(server.url("/thing"), b"abc"))).expect_err(says);
            let hint = error.hint().expect("a hint");
            let why = why(Err(error));
            assert!(why.starts_with("TLS: ") && why.contains(says), "{says}: {why}");
            assert!(hint.contains("SSL_CERT_FILE"), "{hint}");
            assert!(server.requests().is_empty());
        },
    );
}

#[test]
fn a_server_that_speaks_no_tls_is_out_of_reach() {
    let server = Server::start(|_, _| Reply::whole(b"abc"));
    let url = server.url("/thing").replace("http:", "https:");
    let said = why(quick(|| trusting().fetch(&artifact(url, b"abc"))));
    assert!(said.to_lowercase().starts_with("tls"), "{said}");

    // As a network's page for those who have not signed in.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}/thing", listener.local_addr().expect("bound"));
    let answering = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut client, _) = listener.accept().expect("a client");
        client.read_exact(&mut [0]).expect("asked");
        let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        // Closed by whoever asked.
        let _ = client.read_to_end(&mut Vec::new());
    });
    let error = quick(|| trusting().fetch(&artifact(url, b"abc"))).expect_err("no TLS");
    answering.join().expect("answered");
    let hint = error.hint().unwrap_or_default();
    assert!(hint.contains("wants you to sign in"), "{hint}");
    assert_eq!(why(Err(error)), "TLS: the answer is not TLS");
}

#[test]
fn https_never_leads_to_http() {
    let plain = Server::start(|_, _| Reply::whole(b"abc"));
    let to = plain.url("/thing");
    let server = Server::start_tls(certified("127.0.0.1", |_| {}), move |_, _| {
        Reply::redirect(to.clone())
    });
    let error = trusting()
        .fetch(&artifact(server.url("/thing"), b"abc"))
        .expect_err("down");
    assert!(matches!(&error, FetchError::Answer { .. }), "{error}");
    assert!(plain.requests().is_empty());
}

fn authorization(request: &Request) -> Option<&str> {
    request.header("Authorization")
}

#[test]
fn the_token_goes_to_its_origin_alone_and_never_across_a_redirect() {
    let other = Server::start(|_, _| Reply::whole(b"abc"));
    let to = other.url("/thing");
    let api = Server::start(move |request, _| match request.target.as_str() {
        "/away" => Reply::redirect(to.clone()),
        "/here" => Reply::redirect("/thing"),
        _ => Reply::whole(b"abc"),
    });
    let mut world = World::new();
    world.settings.github_token = Some(Secret::new(TOKEN));
    world.settings.token_origin = api.url("").parse().expect("an address");
    for path in ["/thing", "/away", "/here"] {
        let wire = world.wire();
        block_on(wire.get_small(&api.url(path), 100, None)).expect("got");
    }
    block_on(world.wire().get_small(&other.url("/thing"), 100, None)).expect("got");

    let expected = format!("Bearer {TOKEN}");
    let sent: Vec<_> = api
        .requests()
        .iter()
        .map(|request| (request.target.clone(), authorization(request).map(str::to_owned)))
        .collect();
    assert_eq!(
        sent,
        [
            ("/thing".to_owned(), Some(expected.clone())),
            ("/away".to_owned(), Some(expected.clone())),
            ("/here".to_owned(), Some(expected)),
            ("/thing".to_owned(), None),
        ]
    );
    assert_eq!(other.requests().len(), 2);
    assert!(
        other
            .requests()
            .iter()
            .all(|request| authorization(request).is_none())
    );
}

#[test]
fn the_token_is_in_no_message() {
    let api = Server::start(|_, _| Reply::status(401));
    let mut world = World::new();
    world.settings.github_token = Some(Secret::new(TOKEN));
    world.settings.token_origin = api.url("").parse().expect("an address");
    let wire = world.wire();
    let error = block_on(wire.get_small(&api.url("/thing"), 100, None)).expect_err("refused");
    let rows = [
        format!("{wire:?}"),
        format!("{:?}", world.settings),
        format!("{error:?} {error}"),
    ];
    every(rows, |text| {
        assert!(!text.contains(TOKEN), "{text}");
    });
}

#[test]
fn a_used_up_rate_limit_is_told_with_its_end() {
    let api = Server::start(|_, _| {
        Reply::status(403)
            .header("X-RateLimit-Remaining", "0")
            .header("X-RateLimit-Reset", "784111777")
    });
    let mut world = World::new();
    world.settings.token_origin = api.url("").parse().expect("an address");
    let error = block_on(world.wire().get_small(&api.url("/thing"), 100, None)).expect_err("limited");
    assert!(
        error.to_string().ends_with("until 1994-11-06T08:49:37Z"),
        "{error}"
    );
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("AMPUP_GITHUB_TOKEN"))
    );
}
