//! Proxies: which is used, and who is at fault.

use super::{
    super::{Duration, World, artifact, content, quick, read, sized},
    trusting,
};
use crate::support::{
    server::{End, Reply, Server},
    table::every,
    tls::certified,
};

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
    let refused =
        |host: String, status: &str| format!("{}the proxy answered CONNECT with {status}", through(host));
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
            refused(forbidding.host(), "403 X"),
        ),
        (bad_gateway.host(), refused(bad_gateway.host(), "502 X")),
        (breaking.host(), through(breaking.host())),
        (failing.host(), refused(failing.host(), "500 X")),
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

/// The http client hides the answer of a proxy that makes no tunnel; whoever is told of it knows what helps.
#[test]
fn the_answer_of_a_proxy_that_makes_no_tunnel_is_told() {
    let allow = "ask whoever runs the proxy to allow it";
    let later = "run the same command again later";
    let other = "set `https_proxy` to your network's proxy";
    let rows = [
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "with 403 Forbidden)", allow),
        ("HTTP/1.1 451 X\r\n\r\n", "with 451 X)", allow),
        (
            "HTTP/1.1 401 X\r\n\r\n",
            "with 401 X)",
            "set the user and the password in `https_proxy`",
        ),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "with 502 Bad Gateway)", later),
        ("HTTP/1.0 503 X\r\n\r\n", "with 503 X)", later),
        ("HTTP/1.1 504 X\r\n\r\n", "with 504 X)", later),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "with 400 Bad Request)", other),
        ("HTTP/1.1 405 X\r\n\r\n", "with 405 X)", other),
        ("HTTP/1.1 511 X\r\n\r\n", "with 511 X)", "sign in to your network"),
        (
            "SSH-2.0-OpenSSH_9.2\r\n",
            "it is no HTTP proxy: it answers `SSH-2.0-OpenSSH_9.2`)",
            other,
        ),
        (
            "<html>\r\n\r\n",
            "it is no HTTP proxy: it answers `<html>`)",
            other,
        ),
        (
            "\u{1}\u{2}\r\n\r\n",
            "it is no HTTP proxy: it answers `\\u{1}\\u{2}`)",
            other,
        ),
    ];
    every(rows, |(answer, says, remedy)| {
        let answered = move |_: &_, _| Reply::raw(answer);
        let secure = Server::start_tls(certified("127.0.0.1", |_| ()), answered);
        for server in [Server::start(answered), secure] {
            let mut world = trusting();
            world.variables.insert("https_proxy".to_owned(), server.url(""));
            let error =
                quick(|| world.fetch(&artifact("https://a.example/thing", b"abc"))).expect_err("no tunnel");
            let (text, hint) = (error.to_string(), error.hint().unwrap_or_default());
            assert!(text.contains(says) && hint.contains(remedy), "{text}\n{hint}");
        }
    });
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
