//! Programs of macOS: the libraries that they load, the lowest system that they were built for, and their signature. A
//! universal one holds several programs, and the one for the target counts.

use ampup::domain::Target;
use camino::{Utf8Path, Utf8PathBuf};
use object::{
    Endianness, macho,
    read::macho::{FatArch as _, LoadCommandVariant, MachHeader as _, MachOFatFile32, MachOFatFile64},
};

use super::{File, LoadedFrom, System, Way};

pub(super) const SYSTEM: System = System { read, place };

fn read(bytes: &[u8], target: Target) -> Result<File, String> {
    let failed = |cause: object::read::Error| format!("it is no program of macOS: {cause}");
    let (wanted, word) = match target {
        Target::Aarch64Darwin => (macho::CPU_TYPE_ARM64, "arm64"),
        _ => (macho::CPU_TYPE_X86_64, "x86_64"),
    };
    let no_code = || format!("it holds no {word} code");
    let bytes = if let Ok(fat) = MachOFatFile32::parse(bytes) {
        let slice = fat.arches().iter().find(|slice| slice.cputype() == wanted);
        slice.ok_or_else(no_code)?.data(bytes).map_err(failed)?
    } else if let Ok(fat) = MachOFatFile64::parse(bytes) {
        let slice = fat.arches().iter().find(|slice| slice.cputype() == wanted);
        slice.ok_or_else(no_code)?.data(bytes).map_err(failed)?
    } else {
        bytes
    };
    let header = macho::MachHeader64::<Endianness>::parse(bytes, 0).map_err(failed)?;
    let endian = header.endian().map_err(failed)?;
    if header.cputype(endian) != wanted {
        return Err(no_code());
    }
    let mut file = File::default();
    let mut is_signed = false;
    let mut commands = header.load_commands(endian, bytes, 0).map_err(failed)?;
    while let Some(command) = commands.next().map_err(failed)? {
        let text = |at| -> Result<String, String> {
            let text = command.string(endian, at).map_err(failed)?;
            Ok(String::from_utf8_lossy(text).into_owned())
        };
        is_signed |= command.cmd() == macho::LC_CODE_SIGNATURE;
        let lowest = match command.variant().map_err(failed)? {
            LoadCommandVariant::Dylib(dylib) => {
                file.loads.push(text(dylib.dylib.name)?);
                None
            }
            LoadCommandVariant::Rpath(rpath) => {
                file.paths.push(text(rpath.path)?);
                None
            }
            LoadCommandVariant::BuildVersion(build, _) => Some(build.minos.get(endian)),
            LoadCommandVariant::VersionMin(minimum) => Some(minimum.version.get(endian)),
            _ => None,
        };
        file.floor = file
            .floor
            .max(lowest.map(|lowest| (lowest.0 >> 16, lowest.0 >> 8 & 0xff)));
    }
    // Apple silicon starts no program without one.
    if !is_signed && wanted == macho::CPU_TYPE_ARM64 {
        file.notes
            .push("is not signed, and does not start on Apple silicon".to_owned());
    }
    Ok(file)
}

fn place(way: &Way<'_>, load: &str) -> LoadedFrom {
    let in_tree = |path: Utf8PathBuf| way.in_tree(&path);
    let found = if let Some(below) = load.strip_prefix("@loader_path/") {
        in_tree(way.directory().join(below))
    } else if let Some(below) = load.strip_prefix("@executable_path/") {
        in_tree(Utf8Path::new("bin").join(below))
    } else if let Some(below) = load.strip_prefix("@rpath/") {
        way.paths.iter().find_map(|path| {
            let directory = match (
                path.strip_prefix("@loader_path"),
                path.strip_prefix("@executable_path"),
            ) {
                (Some(end), _) => way.directory().join(end.trim_start_matches('/')),
                (_, Some(end)) => Utf8Path::new("bin").join(end.trim_start_matches('/')),
                (None, None) => return None,
            };
            in_tree(directory.join(below))
        })
    } else if load.starts_with("/usr/lib/") || load.starts_with("/System/Library/") {
        return LoadedFrom::System;
    } else if load.starts_with('/') {
        return LoadedFrom::Path(load.to_owned());
    } else {
        None
    };
    match found {
        Some(path) => LoadedFrom::Tree(path),
        None => LoadedFrom::Note(format!("`{}` loads `{load}`, which is not in the tree", way.from)),
    }
}
