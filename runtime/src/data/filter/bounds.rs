//! What an index must be asked for so that no match is missed: intervals of keys, one of which every matching document
//! has an entry in.
//!
//! An entry of a document is the key of each value that its path means (`super::super::index`), so a condition on one
//! value bounds it. What is said of "no value" or of arrays as a whole bounds nothing. A field that holds an array may
//! fulfil two conditions with two elements: then one of them alone is a bound.

use std::ops::Bound;

use bson::{RawBson, RawBsonRef};

use super::predicate::{Element, Operand, Predicate};
use super::{Clause, Filter, order};
use crate::data::path::Path;

/// An interval of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) low: Bound<Vec<u8>>,
    pub(crate) high: Bound<Vec<u8>>,
}

impl Interval {
    fn point_of(key: Vec<u8>) -> Self {
        Self { low: Bound::Included(key.clone()), high: Bound::Included(key) }
    }

    /// The only key in it, if it is one.
    pub(crate) fn point(&self) -> Option<&[u8]> {
        match (&self.low, &self.high) {
            (Bound::Included(low), Bound::Included(high)) if low == high => Some(low),
            _ => None,
        }
    }

    fn is_empty(&self) -> bool {
        match (&self.low, &self.high) {
            (Bound::Included(low), Bound::Included(high)) => low > high,
            (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) => low >= high,
            _ => false,
        }
    }

    fn and(&self, other: &Self) -> Self {
        let low =
            std::cmp::max_by(self.low.clone(), other.low.clone(), |left, right| low_key(left).cmp(&low_key(right)));
        let high =
            std::cmp::min_by(self.high.clone(), other.high.clone(), |left, right| high_key(left).cmp(&high_key(right)));
        Self { low, high }
    }

    fn holds(&self, other: &Self) -> bool {
        low_key(&self.low) <= low_key(&other.low) && high_key(&other.high) <= high_key(&self.high)
    }
}

/// Lower ends in order: an excluded key begins behind an included one.
fn low_key(bound: &Bound<Vec<u8>>) -> Option<(&[u8], bool)> {
    match bound {
        Bound::Unbounded => None,
        Bound::Included(key) => Some((key, false)),
        Bound::Excluded(key) => Some((key, true)),
    }
}

/// Upper ends in order: an excluded key ends before an included one, and no end is behind all.
fn high_key(bound: &Bound<Vec<u8>>) -> (bool, &[u8], bool) {
    match bound {
        Bound::Unbounded => (true, &[], false),
        Bound::Included(key) => (false, key, true),
        Bound::Excluded(key) => (false, key, false),
    }
}

impl Filter {
    /// The intervals for a path, in ascending order and apart from each other; `None` if nothing bounds it.
    pub(crate) fn bounds(&self, path: &str, multikey: bool) -> Option<Vec<Interval>> {
        // A number in a path means a place or a name: entries have but one of them.
        if Path::new(path).has_number() { None } else { all_bounds(&self.all, path, multikey) }
    }

    /// Whether the intervals for this path say all that the filter says: then what has one entry, and that in them, matches.
    pub(crate) fn is_all_in(&self, path: &str) -> bool {
        let comparisons = self.all.iter().all(|clause| match clause {
            Clause::Field(own, predicate) => own.text() == path && !own.has_number() && predicate.is_comparison(),
            _ => false,
        });
        // NaN stands below all numbers, and is less than none.
        let from_below = |interval: &Interval| matches!(&interval.low, Bound::Included(low) if low.len() == 1);
        comparisons && self.bounds(path, false).is_some_and(|intervals| !intervals.iter().any(from_below))
    }

    /// Whether every document that matches this filter matches the other: only where that is plain to see.
    pub(crate) fn implies(&self, other: &Self) -> bool {
        other.all.iter().all(|wanted| self.all.iter().any(|own| own.implies(wanted)))
    }

    /// Whether no document without a value at the path matches.
    pub(crate) fn excludes_missing(&self, path: &str) -> bool {
        self.all.iter().any(|clause| match clause {
            Clause::Field(own, predicate) => own.text() == path && predicate.excludes_missing(),
            Clause::And(_) | Clause::Or(_) | Clause::Nor(_) | Clause::Expression(_) => false,
        })
    }
}

/// Of what must hold together. Two bounds of one path are one only where no document has more than one entry.
fn all_bounds(all: &[Clause], path: &str, multikey: bool) -> Option<Vec<Interval>> {
    let bounds = all.iter().filter_map(|clause| clause.bounds(path, multikey));
    if !multikey {
        return bounds.reduce(|left, right| intersection(&left, &right));
    }
    bounds.min_by_key(|intervals| width(intervals))
}

/// What is likely to hold less comes first: points, then what has two ends, then what has one.
fn width(intervals: &[Interval]) -> (u8, usize) {
    let one = |interval: &Interval| match (interval.point(), &interval.low, &interval.high) {
        (Some(_), ..) => 0,
        (None, Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high))
            if low.len() > 1 && high.len() > 1 =>
        {
            1
        }
        _ => 2,
    };
    (intervals.iter().map(one).max().unwrap_or_default(), intervals.len())
}

impl Element {
    /// For a path in the element.
    fn bounds(&self, path: &str, multikey: bool) -> Option<Vec<Interval>> {
        match self {
            Self::Document(all) => all_bounds(all, path, multikey),
            Self::Value(_) => None,
        }
    }
}

impl Clause {
    fn bounds(&self, path: &str, multikey: bool) -> Option<Vec<Interval>> {
        match self {
            Self::Field(own, predicate) => {
                let own = own.text();
                match (path.strip_prefix(own.as_str())?, predicate) {
                    ("", predicate) => predicate.bounds(multikey),
                    // What is asked of a field of an element is asked of that field.
                    (rest, Predicate::ElemMatch(element)) => element.bounds(rest.strip_prefix('.')?, multikey),
                    _ => None,
                }
            }
            Self::Nor(_) | Self::Expression(_) => None,
            Self::And(all) => all_bounds(all, path, multikey),
            // Each alternative must be bounded.
            Self::Or(all) => {
                let each: Option<Vec<_>> = all.iter().map(|clause| clause.bounds(path, multikey)).collect();
                Some(merged(each?.into_iter().flatten().collect()))
            }
        }
    }

    fn implies(&self, wanted: &Self) -> bool {
        if self == wanted {
            return true;
        }
        match (self, wanted) {
            (Self::Field(own, predicate), Self::Field(path, wanted)) if own == path => predicate.implies(wanted),
            (_, Self::And(all)) => all.iter().all(|wanted| self.implies(wanted)),
            (_, Self::Or(any)) => any.iter().any(|wanted| self.implies(wanted)),
            (Self::Or(any), wanted) => any.iter().all(|own| own.implies(wanted)),
            (Self::And(all), wanted) => all.iter().any(|own| own.implies(wanted)),
            _ => false,
        }
    }
}

impl Predicate {
    fn bounds(&self, multikey: bool) -> Option<Vec<Interval>> {
        match self {
            Self::Equal(operand) => equal(operand),
            Self::Less(operand) => half(operand, |key| (lowest(key), Bound::Excluded(key.to_vec()))),
            Self::LessOrEqual(operand) => half(operand, |key| (lowest(key), Bound::Included(key.to_vec()))),
            Self::Greater(operand) => half(operand, |key| (Bound::Excluded(key.to_vec()), highest(key))),
            Self::GreaterOrEqual(operand) => half(operand, |key| (Bound::Included(key.to_vec()), highest(key))),
            Self::In(values) if values.is_plain() => {
                let mut intervals: Vec<_> = values.listed().iter().cloned().map(Interval::point_of).collect();
                if values.has_null() {
                    intervals.extend(nothing());
                }
                Some(merged(intervals))
            }
            Self::Regular(regular) => {
                let prefix = regular.prefix()?;
                let text = order::key(RawBsonRef::String(&prefix));
                // Without the mark of the text's end.
                let open = &text[..text.len() - 2];
                let behind = Interval { low: Bound::Included(open.to_vec()), high: successor(open) };
                // An expression that is stored matches itself.
                let itself = Interval {
                    low: Bound::Included(vec![order::REGULAR]),
                    high: Bound::Excluded(vec![order::REGULAR + 1]),
                };
                Some(merged(vec![behind, itself]))
            }
            Self::ElemMatch(element) => match &**element {
                // One element fulfils all of it.
                Element::Value(all) => {
                    let bounded = all.iter().filter_map(Self::of_element);
                    bounded.reduce(|left, right| intersection(&left, &right))
                }
                Element::Document(_) => None,
            },
            Self::All(all) => {
                let bounded = all.iter().filter_map(|one| one.bounds(multikey));
                if multikey {
                    bounded.min_by_key(|intervals| width(intervals))
                } else {
                    bounded.reduce(|left, right| intersection(&left, &right))
                }
            }
            Self::In(_) | Self::Exists | Self::Type(_) | Self::Remainder { .. } | Self::Size(_) | Self::Not(_) => None,
        }
    }

    /// Of one element, whose key is the entry: an array in an array isn't looked into.
    fn of_element(&self) -> Option<Vec<Interval>> {
        match self {
            Self::ElemMatch(_) => None,
            Self::All(all) => all.iter().find_map(Self::of_element),
            other => other.bounds(false),
        }
    }

    fn excludes_missing(&self) -> bool {
        match self {
            Self::Equal(operand) | Self::LessOrEqual(operand) | Self::GreaterOrEqual(operand) => {
                !operand.is_null() && !matches!(operand.value(), RawBson::MinKey | RawBson::MaxKey)
            }
            Self::Less(operand) | Self::Greater(operand) => {
                !matches!(operand.value(), RawBson::MinKey | RawBson::MaxKey)
            }
            Self::In(values) => !values.has_null(),
            Self::Exists
            | Self::Type(_)
            | Self::Regular(_)
            | Self::Remainder { .. }
            | Self::Size(_)
            | Self::ElemMatch(_) => true,
            Self::All(all) => !all.is_empty() && all.iter().any(Self::excludes_missing),
            Self::Not(_) => false,
        }
    }

    /// Whether whatever this holds for, the other holds for.
    fn implies(&self, wanted: &Self) -> bool {
        match wanted {
            Self::Exists => self.excludes_missing(),
            Self::Equal(_)
            | Self::Less(_)
            | Self::LessOrEqual(_)
            | Self::Greater(_)
            | Self::GreaterOrEqual(_)
            | Self::In(_) => {
                // One value fulfils both if the other's intervals are exactly what it means.
                if !wanted.is_exact() {
                    return false;
                }
                match (self.bounds(true), wanted.bounds(true)) {
                    (Some(own), Some(wanted)) => {
                        own.iter().all(|interval| wanted.iter().any(|wanted| wanted.holds(interval)))
                    }
                    _ => false,
                }
            }
            _ => false,
        }
    }

    /// Whether it compares with a value that has a place in an index of its own.
    fn is_comparison(&self) -> bool {
        match self {
            Self::Less(operand) | Self::LessOrEqual(operand) => {
                !operand.is_null() && !operand.is_nan() && self.bounds(false).is_some()
            }
            other => other.is_exact() && other.bounds(false).is_some(),
        }
    }

    /// Whether its intervals hold nothing else than what it means.
    fn is_exact(&self) -> bool {
        match self {
            Self::Equal(operand)
            | Self::Less(operand)
            | Self::LessOrEqual(operand)
            | Self::Greater(operand)
            | Self::GreaterOrEqual(operand) => {
                // NaN stands among the numbers, and is none that is less.
                !operand.is_null() && !operand.is_nan() && !matches!(self, Self::Less(_) | Self::LessOrEqual(_))
            }
            Self::In(values) => values.is_plain() && !values.has_null(),
            _ => false,
        }
    }
}

/// What `null` matches: missing values too, which are `null` in an index, and what is undefined.
fn nothing() -> Vec<Interval> {
    [RawBsonRef::Undefined, RawBsonRef::Null].map(|value| Interval::point_of(order::key(value))).to_vec()
}

fn equal(operand: &Operand) -> Option<Vec<Interval>> {
    match operand.value() {
        RawBson::Null | RawBson::Undefined => Some(nothing()),
        // An array as a whole has no entry.
        RawBson::Array(_) => None,
        _ => Some(vec![Interval::point_of(operand.key().to_vec())]),
    }
}

fn half(operand: &Operand, interval: impl FnOnce(&[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>)) -> Option<Vec<Interval>> {
    match operand.value() {
        RawBson::Array(_) | RawBson::MinKey | RawBson::MaxKey => None,
        RawBson::Null | RawBson::Undefined => Some(nothing()),
        // NaN compares with itself alone.
        _ if operand.is_nan() => Some(vec![Interval::point_of(operand.key().to_vec())]),
        _ => {
            let (low, high) = interval(operand.key());
            Some(vec![Interval { low, high }].into_iter().filter(|interval| !interval.is_empty()).collect())
        }
    }
}

/// From the first value of the key's kind.
fn lowest(key: &[u8]) -> Bound<Vec<u8>> {
    Bound::Included(key[..1].to_vec())
}

/// To the last one: the next kind's first byte.
fn highest(key: &[u8]) -> Bound<Vec<u8>> {
    Bound::Excluded(vec![key[0] + 1])
}

/// The end of all that begins with these bytes.
fn successor(prefix: &[u8]) -> Bound<Vec<u8>> {
    match prefix.iter().rposition(|byte| *byte != 0xFF) {
        Some(last) => {
            let mut next = prefix[..=last].to_vec();
            next[last] += 1;
            Bound::Excluded(next)
        }
        None => Bound::Unbounded,
    }
}

fn intersection(left: &[Interval], right: &[Interval]) -> Vec<Interval> {
    let pairs = left.iter().flat_map(|left| right.iter().map(move |right| left.and(right)));
    merged(pairs.filter(|interval| !interval.is_empty()).collect())
}

/// In ascending order, and what overlaps as one.
fn merged(mut intervals: Vec<Interval>) -> Vec<Interval> {
    intervals.sort_by(|left, right| low_key(&left.low).cmp(&low_key(&right.low)));
    let mut merged: Vec<Interval> = Vec::with_capacity(intervals.len());
    for interval in intervals {
        match merged.last_mut() {
            Some(last) if last.reaches(&interval) => {
                if high_key(&interval.high) > high_key(&last.high) {
                    last.high = interval.high;
                }
            }
            _ => merged.push(interval),
        }
    }
    merged
}

impl Interval {
    /// Whether a later one begins before this one has ended.
    fn reaches(&self, later: &Self) -> bool {
        match (&self.high, &later.low) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => true,
            (Bound::Included(high), Bound::Included(low)) => high >= low,
            (Bound::Included(high) | Bound::Excluded(high), Bound::Included(low) | Bound::Excluded(low)) => high > low,
        }
    }
}
