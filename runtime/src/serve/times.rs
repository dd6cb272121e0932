//! Moments and spans as people and scripts read them.

use std::time::Duration;

use crate::store::Stamp;

/// A moment for scripts and logs: RFC 3339 in UTC, always with milliseconds.
pub(crate) fn rfc3339(stamp: Stamp) -> String {
    match jiff::Timestamp::from_millisecond(stamp.0) {
        Ok(moment) => format!("{moment:.3}"),
        Err(_) => format!("{} ms after 1970", stamp.0),
    }
}

/// A moment for people: to the second, in UTC.
pub(crate) fn readable(stamp: Stamp) -> String {
    match jiff::Timestamp::from_millisecond(stamp.0) {
        Ok(moment) => format!("{moment:.0}").replace('T', " ").replace('Z', " UTC"),
        Err(_) => format!("{} ms after 1970", stamp.0),
    }
}

/// How long from `from` to `to`; nothing if it is the other way round.
pub(crate) fn between(from: Stamp, to: Stamp) -> Duration {
    Duration::from_millis(u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0))
}

/// `3m 2s ago` or `in 3m 2s`.
pub(crate) fn relative(stamp: Stamp, now: Stamp) -> String {
    let seconds = |time: Duration| Duration::from_secs(time.as_secs());
    if stamp > now {
        format!("in {}", span(between(now, stamp)))
    } else if now.0.saturating_sub(stamp.0) < 1_000 {
        "just now".to_owned()
    } else {
        format!("{} ago", span(seconds(between(stamp, now))))
    }
}

/// A span in its two largest units: `12ms`, `1.5s`, `3m 2s`, `2h 5m`, `3d 4h`.
pub(crate) fn span(time: Duration) -> String {
    let millis = time.as_millis();
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{millis}ms"),
        1..10 => {
            let tenths = millis % 1_000 / 100;
            if tenths == 0 { format!("{seconds}s") } else { format!("{seconds}.{tenths}s") }
        }
        10..60 => format!("{seconds}s"),
        60..3_600 => two(seconds / 60, "m", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "m"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

fn two(large: u64, unit: &str, small: u64, smaller: &str) -> String {
    if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit} {small}{smaller}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        for (millis, text) in [
            (0, "0ms"),
            (999, "999ms"),
            (1_000, "1s"),
            (1_549, "1.5s"),
            (59_999, "59s"),
            (60_000, "1m"),
            (182_000, "3m 2s"),
            (7_500_000, "2h 5m"),
            (86_400_000, "1d"),
            (273_600_000, "3d 4h"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn moments_look_back_and_ahead() {
        let now = Stamp(1_000_000);
        assert_eq!(relative(Stamp(818_000), now), "3m 2s ago");
        assert_eq!(relative(Stamp(1_182_000), now), "in 3m 2s");
        assert_eq!(relative(Stamp(999_800), now), "just now");
        assert_eq!(relative(Stamp(995_900), now), "4s ago");
    }

    #[test]
    fn moments_are_utc() {
        assert_eq!(rfc3339(Stamp(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(Stamp(1_785_665_703_120)), "2026-08-02T10:15:03.120Z");
        assert_eq!(readable(Stamp(1_785_665_703_999)), "2026-08-02 10:15:03 UTC");
        assert_eq!(rfc3339(Stamp(i64::MAX)), format!("{} ms after 1970", i64::MAX));
    }
}
