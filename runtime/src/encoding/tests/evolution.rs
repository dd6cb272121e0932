//! A type may change while records of it exist.

use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::corpus::{External, Id, Item, Pair};
use crate::encoding::{decode, encode};

fn becomes<T: DeserializeOwned>(value: &impl Serialize) -> T {
    decode(&encode(value).unwrap()).unwrap()
}

fn fails<T: DeserializeOwned>(value: &impl Serialize) -> String {
    decode::<T>(&encode(value).unwrap()).map(|_| ()).unwrap_err().to_string()
}

#[derive(Serialize)]
struct Before {
    name: &'static str,
    price: u32,
    gone: Vec<Item>,
}

fn before() -> Before {
    Before { name: "tea", price: 7, gone: vec![Item { name: "x".to_owned(), price: 1, weight: 0.5 }] }
}

#[test]
fn fields_added_removed_widened_and_reordered() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct After {
        price: u64,
        #[serde(default)]
        added: String,
        maybe: Option<u8>,
        name: Id,
    }
    let expected = After { price: 7, added: String::new(), maybe: None, name: Id("tea".to_owned()) };
    assert_eq!(becomes::<After>(&before()), expected);
}

#[test]
fn a_missing_field_is_named() {
    #[derive(Debug, Deserialize)]
    struct After {
        #[expect(dead_code)]
        currency: String,
    }
    assert_eq!(fails::<Vec<After>>(&vec![before()]), "value[0]: missing field `currency`");
}

#[test]
fn integers_of_another_width() {
    assert_eq!(becomes::<u128>(&7_u8), 7);
    assert_eq!(becomes::<u8>(&7_u128), 7);
    assert_eq!(becomes::<i64>(&7_u128), 7);
    assert_eq!(becomes::<i16>(&-7_i128), -7);
    assert_eq!(becomes::<i8>(&-7_i64), -7);
    assert_eq!(becomes::<u32>(&7_i64), 7);
    assert_eq!(becomes::<i128>(&u64::MAX), i128::from(u64::MAX));
    assert_eq!(fails::<u8>(&300_u16), "value: an integer that doesn't fit: u8 is expected");
    assert_eq!(fails::<u32>(&-1_i8), "value: an integer that doesn't fit: u32 is expected");
    assert_eq!(fails::<u64>(&u128::MAX), "value: a u128 that doesn't fit");
    assert_eq!(fails::<Vec<i64>>(&vec![i128::MIN]), "value[0]: an i128 that doesn't fit");
}

#[test]
fn floats_of_another_width_only_without_loss() {
    assert_eq!(becomes::<f64>(&0.5_f32), 0.5);
    assert_eq!(becomes::<f32>(&0.5_f64), 0.5);
    assert_eq!(fails::<f32>(&0.1_f64), "value: an f64 that doesn't fit an f32");
}

#[test]
fn a_value_becomes_optional_wrapped_or_boxed() {
    assert_eq!(becomes::<Option<u8>>(&7_u8), Some(7));
    assert_eq!(becomes::<Option<Id>>(&"x"), Some(Id("x".to_owned())));
    assert_eq!(becomes::<String>(&Id("x".to_owned())), "x");
    assert_eq!(becomes::<Box<Option<Box<u8>>>>(&Some(1_u8)), Box::new(Some(Box::new(1))));
    assert_eq!(becomes::<Option<u8>>(&()), None);
    assert_eq!(becomes::<Option<u8>>(&serde_json::Value::Null), None);
}

#[test]
fn a_struct_and_a_map_stand_for_each_other() {
    let map = HashMap::from([("name", serde_json::json!("tea")), ("price", 7.into()), ("weight", 0.5.into())]);
    assert_eq!(becomes::<Item>(&map), Item { name: "tea".to_owned(), price: 7, weight: 0.5 });
    #[derive(Serialize)]
    struct Counts {
        a: u8,
        b: u8,
    }
    assert_eq!(becomes::<BTreeMap<Id, u8>>(&Counts { a: 1, b: 2 }).into_values().collect::<Vec<_>>(), [1, 2]);
    #[derive(Debug, PartialEq, Eq, Hash, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Key {
        A,
        B,
    }
    let keyed = becomes::<HashMap<Option<Key>, u8>>(&Counts { a: 1, b: 2 });
    assert_eq!(keyed, HashMap::from([(Some(Key::A), 1), (Some(Key::B), 2)]));
}

#[test]
fn lists_tuples_and_bytes_stand_for_each_other() {
    assert_eq!(becomes::<Vec<u8>>(&(1_u8, 2_u8)), [1, 2]);
    assert_eq!(becomes::<[u8; 2]>(&vec![1_u8, 2]), [1, 2]);
    assert_eq!(becomes::<Pair>(&(1_u8, "x")), Pair(1, "x".to_owned()));
    assert_eq!(becomes::<Vec<u8>>(&serde_bytes::Bytes::new(&[1, 2])), [1, 2]);
    assert_eq!(becomes::<serde_bytes::ByteBuf>(&vec![1_u8, 2]), vec![1, 2]);
    assert_eq!(fails::<[u8; 2]>(&vec![1_u8, 2, 3]), "value: 1 elements more than expected");
    assert_eq!(fails::<[u8; 3]>(&vec![1_u8, 2]), "value: invalid length 2, expected an array of length 3");
}

#[test]
fn an_enum_grows_and_reads_text() {
    assert_eq!(becomes::<External>(&"Unit"), External::Unit);
    assert_eq!(becomes::<External>(&BTreeMap::from([("Newtype", 1_u8)])), External::Newtype(1));
    assert_eq!(becomes::<String>(&External::Unit), "Unit");
    assert_eq!(becomes::<serde_json::Value>(&External::Newtype(1)), serde_json::json!({ "Newtype": 1 }));
    #[derive(Serialize)]
    enum Older {
        Unit(()),
        Missing,
        Tuple(u8),
    }
    assert_eq!(becomes::<External>(&Older::Unit(())), External::Unit);
    assert!(fails::<External>(&Older::Missing).starts_with("value: unknown variant `Missing`"));
    assert!(fails::<External>(&Older::Tuple(1)).starts_with("value.Tuple: an integer where"));
}

#[test]
fn a_text_reads_a_char_and_back() {
    assert_eq!(becomes::<String>(&'x'), "x");
    assert_eq!(becomes::<char>(&"x"), 'x');
}
