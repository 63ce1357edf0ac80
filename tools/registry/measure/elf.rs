//! Programs of Linux: the libraries that they load, the directories in which they look for them, and the versions of the GNU
//! C library that they ask for.

use ampup::domain::Target;
use camino::{Utf8Path, Utf8PathBuf};
use object::{
    Endianness, elf,
    read::elf::{ElfFile64, FileHeader as _},
};

use super::{File, LoadedFrom, System, Way, numbers};

pub(super) const SYSTEM: System = System { read, place };

/// The libraries of every GNU C library; its version is the floor.
const GLIBC: [&str; 9] = [
    "libc.so.6",
    "libm.so.6",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
    "libutil.so.1",
    "libresolv.so.2",
    "libanl.so.1",
    "libBrokenLocale.so.1",
];

fn read(bytes: &[u8], target: Target) -> Result<File, String> {
    let wanted = match target {
        Target::X86_64LinuxGnu | Target::X86_64LinuxMusl => elf::EM_X86_64,
        _ => elf::EM_AARCH64,
    };
    let failed = |cause: object::read::Error| format!("it is no program of Linux: {cause}");
    let parsed = ElfFile64::<Endianness>::parse(bytes).map_err(failed)?;
    let endian = parsed.endian();
    if parsed.elf_header().e_machine(endian) != wanted {
        return Err(format!("it is for another processor than {target}"));
    }
    let sections = parsed.elf_section_table();
    let mut file = File::default();
    let table = sections.dynamic_table(endian, bytes).map_err(failed)?;
    for entry in table.iter() {
        let text = || -> Result<String, String> {
            let text = table.string(entry).map_err(failed)?;
            Ok(String::from_utf8_lossy(text).into_owned())
        };
        match entry.tag {
            elf::DT_NEEDED => file.loads.push(text()?),
            elf::DT_RPATH | elf::DT_RUNPATH => file.paths.extend(text()?.split(':').map(str::to_owned)),
            _ => {}
        }
    }
    if let Some((mut files, link)) = sections.gnu_verneed(endian, bytes).map_err(failed)? {
        let strings = sections.strings(endian, bytes, link).map_err(failed)?;
        while let Some((_, mut versions)) = files.next().map_err(failed)? {
            while let Some(version) = versions.next().map_err(failed)? {
                let name = version.name(endian, strings).map_err(failed)?;
                let name = String::from_utf8_lossy(name);
                let floor = name.strip_prefix("GLIBC_").and_then(numbers);
                file.floor = file.floor.max(floor);
            }
        }
    }
    Ok(file)
}

fn place(way: &Way<'_>, load: &str) -> LoadedFrom {
    let directories = way.paths.iter().filter_map(|path| {
        let below = path
            .strip_prefix("$ORIGIN")
            .or_else(|| path.strip_prefix("${ORIGIN}"))?;
        Some(way.directory().join(below.trim_start_matches('/')))
    });
    let found = directories
        .map(|directory: Utf8PathBuf| directory.join(load))
        .find_map(|path| way.in_tree(Utf8Path::new(&path)));
    match found {
        Some(path) => LoadedFrom::Tree(path),
        None if GLIBC.contains(&load) || load.starts_with("ld-linux") => LoadedFrom::System,
        None if load.starts_with("libc.musl-") || load.starts_with("ld-musl-") => LoadedFrom::System,
        None => LoadedFrom::Library(load.to_owned()),
    }
}
