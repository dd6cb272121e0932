//! Encoded values as JSON, for people: lossy where JSON is, never read back.

use serde_json::{Map, Number, Value as Json, json};

use super::EncodingError;
use super::form::{Cursor, Head, MAX_WALK, too_deep};
use crate::digest::hex;

/// What is shown in place of a sealed value.
const HIDDEN: &str = "•••";

/// The JSON view of one value.
pub(super) fn whole(bytes: &[u8]) -> Result<Json, EncodingError> {
    let mut cursor = Cursor::new(bytes);
    let json = next(&mut cursor, MAX_WALK)?;
    cursor.finish()?;
    Ok(json)
}

fn next(cursor: &mut Cursor<'_>, depth: usize) -> Result<Json, EncodingError> {
    let inner = || depth.checked_sub(1).ok_or_else(too_deep);
    let head = cursor.head()?;
    Ok(match head {
        Head::None | Head::Unit => Json::Null,
        // Not to be taken for `None`.
        Head::Some => match next(cursor, inner()?)? {
            Json::Null => json!({ "Some": null }),
            json => json,
        },
        Head::Bool(value) => Json::Bool(value),
        Head::I8(value) => Json::from(value),
        Head::I16(value) => Json::from(value),
        Head::I32(value) => Json::from(value),
        Head::I64(value) => Json::from(value),
        Head::I128(value) => match (u64::try_from(value), i64::try_from(value)) {
            (Ok(value), _) => Json::from(value),
            (_, Ok(value)) => Json::from(value),
            _ => Json::from(value.to_string()),
        },
        Head::U8(value) => Json::from(value),
        Head::U16(value) => Json::from(value),
        Head::U32(value) => Json::from(value),
        Head::U64(value) => Json::from(value),
        Head::U128(value) => u64::try_from(value).map_or_else(|_| Json::from(value.to_string()), Json::from),
        // The shortest digits that name the f32, not those of the f64 beside it.
        Head::F32(value) => float(value.to_string().parse().unwrap_or(f64::from(value))),
        Head::F64(value) => float(value),
        Head::Char(value) => Json::from(value.to_string()),
        Head::Text(value) | Head::UnitVariant(value) => Json::from(value),
        Head::Bytes(value) => json!({ "$bytes": hex(value) }),
        Head::Sequence(count) | Head::Tuple(count) => {
            let inner = inner()?;
            (0..count).map(|_| next(cursor, inner)).collect::<Result<_, _>>()?
        }
        Head::Map(count) => map(cursor, count, inner()?)?,
        Head::Struct(count) => {
            let inner = inner()?;
            let fields = (0..count).map(|_| Ok((cursor.text()?.to_owned(), next(cursor, inner)?)));
            Json::Object(fields.collect::<Result<_, EncodingError>>()?)
        }
        Head::Variant(name) => json!({ name: next(cursor, inner()?)? }),
        Head::Sealed(_) => Json::from(HIDDEN),
    })
}

/// An object where every key has a text of its own, else a list of pairs.
fn map(cursor: &mut Cursor<'_>, count: usize, depth: usize) -> Result<Json, EncodingError> {
    let mut object = Map::new();
    let mut pairs = Vec::new();
    for _ in 0..count {
        let mut ahead = *cursor;
        let text = scalar_text(ahead.head()?);
        let (key, value) = (next(cursor, depth)?, next(cursor, depth)?);
        if let Some(text) = text {
            object.insert(text, value.clone());
        }
        pairs.push(json!([key, value]));
    }
    Ok(if object.len() == pairs.len() { Json::Object(object) } else { Json::Array(pairs) })
}

/// A scalar as a key of an object.
pub(super) fn scalar_text(head: Head<'_>) -> Option<String> {
    match head {
        Head::Bool(value) => Some(value.to_string()),
        Head::I8(value) => Some(value.to_string()),
        Head::I16(value) => Some(value.to_string()),
        Head::I32(value) => Some(value.to_string()),
        Head::I64(value) => Some(value.to_string()),
        Head::I128(value) => Some(value.to_string()),
        Head::U8(value) => Some(value.to_string()),
        Head::U16(value) => Some(value.to_string()),
        Head::U32(value) => Some(value.to_string()),
        Head::U64(value) => Some(value.to_string()),
        Head::U128(value) => Some(value.to_string()),
        Head::F32(value) => Some(value.to_string()),
        Head::F64(value) => Some(value.to_string()),
        Head::Char(value) => Some(value.to_string()),
        Head::Text(value) | Head::UnitVariant(value) => Some(value.to_owned()),
        Head::None
        | Head::Some
        | Head::Unit
        | Head::Bytes(_)
        | Head::Sequence(_)
        | Head::Tuple(_)
        | Head::Map(_)
        | Head::Struct(_)
        | Head::Variant(_)
        | Head::Sealed(_) => None,
    }
}

fn float(value: f64) -> Json {
    Number::from_f64(value).map_or_else(|| Json::from(value.to_string()), Json::Number)
}
