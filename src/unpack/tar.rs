//! The framing of tar (POSIX.1-2017, pax; GNU's long names): which bytes are an entry's header, name and content.
//!
//! The crate `tar` names the fields of a header. Its own reader is not used: it skips malformed pax records, takes a
//! pax size over the header's, stops at the end marker and trusts what follows.

use std::io::{self, Read};

use super::{
    fault::{Failure, Fault},
    limits,
    pipe::Content,
    rules::{Claim, ClaimedKind},
    tree::read_some,
};

const BLOCK: usize = 512;

/// The callback for each entry and its content.
pub(super) type Visit<'v> = dyn FnMut(&Claim<'_>, &mut Content<'_>) -> Result<(), Failure> + 'v;

/// Reads a tar to the very end of its stream.
pub(super) fn read(stream: &mut Content<'_>, visit: &mut Visit<'_>) -> Result<(), Failure> {
    let mut extensions = Extensions::default();
    while let Some(block) = next_header(stream)? {
        let header = Header::parse(&block)?;
        if extensions.take(&header, stream)? {
            continue;
        }
        let extensions = std::mem::take(&mut extensions);
        let name = extensions.name(&header)?;
        let link = extensions.link(&header)?;
        let fault = |fault: Fault| fault.of(&name);
        if extensions.size.is_some_and(|size| size != header.size) {
            return Err(fault(Fault::Tar("its header and its pax record state two sizes")));
        }
        let kind = match header.kind {
            // The oldest tar had no kind for them (Unix V7; `tar(5)` of FreeBSD, "Old-Style Archive Format").
            0 if header.is_oldest && name.ends_with(b"/") => ClaimedKind::Directory,
            b'0' | 0 => ClaimedKind::File { mode: header.mode },
            b'1' => ClaimedKind::HardLink { target: &link },
            b'2' => ClaimedKind::Symlink { target: &link },
            b'5' => ClaimedKind::Directory,
            other => ClaimedKind::Other(kind_name(other)),
        };
        if !matches!(kind, ClaimedKind::File { .. } | ClaimedKind::Other(_)) && header.size != 0 {
            return Err(fault(Fault::Tar("only a file has content")));
        }
        let claim = Claim {
            name: &name,
            kind,
            size: header.size,
            overhead: extensions.bytes,
        };
        let mut content = (&mut *stream).take(header.size);
        visit(&claim, &mut content)?;
        io::copy(&mut content, &mut io::sink()).map_err(Failure::reading)?;
        if content.limit() != 0 {
            return Err(fault(Fault::Truncated));
        }
        skip_padding(stream, header.size)?;
    }
    if extensions.bytes != 0 {
        return Err(Fault::Tar("an extension header belongs to no entry").into());
    }
    // The end is two blocks of zeros; the first was the one that is no header.
    let mut block = [0; BLOCK];
    stream.read_exact(&mut block).map_err(Failure::reading)?;
    if block != [0; BLOCK] {
        return Err(Fault::TrailingData("the tar").into());
    }
    ensure_only_zeros(stream)
}

/// Reads to the end of the stream, where there must be nothing but zeros.
fn ensure_only_zeros(stream: &mut Content<'_>) -> Result<(), Failure> {
    let mut buffer = [0; 16 * 1024];
    let mut seen = 0;
    loop {
        let count = read_some(stream, &mut buffer).map_err(Failure::reading)?;
        if count == 0 {
            return Ok(());
        }
        seen += count as u64;
        if seen > limits::PADDING || buffer[..count].iter().any(|&byte| byte != 0) {
            return Err(Fault::TrailingData("the tar").into());
        }
    }
}

/// The next block, unless it is the zeros that mark the end.
fn next_header(stream: &mut Content<'_>) -> Result<Option<[u8; BLOCK]>, Failure> {
    let mut block = [0; BLOCK];
    stream.read_exact(&mut block).map_err(Failure::reading)?;
    Ok((block != [0; BLOCK]).then_some(block))
}

/// Content fills whole blocks.
fn skip_padding(stream: &mut Content<'_>, size: u64) -> Result<(), Failure> {
    let mut padding = [0; BLOCK];
    let used = (size % BLOCK as u64) as usize;
    if used != 0 {
        stream
            .read_exact(&mut padding[used..])
            .map_err(Failure::reading)?;
    }
    Ok(())
}

/// The fields of a header that we read.
#[derive(Debug)]
struct Header {
    name: Vec<u8>,
    link: Vec<u8>,
    mode: u32,
    size: u64,
    kind: u8,
    /// It has no magic: it is as Unix V7 wrote it.
    is_oldest: bool,
}

impl Header {
    fn parse(block: &[u8; BLOCK]) -> Result<Self, Fault> {
        let header = tar::Header::from_byte_slice(block);
        let fields = header.as_old();
        let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        // The sum counts its own field as spaces.
        let actual = sum(block) - sum(&fields.cksum) + 8 * u64::from(b' ');
        if octal(&fields.cksum)? != actual {
            return Err(Fault::Tar("the checksum of a header is wrong"));
        }
        let mut name = text(&fields.name).to_vec();
        let mut is_oldest = false;
        if let Some(ustar) = header.as_ustar() {
            let prefix = text(&ustar.prefix);
            if !prefix.is_empty() {
                name = [prefix, &name].join(&b'/');
            }
        } else if header.as_gnu().is_none() {
            is_oldest = block[257..265] == [0; 8];
            if !is_oldest {
                return Err(Fault::Tar("a header is neither ustar's nor GNU's nor the oldest"));
            }
        }
        Ok(Self {
            name,
            link: text(&fields.linkname).to_vec(),
            mode: u32::try_from(number(&fields.mode)?).map_err(|_| Fault::Tar("a mode is too large"))?,
            size: number(&fields.size)?,
            kind: fields.linkflag[0],
            is_oldest,
        })
    }
}

/// Up to the first NUL, or all of it.
fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// A number in octal, or in GNU's binary form.
fn number(field: &[u8]) -> Result<u64, Fault> {
    match field {
        [0x80, rest @ ..] => {
            let (high, low) = rest.split_at(rest.len().saturating_sub(8));
            if high.iter().any(|&byte| byte != 0) {
                return Err(Fault::Tar("a number is too large"));
            }
            Ok(low.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
        }
        _ => octal(field),
    }
}

/// Spaces, octal digits, then NULs and spaces. An empty field is 0, as some writers leave it.
fn octal(field: &[u8]) -> Result<u64, Fault> {
    let field = field.trim_ascii_start();
    let digits = field
        .iter()
        .take_while(|byte| matches!(byte, b'0'..=b'7'))
        .count();
    let (digits, rest) = field.split_at(digits);
    if rest.iter().any(|byte| !matches!(byte, 0 | b' ')) {
        return Err(Fault::Tar("a number is not octal"));
    }
    // At most twelve digits, which is 36 bits.
    Ok(digits
        .iter()
        .fold(0, |value, &digit| value << 3 | u64::from(digit - b'0')))
}

/// The properties of an entry that the headers before it state.
#[derive(Debug, Default)]
struct Extensions {
    has_pax: bool,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    gnu_name: Option<Vec<u8>>,
    gnu_link: Option<Vec<u8>>,
    bytes: u64,
}

impl Extensions {
    /// Takes what an extension header holds; false when it is an entry's own header.
    fn take(&mut self, header: &Header, stream: &mut Content<'_>) -> Result<bool, Failure> {
        if !matches!(header.kind, b'x' | b'g' | b'L' | b'K') {
            return Ok(false);
        }
        self.bytes = self
            .bytes
            .saturating_add(header.size)
            .saturating_add(BLOCK as u64);
        if header.size > limits::EXTENSION || self.bytes > limits::EXTENSIONS {
            return Err(
                Fault::Tar("an extension header has at most 1 MiB, and 4 MiB come before an entry").into(),
            );
        }
        let mut content = Vec::new();
        stream
            .take(header.size)
            .read_to_end(&mut content)
            .map_err(Failure::reading)?;
        if content.len() as u64 != header.size {
            return Err(Fault::Truncated.into());
        }
        skip_padding(stream, header.size)?;
        match header.kind {
            b'L' => once(&mut self.gnu_name, long_name(&content)?)?,
            b'K' => once(&mut self.gnu_link, long_name(&content)?)?,
            b'x' if std::mem::replace(&mut self.has_pax, true) => {
                return Err(Fault::Tar("an entry has two pax headers").into());
            }
            b'x' => self.take_pax(&content)?,
            _ => ensure_no_paths(&content)?,
        }
        Ok(true)
    }

    fn take_pax(&mut self, content: &[u8]) -> Result<(), Fault> {
        for record in PaxRecords(content) {
            let (key, value) = record?;
            match key {
                b"path" => once(&mut self.path, value.to_vec())?,
                b"linkpath" => once(&mut self.link, value.to_vec())?,
                b"size" => once(&mut self.size, decimal(value)?)?,
                _ if is_sparse(key) => return Err(Fault::Kind("a sparse file")),
                _ => {}
            }
        }
        Ok(())
    }

    fn name(&self, header: &Header) -> Result<Vec<u8>, Fault> {
        one_of(&self.path, &self.gnu_name, &header.name)
    }

    fn link(&self, header: &Header) -> Result<Vec<u8>, Fault> {
        one_of(&self.link, &self.gnu_link, &header.link)
    }
}

fn one_of(pax: &Option<Vec<u8>>, gnu: &Option<Vec<u8>>, header: &[u8]) -> Result<Vec<u8>, Fault> {
    match (pax, gnu) {
        (Some(_), Some(_)) => Err(Fault::Tar("an entry has a pax name and a GNU name")),
        (Some(name), None) | (None, Some(name)) => Ok(name.clone()),
        (None, None) => Ok(header.to_vec()),
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Fault> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Fault::Tar("an extension says one thing twice")),
    }
}

/// A long name ends with a NUL, and nothing hides behind it.
fn long_name(content: &[u8]) -> Result<Vec<u8>, Fault> {
    let name = text(content);
    if content[name.len()..].iter().any(|&byte| byte != 0) {
        return Err(Fault::Tar("something follows a long name"));
    }
    Ok(name.to_vec())
}

/// A global header may say what it likes, but not what all entries are called.
fn ensure_no_paths(content: &[u8]) -> Result<(), Fault> {
    for record in PaxRecords(content) {
        let (key, _) = record?;
        if matches!(key, b"path" | b"linkpath" | b"size") || is_sparse(key) {
            return Err(Fault::Tar(
                "a global pax header gives one name or size to all entries",
            ));
        }
    }
    Ok(())
}

fn is_sparse(key: &[u8]) -> bool {
    key.starts_with(b"GNU.sparse.") || key == b"SCHILY.realsize"
}

/// The records of a pax header: `<length> <key>=<value>\n`, the length that of the whole record.
struct PaxRecords<'a>(&'a [u8]);

impl<'a> Iterator for PaxRecords<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let record = pax_record(self.0);
        self.0 = record.map_or(&[], |(_, _, rest)| rest);
        Some(
            record
                .map(|(key, value, _)| (key, value))
                .ok_or(Fault::Tar("a pax record is malformed")),
        )
    }
}

fn pax_record(content: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = content.iter().take(8).position(|&byte| byte == b' ')?;
    let length = usize::try_from(decimal(&content[..space]).ok()?).ok()?;
    let (record, rest) = content.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    let (key, value) = (&record[..equals], &record[equals + 1..]);
    (!key.is_empty()).then_some((key, value, rest))
}

fn decimal(text: &[u8]) -> Result<u64, Fault> {
    let malformed = Fault::Tar("a pax record is malformed");
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(malformed);
    }
    let text = str::from_utf8(text).expect("digits are ASCII");
    text.parse().map_err(|_| malformed)
}

fn kind_name(kind: u8) -> &'static str {
    match kind {
        b'3' => "a character device",
        b'4' => "a block device",
        b'6' => "a fifo",
        b'7' => "a contiguous file",
        b'S' => "a sparse file",
        b'M' => "the rest of a file of another volume",
        b'V' => "the name of a volume",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn numbers_are_octal_or_binary_and_nothing_else() {
        let rows = [
            (&b"0000644\0"[..], 0o644),
            (b"   644 \0", 0o644),
            (b"644     ", 0o644),
            (b"77777777777\0", 0o77_777_777_777),
            (b"777777777777", 0o777_777_777_777),
            (b"\0\0\0\0\0\0\0\0", 0),
            (b"\x80\0\0\0\0\0\0\x02\0\0\0\x01", 0x2_0000_0001),
        ];
        every(rows, |(field, value)| {
            assert_eq!(number(field), Ok(value), "{field:?}");
        });
        let rows = [
            &b"8\0"[..],
            b"-1\0",
            b"1 2",
            b"0x1",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x80\x01\0\0\0\0\0\0\0\0\0\0",
        ];
        every(rows, |bad| {
            assert!(number(bad).is_err(), "{bad:?}");
        });
    }

    #[test]
    fn pax_records_are_exact() {
        let all = |content: &'static [u8]| PaxRecords(content).collect::<Result<Vec<_>, _>>();
        assert_eq!(
            all(b"12 path=a/b\n11 size=12\n5 a=\n"),
            Ok(vec![(&b"path"[..], &b"a/b"[..]), (b"size", b"12"), (b"a", b"")])
        );
        assert_eq!(all(b"10 a=b\nc=\n"), Ok(vec![(&b"a"[..], &b"b\nc="[..])]));
        let rows = [
            &b"11 path=a/b\n"[..],
            b"13 path=a/b\n",
            b"12 path=a/b",
            b"12path=a/b\n\n",
            b"+12 path=a/b\n",
            b" 12 path=a/b\n",
            b"8 =a/b\n\n",
            b"5 abc\n",
            b"3 \n",
            b"0 \n",
            b"99999999999999999999 a=b\n",
            b"6 a=b\n\0",
        ];
        every(rows, |bad| {
            assert!(all(bad).is_err(), "{bad:?}");
        });
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = PaxRecords(&bytes).collect::<Result<Vec<_>, _>>();
            let _ = octal(&bytes[..bytes.len().min(12)]);
            let _ = read(&mut bytes.as_slice(), &mut |_, _| Ok(()));
        }
    }
}
