//! The framing of zip (APPNOTE 6.3.10): which bytes are an entry's header, name and content.
//!
//! A zip says everything twice, at each entry and in its directory at the end, and readers differ in what they believe.
//! Here both must agree, and together they must account for every byte of the file: what one reader overlooks and
//! another finds has no place to be. The crate `zip` is not used, because it keeps one entry of a name, looks for
//! the directory in several places and does not read the headers of the entries.

mod content;
mod directory;

use std::{
    fs::File,
    io::{BufReader, Read, Seek as _},
};

use self::{
    content::Content,
    directory::{Directory, Fields, Member, zip64_sizes},
};
use super::{
    BUFFER,
    fault::{Failure, Fault},
    limits,
    rules::{Claim, ClaimedKind},
    tar::Visit,
};

const LOCAL: [u8; 4] = *b"PK\x03\x04";
const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";

/// The checksum and the sizes of an entry are not in its header but behind its content.
const STREAMED: u16 = 1 << 3;
/// The flags that are allowed: the effort of deflate (which decoding need not know), `STREAMED`, and that names are UTF-8.
const KNOWN_FLAGS: u16 = 0b110 | STREAMED | 1 << 11;
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;

/// Reads a zip of this many bytes, whole.
pub(super) fn read(file: &File, size: u64, visit: &mut Visit<'_>) -> Result<(), Failure> {
    let Directory { mut members, start } = Directory::read(file, size)?;
    members.sort_by_key(|member| member.start);
    let mut file = file;
    file.rewind().map_err(Failure::Read)?;
    let mut stream = BufReader::with_capacity(BUFFER, file);
    let mut here = 0;
    for (index, member) in members.iter().enumerate() {
        let next = members.get(index + 1).map_or(start, |next| next.start);
        let fault = |fault: Fault| fault.of(&member.name);
        ensure_known_flags(member).map_err(fault)?;
        if member.start != here {
            return Err(fault(gap(member.start, here)));
        }
        let header = read_local(&mut stream, member)?;
        let content = here.saturating_add(header).saturating_add(member.compressed);
        // Content, and what follows it, ends where the next entry begins; a descriptor has one of four lengths.
        let after = next
            .checked_sub(content)
            .ok_or_else(|| fault(Fault::Zip("its content reaches into what follows")))?;
        read_content(&mut stream, member, visit)?;
        match (member.flags & STREAMED != 0, after) {
            (false, 0) => {}
            (true, 12 | 16 | 20 | 24) => read_descriptor(&mut stream, after as usize, member)?,
            _ => return Err(fault(Fault::Zip("something hides between two entries"))),
        }
        here = next;
    }
    if here != start {
        return Err(gap(start, here).into());
    }
    Ok(())
}

fn gap(begins: u64, expected: u64) -> Fault {
    if begins < expected {
        Fault::Zip("two entries overlap")
    } else {
        Fault::Zip("something hides that is not an entry of the directory")
    }
}

fn ensure_known_flags(member: &Member) -> Result<(), Fault> {
    if member.flags & ENCRYPTED != 0 {
        return Err(Fault::Zip("the entry is encrypted"));
    }
    if member.flags & !KNOWN_FLAGS != 0 {
        return Err(Fault::Zip("the entry has flags of no meaning"));
    }
    Ok(())
}

/// Reads an entry's own header, which must say what the directory says. Gives its length.
fn read_local(stream: &mut dyn Read, member: &Member) -> Result<u64, Failure> {
    let fault = |fault: Fault| fault.of(&member.name);
    let mut header = [0; 30];
    stream.read_exact(&mut header).map_err(Failure::reading)?;
    let header = Fields(&header);
    if header.signature(0) != LOCAL {
        return Err(fault(Fault::Zip("the directory points to what is not an entry")));
    }
    let mut name = vec![0; usize::from(header.u16(26))];
    let mut extra = vec![0; usize::from(header.u16(28))];
    stream.read_exact(&mut name).map_err(Failure::reading)?;
    stream.read_exact(&mut extra).map_err(Failure::reading)?;
    directory::ensure_unicode_path_agrees(&extra, &name).map_err(fault)?;
    let sizes = zip64_sizes(&extra, [header.u32(22), header.u32(18), 0]).map_err(fault)?;
    let streamed = member.flags & STREAMED != 0;
    let agrees = |here: u64, there: u64| here == there || (streamed && here == 0);
    let same = name == member.name
        && header.u16(6) == member.flags
        && header.u16(8) == member.method
        && agrees(u64::from(header.u32(14)), u64::from(member.crc))
        && agrees(sizes[0], member.size)
        && agrees(sizes[1], member.compressed);
    if !same {
        return Err(fault(Fault::Zip(
            "the entry's own header and the directory disagree",
        )));
    }
    Ok(30 + name.len() as u64 + extra.len() as u64)
}

fn read_content(
    stream: &mut BufReader<&File>,
    member: &Member,
    visit: &mut Visit<'_>,
) -> Result<(), Failure> {
    let mut content = Content::new(stream, member)?;
    let kind = member.kind().map_err(|fault| fault.of(&member.name))?;
    let size = member.size;
    // Packed, nothing has two bytes or more (the jars of Java have such directories); that it is nothing is proven below.
    if matches!(kind, ClaimedKind::Directory) && size != 0 {
        return Err(Fault::Zip("only a file has content").of(&member.name));
    }
    let mut claim = Claim {
        name: &member.name,
        kind,
        size,
        overhead: 0,
    };
    if let ClaimedKind::Symlink { .. } = kind {
        // Where a link points is its content.
        let mut target = Vec::new();
        (&mut content)
            .take(limits::PATH as u64 + 1)
            .read_to_end(&mut target)
            .map_err(Failure::reading)?;
        claim.kind = ClaimedKind::Symlink { target: &target };
        visit(&claim, &mut std::io::empty())?;
    } else {
        visit(&claim, &mut content)?;
    }
    content.finish()
}

/// Reads what stands behind a streamed entry: with or without a signature, with sizes of 32 or 64 bits.
fn read_descriptor(stream: &mut dyn Read, length: usize, member: &Member) -> Result<(), Failure> {
    let mut bytes = [0; 24];
    stream
        .read_exact(&mut bytes[..length])
        .map_err(Failure::reading)?;
    let (signed, wide) = (length.is_multiple_of(8), length >= 20);
    let fields = Fields(&bytes[if signed { 4 } else { 0 }..length]);
    let (compressed, size) = if wide {
        (fields.u64(4), fields.u64(12))
    } else {
        (u64::from(fields.u32(4)), u64::from(fields.u32(8)))
    };
    let same = (!signed || bytes[..4] == DESCRIPTOR)
        && fields.u32(0) == member.crc
        && compressed == member.compressed
        && size == member.size;
    if same {
        Ok(())
    } else {
        Err(Fault::Zip("the entry's descriptor and the directory disagree").of(&member.name))
    }
}
