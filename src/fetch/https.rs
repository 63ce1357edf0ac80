//! One question to the web: redirects followed by our rules, every answer sorted into its kind.

use std::{error::Error, time::Duration};

use reqwest::{
    Response, StatusCode,
    header::{self, HeaderMap, HeaderName},
};
use tokio::time::timeout;
use url::Url;

use super::{
    Fault, FetchError, Wire, address, authority,
    proxy::Proxy,
    retry::{Failed, retry_after},
    tls,
    tunnel::{self, Answered},
};

/// The beginning of the reason where a proxy made no tunnel; its answer follows.
pub(crate) const CONNECT_PREFIX: &str = "the proxy answered CONNECT with ";

/// More than any honest server needs (SECURITY.md, promise 6).
const REDIRECTS: usize = 5;

/// A request for a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    /// Where.
    pub(super) url: &'a Url,
    /// From which byte on, if the file is still the one with this validator.
    pub(super) from: Option<(u64, &'a str)>,
    /// Only if it has another ETag.
    pub(super) unless: Option<&'a str>,
}

impl Wire {
    /// Asks once, and follows redirects. Given is an answer with the status 200, 206, 304 or 416; the last three only
    /// when the question allows for them.
    pub(super) async fn ask(&self, question: Question<'_>) -> Result<Response, Failed> {
        let mirror = self.options.mirror.as_ref();
        address::ensure_allowed(question.url, mirror)?;
        let mut url = question.url.clone();
        for hop in 0..=REDIRECTS {
            let answer = self.ask_one(&url, hop == 0, question).await?;
            if !is_redirect(answer.status()) {
                return self.sorted(&url, answer, question);
            }
            let Some(location) = text_of(answer.headers(), &header::LOCATION) else {
                return Err(unaccepted(&url, "it redirects to nowhere").into());
            };
            url = address::redirected(&url, location, mirror)?;
        }
        let why = format!("it redirects more than {REDIRECTS} times");
        Err(unaccepted(question.url, why).into())
    }

    async fn ask_one(&self, url: &Url, first: bool, question: Question<'_>) -> Result<Response, Failed> {
        let at = self.fault_of(url);
        let proxy = self.proxies.of(url);
        self.ensure_reachable([
            Some(at.clone()),
            proxy.map(Fault::of_proxy),
            Some(self.host_of(url)),
        ])?;
        if let Some(proxy) = proxy
            && let Err(why) = &proxy.address
        {
            return Err(Failed::Unreachable {
                at: Fault::of_proxy(proxy),
                why: why.clone(),
            });
        }
        let client = self
            .client(url)
            .map_err(|why| Failed::Unreachable { at: at.clone(), why })?;
        let mut request = client
            .get(url.clone())
            .header(header::ACCEPT_ENCODING, "identity");
        if let Some((from, validator)) = question.from {
            request = request
                .header(header::RANGE, format!("bytes={from}-"))
                .header(header::IF_RANGE, validator);
        }
        if let Some(etag) = question.unless {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(token) = &self.options.github_token
            && first
            && self.has_token_for(url)
        {
            request = request.bearer_auth(token.expose());
        }
        let limits = &self.options.limits;
        match timeout(limits.connect + limits.first_byte, request.send()).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(cause)) => {
                let cause = cause.without_url();
                let address = proxy.and_then(|proxy| proxy.address.as_ref().ok());
                let answered = match address.filter(|_| is_without_tunnel(&cause)) {
                    Some(address) => {
                        // What of the environment cannot be used was said when the client was made.
                        let tls = || tls::config(&self.env, |_| ());
                        tunnel::ask(address, url, limits.connect, tls).await
                    }
                    None => None,
                };
                let asked = Asked {
                    url,
                    proxy,
                    answered,
                    at,
                    host: self.host_of(url),
                };
                Err(sort(asked, &cause, limits.connect))
            }
            Err(_) => Err(Failed::Unreachable {
                at,
                why: format!("no answer within {}", seconds(limits.first_byte)),
            }),
        }
    }

    /// Sorts an answer that is no redirect.
    fn sorted(&self, url: &Url, answer: Response, question: Question<'_>) -> Result<Response, Failed> {
        let status = answer.status();
        let headers = answer.headers();
        let origin = address::shown(question.url);
        let why = status.to_string();
        match status.as_u16() {
            200 => {}
            206 | 416 if question.from.is_some() => {}
            304 if question.unless.is_some() => return Ok(answer),
            404 | 410 => return Err(FetchError::Gone { origin, why }.into()),
            403 | 429 if self.is_rate_limit(url, headers) => {
                let until = text_of(headers, &HeaderName::from_static("x-ratelimit-reset"))
                    .and_then(|text| jiff::Timestamp::from_second(text.parse().ok()?).ok())
                    .map(|until| format!(" until {until}"))
                    .unwrap_or_default();
                let host = authority::host(url);
                return Err(FetchError::RateLimited { host, until }.into());
            }
            _ if self.is_busy(url, &answer) => {
                let after = text_of(headers, &header::RETRY_AFTER)
                    .and_then(|asked| retry_after(asked, text_of(headers, &header::DATE)));
                let at = self.fault_of(url);
                return Err(match after {
                    Some(after) if after > self.options.limits.retry_after => {
                        let why = format!("{why}, and it asks to wait {}", seconds(after));
                        Failed::Unreachable { at, why }
                    }
                    after => Failed::Again { at, why, after },
                });
            }
            401 if self.has_token_for(url) => {
                let why = format!("{why}: the GitHub token is not accepted");
                return Err(FetchError::Refused { origin, why }.into());
            }
            400..=499 => {
                return Err(match self.proxies.of(url) {
                    Some(proxy) if status == 407 => wants_password(proxy),
                    _ => FetchError::Refused { origin, why }.into(),
                });
            }
            _ => return Err(unaccepted(question.url, format!("it is {why}")).into()),
        }
        // We asked for the bytes as they are; decoding them is a door for other bytes than those with the digest.
        if let Some(encoding) = text_of(headers, &header::CONTENT_ENCODING)
            && !encoding.trim().eq_ignore_ascii_case("identity")
        {
            let why = format!(
                "its content encoding is `{}`, and none was requested",
                encoding.escape_debug()
            );
            return Err(unaccepted(question.url, why).into());
        }
        Ok(answer)
    }

    /// Returns true if a later attempt may succeed.
    fn is_busy(&self, url: &Url, answer: &Response) -> bool {
        match answer.status().as_u16() {
            408 | 425 | 429 | 500..=599 => true,
            // GitHub's secondary limit.
            403 => self.is_api(url) && answer.headers().contains_key(header::RETRY_AFTER),
            _ => false,
        }
    }

    /// Returns true if GitHub's primary rate limit is used up.
    fn is_rate_limit(&self, url: &Url, headers: &HeaderMap) -> bool {
        self.is_api(url) && text_of(headers, &HeaderName::from_static("x-ratelimit-remaining")) == Some("0")
    }

    fn has_token_for(&self, url: &Url) -> bool {
        self.options.github_token.is_some() && self.is_api(url)
    }

    fn is_api(&self, url: &Url) -> bool {
        url.origin() == self.options.token_origin.origin()
    }
}

/// A header that is text.
pub(super) fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The target of the link to the next page.
pub(super) fn next_page(links: &str) -> Option<&str> {
    let mut next = links.split(',').filter_map(|link| {
        let (target, relation) = link.split_once(';')?;
        let is_next = relation
            .split(';')
            .any(|one| matches!(one.trim(), "rel=\"next\"" | "rel=next"));
        is_next.then_some(target.trim().strip_prefix('<')?.strip_suffix('>')?)
    });
    next.next()
}

/// Returns true if the response calls itself a web page.
pub(super) fn is_web_page(answer: &Response) -> bool {
    text_of(answer.headers(), &header::CONTENT_TYPE)
        .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

pub(super) fn unaccepted(url: &Url, why: impl Into<String>) -> FetchError {
    FetchError::Answer {
        origin: address::shown(url),
        why: why.into(),
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn wants_password(proxy: &Proxy) -> Failed {
    Failed::Unreachable {
        at: Fault::of_proxy(proxy),
        why: match proxy
            .address
            .as_ref()
            .is_ok_and(|address| !address.username().is_empty())
        {
            true => "407: it refuses this user and password".to_owned(),
            false => "407: it asks for a user and a password".to_owned(),
        },
    }
}

/// Who was asked.
struct Asked<'a> {
    url: &'a Url,
    proxy: Option<&'a Proxy>,
    /// The answer of that proxy, where it made no tunnel.
    answered: Option<Answered>,
    /// Who is at fault, unless something says that it is another.
    at: Fault,
    /// The host alone.
    host: Fault,
}

/// Sorts a question that got no answer.
fn sort(asked: Asked<'_>, cause: &reqwest::Error, connect: Duration) -> Failed {
    let Asked {
        url,
        proxy,
        answered,
        at,
        host,
    } = asked;
    let chain = chain(cause);
    let texts: Vec<String> = chain.iter().map(ToString::to_string).collect();
    let says = |text: &str| texts.iter().any(|one| one.contains(text));
    let is_timeout = cause.is_connect() && cause.is_timeout();
    // To http, every connection is one to the proxy; to https, a tunnel comes first.
    let proxy = proxy.filter(|_| {
        let is_plain = url.scheme() == "http" && cause.is_connect();
        is_timeout || is_plain || says("tunnel error") || says("socks")
    });
    // Such a proxy takes numbers alone: the name was looked up here, and it is at fault for nothing.
    let proxy = match proxy.filter(|proxy| proxy.resolves_here() && says("failed to lookup address")) {
        Some(local) => {
            return Failed::Unreachable {
                at: host.looked_up(),
                why: format!(
                    "DNS: {}; `socks5h://` in `{}` has the proxy look names up",
                    innermost(cause).trim_start_matches("failed to lookup address information: "),
                    local.variable
                ),
            };
        }
        None => proxy,
    };
    let way = at.clone();
    let at = proxy.map_or(at, Fault::of_proxy);
    let explained = chain.iter().find_map(|cause| tls::explain(*cause));
    match (explained, proxy) {
        (Some(why), _) => Failed::Unreachable { at, why },
        (None, Some(proxy)) if says("proxy authorization required") => wants_password(proxy),
        (None, _) if is_timeout => Failed::Unreachable {
            at,
            why: format!("no connection within {}", seconds(connect)),
        },
        (None, _) if says("dns error") => Failed::Unreachable {
            at,
            why: format!(
                "DNS: {}",
                innermost(cause).trim_start_matches("failed to lookup address information: ")
            ),
        },
        (None, Some(proxy)) if says(UNSUCCESSFUL) => without_tunnel(way, proxy, answered),
        (None, _) => Failed::Again {
            at,
            why: innermost(cause),
            after: None,
        },
    }
}

/// The http client's word for an answer to CONNECT, whatever it is.
const UNSUCCESSFUL: &str = "unsuccessful";

fn is_without_tunnel(cause: &reqwest::Error) -> bool {
    chain(cause)
        .iter()
        .any(|cause| cause.to_string().contains(UNSUCCESSFUL))
}

/// The failure that a proxy's answer to CONNECT means.
fn without_tunnel(way: Fault, proxy: &Proxy, answered: Option<Answered>) -> Failed {
    match answered {
        Some(Answered::Status(407, _)) => wants_password(proxy),
        Some(Answered::NoHttp(begin)) => Failed::Unreachable {
            at: Fault::of_proxy(proxy),
            why: format!("it is no HTTP proxy: it answers `{begin}`"),
        },
        // Asking once more changes none of these.
        Some(Answered::Status(300..=407 | 409..=428 | 430..=499 | 511, status)) => Failed::Unreachable {
            at: way,
            why: format!("{CONNECT_PREFIX}{status}"),
        },
        Some(Answered::Status(_, status)) => Failed::Again {
            at: way,
            why: format!("{CONNECT_PREFIX}{status}"),
            after: None,
        },
        None => Failed::Again {
            at: way,
            why: format!("{CONNECT_PREFIX}an error"),
            after: None,
        },
    }
}

/// The text of the first cause of all, which says most, without the system's number for it.
pub(super) fn innermost(cause: &reqwest::Error) -> String {
    let text = chain(cause).last().map(ToString::to_string).unwrap_or_default();
    text.split(" (os error ").next().unwrap_or_default().to_owned()
}

/// The causes below `cause`, outermost first; its own text says little and is left out where there are others.
fn chain(cause: &reqwest::Error) -> Vec<&(dyn Error + 'static)> {
    let mut causes = Vec::new();
    let mut next = cause.source();
    while let Some(cause) = next {
        causes.push(cause);
        next = cause.source();
    }
    if causes.is_empty() { vec![cause] } else { causes }
}

pub(super) fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64().ceil())
}
