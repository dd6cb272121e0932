//! The bytes as the format's page has them, the views, and argument lists.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;

use super::corpus::{Bits32, External, Item, Ordered, order};
use crate::encoding::{
    EncodingError, MapWriter, as_sealed, canonical, check, decode, difference, encode, entries, none, sealed, view,
};

/// Records outlive builds: these bytes never change.
#[test]
fn bytes_stay_as_they_are() {
    assert_eq!(encode(&None::<u8>).unwrap(), [0x00]);
    assert_eq!(encode(&Some(())).unwrap(), [0x01, 0x02]);
    assert_eq!(encode(&(false, true)).unwrap(), [0x21, 2, 0x03, 0x04]);
    assert_eq!(encode(&-1_i8).unwrap(), [0x08, 0xff]);
    assert_eq!(encode(&-1_i16).unwrap(), [0x09, 1]);
    assert_eq!(encode(&64_i32).unwrap(), [0x0a, 0x80, 1]);
    assert_eq!(encode(&i64::MIN).unwrap(), [0x0b, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
    assert_eq!(encode(&-1_i128).unwrap(), [&[0x0c][..], &[255; 16]].concat());
    assert_eq!(encode(&200_u8).unwrap(), [0x10, 200]);
    assert_eq!(encode(&300_u16).unwrap(), [0x11, 0xac, 2]);
    assert_eq!(encode(&127_u32).unwrap(), [0x12, 127]);
    assert_eq!(encode(&0_u64).unwrap(), [0x13, 0]);
    assert_eq!(encode(&1_u128).unwrap(), [&[0x14, 1][..], &[0; 15]].concat());
    assert_eq!(encode(&1.0_f32).unwrap(), [0x18, 0, 0, 0x80, 0x3f]);
    assert_eq!(encode(&-0.0_f64).unwrap(), [0x19, 0, 0, 0, 0, 0, 0, 0, 0x80]);
    assert_eq!(encode(&'ß').unwrap(), [0x1c, 0xdf, 1]);
    assert_eq!(encode("tea").unwrap(), [0x1d, 3, b't', b'e', b'a']);
    assert_eq!(encode(serde_bytes::Bytes::new(&[9, 8])).unwrap(), [0x1e, 2, 9, 8]);
    assert_eq!(encode(&vec![1_u8, 2]).unwrap(), [0x20, 2, 0x10, 1, 0x10, 2]);
    assert_eq!(encode(&Ordered(vec![(2_u8, ()), (1, ())])).unwrap(), [0x22, 2, 0x10, 2, 0x02, 0x10, 1, 0x02]);
    assert_eq!(
        encode(&Item { name: String::new(), price: 0, weight: 0.0 }).unwrap(),
        b"\x23\x03\x04name\x1d\0\x05price\x0b\0\x06weight\x18\0\0\0\0"
    );
    assert_eq!(encode(&External::Unit).unwrap(), b"\x24\x04Unit");
    assert_eq!(encode(&External::Newtype(1)).unwrap(), b"\x25\x07Newtype\x13\x01");
    assert_eq!(encode(&External::EmptyTuple()).unwrap(), b"\x25\x0aEmptyTuple\x21\x00");
    assert_eq!(encode(&External::EmptyStruct {}).unwrap(), b"\x25\x0bEmptyStruct\x23\x00");
    assert_eq!(sealed(&[1, 2]), [0x2f, 2, 1, 2]);
}

/// Says that it has no elements, or far too many, and has some.
struct Miscounted(Option<usize>);

impl Serialize for Miscounted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let mut elements = serializer.serialize_seq(self.0)?;
        for n in 0..200_u8 {
            elements.serialize_element(&n)?;
        }
        elements.end()
    }
}

#[test]
fn a_wrong_count_is_put_right() {
    let right = encode(&(0..200).collect::<Vec<u8>>()).unwrap();
    for wrong in [None, Some(0), Some(200), Some(1), Some(usize::MAX)] {
        assert_eq!(encode(&Miscounted(wrong)).unwrap(), right);
    }
}

#[test]
fn the_view_shows_everything() {
    let shown = |bytes: Result<Vec<u8>, EncodingError>| view(&bytes.unwrap()).unwrap();
    assert_eq!(shown(encode(&i128::from(u64::MAX))), json!(u64::MAX));
    assert_eq!(shown(encode(&i128::MIN)), json!(i128::MIN.to_string()));
    assert_eq!(shown(encode(&u128::MAX)), json!(u128::MAX.to_string()));
    assert_eq!(shown(encode(&7_u128)), json!(7));
    assert_eq!(shown(encode(&[f64::NAN, f64::INFINITY, -f64::INFINITY])), json!(["NaN", "inf", "-inf"]));
    assert_eq!(shown(encode(&0.1_f32)), json!(0.1));
    assert_eq!(shown(encode(serde_bytes::Bytes::new(&[1, 255]))), json!({ "$bytes": "01ff" }));
    assert_eq!(shown(encode(&[None, Some(None), Some(Some(1_u8))])), json!([null, { "Some": null }, 1]));
    assert_eq!(shown(encode(&External::Unit)), json!("Unit"));
    assert_eq!(shown(encode(&External::Struct { a: 1, b: None })), json!({ "Struct": { "a": 1, "b": null } }));
    assert_eq!(shown(encode(&BTreeMap::from([(1_u8, 'x'), (2, 'y')]))), json!({ "1": "x", "2": "y" }));
    assert_eq!(shown(encode(&BTreeMap::from([((1_u8, 2_u8), 'x')]))), json!([[[1, 2], "x"]]));
    assert_eq!(shown(Ok(sealed(b"secret"))), json!("•••"));
    assert_eq!(shown(encode(&order()))["items"][0], json!({ "name": "tea", "price": 450, "weight": 0.1 }));
}

#[test]
fn keys_that_look_alike_are_shown_as_pairs() {
    #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
    #[serde(untagged)]
    enum Key {
        Number(u8),
        Text(&'static str),
    }
    let map = BTreeMap::from([(Key::Number(1), 'a'), (Key::Text("1"), 'b')]);
    assert_eq!(view(&encode(&map).unwrap()).unwrap(), json!([[1, "a"], ["1", "b"]]));
}

#[test]
fn a_difference_is_found_and_shown() {
    let first = order();
    let mut second = order();
    assert_eq!(difference(&encode(&first).unwrap(), &encode(&second).unwrap()), None);
    second.items[1].price = 5;
    let found = difference(&encode(&first).unwrap(), &encode(&second).unwrap());
    assert_eq!(found, Some(("value.items[1].price".to_owned(), json!(-1), json!(5))));

    second = order();
    second.notes.insert("new note".to_owned(), "x".to_owned());
    let found = difference(&encode(&first).unwrap(), &encode(&second).unwrap());
    assert_eq!(found, Some((r#"value.notes["new note"]"#.to_owned(), json!("(missing)"), json!("x"))));

    second = order();
    second.items.pop();
    let found = difference(&encode(&first).unwrap(), &encode(&second).unwrap()).unwrap();
    assert_eq!((found.0.as_str(), found.2), ("value.items[1]", json!("(missing)")));

    let found = difference(&encode(&Some(5_u8)).unwrap(), &encode(&Some(5_u32)).unwrap());
    assert_eq!(found, Some(("value".to_owned(), json!("5 (a u8)"), json!("5 (a u32)"))));
    let found = difference(&encode(&External::Newtype(1)).unwrap(), &encode(&External::NewtypeUnit(())).unwrap());
    assert_eq!(found, Some(("value".to_owned(), json!({ "Newtype": 1 }), json!({ "NewtypeUnit": null }))));
    let found = difference(&encode(&(1_u8, 'a')).unwrap(), &encode(&(1_u8, 'b')).unwrap());
    assert_eq!(found, Some(("value.1".to_owned(), json!("a"), json!("b"))));
    assert!(difference(&encode(&1_u8).unwrap(), b"\xff").is_some());
    // Fields that were put in another order are other bytes.
    let (left, right) = (b"\x23\x02\x01a\x02\x01b\x02", b"\x23\x02\x01b\x02\x01a\x02");
    assert_eq!(difference(left, right).unwrap().0, "value");
}

#[test]
fn secrets_differ_without_being_shown() {
    let (left, right) = (sealed(b"one"), sealed(b"two"));
    let hidden = json!("\"•••\" (a sealed value)");
    assert_eq!(difference(&left, &right), Some(("value".to_owned(), hidden.clone(), hidden)));
}

#[test]
fn the_order_of_a_set_matters_only_where_it_is_asked_for() {
    let values = ["a", "b", "c", "d", "e", "f", "g", "h"].map(str::to_owned);
    let holder = |tags: Vec<String>| BTreeMap::from([("tags", vec![(1_u8, tags)])]);
    let bytes = encode(&holder(values.to_vec())).unwrap();
    type Sets = BTreeMap<String, Vec<(u8, HashSet<String>)>>;
    check::<Sets>(&bytes, false).unwrap();
    // One order in 40,320 is the one that was written; ten in a row are not.
    let error = (0..10).find_map(|_| check::<Sets>(&bytes, true).err()).unwrap();
    assert_eq!(error.path, "value.tags[0].1");
    assert!(error.message.contains("use a `BTreeSet`"), "{error}");
    // Another order hides no other difference.
    let twice = encode(&holder(vec!["a".to_owned(), "a".to_owned()])).unwrap();
    let error = check::<Sets>(&twice, false).unwrap_err();
    assert_eq!(error.path, "value.tags[0].1[1]");
}

#[test]
fn an_argument_list_is_the_map_of_its_values() {
    let mut writer = MapWriter::default();
    let long = "long".repeat(50);
    for (name, value) in [("order", 1_u32), ("b", 2), ("a", 3), (&*long, 4)] {
        writer.add(name, encode(&value).unwrap());
    }
    let bytes = writer.finish();
    let map: HashMap<String, u32> = decode(&bytes).unwrap();
    assert_eq!(canonical(&encode(&map).unwrap()).unwrap(), bytes);
    assert_eq!(map["order"], 1);
    let listed = entries(&bytes).unwrap();
    assert_eq!(listed.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["a", "b", "order", &"long".repeat(50)]);
    for (name, value) in listed {
        assert_eq!(decode::<u32>(value).unwrap(), map[name]);
    }
    assert_eq!(MapWriter::default().finish(), encode(&HashMap::<String, u8>::new()).unwrap());
}

#[test]
fn the_last_argument_of_a_name_stays() {
    let mut writer = MapWriter::default();
    writer.add("a", encode(&1_u8).unwrap());
    writer.add("a", encode(&2_u8).unwrap());
    assert_eq!(entries(&writer.finish()).unwrap(), [("a", &[0x10, 2][..])]);
}

#[test]
fn a_missing_argument_is_none() {
    assert_eq!(none(), encode(&None::<u8>).unwrap());
    assert_eq!(decode::<Option<u8>>(&none()).unwrap(), None);
    let error = decode::<u8>(&none()).unwrap_err();
    assert_eq!(error.to_string(), "value: Option value where u8 is expected");
}

#[test]
fn a_sealed_value_stands_in_a_list_and_opens_to_no_type() {
    let mut writer = MapWriter::default();
    writer.add("card", sealed(b"ciphertext"));
    writer.add("order", encode("o-1").unwrap());
    let bytes = writer.finish();
    assert_eq!(view(&bytes).unwrap(), json!({ "card": "•••", "order": "o-1" }));
    let listed = entries(&bytes).unwrap();
    assert_eq!(as_sealed(listed[0].1), Some(&b"ciphertext"[..]));
    assert_eq!(as_sealed(listed[1].1), None);
    assert_eq!(as_sealed(&[0x2f, 1, 2, 3]), None);

    let is_sealed = |error: EncodingError| assert!(error.message.starts_with("is sealed"), "{error}");
    let value = sealed(b"ciphertext");
    is_sealed(decode::<String>(&value).unwrap_err());
    is_sealed(decode::<u8>(&value).unwrap_err());
    is_sealed(decode::<Option<u8>>(&value).unwrap_err());
    is_sealed(decode::<Vec<u8>>(&value).unwrap_err());
    is_sealed(decode::<External>(&value).unwrap_err());
    is_sealed(decode::<serde_json::Value>(&value).unwrap_err());
    is_sealed(decode::<serde::de::IgnoredAny>(&value).unwrap_err());
    let error = decode::<HashMap<String, String>>(&bytes).unwrap_err();
    assert_eq!(error.path, "value.card");
}

#[test]
fn an_argument_list_holds_values_of_every_depth() {
    let mut value = json!(1);
    for _ in 0..127 {
        value = json!([value]);
    }
    let mut writer = MapWriter::default();
    writer.add("deep", encode(&vec![value]).unwrap());
    let bytes = writer.finish();
    assert_eq!(entries(&bytes).unwrap().len(), 1);
    view(&bytes).unwrap();
}

#[test]
fn both_sides_say_that_they_are_readable() {
    #[derive(Debug, PartialEq)]
    struct Readable(bool);
    impl Serialize for Readable {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let readable = serializer.is_human_readable();
            serializer.serialize_bool(readable)
        }
    }
    impl<'de> Deserialize<'de> for Readable {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let readable = deserializer.is_human_readable();
            Ok(Self(readable && bool::deserialize(deserializer)?))
        }
    }
    assert_eq!(decode::<Readable>(&encode(&Readable(false)).unwrap()).unwrap(), Readable(true));
}

#[test]
fn float_bits_survive_serdes_own_buffer() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Wrapped {
        #[serde(flatten)]
        values: HashMap<String, Bits32>,
    }
    let value = Wrapped { values: HashMap::from([("x".to_owned(), Bits32(f32::from_bits(0xffc0_1234)))]) };
    assert_eq!(decode::<Wrapped>(&encode(&value).unwrap()).unwrap(), value);
}
