//! Addresses: which may be asked, where a redirect may lead, and what they are called in messages. No IO.

use camino::Utf8PathBuf;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::{FetchError, authority};
use crate::domain::Digest;

/// Reads an address of the manifest, of a person, or of a `Location`.
pub(super) fn parse(text: &str) -> Result<Url, FetchError> {
    Url::parse(text).map_err(|cause| FetchError::Address {
        address: text.to_owned(),
        why: cause.to_string(),
    })
}

/// An address as it is shown: without user, password, query and fragment, which may be secret.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail on addresses that cannot have a user, which then have none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// Checks that a web address may be used: https always; http if nobody can listen in between, or if a person named
/// that server as a mirror.
pub(super) fn ensure_allowed(url: &Url, mirror: Option<&Url>) -> Result<(), FetchError> {
    let why = match url.scheme() {
        "https" => return Ok(()),
        "http" if is_loopback(url) || mirror.is_some_and(|mirror| mirror.origin() == url.origin()) => {
            return Ok(());
        }
        "http" => "only https is, and http on this machine or on a mirror you name".to_owned(),
        other => format!("`{other}` is not a scheme that ampup supports here"),
    };
    Err(FetchError::Address {
        address: shown(url),
        why,
    })
}

/// Where a redirect leads, if it may: never to another scheme than the one it comes from, unless up to https.
pub(super) fn redirected(from: &Url, location: &str, mirror: Option<&Url>) -> Result<Url, FetchError> {
    let refused = |why: String| FetchError::Answer {
        origin: shown(from),
        why,
    };
    let to = from.join(location).map_err(|cause| {
        refused(format!(
            "it redirects to an address that cannot be read ({cause})"
        ))
    })?;
    let may = match (from.scheme(), to.scheme()) {
        (_, "https") => true,
        ("http", "http") => ensure_allowed(&to, mirror).is_ok(),
        _ => false,
    };
    if may {
        Ok(to)
    } else {
        Err(refused(format!("it redirects to `{}`", shown(&to))))
    }
}

/// Where a mirror has `origin`: `<mirror>/<host>/<path>`.
pub(super) fn mirrored(mirror: &Url, origin: &Url) -> Result<Url, FetchError> {
    let mut at = below(mirror, &format!("{}{}", authority::host(origin), origin.path()))?;
    at.set_query(origin.query());
    Ok(at)
}

/// Where a mirror has the bytes with this digest: `<mirror>/blobs/<algorithm>/<hex>`.
pub(super) fn by_digest(mirror: &Url, digest: &Digest) -> Result<Url, FetchError> {
    below(mirror, &digest.blob())
}

fn below(mirror: &Url, path: &str) -> Result<Url, FetchError> {
    let mut at = mirror.clone();
    if at.cannot_be_a_base() || !matches!(at.scheme(), "https" | "http" | "file") {
        return Err(FetchError::Address {
            address: shown(mirror),
            why: "it cannot be a mirror".to_owned(),
        });
    }
    at.set_path(&format!("{}/{path}", mirror.path().trim_end_matches('/')));
    at.set_query(None);
    Ok(at)
}

/// The path of a `file://` address of this machine.
pub(super) fn file_path(url: &Url) -> Result<Utf8PathBuf, FetchError> {
    let refused = |why: &str| FetchError::Address {
        address: shown(url),
        why: why.to_owned(),
    };
    if url.scheme() != "file" {
        return Err(refused("it is no `file://` address"));
    }
    if url.host().is_some() {
        return Err(refused(
            "a `file://` address names a file of this machine, without a host",
        ));
    }
    let path = url
        .to_file_path()
        .map_err(|()| refused("it names no absolute path"))?;
    Utf8PathBuf::from_path_buf(path).map_err(|_| refused("its path is not UTF-8"))
}

/// The last part of the path, as the publisher's checksum file names it.
pub(super) fn file_name(url: &Url) -> String {
    let last = url
        .path_segments()
        .and_then(|mut segments| segments.next_back())
        .unwrap_or_default();
    percent_decode_str(last).decode_utf8_lossy().into_owned()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("an address")
    }

    #[test]
    fn plain_http_is_for_this_machine_and_for_the_mirror_that_was_named() {
        let mirror = url("http://mirror.example:8080/ampup");
        let rows = [
            "https://a.example/x",
            "http://127.0.0.1:9/x",
            "http://localhost/x",
            "http://[::1]/x",
            "http://mirror.example:8080/other",
        ];
        every(rows, |good| {
            assert!(ensure_allowed(&url(good), Some(&mirror)).is_ok(), "{good}");
        });
        let rows = [
            "http://a.example/x",
            "http://mirror.example/ampup",
            "http://127.0.0.1.example/",
            "ftp://a.example/",
            "file:///x",
        ];
        every(rows, |bad| {
            assert!(ensure_allowed(&url(bad), Some(&mirror)).is_err(), "{bad}");
        });
    }

    #[test]
    fn a_redirect_never_leads_down() {
        let to =
            |from: &str, location: &str| redirected(&url(from), location, None).map(|url| url.to_string());
        assert_eq!(
            to("https://a.example/x/y", "../z").expect("up"),
            "https://a.example/z"
        );
        assert_eq!(
            to("https://a.example/", "https://b.example/?s=1").expect("same"),
            "https://b.example/?s=1"
        );
        assert_eq!(
            to("http://127.0.0.1:1/", "http://127.0.0.1:2/").expect("same"),
            "http://127.0.0.1:2/"
        );
        assert!(to("http://127.0.0.1:1/", "https://a.example/").is_ok());
        let rows = [
            "http://a.example/",
            "http://127.0.0.1/",
            "file:///etc/passwd",
            "data:,x",
            "http://[",
        ];
        every(rows, |bad| {
            assert!(to("https://a.example/", bad).is_err(), "{bad}");
        });
        assert!(to("http://127.0.0.1:1/", "http://a.example/").is_err());
        assert!(to("http://127.0.0.1:1/", "file:///etc/passwd").is_err());
    }

    #[test]
    fn a_mirror_has_every_host_below_it() {
        let at = |mirror: &str, origin: &str| mirrored(&url(mirror), &url(origin)).map(|url| url.to_string());
        assert_eq!(
            at("https://m.example/ampup/", "https://a.example/b/c%20d?e=f").expect("a mirror"),
            "https://m.example/ampup/a.example/b/c%20d?e=f"
        );
        assert_eq!(
            at("file:///srv/mirror", "https://a.example:8443/b").expect("a mirror"),
            "file:///srv/mirror/a.example:8443/b"
        );
        assert!(at("ftp://m.example/", "https://a.example/").is_err());
        assert!(at("mailto:a@b.example", "https://a.example/").is_err());
    }

    #[test]
    fn nothing_secret_is_shown() {
        assert_eq!(
            shown(&url("https://user:secret@a.example/b?token=secret#secret")),
            "https://a.example/b"
        );
    }

    #[test]
    #[cfg(unix)]
    fn a_file_address_is_decoded_and_has_no_host() {
        assert_eq!(file_path(&url("file:///a%20b/%C3%A9")).expect("a path"), "/a b/é");
        assert_eq!(file_path(&url("file://localhost/a")).expect("a path"), "/a");
        assert!(file_path(&url("file://host/a")).is_err());
        assert!(file_path(&url("file:///a%FF")).is_err());
        assert!(file_path(&url("https://a.example/")).is_err());
    }

    #[test]
    fn a_file_name_is_decoded() {
        assert_eq!(
            file_name(&url("https://a.example/b/c%2Bd.tar.gz?x=y")),
            "c+d.tar.gz"
        );
        assert_eq!(file_name(&url("https://a.example/50%/%zz%")), "%zz%");
        assert_eq!(file_name(&url("https://a.example")), "");
    }
}
