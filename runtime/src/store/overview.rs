//! What people are shown of a store, and how long it keeps things.

use std::sync::Arc;
use std::time::Duration;

use super::{Attempt, Epoch, ExecutionId, Finished, Message, Row, Stamp, Status, WorkerId};

/// What a list says of an execution.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Which.
    pub(crate) id: ExecutionId,
    /// Its function.
    pub(crate) function: Arc<str>,
    /// Its function's version.
    pub(crate) version: u32,
    /// What it is doing.
    pub(crate) status: Status,
    /// When it was created.
    pub(crate) created: Stamp,
    /// When it was first claimed.
    pub(crate) started: Option<Stamp>,
    /// When it ended.
    pub(crate) ended: Option<Stamp>,
    /// When it is due, if it waits for a time.
    pub(crate) wake: Option<Stamp>,
    /// Its deadline.
    pub(crate) deadline: Option<Stamp>,
    /// Its creator.
    pub(crate) parent: Option<ExecutionId>,
    /// The owner's worker name.
    pub(crate) owner: Option<WorkerId>,
    /// How often it was claimed.
    pub(crate) epoch: Epoch,
    /// Why it is parked: an encoded [`Error`].
    pub(crate) reason: Option<Vec<u8>>,
}

/// All that is known of an execution, for people.
#[derive(Debug, Clone)]
pub(crate) struct Details {
    /// The line of the list.
    pub(crate) summary: Summary,
    /// Its arguments as created.
    pub(crate) arguments: Vec<u8>,
    /// Its end.
    pub(crate) finished: Option<Finished>,
    /// Its record.
    pub(crate) record: Vec<Row>,
    /// Attempts of operations without an outcome.
    pub(crate) attempts: Vec<Attempt>,
    /// Messages not yet moved.
    pub(crate) inbox: Vec<Message>,
}

/// Which executions a list shows, newest first: by default the newest 100.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Only of this function.
    pub function: Option<String>,
    /// Only with this word for a status ([`Status::name`]).
    pub status: Option<String>,
    /// Only children of this one.
    pub parent: Option<ExecutionId>,
    /// At most so many.
    pub limit: usize,
    /// Only those older than this id in the list's order: the last one of the page before.
    pub before: Option<ExecutionId>,
}

impl Default for Filter {
    fn default() -> Self {
        Self { function: None, status: None, parent: None, limit: 100, before: None }
    }
}

/// How long what has ended is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retention {
    /// Ended executions with their records.
    pub(crate) executions: Duration,
    /// Their ids and digests.
    pub(crate) tombstones: Duration,
}

/// What `doctor` says of a store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    /// Facts, as name and value.
    pub(crate) facts: Vec<(&'static str, String)>,
    /// What is wrong, each with the way out.
    pub(crate) problems: Vec<String>,
}
