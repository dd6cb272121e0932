//! How deep values may be nested: what goes deeper is refused before anything recurses into it.

use bson::{Bson, Document, RawBsonRef, RawDocument};

use crate::error::{Error, ErrorKind, Result};

/// Levels of a document, and parts of a path.
pub(crate) const DEEPEST: usize = 180;

/// MongoDB's code for what is nested too deep.
const OVERFLOW: i32 = 15;

/// The error of what is nested too deep.
pub(crate) fn too_deep() -> Error {
    let message = format!("a document is nested deeper than {DEEPEST} levels: flatten it");
    Error::of(ErrorKind::Invalid, message).with_code(OVERFLOW).into_terminal()
}

/// Refuses a document that is nested too deep.
pub(crate) fn check(document: &Document) -> Result<()> {
    document.values().try_for_each(|value| check_at(value, 1))
}

/// Refuses a value that is nested too deep.
pub(crate) fn check_value(value: &Bson) -> Result<()> {
    check_at(value, 0)
}

fn check_at(value: &Bson, level: usize) -> Result<()> {
    match value {
        Bson::Document(_) | Bson::Array(_) | Bson::JavaScriptCodeWithScope(_) if level >= DEEPEST => Err(too_deep()),
        Bson::Document(inner) => inner.values().try_for_each(|value| check_at(value, level + 1)),
        Bson::JavaScriptCodeWithScope(code) => code.scope.values().try_for_each(|value| check_at(value, level + 1)),
        Bson::Array(elements) => elements.iter().try_for_each(|value| check_at(value, level + 1)),
        _ => Ok(()),
    }
}

/// Refuses a document that is nested too deep, or whose bytes make no sense.
pub(crate) fn check_raw(document: &RawDocument) -> Result<()> {
    raw_at(document, 0)
}

fn raw_at(document: &RawDocument, level: usize) -> Result<()> {
    if level >= DEEPEST {
        return Err(too_deep());
    }
    for element in document.iter_elements() {
        match element.and_then(|element| element.value()).map_err(unreadable)? {
            RawBsonRef::Document(inner) => raw_at(inner, level + 1)?,
            RawBsonRef::Array(inner) => {
                raw_at(RawDocument::from_bytes(inner.as_bytes()).map_err(unreadable)?, level + 1)?;
            }
            RawBsonRef::JavaScriptCodeWithScope(code) => raw_at(code.scope, level + 1)?,
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
            assert_eq!(check_value(&nested(levels).into()).unwrap_err().code(), Some(OVERFLOW));
            let raw = RawDocumentBuf::try_from(&nested(levels)).unwrap();
            assert_eq!(check_raw(&raw).unwrap_err().code(), Some(OVERFLOW));
        }
    }

    #[test]
    fn bytes_that_are_no_document_are_refused() {
        let mut bytes = RawDocumentBuf::try_from(&doc! { "a": "text" }).unwrap().into_bytes();
        bytes[4] = 0x77;
        assert_eq!(check_raw(RawDocument::from_bytes(&bytes).unwrap()).unwrap_err().code(), Some(22));
    }
}
