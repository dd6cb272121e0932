//! The form in which arguments, results, errors and signals are recorded: self-describing, binary, and carrying the
//! whole serde data model, the order of a map's entries included. `docs/record-encoding.md` describes the bytes.
//!
//! Reading order: `form` (tags and lengths), `write`, `read`; `canonical` for digests and comparisons; then `view` and
//! `difference` for people, `list` for arguments. What comes out is what went in, bit for bit, or an error that names the
//! place inside the value. Nothing here knows the store or the engine, and no message holds a value's content: it may be
//! secret.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;

mod canonical;
mod difference;
mod form;
mod list;
mod path;
mod read;
mod scratch;
#[cfg(test)]
mod tests;
mod view;
mod write;

pub(crate) use list::{Entries, MapWriter, as_sealed, entries, none, sealed};
pub(crate) use path::EncodingError;

/// Encodes a value as it is written: a map's entries keep their order. Equal values share their `canonical` form.
///
/// # Errors
/// What a type's `Serialize` refuses, a map with two equal keys, and more than 128 levels.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, EncodingError> {
    scratch::within(|out| {
        write::append(value, out)?;
        Ok(out.as_slice().into())
    })
}

/// The same, onto the end of `out`, which an error leaves as it was. Whether there is a map in the value: bytes without
/// one are canonical as they are.
///
/// # Errors
/// As `encode`.
pub(crate) fn append<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<bool, EncodingError> {
    write::append(value, out)
}

/// Decodes a value; every byte must belong to it.
///
/// # Errors
/// Damaged bytes, a sealed value, and what doesn't fit the type, with the path.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, EncodingError> {
    read::whole(bytes)
}

/// The form that equal values share, in whatever order a `HashMap` iterates: the entries of every map, at every depth,
/// sorted by the bytes of their keys. What is digested and compared, never what is recorded. Costs one look over the
/// bytes where they are in order already, as those without maps are. Sealed values stay as they are.
///
/// # Errors
/// Damaged bytes.
pub(crate) fn canonical(bytes: &[u8]) -> Result<Cow<'_, [u8]>, EncodingError> {
    canonical::of(bytes)
}

/// Checks that a value comes back as it went in: decodes its bytes and encodes that again. A map's entries may come in
/// another order. `order_matters`: whether sequences whose elements come in another order differ (arguments: yes, they
/// are digested; results: no).
pub(crate) fn check<T: Serialize + DeserializeOwned>(bytes: &[u8], order_matters: bool) -> Result<(), EncodingError> {
    let value = decode::<T>(bytes).map_err(|error| error.saying("doesn't come back: "))?;
    scratch::within(|again| {
        write::append(&value, again).map_err(|error| error.saying("can't be recorded again once it is read: "))?;
        if again == bytes {
            return Ok(());
        }
        match difference::find(&canonical(bytes)?, &canonical(again)?, order_matters)? {
            None => Ok(()),
            Some(found) => Err(found.explained()),
        }
    })
}

/// The JSON view of encoded bytes, for people.
pub(crate) fn view(bytes: &[u8]) -> Result<serde_json::Value, EncodingError> {
    view::whole(bytes)
}

/// Where two encoded values differ first: the path, and both sides as JSON. The order of a map's entries makes no
/// difference. Bytes that can't be read differ as a whole.
pub(crate) fn difference(left: &[u8], right: &[u8]) -> Option<(String, serde_json::Value, serde_json::Value)> {
    let found = || {
        let (left, right) = (canonical(left)?, canonical(right)?);
        Ok::<_, EncodingError>(difference::find(&left, &right, true)?.map(|found| found.shown()))
    };
    match found() {
        Ok(found) => found,
        Err(_) if left == right => None,
        Err(_) => {
            let shown = |bytes| view::whole(bytes).unwrap_or_else(|error| error.to_string().into());
            Some(("value".to_owned(), shown(left), shown(right)))
        }
    }
}
