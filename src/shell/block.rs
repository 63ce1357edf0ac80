//! The one marked block that ampup has in a user's file.
//!
//! Exactly three lines: the marker, one line, the marker. What is not exactly that is not ours and is never cut, and no
//! line of the user is changed, moved or joined with another. Several homes may each have one in the same file, by whose line
//! it is known whose it is. Works on bytes: the rest of the file may be anything.

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
    /// The block is there with an older line, twice, or with line ends that a shell does not read; the file becomes this.
    Rewrite(Vec<u8>),
    /// The file is not text that a line can be added to (UTF-16, or binary).
    NotText,
}

/// The result of removing the block from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// There is no block.
    Absent,
    /// Every block has another line: another home's, or edited. They stay.
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

/// Inserts the block with `line` into a file with this content, in the place of this home's older one. `is_ours` says of which
/// other lines the block is this home's.
pub fn insert(content: &[u8], line: &str, is_ours: &dyn Fn(&str) -> bool) -> Insertion {
    if content.contains(&0) || content.starts_with(&[0xff, 0xfe]) || content.starts_with(&[0xfe, 0xff]) {
        return Insertion::NotText;
    }
    let ours = of(content, &|found| found == line || is_ours(found));
    if let [block] = &ours[..]
        && block.line(content) == line.as_bytes()
        && !content[block.start..block.end].contains(&b'\r')
    {
        return Insertion::Present;
    }
    if let Some((first, others)) = ours.split_first() {
        let mut rewritten = without(content, others);
        let rest = rewritten.split_off(first.end.min(rewritten.len()));
        // A file that was converted since has a line break before the block all the same.
        let is_converted = rewritten[first.start..].contains(&b'\r');
        let begin = match first.has_break() && !is_converted {
            true => BEGIN_WITH_BREAK,
            false => BEGIN,
        };
        rewritten.truncate(first.start);
        rewritten.extend(format!("{begin}\n{line}\n{END}\n").as_bytes());
        rewritten.extend(rest);
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

/// Removes every block of this home's, by its line, from a file with this content.
pub fn remove(content: &[u8], is_ours: &dyn Fn(&str) -> bool) -> Removal {
    let ours = of(content, is_ours);
    if ours.is_empty() {
        return find(content).first().map_or(Removal::Absent, |block| {
            Removal::Foreign(String::from_utf8_lossy(block.line(content)).into_owned())
        });
    }
    let left = without(content, &ours);
    if content.starts_with(&left) {
        Removal::Truncate(left.len())
    } else {
        Removal::Rewrite(left)
    }
}

/// Returns true if a file is blocks and nothing else.
pub fn is_all_of(content: &[u8]) -> bool {
    let blocks = find(content);
    let end = blocks
        .iter()
        .try_fold(0, |end, block| (block.start == end).then_some(block.end));
    !blocks.is_empty() && end == Some(content.len())
}

/// The blocks whose line is one of those.
fn of(content: &[u8], is_one: &dyn Fn(&str) -> bool) -> Vec<Block> {
    let mut blocks = find(content);
    blocks.retain(|block| str::from_utf8(block.line(content)).is_ok_and(is_one));
    blocks
}

/// The content without these blocks.
fn without(content: &[u8], blocks: &[Block]) -> Vec<u8> {
    let mut left = content.to_vec();
    for block in blocks.iter().rev() {
        let rest = left.split_off(block.end.min(left.len()));
        // With lines after the block, the break before it is what keeps the user's two lines apart.
        left.truncate(if rest.is_empty() {
            block.start_with_break
        } else {
            block.start
        });
        // Another home's block that follows has it from now on.
        match rest.strip_prefix(format!("{BEGIN}\n").as_bytes()) {
            Some(rest) if block.has_break() => {
                left.extend(format!("{BEGIN_WITH_BREAK}\n").as_bytes());
                left.extend(rest);
            }
            _ => left.extend(&rest),
        }
    }
    left
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

    fn has_break(&self) -> bool {
        self.start_with_break != self.start
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
    use crate::table::every;

    const LINE: &str = "if [ -f '/h/env' ]; then . '/h/env'; fi";

    fn put(content: &[u8], line: &str) -> Vec<u8> {
        match insert(content, line, &|_| false) {
            Insertion::Present => content.to_vec(),
            Insertion::Append(added) => [content, &added].concat(),
            Insertion::Rewrite(rewritten) => rewritten,
            Insertion::NotText => panic!("text"),
        }
    }

    fn take(content: &[u8], line: &str) -> Vec<u8> {
        match remove(content, &|found| found == line) {
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
        assert_eq!(remove(broken.as_bytes(), &|line| line == LINE), Removal::Absent);
        let with = put(broken.as_bytes(), LINE);
        assert_eq!(take(&with, LINE), broken.as_bytes());
    }

    #[test]
    fn another_homes_block_stays() {
        every([&b"a\n"[..], b"a", b""], |file| {
            let other = put(file, "other");
            assert_eq!(
                remove(&other, &|line| line == LINE),
                Removal::Foreign("other".to_owned())
            );
            let both = put(&other, LINE);
            assert!(both.starts_with(&other) && both.len() > other.len());
            assert_eq!(take(&both, LINE), other);
            assert_eq!(take(&take(&both, "other"), LINE), file);
            assert!(is_all_of(&both) == file.is_empty() && !is_all_of(file));
        });
    }

    #[test]
    fn an_older_block_and_a_second_one_become_one() {
        let older = put(b"a", "older");
        let Insertion::Rewrite(rewritten) = insert(&older, LINE, &|line| line == "older") else {
            panic!("an older one");
        };
        assert_eq!(rewritten, put(b"a", LINE));
        let once = put(b"a", LINE);
        let block = &once[2..];
        for tail in [&b""[..], b"b\n"] {
            let twice = [&once, block, tail].concat();
            let left = if tail.is_empty() { &b"a"[..] } else { b"a\nb\n" };
            assert_eq!(take(&twice, LINE), left);
            assert_eq!(put(&twice, LINE), [&once, tail].concat());
        }
    }

    #[test]
    fn a_file_that_was_converted_to_crlf_is_understood() {
        let with = String::from_utf8(put(b"a\nb", LINE)).expect("text");
        let converted = with.replace('\n', "\r\n");
        assert_eq!(take(converted.as_bytes(), LINE), b"a\r\nb");
        // A shell would read `fi\r`.
        let rewritten = put(converted.as_bytes(), LINE);
        assert_eq!(rewritten, format!("a\r\nb\r\n{}\n", render(LINE)).as_bytes());
        assert_eq!(take(&rewritten, LINE), b"a\r\nb\r\n");
    }

    #[test]
    fn utf_16_is_left_alone() {
        every([&b"\xff\xfea\0"[..], b"\0"], |file| {
            assert_eq!(insert(file, LINE, &|_| false), Insertion::NotText);
        });
    }

    proptest! {
        #[test]
        fn any_file_is_restored(file in proptest::collection::vec(1u8.., 0..200)) {
            prop_assume!(!matches!(insert(&file, LINE, &|_| false), Insertion::NotText));
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
