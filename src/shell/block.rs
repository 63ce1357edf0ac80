//! The one marked block that ampup has in a user's file.
//!
//! Exactly three lines: the marker, one line, the marker. What is not exactly that is not ours and is never cut, and no
//! line of the user is changed, moved or joined with another. Works on bytes: the rest of the file may be anything.

const BEGIN: &str = "# >>> ampup >>>";
/// The file had no line break at its end, and got one: it belongs to the block.
const BEGIN_WITH_BREAK: &str = "# >>> ampup (and the line break before) >>>";
const END: &str = "# <<< ampup <<<";

/// The result of inserting the block into a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Insertion {
    /// It is there already, with this very line.
    Present,
    /// These bytes are appended to the file; nothing that is in it changes.
    Append(Vec<u8>),
    /// The block is there with another line; the file becomes this.
    Rewrite(Vec<u8>),
    /// The file is not text that a line can be added to (UTF-16, or binary).
    NotText,
}

/// The result of removing the block from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// There is no block.
    Absent,
    /// The block has another line: another home's, or edited. It stays.
    Foreign(String),
    /// The file is cut at this length; nothing before it changes.
    Truncate(usize),
    /// Something follows the block; the file becomes this.
    Rewrite(Vec<u8>),
}

/// The block with this line, without a line break at its end.
pub fn render(line: &str) -> String {
    format!("{BEGIN}\n{line}\n{END}")
}

/// Inserts the block with `line` into a file with this content.
pub fn insert(content: &[u8], line: &str) -> Insertion {
    if content.contains(&0) || content.starts_with(&[0xff, 0xfe]) || content.starts_with(&[0xfe, 0xff]) {
        return Insertion::NotText;
    }
    let blocks = find(content);
    if blocks.iter().any(|block| block.line(content) == line.as_bytes()) {
        return Insertion::Present;
    }
    if let Some(block) = blocks.first() {
        let mut rewritten = content[..block.line.0].to_vec();
        rewritten.extend(line.as_bytes());
        rewritten.extend(&content[block.line.1..]);
        return Insertion::Rewrite(rewritten);
    }
    let broken = content.is_empty() || content.ends_with(b"\n");
    Insertion::Append(
        if broken {
            format!("{BEGIN}\n{line}\n{END}\n")
        } else {
            format!("\n{BEGIN_WITH_BREAK}\n{line}\n{END}\n")
        }
        .into_bytes(),
    )
}

/// Removes the block with one of these lines from a file with this content.
pub fn remove(content: &[u8], lines: &[String]) -> Removal {
    let blocks = find(content);
    let is_ours = |block: &&Block| lines.iter().any(|line| block.line(content) == line.as_bytes());
    let Some(block) = blocks.iter().find(is_ours) else {
        return blocks.first().map_or(Removal::Absent, |block| {
            Removal::Foreign(String::from_utf8_lossy(block.line(content)).into_owned())
        });
    };
    let rest = &content[block.end..];
    // With lines after the block, the break before it is what keeps the user's two lines apart.
    let start = if rest.is_empty() {
        block.start_with_break
    } else {
        block.start
    };
    if rest.is_empty() {
        Removal::Truncate(start)
    } else {
        let mut rewritten = content[..start].to_vec();
        rewritten.extend(rest);
        Removal::Rewrite(rewritten)
    }
}

/// Returns true if a file is one block and nothing else.
pub fn is_all_of(content: &[u8]) -> bool {
    find(content)
        .first()
        .is_some_and(|block| block.start == 0 && block.end == content.len())
}

/// Where a block lies, in bytes from the file's start.
struct Block {
    start: usize,
    /// The same, or before the line break that came with the block.
    start_with_break: usize,
    line: (usize, usize),
    end: usize,
}

impl Block {
    fn line<'a>(&self, content: &'a [u8]) -> &'a [u8] {
        &content[self.line.0..self.line.1]
    }
}

/// Every complete block. An editor may have given all lines CRLF since.
fn find(content: &[u8]) -> Vec<Block> {
    // Start, end without the line break, end with it.
    let mut lines = Vec::new();
    let mut start = 0;
    for piece in content.split_inclusive(|byte| *byte == b'\n') {
        let text = piece.strip_suffix(b"\n").unwrap_or(piece);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        lines.push((start, start + text.len(), start + piece.len()));
        start += piece.len();
    }
    let text = |line: &(usize, usize, usize)| &content[line.0..line.1];
    let block = |window: &[(usize, usize, usize)]| {
        let [begin, line, end] = window else { return None };
        let with_break = text(begin) == BEGIN_WITH_BREAK.as_bytes();
        if !with_break && text(begin) != BEGIN.as_bytes() || text(end) != END.as_bytes() {
            return None;
        }
        let before = &content[..begin.0];
        let before = match (with_break, before.strip_suffix(b"\n")) {
            // Ours was LF: a CR before it is the user's, unless the marker has one too.
            (true, Some(cut)) if content[begin.1..begin.2].starts_with(b"\r") => {
                cut.strip_suffix(b"\r").unwrap_or(cut)
            }
            (true, Some(cut)) => cut,
            _ => before,
        };
        Some(Block {
            start: begin.0,
            start_with_break: before.len(),
            line: (line.0, line.1),
            end: end.2,
        })
    };
    lines.windows(3).filter_map(block).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = "if [ -f '/h/env' ]; then . '/h/env'; fi";

    fn put(content: &[u8], line: &str) -> Vec<u8> {
        match insert(content, line) {
            Insertion::Present => content.to_vec(),
            Insertion::Append(added) => [content, &added].concat(),
            Insertion::Rewrite(rewritten) => rewritten,
            Insertion::NotText => panic!("text"),
        }
    }

    fn take(content: &[u8], line: &str) -> Vec<u8> {
        match remove(content, &[line.to_owned()]) {
            Removal::Absent | Removal::Foreign(_) => content.to_vec(),
            Removal::Truncate(length) => content[..length].to_vec(),
            Removal::Rewrite(rewritten) => rewritten,
        }
    }

    #[test]
    fn every_file_is_as_it_was_after_the_block_is_gone() {
        let files: [&[u8]; 9] = [
            b"",
            b"\n",
            b"a",
            b"a\n",
            b"a\r\nb\r\n",
            b"a\r\nb",
            b"\xff\xe9 latin-1\n",
            b"a \\",
            b"a\r",
        ];
        for file in files {
            let with = put(file, LINE);
            assert!(with.starts_with(file));
            assert_eq!(put(&with, LINE), with, "twice is once");
            assert_eq!(take(&with, LINE), file);
        }
    }

    #[test]
    fn lines_added_after_the_block_are_not_joined_to_those_before() {
        let mut with = put(b"a", LINE);
        with.extend(b"b\n");
        assert_eq!(take(&with, LINE), b"a\nb\n");
    }

    #[test]
    fn a_block_that_lost_a_line_is_not_ours_to_cut() {
        let broken = format!("{BEGIN}\n{LINE}\nmine\n{END}\n");
        assert_eq!(remove(broken.as_bytes(), &[LINE.to_owned()]), Removal::Absent);
        let with = put(broken.as_bytes(), LINE);
        assert_eq!(take(&with, LINE), broken.as_bytes());
    }

    #[test]
    fn another_homes_block_is_replaced_by_init_and_left_by_uninstall() {
        let other = put(b"a\n", "other");
        assert_eq!(
            remove(&other, &[LINE.to_owned()]),
            Removal::Foreign("other".to_owned())
        );
        assert_eq!(take(&put(&other, LINE), LINE), b"a\n");
    }

    #[test]
    fn a_file_that_was_converted_to_crlf_is_understood() {
        let with = String::from_utf8(put(b"a\nb", LINE)).expect("text");
        let converted = with.replace('\n', "\r\n");
        assert_eq!(insert(converted.as_bytes(), LINE), Insertion::Present);
        assert_eq!(take(converted.as_bytes(), LINE), b"a\r\nb");
    }

    #[test]
    fn utf_16_is_left_alone() {
        assert_eq!(insert(b"\xff\xfea\0", LINE), Insertion::NotText);
        assert_eq!(insert(b"\0", LINE), Insertion::NotText);
    }

    proptest! {
        #[test]
        fn any_file_is_restored(file in proptest::collection::vec(1u8.., 0..200)) {
            prop_assume!(!matches!(insert(&file, LINE), Insertion::NotText));
            prop_assert_eq!(take(&put(&file, LINE), LINE), file);
        }

        #[test]
        fn any_lines_around_the_block_stay(before in "([a-z \r]{0,5}\n){0,4}[a-z]{0,3}", after in "([a-z \r]{0,5}\n){0,4}") {
            let mut with = put(before.as_bytes(), LINE);
            with.extend(after.as_bytes());
            let left = take(&with, LINE);
            let break_between = if after.is_empty() || before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
            prop_assert_eq!(left, format!("{before}{break_between}{after}").into_bytes());
        }
    }
}
