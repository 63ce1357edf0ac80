//! Dumps in files: which kind one is, and what its text says. It is no reader of SQL: a line is known by how it begins.

use std::io::{self, BufRead as _, BufReader, Read, Seek, SeekFrom};

use camino::Utf8Path;
use fs_err as fs;

use super::{
    icu, left,
    roles::{self, Roles},
};
use crate::{children::Interrupt, dump::DumpError, shell};

/// Which kind of dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// SQL, as pg_dump writes it by default.
    Plain,
    /// `pg_dump --format=custom` or `tar`, which pg_restore reads.
    Archive,
    /// `pg_dump --format=directory`, which pg_restore turns into a plain one.
    Directory,
}

/// The first file of a dump in tar's format, and one of those of a dump in a directory.
const CONTENTS: &str = "toc.dat";
/// The mark that some editors, and Windows, put before a text in UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Looks at the beginning of a file.
pub(super) fn kind(path: &Utf8Path) -> Result<Kind, DumpError> {
    let failed = |source| DumpError::File {
        path: path.to_owned(),
        source,
    };
    let refused = |what: &str, hint: &str| DumpError::Refused {
        message: format!("`{path}` {what}"),
        hint: hint.to_owned(),
    };
    let found = fs::metadata(path).map_err(failed)?;
    if found.is_dir() && path.join(CONTENTS).is_file() {
        return Ok(Kind::Directory);
    }
    if found.is_dir()
        && [path.join("metadb"), path.join(".amp/metadb")]
            .iter()
            .any(|cluster| cluster.is_dir())
    {
        let name = shell::typed(path.as_str());
        return Err(refused(
            "is a project's directory",
            &format!("`ampup db fork {name}` copies its database"),
        ));
    }
    if !found.is_file() {
        let hint = "write it with `pg_dump --format=custom`, into one file";
        return Err(refused("is not a file", hint));
    }
    let mut begin = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(512).read_to_end(&mut begin))
        .map_err(failed)?;
    let is_tar = begin.starts_with(CONTENTS.as_bytes()) && begin.get(257..262) == Some(b"ustar");
    if is_tar && !fs::File::open(path).and_then(is_whole).map_err(failed)? {
        return Err(cut_off(path));
    }
    if begin.starts_with(b"PGDMP") || is_tar {
        return Ok(Kind::Archive);
    }
    if begin.starts_with(&[0x1f, 0x8b]) {
        let path = shell::typed(path.as_str());
        return Err(refused(
            "is compressed",
            &format!("`gunzip {path}`, or `ampup db restore {path}` if `ampup db backup` wrote it"),
        ));
    }
    if begin.is_empty() || begin.contains(&0) {
        return Err(refused(
            "is no dump of PostgreSQL",
            "write one with `pg_dump --format=custom`",
        ));
    }
    Ok(Kind::Plain)
}

/// The refusal of a dump in a directory.
pub(super) fn in_directory(path: &Utf8Path) -> DumpError {
    let name = path.as_str().trim_end_matches(['/', '\\']);
    let (name, text) = (shell::typed(name), shell::typed(&format!("{name}.sql")));
    DumpError::Refused {
        message: format!("`{path}` is a dump in a directory"),
        hint: format!("`ampup run -- pg_restore --file {text} {name}`, then `ampup db import {text}`"),
    }
}

/// The refusal of a dump that lacks its end.
pub(super) fn cut_off(path: &Utf8Path) -> DumpError {
    DumpError::Refused {
        message: format!("`{path}` was cut off: its end is missing"),
        hint: "dump it again, best with `pg_dump --format=custom`".to_owned(),
    }
}

/// The unit of tar.
const BLOCK: usize = 512;

/// Returns true if an archive of tar's reaches its end, a block of zeros. pg_restore would look for it for ever.
fn is_whole(mut archive: impl Read + Seek) -> io::Result<bool> {
    let length = archive.seek(SeekFrom::End(0))?;
    let mut header = tar::Header::new_old();
    let mut at = 0_u64;
    while at.saturating_add(BLOCK as u64) <= length {
        archive.seek(SeekFrom::Start(at))?;
        archive.read_exact(header.as_mut_bytes())?;
        if *header.as_bytes() == [0; BLOCK] {
            return Ok(true);
        }
        let Ok(size) = header.entry_size() else {
            return Ok(false);
        };
        let blocks = size.div_ceil(BLOCK as u64).saturating_add(1);
        at = at.saturating_add(blocks.saturating_mul(BLOCK as u64));
    }
    Ok(false)
}

/// The facts that the text of a dump states.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The roles that it names.
    pub(super) roles: Roles,
    /// Its end is missing. psql takes the end of a file for the end of the rows, and is content.
    pub(super) is_cut_off: bool,
    /// There is a line that is no comment.
    pub(super) has_statements: bool,
    /// The statement, if any, that goes beyond the content of one database.
    pub(super) too_much: Option<&'static str>,
    /// Statements about the database itself, which has another name here.
    pub(super) of_database: Vec<String>,
    /// A collation of ICU's that it makes, or sorts by.
    pub(super) icu: Option<String>,
}

/// Reads a plain dump from end to end.
pub(super) fn scan(content: impl Read, interrupt: &Interrupt) -> io::Result<Said> {
    let mut said = Said::default();
    let mut is_of_pg_dump = None;
    let mut is_at_end = false;
    let (mut is_in_head, mut is_in_rows) = (true, false);
    let mut content = BufReader::with_capacity(1 << 17, content);
    let mut line = Vec::new();
    while content.read_until(b'\n', &mut line)? > 0 {
        interrupt.ensure_not_ending()?;
        let text = line.trim_ascii_end();
        // As the first line may begin.
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        said.has_statements |= !text.is_empty() && !text.starts_with(b"--");
        // As pg_dump writes it, whatever its version.
        match text {
            b"" | b"--" => {}
            b"-- PostgreSQL database dump complete" => is_at_end = true,
            text => {
                is_of_pg_dump = is_of_pg_dump.or(Some(text == b"-- PostgreSQL database dump"));
                is_at_end = is_at_end && text.starts_with(b"\\unrestrict ");
            }
        }
        if let Ok(text) = str::from_utf8(text) {
            roles::add(&mut said.roles, text);
            if is_in_head {
                said.too_much = said.too_much.or_else(|| too_much(text));
                is_in_head = is_of_head(text);
            }
            if !is_in_rows && said.icu.is_none() {
                said.icu = icu::named(text).map(str::to_owned);
            }
            if is_in_rows {
                // No row is this: a backslash in one is doubled.
                is_in_rows = text != "\\.";
            } else if is_of_database(text) && !is_standard(text) {
                said.of_database.push(text.trim_end_matches(';').to_owned());
            } else {
                is_in_rows = text.starts_with("COPY ") && text.ends_with(" FROM stdin;");
            }
        }
        line.clear();
    }
    said.is_cut_off = is_of_pg_dump == Some(true) && !is_at_end;
    Ok(said)
}

/// Returns true if a line is one of those that pg_dump and pg_dumpall begin with, before the first object. What stands
/// in a row, a comment or a function comes later.
fn is_of_head(line: &str) -> bool {
    line.is_empty()
        || ["--", "SET ", "SELECT pg_catalog.set_config(", "\\restrict "]
            .iter()
            .any(|begin| line.starts_with(begin))
}

/// Returns what a dump that begins with this line, or has it next in its head, does beyond the content of one database. It
/// would be done in another one than the project's, and psql may enter no other.
fn too_much(line: &str) -> Option<&'static str> {
    if line == "-- PostgreSQL database cluster dump" {
        return Some("holds every database of a server");
    }
    ["CREATE DATABASE ", "DROP DATABASE ", "\\connect "]
        .iter()
        .any(|begin| line.starts_with(begin))
        .then_some("makes a database of its own")
}

/// Returns true if a line is one that `pg_dump --create` writes for the database's own settings.
fn is_of_database(line: &str) -> bool {
    line.starts_with("COMMENT ON DATABASE ")
        || line.contains(" ON DATABASE ") && (line.starts_with("GRANT ") || line.starts_with("REVOKE "))
        || line.starts_with("ALTER DATABASE ")
            && (line.contains(" SET ") || line.contains(" CONNECTION LIMIT = "))
        || line.starts_with("ALTER ROLE ") && line.contains(" IN DATABASE ")
}

/// Returns true for the comment on a database that is in every cluster from the beginning.
fn is_standard(line: &str) -> bool {
    let comment = line
        .strip_prefix("COMMENT ON DATABASE ")
        .and_then(|rest| rest.split_once(" IS '"));
    comment.is_some_and(|(_, text)| left::is_standard_comment(text.trim_end_matches("';")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn a_tar_archive_is_whole_up_to_its_end_alone() {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, content) in [(CONTENTS, &[1; 700][..]), ("1.dat", &[2; 512]), ("2.dat", &[])] {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, name, content).expect("appended");
        }
        let archive = archive.into_inner().expect("ended");
        let end = archive.len() - 2 * BLOCK;
        let is_whole = |length: usize| is_whole(io::Cursor::new(&archive[..length])).expect("read");
        assert!(is_whole(archive.len()) && is_whole(end + BLOCK));
        every([0, 5, 512, 600, 1300, 2048, 2600, end, end + 511], |cut| {
            assert!(!is_whole(cut), "{cut}");
        });
    }

    #[test]
    fn a_text_of_comments_holds_no_statement() {
        let rows = [
            ("--\n-- Postgre", false),
            ("\u{feff}-- x\n\n", false),
            ("-- x\nSELECT 1;", true),
        ];
        every(rows, |(text, has_statements)| {
            let said = scan(text.as_bytes(), &Interrupt::default()).expect("read");
            assert_eq!(said.has_statements, has_statements, "{text}");
        });
    }

    #[test]
    fn what_is_refused_is_told_with_names_that_can_be_typed() {
        let world = tempfile::tempdir().expect("a directory");
        let path = Utf8Path::from_path(world.path()).expect("UTF-8").join("a b.gz");
        fs::write(&path, [0x1f, 0x8b, 8]).expect("written");
        let hint = kind(&path).expect_err("compressed").hint().expect("a hint");
        assert!(hint.contains(&format!("`gunzip '{path}'`")), "{hint}");
    }

    #[test]
    fn the_end_and_what_is_too_much_are_seen() {
        let said = |dump: &str| scan(dump.as_bytes(), &Interrupt::default()).expect("read");
        let (begin, end) = (
            "--\n-- PostgreSQL database dump\n--\n",
            "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict x\n\n",
        );
        let rows = "COPY a FROM stdin;\n1\n";
        let (whole, cut) = (format!("{begin}{rows}\\.\n{end}"), format!("{begin}{rows}"));
        let rows = [
            (&whole, false),
            (&whole.replace("\\unrestrict x", ""), false),
            (&whole.replace('\n', "\r\n"), false),
            (&cut, true),
            (&format!("{begin}{rows}\\.\n"), true),
            (&format!("{whole}SELECT 1;\n"), true),
            (&format!("{whole}{cut}"), true),
            (&begin.to_owned(), true),
            // Not pg_dump's.
            (&rows.to_owned(), false),
            (&"SELECT 1;\n".to_owned(), false),
        ];
        every(rows, |(dump, is_cut_off)| {
            assert_eq!(said(dump).is_cut_off, is_cut_off, "{dump}");
        });
        let rows = [
            ("-- PostgreSQL database cluster dump", true),
            ("\\connect x", true),
            ("\u{feff}--\n-- PostgreSQL database cluster dump\n--\n", true),
            ("--\n\nSET x = 1;\n\nDROP DATABASE IF EXISTS d;\n", true),
            ("CREATE TABLE x ();", false),
            // Text, in a comment and in a row.
            ("COMMENT ON TABLE t IS 'use\n\\connect prod\nfirst';\n", false),
            (
                "COPY x FROM stdin;\n-- PostgreSQL database cluster dump\n\\.\n",
                false,
            ),
            ("SELECT '\nCREATE DATABASE x;\n'", false),
            ("COPY x FROM stdin;\n\\\\connect x\n\\.", false),
        ];
        every(rows, |(line, is_too_much)| {
            assert_eq!(said(line).too_much.is_some(), is_too_much, "{line}");
        });
        let dump = "ALTER TABLE a OWNER TO bob;\nALTER DATABASE d SET work_mem TO '7MB';\n\
            ALTER ROLE bob IN DATABASE d SET x TO '1';\nCOMMENT ON DATABASE d IS 'x';\nGRANT ALL ON DATABASE d TO eve;\n\
            ALTER DATABASE d CONNECTION LIMIT = 7;\n";
        let standard = "COMMENT ON DATABASE d IS 'default administrative connection database';\n";
        assert_eq!(said(standard).of_database, [""; 0]);
        let copied = format!("COPY t (x) FROM stdin;\n{dump}\\.\n");
        assert_eq!(said(&copied).of_database, [""; 0]);
        assert_eq!(said(&format!("{copied}{dump}")).of_database.len(), 5);
        let said = said(dump);
        assert_eq!(said.of_database.len(), 5);
        assert_eq!(
            said.roles.keys().collect::<Vec<_>>(),
            ["bob", "eve"].iter().collect::<Vec<_>>()
        );
    }
}
