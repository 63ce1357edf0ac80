//! What npm says when it fails.

use std::{io, process::Output};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use super::HOST;
use crate::fetch::FetchError;

/// What npm's failure means. `cache` is named where npm does not say which file the disk refused it.
pub(super) fn failure(program: &Utf8Path, package: &str, cache: &Utf8Path, output: &Output) -> FetchError {
    let (code, summary) = said(&output.stdout, &output.stderr);
    let path = detail(&output.stderr, "path ");
    let origin = format!("npm {package}");
    let why = match (code.as_str(), summary.as_str()) {
        ("", "") => format!("{}, and it did not say why", output.status),
        (code, "") => code.to_owned(),
        ("", summary) => summary.to_owned(),
        (code, summary) => format!("{code}: {summary}"),
    };
    match code.as_str() {
        "E404" | "E410" | "ETARGET" | "ENOVERSIONS" => FetchError::Gone { origin, why },
        "E401" | "E403" | "E407" | "ENEEDAUTH" | "EOTP" => FetchError::Refused { origin, why },
        // A firewall forbids with the same word.
        "EACCES" | "EPERM" if detail(&output.stderr, "syscall ").as_deref() == Some("connect") => {
            FetchError::Unreachable {
                host: HOST.to_owned(),
                why,
            }
        }
        code if let Some(kind) = of_disk(code) => {
            let path = path.map_or_else(|| cache.to_owned(), Utf8PathBuf::from);
            FetchError::disk(path)(io::Error::new(kind, why))
        }
        code if is_of_network(code) => FetchError::Unreachable {
            host: HOST.to_owned(),
            why,
        },
        _ => FetchError::Npm {
            program: program.to_owned(),
            package: package.to_owned(),
            why,
        },
    }
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
    let first_line = |text: Option<String>| {
        let text = text.unwrap_or_default();
        let line: String = text
            .lines()
            .next()
            .unwrap_or_default()
            .trim()
            .chars()
            .take(300)
            .collect();
        line.escape_debug().to_string()
    };
    (first_line(code), first_line(summary))
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
        .find_map(|line| line.strip_prefix(begin).map(|rest| rest.trim().to_owned()))?;
    (!found.is_empty()).then(|| found.escape_debug().to_string())
}

/// Node's names for what a disk does.
fn of_disk(code: &str) -> Option<io::ErrorKind> {
    Some(match code {
        "ENOSPC" => io::ErrorKind::StorageFull,
        "EDQUOT" => io::ErrorKind::QuotaExceeded,
        "EROFS" => io::ErrorKind::ReadOnlyFilesystem,
        "EACCES" | "EPERM" => io::ErrorKind::PermissionDenied,
        "EIO" | "EMFILE" | "ENFILE" | "ENOTDIR" | "EEXIST" => io::ErrorKind::Other,
        _ => return None,
    })
}

/// Node's names for what a network does, and OpenSSL's.
fn is_of_network(code: &str) -> bool {
    const NAMES: [&str; 12] = [
        "E408",
        "E425",
        "E429",
        "ENOTFOUND",
        "ENOTCACHED",
        "EPIPE",
        "EPROTO",
        "FETCH_ERROR",
        "CERT_HAS_EXPIRED",
        "CERT_NOT_YET_VALID",
        "SELF_SIGNED_CERT_IN_CHAIN",
        "DEPTH_ZERO_SELF_SIGNED_CERT",
    ];
    const BEGINNINGS: [&str; 9] = [
        "E5",
        "EAI_",
        "ECONN",
        "EHOST",
        "ENET",
        "ERR_SOCKET",
        "ERR_SSL",
        "ERR_TLS",
        "UNABLE_TO_",
    ];
    NAMES.contains(&code)
        || code.ends_with("TIMEDOUT")
        || code.ends_with("TIMEOUT")
        || BEGINNINGS.iter().any(|beginning| code.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_npm_says_is_read_from_json_and_from_lines() {
        let json = br#"{"error":{"code":"E404","summary":"404 Not Found\nmore","detail":"x"}}"#;
        assert_eq!(said(json, b""), ("E404".to_owned(), "404 Not Found".to_owned()));
        for text in [
            "npm warn x\nnpm error code ENOTFOUND\nnpm error syscall getaddrinfo\nnpm error network request failed\n",
            "npm ERR! code ENOTFOUND\nnpm ERR! errno ENOTFOUND\nnpm ERR! network request failed\n",
        ] {
            let said = said(b"", text.as_bytes());
            assert_eq!(
                said,
                ("ENOTFOUND".to_owned(), "network request failed".to_owned())
            );
        }
        assert_eq!(said(b"{}", b"Segmentation fault"), (String::new(), String::new()));
        let refused =
            b"npm http fetch\nnpm error code EACCES\nnpm error syscall open\nnpm error path /u/.npm/a b\n";
        assert_eq!(detail(refused, "path ").as_deref(), Some("/u/.npm/a b"));
        assert_eq!(detail(refused, "dest "), None);
    }

    #[test]
    fn nodes_names_for_a_network_that_does_not_work_are_known() {
        for code in [
            "ENOTFOUND",
            "EAI_AGAIN",
            "ECONNREFUSED",
            "ECONNRESET",
            "ETIMEDOUT",
            "ERR_SOCKET_TIMEOUT",
            "EIDLETIMEOUT",
            "FETCH_ERROR",
            "E503",
            "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        ] {
            assert!(is_of_network(code), "{code}");
        }
        for code in ["", "E404", "EINTEGRITY", "EACCES", "EUSAGE"] {
            assert!(!is_of_network(code), "{code}");
        }
    }
}
