//! The seeds of the fuzzer (`fuzz/seeds/`), and what it found, run as ordinary tests; and each seed cut and bent a little.

use camino::Utf8Path;
use fs_err as fs;

#[path = "../../fuzz/targets.rs"]
#[expect(clippy::disallowed_methods, reason = "the fuzzer has no fs_err")]
mod targets;

/// Each seed as it is, cut in half, and with one byte changed here and there.
#[track_caller]
fn run(name: &str, target: fn(&[u8])) {
    let directory = Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(name);
    let mut count = 0;
    for entry in directory.read_dir_utf8().expect("listed") {
        let seed = fs::read(entry.expect("an entry").path()).expect("read");
        target(&seed);
        target(&seed[..seed.len() / 2]);
        for at in (0..seed.len()).step_by((seed.len() / 16).max(1)) {
            let mut bent = seed.clone();
            bent[at] ^= 0x15;
            target(&bent);
        }
        count += 1;
    }
    assert!(count > 2, "{name} has seeds");
}

#[test]
fn manifests() {
    run("manifest", targets::manifest);
    targets::manifest(include_bytes!("../../registry/manifest.json"));
}

#[test]
fn pointers() {
    run("pointer", targets::pointer);
}

#[test]
fn specs() {
    run("spec", targets::spec);
}

#[test]
fn receipts() {
    run("receipt", targets::receipt);
}

#[test]
fn checksum_files() {
    run("checksum_file", targets::checksum_file);
}

#[test]
fn archives() {
    run("archive", targets::archive);
}
