//! Random values and random bytes.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use proptest::collection::{btree_map, hash_map, vec};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::corpus::{
    Adjacent, Bits32, Bits64, External, Flat, FlatEnum, Internal, Item, Order, Ordered, Pairs, Times, Tree, Untagged,
    order,
};
use crate::encoding::{as_sealed, canonical, check, decode, difference, encode, entries, view};

/// A value of any shape, in every representation that carries it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Any {
    Unit,
    Bool(bool),
    Narrow(i8, u16, i32),
    Wide { signed: i128, unsigned: u128 },
    Floats(Bits32, Bits64),
    Text(String, char),
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    Option(Option<Option<Box<Any>>>),
    List(Vec<Any>),
    Map(BTreeMap<String, Any>),
    Hashed(HashMap<(i16, String), Any>),
    Buffered(Buffered),
}

/// Goes through serde's own buffer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Buffered {
    #[serde(flatten)]
    rest: BTreeMap<String, Option<Option<i64>>>,
    keyed: Tagged,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "?tag")]
enum Tagged {
    Empty,
    Full { some: Option<Option<u8>>, float: Bits32, list: Vec<(i8, char)> },
}

fn buffered() -> impl Strategy<Value = Buffered> {
    let full = (any::<Option<Option<u8>>>(), any::<u32>(), vec(any::<(i8, char)>(), 0..3));
    let full = full.prop_map(|(some, float, list)| Tagged::Full { some, float: Bits32(f32::from_bits(float)), list });
    let rest = btree_map("[a-c ]{1,3}", any::<Option<Option<i64>>>(), 0..4);
    (rest, prop_oneof![Just(Tagged::Empty), full]).prop_map(|(rest, keyed)| Buffered { rest, keyed })
}

fn any_value() -> impl Strategy<Value = Any> {
    let leaf = prop_oneof![
        Just(Any::Unit),
        any::<bool>().prop_map(Any::Bool),
        any::<(i8, u16, i32)>().prop_map(|(a, b, c)| Any::Narrow(a, b, c)),
        any::<(i128, u128)>().prop_map(|(signed, unsigned)| Any::Wide { signed, unsigned }),
        any::<(u32, u64)>().prop_map(|(a, b)| Any::Floats(Bits32(f32::from_bits(a)), Bits64(f64::from_bits(b)))),
        any::<(String, char)>().prop_map(|(a, b)| Any::Text(a, b)),
        vec(any::<u8>(), 0..200).prop_map(Any::Bytes),
    ];
    let leaf = prop_oneof![leaf, buffered().prop_map(Any::Buffered)];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            proptest::option::of(proptest::option::of(inner.clone().prop_map(Box::new))).prop_map(Any::Option),
            vec(inner.clone(), 0..6).prop_map(Any::List),
            btree_map(".{0,9}", inner.clone(), 0..6).prop_map(Any::Map),
            hash_map(any::<(i16, String)>(), inner, 0..6).prop_map(Any::Hashed),
        ]
    })
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(6, 80, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Json::from),
            btree_map(any::<String>(), inner, 0..8).prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

/// Reads bytes in every way there is; only a panic is wrong.
fn read_all(bytes: &[u8]) {
    macro_rules! as_types {
        ($($type:ty),*) => { $(
            if let Ok(value) = decode::<$type>(bytes) {
                let again = encode(&value).unwrap();
                let _ = difference(bytes, &again);
                let _ = check::<$type>(bytes, false);
            }
        )* };
    }
    as_types!(Any, Json, Order, Flat, FlatEnum, Pairs, Untagged, Internal, External, Adjacent, Tree, bson::Bson);
    as_types!(u8, i64, u128, f32, char, String, Option<Option<()>>, Vec<u8>, HashMap<Json2, u8>, (u8, u8));
    let _ = decode::<Times>(bytes);
    let _ = decode::<serde::de::IgnoredAny>(bytes);
    let (_, _, _, _) = (view(bytes), canonical(bytes), entries(bytes).map(|list| list.len()), as_sealed(bytes));
}

/// A key of any scalar form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
enum Json2 {
    Number(i32),
    Text(String),
    List(Vec<Json2>),
}

/// Bytes that are mostly tags and small lengths, so that they get deep into the reader.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let tags = vec![
        0x00, 0x01, 0x02, 0x03, 0x04, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x10, 0x11, 0x12, 0x13, 0x14, 0x18, 0x19, 0x1c,
        0x1d, 0x1e, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x2f,
    ];
    let byte = prop_oneof![4 => proptest::sample::select(tags), 3 => 0_u8..5, 1 => any::<u8>()];
    vec(byte, 0..200)
}

proptest! {
    #[test]
    fn any_value_comes_back(value in any_value()) {
        let bytes = encode(&value).unwrap();
        prop_assert_eq!(&decode::<Any>(&bytes).unwrap(), &value);
        check::<Any>(&bytes, true).unwrap();
        view(&bytes).unwrap();
    }

    #[test]
    fn json_comes_back_and_is_its_own_view(value in json()) {
        let bytes = encode(&value).unwrap();
        prop_assert_eq!(&decode::<Json>(&bytes).unwrap(), &value);
        prop_assert_eq!(&view(&bytes).unwrap(), &value);
        check::<Json>(&bytes, true).unwrap();
    }

    #[test]
    fn equal_maps_are_equal_in_canonical_form(entries in vec((any::<(Option<i32>, String)>(), any::<u8>()), 0..40)) {
        let forwards: HashMap<_, _> = entries.iter().cloned().collect();
        let sorted: BTreeMap<_, _> = forwards.clone().into_iter().collect();
        let (forwards, sorted) = (encode(&forwards).unwrap(), encode(&sorted).unwrap());
        prop_assert_eq!(canonical(&forwards).unwrap(), canonical(&sorted).unwrap());
    }

    #[test]
    fn the_canonical_form_is_the_same_value(value in any_value()) {
        let bytes = encode(&value).unwrap();
        let sorted = canonical(&bytes).unwrap();
        prop_assert_eq!(&decode::<Any>(&sorted).unwrap(), &value);
        // Every map is made anew, and iterates in another order.
        let again = encode(&decode::<Any>(&bytes).unwrap()).unwrap();
        prop_assert_eq!(&canonical(&again).unwrap(), &sorted);
        prop_assert!(matches!(canonical(&sorted).unwrap(), Cow::Borrowed(_)));
    }

    #[test]
    fn entries_keep_their_order(entries in btree_map(any::<(Option<i32>, String)>(), any::<u8>(), 0..40)) {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.reverse();
        let map = Ordered(entries);
        let bytes = encode(&map).unwrap();
        prop_assert_eq!(&decode::<Ordered<(Option<i32>, String), u8>>(&bytes).unwrap(), &map);
        check::<Ordered<(Option<i32>, String), u8>>(&bytes, true).unwrap();
    }

    #[test]
    fn a_difference_is_found_exactly_where_canonical_bytes_differ(left in any_value(), right in any_value()) {
        let (left, right) = (encode(&left).unwrap(), encode(&right).unwrap());
        let differ = canonical(&left).unwrap() != canonical(&right).unwrap();
        prop_assert_eq!(difference(&left, &right).is_some(), differ);
        prop_assert_eq!(difference(&left, &left), None);
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        read_all(&bytes);
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in hostile()) {
        read_all(&bytes);
    }

    #[test]
    fn changed_bytes_never_panic(
        value in any_value(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        for mut bytes in [encode(&value).unwrap(), encode(&order()).unwrap(), encode(&[Item { name: "x".into(), price: 1, weight: 0.0 }]).unwrap()] {
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            if let Some(cut) = &cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            read_all(&bytes);
        }
    }
}
