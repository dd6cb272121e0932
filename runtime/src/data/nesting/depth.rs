//! How deep a value is nested, before it is serialized: BSON's serializer recurses, and a stack that is full ends the
//! process.

use std::fmt;

use serde::ser::{
    self, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// Whether a value is nested no deeper than so many levels. What its `Serialize` refuses is for the one who serializes.
pub(super) fn is_within<T: Serialize + ?Sized>(value: &T, levels: usize, human_readable: bool) -> bool {
    let depth = Depth { left: levels, steps: levels * STEPS, human_readable };
    !matches!(value.serialize(depth), Err(Stopped::TooDeep))
}

/// An `Option` or a newtype is no level, but a step into the value all the same: so many for each level.
const STEPS: usize = 4;

/// A serializer that writes nothing.
#[derive(Clone, Copy)]
struct Depth {
    left: usize,
    steps: usize,
    human_readable: bool,
}

/// Why nobody looks further.
#[derive(Debug)]
enum Stopped {
    TooDeep,
    Refused,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooDeep => "nested too deep",
            Self::Refused => "refused",
        })
    }
}

impl std::error::Error for Stopped {}

impl ser::Error for Stopped {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Refused
    }
}

type Looked = Result<(), Stopped>;

impl Depth {
    fn inside(self) -> Result<Self, Stopped> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left, ..self }),
            None => Err(Stopped::TooDeep),
        }
    }

    /// Into what isn't a level.
    fn step(self) -> Result<Self, Stopped> {
        match self.steps.checked_sub(1) {
            Some(steps) => Ok(Self { steps, ..self }),
            None => Err(Stopped::TooDeep),
        }
    }
}

/// What has nothing inside.
macro_rules! flat {
    ($($method:ident($($type:ty),*)),+) => {
        $(fn $method(self, $(_: $type),*) -> Looked {
            Ok(())
        })+
    };
}

/// What has parts inside.
macro_rules! nested {
    ($($method:ident($($type:ty),*)),+) => {
        $(fn $method(self, $(_: $type),*) -> Result<Self, Stopped> {
            self.inside()
        })+
    };
}

impl Serializer for Depth {
    type Ok = ();
    type Error = Stopped;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    flat! {
        serialize_bool(bool), serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64),
        serialize_i128(i128), serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64),
        serialize_u128(u128), serialize_f32(f32), serialize_f64(f64), serialize_char(char), serialize_str(&str),
        serialize_bytes(&[u8]), serialize_none(), serialize_unit(), serialize_unit_struct(&'static str),
        serialize_unit_variant(&'static str, u32, &'static str)
    }

    nested! {
        serialize_seq(Option<usize>),
        serialize_tuple(usize),
        serialize_tuple_struct(&'static str, usize),
        serialize_map(Option<usize>),
        serialize_struct(&'static str, usize)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Looked {
        value.serialize(self.step()?)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Looked {
        value.serialize(self.step()?)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Looked {
        value.serialize(self.inside()?)
    }

    /// The variant's name is a level of its own.
    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self, Stopped> {
        self.inside()?.inside()
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self, Stopped> {
        self.inside()?.inside()
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> Looked {
        Ok(())
    }

    fn is_human_readable(&self) -> bool {
        self.human_readable
    }
}

/// Parts without a name, one after the other.
macro_rules! elements {
    ($($compound:ident $method:ident),+) => {
        $(impl $compound for Depth {
            type Ok = ();
            type Error = Stopped;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Looked {
                value.serialize(*self)
            }

            fn end(self) -> Looked {
                Ok(())
            }
        })+
    };
}
elements! {
    SerializeSeq serialize_element, SerializeTuple serialize_element, SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
}

/// Parts with a name.
macro_rules! fields {
    ($($compound:ident),+) => {
        $(impl $compound for Depth {
            type Ok = ();
            type Error = Stopped;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Looked {
                value.serialize(*self)
            }

            fn end(self) -> Looked {
                Ok(())
            }
        })+
    };
}
fields! { SerializeStruct, SerializeStructVariant }

impl SerializeMap for Depth {
    type Ok = ();
    type Error = Stopped;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Looked {
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Looked {
        value.serialize(*self)
    }

    fn end(self) -> Looked {
        Ok(())
    }
}
