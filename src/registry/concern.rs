//! Concerns about an installed version: its vulnerabilities, the request that holds a newer one back, and releases of
//! its makers that nobody has built. Only judged here: the registry and the day are given.

use std::fmt;

use semver::Version;
use serde_json::{Value, json};

use crate::domain::{Component, Release, Requirement, Security, Target, Tree, version::local_name};

/// One thing to know of an installed version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concern {
    /// A newer release of its line mends flaws that it has.
    Behind {
        /// The component's name and the version, as they are shown.
        what: String,
        /// The newest release that mends some.
        fixed_in: Version,
        /// The same as it is shown.
        shown: String,
        /// All that is mended since.
        security: Security,
    },
    /// A newer release is there, and what was asked for does not allow it.
    HeldBack {
        /// The newest release.
        newest: Version,
        /// The same as it is shown.
        shown: String,
        /// The request, as it is typed.
        by: String,
        /// The commands that lift it.
        remedy: String,
        /// True if it is installed, and only to be activated.
        is_installed: bool,
    },
    /// Its makers have released a newer version, and no build of it is known.
    Unbuilt {
        /// The version.
        version: Version,
        /// The name that its makers use, with the version as it is shown.
        what: String,
        /// True if it fixes vulnerabilities.
        is_security: bool,
        /// Where a person reads more.
        link: Option<String>,
    },
    /// Nothing is mended in its line any more.
    EndOfLife {
        /// The line, in words.
        what: String,
        /// Since when.
        since: String,
        /// The line's major version.
        major: u64,
        /// The command to type.
        remedy: String,
        /// True if it activates what is installed.
        is_installed: bool,
    },
}

/// Returns the concerns about `version` on the day `today` (`YYYY-MM-DD`), whatever was asked for.
pub fn of_version(component: &Component, version: &Version, today: &str) -> Vec<Concern> {
    // A local build has what the version has that it is a build of.
    let of_local = local_name(version).map(|_| Version::new(version.major, version.minor, version.patch));
    let version = of_local.as_ref().unwrap_or(version);
    let found = [
        behind(component, version),
        unbuilt(component, version),
        end_of_life(component, version, today),
    ];
    found.into_iter().flatten().collect()
}

/// The newest release for `target` that takes the place of `version` and that `request` does not allow.
pub fn held_back(
    component: &Component,
    version: &Version,
    request: Option<&Requirement>,
    target: Option<Target>,
) -> Option<Concern> {
    let (Some(request), Some(target)) = (request, target) else {
        return None;
    };
    // Whoever asks for a channel or a local build has chosen, and is not held back by it.
    if matches!(request, Requirement::Channel(_) | Requirement::Latest) || local_name(version).is_some() {
        return None;
    }
    let newest = newer(component, version)
        .filter(|release| release.channel == component.default_channel || release.version.pre.is_empty())
        .find(|release| release.artifacts.iter().any(|one| one.target == target))?;
    if component.is_meant(request, newest) {
        return None;
    }
    let name = &component.name;
    let default_allows = newest.channel == component.default_channel
        && component
            .default_requirement
            .as_ref()
            .is_none_or(|default| component.is_meant(default, newest));
    let wider = if default_allows {
        format!("`ampup install {name}`")
    } else {
        format!("`ampup install {name}@{}`", newest.version.major)
    };
    Some(Concern::HeldBack {
        newest: newest.version.clone(),
        shown: component.version_style.show(&newest.version),
        by: format!("{name}@{request}"),
        remedy: wider,
        is_installed: false,
    })
}

/// The releases that take the place of `version`, newest first.
fn newer<'a>(component: &'a Component, version: &'a Version) -> impl Iterator<Item = &'a Release> {
    let releases = component.releases.iter();
    releases.filter(move |release| takes_its_place(release, version, component))
}

fn takes_its_place(release: &Release, version: &Version, component: &Component) -> bool {
    release.version.cmp_precedence(version).is_gt() && component.is_one_line(&release.version, version)
}

fn behind(component: &Component, version: &Version) -> Option<Concern> {
    // Of many releases, few mend flaws: who lists as many installed versions looks at those alone.
    let mending = component.releases.iter();
    let mut mending = mending
        .filter_map(|release| Some((release, release.security.as_ref()?)))
        .filter(|(release, _)| takes_its_place(release, version, component))
        .peekable();
    let (newest, first) = *mending.peek()?;
    let mut security = Security {
        cves: Vec::new(),
        severity: None,
        link: first.link.clone(),
    };
    for (_, one) in mending {
        security.severity = security.severity.max(one.severity);
        security.cves.extend(one.cves.iter().cloned());
    }
    Some(Concern::Behind {
        what: format!("{} {}", component.name, component.version_style.show(version)),
        fixed_in: newest.version.clone(),
        shown: component.version_style.show(&newest.version),
        security,
    })
}

fn unbuilt(component: &Component, version: &Version) -> Option<Concern> {
    let upstream = component.line(version)?.upstream.as_ref()?;
    let is_built = |release: &Release| release.version.cmp_precedence(&upstream.version).is_ge();
    if upstream.version.cmp_precedence(version).is_le()
        || component
            .releases
            .iter()
            .any(|release| component.is_one_line(&release.version, version) && is_built(release))
    {
        return None;
    }
    Some(Concern::Unbuilt {
        version: upstream.version.clone(),
        what: format!(
            "{} {}",
            component.title(),
            component.version_style.show(&upstream.version)
        ),
        is_security: upstream.security.is_some(),
        link: upstream.link.clone(),
    })
}

fn end_of_life(component: &Component, version: &Version, today: &str) -> Option<Concern> {
    let line = component.line(version)?;
    let since = line.end_of_life.as_deref().filter(|since| *since <= today)?;
    Some(Concern::EndOfLife {
        what: format!("{} {}", component.title(), line.major),
        since: since.to_owned(),
        major: line.major,
        is_installed: false,
        remedy: format!("`ampup update {} --allow-major`", component.name),
    })
}

/// The highest number of vulnerabilities that a sentence names.
const NAMED: usize = 3;

impl Concern {
    /// The same, judged by what is installed of the component: a newer version that is there is only to be activated.
    pub fn among(self, component: &Component, installed: &[Tree]) -> Self {
        match self {
            Self::HeldBack {
                newest, shown, by, ..
            } if installed
                .iter()
                .filter_map(|tree| tree.origin.as_ref())
                .any(|origin| origin.version == newest) =>
            {
                let remedy = format!("`ampup use {}@{shown}`", component.name);
                let is_installed = true;
                Self::HeldBack {
                    newest,
                    shown,
                    by,
                    remedy,
                    is_installed,
                }
            }
            Self::EndOfLife {
                what,
                since,
                major,
                remedy,
                ..
            } => {
                let origins = installed.iter().filter_map(|tree| tree.origin.as_ref());
                let majors = origins.map(|origin| origin.version.major);
                let newer = majors.max().filter(|newer| *newer > major);
                Self::EndOfLife {
                    what,
                    since,
                    major,
                    remedy: newer.map_or(remedy, |newer| format!("`ampup use {}@{newer}`", component.name)),
                    is_installed: newer.is_some(),
                }
            }
            other => other,
        }
    }

    /// Returns true if it is dangerous to leave it so.
    pub fn is_dangerous(&self) -> bool {
        match self {
            Self::Behind { .. } | Self::EndOfLife { .. } => true,
            Self::HeldBack { .. } | Self::Unbuilt { .. } => false,
        }
    }

    /// The same for a program.
    pub fn json(&self) -> Value {
        let mut json = match self {
            Self::Behind {
                fixed_in, security, ..
            } => json!({
                "kind": "security", "fixed_in": fixed_in, "cves": security.cves, "severity": security.severity,
                "link": security.link,
            }),
            Self::HeldBack {
                newest, by, remedy, ..
            } => {
                json!({"kind": "held-back", "newest": newest, "by": by, "remedy": remedy})
            }
            Self::Unbuilt {
                version,
                is_security,
                link,
                ..
            } => json!({"kind": "unbuilt", "version": version, "security": is_security, "link": link}),
            Self::EndOfLife { since, remedy, .. } => {
                json!({"kind": "end-of-life", "since": since, "remedy": remedy})
            }
        };
        json["text"] = self.to_string().into();
        json
    }
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Behind {
                what,
                shown,
                security,
                ..
            } => {
                write!(f, "{what} lacks the security fixes of {shown}")?;
                let mut words: Vec<String> = security.cves.iter().take(NAMED).cloned().collect();
                if security.cves.len() > NAMED {
                    words.push(format!("{} more", security.cves.len() - NAMED));
                }
                words.extend(security.severity.map(|severity| severity.to_string()));
                if words.is_empty() {
                    return Ok(());
                }
                write!(f, " ({})", words.join(", "))
            }
            Self::HeldBack {
                shown,
                by,
                remedy,
                is_installed: true,
                ..
            } => write!(f, "{shown} is installed, but you asked for `{by}` ({remedy})"),
            Self::HeldBack {
                shown, by, remedy, ..
            } => write!(
                f,
                "{shown} is available, but you asked for `{by}` ({remedy}, then `ampup update`)"
            ),
            Self::Unbuilt {
                what, is_security, ..
            } => {
                let fixes = if *is_security { " with security fixes" } else { "" };
                write!(f, "{what} is released{fixes}; no build of it is known yet")
            }
            Self::EndOfLife {
                what,
                since,
                remedy,
                is_installed,
                ..
            } => {
                let verb = if *is_installed { "activates" } else { "installs" };
                write!(
                    f,
                    "{what} has had no fixes since {since}: {remedy} {verb} a newer major version"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;
    use crate::table::every;

    /// Three versions of 18 and two of 17, for one target; 18.6 mends, 17.12 is not built.
    fn component() -> Component {
        let release = |version: &str, more: &str| {
            format!(
                r#"{{"version":"{version}","channel":"stable"{more},"artifacts":[{{"target":"x86_64-unknown-linux-gnu",
                "provider":"theseus","source":{{"kind":"https","url":"https://a.example/{version}"}},"format":"raw",
                "integrity":{{"kind":"pinned","digest":"sha256:{}"}}}}]}}"#,
                "0".repeat(64)
            )
        };
        let releases = [
            release(
                "18.6.0",
                r#","security":{"cves":["CVE-2026-14669"],"severity":"high"}"#,
            ),
            release(
                "18.4.0",
                r#","security":{"cves":["CVE-1","CVE-2","CVE-3"],"severity":"low"}"#,
            ),
            release("18.3.0", ""),
            release("17.11.0", ""),
            release("17.9.0", ""),
        ];
        let document = format!(
            r#"{{"schema":1,"registry":"amp","serial":1,"issued":"2026-11-20T00:00:00Z","components":{{"postgres":{{
            "title":"PostgreSQL","summary":"s","homepage":"https://h.example","default":{{"channel":"stable","requirement":"18"}},
            "group":"postgres","default_install":true,"version_style":"postgres","executables":["postgres"],
            "acceptance":"postgres","lines":[{{"major":18,"end_of_life":"2030-11-14"}},
            {{"major":17,"end_of_life":"2029-11-08","upstream":{{"version":"17.12.0","security":{{}}}}}}],
            "releases":[{}]}}}}}}"#,
            releases.join(",")
        );
        let registry = Registry::parse(document.as_bytes()).expect("a registry");
        registry.components.into_values().next().expect("one")
    }

    #[test]
    fn what_matters_is_said_in_one_line_each() {
        let component = component();
        let said = |version: &str, today: &str| -> Vec<String> {
            let version = Version::parse(version).expect("a version");
            let concerns = of_version(&component, &version, today);
            concerns.iter().map(ToString::to_string).collect()
        };
        assert_eq!(said("18.6.0", "2026-11-28"), [""; 0]);
        assert_eq!(
            said("18.4.0", "2026-11-28"),
            ["postgres 18.4 lacks the security fixes of 18.6 (CVE-2026-14669, high)"]
        );
        assert_eq!(
            said("18.3.0", "2026-11-28"),
            ["postgres 18.3 lacks the security fixes of 18.6 (CVE-2026-14669, CVE-1, CVE-2, 1 more, high)"]
        );
        assert_eq!(
            said("17.11.0", "2029-11-08"),
            [
                "PostgreSQL 17.12 is released with security fixes; no build of it is known yet",
                "PostgreSQL 17 has had no fixes since 2029-11-08: `ampup update postgres --allow-major` installs a \
                 newer major version"
            ]
        );
        assert_eq!(said("17.12.0", "2029-11-07"), [""; 0]);
        assert_eq!(said("18.6.0-local-a1b2c3d", "2026-11-28"), [""; 0]);
    }

    #[test]
    fn what_holds_a_newer_release_back_is_told_with_what_lets_go() {
        let component = component();
        let linux = Some(Target::X86_64LinuxGnu);
        let said = |version: &str, request: &str, target| {
            let version = Version::parse(version).expect("a version");
            let request: Requirement = request.parse().expect("a requirement");
            held_back(&component, &version, Some(&request), target).map(|one| one.to_string())
        };
        let rows = [
            (
                "18.4.0",
                "18.4",
                "18.6 is available, but you asked for `postgres@18.4` (`ampup install postgres`, then `ampup update`)",
            ),
            (
                "17.9.0",
                "17.9.0",
                "17.11 is available, but you asked for `postgres@17.9.0` (`ampup install postgres@17`, then `ampup update`)",
            ),
            (
                "18.3.0",
                "<18.6",
                "18.6 is available, but you asked for `postgres@<18.6` (`ampup install postgres`, then `ampup update`)",
            ),
        ];
        every(rows, |(version, request, expected)| {
            assert_eq!(
                said(version, request, linux).as_deref(),
                Some(expected),
                "{request}"
            );
        });
        let rows = [
            ("18.4.0", "18"),
            ("18.6.0", "18.6"),
            ("18.4.0", "stable"),
            ("18.4.0", "latest"),
        ];
        every(rows, |(version, request)| {
            assert_eq!(said(version, request, linux), None, "{version} as {request}");
        });
        assert_eq!(
            said("18.4.0", "18.4", Some(Target::X86_64Windows)),
            None,
            "there is no build"
        );
    }
}
