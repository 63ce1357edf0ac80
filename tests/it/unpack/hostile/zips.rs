//! Zips and jars that are refused.

use ampup::domain::Format;

use super::{assert_refused, file, shape};
use crate::support::archives::{ZipEntry, deflated, tar, xz, zip};

#[test]
#[rustfmt::skip] // a row a fault
fn zip_entries_that_break_a_rule() {
    let good = ZipEntry::deflated("d/good", "content");
    let one = |entry: ZipEntry| zip(&[good.clone(), entry]);
    let plain = || ZipEntry::deflated("a", "content");
    let named = |name: &str| one(ZipEntry::deflated(name, "x"));
    let link = |name: &str, target: &str| one(ZipEntry::of_mode(0o120_777, name, target));
    let with = |change: fn(&mut ZipEntry)| {
        let mut entry = plain();
        change(&mut entry);
        one(entry)
    };
    let wrong_descriptor = |at: usize| {
        let mut entry = ZipEntry::streamed("a", "content", true, false);
        entry.after[at] ^= 1;
        one(entry)
    };
    let unicode_path = |entry: &mut ZipEntry| entry.extra = b"\x75\x70\x0c\0\x01CRC3../../b".to_vec();
    let hidden = || ZipEntry { hidden: true, ..good.clone() };
    let of_dos = |name: &str, content: &str| ZipEntry { attributes: 16, ..ZipEntry::of_mode(0, name, content) };
    let wide = |numbers: &[u64]| {
        let mut entry = plain();
        entry.extra = [&[1, 0, numbers.len() as u8 * 8, 0][..], &numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>()].concat();
        one(entry)
    };
    assert_refused(
        &shape(Format::Zip),
        vec![
            ("absolute", named("/canary"), "a name is relative"),
            ("upwards", named("../canary/file"), "entry `../canary/file`: a name holds no `..`"),
            ("backslash", named("..\\canary"), "holds no \\u{5c}"),
            ("empty part", named("d//a"), "no empty part"),
            ("not UTF-8", with(|entry| entry.name = b"\xff".to_vec()), "a name is UTF-8"),
            ("long", named(&"a".repeat(2000)), "at most 1024 bytes"),
            ("reserved", named(".files.json"), "reserved"),
            ("twice", named("d/good"), "this one is like `d/good`"),
            ("twice in case", named("D/good"), "this one is like `d`"),
            ("sharp s", zip(&[ZipEntry::stored("ß", ""), ZipEntry::stored("ẞ", "")]), "this one is like `ß`"),
            ("under a file", named("d/good/a"), "another kind"),
            ("absolute link", link("a", "/etc"), "points to `/etc`"),
            ("link upwards", link("a", "../canary"), "points to `../canary`"),
            ("long link", link("a", &"a/".repeat(20_000)), "at most 1024 bytes"),
            ("device", one(ZipEntry::of_mode(0o020_644, "a", "")), "a character device"),
            ("block device", one(ZipEntry::of_mode(0o060_644, "a", "")), "a block device"),
            ("fifo", one(ZipEntry::of_mode(0o010_644, "a", "")), "a fifo"),
            ("socket", one(ZipEntry::of_mode(0o140_644, "a", "")), "a socket"),
            ("file with slash", one(ZipEntry::of_mode(0o100_644, "a/", "")), "does not end with a slash"),
            ("directory with content", one(ZipEntry::of_mode(0o040_755, "a/", "x")), "only a file has content"),
            ("packed directory with content", one(ZipEntry { mode: 0o040_755, ..ZipEntry::deflated("a/", "x") }), "only a file has content"),
            ("directory of DOS with content", one(of_dos("a/", "x")), "only a file has content"),
            ("directory of nobody with content", one(ZipEntry::of_mode(0, "a/", "x")), "only a file has content"),
            ("directory with packed bytes", one(ZipEntry { packed: Some(b"x".to_vec()), ..ZipEntry::of_mode(0o040_755, "a/", "") }), "larger than it says"),
            ("directory without slash", one(ZipEntry::of_mode(0o040_755, "a", "")), "the name of a directory ends with a slash"),
            ("directory of DOS without slash", one(of_dos("a", "")), "the name of a directory ends with a slash"),
            ("file that DOS calls a directory", one(ZipEntry { attributes: 16, ..plain() }), "the name of a directory ends with a slash"),
            ("other wide sizes", wide(&[99, 99]), "its zip64 field disagree"),
            ("other wide size", wide(&[7, 99]), "its zip64 field disagree"),
            ("a part of a wide size", with(|entry| entry.extra = b"\x01\0\x04\0\x07\0\0\0".to_vec()), "its zip64 field disagree"),
            ("encrypted", with(|entry| entry.flags = 1), "encrypted"),
            ("strongly encrypted", with(|entry| entry.flags = 1 << 6), "encrypted"),
            ("unknown flag", with(|entry| entry.flags = 1 << 5), "flags of no meaning"),
            ("bzip2", with(|entry| entry.method = 12), "neither stored nor deflated"),
            ("CRC", with(|entry| entry.crc = Some(1)), "another checksum"),
            ("larger than it says", with(|entry| entry.size = Some(6)), "larger than it says"),
            ("smaller than it says", with(|entry| entry.size = Some(8)), "another size than it says"),
            ("bomb", with(|entry| entry.size = Some(600 << 20)), "may have at most 512 MiB"),
            ("local name", with(|entry| entry.local_name = Some(b"b".to_vec())), "disagree"),
            ("local size", with(|entry| entry.local_size = Some(8)), "disagree"),
            ("local flags", with(|entry| entry.local_flags = Some(2)), "disagree"),
            ("second name", with(unicode_path), "two names"),
            ("extra field", with(|entry| entry.extra = b"\x01\0\x09\0".to_vec()), "extra fields are malformed"),
            ("descriptor CRC", wrong_descriptor(4), "descriptor and the directory disagree"),
            ("descriptor size", wrong_descriptor(12), "descriptor and the directory disagree"),
            ("descriptor signature", wrong_descriptor(0), "descriptor and the directory disagree"),
            ("no descriptor", with(|entry| entry.flags = 1 << 3), "hides between"),
            ("bytes after content", with(|entry| entry.after = vec![0]), "hides between"),
            ("descriptor of no use", with(|entry| entry.after = vec![0; 16]), "hides between"),
            ("bytes before an entry", with(|entry| entry.before = vec![0]), "hides"),
            ("bytes after the packed data", with(|entry| entry.packed = Some([deflated(b"content"), vec![0]].concat())), "packed data"),
            ("packed data without an end", with(|entry| entry.packed = Some(b"\0\x07\0\xf8\xffcontent".to_vec())), "ends too early"),
            ("damaged data", with(|entry| entry.packed = Some(vec![0xff; 9])), "damaged"),
            ("hidden entry", zip(&[hidden(), plain()]), "hides"),
            ("hidden last entry", zip(&[plain(), hidden()]), "hides"),
            ("overlap", with(|entry| entry.earlier = 1), "reaches into"),
            ("one entry twice", zip(&[good.clone(), ZipEntry { hidden: true, ..plain() }]), "hides"),
        ],
    );
}

#[test]
#[rustfmt::skip] // a row a fault
fn zip_framing_that_breaks_a_rule() {
    let good = || zip(&[ZipEntry::deflated("a", "content")]);
    let end = good().len() - 22;
    let with = |at: usize, bytes: &[u8]| {
        let mut archive = good();
        archive[at..at + bytes.len()].copy_from_slice(bytes);
        archive
    };
    let comment = |comment: &[u8]| {
        let length = (comment.len() as u16).to_le_bytes();
        [&with(end + 20, &length)[..], comment].concat()
    };
    assert_refused(
        &shape(Format::Zip),
        vec![
            ("empty", vec![], "its end is missing"),
            ("HTML", b"<!DOCTYPE html>".to_vec(), "its end is missing"),
            ("end cut", good()[..end + 21].to_vec(), "its end is missing"),
            ("no entries", zip(&[]), "holds no file"),
            ("bytes before", [b"#!/bin/sh\n".to_vec(), good()].concat(), "right before its end"),
            ("bytes after", [good(), vec![0]].concat(), "the end of the zip"),
            ("a zip in the comment", comment(&good()), "right before its end"),
            ("an end in the comment", comment(b"PK\x05\x06"), "its end is missing"),
            ("fewer entries", with(end + 8, &[0, 0, 0, 0]), "longer than its entries"),
            ("more entries", with(end + 8, &[2, 0, 2, 0]), "ends too early"),
            ("volumes", with(end + 4, &[1, 0]), "several volumes"),
            ("other counts", with(end + 8, &[0, 0]), "several volumes"),
            ("directory elsewhere", with(end + 16, &[1]), "right before its end"),
            ("directory malformed", with(end - 47, b"X"), "directory is malformed"),
            (
                "a locator of nothing",
                {
                    let archive = good();
                    let locator = [&b"PK\x06\x07"[..], &[0; 16]].concat();
                    [&archive[..end], &locator, &archive[end..]].concat()
                },
                "zip64 end is malformed",
            ),
        ],
    );
}

#[test]
#[rustfmt::skip] // a row a fault
fn jars_that_break_a_rule() {
    let inner = |name: &str, archive: Vec<u8>| {
        let mut entry = ZipEntry::deflated(name, "");
        entry.content = archive;
        entry
    };
    let good = || inner("postgres.txz", xz(&tar(&[file("a")])));
    assert_refused(
        &shape(Format::JarTarXz),
        vec![
            ("no archive", zip(&[ZipEntry::stored("META-INF/MANIFEST.MF", "")]), "this one has none"),
            ("two archives", zip(&[good(), inner("b.txz", xz(&tar(&[file("b")])))]), "this one has more"),
            ("no file", zip(&[ZipEntry::of_mode(0o120_777, "a.txz", "b")]), "this one has none"),
            ("outer rule", zip(&[good(), ZipEntry::stored("../canary/file", "")]), "holds no `..`"),
            ("outer CRC", zip(&[ZipEntry { crc: Some(1), ..good() }]), "another checksum"),
            ("inner rule", zip(&[inner("a.txz", xz(&tar(&[file("../canary/file")])))]), "holds no `..`"),
            ("inner stream", zip(&[inner("a.txz", vec![0; 50])]), "damaged"),
            ("inner tail", zip(&[inner("a.txz", [good().content, vec![1]].concat())]), "the end of the xz stream"),
        ],
    );
}
