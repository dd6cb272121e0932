//! Bytes into values. Types that know what they want get it directly; those that ask for anything (serde's own buffer
//! behind `flatten`, `untagged` and tagged enums, `serde_json::Value`) get exact widths and explicit options.
//!
//! Reading is a little wider than writing, so that a type may change while records of it exist: integers of another
//! width where the value fits, `T` where `Option<T>` is wanted, maps for structs and structs for maps.

use serde::de::value::{BorrowedStrDeserializer, SeqDeserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::EncodingError;
use super::form::{Cursor, Head, MAX_DEPTH, MAX_WALK, tag, too_deep};
use super::path::Segment;

/// Reads one value; every byte must belong to it.
pub(super) fn whole<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, EncodingError> {
    let mut reader = Reader { cursor: Cursor::new(bytes), depth: 0 };
    let value = T::deserialize(&mut reader)?;
    reader.cursor.finish()?;
    Ok(value)
}

struct Reader<'de> {
    cursor: Cursor<'de>,
    depth: usize,
}

impl<'de> Reader<'de> {
    /// Runs `read` one level deeper.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, EncodingError>) -> Result<T, EncodingError> {
        if self.depth == MAX_DEPTH {
            return Err(too_deep());
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// Gives what follows `head` to a visitor.
    fn visit<V: Visitor<'de>>(&mut self, head: Head<'de>, visitor: V) -> Result<V::Value, EncodingError> {
        match head {
            Head::None => visitor.visit_none(),
            Head::Some => self.nested(|reader| visitor.visit_some(reader)),
            Head::Unit => visitor.visit_unit(),
            Head::Bool(value) => visitor.visit_bool(value),
            Head::I8(value) => visitor.visit_i8(value),
            Head::I16(value) => visitor.visit_i16(value),
            Head::I32(value) => visitor.visit_i32(value),
            Head::I64(value) => visitor.visit_i64(value),
            Head::I128(value) => visitor.visit_i128(value),
            Head::U8(value) => visitor.visit_u8(value),
            Head::U16(value) => visitor.visit_u16(value),
            Head::U32(value) => visitor.visit_u32(value),
            Head::U64(value) => visitor.visit_u64(value),
            Head::U128(value) => visitor.visit_u128(value),
            Head::F32(value) => visitor.visit_f32(value),
            Head::F64(value) => visitor.visit_f64(value),
            Head::Char(value) => visitor.visit_char(value),
            Head::Text(value) | Head::UnitVariant(value) => visitor.visit_borrowed_str(value),
            Head::Bytes(value) => visitor.visit_borrowed_bytes(value),
            Head::Sequence(count) => self.elements(count, true, visitor),
            Head::Tuple(count) => self.elements(count, false, visitor),
            Head::Map(count) => self.entries(count, Keys::Values, visitor),
            Head::Struct(count) => self.entries(count, Keys::Names, visitor),
            Head::Variant(name) => self.entries(1, Keys::Variant(name), visitor),
            Head::Sealed(_) => Err(sealed()),
        }
    }

    fn elements<V: Visitor<'de>>(
        &mut self,
        count: usize,
        sequence: bool,
        visitor: V,
    ) -> Result<V::Value, EncodingError> {
        self.nested(|reader| {
            let mut elements = Elements { reader, left: count, index: 0, sequence };
            let value = visitor.visit_seq(&mut elements)?;
            match elements.left {
                0 => Ok(value),
                more => Err(EncodingError::new(format!("{more} elements more than expected"))),
            }
        })
    }

    fn entries<V: Visitor<'de>>(
        &mut self,
        count: usize,
        keys: Keys<'de>,
        visitor: V,
    ) -> Result<V::Value, EncodingError> {
        self.nested(|reader| {
            let mut entries = Entries { reader, left: count, keys, key: Segment::Inside };
            let value = visitor.visit_map(&mut entries)?;
            match entries.left {
                0 => Ok(value),
                more => Err(EncodingError::new(format!("{more} entries more than expected"))),
            }
        })
    }

    /// An integer for a type that names its width: 128 bits come narrower where the value allows.
    fn integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, EncodingError> {
        match self.cursor.head()? {
            Head::U128(value) => match u64::try_from(value) {
                Ok(value) => visitor.visit_u64(value),
                Err(_) => Err(EncodingError::new("a u128 that doesn't fit")),
            },
            Head::I128(value) => match i64::try_from(value) {
                Ok(value) => visitor.visit_i64(value),
                Err(_) => Err(EncodingError::new("an i128 that doesn't fit")),
            },
            head => self.visit(head, visitor),
        }
    }

    /// The text that stands for a variant in a map with one entry: how `deserialize_any` shows variants with data.
    fn variant_key(&mut self, head: Head<'de>) -> Result<&'de str, EncodingError> {
        let name = match head {
            Head::Struct(_) => return self.cursor.text(),
            _ => self.cursor.head()?,
        };
        match name {
            Head::Text(name) | Head::UnitVariant(name) => Ok(name),
            other => Err(EncodingError::new(format!("{} where a variant's name is expected", other.kind()))),
        }
    }
}

fn sealed() -> EncodingError {
    EncodingError::new("is sealed: it must be opened with the key in OUTLAST_KEY first")
}

macro_rules! integers {
    ($($method:ident)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
            self.integer(visitor)
        }
    )* };
}

macro_rules! typed {
    ($($method:ident($($argument:ident: $type:ty),*))*) => { $(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, EncodingError> {
            let head = self.cursor.head()?;
            self.visit(head, visitor)
        }
    )* };
}

macro_rules! lists {
    ($($method:ident($($argument:ident: $type:ty),*))*) => { $(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, EncodingError> {
            match self.cursor.head()? {
                // Bytes were recorded where the type now wants a list of them.
                Head::Bytes(bytes) => visitor.visit_seq(SeqDeserializer::new(bytes.iter().copied())),
                head => self.visit(head, visitor),
            }
        }
    )* };
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = EncodingError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
        let head = self.cursor.head()?;
        match head {
            Head::I128(_) | Head::U128(_) => self.visit(head, visitor).map_err(|_| {
                EncodingError::new(format!(
                    "{} can't stand inside a `flatten`ed field, or an untagged or internally tagged enum: serde \
                     doesn't carry it there; record it as text or as two halves",
                    head.kind()
                ))
            }),
            head => self.visit(head, visitor),
        }
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    typed! {
        deserialize_bool() deserialize_i128() deserialize_u128() deserialize_f64() deserialize_char() deserialize_str()
        deserialize_string() deserialize_bytes() deserialize_byte_buf() deserialize_unit() deserialize_identifier()
        deserialize_unit_struct(_name: &'static str) deserialize_map()
        deserialize_struct(_name: &'static str, _fields: &'static [&'static str])
    }

    lists! {
        deserialize_seq() deserialize_tuple(_count: usize)
        deserialize_tuple_struct(_name: &'static str, _count: usize)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
        match self.cursor.head()? {
            Head::F64(wide) => match wide as f32 {
                narrow if f64::from(narrow).to_bits() == wide.to_bits() => visitor.visit_f32(narrow),
                _ => Err(EncodingError::new("an f64 that doesn't fit an f32")),
            },
            head => self.visit(head, visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
        match self.cursor.peek()? {
            tag::NONE | tag::SOME | tag::UNIT => {
                let head = self.cursor.head()?;
                self.visit(head, visitor)
            }
            // Recorded before the type became optional.
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, EncodingError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, EncodingError> {
        match self.cursor.head()? {
            Head::UnitVariant(name) | Head::Text(name) => visitor.visit_enum(BorrowedStrDeserializer::new(name)),
            Head::Variant(name) => self.nested(|reader| visitor.visit_enum(Variant { reader, name })),
            head @ (Head::Map(1) | Head::Struct(1)) => self.nested(|reader| {
                let name = reader.variant_key(head)?;
                visitor.visit_enum(Variant { reader, name })
            }),
            head => self.visit(head, visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
        if self.cursor.peek()? == tag::SEALED {
            return Err(sealed());
        }
        self.cursor.skip(MAX_WALK)?;
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        true
    }
}

/// The elements of a sequence or tuple.
struct Elements<'r, 'de> {
    reader: &'r mut Reader<'de>,
    left: usize,
    index: usize,
    sequence: bool,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = EncodingError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, EncodingError> {
        if self.left == 0 {
            return Ok(None);
        }
        let index = self.index;
        self.left -= 1;
        self.index += 1;
        let segment = if self.sequence { Segment::Index(index) } else { Segment::Position(index) };
        seed.deserialize(&mut *self.reader).map(Some).map_err(|error| error.within(segment))
    }

    /// What memory is reserved by: the cursor gives no count that the bytes don't cover.
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// How the keys of what is shown as a map are written.
enum Keys<'de> {
    /// As values.
    Values,
    /// As names.
    Names,
    /// The one key is the name of a variant, which has been read.
    Variant(&'de str),
}

/// The entries of a map, the fields of a struct, or a variant with data as a map with one entry.
struct Entries<'r, 'de> {
    reader: &'r mut Reader<'de>,
    left: usize,
    keys: Keys<'de>,
    /// The key of the value that is to come.
    key: Segment<'de>,
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = EncodingError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, EncodingError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let name = match self.keys {
            Keys::Values => {
                let start = self.reader.cursor.rest();
                let key = seed.deserialize(&mut *self.reader).map_err(|error| error.saying("in a key: "))?;
                self.key = Segment::Key(self.reader.cursor.since(start));
                return Ok(Some(key));
            }
            Keys::Names => self.reader.cursor.text()?,
            Keys::Variant(name) => name,
        };
        self.key = Segment::Field(name);
        seed.deserialize(Name(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, EncodingError> {
        let key = self.key;
        seed.deserialize(&mut *self.reader).map_err(|error| error.within(key))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// The name of a field or variant as the key of a map: like a text, also for wrapped and optional keys and enums.
struct Name<'de>(&'de str);

impl<'de> Deserializer<'de> for Name<'de> {
    type Error = EncodingError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, EncodingError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, EncodingError> {
        visitor.visit_enum(BorrowedStrDeserializer::new(self.0))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// A variant with data.
struct Variant<'r, 'de> {
    reader: &'r mut Reader<'de>,
    name: &'de str,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = EncodingError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), EncodingError> {
        Ok((seed.deserialize(Name(self.name))?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = EncodingError;

    fn unit_variant(self) -> Result<(), EncodingError> {
        match self.reader.cursor.head()? {
            Head::Unit => Ok(()),
            other => Err(EncodingError::new(format!("{} where a variant without data is expected", other.kind()))
                .within(Segment::Field(self.name))),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, EncodingError> {
        seed.deserialize(self.reader).map_err(|error| error.within(Segment::Field(self.name)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, EncodingError> {
        self.reader.deserialize_tuple(count, visitor).map_err(|error| error.within(Segment::Field(self.name)))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, EncodingError> {
        self.reader.deserialize_struct("", fields, visitor).map_err(|error| error.within(Segment::Field(self.name)))
    }
}
