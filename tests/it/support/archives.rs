//! Archives, honest and hostile: headers are written field by field, so that each can lie.

use std::io::Write as _;

use flate2::{Compression, Crc, write::DeflateEncoder, write::GzEncoder};
use liblzma::write::XzEncoder;

/// An entry of a tar, or one of its extension headers.
#[derive(Debug, Clone)]
pub(crate) struct TarEntry {
    pub(crate) kind: u8,
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) prefix: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) content: Vec<u8>,
    /// The size in the header, where it lies.
    pub(crate) size: Option<u64>,
    /// Magic and version.
    pub(crate) magic: [u8; 8],
    /// The difference of the checksum from the right one.
    pub(crate) checksum_error: u32,
}

impl TarEntry {
    pub(crate) fn new(kind: u8, name: &str) -> Self {
        Self {
            kind,
            name: name.into(),
            link: Vec::new(),
            prefix: Vec::new(),
            mode: 0o644,
            content: Vec::new(),
            size: None,
            magic: *b"ustar\x0000",
            checksum_error: 0,
        }
    }

    pub(crate) fn file(name: &str, content: &str) -> Self {
        Self {
            content: content.into(),
            ..Self::new(b'0', name)
        }
    }

    pub(crate) fn directory(name: &str) -> Self {
        Self::new(b'5', name)
    }

    pub(crate) fn symlink(name: &str, target: &str) -> Self {
        Self {
            link: target.into(),
            ..Self::new(b'2', name)
        }
    }

    pub(crate) fn hard_link(name: &str, target: &str) -> Self {
        Self {
            link: target.into(),
            ..Self::new(b'1', name)
        }
    }

    /// An extension header: `x` or `g` for pax, `L` or `K` for GNU's long names.
    pub(crate) fn extension(kind: u8, content: impl Into<Vec<u8>>) -> Self {
        Self {
            content: content.into(),
            ..Self::new(kind, "extension")
        }
    }

    /// A pax header with one record.
    pub(crate) fn pax(key: &str, value: &str) -> Self {
        Self::extension(b'x', pax_record(key, value))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut block = vec![0_u8; 512];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        let size = self.size.unwrap_or(self.content.len() as u64);
        put(0, &self.name);
        put(100, format!("{:07o}", self.mode).as_bytes());
        if size < 1 << 33 {
            put(124, format!("{size:011o}").as_bytes());
        } else {
            put(124, &[&[0x80, 0, 0, 0][..], &size.to_be_bytes()].concat());
        }
        put(148, b"        ");
        put(156, &[self.kind]);
        put(157, &self.link);
        put(257, &self.magic);
        put(345, &self.prefix);
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum::<u32>() + self.checksum_error;
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block.extend(&self.content);
        block.resize(block.len().next_multiple_of(512), 0);
        block
    }
}

/// `<length> <key>=<value>\n`
pub(crate) fn pax_record(key: &str, value: &str) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n").into()
}

/// A tar without its end.
pub(crate) fn open_tar(entries: &[TarEntry]) -> Vec<u8> {
    entries.iter().flat_map(TarEntry::bytes).collect()
}

pub(crate) fn tar(entries: &[TarEntry]) -> Vec<u8> {
    [open_tar(entries), vec![0; 1024]].concat()
}

pub(crate) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

pub(crate) fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

pub(crate) fn tar_gz(entries: &[TarEntry]) -> Vec<u8> {
    gz(&tar(entries))
}

/// An entry of a zip. Where a field is `Some`, it lies.
#[derive(Debug, Clone)]
pub(crate) struct ZipEntry {
    pub(crate) name: Vec<u8>,
    pub(crate) content: Vec<u8>,
    pub(crate) method: u16,
    pub(crate) flags: u16,
    /// Type and permissions, as a Unix states them; 0 for a zip of another system.
    pub(crate) mode: u32,
    /// As DOS states them.
    pub(crate) attributes: u16,
    pub(crate) crc: Option<u32>,
    pub(crate) size: Option<u32>,
    pub(crate) packed: Option<Vec<u8>>,
    pub(crate) local_name: Option<Vec<u8>>,
    pub(crate) local_size: Option<u32>,
    pub(crate) local_flags: Option<u16>,
    pub(crate) extra: Vec<u8>,
    /// Bytes before the entry that belong to none.
    pub(crate) before: Vec<u8>,
    /// Bytes after its content.
    pub(crate) after: Vec<u8>,
    /// Leaves it out of the directory.
    pub(crate) hidden: bool,
    /// The directory says that it begins so much earlier.
    pub(crate) earlier: u32,
}

impl ZipEntry {
    pub(crate) fn stored(name: &str, content: &str) -> Self {
        Self {
            name: name.into(),
            content: content.into(),
            method: 0,
            flags: 0,
            mode: 0o100_644,
            attributes: 0,
            crc: None,
            size: None,
            packed: None,
            local_name: None,
            local_size: None,
            local_flags: None,
            extra: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            hidden: false,
            earlier: 0,
        }
    }

    pub(crate) fn deflated(name: &str, content: &str) -> Self {
        Self {
            method: 8,
            ..Self::stored(name, content)
        }
    }

    pub(crate) fn of_mode(mode: u32, name: &str, content: &str) -> Self {
        Self {
            mode,
            ..Self::stored(name, content)
        }
    }

    /// With a descriptor behind its content: signed or not, with sizes of 32 or 64 bits.
    pub(crate) fn streamed(name: &str, content: &str, signed: bool, wide: bool) -> Self {
        let plain = Self::deflated(name, content);
        let (crc, packed, size) = (
            plain.checksum(),
            plain.packed().len() as u64,
            content.len() as u64,
        );
        let mut after = if signed {
            b"PK\x07\x08".to_vec()
        } else {
            Vec::new()
        };
        after.extend(crc.to_le_bytes());
        for number in [packed, size] {
            after.extend(&number.to_le_bytes()[..if wide { 8 } else { 4 }]);
        }
        Self {
            flags: 1 << 3,
            after,
            ..plain
        }
    }

    fn checksum(&self) -> u32 {
        let mut crc = Crc::new();
        crc.update(&self.content);
        crc.sum()
    }

    fn packed(&self) -> Vec<u8> {
        match (&self.packed, self.method) {
            (Some(packed), _) => packed.clone(),
            (None, 8) => deflated(&self.content),
            _ => self.content.clone(),
        }
    }
}

pub(crate) fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

pub(crate) fn zip(entries: &[ZipEntry]) -> Vec<u8> {
    let (mut bytes, mut directory, mut count) = (Vec::new(), Vec::new(), 0_u16);
    for entry in entries {
        bytes.extend(&entry.before);
        let start = bytes.len() as u32 - entry.earlier;
        let packed = entry.packed();
        let size = entry.size.unwrap_or(entry.content.len() as u32);
        let crc = entry.crc.unwrap_or(entry.checksum());
        let flags = entry.local_flags.unwrap_or(entry.flags);
        let name = entry.local_name.as_ref().unwrap_or(&entry.name);
        // Streamed entries do not know their sizes when their headers are written.
        let known = |value: u32| if flags & 1 << 3 == 0 { value } else { 0 };
        bytes.extend(b"PK\x03\x04\x14\0");
        bytes.extend([flags, entry.method, 0, 0].map(u16::to_le_bytes).concat());
        let numbers = [
            known(crc),
            known(packed.len() as u32),
            known(entry.local_size.unwrap_or(size)),
        ];
        bytes.extend(numbers.map(u32::to_le_bytes).concat());
        bytes.extend(
            [name.len() as u16, entry.extra.len() as u16]
                .map(u16::to_le_bytes)
                .concat(),
        );
        bytes.extend([&name[..], &entry.extra, &packed, &entry.after].concat());
        if entry.hidden {
            continue;
        }
        count += 1;
        directory.extend(b"PK\x01\x02\x14");
        directory.push(if entry.mode == 0 { 0 } else { 3 });
        directory.extend(
            [20, entry.flags, entry.method, 0, 0]
                .map(u16::to_le_bytes)
                .concat(),
        );
        directory.extend([crc, packed.len() as u32, size].map(u32::to_le_bytes).concat());
        let lengths = [entry.name.len() as u16, entry.extra.len() as u16, 0, 0, 0];
        directory.extend(lengths.map(u16::to_le_bytes).concat());
        let attributes = entry.mode << 16 | u32::from(entry.attributes);
        directory.extend([attributes, start].map(u32::to_le_bytes).concat());
        directory.extend([&entry.name[..], &entry.extra].concat());
    }
    let start = bytes.len() as u32;
    let length = directory.len() as u32;
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count, count].map(u16::to_le_bytes).concat());
    bytes.extend([length, start].map(u32::to_le_bytes).concat());
    bytes.extend([0, 0]);
    bytes
}
