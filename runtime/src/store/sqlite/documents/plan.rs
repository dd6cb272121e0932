//! How documents are found: by their `_id`, through an index, or by looking at each.

use std::ops::Bound;

use bson::{Document, doc};

use super::catalogue::{Collection, Index};
use crate::data::filter::{Filter, Interval};
use crate::data::index::Direction;
use crate::data::sort::Sort;

/// More ranges of an index than that are one wide range.
const MOST_RANGES: usize = 200;

/// A way to the documents.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Those of these `_id`s, in this order.
    Ids(Vec<Vec<u8>>),
    /// Those with entries in these ranges of an index.
    Index {
        /// Its place among the collection's.
        index: usize,
        /// In ascending order, without overlaps.
        ranges: Vec<Range>,
        /// From the last entry to the first.
        backwards: bool,
        /// The order of the entries is the one asked for.
        sorted: bool,
        /// What has its entry in the ranges matches: nothing else is asked for.
        exact: bool,
    },
    /// All.
    Scan {
        /// From the last `_id` to the first.
        backwards: bool,
        /// The order of `_id`s is the one asked for, or none was.
        sorted: bool,
    },
}

/// Entries from the first, included, to the second, excluded; `None` is the end of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: Vec<u8>,
    pub(super) to: Option<Vec<u8>>,
}

impl Plan {
    /// The best way that there is.
    pub(super) fn of(collection: &Collection, filter: &Filter, sort: Option<&Sort>) -> Self {
        if let Some(ids) = filter.ids() {
            return Self::Ids(ids);
        }
        let candidates = collection.indexes.iter().enumerate().filter(|(_, index)| index.serves(filter));
        let best = candidates
            .filter_map(|(place, index)| Candidate::of(place, index, filter, sort))
            .max_by_key(|candidate| candidate.merit);
        if let Some(best) = best {
            return Self::Index {
                index: best.index,
                ranges: best.ranges,
                backwards: best.backwards,
                sorted: best.sorted || sort.is_none(),
                exact: best.exact,
            };
        }
        match sort.map(Sort::of_id) {
            Some(Some(direction)) => Self::Scan { backwards: direction == Direction::Descending, sorted: true },
            Some(None) => Self::Scan { backwards: false, sorted: false },
            None => Self::Scan { backwards: false, sorted: true },
        }
    }

    /// Whether documents come in the order asked for.
    pub(super) fn is_sorted(&self, sort: Option<&Sort>) -> bool {
        match self {
            Self::Ids(ids) => ids.len() <= 1 || sort.is_none(),
            Self::Index { sorted, .. } | Self::Scan { sorted, .. } => *sorted,
        }
    }

    /// What people are told of it.
    pub(super) fn explained(&self, collection: &Collection) -> Document {
        match self {
            Self::Ids(ids) => doc! { "stage": "_id", "ids": ids.len() as i64 },
            Self::Index { index, ranges, backwards, .. } => {
                let spec = &collection.indexes[*index].spec;
                doc! {
                    "stage": "index", "index": spec.name(), "ranges": ranges.len() as i64, "backwards": *backwards,
                }
            }
            Self::Scan { .. } => doc! { "stage": "scan" },
        }
    }
}

impl Index {
    /// Whether every document that matches is in it.
    fn serves(&self, filter: &Filter) -> bool {
        let partial = self.spec.partial().is_none_or(|partial| filter.implies(partial));
        // A sparse index has no entry of a document without its fields, and null means those too.
        let sparse = !self.spec.is_sparse() || self.spec.keys().any(|(path, _)| filter.excludes_missing(&path));
        partial && sparse
    }
}

/// A way through one index.
struct Candidate {
    index: usize,
    ranges: Vec<Range>,
    backwards: bool,
    sorted: bool,
    exact: bool,
    /// The more the better: fields that are fixed, a field that is bounded, the order.
    merit: (usize, bool, bool),
}

impl Candidate {
    /// `None` if the index helps with nothing.
    fn of(place: usize, index: &Index, filter: &Filter, sort: Option<&Sort>) -> Option<Self> {
        let mut prefixes = vec![Vec::new()];
        let mut fixed = 0;
        let mut single = true;
        let mut ranges = None;
        for (place_in_index, (path, direction)) in index.spec.keys().enumerate() {
            // Two fields of one array need not be bounded by the same element of it.
            if place_in_index > 0 && index.multikey && index.spec.may_share_arrays() {
                break;
            }
            let Some(bounds) = filter.bounds(&path, index.multikey) else { break };
            let points: Option<Vec<_>> = bounds.iter().map(Interval::point).collect();
            match points {
                Some(points) if prefixes.len().saturating_mul(points.len()) <= MOST_RANGES => {
                    single &= points.len() == 1;
                    prefixes = extended(&prefixes, &points, direction);
                    fixed += 1;
                }
                _ => {
                    ranges = Some(bounded(&prefixes, &bounds, direction));
                    break;
                }
            }
        }
        let is_bounded = ranges.is_some();
        let first = index.spec.keys().next().map(|(path, _)| path).unwrap_or_default();
        let mut exact = !index.multikey && (is_bounded || fixed > 0) && filter.is_all_in(&first);
        let mut ranges = ranges.unwrap_or_else(|| prefixes.iter().map(|prefix| Range::of_prefix(prefix)).collect());
        ranges.sort_by(|left, right| left.from.cmp(&right.from));
        if ranges.len() > MOST_RANGES {
            ranges = joined(ranges);
            exact = false;
        }
        let order = if single && !index.multikey { sort.and_then(|sort| in_order(index, fixed, sort)) } else { None };
        if fixed == 0 && !is_bounded && order.is_none() {
            return None;
        }
        Some(Self {
            index: place,
            ranges,
            backwards: order.unwrap_or_default(),
            sorted: order.is_some(),
            exact,
            merit: (fixed, is_bounded, order.is_some()),
        })
    }
}

/// Whether the entries behind `fixed` fields are in the order that is asked for (`false`) or in the opposite (`true`).
fn in_order(index: &Index, fixed: usize, sort: &Sort) -> Option<bool> {
    let keys: Vec<_> = index.spec.keys().collect();
    let mut place = fixed;
    let mut backwards = None;
    for (path, direction) in sort.fields() {
        if keys[..fixed].iter().any(|(fixed, _)| *fixed == path) {
            continue;
        }
        let (key, own) = keys.get(place)?;
        if *key != path || backwards.is_some_and(|backwards| backwards != (*own != direction)) {
            return None;
        }
        backwards = Some(*own != direction);
        place += 1;
    }
    Some(backwards.unwrap_or_default())
}

/// Each prefix with each value behind it.
fn extended(prefixes: &[Vec<u8>], points: &[&[u8]], direction: Direction) -> Vec<Vec<u8>> {
    let mut extended = Vec::with_capacity(prefixes.len() * points.len());
    for prefix in prefixes {
        for point in points {
            let mut whole = prefix.clone();
            direction.put(point, &mut whole);
            extended.push(whole);
        }
    }
    extended
}

/// Each prefix with each interval behind it.
fn bounded(prefixes: &[Vec<u8>], bounds: &[Interval], direction: Direction) -> Vec<Range> {
    let behind = |prefix: &[u8], bytes: &[u8]| {
        let mut whole = prefix.to_vec();
        direction.put(bytes, &mut whole);
        whole
    };
    let mut ranges = Vec::new();
    for prefix in prefixes {
        for interval in bounds {
            let (first, last) = match direction {
                Direction::Ascending => (&interval.low, &interval.high),
                Direction::Descending => (&interval.high, &interval.low),
            };
            // What begins with a bound's bytes is the bound itself, whatever fields follow.
            let from = match first {
                Bound::Included(bytes) => Some(behind(prefix, bytes)),
                Bound::Excluded(bytes) => successor(&behind(prefix, bytes)),
                Bound::Unbounded => Some(prefix.clone()),
            };
            let to = match last {
                Bound::Included(bytes) => successor(&behind(prefix, bytes)),
                Bound::Excluded(bytes) => Some(behind(prefix, bytes)),
                Bound::Unbounded => successor(prefix),
            };
            if let Some(from) = from
                && to.as_ref().is_none_or(|to| from < *to)
            {
                ranges.push(Range { from, to });
            }
        }
    }
    ranges
}

/// From the first to the last of them.
fn joined(ranges: Vec<Range>) -> Vec<Range> {
    let from = ranges.first().map(|range| range.from.clone()).unwrap_or_default();
    let open = ranges.iter().any(|range| range.to.is_none());
    let to = if open { None } else { ranges.into_iter().filter_map(|range| range.to).max() };
    vec![Range { from, to }]
}

impl Range {
    /// All that begins with these bytes.
    fn of_prefix(prefix: &[u8]) -> Self {
        Self { from: prefix.to_vec(), to: successor(prefix) }
    }
}

/// The least bytes that are greater than all that begin with these; `None` if there are none.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte != 0xFF)?;
    let mut next = prefix[..=kept].to_vec();
    next[kept] += 1;
    Some(next)
}
