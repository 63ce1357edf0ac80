//! Dumps in files: which kind one is, and what its text says.

use std::{
    collections::BTreeSet,
    io::{self, BufRead as _, BufReader, Read},
};

use camino::Utf8Path;
use fs_err as fs;

use super::{
    roles,
    text::{Line, Text},
};
use crate::{children, transfer::TransferError};

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

/// What the text of a dump says.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The roles that it names, quoted as they are there.
    pub(super) roles: BTreeSet<String>,
    /// Its end is missing. psql takes the end of a file for the end of the rows, and is content.
    pub(super) is_cut_off: bool,
    /// What is in it beside the content of one database.
    pub(super) too_much: Option<&'static str>,
}

/// Reads a plain dump from end to end.
pub(super) fn scan(content: impl Read) -> io::Result<Said> {
    let mut said = Said::default();
    let (mut begins, mut ends, mut is_at_end) = (false, false, false);
    let mut text = Text::default();
    let mut content = BufReader::with_capacity(1 << 17, content);
    let mut line = Vec::new();
    while content.read_until(b'\n', &mut line)? > 0 {
        if children::are_ending() {
            return Err(io::Error::other("it was interrupted"));
        }
        let kind = text.see(&line);
        // As pg_dump writes it, whatever its version.
        is_at_end = match line.trim_ascii_end() {
            b"-- PostgreSQL database dump complete" => true,
            b"" | b"--" => is_at_end,
            other => is_at_end && other.starts_with(b"\\unrestrict "),
        };
        if kind == Line::Sql
            && let Ok(text) = str::from_utf8(line.trim_ascii_end())
        {
            begins = begins || text == "-- PostgreSQL database dump";
            ends = ends || is_at_end;
            said.roles.extend(roles::named(text));
            said.too_much = said.too_much.or_else(|| too_much(text));
        }
        line.clear();
    }
    said.is_cut_off = !is_at_end && (text.is_in_rows() || begins && !ends);
    Ok(said)
}

/// What a line says that is in a dump beside the content of one database. It would be made in another one than the
/// project's.
fn too_much(line: &str) -> Option<&'static str> {
    let begins = |begin: &str| {
        let first = line.get(..begin.len());
        first.is_some_and(|first| first.eq_ignore_ascii_case(begin))
    };
    if line == "-- PostgreSQL database cluster dump" {
        return Some("holds every database of a server");
    }
    let of_database = ["CREATE DATABASE ", "DROP DATABASE ", "\\connect ", "\\c "];
    let is_of_database = of_database.into_iter().any(begins);
    is_of_database.then_some("makes a database of its own")
}

/// What a psql that knows `\restrict` reads without a word.
pub(super) const PROBE: &str = "\\restrict ampup\n\\unrestrict ampup\n";

/// Finds the lines with which pg_dump forbids psql all other commands of its own between them
/// (`\restrict KEY`, <https://www.postgresql.org/docs/current/app-psql.html>; since 18.0, 17.6, 16.10, 15.14). A psql that
/// does not know them takes the same dump without.
#[derive(Debug, Default)]
pub(super) struct Restriction {
    key: Option<Vec<u8>>,
    /// A statement came outside of such a pair: what follows may be a text that only looks like one.
    is_over: bool,
}

impl Restriction {
    /// Takes a line that is not data. Gives whether it is one of them.
    pub(super) fn is(&mut self, line: &[u8]) -> bool {
        let text = line.trim_ascii_end();
        if let Some(key) = &self.key {
            let is_end = text.strip_prefix(b"\\unrestrict ") == Some(key);
            if is_end {
                self.key = None;
            }
            return is_end;
        }
        let key = text
            .strip_prefix(b"\\restrict ")
            .filter(|key| key.iter().all(u8::is_ascii_alphanumeric) && !self.is_over);
        self.key = key.map(<[u8]>::to_vec);
        let is_silent = text.is_empty() || text.starts_with(b"--") || text.starts_with(b"\\connect ");
        self.is_over = self.is_over || key.is_none() && !is_silent;
        key.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_and_what_is_too_much_are_seen() {
        let said = |dump: &str| scan(dump.as_bytes()).expect("read");
        let (begin, end) = (
            "--\n-- PostgreSQL database dump\n--\n",
            "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict x\n\n",
        );
        let rows = "COPY a FROM stdin;\n1\n";
        let (whole, cut) = (format!("{begin}{rows}\\.\n{end}"), format!("{begin}{rows}"));
        for (dump, is_cut_off) in [
            (&whole, false),
            (&cut, true),
            (&format!("{begin}{rows}\\.\n"), true),
            (&format!("{whole}SELECT 1;\n"), false),
            (&format!("{whole}{cut}"), true),
            // Not understood, and there is its end.
            (&format!("{cut}{end}"), false),
            (&rows.to_owned(), true),
            (&"SELECT 1;\n".to_owned(), false),
        ] {
            assert_eq!(said(dump).is_cut_off, is_cut_off, "{dump}");
        }
        for (line, is_too_much) in [
            ("-- PostgreSQL database cluster dump", true),
            ("CREATE DATABASE x;", true),
            ("create database x;", true),
            ("\\connect x", true),
            ("CREATE TABLE x ();", false),
            ("SELECT '\nCREATE DATABASE x;\n'", false),
            ("COPY x FROM stdin;\n\\connect x\n\\.", false),
        ] {
            assert_eq!(said(line).too_much.is_some(), is_too_much, "{line}");
        }
        let roles = said("ALTER TABLE a OWNER TO bob;\nSELECT $$\nGRANT eve TO eve;\n$$").roles;
        assert_eq!(roles, BTreeSet::from(["bob".to_owned()]));
    }

    #[test]
    fn only_pg_dumps_own_pairs_are_taken_for_restrictions() {
        let found = |dump: &str| {
            let mut restriction = Restriction::default();
            let lines = dump.lines().filter(|line| restriction.is(line.as_bytes()));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        // pg_dumpall's: one pair for the roles, and one for each database.
        let dump = "--\n-- PostgreSQL\n\n\\restrict a1\nSELECT '\n\\restrict b\n\\unrestrict b\n';\n\\unrestrict a1\n\n\
            \\connect x\n\n\\restrict c2\nSELECT 1;\n\\unrestrict c2\n";
        assert_eq!(
            found(dump),
            [
                "\\restrict a1",
                "\\unrestrict a1",
                "\\restrict c2",
                "\\unrestrict c2"
            ]
        );
        assert!(found("SELECT '\n\\restrict b\n';\n").is_empty());
        assert!(found("\\restrict a b\n\\unrestrict a\n").is_empty());
    }
}
