//! Leaves the tables for unwinding out of the released program: a panic ends it, and nothing ever reads them.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to a build script by the environment"
)]

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=release/no-unwinding.ld");
    let is = |variable: &str, value: &str| env::var(variable).is_ok_and(|found| found == value);
    // GNU ld and LLVM's take such a script; zig's has one of its own.
    let is_zig = env::var("RUSTC_LINKER").is_ok_and(|linker| linker.contains("zig"));
    if is("PROFILE", "release")
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && !is_zig
    {
        let place = env!("CARGO_MANIFEST_DIR");
        println!("cargo::rustc-link-arg-bin=ampup=-Wl,-T,{place}/release/no-unwinding.ld");
    }
}
