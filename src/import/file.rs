//! Dumps in files: which kind one is, and what its text says. It is no reader of SQL: a line is known by how it begins.

use std::io::{self, BufRead as _, BufReader, Read};

use camino::Utf8Path;
use fs_err as fs;

use super::roles::{self, Roles};
use crate::{children::Interrupt, transfer::TransferError};

/// Which kind of dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// SQL, as pg_dump writes it by default.
    Plain,
    /// `pg_dump --format=custom` or `tar`, which pg_restore reads.
    Archive,
}

/// The first file of a dump in tar's format, and one of those of a dump in a directory.
const CONTENTS: &str = "toc.dat";

/// Looks at the beginning of a file.
pub(super) fn kind(path: &Utf8Path) -> Result<Kind, TransferError> {
    let failed = |source| TransferError::File {
        path: path.to_owned(),
        source,
    };
    let refused = |what: &str, hint: &str| TransferError::Refused {
        message: format!("`{path}` {what}"),
        hint: hint.to_owned(),
    };
    let found = fs::metadata(path).map_err(failed)?;
    if found.is_dir() && path.join(CONTENTS).is_file() {
        let name = path.as_str().trim_end_matches(['/', '\\']);
        return Err(refused(
            "is a dump in a directory",
            &format!("`pg_restore --file {name}.sql {name}`, then `ampup db import {name}.sql`"),
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
    if begin.starts_with(b"PGDMP") || is_tar {
        return Ok(Kind::Archive);
    }
    if begin.starts_with(&[0x1f, 0x8b]) {
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

/// The facts that the text of a dump states.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The roles that it names.
    pub(super) roles: Roles,
    /// Its end is missing. psql takes the end of a file for the end of the rows, and is content.
    pub(super) is_cut_off: bool,
    /// The statement, if any, that goes beyond the content of one database.
    pub(super) too_much: Option<&'static str>,
    /// Statements about the database itself, which has another name here.
    pub(super) of_database: Vec<String>,
}

/// Reads a plain dump from end to end.
pub(super) fn scan(content: impl Read, interrupt: &Interrupt) -> io::Result<Said> {
    let mut said = Said::default();
    let mut is_of_pg_dump = None;
    let mut is_at_end = false;
    let mut content = BufReader::with_capacity(1 << 17, content);
    let mut line = Vec::new();
    while content.read_until(b'\n', &mut line)? > 0 {
        interrupt.ensure_not_ending()?;
        let text = line.trim_ascii_end();
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
            said.too_much = said.too_much.or_else(|| too_much(text));
            if is_of_database(text) {
                said.of_database.push(text.trim_end_matches(';').to_owned());
            }
        }
        line.clear();
    }
    said.is_cut_off = is_of_pg_dump == Some(true) && !is_at_end;
    Ok(said)
}

/// Returns what a line does beyond the content of one database. It would be done in another one than the project's,
/// and psql may enter no other.
fn too_much(line: &str) -> Option<&'static str> {
    if line == "-- PostgreSQL database cluster dump" {
        return Some("holds every database of a server");
    }
    // No row of pg_dump's begins so: it writes two backslashes there.
    line.starts_with("\\connect ")
        .then_some("makes a database of its own")
}

/// Returns true if a line is one that `pg_dump --create` writes for the database's own settings.
fn is_of_database(line: &str) -> bool {
    line.starts_with("COMMENT ON DATABASE ")
        || line.contains(" ON DATABASE ") && (line.starts_with("GRANT ") || line.starts_with("REVOKE "))
        || line.starts_with("ALTER DATABASE ") && line.contains(" SET ")
        || line.starts_with("ALTER ROLE ") && line.contains(" IN DATABASE ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_and_what_is_too_much_are_seen() {
        let said = |dump: &str| scan(dump.as_bytes(), &Interrupt::default()).expect("read");
        let (begin, end) = (
            "--\n-- PostgreSQL database dump\n--\n",
            "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict x\n\n",
        );
        let rows = "COPY a FROM stdin;\n1\n";
        let (whole, cut) = (format!("{begin}{rows}\\.\n{end}"), format!("{begin}{rows}"));
        for (dump, is_cut_off) in [
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
        ] {
            assert_eq!(said(dump).is_cut_off, is_cut_off, "{dump}");
        }
        for (line, is_too_much) in [
            ("-- PostgreSQL database cluster dump", true),
            ("\\connect x", true),
            ("CREATE TABLE x ();", false),
            ("SELECT '\nCREATE DATABASE x;\n'", false),
            ("COPY x FROM stdin;\n\\\\connect x\n\\.", false),
        ] {
            assert_eq!(said(line).too_much.is_some(), is_too_much, "{line}");
        }
        let dump = "ALTER TABLE a OWNER TO bob;\nALTER DATABASE d SET work_mem TO '7MB';\n\
            ALTER ROLE bob IN DATABASE d SET x TO '1';\nCOMMENT ON DATABASE d IS 'x';\nGRANT ALL ON DATABASE d TO eve;\n";
        let said = said(dump);
        assert_eq!(said.of_database.len(), 4);
        assert_eq!(
            said.roles.keys().collect::<Vec<_>>(),
            ["bob", "eve"].iter().collect::<Vec<_>>()
        );
    }
}
