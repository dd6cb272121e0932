//! A whole store as a stream of BSON: `export` writes it, `import` reads it, whatever kind the stores are.
//!
//! The stream is documents one behind the other, [`stream`]: each with its number and a checksum that goes over all before
//! it, so that what is cut, damaged, left out or put elsewhere is found, with its place. [`form`] says how pieces of a
//! store are written. `docs/export-format.md` describes it.

use std::io::{Read, Write};

use bson::{Bson, doc};

use crate::error::{Error, ErrorKind, Result};
use crate::store::{Piece, Stamp, Store};

mod form;
mod stream;
#[cfg(test)]
pub(crate) mod tests;

use stream::{Reader, Writer};

/// What this build writes, and the newest that it reads.
const VERSION: i32 = 1;

/// What has been moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Moved {
    pub(crate) collections: u64,
    pub(crate) documents: u64,
    pub(crate) executions: u64,
    pub(crate) rows: u64,
    pub(crate) tombstones: u64,
    /// Executions that a worker owned, and that would go on in both places.
    pub(crate) owned: u64,
}

impl Moved {
    fn count(&mut self, piece: &Piece) {
        match piece {
            Piece::Collection { .. } => self.collections += 1,
            Piece::Documents { documents, .. } => self.documents += documents.len() as u64,
            Piece::Execution(execution) => {
                self.executions += 1;
                self.owned += u64::from(execution.status == crate::store::Status::Running);
            }
            Piece::Rows { rows, .. } => self.rows += rows.len() as u64,
            Piece::Tombstone { .. } => self.tombstones += 1,
        }
    }

    /// Documents and executions: what progress is measured in.
    pub(crate) fn progress(&self) -> u64 {
        self.documents + self.executions
    }
}

/// Writes all of a store. `progress` is told how much of how much is done.
///
/// # Errors
/// The store's, and those of `out`.
pub(crate) async fn export(
    store: &dyn Store,
    out: impl Write + Send,
    mut progress: impl FnMut(u64, u64) + Send,
) -> Result<Moved> {
    let mut pieces = store.export().await?;
    let total = pieces.total();
    let mut writer = Writer::new(out);
    let header = doc! {
        "outlast": "export",
        "version": VERSION,
        "made_by": env!("CARGO_PKG_VERSION"),
        "at": Stamp::now().0,
        "total": total as i64,
        "digest_key": binary(store.digest_key()),
    };
    writer.write(&header)?;
    let mut moved = Moved::default();
    loop {
        let some = pieces.next().await?;
        if some.is_empty() {
            break;
        }
        for piece in some {
            moved.count(&piece);
            writer.write(&form::document(piece)?)?;
        }
        progress(moved.progress(), total);
    }
    let end = doc! { "end": true, "documents": moved.documents as i64, "executions": moved.executions as i64 };
    writer.write(&end)?;
    writer.finish()?;
    Ok(moved)
}

/// Reads a stream into a store that holds nothing yet.
///
/// # Errors
/// [`ErrorKind::Conflict`] if the store holds something; [`ErrorKind::Damaged`] with the place for a stream that is cut or
/// damaged. What has been read until then is taken out again; where that can't be done, the error says so, and the store
/// can't be used.
pub(crate) async fn import(
    store: &dyn Store,
    input: impl Read + Send,
    progress: impl FnMut(u64, u64) + Send,
) -> Result<Moved> {
    let mut reader = Reader::new(input);
    let (total, digest_key) = header(&mut reader)?;
    store.begin_import(digest_key).await?;
    match fill(store, reader, total, progress).await {
        Ok(moved) => Ok(moved),
        Err(error) => Err(match store.abort_import().await {
            Ok(()) => error.context("nothing was imported: the store is as empty as before"),
            Err(stuck) => error.context(format!(
                "the import broke off, and what it had put in can't be taken out ({stuck}): remove the store, and import \
                 again"
            )),
        }),
    }
}

async fn fill<R: Read + Send>(
    store: &dyn Store,
    mut reader: Reader<R>,
    total: u64,
    mut progress: impl FnMut(u64, u64) + Send,
) -> Result<Moved> {
    let mut moved = Moved::default();
    let mut some = Vec::new();
    let mut bytes = 0;
    loop {
        let Some(document) = reader.read()? else {
            return Err(reader.damaged("the stream ends before its end"));
        };
        if document.get_bool("end").unwrap_or_default() {
            let counted = |name: &str| document.get_i64(name).unwrap_or(-1);
            if (counted("documents"), counted("executions")) != (moved.documents as i64, moved.executions as i64) {
                return Err(reader.damaged("the stream has other counts than it says"));
            }
            // What comes behind it would be lost without a word: another export, say.
            if reader.read().map_or(true, |more| more.is_some()) {
                return Err(reader.damaged("something stands behind its end; a stream is one export"));
            }
            break;
        }
        let piece = form::piece(document).map_err(|error| reader.damaged(&error.to_string()))?;
        moved.count(&piece);
        bytes += reader.last_bytes();
        some.push(piece);
        if some.len() >= 256 || bytes >= 4 << 20 {
            store.import(std::mem::take(&mut some)).await?;
            bytes = 0;
            progress(moved.progress(), total);
        }
    }
    if !some.is_empty() {
        store.import(some).await?;
    }
    store.end_import().await?;
    progress(moved.progress(), total);
    Ok(moved)
}

fn header<R: Read>(reader: &mut Reader<R>) -> Result<(u64, Vec<u8>)> {
    let foreign = || {
        Error::of(
            ErrorKind::Invalid,
            "this is no stream that outlast's `export` wrote: name one that is, or `-` to read it",
        )
    };
    let header = reader.read().map_err(|error| if reader.is_at_first() { foreign() } else { error })?;
    let mut header = header.ok_or_else(foreign)?;
    if header.get_str("outlast").is_ok_and(|what| what == "export") {
        let version = header.get_i32("version").unwrap_or_default();
        if !(1..=VERSION).contains(&version) {
            return Err(Error::of(
                ErrorKind::Unsupported,
                format!(
                    "the stream has version {version}, this build of outlast {} reads versions up to {VERSION}: use the \
                     release that wrote it, or a later one",
                    env!("CARGO_PKG_VERSION")
                ),
            ));
        }
        let total = header.get_i64("total").unwrap_or_default().max(0).unsigned_abs();
        if let Some(Bson::Binary(key)) = header.remove("digest_key") {
            return Ok((total, key.bytes));
        }
        return Err(reader.damaged("its header has no digest key"));
    }
    Err(foreign())
}

fn binary(bytes: Vec<u8>) -> Bson {
    Bson::Binary(bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes })
}
