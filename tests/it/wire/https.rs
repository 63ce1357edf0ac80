//! TLS, proxies, and the token.

use ampup::fetch::{FetchError, Secret};
use rcgen::CertificateParams;

use super::*;
use crate::support::{
    server::{End, Reply, Request, Server},
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
    let why = why(quick(|| trusting().fetch(&artifact(url, b"abc"))));
    assert!(why.to_lowercase().starts_with("tls"), "{why}");
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

#[test]
fn a_proxy_of_the_environment_is_used_and_no_proxy_is_honoured() {
    every(
        ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
        |variable| {
            let server = Server::start(|_, _| Reply::whole(b"abc"));
            let proxy = Server::start(|_, _| Reply::whole(b"abc"));
            let mut world = World::new();
            world.variables.insert(variable.to_owned(), proxy.host());
            world
                .fetch(&artifact(server.url("/thing"), b"abc"))
                .expect("fetched");
            assert!(server.requests().is_empty());
            assert_eq!(proxy.requests()[0].target, server.url("/thing"));

            let mut world = World::new();
            world.variables.insert(variable.to_owned(), proxy.url("/"));
            world
                .variables
                .insert("no_proxy".to_owned(), "other.example,127.0.0.0/8".to_owned());
            world
                .fetch(&artifact(server.url("/thing"), b"abc"))
                .expect("fetched");
            assert_eq!(server.requests().len(), 1);
            assert_eq!(proxy.requests().len(), 1);
        },
    );
}

/// Whoever is at fault is named: the proxy, with its variable, and not the host behind it.
#[test]
fn a_proxy_that_is_at_fault_is_named_with_its_variable() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("bound").to_string()
    };
    let answering = |head: &'static str| Server::start(move |_, _| Reply::raw(head));
    let asking = answering("HTTP/1.1 407 X\r\nContent-Length: 0\r\n\r\n");
    let forbidding = answering("HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n");
    let bad_gateway = answering("HTTP/1.1 502 X\r\nContent-Length: 0\r\n\r\n");
    let silent = Server::start(|_, _| Reply::status(200).ending(End::SilentBefore));
    // It opens a tunnel, and closes it.
    let breaking = answering("HTTP/1.1 200 OK\r\n\r\n");
    let failing = answering("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n");
    let proxy = |host: String| format!("the proxy `{host}` (`VARIABLE`) is out of reach (");
    let through =
        |host: String| format!("`a.example` through the proxy `{host}` (`VARIABLE`) is out of reach (");
    let cases = [
        (
            "proxy.invalid:3128".to_owned(),
            proxy("proxy.invalid:3128".to_owned()) + "DNS: ",
        ),
        (closed.clone(), proxy(closed)),
        (
            format!("http://user:secret@{}", asking.host()),
            proxy(asking.host()) + "407: it refuses this user and password",
        ),
        (asking.host(), proxy(asking.host()) + "407: it asks for a user"),
        // It takes numbers alone, and the name is looked up here.
        (
            "socks5://127.0.0.1:9".to_owned(),
            "`a.example` is out of reach (DNS: ".to_owned(),
        ),
        (
            format!("http://user:secret@{}", forbidding.host()),
            through(forbidding.host()),
        ),
        (bad_gateway.host(), through(bad_gateway.host())),
        (breaking.host(), through(breaking.host())),
        (failing.host(), through(failing.host())),
        (silent.host(), proxy(silent.host()) + "no connection within"),
        // It speaks no TLS.
        (format!("https://{}", asking.host()), proxy(asking.host())),
        (
            r"http://DOM\user:secret@127.0.0.1:1".to_owned(),
            "the proxy of `VARIABLE` is out of reach (its value is not the address of a proxy".to_owned(),
        ),
    ];
    let mut faults = Vec::new();
    every(cases.into_iter().enumerate(), |(index, (value, says))| {
        let variable = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"][index % 4];
        let mut world = World::new();
        world.settings.limits.connect = Duration::from_millis(700);
        world.variables.insert(variable.to_owned(), value.clone());
        let wire = world.wire();
        let error = quick(|| world.fetch_with(&wire, &artifact("https://a.example/thing", b"abc")))
            .expect_err("no tunnel");
        let (text, hint) = (error.to_string(), error.hint().unwrap_or_default());
        let is_said = text.starts_with(&says.replace("VARIABLE", variable));
        let _ = world.fetch_with(&wire, &artifact("https://a.example/other", b"abc"));
        let lines = world.lines().len();
        if !is_said
            || hint.contains("set `https_proxy` if")
            || format!("{error:?}{hint}").contains("secret")
            // Whoever carries the plan out says it, once for all.
            || lines != 0
        {
            faults.push(format!(
                "{variable}={value}: {text} (hint: {hint}; {lines} lines)"
            ));
        }
    });
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!(asking.requests()[0].method, "CONNECT");
    assert_eq!(asking.requests()[0].target, "a.example:443");
    let has_password =
        |request: &crate::support::server::Request| request.header("Proxy-Authorization").is_some();
    assert!(asking.requests().iter().any(has_password));
}

/// A proxy of http answers for the host; 407 alone is surely its own.
#[test]
fn a_mirror_and_a_proxy_of_http_are_named_when_they_fail() {
    let asking = Server::start(|_, _| Reply::status(407));
    let mut world = World::new();
    world.variables.insert("http_proxy".to_owned(), asking.host());
    let error = world
        .fetch(&artifact("http://127.0.0.1:1/thing", b"abc"))
        .expect_err("407");
    let text = error.to_string();
    assert!(
        text.starts_with(&format!(
            "the proxy `{}` (`http_proxy`) is out of reach (407",
            asking.host()
        )),
        "{text}"
    );
    for reply in [
        Reply::status(502),
        Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
    ] {
        let failing = Server::start(move |_, _| reply.clone());
        let mut world = World::new();
        world.variables.insert("http_proxy".to_owned(), failing.host());
        let error = world
            .fetch(&artifact("http://127.0.0.1:1/thing", b"abc"))
            .expect_err("it fails");
        let expected = format!(
            "`127.0.0.1:1` through the proxy `{}` (`http_proxy`)",
            failing.host()
        );
        assert!(error.to_string().starts_with(&expected), "{error}");
    }

    let origin = Server::start(|_, _| Reply::whole(b"abc"));
    let mirror = Server::start(|_, _| Reply::status(503));
    let mut world = World::new();
    world.settings.mirror = Some(mirror.url("").parse().expect("an address"));
    world
        .fetch(&artifact(origin.url("/thing"), b"abc"))
        .expect("from the origin");
    let lines = world.lines();
    assert!(
        lines.len() == 1
            && lines[0].starts_with(&format!("the mirror `{}` is out of reach (503", mirror.host())),
        "{lines:?}"
    );
}

#[test]
fn https_goes_through_a_proxy_and_is_proven_to_the_server_behind_it() {
    let bytes = content(100_000);
    let served = bytes.clone();
    let server = Server::start_tls(certified("127.0.0.1", |_| {}), move |request, _| {
        Reply::honest(&served, request)
    });
    let mut world = trusting();
    world
        .variables
        .insert("HTTPS_PROXY".to_owned(), tunnel(server.host()).to_string());
    let verified = world
        .fetch(&sized(server.url("/thing"), &bytes))
        .expect("fetched");
    assert_eq!(read(&verified), bytes);
}

/// A proxy that connects one client to one server.
fn tunnel(expected: String) -> std::net::SocketAddr {
    use std::{
        io::{BufRead as _, BufReader, Write as _, copy},
        net::{TcpListener, TcpStream},
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("a client");
        let head = BufReader::new(&client)
            .lines()
            .map_while(Result::ok)
            .take_while(|line| !line.is_empty());
        assert_eq!(
            head.collect::<Vec<_>>().first(),
            Some(&format!("CONNECT {expected} HTTP/1.1"))
        );
        let mut server = TcpStream::connect(&expected).expect("the server");
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("sent");
        let (mut from, mut to) = (
            client.try_clone().expect("a socket"),
            server.try_clone().expect("a socket"),
        );
        std::thread::spawn(move || copy(&mut from, &mut to));
        let _ = copy(&mut server, &mut client);
    });
    address
}
