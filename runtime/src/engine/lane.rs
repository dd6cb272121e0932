//! Lanes: each drives a share of the executions, one event after the other, so that an execution is never polled by
//! two threads and no task is needed for each.

use std::sync::{Arc, Mutex, Weak};

use tokio::sync::Notify;

use super::Engine;
use super::driver;
use super::execution::Execution;
use super::held::Held;
use crate::panics::caught;
use crate::store::{Committed, Message, Refused, Value};

/// What can happen to an execution.
pub(crate) enum Event {
    /// It has been claimed: decode the arguments, make the root, replay.
    Start,
    /// A write has come back from the store, with the value of the outcome that it was.
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

/// Executions with events, in order of arrival; handled a round at a time.
struct Lane {
    queue: Mutex<Vec<(Arc<Execution>, Event)>>,
    ready: Notify,
}

pub(crate) struct Lanes(Vec<Arc<Lane>>);

/// Executions that one round handles before other tasks get the thread.
const ROUND: usize = 64;

impl Lanes {
    pub(crate) fn new(count: usize) -> Self {
        let lane = || Lane { queue: Mutex::new(Vec::new()), ready: Notify::new() };
        Self((0..count.max(1)).map(|_| Arc::new(lane())).collect())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn send(&self, execution: Arc<Execution>, event: Event) {
        let lane = &self.0[execution.lane];
        let first = {
            let mut queue = lane.queue.held();
            queue.push((execution, event));
            queue.len() == 1
        };
        if first {
            lane.ready.notify_one();
        }
    }

    /// Starts the task of each lane; they end with the engine.
    pub(crate) fn start(engine: &Arc<Engine>) {
        for lane in &engine.lanes.0 {
            engine.runtime.spawn(run(Arc::downgrade(engine), lane.clone()));
        }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        for lane in &self.0 {
            lane.ready.notify_one();
        }
    }
}

/// Drives one lane. While it waits it holds the lane alone, so that an engine that was given up can go.
async fn run(engine: Weak<Engine>, lane: Arc<Lane>) {
    let mut round = Vec::new();
    loop {
        std::mem::swap(&mut *lane.queue.held(), &mut round);
        if round.is_empty() {
            if engine.strong_count() == 0 {
                return;
            }
            lane.ready.notified().await;
            continue;
        }
        for (count, (execution, event)) in round.drain(..).enumerate() {
            // Whatever panics, this lane's other executions go on.
            if let Err(words) = caught(|| driver::handle(&execution, event)) {
                tracing::error!(id = %execution.id, %words, "its lane panicked: it goes on when this worker starts again");
            }
            if count % ROUND == ROUND - 1 {
                tokio::task::yield_now().await;
            }
        }
    }
}
