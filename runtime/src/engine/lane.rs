//! Lanes: each drives a share of the executions, one event after the other, so that an execution is never polled by
//! two threads and no task is needed for each.
//!
//! A lane is a thread of its own: the store's writer wakes it directly, and a durable function is polled outside tokio's
//! scheduler, whose budget and deferred wake-ups would make its polls differ from run to run.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};

use super::Engine;
use super::driver;
use super::execution::Execution;
use super::held::Held;
use crate::error::{Error, ErrorKind, Result};
use crate::panics::caught;
use crate::store::{Claimed, Committed, Message, Refused, Value};

/// What can happen to an execution.
pub(crate) enum Event {
    /// It has been claimed: decode the arguments, make the root, replay.
    Start,
    /// A write has come back from the store, with the value of the outcome or the end that it was.
    Committed(u64, Option<Value>, Result<Committed, Refused>),
    /// Something under way is over: look whether it can be parked.
    Settled,
    /// A timer, a back-off or the deadline is due.
    Due(super::timers::Due),
    /// Its inbox has messages.
    Arrived,
    /// The messages of its inbox.
    Inbox(Vec<Message>),
    /// The root was woken by something that is no offer.
    Foreign,
    /// Time for bodies in flight is over; the children have ended.
    Closing(driver::Closing),
}

/// What a lane does next.
enum Item {
    Event(Arc<Execution>, Event),
    /// An execution was claimed for a caller: it is taken up, and starts.
    Claimed(Arc<Engine>, Box<Claimed>),
}

type Queue = Vec<Item>;

/// Executions with events, in order of arrival; handled a round at a time.
#[derive(Default)]
struct Lane {
    inner: Mutex<Inner>,
    ready: Condvar,
    /// Counts what its thread has taken up.
    taken: AtomicU64,
    /// The address of the execution that it has taken up last.
    at: AtomicUsize,
}

/// What a lane is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    number: u64,
    /// An address to compare: what was there may be gone.
    execution: usize,
}

impl Turn {
    pub(crate) fn is_of(self, execution: *const Execution) -> bool {
        self.execution == execution.addr()
    }
}

#[derive(Default)]
struct Inner {
    queue: Queue,
    /// The thread waits: only then is there anyone to wake.
    idle: bool,
    closed: bool,
}

impl Lane {
    fn send(&self, item: Item) {
        let mut inner = self.inner.held();
        inner.queue.push(item);
        if std::mem::take(&mut inner.idle) {
            drop(inner);
            self.ready.notify_one();
        }
    }

    /// Waits for the next round; `false` once the lane is closed.
    fn next(&self, round: &mut Queue) -> bool {
        let mut inner = self.inner.held();
        while inner.queue.is_empty() {
            if inner.closed {
                return false;
            }
            inner.idle = true;
            inner = self.ready.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        inner.idle = false;
        std::mem::swap(&mut inner.queue, round);
        true
    }

    /// Only its own thread takes anything up.
    fn takes_up(&self, item: &Item) {
        let execution = match item {
            Item::Event(execution, _) => Arc::as_ptr(execution).addr(),
            Item::Claimed(..) => 0,
        };
        self.at.store(execution, Ordering::Relaxed);
        self.taken.store(self.taken.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// What it is at, unless it waits.
    fn turn(&self) -> Option<Turn> {
        let idle = self.inner.held().idle;
        let turn = Turn { number: self.taken.load(Ordering::Relaxed), execution: self.at.load(Ordering::Relaxed) };
        (!idle && turn.number > 0).then_some(turn)
    }

    fn close(&self) {
        self.inner.held().closed = true;
        self.ready.notify_one();
    }
}

pub(crate) struct Lanes(Vec<Arc<Lane>>);

impl Lanes {
    pub(crate) fn new(count: usize) -> Self {
        Self((0..count.max(1)).map(|_| Arc::default()).collect())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn send(&self, execution: Arc<Execution>, event: Event) {
        let lane = &self.0[execution.lane];
        lane.send(Item::Event(execution, event));
    }

    /// What each lane is at.
    pub(crate) fn turns(&self) -> impl Iterator<Item = Option<Turn>> {
        self.0.iter().map(|lane| lane.turn())
    }

    /// Has an execution taken up by a lane, which is any.
    pub(crate) fn take_up(&self, engine: &Arc<Engine>, claimed: Box<Claimed>) {
        self.0[engine.next_lane()].send(Item::Claimed(engine.clone(), claimed));
    }

    /// Starts the thread of each lane; they end with the engine.
    pub(crate) fn start(engine: &Arc<Engine>) -> Result<()> {
        for lane in &engine.lanes.0 {
            let (engine, lane, runtime) = (Arc::downgrade(engine), lane.clone(), engine.runtime.clone());
            let run = move || {
                // What a body needs of tokio (timers, sockets, tasks) it finds here.
                let _inside = runtime.enter();
                run(&engine, &lane);
            };
            std::thread::Builder::new().name("outlast-lane".to_owned()).spawn(run).map_err(|error| {
                Error::of(ErrorKind::Unavailable, format!("no thread for executions can be started: {error}"))
            })?;
        }
        Ok(())
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        for lane in &self.0 {
            lane.close();
        }
    }
}

/// Drives one lane. While it waits it holds the lane alone, so that an engine that was given up can go.
fn run(engine: &Weak<Engine>, lane: &Lane) {
    let mut round = Queue::new();
    while engine.strong_count() > 0 && lane.next(&mut round) {
        for item in round.drain(..) {
            lane.takes_up(&item);
            // Whatever panics, this lane's other executions go on.
            let handled = caught(|| match item {
                Item::Event(execution, event) => driver::handle(&execution, event),
                Item::Claimed(engine, claimed) => engine.adopt(*claimed),
            });
            if let Err(words) = handled {
                tracing::error!(%words, "a lane panicked: what it was at goes on when this worker starts again");
            }
        }
    }
}
