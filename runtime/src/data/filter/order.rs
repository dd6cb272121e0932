//! Values as bytes that compare as MongoDB compares the values: the key of a document, and what equality means.
//!
//! Numbers that are equal have equal bytes, whatever their type. One thing is not exact: the order (never the equality)
//! of `Decimal128` values that no other number type can hold, among those that round to the same `f64`.

use std::cmp::Ordering;

use bson::{Bson, Document};

/// The bytes of a value.
pub(crate) fn key(value: &Bson) -> Vec<u8> {
    let mut key = vec![rank(value)];
    put(value, &mut key);
    key
}

/// The place of a type among the types.
fn rank(value: &Bson) -> u8 {
    match value {
        Bson::MinKey => 1,
        Bson::Undefined => 2,
        Bson::Null => 5,
        Bson::Double(_) | Bson::Int32(_) | Bson::Int64(_) | Bson::Decimal128(_) => 10,
        Bson::String(_) | Bson::Symbol(_) => 15,
        Bson::Document(_) => 20,
        Bson::Array(_) => 25,
        Bson::Binary(_) => 30,
        Bson::ObjectId(_) => 35,
        Bson::Boolean(_) => 40,
        Bson::DateTime(_) => 45,
        Bson::Timestamp(_) => 47,
        Bson::RegularExpression(_) => 50,
        Bson::DbPointer(_) => 55,
        Bson::JavaScriptCode(_) => 60,
        Bson::JavaScriptCodeWithScope(_) => 65,
        Bson::MaxKey => 127,
    }
}

fn put(value: &Bson, key: &mut Vec<u8>) {
    match value {
        Bson::MinKey | Bson::MaxKey | Bson::Null | Bson::Undefined => (),
        Bson::Int32(number) => put_integer(i64::from(*number), key),
        Bson::Int64(number) => put_integer(*number, key),
        Bson::Double(number) => put_double(*number, key),
        Bson::Decimal128(number) => put_decimal(&number.to_string(), key),
        Bson::String(text) | Bson::Symbol(text) | Bson::JavaScriptCode(text) => put_text(text, key),
        Bson::Document(document) => put_document(document, key),
        Bson::Array(elements) => {
            for element in elements {
                key.push(rank(element));
                put(element, key);
            }
            key.push(0);
        }
        Bson::Binary(binary) => {
            key.extend((binary.bytes.len() as u32).to_be_bytes());
            key.push(binary.subtype.into());
            key.extend(&binary.bytes);
        }
        Bson::ObjectId(id) => key.extend(id.bytes()),
        Bson::Boolean(value) => key.push(u8::from(*value)),
        Bson::DateTime(time) => key.extend((time.timestamp_millis() as u64 ^ (1 << 63)).to_be_bytes()),
        Bson::Timestamp(time) => {
            key.extend(time.time.to_be_bytes());
            key.extend(time.increment.to_be_bytes());
        }
        Bson::RegularExpression(regex) => {
            put_text(regex.pattern.as_str(), key);
            put_text(regex.options.as_str(), key);
        }
        // Nothing but its text can be read of a pointer; it is deprecated.
        Bson::DbPointer(pointer) => put_text(&format!("{pointer:?}"), key),
        Bson::JavaScriptCodeWithScope(code) => {
            put_text(&code.code, key);
            put_document(&code.scope, key);
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
fn put_document(document: &Document, key: &mut Vec<u8>) {
    for (name, value) in document {
        key.push(rank(value));
        put_text(name, key);
        put(value, key);
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
            assert!(key(&pair[0]) < key(&pair[1]), "{} should sort before {}", pair[0], pair[1]);
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
                assert_eq!(key(value), key(&equal[0]), "{value}");
            }
        }
        assert_ne!(key(&decimal("0.1")), key(&Bson::Double(0.1)));
        assert_ne!(key(&Bson::Int64((1 << 53) + 1)), key(&Bson::Double(9_007_199_254_740_992.0)));
    }
}
