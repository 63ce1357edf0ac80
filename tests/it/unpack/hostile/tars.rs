//! Tars that are refused.

use ampup::domain::Format;

use super::{Row, assert_refused, file, shape};
use crate::support::archives::{TarEntry, gz, open_tar, pax_record, tar_gz};

/// An archive in which good entries come before the bad one, so that there is something to take back.
fn after_good(entries: &[TarEntry]) -> Vec<u8> {
    let good = [
        TarEntry::directory("d/"),
        file("d/good"),
        TarEntry::symlink("d/link", "good"),
    ];
    tar_gz(&[&good[..], entries].concat())
}

#[test]
#[rustfmt::skip] // a row a fault
fn tar_entries_that_break_a_rule() {
    let one = |entry: TarEntry| after_good(&[entry]);
    let not_utf8 = TarEntry {
        name: b"a\xff".to_vec(),
        ..file("")
    };
    let mut rows: Vec<Row> = vec![
        ("absolute", one(file("/canary")), "entry `/canary`: a name is relative"),
        ("upwards", one(file("../canary/file")), "entry `../canary/file`: a name holds no `..`"),
        ("upwards within", one(file("d/../../canary/file")), "holds no `..`"),
        ("upwards after dot", one(file("./../canary/file")), "holds no `..`"),
        ("a directory upwards", one(TarEntry::directory("../other/")), "holds no `..`"),
        ("empty part", one(file("d//a")), "no empty part"),
        ("no name", one(file("")), "no empty part"),
        ("backslash", one(file("d\\..\\a")), "entry `d\\\\..\\\\a`: a name holds no \\u{5c}"),
        ("drive", one(file("C:a")), "holds no \\u{3a}"),
        ("escape", one(file("a\x1b[2J")), "entry `a\\u{1b}[2J`: a name holds no \\u{1b}"),
        ("bidirectional", one(file("a\u{202e}b")), "holds no \\u{202e}"),
        ("not UTF-8", one(not_utf8), "a name is UTF-8"),
        ("device name", one(file("d/nul.txt")), "`nul.txt` is a device on Windows"),
        ("trailing dot", one(file("d/a.")), "ends with a dot or a space"),
        ("file with slash", one(file("d/a/")), "does not end with a slash"),
        ("the file is the top", one(file("./")), "does not end with a slash"),
        ("reserved", one(file(".receipt.json")), "the name is reserved"),
        ("reserved in case", one(file("./.FILES.json")), "the name is reserved"),
        ("twice", one(file("d/good")), "this one is like `d/good`"),
        ("twice in case", one(file("d/GOOD")), "this one is like `d/good`"),
        ("sharp s", after_good(&[file("ß"), file("ẞ")]), "this one is like `ß`"),
        ("capital sharp s", after_good(&[file("ẞ"), file("ss")]), "this one is like `ẞ`"),
        ("file over link", one(file("d/link")), "`d/link` is another kind elsewhere"),
        ("file under link", one(file("d/link/a")), "`d/link` is another kind elsewhere"),
        ("link over file", one(TarEntry::symlink("d/good", "x")), "is another kind elsewhere"),
        ("link over directory", one(TarEntry::symlink("d", "x")), "is another kind elsewhere"),
        ("absolute link", one(TarEntry::symlink("a", "/etc")), "this one points to `/etc`"),
        ("link upwards", one(TarEntry::symlink("d/a", "../../canary")), "this one points to `../../canary`"),
        ("link without target", one(TarEntry::symlink("a", "")), "a link points somewhere"),
        ("link to itself", one(TarEntry::symlink("a", "a")), "entry `a`: links lead to an end"),
        ("hard link upwards", one(TarEntry::hard_link("a", "../canary/file")), "holds no `..`"),
        ("hard link to nothing", one(TarEntry::hard_link("a", "b")), "`b` is none"),
        ("hard link to a link", one(TarEntry::hard_link("a", "d/link")), "`d/link` is none"),
        ("hard link to a directory", one(TarEntry::hard_link("a", "d")), "`d` is none"),
        ("through a link", after_good(&[TarEntry::symlink("out", "../canary"), file("out/file")]), "`out` is another kind"),
        ("through two links", after_good(&[TarEntry::symlink("d/e", ".."), TarEntry::symlink("f", "d/e/../canary")]), "entry `f`: a link stays in the tree"),
    ];
    for (kind, what) in [
        (b'3', "a character device"),
        (b'4', "a block device"),
        (b'6', "a fifo"),
        (b'7', "a contiguous file"),
        (b'S', "a sparse file"),
        (b'M', "the rest of a file"),
        (b'V', "the name of a volume"),
        (b'Z', "something else"),
    ] {
        rows.push(("kind", one(TarEntry::new(kind, "a")), what));
    }
    assert_refused(&shape(Format::TarGz), rows);
}

#[test]
#[rustfmt::skip] // a row a fault
fn tar_framing_that_breaks_a_rule() {
    let pax = |key, value| after_good(&[TarEntry::pax(key, value), file("a")]);
    let extended = |kind, content: &[u8]| after_good(&[TarEntry::extension(kind, content), file("a")]);
    let long = |kind| TarEntry::extension(kind, *b"name\0");
    let header = |change: fn(&mut TarEntry)| {
        let mut entry = file("a");
        change(&mut entry);
        after_good(&[entry])
    };
    let good = open_tar(&[file("a")]);
    let zeros = |count| vec![0; count];
    let tar_of = |parts: &[Vec<u8>]| gz(&parts.concat());
    assert_refused(
        &shape(Format::TarGz),
        vec![
            ("checksum", header(|entry| entry.checksum_error = 1), "checksum of a header is wrong"),
            ("other magic", header(|entry| entry.magic = *b"ustar\0\0\0"), "neither ustar's nor GNU's"),
            ("size beyond the end", header(|entry| entry.size = Some(20_000)), "ends too early"),
            ("size of 2^60", header(|entry| entry.size = Some(1 << 60)), "may have at most 512 MiB"),
            ("size of 2^64", header(|entry| entry.size = Some(u64::MAX)), "may have at most 512 MiB"),
            ("directory with content", header(|entry| entry.kind = b'5'), "only a file has content"),
            ("the oldest directory with content", header(|entry| (entry.kind, entry.magic, entry.name) = (0, [0; 8], b"a/".to_vec())), "only a file has content"),
            ("a slash of today", header(|entry| (entry.kind, entry.name) = (0, b"a/".to_vec())), "does not end with a slash"),
            ("pax size", pax("size", "6"), "entry `a`: malformed tar: its header and its pax record state two sizes"),
            ("pax size, no number", pax("size", "7x"), "a pax record is malformed"),
            ("pax path upwards", pax("path", "../canary/file"), "entry `../canary/file`: a name holds no `..`"),
            ("pax path empty", pax("path", ""), "no empty part"),
            ("pax path with NUL", pax("path", "a\0b"), "entry `a\\0b`: a name holds no \\u{0}"),
            ("pax sparse", pax("GNU.sparse.major", "1"), "a sparse file"),
            ("star's sparse", pax("SCHILY.realsize", "1"), "a sparse file"),
            ("pax length", extended(b'x', b"13 path=a/b\n"), "a pax record is malformed"),
            ("pax without newline", extended(b'x', b"12 path=a/bc"), "a pax record is malformed"),
            ("pax with a tail", extended(b'x', b"12 path=a/b\n\0"), "a pax record is malformed"),
            ("pax without key", extended(b'x', b"4 =\n"), "a pax record is malformed"),
            ("pax twice the path", extended(b'x', &[pax_record("path", "b"), pax_record("path", "c")].concat()), "says one thing twice"),
            ("two pax headers", after_good(&[TarEntry::pax("path", "b"), TarEntry::pax("comment", "c"), file("a")]), "two pax headers"),
            ("global path", extended(b'g', &pax_record("path", "b")), "to all entries"),
            ("global size", extended(b'g', &pax_record("size", "7")), "to all entries"),
            ("global malformed", extended(b'g', b"x"), "a pax record is malformed"),
            ("long name upwards", extended(b'L', b"../canary/file\0"), "holds no `..`"),
            ("long name with a tail", extended(b'L', b"a\0b"), "something follows a long name"),
            ("two long names", after_good(&[long(b'L'), long(b'L'), file("a")]), "says one thing twice"),
            ("two long links", after_good(&[long(b'K'), long(b'K'), file("a")]), "says one thing twice"),
            ("pax and long name", after_good(&[long(b'L'), TarEntry::pax("path", "b"), file("a")]), "a pax name and a GNU name"),
            ("huge extension", after_good(&[TarEntry::extension(b'L', vec![b'a'; (1 << 20) + 1]), file("a")]), "at most 1 MiB"),
            ("many extensions", after_good(&vec![TarEntry::extension(b'g', vec![]); 10_000]), "4 MiB come before an entry"),
            ("extension at the end", after_good(&[TarEntry::pax("path", "b")]), "belongs to no entry"),
            ("extension cut", tar_of(&[open_tar(&[long(b'L')])[..514].to_vec()]), "ends too early"),
            ("no end", tar_of(std::slice::from_ref(&good)), "ends too early"),
            ("half an end", tar_of(&[good.clone(), zeros(512)]), "ends too early"),
            ("one zero block", tar_of(&[good.clone(), zeros(512), good.clone(), zeros(1024)]), "the end of the tar"),
            ("a second tar", tar_of(&[good.clone(), zeros(1024), good.clone(), zeros(1024)]), "the end of the tar"),
            ("data after the end", tar_of(&[good.clone(), zeros(10_240), vec![1]]), "the end of the tar"),
            ("endless padding", tar_of(&[good.clone(), zeros(65 << 20)]), "the end of the tar"),
            ("nothing", gz(b""), "ends too early"),
            ("an end only", gz(&zeros(1024)), "holds no file"),
            ("only a directory", tar_gz(&[TarEntry::directory("d/")]), "holds no file"),
        ],
    );
}
