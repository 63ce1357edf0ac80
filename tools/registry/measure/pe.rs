//! Programs of Windows: the libraries that they import. Those that Windows does not have are told: no field of the manifest
//! says them.

use ampup::domain::Target;
use object::{LittleEndian as LE, pe, read::pe::PeFile64};

use super::{File, LoadedFrom, System, Way};

pub(super) const SYSTEM: System = System { read, place };

/// Libraries of Windows itself, in small letters and without `.dll`.
const OF_WINDOWS: [&str; 28] = [
    "advapi32", "bcrypt", "comctl32", "comdlg32", "crypt32", "dbghelp", "dnsapi", "gdi32", "iphlpapi",
    "kernel32", "mpr", "msvcrt", "mswsock", "netapi32", "normaliz", "ntdll", "ole32", "oleaut32", "psapi",
    "rpcrt4", "secur32", "shell32", "shlwapi", "user32", "userenv", "version", "winmm", "ws2_32",
];

fn read(bytes: &[u8], _: Target) -> Result<File, String> {
    let failed = |cause: object::read::Error| format!("it is no program of 64-bit Windows: {cause}");
    let parsed = PeFile64::parse(bytes).map_err(failed)?;
    if parsed.nt_headers().file_header.machine.get(LE) != pe::IMAGE_FILE_MACHINE_AMD64 {
        return Err("it is for another processor than x86_64".to_owned());
    }
    let mut file = File::default();
    if let Some(table) = parsed.import_table().map_err(failed)? {
        let mut imports = table.descriptors().map_err(failed)?;
        while let Some(import) = imports.next().map_err(failed)? {
            let name = table.name(import.name.get(LE)).map_err(failed)?;
            file.loads.push(String::from_utf8_lossy(name).into_owned());
        }
    }
    Ok(file)
}

fn place(way: &Way<'_>, load: &str) -> LoadedFrom {
    let name = load.to_ascii_lowercase();
    // Windows looks beside the program, and does not tell capitals from small letters.
    let beside = way
        .top
        .join("bin")
        .read_dir_utf8()
        .into_iter()
        .flatten()
        .flatten();
    let found = beside
        .map(|entry| entry.file_name().to_owned())
        .find(|file| file.eq_ignore_ascii_case(load));
    let stem = name.trim_end_matches(".dll");
    match found {
        Some(file) => LoadedFrom::Tree(camino::Utf8Path::new("bin").join(file)),
        None if OF_WINDOWS.contains(&stem) || stem.starts_with("api-ms-win-") => LoadedFrom::System,
        None => LoadedFrom::Note(format!(
            "takes `{load}` from the host, and Windows alone does not have it"
        )),
    }
}
