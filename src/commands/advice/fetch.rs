//! Advice on downloads.

use super::hint_of_io;
use crate::{
    exit::Exit,
    fetch::{CONNECT_PREFIX, Fault, FetchError, NO_TLS, OF_OPTIONS, PackageClient, TLS_PREFIX},
    settings::SetBy,
};

impl FetchError {
    /// The exit code of a command that fails so.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Unreachable { .. }
            | Self::Gone { .. }
            | Self::Refused { .. }
            | Self::RateLimited { .. }
            | Self::Offline { .. }
            | Self::Address { .. }
            | Self::Answer { .. }
            | Self::NoClient { .. }
            | Self::Client { .. } => Exit::Network,
            Self::WrongBytes { .. }
            | Self::WrongPackage { .. }
            | Self::WrongMirror { .. }
            | Self::TooLarge { .. }
            | Self::Unpublished { .. }
            | Self::Unpinned { .. } => Exit::Integrity,
            Self::Disk { source, .. } => Exit::of_io(source),
        }
    }

    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoClient { client } => {
                return Some(format!("install {client}, or name a mirror with `--mirror`"));
            }
            Self::Client { why, .. } if why.ends_with(OF_OPTIONS) => {
                "`unset NODE_OPTIONS`, or set it to what Node finds from every directory"
            }
            Self::Client {
                client: PackageClient::Npm,
                ..
            } => "`npm config get registry` shows what npm asks; `npm ping` tries it",
            Self::Client {
                client: PackageClient::Pip,
                ..
            } => "`python3 -m pip config list` shows what pip asks",
            Self::Client {
                client: PackageClient::Uv,
                ..
            } => "install pip, or name a mirror with `--mirror`",
            Self::Unreachable { at, why } => return Some(hint_of_fault(at, why)),
            Self::RateLimited { .. } => "set `AMPUP_GITHUB_TOKEN` to a token of yours, or wait",
            Self::Refused { .. } => return None,
            Self::WrongBytes {
                is_web_page: true, ..
            }
            | Self::TooLarge {
                is_web_page: true, ..
            } => "sign in to your network in a browser and run the same command again",
            Self::WrongBytes { .. } | Self::TooLarge { .. } => {
                "run the same command again; if it fails again, report it: nothing was installed"
            }
            Self::Offline { by, .. } => return Some(by.removal()),
            Self::Unpinned {
                by: SetBy::Setting(_),
                ..
            } => "set `require_pinned = false`: an exact version is the same every time without it",
            Self::Unpinned { by, .. } => {
                return Some(format!(
                    "run the same command without {by}: an exact version is the same every time without it"
                ));
            }
            Self::WrongMirror { .. } => {
                "whoever keeps the mirror finds what is wrong with `ampup mirror DIR --check`"
            }
            Self::Gone { .. }
            | Self::Unpublished { .. }
            | Self::Address { .. }
            | Self::Answer { .. }
            | Self::WrongPackage { .. } => return None,
            Self::Disk { source, .. } => return hint_of_io(source),
        };
        Some(hint.to_owned())
    }
}

fn hint_of_fault(at: &Fault, why: &str) -> String {
    match at {
        Fault::Proxy { variable, .. } if why.starts_with("407") => {
            format!("set the user and the password in `{variable}`: `http://user:password@host:port`")
        }
        Fault::Proxy { variable, .. } => {
            format!("set `{variable}` to your network's proxy, `http://host:port`, or unset it")
        }
        _ if why.starts_with(TLS_PREFIX) && why.ends_with(NO_TLS) => {
            "if your network wants you to sign in, do so in a browser; or name a mirror with `--mirror`"
                .to_owned()
        }
        _ if why.starts_with(TLS_PREFIX) => {
            "if your network inspects TLS, put its certificate in a file and name it in `SSL_CERT_FILE`"
                .to_owned()
        }
        Fault::Through { variable, .. } => hint_of_answer(why, variable).unwrap_or_else(|| {
            "ask whoever runs the proxy to allow it, or name a mirror with `--mirror`".to_owned()
        }),
        Fault::Host { is_proxied: true, .. } => "name a mirror with `--mirror`".to_owned(),
        Fault::Host { mirror: Some(by), .. } => format!("check the address that {by} names"),
        // A digest that only its publisher states comes from no mirror.
        Fault::Host { name, .. } if name == "api.github.com" => {
            "connect to a network; set `https_proxy` if yours has a proxy".to_owned()
        }
        Fault::Host { .. } => {
            "connect to a network; set `https_proxy` if yours has a proxy, or name a mirror with `--mirror`"
                .to_owned()
        }
    }
}

/// The remedy after this answer of a proxy to CONNECT.
fn hint_of_answer(why: &str, variable: &str) -> Option<String> {
    let code: u16 = why.strip_prefix(CONNECT_PREFIX)?.get(..3)?.parse().ok()?;
    match code {
        401 => Some(format!("set the user and the password in `{variable}`: `http://user:password@host:port`")),
        // As a web server does.
        200..=400 | 404 | 405 | 501 => Some(format!(
            "it makes no tunnels: set `{variable}` to your network's proxy, `http://host:port`, or unset it"
        )),
        511 => Some("sign in to your network in a browser and run the same command again".to_owned()),
        408 | 429 | 500.. => Some(
            "the proxy does not reach that host now: run the same command again later, or name a mirror with `--mirror`".to_owned(),
        ),
        _ => None,
    }
}
