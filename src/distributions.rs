//! Which package of a Linux distribution has what a build takes from the host (`registry/distributions.toml`). A
//! distribution that is not listed gets no advice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fs::atomic;

/// Distributions by the `ID` of their `/etc/os-release`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Distributions(BTreeMap<String, Distribution>);

/// One distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// The command that installs packages, which are written behind it.
    pub install: String,
    /// The package that has a library (by soname) or a file (by absolute path). A key that ends with `*` means every
    /// soname that begins so, and `{version}` in its package is the rest.
    pub packages: BTreeMap<String, String>,
    /// The releases that have a library no longer, under any name: each is an `ID` and the first `VERSION_ID` without it, or a
    /// code name, by which a distribution says what it is made of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ended: BTreeMap<String, Vec<String>>,
}

/// The text of this system's `/etc/os-release`; empty where there is none.
pub fn os_release() -> String {
    let text = atomic::read("/etc/os-release".into(), 1 << 16).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

impl Distributions {
    /// Those that this ampup was built with.
    #[cfg(feature = "cli")]
    pub fn built_in() -> Self {
        toml::from_str(include_str!("../registry/distributions.toml")).expect("a test reads them")
    }

    /// The command that installs all of `things` on the system with this `/etc/os-release`. `None` where the distribution
    /// is not listed, has none of them, or has one of them no longer.
    pub fn install<'a>(
        &self,
        things: impl IntoIterator<Item = &'a str, IntoIter: Clone>,
        os_release: &str,
    ) -> Option<String> {
        let distribution = self.of(os_release)?;
        let things = things.into_iter();
        if !self.ended(things.clone(), os_release).is_empty() {
            return None;
        }
        let mut packages: Vec<String> = Vec::new();
        for thing in things {
            if let Some(package) = distribution.package(thing)
                && !packages.contains(&package)
            {
                packages.push(package);
            }
        }
        (!packages.is_empty()).then(|| format!("{} {}", distribution.install, packages.join(" ")))
    }

    /// Those of `things` that the system with this `/etc/os-release` has in no package any more.
    pub fn ended<'a>(&self, things: impl IntoIterator<Item = &'a str>, os_release: &str) -> Vec<&'a str> {
        let ended = |thing: &&str| {
            let releases = self.of(os_release).and_then(|known| known.ended.get(*thing));
            releases
                .into_iter()
                .flatten()
                .any(|release| is_of(release, os_release))
        };
        things.into_iter().filter(ended).collect()
    }

    /// The distribution of this `/etc/os-release`, else the first that it is like
    /// (<https://www.freedesktop.org/software/systemd/man/latest/os-release.html>).
    fn of(&self, os_release: &str) -> Option<&Distribution> {
        let (id, like) = (value(os_release, "ID"), value(os_release, "ID_LIKE"));
        id.split_whitespace()
            .chain(like.split_whitespace())
            .find_map(|word| self.0.get(word))
    }
}

impl Distribution {
    /// The package that has a library or a file.
    fn package(&self, thing: &str) -> Option<String> {
        if let Some(package) = self.packages.get(thing) {
            return Some(package.clone());
        }
        self.packages.iter().find_map(|(key, package)| {
            let version = thing.strip_prefix(key.strip_suffix('*')?)?;
            Some(package.replace("{version}", version))
        })
    }
}

/// The value of a line of an `/etc/os-release`; empty where it has no such line.
fn value<'a>(os_release: &'a str, key: &str) -> &'a str {
    os_release
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .unwrap_or_default()
        .trim_matches(['"', '\''])
}

/// Returns true if the system is this release (`debian 14`, `forky`) or a later one. One that is not numbered yet comes after
/// all that are.
fn is_of(release: &str, os_release: &str) -> bool {
    let Some((id, first)) = release.split_once(' ') else {
        return ["VERSION_CODENAME", "UBUNTU_CODENAME", "DEBIAN_CODENAME"]
            .iter()
            .any(|key| value(os_release, key) == release);
    };
    let numbers = |text: &str| -> Vec<u64> { text.split('.').map_while(|part| part.parse().ok()).collect() };
    let here = value(os_release, "VERSION_ID");
    value(os_release, "ID") == id && (here.is_empty() || numbers(here) >= numbers(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn the_command_is_that_of_the_distribution_and_names_every_package_once() {
        let known = Distributions::built_in();
        let install = |things: &[&str], os: &str| {
            let command = known.install(things.iter().copied(), os);
            command.unwrap_or_default()
        };
        let rows = [
            (
                &["libxml2.so.2"][..],
                "NAME=x\nID=manjaro\nID_LIKE=arch\n",
                "pacman -S libxml2-legacy",
            ),
            (
                &[
                    "libicuuc.so.74",
                    "libicui18n.so.74",
                    "libssl.so.3",
                    "libcrypto.so.3",
                ],
                "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n",
                "apt-get install libicu74 libssl3",
            ),
            (
                &["libcrypto.so.3"],
                "ID=alpine\nVERSION_ID=3.22\n",
                "apk add libcrypto3",
            ),
            (
                &["libreadline.so.8", "/usr/share/zoneinfo", "libunheard.so.1"],
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
                "dnf install readline tzdata",
            ),
            (
                &["libz.so.1"],
                "ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n",
                "zypper install libz1",
            ),
            (&["libunheard.so.1"], "ID=debian\n", ""),
            (&["libz.so.1"], "ID=plan9\n", ""),
            (&["libz.so.1"], "", ""),
        ];
        every(rows, |(things, os, command)| {
            assert_eq!(install(things, os), command, "{things:?} on {os:?}");
        });
    }

    #[test]
    fn no_command_names_a_package_that_does_not_bring_the_library() {
        let known = Distributions::built_in();
        let xml = ["libz.so.1", "libxml2.so.2"];
        let icu = ["libicui18n.so.74"];
        let rows = [
            (
                &xml[..],
                "ID=debian\nVERSION_ID=\"13\"\nVERSION_CODENAME=trixie\n",
                false,
            ),
            (&xml, "ID=debian\nVERSION_ID=\"14\"\n", true),
            // Testing and unstable have no number.
            (&xml, "ID=debian\nVERSION_CODENAME=forky\n", true),
            (&xml, "ID=ubuntu\nVERSION_ID=\"25.04\"\nID_LIKE=debian\n", false),
            (&xml, "ID=ubuntu\nVERSION_ID=\"25.10\"\nID_LIKE=debian\n", true),
            (&xml, "ID=ubuntu\nVERSION_ID=\"26.04\"\nID_LIKE=debian\n", true),
            // A number of its own, and the code name of what it is made of.
            (
                &xml,
                "ID=linuxmint\nVERSION_ID=\"22\"\nID_LIKE=\"ubuntu debian\"\nUBUNTU_CODENAME=noble\n",
                false,
            ),
            (
                &xml,
                "ID=linuxmint\nVERSION_ID=\"23\"\nID_LIKE=\"ubuntu debian\"\nUBUNTU_CODENAME=resolute\n",
                true,
            ),
            (&xml, "ID=arch\n", false),
            (&icu, "ID=alpine\nVERSION_ID=3.21.4\n", false),
            (&icu, "ID=alpine\nVERSION_ID=3.22.0\n", true),
        ];
        every(rows, |(things, os, is_ended)| {
            let last = &things[things.len() - 1..];
            let expected = if is_ended { last } else { &[] };
            assert_eq!(known.ended(things.iter().copied(), os), expected, "{os:?}");
            assert_eq!(
                known.install(things.iter().copied(), os).is_none(),
                is_ended,
                "{os:?}"
            );
        });
    }
}
