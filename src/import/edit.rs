//! Edits of a dump's text while it is piped into psql.

use super::file::BYTE_ORDER_MARK;
use crate::{
    dump::{DumpError, Edit},
    postgres::observe::endpoint::Password,
};

/// An editor of one dump.
///
/// It is put between `\restrict KEY` and the dump's end, so that psql refuses every command of its own (`\!`, `\o`, `\connect`)
/// in it; the dump's own pair is taken off, because a second one is such a command
/// (<https://www.postgresql.org/docs/current/app-psql.html>, `\restrict`). Before the first rows, what no server loads is
/// left out: PostgreSQL 15.20 keeps an option `pg_attver` of each column in its catalogues, and a pg_dump that does not know
/// it writes it into the dump.
pub(super) struct Editor {
    /// Ours.
    key: Password,
    /// The dump's own.
    own: Option<Vec<u8>>,
    is_of_pg_dump: bool,
    is_at: Part,
}

/// The parts of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Nothing was written yet.
    Start,
    /// Only comments came.
    Head,
    /// Statements, and no rows.
    Objects,
    Rows,
}

impl Editor {
    /// Begins, with a key that no dump can know.
    pub(super) fn new() -> Result<Self, DumpError> {
        Ok(Self {
            key: Password::random().map_err(|source| DumpError::Spawn {
                program: "psql".to_owned(),
                source,
            })?,
            own: None,
            is_of_pg_dump: false,
            is_at: Part::Start,
        })
    }

    /// Takes the next line.
    pub(super) fn edit(&mut self, line: &[u8]) -> Edit {
        let text = line.trim_ascii_end();
        match self.is_at {
            Part::Start => {
                self.is_at = Part::Head;
                let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
                let rest = match self.edit(line) {
                    Edit::Keep | Edit::KeepRest => line,
                    Edit::Drop | Edit::Replace(_) => b"",
                };
                let rest = String::from_utf8_lossy(rest);
                Edit::Replace(format!("\\restrict {}\n{rest}", self.key.reveal()))
            }
            Part::Head => {
                if let Some(key) = text.strip_prefix(b"\\restrict ") {
                    self.own = Some(key.to_vec());
                    self.leave_head();
                    return Edit::Drop;
                }
                if text.is_empty() || text.starts_with(b"--") {
                    self.is_of_pg_dump |= text == b"-- PostgreSQL database dump";
                    return Edit::Keep;
                }
                self.leave_head();
                self.edit(line)
            }
            Part::Objects => {
                if text.starts_with(ROWS) {
                    self.is_at = Part::Rows;
                    return if self.own.is_none() {
                        Edit::KeepRest
                    } else {
                        Edit::Keep
                    };
                }
                if text == b"SET client_encoding = 'SQL_ASCII';" {
                    // So that the server looks at the bytes: its database is in UTF-8.
                    return Edit::Replace("SET client_encoding = 'UTF8';\n".to_owned());
                }
                match without_versions(text) {
                    Some(rest) if rest.is_empty() => Edit::Drop,
                    Some(rest) => Edit::Replace(rest + "\n"),
                    None => self.but_end(text),
                }
            }
            Part::Rows => self.but_end(text),
        }
    }

    /// In a text that pg_dump did not write, rows may come at once.
    fn leave_head(&mut self) {
        self.is_at = if self.is_of_pg_dump {
            Part::Objects
        } else {
            Part::Rows
        };
    }

    /// Leaves out the end of the dump's own restriction. Another dump may follow it.
    fn but_end(&mut self, text: &[u8]) -> Edit {
        let key = text.strip_prefix(b"\\unrestrict ");
        if key.is_some() && key == self.own.as_deref() {
            self.own = None;
            self.is_of_pg_dump = false;
            self.is_at = Part::Head;
            Edit::Drop
        } else {
            Edit::Keep
        }
    }
}

/// The comment that pg_dump writes before the rows of a table.
const ROWS: &[u8] = b"-- Data for Name: ";

/// A statement that sets options of a column, without `pg_attver`; empty where nothing is left to be set.
fn without_versions(statement: &[u8]) -> Option<String> {
    let text = str::from_utf8(statement).ok()?;
    let is_of_column = text.starts_with("ALTER TABLE ONLY ") || text.starts_with("ALTER FOREIGN TABLE ONLY ");
    let (begin, options) = text.strip_suffix(");")?.rsplit_once(" SET (")?;
    if !is_of_column || !begin.contains(" ALTER COLUMN ") || !options.contains("pg_attver=") {
        return None;
    }
    let left: Vec<_> = options
        .split(", ")
        .filter(|option| !option.starts_with("pg_attver="))
        .collect();
    Some(if left.is_empty() {
        String::new()
    } else {
        format!("{begin} SET ({});", left.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    /// Returns the text that psql would get, with `KEY` for ours.
    fn edited(dump: &str) -> String {
        let mut editor = Editor::new().expect("random");
        let mut edited = String::new();
        let mut lines = dump.split_inclusive('\n');
        while let Some(line) = lines.next() {
            match editor.edit(line.as_bytes()) {
                Edit::Keep => edited += line,
                Edit::Drop => {}
                Edit::Replace(other) => edited += &other,
                Edit::KeepRest => {
                    edited += line;
                    edited.extend(lines.by_ref());
                }
            }
        }
        edited.replace(editor.key.reveal(), "KEY")
    }

    #[test]
    fn a_dump_is_restricted_and_its_own_pair_taken_off() {
        let rows = [
            ("SELECT 1;\n", "\\restrict KEY\nSELECT 1;\n"),
            (
                "\\! id\nSELECT 1;\n\\unrestrict\n",
                "\\restrict KEY\n\\! id\nSELECT 1;\n\\unrestrict\n",
            ),
            (
                "--\n\n\\restrict a1\nSELECT 1;\n-- Data for Name: a\n1\n\\.\n\\unrestrict a1\n\n",
                "\\restrict KEY\n--\n\nSELECT 1;\n-- Data for Name: a\n1\n\\.\n\n",
            ),
            (
                "\\restrict a1\n\\unrestrict a2\n",
                "\\restrict KEY\n\\unrestrict a2\n",
            ),
            // One after the other, and with a byte order mark.
            (
                "\u{feff}\\restrict a1\n1\n\\unrestrict a1\n--\n\n\\restrict b2\n2\n\\unrestrict b2\n",
                "\\restrict KEY\n1\n--\n\n2\n",
            ),
            // Only the first, and only before all else.
            (
                "SELECT '\n\\restrict a1\n';\n",
                "\\restrict KEY\nSELECT '\n\\restrict a1\n';\n",
            ),
        ];
        every(rows, |(dump, to_psql)| {
            assert_eq!(edited(dump), to_psql, "{dump}");
        });
    }

    #[test]
    fn what_has_no_encoding_is_said_to_be_utf_8() {
        let head = "-- PostgreSQL database dump\n";
        assert_eq!(
            edited(&format!("{head}SET client_encoding = 'SQL_ASCII';\n")),
            format!("\\restrict KEY\n{head}SET client_encoding = 'UTF8';\n")
        );
    }

    #[test]
    fn the_versions_of_columns_are_left_out_and_their_options_kept() {
        let column = "ALTER TABLE ONLY public.\"a SET (b\" ALTER COLUMN x SET";
        let rows = [
            (format!("{column} (pg_attver=22161408);\n"), String::new()),
            (
                format!("{column} (n_distinct=5, pg_attver=7);\n"),
                format!("{column} (n_distinct=5);\n"),
            ),
            (
                "SET client_encoding = 'LATIN1';\n".to_owned(),
                "SET client_encoding = 'LATIN1';\n".to_owned(),
            ),
            (
                "ALTER FOREIGN TABLE ONLY f ALTER COLUMN x SET (pg_attver=7);\n".to_owned(),
                String::new(),
            ),
            (
                "SELECT 1;\n-- Data for Name: x\nALTER TABLE ONLY t ALTER COLUMN x SET (pg_attver=7);\n"
                    .to_owned(),
                "SELECT 1;\n-- Data for Name: x\nALTER TABLE ONLY t ALTER COLUMN x SET (pg_attver=7);\n"
                    .to_owned(),
            ),
            (
                format!("{column} (n_distinct=5);\n"),
                format!("{column} (n_distinct=5);\n"),
            ),
        ];
        every(rows, |(statement, left)| {
            let head = "-- PostgreSQL database dump\n";
            assert_eq!(
                edited(&format!("{head}{statement}")),
                format!("\\restrict KEY\n{head}{left}"),
                "{statement}"
            );
            // Not pg_dump's.
            assert_eq!(edited(&statement), format!("\\restrict KEY\n{statement}"));
        });
    }
}
