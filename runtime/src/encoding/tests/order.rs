//! The order of a map's entries is kept, and is no part of what is digested and compared.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::corpus::{InOrder, Ordered, order, ordered, sort_document};
use crate::encoding::{MapWriter, canonical, check, decode, difference, encode, sealed};

fn is_borrowed(bytes: &[u8]) -> bool {
    matches!(canonical(bytes).unwrap(), Cow::Borrowed(_))
}

#[test]
fn entries_come_back_in_the_order_they_were_written_in() {
    let bytes = encode(&ordered()).unwrap();
    assert_eq!(decode::<Ordered<String, u8>>(&bytes).unwrap(), ordered());
    let bytes = encode(&sort_document()).unwrap();
    let back: bson::Document = decode(&bytes).unwrap();
    assert_eq!(back.keys().collect::<Vec<_>>(), ["z", "a", "m"]);
    assert_eq!(InOrder(back), InOrder(sort_document()));
    check::<bson::Document>(&bytes, true).unwrap();
}

#[test]
fn a_hash_map_is_the_same_canonical_bytes_in_every_run() {
    // Every map has its own random state, so each iterates in an order of its own.
    let map = || (0..500_u32).map(|n| (format!("{}", n * n), Some(n))).collect::<HashMap<_, _>>();
    let first = encode(&map()).unwrap();
    for _ in 0..10 {
        let other = encode(&map()).unwrap();
        assert_ne!(first, other);
        assert_eq!(canonical(&first).unwrap(), canonical(&other).unwrap());
        assert_eq!(difference(&first, &other), None);
    }
    let sorted = encode(&map().into_iter().collect::<BTreeMap<_, _>>()).unwrap();
    assert_eq!(canonical(&sorted).unwrap(), canonical(&first).unwrap());
    check::<HashMap<String, Option<u32>>>(&first, true).unwrap();
}

#[test]
fn nested_maps_are_sorted_inside_out() {
    let inner = |n: u8| HashMap::from([(n, HashMap::from([(1_u8, 'a'), (2, 'b')])), (0, HashMap::new())]);
    let outer = || (1..50_u8).map(|n| (n, inner(n))).collect::<HashMap<_, _>>();
    let (left, right) = (encode(&outer()).unwrap(), encode(&outer()).unwrap());
    assert_ne!(left, right);
    assert_eq!(canonical(&left).unwrap(), canonical(&right).unwrap());
    assert_eq!(decode::<HashMap<u8, HashMap<u8, HashMap<u8, char>>>>(&canonical(&left).unwrap()).unwrap(), outer());
}

#[test]
fn the_canonical_form_is_sorted_by_the_bytes_of_the_keys() {
    let written = encode(&Ordered(vec![("bb", 1_u8), ("c", 2), ("a", 3)])).unwrap();
    let sorted = b"\x22\x03\x1d\x01a\x10\x03\x1d\x01c\x10\x02\x1d\x02bb\x10\x01";
    assert_eq!(canonical(&written).unwrap(), &sorted[..]);
    // In every place where a value can stand.
    #[derive(serde::Serialize)]
    enum Place<T> {
        Newtype(T),
        Tuple(u8, T),
        Struct { field: T },
    }
    let maps = |first: u8, second: u8| {
        let map = || Ordered(vec![(first, ()), (second, ())]);
        let place = (Place::Newtype(map()), Place::Tuple(1, map()), Place::Struct { field: map() });
        encode(&(Some(map()), vec![map()], [map()], place, BTreeMap::from([(map(), map())]))).unwrap()
    };
    assert_eq!(canonical(&maps(2, 1)).unwrap(), maps(1, 2));
}

#[test]
fn documents_of_another_order_are_the_same_call() {
    let (one, other) =
        (bson::doc! { "z": 1, "a": [{ "y": 1, "b": 2 }] }, bson::doc! { "a": [{ "b": 2, "y": 1 }], "z": 1 });
    let (one, other) = (encode(&one).unwrap(), encode(&other).unwrap());
    assert_ne!(one, other);
    assert_eq!(canonical(&one).unwrap(), canonical(&other).unwrap());
    assert_eq!(difference(&one, &other), None);
    let changed = encode(&bson::doc! { "a": [{ "b": 2, "y": 3 }], "z": 1 }).unwrap();
    assert_eq!(difference(&one, &changed).unwrap().0, "value.a[0].y");
}

#[test]
fn what_is_in_order_is_not_copied() {
    assert!(is_borrowed(&encode(&order().items).unwrap()));
    assert!(is_borrowed(&encode(&BTreeMap::from([(1_u8, "one"), (2, "two")])).unwrap()));
    assert!(is_borrowed(&encode(&serde_json::json!({ "a": { "b": {} }, "bb": [] })).unwrap()));
    assert!(!is_borrowed(&encode(&vec![ordered()]).unwrap()));
    assert!(is_borrowed(&sealed(b"\x22\x02\x10\x02\x02\x10\x01\x02")));
    let mut arguments = MapWriter::default();
    arguments.add("z", encode(&1_u8).unwrap());
    arguments.add("a", sealed(b"ciphertext"));
    assert!(is_borrowed(&arguments.finish()));
}

#[test]
fn an_argument_list_sorts_the_names_and_leaves_the_values() {
    let mut arguments = MapWriter::default();
    arguments.add("z", encode(&ordered()).unwrap());
    arguments.add("a", encode(&ordered()).unwrap());
    let bytes = arguments.finish();
    let listed = crate::encoding::entries(&bytes).unwrap();
    assert_eq!(listed[0], ("a", &encode(&ordered()).unwrap()[..]));
    assert_eq!(listed[1].0, "z");
    assert!(!is_borrowed(&bytes));
}

/// Keys of another order are two keys where they are written, and one where they are compared.
#[test]
fn keys_that_differ_in_their_order_alone() {
    let (forwards, backwards) = (Ordered(vec![(1_u8, ()), (2, ())]), Ordered(vec![(2_u8, ()), (1, ())]));
    let one = encode(&Ordered(vec![(forwards.clone(), 'x'), (backwards.clone(), 'y')])).unwrap();
    let other = encode(&Ordered(vec![(forwards, 'y'), (backwards, 'x')])).unwrap();
    assert_eq!(canonical(&one).unwrap(), canonical(&other).unwrap());
    assert_eq!(decode::<Ordered<Ordered<u8, ()>, char>>(&one).unwrap().0.len(), 2);
}

#[test]
fn sets_that_hold_maps_are_compared_whatever_their_order() {
    type Sets = HashMap<u8, HashSet<Ordered<u8, u8>>>;
    let set = (0..50).map(|n| Ordered(vec![(n + 1, 1), (n, 2)])).collect();
    let bytes = encode(&Sets::from([(1, set), (2, HashSet::new())])).unwrap();
    check::<Sets>(&bytes, false).unwrap();
    let error = check::<Sets>(&bytes, true).unwrap_err();
    assert_eq!(error.path, "value[1]");
    assert!(error.message.contains("use a `BTreeSet`"), "{error}");
}
