//! Transactions: the body runs inside the store's transaction, and its record commits with its writes.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::body::{After, BodySpec, Caught, ErasedBody, after, back_off_until, hidden};
use super::context::{Context, Scope, Scoped};
use super::execution::Execution;
use super::held::Held;
use super::lane::Event;
use super::state::{Activity, Pending, Phase, State};
use crate::error::{Error, ErrorKind};
use crate::function::outcome::{Produced, fault_bytes};
use crate::store::{Attempt, BoxFuture, RowKind, Stamp, TransactionBody, TransactionFault, Value, Verdict, Write};

/// An attempt that the store has been asked to run.
pub(crate) struct Trial {
    judge: Arc<Judge>,
    attempt: Attempt,
    begun: Instant,
}

impl Trial {
    /// The recorded value, if the attempt gave a row.
    pub(crate) fn value(&self) -> Option<Value> {
        self.judge.left.held().value.take()
    }
}

/// Starts a transaction: at once, or in a task that waits until it may be tried again. The state is the execution's, held.
pub(crate) fn start(
    execution: &Arc<Execution>,
    state: &mut State,
    place: usize,
    body: Arc<dyn ErasedBody>,
    earlier: Option<Attempt>,
) {
    let attempt = earlier.unwrap_or_else(|| Attempt::first(state.places[place].key.clone()));
    if attempt.next == Stamp::default() {
        state.set_activity(place, Activity::Busy(None));
        return submit(execution, state, place, body, attempt);
    }
    let owner = execution.clone();
    let task = execution.engine.runtime.spawn(async move {
        if back_off_until(&owner, place, attempt.next).await {
            let mut state = owner.state.held();
            submit(&owner, &mut state, place, body, attempt);
        }
    });
    state.set_activity(place, Activity::Busy(Some(task.abort_handle())));
}

/// Hands one attempt to the store. What becomes of it is an event of the execution's lane.
fn submit(execution: &Arc<Execution>, state: &mut State, place: usize, body: Arc<dyn ErasedBody>, attempt: Attempt) {
    if !matches!(state.phase, Phase::Live | Phase::Ending(_)) {
        return;
    }
    super::body::reach_in(state, place, "before-body");
    let judge = Arc::new(Judge {
        execution: execution.clone(),
        place,
        body,
        failed: attempt.failed,
        spent: attempt.spent,
        left: Mutex::default(),
    });
    let (run, failed) = (judge.clone(), judge.clone());
    let transaction = TransactionBody {
        run: Box::new(move || run.clone().verdict()),
        failed: Box::new(move |fault| failed.fault(fault)),
    };
    let trial = Box::new(Trial { judge, attempt, begun: Instant::now() });
    execution.submit(state, Write::Transaction(transaction), Pending::Transaction { place, trial });
}

/// The store has rolled an attempt back: another one, if the body's failure asks for it.
pub(crate) fn again(execution: &Arc<Execution>, place: usize, trial: Trial) {
    let Trial { judge, mut attempt, begun } = trial;
    let Some((wait, error)) = judge.left.held().again.take() else {
        // The store has given it up, since the execution is to end.
        execution.state.held().settle(place);
        return execution.send(Event::Settled);
    };
    let error = hidden(judge.body.spec(), &error);
    attempt.failed += 1;
    attempt.spent = attempt.spent.saturating_add(begun.elapsed()).saturating_add(wait);
    attempt.next = Stamp::now().after(wait);
    attempt.error = fault_bytes(&error);
    let mut state = execution.state.held();
    if state.phase != Phase::Live {
        state.settle(place);
        drop(state);
        return execution.send(Event::Settled);
    }
    execution.submit(&mut state, Write::Attempt(attempt.clone()), Pending::Attempt(None));
    start(execution, &mut state, place, judge.body.clone(), Some(attempt));
}

/// Turns what a body came to into what the store does with it.
struct Judge {
    execution: Arc<Execution>,
    place: usize,
    body: Arc<dyn ErasedBody>,
    failed: u32,
    spent: Duration,
    left: Mutex<Left>,
}

/// What an attempt leaves for the engine.
#[derive(Default)]
struct Left {
    /// The recorded value, if the attempt gave a row.
    value: Option<Value>,
    /// The failure and the wait, if it is to be tried again.
    again: Option<(Duration, Error)>,
}

impl Judge {
    fn spec(&self) -> &BodySpec {
        self.body.spec()
    }

    fn verdict(self: Arc<Self>) -> BoxFuture<'static, Verdict> {
        // A commit that has to be made again begins afresh.
        *self.left.held() = Left::default();
        let kind = crate::store::Kind::Transaction;
        let key = {
            let mut state = self.execution.state.held();
            state.places[self.place].recorded = false;
            state.places[self.place].key.clone()
        };
        let scope = Scope::new(&self.execution, kind, key, self.spec().name.clone());
        let span = tracing::info_span!("outlast.transaction", id = %self.execution.id, transaction = %self.spec().name, attempt = self.failed + 1);
        let body = self.body.clone();
        let run = Caught::new(Scoped::new(
            Context::Transaction(Arc::new(scope)),
            Box::pin(async move { body.recorded().await }),
        ));
        let verdict = async move {
            match run.await {
                Ok(produced) => {
                    let name = || format!("the result of `{}`", self.spec().name);
                    self.judge(self.execution.engine.limited(produced, name, self.spec().secret))
                }
                Err(words) => match self.fault(TransactionFault::Panicked(words)) {
                    Some(row) => Verdict::RollBack(row),
                    None => Verdict::Retry,
                },
            }
        };
        Box::pin(tracing::Instrument::instrument(verdict, span))
    }

    fn judge(&self, produced: Produced) -> Verdict {
        let succeeded = produced.error.is_none();
        match after(self.spec(), produced, self.failed, self.spent) {
            After::Record(produced) => {
                let row = self.row(produced.value);
                if succeeded { Verdict::Commit(row) } else { Verdict::RollBack(row) }
            }
            After::Again(wait, error) => {
                self.left.held().again = Some((wait, error));
                Verdict::Retry
            }
        }
    }

    fn fault(&self, fault: TransactionFault) -> Option<RowKind> {
        let name = &self.spec().name;
        let error = match fault {
            TransactionFault::Panicked(words) => {
                let words = if self.spec().secret.any { "•••" } else { words.as_str() };
                Error::of(ErrorKind::Panicked, format!("`{name}` panicked: {words}"))
            }
            TransactionFault::Waited => Error::of(
                ErrorKind::Misplaced,
                format!(
                    "the transaction `{name}` waited for something that is not the store: a transaction holds the \
                     store while it runs, so do that in a step before it"
                ),
            )
            .into_terminal(),
            TransactionFault::Refused(error) => error.into_terminal(),
        };
        match self.judge(Produced::fault(error)) {
            Verdict::Commit(row) | Verdict::RollBack(row) => Some(row),
            Verdict::Retry => None,
        }
    }

    /// The row, its value kept for the offer.
    fn row(&self, value: Value) -> RowKind {
        let value = self.execution.engine.seal_result(value, self.spec().secret, &self.spec().name);
        self.left.held().value = Some(value.clone());
        let mut state = self.execution.state.held();
        let place = &mut state.places[self.place];
        place.recorded = true;
        RowKind::Outcome(self.execution.outcome(place, place.arguments.clone(), value, self.failed + 1))
    }
}
