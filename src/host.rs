//! The properties of this machine that artifacts depend on.
//!
//! A doubt counts as present: only what is certainly missing is called missing, and acceptance has the last word.

use std::{collections::BTreeSet, io::Read, process::Command};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use memchr::memmem;

use crate::{
    distributions,
    domain::{Needs, Target},
};

/// The known properties of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its kind; `None` where no artifact could be made for it.
    pub target: Option<Target>,
    /// The name of the machine's system, for messages: `linux riscv64`.
    pub description: String,
    /// The version of the GNU C library.
    pub glibc: Option<(u32, u32)>,
    /// The version of macOS.
    pub macos: Option<(u32, u32)>,
    /// The text of `/etc/os-release`; empty where there is none.
    pub os_release: String,
    /// Libraries and files that were asked about and are certainly not here.
    pub missing: BTreeSet<String>,
}

impl Host {
    /// The kind of this host alone: what it has and lacks is not known.
    pub fn kind() -> Self {
        Self {
            target: target(),
            description: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            glibc: None,
            macos: None,
            os_release: String::new(),
            missing: BTreeSet::new(),
        }
    }

    /// Looks at this machine. `needs` are all that will be compared with it; nothing else is looked for.
    pub fn probe<'a>(needs: impl IntoIterator<Item = &'a Needs>) -> Self {
        let (mut libraries, mut files) = (BTreeSet::new(), BTreeSet::new());
        let (mut needs_glibc, mut needs_macos) = (false, false);
        for needs in needs {
            libraries.extend(
                needs
                    .libraries
                    .iter()
                    .chain(&needs.recommended)
                    .map(String::as_str),
            );
            files.extend(needs.files.iter().map(String::as_str));
            needs_glibc |= needs.glibc.is_some();
            needs_macos |= needs.macos.is_some();
        }
        files.retain(|file| matches!(Utf8Path::new(file).try_exists(), Ok(false)));
        let missing = certainly_missing(libraries).into_iter().chain(files);
        Self {
            glibc: if cfg!(target_os = "linux") && needs_glibc {
                glibc().or_else(|| answer("getconf", &["GNU_LIBC_VERSION"]))
            } else {
                None
            },
            macos: if cfg!(target_os = "macos") && needs_macos {
                answer("sw_vers", &["-productVersion"])
            } else {
                None
            },
            os_release: distributions::os_release(),
            missing: missing.map(str::to_owned).collect(),
            ..Self::kind()
        }
    }

    /// All of `needs` that this host certainly lacks.
    pub fn lacks(&self, needs: &Needs) -> Vec<Lack> {
        let older = |here: Option<(u32, u32)>, wanted: &Option<String>| {
            let (here, wanted) = (here?, wanted.as_deref()?);
            (here < numbers(wanted)?).then(|| (format!("{}.{}", here.0, here.1), wanted.to_owned()))
        };
        let newer = |what, found: Option<(String, String)>| {
            found.map(|(here, wanted)| Lack::Newer { what, wanted, here })
        };
        let systems = [
            newer("glibc", older(self.glibc, &needs.glibc)),
            newer("macOS", older(self.macos, &needs.macos)),
        ];
        let is_missing = |thing: &&String| self.missing.contains(*thing);
        let libraries = needs.libraries.iter().filter(is_missing).cloned();
        let files = needs.files.iter().filter(is_missing).cloned();
        systems
            .into_iter()
            .flatten()
            .chain(libraries.map(Lack::Library))
            .chain(files.map(Lack::File))
            .collect()
    }
}

/// A requirement of an artifact that the host does not meet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// A newer system.
    #[error("requires {what} {wanted}; this host has {here}")]
    Newer {
        /// `glibc` or `macOS`.
        what: &'static str,
        /// The version that it needs.
        wanted: String,
        /// The version that is here.
        here: String,
    },
    /// A shared library.
    #[error("requires the library `{0}`, which this host does not have")]
    Library(String),
    /// A file or a directory.
    #[error("requires `{0}`, which this host does not have")]
    File(String),
}

impl Lack {
    /// The library or file that a package could bring.
    pub fn thing(&self) -> Option<&str> {
        match self {
            Self::Library(thing) | Self::File(thing) => Some(thing),
            Self::Newer { .. } => None,
        }
    }

    /// All that a build lacks, in one sentence: what this host does not have at all is listed once.
    pub fn in_words(lacks: &[Self]) -> String {
        let absent = |lack: &&Self| matches!(lack, Self::Library(_) | Self::File(_));
        let (absent, others): (Vec<_>, Vec<_>) = lacks.iter().partition(absent);
        let mut words: Vec<String> = others.iter().map(ToString::to_string).collect();
        let names = absent.iter().map(|lack| match lack {
            Self::Library(name) | Self::File(name) => format!("`{name}`"),
            Self::Newer { .. } => lack.to_string(),
        });
        match (absent.as_slice(), names.collect::<Vec<_>>().as_slice()) {
            ([], _) => {}
            ([one], _) => words.push(one.to_string()),
            (_, [first @ .., last]) => words.push(format!(
                "requires {} and {last}, which this host does not have",
                first.join(", ")
            )),
            (_, []) => {}
        }
        words.join(", and ")
    }
}

/// The kind of this host. On Linux the C library is the host's, not the one ampup was built with: a static ampup runs
/// on both.
pub fn target() -> Option<Target> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") if has_musl_alone("x86_64", "/lib64/ld-linux-x86-64.so.2") => {
            Some(Target::X86_64LinuxMusl)
        }
        ("linux", "x86_64") => Some(Target::X86_64LinuxGnu),
        ("linux", "aarch64") if has_musl_alone("aarch64", "/lib/ld-linux-aarch64.so.1") => {
            Some(Target::Aarch64LinuxMusl)
        }
        ("linux", "aarch64") => Some(Target::Aarch64LinuxGnu),
        ("macos", "x86_64") => Some(Target::X86_64Darwin),
        ("macos", "aarch64") => Some(Target::Aarch64Darwin),
        ("windows", "x86_64") => Some(Target::X86_64Windows),
        _ => None,
    }
}

fn has_musl_alone(arch: &str, glibc_loader: &str) -> bool {
    Utf8Path::new(&format!("/lib/ld-musl-{arch}.so.1")).exists() && !Utf8Path::new(glibc_loader).exists()
}

/// The version of the GNU C library, as its own file says it.
fn glibc() -> Option<(u32, u32)> {
    usual_directories()
        .iter()
        .filter_map(|directory| fs::File::open(directory.join("libc.so.6")).ok())
        .find_map(stated_version)
}

/// The version in the banner of a C library: `GNU C Library (…) stable release version 2.36.`
/// It is megabytes long, and read in pieces: to fill so much memory takes longer than to look through it.
fn stated_version(mut library: impl Read) -> Option<(u32, u32)> {
    const PIECE: usize = 64 << 10;
    /// The words, and the longest version behind them.
    const BANNER: usize = 64;
    let mut piece = vec![0; BANNER + PIECE];
    // The end of the piece before stays at the front: the banner may lie across.
    let mut kept = 0;
    loop {
        let count = library.read(&mut piece[kept..]).ok()?;
        let filled = &piece[..kept + count];
        if let Some(version) = banner(filled) {
            return Some(version);
        }
        if count == 0 {
            return None;
        }
        let rest = filled.len().saturating_sub(BANNER)..filled.len();
        kept = rest.len();
        piece.copy_within(rest, 0);
    }
}

fn banner(piece: &[u8]) -> Option<(u32, u32)> {
    const BEFORE: &[u8] = b" release version ";
    let at = memmem::find(piece, BEFORE)?;
    let rest = &piece[at + BEFORE.len()..];
    let end = rest
        .iter()
        .position(|next| !next.is_ascii_digit() && *next != b'.')?;
    numbers(std::str::from_utf8(&rest[..end]).ok()?.trim_end_matches('.'))
}

/// The first version number that a system's own program prints.
fn answer(program: &str, arguments: &[&str]) -> Option<(u32, u32)> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().find_map(numbers)
}

/// `2.36`, `15.0.1`, `15`.
fn numbers(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next().unwrap_or(Some(0))?))
}

/// Those of the libraries that the loader of this host would certainly not find. A name that is in no usual directory, on a
/// host whose loader keeps no cache (musl, NixOS), is a doubt.
fn certainly_missing(mut libraries: BTreeSet<&str>) -> BTreeSet<&str> {
    if libraries.is_empty() {
        return libraries;
    }
    // It holds the name of every library that the GNU C library's loader knows, each with a NUL behind it.
    let Ok(cache) = crate::fs::atomic::read(Utf8Path::new("/etc/ld.so.cache"), 64 << 20) else {
        return BTreeSet::new();
    };
    libraries.retain(|soname| {
        memmem::find(&cache, format!("{soname}\0").as_bytes()).is_none() && !in_usual_directory(soname)
    });
    libraries
}

/// A library that was installed after the cache was made.
fn in_usual_directory(soname: &str) -> bool {
    usual_directories()
        .iter()
        .any(|directory| directory.join(soname).exists())
}

fn usual_directories() -> Vec<Utf8PathBuf> {
    let arch = std::env::consts::ARCH;
    let multiarch = [
        format!("/lib/{arch}-linux-gnu"),
        format!("/usr/lib/{arch}-linux-gnu"),
    ];
    let plain = ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"];
    multiarch
        .into_iter()
        .chain(plain.map(str::to_owned))
        .map(Utf8PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    fn host() -> Host {
        Host {
            target: Some(Target::X86_64LinuxGnu),
            description: "linux x86_64".to_owned(),
            glibc: Some((2, 31)),
            macos: None,
            os_release: String::new(),
            missing: BTreeSet::from(["libxml2.so.2".to_owned(), "libz.so.1".to_owned()]),
        }
    }

    #[test]
    fn a_c_library_states_its_version_as_getconf_does() {
        let banner = b"\0GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\nCopyright";
        assert_eq!(stated_version(&banner[..]), Some((2, 36)));
        // Wherever it lies in the pieces that are read.
        for before in (64 << 10) - 8..(64 << 10) + 80 {
            let library = std::io::repeat(b'x').take(before).chain(&banner[..]);
            assert_eq!(stated_version(library), Some((2, 36)), "{before}");
        }
        let rows = [
            &b""[..],
            b"x release version ",
            b" release version x.",
            b" release version 2.36",
        ];
        every(rows, |other| {
            assert_eq!(stated_version(other), None, "{other:?}");
        });
        if let (true, Some(here)) = (cfg!(target_os = "linux"), glibc()) {
            assert_eq!(answer("getconf", &["GNU_LIBC_VERSION"]), Some(here));
        }
    }

    #[test]
    fn only_what_is_certainly_missing_is_called_missing() {
        let needs = |glibc: Option<&str>, library: &str| Needs {
            glibc: glibc.map(str::to_owned),
            macos: Some("15.0".to_owned()),
            libraries: vec![library.to_owned()],
            recommended: vec!["libz.so.1".to_owned()],
            files: vec![],
        };
        let lacking = |glibc, library| -> Vec<String> {
            let lacks = host().lacks(&needs(glibc, library));
            lacks.iter().map(ToString::to_string).collect()
        };
        assert_eq!(lacking(Some("2.27"), "libm.so.6"), [""; 0]);
        let all = lacking(Some("2.34"), "libxml2.so.2");
        assert!(
            all[0].contains("glibc 2.34") && all[1].contains("libxml2.so.2"),
            "{all:?}"
        );
    }

    #[test]
    fn all_that_is_missing_is_listed_once() {
        let library = |name: &str| Lack::Library(name.to_owned());
        let newer = || Lack::Newer {
            what: "glibc",
            wanted: "2.34".to_owned(),
            here: "2.31".to_owned(),
        };
        let file = || Lack::File("/usr/share/zoneinfo".to_owned());
        let rows = [
            (
                vec![library("a.so.1")],
                "requires the library `a.so.1`, which this host does not have",
            ),
            (
                vec![library("a.so.1"), library("b.so.2"), file()],
                "requires `a.so.1`, `b.so.2` and `/usr/share/zoneinfo`, which this host does not have",
            ),
            (
                vec![newer(), file()],
                "requires glibc 2.34; this host has 2.31, and requires `/usr/share/zoneinfo`, which this host does not have",
            ),
        ];
        every(rows, |(lacks, words)| {
            assert_eq!(Lack::in_words(&lacks), words);
        });
    }

    #[test]
    fn this_machine_is_known() {
        let needs = Needs {
            glibc: Some("2.17".to_owned()),
            macos: None,
            libraries: vec!["libc.so.6".to_owned(), "libsurely-not-here.so.9".to_owned()],
            recommended: vec!["libsurely-neither.so.1".to_owned()],
            files: vec!["/".to_owned(), "/surely/not/here".to_owned()],
        };
        let host = Host::probe([&needs]);
        assert!(host.target.is_some());
        if host.glibc.is_some() {
            let missing: Vec<_> = host.missing.iter().map(String::as_str).collect();
            assert_eq!(
                missing,
                [
                    "/surely/not/here",
                    "libsurely-neither.so.1",
                    "libsurely-not-here.so.9"
                ]
            );
        }
    }
}
