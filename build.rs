//! Gives the program its registry without indentation, which is a quarter of it: each command that needs the registry passes over
//! every byte.
#![expect(clippy::disallowed_methods, reason = "cargo is asked by the environment")]

use std::{env, fs, path::Path};

const MANIFEST: &str = "registry/manifest.json";

fn main() {
    println!("cargo::rerun-if-changed={MANIFEST}");
    let manifest = fs::read_to_string(MANIFEST).expect("the registry is a part of this package");
    // No text of JSON's goes over the end of a line.
    let lines: String = manifest.lines().map(str::trim_start).collect();
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("manifest.json"), lines).expect("the directory is cargo's own");
}
