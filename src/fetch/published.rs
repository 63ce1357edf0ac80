//! Digests as publishers state them: checksum files, and the `digest` of a GitHub release asset. No IO.

use serde::Deserialize;

use crate::domain::{Algorithm, Digest};

/// The digest that a checksum file states for `file_name`.
///
/// Two shapes are common: lines of hex digits, two spaces (or a space and `*`) and a file name; and hex digits alone.
/// certutil writes the digits alone in the second of three lines. Digits may be upper case, lines may end in CRLF.
///
/// # Errors
/// If there is no such digest; the text says what the file holds instead.
pub fn of_checksum_file(text: &[u8], algorithm: Algorithm, file_name: &str) -> Result<Digest, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not text".to_owned())?;
    let text = text.trim_start_matches('\u{feff}');
    let mut named: Option<Digest> = None;
    let mut alone: Option<Digest> = None;
    let mut others = 0;
    for line in text.lines().map(str::trim) {
        let (digits, name) = match line.split_once([' ', '\t']) {
            Some((digits, name)) => (digits, Some(name)),
            None => (line, None),
        };
        let Ok(digest) = Digest::from_hex(algorithm, digits) else {
            continue;
        };
        let place = match name {
            None => &mut alone,
            Some(name) if is_named(name, file_name) => &mut named,
            Some(_) => {
                others += 1;
                continue;
            }
        };
        if place.as_ref().is_some_and(|earlier| *earlier != digest) {
            return Err(format!("it states several for `{file_name}`"));
        }
        *place = Some(digest);
    }
    match (named, alone) {
        (Some(digest), _) => Ok(digest),
        (None, Some(digest)) if others == 0 => Ok(digest),
        _ if others > 0 => Err(format!(
            "it states those of other files, and none of `{file_name}`"
        )),
        _ if is_web_page(text) => {
            Err("it is a web page, perhaps the sign-in page of your network".to_owned())
        }
        _ => Err(format!("it holds no {} digest", algorithm.as_str())),
    }
}

/// The digest that GitHub states for the asset of a release, from the release's JSON.
///
/// # Errors
/// If there is no such digest; the text says what the release holds instead.
pub fn of_github_release(json: &[u8], asset: &str) -> Result<Digest, String> {
    #[derive(Deserialize)]
    struct Release {
        assets: Vec<Asset>,
    }
    #[derive(Deserialize)]
    struct Asset {
        name: String,
        digest: Option<String>,
    }
    let release: Release = serde_json::from_slice(json).map_err(|cause| {
        if std::str::from_utf8(json).is_ok_and(is_web_page) {
            "it is a web page, perhaps the sign-in page of your network".to_owned()
        } else {
            format!("it is not a release in JSON ({cause})")
        }
    })?;
    let mut found = release.assets.into_iter().filter(|one| one.name == asset);
    let (Some(one), None) = (found.next(), found.next()) else {
        return Err(format!("the release has not exactly one asset `{asset}`"));
    };
    let text = one.digest.ok_or_else(|| {
        format!("GitHub has none for `{asset}` (it keeps them for assets uploaded since mid-2025)")
    })?;
    text.parse()
        .map_err(|_| format!("`{}` of `{asset}` is none that ampup knows", text.escape_debug()))
}

/// Returns true if a checksum file's name, which may have a path and the mark of binary mode, is this file's.
fn is_named(name: &str, file_name: &str) -> bool {
    let name = name.trim_start();
    let name = name.strip_prefix('*').unwrap_or(name);
    name.rsplit(['/', '\\']).next() == Some(file_name)
}

pub(super) fn is_web_page(text: &str) -> bool {
    let start: String = text.trim_start().chars().take(15).collect();
    let start = start.to_ascii_lowercase();
    start.starts_with("<!doctype html") || start.starts_with("<html")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::every;

    const ONE: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const TWO: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn checksum(text: &str) -> Result<String, String> {
        of_checksum_file(text.as_bytes(), Algorithm::Sha256, "a.tar.gz").map(|digest| digest.hex())
    }

    #[test]
    fn every_shape_of_checksum_file_is_read() {
        let upper = ONE.to_uppercase();
        let rows = [
            format!("{ONE}  a.tar.gz\n"),
            format!("{ONE} *a.tar.gz\r\n"),
            format!("{ONE}  ./dist/a.tar.gz"),
            format!("{ONE}\ta.tar.gz"),
            format!("{upper}  a.tar.gz"),
            ONE.to_owned(),
            format!("\u{feff}{upper}\r\n"),
            format!(
                "SHA256 hash of a.tar.gz:\r\n{ONE}\r\nCertUtil: -hashfile command completed successfully.\r\n"
            ),
            format!("{TWO}  b.tar.gz\n{ONE}  a.tar.gz\n{TWO}  ba.tar.gz\n"),
            format!("{ONE}  a.tar.gz\n{ONE}  a.tar.gz\n"),
        ];
        every(rows, |text| {
            assert_eq!(checksum(&text).as_deref(), Ok(ONE), "{text}");
        });
    }

    #[test]
    fn a_checksum_file_that_states_nothing_for_the_file_says_what_it_holds() {
        let rows = [
            (String::new(), "no sha256"),
            (ONE[1..].to_owned(), "no sha256"),
            (format!("{ONE}{TWO}"), "no sha256"),
            (format!("{ONE}  b.tar.gz"), "other files"),
            (format!("{ONE}\n{TWO}  b.tar.gz"), "other files"),
            (format!("{ONE}  a.tar.gz\n{TWO}  a.tar.gz"), "several"),
            (format!("{ONE}\n{TWO}"), "several"),
            ("<!DOCTYPE html><p>Sign in".to_owned(), "web page"),
            (
                "SHA512 hash of a.tar.gz:\r\nCertUtil: -hashfile command FAILED".to_owned(),
                "no sha256",
            ),
        ];
        every(rows, |(text, says)| {
            let why = checksum(&text).expect_err(&text);
            assert!(why.contains(says), "{text}: {why}");
        });
        assert!(of_checksum_file(b"\xff\xfe", Algorithm::Sha256, "a").is_err());
    }

    #[test]
    fn a_github_asset_states_its_digest_or_says_that_it_has_none() {
        let release = format!(
            r#"{{"tag_name":"v1","assets":[{{"name":"a","digest":"sha256:{ONE}","size":3}},
                {{"name":"b","digest":null}},{{"name":"c"}},{{"name":"d","digest":"md5:00"}},
                {{"name":"e","digest":"sha256:{ONE}"}},{{"name":"e","digest":"sha256:{TWO}"}}]}}"#
        );
        let of = |asset| of_github_release(release.as_bytes(), asset).map(|digest| digest.hex());
        assert_eq!(of("a").as_deref(), Ok(ONE));
        let rows = [
            ("b", "mid-2025"),
            ("c", "mid-2025"),
            ("d", "`md5:00`"),
            ("e", "exactly one"),
            ("f", "exactly one"),
        ];
        every(rows, |(asset, says)| {
            let why = of(asset).expect_err(asset);
            assert!(why.contains(says), "{asset}: {why}");
        });
        let rows = [
            ("{}", "not a release"),
            ("[", "not a release"),
            ("<html>", "web page"),
        ];
        every(rows, |(text, says)| {
            let why = of_github_release(text.as_bytes(), "a").expect_err(text);
            assert!(why.contains(says), "{text}: {why}");
        });
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>(), name in ".*") {
            let _ = of_checksum_file(&bytes, Algorithm::Sha512, &name);
            let _ = of_github_release(&bytes, &name);
        }

        #[test]
        fn no_lines_make_it_panic(lines in "([0-9a-f]{63,65}[ *\t]{0,3}[a./\\\\]{0,5}\r?\n){0,4}") {
            let _ = of_checksum_file(lines.as_bytes(), Algorithm::Sha256, "a");
        }
    }
}
