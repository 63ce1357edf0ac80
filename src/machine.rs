//! The machine that a program was built for, as the header of its file says. Nothing is run to find out.

use std::{
    env::consts::{ARCH, OS},
    io::{self, Read as _},
};

use camino::Utf8Path;
use fs_err as fs;

/// The bytes of a file that are looked at.
const HEADER: u64 = 4096;
/// More processors than a universal binary of macOS has; the same magic number begins a class of Java, with a larger one here.
const MOST_PROCESSORS: usize = 30;

/// The kind of program in a file, as its header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Built {
    /// A program for this system and processor.
    ForHere,
    /// A program for another, which is named.
    For(String),
    /// A script that names its interpreter.
    Script,
    /// Anything else.
    Unknown,
}

/// The beginning of a file, for [`Built::of`].
///
/// # Errors
/// When the file cannot be read.
pub fn header(program: &Utf8Path) -> io::Result<Vec<u8>> {
    let mut header = Vec::new();
    fs::File::open(program)?.take(HEADER).read_to_end(&mut header)?;
    Ok(header)
}

/// The system and processor that ampup itself was built for: `Linux on x86_64`.
pub fn here() -> String {
    let system = match OS {
        "linux" => "Linux",
        "macos" => "macOS",
        "windows" => "Windows",
        other => other,
    };
    format!("{system} on {ARCH}")
}

impl Built {
    /// Reads the beginning of a file: ELF, Mach-O, PE or `#!`.
    pub fn of(header: &[u8]) -> Self {
        let (system, processors) = match header {
            [b'#', b'!', ..] => return Self::Script,
            [0x7f, b'E', b'L', b'F', ..] => ("Linux", elf(header)),
            [0xcf, 0xfa, 0xed, 0xfe, ..] => ("macOS", mach_o(header)),
            [0xca, 0xfe, 0xba, 0xbe, ..] => ("macOS", universal(header)),
            [b'M', b'Z', ..] => ("Windows", pe(header)),
            _ => return Self::Unknown,
        };
        let Some(processors) = processors else {
            return Self::Unknown;
        };
        let runs = |processor: &String| {
            format!("{system} on {processor}") == here() || is_emulated(system, processor)
        };
        if processors.iter().any(runs) {
            return Self::ForHere;
        }
        Self::For(format!("{system} on {}", processors.join(" and ")))
    }
}

/// Programs for another processor that every system of this kind runs.
fn is_emulated(system: &str, processor: &str) -> bool {
    match (OS, ARCH) {
        ("macos", "aarch64") => system == "macOS" && processor == "x86_64",
        ("windows", "aarch64") => system == "Windows" && matches!(processor, "x86_64" | "x86"),
        ("windows", "x86_64") => system == "Windows" && processor == "x86",
        _ => false,
    }
}

/// `e_machine` of an ELF header (System V ABI, "ELF Header"), in the byte order that the header states.
fn elf(header: &[u8]) -> Option<Vec<String>> {
    let machine = [*header.get(18)?, *header.get(19)?];
    let machine = match header[5] {
        1 => u16::from_le_bytes(machine),
        2 => u16::from_be_bytes(machine),
        _ => return None,
    };
    let name = match machine {
        3 => "x86",
        8 => "mips",
        20 => "powerpc",
        21 => "powerpc64",
        22 => "s390x",
        40 => "arm",
        62 => "x86_64",
        183 => "aarch64",
        243 => "riscv",
        258 => "loongarch",
        other => return Some(vec![format!("processor {other}")]),
    };
    Some(vec![name.to_owned()])
}

/// `cputype` of a Mach-O header for 64 bits (`mach-o/loader.h`).
fn mach_o(header: &[u8]) -> Option<Vec<String>> {
    let kind = u32::from_le_bytes(at(header, 4)?);
    Some(vec![mach_o_processor(kind)])
}

/// The processors of a universal binary (`mach-o/fat.h`), which is big-endian.
fn universal(header: &[u8]) -> Option<Vec<String>> {
    let count = u32::from_be_bytes(at(header, 4)?) as usize;
    if count > MOST_PROCESSORS {
        return None;
    }
    (0..count)
        .map(|index| Some(mach_o_processor(u32::from_be_bytes(at(header, 8 + 20 * index)?))))
        .collect()
}

fn mach_o_processor(kind: u32) -> String {
    match kind {
        0x0100_0007 => "x86_64".to_owned(),
        0x0100_000c => "aarch64".to_owned(),
        other => format!("processor {other:#x}"),
    }
}

/// `Machine` of a PE header, which begins where the header of DOS says (Microsoft's "PE Format").
fn pe(header: &[u8]) -> Option<Vec<String>> {
    let start = u32::from_le_bytes(at(header, 0x3c)?) as usize;
    if at(header, start)? != *b"PE\0\0" {
        return None;
    }
    let machine = match u16::from_le_bytes(at(header, start.checked_add(4)?)?) {
        0x014c => "x86".to_owned(),
        0x8664 => "x86_64".to_owned(),
        0xaa64 => "aarch64".to_owned(),
        other => format!("processor {other:#x}"),
    };
    Some(vec![machine])
}

fn at<const N: usize>(header: &[u8], start: usize) -> Option<[u8; N]> {
    header.get(start..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    fn elf_of(machine: u16) -> Vec<u8> {
        let mut header = b"\x7fELF\x02\x01\x01".to_vec();
        header.resize(18, 0);
        header.extend(machine.to_le_bytes());
        header.resize(64, 0);
        header
    }

    fn pe_of(machine: u16) -> Vec<u8> {
        let mut header = b"MZ".to_vec();
        header.resize(0x3c, 0);
        header.extend(0x80_u32.to_le_bytes());
        header.resize(0x80, 0);
        header.extend(b"PE\0\0");
        header.extend(machine.to_le_bytes());
        header
    }

    fn universal_of(kinds: &[u32]) -> Vec<u8> {
        let mut header = b"\xca\xfe\xba\xbe".to_vec();
        header.extend((kinds.len() as u32).to_be_bytes());
        for kind in kinds {
            header.extend(kind.to_be_bytes());
            header.extend([0; 16]);
        }
        header
    }

    #[test]
    fn headers_say_what_a_program_was_built_for() {
        let arm_mac = [&b"\xcf\xfa\xed\xfe"[..], &0x0100_000c_u32.to_le_bytes()].concat();
        let rows = [
            (elf_of(62), "Linux", "x86_64"),
            (elf_of(183), "Linux", "aarch64"),
            (elf_of(243), "Linux", "riscv"),
            (elf_of(9999), "Linux", "processor 9999"),
            (arm_mac, "macOS", "aarch64"),
            (universal_of(&[0x0100_0007]), "macOS", "x86_64"),
            (
                universal_of(&[0x0100_0007, 0x0100_000c]),
                "macOS",
                "x86_64 and aarch64",
            ),
            (pe_of(0x8664), "Windows", "x86_64"),
            (pe_of(0xaa64), "Windows", "aarch64"),
        ];
        every(rows, |(header, system, processor)| {
            let named = format!("{system} on {processor}");
            let expected = if (cfg!(target_os = "macos") && system == "macOS") || named == here() {
                Built::ForHere
            } else {
                Built::For(named)
            };
            assert_eq!(Built::of(&header), expected);
        });
    }

    #[test]
    fn scripts_name_their_interpreter_and_the_rest_is_no_program() {
        assert_eq!(Built::of(b"#!/bin/sh\n"), Built::Script);
        let class_of_java = [&b"\xca\xfe\xba\xbe\0\0\0\x34"[..], &[0; 64]].concat();
        every(
            [&b""[..], b"echo hello", b"\x7fELF", b"MZ", &class_of_java],
            |header| {
                assert_eq!(Built::of(header), Built::Unknown, "{header:?}");
            },
        );
    }

    #[test]
    fn this_test_is_built_for_here() {
        #[expect(clippy::disallowed_methods, reason = "the file that runs this test")]
        let path = std::env::current_exe().expect("known");
        let path = Utf8Path::from_path(&path).expect("UTF-8");
        assert_eq!(Built::of(&header(path).expect("read")), Built::ForHere);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, start: u8) {
            for magic in [&b"\x7fELF\x02\x01"[..], b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"MZ"] {
                let _ = Built::of(&[magic, &[start], &bytes].concat());
            }
        }
    }
}
