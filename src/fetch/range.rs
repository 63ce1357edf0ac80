//! The part of a file that a response brings, as its headers say. No IO.

use reqwest::header::{self, HeaderMap};

use super::https::text_of;

/// The size of the whole file, if a 206 is the rest from `here` on and of the same file.
pub(super) fn rest(
    headers: &HeaderMap,
    here: u64,
    validator: Option<&str>,
    length: Option<u64>,
) -> Option<u64> {
    let range = text_of(headers, &header::CONTENT_RANGE)?
        .trim()
        .strip_prefix("bytes ")?;
    let (range, total) = range.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total): (u64, u64, u64) = (
        first.trim().parse().ok()?,
        last.trim().parse().ok()?,
        total.trim().parse().ok()?,
    );
    let same_file = match (text_of(headers, &header::ETAG), validator) {
        (Some(tag), Some(validator)) if validator.starts_with('"') => tag == validator,
        _ => true,
    };
    let fits = first == here
        && first <= last
        && last.checked_add(1)? == total
        && length.is_none_or(|length| length == total - first);
    (same_file && fits).then_some(total)
}

/// The size of the whole file, as a 416 says it.
pub(super) fn unsatisfied(headers: &HeaderMap) -> Option<u64> {
    text_of(headers, &header::CONTENT_RANGE)?
        .trim()
        .strip_prefix("bytes */")?
        .parse()
        .ok()
}

pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    text_of(headers, &header::CONTENT_LENGTH)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::every;

    fn headers(range: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Ok(value) = range.parse() {
            headers.insert(header::CONTENT_RANGE, value);
        }
        headers
    }

    #[test]
    fn only_the_rest_of_the_same_file_is_the_rest() {
        let of = |range: &str, length| rest(&headers(range), 10, Some("\"v1\""), length);
        assert_eq!(of("bytes 10-99/100", None), Some(100));
        assert_eq!(of("bytes 10-99/100", Some(90)), Some(100));
        let rows = [
            "",
            "bytes */100",
            "bytes 10-99/*",
            "bytes 9-99/100",
            "bytes 11-99/100",
            "bytes 10-98/100",
            "bytes 10-100/100",
            "bytes 10-9/10",
            "items 10-99/100",
            "bytes 10-99",
            "bytes=10-99/100",
            "bytes 10-18446744073709551615/0",
            "bytes 10-8/9",
        ];
        every(rows, |bad| {
            assert_eq!(of(bad, None), None, "{bad}");
        });
        assert_eq!(of("bytes 10-99/100", Some(89)), None);
        let mut other = headers("bytes 10-99/100");
        other.insert(header::ETAG, "\"v2\"".parse().expect("a header"));
        assert_eq!(rest(&other, 10, Some("\"v1\""), None), None);
        assert_eq!(
            rest(&other, 10, Some("Sun, 06 Nov 1994 08:49:37 GMT"), None),
            Some(100)
        );
        assert_eq!(unsatisfied(&headers("bytes */100")), Some(100));
        assert_eq!(unsatisfied(&headers("bytes */x")), None);
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(range in "(bytes )?[0-9]{0,20}-?[0-9]{0,20}/?[0-9]{0,20}", here: u64, length: Option<u64>) {
            let _ = rest(&headers(&range), here, None, length);
            let _ = unsatisfied(&headers(&range));
        }
    }
}
