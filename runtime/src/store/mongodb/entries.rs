//! Entries of the log, to documents and back.

use std::sync::Arc;
use std::time::Duration;

use bson::{Bson, Document, doc};

use super::schema::binary;
use super::{bytes, digest_of, failure::Failure, text, unknown};
use crate::store::{Attempt, ExecutionId, Key, Kind, Name, Outcome, Row, RowKind, Stamp, Value};

const OUTCOME: i32 = 1;
const ARRIVAL: i32 = 2;
const CANCEL: i32 = 3;
const DEADLINE: i32 = 4;
const ATTEMPT: i32 = 5;
const FENCE: i32 = 6;

/// Something in an execution's log.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its place.
    pub(super) place: i64,
    /// The epoch of who wrote it; of a fence, the one that it ends.
    pub(super) epoch: i64,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// A row of the record, and the message it came from.
    Row(Row, Option<Arc<str>>),
    /// An attempt: the last one of its operation counts.
    Attempt(Attempt),
    /// Here the owner of the epoch was taken back from.
    Fence,
}

/// The `_id` of an entry.
pub(super) fn entry_id(execution: &ExecutionId, place: i64) -> Document {
    doc! { "e": &*execution.0, "p": place }
}

/// Selects an execution's entries from a place on.
pub(super) fn from_place(execution: &ExecutionId, place: i64) -> Document {
    // The field, too: see `Found::indexed_log`.
    let range = doc! { "$gte": entry_id(execution, place), "$lte": entry_id(execution, i64::MAX) };
    doc! { "_id": range, "_id.e": &*execution.0, "_id.p": { "$gte": place } }
}

/// The form on disk of which kind of value it is.
pub(super) fn outcome_number(value: &Value) -> i32 {
    match value {
        Value::Ok(_) => 1,
        Value::Err(_) => 2,
        Value::Fault(_) => 3,
    }
}

/// A value from its number and bytes.
pub(super) fn value_of(number: i32, bytes: Vec<u8>) -> Result<Value, Failure> {
    match number {
        1 => Ok(Value::Ok(bytes)),
        2 => Ok(Value::Err(bytes)),
        3 => Ok(Value::Fault(bytes)),
        _ => Err(unknown("an outcome", number)),
    }
}

/// The values of a row that may have to be spilled: arguments and value.
pub(super) fn values_of(row: &RowKind) -> (&[u8], &[u8]) {
    match row {
        RowKind::Outcome(outcome) => (&outcome.arguments, outcome.value.bytes()),
        RowKind::Arrival { payload, .. } => (&[], payload),
        RowKind::Cancel { reason } => (&[], reason.as_bytes()),
        RowKind::Deadline => (&[], &[]),
    }
}

/// Where an entry stands, and who wrote it.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    pub(super) place: i64,
    pub(super) epoch: i64,
    pub(super) stamp: Stamp,
}

/// A row as a document, its values as they are given.
pub(super) fn row(
    execution: &ExecutionId,
    at: At,
    seq: u64,
    row: &RowKind,
    message: Option<&str>,
    values: (Bson, Bson),
) -> Document {
    let mut document = doc! {
        "_id": entry_id(execution, at.place), "epoch": at.epoch, "seq": seq as i64, "stamp": at.stamp.0,
    };
    match row {
        RowKind::Outcome(outcome) => {
            document.extend(doc! {
                "type": OUTCOME,
                "kind": i32::from(outcome.kind as u8),
                "name": &*outcome.key.name,
                "digest": binary(outcome.key.digest.0.to_vec()),
                "ordinal": i64::from(outcome.key.ordinal),
                "name_ordinal": i64::from(outcome.name_ordinal),
                "arguments": values.0,
                "outcome": outcome_number(&outcome.value),
                "value": values.1,
                "attempts": i64::from(outcome.attempts),
                "build": outcome.build as i64,
            });
        }
        RowKind::Arrival { name, .. } => document.extend(doc! { "type": ARRIVAL, "name": &**name, "value": values.1 }),
        RowKind::Cancel { .. } => document.extend(doc! { "type": CANCEL, "value": values.1 }),
        RowKind::Deadline => document.extend(doc! { "type": DEADLINE }),
    }
    if let Some(message) = message {
        document.insert("message", message);
    }
    document
}

/// A row's values where none has to be spilled.
pub(super) fn plain_values(row: &RowKind) -> (Bson, Bson) {
    let (arguments, value) = values_of(row);
    (binary(arguments.to_vec()), binary(value.to_vec()))
}

/// An attempt as a document.
pub(super) fn attempt(execution: &ExecutionId, at: At, attempt: &Attempt) -> Document {
    doc! {
        "_id": entry_id(execution, at.place),
        "epoch": at.epoch,
        "stamp": at.stamp.0,
        "type": ATTEMPT,
        "name": &*attempt.key.name,
        "digest": binary(attempt.key.digest.0.to_vec()),
        "ordinal": i64::from(attempt.key.ordinal),
        "failed": i64::from(attempt.failed),
        "spent": i64::try_from(attempt.spent.as_millis()).unwrap_or(i64::MAX),
        "next": attempt.next.0,
        "value": binary(attempt.error.clone()),
        "started": attempt.started,
    }
}

/// A fence as a document: nobody writes under this epoch any more.
pub(super) fn fence(execution: &ExecutionId, at: At) -> Document {
    doc! { "_id": entry_id(execution, at.place), "epoch": at.epoch, "stamp": at.stamp.0, "type": FENCE }
}

fn number(document: &Document, field: &str) -> Result<i64, Failure> {
    document.get_i64(field).map_err(|_| Failure::Damaged(format!("an entry of a log has no `{field}`")))
}

fn small(document: &Document, field: &str) -> Result<u32, Failure> {
    u32::try_from(number(document, field)?).map_err(|_| Failure::Damaged(format!("an entry's `{field}` is too large")))
}

fn name(document: &Document) -> Result<Arc<str>, Failure> {
    let name = document.get_str("name").map_err(|_| Failure::Damaged("an entry of a log has no `name`".into()))?;
    Ok(name.into())
}

fn key(document: &mut Document) -> Result<Key, Failure> {
    let digest = digest_of(&bytes(document, "digest").unwrap_or_default())?;
    Ok(Key { name: Name::Shared(name(document)?), digest, ordinal: small(document, "ordinal")? })
}

/// Which execution an entry belongs to.
pub(super) fn execution_of(document: &Document) -> Option<&str> {
    document.get_document("_id").ok()?.get_str("e").ok()
}

/// An entry from its document.
pub(super) fn entry(mut document: Document) -> Result<Entry, Failure> {
    let id = document.get_document("_id").ok();
    let place = id.and_then(|id| id.get_i64("p").ok());
    let place = place.ok_or_else(|| Failure::Damaged("an entry of a log has no place".into()))?;
    let epoch = number(&document, "epoch")?;
    let what = match document.get_i32("type").unwrap_or_default() {
        FENCE => What::Fence,
        ATTEMPT => What::Attempt(Attempt {
            key: key(&mut document)?,
            failed: small(&document, "failed")?,
            spent: Duration::from_millis(number(&document, "spent")?.max(0).unsigned_abs()),
            next: Stamp(number(&document, "next")?),
            error: bytes(&mut document, "value").unwrap_or_default(),
            started: document.get_bool("started").unwrap_or_default(),
        }),
        kind => {
            let (seq, stamp) = (number(&document, "seq")? as u64, Stamp(number(&document, "stamp")?));
            let message = document.get_str("message").ok().map(Arc::from);
            What::Row(Row { seq, stamp, kind: row_kind(kind, &mut document)? }, message)
        }
    };
    Ok(Entry { place, epoch, what })
}

fn row_kind(kind: i32, document: &mut Document) -> Result<RowKind, Failure> {
    Ok(match kind {
        OUTCOME => {
            let kind = document.get_i32("kind").unwrap_or_default();
            let value = bytes(document, "value").unwrap_or_default();
            RowKind::Outcome(Outcome {
                kind: u8::try_from(kind).ok().and_then(Kind::of).ok_or_else(|| unknown("an operation's kind", kind))?,
                key: key(document)?,
                name_ordinal: small(document, "name_ordinal")?,
                arguments: bytes(document, "arguments").unwrap_or_default(),
                value: value_of(document.get_i32("outcome").unwrap_or_default(), value)?,
                attempts: small(document, "attempts")?,
                build: number(document, "build")? as u64,
            })
        }
        ARRIVAL => RowKind::Arrival { name: name(document)?, payload: bytes(document, "value").unwrap_or_default() },
        CANCEL => RowKind::Cancel { reason: text(bytes(document, "value").unwrap_or_default()) },
        DEADLINE => RowKind::Deadline,
        number => return Err(unknown("a row's type", number)),
    })
}
