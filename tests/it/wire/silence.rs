//! Servers that are slow, silent or away.

use ampup::fetch::{FetchError, Verdict};

use super::*;
use crate::support::{
    server::{End, Reply, Server},
    table::every,
};

fn impatient() -> World {
    let mut world = World::new();
    world.settings.limits.connect = Duration::from_millis(700);
    world.settings.limits.first_byte = Duration::from_millis(700);
    world.settings.limits.window = Duration::from_millis(500);
    world
}

/// The reason for which the host is out of reach.
fn unreachable(error: FetchError) -> String {
    assert_eq!(error.verdict(), Verdict::NextSource);
    assert_eq!(error.exit_code().code(), 5);
    match error {
        FetchError::Unreachable { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn silence_and_crawling_end() {
    let bytes = content(20_000);
    let rows = [
        (End::SilentBefore, "no answer within"),
        (End::SilentAfter(0), "nothing came within"),
        (End::SilentAfter(300), "only 300 bytes came within"),
        (End::OneEvery(Duration::from_millis(20)), "bytes came within"),
    ];
    every(rows, |(end, says)| {
        let served = bytes.clone();
        let server = Server::start(move |request, _| Reply::honest(&served, request).ending(end));
        let world = impatient();
        let why = unreachable(quick(|| world.fetch(&sized(server.url("/thing"), &bytes))).expect_err("slow"));
        assert!(why.contains(says), "{end:?}: {why}");
        assert_eq!(server.requests().len(), 1, "silence is not waited for twice");
    });
}

#[test]
fn what_came_before_a_silence_is_told() {
    let bytes = content(3_000_000);
    let served = bytes.clone();
    let server = Server::start(move |_, _| Reply::whole(&served).ending(End::SilentAfter(2_500_000)));
    let world = impatient();
    unreachable(
        world
            .fetch(&sized(server.url("/thing"), &bytes))
            .expect_err("silent"),
    );
    let told = world.events().into_iter().filter_map(|event| match event {
        Event::DownloadProgress { received, .. } => Some(received),
        _ => None,
    });
    let last = told.max().unwrap_or(0);
    assert!(last > 2_000_000, "{last} bytes");
}

#[test]
fn what_is_slow_but_moves_is_waited_for() {
    let bytes = content(40);
    let served = bytes.clone();
    let server =
        Server::start(move |_, _| Reply::whole(&served).ending(End::OneEvery(Duration::from_millis(40))));
    let mut world = impatient();
    world.settings.limits.floor = 4;
    assert_eq!(
        read(
            &world
                .fetch(&artifact(server.url("/thing"), &bytes))
                .expect("fetched")
        ),
        bytes
    );
}

#[test]
fn a_host_that_is_out_of_reach_is_not_asked_again() {
    let server = Server::start(|_, _| Reply::status(503));
    let world = World::new();
    let wire = world.wire();
    for path in ["/one", "/two"] {
        let why = unreachable(
            world
                .fetch_with(&wire, &artifact(server.url(path), b"x"))
                .expect_err("busy"),
        );
        assert!(why.contains("503"), "{why}");
    }
    assert_eq!(server.requests().len(), 4);
    assert_eq!(world.lines(), [""; 0], "whoever asked says so");
}

#[test]
fn a_name_that_does_not_resolve_is_told_at_once() {
    let world = World::new();
    let why = unreachable(
        quick(|| world.fetch(&artifact("https://nowhere.invalid/x", b"x"))).expect_err("no name"),
    );
    assert!(why.starts_with("DNS: "), "{why}");
}

#[test]
fn a_refused_connection_is_tried_again_and_then_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let world = World::new();
    let error = quick(|| world.fetch(&artifact(format!("http://{address}/x"), b"x"))).expect_err("refused");
    let why = unreachable(error);
    assert!(why.to_lowercase().contains("refused"), "{why}");
}

#[test]
#[cfg(unix)]
fn a_host_that_drops_what_we_send_is_given_up() {
    let hole = black_hole();
    let mut world = World::new();
    world.settings.limits.connect = Duration::from_millis(500);
    let url = format!("http://{}/x", hole.address);
    let why = unreachable(quick(|| world.fetch(&artifact(url, b"x"))).expect_err("dropped"));
    assert!(why.contains("no connection within 1 s"), "{why}");
}

#[test]
fn an_answer_that_is_no_http_is_tried_again_and_then_told() {
    let rows = [
        "SSH-2.0-x\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nabc",
        "",
    ];
    every(rows, |text| {
        let server = Server::start(move |_, _| Reply::raw(text));
        let world = World::new();
        unreachable(quick(|| world.fetch(&artifact(server.url("/thing"), b"abc"))).expect_err(text));
        assert_eq!(server.requests().len(), 4, "{text}");
    });
}

/// A port whose queue is full: connections to it are neither accepted nor refused.
#[cfg(unix)]
pub(super) struct BlackHole {
    pub(super) address: std::net::SocketAddr,
    _listener: std::net::TcpListener,
    _queue: Vec<std::net::TcpStream>,
}

#[cfg(unix)]
pub(super) fn black_hole() -> BlackHole {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    rustix::net::listen(&listener, 0).expect("listening");
    let address = listener.local_addr().expect("bound");
    let mut queue = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(150)) {
        queue.push(stream);
    }
    BlackHole {
        address,
        _listener: listener,
        _queue: queue,
    }
}
