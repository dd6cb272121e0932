//! Bodies of transactions: polled on the writer's thread, inside the group.
//!
//! A body reaches the connection through a thread-local that is set only while it is polled, so an operation that is
//! polled anywhere else is an error. Nothing a body does can harm the group: a panic, a wait and a verdict to undo take
//! back its own writes alone. For that it needs a savepoint, for which SQLite copies every page that the body changes;
//! so most bodies get none, and a group in which one has to be undone is made again, with savepoints.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::claims::Claim;
use super::desk::Desk;
use super::documents;
use super::failure::{Failure, Fault};
use crate::data::{Access, Operation, Reply};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{
    BoxFuture, Committed, ExecutionId, Refused, RowKind, Stamp, TransactionBody, TransactionFault, Verdict,
};

/// A body that keeps waking itself for so long waits for something that isn't the store.
const LONGEST: Duration = Duration::from_secs(2);

/// So many groups have savepoints after a body that had to be undone; doubled with each, up to the most.
const FEWEST: u32 = 16;
const MOST: u32 = 4096;

/// Whether the group's bodies get savepoints.
pub(super) struct Savepoints {
    /// So many groups to come do.
    groups: u32,
    /// How many that are after the next body without one that has to be undone.
    penalty: u32,
}

impl Default for Savepoints {
    fn default() -> Self {
        Self { groups: 0, penalty: FEWEST }
    }
}

impl Savepoints {
    /// A body without one has to be undone: its group is made again.
    fn missed(&mut self) -> Failure {
        self.groups = self.penalty;
        self.penalty = (self.penalty * 2).min(MOST);
        Failure::Undo
    }

    /// The group has committed.
    pub(super) fn committed(&mut self) {
        self.groups = self.groups.saturating_sub(1);
    }
}

/// What stands before a body.
struct Before {
    savepoint: bool,
    /// Rows written through this connection so far.
    changes: u64,
    /// The body had the connection itself: it may have made tables, which aren't counted.
    lent: bool,
}

impl Before {
    fn mark(desk: &Desk<'_>) -> Result<Self, Failure> {
        let (savepoint, changes) = (desk.savepoints.groups > 0, desk.connection.total_changes());
        if savepoint {
            execute(&desk.connection, "SAVEPOINT outlast_body")?;
        }
        Ok(Self { savepoint, changes, lent: false })
    }

    /// Takes back what has been written since.
    fn undo(&self, desk: &mut Desk<'_>) -> Result<(), Failure> {
        if self.savepoint {
            documents::catalogue::doubt();
            return execute(&desk.connection, "ROLLBACK TO outlast_body");
        }
        let unchanged = !self.lent && desk.connection.total_changes() == self.changes;
        if unchanged { Ok(()) } else { Err(desk.savepoints.missed()) }
    }

    fn release(self, desk: &Desk<'_>) -> Result<(), Failure> {
        if self.savepoint { execute(&desk.connection, "RELEASE outlast_body") } else { Ok(()) }
    }
}

/// The transaction at hand, as its operations see it.
pub(super) struct Inside {
    pub(super) connection: Rc<Connection>,
    body: u64,
    stamp: Stamp,
    /// The file failed under an operation: whatever the body makes of it, the group is run again.
    failure: RefCell<Option<Failure>>,
    /// An operation failed, and with it the transaction, as on MongoDB: the body can't commit any more.
    failed: RefCell<Option<Error>>,
    /// The body had the connection itself.
    pub(super) lent: Cell<bool>,
}

impl Inside {
    /// Notes a failure of the file; the error for the body.
    pub(super) fn failed(&self, failure: Failure) -> Error {
        *self.failure.borrow_mut() = Some(failure);
        Error::of(ErrorKind::Unavailable, "the store's file failed: the transaction is made anew")
    }

    fn run(&self, operation: &Operation) -> Result<Reply> {
        if let Some(error) = &*self.failed.borrow() {
            return Err(ended_by(error));
        }
        documents::run(&self.connection, self.stamp, operation)
            .map_err(|fault| match fault {
                Fault::Answer(error) => error,
                Fault::Failure(Failure::TooBig) => Failure::TooBig.error(""),
                Fault::Failure(failure) => self.failed(failure),
            })
            .inspect_err(|error| *self.failed.borrow_mut() = Some(error.clone()))
    }
}

/// What a body hears that goes on after a failed operation.
fn ended_by(error: &Error) -> Error {
    error
        .clone()
        .undone()
        .context("the transaction has failed with one of its operations, and can't go on: hand the error on with `?`")
        .into_terminal()
}

/// The transaction whose body is being polled on this thread.
pub(super) fn inside() -> Option<Rc<Inside>> {
    INSIDE.with(|inside| inside.borrow().clone())
}

thread_local! {
    static INSIDE: RefCell<Option<Rc<Inside>>> = const { RefCell::new(None) };
}

/// What operations of one body are given.
struct Bridge {
    body: u64,
}

impl Access for Bridge {
    fn data(&self, operation: Operation) -> BoxFuture<'static, Result<Reply>> {
        let body = self.body;
        Box::pin(async move { run_operation(body, &operation) })
    }
}

fn run_operation(body: u64, operation: &Operation) -> Result<Reply> {
    let inside = inside().filter(|inside| inside.body == body);
    let Some(inside) = inside else {
        return Err(Error::of(
            ErrorKind::Misplaced,
            "this operation belongs to a transaction and was awaited outside it (in a spawned task, say): \
             await it in the transaction's own body",
        ));
    };
    inside.run(operation)
}

/// Notes whether the body woke itself.
struct OwnWake(AtomicBool);

impl Wake for OwnWake {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

enum Ran {
    Verdict(Verdict),
    Fault(TransactionFault),
}

/// Runs a transaction of an execution's owner.
pub(super) fn run(
    desk: &mut Desk<'_>,
    execution: &ExecutionId,
    claim: Claim,
    body: &mut TransactionBody,
) -> Result<Result<Committed, Refused>, Failure> {
    let mut before = Before::mark(desk)?;
    let ran = drive(desk, body, &mut before.lent)?;
    let (keep, row) = match ran {
        Ran::Verdict(Verdict::Commit(row)) => (true, Some(row)),
        Ran::Verdict(Verdict::RollBack(row)) => (false, Some(row)),
        Ran::Verdict(Verdict::Retry) => (false, None),
        Ran::Fault(fault) => (false, (body.failed)(fault)),
    };
    if !keep {
        before.undo(desk)?;
    }
    let written = match &row {
        Some(row) => append(desk, execution, claim, row, body, keep.then_some(&before))?,
        None => Err(Refused::NoRow),
    };
    if written.is_err() && keep {
        before.undo(desk)?;
    }
    before.release(desk)?;
    Ok(written)
}

/// The row that goes with the writes. One that SQLite can't hold takes the writes with it.
fn append(
    desk: &mut Desk<'_>,
    execution: &ExecutionId,
    claim: Claim,
    row: &RowKind,
    body: &mut TransactionBody,
    kept: Option<&Before>,
) -> Result<Result<Committed, Refused>, Failure> {
    match (desk.append(execution, claim, row, None), kept) {
        (Err(Failure::TooBig), Some(before)) => {
            before.undo(desk)?;
            match (body.failed)(TransactionFault::Refused(Failure::TooBig.error(""))) {
                Some(row) => desk.append(execution, claim, &row, None),
                None => Ok(Err(Refused::NoRow)),
            }
        }
        (written, _) => written,
    }
}

fn execute(connection: &Connection, sql: &str) -> Result<(), Failure> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Polls a body to its verdict, or to the first wait for something that isn't the store.
fn drive(desk: &Desk<'_>, body: &mut TransactionBody, lent: &mut bool) -> Result<Ran, Failure> {
    static BODIES: AtomicU64 = AtomicU64::new(1);
    let number = BODIES.fetch_add(1, Ordering::Relaxed);
    let inside = Rc::new(Inside {
        connection: desk.connection.clone(),
        body: number,
        stamp: desk.stamp,
        failure: RefCell::new(None),
        failed: RefCell::new(None),
        lent: Cell::new(false),
    });
    let access: Arc<dyn Access> = Arc::new(Bridge { body: number });
    let _entered = desk.runtime.enter();
    INSIDE.with(|current| *current.borrow_mut() = Some(inside.clone()));
    // The body's destructors run inside, too.
    let ran = crate::panics::caught(|| crate::data::within(&access, || poll(body)));
    INSIDE.with(|current| *current.borrow_mut() = None);
    *lent = inside.lent.get();
    if let Some(failure) = inside.failure.take() {
        return Err(failure);
    }
    let failed = inside.failed.take();
    Ok(match (ran, failed) {
        (Ok(Some(Verdict::Commit(_))), Some(error)) => Ran::Fault(TransactionFault::Refused(ended_by(&error))),
        (ran, _) => of_poll(ran),
    })
}

fn of_poll(ran: std::result::Result<Option<Verdict>, String>) -> Ran {
    match ran {
        Ok(Some(verdict)) => Ran::Verdict(verdict),
        Ok(None) => Ran::Fault(TransactionFault::Waited),
        Err(words) => Ran::Fault(TransactionFault::Panicked(words)),
    }
}

fn poll(body: &mut TransactionBody) -> Option<Verdict> {
    let woken = Arc::new(OwnWake(AtomicBool::new(false)));
    let waker = Waker::from(woken.clone());
    let mut future = pin!(tokio::task::unconstrained((body.run)()));
    let begun = Instant::now();
    loop {
        woken.0.store(false, Ordering::SeqCst);
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(verdict) => return Some(verdict),
            Poll::Pending if woken.0.load(Ordering::SeqCst) && begun.elapsed() < LONGEST => (),
            Poll::Pending => return None,
        }
    }
}
