//! What one value must be.

use std::cmp::Ordering;

use bson::{Bson, RawBson, RawBsonRef, RawDocument};

use super::regular::Regular;
use super::types::Types;
use super::{Clause, Matched, order};
use crate::error::Result;
use crate::hashing::FastSet;

/// A condition on the values of one path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Predicate {
    Equal(Operand),
    Less(Operand),
    LessOrEqual(Operand),
    Greater(Operand),
    GreaterOrEqual(Operand),
    In(Values),
    /// There is a value.
    Exists,
    Type(Types),
    Regular(Regular),
    /// Its remainder.
    Remainder {
        divisor: i64,
        remainder: i64,
    },
    /// An array of so many elements.
    Size(i64),
    /// An array with an element for which it all holds.
    ElemMatch(Box<Element>),
    /// For each of these some value holds; of none at all nothing does.
    All(Vec<Predicate>),
    /// Not all of these hold.
    Not(Vec<Predicate>),
}

/// What an element must be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Element {
    /// A document for which the clauses hold.
    Document(Vec<Clause>),
    /// A value for which the predicates hold.
    Value(Vec<Predicate>),
}

/// A value that others are compared with, and its key.
#[derive(Debug, Clone)]
pub(crate) struct Operand {
    value: RawBson,
    key: Vec<u8>,
}

impl PartialEq for Operand {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Operand {
    pub(crate) fn new(value: &Bson) -> Result<Self> {
        let value = order::raw(value)?;
        let key = order::key(value.as_raw_bson_ref());
        Ok(Self { value, key })
    }

    pub(crate) fn value(&self) -> &RawBson {
        &self.value
    }

    /// Bytes that sort as the value does.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.value, RawBson::Null | RawBson::Undefined)
    }

    pub(super) fn is_nan(&self) -> bool {
        is_nan(self.value.as_raw_bson_ref())
    }

    /// How a value compares, if they compare at all: only values of one kind do, but for the least and the greatest.
    /// `or_equal` says whether equality is enough.
    fn compare(&self, value: Option<RawBsonRef<'_>>, wanted: Ordering, or_equal: bool) -> bool {
        let own = self.value.as_raw_bson_ref();
        let Some(value) = value else { return self.missing(wanted, or_equal) };
        if matches!(value, RawBsonRef::Null | RawBsonRef::Undefined) && self.is_null() {
            return or_equal;
        }
        if order::rank(value) != order::rank(own) {
            return match own {
                RawBsonRef::MinKey => wanted == Ordering::Greater,
                RawBsonRef::MaxKey => wanted == Ordering::Less,
                _ => false,
            };
        }
        if is_nan(value) || is_nan(own) {
            return or_equal && is_nan(value) && is_nan(own);
        }
        let order = order::quick(value, own).unwrap_or_else(|| order::key(value).as_slice().cmp(&self.key));
        order == wanted || (or_equal && order == Ordering::Equal)
    }

    /// The same for a branch that leads nowhere.
    fn missing(&self, wanted: Ordering, or_equal: bool) -> bool {
        match self.value {
            RawBson::Null | RawBson::Undefined => or_equal,
            RawBson::MinKey => wanted == Ordering::Greater,
            RawBson::MaxKey => wanted == Ordering::Less,
            _ => false,
        }
    }
}

fn is_nan(value: RawBsonRef<'_>) -> bool {
    match value {
        RawBsonRef::Double(number) => number.is_nan(),
        RawBsonRef::Decimal128(number) => number.to_string().ends_with("NaN"),
        _ => false,
    }
}

/// The values of `$in`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Values {
    keys: FastSet<Vec<u8>>,
    has_null: bool,
    has_array: bool,
    regular: Vec<Regular>,
    /// Tells apart two lists.
    listed: Vec<Vec<u8>>,
}

impl Values {
    pub(super) fn add(&mut self, value: &Operand) {
        self.has_null |= value.is_null();
        self.has_array |= matches!(value.value, RawBson::Array(_));
        if self.keys.insert(value.key.clone()) {
            self.listed.push(value.key.clone());
        }
    }

    pub(super) fn add_regular(&mut self, regular: Regular) {
        self.regular.push(regular);
    }

    /// The keys of all values, if those are all that it takes.
    pub(super) fn keys(&self) -> Option<Vec<Vec<u8>>> {
        if self.has_null || self.has_array || !self.regular.is_empty() {
            return None;
        }
        let mut keys = self.listed.clone();
        keys.sort();
        Some(keys)
    }

    pub(super) fn has_null(&self) -> bool {
        self.has_null
    }

    pub(super) fn is_plain(&self) -> bool {
        self.regular.is_empty() && !self.has_array
    }

    /// The only value's key.
    pub(super) fn listed(&self) -> &[Vec<u8>] {
        &self.listed
    }

    fn has(&self, value: Option<RawBsonRef<'_>>) -> bool {
        match value {
            None | Some(RawBsonRef::Null | RawBsonRef::Undefined) => self.has_null,
            Some(value) => {
                self.keys.contains(&order::key(value)) || self.regular.iter().any(|regular| regular.matches(value))
            }
        }
    }
}

impl Predicate {
    /// Whether it holds for a value by itself; `None` is "missing".
    pub(super) fn single(&self, value: Option<RawBsonRef<'_>>) -> bool {
        match self {
            Self::Equal(operand) => operand.compare(value, Ordering::Equal, true),
            Self::Less(operand) => operand.compare(value, Ordering::Less, false),
            Self::LessOrEqual(operand) => operand.compare(value, Ordering::Less, true),
            Self::Greater(operand) => operand.compare(value, Ordering::Greater, false),
            Self::GreaterOrEqual(operand) => operand.compare(value, Ordering::Greater, true),
            Self::In(values) => values.has(value),
            Self::Exists => value.is_some(),
            Self::Type(types) => value.is_some_and(|value| types.have(value)),
            Self::Regular(regular) => value.is_some_and(|value| regular.matches(value)),
            Self::Remainder { divisor, remainder } => {
                value.and_then(whole).is_some_and(|number| number.checked_rem(*divisor).unwrap_or(0) == *remainder)
            }
            Self::Size(_) | Self::ElemMatch(_) => self.in_array(value, &mut None),
            Self::All(all) => !all.is_empty() && all.iter().all(|one| one.single(value)),
            Self::Not(all) => !all.iter().all(|one| one.single(value)),
        }
    }

    /// Whether it holds for an array; by which element, it says to `matched`.
    pub(super) fn in_array(&self, value: Option<RawBsonRef<'_>>, matched: &mut Option<usize>) -> bool {
        let Some(RawBsonRef::Array(elements)) = value else { return false };
        let mut elements = elements.into_iter().filter_map(std::result::Result::ok);
        match self {
            Self::Size(size) => elements.count() as i64 == *size,
            Self::ElemMatch(wanted) => {
                let place = elements.position(|element| wanted.is(element));
                *matched = place.or(*matched);
                place.is_some()
            }
            _ => false,
        }
    }
}

impl Element {
    /// Whether an element is as it must be.
    pub(crate) fn is(&self, element: RawBsonRef<'_>) -> bool {
        match self {
            Self::Value(all) => all.iter().all(|one| one.single(Some(element))),
            Self::Document(all) => {
                // An array is a document of its places.
                let inside = match element {
                    RawBsonRef::Document(inside) => inside,
                    RawBsonRef::Array(inside) => match RawDocument::from_bytes(inside.as_bytes()) {
                        Ok(inside) => inside,
                        Err(_) => return false,
                    },
                    _ => return false,
                };
                all.iter().all(|clause| clause.holds(inside, &mut Matched::default()))
            }
        }
    }
}

/// A number without its fraction, if it is one that `$mod` looks at.
pub(super) fn whole(value: RawBsonRef<'_>) -> Option<i64> {
    match value {
        RawBsonRef::Int32(number) => Some(i64::from(number)),
        RawBsonRef::Int64(number) => Some(number),
        RawBsonRef::Double(number) if number.is_finite() => {
            let whole = number.trunc();
            (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole).then_some(whole as i64)
        }
        RawBsonRef::Decimal128(number) => order::truncated(number),
        _ => None,
    }
}
