//! Reading purchases from a file: each line is a purchase or a reason why not, with its number.
//!
//! Money is whole cents, never a float. Nothing here knows of durable functions.

use std::fmt;
use std::path::Path;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// One purchase: a line of the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Purchase {
    /// The file's name and the line's number: two lines of equal content are two purchases.
    pub(crate) id: String,
    /// The customer's number in the sample.
    pub(crate) customer: u32,
    pub(crate) day: Date,
    pub(crate) units: u32,
    pub(crate) cents: u32,
}

/// A line that is no purchase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadLine {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) reason: String,
}

impl Purchase {
    /// The name of its file, without the ending.
    pub(crate) fn file(&self) -> &str {
        self.id.rsplit_once('-').map_or("", |(file, _)| file)
    }
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

/// What a file holds, in order.
#[derive(Debug, Default)]
pub(crate) struct Purchases {
    pub(crate) good: Vec<Purchase>,
    pub(crate) bad: Vec<BadLine>,
}

impl Purchases {
    /// Reads a file, or its first `lines`.
    pub(crate) fn read(path: &Path, lines: Option<usize>) -> std::io::Result<Self> {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self::parse(&stem, &name, &std::fs::read(path)?, lines.unwrap_or(usize::MAX)))
    }

    fn parse(stem: &str, name: &str, bytes: &[u8], lines: usize) -> Self {
        let mut purchases = Self::default();
        // The end of the last line begins no further one.
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        for (index, line) in bytes.split(|byte| *byte == b'\n').take(lines).enumerate() {
            let number = index + 1;
            match purchase(format!("{stem}-{number:04}"), line.strip_suffix(b"\r").unwrap_or(line)) {
                Ok(purchase) => purchases.good.push(purchase),
                Err(reason) => purchases.bad.push(BadLine { file: name.to_owned(), line: number, reason }),
            }
        }
        purchases
    }

    pub(crate) fn and(mut self, other: Self) -> Self {
        self.good.extend(other.good);
        self.bad.extend(other.bad);
        self
    }
}

/// One line: two numbers of the customer, the day, units, dollars.
fn purchase(id: String, line: &[u8]) -> Result<Purchase, String> {
    let text = std::str::from_utf8(line).map_err(|error| {
        let column = error.valid_up_to() + 1;
        format!("not UTF-8: byte 0x{:02X} in column {column}", line[error.valid_up_to()])
    })?;
    let fields: Vec<_> = text.split_ascii_whitespace().collect();
    let [in_full_set, customer, day, units, dollars] = fields[..] else {
        return Err(match fields.len() {
            0 => "the line is empty".to_owned(),
            found @ 1..5 => format!("cut short: {found} of 5 columns"),
            found => format!("{found} columns where 5 belong"),
        });
    };
    number(in_full_set, "customer")?;
    let (customer, day, units) = (number(customer, "customer")?, date(day)?, number(units, "number of units")?);
    if units == 0 {
        return Err("0 units: nothing was bought".to_owned());
    }
    Ok(Purchase { id, customer, day, units, cents: cents(dollars)? })
}

/// Digits alone: no sign, no blank.
fn number(text: &str, what: &str) -> Result<u32, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("the {what} `{text}` is no number"));
    }
    text.parse().map_err(|_| format!("the {what} {text} is too large"))
}

/// `YYYYMMDD`, a day of the calendar.
fn date(text: &str) -> Result<Date, String> {
    if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("the day `{text}` is not YYYYMMDD"));
    }
    Date::strptime("%Y%m%d", text).map_err(|_| format!("the day {text} is not in the calendar"))
}

/// Dollars and two digits of cents.
fn cents(text: &str) -> Result<u32, String> {
    if text.starts_with('-') {
        return Err(format!("the amount {text} is negative"));
    }
    let wrong = || format!("the amount `{text}` is not dollars and cents, as in 29.33");
    let (dollars, cents) = text.split_once('.').ok_or_else(wrong)?;
    if cents.len() != 2 {
        return Err(wrong());
    }
    let (dollars, cents) =
        (number(dollars, "amount").map_err(|_| wrong())?, number(cents, "amount").map_err(|_| wrong())?);
    dollars
        .checked_mul(100)
        .and_then(|whole| whole.checked_add(cents))
        .ok_or_else(|| format!("the amount {text} is too large"))
}

/// Cents as dollars: `244,091.94`.
pub(crate) fn dollars(cents: u64) -> String {
    format!("{}.{:02}", grouped(cents / 100), cents % 100)
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PURCHASES: &[u8] = include_bytes!("../../data/purchases.txt");
    const DAMAGED: &[u8] = include_bytes!("../../data/damaged.txt");

    fn total(purchases: &Purchases) -> u64 {
        purchases.good.iter().map(|purchase| u64::from(purchase.cents)).sum()
    }

    fn reason(line: &[u8]) -> String {
        purchase("x".to_owned(), line).unwrap_err()
    }

    #[test]
    fn every_line_of_the_real_file_is_a_purchase() {
        let all = Purchases::parse("purchases", "purchases.txt", PURCHASES, usize::MAX);
        assert_eq!(all.bad, []);
        assert_eq!(all.good.len(), 6_919);
        assert_eq!(total(&all), 24_409_194);
        assert_eq!(all.good.iter().filter(|purchase| purchase.cents == 0).count(), 8);
    }

    #[test]
    fn the_first_lines_alone() {
        let first = Purchases::parse("purchases", "purchases.txt", PURCHASES, 500);
        assert_eq!((first.good.len(), first.bad.len()), (500, 0));
        assert_eq!(total(&first), 1_555_056);
    }

    #[test]
    fn a_line_is_read_to_the_cent() {
        let read = purchase("line".to_owned(), b" 00004 0001 19970118  2   29.73").unwrap();
        let day = jiff::civil::date(1997, 1, 18);
        assert_eq!(read, Purchase { id: "line".to_owned(), customer: 1, day, units: 2, cents: 2_973 });
    }

    #[test]
    fn equal_lines_are_purchases_of_their_own() {
        let all = Purchases::parse("purchases", "purchases.txt", PURCHASES, usize::MAX);
        let mut days: Vec<_> = all.good.iter().map(|purchase| (purchase.customer, purchase.day)).collect();
        days.sort_unstable();
        let again = days.chunk_by(|one, next| one == next).filter(|same| same.len() > 1).count();
        assert_eq!(again, 177);
        let mut ids: Vec<_> = all.good.iter().map(|purchase| &purchase.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 6_919);
    }

    #[test]
    fn damaged_lines_are_told_with_number_and_reason() {
        let damaged = Purchases::parse("damaged", "damaged.txt", DAMAGED, usize::MAX);
        let told: Vec<_> = damaged.bad.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "damaged.txt:2: the amount `29` is not dollars and cents, as in 29.33",
                "damaged.txt:4: the day 19970231 is not in the calendar",
                "damaged.txt:5: the amount -35.31 is negative",
                "damaged.txt:8: not UTF-8: byte 0xB2 in column 31",
                "damaged.txt:9: cut short: 3 of 5 columns",
                "damaged.txt:10: 0 units: nothing was bought",
                "damaged.txt:12: the line is empty",
                "damaged.txt:13: the amount `25,50` is not dollars and cents, as in 29.33",
                "damaged.txt:14: the day `1998-04-01` is not YYYYMMDD",
                "damaged.txt:15: 6 columns where 5 belong",
                "damaged.txt:17: the number of units 99999999999 is too large",
                "damaged.txt:18: the amount `14.3` is not dollars and cents, as in 29.33",
            ]
        );
        let good: Vec<_> = damaged.good.iter().map(|purchase| purchase.id.as_str()).collect();
        assert_eq!(
            good,
            ["damaged-0001", "damaged-0003", "damaged-0006", "damaged-0007", "damaged-0011", "damaged-0016"]
        );
    }

    #[test]
    fn numbers_are_digits_alone() {
        assert_eq!(reason(b"1 +1 19970101 1 1.00"), "the customer `+1` is no number");
        assert_eq!(reason(b"1 1 19970101 -1 1.00"), "the number of units `-1` is no number");
        assert_eq!(reason(b"1 1 19970101 1 1.+1"), "the amount `1.+1` is not dollars and cents, as in 29.33");
        assert_eq!(reason(b"1 1 19970101 1 99999999.00"), "the amount 99999999.00 is too large");
        assert_eq!(reason(b"1 1 19970229 1 1.00"), "the day 19970229 is not in the calendar");
    }

    #[test]
    fn an_empty_file_has_one_empty_line() {
        let empty = Purchases::parse("empty", "empty.txt", b"", usize::MAX);
        assert_eq!((empty.good.len(), empty.bad.len()), (0, 1));
    }

    #[test]
    fn money_is_shown_to_the_cent() {
        assert_eq!(dollars(24_409_194), "244,091.94");
        assert_eq!(dollars(5), "0.05");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(100), "100");
    }
}
