//! The JSON that scripts get: its field names are a promise, and only ever added to.
//!
//! Moments come twice: in RFC 3339 (`created`) and in milliseconds since 1970 (`created_ms`). Secrets are `•••`.

use serde::Serialize;
use serde_json::Value as Json;

use super::times::rfc3339;
use crate::encoding;
use crate::engine::view;
use crate::error::Error;
use crate::function::outcome::read_fault;
use crate::store::{Attempt, Details, Message, MessageBody, Row, RowKind, Stamp, Summary, Value};

/// A line of `ls`.
#[derive(Debug, Serialize)]
pub(crate) struct ExecutionLine {
    id: String,
    function: String,
    version: u32,
    status: &'static str,
    created: String,
    created_ms: i64,
    started: Option<String>,
    started_ms: Option<i64>,
    ended: Option<String>,
    ended_ms: Option<i64>,
    due: Option<String>,
    due_ms: Option<i64>,
    deadline: Option<String>,
    deadline_ms: Option<i64>,
    parent: Option<String>,
    worker: Option<String>,
    claims: u64,
    parked: Option<Failure>,
}

/// The answer of `show`.
#[derive(Debug, Serialize)]
pub(crate) struct ExecutionWhole {
    #[serde(flatten)]
    line: ExecutionLine,
    arguments: Json,
    result: Option<Json>,
    error: Option<Failure>,
    timeline: Vec<Entry>,
    open_attempts: Vec<OpenAttempt>,
    inbox: Vec<Waiting>,
}

/// An error, whoever's it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    /// The kind's word; `failed` for a function's own.
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    /// The messages of the whole chain, outermost first.
    pub(crate) chain: Vec<String>,
    /// A function's own error, where it is a type of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<Json>,
}

/// A row of the record.
#[derive(Debug, Serialize)]
struct Entry {
    seq: u64,
    at: String,
    at_ms: i64,
    /// Milliseconds since the start.
    offset_ms: i64,
    #[serde(flatten)]
    what: What,
}

/// What a row says.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum What {
    Outcome {
        kind: &'static str,
        name: String,
        ordinal: u32,
        attempts: u32,
        arguments: Json,
        result: Option<Json>,
        error: Option<Failure>,
    },
    Signal {
        name: String,
        payload: Json,
    },
    Cancel {
        reason: String,
    },
    Deadline,
}

#[derive(Debug, Serialize)]
struct OpenAttempt {
    name: String,
    ordinal: u32,
    failed: u32,
    spent_ms: u128,
    next: Option<String>,
    next_ms: Option<i64>,
    error: Option<Failure>,
    started: bool,
}

#[derive(Debug, Serialize)]
#[serde(tag = "message", rename_all = "kebab-case")]
enum Waiting {
    Signal { id: String, name: String, payload: Json },
    Cancel { id: String, reason: String },
    Ended { id: String, execution: String, status: &'static str },
}

impl ExecutionLine {
    pub(crate) fn of(summary: &Summary) -> Self {
        let moment = |stamp: Option<Stamp>| (stamp.map(rfc3339), stamp.map(|stamp| stamp.0));
        let (started, started_ms) = moment(summary.started);
        let (ended, ended_ms) = moment(summary.ended);
        let (due, due_ms) = moment(summary.wake);
        let (deadline, deadline_ms) = moment(summary.deadline);
        Self {
            id: summary.id.to_string(),
            function: summary.function.to_string(),
            version: summary.version,
            status: summary.status.name(),
            created: rfc3339(summary.created),
            created_ms: summary.created.0,
            started,
            started_ms,
            ended,
            ended_ms,
            due,
            due_ms,
            deadline,
            deadline_ms,
            parent: summary.parent.as_ref().map(ToString::to_string),
            worker: summary.owner.as_ref().map(|worker| worker.0.to_string()),
            claims: summary.epoch.0,
            parked: summary.reason.as_deref().map(|reason| Failure::of(&read_fault(reason))),
        }
    }
}

impl ExecutionWhole {
    pub(crate) fn of(details: &Details) -> Self {
        let start = details.summary.started.unwrap_or(details.summary.created);
        let value = details.finished.as_ref().map(|finished| &finished.value);
        Self {
            line: ExecutionLine::of(&details.summary),
            arguments: json(&details.arguments),
            result: value.and_then(result),
            error: value.and_then(failure),
            timeline: details.record.iter().map(|row| Entry::of(row, start)).collect(),
            open_attempts: details.attempts.iter().map(OpenAttempt::of).collect(),
            inbox: details.inbox.iter().map(Waiting::of).collect(),
        }
    }
}

impl Entry {
    fn of(row: &Row, start: Stamp) -> Self {
        Self {
            seq: row.seq,
            at: rfc3339(row.stamp),
            at_ms: row.stamp.0,
            offset_ms: row.stamp.0.saturating_sub(start.0),
            what: What::of(&row.kind),
        }
    }
}

impl What {
    pub(crate) fn of(row: &RowKind) -> Self {
        match row {
            RowKind::Outcome(outcome) => Self::Outcome {
                kind: outcome.kind.name(),
                name: outcome.key.name.to_string(),
                ordinal: outcome.name_ordinal,
                attempts: outcome.attempts,
                arguments: json(&outcome.arguments),
                result: result(&outcome.value),
                error: failure(&outcome.value),
            },
            RowKind::Arrival { name, payload } => Self::Signal { name: name.to_string(), payload: json(payload) },
            RowKind::Cancel { reason } => Self::Cancel { reason: reason.clone() },
            RowKind::Deadline => Self::Deadline,
        }
    }
}

impl OpenAttempt {
    fn of(attempt: &Attempt) -> Self {
        let next = Some(attempt.next).filter(|next| next.0 > 0);
        Self {
            name: attempt.key.name.to_string(),
            ordinal: attempt.key.ordinal,
            failed: attempt.failed,
            spent_ms: attempt.spent.as_millis(),
            next: next.map(rfc3339),
            next_ms: next.map(|next| next.0),
            error: attempt_error(attempt).as_ref().map(Failure::of),
            started: attempt.started,
        }
    }
}

impl Waiting {
    fn of(message: &Message) -> Self {
        let id = message.id.to_string();
        match &message.body {
            MessageBody::Signal { name, payload } => {
                Self::Signal { id, name: name.to_string(), payload: json(payload) }
            }
            MessageBody::Cancel { reason } => Self::Cancel { id, reason: reason.clone() },
            MessageBody::Ended { execution, finished } => {
                let status = crate::store::Status::Ended(finished.end).name();
                Self::Ended { id, execution: execution.to_string(), status }
            }
        }
    }
}

impl Failure {
    pub(crate) fn of(error: &Error) -> Self {
        Self { kind: error.kind().name(), message: error.to_string(), chain: error.messages(), value: None }
    }

    /// The chain in one line.
    pub(crate) fn in_one_line(&self) -> String {
        self.chain.join(": ")
    }
}

/// Recorded bytes as JSON; null where there are none.
pub(crate) fn json(bytes: &[u8]) -> Json {
    encoding::view(bytes).unwrap_or(Json::Null)
}

/// The `Ok` of a recorded value.
pub(crate) fn result(value: &Value) -> Option<Json> {
    match value {
        Value::Ok(bytes) => Some(json(bytes)),
        Value::Err(_) | Value::Fault(_) => None,
    }
}

/// The error of a recorded value: outlast's own, or a type of the user's as its JSON.
pub(crate) fn failure(value: &Value) -> Option<Failure> {
    match value {
        Value::Ok(_) => None,
        Value::Fault(bytes) => Some(Failure::of(&read_fault(bytes))),
        Value::Err(bytes) => Some(encoding::decode::<Error>(bytes).map_or_else(
            |_| {
                let value = view::value(value);
                let message = super::text::json(&value);
                Failure { kind: "failed", chain: vec![message.clone()], message, value: Some(value) }
            },
            |error| Failure::of(&error),
        )),
    }
}

/// The last failure of an operation without an outcome, if there was one.
pub(crate) fn attempt_error(attempt: &Attempt) -> Option<Error> {
    (!attempt.error.is_empty()).then(|| read_fault(&attempt.error))
}
