//! The settings that a cluster's own files name. Of the others the program's own values hold, so that nobody needs to ask for
//! them (<https://www.postgresql.org/docs/current/config-setting.html>).

use std::collections::BTreeSet;

use camino::Utf8Path;

use crate::fs::atomic;

/// No file of settings is longer, in bytes.
const LIMIT: u64 = 1 << 20;
/// The files of settings: what is in the second one decides.
const FILES: [&str; 2] = ["postgresql.conf", "postgresql.auto.conf"];

/// The names of settings; `None` where another file may have more of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedSettings(Option<BTreeSet<String>>);

impl NamedSettings {
    /// Reads them in the files of a cluster.
    pub(crate) fn of(cluster: &Utf8Path) -> Self {
        let names = |file: &str| match atomic::read(&cluster.join(file), LIMIT) {
            Ok(text) => names(&String::from_utf8_lossy(&text)),
            Err(_) => None,
        };
        let all: Option<Vec<BTreeSet<String>>> = FILES.into_iter().map(names).collect();
        Self(all.map(|all| all.into_iter().flatten().collect()))
    }

    /// Returns true if the files may set it.
    pub(crate) fn may_have(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.contains(name))
    }
}

/// The first word of each line, which is all that a setting's name can be; `None` where one includes another file.
fn names(text: &str) -> Option<BTreeSet<String>> {
    let is_of_a_name = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '$' | '.');
    let words = text.lines().map(|line| {
        let line = line.trim_start();
        let end = line.find(|sign| !is_of_a_name(sign)).unwrap_or(line.len());
        line[..end].to_ascii_lowercase()
    });
    let names: BTreeSet<String> = words.filter(|word| !word.is_empty()).collect();
    let includes = names.iter().any(|name| name.starts_with("include"));
    (!includes).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn a_setting_is_the_first_word_of_a_line() {
        let rows: [(&str, Option<&[&str]>); 6] = [
            ("# port = 1\n\n  #port = 2\n", Some(&[])),
            (
                "port = 1 # hba_file = 'x'\r\n\tHBA_File='y'",
                Some(&["hba_file", "port"]),
            ),
            ("port'5555'\nwork_mem=1MB", Some(&["port", "work_mem"])),
            (
                "auto_explain.log_analyze = on",
                Some(&["auto_explain.log_analyze"]),
            ),
            ("port = 1\n include_if_exists = 'x'", None),
            ("INCLUDE 'x'", None),
        ];
        every(rows, |(text, expected)| {
            let expected = expected.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            assert_eq!(names(text), expected, "{text:?}");
        });
    }
}
