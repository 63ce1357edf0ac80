//! The signed registry in a mirror: carried as it was fetched, and taken from there by the same proof.

use std::sync::Arc;

use ampup::{
    commands::{Outcome, RegistrySource, mirror, update},
    domain::Target,
    event::Silent,
    exit::Exit,
};
use camino::Utf8Path;
use fs_err as fs;

use crate::{
    support::{postgres::World, world::snapshot},
    trust_commands::{Publisher, session_at},
};

/// A port at which nobody is.
const NOBODY: u16 = 1;

fn carried(publisher: &Publisher, directory: &Utf8Path) -> Outcome {
    let session = session_at(publisher.world(), publisher.port(), Arc::new(Silent));
    let args = mirror::Args {
        directory: directory.to_owned(),
        what: Vec::new(),
        targets: vec![Target::X86_64LinuxGnu],
        check: false,
        dry_run: false,
    };
    // The published registry has no component, so that there is nothing else to carry.
    mirror::run(&args, &session).expect("carried")
}

/// The serial that `update` ends with in a new home, with a mirror and nobody at the origin.
fn updated_from(mirror: &Utf8Path, world: &Utf8Path) -> (u64, RegistrySource) {
    let session = || {
        let mut session = session_at(world, NOBODY, Arc::new(Silent));
        session.options.mirror = Some(format!("file://{mirror}"));
        session
    };
    update::run(&update::Args::default(), &session()).expect("updated");
    let session = session();
    let (registry, source) = session.registry_and_source().expect("a registry");
    (registry.serial, source.clone())
}

#[test]
fn a_signed_registry_is_carried_and_is_taken_where_the_origin_is_out_of_reach() {
    let publisher = Publisher::new();
    publisher.publish(1007);
    let stick = publisher.world().join("stick");
    let outcome = carried(&publisher, &stick);
    assert_eq!(outcome.json["registry"]["serial"], 1007);
    assert_eq!(outcome.json["registry"]["signed"], true);
    let document = fs::read(stick.join("v1/registry-1007.json")).expect("there");
    assert_eq!(fs::read(stick.join("registry.json")).expect("there"), document);
    let before = snapshot(&stick);
    carried(&publisher, &stick);
    assert_eq!(snapshot(&stick), before);

    let world = World::new();
    assert_eq!(
        updated_from(&stick, world.path()),
        (1007, RegistrySource::Fetched)
    );
    // What is newer in the home stays, and a mirror's bytes are proven like any.
    publisher.publish(1009);
    let newer = publisher.world().join("newer");
    carried(&publisher, &newer);
    assert_eq!(updated_from(&newer, world.path()).0, 1009);
    assert_eq!(updated_from(&stick, world.path()).0, 1009);
    let pointer = newer.join("v1/registry.minisig");
    fs::write(newer.join("v1/registry-1009.json"), document).expect("written");
    let fresh = World::new();
    assert_eq!(updated_from(&newer, fresh.path()).1, RegistrySource::BuiltIn);
    fs::write(pointer, "not a signature\n").expect("written");
    assert_eq!(updated_from(&newer, fresh.path()).1, RegistrySource::BuiltIn);

    // The same mirror from a home that knows less: the newer registry stays in it.
    let older = Publisher::new();
    older.publish(1008);
    let outcome = carried(&older, &stick);
    assert_eq!(outcome.exit, Exit::Done);
    assert_eq!(outcome.json["registry"]["serial"], 1008);
    let outcome = carried(&publisher, &stick);
    assert_eq!(outcome.json["registry"]["serial"], 1009);
    let outcome = carried(&older, &stick);
    assert_eq!(outcome.json["registry"]["serial"], 1009, "never back");
}
