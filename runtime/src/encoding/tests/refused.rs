//! What can't come back is refused before it is recorded, with the place and the way out; no message holds content.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};

use super::corpus::{External, Item, Tree};
use crate::encoding::{EncodingError, check, decode, encode, write};

fn refused<T: Serialize + DeserializeOwned>(value: &T) -> EncodingError {
    match encode(value) {
        Ok(bytes) => check::<T>(&bytes, false).unwrap_err(),
        Err(error) => error,
    }
}

#[derive(Serialize, Deserialize)]
struct Basket<T> {
    items: Vec<T>,
}

fn basket<T: Serialize + DeserializeOwned>(first: T, second: T, third: T) -> EncodingError {
    refused(&Basket { items: vec![first, second, third] })
}

#[test]
fn a_u128_in_a_flattened_field() {
    #[derive(Serialize, Deserialize)]
    struct Priced {
        #[serde(flatten)]
        inner: BTreeMap<String, u128>,
    }
    let priced = |price: u128| Priced { inner: BTreeMap::from([("price".to_owned(), price)]) };
    let error = basket(priced(1), priced(2), priced(3));
    // The first of them is met first.
    assert_eq!(error.path, "value.items[0].price");
    assert!(error.message.contains("a u128 can't stand inside a `flatten`ed field"), "{error}");
}

#[test]
fn an_i128_in_an_untagged_enum() {
    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Price {
        Known { price: i128 },
        Unknown { reason: String },
    }
    let error = basket(
        Price::Unknown { reason: String::new() },
        Price::Unknown { reason: "none".to_owned() },
        Price::Known { price: -1 },
    );
    assert_eq!(error.path, "value.items[2].price");
    assert!(error.message.contains("an i128 can't stand inside"), "{error}");
}

#[test]
fn an_untagged_variant_that_another_swallows() {
    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Size {
        Small(u8),
        Large(u32),
    }
    assert!(check::<Size>(&encode(&Size::Large(300)).unwrap(), true).is_ok());
    assert!(check::<Size>(&encode(&Size::Small(5)).unwrap(), true).is_ok());
    let error = refused(&BTreeMap::from([("size".to_owned(), Size::Large(5))]));
    assert_eq!(error.path, "value.size");
    assert!(error.message.starts_with("comes back otherwise: a u32 became a u8; an untagged enum"), "{error}");
}

#[test]
fn a_field_that_is_lost() {
    #[derive(Serialize, Deserialize)]
    struct Lossy {
        #[serde(skip_deserializing)]
        cache: Vec<u8>,
        kept: u8,
    }
    let error = refused(&(0_u8, Lossy { cache: vec![1, 2], kept: 1 }));
    assert_eq!(error.path, "value.1.cache[0]");
    assert!(error.message.starts_with("a u8 doesn't come back"), "{error}");
}

#[test]
fn a_value_that_is_changed_on_the_way() {
    #[derive(Serialize, Deserialize)]
    struct Trimmed(#[serde(deserialize_with = "trimmed")] String);
    fn trimmed<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        Ok(String::deserialize(deserializer)?.trim().to_owned())
    }
    let error = refused(&HashMap::from([(3_u8, Trimmed(" 4111 1111 ".to_owned()))]));
    assert_eq!(error.path, "value[3]");
    assert!(error.message.starts_with("text comes back with another content"), "{error}");
    assert!(!error.message.contains("4111"));
}

#[test]
fn a_value_that_nothing_reads() {
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(rename_all(serialize = "UPPERCASE", deserialize = "lowercase"))]
    enum Shout {
        Hello,
    }
    let error = refused(&Some(vec![Shout::Hello]));
    assert_eq!(error.path, "value[0]");
    assert_eq!(error.message, "doesn't come back: unknown variant `HELLO`, expected `hello`");
}

#[test]
fn a_time_before_1970_and_a_path_that_is_not_text() {
    let error = refused(&vec![UNIX_EPOCH, UNIX_EPOCH - Duration::from_secs(1)]);
    assert_eq!(error.path, "value[1]");
    let path = std::path::PathBuf::from(std::ffi::OsString::from_vec(vec![b'/', 0xff]));
    let error = refused(&BTreeMap::from([("file name".to_owned(), (1_u8, path))]));
    assert_eq!(error.path, r#"value["file name"].1"#);
    assert_eq!(error.message, "path contains invalid UTF-8 characters");
}

#[test]
fn a_sequence_in_an_internally_tagged_enum() {
    #[derive(Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Event {
        Many(Vec<u8>),
    }
    let error = basket(Event::Many(vec![]), Event::Many(vec![]), Event::Many(vec![]));
    assert_eq!(error.path, "value.items[0]");
    assert!(error.message.contains("cannot serialize tagged newtype variant"), "{error}");
}

#[test]
fn a_key_that_is_there_twice() {
    struct Twice;
    impl Serialize for Twice {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            map.serialize_entry("a", &1)?;
            map.serialize_entry("b", &2)?;
            map.serialize_entry("a", &1)?;
            map.end()
        }
    }
    let error = encode(&[Twice]).unwrap_err();
    assert_eq!(error.to_string(), "value.0.a: two entries of the map have this key");

    #[derive(Serialize)]
    struct Collision {
        name: u8,
        #[serde(flatten)]
        rest: HashMap<String, u8>,
    }
    let error = encode(&Collision { name: 1, rest: HashMap::from([("name".to_owned(), 1)]) }).unwrap_err();
    assert_eq!(error.path, "value.name");
}

/// Tuples, sequences and options take one level each.
#[test]
fn a_value_that_is_too_deep() {
    let mut tree = Tree { value: 0, children: Vec::new(), next: None };
    for value in 0..63 {
        tree = Tree { value, children: Vec::new(), next: Some(Box::new(tree)) };
    }
    // 64 structs, 63 options, and an empty sequence in the innermost.
    let bytes = encode(&tree).unwrap();
    check::<Tree>(&bytes, true).unwrap();
    tree = Tree { value: 63, children: Vec::new(), next: Some(Box::new(tree)) };
    let error = encode(&tree).unwrap_err();
    assert_eq!(error.path, format!("value{}", ".next".repeat(64)));
    assert_eq!(error.message, "nested deeper than 128 levels");
}

#[test]
fn a_value_that_is_long_is_not_deep() {
    let kinds = [
        External::Newtype(1),
        External::Tuple(1, String::new()),
        External::Struct { a: 1, b: Some(Some(1)) },
        External::EmptyTuple(),
        External::EmptyStruct {},
    ];
    for kind in kinds {
        check::<Vec<External>>(&encode(&vec![kind; 300]).unwrap(), true).unwrap();
    }
    let maps = vec![BTreeMap::from([(Some((1_u8, 2_u8)), [vec![3_u8]])]); 300];
    check::<Vec<BTreeMap<Option<(u8, u8)>, [Vec<u8>; 1]>>>(&encode(&maps).unwrap(), true).unwrap();
}

#[test]
fn a_depth_without_end_is_no_stack_overflow() {
    struct Endless;
    impl Serialize for Endless {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut elements = serializer.serialize_seq(Some(1))?;
            elements.serialize_element(self)?;
            elements.end()
        }
    }
    assert!(encode(&Endless).unwrap_err().message.contains("128 levels"));
}

#[test]
fn a_failed_value_leaves_the_buffer_as_it_was() {
    let mut buffer = vec![1, 2, 3];
    let value = ("text", UNIX_EPOCH - Duration::from_secs(1));
    assert!(write::append(&value, &mut buffer).is_err());
    assert_eq!(buffer, [1, 2, 3]);
}

#[test]
fn an_impl_that_swallows_an_error() {
    struct Swallows;
    impl Serialize for Swallows {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut elements = serializer.serialize_seq(None)?;
            let _ = elements.serialize_element(&("half", UNIX_EPOCH - Duration::from_secs(1)));
            elements.end()
        }
    }
    assert!(encode(&Swallows).unwrap_err().message.contains("it must pass it on"));

    struct Unpaired;
    impl Serialize for Unpaired {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            map.serialize_key("a")?;
            let _ = map.serialize_key("b");
            map.serialize_value("c")?;
            map.end()
        }
    }
    assert!(encode(&Unpaired).unwrap_err().message.contains("it must pass it on"));
}

#[test]
fn a_value_that_differs_each_time() {
    thread_local!(static CALLS: Cell<u32> = const { Cell::new(0) });
    #[derive(Deserialize)]
    struct Counting;
    impl Serialize for Counting {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            CALLS.set(CALLS.get() + 1);
            if CALLS.get() > 1 { serializer.serialize_none() } else { serializer.serialize_unit() }
        }
    }
    let error = refused(&Some(Counting));
    assert!(error.message.starts_with("comes back otherwise: a unit became None"), "{error}");
}

/// A message may end in a log, and the value may be a secret.
#[test]
fn messages_hold_no_content() {
    let number = encode(&4_111_222_u64).unwrap();
    let text = encode("4111222").unwrap();
    let mut messages = vec![
        decode::<u8>(&number).unwrap_err().message,
        decode::<String>(&number).unwrap_err().message,
        decode::<bool>(&text).unwrap_err().message,
        decode::<Item>(&text).unwrap_err().message,
        decode::<Vec<u8>>(&text).unwrap_err().message,
        decode::<String>(&encode(&4_111_222_u128).unwrap()).unwrap_err().message,
        decode::<std::num::NonZeroU8>(&encode(&[4_111_222_u64]).unwrap()).unwrap_err().message,
        decode::<f32>(&encode(&4_111_222.000_1_f64).unwrap()).unwrap_err().message,
    ];
    messages.push(decode::<u64>(&encode(&(u128::MAX - 4_111_222)).unwrap()).unwrap_err().message);
    for message in messages {
        assert!(!message.contains("4111222") && !message.contains("3402"), "{message}");
    }
}
