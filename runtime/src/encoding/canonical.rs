//! The form that equal values share: the entries of every map sorted, whatever order they were written in. Only for
//! digests and comparisons; what is recorded keeps its order.
//!
//! Sorting moves bytes inside a map and changes no length, so places in the value as it was written are places in the
//! sorted one too.

use std::borrow::Cow;

use super::EncodingError;
use super::form::{Cursor, Head, MAX_WALK, too_deep};

/// The canonical form of one value: borrowed where every map is in order already.
pub(super) fn of(bytes: &[u8]) -> Result<Cow<'_, [u8]>, EncodingError> {
    let mut sorter = Sorter {
        cursor: Cursor::new(bytes),
        length: bytes.len(),
        sorted: Cow::Borrowed(bytes),
        entries: Vec::new(),
        scratch: Vec::new(),
    };
    sorter.value(MAX_WALK)?;
    sorter.cursor.finish()?;
    Ok(sorter.sorted)
}

struct Sorter<'a> {
    /// Reads the value as it was written.
    cursor: Cursor<'a>,
    length: usize,
    /// The value, sorted up to the cursor.
    sorted: Cow<'a, [u8]>,
    /// The entries of all maps that are being read, innermost last.
    entries: Vec<Entry>,
    /// Where a map's entries lie while they are sorted.
    scratch: Vec<u8>,
}

/// Where an entry of a map stands.
#[derive(Clone, Copy)]
struct Entry {
    key: usize,
    value: usize,
    end: usize,
}

impl Sorter<'_> {
    /// Sorts the next value, from the inside out.
    fn value(&mut self, depth: usize) -> Result<(), EncodingError> {
        let inner = || depth.checked_sub(1).ok_or_else(too_deep);
        match self.cursor.head()? {
            Head::Some | Head::Variant(_) => self.value(inner()?),
            Head::Sequence(count) | Head::Tuple(count) => {
                let inner = inner()?;
                (0..count).try_for_each(|_| self.value(inner))
            }
            Head::Struct(count) => {
                let inner = inner()?;
                (0..count).try_for_each(|_| {
                    self.cursor.text()?;
                    self.value(inner)
                })
            }
            Head::Map(count) => self.map(count, inner()?),
            Head::None
            | Head::Unit
            | Head::Bool(_)
            | Head::I8(_)
            | Head::I16(_)
            | Head::I32(_)
            | Head::I64(_)
            | Head::I128(_)
            | Head::U8(_)
            | Head::U16(_)
            | Head::U32(_)
            | Head::U64(_)
            | Head::U128(_)
            | Head::F32(_)
            | Head::F64(_)
            | Head::Char(_)
            | Head::Text(_)
            | Head::Bytes(_)
            | Head::UnitVariant(_)
            | Head::Sealed(_) => Ok(()),
        }
    }

    fn map(&mut self, count: usize, inner: usize) -> Result<(), EncodingError> {
        let first = self.entries.len();
        for _ in 0..count {
            let key = self.place();
            self.value(inner)?;
            let value = self.place();
            self.value(inner)?;
            self.entries.push(Entry { key, value, end: self.place() });
        }
        self.sort(first);
        self.entries.truncate(first);
        Ok(())
    }

    fn place(&self) -> usize {
        self.length - self.cursor.rest().len()
    }

    /// Brings the entries from `first` on into the order of their keys' bytes. Keys that differ only in the order of
    /// maps inside them are the same in this form; then the values decide.
    fn sort(&mut self, first: usize) {
        let entries = &mut self.entries[first..];
        let compared = |bytes: &[u8], a: &Entry, b: &Entry| {
            let keys = bytes[a.key..a.value].cmp(&bytes[b.key..b.value]);
            keys.then_with(|| bytes[a.value..a.end].cmp(&bytes[b.value..b.end]))
        };
        if entries.is_sorted_by(|a, b| compared(&self.sorted, a, b).is_le()) {
            return;
        }
        let bytes = self.sorted.to_mut();
        let (start, end) = (entries[0].key, entries[entries.len() - 1].end);
        entries.sort_unstable_by(|a, b| compared(bytes, a, b));
        self.scratch.clear();
        for entry in entries {
            self.scratch.extend_from_slice(&bytes[entry.key..entry.end]);
        }
        bytes[start..end].copy_from_slice(&self.scratch);
    }
}
