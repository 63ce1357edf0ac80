//! The space that an archive takes is counted before anything is written.

use ampup::{
    domain::{FileRecord, Format, LinkList},
    exit::Exit,
    fs::space::{Lack, SpaceNeed},
    unpack::{Shape, Staged, UnpackError},
};

use super::{World, full_message, shape, snapshot};
use crate::support::{
    archives::{TarEntry, ZipEntry, tar, tar_gz, xz, zip},
    table::every,
};

/// More than any disk has.
const MUCH: u64 = 1 << 60;

/// The space that an archive is said to need, of bytes and of entries; nothing where the file system has no limit of entries.
fn counted(world: &World, shape: &Shape<'_>, archive: &[u8]) -> (u64, Option<u64>) {
    let beside = |bytes, entries| Shape {
        beside: SpaceNeed { bytes, entries },
        ..shape.clone()
    };
    let lack = |shape: &Shape<'_>| match world.unpack(shape, archive) {
        Err(error @ UnpackError::NoRoom { .. }) => {
            world.assert_untouched("no room");
            assert_eq!(error.exit_code(), Exit::Disk);
            assert!(
                error
                    .hint()
                    .is_some_and(|hint| hint.starts_with("free disk space"))
            );
            let text = full_message(&error);
            let UnpackError::NoRoom { source, .. } = error else {
                unreachable!("it is NoRoom")
            };
            assert!(text.contains("free") || text.contains("more files"), "{text}");
            Some(source)
        }
        Err(error) => panic!("{}", full_message(&error)),
        Ok(staged) => {
            fs_err::remove_dir_all(staged.path()).expect("removed");
            None
        }
    };
    let bytes = match lack(&beside(MUCH, 0)) {
        Some(Lack::Bytes { place, needed, .. }) => {
            assert_eq!(place, world.into);
            needed - MUCH
        }
        other => panic!("{other:?}"),
    };
    let entries = lack(&beside(0, MUCH)).map(|lack| match lack {
        Lack::Entries { needed, .. } => needed - MUCH,
        other => panic!("{other:?}"),
    });
    (bytes, entries)
}

/// The space that is taken when it was unpacked, in whole blocks.
fn taken(staged: &Staged) -> (u64, u64) {
    let bytes = staged.files().iter().map(|(_, record)| match record {
        FileRecord::File { size, .. } => size.next_multiple_of(4096),
        FileRecord::Link { .. } => 0,
    });
    (bytes.sum(), snapshot(staged.path()).len() as u64 + 1)
}

#[test]
fn what_is_counted_is_what_is_written() {
    let large = "x".repeat(5_000);
    let entries = [
        TarEntry::directory("p/empty/"),
        TarEntry::file("p/a/deep/one", &large),
        TarEntry::file("p/two", "2"),
        TarEntry::file("p/none", ""),
        TarEntry::hard_link("p/again", "p/a/deep/one"),
        TarEntry::symlink("p/link", "two"),
        TarEntry::file("outside/the/root", &large),
    ];
    let zipped = [
        ZipEntry::of_mode(0o120_777, "p/link", "a/b"),
        ZipEntry::deflated("p/a/b", &large),
        ZipEntry::deflated("outside/the/root", &large),
    ];
    let jar = zip(&[ZipEntry {
        content: xz(&tar(&entries)),
        ..ZipEntry::stored("a.txz", "")
    }]);
    let links = LinkList {
        file: "p/two".into(),
        base: "p".into(),
    };
    let mut listed = entries.clone();
    listed[2].content = br#"[{"source":"none","target":"made/for/it"}]"#.to_vec();
    let rooted = |format| Shape {
        root: Some("p"),
        ..shape(format)
    };
    let with_list = Shape {
        links: Some(&links),
        ..rooted(Format::TarGz)
    };
    let rows = [
        (rooted(Format::TarGz), tar_gz(&entries)),
        (rooted(Format::TarXz), xz(&tar(&entries))),
        (rooted(Format::Zip), zip(&zipped)),
        (shape(Format::JarTarXz), jar),
        (with_list, tar_gz(&listed)),
        (shape(Format::Raw), large.clone().into_bytes()),
    ];
    every(rows, |(shape, archive)| {
        let world = World::new();
        let (bytes, entries) = counted(&world, &shape, &archive);
        let staged = world.unpack(&shape, &archive).expect("unpacked");
        let taken = taken(&staged);
        assert_eq!(bytes, taken.0, "{:?}", shape.format);
        assert_eq!(entries.unwrap_or(taken.1), taken.1, "{:?}", shape.format);
    });
}

#[test]
fn an_archive_that_breaks_a_rule_is_refused_for_that() {
    let world = World::new();
    let full = Shape {
        beside: SpaceNeed {
            bytes: MUCH,
            entries: 0,
        },
        ..shape(Format::TarGz)
    };
    let archive = tar_gz(&[TarEntry::file("a", "a"), TarEntry::file("../b", "b")]);
    let error = world.unpack(&full, &archive).expect_err("refused");
    assert_eq!(error.exit_code(), Exit::Integrity, "{}", full_message(&error));
    world.assert_untouched("refused");
}
