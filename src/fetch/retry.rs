//! When a failed attempt is made again, and how long that waits.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use jiff::{Timestamp, fmt::rfc2822};

use super::{Fault, FetchError, Limits};

/// The reason an attempt failed.
#[derive(Debug)]
pub(super) enum Failed {
    /// It may go better next time.
    Again {
        /// Who failed.
        at: Fault,
        /// The reason, in a few words.
        why: String,
        /// The time that the host asks to wait.
        after: Option<Duration>,
    },
    /// This host is of no use in this run.
    Unreachable {
        /// Who failed.
        at: Fault,
        /// The reason, in a few words.
        why: String,
    },
    /// There is nothing to try again.
    Final(FetchError),
}

impl From<FetchError> for Failed {
    fn from(error: FetchError) -> Self {
        Self::Final(error)
    }
}

/// Counts the attempts of one download.
#[derive(Debug)]
pub(super) struct Retries<'a> {
    limits: &'a Limits,
    made: u32,
}

impl<'a> Retries<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self { limits, made: 0 }
    }

    /// Returns the time to wait before the next attempt; `None` if there is none.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        if self.made == self.limits.retries {
            return None;
        }
        let back_off = self.limits.back_off * 2_u32.pow(self.made);
        self.made += 1;
        // At least half of it, so that many clients that failed at once do not come back at once.
        let back_off = back_off.mul_f64(0.5 + 0.5 * chance());
        Some(asked.map_or(back_off, |asked| asked + back_off.mul_f64(0.1)))
    }

    /// Starts counting anew, because so much came that the line is worth more attempts.
    pub(super) fn reset(&mut self) {
        self.made = 0;
    }
}

/// A number from 0 to 1, from the hasher seeds that the standard library draws from the system.
fn chance() -> f64 {
    f64::from(RandomState::new().hash_one(0_u8) as u32) / f64::from(u32::MAX)
}

/// Returns the time that a `Retry-After` asks to wait, in either form (RFC 9110, section 10.2.3). A date is compared
/// with the server's own, `Date`, where it gave one: the clock of this machine may be wrong. `None` when it cannot be
/// read.
pub(super) fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|digit| digit.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let until = http_date(value)?;
    let now = date.and_then(http_date).unwrap_or_else(Timestamp::now);
    Some(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// A date as HTTP writes it (RFC 9110, section 5.6.7); the two obsolete forms are not read.
fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::every;

    #[test]
    fn every_form_of_retry_after_is_read() {
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        let rows = [
            ("0", 0),
            (" 7 ", 7),
            ("99999999999999999999999", u64::MAX),
            ("Sun, 06 Nov 1994 08:49:47 GMT", 10),
            ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
        ];
        every(rows, |(value, seconds)| {
            assert_eq!(
                retry_after(value, date),
                Some(Duration::from_secs(seconds)),
                "{value}"
            );
        });
        every(
            ["", "soon", "-1", "1.5", "Mon, 06 Nov 1994 08:49:47 GMT"],
            |value| {
                assert_eq!(retry_after(value, date), None, "{value}");
            },
        );
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:49:47 GMT", None),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn the_wait_doubles_and_ends() {
        let limits = Limits::default();
        let mut retries = Retries::new(&limits);
        every([1, 2, 4], |times| {
            let wait = retries.next(None).expect("a retry");
            let whole = limits.back_off * times;
            assert!(wait >= whole / 2 && wait <= whole, "{wait:?}");
        });
        assert_eq!(retries.next(None), None);
        retries.reset();
        assert!(retries.next(Some(Duration::from_secs(5))).expect("a retry") >= Duration::from_secs(5));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(value in ".*", date in ".*") {
            let _ = retry_after(&value, Some(&date));
        }
    }
}
