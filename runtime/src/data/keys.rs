//! The keys of a document by several paths: what an index has of it, and what it is sorted by.
//!
//! A path that means several values through an array gives several keys. Paths that go through one array go through its
//! elements together; two arrays beside each other are refused.

use bson::{RawArray, RawBsonRef, RawDocument};

use super::order::{self, Direction};
use super::path::{Path, index as place_of};
use crate::error::{Error, ErrorKind, Result};

/// More keys of one document than that are refused.
const MOST: usize = 100_000;

/// MongoDB's code for arrays beside each other.
const PARALLEL_ARRAYS: i32 = 171;

/// Each key of a document: the values' keys one behind the other, each in its direction. Not sorted, some maybe twice.
pub(crate) fn of(document: &RawDocument, paths: &[(Path, Direction)]) -> Result<Vec<Vec<u8>>> {
    let fields = paths.iter().map(|(path, _)| Field::At { value: Value::Document(document), rest: path.parts() });
    let mut keys = Vec::new();
    expand(fields.collect(), paths, &mut keys)?;
    Ok(keys)
}

/// Goes on with each field until all have a value; an array that some of them meet gives a set for each element.
fn expand(mut fields: Vec<Field<'_>>, paths: &[(Path, Direction)], keys: &mut Vec<Vec<u8>>) -> Result<()> {
    for field in &mut fields {
        field.advance();
    }
    let arrays: Vec<&RawArray> = fields.iter().filter_map(Field::array).collect();
    let Some(first) = arrays.first() else {
        if keys.len() >= MOST {
            let message = format!("a document has more than {MOST} values at {}: spread them", named(paths));
            return Err(Error::of(ErrorKind::Invalid, message).with_code(2).into_terminal());
        }
        let mut key = Vec::with_capacity(16 * fields.len());
        for (field, (_, direction)) in fields.iter().zip(paths) {
            direction.put(&field.key(), &mut key);
        }
        keys.push(key);
        return Ok(());
    };
    if arrays.iter().any(|array| !std::ptr::eq(array.as_bytes(), first.as_bytes())) {
        let message = format!("a document has two arrays beside each other at {}: one is possible", named(paths));
        return Err(Error::of(ErrorKind::Invalid, message).with_code(PARALLEL_ARRAYS).into_terminal());
    }
    let mut elements = first.into_iter().filter_map(std::result::Result::ok).peekable();
    if elements.peek().is_none() {
        return expand(fields.into_iter().map(Field::without_elements).collect(), paths, keys);
    }
    for element in elements {
        expand(fields.iter().map(|field| field.in_element(element)).collect(), paths, keys)?;
    }
    Ok(())
}

fn named(paths: &[(Path, Direction)]) -> String {
    paths.iter().map(|(path, _)| path.text()).collect::<Vec<_>>().join(", ")
}

/// Where the way to a field's value has come to.
#[derive(Clone, Copy)]
enum Field<'d> {
    At {
        value: Value<'d>,
        rest: &'d [Box<str>],
    },
    /// In an array; with what is left of the path in each element.
    Array {
        elements: &'d RawArray,
        rest: &'d [Box<str>],
    },
    /// The value, or that there is none.
    Done(Option<RawBsonRef<'d>>),
}

#[derive(Clone, Copy)]
enum Value<'d> {
    Document(&'d RawDocument),
    Other(RawBsonRef<'d>),
}

impl<'d> Field<'d> {
    fn advance(&mut self) {
        while let Self::At { value, rest } = *self {
            *self = match (value, rest.split_first()) {
                (Value::Document(document), Some((first, rest))) => match document.get(&**first).ok().flatten() {
                    Some(RawBsonRef::Document(inner)) => Self::At { value: Value::Document(inner), rest },
                    Some(other) => Self::At { value: Value::Other(other), rest },
                    None => Self::Done(None),
                },
                (Value::Document(document), None) => Self::Done(Some(RawBsonRef::Document(document))),
                (Value::Other(RawBsonRef::Array(elements)), rest) => match rest
                    .and_then(|(first, after)| place_of(first).map(|place| (elements.get(place).ok().flatten(), after)))
                {
                    // A number names an element, where there are no documents with such a field.
                    Some((Some(RawBsonRef::Document(inner)), rest)) => Self::At { value: Value::Document(inner), rest },
                    Some((Some(element), rest)) => Self::At { value: Value::Other(element), rest },
                    Some((None, _)) => Self::Done(None),
                    None => Self::Array { elements, rest: rest.map_or(&[], |_| self.rest()) },
                },
                (Value::Other(other), None) => Self::Done(Some(other)),
                (Value::Other(_), Some(_)) => Self::Done(None),
            };
        }
    }

    fn rest(&self) -> &'d [Box<str>] {
        match self {
            Self::At { rest, .. } | Self::Array { rest, .. } => rest,
            Self::Done(_) => &[],
        }
    }

    fn array(&self) -> Option<&'d RawArray> {
        match self {
            Self::Array { elements, .. } => Some(elements),
            Self::At { .. } | Self::Done(_) => None,
        }
    }

    /// An empty array at the end stands before null, one on the way leads nowhere.
    fn without_elements(self) -> Self {
        match self {
            Self::Array { rest: [], .. } => Self::Done(Some(RawBsonRef::Undefined)),
            Self::Array { .. } => Self::Done(None),
            other => other,
        }
    }

    fn in_element(&self, element: RawBsonRef<'d>) -> Self {
        match (*self, element) {
            // An array in an array is a value.
            (Self::Array { rest: [], .. }, element) => Self::Done(Some(element)),
            (Self::Array { rest, .. }, RawBsonRef::Document(inner)) => Self::At { value: Value::Document(inner), rest },
            (Self::Array { .. }, _) => Self::Done(None),
            (other, _) => other,
        }
    }

    fn key(&self) -> Vec<u8> {
        match self {
            Self::Done(Some(value)) => order::key(*value),
            Self::Done(None) | Self::At { .. } | Self::Array { .. } => order::key(RawBsonRef::Null),
        }
    }
}
