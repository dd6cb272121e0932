//! Pieces of a store as documents, and back. Numbers that are 64 bits without a sign stand as the same bits with one.

use std::sync::Arc;
use std::time::Duration;

use bson::{Bson, Document, RawDocumentBuf, doc};

use super::binary;
use crate::data::collection::not_reserved;
use crate::data::models::IndexModel;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{
    Attempt, Digest, End, Epoch, ExecutionId, Finished, Key, Kind, Message, MessageBody, Name, Outcome, Piece,
    Portable, Row, RowKind, Stamp, Status, Value, Watcher,
};

/// A piece as a document.
pub(super) fn document(piece: Piece) -> Result<Document> {
    Ok(match piece {
        Piece::Collection { name, indexes } => {
            let indexes = indexes.iter().map(bson::serialize_to_document).collect::<Result<Vec<_>, _>>()?;
            doc! { "collection": &*name, "indexes": indexes }
        }
        Piece::Documents { collection, documents } => {
            let documents: Vec<Bson> = documents.into_iter().map(|document| binary(document.into_bytes())).collect();
            doc! { "documents": documents, "of": &*collection }
        }
        Piece::Execution(execution) => doc! { "execution": of_execution(*execution) },
        Piece::Rows { execution, rows } => {
            let rows: Vec<Document> = rows.into_iter().map(of_row).collect();
            doc! { "rows": rows, "of": execution.as_str() }
        }
        Piece::Tombstone { id, digest, ended } => {
            doc! { "tombstone": id.as_str(), "digest": binary(digest.0.to_vec()), "ended": ended.0 }
        }
    })
}

/// Adds a field if there is a value.
fn put(document: &mut Document, name: &str, value: Option<impl Into<Bson>>) {
    if let Some(value) = value {
        document.insert(name, value);
    }
}

fn of_execution(execution: Portable) -> Document {
    let status = match execution.status {
        Status::Running | Status::Ready => "ready",
        other => other.name(),
    };
    let mut document = doc! {
        "id": execution.id.as_str(),
        "function": &*execution.function,
        "version": i64::from(execution.version),
        "arguments": binary(execution.arguments),
        "digest": binary(execution.digest.0.to_vec()),
        "status": status,
        "epoch": execution.epoch.0 as i64,
        "created": execution.created.0,
        "seed": execution.seed as i64,
        "crashes": i64::from(execution.crashes),
        "attempts": execution.attempts.into_iter().map(of_attempt).collect::<Vec<_>>(),
        "inbox": execution.inbox.into_iter().map(of_message).collect::<Vec<_>>(),
        "watchers": execution.watchers.iter().map(of_watcher).collect::<Vec<_>>(),
    };
    for (name, stamp) in [
        ("wake", execution.wake.filter(|_| status != "ready")),
        ("started", execution.started),
        ("deadline", execution.deadline),
        ("ended", execution.ended),
    ] {
        put(&mut document, name, stamp.map(|stamp| stamp.0));
    }
    put(&mut document, "parent", execution.parent.map(String::from));
    put(&mut document, "finished", execution.finished.map(of_finished));
    put(&mut document, "reason", execution.reason.map(binary));
    put(&mut document, "until_build", execution.until_build.map(|build| build as i64));
    document
}

fn of_value(value: Value) -> Document {
    let (name, bytes) = match value {
        Value::Ok(bytes) => ("ok", bytes),
        Value::Err(bytes) => ("err", bytes),
        Value::Fault(bytes) => ("fault", bytes),
    };
    doc! { name: binary(bytes) }
}

fn of_finished(finished: Finished) -> Document {
    doc! { "end": finished.end as i32, "value": of_value(finished.value) }
}

fn of_key(key: &Key) -> Document {
    doc! { "name": &*key.name, "digest": binary(key.digest.0.to_vec()), "ordinal": i64::from(key.ordinal) }
}

fn of_attempt(attempt: Attempt) -> Document {
    doc! {
        "key": of_key(&attempt.key),
        "failed": i64::from(attempt.failed),
        "spent": i64::try_from(attempt.spent.as_millis()).unwrap_or(i64::MAX),
        "next": attempt.next.0,
        "error": binary(attempt.error),
        "started": attempt.started,
    }
}

fn of_watcher(watcher: &Watcher) -> Document {
    doc! { "execution": watcher.execution.as_str(), "message": &*watcher.message }
}

fn of_message(message: Message) -> Document {
    let mut document = doc! { "id": &*message.id };
    document.extend(match message.body {
        MessageBody::Signal { name, payload } => doc! { "signal": &*name, "payload": binary(payload) },
        MessageBody::Cancel { reason } => doc! { "cancel": reason },
        MessageBody::Ended { execution, finished } => {
            doc! { "ended": execution.as_str(), "finished": of_finished(finished) }
        }
    });
    document
}

fn of_row((row, message): (Row, Option<Arc<str>>)) -> Document {
    let mut document = doc! { "seq": row.seq as i64, "stamp": row.stamp.0 };
    document.extend(match row.kind {
        RowKind::Outcome(outcome) => doc! {
            "outcome": outcome.kind as i32,
            "key": of_key(&outcome.key),
            "name_ordinal": i64::from(outcome.name_ordinal),
            "arguments": binary(outcome.arguments),
            "value": of_value(outcome.value),
            "attempts": i64::from(outcome.attempts),
            "build": outcome.build as i64,
        },
        RowKind::Arrival { name, payload } => doc! { "arrival": &*name, "payload": binary(payload) },
        RowKind::Cancel { reason } => doc! { "cancel": reason },
        RowKind::Deadline => doc! { "deadline": true },
    });
    put(&mut document, "message", message.as_deref());
    document
}

/// The piece of a document.
pub(super) fn piece(document: Document) -> Result<Piece> {
    let mut taken = Taken(document);
    if let Some(name) = taken.maybe_text("collection")? {
        not_reserved(&name)?;
        let indexes = taken.documents("indexes")?.into_iter().map(bson::deserialize_from_document::<IndexModel>);
        return Ok(Piece::Collection { name: name.into(), indexes: indexes.collect::<Result<_, _>>()? });
    }
    if let Some(documents) = taken.maybe_array("documents")? {
        let documents = documents.into_iter().map(|document| match document {
            Bson::Binary(document) => Ok(RawDocumentBuf::from_bytes(document.bytes)?),
            _ => Err(missing("documents")),
        });
        let collection = taken.text("of")?;
        not_reserved(&collection)?;
        return Ok(Piece::Documents { collection: collection.into(), documents: documents.collect::<Result<_>>()? });
    }
    if let Some(Bson::Document(execution)) = taken.0.remove("execution") {
        return Ok(Piece::Execution(Box::new(execution_of(Taken(execution))?)));
    }
    if let Some(rows) = taken.maybe_array("rows")? {
        let rows = rows.into_iter().map(|row| match row {
            Bson::Document(row) => row_of(Taken(row)),
            _ => Err(missing("rows")),
        });
        return Ok(Piece::Rows { execution: taken.text("of")?.into(), rows: rows.collect::<Result<_>>()? });
    }
    if let Some(id) = taken.maybe_text("tombstone")? {
        return Ok(Piece::Tombstone { id: id.into(), digest: taken.digest()?, ended: taken.stamp("ended")? });
    }
    Err(Error::of(ErrorKind::Damaged, "a document is no piece of a store that this build knows"))
}

fn missing(name: &str) -> Error {
    Error::of(ErrorKind::Damaged, format!("`{name}` is missing, or isn't what it should be"))
}

/// A document whose fields are taken out one after the other.
struct Taken(Document);

impl Taken {
    fn maybe_text(&mut self, name: &str) -> Result<Option<String>> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Bson::String(text)) => Ok(Some(text)),
            Some(_) => Err(missing(name)),
        }
    }

    fn text(&mut self, name: &str) -> Result<String> {
        self.maybe_text(name)?.ok_or_else(|| missing(name))
    }

    fn maybe_array(&mut self, name: &str) -> Result<Option<Vec<Bson>>> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Bson::Array(values)) => Ok(Some(values)),
            Some(_) => Err(missing(name)),
        }
    }

    fn documents(&mut self, name: &str) -> Result<Vec<Document>> {
        let values = self.maybe_array(name)?.ok_or_else(|| missing(name))?;
        let one = |value| if let Bson::Document(document) = value { Ok(document) } else { Err(missing(name)) };
        values.into_iter().map(one).collect()
    }

    fn document(&mut self, name: &str) -> Result<Self> {
        match self.0.remove(name) {
            Some(Bson::Document(document)) => Ok(Self(document)),
            _ => Err(missing(name)),
        }
    }

    fn maybe_bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Bson::Binary(binary)) => Ok(Some(binary.bytes)),
            Some(_) => Err(missing(name)),
        }
    }

    fn bytes(&mut self, name: &str) -> Result<Vec<u8>> {
        self.maybe_bytes(name)?.ok_or_else(|| missing(name))
    }

    fn maybe_number(&mut self, name: &str) -> Result<Option<i64>> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Bson::Int64(number)) => Ok(Some(number)),
            Some(Bson::Int32(number)) => Ok(Some(number.into())),
            Some(_) => Err(missing(name)),
        }
    }

    fn number(&mut self, name: &str) -> Result<i64> {
        self.maybe_number(name)?.ok_or_else(|| missing(name))
    }

    fn small(&mut self, name: &str) -> Result<u32> {
        u32::try_from(self.number(name)?).map_err(|_| missing(name))
    }

    fn stamp(&mut self, name: &str) -> Result<Stamp> {
        self.number(name).map(Stamp)
    }

    fn maybe_stamp(&mut self, name: &str) -> Result<Option<Stamp>> {
        Ok(self.maybe_number(name)?.map(Stamp))
    }

    fn digest(&mut self) -> Result<Digest> {
        self.bytes("digest")?.try_into().map(Digest).map_err(|_| missing("digest"))
    }

    fn value(&mut self) -> Result<Value> {
        let mut value = self.document("value")?;
        if let Some(bytes) = value.maybe_bytes("ok")? {
            return Ok(Value::Ok(bytes));
        }
        if let Some(bytes) = value.maybe_bytes("err")? {
            return Ok(Value::Err(bytes));
        }
        value.bytes("fault").map(Value::Fault)
    }

    fn finished(&mut self) -> Result<Finished> {
        let end = match self.number("end")? {
            1 => End::Succeeded,
            2 => End::Failed,
            3 => End::Cancelled,
            _ => return Err(missing("end")),
        };
        Ok(Finished { end, value: self.value()? })
    }

    fn key(&mut self) -> Result<Key> {
        let mut key = self.document("key")?;
        Ok(Key { name: Name::from(key.text("name")?), digest: key.digest()?, ordinal: key.small("ordinal")? })
    }
}

fn execution_of(mut taken: Taken) -> Result<Portable> {
    let finished = if taken.0.contains_key("finished") { Some(taken.document("finished")?.finished()?) } else { None };
    let status = match (taken.text("status")?.as_str(), &finished) {
        ("ready", _) => Status::Ready,
        ("waiting", _) => Status::Waiting,
        ("parked", _) => Status::Parked,
        (_, Some(finished)) => Status::Ended(finished.end),
        _ => return Err(missing("status")),
    };
    let attempts = taken.documents("attempts")?.into_iter().map(|attempt| {
        let mut attempt = Taken(attempt);
        Ok(Attempt {
            key: attempt.key()?,
            failed: attempt.small("failed")?,
            spent: Duration::from_millis(attempt.number("spent")?.max(0).unsigned_abs()),
            next: attempt.stamp("next")?,
            error: attempt.bytes("error")?,
            started: attempt.0.get_bool("started").map_err(|_| missing("started"))?,
        })
    });
    let attempts = attempts.collect::<Result<_>>()?;
    let watchers = taken.documents("watchers")?.into_iter().map(|watcher| {
        let mut watcher = Taken(watcher);
        Ok(Watcher { execution: watcher.text("execution")?.into(), message: watcher.text("message")?.into() })
    });
    let watchers = watchers.collect::<Result<_>>()?;
    Ok(Portable {
        id: taken.text("id")?.into(),
        function: Name::from(taken.text("function")?),
        version: taken.small("version")?,
        arguments: taken.bytes("arguments")?,
        digest: taken.digest()?,
        status,
        epoch: Epoch(taken.number("epoch")? as u64),
        wake: taken.maybe_stamp("wake")?,
        created: taken.stamp("created")?,
        started: taken.maybe_stamp("started")?,
        deadline: taken.maybe_stamp("deadline")?,
        parent: taken.maybe_text("parent")?.map(ExecutionId::from),
        seed: taken.number("seed")? as u64,
        crashes: taken.small("crashes")?,
        ended: taken.maybe_stamp("ended")?,
        finished,
        reason: taken.maybe_bytes("reason")?,
        until_build: taken.maybe_number("until_build")?.map(|build| build as u64),
        attempts,
        inbox: taken
            .documents("inbox")?
            .into_iter()
            .map(|message| message_of(Taken(message)))
            .collect::<Result<_>>()?,
        watchers,
    })
}

fn message_of(mut taken: Taken) -> Result<Message> {
    let id: Arc<str> = taken.text("id")?.into();
    let body = if let Some(name) = taken.maybe_text("signal")? {
        MessageBody::Signal { name: name.into(), payload: taken.bytes("payload")? }
    } else if let Some(reason) = taken.maybe_text("cancel")? {
        MessageBody::Cancel { reason }
    } else {
        let execution = taken.text("ended")?.into();
        MessageBody::Ended { execution, finished: taken.document("finished")?.finished()? }
    };
    Ok(Message { id, body })
}

fn row_of(mut taken: Taken) -> Result<(Row, Option<Arc<str>>)> {
    let (seq, stamp) = (taken.number("seq")? as u64, taken.stamp("stamp")?);
    let message = taken.maybe_text("message")?.map(Arc::from);
    let kind = if let Some(kind) = taken.maybe_number("outcome")? {
        RowKind::Outcome(Outcome {
            kind: u8::try_from(kind).ok().and_then(Kind::of).ok_or_else(|| missing("outcome"))?,
            key: taken.key()?,
            name_ordinal: taken.small("name_ordinal")?,
            arguments: taken.bytes("arguments")?,
            value: taken.value()?,
            attempts: taken.small("attempts")?,
            build: taken.number("build")? as u64,
        })
    } else if let Some(name) = taken.maybe_text("arrival")? {
        RowKind::Arrival { name: name.into(), payload: taken.bytes("payload")? }
    } else if let Some(reason) = taken.maybe_text("cancel")? {
        RowKind::Cancel { reason }
    } else if taken.0.contains_key("deadline") {
        RowKind::Deadline
    } else {
        return Err(missing("a row's kind"));
    };
    Ok((Row { seq, stamp, kind }, message))
}
