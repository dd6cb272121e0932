//! Rows, attempts and messages, to the tables and back. One statement each; who may call them is decided elsewhere.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, Statement, params};

use super::failure::{Failure, is_duplicate};
use crate::hashing::FastMap;
use crate::store::{
    Attempt, Digest, End, ExecutionId, Finished, Key, Kind, MAX_INBOX, MAX_ROWS_FOR_SIGNALS, Message, MessageBody,
    Name, Outcome, Row, RowKind, Stamp, Value,
};

const ROW_OUTCOME: u8 = 1;
const ROW_ARRIVAL: u8 = 2;
const ROW_CANCEL: u8 = 3;
const ROW_DEADLINE: u8 = 4;

const MESSAGE_SIGNAL: u8 = 1;
const MESSAGE_CANCEL: u8 = 2;
const MESSAGE_ENDED: u8 = 3;

/// The form on disk of which kind of value it is.
pub(super) fn outcome_number(value: &Value) -> u8 {
    match value {
        Value::Ok(_) => 1,
        Value::Err(_) => 2,
        Value::Fault(_) => 3,
    }
}

fn value_of(number: u8, bytes: Vec<u8>) -> Result<Value, Failure> {
    match number {
        1 => Ok(Value::Ok(bytes)),
        2 => Ok(Value::Err(bytes)),
        3 => Ok(Value::Fault(bytes)),
        _ => Err(unknown("an outcome", number)),
    }
}

/// The end of a number on disk.
pub(super) fn end_of(number: u8) -> Result<End, Failure> {
    match number {
        1 => Ok(End::Succeeded),
        2 => Ok(End::Failed),
        3 => Ok(End::Cancelled),
        _ => Err(unknown("a status", number)),
    }
}

/// An end from its three columns.
pub(super) fn finished(status: u8, outcome: u8, value: Vec<u8>) -> Result<Finished, Failure> {
    Ok(Finished { end: end_of(status)?, value: value_of(outcome, value)? })
}

pub(super) fn unknown(what: &str, number: u8) -> Failure {
    Failure::Damaged(format!("{what} has the unknown number {number}"))
}

fn digest_of(bytes: &[u8]) -> Result<Digest, Failure> {
    bytes.try_into().map(Digest).map_err(|_| Failure::Damaged(format!("a digest has {} bytes", bytes.len())))
}

/// A digest from its column.
pub(super) fn digest(row: &SqlRow<'_>, column: usize) -> Result<Digest, Failure> {
    digest_of(row.get_ref(column)?.as_blob().map_err(|error| Failure::Damaged(error.to_string()))?)
}

/// A name from its column.
pub(super) fn name(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<Name> {
    row.get::<_, Arc<str>>(column).map(Name::Shared)
}

/// Writes a row; `false` if its place is taken.
pub(super) fn insert_row(
    connection: &Connection,
    insert_outcome: &mut Statement<'_>,
    execution: &ExecutionId,
    seq: u64,
    stamp: Stamp,
    row: &RowKind,
    message: Option<&str>,
) -> Result<bool, Failure> {
    let (id, seq) = (&*execution.0, seq as i64);
    let done = match row {
        RowKind::Outcome(outcome) => insert_outcome.execute(params![
            id,
            seq,
            stamp.0,
            ROW_OUTCOME,
            outcome.kind as u8,
            &*outcome.key.name,
            outcome.key.digest.0.as_slice(),
            outcome.key.ordinal,
            outcome.name_ordinal,
            outcome.arguments,
            outcome_number(&outcome.value),
            outcome.value.bytes(),
            outcome.attempts,
            outcome.build as i64,
            message,
        ]),
        RowKind::Arrival { name, payload } => {
            insert_other(connection, params![id, seq, stamp.0, ROW_ARRIVAL, &**name, payload, message])
        }
        RowKind::Cancel { reason } => {
            let none: Option<&str> = None;
            insert_other(connection, params![id, seq, stamp.0, ROW_CANCEL, none, reason.as_bytes(), message])
        }
        RowKind::Deadline => {
            let none: Option<&str> = None;
            insert_other(connection, params![id, seq, stamp.0, ROW_DEADLINE, none, none, message])
        }
    };
    match done {
        Ok(_) => Ok(true),
        Err(error) if is_duplicate(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn insert_other(connection: &Connection, values: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO outlast_rows (execution, seq, stamp, type, name, value, message) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(values)
}

/// An execution's record, in order.
pub(super) fn rows(connection: &Connection, execution: &ExecutionId) -> Result<Vec<Row>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, stamp, type, kind, name, digest, ordinal, name_ordinal, arguments, outcome, value, attempts, build \
         FROM outlast_rows WHERE execution = ? ORDER BY seq",
    )?;
    let mut found = statement.query([&*execution.0])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(Row { seq: row.get::<_, i64>(0)? as u64, stamp: Stamp(row.get(1)?), kind: row_kind(row)? });
    }
    Ok(rows)
}

/// The messages that became rows, by their places.
pub(super) fn messages_of_rows(
    connection: &Connection,
    execution: &ExecutionId,
) -> Result<FastMap<u64, Arc<str>>, Failure> {
    let mut find = connection
        .prepare_cached("SELECT seq, message FROM outlast_rows WHERE execution = ? AND message IS NOT NULL")?;
    let found = find.query_map([&*execution.0], |row| Ok((row.get::<_, i64>(0)? as u64, row.get(1)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

fn row_kind(row: &SqlRow<'_>) -> Result<RowKind, Failure> {
    Ok(match row.get(2)? {
        ROW_OUTCOME => {
            let kind = row.get(3)?;
            RowKind::Outcome(Outcome {
                kind: Kind::of(kind).ok_or_else(|| unknown("an operation's kind", kind))?,
                key: Key { name: name(row, 4)?, digest: digest(row, 5)?, ordinal: row.get(6)? },
                name_ordinal: row.get(7)?,
                arguments: row.get(8)?,
                value: value_of(row.get(9)?, row.get(10)?)?,
                attempts: row.get(11)?,
                build: row.get::<_, i64>(12)? as u64,
            })
        }
        ROW_ARRIVAL => RowKind::Arrival { name: row.get(4)?, payload: row.get(10)? },
        ROW_CANCEL => RowKind::Cancel { reason: text(row.get(10)?) },
        ROW_DEADLINE => RowKind::Deadline,
        number => return Err(unknown("a row's type", number)),
    })
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Whether a signal would find the inbox or the record full.
pub(super) fn is_full(connection: &Connection, execution: &ExecutionId) -> Result<bool, Failure> {
    let mut waiting = connection.prepare_cached("SELECT count(*) FROM outlast_inbox WHERE execution = ?")?;
    let waiting: i64 = waiting.query_row([&*execution.0], |row| row.get(0))?;
    let (next, _) = last_row(connection, execution)?;
    Ok(waiting.unsigned_abs() >= MAX_INBOX || next >= MAX_ROWS_FOR_SIGNALS)
}

/// The next place in the record, and the last stamp in it.
pub(super) fn last_row(connection: &Connection, execution: &ExecutionId) -> Result<(u64, Option<Stamp>), Failure> {
    let mut statement = connection
        .prepare_cached("SELECT seq, stamp FROM outlast_rows WHERE execution = ? ORDER BY seq DESC LIMIT 1")?;
    let last = statement
        .query_row([&*execution.0], |row| Ok((row.get::<_, i64>(0)? as u64, Stamp(row.get(1)?))))
        .optional()?;
    Ok(last.map_or((0, None), |(seq, stamp)| (seq + 1, Some(stamp))))
}

/// Writes an attempt over the one before.
pub(super) fn put_attempt(connection: &Connection, execution: &ExecutionId, attempt: &Attempt) -> Result<(), Failure> {
    connection.prepare_cached("INSERT OR REPLACE INTO outlast_attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?.execute(
        params![
            &*execution.0,
            &*attempt.key.name,
            attempt.key.digest.0.as_slice(),
            attempt.key.ordinal,
            attempt.failed,
            i64::try_from(attempt.spent.as_millis()).unwrap_or(i64::MAX),
            attempt.next.0,
            attempt.error,
            attempt.started,
        ],
    )?;
    Ok(())
}

/// Removes the attempts of an operation, or of all of an execution.
pub(super) fn remove_attempts(
    connection: &Connection,
    execution: &ExecutionId,
    key: Option<&Key>,
) -> Result<(), Failure> {
    match key {
        Some(key) => connection
            .prepare_cached(
                "DELETE FROM outlast_attempts WHERE execution = ? AND name = ? AND digest = ? AND ordinal = ?",
            )?
            .execute(params![&*execution.0, &*key.name, key.digest.0.as_slice(), key.ordinal])?,
        None => {
            connection.prepare_cached("DELETE FROM outlast_attempts WHERE execution = ?")?.execute([&*execution.0])?
        }
    };
    Ok(())
}

/// An execution's attempts without an outcome.
pub(super) fn attempts(connection: &Connection, execution: &ExecutionId) -> Result<Vec<Attempt>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT name, digest, ordinal, failed, spent, next, error, started FROM outlast_attempts WHERE execution = ?",
    )?;
    let mut found = statement.query([&*execution.0])?;
    let mut attempts = Vec::new();
    while let Some(row) = found.next()? {
        attempts.push(Attempt {
            key: Key { name: name(row, 0)?, digest: digest(row, 1)?, ordinal: row.get(2)? },
            failed: row.get(3)?,
            spent: Duration::from_millis(u64::try_from(row.get::<_, i64>(4)?).unwrap_or(0)),
            next: Stamp(row.get(5)?),
            error: row.get(6)?,
            started: row.get(7)?,
        });
    }
    Ok(attempts)
}

/// Writes a message into an inbox, behind those that are there; `false` if its id is there or in the record.
pub(super) fn put_message(connection: &Connection, to: &ExecutionId, message: &Message) -> Result<bool, Failure> {
    let (id, none) = (&*to.0, None::<&str>);
    let taken = connection
        .prepare_cached("SELECT 1 FROM outlast_rows WHERE execution = ? AND message = ?")?
        .exists(params![id, &*message.id])?;
    if taken {
        return Ok(false);
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO outlast_inbox (execution, n, message, kind, name, payload, source, status, outcome) \
         SELECT ?1, coalesce(max(n), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM outlast_inbox WHERE execution = ?1 \
         ON CONFLICT DO NOTHING",
    )?;
    let inserted = match &message.body {
        MessageBody::Signal { name, payload } => {
            insert.execute(params![id, &*message.id, MESSAGE_SIGNAL, &**name, payload, none, none, none])?
        }
        MessageBody::Cancel { reason } => {
            insert.execute(params![id, &*message.id, MESSAGE_CANCEL, none, reason.as_bytes(), none, none, none])?
        }
        MessageBody::Ended { execution, finished } => insert.execute(params![
            id,
            &*message.id,
            MESSAGE_ENDED,
            none,
            finished.value.bytes(),
            &*execution.0,
            finished.end as u8,
            outcome_number(&finished.value),
        ])?,
    };
    Ok(inserted == 1)
}

/// The messages in an inbox, in order of arrival.
pub(super) fn inbox(connection: &Connection, of: &ExecutionId) -> Result<Vec<Message>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT message, kind, name, payload, source, status, outcome FROM outlast_inbox WHERE execution = ? ORDER BY n",
    )?;
    let mut found = statement.query([&*of.0])?;
    let mut messages = Vec::new();
    while let Some(row) = found.next()? {
        let body = match row.get(1)? {
            MESSAGE_SIGNAL => MessageBody::Signal { name: row.get(2)?, payload: row.get(3)? },
            MESSAGE_CANCEL => MessageBody::Cancel { reason: text(row.get(3)?) },
            MESSAGE_ENDED => MessageBody::Ended {
                execution: ExecutionId(row.get::<_, Arc<str>>(4)?),
                finished: finished(row.get(5)?, row.get(6)?, row.get(3)?)?,
            },
            number => return Err(unknown("a message's kind", number)),
        };
        messages.push(Message { id: row.get(0)?, body });
    }
    Ok(messages)
}

/// Whether a message is in an inbox.
pub(super) fn has_message(connection: &Connection, of: &ExecutionId, message: &str) -> Result<bool, Failure> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM outlast_inbox WHERE execution = ? AND message = ?")?;
    Ok(statement.exists(params![&*of.0, message])?)
}

/// Takes a message out of an inbox, or all.
pub(super) fn remove_messages(connection: &Connection, of: &ExecutionId, message: Option<&str>) -> Result<(), Failure> {
    match message {
        Some(message) => connection
            .prepare_cached("DELETE FROM outlast_inbox WHERE execution = ? AND message = ?")?
            .execute(params![&*of.0, message])?,
        None => connection.prepare_cached("DELETE FROM outlast_inbox WHERE execution = ?")?.execute([&*of.0])?,
    };
    Ok(())
}
