//! Archives that are refused, a row for each rule.

mod tars;
mod zips;

use ampup::{
    domain::{Format, LinkList},
    exit::Exit,
    unpack::Shape,
};

use super::{World, full_message, shape};
use crate::support::{
    archives::{TarEntry, ZipEntry, gz, tar, tar_gz, xz, zip},
    table::every,
};

/// A name, the archive, and a part of what is said.
type Row = (&'static str, Vec<u8>, &'static str);

fn assert_refused(shape: &Shape<'_>, rows: Vec<Row>) {
    let world = World::new();
    every(rows, |(name, archive, part)| {
        let error = match world.unpack(shape, &archive) {
            Ok(staged) => panic!("{name}: unpacked {:?}", staged.files()),
            Err(error) => error,
        };
        let text = full_message(&error);
        assert!(text.contains(part), "{name}: {text}");
        assert!(
            text.contains(world.top.join("archive").as_str()),
            "{name}: {text}"
        );
        assert!(!text.chars().any(char::is_control), "{name}: {text:?}");
        assert_eq!(error.exit_code(), Exit::Integrity, "{name}");
        world.assert_untouched(name);
    });
}

fn file(name: &str) -> TarEntry {
    TarEntry::file(name, "content")
}

#[test]
#[rustfmt::skip] // a row a fault
fn compressed_streams_that_break_a_rule() {
    let good = tar(&[file("a"), file("b")]);
    let change = |mut archive: Vec<u8>, from_end: usize| {
        let at = archive.len() - from_end;
        archive[at] ^= 1;
        archive
    };
    let cut = |archive: Vec<u8>, by: usize| archive[..archive.len() - by].to_vec();
    let (gzip, lzma) = (gz(&good), xz(&good));
    assert_refused(
        &shape(Format::TarGz),
        vec![
            ("length", change(gzip.clone(), 1), "compressed data is damaged"),
            ("CRC", change(gzip.clone(), 8), "compressed data is damaged"),
            ("data", change(gzip.clone(), 30), "is refused"),
            ("trailer cut", cut(gzip.clone(), 1), "ends too early"),
            ("no trailer", cut(gzip.clone(), 8), "ends too early"),
            ("cut", cut(gzip.clone(), 20), "ends too early"),
            ("second member", [gzip.clone(), gzip.clone()].concat(), "a second gzip member"),
            ("empty second member", [gzip.clone(), gz(b"")].concat(), "a second gzip member"),
            ("second member after padding", [gzip.clone(), vec![0; 512], gzip.clone()].concat(), "a second gzip member"),
            ("tar over two members", [gz(&good[..600]), gz(&good[600..])].concat(), "a second gzip member"),
            ("data after the end", [gzip.clone(), vec![0, 0, 1]].concat(), "the end of the gzip member"),
            ("half a magic number after the end", [gzip.clone(), vec![0x1f, 7]].concat(), "the end of the gzip member"),
            ("xz", lzma.clone(), "damaged"),
            ("empty", vec![], "ends too early"),
            ("HTML", b"<!DOCTYPE html>".to_vec(), "damaged"),
        ],
    );
    let mut huge = Vec::new();
    let mut options = liblzma::stream::LzmaOptions::new_preset(1).expect("options");
    let mut filters = liblzma::stream::Filters::new();
    filters.lzma2(options.dict_size(256 << 20));
    let encoder = liblzma::stream::Stream::new_stream_encoder(&filters, liblzma::stream::Check::Crc64);
    let mut encoder = liblzma::bufread::XzEncoder::new_stream(&good[..], encoder.expect("an encoder"));
    std::io::copy(&mut encoder, &mut huge).expect("in memory");
    assert_refused(
        &shape(Format::TarXz),
        vec![
            ("data", change(lzma.clone(), 60), "damaged"),
            ("index", change(lzma.clone(), 20), "damaged"),
            ("footer", change(lzma.clone(), 1), "damaged"),
            ("cut", cut(lzma.clone(), 1), "ends too early"),
            ("second stream", [lzma.clone(), lzma.clone()].concat(), "a second xz stream"),
            ("second stream after padding", [lzma.clone(), vec![0; 8], lzma.clone()].concat(), "a second xz stream"),
            ("tar over two streams", [xz(&good[..600]), xz(&good[600..])].concat(), "a second xz stream"),
            ("data after the end", [lzma.clone(), vec![0, 0, 0, 7]].concat(), "the end of the xz stream"),
            ("memory", huge, "at most 128 MiB of memory"),
            ("gzip", gzip, "damaged"),
        ],
    );
}

#[test]
#[rustfmt::skip] // a row a fault
fn roots_and_lists_that_are_not_there() {
    let links = LinkList {
        file: "p/links.json".into(),
        base: "p".into(),
    };
    let rooted = Shape {
        root: Some("p"),
        links: Some(&links),
        ..shape(Format::TarGz)
    };
    let listed = |list: &str| tar_gz(&[file("p/a"), TarEntry::file("p/links.json", list)]);
    let long = format!("[{}]", " ".repeat(1 << 20));
    assert_refused(
        &rooted,
        vec![
            ("no root", tar_gz(&[file("q/a")]), "nothing lies under its root `p`"),
            ("no list", tar_gz(&[file("p/a")]), "list of links `p/links.json` is missing"),
            ("list in another place", tar_gz(&[file("p/a"), file("links.json")]), "is missing"),
            ("no JSON", listed("["), "list of links is malformed"),
            ("another shape", listed("[{\"source\":\"a\"}]"), "list of links is malformed"),
            ("too long", listed(&long), "at most 1048576 bytes"),
            ("no source", listed(r#"[{"source":"b","target":"c"}]"#), "names `p/b`, which is not an installed file"),
            ("target there", listed(r#"[{"source":"a","target":"a"}]"#), "another kind"),
            ("target outside", listed(r#"[{"source":"a","target":"../../canary/b"}]"#), "holds no `..`"),
            ("source outside", listed(r#"[{"source":"../../canary/file","target":"b"}]"#), "holds no `..`"),
            ("outside a rule", tar_gz(&[file("p/a"), file("q/../../canary/file")]), "holds no `..`"),
        ],
    );
}

#[test]
#[rustfmt::skip] // a row a fault
fn more_than_the_manifest_states() {
    let stated = |format| Shape {
        unpacked_size: Some(10),
        ..shape(format)
    };
    let part = "the manifest says that the tree has 10 bytes";
    assert_refused(&stated(Format::Raw), vec![("raw", vec![0; 11], part)]);
    assert_refused(
        &stated(Format::TarGz),
        vec![("tar", tar_gz(&[file("a"), file("b")]), part)],
    );
    let two = zip(&[ZipEntry::stored("a", "content"), ZipEntry::stored("b", "content")]);
    assert_refused(&stated(Format::Zip), vec![("zip", two, part)]);
    let inner = ZipEntry {
        content: xz(&tar(&[file("a"), file("b")])),
        ..ZipEntry::stored("a.txz", "")
    };
    assert_refused(&stated(Format::JarTarXz), vec![("jar", zip(&[inner]), part)]);
}
