//! The heart: committed outcomes are offered in order and taken one at a time.
//!
//! The sequence of the root's polls is a function of the record alone (`semantics.md`, "Offered in order, taken one at
//! a time"): the first poll, then one round of polls for each offer. Live and on replay the same code runs; the only
//! difference is where the outcomes come from.
//!
//! Each sentence of the rule is a line here, named by a comment `rule: …`; the tests take each out in turn.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context as TaskContext, Poll, Waker};

use super::Sealed;
use super::context::{self, Context};
use super::ending;
use super::execution::{Execution, drop_root};
use super::held::Held;
use super::inbox;
use super::lane::Event;
use super::offers::Next;
use super::parking;
use super::state::{Activity, Ending, Offered, Pending, Phase, State};
use super::timers::Due;
use super::transaction;
use crate::encoding;
use crate::error::{Error, ErrorKind};
use crate::function::arguments::Input;
use crate::function::outcome::{Produced, Root};
use crate::panics::caught;
use crate::store::{Committed, Finished, Refused, RowKind, Stamp, Value, Write};

/// A stage in the end of a cancelled execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Bodies in flight have had their time.
    BodiesDone,
    /// A child that was dropped has been told.
    ChildTold,
    /// All children have ended.
    ChildrenEnded,
}

/// What the function came to in a round of offers.
enum Progress {
    /// It waits for what isn't committed yet.
    Quiet,
    /// It returned.
    Returned(Produced),
    /// A row without an operation had its turn.
    Ends(Ending),
    /// It can't go on.
    Fault(Error),
}

/// Handles an event on the execution's lane.
pub(crate) fn handle(execution: &Arc<Execution>, event: Event) {
    {
        let mut state = execution.state.held();
        state.generation += 1;
        if state.phase == Phase::Gone && !matches!(event, Event::Committed(..)) {
            return;
        }
    }
    #[cfg(test)]
    let dies = execution.state.held().probe.dies();
    #[cfg(test)]
    if dies == Some(false) && super::tests::probe::die(execution) {
        return;
    }
    match event {
        Event::Start => start(execution),
        Event::Committed(ticket, value, result) => committed(execution, ticket, value, result),
        Event::Settled => advance(execution),
        Event::Due(due) => self::due(execution, due),
        Event::Arrived => inbox::fetch(execution),
        Event::Inbox(messages) => {
            inbox::move_into_record(execution, messages);
            // Where nothing new came no commit follows, and a look at whether it is idle may have found it reading.
            parking::consider(execution);
        }
        Event::Foreign => foreign(execution),
        Event::Closing(closing) => ending::go_on(execution, closing),
    }
    #[cfg(test)]
    if dies == Some(true) {
        super::tests::probe::die(execution);
    }
}

/// Decodes the arguments, makes the root, polls it for the first time and replays.
fn start(execution: &Arc<Execution>) {
    let cancelled = inbox::cancellation(&execution.state.held()).filter(|_| execution.was_parked);
    if let Some(reason) = cancelled {
        return ending::begin(execution, Ending::Cancelled(reason));
    }
    if let Some(error) = crash_limit(execution) {
        return parking::park_for_good(execution, error);
    }
    match make_root(execution) {
        Ok(root) => {
            *execution.root.held() = Some(root);
            if let Some(deadline) = execution.deadline {
                execution.engine.timers.at(deadline, execution, Due::Deadline);
            }
            run(execution, true);
        }
        Err(error) => parking::park_for_good(execution, error),
    }
}

/// An execution that has ended its worker again and again is parked before it ends the next one.
fn crash_limit(execution: &Arc<Execution>) -> Option<Error> {
    let crashes = execution.state.held().crashes;
    (crashes >= execution.engine.settings.max_crashes).then(|| {
        Error::of(
            ErrorKind::Parked,
            format!(
                "{crashes} workers in a row died while they ran `{}` and it made no progress: see to the cause, then \
                 `resume` it",
                execution.function.name
            ),
        )
    })
}

fn make_root(execution: &Arc<Execution>) -> Result<Root, Error> {
    let arguments = std::mem::take(&mut *execution.arguments.held());
    let function = execution.function;
    let made = caught(|| {
        context::within(Context::Execution(execution.clone()), || {
            let open = |sealed: &[u8]| execution.engine.open(sealed, function.name);
            let mut input = Input::from_record(&arguments, &function.secret, open)?;
            (function.start)(&mut input)
        })
    });
    match made {
        Ok(Ok(root)) => Ok(root),
        Ok(Err(error)) => Err(error
            .context(format!("`{}` can't be started with its recorded arguments", function.name))
            .with_kind(ErrorKind::Diverged)),
        Err(words) => Err(panicked(execution, &words)),
    }
}

/// A write has come back.
fn committed(execution: &Arc<Execution>, ticket: u64, value: Option<Value>, result: Result<Committed, Refused>) {
    let mut state = execution.state.held();
    let Some(pending) = state.pending.remove(&ticket) else { return };
    let committed = match result {
        Ok(committed) => committed,
        Err(refused) => {
            drop(state);
            return self::refused(execution, pending, refused);
        }
    };
    progressed(&mut state);
    match pending {
        Pending::Outcome { place } => {
            if let Some(value) = value {
                state.offer(committed.stamp, Offered::Outcome { place, value });
            }
        }
        Pending::Transaction { place, trial } => {
            if let Some(value) = trial.value() {
                state.offer(committed.stamp, Offered::Outcome { place, value });
            }
            state.settle(place);
        }
        Pending::Row(row) => match *row {
            RowKind::Outcome(_) => {}
            RowKind::Arrival { name, payload } => state.offer(committed.stamp, Offered::Arrival { name, payload }),
            RowKind::Cancel { reason } => state.offer(committed.stamp, Offered::Cancel { reason }),
            RowKind::Deadline => state.offer(committed.stamp, Offered::Deadline),
        },
        Pending::Attempt(done) => {
            if let Some(done) = done {
                let _ = done.send(());
            }
        }
        Pending::End(end) => {
            let finished = Finished { end, value: value.unwrap_or_default() };
            state.phase = Phase::Gone;
            let unwanted = state.abort_all();
            drop(state);
            drop(unwanted);
            execution.engine.ended(execution, finished);
            return;
        }
        Pending::Release | Pending::Park => {
            drop(state);
            execution.engine.forget(execution);
            return;
        }
    }
    drop(state);
    advance(execution);
}

/// The record has grown: the execution doesn't kill its worker.
fn progressed(state: &mut State) {
    state.crashes = 0;
}

fn refused(execution: &Arc<Execution>, pending: Pending, refused: Refused) {
    match refused {
        Refused::Fenced | Refused::Closed => {
            tracing::debug!(id = %execution.id, ?refused, "the claim is gone");
            execution.abandon();
        }
        Refused::Gone => {
            // The message had been moved by an earlier claim: its row is in the record already.
            if let Pending::Outcome { place } = pending {
                execution.state.held().settle(place);
            }
            advance(execution);
        }
        Refused::NoRow => {
            if let Pending::Transaction { place, trial } = pending {
                transaction::again(execution, place, *trial);
            }
        }
    }
}

fn due(execution: &Arc<Execution>, due: Due) {
    match due {
        Due::Operation(place) => {
            let mut state = execution.state.held();
            // A timer of an operation that was dropped, or of one that took a signal, is over.
            if matches!(state.places[place].activity, Activity::Timer(_)) && state.phase == Phase::Live {
                state.settle(place);
                execution.record(&mut state, place, Value::Ok(encoding::none()), 0, None);
            }
        }
        Due::Deadline => {
            let mut state = execution.state.held();
            if matches!(state.phase, Phase::Live | Phase::Replaying) {
                execution.submit(
                    &mut state,
                    Write::Row { row: RowKind::Deadline, from: None },
                    Pending::Row(Box::new(RowKind::Deadline)),
                );
            }
        }
        Due::Park(generation) => parking::park_if_idle(execution, generation),
    }
}

/// What a function did that something foreign woke.
const WOKEN: &str = "was woken by something that is not durable";

fn foreign(execution: &Arc<Execution>) {
    if execution.waker.foreign.swap(false, Ordering::AcqRel) {
        let state = execution.state.held();
        if matches!(state.phase, Phase::Live | Phase::Replaying) {
            let error = not_durable(execution, &state, WOKEN);
            drop(state);
            parking::park_for_good(execution, error);
        }
    }
}

/// The error of a function that does something which isn't durable.
pub(super) fn not_durable(execution: &Execution, state: &State, what: &str) -> Error {
    let (name, last) = (execution.function.name, last_operation(state));
    Error::of(
        ErrorKind::NotDurable,
        format!("`{name}` {what} ({last}): await timers, channels to other tasks and I/O inside a step"),
    )
}

fn spins(execution: &Execution, state: &State) -> Error {
    let (name, last) = (execution.function.name, last_operation(state));
    Error::of(
        ErrorKind::NotDurable,
        format!(
            "`{name}` woke itself {MAX_POLLS} times in a row and awaited no operation ({last}): a loop that asks again \
             and again belongs into a step, or needs a `sleep` in it"
        ),
    )
}

fn last_operation(state: &State) -> String {
    match state.last_operation {
        Some(place) => format!("its last operation was {}", state.describe(place)),
        None => "it hadn't called an operation".to_owned(),
    }
}

/// Goes on with what has been committed.
pub(crate) fn advance(execution: &Arc<Execution>) {
    let phase = execution.state.held().phase.clone();
    match phase {
        Phase::Live | Phase::Replaying => run(execution, false),
        Phase::Ending(_) => ending::look(execution),
        Phase::Returned | Phase::Ended | Phase::Gone => {}
    }
}

/// Polls the root: for the first time if `first`, then for each offer, until it is quiet.
fn run(execution: &Arc<Execution>, first: bool) {
    let Some(mut root) = execution.root.held().take() else { return };
    let span = tracing::info_span!("outlast.execution", id = %execution.id, function = execution.function.name);
    let in_span = span.enter();
    let progress =
        caught(|| context::within(Context::Execution(execution.clone()), || offer_all(execution, &mut root, first)));
    let progress = match progress {
        Ok(progress) => progress,
        Err(words) => Progress::Fault(panicked(execution, &words)),
    };
    drop(in_span);
    match progress {
        Progress::Quiet => {
            *execution.root.held() = Some(root);
            quiet(execution);
        }
        Progress::Returned(produced) => {
            // The function has returned: what its future still holds is dropped as the function left it.
            context::within(Context::Execution(execution.clone()), || {
                let _ = caught(|| drop(root));
            });
            ending::returned(execution, produced);
        }
        Progress::Ends(ending) => {
            drop_root(Some(root));
            ending::begin(execution, ending);
        }
        Progress::Fault(error) => {
            drop_root(Some(root));
            parking::park_for_good(execution, error);
        }
    }
}

fn panicked(execution: &Execution, words: &str) -> Error {
    let function = execution.function;
    let words = if Sealed::from(function.secret).any { "•••" } else { words };
    Error::of(ErrorKind::Panicked, format!("`{}` panicked: {words}", function.name))
}

/// Nothing is left to offer: replay is over, and what is wanted starts.
fn quiet(execution: &Arc<Execution>) {
    #[cfg(test)]
    if super::tests::probe::stops(execution) {
        return;
    }
    let mut state = execution.state.held();
    match state.phase {
        Phase::Live => {}
        Phase::Replaying => {
            state.phase = Phase::Live;
            tracing::debug!(id = %execution.id, "replayed");
        }
        // The claim was lost while the root was polled: no body may start, and nobody else has the root.
        Phase::Ending(_) | Phase::Returned | Phase::Ended | Phase::Gone => {
            drop(state);
            return execution.put_away();
        }
    }
    // rule: bodies start in the order of their places, once every recorded outcome has been offered.
    let mut starting = Vec::new();
    if !state.starting.is_empty() && !is_to_end(execution, &state) {
        starting = std::mem::take(&mut state.starting);
    }
    starting.sort_by_key(|(place, _)| *place);
    let (mut bodies, mut unwanted) = (Vec::new(), Vec::new());
    for (place, launch) in starting.drain(..) {
        if state.places[place].is_wanted() && !execution.engine.is_draining() {
            bodies.extend(launch.start(execution, &mut state, place));
        } else {
            unwanted.push(launch);
        }
    }
    if state.starting.is_empty() {
        // Its room is used again.
        state.starting = starting;
    }
    record_drift(execution, &mut state);
    let waiting = std::mem::take(&mut state.waiting);
    let fetch = std::mem::take(&mut state.fetch_again);
    drop(state);
    // What a body has captured is dropped without the lock, as bodies begin without it.
    drop(unwanted);
    for body in bodies {
        body.begin(execution);
    }
    if !waiting.is_empty() {
        inbox::move_into_record(execution, waiting);
    }
    if fetch {
        inbox::fetch(execution);
    }
    parking::consider(execution);
}

/// Says once in the record that an operation was matched although its arguments have changed: an arrival under a name
/// that no signal can have, so that nobody takes it and no poll comes of it.
pub(crate) fn record_drift(execution: &Arc<Execution>, state: &mut State) {
    for place in std::mem::take(&mut state.drifted) {
        let name: Arc<str> = format!(".drift {}", state.describe(place)).into();
        let said = state.offers.iter().any(|offer| match &offer.what {
            Offered::Arrival { name: other, .. } => *other == name,
            Offered::Outcome { .. } | Offered::Recorded(_) | Offered::Cancel { .. } | Offered::Deadline => false,
        });
        if !said {
            let row = RowKind::Arrival { name, payload: state.places[place].arguments.clone() };
            execution.submit(state, Write::Row { row: row.clone(), from: None }, Pending::Row(Box::new(row)));
        }
    }
}

/// Whether a cancellation came with the claim, the deadline has passed, or the row of either is on its way: nothing
/// starts for an execution that is about to end.
fn is_to_end(execution: &Execution, state: &State) -> bool {
    inbox::cancellation(state).is_some()
        || execution.deadline.is_some_and(|deadline| deadline <= Stamp::now())
        || state
            .pending
            .values()
            .any(|pending| matches!(pending, Pending::Row(row) if matches!(**row, RowKind::Cancel { .. } | RowKind::Deadline)))
}

fn offer_all(execution: &Arc<Execution>, root: &mut Root, first: bool) -> Progress {
    let waker: Waker = execution.waker.clone().into();
    let mut cx = TaskContext::from_waker(&waker);
    if first && let Some(produced) = poll_until_quiet(execution, root, &mut cx) {
        return returned(execution, produced);
    }
    loop {
        if let Some(fault) = take_fault(execution) {
            return Progress::Fault(fault);
        }
        let next = execution.state.held().next(execution);
        match next {
            Next::None => return Progress::Quiet,
            Next::Ends(ending) => return Progress::Ends(ending),
            Next::Fault(error) => return Progress::Fault(error),
            Next::Offer(Some(operation)) => operation.wake(),
            Next::Offer(None) => {}
        }
        let returned = poll_until_quiet(execution, root, &mut cx);
        // rule: what wasn't taken is withdrawn.
        execution.state.held().conclude();
        if let Some(produced) = returned {
            return self::returned(execution, produced);
        }
    }
}

/// A function that has returned, unless what it did before wasn't durable.
fn returned(execution: &Execution, produced: Produced) -> Progress {
    match take_fault(execution) {
        Some(fault) => Progress::Fault(fault),
        None => Progress::Returned(produced),
    }
}

fn take_fault(execution: &Execution) -> Option<Error> {
    let mut state = execution.state.held();
    if execution.waker.foreign.load(Ordering::Acquire) {
        execution.waker.foreign.store(false, Ordering::Release);
        return Some(not_durable(execution, &state, WOKEN));
    }
    state.fault.take()
}

/// Polls in a round, each of which woke the root itself, after which the function is taken to spin: it would keep its
/// lane from all others. A round is the same on every replay, so its length is too.
const MAX_POLLS: u32 = 100_000;

/// One offer, one round: again while the poll itself woke the root.
fn poll_until_quiet(execution: &Arc<Execution>, root: &mut Root, cx: &mut TaskContext<'_>) -> Option<Produced> {
    let _silent = (tracing::dispatcher::has_been_set() && execution.is_repeating())
        .then(|| tracing::subscriber::set_default(tracing::subscriber::NoSubscriber::default()));
    for _ in 0..MAX_POLLS {
        #[cfg(test)]
        execution.state.held().probe.polled();
        execution.waker.own.store(false, Ordering::Relaxed);
        // rule: the root is polled outside tokio's cooperative budget.
        let mut unbudgeted = std::pin::pin!(tokio::task::unconstrained(root.as_mut()));
        if let Poll::Ready(produced) = unbudgeted.as_mut().poll(cx) {
            return Some(produced);
        }
        if !execution.waker.own.load(Ordering::Relaxed) {
            return None;
        }
    }
    let mut state = execution.state.held();
    state.fault = Some(spins(execution, &state));
    None
}
