//! The rules for one entry, the same for tar and zip. Nothing is looked at but what the archive says.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

use super::{fault::Fault, limits};

/// The claims of an archive about an entry. Nothing of it is trusted yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim<'a> {
    /// Its name as it is written.
    pub(super) name: &'a [u8],
    /// The kind that is claimed.
    pub(super) kind: ClaimedKind<'a>,
    /// Bytes of its content.
    pub(super) size: u64,
    /// Bytes of the extension headers that came before it.
    pub(super) overhead: u64,
}

/// The kind of an entry, as the archive claims.
#[derive(Debug, Clone, Copy)]
pub(super) enum ClaimedKind<'a> {
    File { mode: u32 },
    Directory,
    Symlink { target: &'a [u8] },
    HardLink { target: &'a [u8] },
    Other(&'static str),
}

/// An entry that obeys every rule for one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ArchiveEntry {
    /// Its name without a leading `./` and a trailing slash; empty for the archive's own top.
    pub(super) path: String,
    /// The kind of the entry.
    pub(super) kind: EntryKind,
    /// Bytes that it adds to what is unpacked.
    pub(super) bytes: u64,
}

/// The kind of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EntryKind {
    File { size: u64, executable: bool },
    Directory,
    Symlink { target: String },
    HardLink { target: String },
}

/// The rules for one entry.
pub(super) fn judge(claim: &Claim<'_>) -> Result<ArchiveEntry, Fault> {
    let (kind, noun) = match claim.kind {
        ClaimedKind::File { mode } => {
            let executable = mode & 0o111 != 0;
            let size = claim.size;
            (EntryKind::File { size, executable }, "a file")
        }
        ClaimedKind::Directory => (EntryKind::Directory, "a directory"),
        ClaimedKind::Symlink { target } => {
            let target = link_target(target)?.to_owned();
            (EntryKind::Symlink { target }, "a link")
        }
        ClaimedKind::HardLink { target } => {
            let target = entry_name(target)?.to_owned();
            (EntryKind::HardLink { target }, "a link")
        }
        ClaimedKind::Other(what) => return Err(Fault::Kind(what)),
    };
    let name = str::from_utf8(claim.name).map_err(|_| Fault::NotUtf8)?;
    let path = if kind == EntryKind::Directory {
        match name.strip_suffix('/').unwrap_or(name) {
            "." => "",
            name => entry_name(name.as_bytes())?,
        }
    } else if name.ends_with('/') {
        return Err(Fault::TrailingSlash(noun));
    } else {
        entry_name(claim.name)?
    };
    Ok(ArchiveEntry {
        path: path.to_owned(),
        kind,
        bytes: claim.size.saturating_add(claim.overhead),
    })
}

/// The rules for a name. Gives it without the leading `./` that `tar` writes for what it was given as `.`.
pub(super) fn entry_name(name: &[u8]) -> Result<&str, Fault> {
    let name = str::from_utf8(name).map_err(|_| Fault::NotUtf8)?;
    if name.starts_with('/') {
        return Err(Fault::Absolute);
    }
    let path = name.strip_prefix("./").unwrap_or(name);
    if path.len() > limits::PATH {
        return Err(Fault::TooLong);
    }
    if path.split('/').count() > limits::DEPTH {
        return Err(Fault::TooDeep);
    }
    path.split('/').try_for_each(ensure_valid_part)?;
    Ok(path)
}

/// The rules for what a symlink holds. Whether it stays in the tree is asked when the tree is known.
fn link_target(target: &[u8]) -> Result<&str, Fault> {
    let target = str::from_utf8(target).map_err(|_| Fault::NotUtf8)?;
    if target.is_empty() {
        return Err(Fault::EmptyLink);
    }
    if target.starts_with('/') {
        return Err(Fault::AbsoluteLink(target.escape_debug().to_string()));
    }
    if target.len() > limits::PATH {
        return Err(Fault::TooLong);
    }
    let parts = target.strip_suffix('/').unwrap_or(target).split('/');
    if parts.clone().count() > limits::DEPTH {
        return Err(Fault::TooDeep);
    }
    for next in parts {
        if next != "." && next != ".." {
            ensure_valid_part(next)?;
        }
    }
    Ok(target)
}

/// The rules for one part of a name.
fn ensure_valid_part(part: &str) -> Result<(), Fault> {
    match part {
        "" | "." => return Err(Fault::EmptyPart),
        ".." => return Err(Fault::Upwards),
        _ => {}
    }
    if part.len() > limits::PART {
        return Err(Fault::TooLong);
    }
    if let Some(bad) = part.chars().find(|&letter| is_forbidden(letter)) {
        return Err(Fault::Character(bad));
    }
    if part.ends_with(['.', ' ']) {
        return Err(Fault::TrailingDotOrSpace);
    }
    if is_device(part) {
        return Err(Fault::Device(part.to_owned()));
    }
    Ok(())
}

fn is_forbidden(letter: char) -> bool {
    // Windows reads a backslash as a separator and a colon as a drive or a hidden stream.
    matches!(letter, '\\' | ':')
        || letter.is_control()
        // Line and paragraph separators, and what reorders a line on the screen (UAX 9, explicit formatting).
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A name that Windows gives to a device in every directory, whatever extension follows
/// (<https://learn.microsoft.com/windows/win32/fileio/naming-a-file>).
fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or(part).trim_end_matches(' ');
    let stem = stem.to_ascii_lowercase();
    let numbered = |stem: &str| {
        let mut letters = stem.chars();
        letters
            .next()
            .is_some_and(|number| matches!(number, '0'..='9' | '¹' | '²' | '³'))
            && letters.next().is_none()
    };
    matches!(
        stem.as_str(),
        "con" | "prn" | "aux" | "nul" | "conin$" | "conout$"
    ) || stem.strip_prefix("com").is_some_and(numbered)
        || stem.strip_prefix("lpt").is_some_and(numbered)
}

/// Returns a part of a name as the least discerning file system sees it. Two parts with one key may be one file there.
pub(super) fn key(part: &str) -> Cow<'_, str> {
    if part.is_ascii() {
        return match part.bytes().any(|letter| letter.is_ascii_uppercase()) {
            true => Cow::Owned(part.to_ascii_lowercase()),
            false => Cow::Borrowed(part),
        };
    }
    const NFC: ComposingNormalizerBorrowed<'_> = ComposingNormalizerBorrowed::new_nfc();
    // Lower, upper and lower case again, letter by letter: folds ß and ẞ with SS, ſ with s and both sigmas. Capital ẞ is
    // its own upper case, and only its lower case leads to SS.
    let folded = NFC
        .normalize_iter(part.chars())
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        // HFS+ does not see these at all (CVE-2014-9390).
        .filter(|letter| {
            !matches!(
                letter,
                '\u{200c}' | '\u{200d}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
            )
        });
    Cow::Owned(NFC.normalize_iter(folded).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    fn file(name: &str) -> Result<ArchiveEntry, Fault> {
        judge(&Claim {
            name: name.as_bytes(),
            kind: ClaimedKind::File { mode: 0o644 },
            size: 0,
            overhead: 0,
        })
    }

    #[test]
    fn names_that_are_dangerous_somewhere_are_refused() {
        let long = "x".repeat(256);
        let deep = vec!["d"; 65].join("/");
        let path = vec!["x".repeat(200); 6].join("/");
        let cases: &[(&str, Fault)] = &[
            ("", Fault::EmptyPart),
            (".", Fault::EmptyPart),
            ("./", Fault::TrailingSlash("a file")),
            ("a/", Fault::TrailingSlash("a file")),
            ("/etc/passwd", Fault::Absolute),
            ("//a", Fault::Absolute),
            (".//a", Fault::EmptyPart),
            ("././a", Fault::EmptyPart),
            ("a//b", Fault::EmptyPart),
            ("a/./b", Fault::EmptyPart),
            ("..", Fault::Upwards),
            ("../a", Fault::Upwards),
            ("./../a", Fault::Upwards),
            ("a/../../b", Fault::Upwards),
            ("a\\b", Fault::Character('\\')),
            ("C:/a", Fault::Character(':')),
            ("a:stream", Fault::Character(':')),
            ("a\0b", Fault::Character('\0')),
            ("a\nb", Fault::Character('\n')),
            ("a\u{1b}[2Jb", Fault::Character('\u{1b}')),
            ("a\u{7f}", Fault::Character('\u{7f}')),
            ("a\u{85}", Fault::Character('\u{85}')),
            ("a\u{202e}b", Fault::Character('\u{202e}')),
            ("a\u{2066}b", Fault::Character('\u{2066}')),
            ("a.", Fault::TrailingDotOrSpace),
            ("a ", Fault::TrailingDotOrSpace),
            (".../a", Fault::TrailingDotOrSpace),
            ("a./b", Fault::TrailingDotOrSpace),
            ("nul", Fault::Device("nul".into())),
            ("a/AUX.txt", Fault::Device("AUX.txt".into())),
            ("Com1", Fault::Device("Com1".into())),
            ("lpt³.x", Fault::Device("lpt³.x".into())),
            ("con .x", Fault::Device("con .x".into())),
            ("CONIN$", Fault::Device("CONIN$".into())),
            (&long, Fault::TooLong),
            (&path, Fault::TooLong),
            (&deep, Fault::TooDeep),
        ];
        every(cases, |(name, fault)| {
            assert_eq!(file(name).as_ref(), Err(fault), "{name:?}");
        });
    }

    #[test]
    fn names_of_real_archives_pass() {
        let part = "x".repeat(255);
        let deep = vec!["d"; 64].join("/");
        let rows = [
            "a",
            ".a",
            "..a",
            "a..b",
            "a b",
            "ü/日本.txt",
            "com",
            "com10",
            "console",
            "auxiliary.rs",
            "nulls",
            "a$b@1~",
            &part,
            &deep,
        ];
        every(rows, |name| {
            assert_eq!(file(name).map(|entry| entry.path).as_deref(), Ok(name));
        });
        assert_eq!(file("./a/b").map(|entry| entry.path).as_deref(), Ok("a/b"));
    }

    #[test]
    fn directories_may_end_with_a_slash_and_be_the_top() {
        every(
            [("a/", "a"), ("a", "a"), ("./", ""), (".", ""), ("./a/", "a")],
            |(name, path)| {
                let entry = judge(&Claim {
                    name: name.as_bytes(),
                    kind: ClaimedKind::Directory,
                    size: 0,
                    overhead: 0,
                });
                assert_eq!(entry.map(|entry| entry.path).as_deref(), Ok(path), "{name}");
            },
        );
    }

    #[test]
    fn links_are_relative_and_plain() {
        assert_eq!(link_target(b"../lib/a.so"), Ok("../lib/a.so"));
        assert_eq!(link_target(b"./a/"), Ok("./a/"));
        let refused: [(&[u8], Fault); 5] = [
            (b"", Fault::EmptyLink),
            (b"/etc", Fault::AbsoluteLink("/etc".into())),
            (b"a\\b", Fault::Character('\\')),
            (b"a//b", Fault::EmptyPart),
            (b"\xff", Fault::NotUtf8),
        ];
        every(refused, |(target, fault)| {
            assert_eq!(link_target(target), Err(fault));
        });
    }

    #[test]
    fn the_executable_bit_is_all_that_is_kept_of_a_mode() {
        let rows = [
            (0o644, false),
            (0o000, false),
            (0o4755, true),
            (0o601, true),
            (0o7666, false),
        ];
        every(rows, |(mode, expected)| {
            let entry = judge(&Claim {
                name: b"a",
                kind: ClaimedKind::File { mode },
                size: 7,
                overhead: 0,
            });
            let kind = EntryKind::File {
                size: 7,
                executable: expected,
            };
            assert_eq!(entry.map(|entry| entry.kind), Ok(kind), "{mode:o}");
        });
    }

    #[test]
    fn names_that_some_file_system_takes_for_one_have_one_key() {
        let rows = [
            ("README", "readme"),
            ("é", "e\u{301}"),
            ("É", "e\u{301}"),
            ("straße", "STRASSE"),
            ("ß", "ẞ"),
            ("ẞ", "ss"),
            ("ς", "Σ"),
            ("ſ", "S"),
            ("\u{212a}", "k"),
            (".gi\u{200c}t", ".GIT"),
        ];
        every(rows, |(one, other)| {
            assert_eq!(key(one), key(other), "{one} {other}");
        });
        assert_ne!(key("a"), key("b"));
        assert_ne!(key("ä"), key("a"));
    }

    #[test]
    fn every_letter_has_the_key_of_its_other_cases() {
        for letter in ('\0'..=char::MAX).filter(|&letter| !is_forbidden(letter)) {
            let here = letter.to_string();
            let (lower, upper) = (here.to_lowercase(), here.to_uppercase());
            if lower == here && upper == here {
                continue;
            }
            let own = key(&here).into_owned();
            every(
                [&lower, &upper, &lower.to_uppercase(), &upper.to_lowercase(), &own],
                |other| {
                    assert_eq!(key(other), own, "{letter} {other}");
                },
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn no_name_that_passes_can_leave_its_directory(name in r#"(\.|/|a|\\|:|\.\.|é| ){0,12}"#) {
            if let Ok(path) = entry_name(name.as_bytes()) {
                let within = std::path::Path::new(path)
                    .components()
                    .all(|part| matches!(part, std::path::Component::Normal(_)));
                proptest::prop_assert!(within && !path.is_empty() && !path.contains(['\\', ':']));
            }
        }

        #[test]
        fn any_bytes_are_judged_without_panic(name: Vec<u8>, target: Vec<u8>) {
            for kind in [
                ClaimedKind::File { mode: 0 },
                ClaimedKind::Directory,
                ClaimedKind::Symlink { target: &target },
                ClaimedKind::HardLink { target: &target },
            ] {
                let _ = judge(&Claim { name: &name, kind, size: u64::MAX, overhead: u64::MAX });
            }
        }

        #[test]
        fn a_key_is_its_own_key(name in "\\PC{0,12}") {
            let once = key(&name).into_owned();
            proptest::prop_assert_eq!(key(&once), once.as_str());
        }
    }
}
