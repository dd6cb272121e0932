//! What changes in a running execution: its places, what is committed and not yet taken, what is under way.
//!
//! Invariants, kept here and in `offers`:
//! - at most one offer stands, and only while the root is being polled;
//! - `offers` is in order of sequence numbers, and `cursor` never passes one that hasn't had its turn.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::launch::{Launch, family};
use super::transaction::Trial;
use crate::error::Error;
use crate::hashing::{FastMap, FastSet, RandomState};
use crate::store::{
    Attempt, Claimed, Digest, End, ExecutionId, Finished, Key, Kind, Message, Name, Outcome, Row, RowKind, Stamp, Value,
};

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

impl Offered {
    /// A signal's payload, for the operation that it is offered to; given back if it is refused.
    pub(crate) fn lend_payload(&mut self) -> Vec<u8> {
        match self {
            Self::Arrival { payload, .. } => std::mem::take(payload),
            Self::Outcome { .. } | Self::Recorded(_) | Self::Cancel { .. } | Self::Deadline => Vec::new(),
        }
    }
}

/// The offer that stands; its value is lent by the row at the cursor.
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
    /// The outcome of a place; the store gives its value back.
    Outcome {
        place: usize,
    },
    /// A transaction: its value is known once the body ran.
    Transaction {
        place: usize,
        trial: Box<Trial>,
    },
    /// An arrival, a cancellation, a deadline: the row itself.
    Row(Box<RowKind>),
    /// Something outside the offered sequence, and who waits for it.
    Attempt(Option<oneshot::Sender<()>>),
    /// The store gives its value back.
    End(End),
    Release,
    Park,
}

/// All that changes.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct State {
    pub(crate) phase: Phase,
    pub(crate) places: Vec<Place>,
    /// A digest says which kind and name it is of, too.
    ordinals: FastMap<Digest, u32>,
    name_ordinals: FastMap<(Kind, Name), u32>,
    /// Keys of recorded outcomes that haven't had their first turn, with the place of the operation once it is called.
    pub(crate) recorded: FastMap<(Kind, Key), Option<usize>>,
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
    pub(crate) pending: FastMap<u64, Pending>,
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
    pub(crate) moved: FastSet<Arc<str>>,
    /// Which operation waits for which message of a watched execution.
    pub(crate) watching: FastMap<Arc<str>, usize>,
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

impl State {
    /// The state of a fresh claim, which gives it its rows, messages and attempts.
    pub(crate) fn new(claimed: &mut Claimed, #[cfg(test)] probe: super::tests::probe::Probe) -> Self {
        let rows = std::mem::take(&mut claimed.record);
        // What grows step by step is moved again and again.
        let count = rows.len();
        let mut recorded = FastMap::with_capacity_and_hasher(count, RandomState::default());
        let rows = rows.into_iter();
        let offers: VecDeque<Offerable> = rows.map(|row| offerable(row, &mut recorded)).collect();
        Self {
            phase: Phase::Replaying,
            places: Vec::with_capacity(count),
            ordinals: FastMap::with_capacity_and_hasher(count, RandomState::default()),
            name_ordinals: FastMap::default(),
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
            pending: FastMap::default(),
            next_ticket: 0,
            busy: 0,
            generation: 0,
            park_check: false,
            waiting: std::mem::take(&mut claimed.inbox),
            moved: FastSet::default(),
            watching: FastMap::default(),
            fetching: false,
            fetch_again: false,
            attempts: std::mem::take(&mut claimed.attempts),
            fault: None,
            crashes: claimed.crashes,
            finished: None,
            telling: 0,
            closing_children: false,
            last_operation: None,
            drifted: Vec::new(),
            #[cfg(test)]
            probe,
        }
    }

    /// The number of a write that is about to be submitted.
    pub(crate) fn ticket(&mut self) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        ticket
    }

    /// Takes the next place for an operation. Its ordinals count what was called before, whatever became of it.
    pub(crate) fn claim(&mut self, kind: Kind, name: Name, digest: Digest, arguments: Vec<u8>) -> usize {
        let ordinal = next(self.ordinals.entry(digest).or_default());
        let name_ordinal = next(self.name_ordinals.entry((kind, name.clone())).or_default());
        let key = Key { name, digest, ordinal };
        let place = self.places.len();
        #[cfg(test)]
        self.probe.called(kind, &key);
        let recorded = !self.recorded.is_empty() && {
            match self.recorded.get_mut(&(kind, key.clone())) {
                Some(called) => {
                    *called = Some(place);
                    true
                }
                None => false,
            }
        };
        if kind == Kind::Signal {
            self.signals.push(place);
        }
        self.places.push(Place {
            kind,
            key,
            name_ordinal,
            // The record has them, and nobody compares them again.
            arguments: if recorded { Vec::new() } else { arguments },
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
    pub(crate) fn next_due(&self) -> Option<Stamp> {
        let timers = self.places.iter().filter_map(|place| match &place.activity {
            Activity::Timer(due) | Activity::BackOff(_, due) => Some(*due),
            Activity::None | Activity::Busy(_) | Activity::Message => None,
        });
        timers.min()
    }

    /// Whether a signal or a child's end would let it go on.
    pub(crate) fn waits_for_messages(&self) -> bool {
        self.places.iter().any(|place| matches!(place.activity, Activity::Message))
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

fn offerable(row: Row, recorded: &mut FastMap<(Kind, Key), Option<usize>>) -> Offerable {
    let what = match row.kind {
        RowKind::Outcome(outcome) => {
            recorded.insert((family(outcome.kind), outcome.key.clone()), None);
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
