//! Lists of named values that were encoded one by one: the arguments of a call.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::EncodingError;
use super::form::{Cursor, Head, MAX_WALK, tag, write_bytes, write_varint};
use super::path::Segment;
use super::scratch;

/// Named values as they were added, in a buffer of the thread's: most lists are read once, where they were made.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    /// Key and value, one after the other.
    bytes: Vec<u8>,
    count: u64,
    last: &'static str,
    /// Each name sorts behind the one before: the list is a map's content as it is.
    unsorted: bool,
    /// The buffer is the thread's.
    lent: bool,
}

impl Entries {
    /// Adds a value under a name that isn't there yet. Whether there is a map in it.
    pub(crate) fn add<T: ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
        append: fn(&T, &mut Vec<u8>) -> Result<bool, EncodingError>,
    ) -> Result<bool, EncodingError> {
        if self.count == 0 && !self.lent {
            (self.bytes, self.lent) = (scratch::take(), true);
        }
        let start = self.bytes.len();
        write_key(&mut self.bytes, name);
        let maps = append(value, &mut self.bytes).inspect_err(|_| self.bytes.truncate(start))?;
        self.unsorted |= self.count > 0 && in_order(self.last, name).is_ge();
        (self.last, self.count) = (name, self.count + 1);
        Ok(maps)
    }

    /// The encoded map.
    pub(crate) fn map(&self) -> Result<Vec<u8>, EncodingError> {
        if self.unsorted {
            return self.map_with(|_, value| Ok(value.into()));
        }
        let mut out = Vec::with_capacity(self.bytes.len() + 12);
        out.push(tag::MAP);
        write_varint(&mut out, self.count);
        out.extend_from_slice(&self.bytes);
        Ok(out)
    }

    /// The encoded map of other values.
    pub(crate) fn map_with<'e, E: From<EncodingError>>(
        &'e self,
        form: impl Fn(&str, &'e [u8]) -> Result<Cow<'e, [u8]>, E>,
    ) -> Result<Vec<u8>, E> {
        let mut map = MapWriter::default();
        let mut cursor = Cursor::new(&self.bytes);
        while !cursor.rest().is_empty() {
            let (name, value) = entry(&mut cursor)?;
            map.add(name, form(name, value)?);
        }
        Ok(map.finish())
    }

    /// Takes no more room than it needs, to be kept for a while.
    pub(crate) fn keep(&mut self) {
        if self.lent {
            let kept = self.bytes.as_slice().into();
            scratch::give(std::mem::replace(&mut self.bytes, kept));
            self.lent = false;
        }
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        if self.lent {
            scratch::give(std::mem::take(&mut self.bytes));
        }
    }
}

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
            write_key(&mut out, key);
            out.extend_from_slice(value);
        }
        out
    }
}

fn write_key(out: &mut Vec<u8>, key: &str) {
    out.push(tag::TEXT);
    write_bytes(out, key.as_bytes());
}

/// Reads a name and its value.
fn entry<'a>(cursor: &mut Cursor<'a>) -> Result<(&'a str, &'a [u8]), EncodingError> {
    let Head::Text(name) = cursor.head()? else {
        return Err(EncodingError::new("damaged: an argument's name isn't text"));
    };
    let value = cursor.value(MAX_WALK).map_err(|error| error.within(Segment::Field(name)))?;
    Ok((name, value))
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
    // Few: a count that isn't true reserves nothing.
    let mut entries = Vec::with_capacity(count.min(8));
    let mut previous = None;
    for _ in 0..count {
        let (name, value) = entry(&mut cursor)?;
        if previous.is_some_and(|previous| in_order(previous, name).is_ge()) {
            return Err(EncodingError::new("damaged: the names of arguments are out of order, or one is there twice"));
        }
        previous = Some(name);
        entries.push((name, value));
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
