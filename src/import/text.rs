//! The text of a plain dump, line by line: what is a row, what is SQL, and what only looks like one of them because it stands
//! in a string, in a function's body or in a comment.

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// A row of a COPY section, or the section's end.
    Row,
    /// It begins outside of all quotes.
    Sql,
    /// It begins inside of a string, a name or a comment.
    Quoted,
}

/// What a line ends in (<https://www.postgresql.org/docs/current/sql-syntax-lexical.html>).
#[derive(Debug)]
enum Quote {
    /// `'…'` or `"…"`. A doubled one ends it and begins it again.
    Until(u8),
    /// `E'…'`, in which a backslash takes the next one along.
    Escaped,
    /// `$tag$…$tag$`.
    Dollar(Vec<u8>),
    /// `/*…*/`, so many of them in one another.
    Comment(usize),
}

/// Reads a plain dump, and counts the rows of its COPY sections
/// (<https://www.postgresql.org/docs/current/sql-copy.html>: they end with `\.`).
#[derive(Debug, Default)]
pub(super) struct Text {
    /// So far.
    pub(super) rows: u64,
    is_in_rows: bool,
    quote: Option<Quote>,
    /// `standard_conforming_strings` is off: every string is like `E'…'`.
    is_escaped: bool,
}

impl Text {
    /// Takes a line.
    pub(super) fn see(&mut self, line: &[u8]) -> Line {
        let text = line.trim_ascii_end();
        if self.is_in_rows {
            self.is_in_rows = text != b"\\.";
            self.rows += u64::from(self.is_in_rows);
            return Line::Row;
        }
        if self.quote.is_some() {
            self.follow(line);
            return Line::Quoted;
        }
        // A quote in a command of psql's ends with its line.
        if !text.starts_with(b"\\") {
            self.follow(line);
        }
        self.is_escaped = self.is_escaped || text == b"SET standard_conforming_strings = off;";
        self.is_in_rows = text.starts_with(b"COPY ") && text.ends_with(b" FROM stdin;");
        Line::Sql
    }

    /// Whether the last line was a row.
    pub(super) fn is_in_rows(&self) -> bool {
        self.is_in_rows
    }

    fn follow(&mut self, line: &[u8]) {
        let mut at = 0;
        while let Some(rest) = line.get(at..).filter(|rest| !rest.is_empty()) {
            at += match &mut self.quote {
                None => {
                    if rest.starts_with(b"--") {
                        return;
                    }
                    self.quote = self.opened(&line[..at], rest);
                    match &self.quote {
                        Some(Quote::Dollar(tag)) => tag.len(),
                        Some(Quote::Comment(_)) => 2,
                        Some(Quote::Until(_) | Quote::Escaped) | None => 1,
                    }
                }
                Some(Quote::Until(end)) => {
                    if rest[0] == *end {
                        self.quote = None;
                    }
                    1
                }
                Some(Quote::Escaped) if rest[0] == b'\\' || rest.starts_with(b"''") => 2,
                Some(Quote::Escaped) => {
                    if rest[0] == b'\'' {
                        self.quote = None;
                    }
                    1
                }
                Some(Quote::Dollar(tag)) => {
                    let length = if rest.starts_with(tag) { tag.len() } else { 0 };
                    if length > 0 {
                        self.quote = None;
                    }
                    length.max(1)
                }
                Some(Quote::Comment(depth)) => {
                    match rest {
                        [b'/', b'*', ..] => *depth += 1,
                        [b'*', b'/', ..] => *depth -= 1,
                        _ => {
                            at += 1;
                            continue;
                        }
                    }
                    if *depth == 0 {
                        self.quote = None;
                    }
                    2
                }
            };
        }
    }

    /// What opens here, after this much of the line.
    fn opened(&self, before: &[u8], rest: &[u8]) -> Option<Quote> {
        let follows_word = before.last().is_some_and(is_of_word);
        match rest {
            [b'\'', ..] => {
                let has_mark = match before {
                    [.., last, b'e' | b'E'] => !is_of_word(last),
                    [b'e' | b'E'] => true,
                    _ => false,
                };
                Some(if has_mark || self.is_escaped {
                    Quote::Escaped
                } else {
                    Quote::Until(b'\'')
                })
            }
            [b'"', ..] => Some(Quote::Until(b'"')),
            [b'/', b'*', ..] => Some(Quote::Comment(1)),
            [b'$', inner @ ..] if !follows_word => {
                let length = inner.iter().take_while(|byte| is_of_word(byte)).count();
                // `$1` is a parameter, and `$` alone an operator's.
                let is_tag = inner.get(length) == Some(&b'$') && !inner[0].is_ascii_digit();
                is_tag.then(|| Quote::Dollar(rest[..length + 2].to_vec()))
            }
            _ => None,
        }
    }
}

/// Whether it can be part of a name without quotes. (A dollar sign can, but not of the tag between two of them.)
fn is_of_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::{Line::*, *};

    fn seen(dump: &str) -> (Vec<Line>, Text) {
        let mut text = Text::default();
        let lines = dump.split_inclusive('\n').map(|line| text.see(line.as_bytes()));
        (lines.collect(), text)
    }

    #[test]
    fn rows_are_counted_and_are_not_read_as_sql() {
        let (lines, text) =
            seen("CREATE TABLE a ();\nCOPY a (x) FROM stdin;\n1'\nCOPY b FROM stdin;\n\\.\nSELECT 1;\n");
        assert_eq!(lines, [Sql, Sql, Row, Row, Row, Sql]);
        assert_eq!((text.rows, text.is_in_rows()), (2, false));
        assert!(seen("COPY a FROM stdin;\r\n1\r\n").1.is_in_rows());
    }

    #[test]
    fn what_stands_in_quotes_is_neither() {
        for (begin, end) in [
            ("'", "'"),
            ("'it''s ", "'"),
            ("E'\\'", "\\\\'"),
            ("e'''\\'", "'"),
            ("'\\' || '", "'"),
            ("type'\\' || '", "'"),
            ("\"", "\""),
            ("$$'", "$$"),
            ("($f1_$ $$ $f$ $ ", "$f1_$"),
            ("$1 $$", "$$"),
            ("a$b || $$", "$$"),
            ("/* ' /* */ ", "*/"),
            ("-- it's $$\n'", "'"),
        ] {
            let dump = format!("SELECT {begin}\nCOPY x FROM stdin;\n{end};\nSELECT 1;\n");
            let (lines, text) = seen(&dump);
            let last: Vec<_> = lines.iter().rev().take(3).collect();
            assert_eq!(last, [&Sql, &Quoted, &Quoted], "{dump}");
            assert!(text.quote.is_none(), "{dump}");
        }
        assert_eq!(seen("\\restrict it's\nSELECT 1 -- it's\n;\n").0, [Sql, Sql, Sql]);
        let old = "SET standard_conforming_strings = off;\nSELECT '\\'\nCOPY x FROM stdin;\n';\n";
        assert_eq!(seen(old).0, [Sql, Sql, Quoted, Quoted]);
    }
}
