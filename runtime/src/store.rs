//! Where executions, their records, their inboxes and documents live: the `Store` trait and the words it speaks.
//!
//! Nothing above this room knows SQL; nothing in it knows what a future, a retry policy or a function is. What every
//! store must keep (`store/conformance.rs` checks each by name):
//! - *acknowledged is durable*: a write is answered only after it is synced;
//! - *one owner*: an open execution is owned by at most one worker, and each claim raises its epoch;
//! - *fenced*: a write with an epoch that isn't the current one of this worker's claim changes nothing;
//! - *in order*: writes of one execution commit in the order in which they were submitted, and get ascending
//!   sequence numbers without a gap;
//! - *inbox once*: a message id is taken into an execution's inbox, and from there into its record, at most once;
//! - *together*: a transaction's writes and its row, a child's end and its parent's message, an arrival's row and its
//!   leaving the inbox are each one atomic write;
//! - *stamps never fall*: within an execution, a later row never carries an earlier commit stamp.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

#[cfg(test)]
mod conformance;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

/// A future that is chosen at run time.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The id of an execution: given by the caller (its idempotency key) or made by outlast (ascending in time).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct ExecutionId(pub(crate) Arc<str>);

impl ExecutionId {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ExecutionId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl From<String> for ExecutionId {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl From<ExecutionId> for String {
    fn from(id: ExecutionId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Debug for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A worker's registration: a random name that is never used again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct WorkerId(pub(crate) Arc<str>);

/// The number of a claim; rises by one with every claim of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Epoch(pub(crate) u64);

/// Milliseconds since 1970, as the store's writer stamps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(pub i64);

impl Stamp {
    /// The wall clock, now.
    pub fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// This moment and `wait` later; stays at the end of time.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// A keyed digest of 128 bits (see `crate::digest`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Digest(pub(crate) [u8; 16]);

/// The key of an operation: its name, the digest of its arguments, and its ordinal among the operations of both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// The name, such as `charge`; operations of outlast's own start with a dot, such as `.sleep`.
    pub(crate) name: Arc<str>,
    /// The digest of the arguments in canonical form.
    pub(crate) digest: Digest,
    /// How many operations of this name and digest were called before.
    pub(crate) ordinal: u32,
}

/// What an operation is. The numbers are the form on disk and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Kind {
    /// A step, a function's or an inline one.
    Step = 1,
    /// A `#[transaction]`.
    Transaction = 2,
    /// A sleep that ended.
    Sleep = 3,
    /// A wait for a signal that timed out (one that came is no outcome of an operation).
    Signal = 4,
    /// The end of a child execution.
    Child = 5,
    /// The start of a child execution that isn't waited for.
    Start = 6,
    /// A single read of data.
    Read = 7,
    /// A single write of data: a transaction of its own.
    Write = 8,
    /// A method of a handle: status, signal, cancel.
    Handle = 9,
}

impl Kind {
    /// The kind of a number on disk.
    pub fn of(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Step,
            2 => Self::Transaction,
            3 => Self::Sleep,
            4 => Self::Signal,
            5 => Self::Child,
            6 => Self::Start,
            7 => Self::Read,
            8 => Self::Write,
            9 => Self::Handle,
            _ => return None,
        })
    }

    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Transaction => "transaction",
            Self::Sleep => "sleep",
            Self::Signal => "signal",
            Self::Child => "child",
            Self::Start => "start",
            Self::Read => "read",
            Self::Write => "write",
            Self::Handle => "handle",
        }
    }
}

/// A recorded value: what an operation gave, in the record's encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// The `Ok` of a result.
    Ok(Vec<u8>),
    /// The `Err` of a result, as the user's own type.
    Err(Vec<u8>),
    /// What isn't the user's (attempts exhausted, timeout, interrupted …): an encoded [`Error`].
    Fault(Vec<u8>),
}

impl Value {
    /// The encoded bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Ok(bytes) | Self::Err(bytes) | Self::Fault(bytes) => bytes,
        }
    }
}

/// The outcome of an operation, on its way into the record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    /// What the operation is.
    pub(crate) kind: Kind,
    /// Which operation it is.
    pub(crate) key: Key,
    /// Its ordinal among all operations of its kind and name, whatever their arguments (drift is matched by it).
    pub(crate) name_ordinal: u32,
    /// The arguments, for people (and for `undo`); already encrypted where they are secret.
    pub(crate) arguments: Vec<u8>,
    /// What it gave; already encrypted where it is secret.
    pub(crate) value: Value,
    /// How many attempts it took; 0 where the word has no meaning.
    pub(crate) attempts: u32,
    /// The build that writes the row.
    pub(crate) build: u64,
}

/// One row of a record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RowKind {
    /// An operation's outcome.
    Outcome(Outcome),
    /// A signal that arrived; no row says who took it.
    Arrival {
        /// The signal's name.
        name: Arc<str>,
        /// The encoded payload.
        payload: Vec<u8>,
    },
    /// The execution was asked to end; nothing can catch it.
    Cancel {
        /// Who or what asked, for people.
        reason: String,
    },
    /// The execution's time is up.
    Deadline,
}

/// A row as it stands in the record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// Its place in the record, from 0, without a gap.
    pub(crate) seq: u64,
    /// When it was committed; never below the row before.
    pub(crate) stamp: Stamp,
    /// What it says.
    pub(crate) kind: RowKind,
}

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum End {
    /// With an `Ok`.
    Succeeded = 1,
    /// With an `Err`, a fault, or past its deadline.
    Failed = 2,
    /// It was cancelled.
    Cancelled = 3,
}

/// What an execution is doing, as the store sees it. The numbers are the form on disk and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Owned by a worker.
    Running,
    /// Due, and waiting for a worker.
    Ready,
    /// Waiting for a time, a signal, a child: no worker holds it.
    Waiting,
    /// It needs a new build, or `resume`: see the reason.
    Parked,
    /// It has ended.
    Ended(End),
}

impl Status {
    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Waiting => "waiting",
            Self::Parked => "parked",
            Self::Ended(End::Succeeded) => "succeeded",
            Self::Ended(End::Failed) => "failed",
            Self::Ended(End::Cancelled) => "cancelled",
        }
    }
}

/// A call on its way into the store.
#[derive(Debug, Clone)]
pub(crate) struct NewExecution {
    /// The id; creating it again is how calls are made idempotent.
    pub(crate) id: ExecutionId,
    /// The function's name in the record.
    pub(crate) function: Arc<str>,
    /// The function's version.
    pub(crate) version: u32,
    /// The arguments in canonical form, encrypted where they are secret.
    pub(crate) arguments: Vec<u8>,
    /// The digest of function, version left out, and the plain arguments: what a second call must match.
    pub(crate) digest: Digest,
    /// Not to be claimed before; also where its clock starts.
    pub(crate) not_before: Option<Stamp>,
    /// How long it may take from its creation, or from `not_before`; recorded as an absolute deadline.
    pub(crate) timeout: Option<Duration>,
    /// The execution that creates it, whose cancellation reaches it.
    pub(crate) parent: Option<ExecutionId>,
    /// Where its end is to be announced: a message of this id into that execution's inbox, in the transaction that ends it.
    pub(crate) watcher: Option<Watcher>,
    /// The seed of its `random()` and `uuid()`.
    pub(crate) seed: u64,
    /// The worker that takes it at once (epoch 1), if any: only for executions that are due.
    pub(crate) claim_for: Option<WorkerId>,
}

/// An execution that wants to hear of another's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watcher {
    /// Whose inbox the message goes to.
    pub(crate) execution: ExecutionId,
    /// The message's id, unique in that inbox.
    pub(crate) message: Arc<str>,
}

/// What became of a creation.
#[derive(Debug, Clone)]
pub(crate) enum Created {
    /// It is new; with the claim where one was asked for.
    New(Option<Box<Claimed>>),
    /// It was there, with the same digest, and hasn't ended. A watcher has been added.
    Exists,
    /// It was there, with the same digest, and has ended. A watcher has got its message.
    Ended(Finished),
    /// It is there with another function or other arguments. Nothing was written.
    Mismatch {
        /// The function that owns the id.
        function: Arc<str>,
    },
    /// Only the tombstone is left (`true`: the digests agree). Nothing was written.
    Expired(bool),
}

/// The end of an execution, as callers get it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finished {
    /// How it ended.
    pub(crate) end: End,
    /// What it gave.
    pub(crate) value: Value,
}

/// Executions with their ends; those that are parked, or don't exist, with the error that says so.
pub(crate) type Ends = Vec<(ExecutionId, Result<Finished>)>;

/// What a worker gets with a claim: all that is needed to go on.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    /// Which execution.
    pub(crate) id: ExecutionId,
    /// The claim's number.
    pub(crate) epoch: Epoch,
    /// The function's name.
    pub(crate) function: Arc<str>,
    /// The function's version.
    pub(crate) version: u32,
    /// The arguments as they were created.
    pub(crate) arguments: Vec<u8>,
    /// The seed.
    pub(crate) seed: u64,
    /// The commit stamp of its first claim: `now()` at the start. Kept over later claims.
    pub(crate) started: Stamp,
    /// The absolute deadline.
    pub(crate) deadline: Option<Stamp>,
    /// The reason with which it is parked: set when a message to cancel woke a parked execution, which is then
    /// cancelled without a replay.
    pub(crate) parked: Option<Vec<u8>>,
    /// How many claims in a row ended with the death of the worker and without a new row.
    pub(crate) crashes: u32,
    /// The record, in order of `seq`.
    pub(crate) record: Vec<Row>,
    /// Attempts of operations that have no outcome yet.
    pub(crate) attempts: Vec<Attempt>,
    /// Messages that haven't been moved into the record, in order of arrival.
    pub(crate) inbox: Vec<Message>,
}

/// What is kept of an operation between its attempts: fenced, outside the offered sequence.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attempt {
    /// Which operation.
    pub(crate) key: Key,
    /// Attempts that failed so far.
    pub(crate) failed: u32,
    /// Time that attempts and back-offs have taken so far, without the time in which no worker was up.
    pub(crate) spent: Duration,
    /// Not to be tried again before.
    pub(crate) next: Stamp,
    /// The last failure, encoded like an [`Error`], for people. Never holds a secret.
    pub(crate) error: Vec<u8>,
    /// Set before the body of an `at_most_once` step starts.
    pub(crate) started: bool,
}

/// What others send to an execution.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    /// Unique in the inbox: sent twice, taken once.
    pub(crate) id: Arc<str>,
    /// What it is.
    pub(crate) body: MessageBody,
}

/// The kinds of message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MessageBody {
    /// A signal with its name and encoded payload.
    Signal {
        /// The name that `signal(name)` waits for.
        name: Arc<str>,
        /// The encoded payload.
        payload: Vec<u8>,
    },
    /// A request to end.
    Cancel {
        /// Who or what asked, for people.
        reason: String,
    },
    /// A watched execution has ended.
    Ended {
        /// Which one.
        execution: ExecutionId,
        /// How, and with what.
        finished: Finished,
    },
}

/// A write of an execution's owner. Submitted in order, committed in order.
#[derive(Debug)]
pub(crate) enum Write {
    /// A row, and the inbox message that becomes it (which leaves the inbox in the same write).
    Row {
        /// What the row says.
        row: RowKind,
        /// The message it came from.
        from: Option<Arc<str>>,
    },
    /// A transaction: the body's writes and the row that it gives, or neither. A body that gives no row (it is to be
    /// tried again) leaves no trace.
    Transaction(TransactionBody),
    /// An attempt that failed, or the marker of an `at_most_once` step.
    Attempt(Attempt),
    /// The end: the value, the status, the watchers' messages; the claim ends with it.
    End(Finished),
    /// The claim ends and the execution waits until `wake` (`None`: for a message alone). If its inbox isn't empty it
    /// is due at once.
    Release {
        /// When it is due.
        wake: Option<Stamp>,
    },
    /// The claim ends and the execution is parked until `resume`, or until a worker of another build starts, if
    /// `until_build` is set.
    Park {
        /// An encoded [`Error`] that says why.
        reason: Vec<u8>,
        /// The build that parked it, where another build may fare better.
        until_build: Option<u64>,
    },
}

/// The owner's side of a write.
pub(crate) trait Owner: Send + Sync {
    /// Called once for each write, in the order of submission, on a thread of the store: must not block.
    fn committed(self: Arc<Self>, ticket: u64, result: Result<Committed, Refused>);
}

/// A write that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Committed {
    /// The row's place, where the write had a row.
    pub(crate) seq: Option<u64>,
    /// The commit stamp.
    pub(crate) stamp: Stamp,
}

/// A write that changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The claim is no longer this worker's: stop at once.
    Fenced,
    /// The message had already left the inbox: nothing to do.
    Gone,
    /// The transaction's body gave no row.
    NoRow,
    /// The store was closed.
    Closed,
}

/// A claimed execution's write, with its fence.
pub(crate) struct Submission {
    /// Whose record.
    pub(crate) execution: ExecutionId,
    /// Under which claim.
    pub(crate) epoch: Epoch,
    /// What to write.
    pub(crate) write: Write,
    /// Whom to tell, and by which number.
    pub(crate) owner: Arc<dyn Owner>,
    /// Handed back to the owner.
    pub(crate) ticket: u64,
}

/// The body of a transaction. Run inside the store's transaction with [`crate::data`] access; gives the
/// row to record, or `None` to roll back and record nothing. On a commit that has to be tried again it is made anew.
pub(crate) struct TransactionBody {
    /// Makes the body's future; called on the store's side.
    pub(crate) run: Box<dyn FnMut() -> BoxFuture<'static, Verdict> + Send>,
    /// What to record if the body panics, waits for something that isn't the store, or can't be committed.
    pub(crate) failed: Box<dyn FnMut(TransactionFault) -> Option<RowKind> + Send>,
}

impl fmt::Debug for TransactionBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransactionBody")
    }
}

/// What a transaction's body asks for.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Keep the writes and record this row with them.
    Commit(RowKind),
    /// Undo the writes and record this row (a terminal failure).
    RollBack(RowKind),
    /// Undo the writes and record nothing: it will be tried again.
    Retry,
}

/// Why a transaction's body came to no verdict.
#[derive(Debug, Clone)]
pub(crate) enum TransactionFault {
    /// It panicked, with this message.
    Panicked(String),
    /// It waited for something that is not the store.
    Waited,
    /// The store refused one of its writes for good (a document too large, say).
    Refused(Error),
}

/// What a worker may claim.
#[derive(Debug, Clone)]
pub(crate) struct ClaimRequest {
    /// For whom.
    pub(crate) worker: WorkerId,
    /// The functions and versions that its binary has.
    pub(crate) functions: Arc<[(Arc<str>, u32)]>,
    /// At most so many.
    pub(crate) limit: usize,
}

/// What has changed since a worker last looked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wakeups {
    /// Executions owned by the worker that have messages in their inbox.
    pub(crate) arrived: Vec<ExecutionId>,
    /// Whether something it could claim is due now.
    pub(crate) due: bool,
    /// When the next one will be due.
    pub(crate) next: Option<Stamp>,
}

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

/// The most messages that wait in an inbox, and the most rows of a record that still takes signals: a sender can't fill
/// the store of an execution that never listens.
pub(crate) const MAX_INBOX: u64 = 10_000;
/// See [`MAX_INBOX`].
pub(crate) const MAX_ROWS_FOR_SIGNALS: u64 = 200_000;

/// A store. All methods may be called from any thread inside a tokio runtime; none blocks its caller.
pub(crate) trait Store: Send + Sync + 'static {
    /// Registers a worker, which is alive from then on for as long as its process is, and claimable work of parked
    /// executions of other builds becomes due. `build` is this binary's.
    fn register(&self, build: u64) -> BoxFuture<'_, Result<WorkerId>>;

    /// Takes back all that dead or hung workers own, so that it can be claimed: how many executions that were.
    /// A worker that was taken back from is refused ever after. Also says whether `worker` itself still stands.
    fn sweep(&self, worker: &WorkerId) -> BoxFuture<'_, Result<Swept>>;

    /// Gives back what the worker owns, at once, and takes it off the list. Not a crash.
    fn leave(&self, worker: &WorkerId) -> BoxFuture<'_, Result<()>>;

    /// Creates an execution, or says what stands under its id.
    fn create(&self, new: NewExecution) -> BoxFuture<'_, Result<Created>>;

    /// Claims due executions.
    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Vec<Claimed>>>;

    /// Submits an owner's write. Never fails for a store that is away: it is kept and written on its return.
    fn submit(&self, submission: Submission);

    /// Puts a message into an execution's inbox: `false` if it had been there before or the execution has ended.
    /// [`crate::ErrorKind::NotFound`] if there is no such execution, [`crate::ErrorKind::TooLarge`] if a signal finds its
    /// inbox or its record full.
    fn post(&self, to: ExecutionId, message: Message) -> BoxFuture<'_, Result<bool>>;

    /// Announces an execution's end to a watcher: at once if it has ended. [`crate::ErrorKind::NotFound`] if there is no
    /// such execution.
    fn watch(&self, of: ExecutionId, watcher: Watcher) -> BoxFuture<'_, Result<()>>;

    /// The messages in an execution's inbox, in order of arrival.
    fn inbox(&self, of: ExecutionId) -> BoxFuture<'_, Result<Vec<Message>>>;

    /// A number that changes with each commit of anyone that may concern a worker or a waiting caller.
    fn changes(&self) -> tokio::sync::watch::Receiver<u64>;

    /// What concerns this worker.
    fn wakeups(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Wakeups>>;

    /// Those of the given executions that have ended, are parked (`Err` with the reason) or don't exist.
    fn finished(&self, ids: Vec<ExecutionId>) -> BoxFuture<'_, Result<Ends>>;

    /// Makes a parked or waiting execution due now, its crashes forgotten. `false` if it has ended or is owned.
    fn resume(&self, id: ExecutionId) -> BoxFuture<'_, Result<bool>>;

    /// Open children that `parent` created.
    fn children(&self, parent: ExecutionId) -> BoxFuture<'_, Result<Vec<ExecutionId>>>;

    /// A page of executions.
    fn list(&self, filter: Filter) -> BoxFuture<'_, Result<Vec<Summary>>>;

    /// One execution whole.
    fn details(&self, id: ExecutionId) -> BoxFuture<'_, Result<Option<Details>>>;

    /// A data operation outside a transaction: a read on a reader, a write as a transaction of its own.
    fn data(&self, operation: crate::data::Operation) -> BoxFuture<'_, Result<crate::data::Reply>>;

    /// Removes some of what is older than its retention; `true` if more is left.
    fn purge(&self, retention: Retention) -> BoxFuture<'_, Result<bool>>;

    /// The key of all digests of this store as it stands there: 16 plain bytes, or longer and wrapped.
    fn digest_key(&self) -> Vec<u8>;

    /// Keeps the same key in another form.
    fn keep_digest_key(&self, key: Vec<u8>) -> BoxFuture<'_, Result<()>>;

    /// Facts and problems. Slow (reads the whole store) if `thorough`.
    fn report(&self, thorough: bool) -> BoxFuture<'_, Result<Report>>;

    /// Writes what was submitted, then closes. Later calls fail with [`crate::ErrorKind::Unavailable`].
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// What a sweep found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Swept {
    /// How many executions were taken back.
    pub(crate) reclaimed: usize,
    /// Whether the sweeping worker is still registered; if not, it has lost all it owned.
    pub(crate) standing: bool,
}
