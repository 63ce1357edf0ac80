//! Which package of a distribution has a shared library.

use crate::fs::atomic;

/// The command that installs `library` on the distribution with this `/etc/os-release`, and the package's name on each
/// distribution that we know; `None` where we do not know the library.
pub fn package_hint(library: &str, os_release: &str) -> Option<String> {
    let packages = Packages::of(library)?;
    let command = Family::of(os_release).map(|family| format!("`{}`; ", packages.command(family)));
    Some(format!(
        "{}`{library}` is in the package {} (Debian), {} (Fedora), {} (Arch), {} (Alpine)",
        command.unwrap_or_default(),
        packages.debian,
        packages.fedora,
        packages.arch,
        packages.alpine
    ))
}

/// The text of this system's `/etc/os-release`; empty where there is none.
pub fn os_release() -> String {
    let text = atomic::read("/etc/os-release".into(), 1 << 16).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_is_the_command_of_this_distribution_and_the_names_on_all() {
        let hint = |library: &str, os: &str| package_hint(library, os).unwrap_or_default();
        assert_eq!(
            hint("libxml2.so.2", "NAME=x\nID=manjaro\nID_LIKE=arch\n"),
            "`pacman -S libxml2-legacy`; `libxml2.so.2` is in the package libxml2 (Debian), libxml2 (Fedora), \
             libxml2-legacy (Arch), libxml2 (Alpine)"
        );
        let icu = hint("libicuuc.so.74", "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n");
        assert!(icu.starts_with("`apt-get install libicu74`; "), "{icu}");
        assert!(hint("libcrypto.so.3", "ID=alpine\nVERSION_ID=3.22\n").starts_with("`apk add libcrypto3`; "));
        assert!(hint("liblz4.so.1", "").starts_with("`liblz4.so.1` is in the package liblz4-1 (Debian), "));
        assert_eq!(package_hint("libunheard.so.1", "ID=debian"), None);
    }
}
