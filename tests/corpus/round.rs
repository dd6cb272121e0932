//! Each document of the corpus into a store and out of it.

use std::collections::BTreeMap;
use std::fmt;

use bson::{RawDocument, RawDocumentBuf, doc};
use outlast::{App, Error, ErrorKind, collection};

use super::cases::{bytes, files};

/// A document's name, and why it isn't asked for on this store.
pub(crate) type LeftOut = (&'static str, &'static str);

/// What became of all.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Documents that came out as they went in.
    pub(crate) kept: usize,
    /// Bytes that were refused.
    pub(crate) refused: usize,
    pub(crate) left_out: BTreeMap<&'static str, usize>,
    pub(crate) failed: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kept, refused, left_out, failed } = self;
        let out: usize = left_out.values().sum();
        writeln!(f, "BSON corpus: {kept} kept, {refused} refused, {out} left out, {} failed", failed.len())?;
        for (reason, count) in left_out {
            writeln!(f, "  {count:4}  {reason}")?;
        }
        for what in failed {
            writeln!(f, "  FAILED  {what}")?;
        }
        Ok(())
    }
}

/// The whole corpus on a store.
pub(crate) async fn all(store: &str, left_out: &[LeftOut]) -> Tally {
    let app = App::new().store(store).start().await.unwrap();
    let mut tally = Tally::default();
    let mut left_out: BTreeMap<_, _> = left_out.iter().copied().collect();
    for file in files() {
        for valid in &file.valid {
            let name = format!("{}: {}", file.name, valid.description);
            let canonical = bytes(&valid.canonical_bson);
            let written = [Some(canonical.clone()), valid.degenerate_bson.as_deref().map(bytes)];
            let mut came = Ok(());
            for written in written.into_iter().flatten() {
                // By itself, and as a field of another.
                for wrapped in [alone, within] {
                    let done = app.scope(kept(&wrapped(&written), &wrapped(&canonical))).await;
                    came = came.and(done);
                }
            }
            match (came, left_out.remove(name.as_str())) {
                (Ok(()), None) => tally.kept += 1,
                (Err(_), Some(reason)) => *tally.left_out.entry(reason).or_default() += 1,
                (Err(why), None) => tally.failed.push(format!("{name}: {why}")),
                (Ok(()), Some(reason)) => tally.failed.push(format!("{name}: this isn't so any more: {reason}")),
            }
        }
        for broken in &file.decode_errors {
            let name = format!("{}: {}", file.name, broken.description);
            let done = app.scope(refused(bytes(&broken.bson))).await;
            match (done, left_out.remove(name.as_str())) {
                (Ok(()), None) => tally.refused += 1,
                (Err(_), Some(reason)) => *tally.left_out.entry(reason).or_default() += 1,
                (Err(why), None) => tally.failed.push(format!("{name}: {why}")),
                (Ok(()), Some(reason)) => tally.failed.push(format!("{name}: this isn't so any more: {reason}")),
            }
        }
    }
    tally.failed.extend(left_out.keys().map(|name| format!("there is no {name} in the corpus")));
    app.shutdown().await;
    tally
}

/// The document with an `_id` in front, if it has none.
fn alone(document: &[u8]) -> Vec<u8> {
    if RawDocument::from_bytes(document).is_ok_and(|raw| raw.get("_id").is_ok_and(|id| id.is_some())) {
        return document.to_vec();
    }
    let id = doc! { "_id": 1 }.to_vec().unwrap();
    sized([&id[4..id.len() - 1], &document[4..]].concat())
}

/// A document that has it as its field.
fn within(document: &[u8]) -> Vec<u8> {
    let id = doc! { "_id": 1 }.to_vec().unwrap();
    sized([&id[4..id.len() - 1], b"\x03inside\0", document, b"\0"].concat())
}

/// A document of these bytes, with their size in front.
fn sized(rest: Vec<u8>) -> Vec<u8> {
    let size = i32::try_from(rest.len() + 4).unwrap().to_le_bytes();
    [&size[..], &rest].concat()
}

/// What went in comes out, or as it should have been written.
async fn kept(written: &[u8], canonical: &[u8]) -> Result<(), String> {
    let said = |error: Error| format!("{error:?}");
    let documents = collection::<RawDocumentBuf>("corpus");
    documents.delete_many(doc! {}).await.map_err(said)?;
    let raw = RawDocumentBuf::from_bytes(written.to_vec()).map_err(|error| error.to_string())?;
    documents.insert_one(raw).await.map_err(said)?;
    let found = documents.find_one(doc! {}).await.map_err(said)?.ok_or("it isn't there")?;
    if found.as_bytes() == written || found.as_bytes() == canonical {
        return Ok(());
    }
    Err(format!("{written:02x?} went in, {:02x?} came out", found.as_bytes()))
}

/// What is no document can't be stored, as itself or in another.
async fn refused(broken: Vec<u8>) -> Result<(), String> {
    let documents = collection::<RawDocumentBuf>("corpus");
    documents.delete_many(doc! {}).await.map_err(|error| error.to_string())?;
    for bytes in [broken.clone(), within(&broken)] {
        let Ok(raw) = RawDocumentBuf::from_bytes(bytes) else { continue };
        match documents.insert_one(&raw).await {
            Ok(_) => return Err(format!("{:02x?} was stored", raw.as_bytes())),
            Err(error) if error.kind() == ErrorKind::Invalid || error.kind() == ErrorKind::NotRecordable => (),
            Err(error) => return Err(format!("{:02x?}: {error:?}", raw.as_bytes())),
        }
    }
    Ok(())
}
