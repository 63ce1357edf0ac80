//! The content of one entry of a zip, held to what the directory says of it.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read},
};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::{
    super::fault::{Failure, Fault},
    directory::Member,
};

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// The content of an entry, being read. Never gives more than the directory says.
pub(super) struct Content<'a, 'f> {
    packed: io::Take<&'a mut BufReader<&'f File>>,
    member: &'a Member,
    /// Nothing for what is stored as it is.
    inflate: Option<Decompress>,
    /// The packed data said that it ends here.
    has_ended: bool,
    size: u64,
    crc: Crc,
}

impl<'a, 'f> Content<'a, 'f> {
    pub(super) fn new(stream: &'a mut BufReader<&'f File>, member: &'a Member) -> Result<Self, Failure> {
        let inflate = match member.method {
            STORED => None,
            DEFLATED => Some(Decompress::new(false)),
            _ => return Err(Fault::Zip("the entry is neither stored nor deflated").of(&member.name)),
        };
        Ok(Self {
            packed: stream.take(member.compressed),
            member,
            has_ended: inflate.is_none(),
            inflate,
            size: 0,
            crc: Crc::new(),
        })
    }

    /// Reads what is left, and holds size and checksum to the directory.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        io::copy(&mut self, &mut io::sink()).map_err(Failure::reading)?;
        let fault = |what| Err(Fault::Zip(what).of(&self.member.name));
        if !self.has_ended || self.packed.limit() != 0 {
            return fault("the packed data of the entry ends before its place does, or after");
        }
        if self.size != self.member.size {
            return fault("the entry has another size than it says");
        }
        if self.crc.sum() != self.member.crc {
            return fault("the entry has another checksum (CRC-32) than it says");
        }
        Ok(())
    }

    fn inflate(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(inflate) = &mut self.inflate else {
            return self.packed.read(out);
        };
        while !self.has_ended {
            let packed = self.packed.fill_buf()?;
            let is_last = packed.is_empty();
            let (read, written) = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress(packed, out, FlushDecompress::None)?;
            self.packed.consume((inflate.total_in() - read) as usize);
            let count = (inflate.total_out() - written) as usize;
            self.has_ended = status == Status::StreamEnd;
            if count > 0 {
                return Ok(count);
            }
            if is_last && !self.has_ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}

impl Read for Content<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let count = self.inflate(out)?;
        self.size += count as u64;
        if self.size > self.member.size {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the entry is larger than it says",
            ));
        }
        self.crc.update(&out[..count]);
        Ok(count)
    }
}
