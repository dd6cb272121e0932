//! Durations as people write them: `"24h"`, `"1m30s"`, or a `std::time::Duration`.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// What can stand where a duration is asked for: `"24h"`, `"1m30s"`, `"200ms"`, or a [`Duration`].
pub trait IntoDuration {
    /// The duration; an error if the text isn't one.
    fn into_duration(self) -> Result<Duration>;
}

impl IntoDuration for Duration {
    fn into_duration(self) -> Result<Duration> {
        Ok(self)
    }
}

impl IntoDuration for &str {
    fn into_duration(self) -> Result<Duration> {
        parse(self).ok_or_else(|| {
            Error::of(
                ErrorKind::Invalid,
                format!("`{self}` is not a duration: write a number and a unit (ms, s, m, h, d, w), such as \"1m30s\""),
            )
            .into_terminal()
        })
    }
}

impl IntoDuration for String {
    fn into_duration(self) -> Result<Duration> {
        self.as_str().into_duration()
    }
}

/// The grammar that the attributes share: one or more `number unit` pairs, nothing between them.
fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return None,
        };
        rest = &rest[letters..];
        total = total.checked_add(Duration::from_millis(number.checked_mul(unit)?))?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, millis) in
            [("200ms", 200), ("2s", 2_000), ("1m30s", 90_000), ("24h", 86_400_000), ("7d", 604_800_000)]
        {
            assert_eq!(text.into_duration().unwrap(), Duration::from_millis(millis), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused_with_the_way_out() {
        for text in ["", "5", "h", "5 parsecs", "-1s", "1.5h", "99999999999999999999s", "18446744073709551615w"] {
            let error = text.into_duration().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
            assert!(error.to_string().contains("1m30s"), "{error}");
        }
    }
}
