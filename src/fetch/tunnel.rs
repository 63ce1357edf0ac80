//! Asking a proxy once more why it made no tunnel: the http client does not tell its answer. Nothing is sent through one.

use std::{io, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::{Host, Url};

/// No status line that says something is longer, in bytes.
const LINE: usize = 256;
/// More of something else is not shown, in characters.
const SHOWN: usize = 60;

/// The answer of a proxy to CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answered {
    /// A status of HTTP, with its text: `403 Forbidden`.
    Status(u16, String),
    /// The beginning of something else.
    NoHttp(String),
}

/// Asks the proxy for a tunnel to the host of `url`. `None` where it says nothing within `limit`, or is spoken to by SOCKS. `tls` is
/// for a proxy that is spoken to by TLS itself.
pub(super) async fn ask(
    proxy: &Url,
    url: &Url,
    limit: Duration,
    tls: impl FnOnce() -> ClientConfig,
) -> Option<Answered> {
    let answer = async {
        match proxy.scheme() {
            "http" => first_line(connected(proxy).await?, proxy, url).await,
            "https" => first_line(secured(proxy, tls()).await?, proxy, url).await,
            other => Err(io::Error::new(io::ErrorKind::Unsupported, other)),
        }
    };
    read(&timeout(limit, answer).await.ok()?.ok()?)
}

async fn connected(proxy: &Url) -> io::Result<TcpStream> {
    TcpStream::connect((host(proxy), proxy.port_or_known_default().unwrap_or(80))).await
}

async fn secured(proxy: &Url, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host(proxy)).map_err(io::Error::other)?;
    let connection = connected(proxy).await?;
    TlsConnector::from(Arc::new(config))
        .connect(name, connection)
        .await
}

/// The host of a proxy, an address of IPv6 without its brackets.
fn host(proxy: &Url) -> String {
    match proxy.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        Some(host) => host.to_string(),
        None => String::new(),
    }
}

async fn first_line(
    mut connection: impl AsyncRead + AsyncWrite + Unpin,
    proxy: &Url,
    url: &Url,
) -> io::Result<Vec<u8>> {
    connection.write_all(request(proxy, url).as_bytes()).await?;
    let mut answer = Vec::new();
    while answer.len() < LINE && !answer.contains(&b'\n') && connection.read_buf(&mut answer).await? > 0 {}
    Ok(answer)
}

/// The request, as the http client makes it.
fn request(proxy: &Url, url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(443);
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let authorization = match (proxy.username(), proxy.password()) {
        ("", None) => String::new(),
        (user, password) => {
            let both = format!("{}:{}", decoded(user), decoded(password.unwrap_or_default()));
            format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(both))
        }
    };
    format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{authorization}\r\n")
}

/// Reads the first line of an answer.
fn read(answer: &[u8]) -> Option<Answered> {
    let text = String::from_utf8_lossy(answer);
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() {
        return None;
    }
    let shown = |text: &str| -> String {
        text.chars()
            .take(SHOWN)
            .collect::<String>()
            .escape_debug()
            .to_string()
    };
    let status = line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split_once(' '))
        .and_then(|(_, status)| Some((status.get(..3)?.parse().ok()?, status.trim())));
    Some(match status {
        Some((code, status)) => Answered::Status(code, shown(status)),
        None => Answered::NoHttp(shown(line)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn a_status_is_told_from_what_is_no_http() {
        let status = |code, text: &str| Some(Answered::Status(code, text.to_owned()));
        let other = |text: &str| Some(Answered::NoHttp(text.to_owned()));
        let rows = [
            (
                "HTTP/1.1 503 Service Unavailable\r\n",
                status(503, "503 Service Unavailable"),
            ),
            ("HTTP/1.0 403\r\n", status(403, "403")),
            ("HTTP/1.1 5", other("HTTP/1.1 5")),
            ("SSH-2.0-OpenSSH_9.2\r\n", other("SSH-2.0-OpenSSH_9.2")),
            ("<html><body>\n", other("<html><body>")),
            ("\u{1b}[2J\n", other("\\u{1b}[2J")),
            ("", None),
        ];
        every(rows, |(answer, expected)| {
            assert_eq!(read(answer.as_bytes()), expected, "{answer:?}");
        });
    }

    #[test]
    fn the_request_has_the_users_password() {
        let proxy = Url::parse("http://me:s%40x@proxy.example:3128").expect("an address");
        let url = Url::parse("https://a.example/thing").expect("an address");
        assert_eq!(
            request(&proxy, &url),
            "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nProxy-Authorization: Basic bWU6c0B4\r\n\r\n"
        );
    }
}
