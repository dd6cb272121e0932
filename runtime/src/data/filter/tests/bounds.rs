//! Bounds miss no match, in whatever index they are asked of.

use std::ops::Bound;

use bson::{Bson, Document, doc};
use proptest::prelude::*;

use super::super::{Filter, Interval, order};
use super::raw;
use super::second::{PATHS, document, filter};
use crate::data::index::IndexSpec;
use crate::data::models::{IndexModel, IndexOptions};

fn index(path: &str, sparse: bool) -> IndexSpec {
    let options = IndexOptions { sparse: Some(sparse), ..IndexOptions::default() };
    IndexSpec::parse(&IndexModel { keys: doc! { path: 1 }, options: Some(options) }).unwrap()
}

fn holds(interval: &Interval, entry: &[u8]) -> bool {
    let low = match &interval.low {
        Bound::Included(low) => entry >= low.as_slice(),
        Bound::Excluded(low) => entry > low.as_slice(),
        Bound::Unbounded => true,
    };
    let high = match &interval.high {
        Bound::Included(high) => entry <= high.as_slice(),
        Bound::Excluded(high) => entry < high.as_slice(),
        Bound::Unbounded => true,
    };
    low && high
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_match_has_an_entry_within_the_bounds(filter in filter(), document in document()) {
        let (parsed, raw) = (Filter::parse(&filter).unwrap(), raw(&document));
        if parsed.matches(&raw) {
            for path in PATHS {
                let entries = index(path, false).entries(&raw).unwrap();
                for multikey in [true, false] {
                    if !multikey && entries.len() > 1 {
                        continue;
                    }
                    if let Some(bounds) = parsed.bounds(path, multikey) {
                        let inside = entries.iter().any(|entry| bounds.iter().any(|interval| holds(interval, entry)));
                        prop_assert!(inside, "{path} {multikey}: {filter} of {document}: {bounds:?}");
                    }
                }
                if parsed.excludes_missing(path) {
                    prop_assert!(!index(path, true).entries(&raw).unwrap().is_empty(), "{path}: {filter} of {document}");
                }
            }
        }
    }

    #[test]
    fn a_filter_that_implies_another_matches_nothing_else(left in filter(), right in filter(), document in document()) {
        let (own, other) = (Filter::parse(&left).unwrap(), Filter::parse(&right).unwrap());
        if own.implies(&other) && own.matches(&raw(&document)) {
            prop_assert!(other.matches(&raw(&document)), "{left} isn't within {right}: {document}");
        }
    }
}

fn bounds(filter: Document, multikey: bool) -> Option<Vec<Interval>> {
    Filter::parse(&filter).unwrap().bounds("a", multikey)
}

fn points(filter: Document) -> Option<Vec<Bson>> {
    let known = [Bson::Int32(1), Bson::Int32(2), Bson::Int32(3)];
    let found = bounds(filter, true)?;
    let one = |interval: &Interval| {
        let point = interval.point()?.to_vec();
        known.iter().find(|value| order::key_of(value).unwrap() == point).cloned()
    };
    found.iter().map(one).collect()
}

#[test]
fn what_an_index_can_serve_is_bounded() {
    assert_eq!(points(doc! { "a": 1 }), Some(vec![1.into()]));
    assert_eq!(points(doc! { "a": { "$in": [2, 1, 2.0] } }), Some(vec![1.into(), 2.into()]));
    assert_eq!(points(doc! { "$or": [{ "a": 1 }, { "a": 3, "b": 1 }] }), Some(vec![1.into(), 3.into()]));
    assert_eq!(points(doc! { "a": { "$gt": 0 }, "$and": [{ "a": 2 }] }), Some(vec![2.into()]), "points are narrower");
    assert_eq!(points(doc! { "a": { "$all": [1, 2] } }), Some(vec![1.into()]));
    assert_eq!(points(doc! { "a": { "$elemMatch": { "$eq": 1 } } }), Some(vec![1.into()]));
    let nested = Filter::parse(&doc! { "a": { "$elemMatch": { "b": 1, "c": { "$gt": 2 } } } }).unwrap();
    assert_eq!(nested.bounds("a.b", true).unwrap()[0].point(), Some(order::key_of(&1.into()).unwrap().as_slice()));
    assert!(nested.bounds("a.c", true).is_some() && nested.bounds("a", true).is_none());
    for filter in
        [doc! { "a": "x" }, doc! { "a": null }, doc! { "a": { "$regex": "^x" } }, doc! { "a": { "$gte": "x" } }]
    {
        assert!(bounds(filter.clone(), true).is_some(), "{filter}");
    }
}

#[test]
fn two_ends_are_one_interval_only_where_no_document_has_several_entries() {
    let range = doc! { "a": { "$gt": 1, "$lt": 3 } };
    let both = bounds(range.clone(), false).unwrap();
    let inside = |value: i32| both.iter().any(|interval| holds(interval, &order::key_of(&value.into()).unwrap()));
    assert_eq!([0, 1, 2, 3, 4].map(inside), [false, false, true, false, false]);
    let one = bounds(range, true).unwrap();
    let spans = |value: i32| one.iter().any(|interval| holds(interval, &order::key_of(&value.into()).unwrap()));
    assert!(spans(0) || spans(4), "one end alone is a bound of arrays");
    let element = bounds(doc! { "a": { "$elemMatch": { "$gt": 1, "$lt": 3 } } }, true).unwrap();
    assert_eq!(element, both, "one element fulfils both");
}

#[test]
fn what_an_index_cannot_serve_is_not_bounded() {
    for filter in [
        doc! {},
        doc! { "b": 1 },
        doc! { "a": { "$ne": 1 } },
        doc! { "a": { "$not": { "$eq": 1 } } },
        doc! { "a": { "$size": 1 } },
        doc! { "a": [1] },
        doc! { "a": { "$regex": "x" } },
        doc! { "a": { "$regex": "^x", "$options": "i" } },
        doc! { "a": { "$regex": "^x|y" } },
        doc! { "a": { "$regex": "^x*" } },
        doc! { "$or": [{ "a": 1 }, { "b": 1 }] },
        doc! { "$nor": [{ "a": 1 }] },
        doc! { "a": { "$elemMatch": { "$elemMatch": { "$eq": 1 } } } },
    ] {
        assert_eq!(bounds(filter.clone(), true), None, "{filter}");
    }
}

#[test]
fn a_partial_index_serves_what_plainly_lies_within_it() {
    let implies = |filter: Document, partial: Document| {
        Filter::parse(&filter).unwrap().implies(&Filter::parse(&partial).unwrap())
    };
    for (filter, partial) in [
        (doc! { "a": 7, "b": 1 }, doc! { "a": { "$gt": 5 } }),
        (doc! { "a": { "$gte": 6 } }, doc! { "a": { "$gt": 5 } }),
        (doc! { "a": { "$in": [6, 7] } }, doc! { "a": { "$gt": 5 } }),
        (doc! { "a": "x" }, doc! { "a": { "$exists": true } }),
        (doc! { "a": { "$ne": 1 } }, doc! { "a": { "$ne": 1 } }),
        (doc! { "$and": [{ "b": 1 }, { "a": 7 }] }, doc! { "b": 1 }),
        (doc! { "$or": [{ "a": 6 }, { "a": 7 }] }, doc! { "a": { "$gt": 5 } }),
        (doc! { "a": 1 }, doc! { "$or": [{ "a": 1 }, { "b": 1 }] }),
        (doc! { "a": 1 }, doc! {}),
    ] {
        assert!(implies(filter.clone(), partial.clone()), "{filter} {partial}");
    }
    for (filter, partial) in [
        (doc! { "a": 5 }, doc! { "a": { "$gt": 5 } }),
        (doc! { "a": null }, doc! { "a": { "$exists": true } }),
        (doc! { "a": { "$gt": 4 } }, doc! { "a": { "$gt": 5 } }),
        (doc! { "b": 7 }, doc! { "a": { "$gt": 5 } }),
        (doc! { "$or": [{ "a": 6 }, { "b": 7 }] }, doc! { "a": { "$gt": 5 } }),
        (doc! { "a": [6] }, doc! { "a": { "$gt": 5 } }),
        (doc! {}, doc! { "a": 1 }),
    ] {
        assert!(!implies(filter.clone(), partial.clone()), "{filter} {partial}");
    }
}
