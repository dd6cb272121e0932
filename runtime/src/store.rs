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
pub use identity::ExecutionId;
pub(crate) use identity::{Epoch, Slot, Stamp, WorkerId};
pub(crate) use name::Name;
pub(crate) use overview::{Details, Report, Retention};
pub use overview::{Filter, Summary};
#[cfg(any(feature = "sqlite", feature = "mongodb"))]
pub(crate) use portable::Piped;
#[cfg(any(feature = "sqlite", feature = "mongodb", feature = "cli"))]
pub(crate) use portable::Portable;
pub(crate) use portable::{Piece, Pieces};
pub use record::Kind;
pub(crate) use record::{Digest, Key, Outcome, Row, RowKind, Value};

#[cfg(test)]
pub(crate) mod conformance;
mod identity;
#[cfg(feature = "mongodb")]
pub(crate) mod mongodb;
mod name;
mod overview;
mod portable;
mod record;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

/// A future that is chosen at run time.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

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
    pub(crate) function: Name,
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
    /// Where the store keeps it.
    pub(crate) slot: Slot,
    /// The function's name.
    pub(crate) function: Name,
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

impl Attempt {
    /// Nothing has been tried yet.
    pub(crate) fn first(key: Key) -> Self {
        Self { key, failed: 0, spent: Duration::ZERO, next: Stamp::default(), error: Vec::new(), started: false }
    }
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
    fn committed(self: Arc<Self>, ticket: u64, write: Write, result: Result<Committed, Refused>);
}

/// A caller that waits for the end of an execution which it asks for.
pub(crate) trait Asker: Send + Sync {
    /// Whether nobody waits any more: what isn't written yet needn't be.
    fn has_gone(&self) -> bool;
    /// What became of the creation, once that is durable. Called once, on the store's own thread: it must not wait.
    fn created(self: Arc<Self>, created: Result<Created>);
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
    /// The transaction's body gave no row, or wasn't tried again since the execution is to end.
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
    /// Where the store keeps that claim.
    pub(crate) slot: Slot,
    /// What to write.
    pub(crate) write: Write,
    /// Whom to tell, and by which number.
    pub(crate) owner: Arc<dyn Owner>,
    /// Handed back to the owner.
    pub(crate) ticket: u64,
}

impl Submission {
    /// Tells the owner what became of its write, and gives the write back.
    pub(crate) fn answer(self, result: Result<Committed, Refused>) {
        self.owner.committed(self.ticket, self.write, result);
    }
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
    /// The longest wait until the next look: what changes is told of sooner where it can be.
    pub(crate) again: Duration,
}

/// The most messages that wait in an inbox, and the most rows of a record that still takes signals: a sender can't fill
/// the store of an execution that never listens.
pub(crate) const MAX_INBOX: u64 = 10_000;
/// See [`MAX_INBOX`].
pub(crate) const MAX_ROWS_FOR_SIGNALS: u64 = 200_000;

/// A store. All methods may be called from any thread inside a tokio runtime; none blocks its caller.
pub(crate) trait Store: Send + Sync + 'static {
    /// Itself, for the ways out to a store's own driver.
    #[cfg(feature = "mongodb")]
    fn as_any(&self) -> &dyn std::any::Any;

    /// Registers a worker, which is alive from then on for as long as its process is, and claimable work of parked
    /// executions of other builds becomes due. `build` is this binary's.
    fn register(&self, build: u64) -> BoxFuture<'_, Result<WorkerId>>;

    /// Takes back all that dead or hung workers own, so that it can be claimed: how many executions that were.
    /// A worker that was taken back from is refused ever after. Also says whether `worker` itself still stands.
    fn sweep(&self, worker: &WorkerId) -> BoxFuture<'_, Result<Swept>>;

    /// Gives back what the worker owns, at once, and takes it off the list. Not a crash.
    fn leave(&self, worker: &WorkerId) -> BoxFuture<'_, Result<()>>;

    /// The worker is gone without a word, as when its process dies: its lease is given up, and others take back what it
    /// owns. Doesn't wait.
    fn forsake(&self, worker: &WorkerId);

    /// Creates an execution, or says what stands under its id.
    fn create(&self, new: NewExecution) -> BoxFuture<'_, Result<Created>>;

    /// The same for a caller that needn't be woken where it is a new execution: only its end will be of interest. A claim
    /// is taken up even if the caller has gone meanwhile.
    fn create_for(&self, new: NewExecution, asker: Arc<dyn Asker>);

    /// Why a request hasn't been answered within the caller's limit.
    fn late(&self) -> Error;

    /// The error of a store in whose place another one stands: what was opened won't come back.
    fn lost(&self) -> Option<Error>;

    /// The most executions that are worth claiming at a time.
    fn claims_at_once(&self) -> usize {
        2_000
    }

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

    /// The executions whose ends, or parkings, were told of since the last call. `None` if some may have been missed: any
    /// may have ended.
    fn told_ends(&self) -> Option<Vec<ExecutionId>> {
        None
    }

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

    /// All that is in the store, in pieces, out of one snapshot where the store has one.
    fn export(&self) -> BoxFuture<'_, Result<Box<dyn Pieces>>>;

    /// From now until [`Store::end_import`] the store is being filled, and refuses workers and calls, also when it is opened
    /// again. [`crate::ErrorKind::Conflict`] if anything is in it.
    fn begin_import(&self, digest_key: Vec<u8>) -> BoxFuture<'_, Result<()>>;

    /// Puts pieces into a store that is being filled.
    fn import(&self, pieces: Vec<Piece>) -> BoxFuture<'_, Result<()>>;

    /// The store is whole.
    fn end_import(&self) -> BoxFuture<'_, Result<()>>;

    /// Takes out all that an import has put in: the store is empty again, and what it was.
    fn abort_import(&self) -> BoxFuture<'_, Result<()>>;

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
    /// After what time the next sweep may find something new.
    pub(crate) again: Duration,
}
