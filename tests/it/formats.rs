//! Every shape of artifact, from a web server to a program that runs.

use fs_err as fs;
use serde_json::{Value, json};

use crate::support::{
    archives::{TarEntry, ZipEntry, tar, tar_gz, xz, zip},
    home::{Home, TARGET, finish, script, sha256},
    server::{End, Reply, Server},
    table::every,
};

/// The tree of `tool` 1.0.0 below `top/`, as the entries of a tar archive.
fn entries(top: &str) -> Vec<TarEntry> {
    let mut program = TarEntry::file(&format!("{top}bin/tool"), &script("tool", "1.0.0"));
    program.mode = 0o755;
    vec![
        program,
        TarEntry::file(&format!("{top}share/words"), "words\n"),
        TarEntry::symlink(&format!("{top}share/link"), "words"),
    ]
}

fn zipped(top: &str) -> Vec<u8> {
    zip(&[
        ZipEntry::of_mode(0o100_755, &format!("{top}bin/tool"), &script("tool", "1.0.0")),
        ZipEntry::deflated(&format!("{top}share/words"), "words\n"),
    ])
}

/// Serves these bytes, honestly.
fn serve(bytes: Vec<u8>) -> Server {
    Server::start(move |request, _| Reply::honest(&bytes, request))
}

fn artifact(server: &Server, format: &str, root: Option<&str>, integrity: &Value) -> Value {
    json!({
        "target": TARGET, "provider": "acme", "format": format, "root": root, "integrity": integrity,
        "source": {"kind": "https", "url": server.url("/tool")},
    })
}

fn pinned(bytes: &[u8]) -> Value {
    json!({"kind": "pinned", "digest": sha256(bytes)})
}

#[test]
fn every_format_becomes_the_same_tree() {
    let inner = xz(&tar(&entries("")));
    let jar = |name: &str| {
        let mut entry = ZipEntry::stored(name, "");
        entry.content = inner.clone();
        zip(&[
            ZipEntry::deflated("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n"),
            entry,
        ])
    };
    let cases = [
        ("raw", None, script("tool", "1.0.0").into_bytes()),
        ("tar.gz", Some("top"), tar_gz(&entries("top/"))),
        ("tar.xz", Some("top"), xz(&tar(&entries("top/")))),
        ("zip", Some("top"), zipped("top/")),
        ("jar/tar.xz", None, jar("postgres-linux-x86_64.txz")),
    ];
    every(cases, |(format, root, bytes)| {
        let integrity = pinned(&bytes);
        let server = serve(bytes);
        let mut home = Home::new();
        home.offer_artifacts("tool", "1.0.0", &[artifact(&server, format, root, &integrity)]);
        home.ampup(&["install", "tool"])
            .exits(0)
            .says("installed tool 1.0.0");
        let run = finish(std::process::Command::new(home.path().join("bin/tool")));
        assert_eq!(run.stdout, "tool 1.0.0\n", "{format}");
        let tree = home.path().join("components/tool/1.0.0");
        if format != "raw" {
            assert_eq!(
                fs::read_to_string(tree.join("share/words")).expect("read"),
                "words\n",
                "{format}"
            );
        }
        if format.contains("tar") {
            assert_eq!(
                tree.join("share/link").read_link_utf8().expect("a link"),
                "words",
                "{format}"
            );
        }
        assert_eq!(server.requests().len(), 1, "{format}");
    });
}

#[test]
fn a_cut_download_is_resumed_and_nothing_is_fetched_twice() {
    let bytes = tar_gz(&entries(""));
    let integrity = pinned(&bytes);
    let half = bytes.len() / 2;
    let server = Server::start(move |request, number| {
        let reply = Reply::honest(&bytes, request);
        if number == 0 {
            reply.ending(End::CutAfter(half))
        } else {
            reply
        }
    });
    let mut home = Home::new();
    home.offer_artifacts("tool", "1.0.0", &[artifact(&server, "tar.gz", None, &integrity)]);
    home.ampup(&["install", "tool"]).exits(0);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(
        requests[1].header("Range"),
        Some(format!("bytes={half}-").as_str())
    );
}

/// A digest that the publisher states in a file beside the artifact is as good as the manifest's.
#[test]
fn a_published_checksum_is_fetched_believed_and_written_down() {
    let bytes = tar_gz(&entries(""));
    let hex = sha256(&bytes).trim_start_matches("sha256:").to_owned();
    let shapes = [
        format!("{hex}  tool\n"),
        hex.clone(),
        format!("SHA256 hash of tool:\r\n{hex}\r\nCertUtil: -hashfile command completed successfully.\r\n"),
    ];
    for shape in shapes {
        let bytes = bytes.clone();
        let server = Server::start(move |request, _| match request.target.as_str() {
            "/tool" => Reply::honest(&bytes, request),
            _ => Reply::whole(shape.as_bytes()),
        });
        let integrity =
            json!({"kind": "checksum_file", "algorithm": "sha256", "url": server.url("/tool.sha256")});
        let mut home = Home::new();
        home.offer_artifacts("tool", "1.0.0", &[artifact(&server, "tar.gz", None, &integrity)]);
        home.ampup(&["install", "tool", "--require-pinned"]).exits(4);
        home.ampup(&["install", "tool"]).exits(0);
        let receipt =
            fs::read_to_string(home.path().join("components/tool/1.0.0/.receipt.json")).expect("a receipt");
        assert!(receipt.contains(&hex), "{receipt}");
    }
}

#[test]
fn a_gone_or_refused_source_leads_to_the_next_and_is_told() {
    every([401, 403, 404, 410], |status| {
        let bytes = tar_gz(&entries(""));
        let integrity = pinned(&bytes);
        let (gone, good) = (Server::start(move |_, _| Reply::status(status)), serve(bytes));
        let mut home = Home::new();
        let artifacts = [
            artifact(&gone, "tar.gz", None, &integrity),
            artifact(&good, "tar.gz", None, &integrity),
        ];
        home.offer_artifacts("tool", "1.0.0", &artifacts);
        home.ampup(&["install", "tool"])
            .exits(0)
            .says(&status.to_string())
            .says("installed tool 1.0.0");
    });
}

#[test]
fn wrong_bytes_from_a_mirror_are_told_and_the_origin_serves() {
    let bytes = tar_gz(&entries(""));
    let integrity = pinned(&bytes);
    let origin = serve(bytes);
    let mirror = Server::start(|_, _| Reply::whole(b"<html>please log in</html>"));
    let mut home = Home::new();
    home.offer_artifacts("tool", "1.0.0", &[artifact(&origin, "tar.gz", None, &integrity)]);
    let run = home
        .ampup(&["--mirror", &mirror.url("/"), "install", "tool"])
        .exits(0);
    run.says("warning: ");
    assert_eq!((mirror.requests().len(), origin.requests().len()), (1, 1));
}

#[test]
fn a_hostile_archive_is_refused_and_touches_nothing() {
    let rows = [
        TarEntry::file("../escaped", "x"),
        TarEntry::file("/tmp/escaped", "x"),
        TarEntry::symlink("out", "../../../../.."),
        TarEntry::new(b'3', "device"),
        TarEntry::new(b'6', "fifo"),
    ];
    every(rows, |entry| {
        let mut all = entries("");
        all.push(entry);
        let bytes = tar_gz(&all);
        let integrity = pinned(&bytes);
        let server = serve(bytes);
        let mut home = Home::new();
        home.offer_artifacts("tool", "1.0.0", &[artifact(&server, "tar.gz", None, &integrity)]);
        home.ampup(&["install", "tool"])
            .exits(4)
            .says("error: could not install tool");
        assert!(!home.path().join("active").exists());
        assert_eq!(
            fs::read_dir(home.path().join("staging")).expect("listed").count(),
            0
        );
    });
}
