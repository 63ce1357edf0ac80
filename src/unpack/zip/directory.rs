//! The directory at the end of a zip.

use std::{
    fs::File,
    io::{BufReader, Read, Seek as _, SeekFrom},
};

use super::super::{
    BUFFER,
    fault::{Failure, Fault},
    limits,
    rules::ClaimedKind,
};

const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
const END64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR64: [u8; 4] = *b"PK\x06\x07";

const CENTRAL_LENGTH: usize = 46;
const END_LENGTH: usize = 22;
const END64_LENGTH: usize = 56;
const LOCATOR64_LENGTH: usize = 20;

/// A size or an offset of 32 bits with this value stands in the zip64 field instead.
const IN_ZIP64: u32 = u32::MAX;

/// The attribute that DOS gives to directories.
const DOS_DIRECTORY: u32 = 0x10;

/// The central directory.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) members: Vec<Member>,
    /// Where it begins; all entries lie before.
    pub(super) start: u64,
}

/// An entry of the central directory.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: Vec<u8>,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) compressed: u64,
    pub(super) size: u64,
    /// Where its own header begins.
    pub(super) start: u64,
    /// Its type and mode; nothing where it was not made by a Unix.
    unix: Option<u32>,
    /// DOS calls it a directory.
    is_dos_directory: bool,
}

/// Bytes that hold numbers, least significant byte first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    fn at<const N: usize>(self, offset: usize) -> [u8; N] {
        self.0[offset..offset + N]
            .try_into()
            .expect("the slice is as long as the array")
    }

    pub(super) fn signature(self, offset: usize) -> [u8; 4] {
        self.at(offset)
    }

    pub(super) fn u16(self, offset: usize) -> u16 {
        u16::from_le_bytes(self.at(offset))
    }

    pub(super) fn u32(self, offset: usize) -> u32 {
        u32::from_le_bytes(self.at(offset))
    }

    pub(super) fn u64(self, offset: usize) -> u64 {
        u64::from_le_bytes(self.at(offset))
    }
}

impl Directory {
    /// Reads the directory of a zip of this many bytes. It and its end fill the file's end without a gap.
    pub(super) fn read(file: &File, size: u64) -> Result<Self, Failure> {
        let end = End::read(file, size)?;
        if end.count > limits::ENTRIES as u64 {
            return Err(Fault::TooManyEntries.into());
        }
        let mut file = file;
        file.seek(SeekFrom::Start(end.start)).map_err(Failure::Read)?;
        let mut stream = BufReader::with_capacity(BUFFER, file).take(end.length);
        let members = (0..end.count)
            .map(|_| Member::read(&mut stream))
            .collect::<Result<_, _>>()?;
        if stream.limit() != 0 {
            return Err(Fault::Zip("the directory is longer than its entries").into());
        }
        Ok(Self {
            members,
            start: end.start,
        })
    }
}

/// Where the directory is.
#[derive(Debug, PartialEq, Eq)]
struct End {
    count: u64,
    start: u64,
    length: u64,
}

impl End {
    fn read(mut file: &File, size: u64) -> Result<Self, Failure> {
        // The longest comment, the end, and zip64's before it.
        let most = (END64_LENGTH + LOCATOR64_LENGTH + END_LENGTH) as u64 + u64::from(u16::MAX);
        let tail_start = size.saturating_sub(most);
        file.seek(SeekFrom::Start(tail_start)).map_err(Failure::Read)?;
        let mut tail = Vec::new();
        file.take(most).read_to_end(&mut tail).map_err(Failure::reading)?;
        Ok(Self::parse(&tail, tail_start)?)
    }

    fn parse(tail: &[u8], tail_start: u64) -> Result<Self, Fault> {
        // The last signature counts: one more in the comment would be another zip to another reader.
        let at = tail
            .windows(4)
            .rposition(|window| window == END)
            .filter(|at| tail.len() - at >= END_LENGTH)
            .ok_or(Fault::Zip("its end is missing"))?;
        let end = Fields(&tail[at..]);
        if tail.len() - at - END_LENGTH != usize::from(end.u16(20)) {
            return Err(Fault::TrailingData("the zip"));
        }
        let before = &tail[..at];
        let (count, length, start) = (end.u16(10), end.u32(12), end.u32(16));
        let mut found = Self {
            count: u64::from(count),
            start: u64::from(start),
            length: u64::from(length),
        };
        let mut disks = [end.u16(4), end.u16(6)] != [0, 0] || end.u16(8) != count;
        let mut ends_at = tail_start + at as u64;
        if let Some((wide, wide_start)) = Self::find_zip64(before, tail_start)? {
            found = Self {
                count: wide.u64(32),
                length: wide.u64(40),
                start: wide.u64(48),
            };
            let same = |narrow: u64, full: u64, wide: u64| narrow == full || narrow == wide;
            if !same(u64::from(count), u64::from(u16::MAX), found.count)
                || !same(u64::from(length), u64::from(u32::MAX), found.length)
                || !same(u64::from(start), u64::from(u32::MAX), found.start)
            {
                return Err(Fault::Zip("its two ends disagree"));
            }
            disks = wide.u32(16) != 0 || wide.u32(20) != 0 || wide.u64(24) != found.count;
            ends_at = wide_start;
        }
        if disks {
            return Err(Fault::Zip("it has several volumes"));
        }
        if found.start.checked_add(found.length) != Some(ends_at) {
            return Err(Fault::Zip("the directory does not lie right before its end"));
        }
        Ok(found)
    }

    /// The end of zip64 and where it begins, where there is one.
    fn find_zip64(before: &[u8], tail_start: u64) -> Result<Option<(Fields<'_>, u64)>, Fault> {
        let Some(locator) = before.len().checked_sub(LOCATOR64_LENGTH) else {
            return Ok(None);
        };
        let fields = Fields(&before[locator..]);
        if fields.signature(0) != LOCATOR64 {
            return Ok(None);
        }
        let wrong = Fault::Zip("its zip64 end is malformed");
        let at = locator.checked_sub(END64_LENGTH).ok_or(wrong.clone())?;
        let end = Fields(&before[at..locator]);
        let start = tail_start + at as u64;
        // Its own length does not count the twelve bytes up to the length itself.
        let right = end.signature(0) == END64
            && end.u64(4) == END64_LENGTH as u64 - 12
            && fields.u32(4) == 0
            && fields.u64(8) == start
            && fields.u32(16) <= 1;
        if right { Ok(Some((end, start))) } else { Err(wrong) }
    }
}

impl Member {
    fn read(stream: &mut dyn Read) -> Result<Self, Failure> {
        let mut header = [0; CENTRAL_LENGTH];
        stream.read_exact(&mut header).map_err(Failure::reading)?;
        let header = Fields(&header);
        if header.signature(0) != CENTRAL {
            return Err(Fault::Zip("the directory is malformed").into());
        }
        let mut name = vec![0; usize::from(header.u16(28))];
        let mut extra = vec![0; usize::from(header.u16(30))];
        let mut comment = vec![0; usize::from(header.u16(32))];
        for part in [&mut name, &mut extra, &mut comment] {
            stream.read_exact(part).map_err(Failure::reading)?;
        }
        // Longer than every name that may be; the directory is held in memory.
        if name.len() > limits::PATH + 3 {
            return Err(Fault::TooLong.of(&name));
        }
        let fault = |fault: Fault| fault.of(&name);
        ensure_unicode_path_agrees(&extra, &name).map_err(fault)?;
        let narrow = [header.u32(24), header.u32(20), header.u32(42)];
        let [size, compressed, start] = zip64_sizes(&extra, narrow).map_err(fault)?;
        if header.u16(34) != 0 {
            return Err(fault(Fault::Zip("it has several volumes")));
        }
        // The system that made it, by APPNOTE 4.4.2: Unix, or macOS.
        let is_unix = matches!(header.u16(4) >> 8, 3 | 19);
        Ok(Self {
            flags: header.u16(8),
            method: header.u16(10),
            crc: header.u32(16),
            compressed,
            size,
            start,
            unix: is_unix.then_some(header.u32(38) >> 16),
            is_dos_directory: header.u32(38) & DOS_DIRECTORY != 0,
            name,
        })
    }

    /// Returns the kind that is claimed; a symlink's target is its content. Some readers tell a directory by the slash
    /// alone, others by the mode or by the attribute, so there is none without the slash.
    pub(super) fn kind(&self) -> Result<ClaimedKind<'static>, Fault> {
        let mode = self.unix.unwrap_or_default();
        let has_slash = self.name.ends_with(b"/");
        let is_directory = mode & 0o170_000 == 0o040_000 || self.is_dos_directory;
        if is_directory && !has_slash {
            return Err(Fault::Zip("the name of a directory ends with a slash"));
        }
        Ok(match mode & 0o170_000 {
            0o040_000 => ClaimedKind::Directory,
            0 if has_slash => ClaimedKind::Directory,
            0 | 0o100_000 => ClaimedKind::File { mode },
            0o120_000 => ClaimedKind::Symlink { target: b"" },
            0o020_000 => ClaimedKind::Other("a character device"),
            0o060_000 => ClaimedKind::Other("a block device"),
            0o010_000 => ClaimedKind::Other("a fifo"),
            0o140_000 => ClaimedKind::Other("a socket"),
            _ => ClaimedKind::Other("something else"),
        })
    }
}

/// The size, the packed size and the offset of an entry: as its header says, or as zip64's extra field does.
pub(super) fn zip64_sizes(extra: &[u8], narrow: [u32; 3]) -> Result<[u64; 3], Fault> {
    let mut sizes = narrow.map(u64::from);
    let Some(field) = extra_field(extra, 0x0001)? else {
        return Ok(sizes);
    };
    let mut rest = field;
    for (size, narrow) in sizes.iter_mut().zip(narrow) {
        // The field holds only what does not fit the header, in this order.
        if narrow == IN_ZIP64 {
            let (number, after) = rest
                .split_at_checked(8)
                .ok_or(Fault::Zip("the entry's zip64 field is too short"))?;
            *size = Fields(number).u64(0);
            rest = after;
        }
    }
    // Some writers state all numbers there, and readers differ in which of the two they believe.
    let all = [&sizes.map(u64::to_le_bytes).concat()[..], &[0; 4]].concat();
    let repeats = matches!(field.len(), 8 | 16 | 24 | 28) && all.starts_with(field);
    if rest.is_empty() || repeats {
        Ok(sizes)
    } else {
        Err(Fault::Zip("the entry's header and its zip64 field disagree"))
    }
}

/// Info-ZIP repeats a name in UTF-8 (field 0x7075), and readers prefer it: it must be the same name.
pub(super) fn ensure_unicode_path_agrees(extra: &[u8], name: &[u8]) -> Result<(), Fault> {
    match extra_field(extra, 0x7075)? {
        // A version and a checksum come before the name.
        Some(field) if field.get(5..) != Some(name) => Err(Fault::Zip("the entry has two names")),
        _ => Ok(()),
    }
}

/// The extra field of this number. Padding after the last is zeros, as zipalign writes them.
fn extra_field(mut extra: &[u8], number: u16) -> Result<Option<&[u8]>, Fault> {
    let malformed = Fault::Zip("the entry's extra fields are malformed");
    let mut found = None;
    while extra.iter().any(|&byte| byte != 0) {
        let (head, rest) = extra.split_at_checked(4).ok_or(malformed.clone())?;
        let (field, rest) = rest
            .split_at_checked(usize::from(Fields(head).u16(2)))
            .ok_or(malformed.clone())?;
        if Fields(head).u16(0) == number && found.replace(field).is_some() {
            return Err(malformed);
        }
        extra = rest;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, at: u32) {
            let _ = End::parse(&bytes, u64::from(at));
            let _ = zip64_sizes(&bytes, [IN_ZIP64; 3]);
            let _ = ensure_unicode_path_agrees(&bytes, b"a");
            let _ = Member::read(&mut bytes.as_slice());
        }
    }

    #[test]
    fn zip64_sizes_stand_where_the_header_has_no_room() {
        let mut extra = vec![1, 0, 16, 0];
        extra.extend(5_u64.to_le_bytes());
        extra.extend(6_u64.to_le_bytes());
        assert_eq!(zip64_sizes(&extra, [IN_ZIP64, IN_ZIP64, 9]), Ok([5, 6, 9]));
        assert_eq!(zip64_sizes(&extra, [5, 6, 9]), Ok([5, 6, 9]));
        assert_eq!(zip64_sizes(&extra, [IN_ZIP64, 6, 9]), Ok([5, 6, 9]));
        assert!(zip64_sizes(&extra, [7, 8, 9]).is_err());
        assert!(zip64_sizes(&extra, [IN_ZIP64, 8, 9]).is_err());
        assert!(zip64_sizes(&extra, [IN_ZIP64; 3]).is_err());
        assert_eq!(
            zip64_sizes(&[], [7, IN_ZIP64, 9]),
            Ok([7, u64::from(u32::MAX), 9])
        );
    }
}
