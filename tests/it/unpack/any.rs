//! Archives that chance made.

use ampup::domain::Format;
use fs_err as fs;
use proptest::prelude::*;

use super::{World, assert_listed, shape};
use crate::support::archives::{TarEntry, ZipEntry, gz, open_tar, tar, tar_gz, xz, zip};

/// An entry of an archive that may be anything, with names that meet often.
fn any_entry() -> impl Strategy<Value = TarEntry> {
    let name = "(\\./)?[abC](/[abc]){0,2}";
    let target = "(\\.\\./|\\./|[abc]/){0,4}(\\.\\.|[abc]|canary)";
    prop_oneof![
        name.prop_map(|name| TarEntry::file(&name, "x")),
        name.prop_map(|name| TarEntry::directory(&name)),
        (name, target).prop_map(|(name, target)| TarEntry::symlink(&name, &target)),
        (name, target).prop_map(|(name, target)| TarEntry::symlink(&name, &target)),
        (name, name).prop_map(|(name, target)| TarEntry::hard_link(&name, &target)),
    ]
}

/// A link upwards, and links that lead through it and through each other.
fn any_links() -> impl Strategy<Value = Vec<TarEntry>> {
    let place = prop::sample::select(vec!["", "d/", "d/e/"]);
    let part = prop::sample::select(vec!["..", "d", "e", "a", "d/l0", "l0", "d/e/l1"]);
    let target = prop::collection::vec(part, 1..4);
    prop::collection::vec((place, target), 1..4).prop_map(|links| {
        let links = links.iter().enumerate().map(|(number, (place, target))| {
            TarEntry::symlink(&format!("{place}l{}", number + 1), &target.join("/"))
        });
        let fixed = [TarEntry::file("d/e/a", "x"), TarEntry::symlink("d/l0", "..")];
        links.chain(fixed).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The rules follow links on paper; the disk must agree.
    #[test]
    fn no_link_of_a_tree_leads_out_of_it(
        entries in prop_oneof![any_links(), prop::collection::vec(any_entry(), 1..8)],
    ) {
        let world = World::new();
        match world.unpack(&shape(Format::TarGz), &tar_gz(&entries)) {
            Err(_) => world.assert_untouched("refused"),
            Ok(staged) => {
                assert_listed(&staged);
                let top = staged.path().canonicalize_utf8().expect("it exists");
                for (path, _) in staged.files().iter() {
                    if let Ok(end) = staged.path().join(path).canonicalize_utf8() {
                        prop_assert!(end.starts_with(&top), "{path} leads to {end}");
                    }
                }
                fs::remove_dir_all(staged.path()).expect("removed");
                world.assert_untouched("unpacked");
            }
        }
    }

    /// Whatever happens to an archive's bytes, it is refused whole or unpacked whole.
    #[test]
    fn damaged_archives_never_leave_a_half(
        kind in 0..4,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let entries = [TarEntry::pax("path", "d/a"), TarEntry::file("x", "content"), TarEntry::symlink("l", "d/a")];
        let zipped = [ZipEntry::streamed("a", "content", true, false), ZipEntry::stored("b", "content")];
        let (format, mut bytes) = match kind {
            0 => (Format::TarGz, open_tar(&entries)),
            1 => (Format::TarGz, tar_gz(&entries)),
            2 => (Format::TarXz, xz(&tar(&entries))),
            _ => (Format::Zip, zip(&zipped)),
        };
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if kind == 0 {
            bytes = gz(&[bytes, vec![0; 1024]].concat());
        }
        let world = World::new();
        match world.unpack(&shape(format), &bytes) {
            Err(_) => world.assert_untouched("refused"),
            Ok(staged) => assert_listed(&staged),
        }
    }

    #[test]
    fn any_bytes_are_refused_without_panic(bytes: Vec<u8>) {
        let world = World::new();
        for format in [Format::TarGz, Format::TarXz, Format::Zip, Format::JarTarXz] {
            prop_assert!(world.unpack(&shape(format), &bytes).is_err());
            world.assert_untouched("refused");
        }
    }
}
