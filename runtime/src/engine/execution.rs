//! A running execution: its claim, its function, and its way to the store.
//!
//! Invariants, kept here and in `driver`:
//! - the state changes only under its lock; the root is polled only by its lane, one poll at a time, without the lock;
//! - nothing is submitted to the store after the claim has been given up (`Phase::Gone`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::Wake;

use super::Engine;
use super::context;
use super::held::Held;
use super::lane::Event;
use super::state::{Pending, Phase, Place, State};
use crate::function::outcome::Root;
use crate::function::spec::Function;
use crate::store::{
    Claimed, Committed, Epoch, ExecutionId, Outcome, Owner, Refused, RowKind, Slot, Stamp, Submission, Value, Write,
};

/// An execution that this worker has claimed.
pub(crate) struct Execution {
    pub(crate) id: ExecutionId,
    pub(crate) function: &'static Function,
    pub(crate) epoch: Epoch,
    /// Where the store keeps the claim.
    pub(crate) slot: Slot,
    pub(crate) seed: u64,
    pub(crate) deadline: Option<Stamp>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) lane: usize,
    /// The recorded arguments, until the root is made.
    pub(crate) arguments: Mutex<Vec<u8>>,
    /// It was parked, and a message to cancel woke it.
    pub(crate) was_parked: bool,
    pub(crate) state: Mutex<State>,
    /// Only the lane takes it out, polls it, and puts it back.
    pub(crate) root: Mutex<Option<Root>>,
    pub(crate) waker: Arc<RootWaker>,
}

/// Wakes the root: on the thread that polls it this is an offer at work; from elsewhere it is a foreign future.
pub(crate) struct RootWaker {
    pub(crate) own: AtomicBool,
    pub(crate) foreign: AtomicBool,
    pub(crate) execution: std::sync::OnceLock<Weak<Execution>>,
}

impl Wake for RootWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let Some(execution) = self.execution.get().and_then(Weak::upgrade) else { return };
        if context::is_inside(&execution) {
            self.own.store(true, Ordering::Relaxed);
        } else if !context::is_dropping() && !self.foreign.swap(true, Ordering::AcqRel) {
            execution.send(Event::Foreign);
        }
    }
}

impl Execution {
    pub(crate) fn new(engine: Arc<Engine>, function: &'static Function, claimed: Claimed, lane: usize) -> Arc<Self> {
        let mut claimed = claimed;
        #[cfg(test)]
        let probe = super::tests::probe::Probe::of(&engine, &mut claimed);
        let state = State::new(
            &mut claimed,
            #[cfg(test)]
            probe,
        );
        let waker = Arc::new(RootWaker {
            own: AtomicBool::new(false),
            foreign: AtomicBool::new(false),
            execution: std::sync::OnceLock::new(),
        });
        let execution = Arc::new(Self {
            id: claimed.id,
            function,
            epoch: claimed.epoch,
            slot: claimed.slot,
            seed: claimed.seed,
            deadline: claimed.deadline,
            engine,
            lane,
            arguments: Mutex::new(claimed.arguments),
            was_parked: claimed.parked.is_some(),
            state: Mutex::new(state),
            root: Mutex::new(None),
            waker: waker.clone(),
        });
        let _ = waker.execution.set(Arc::downgrade(&execution));
        execution
    }

    /// The largest commit stamp among the outcomes taken.
    pub(crate) fn now(&self) -> Stamp {
        self.state.held().now
    }

    /// Whether what the function logs in the next poll has been logged before. An execution that was parked, or given
    /// back, had been quiet: all of its replay is a repetition. After a crash nobody knows whether the last outcome had
    /// been offered: what follows it is logged, perhaps again.
    pub(crate) fn is_repeating(&self) -> bool {
        let state = self.state.held();
        state.unoffered > 0 || (state.phase == Phase::Replaying && self.epoch.0 > 1 && state.crashes == 0)
    }

    /// Hands an event to the lane.
    pub(crate) fn send(self: &Arc<Self>, event: Event) {
        self.engine.lanes.send(self.clone(), event);
    }

    /// Submits a write under this claim; nothing once the claim is given up.
    pub(crate) fn submit(self: &Arc<Self>, state: &mut State, write: Write, pending: Pending) {
        if state.phase == Phase::Gone {
            return;
        }
        let ticket = state.ticket();
        if matches!(pending, Pending::Release | Pending::Park | Pending::End(_)) {
            state.phase = if matches!(pending, Pending::End(_)) { Phase::Ended } else { Phase::Gone };
        }
        state.pending.insert(ticket, pending);
        self.engine.store.submit(Submission {
            execution: self.id.clone(),
            epoch: self.epoch,
            slot: self.slot,
            write,
            owner: self.clone(),
            ticket,
        });
    }

    /// Records the outcome of a place: `false` if it is recorded already, or the claim is gone.
    pub(crate) fn record(
        self: &Arc<Self>,
        state: &mut State,
        place: usize,
        value: Value,
        attempts: u32,
        from: Option<Arc<str>>,
    ) -> bool {
        if state.places[place].recorded || state.phase == Phase::Gone {
            return false;
        }
        state.places[place].recorded = true;
        let arguments = std::mem::take(&mut state.places[place].arguments);
        let row = RowKind::Outcome(self.outcome(&state.places[place], arguments, value, attempts));
        self.submit(state, Write::Row { row, from }, Pending::Outcome { place });
        true
    }

    /// The row of a place's outcome.
    pub(crate) fn outcome(&self, place: &Place, arguments: Vec<u8>, value: Value, attempts: u32) -> Outcome {
        Outcome {
            kind: place.kind,
            key: place.key.clone(),
            name_ordinal: place.name_ordinal,
            arguments,
            value,
            attempts,
            build: self.engine.build,
        }
    }

    /// Records an outcome from a task of the place, and ends what was under way for it.
    pub(crate) fn finish(self: &Arc<Self>, place: usize, value: Value, attempts: u32) {
        let mut state = self.state.held();
        // Recorded even if the operation was dropped meanwhile: what has happened must not happen again.
        let submitted = self.record(&mut state, place, value, attempts, None);
        state.settle(place);
        drop(state);
        // A commit is an event of its own.
        if !submitted {
            self.send(Event::Settled);
        }
    }

    /// Gives the claim up without a word to the store: it was lost, or the store has been told otherwise.
    pub(crate) fn abandon(self: &Arc<Self>) {
        let mut state = self.state.held();
        state.phase = Phase::Gone;
        let unwanted = state.abort_all();
        drop(state);
        drop(unwanted);
        self.put_away();
        self.engine.forget(self);
    }

    /// Drops the root, if no lane is polling it: destructors run without a lock.
    pub(crate) fn put_away(&self) {
        let root = self.root.held().take();
        drop_root(root);
    }
}

/// Drops a root so that its operations are inert.
pub(crate) fn drop_root(root: Option<Root>) {
    let Some(root) = root else { return };
    let dropped = crate::panics::caught(|| context::within(context::Context::Dropping, || drop(root)));
    if dropped.is_err() {
        tracing::warn!("a destructor panicked while an execution was put away");
    }
}

impl Owner for Execution {
    fn committed(self: Arc<Self>, ticket: u64, write: Write, result: Result<Committed, Refused>) {
        let value = match write {
            Write::Row { row: RowKind::Outcome(outcome), .. } => Some(outcome.value),
            Write::End(finished) => Some(finished.value),
            _ => None,
        };
        self.engine.lanes.send(self.clone(), Event::Committed(ticket, value, result));
    }
}
