//! A running execution: its places, what is committed and not yet taken, what is under way.
//!
//! Invariants, kept here and in `driver`:
//! - the state changes only under its lock; the root is polled only by its lane, one poll at a time, without the lock;
//! - at most one offer stands, and only while the root is being polled;
//! - `offers` is in order of sequence numbers, and `cursor` never passes one that hasn't had its turn;
//! - nothing is submitted to the store after the claim has been given up (`Phase::Gone`).

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Wake, Waker};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::Engine;
use super::context;
use super::held::Held;
use super::lane::Event;
use super::launch::{Launch, family};
use crate::error::Error;
use crate::function::outcome::Root;
use crate::function::spec::Function;
use crate::store::{
    Attempt, Claimed, Committed, Digest, Epoch, ExecutionId, Finished, Key, Kind, Message, Outcome, Owner, Refused,
    Row, RowKind, Stamp, Submission, Value, Write,
};

/// An execution that this worker has claimed.
pub(crate) struct Execution {
    pub(crate) id: ExecutionId,
    pub(crate) function: &'static Function,
    pub(crate) epoch: Epoch,
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

/// Where an execution is in its life on this worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Recorded outcomes are still to be offered for the first time: no body starts.
    Replaying,
    /// Everything recorded has been offered; bodies run.
    Live,
    /// Cancelled or past its deadline: bodies in flight may still record, then the children end.
    Ending(Ending),
    /// The function has returned; the end waits until dropped children have been told.
    Returned,
    /// Its end has been submitted.
    Ended,
    /// The claim is given up or lost: nothing more is submitted.
    Gone,
}

/// Why an execution ends without its function's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    Cancelled(String),
    Deadline,
}

/// The place of an operation, from its call on.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    pub(crate) key: Key,
    pub(crate) name_ordinal: u32,
    /// The stored form of its arguments.
    pub(crate) arguments: Vec<u8>,
    pub(crate) waker: Option<Waker>,
    pub(crate) polled: bool,
    /// The future was dropped before it took an outcome.
    pub(crate) dropped: bool,
    pub(crate) taken: bool,
    /// An offer was refused, and the operation wasn't polled since.
    pub(crate) refused: bool,
    /// The record has its outcome: its body never starts.
    pub(crate) recorded: bool,
    pub(crate) activity: Activity,
    /// How long an attempt of its body may take.
    pub(crate) timeout: Option<Duration>,
    /// The child execution behind it.
    pub(crate) child: Option<Child>,
}

impl Place {
    /// Whether its body is to start: it is neither recorded nor given up.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.dropped && !self.recorded && !self.taken
    }
}

/// A child that an operation stands for.
#[derive(Debug, Clone)]
pub(crate) struct Child {
    pub(crate) id: ExecutionId,
    /// The id was given by the caller, so that it may have been another's before.
    pub(crate) named: bool,
}

/// What is under way for an operation.
pub(crate) enum Activity {
    /// Nothing: not started, or over.
    None,
    /// A body, a transaction, a request: the execution can't be parked.
    Busy(Option<AbortHandle>),
    /// The wait before another attempt.
    BackOff(AbortHandle, Stamp),
    /// A timer.
    Timer(Stamp),
    /// A message from outside.
    Message,
}

/// A committed row that the function hasn't taken.
#[derive(Debug)]
pub(crate) struct Offerable {
    pub(crate) stamp: Stamp,
    #[cfg(test)]
    pub(crate) turned: bool,
    /// Read from the record at the claim, and not yet offered.
    pub(crate) fresh: bool,
    pub(crate) what: Offered,
}

#[derive(Debug)]
pub(crate) enum Offered {
    /// The outcome of an operation that has been called.
    Outcome {
        place: usize,
        value: Value,
    },
    /// The outcome of an operation that the record knows and replay has yet to call.
    Recorded(Box<Outcome>),
    Arrival {
        name: Arc<str>,
        payload: Vec<u8>,
    },
    Cancel {
        reason: String,
    },
    Deadline,
}

/// The offer that stands.
pub(crate) struct Standing {
    pub(crate) place: usize,
    pub(crate) what: Taken,
}

/// What an operation takes.
#[derive(Debug, Clone)]
pub(crate) enum Taken {
    Value(Value),
    /// A signal's payload.
    Arrival(Vec<u8>),
}

/// A write on its way to the store.
pub(crate) enum Pending {
    /// The outcome of a place.
    Outcome {
        place: usize,
        value: Value,
    },
    /// A transaction: its value is known once the body ran.
    Transaction {
        place: usize,
        value: Arc<Mutex<Option<Value>>>,
        done: oneshot::Sender<Result<Committed, Refused>>,
    },
    /// An arrival, a cancellation, a deadline: the row itself.
    Row(RowKind),
    /// Something outside the offered sequence, and who waits for it.
    Attempt(Option<oneshot::Sender<()>>),
    End(Finished),
    Release,
    Park,
}

/// All that changes.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct State {
    pub(crate) phase: Phase,
    pub(crate) places: Vec<Place>,
    pub(crate) by_key: HashMap<(Kind, Key), usize>,
    ordinals: HashMap<(Kind, Arc<str>, Digest), u32>,
    name_ordinals: HashMap<(Kind, Arc<str>), u32>,
    /// Keys of recorded outcomes whose operation hasn't been called.
    pub(crate) recorded: HashSet<(Kind, Key)>,
    pub(crate) offers: VecDeque<Offerable>,
    pub(crate) cursor: usize,
    /// Places of waits for signals that haven't been over when last looked at, in order.
    pub(crate) signals: Vec<usize>,
    /// Rows of the claimed record that haven't had their first turn.
    pub(crate) unoffered: usize,
    pub(crate) standing: Option<Standing>,
    pub(crate) took: bool,
    /// The largest commit stamp among the outcomes taken.
    pub(crate) now: Stamp,
    pub(crate) draws: u64,
    /// Operations that were polled for the first time and haven't started, in order of their places.
    pub(crate) starting: Vec<(usize, Launch)>,
    pub(crate) pending: HashMap<u64, Pending>,
    next_ticket: u64,
    /// Places with `Activity::Busy`, and requests of the execution's own.
    pub(crate) busy: usize,
    /// Rises with every event: a park check of an older one is void.
    pub(crate) generation: u64,
    /// A park check is under way: there is never more than one, or they void each other.
    pub(crate) park_check: bool,
    /// Messages that came with the claim, until replay is over.
    pub(crate) waiting: Vec<Message>,
    /// Messages moved, or being moved, from the inbox into the record.
    pub(crate) moved: HashSet<Arc<str>>,
    /// Which operation waits for which message of a watched execution.
    pub(crate) watching: HashMap<Arc<str>, usize>,
    pub(crate) fetching: bool,
    pub(crate) fetch_again: bool,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) fault: Option<Error>,
    pub(crate) crashes: u32,
    /// The end, while dropped children are being told.
    pub(crate) finished: Option<Finished>,
    /// Dropped children that haven't been told yet.
    pub(crate) telling: usize,
    /// A cancelled execution's children are being ended.
    pub(crate) closing_children: bool,
    pub(crate) last_operation: Option<usize>,
    pub(crate) drifted: Vec<usize>,
    #[cfg(test)]
    pub(crate) probe: super::tests::probe::Probe,
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
        #[cfg(test)]
        let (claimed, probe) = {
            let mut claimed = claimed;
            let probe = super::tests::probe::Probe::of(&engine, &mut claimed);
            (claimed, probe)
        };
        let mut recorded = HashSet::new();
        let offers: VecDeque<Offerable> = claimed.record.into_iter().map(|row| offerable(row, &mut recorded)).collect();
        let state = State {
            phase: Phase::Replaying,
            places: Vec::new(),
            by_key: HashMap::new(),
            ordinals: HashMap::new(),
            name_ordinals: HashMap::new(),
            recorded,
            unoffered: offers.len(),
            offers,
            cursor: 0,
            signals: Vec::new(),
            standing: None,
            took: false,
            now: claimed.started,
            draws: 0,
            starting: Vec::new(),
            pending: HashMap::new(),
            next_ticket: 0,
            busy: 0,
            generation: 0,
            park_check: false,
            waiting: claimed.inbox,
            moved: HashSet::new(),
            watching: HashMap::new(),
            fetching: false,
            fetch_again: false,
            attempts: claimed.attempts,
            fault: None,
            crashes: claimed.crashes,
            finished: None,
            telling: 0,
            closing_children: false,
            last_operation: None,
            drifted: Vec::new(),
            #[cfg(test)]
            probe,
        };
        let waker = Arc::new(RootWaker {
            own: AtomicBool::new(false),
            foreign: AtomicBool::new(false),
            execution: std::sync::OnceLock::new(),
        });
        let execution = Arc::new(Self {
            id: claimed.id,
            function,
            epoch: claimed.epoch,
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
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        if matches!(pending, Pending::Release | Pending::Park | Pending::End(_)) {
            state.phase = if matches!(pending, Pending::End(_)) { Phase::Ended } else { Phase::Gone };
        }
        state.pending.insert(ticket, pending);
        self.engine.store.submit(Submission {
            execution: self.id.clone(),
            epoch: self.epoch,
            write,
            owner: self.clone(),
            ticket,
        });
    }

    /// Records the outcome of a place.
    pub(crate) fn record(
        self: &Arc<Self>,
        state: &mut State,
        place: usize,
        value: Value,
        attempts: u32,
        from: Option<Arc<str>>,
    ) {
        if state.places[place].recorded {
            return;
        }
        state.places[place].recorded = true;
        let row = RowKind::Outcome(self.outcome(&state.places[place], value.clone(), attempts));
        self.submit(state, Write::Row { row, from }, Pending::Outcome { place, value });
    }

    /// The row of a place's outcome.
    pub(crate) fn outcome(&self, place: &Place, value: Value, attempts: u32) -> Outcome {
        Outcome {
            kind: place.kind,
            key: place.key.clone(),
            name_ordinal: place.name_ordinal,
            arguments: place.arguments.clone(),
            value,
            attempts,
            build: self.engine.build,
        }
    }

    /// Records an outcome from a task of the place, and ends what was under way for it.
    pub(crate) fn finish(self: &Arc<Self>, place: usize, value: Value, attempts: u32) {
        let mut state = self.state.held();
        // Recorded even if the operation was dropped meanwhile: what has happened must not happen again.
        self.record(&mut state, place, value, attempts, None);
        state.settle(place);
        drop(state);
        self.send(Event::Settled);
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

fn offerable(row: Row, recorded: &mut HashSet<(Kind, Key)>) -> Offerable {
    let what = match row.kind {
        RowKind::Outcome(outcome) => {
            recorded.insert((family(outcome.kind), outcome.key.clone()));
            Offered::Recorded(Box::new(outcome))
        }
        RowKind::Arrival { name, payload } => Offered::Arrival { name, payload },
        RowKind::Cancel { reason } => Offered::Cancel { reason },
        RowKind::Deadline => Offered::Deadline,
    };
    Offerable {
        stamp: row.stamp,
        #[cfg(test)]
        turned: false,
        fresh: true,
        what,
    }
}

impl State {
    /// Takes the next place for an operation. Its ordinals count what was called before, whatever became of it.
    pub(crate) fn claim(&mut self, kind: Kind, name: Arc<str>, digest: Digest, arguments: Vec<u8>) -> usize {
        let ordinal = next(self.ordinals.entry((kind, name.clone(), digest)).or_default());
        let name_ordinal = next(self.name_ordinals.entry((kind, name.clone())).or_default());
        let key = Key { name, digest, ordinal };
        let place = self.places.len();
        #[cfg(test)]
        self.probe.called(kind, &key);
        let recorded = self.recorded.remove(&(kind, key.clone()));
        self.by_key.insert((kind, key.clone()), place);
        if kind == Kind::Signal {
            self.signals.push(place);
        }
        self.places.push(Place {
            kind,
            key,
            name_ordinal,
            arguments,
            waker: None,
            polled: false,
            dropped: false,
            taken: false,
            refused: false,
            recorded,
            activity: Activity::None,
            timeout: None,
            child: None,
        });
        self.last_operation = Some(place);
        place
    }

    pub(crate) fn set_activity(&mut self, place: usize, activity: Activity) {
        let old = std::mem::replace(&mut self.places[place].activity, activity);
        self.busy -= usize::from(matches!(old, Activity::Busy(_)));
        self.busy += usize::from(matches!(self.places[place].activity, Activity::Busy(_)));
    }

    /// Nothing is under way for the place any more.
    pub(crate) fn settle(&mut self, place: usize) {
        self.set_activity(place, Activity::None);
    }

    /// Ends what is under way for the place, without a record.
    pub(crate) fn abort(&mut self, place: usize) {
        match &self.places[place].activity {
            Activity::Busy(Some(task)) | Activity::BackOff(task, _) => task.abort(),
            Activity::Busy(None) | Activity::Timer(_) | Activity::Message | Activity::None => {}
        }
        self.settle(place);
    }

    /// Ends all that is under way. What hadn't started is given back: what a body has captured is dropped without the
    /// lock, since its destructor may call an operation.
    #[must_use = "to be dropped without the lock"]
    pub(crate) fn abort_all(&mut self) -> Vec<(usize, Launch)> {
        for place in 0..self.places.len() {
            self.abort(place);
        }
        std::mem::take(&mut self.starting)
    }

    /// When something of its own is due next.
    pub(crate) fn next_due(&self, deadline: Option<Stamp>) -> Option<Stamp> {
        let timers = self.places.iter().filter_map(|place| match &place.activity {
            Activity::Timer(due) | Activity::BackOff(_, due) => Some(*due),
            Activity::None | Activity::Busy(_) | Activity::Message => None,
        });
        timers.chain(deadline).min()
    }

    /// Whether nothing is under way that would be lost, or come soon.
    pub(crate) fn is_idle(&self) -> bool {
        self.phase == Phase::Live
            && self.busy == 0
            && self.pending.is_empty()
            && self.starting.is_empty()
            && self.cursor >= self.offers.len()
            && !self.fetching
    }

    pub(crate) fn describe(&self, place: usize) -> String {
        let place = &self.places[place];
        match place.key.ordinal {
            0 => format!("`{}`", place.key.name),
            ordinal => format!("`{}` ({})", place.key.name, ordinal + 1),
        }
    }
}

fn next(counter: &mut u32) -> u32 {
    let ordinal = *counter;
    *counter += 1;
    ordinal
}

impl Owner for Execution {
    fn committed(self: Arc<Self>, ticket: u64, result: Result<Committed, Refused>) {
        self.engine.lanes.send(self.clone(), Event::Committed(ticket, result));
    }
}
