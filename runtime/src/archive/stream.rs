//! The stream: documents with numbers and checksums.
//!
//! Each is `{ n, sum, body }`: `n` counts from 0; `sum` is the SipHash-2-4 (128 bits) of the sum before, the number, and the
//! bytes of `body`. It finds accidents; who can write the stream can write its sums.

use std::hash::Hasher;
use std::io::{ErrorKind as IoKind, Read, Write};

use bson::{Document, RawDocumentBuf, rawdoc};
use siphasher::sip128::{Hasher128, SipHasher24};

use super::binary;
use crate::error::{Error, ErrorKind, Result, ResultExt};

/// No document of a stream is larger: four values at their limits.
const LARGEST: usize = 1 << 30;

#[derive(Debug, Clone, Copy, Default)]
struct Chain {
    number: i64,
    sum: [u8; 16],
}

impl Chain {
    fn next(&mut self, body: &[u8]) -> [u8; 16] {
        let mut hasher = SipHasher24::new_with_key(&self.sum);
        hasher.write_i64(self.number);
        hasher.write(body);
        self.sum = hasher.finish128().as_bytes();
        self.number += 1;
        self.sum
    }
}

pub(super) struct Writer<W: Write> {
    out: std::io::BufWriter<W>,
    chain: Chain,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out: std::io::BufWriter::with_capacity(1 << 18, out), chain: Chain::default() }
    }

    pub(super) fn write(&mut self, body: &Document) -> Result<()> {
        let body = RawDocumentBuf::try_from(body)?;
        let number = self.chain.number;
        let sum = self.chain.next(body.as_bytes());
        let bson::Bson::Binary(sum) = binary(sum.to_vec()) else { return Ok(()) };
        let whole = rawdoc! { "n": number, "sum": sum, "body": body };
        self.out.write_all(whole.as_bytes()).context("the stream can't be written")
    }

    pub(super) fn finish(mut self) -> Result<()> {
        self.out.flush().context("the stream can't be written")
    }
}

pub(super) struct Reader<R> {
    input: std::io::BufReader<R>,
    chain: Chain,
    /// Where the last document began, and how long it is.
    began: u64,
    length: usize,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input: std::io::BufReader::with_capacity(1 << 18, input), chain: Chain::default(), began: 0, length: 0 }
    }

    /// Whether nothing was understood yet.
    pub(super) fn is_at_first(&self) -> bool {
        self.chain.number == 0
    }

    pub(super) fn last_bytes(&self) -> usize {
        self.length
    }

    /// The error of a stream that is wrong at the last document.
    pub(super) fn damaged(&self, why: &str) -> Error {
        let (number, place) = (self.chain.number, self.began);
        let message = format!("the stream is damaged at byte {place} (document {number}): {why}. Export again");
        Error::of(ErrorKind::Damaged, message)
    }

    /// The next body; `None` where the stream ends between two documents.
    pub(super) fn read(&mut self) -> Result<Option<Document>> {
        self.began += self.length as u64;
        self.length = 0;
        let mut head = [0; 4];
        match self.fill(&mut head)? {
            0 => return Ok(None),
            4 => (),
            _ => return Err(self.damaged("it is cut off")),
        }
        let length = i32::from_le_bytes(head);
        let length = usize::try_from(length).ok().filter(|length| (5..=LARGEST).contains(length));
        let length = length.ok_or_else(|| self.damaged("it has no length that a document can have"))?;
        // Grows as it comes: a wrong length takes no memory.
        let mut bytes = head.to_vec();
        let rest = (&mut self.input).take(length as u64 - 4).read_to_end(&mut bytes);
        rest.context("the stream can't be read")?;
        if bytes.len() < length {
            return Err(self.damaged("it is cut off"));
        }
        self.length = length;
        let whole = RawDocumentBuf::from_bytes(bytes).map_err(|error| self.damaged(&error.to_string()))?;
        let number = whole.get_i64("n").map_err(|_| self.damaged("a document has no number"))?;
        let body = whole.get_document("body").map_err(|_| self.damaged("a document has no body"))?;
        let sum = whole.get_binary("sum").map_err(|_| self.damaged("a document has no checksum"))?;
        if number != self.chain.number {
            return Err(self.damaged(&format!("document {number} stands in its place")));
        }
        let mut chain = self.chain;
        if chain.next(body.as_bytes()) != sum.bytes {
            return Err(self.damaged("its checksum is another one"));
        }
        let body = Document::try_from(body).map_err(|error| self.damaged(&error.to_string()))?;
        self.chain = chain;
        Ok(Some(body))
    }

    /// Reads until the buffer is full or the stream has ended: how much.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.input.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == IoKind::Interrupted => (),
                Err(error) => return Err(Error::from(error).context("the stream can't be read")),
            }
        }
        Ok(filled)
    }
}
