//! The form of encoded values: tags, lengths, and the cursor that reads them without knowing any type.
//!
//! Everything that walks encoded bytes goes through [`Cursor`]; `docs/record-encoding.md` says the same in words. Tags
//! are never given another meaning: records outlive builds. The bytes may be damaged or hostile: nothing here panics,
//! recurses deeper than its limit, or believes a length that the bytes don't cover.

use super::EncodingError;

/// How deep values may be nested.
pub(super) const MAX_DEPTH: usize = 128;

/// How deep what only walks bytes goes: argument lists wrap values that were encoded on their own.
pub(super) const MAX_WALK: usize = MAX_DEPTH + 8;

pub(super) mod tag {
    //! The first byte of a value.

    pub(in crate::encoding) const NONE: u8 = 0x00;
    pub(in crate::encoding) const SOME: u8 = 0x01;
    pub(in crate::encoding) const UNIT: u8 = 0x02;
    pub(in crate::encoding) const FALSE: u8 = 0x03;
    pub(in crate::encoding) const TRUE: u8 = 0x04;
    pub(in crate::encoding) const I8: u8 = 0x08;
    pub(in crate::encoding) const I16: u8 = 0x09;
    pub(in crate::encoding) const I32: u8 = 0x0a;
    pub(in crate::encoding) const I64: u8 = 0x0b;
    pub(in crate::encoding) const I128: u8 = 0x0c;
    pub(in crate::encoding) const U8: u8 = 0x10;
    pub(in crate::encoding) const U16: u8 = 0x11;
    pub(in crate::encoding) const U32: u8 = 0x12;
    pub(in crate::encoding) const U64: u8 = 0x13;
    pub(in crate::encoding) const U128: u8 = 0x14;
    pub(in crate::encoding) const F32: u8 = 0x18;
    pub(in crate::encoding) const F64: u8 = 0x19;
    pub(in crate::encoding) const CHAR: u8 = 0x1c;
    pub(in crate::encoding) const TEXT: u8 = 0x1d;
    pub(in crate::encoding) const BYTES: u8 = 0x1e;
    pub(in crate::encoding) const SEQUENCE: u8 = 0x20;
    pub(in crate::encoding) const TUPLE: u8 = 0x21;
    pub(in crate::encoding) const MAP: u8 = 0x22;
    pub(in crate::encoding) const STRUCT: u8 = 0x23;
    pub(in crate::encoding) const UNIT_VARIANT: u8 = 0x24;
    pub(in crate::encoding) const VARIANT: u8 = 0x25;
    pub(in crate::encoding) const SEALED: u8 = 0x2f;
}

/// What stands at the front of a value: all of a scalar, the size of what follows for the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Head<'a> {
    None,
    /// A value follows.
    Some,
    Unit,
    Bool(bool),
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    I128(i128),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    U128(u128),
    F32(f32),
    F64(f64),
    Char(char),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// So many values follow.
    Sequence(usize),
    /// So many values follow.
    Tuple(usize),
    /// So many pairs of key and value follow, in the order in which they were written.
    Map(usize),
    /// So many pairs of name (length and UTF-8, without a tag) and value follow.
    Struct(usize),
    UnitVariant(&'a str),
    /// A value follows: a tuple for a tuple variant, a struct for a struct variant.
    Variant(&'a str),
    Sealed(&'a [u8]),
}

impl Head<'_> {
    /// What it is, in words that give nothing of its content away: errors may be about secrets.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Some => "Some",
            Self::Unit => "a unit",
            Self::Bool(_) => "a bool",
            Self::I8(_) => "an i8",
            Self::I16(_) => "an i16",
            Self::I32(_) => "an i32",
            Self::I64(_) => "an i64",
            Self::I128(_) => "an i128",
            Self::U8(_) => "a u8",
            Self::U16(_) => "a u16",
            Self::U32(_) => "a u32",
            Self::U64(_) => "a u64",
            Self::U128(_) => "a u128",
            Self::F32(_) => "an f32",
            Self::F64(_) => "an f64",
            Self::Char(_) => "a char",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Sequence(_) => "a sequence",
            Self::Tuple(_) => "a tuple",
            Self::Map(_) => "a map",
            Self::Struct(_) => "a struct",
            Self::UnitVariant(_) => "a variant without data",
            Self::Variant(_) => "a variant with data",
            Self::Sealed(_) => "a sealed value",
        }
    }
}

/// Reads encoded bytes from front to back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What hasn't been read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The bytes between an earlier [`rest`](Self::rest) and here.
    pub(super) fn since(&self, earlier: &'a [u8]) -> &'a [u8] {
        &earlier[..earlier.len().saturating_sub(self.rest.len())]
    }

    /// The tag of the next value, which stays unread.
    pub(super) fn peek(&self) -> Result<u8, EncodingError> {
        self.rest.first().copied().ok_or_else(cut)
    }

    /// Every byte has been read.
    pub(super) fn finish(&self) -> Result<(), EncodingError> {
        match self.rest.len() {
            0 => Ok(()),
            more => Err(EncodingError::new(format!("damaged: {more} bytes too many after the value"))),
        }
    }

    /// Reads the front of the next value.
    pub(super) fn head(&mut self) -> Result<Head<'a>, EncodingError> {
        Ok(match self.byte()? {
            tag::NONE => Head::None,
            tag::SOME => Head::Some,
            tag::UNIT => Head::Unit,
            tag::FALSE => Head::Bool(false),
            tag::TRUE => Head::Bool(true),
            tag::I8 => Head::I8(i8::from_le_bytes(self.array()?)),
            tag::I16 => Head::I16(narrow(self.signed()?)?),
            tag::I32 => Head::I32(narrow(self.signed()?)?),
            tag::I64 => Head::I64(self.signed()?),
            tag::I128 => Head::I128(i128::from_le_bytes(self.array()?)),
            tag::U8 => Head::U8(self.byte()?),
            tag::U16 => Head::U16(narrow(self.varint()?)?),
            tag::U32 => Head::U32(narrow(self.varint()?)?),
            tag::U64 => Head::U64(self.varint()?),
            tag::U128 => Head::U128(u128::from_le_bytes(self.array()?)),
            tag::F32 => Head::F32(f32::from_le_bytes(self.array()?)),
            tag::F64 => Head::F64(f64::from_le_bytes(self.array()?)),
            tag::CHAR => Head::Char(
                char::from_u32(narrow(self.varint()?)?)
                    .ok_or_else(|| EncodingError::new("damaged: not a character"))?,
            ),
            tag::TEXT => Head::Text(self.text()?),
            tag::BYTES => Head::Bytes(self.bytes()?),
            tag::SEQUENCE => Head::Sequence(self.count(1)?),
            tag::TUPLE => Head::Tuple(self.count(1)?),
            tag::MAP => Head::Map(self.count(2)?),
            tag::STRUCT => Head::Struct(self.count(2)?),
            tag::UNIT_VARIANT => Head::UnitVariant(self.text()?),
            tag::VARIANT => Head::Variant(self.text()?),
            tag::SEALED => Head::Sealed(self.bytes()?),
            other => return Err(EncodingError::new(format!("damaged, or of a newer version: no tag is {other:#04x}"))),
        })
    }

    /// Reads length and UTF-8: a text after its tag, or a name.
    pub(super) fn text(&mut self) -> Result<&'a str, EncodingError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| EncodingError::new("damaged: text that isn't UTF-8"))
    }

    /// Reads past the next value, which may nest `depth` levels deep, and gives its bytes.
    pub(super) fn value(&mut self, depth: usize) -> Result<&'a [u8], EncodingError> {
        let start = self.rest;
        self.skip(depth)?;
        Ok(self.since(start))
    }

    /// Reads past the next value, which may nest `depth` levels deep.
    pub(super) fn skip(&mut self, depth: usize) -> Result<(), EncodingError> {
        let inner = || depth.checked_sub(1).ok_or_else(too_deep);
        match self.head()? {
            Head::Some | Head::Variant(_) => self.skip(inner()?),
            Head::Sequence(count) | Head::Tuple(count) => {
                let inner = inner()?;
                (0..count).try_for_each(|_| self.skip(inner))
            }
            Head::Map(count) => {
                let inner = inner()?;
                (0..count).try_for_each(|_| self.skip(inner).and_then(|()| self.skip(inner)))
            }
            Head::Struct(count) => {
                let inner = inner()?;
                (0..count).try_for_each(|_| self.text().and_then(|_| self.skip(inner)))
            }
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

    fn byte(&mut self) -> Result<u8, EncodingError> {
        let (first, rest) = self.rest.split_first().ok_or_else(cut)?;
        self.rest = rest;
        Ok(*first)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EncodingError> {
        let (array, rest) = self.rest.split_first_chunk::<N>().ok_or_else(cut)?;
        self.rest = rest;
        Ok(*array)
    }

    fn bytes(&mut self) -> Result<&'a [u8], EncodingError> {
        let length = usize::try_from(self.varint()?).map_err(|_| cut())?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(cut)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// A number of things that take at least `least` bytes each. More than the bytes at hand could hold is damage.
    fn count(&mut self, least: usize) -> Result<usize, EncodingError> {
        let count = usize::try_from(self.varint()?).map_err(|_| cut())?;
        if count > self.rest.len() / least { Err(cut()) } else { Ok(count) }
    }

    /// Seven bits a byte, the lowest first; the shortest form is the only one.
    fn varint(&mut self) -> Result<u64, EncodingError> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let mut value = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let byte = self.byte()?;
            if byte == 0 || (shift == 63 && byte > 1) {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(EncodingError::new("damaged: a number that is too long"))
    }

    fn signed(&mut self) -> Result<i64, EncodingError> {
        let folded = self.varint()?;
        Ok((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }
}

/// Writes seven bits a byte, the lowest first.
pub(super) fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes a signed number with its sign in the lowest bit.
pub(super) fn write_signed(out: &mut Vec<u8>, value: i64) {
    write_varint(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Writes length and bytes.
pub(super) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn too_deep() -> EncodingError {
    EncodingError::new(format!("nested deeper than {MAX_DEPTH} levels"))
}

fn cut() -> EncodingError {
    EncodingError::new("damaged: the bytes end too early")
}

fn narrow<T: TryFrom<W>, W>(wide: W) -> Result<T, EncodingError> {
    T::try_from(wide).map_err(|_| EncodingError::new("damaged: a number that doesn't fit its width"))
}
