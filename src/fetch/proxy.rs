//! The proxies that the environment names, and what is asked without one. Decided here and not by the http client, so that
//! a proxy that fails can be named, with the variable that it comes from. No IO.

use std::net::IpAddr;

use url::{Host, Url};

use crate::env::Env;

const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// A proxy that a variable names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    /// Which variable.
    pub(super) variable: &'static str,
    /// Its address; an error, in words that show nothing of the value, where it is none.
    pub(super) address: Result<Url, String>,
}

impl Proxy {
    /// Returns true if it is given numbers and never names: SOCKS without the letter for the proxy's own look-up.
    pub(super) fn resolves_here(&self) -> bool {
        let address = self.address.as_ref();
        address.is_ok_and(|address| ["socks4", "socks5"].contains(&address.scheme()))
    }
}

/// The proxies that the environment names.
#[derive(Debug, Clone, Default)]
pub(super) struct Proxies {
    https: Option<Proxy>,
    http: Option<Proxy>,
    except: String,
}

impl Proxies {
    /// Reads the variables that curl reads; the lower-case one of two counts.
    pub(super) fn of_environment(env: &Env) -> Self {
        let of = |names: &[&'static str]| {
            names.iter().find_map(|name| {
                Some(Proxy {
                    variable: name,
                    address: address(env.var(name)?.trim()),
                })
            })
        };
        // In a CGI program HTTP_PROXY is the `Proxy` header of whoever asks (httpoxy.org).
        let http: &[_] = match env.var("REQUEST_METHOD") {
            Some(_) => &["http_proxy", "all_proxy", "ALL_PROXY"],
            None => &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
        };
        let except = ["no_proxy", "NO_PROXY"].iter().find_map(|name| env.var(name));
        Self {
            https: of(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            http: of(http),
            except: except.unwrap_or_default().to_owned(),
        }
    }

    /// Returns true if the environment names any; otherwise the system's own settings may.
    pub(super) fn are_named(&self) -> bool {
        self.https.is_some() || self.http.is_some()
    }

    /// The proxy that an address is asked through.
    pub(super) fn of(&self, url: &Url) -> Option<&Proxy> {
        let proxy = match url.scheme() {
            "https" => self.https.as_ref(),
            "http" => self.http.as_ref(),
            _ => None,
        };
        proxy.filter(|_| !is_excepted(url, &self.except))
    }
}

fn address(text: &str) -> Result<Url, String> {
    let url = if text.contains("://") {
        Url::parse(text)
    } else {
        Url::parse(&format!("http://{text}"))
    };
    let form = "its value is not the address of a proxy, `http://host:port`";
    let url = url.map_err(|cause| format!("{form} ({cause})"))?;
    if !SCHEMES.contains(&url.scheme()) {
        return Err(format!("{form}; schemes are {}", SCHEMES.join(", ")));
    }
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if url.host_str().is_none_or(str::is_empty) || !is_bare {
        return Err(format!(
            r"{form}; in a user or a password `\` is written `%5C`, `/` `%2F`, `@` `%40`, `#` `%23` and `?` `%3F`"
        ));
    }
    Ok(url)
}

/// Returns true if `except` names the host, as curl reads it: names and their subdomains, addresses, and networks
/// such as `10.0.0.0/8`, between commas or blanks; `*` is everything.
fn is_excepted(url: &Url, except: &str) -> bool {
    let mut entries = except
        .split(|letter: char| letter == ',' || letter.is_whitespace())
        .filter(|entry| !entry.is_empty());
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) => None,
        None => return false,
    };
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    entries.any(|entry| {
        let (entry, port) = with_port(entry);
        if port.is_some_and(|port| Some(port) != url.port_or_known_default()) {
            return false;
        }
        match address {
            _ if entry == "*" => true,
            Some(address) => is_in(address, entry),
            None => {
                let entry = entry.strip_prefix("*.").unwrap_or(entry);
                let entry = entry
                    .trim_start_matches('.')
                    .trim_end_matches('.')
                    .to_ascii_lowercase();
                let rest = host.strip_suffix(entry.as_str());
                !entry.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
        }
    })
}

/// An entry, and the port that it is meant for alone (which other programs than curl let people name).
fn with_port(entry: &str) -> (&str, Option<u16>) {
    match entry.rsplit_once(':') {
        // Not the end of an IPv6 address.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

/// Returns true if an address is this one, or in this network.
fn is_in(address: IpAddr, entry: &str) -> bool {
    let (network, bits) = match entry.split_once('/') {
        Some((network, bits)) => (network, bits.parse().ok()),
        None => (entry, Some(u32::MAX)),
    };
    let network = network.trim_start_matches('[').trim_end_matches(']').parse();
    let (Ok(network), Some(bits)) = (network, bits) else {
        return false;
    };
    let differ = match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        _ => return false,
    };
    address == network || differ >= bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn what_is_excepted_is_said_in_curls_forms() {
        let mut faults = Vec::new();
        for (except, url, excepted) in [
            ("*", "https://a.example/", true),
            ("a.example", "https://a.example/", true),
            ("A.Example", "https://a.example:8443/", true),
            ("a.example", "https://b.a.example/", true),
            (".a.example", "https://b.a.example/", true),
            (".a.example", "https://a.example/", true),
            ("a.example.", "https://a.example/", true),
            ("a.example", "https://a.example./", true),
            ("a.example", "https://ba.example/", false),
            ("b.a.example", "https://a.example/", false),
            ("x.example, a.example", "https://a.example/", true),
            ("x.example a.example\ty.example", "https://a.example/", true),
            (",, .", "https://a.example/", false),
            ("", "https://a.example/", false),
            ("127.0.0.1", "http://127.0.0.1:80/", true),
            ("127.0.0.1", "http://127.0.0.10/", false),
            ("10.0.0.0/8", "http://10.255.1.2/", true),
            ("10.0.0.0/8", "http://11.0.0.1/", false),
            ("10.0.0.0/x", "http://10.0.0.1/", false),
            ("0.0.0.0/0", "http://10.0.0.1/", true),
            ("::1", "http://[::1]/", true),
            ("[::1]", "http://[::1]/", true),
            ("fd00::/8", "http://[fd12::1]/", true),
            ("fd00::/8", "http://[fe80::1]/", false),
            ("10.0.0.0/8", "https://a.example/", false),
            ("*.a.example", "https://b.a.example/", true),
            ("*.a.example", "https://ba.example/", false),
            ("a.example:443", "https://a.example/", true),
            ("a.example:8443", "https://a.example:8443/", true),
            ("a.example:8443", "https://a.example/", false),
            ("127.0.0.1:80", "http://127.0.0.1/", true),
            ("127.0.0.1:80", "http://127.0.0.1:81/", false),
            ("[::1]:80", "http://[::1]/", true),
            ("[::1]:81", "http://[::1]/", false),
            ("::1:80", "http://[::1]/", false),
        ] {
            if is_excepted(&Url::parse(url).expect("an address"), except) != excepted {
                faults.push(format!("{except:?} {url}"));
            }
        }
        assert!(faults.is_empty(), "{faults:#?}");
    }

    #[test]
    fn a_value_that_is_no_address_of_a_proxy_is_refused_and_not_shown() {
        let rows = [
            "proxy:3128",
            "127.0.0.1:3128",
            "http://u:p@proxy:3128/",
            "https://proxy",
            "socks5h://proxy:1080",
            "http://DOM%5Cuser:pw@proxy:3128",
        ];
        every(rows, |good| {
            assert!(address(good).is_ok(), "{good}");
        });
        let rows = [
            r"http://DOM\user:secret@proxy:3128",
            "http://u:sec/ret@proxy:3128",
            "http://u:sec#ret@proxy:3128",
            "http://u:sec?ret@proxy:3128",
            "http://",
            "http://proxy:port",
            "ftp://secret@proxy",
            "http://proxy/secret",
            "a secret",
        ];
        every(rows, |bad| {
            let why = address(bad).expect_err(bad);
            assert!(
                why.contains("not the address of a proxy") && !why.contains("secret"),
                "{bad}: {why}"
            );
        });
    }

    #[test]
    fn the_lower_case_variable_counts_and_a_cgi_program_is_not_misled() {
        let of = |variables: &[(&str, &str)], url: &str| {
            let env = Env::from_variables(variables.iter().copied(), "/");
            let url = Url::parse(url).expect("an address");
            Proxies::of_environment(&env).of(&url).map(|proxy| proxy.variable)
        };
        let both = [
            ("HTTPS_PROXY", "a:1"),
            ("https_proxy", "b:1"),
            ("ALL_PROXY", "c:1"),
        ];
        assert_eq!(of(&both, "https://a.example/"), Some("https_proxy"));
        assert_eq!(of(&both, "http://a.example/"), Some("ALL_PROXY"));
        let header = [("HTTP_PROXY", "a:1"), ("REQUEST_METHOD", "GET")];
        assert_eq!(of(&header, "http://a.example/"), None);
        assert_eq!(of(&[("https_proxy", "")], "https://a.example/"), None);
        let except = [("https_proxy", "a:1"), ("NO_PROXY", "a.example")];
        assert_eq!(of(&except, "https://a.example/"), None);
    }
}
