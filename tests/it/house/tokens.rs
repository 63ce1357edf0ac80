//! The words and marks of Rust, without comments.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name, a keyword or a number.
    Word(String),
    /// `::`
    Path,
    /// A string's content, as it is written.
    Text(String),
    Mark(char),
}

/// The tokens of a source text.
pub(super) fn of(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            comment(rest)
        } else if let Some((content, length)) = string(rest) {
            found.push(Token::Text(content.to_owned()));
            length
        } else if letter == '\'' {
            quoted(rest)
        } else if is_of_word(letter) {
            let length = rest.find(|letter| !is_of_word(letter)).unwrap_or(rest.len());
            found.push(Token::Word(rest[..length].to_owned()));
            length
        } else if rest.starts_with("::") {
            found.push(Token::Path);
            2
        } else {
            if !letter.is_whitespace() {
                found.push(Token::Mark(letter));
            }
            letter.len_utf8()
        };
        rest = &rest[length..];
    }
    found
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The length of a comment that may hold others.
fn comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    loop {
        match text.get(at..at + 2) {
            Some("/*") => (depth, at) = (depth + 1, at + 2),
            Some("*/") => (depth, at) = (depth - 1, at + 2),
            Some(_) => at += 1,
            None if at + 1 >= text.len() => return text.len(),
            None => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
}

/// The content and the length of a string that begins here, also of bytes or raw.
fn string(text: &str) -> Option<(&str, usize)> {
    let begin = text.trim_start_matches(['b', 'c']);
    let before = text.len() - begin.len();
    if before > 1 {
        return None;
    }
    if let Some(raw) = begin.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let content = raw[hashes..].strip_prefix('"')?;
        let length = content.find(&format!("\"{}", "#".repeat(hashes)))?;
        return Some((&content[..length], before + hashes + 2 + length + 1 + hashes));
    }
    let content = begin.strip_prefix('"')?;
    let mut is_escaped = false;
    let end = content.find(|letter| {
        let ends = letter == '"' && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        ends
    })?;
    Some((&content[..end], before + end + 2))
}

/// The length of a character or a lifetime.
fn quoted(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    match letters.next() {
        // The letter behind the backslash may be a quote itself.
        Some((_, '\\')) => text[3..].find('\'').map_or(text.len(), |end| end + 4),
        _ => match letters.next() {
            Some((end, '\'')) => end + 1,
            _ => 1,
        },
    }
}
