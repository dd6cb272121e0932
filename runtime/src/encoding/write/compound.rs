//! Sequences, tuples, structs and maps while they are being written.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::{Count, Writer};
use crate::encoding::EncodingError;
use crate::encoding::form::write_bytes;
use crate::encoding::path::Segment;

/// A sequence or tuple that is being written.
pub(super) struct Elements<'w, 'o> {
    pub(super) writer: &'w mut Writer<'o>,
    pub(super) count: Count,
    pub(super) actual: usize,
    pub(super) sequence: bool,
    pub(super) variant: Option<&'static str>,
}

impl Elements<'_, '_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodingError> {
        let segment = if self.sequence { Segment::Index(self.actual) } else { Segment::Position(self.actual) };
        self.actual += 1;
        let result = self.writer.inner(value, segment);
        match self.variant {
            Some(variant) => result.map_err(|error| error.within(Segment::Field(variant))),
            None => result,
        }
    }

    fn close(self) {
        self.writer.set_count(self.count, self.actual);
        self.writer.depth -= if self.variant.is_some() { 2 } else { 1 };
    }
}

macro_rules! elements {
    ($($trait:ident::$method:ident)*) => { $(
        impl $trait for Elements<'_, '_> {
            type Ok = ();
            type Error = EncodingError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodingError> {
                self.element(value)
            }

            fn end(self) -> Result<(), EncodingError> {
                self.close();
                Ok(())
            }
        }
    )* };
}

elements! {
    SerializeSeq::serialize_element SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field SerializeTupleVariant::serialize_field
}

/// A struct that is being written.
pub(super) struct Fields<'w, 'o> {
    pub(super) writer: &'w mut Writer<'o>,
    pub(super) count: Count,
    pub(super) actual: usize,
    pub(super) variant: Option<&'static str>,
}

impl Fields<'_, '_> {
    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), EncodingError> {
        self.actual += 1;
        write_bytes(self.writer.out, name.as_bytes());
        let result = self.writer.inner(value, Segment::Field(name));
        match self.variant {
            Some(variant) => result.map_err(|error| error.within(Segment::Field(variant))),
            None => result,
        }
    }

    fn close(self) {
        self.writer.set_count(self.count, self.actual);
        self.writer.depth -= if self.variant.is_some() { 2 } else { 1 };
    }
}

macro_rules! fields {
    ($($trait:ident)*) => { $(
        impl $trait for Fields<'_, '_> {
            type Ok = ();
            type Error = EncodingError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), EncodingError> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), EncodingError> {
                self.close();
                Ok(())
            }
        }
    )* };
}

fields! { SerializeStruct SerializeStructVariant }

/// A map that is being written.
pub(super) struct Entries<'w, 'o> {
    pub(super) writer: &'w mut Writer<'o>,
    pub(super) count: Count,
    /// Its first key in the writer's list.
    pub(super) first: usize,
    /// Where the key starts whose value is to come.
    pub(super) key: Option<usize>,
}

impl Entries<'_, '_> {
    fn unpaired(&mut self, message: &str) -> EncodingError {
        self.writer.broken = true;
        EncodingError::new(message)
    }
}

impl SerializeMap for Entries<'_, '_> {
    type Ok = ();
    type Error = EncodingError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodingError> {
        if self.key.replace(self.writer.out.len()).is_some() {
            return Err(self.unpaired("a map's `Serialize` wrote a key without a value"));
        }
        self.writer.inner(key, Segment::Inside).map_err(|error| error.saying("in a key: "))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodingError> {
        let Some(key) = self.key.take() else {
            return Err(self.unpaired("a map's `Serialize` wrote a value without a key"));
        };
        let start = self.writer.out.len();
        if let Err(error) = value.serialize(&mut *self.writer) {
            self.writer.broken = true;
            return Err(error.within(Segment::Key(&self.writer.out[key..start])));
        }
        self.writer.keys.push(key..start);
        Ok(())
    }

    fn end(self) -> Result<(), EncodingError> {
        if self.key.is_some() {
            return Err(EncodingError::new("a map's `Serialize` wrote a key without a value"));
        }
        let Self { writer, count, first, .. } = self;
        writer.distinct(first)?;
        writer.set_count(count, writer.keys.len() - first);
        writer.keys.truncate(first);
        writer.depth -= 1;
        Ok(())
    }
}
