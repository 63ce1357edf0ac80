//! Archives that pass, and the tree that each becomes.

use std::io::{Cursor, Write as _};

use ampup::domain::{FileRecord, Format, LinkList};
use camino::Utf8PathBuf;
use fs_err as fs;

use super::{Shape, World, assert_listed, proven, shape, snapshot, unpack};
use crate::support::{
    archives::{TarEntry, ZipEntry, gz, pax_record, tar, tar_gz, xz, zip},
    table::every,
};

/// The tree, in lines of path and what is there.
fn tree(world: &World, shape: &Shape<'_>, archive: &[u8]) -> Vec<String> {
    let staged = match world.unpack(shape, archive) {
        Ok(staged) => staged,
        Err(error) => panic!("{}", super::full_message(&error)),
    };
    assert_listed(&staged);
    let lines = snapshot(staged.path())
        .into_iter()
        .map(|(path, line)| format!("{path} {line}"))
        .collect();
    fs::remove_dir_all(staged.path()).expect("removed");
    world.assert_untouched("after a good archive");
    lines
}

#[test]
fn everything_that_real_tars_do() {
    let long = format!("{}/long", "d".repeat(150));
    let longer = format!("{}/{}/long", "e".repeat(200), "f".repeat(200));
    let gnu = |entry: TarEntry| TarEntry {
        magic: *b"ustar  \0",
        ..entry
    };
    let oldest = TarEntry {
        magic: [0; 8],
        kind: 0,
        ..TarEntry::file("oldest", "7")
    };
    let oldest_directory = TarEntry {
        magic: [0; 8],
        ..TarEntry::new(0, "oldest-directory/")
    };
    let prefixed = TarEntry {
        prefix: "pre/fix".into(),
        ..TarEntry::file("name", "p")
    };
    let mode = |name: &str, mode: u32| TarEntry {
        mode,
        ..TarEntry::file(name, "")
    };
    let zeros = [format!("{long}\0"), format!("{longer}\0")].map(String::into_bytes);
    let entries = [
        TarEntry::extension(b'g', pax_record("comment", "of git archive")),
        TarEntry::directory("./"),
        TarEntry::symlink("./before", "later/target"),
        TarEntry::symlink("nowhere", "nothing/here"),
        TarEntry::file("./without/parents/file", "f"),
        TarEntry::directory("./without/"),
        TarEntry::file("later/target", "t"),
        TarEntry::file("empty", ""),
        TarEntry::hard_link("later/same", "./later/target"),
        TarEntry::hard_link("again", "later/same"),
        TarEntry::extension(b'L', zeros[0].clone()),
        gnu(TarEntry::file("cut", "gnu")),
        TarEntry::extension(b'L', b"long-link\0"),
        TarEntry::extension(b'K', zeros[0].clone()),
        gnu(TarEntry::symlink("cut", "cut")),
        TarEntry::pax("path", &longer),
        TarEntry::file("cut", "pax"),
        TarEntry::extension(
            b'x',
            [
                pax_record("linkpath", &longer),
                pax_record("mtime", "1.5"),
                pax_record("SCHILY.xattr.user.a", "b\nc"),
            ]
            .concat(),
        ),
        TarEntry::symlink("pax-link", "cut"),
        TarEntry::pax("size", "5"),
        TarEntry::file("sized", "12345"),
        oldest,
        oldest_directory,
        prefixed,
        mode("bin/suid", 0o4755),
        mode("bin/other", 0o001),
        mode("bin/written", 0o666),
        mode("bin/unreadable", 0),
    ];
    let expected = [
        "again 644 t".to_owned(),
        "before -> later/target".to_owned(),
        "bin 755".to_owned(),
        "bin/other 755 ".to_owned(),
        "bin/suid 755 ".to_owned(),
        "bin/unreadable 644 ".to_owned(),
        "bin/written 644 ".to_owned(),
        format!("{} 755", "d".repeat(150)),
        format!("{long} 644 gnu"),
        format!("{} 755", "e".repeat(200)),
        format!("{}/{} 755", "e".repeat(200), "f".repeat(200)),
        format!("{longer} 644 pax"),
        "empty 644 ".to_owned(),
        "later 755".to_owned(),
        "later/same 644 t".to_owned(),
        "later/target 644 t".to_owned(),
        format!("long-link -> {long}"),
        "nowhere -> nothing/here".to_owned(),
        "oldest 644 7".to_owned(),
        "oldest-directory 755".to_owned(),
        format!("pax-link -> {longer}"),
        "pre 755".to_owned(),
        "pre/fix 755".to_owned(),
        "pre/fix/name 644 p".to_owned(),
        "sized 644 12345".to_owned(),
        "without 755".to_owned(),
        "without/parents 755".to_owned(),
        "without/parents/file 644 f".to_owned(),
    ];
    let world = World::new();
    let padded = [tar(&entries), vec![0; 9_000]].concat();
    let after_the_trailer = [gz(&padded), vec![0; 700]].concat();
    let after_the_stream = [xz(&padded), vec![0; 4]].concat();
    let rows = [
        (Format::TarGz, tar_gz(&entries)),
        (Format::TarGz, after_the_trailer),
        (Format::TarXz, xz(&padded)),
        (Format::TarXz, after_the_stream),
    ];
    every(rows, |(format, archive)| {
        assert_eq!(tree(&world, &shape(format), &archive), expected);
    });
}

#[test]
fn everything_that_real_zips_do() {
    let entries = [
        ZipEntry::of_mode(0o120_777, "before", "later/target"),
        ZipEntry::of_mode(0o040_755, "dir/", ""),
        ZipEntry::deflated("dir/deflated", "dddddddddddddddddddd"),
        ZipEntry::of_mode(0o100_755, "dir/run", "r"),
        ZipEntry::streamed("dir/s1", "s1", false, false),
        ZipEntry::streamed("dir/s2", "s2", true, false),
        ZipEntry::streamed("dir/s3", "s3", false, true),
        ZipEntry::streamed("dir/s4", "s4", true, true),
        ZipEntry {
            mode: 0,
            method: 8,
            ..ZipEntry::stored("dos/", "")
        },
        ZipEntry {
            mode: 0,
            attributes: 16,
            ..ZipEntry::stored("dos/deep/", "")
        },
        ZipEntry {
            mode: 0,
            attributes: 32,
            ..ZipEntry::stored("dos/file", "d")
        },
        ZipEntry::stored("later/target", "t"),
        ZipEntry {
            flags: 1 << 11,
            extra: b"\x75\x70\x07\0\x01CRC3\xc3\xbc\0\0\0".to_vec(),
            ..ZipEntry::stored("ü", "u")
        },
        // As .NET may write them: all numbers a second time, though the header has room.
        ZipEntry {
            extra: [&b"\x01\0\x10\0"[..], &[1, 0, 0, 0, 0, 0, 0, 0].repeat(2)].concat(),
            ..ZipEntry::stored("wide", "w")
        },
    ];
    let world = World::new();
    let expected = [
        "before -> later/target",
        "dir 755",
        "dir/deflated 644 dddddddddddddddddddd",
        "dir/run 755 r",
        "dir/s1 644 s1",
        "dir/s2 644 s2",
        "dir/s3 644 s3",
        "dir/s4 644 s4",
        "dos 755",
        "dos/deep 755",
        "dos/file 644 d",
        "later 755",
        "later/target 644 t",
        "wide 644 w",
        "ü 644 u",
    ];
    let mut commented = zip(&entries);
    let length = commented.len() - 2;
    commented[length] = 7;
    commented.extend(b"comment");
    for archive in [zip(&entries), commented] {
        assert_eq!(tree(&world, &shape(Format::Zip), &archive), expected);
    }
}

#[test]
fn archives_of_the_usual_crates() {
    let world = World::new();
    let long = format!("{}/file", "n".repeat(180));
    let mut builder = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_size(4);
    header.set_mode(0o755);
    builder
        .append_data(&mut header, &long, &b"long"[..])
        .expect("in memory");
    header.set_size(0);
    header.set_entry_type(::tar::EntryType::Symlink);
    builder
        .append_link(&mut header, "link", &long)
        .expect("in memory");
    let archive = gz(&builder.into_inner().expect("in memory"));
    let expected = [
        format!("link -> {long}"),
        format!("{} 755", "n".repeat(180)),
        format!("{long} 755 long"),
    ];
    assert_eq!(tree(&world, &shape(Format::TarGz), &archive), expected);

    use ::zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};
    let options = SimpleFileOptions::default();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_directory("d", options).expect("in memory");
    for (name, options) in [
        ("d/stored", options.compression_method(CompressionMethod::Stored)),
        ("d/wide", options.large_file(true).unix_permissions(0o755)),
        ("d/plain", options),
    ] {
        writer.start_file(name, options).expect("in memory");
        writer.write_all(name.as_bytes()).expect("in memory");
    }
    writer.add_symlink("link", "d/plain", options).expect("in memory");
    let archive = writer.finish().expect("in memory").into_inner();
    let expected = [
        "d 755",
        "d/plain 644 d/plain",
        "d/stored 644 d/stored",
        "d/wide 755 d/wide",
        "link -> d/plain",
    ];
    assert_eq!(tree(&world, &shape(Format::Zip), &archive), expected);

    // Written to what cannot seek: descriptors, and zip64 sizes where asked for.
    let mut writer = ZipWriter::new_stream(Vec::new());
    for (name, options) in [("a", options), ("b", options.large_file(true))] {
        writer.start_file(name, options).expect("in memory");
        writer.write_all(name.as_bytes()).expect("in memory");
    }
    let archive = writer.finish().expect("in memory").into_inner();
    assert_eq!(
        tree(&world, &shape(Format::Zip), &archive),
        ["a 644 a", "b 644 b"]
    );
}

/// 65,536 entries are more than the end of a zip can count without zip64.
#[test]
fn a_zip64_of_many_entries() {
    let world = World::new();
    let mut writer = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored =
        ::zip::write::SimpleFileOptions::default().compression_method(::zip::CompressionMethod::Stored);
    for number in 0..=u16::MAX {
        writer
            .start_file(format!("out/{number}"), stored)
            .expect("in memory");
    }
    writer.start_file("in/a", stored).expect("in memory");
    let archive = writer.finish().expect("in memory").into_inner();
    let rooted = Shape {
        root: Some("in"),
        ..shape(Format::Zip)
    };
    assert_eq!(tree(&world, &rooted, &archive), ["a 644 "]);
}

#[test]
fn a_raw_executable() {
    let world = World::new();
    let lines = tree(&world, &shape(Format::Raw), b"\x7fELF");
    assert_eq!(lines, ["bin 755", "bin/program 755 \x7fELF"]);
}

/// As zonky publishes: META-INF beside one .txz, which has no entries for some directories.
#[test]
fn a_jar_with_an_archive_in_it() {
    let world = World::new();
    let inner = tar(&[
        TarEntry {
            mode: 0o755,
            ..TarEntry::file("bin/initdb", "i")
        },
        TarEntry::directory("share/postgresql/"),
        TarEntry::file("lib/libpq.so.5.18", "so"),
        TarEntry::symlink("lib/libpq.so", "libpq.so.5.18"),
    ]);
    let archive = ZipEntry {
        content: xz(&inner),
        ..ZipEntry::deflated("postgres-linux-x86_64.txz", "")
    };
    let jar = zip(&[
        ZipEntry {
            mode: 0,
            ..ZipEntry::deflated("META-INF/", "")
        },
        ZipEntry::deflated("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\n"),
        archive,
    ]);
    let expected = [
        "bin 755",
        "bin/initdb 755 i",
        "lib 755",
        "lib/libpq.so -> libpq.so.5.18",
        "lib/libpq.so.5.18 644 so",
        "share 755",
        "share/postgresql 755",
    ];
    assert_eq!(tree(&world, &shape(Format::JarTarXz), &jar), expected);
    // The tree is smaller than what it is packed in, and its size is that of the tree.
    let stated = Shape {
        unpacked_size: Some(3),
        ..shape(Format::JarTarXz)
    };
    assert_eq!(tree(&world, &stated, &jar), expected);
}

/// As npm carries PostgreSQL: a root two deep, and a list of the links that npm cannot carry.
#[test]
fn an_npm_package_with_a_list_of_links() {
    let world = World::new();
    let links = LinkList {
        file: "package/native/pg-symlinks.json".into(),
        base: "package".into(),
    };
    let package = |list: &str| {
        tar_gz(&[
            TarEntry::file("package/package.json", "{}"),
            TarEntry::file("package/native/lib/libpq.so.5.18", "so"),
            TarEntry::file("package/native/pg-symlinks.json", list),
            TarEntry::file("package/native/bin/initdb", "i"),
        ])
    };
    let rooted = Shape {
        root: Some("package/native"),
        links: Some(&links),
        unpacked_size: Some(3),
        ..shape(Format::TarGz)
    };
    let files = ["bin 755", "bin/initdb 644 i", "lib 755"];
    let library = ["lib/libpq.so.5.18 644 so"];
    assert_eq!(
        tree(&world, &rooted, &package("[]")),
        [&files[..], &library].concat()
    );
    let list = r#"[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so"},
        {"source":"native/lib/libpq.so","target":"native/lib/libpq.so.5"}]"#;
    let linked = ["lib/libpq.so -> libpq.so.5.18", "lib/libpq.so.5 -> libpq.so"];
    assert_eq!(
        tree(&world, &rooted, &package(list)),
        [&files[..], &linked, &library].concat()
    );
}

/// Whatever the archives of crates.io do, passes. The list says what the crate says of itself.
#[test]
fn the_crates_in_the_cache_of_cargo() {
    let crates = cached_crates();
    assert!(
        !crates.is_empty(),
        "cargo keeps the crates that it built this test from"
    );
    for path in crates.iter().take(150) {
        let world = World::new();
        let name = path.file_stem().expect("a name");
        let rooted = Shape {
            root: Some(name),
            ..shape(Format::TarGz)
        };
        let staged = unpack(&proven(path), &rooted, &world.into)
            .unwrap_or_else(|error| panic!("{}", super::full_message(&error)));
        let manifest = staged.files().get("Cargo.toml");
        assert!(matches!(manifest, Some(FileRecord::File { .. })), "{path}");
    }
}

fn cached_crates() -> Vec<Utf8PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo's own directory, which no code of ours needs"
    )]
    let home =
        std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")));
    let cache = Utf8PathBuf::from(home.expect("a home")).join("registry/cache");
    let mut crates: Vec<Utf8PathBuf> = cache
        .read_dir_utf8()
        .expect("a cache")
        .flat_map(|registry| {
            registry
                .expect("an entry")
                .path()
                .read_dir_utf8()
                .expect("listed")
        })
        .map(|entry| entry.expect("an entry").into_path())
        .filter(|path| path.extension() == Some("crate"))
        .collect();
    crates.sort();
    crates
}
