//! Values into bytes: one pass, straight onto the end of a buffer. Only the keys of maps are looked at twice: no two
//! entries have the same one.

use std::fmt::{self, Write};
use std::ops::Range;

use serde::ser::{Serialize, Serializer};

use self::compound::{Elements, Entries, Fields};
use super::EncodingError;
use super::form::{MAX_DEPTH, tag, too_deep, write_bytes, write_signed, write_varint};
use super::path::Segment;

mod compound;

/// Appends a value to `out`; on an error `out` is as it was. Whether there is a map in it.
pub(super) fn append<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<bool, EncodingError> {
    let start = out.len();
    let mut writer = Writer { out, depth: 0, keys: Vec::new(), maps: false, broken: false };
    let result = value.serialize(&mut writer);
    let (broken, maps) = (writer.broken, writer.maps);
    match result {
        // A `Serialize` that swallowed an error has left half a value behind.
        Ok(()) if broken => {
            out.truncate(start);
            Err(EncodingError::new("a `Serialize` impl went on after an error; it must pass it on"))
        }
        Ok(()) => Ok(maps),
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
    depth: usize,
    /// Where the keys of all maps that are being written stand, innermost last.
    keys: Vec<Range<usize>>,
    /// A map was written.
    maps: bool,
    /// An error was returned from inside a value.
    broken: bool,
}

/// Where the number of elements stands that is only certain at the end.
#[derive(Clone, Copy)]
struct Count {
    at: usize,
    written: usize,
}

impl Writer<'_> {
    fn enter(&mut self) -> Result<(), EncodingError> {
        if self.depth == MAX_DEPTH {
            return Err(too_deep());
        }
        self.depth += 1;
        Ok(())
    }

    fn open(&mut self, tag: u8, count: Option<usize>) -> Result<Count, EncodingError> {
        self.enter()?;
        self.out.push(tag);
        Ok(self.count(count.unwrap_or(0)))
    }

    fn count(&mut self, written: usize) -> Count {
        let at = self.out.len();
        write_varint(self.out, written as u64);
        Count { at, written }
    }

    fn set_count(&mut self, count: Count, actual: usize) {
        if count.written == actual {
            return;
        }
        let mut replaced = Vec::new();
        write_varint(&mut replaced, count.written as u64);
        let old = replaced.len();
        replaced.clear();
        write_varint(&mut replaced, actual as u64);
        self.out.splice(count.at..count.at + old, replaced);
    }

    fn variant(&mut self, name: &str) -> Result<(), EncodingError> {
        self.enter()?;
        self.out.push(tag::VARIANT);
        write_bytes(self.out, name.as_bytes());
        Ok(())
    }

    fn inner<T: Serialize + ?Sized>(&mut self, value: &T, segment: Segment<'_>) -> Result<(), EncodingError> {
        value.serialize(&mut *self).map_err(|error| {
            self.broken = true;
            error.within(segment)
        })
    }

    fn signed(&mut self, tag: u8, value: i64) {
        self.out.push(tag);
        write_signed(self.out, value);
    }

    fn unsigned(&mut self, tag: u8, value: u64) {
        self.out.push(tag);
        write_varint(self.out, value);
    }

    fn raw<const N: usize>(&mut self, tag: u8, bytes: [u8; N]) {
        self.out.push(tag);
        self.out.extend_from_slice(&bytes);
    }

    /// Refuses two equal keys among those from `first` on. Ascending keys cost a comparison each, others are sorted.
    fn distinct(&mut self, first: usize) -> Result<(), EncodingError> {
        let (out, keys) = (&*self.out, &mut self.keys[first..]);
        if keys.is_sorted_by(|a, b| out[a.clone()] < out[b.clone()]) {
            return Ok(());
        }
        keys.sort_unstable_by(|a, b| out[a.clone()].cmp(&out[b.clone()]));
        match keys.windows(2).find(|pair| out[pair[0].clone()] == out[pair[1].clone()]) {
            None => Ok(()),
            Some(pair) => {
                let key = Segment::Key(&out[pair[0].clone()]);
                Err(EncodingError::new("two entries of the map have this key").within(key))
            }
        }
    }
}

impl<'w, 'o> Serializer for &'w mut Writer<'o> {
    type Ok = ();
    type Error = EncodingError;
    type SerializeSeq = Elements<'w, 'o>;
    type SerializeTuple = Elements<'w, 'o>;
    type SerializeTupleStruct = Elements<'w, 'o>;
    type SerializeTupleVariant = Elements<'w, 'o>;
    type SerializeMap = Entries<'w, 'o>;
    type SerializeStruct = Fields<'w, 'o>;
    type SerializeStructVariant = Fields<'w, 'o>;

    fn serialize_bool(self, value: bool) -> Result<(), EncodingError> {
        self.out.push(if value { tag::TRUE } else { tag::FALSE });
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), EncodingError> {
        self.raw(tag::I8, value.to_le_bytes());
        Ok(())
    }

    fn serialize_i16(self, value: i16) -> Result<(), EncodingError> {
        self.signed(tag::I16, i64::from(value));
        Ok(())
    }

    fn serialize_i32(self, value: i32) -> Result<(), EncodingError> {
        self.signed(tag::I32, i64::from(value));
        Ok(())
    }

    fn serialize_i64(self, value: i64) -> Result<(), EncodingError> {
        self.signed(tag::I64, value);
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), EncodingError> {
        self.raw(tag::I128, value.to_le_bytes());
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<(), EncodingError> {
        self.raw(tag::U8, [value]);
        Ok(())
    }

    fn serialize_u16(self, value: u16) -> Result<(), EncodingError> {
        self.unsigned(tag::U16, u64::from(value));
        Ok(())
    }

    fn serialize_u32(self, value: u32) -> Result<(), EncodingError> {
        self.unsigned(tag::U32, u64::from(value));
        Ok(())
    }

    fn serialize_u64(self, value: u64) -> Result<(), EncodingError> {
        self.unsigned(tag::U64, value);
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), EncodingError> {
        self.raw(tag::U128, value.to_le_bytes());
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), EncodingError> {
        self.raw(tag::F32, value.to_le_bytes());
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<(), EncodingError> {
        self.raw(tag::F64, value.to_le_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), EncodingError> {
        self.unsigned(tag::CHAR, u64::from(value));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), EncodingError> {
        self.out.push(tag::TEXT);
        write_bytes(self.out, value.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), EncodingError> {
        self.out.push(tag::BYTES);
        write_bytes(self.out, value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), EncodingError> {
        self.out.push(tag::NONE);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodingError> {
        self.enter()?;
        self.out.push(tag::SOME);
        self.inner(value, Segment::Inside)?;
        self.depth -= 1;
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), EncodingError> {
        self.out.push(tag::UNIT);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), EncodingError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), EncodingError> {
        self.out.push(tag::UNIT_VARIANT);
        write_bytes(self.out, variant.as_bytes());
        Ok(())
    }

    /// A newtype is its content: a type may be wrapped later, and `try_from` reads what it wraps.
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), EncodingError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), EncodingError> {
        self.variant(variant)?;
        self.inner(value, Segment::Field(variant))?;
        self.depth -= 1;
        Ok(())
    }

    fn serialize_seq(self, count: Option<usize>) -> Result<Elements<'w, 'o>, EncodingError> {
        let count = self.open(tag::SEQUENCE, count)?;
        Ok(Elements { writer: self, count, actual: 0, sequence: true, variant: None })
    }

    fn serialize_tuple(self, count: usize) -> Result<Elements<'w, 'o>, EncodingError> {
        let count = self.open(tag::TUPLE, Some(count))?;
        Ok(Elements { writer: self, count, actual: 0, sequence: false, variant: None })
    }

    fn serialize_tuple_struct(self, _: &'static str, count: usize) -> Result<Elements<'w, 'o>, EncodingError> {
        self.serialize_tuple(count)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        count: usize,
    ) -> Result<Elements<'w, 'o>, EncodingError> {
        self.variant(variant)?;
        let count = self.open(tag::TUPLE, Some(count))?;
        Ok(Elements { writer: self, count, actual: 0, sequence: false, variant: Some(variant) })
    }

    fn serialize_map(self, count: Option<usize>) -> Result<Entries<'w, 'o>, EncodingError> {
        self.maps = true;
        let count = self.open(tag::MAP, count)?;
        let first = self.keys.len();
        Ok(Entries { writer: self, count, first, key: None })
    }

    fn serialize_struct(self, _: &'static str, count: usize) -> Result<Fields<'w, 'o>, EncodingError> {
        let count = self.open(tag::STRUCT, Some(count))?;
        Ok(Fields { writer: self, count, actual: 0, variant: None })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        count: usize,
    ) -> Result<Fields<'w, 'o>, EncodingError> {
        self.variant(variant)?;
        let count = self.open(tag::STRUCT, Some(count))?;
        Ok(Fields { writer: self, count, actual: 0, variant: Some(variant) })
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), EncodingError> {
        self.out.push(tag::TEXT);
        let count = self.count(0);
        let start = self.out.len();
        write!(TextInto(self.out), "{value}").map_err(|_| EncodingError::new("its `Display` failed"))?;
        self.set_count(count, self.out.len() - start);
        Ok(())
    }

    fn is_human_readable(&self) -> bool {
        true
    }
}

/// Appends text. `io::Write` for a `Vec` panics when a `Display` fails.
struct TextInto<'o>(&'o mut Vec<u8>);

impl Write for TextInto<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
