//! Times as people read them: local, to the second. Not a verb itself.

use jiff::{Timestamp, tz::TimeZone};

/// A recorded time in this machine's zone, such as `2026-11-28 17:52:14`; what is no time stays as it is.
pub(super) fn local(recorded: &str) -> String {
    in_zone(recorded, TimeZone::system())
}

fn in_zone(recorded: &str, zone: TimeZone) -> String {
    recorded.parse::<Timestamp>().map_or_else(
        |_| recorded.to_owned(),
        |time| time.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_the_zone_and_to_the_second() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(
            in_zone("2026-11-28T23:52:14.123Z", zone.clone()),
            "2026-11-29 01:52:14"
        );
        assert_eq!(in_zone("once", zone), "once");
    }
}
