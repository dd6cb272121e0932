//! Values as bytes that compare as MongoDB compares the values: the key of a document, of an index entry, of a sort, and
//! what equality means.
//!
//! Numbers that are equal have equal bytes, whatever their type. No key is the beginning of another one, so that keys
//! can stand one behind the other.

use std::cmp::Ordering;

use bson::{Bson, Decimal128, RawBson, RawBsonRef, RawDocument};

pub(crate) use self::decimal::truncated;
use super::nesting::{DEEPEST, check_value};
use crate::error::{Error, ErrorKind, Result};

mod decimal;

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
    check_value(value)?;
    RawBson::try_from(value.clone())
        .map_err(|error| Error::of(ErrorKind::Invalid, format!("{value} is no value of a document: {error}")))
}

/// How two values compare, in MongoDB's order over all types.
pub(crate) fn compare(left: RawBsonRef<'_>, right: RawBsonRef<'_>) -> Ordering {
    quick(left, right).unwrap_or_else(|| key(left).cmp(&key(right)))
}

/// How two values compare, as far as that takes no keys.
pub(crate) fn quick(left: RawBsonRef<'_>, right: RawBsonRef<'_>) -> Option<Ordering> {
    Some(match (left, right) {
        (RawBsonRef::Int32(left), RawBsonRef::Int32(right)) => left.cmp(&right),
        (RawBsonRef::Int64(left), RawBsonRef::Int64(right)) => left.cmp(&right),
        (RawBsonRef::Int32(left), RawBsonRef::Int64(right)) => i64::from(left).cmp(&right),
        (RawBsonRef::Int64(left), RawBsonRef::Int32(right)) => left.cmp(&i64::from(right)),
        // NaN has its place, which doubles by themselves don't say.
        (RawBsonRef::Double(left), RawBsonRef::Double(right)) => return left.partial_cmp(&right),
        (RawBsonRef::String(left), RawBsonRef::String(right)) => left.cmp(right),
        (RawBsonRef::ObjectId(left), RawBsonRef::ObjectId(right)) => left.cmp(&right),
        (RawBsonRef::DateTime(left), RawBsonRef::DateTime(right)) => left.cmp(&right),
        (RawBsonRef::Boolean(left), RawBsonRef::Boolean(right)) => left.cmp(&right),
        _ => return Some(rank(left).cmp(&rank(right))).filter(|order| order.is_ne()),
    })
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
    put_value(value, key, depth);
}

/// What is stored is nested less deep ([`super::nesting`]): the bound is for what isn't.
fn put_value(value: RawBsonRef<'_>, key: &mut Vec<u8>, depth: usize) {
    match value {
        RawBsonRef::MinKey | RawBsonRef::MaxKey | RawBsonRef::Null | RawBsonRef::Undefined => (),
        RawBsonRef::Int32(number) => put_integer(i64::from(number), key),
        RawBsonRef::Int64(number) => put_integer(number, key),
        RawBsonRef::Double(number) => put_number(number, 0, key),
        RawBsonRef::Decimal128(number) => put_decimal(number, key),
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

/// Ends with two 0 bytes, so that it can stand before something else; a 0 inside is told apart by what follows it.
fn put_text(text: &str, key: &mut Vec<u8>) {
    if text.as_bytes().contains(&0) {
        for byte in text.bytes() {
            key.push(byte);
            if byte == 0 {
                key.push(0xFF);
            }
        }
    } else {
        key.extend(text.as_bytes());
    }
    key.extend([0, 0]);
}

/// Field by field: the type, the name, the value. What ends first is less.
fn put_document(document: &RawDocument, key: &mut Vec<u8>, depth: usize) {
    if depth < DEEPEST {
        for (name, value) in document.iter().filter_map(std::result::Result::ok) {
            key.push(rank(value));
            put_text(name.as_str(), key);
            put_value(value, key, depth + 1);
        }
    }
    key.push(0);
}

/// The nearest `f64`, then how far the number is above it, then whether that says it all.
fn put_number(double: f64, offset: i32, key: &mut Vec<u8>) {
    put_nearest(double, offset, key);
    key.push(0);
}

fn put_nearest(double: f64, offset: i32, key: &mut Vec<u8>) {
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
}

fn put_decimal(number: Decimal128, key: &mut Vec<u8>) {
    let place = decimal::place(number);
    put_nearest(place.double, place.offset, key);
    match place.digits {
        None => key.push(0),
        Some(digits) => {
            key.push(1);
            key.extend(digits);
        }
    }
}

#[cfg(test)]
mod tests;
