//! A run that was cut off, and the next one.

use fs_err as fs;
use serde_json::json;

use super::Kept;
use crate::support::{
    home::{Home, TARGET, sha256},
    server::{End, Reply, Server},
    world::write,
};

#[test]
fn what_a_killed_run_left_goes_with_the_next_and_nothing_else_does() {
    let kept = Kept::new();
    kept.mirror(&["tool"]).exits(0);
    let work = kept.directory().join(".unfinished");
    let digest = format!("sha256-{}", "0".repeat(64));
    let left =
        [".new-a1b2c3", "npm-a1b2c3d4e5f6/out/x.tgz", "pip-a1b2c3d4e5f6/x"].map(|name| work.join(name));
    let (old, cut) = (
        work.join(format!("downloads/{digest}")),
        work.join(format!("downloads/{digest}.partial")),
    );
    let theirs = [".new", "notes", "npm-cache/x", "downloads/notes"].map(|name| work.join(name));
    for path in left.iter().chain(&theirs).chain([&old, &cut]) {
        write(path, "x");
    }
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(8 * 24 * 3600);
    for path in [&old, &theirs[3]] {
        let file = fs::OpenOptions::new().write(true).open(path).expect("opened");
        file.file().set_modified(long_ago).expect("set");
    }
    kept.home.give(&work);
    kept.mirror(&["tool"]).exits(0);
    let gone: Vec<_> = left.iter().chain([&old]).filter(|path| path.exists()).collect();
    let lost: Vec<_> = theirs
        .iter()
        .chain([&cut])
        .filter(|path| !path.exists())
        .collect();
    assert!(
        gone.is_empty() && lost.is_empty(),
        "still there: {gone:?}; lost: {lost:?}"
    );
}

#[test]
fn an_interrupted_download_is_gone_on_with() {
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let served = content.clone();
    // The first attempts are cut; the rest of the file comes to the second run.
    let server = Server::start(move |request, nth| match nth {
        0..4 => Reply::honest(&served, request).ending(End::CutAfter(100_000)),
        _ => Reply::honest(&served, request),
    });
    let mut home = Home::new();
    let artifact = json!({
        "target": TARGET, "provider": "acme", "format": "raw", "source": {"kind": "https", "url": server.url("/a")},
        "integrity": {"kind": "pinned", "digest": sha256(&content)},
    });
    home.offer_artifacts("tool", "1.0.0", &[artifact]);
    let kept = Kept { home, content };
    let run = kept.mirror(&["tool"]).exits(5);
    assert!(run.stderr.contains("not in the mirror: tool 1.0.0"), "{run:#?}");
    assert!(run.stderr.contains("error: no build of tool"), "{run:#?}");
    let asked = server.requests().len();
    kept.mirror(&["tool"]).exits(0);
    let last = server.requests().pop().expect("asked");
    assert!(last.header("Range").is_some(), "{last:?} of {asked}");
    assert_eq!(fs::read(kept.blob(&kept.content)).expect("there"), kept.content);
    kept.mirror(&["--check"]).exits(0);
}
