//! The known words that a mistyped one is near to.

/// Returns the known words near to a word, nearest first: those that it begins (three letters or more of them), and those
/// that one edit makes of it for every three letters that it has, or one edit in all.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let word = word.to_lowercase();
    let most = (word.chars().count() / 3).max(1);
    let distance = |other: &str| match word.len() {
        0 | 1 => None,
        3.. if other.starts_with(&word) => Some(0),
        _ => Some(strsim::damerau_levenshtein(&word, other)).filter(|distance| *distance <= most),
    };
    let mut near: Vec<_> = known
        .into_iter()
        .filter_map(|other| Some((distance(other)?, other)))
        .collect();
    near.sort();
    near.dedup();
    // What the word begins leaves nothing to guess.
    if near.first().is_some_and(|(distance, _)| *distance == 0) {
        near.retain(|(distance, _)| *distance == 0);
    }
    near.into_iter().map(|(_, other)| other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn a_word_is_near_to_what_was_meant_and_to_nothing_else() {
        let verbs = [
            "install",
            "uninstall",
            "update",
            "use",
            "list",
            "undo",
            "db",
            "self",
        ];
        let rows = [
            ("instal", &["install"][..]),
            ("isntall", &["install"]),
            ("Instal", &["install"]),
            ("unin", &["uninstall"]),
            ("lst", &["list"]),
            ("udpate", &["update"]),
            ("restart", &[]),
            ("frobnicate", &[]),
            ("x", &[]),
            ("", &[]),
        ];
        every(rows, |(word, meant)| {
            assert_eq!(nearest(word, verbs), meant, "{word}");
        });
        assert_eq!(nearest("pg", ["ampd", "ampctl", "postgres"]), [""; 0]);
        assert_eq!(nearest("frob", ["fork"]), [""; 0]);
    }
}
