//! Bytes that are cut, changed or made up: a clear error, no panic, no memory that they don't pay for.

use std::collections::HashMap;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use super::corpus::{Order, Untagged, order};
use crate::encoding::form::MAX_DEPTH;
use crate::encoding::{canonical, decode, encode, entries, view};

fn message<T: DeserializeOwned>(bytes: &[u8]) -> String {
    decode::<T>(bytes).map(|_| ()).unwrap_err().message
}

#[test]
fn bytes_too_many() {
    assert_eq!(message::<u8>(&[0x10, 1, 0]), "damaged: 1 bytes too many after the value");
    assert!(view(&[0x02, 0x02]).is_err() && canonical(&[0x02, 0x02]).is_err());
    assert!(entries(&[0x22, 0, 0]).is_err());
}

#[test]
fn every_cut_is_an_error() {
    let bytes = encode(&order()).unwrap();
    for end in 0..bytes.len() {
        assert!(message::<Order>(&bytes[..end]).ends_with("damaged: the bytes end too early"), "cut at {end}");
        assert!(decode::<IgnoredAny>(&bytes[..end]).is_err());
        assert!(decode::<Json>(&bytes[..end]).is_err());
        assert!(view(&bytes[..end]).is_err() && canonical(&bytes[..end]).is_err());
    }
}

#[test]
fn wrong_bytes_are_named() {
    assert_eq!(message::<u8>(&[0x77]), "damaged, or of a newer version: no tag is 0x77");
    assert_eq!(message::<String>(&[0x1d, 1, 0xff]), "damaged: text that isn't UTF-8");
    assert_eq!(message::<char>(&[0x1c, 0x80, 0xb0, 0x03]), "damaged: not a character");
    assert_eq!(message::<u16>(&[0x11, 0xff, 0xff, 0x04]), "damaged: a number that doesn't fit its width");
}

#[test]
fn a_number_has_one_form() {
    for long in
        [&[0x13, 0x80, 0x00][..], &[0x13, 0x81, 0x80, 0x00], &[0x13, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2]]
    {
        assert_eq!(message::<u64>(long), "damaged: a number that is too long");
    }
}

#[test]
fn the_names_of_arguments_are_in_order() {
    for list in [b"\x22\x02\x1d\x01b\x02\x1d\x01a\x02", b"\x22\x02\x1d\x01a\x02\x1d\x01a\x02"] {
        assert!(entries(list).unwrap_err().message.contains("out of order"));
    }
    assert!(entries(b"\x22\x01\x10\x01\x02").unwrap_err().message.contains("isn't text"));
    assert!(entries(b"\x20\x00").unwrap_err().message.contains("a sequence where a list of arguments"));
}

#[test]
fn a_count_that_the_bytes_do_not_cover() {
    for tag in [0x20, 0x21, 0x22, 0x23, 0x1d, 0x1e, 0x2f] {
        let bytes = [tag, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x02, 0x02];
        assert_eq!(message::<Json>(&bytes), "damaged: the bytes end too early");
        assert!(decode::<IgnoredAny>(&bytes).is_err() && view(&bytes).is_err());
    }
    assert!(message::<Vec<()>>(&[0x20, 3, 0x02, 0x02]).contains("too early"));
    assert!(message::<HashMap<u8, ()>>(&[0x22, 2, 0x10, 1, 0x02]).contains("too early"));
}

/// Asserts that no hint, which is what memory is reserved by, is above the bytes that there are.
struct Hinted;

impl<'de> Deserialize<'de> for Hinted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Hinted {
    type Value = Self;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list or a map")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self, A::Error> {
        assert!(elements.size_hint().unwrap() <= 100);
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        assert!(entries.size_hint().unwrap() <= 50);
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self)
    }
}

#[test]
fn no_hint_is_larger_than_the_bytes() {
    for (tag, fits) in [(0x20, 100), (0x21, 100), (0x22, 50), (0x23, 50)] {
        let counted = |count: &[u8]| [&[tag], count, &[0x02; 100][..]].concat();
        assert!(decode::<Hinted>(&counted(&[fits])).is_ok() || tag >= 0x22);
        for count in [&[fits + 1][..], &[0x80, 0x80, 0x04], &[255, 255, 255, 255, 255, 255, 255, 255, 255, 1]] {
            assert!(decode::<Hinted>(&counted(count)).is_err());
        }
    }
}

#[test]
fn a_hostile_depth_is_no_stack_overflow() {
    let untagged = |bytes: &[u8]| decode::<Untagged>(bytes).map(|_| ()).unwrap_err();
    for open in [&[0x01][..], &[0x20, 1], &[0x21, 1], &[0x22, 1, 0x02], &[0x23, 1, 1, b'x'], &[0x25, 1, b'x']] {
        let deep = |levels: usize| [open.repeat(levels), vec![0x02]].concat();
        decode::<Json>(&deep(20)).map_or_else(|error| assert!(!error.message.contains("levels")), drop);
        for bytes in [deep(MAX_DEPTH + 1), deep(100_000)] {
            assert!(decode::<IgnoredAny>(&deep(100_000)).unwrap_err().message.contains("128 levels"));
            assert!(view(&deep(100_000)).unwrap_err().message.contains("128 levels"));
            assert!(canonical(&deep(100_000)).unwrap_err().message.contains("128 levels"));
            assert!(untagged(&bytes).message.contains("128 levels"));
        }
    }
    // As many levels as are allowed fit the stack of a worker's thread.
    let bytes = [[0x20, 1].repeat(MAX_DEPTH), vec![0x02]].concat();
    let read = std::thread::Builder::new().stack_size(1 << 20).spawn(move || decode::<Untagged>(&bytes).map(drop));
    read.unwrap().join().unwrap().unwrap();
}
