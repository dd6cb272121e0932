//! Bodies: a task of its own for each step that runs, with its attempts, its timeout, its panics.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Sealed;
use super::context::{Context, Scope, Scoped};
use super::execution::Execution;
use super::held::Held;
use super::lane::Event;
use super::state::{Activity, Pending, Phase};
use crate::error::{Error, ErrorKind};
use crate::function::outcome::{Codec, Produced, fault_bytes};
use crate::function::spec::{Retry, StepSpec};
use crate::panics::caught;
use crate::store::{Attempt, BoxFuture, Name, Stamp, Write};

/// The body of a step, its result in the record's form.
pub(crate) trait ErasedBody: Send + Sync {
    fn recorded(&self) -> BoxFuture<'static, Produced>;
}

/// The body of a step with its type: `plain()` gives the result as it is.
pub(crate) trait TypedBody<R>: ErasedBody {
    fn plain(&self) -> BoxFuture<'static, R>;
}

/// A body made by a closure, anew for each attempt.
pub(crate) struct Body<R: 'static, F> {
    pub(crate) codec: &'static Codec<R>,
    pub(crate) make: F,
}

impl<R, F, Fut> ErasedBody for Body<R, F>
where
    R: Send + 'static,
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
{
    fn recorded(&self) -> BoxFuture<'static, Produced> {
        let codec = self.codec;
        let body = (self.make)();
        Box::pin(async move { codec.produce(&body.await) })
    }
}

impl<R, F, Fut> TypedBody<R> for Body<R, F>
where
    R: Send + 'static,
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
{
    fn plain(&self) -> BoxFuture<'static, R> {
        Box::pin((self.make)())
    }
}

/// The options of a body.
#[derive(Debug, Clone)]
pub(crate) struct BodySpec {
    pub(crate) name: Name,
    pub(crate) retry: Retry,
    pub(crate) timeout: Option<Duration>,
    pub(crate) at_most_once: bool,
    /// If anything is secret, an error's words aren't kept between attempts or logged.
    pub(crate) secret: Sealed,
}

impl BodySpec {
    pub(crate) fn of(spec: &StepSpec, name: Name) -> Self {
        Self {
            name,
            retry: spec.retry,
            timeout: spec.timeout,
            at_most_once: spec.at_most_once,
            secret: spec.secret.into(),
        }
    }
}

/// What comes after an attempt.
pub(crate) enum After {
    /// This is recorded.
    Record(Produced),
    /// Another attempt, after this wait.
    Again(Duration, Error),
}

/// Decides: record it, or try again. `failed` counts the attempts that failed before this one.
pub(crate) fn after(spec: &BodySpec, produced: Produced, failed: u32, spent: Duration) -> After {
    let Some(error) = &produced.error else { return After::Record(produced) };
    let last = error.is_terminal() || produced.again == Some(false) || spec.at_most_once;
    if last || spec.retry.max_attempts <= 1 {
        return After::Record(produced);
    }
    let attempts = failed + 1;
    let wait = error.retry_after().unwrap_or_else(|| back_off(&spec.retry, failed));
    if attempts >= spec.retry.max_attempts {
        let message = format!("`{}` failed {attempts} times: attempts exhausted", spec.name);
        return After::Record(exhausted(&hidden(spec, error), message));
    }
    if spent.saturating_add(wait) > spec.retry.limit {
        let message = format!("`{}` failed {attempts} times within {:?}: time exhausted", spec.name, spec.retry.limit);
        return After::Record(exhausted(&hidden(spec, error), message));
    }
    After::Again(wait, error.clone())
}

fn exhausted(last: &Error, message: String) -> Produced {
    Produced::fault(last.clone().context(message).with_kind(ErrorKind::Exhausted).into_terminal())
}

/// The wait after the `failed`-th failure (from 0), with up to a quarter of it taken off so that many don't come at once.
fn back_off(retry: &Retry, failed: u32) -> Duration {
    let exponent = i32::try_from(failed).unwrap_or(i32::MAX);
    let grown = retry.initial.as_secs_f64() * retry.factor.max(1.0).powi(exponent);
    let capped = grown.min(retry.max.as_secs_f64()).max(0.0);
    let jitter = f64::from(super::random::byte()) / 1024.0;
    Duration::try_from_secs_f64(capped * (1.0 - jitter)).unwrap_or(retry.max)
}

/// Runs a step's body until there is something to record.
pub(crate) async fn run(
    execution: Arc<Execution>,
    place: usize,
    spec: BodySpec,
    body: Arc<dyn ErasedBody>,
    earlier: Option<Attempt>,
) {
    let (kind, key) = {
        let state = execution.state.held();
        (state.places[place].kind, state.places[place].key.clone())
    };
    let interrupted = earlier.as_ref().is_some_and(|attempt| attempt.started);
    let mut attempt = earlier.unwrap_or(Attempt {
        key,
        failed: 0,
        spent: Duration::ZERO,
        next: Stamp::default(),
        error: Vec::new(),
        started: false,
    });
    if spec.at_most_once {
        if interrupted {
            let error = Error::of(
                ErrorKind::Interrupted,
                format!(
                    "`{}` was cut off by a crash and is never begun twice: whether it happened is not known",
                    spec.name
                ),
            );
            return execution.finish(place, Produced::fault(error.into_terminal()).value, 1);
        }
        attempt.started = true;
        if !keep(&execution, attempt.clone()).await {
            return;
        }
    }
    loop {
        if !back_off_until(&execution, place, attempt.next).await {
            return;
        }
        reach(&execution, place, "before-body");
        let begun = Instant::now();
        let scope = Scope::new(&execution, kind, attempt.key.clone(), spec.name.clone());
        let span =
            tracing::info_span!("outlast.step", id = %execution.id, step = %spec.name, attempt = attempt.failed + 1);
        let produced = {
            use tracing::Instrument;
            attempt_once(&spec, scope, &*body).instrument(span).await
        };
        reach(&execution, place, "after-body");
        let produced = execution.engine.limited(produced, || format!("the result of `{}`", spec.name), spec.secret);
        attempt.spent = attempt.spent.saturating_add(begun.elapsed());
        match after(&spec, produced, attempt.failed, attempt.spent) {
            After::Record(produced) => {
                let value = execution.engine.seal_result(produced.value, spec.secret, &spec.name);
                return execution.finish(place, value, attempt.failed + 1);
            }
            After::Again(wait, error) => {
                tracing::warn!(id = %execution.id, step = %spec.name, attempt = attempt.failed + 1, error = %hidden(&spec, &error), "failed, will be tried again");
                attempt.failed += 1;
                attempt.spent = attempt.spent.saturating_add(wait);
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
    }
}

/// An error's words as they may be kept and logged: attempts and faults aren't sealed.
pub(crate) fn hidden(spec: &BodySpec, error: &Error) -> Error {
    if spec.secret.any { Error::of(error.kind(), "•••") } else { error.clone() }
}

/// Keeps an attempt, and waits until it is durable. `false` if the claim is gone.
pub(crate) async fn keep(execution: &Arc<Execution>, attempt: Attempt) -> bool {
    let (done, kept) = oneshot::channel();
    execution.submit(&mut execution.state.held(), Write::Attempt(attempt), Pending::Attempt(Some(done)));
    kept.await.is_ok()
}

/// Waits for the next attempt's time, so that the execution can be parked meanwhile. `false` if it has ended.
pub(crate) async fn back_off_until(execution: &Arc<Execution>, place: usize, next: Stamp) -> bool {
    let wait = next.0.saturating_sub(Stamp::now().0);
    if wait <= 0 {
        return true;
    }
    {
        let mut state = execution.state.held();
        let Activity::Busy(Some(task)) = &state.places[place].activity else { return false };
        let task = task.clone();
        state.set_activity(place, Activity::BackOff(task, next));
    }
    execution.send(Event::Settled);
    tokio::time::sleep(Duration::from_millis(wait.unsigned_abs())).await;
    let mut state = execution.state.held();
    let Activity::BackOff(task, _) = &state.places[place].activity else { return false };
    let task = task.clone();
    state.set_activity(place, Activity::Busy(Some(task)));
    state.phase == Phase::Live
}

/// One attempt: its panic and its timeout are failures like any other.
async fn attempt_once(spec: &BodySpec, scope: Scope, body: &dyn ErasedBody) -> Produced {
    let scope = Context::Body(Arc::new(scope));
    let future = match caught(|| body.recorded()) {
        Ok(future) => future,
        Err(words) => return panicked(spec, &words),
    };
    let run = Caught::new(Scoped::new(scope, future));
    let outcome = match spec.timeout {
        None => run.await,
        Some(limit) => {
            let Ok(outcome) = tokio::time::timeout(limit, run).await else {
                let message = format!("an attempt of `{}` took longer than its timeout of {limit:?}", spec.name);
                return Produced::fault(Error::of(ErrorKind::Timeout, message));
            };
            outcome
        }
    };
    outcome.unwrap_or_else(|words| panicked(spec, &words))
}

fn panicked(spec: &BodySpec, words: &str) -> Produced {
    let words = if spec.secret.any { "•••" } else { words };
    Produced::fault(Error::of(ErrorKind::Panicked, format!("`{}` panicked: {words}", spec.name)))
}

/// A future whose panic is its words. What it leaves behind may panic, too, when it is given up.
pub(crate) struct Caught<F>(Option<F>);

impl<F> Caught<F> {
    pub(crate) fn new(future: F) -> Self {
        Self(Some(future))
    }
}

impl<F: Future + Unpin> Future for Caught<F> {
    type Output = Result<F::Output, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else { return Poll::Pending };
        match caught(|| Pin::new(future).poll(cx)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(words) => Poll::Ready(Err(words)),
        }
    }
}

impl<F> Drop for Caught<F> {
    fn drop(&mut self) {
        let future = self.0.take();
        if caught(|| drop(future)).is_err() {
            tracing::warn!("a destructor panicked while a body was put away");
        }
    }
}

/// A crash point of this place, where tests kill the process.
pub(crate) fn reach(execution: &Execution, place: usize, point: &str) {
    #[cfg(feature = "crash-points")]
    if crate::crash_point::is_armed() {
        let state = execution.state.held();
        let key = &state.places[place].key;
        let name = format!("{}#{}:{point}", key.name, state.places[place].name_ordinal);
        drop(state);
        crate::crash_point::reach(&name);
    }
    #[cfg(not(feature = "crash-points"))]
    let _ = (execution, place, point);
}
