//! Answers that are not the file, sorted into their kinds.

use ampup::fetch::{FetchError, Verdict};

use super::*;
use crate::support::{
    server::{End, Reply, Server},
    table::every,
};

#[test]
fn each_status_is_its_kind_of_failure() {
    let rows = [
        (400, 1, "refused"),
        (401, 1, "refused"),
        (403, 1, "refused"),
        (407, 1, "refused"),
        (451, 1, "refused"),
        (404, 1, "not found"),
        (410, 1, "not found"),
        (204, 1, "not accepted"),
        (206, 1, "not accepted"),
        (300, 1, "not accepted"),
        (304, 1, "not accepted"),
        (416, 1, "refused"),
        (408, 4, "out of reach"),
        (425, 4, "out of reach"),
        (429, 4, "out of reach"),
        (500, 4, "out of reach"),
        (502, 4, "out of reach"),
        (503, 4, "out of reach"),
        (504, 4, "out of reach"),
    ];
    every(rows, |(status, asked, kind)| {
        let server = Server::start(move |_, _| Reply::status(status));
        let world = World::new();
        let error = quick(|| world.fetch(&artifact(server.url("/thing"), b"x"))).expect_err("no file");
        let text = error.to_string();
        assert!(
            text.contains(kind) && text.contains(&status.to_string()),
            "{status}: {text}"
        );
        assert!(text.contains(&server.host()), "{text}");
        assert_eq!(error.verdict(), Verdict::NextSource);
        assert_eq!(error.exit_code().code(), 5);
        assert_eq!(server.requests().len(), asked, "{status}");
    });
}

#[test]
fn a_busy_server_is_asked_again_when_it_wants_to_be() {
    for (date, retry_after, least) in [
        (None, "0", 0),
        (None, "1", 1),
        (
            Some("Sun, 06 Nov 1994 08:49:37 GMT"),
            "Sun, 06 Nov 1994 08:49:38 GMT",
            1,
        ),
        (
            Some("Sun, 06 Nov 1994 08:49:37 GMT"),
            "Sunday, 06-Nov-94 08:49:37 GMT",
            0,
        ),
        (None, "soon", 0),
    ] {
        let server = Server::start(move |_, nth| {
            if nth > 0 {
                return Reply::whole(b"abc");
            }
            let reply = Reply::status(429).header("Retry-After", retry_after);
            date.into_iter()
                .fold(reply, |reply, date| reply.header("Date", date))
        });
        let world = World::new();
        let began = Instant::now();
        quick(|| world.fetch(&artifact(server.url("/thing"), b"abc"))).expect("fetched");
        assert!(began.elapsed() >= Duration::from_secs(least), "{retry_after}");
    }
}

#[test]
fn a_server_that_wants_us_to_wait_for_long_is_not_waited_for() {
    every(
        ["61", "99999999999999999999999", "Thu, 31 Dec 9998 23:59:59 GMT"],
        |wait| {
            let server = Server::start(move |_, _| Reply::status(503).header("Retry-After", wait));
            let world = World::new();
            let error = quick(|| world.fetch(&artifact(server.url("/thing"), b"abc"))).expect_err("busy");
            assert!(error.to_string().contains("asks to wait"), "{error}");
            assert_eq!(server.requests().len(), 1);
        },
    );
}

#[test]
fn wrong_bytes_are_removed_and_fatal() {
    let bytes = content(3_000);
    let server = Server::start(|_, _| Reply::whole(&content(2_000)));
    let rows = [
        (artifact(server.url("/thing"), &bytes), "expected sha256:"),
        (
            sized(server.url("/thing"), &bytes),
            "expected 3000 bytes, got 2000",
        ),
    ];
    every(rows, |(artifact, says)| {
        let world = World::new();
        let error = world.fetch(&artifact).expect_err("wrong");
        assert_eq!((error.verdict(), error.exit_code().code()), (Verdict::Fatal, 4));
        let source = std::error::Error::source(&error).expect("a cause").to_string();
        assert!(
            source.contains(says) && source.contains(&server.url("/thing")),
            "{source}"
        );
        assert!(world.downloaded().is_empty());
    });
}

#[test]
fn more_bytes_than_there_may_be_are_not_read() {
    let bytes = content(3_000);
    for end in [End::Whole, End::Chunked] {
        let server = Server::start(move |_, _| Reply::whole(&content(50_000)).ending(end));
        for size in [Some(3_000), None] {
            let mut world = World::new();
            world.settings.limits.artifact = 4_000;
            let artifact = Artifact {
                size,
                ..artifact(server.url("/thing"), &bytes)
            };
            let error = world.fetch(&artifact).expect_err("too much");
            assert_eq!(
                (error.verdict(), error.exit_code().code()),
                (Verdict::Fatal, 4),
                "{error}"
            );
            assert!(world.downloaded().is_empty());
        }
    }
}

#[test]
fn a_length_that_is_missing_or_said_twice_does_no_harm_and_a_wrong_one_is_noticed() {
    let bytes = content(3_000);
    type Edit = fn(Reply) -> Reply;
    let replies: [(Edit, bool); 5] = [
        (|reply| reply.without("Content-Length"), true),
        (|reply| reply.also("Content-Length", "3000"), true),
        (|reply| reply.ending(End::Chunked), true),
        (|reply| reply.header("Content-Length", "2999"), false),
        (|reply| reply.header("Content-Length", "3001"), false),
    ];
    for (change, good) in replies {
        for know_size in [true, false] {
            let served = bytes.clone();
            let server = Server::start(move |_, _| change(Reply::whole(&served)));
            let world = World::new();
            let url = server.url("/thing");
            let artifact = if know_size {
                sized(url, &bytes)
            } else {
                artifact(url, &bytes)
            };
            let outcome = quick(|| world.fetch(&artifact));
            assert_eq!(outcome.is_ok(), good, "{outcome:?}");
        }
    }
}

#[test]
fn a_body_without_a_length_that_ends_early_is_asked_for_again() {
    let bytes = content(3_000);
    let served = bytes.clone();
    let server = Server::start(move |request, nth| {
        let reply = Reply::honest(&served, request).without("Content-Length");
        if nth == 0 {
            reply.ending(End::CutAfter(100))
        } else {
            reply
        }
    });
    let world = World::new();
    assert_eq!(
        read(
            &world
                .fetch(&sized(server.url("/thing"), &bytes))
                .expect("fetched")
        ),
        bytes
    );
}

#[test]
fn encoded_content_is_refused() {
    let server = Server::start(|_, _| Reply::whole(b"abc").header("Content-Encoding", "gzip"));
    let world = World::new();
    let error = world
        .fetch(&artifact(server.url("/thing"), b"abc"))
        .expect_err("encoded");
    assert!(
        error.to_string().contains("content encoding is `gzip`"),
        "{error}"
    );
    assert_eq!(
        (error.verdict(), error.exit_code().code()),
        (Verdict::NextSource, 5)
    );

    let server = Server::start(|_, _| Reply::whole(b"abc").header("Content-Encoding", "identity"));
    world
        .fetch(&artifact(server.url("/thing"), b"abc"))
        .expect("as it is");
}

#[test]
fn a_web_page_in_place_of_the_file_is_told_as_such() {
    let page = b"<!DOCTYPE html><title>Sign in</title>";
    let server = Server::start(|_, _| Reply::whole(page).header("Content-Type", "text/html; charset=utf-8"));
    every([None, Some(3), Some(1_000)], |size| {
        let world = World::new();
        let error = world
            .fetch(&Artifact {
                size,
                ..artifact(server.url("/thing"), b"abc")
            })
            .expect_err("a page");
        assert!(error.to_string().contains("web page"), "{error}");
        assert!(
            error.hint().is_some_and(|hint| hint.contains("sign in")),
            "{error}"
        );
        assert_eq!(error.exit_code().code(), 4);
    });
}

#[test]
fn redirects_are_followed_up_to_five() {
    every([(1, true), (5, true), (6, false)], |(length, good)| {
        let server = Server::start(move |request, _| match request.target[1..].parse::<u32>() {
            Ok(0) => Reply::whole(b"abc"),
            Ok(more) => Reply::redirect(format!("./{}", more - 1)),
            Err(_) => Reply::status(400),
        });
        let world = World::new();
        let outcome = world.fetch(&artifact(server.url(&format!("/{length}")), b"abc"));
        assert_eq!(outcome.is_ok(), good, "{outcome:?}");
    });
    let server = Server::start(|request, _| Reply::redirect(request.target.clone()));
    let error = World::new()
        .fetch(&artifact(server.url("/loop"), b"abc"))
        .expect_err("a loop");
    assert!(
        error.to_string().contains("redirects more than 5 times"),
        "{error}"
    );
    assert_eq!(server.requests().len(), 6);
}

#[test]
fn redirects_lead_nowhere_they_should_not() {
    let rows = [
        "file:///etc/passwd",
        "http://192.0.2.1/x",
        "data:,abc",
        "http://[",
        "ftp://127.0.0.1/x",
    ];
    every(rows, |to| {
        let server = Server::start(move |_, _| Reply::redirect(to));
        let error = World::new()
            .fetch(&artifact(server.url("/x"), b"abc"))
            .expect_err(to);
        assert!(matches!(&error, FetchError::Answer { .. }), "{error}");
        assert_eq!(server.requests().len(), 1, "it is not tried again");
    });
    let server = Server::start(|_, _| Reply::status(302));
    let error = World::new()
        .fetch(&artifact(server.url("/x"), b"abc"))
        .expect_err("nowhere");
    assert!(error.to_string().contains("redirects to nowhere"), "{error}");
}

#[test]
fn only_https_is_asked_beyond_this_machine() {
    let rows = [
        "http://192.0.2.1/x",
        "ftp://192.0.2.1/x",
        "192.0.2.1/x",
        "gopher:x",
        "",
    ];
    every(rows, |address| {
        let error = World::new().fetch(&artifact(address, b"x")).expect_err(address);
        assert!(matches!(&error, FetchError::Address { .. }), "{error}");
    });
}

#[test]
fn a_small_file_is_bounded_and_asked_for_only_if_it_changed() {
    let server = Server::start(|request, _| match request.header("If-None-Match") {
        Some("\"v1\"") => Reply::status(304),
        _ => Reply::whole(b"abc"),
    });
    let world = World::new();
    let wire = world.wire();
    let get = |limit, etag| block_on(wire.get_small(&server.url("/small"), limit, etag));
    let fresh = ampup::fetch::Fresh::Modified {
        body: b"abc".to_vec(),
        etag: Some("\"v1\"".to_owned()),
        next: None,
    };
    assert_eq!(get(3, None).expect("got"), fresh);
    assert_eq!(get(3, Some("\"v0\"")).expect("got"), fresh);
    assert_eq!(
        get(3, Some("\"v1\"")).expect("same"),
        ampup::fetch::Fresh::NotModified
    );
    assert!(matches!(get(2, None), Err(FetchError::TooLarge { limit: 2, .. })));
    let endless = Server::start(|_, _| Reply::whole(&content(50_000)).ending(End::Chunked));
    let outcome = block_on(wire.get_small(&endless.url("/small"), 1_000, None));
    assert!(matches!(outcome, Err(FetchError::TooLarge { limit: 1_000, .. })));
}
