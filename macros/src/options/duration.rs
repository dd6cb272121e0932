//! Durations in strings: pairs of a number and a unit, as the runtime reads them (`"1m30s"`).

use std::ops::Range;
use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::LitStr;

use super::entry::{Entry, Known};
use crate::errors::Errors;

/// A duration, or an error that points into the literal.
pub(crate) fn read(entry: &Entry, known: &Known, errors: &mut Errors) -> Option<Duration> {
    let literal: LitStr = entry.value(known, "a duration in quotes", errors)?;
    match parse(&literal.value()) {
        Ok(duration) => Some(duration),
        Err((range, message)) => {
            errors.at(inside(&literal, range), message);
            None
        }
    }
}

/// A duration that leaves time for something.
pub(crate) fn read_positive(entry: &Entry, known: &Known, errors: &mut Errors) -> Option<Duration> {
    let duration = read(entry, known, errors)?;
    if duration.is_zero() {
        errors.at(entry.value_place(), format!("`{}` of no time is never enough: write `{}`", known.name, known.usage));
        return None;
    }
    Some(duration)
}

/// As a constant.
pub(crate) fn tokens(duration: Duration) -> TokenStream {
    // Read as milliseconds in a `u64`, so it goes back into one.
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    quote!(::core::time::Duration::from_millis(#millis))
}

const UNITS: &str = "ms, s, m, h, d or w";

/// The same grammar as in the runtime's `duration.rs`; the range is the part that is wrong.
fn parse(text: &str) -> Result<Duration, (Range<usize>, String)> {
    let end = text.trim_end().len();
    let mut at = text.len() - text.trim_start().len();
    let mut total = Duration::ZERO;
    if at >= end {
        return Err((0..text.len(), "a duration is a number and a unit, such as \"1m30s\"; this is empty".to_owned()));
    }
    while at < end {
        let digits = span_of(&text[at..end], |letter| letter.is_ascii_digit());
        if digits == 0 {
            let wrong = text[at..end].chars().next().map_or(1, char::len_utf8);
            let message = "a duration is whole numbers with a unit each and nothing between, such as \"1h30m\"";
            return Err((at..at + wrong, message.to_owned()));
        }
        let number = at..at + digits;
        let letters = span_of(&text[number.end..end], char::is_alphabetic);
        let unit = number.end..number.end + letters;
        let pair = number.start..unit.end;
        if letters == 0 && unit.end < end {
            let wrong = text[unit.end..end].chars().next().map_or(1, char::len_utf8);
            let message = "a duration is whole numbers with a unit each and nothing between, such as \"1h30m\"";
            return Err((unit.end..unit.end + wrong, message.to_owned()));
        }
        let Some(millis) = millis(&text[unit.clone()]) else {
            return Err(if letters == 0 {
                (number.clone(), format!("`{}` needs a unit: {UNITS}", &text[number]))
            } else {
                (unit.clone(), format!("`{}` is not a unit of time: write {UNITS}", &text[unit]))
            });
        };
        let length = text[number].parse::<u64>().ok().and_then(|number| number.checked_mul(millis));
        let sum = length.and_then(|length| total.checked_add(Duration::from_millis(length)));
        total = match sum {
            Some(sum) if u64::try_from(sum.as_millis()).is_ok() => sum,
            Some(_) | None => return Err((pair.clone(), format!("`{}` is too long", &text[pair]))),
        };
        at = pair.end;
    }
    Ok(total)
}

fn span_of(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|letter| !belongs(letter)).unwrap_or(text.len())
}

fn millis(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return None,
    })
}

/// The place of a part of a literal, where the compiler can tell; else the literal.
pub(crate) fn inside(literal: &LitStr, part: Range<usize>) -> Span {
    let token = literal.token();
    // With escapes or `r#` the bytes of the source aren't those of the value.
    let plain = token.to_string() == format!("\"{}\"", literal.value());
    let part = part.start + 1..part.end + 1;
    if plain { token.subspan(part).unwrap_or_else(|| token.span()) } else { token.span() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_the_runtime() {
        for (text, millis) in [
            ("200ms", 200),
            ("2s", 2_000),
            ("1m30s", 90_000),
            ("24h", 86_400_000),
            ("7d", 604_800_000),
            ("2w", 1_209_600_000),
            (" 5s ", 5_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn the_part_that_is_wrong_is_named() {
        for (text, part, message) in [
            ("", 0..0, "empty"),
            ("  ", 0..2, "empty"),
            ("5", 0..1, "needs a unit"),
            ("1m30", 2..4, "`30` needs a unit"),
            ("h", 0..1, "whole numbers"),
            ("10sec", 2..5, "`sec` is not a unit"),
            ("5 s", 1..2, "nothing between"),
            ("-1s", 0..1, "whole numbers"),
            ("1.5h", 1..2, "whole numbers"),
            ("2s 3s", 2..3, "whole numbers"),
            ("99999999999999999999s", 0..21, "too long"),
            ("18446744073709551615w", 0..21, "too long"),
            ("18446744073709551615ms1ms", 22..25, "too long"),
            ("5µs", 1..4, "not a unit"),
        ] {
            let (range, found) = parse(text).unwrap_err();
            assert_eq!(range, part, "{text}: {found}");
            assert!(found.contains(message), "{text}: {found}");
        }
    }

    #[test]
    fn a_part_of_an_escaped_literal_is_the_whole_literal() {
        let literal: LitStr = syn::parse_str(r#""\u{35}sec""#).unwrap();
        assert_eq!(literal.value(), "5sec");
        assert_eq!(format!("{:?}", inside(&literal, 1..4)), format!("{:?}", literal.span()));
    }
}
