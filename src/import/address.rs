//! Addresses of databases, as libpq takes them.

use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::dump::{DumpError, Side};

/// Fields of an address's query.
const PASSWORD: &str = "password=";
const NAME: &str = "application_name=";
const TIMEOUT: &str = "connect_timeout=";
/// For so long a server may be silent, unless its address says another number of seconds (`connect_timeout`).
const LIMIT: u64 = 15;

/// The server with this address, and its name for people. Its password is kept apart: every user of the machine can list
/// the processes.
pub(super) fn side(address: &str) -> Result<(Side, String), DumpError> {
    let wrong = |cause: &str| DumpError::Refused {
        message: format!("that is not the address of a database: {cause}"),
        hint: "`ampup db import postgresql://user:password@localhost:5432/database`".to_owned(),
    };
    let address = Address::parse(address).map_err(wrong)?;
    let query = address.query;
    let secret = |field: &&str| field.starts_with(PASSWORD);
    let value = |key: &str| {
        query
            .split('&')
            .find_map(|field| field.strip_prefix(key).map(decoded))
    };
    let named = value(PASSWORD);
    let mut fields: Vec<&str> = query
        .split('&')
        .filter(|field| !field.is_empty() && !secret(field))
        .collect();
    // Our sessions are told from others by it.
    let name = format!("{NAME}ampup-{}", std::process::id());
    if value(NAME).is_none() {
        fields.push(&name);
    }
    let limit = value(TIMEOUT).and_then(|seconds| seconds.parse().ok());
    let limit = Duration::from_secs(limit.filter(|seconds| *seconds > 0).unwrap_or(LIMIT));
    let password = named.or_else(|| address.password.map(decoded));
    let host = match address.hosts {
        "" => "the server",
        hosts => hosts,
    };
    let host = host.to_owned();
    let user = address.user.map(|user| format!("{user}@")).unwrap_or_default();
    let side = Side::Address {
        address: format!(
            "{}://{user}{}{}?{}",
            address.scheme,
            address.hosts,
            address.path,
            fields.join("&")
        ),
        password,
        host: host.clone(),
        limit,
    };
    Ok((side, host))
}

/// The parts of a database's address, as they are written. No URL: it may name several hosts, or a user and no host
/// (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>).
struct Address<'a> {
    scheme: &'a str,
    user: Option<&'a str>,
    password: Option<&'a str>,
    /// With their ports, and commas between them.
    hosts: &'a str,
    /// The name of the database, with its slash.
    path: &'a str,
    query: &'a str,
}

impl<'a> Address<'a> {
    fn parse(address: &'a str) -> Result<Self, &'static str> {
        let (scheme, rest) = address.split_once("://").ok_or("it has no `://`")?;
        let authority = rest.split('/').next().unwrap_or_default();
        let (login, rest) = match authority.split_once('@') {
            Some((login, _)) => (Some(login), &rest[login.len() + 1..]),
            None => (None, rest),
        };
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            Some((user, password)) => (
                Some(user).filter(|user| !user.is_empty()),
                Some(password).filter(|password| !password.is_empty()),
            ),
            None => (None, None),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let ports = hosts.split(',').filter_map(|host| {
            // An IPv6 address is in brackets.
            let after = host.rsplit(']').next().unwrap_or(host);
            after.split_once(':').map(|(_, port)| port)
        });
        for port in ports {
            if !port.is_empty() && port.parse::<u16>().is_err() {
                return Err("invalid port number");
            }
        }
        Ok(Self {
            scheme,
            user,
            password,
            hosts,
            path,
            query,
        })
    }
}

/// Percent-decoded (RFC 3986, section 2.1).
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn a_password_is_kept_apart() {
        every(
            ["postgresql://h:port/d", "postgresql://h1:1,h2:70000/d"],
            |wrong| {
                assert!(side(wrong).is_err(), "{wrong}");
            },
        );
        let name = format!("application_name=ampup-{}", std::process::id());
        let rows = [
            (
                "postgresql://me:a%2Fb%@h:1/d",
                "h:1",
                format!("postgresql://me@h:1/d?{name}"),
                "a/b%",
                15,
            ),
            (
                "postgresql:///d?host=/a%20b&password=0%31&user=u",
                "the server",
                format!("postgresql:///d?host=/a%20b&user=u&{name}"),
                "01",
                15,
            ),
            // libpq's own: no host before the socket's, and several hosts.
            (
                "postgresql://u:p@/d?host=/sock",
                "the server",
                format!("postgresql://u@/d?host=/sock&{name}"),
                "p",
                15,
            ),
            (
                "postgres://u:a:b@h1:1,[::1]:2,h3/d@e",
                "h1:1,[::1]:2,h3",
                format!("postgres://u@h1:1,[::1]:2,h3/d@e?{name}"),
                "a:b",
                15,
            ),
            (
                "postgresql://me:x@h/d?application_name=mine&connect_timeout=2",
                "h",
                "postgresql://me@h/d?application_name=mine&connect_timeout=2".to_owned(),
                "x",
                2,
            ),
        ];
        every(rows, |(written, host, plain, secret, seconds)| {
            let (side, _) = side(written).expect("an address");
            let Side::Address {
                address,
                password,
                host: named,
                limit,
            } = side
            else {
                panic!("a socket");
            };
            assert_eq!((named.as_str(), address), (host, plain), "{written}");
            assert_eq!(
                (password.as_deref(), limit.as_secs()),
                (Some(secret), seconds),
                "{written}"
            );
        });
    }
}
