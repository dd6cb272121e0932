//! Transactions: the body runs inside the store's transaction, and its record commits with its writes.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::oneshot;

use super::body::{After, BodySpec, Caught, ErasedBody, after, back_off_until, hidden};
use super::context::{Context, Scope, Scoped};
use super::execution::Execution;
use super::held::Held;
use super::lane::Event;
use super::state::{Pending, Phase};
use crate::error::{Error, ErrorKind};
use crate::function::outcome::{Produced, fault_bytes};
use crate::store::{
    Attempt, BoxFuture, Committed, Refused, RowKind, Stamp, TransactionBody, TransactionFault, Value, Verdict, Write,
};

/// What an attempt leaves for the engine.
#[derive(Default)]
struct Left {
    /// The recorded value, if the attempt gave a row.
    value: Arc<Mutex<Option<Value>>>,
    /// The failure and the wait, if it is to be tried again.
    again: Arc<Mutex<Option<(std::time::Duration, Error)>>>,
}

/// Runs a transaction until there is something to record.
pub(crate) async fn run(
    execution: Arc<Execution>,
    place: usize,
    spec: BodySpec,
    body: Arc<dyn ErasedBody>,
    earlier: Option<Attempt>,
) {
    let key = execution.state.held().places[place].key.clone();
    let mut attempt = earlier.unwrap_or(Attempt {
        key,
        failed: 0,
        spent: std::time::Duration::ZERO,
        next: Stamp::default(),
        error: Vec::new(),
        started: false,
    });
    loop {
        if !back_off_until(&execution, place, attempt.next).await {
            return;
        }
        super::body::reach(&execution, place, "before-body");
        let begun = Instant::now();
        let left = Left::default();
        let Some(done) = submit(&execution, place, &spec, &body, &attempt, &left) else { return };
        match done.await {
            // The row is recorded; the lane has the value, offers it and knows that nothing is under way any more.
            Ok(Ok(_)) | Err(_) => return,
            Ok(Err(_)) => {}
        }
        let Some((wait, error)) = left.again.held().take() else { return };
        attempt.failed += 1;
        attempt.spent = attempt.spent.saturating_add(begun.elapsed()).saturating_add(wait);
        attempt.next = Stamp::now().after(wait);
        attempt.error = fault_bytes(&hidden(&spec, &error));
        let mut state = execution.state.held();
        if state.phase != Phase::Live {
            state.settle(place);
            drop(state);
            return execution.send(Event::Settled);
        }
        execution.submit(&mut state, Write::Attempt(attempt.clone()), Pending::Attempt(None));
    }
}

/// Hands one attempt to the store.
fn submit(
    execution: &Arc<Execution>,
    place: usize,
    spec: &BodySpec,
    body: &Arc<dyn ErasedBody>,
    attempt: &Attempt,
    left: &Left,
) -> Option<oneshot::Receiver<Result<Committed, Refused>>> {
    let judge = Judge {
        execution: execution.clone(),
        place,
        spec: spec.clone(),
        failed: attempt.failed,
        spent: attempt.spent,
        value: left.value.clone(),
        again: left.again.clone(),
    };
    let judge = Arc::new(judge);
    let (run, failed) = (judge.clone(), judge);
    let body = body.clone();
    let transaction = TransactionBody {
        run: Box::new(move || run.clone().verdict(body.clone())),
        failed: Box::new(move |fault| failed.fault(fault)),
    };
    let (done, committed) = oneshot::channel();
    let mut state = execution.state.held();
    if !matches!(state.phase, Phase::Live | Phase::Ending(_)) {
        return None;
    }
    let pending = Pending::Transaction { place, value: left.value.clone(), done };
    execution.submit(&mut state, Write::Transaction(transaction), pending);
    Some(committed)
}

/// Turns what a body came to into what the store does with it.
struct Judge {
    execution: Arc<Execution>,
    place: usize,
    spec: BodySpec,
    failed: u32,
    spent: std::time::Duration,
    value: Arc<Mutex<Option<Value>>>,
    again: Arc<Mutex<Option<(std::time::Duration, Error)>>>,
}

impl Judge {
    fn verdict(self: Arc<Self>, body: Arc<dyn ErasedBody>) -> BoxFuture<'static, Verdict> {
        // A commit that has to be made again begins afresh.
        *self.value.held() = None;
        *self.again.held() = None;
        let kind = crate::store::Kind::Transaction;
        let key = {
            let mut state = self.execution.state.held();
            state.places[self.place].recorded = false;
            state.places[self.place].key.clone()
        };
        let scope = Scope::new(&self.execution, kind, key, self.spec.name.clone());
        let span = tracing::info_span!("outlast.transaction", id = %self.execution.id, transaction = %self.spec.name, attempt = self.failed + 1);
        let run = Caught::new(Scoped::new(
            Context::Transaction(Arc::new(scope)),
            Box::pin(async move { body.recorded().await }),
        ));
        let verdict = async move {
            match run.await {
                Ok(produced) => {
                    let name = || format!("the result of `{}`", self.spec.name);
                    self.judge(self.execution.engine.limited(produced, name, self.spec.secret))
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
        match after(&self.spec, produced, self.failed, self.spent) {
            After::Record(produced) => {
                let row = self.row(produced.value);
                if succeeded { Verdict::Commit(row) } else { Verdict::RollBack(row) }
            }
            After::Again(wait, error) => {
                *self.again.held() = Some((wait, error));
                Verdict::Retry
            }
        }
    }

    fn fault(&self, fault: TransactionFault) -> Option<RowKind> {
        let name = &self.spec.name;
        let error = match fault {
            TransactionFault::Panicked(words) => {
                let words = if self.spec.secret.any { "•••" } else { words.as_str() };
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
        let value = self.execution.engine.seal_result(value, self.spec.secret, &self.spec.name);
        *self.value.held() = Some(value.clone());
        let mut state = self.execution.state.held();
        let place = &mut state.places[self.place];
        place.recorded = true;
        RowKind::Outcome(self.execution.outcome(place, place.arguments.clone(), value, self.failed + 1))
    }
}
