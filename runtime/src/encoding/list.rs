//! Lists of named values that were encoded one by one: the arguments of a call.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::EncodingError;
use super::form::{Cursor, Head, MAX_WALK, tag, write_bytes, write_varint};
use super::path::Segment;

/// Writes a map with text keys, entry by entry: the form of an argument list. The names are sorted, whatever order they
/// are added in; the values stay as they were written.
#[derive(Debug, Clone, Default)]
pub(crate) struct MapWriter<'e> {
    /// Key, encoded value.
    entries: Vec<(&'e str, Cow<'e, [u8]>)>,
}

impl<'e> MapWriter<'e> {
    /// Adds an entry. The last of two with the same key stays.
    pub(crate) fn add(&mut self, key: &'e str, encoded: impl Into<Cow<'e, [u8]>>) {
        match self.entries.iter_mut().find(|(other, _)| *other == key) {
            Some(entry) => entry.1 = encoded.into(),
            None => self.entries.push((key, encoded.into())),
        }
    }

    /// The encoded map.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entries.sort_unstable_by(|(a, _), (b, _)| in_order(a, b));
        let size: usize = self.entries.iter().map(|(key, value)| key.len() + value.len() + 12).sum();
        let mut out = Vec::with_capacity(size + 12);
        out.push(tag::MAP);
        write_varint(&mut out, self.entries.len() as u64);
        for (key, value) in &self.entries {
            out.push(tag::TEXT);
            write_bytes(&mut out, key.as_bytes());
            out.extend_from_slice(value);
        }
        out
    }
}

/// As the bytes of the encoded keys sort: by their length, which is written first, then by their text.
fn in_order(a: &str, b: &str) -> Ordering {
    let length = |key: &str| {
        let mut bytes = Vec::new();
        write_varint(&mut bytes, key.len() as u64);
        bytes
    };
    match (a.len(), b.len()) {
        // One byte each.
        (one, other) if one < 0x80 && other < 0x80 => one.cmp(&other).then_with(|| a.cmp(b)),
        _ => length(a).cmp(&length(b)).then_with(|| a.cmp(b)),
    }
}

/// Reads the entries of an encoded map with text keys, without decoding the values.
pub(crate) fn entries(bytes: &[u8]) -> Result<Vec<(&str, &[u8])>, EncodingError> {
    let mut cursor = Cursor::new(bytes);
    let count = match cursor.head()? {
        Head::Map(count) => count,
        other => return Err(EncodingError::new(format!("{} where a list of arguments is expected", other.kind()))),
    };
    let mut entries = Vec::new();
    let mut previous: &[u8] = &[];
    for _ in 0..count {
        let start = cursor.rest();
        let Head::Text(name) = cursor.head()? else {
            return Err(EncodingError::new("damaged: an argument's name isn't text"));
        };
        let key = cursor.since(start);
        if previous >= key {
            return Err(EncodingError::new("damaged: the names of arguments are out of order, or one is there twice"));
        }
        previous = key;
        entries.push((name, cursor.value(MAX_WALK).map_err(|error| error.within(Segment::Field(name)))?));
    }
    cursor.finish()?;
    Ok(entries)
}

/// The encoding of "nothing": what a missing argument is read from.
pub(crate) fn none() -> Vec<u8> {
    vec![tag::NONE]
}

/// Wraps ciphertext as a sealed value: it can stand in a map and shows as `•••`.
pub(crate) fn sealed(ciphertext: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(ciphertext.len() + 6);
    out.push(tag::SEALED);
    write_bytes(&mut out, ciphertext);
    out
}

/// The ciphertext of a sealed value.
pub(crate) fn as_sealed(bytes: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(bytes);
    match cursor.head() {
        Ok(Head::Sealed(ciphertext)) if cursor.finish().is_ok() => Some(ciphertext),
        _ => None,
    }
}
