//! Values as bytes that compare as MongoDB compares the values: the key of a document, and what equality means.
//!
//! Numbers that are equal have equal bytes, whatever their type. One thing is not exact: the order (never the equality)
//! of `Decimal128` values that no other number type can hold, among those that round to the same `f64`.

use std::cmp::Ordering;

use bson::{Bson, RawBson, RawBsonRef, RawDocument};

use crate::error::{Error, ErrorKind, Result};

/// Values nested deeper have no order among themselves: such documents are refused before they are stored.
const DEEPEST: usize = 200;

/// The bytes of a value.
pub(crate) fn key(value: RawBsonRef<'_>) -> Vec<u8> {
    let mut key = Vec::with_capacity(16);
    put_key(value, &mut key);
    key
}

/// Adds the bytes of a value behind what is there.
pub(crate) fn put_key(value: RawBsonRef<'_>, key: &mut Vec<u8>) {
    put_ranked(value, key, 0);
}

/// The bytes of a value that stands by itself.
pub(crate) fn key_of(value: &Bson) -> Result<Vec<u8>> {
    Ok(key(raw(value)?.as_raw_bson_ref()))
}

/// A value as it is compared with those of stored documents.
pub(crate) fn raw(value: &Bson) -> Result<RawBson> {
    RawBson::try_from(value.clone())
        .map_err(|error| Error::of(ErrorKind::Invalid, format!("{value} is no value of a document: {error}")))
}

/// How two values compare, in MongoDB's order over all types.
pub(crate) fn compare(left: RawBsonRef<'_>, right: RawBsonRef<'_>) -> Ordering {
    match (left, right) {
        (RawBsonRef::Int32(left), RawBsonRef::Int32(right)) => left.cmp(&right),
        (RawBsonRef::Int64(left), RawBsonRef::Int64(right)) => left.cmp(&right),
        (RawBsonRef::Int32(left), RawBsonRef::Int64(right)) => i64::from(left).cmp(&right),
        (RawBsonRef::Int64(left), RawBsonRef::Int32(right)) => left.cmp(&i64::from(right)),
        (RawBsonRef::String(left), RawBsonRef::String(right)) => left.cmp(right),
        (RawBsonRef::ObjectId(left), RawBsonRef::ObjectId(right)) => left.cmp(&right),
        (RawBsonRef::DateTime(left), RawBsonRef::DateTime(right)) => left.cmp(&right),
        (RawBsonRef::Boolean(left), RawBsonRef::Boolean(right)) => left.cmp(&right),
        _ => match rank(left).cmp(&rank(right)) {
            Ordering::Equal => key(left).cmp(&key(right)),
            other => other,
        },
    }
}

/// The place of regular expressions among the types.
pub(crate) const REGULAR: u8 = 50;

/// The place of a type among the types; equal for types whose values compare with each other.
pub(crate) fn rank(value: RawBsonRef<'_>) -> u8 {
    match value {
        RawBsonRef::MinKey => 1,
        RawBsonRef::Undefined => 2,
        RawBsonRef::Null => 5,
        RawBsonRef::Double(_) | RawBsonRef::Int32(_) | RawBsonRef::Int64(_) | RawBsonRef::Decimal128(_) => 10,
        RawBsonRef::String(_) | RawBsonRef::Symbol(_) => 15,
        RawBsonRef::Document(_) => 20,
        RawBsonRef::Array(_) => 25,
        RawBsonRef::Binary(_) => 30,
        RawBsonRef::ObjectId(_) => 35,
        RawBsonRef::Boolean(_) => 40,
        RawBsonRef::DateTime(_) => 45,
        RawBsonRef::Timestamp(_) => 47,
        RawBsonRef::RegularExpression(_) => REGULAR,
        RawBsonRef::DbPointer(_) => 55,
        RawBsonRef::JavaScriptCode(_) => 60,
        RawBsonRef::JavaScriptCodeWithScope(_) => 65,
        RawBsonRef::MaxKey => 127,
    }
}

fn put_ranked(value: RawBsonRef<'_>, key: &mut Vec<u8>, depth: usize) {
    key.push(rank(value));
    match value {
        RawBsonRef::MinKey | RawBsonRef::MaxKey | RawBsonRef::Null | RawBsonRef::Undefined => (),
        RawBsonRef::Int32(number) => put_integer(i64::from(number), key),
        RawBsonRef::Int64(number) => put_integer(number, key),
        RawBsonRef::Double(number) => put_double(number, key),
        RawBsonRef::Decimal128(number) => put_decimal(&number.to_string(), key),
        RawBsonRef::String(text) | RawBsonRef::Symbol(text) | RawBsonRef::JavaScriptCode(text) => put_text(text, key),
        RawBsonRef::Document(document) => put_document(document, key, depth),
        RawBsonRef::Array(elements) => {
            if depth < DEEPEST {
                for element in elements.into_iter().filter_map(std::result::Result::ok) {
                    put_ranked(element, key, depth + 1);
                }
            }
            key.push(0);
        }
        RawBsonRef::Binary(binary) => {
            key.extend((binary.bytes.len() as u32).to_be_bytes());
            key.push(binary.subtype.into());
            key.extend(binary.bytes);
        }
        RawBsonRef::ObjectId(id) => key.extend(id.bytes()),
        RawBsonRef::Boolean(value) => key.push(u8::from(value)),
        RawBsonRef::DateTime(time) => key.extend((time.timestamp_millis() as u64 ^ (1 << 63)).to_be_bytes()),
        RawBsonRef::Timestamp(time) => {
            key.extend(time.time.to_be_bytes());
            key.extend(time.increment.to_be_bytes());
        }
        RawBsonRef::RegularExpression(regex) => {
            put_text(regex.pattern.as_str(), key);
            put_text(regex.options.as_str(), key);
        }
        // Nothing but its text can be read of a pointer; it is deprecated.
        RawBsonRef::DbPointer(pointer) => put_text(&format!("{pointer:?}"), key),
        RawBsonRef::JavaScriptCodeWithScope(code) => {
            put_text(code.code, key);
            put_document(code.scope, key, depth);
        }
    }
}

/// How a field is sorted, in an index or by `sort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the least.
    Ascending,
    /// From the greatest.
    Descending,
}

impl Direction {
    /// Adds a key's bytes so that they sort in this direction.
    pub(crate) fn put(self, key: &[u8], whole: &mut Vec<u8>) {
        match self {
            Self::Ascending => whole.extend(key),
            Self::Descending => whole.extend(key.iter().map(|byte| !byte)),
        }
    }

    /// From the number that stands for it.
    pub(crate) fn of(value: &Bson) -> Option<Self> {
        let number = match value {
            Bson::Int32(number) => f64::from(*number),
            Bson::Int64(number) => *number as f64,
            Bson::Double(number) => *number,
            _ => return None,
        };
        if number > 0.0 {
            Some(Self::Ascending)
        } else if number < 0.0 {
            Some(Self::Descending)
        } else {
            None
        }
    }

    /// The number that stands for it.
    pub(crate) fn number(self) -> i32 {
        match self {
            Self::Ascending => 1,
            Self::Descending => -1,
        }
    }
}

/// Ends with a 0 byte, so that it can stand before something else; a 0 inside is told apart by what follows it.
fn put_text(text: &str, key: &mut Vec<u8>) {
    for byte in text.bytes() {
        key.push(byte);
        if byte == 0 {
            key.push(0xFF);
        }
    }
    key.extend([0, 0]);
}

/// Field by field: the type, the name, the value. What ends first is less.
fn put_document(document: &RawDocument, key: &mut Vec<u8>, depth: usize) {
    if depth < DEEPEST {
        for (name, value) in document.iter().filter_map(std::result::Result::ok) {
            key.push(rank(value));
            put_text(name.as_str(), key);
            put_ranked(value, key, depth + 1);
        }
    }
    key.push(0);
}

/// The nearest `f64`, then how far the number is from it, then a mark for what that doesn't say.
fn put_number(double: f64, offset: i32, key: &mut Vec<u8>) {
    let bits = if double.is_nan() {
        0
    } else if double.is_sign_negative() && double != 0.0 {
        !double.to_bits()
    } else {
        double.abs().to_bits() | (1 << 63)
    };
    key.extend(bits.to_be_bytes());
    key.extend((0x8000_i32 + offset).to_be_bytes()[2..].iter());
}

fn put_integer(number: i64, key: &mut Vec<u8>) {
    let double = number as f64;
    put_number(double, (i128::from(number) - double as i128) as i32, key);
    key.push(0);
}

fn put_double(number: f64, key: &mut Vec<u8>) {
    put_number(number, 0, key);
    key.push(0);
}

fn put_decimal(text: &str, key: &mut Vec<u8>) {
    let double: f64 = text.parse().unwrap_or(f64::NAN);
    let Some(decimal) = Decimal::read(text) else { return put_double(double, key) };
    if let Some(integer) = decimal.integer() {
        return put_integer(integer, key);
    }
    let exact = if double.is_finite() { Decimal::read(&format!("{double:.1074}")) } else { None };
    let offset = match exact {
        Some(exact) if exact == decimal => return put_double(double, key),
        Some(exact) if decimal.compare(&exact) == Ordering::Less => -1,
        Some(_) | None => 0,
    };
    put_number(double, offset, key);
    key.push(1);
    put_text(&format!("{}{}E{}", if decimal.negative { "-" } else { "" }, decimal.digits, decimal.exponent), key);
}

/// A decimal number without its fraction, if it is a 64-bit integer.
pub(crate) fn whole_decimal(text: &str) -> Option<i64> {
    let decimal = Decimal::read(text)?;
    let places = usize::try_from(-decimal.exponent).unwrap_or_default();
    if places == 0 {
        return decimal.integer();
    }
    let kept = decimal.digits.len().saturating_sub(places);
    Decimal { digits: decimal.digits[..kept].to_owned(), exponent: 0, ..decimal }.integer()
}

/// A decimal number, if it is a 64-bit integer.
pub(crate) fn exact_integer(text: &str) -> Option<i64> {
    Decimal::read(text)?.integer()
}

/// A finite decimal number, in its one form: no zeros at either end of its digits.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Reads `-12.50E+3`; `None` for what isn't finite.
    fn read(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['E', 'e']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent: i64 = exponent.parse().ok()?;
        let all = format!("{whole}{fraction}");
        if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let significant = all.trim_end_matches('0');
        let dropped = all.len() - significant.len();
        let digits = significant.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self { negative: false, digits, exponent: 0 });
        }
        Some(Self { negative, digits, exponent: exponent - fraction.len() as i64 + dropped as i64 })
    }

    /// The number, if it is a 64-bit integer.
    fn integer(&self) -> Option<i64> {
        if self.digits.is_empty() {
            return Some(0);
        }
        let zeros = usize::try_from(self.exponent).ok().filter(|zeros| *zeros < 20)?;
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}{}{}", self.digits, "0".repeat(zeros)).parse().ok()
    }

    fn compare(&self, other: &Self) -> Ordering {
        let size = |number: &Self| number.digits.len() as i64 + number.exponent;
        let magnitude = if self.digits.is_empty() || other.digits.is_empty() {
            self.digits.len().cmp(&other.digits.len())
        } else {
            size(self).cmp(&size(other)).then_with(|| self.digits.cmp(&other.digits))
        };
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => magnitude,
            (true, true) => magnitude.reverse(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bson::{Decimal128, bson, oid::ObjectId};

    use super::*;

    fn decimal(text: &str) -> Bson {
        Bson::Decimal128(text.parse::<Decimal128>().unwrap())
    }

    #[test]
    fn keys_sort_as_mongodb_sorts_values() {
        let ascending = [
            Bson::MinKey,
            Bson::Null,
            Bson::Double(f64::NAN),
            Bson::Double(f64::NEG_INFINITY),
            Bson::Int64(i64::MIN),
            decimal("-1.5"),
            Bson::Int32(-1),
            Bson::Double(-0.5),
            Bson::Int32(0),
            Bson::Double(f64::MIN_POSITIVE),
            decimal("0.1"),
            Bson::Double(0.100_000_1),
            Bson::Int32(1),
            Bson::Double(1.5),
            Bson::Int64(1 << 53),
            Bson::Int64((1 << 53) + 1),
            Bson::Int64((1 << 53) + 2),
            Bson::Int64(i64::MAX - 1),
            Bson::Int64(i64::MAX),
            Bson::Double(9_223_372_036_854_775_808.0),
            Bson::Double(f64::INFINITY),
            Bson::String(String::new()),
            Bson::String("a".into()),
            Bson::String("a\0".into()),
            Bson::String("a\0b".into()),
            Bson::String("aa".into()),
            Bson::String("b".into()),
            bson!({}),
            bson!({ "a": 1 }),
            bson!({ "a": 1, "b": 1 }),
            bson!({ "a": 2 }),
            bson!({ "b": 1 }),
            bson!({ "a": "x" }),
            bson!([]),
            bson!([1]),
            bson!([1, 2]),
            bson!([2]),
            Bson::Binary(bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![9] }),
            Bson::Binary(bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![1, 1] }),
            Bson::ObjectId(ObjectId::from_bytes([1; 12])),
            Bson::ObjectId(ObjectId::from_bytes([2; 12])),
            Bson::Boolean(false),
            Bson::Boolean(true),
            Bson::DateTime(bson::DateTime::from_millis(-1)),
            Bson::DateTime(bson::DateTime::from_millis(1)),
            Bson::Timestamp(bson::Timestamp { time: 1, increment: 2 }),
            Bson::MaxKey,
        ];
        for pair in ascending.windows(2) {
            assert!(
                key_of(&pair[0]).unwrap() < key_of(&pair[1]).unwrap(),
                "{} should sort before {}",
                pair[0],
                pair[1]
            );
        }
    }

    #[test]
    fn equal_numbers_have_equal_keys() {
        for equal in [
            vec![Bson::Int32(1), Bson::Int64(1), Bson::Double(1.0), decimal("1"), decimal("1.00"), decimal("10E-1")],
            vec![Bson::Int32(0), Bson::Double(-0.0), decimal("0"), decimal("-0"), decimal("0E+10")],
            vec![Bson::Double(0.5), decimal("0.5"), decimal("0.50")],
            vec![Bson::Double(f64::NAN), decimal("NaN")],
            vec![Bson::Double(f64::INFINITY), decimal("Infinity")],
            vec![Bson::Int64(i64::MAX), decimal("9223372036854775807")],
            vec![decimal("0.1"), decimal("1E-1"), decimal("0.10")],
        ] {
            for value in &equal {
                assert_eq!(key_of(value).unwrap(), key_of(&equal[0]).unwrap(), "{value}");
            }
        }
        assert_ne!(key_of(&decimal("0.1")).unwrap(), key_of(&Bson::Double(0.1)).unwrap());
        assert_ne!(
            key_of(&Bson::Int64((1 << 53) + 1)).unwrap(),
            key_of(&Bson::Double(9_007_199_254_740_992.0)).unwrap()
        );
    }
}
