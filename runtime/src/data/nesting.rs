//! How deep values may be nested: what goes deeper is refused before anything recurses into it.

use bson::{Bson, Document, RawBsonRef, RawDocument, RawDocumentBuf};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::collection::not_a_document;
use crate::error::{Error, ErrorKind, Result};

mod depth;

/// Levels of a document, and parts of a path.
pub(crate) const DEEPEST: usize = 180;

/// Levels beyond which nothing is looked at: some more than a store takes, since a filter has levels of its own around a
/// value, and a serializer around the types of BSON.
const BOUND: usize = DEEPEST + 10;

/// Levels that any thread's stack takes: serde needs up to 24 KiB for each in a debug build, and tokio's threads have
/// 2 MiB.
const SHALLOW: usize = 48;

/// A stack for [`DEEPEST`] levels.
const DEEP_STACK: usize = 64 << 20;

/// MongoDB's code for what is nested too deep.
const OVERFLOW: i32 = 15;

/// The error of what is nested too deep.
pub(crate) fn too_deep() -> Error {
    let message = format!("a document is nested deeper than {DEEPEST} levels: flatten it");
    Error::of(ErrorKind::Invalid, message).with_code(OVERFLOW).into_terminal()
}

/// A value as a document.
pub(crate) fn document_of<T: Serialize>(value: &T) -> Result<RawDocumentBuf> {
    if !depth::is_within(value, BOUND, false) {
        return Err(too_deep());
    }
    bson::serialize_to_raw_document_buf(value).map_err(not_a_document)
}

/// Reads a document into the user's type, on a thread with a stack for it if it is nested deep.
pub(crate) fn read<T: DeserializeOwned + Send>(document: &RawDocument) -> Result<T, bson::error::Error> {
    let bytes = document.as_bytes();
    // A level takes 7 bytes at least.
    if bytes.len() <= SHALLOW * 7 || raw_at(document, SHALLOW).is_ok() {
        return bson::deserialize_from_slice(bytes);
    }
    std::thread::scope(|scope| {
        let reads = || bson::deserialize_from_slice(bytes);
        let thread = std::thread::Builder::new().stack_size(DEEP_STACK).spawn_scoped(scope, reads);
        let thread = thread.map_err(<bson::error::Error as serde::de::Error>::custom)?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A value in a document.
pub(crate) fn value_of<T: Serialize + ?Sized>(value: &T) -> Result<Bson> {
    if !depth::is_within(value, BOUND, true) {
        return Err(too_deep());
    }
    bson::serialize_to_bson(value).map_err(not_a_document)
}

/// Refuses what is nested so deep that no store takes it, and nothing may recurse into it.
pub(crate) fn check_bound(document: &Document) -> Result<()> {
    document.values().try_for_each(|value| check_at(value, BOUND - 1))
}

/// Refuses a document that is nested too deep.
pub(crate) fn check(document: &Document) -> Result<()> {
    document.values().try_for_each(|value| check_at(value, DEEPEST - 1))
}

/// Refuses a value that is nested too deep.
pub(crate) fn check_value(value: &Bson) -> Result<()> {
    check_at(value, DEEPEST)
}

/// Where so many levels are left.
fn check_at(value: &Bson, left: usize) -> Result<()> {
    match value {
        Bson::Document(_) | Bson::Array(_) | Bson::JavaScriptCodeWithScope(_) if left == 0 => Err(too_deep()),
        Bson::Document(inner) => inner.values().try_for_each(|value| check_at(value, left - 1)),
        Bson::JavaScriptCodeWithScope(code) => code.scope.values().try_for_each(|value| check_at(value, left - 1)),
        Bson::Array(elements) => elements.iter().try_for_each(|value| check_at(value, left - 1)),
        _ => Ok(()),
    }
}

/// Refuses a document that is nested too deep, or whose bytes make no sense.
pub(crate) fn check_raw(document: &RawDocument) -> Result<()> {
    raw_at(document, DEEPEST)
}

/// Where so many levels are left, its own among them.
fn raw_at(document: &RawDocument, left: usize) -> Result<()> {
    if left == 0 {
        return Err(too_deep());
    }
    for element in document.iter_elements() {
        match element.and_then(|element| element.value()).map_err(unreadable)? {
            RawBsonRef::Document(inner) => raw_at(inner, left - 1)?,
            RawBsonRef::Array(inner) => {
                raw_at(RawDocument::from_bytes(inner.as_bytes()).map_err(unreadable)?, left - 1)?;
            }
            RawBsonRef::JavaScriptCodeWithScope(code) => raw_at(code.scope, left - 1)?,
            _ => (),
        }
    }
    Ok(())
}

fn unreadable(error: bson::error::Error) -> Error {
    Error::of(ErrorKind::Invalid, format!("the document can't be read: {error}")).with_code(22).into_terminal()
}

#[cfg(test)]
mod tests {
    use bson::{RawDocumentBuf, doc};

    use super::*;

    fn nested(levels: usize) -> Document {
        (1..levels).fold(doc! { "a": 1 }, |inner, _| doc! { "a": inner })
    }

    #[test]
    fn what_is_nested_deeper_than_180_levels_is_refused() {
        assert!(check(&nested(180)).is_ok());
        assert!(check_raw(&RawDocumentBuf::try_from(&nested(180)).unwrap()).is_ok());
        for levels in [181, 200, 400] {
            assert_eq!(check(&nested(levels)).unwrap_err().code(), Some(OVERFLOW));
            assert_eq!(check_bound(&nested(levels)).is_err(), levels > BOUND);
            assert_eq!(check_value(&nested(levels).into()).unwrap_err().code(), Some(OVERFLOW));
            let raw = RawDocumentBuf::try_from(&nested(levels)).unwrap();
            assert_eq!(check_raw(&raw).unwrap_err().code(), Some(OVERFLOW));
        }
    }

    #[test]
    fn what_is_nested_deeper_than_stores_take_is_not_serialized() {
        for levels in [180, 181, 190] {
            assert!(document_of(&nested(levels)).is_ok() && value_of(&nested(levels)).is_ok(), "{levels}");
        }
        let arrays = |levels| (1..levels).fold(Bson::from(1), |inner, _| vec![inner].into());
        assert!(document_of(&doc! { "a": arrays(190), "b": 1 }).is_ok());
        for levels in [191, 400, 1000, 3000] {
            let deep = [doc! { "a": arrays(levels) }, nested(levels)];
            for deep in deep {
                assert_eq!(document_of(&deep).unwrap_err().code(), Some(OVERFLOW));
                assert_eq!(value_of(&deep).unwrap_err().code(), Some(OVERFLOW));
            }
        }
    }

    #[test]
    fn levels_of_all_shapes_count() {
        #[derive(serde::Serialize)]
        enum Shape {
            Newtype(Box<Shape>),
            Tuple(u8, Box<Shape>),
            Struct { inner: Box<Shape> },
            Plain(Plain),
            Leaf,
        }
        #[derive(serde::Serialize)]
        struct Plain(u8, (u8, Option<Box<Shape>>));
        let wraps: [fn(Shape) -> Shape; 4] = [
            |inner| Shape::Newtype(inner.into()),
            |inner| Shape::Tuple(1, inner.into()),
            |inner| Shape::Struct { inner: inner.into() },
            |inner| Shape::Plain(Plain(1, (2, Some(inner.into())))),
        ];
        for wrap in wraps {
            let wrapped = |times: usize| (0..times).fold(Shape::Leaf, |inner, _| wrap(inner));
            assert!(document_of(&wrapped(60)).is_ok());
            assert_eq!(document_of(&wrapped(1000)).unwrap_err().code(), Some(OVERFLOW));
        }
        assert_eq!(document_of(&5).unwrap_err().kind(), ErrorKind::NotRecordable, "what isn't a document, as before");
    }

    #[test]
    fn what_recurses_without_levels_is_refused_too() {
        #[derive(serde::Serialize)]
        struct Chain(Option<Box<Chain>>);
        #[derive(serde::Serialize)]
        #[serde(transparent)]
        struct Through {
            inner: Option<Box<Through>>,
        }
        let chain = |links: usize| (0..links).fold(Chain(None), |inner, _| Chain(Some(inner.into())));
        let through =
            |links: usize| (0..links).fold(Through { inner: None }, |inner, _| Through { inner: Some(inner.into()) });
        assert!(value_of(&chain(300)).is_ok() && value_of(&through(300)).is_ok());
        assert_eq!(value_of(&chain(3_000)).unwrap_err().code(), Some(OVERFLOW));
        assert_eq!(value_of(&through(3_000)).unwrap_err().code(), Some(OVERFLOW));
        let full = |levels: usize| (1..levels).fold(doc! { "a": 1 }, |inner, _| doc! { "a": inner });
        let wrapped = Some(Some(Some(Some(full(190)))));
        assert!(document_of(&wrapped).is_ok());
    }

    /// The stack of a tokio worker is no larger than that of a test's thread.
    #[test]
    fn what_is_nested_deep_is_read_on_any_thread() {
        #[derive(serde::Deserialize)]
        struct Nest {
            a: Option<Box<Nest>>,
        }
        for levels in [40, 49, 100, 180] {
            let raw = RawDocumentBuf::try_from(&nested(levels)).unwrap();
            assert_eq!(read::<Document>(&raw).unwrap(), nested(levels));
        }
        let nest = (0..179).fold(doc! { "a": Bson::Null }, |inner, _| doc! { "a": inner });
        let read = read::<Nest>(&RawDocumentBuf::try_from(&nest).unwrap()).unwrap();
        assert_eq!(std::iter::successors(Some(&read), |nest| nest.a.as_deref()).count(), 180);
    }

    #[test]
    fn bytes_that_are_no_document_are_refused() {
        let mut bytes = RawDocumentBuf::try_from(&doc! { "a": "text" }).unwrap().into_bytes();
        bytes[4] = 0x77;
        assert_eq!(check_raw(RawDocument::from_bytes(&bytes).unwrap()).unwrap_err().code(), Some(22));
    }
}
