//! The words behind `db psql`, which are psql's: also those that ampup would know, such as `-v`, `-q` and `-h`.

use std::ffi::OsString;

use clap::{Command, CommandFactory as _};

use super::args::Cli;

/// The options of `db psql` itself, which come first.
const OWN: [&str; 2] = ["--amp-dir", "--run-as"];

/// Puts `--` before what is psql's.
pub(super) fn marked(mut words: Vec<OsString>) -> Vec<OsString> {
    if let Some(begin) = psql(&words) {
        let mut at = begin;
        while let Some(word) = words.get(at).and_then(|word| word.to_str()) {
            let (name, value) = word
                .split_once('=')
                .map_or((word, None), |(name, value)| (name, Some(value)));
            at += match (OWN.contains(&name), value) {
                (true, None) => 2,
                (true, Some(_)) => 1,
                (false, _) => break,
            };
        }
        if words.get(at).is_some_and(|word| word != "--") {
            words.insert(at, "--".into());
        }
    }
    words
}

/// The place behind `psql`, where the line is a `db psql`.
fn psql(words: &[OsString]) -> Option<usize> {
    // The grammar is only looked at where it may matter.
    if !words.iter().any(|word| word == "psql") {
        return None;
    }
    let grammar = Cli::command();
    let mut verb: &Command = &grammar;
    for (at, word) in words.iter().enumerate().skip(1) {
        if word == "--" {
            return None;
        }
        if let Some(below) = verb.find_subcommand(word) {
            match (verb.get_name(), below.get_name()) {
                ("ampup", "db") => verb = below,
                ("db", "psql") => return Some(at + 1),
                _ => return None,
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn what_follows_psql_is_psqls() {
        let marked = |line: &str| {
            let words = line.split(' ').map(OsString::from).collect();
            let words: Vec<String> = marked(words)
                .into_iter()
                .map(|word| word.into_string().expect("UTF-8"))
                .collect();
            words.join(" ")
        };
        let rows = [
            ("ampup db psql -v x=1 -q", "ampup db psql -- -v x=1 -q"),
            ("ampup -q db psql -h", "ampup -q db psql -- -h"),
            ("ampup db psql --amp-dir a -q", "ampup db psql --amp-dir a -- -q"),
            (
                "ampup db psql --amp-dir=a --run-as b",
                "ampup db psql --amp-dir=a --run-as b",
            ),
            ("ampup db psql -- -c x", "ampup db psql -- -c x"),
            ("ampup db psql", "ampup db psql"),
            ("ampup run db psql -q", "ampup run db psql -q"),
            ("ampup db url -q", "ampup db url -q"),
            ("ampup help db psql", "ampup help db psql"),
        ];
        every(rows, |(line, expected)| {
            assert_eq!(marked(line), expected);
        });
    }
}
