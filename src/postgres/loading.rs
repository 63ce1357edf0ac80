//! Why a program did not even start: what the dynamic loader says, and the package that has what is missing.
//!
//! Trees are judged by running them. This reads the loader's last words, so that a person hears of `libxml2.so.2` and
//! not of exit code 127.

use std::fmt;

/// What the dynamic loader could not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadFailure {
    /// This library is not here.
    MissingLibrary(String),
    /// The C library (or another) is older than this symbol version, such as `GLIBC_2.38`.
    OlderLibrary(String),
    /// The library was made for a machine with smaller memory pages, or another processor.
    OtherMachine(String),
}

impl LoadFailure {
    /// Finds the loader's complaint in what a program wrote to stderr.
    pub fn find(stderr: &str) -> Option<Self> {
        stderr.lines().find_map(Self::of_line)
    }

    fn of_line(line: &str) -> Option<Self> {
        if let Some(rest) = after(line, "error while loading shared libraries: ") {
            // glibc: `<library>: cannot open shared object file: No such file or directory`
            let (library, why) = rest.split_once(": ").unwrap_or((rest, ""));
            let library = file_name(library);
            return Some(
                if why.contains("not page-aligned") || why.contains("wrong ELF class") {
                    Self::OtherMachine(library)
                } else {
                    Self::MissingLibrary(library)
                },
            );
        }
        if let Some(rest) = after(line, "Error loading shared library ") {
            // musl: `<library>: No such file or directory (needed by <program>)`
            return Some(Self::MissingLibrary(file_name(until(rest, ": "))));
        }
        if let Some(rest) = after(line, "Library not loaded: ") {
            // macOS: the install name, alone on its line
            return Some(Self::MissingLibrary(file_name(rest.trim())));
        }
        if let Some(rest) = after(line, "version `") {
            // glibc: `<library>: version `GLIBC_2.38' not found (required by <program>)`
            let (version, rest) = rest.split_once('\'')?;
            return rest
                .contains("not found")
                .then(|| Self::OlderLibrary(version.to_owned()));
        }
        if let Some(rest) = after(line, "Bad CPU type in executable") {
            return Some(Self::OtherMachine(rest.trim().to_owned()));
        }
        None
    }

    /// What to do about it on the system with this `/etc/os-release`.
    pub fn hint(&self, os_release: &str) -> Option<String> {
        match self {
            Self::MissingLibrary(library) => package_hint(library, os_release),
            Self::OlderLibrary(_) | Self::OtherMachine(_) => None,
        }
    }
}

impl fmt::Display for LoadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingLibrary(library) => write!(f, "the library `{library}` is not on this system"),
            Self::OlderLibrary(version) => write!(f, "it needs {version}, and this system is older"),
            Self::OtherMachine(what) if what.is_empty() => f.write_str("it was made for another processor"),
            Self::OtherMachine(what) => write!(f, "`{what}` was made for another kind of machine"),
        }
    }
}

/// The missing library that a program's stderr names.
pub fn missing_library(stderr: &str) -> Option<String> {
    match LoadFailure::find(stderr)? {
        LoadFailure::MissingLibrary(library) => Some(library),
        LoadFailure::OlderLibrary(_) | LoadFailure::OtherMachine(_) => None,
    }
}

/// The command that installs `library` on the system with this `/etc/os-release`, or on each system that we know.
pub fn package_hint(library: &str, os_release: &str) -> Option<String> {
    let packages = Packages::of(library)?;
    Some(match Family::of(os_release) {
        Some(family) => format!("`{}`", packages.command(family)),
        None => format!(
            "it is in the package {} (Debian), {} (Fedora), {} (Arch) or {} (Alpine)",
            packages.debian, packages.fedora, packages.arch, packages.alpine
        ),
    })
}

/// Which package manager a distribution has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Debian,
    Fedora,
    Arch,
    Alpine,
}

impl Family {
    /// Reads ID and ID_LIKE (<https://www.freedesktop.org/software/systemd/man/latest/os-release.html>).
    fn of(os_release: &str) -> Option<Self> {
        let value = |key: &str| {
            os_release
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
                .unwrap_or_default()
                .trim_matches(['"', '\''])
        };
        let (id, like) = (value("ID"), value("ID_LIKE"));
        id.split_whitespace()
            .chain(like.split_whitespace())
            .find_map(|word| match word {
                "debian" | "ubuntu" => Some(Self::Debian),
                "fedora" | "rhel" | "centos" => Some(Self::Fedora),
                "arch" => Some(Self::Arch),
                "alpine" => Some(Self::Alpine),
                _ => None,
            })
    }
}

/// The package that has a library, by distribution.
struct Packages {
    debian: String,
    fedora: &'static str,
    arch: &'static str,
    alpine: &'static str,
}

impl Packages {
    /// For the libraries that the builds of the registry take from the host (registry/postgres.toml, `needs`).
    fn of(library: &str) -> Option<Self> {
        let (name, version) = library.split_once(".so")?;
        let version = version.trim_start_matches('.');
        let of = |debian: &str, fedora, arch, alpine| {
            Some(Self {
                debian: debian.to_owned(),
                fedora,
                arch,
                alpine,
            })
        };
        match (name, version) {
            // Arch ships libxml2.so.16 in `libxml2` and keeps the old one apart.
            ("libxml2", _) => of("libxml2", "libxml2", "libxml2-legacy", "libxml2"),
            ("libxslt" | "libexslt", _) => of("libxslt1.1", "libxslt", "libxslt", "libxslt"),
            ("libssl", "3") => of("libssl3", "openssl-libs", "openssl", "libssl3"),
            ("libcrypto", "3") => of("libssl3", "openssl-libs", "openssl", "libcrypto3"),
            ("libgssapi_krb5" | "libkrb5", _) => of("libgssapi-krb5-2", "krb5-libs", "krb5", "krb5-libs"),
            ("liblz4", _) => of("liblz4-1", "lz4-libs", "lz4", "lz4-libs"),
            ("libzstd", _) => of("libzstd1", "libzstd", "zstd", "zstd-libs"),
            ("libz", _) => of("zlib1g", "zlib", "zlib", "zlib"),
            ("libreadline", _) => of("libreadline8", "readline", "readline", "readline"),
            ("libstdc++", _) => of("libstdc++6", "libstdc++", "gcc-libs", "libstdc++"),
            ("libgcc_s", _) => of("libgcc-s1", "libgcc", "gcc-libs", "libgcc"),
            // ICU's soname is its version, and Debian's package is named after it.
            ("libicui18n" | "libicuuc" | "libicudata", version) => {
                of(&format!("libicu{version}"), "libicu", "icu", "icu-libs")
            }
            _ => None,
        }
    }

    fn command(&self, family: Family) -> String {
        match family {
            Family::Debian => format!("apt-get install {}", self.debian),
            Family::Fedora => format!("dnf install {}", self.fedora),
            Family::Arch => format!("pacman -S {}", self.arch),
            Family::Alpine => format!("apk add {}", self.alpine),
        }
    }
}

fn after<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    line.split_once(mark).map(|(_, rest)| rest)
}

fn until<'a>(text: &'a str, mark: &str) -> &'a str {
    text.split_once(mark).map_or(text, |(before, _)| before)
}

fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_last_words_are_understood() {
        let find = |text: &str| LoadFailure::find(text).map(|failure| failure.to_string());
        let missing = |library: &str| Some(format!("the library `{library}` is not on this system"));
        assert_eq!(
            find(
                "bin/postgres: error while loading shared libraries: libxml2.so.2: cannot open shared object \
                 file: No such file or directory"
            ),
            missing("libxml2.so.2")
        );
        assert_eq!(
            find(
                "Error loading shared library libicui18n.so.74: No such file or directory (needed by postgres)"
            ),
            missing("libicui18n.so.74")
        );
        assert_eq!(
            find(
                "dyld[7]: Library not loaded: /usr/local/opt/openssl@3/lib/libssl.3.dylib\n  Referenced from"
            ),
            missing("libssl.3.dylib")
        );
        assert_eq!(
            find(
                "postgres: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by postgres)"
            ),
            Some("it needs GLIBC_2.38, and this system is older".to_owned())
        );
        assert_eq!(
            find(
                "error while loading shared libraries: libicuuc.so.60: ELF load command address/offset not page-aligned"
            ),
            Some("`libicuuc.so.60` was made for another kind of machine".to_owned())
        );
        assert_eq!(find("FATAL:  role \"x\" does not exist\n"), None);
        assert_eq!(missing_library("version `GLIBC_2.38' not found"), None);
    }

    #[test]
    fn the_hint_is_the_command_of_this_distribution() {
        let hint = |library: &str, os: &str| package_hint(library, os).unwrap_or_default();
        assert_eq!(
            hint("libxml2.so.2", "NAME=x\nID=manjaro\nID_LIKE=arch\n"),
            "`pacman -S libxml2-legacy`"
        );
        assert_eq!(
            hint("libicuuc.so.74", "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"),
            "`apt-get install libicu74`"
        );
        assert_eq!(
            hint("libcrypto.so.3", "ID=alpine\nVERSION_ID=3.22\n"),
            "`apk add libcrypto3`"
        );
        assert!(hint("liblz4.so.1", "").contains("lz4-libs (Fedora)"));
        assert_eq!(package_hint("libunheard.so.1", "ID=debian"), None);
    }
}
