//! Bodies: each step that runs, with its attempts, its timeout, its panics. A body begins on its execution's lane if its
//! step is known to be quick there; what waits for anything goes on in a task of its own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Sealed;
use super::context::{Context, Scope, Scoped};
use super::execution::Execution;
use super::held::Held;
use super::lane::Event;
use super::state::{Activity, Pending, Phase, State};
use crate::error::{Error, ErrorKind};
use crate::function::outcome::{Codec, Produced, fault_bytes};
use crate::function::spec::{Retry, StepSpec};
use crate::pace::Pace;
use crate::panics::caught;
use crate::store::{Attempt, BoxFuture, Kind, Name, Stamp, Write};

/// The body of a step, its result in the record's form.
pub(crate) trait ErasedBody: Send + Sync {
    fn spec(&self) -> &BodySpec;
    fn recorded(&self) -> BoxFuture<'static, Produced>;
    fn pace(&self) -> &'static Pace;
}

/// The body of a step with its type: `plain()` gives the result as it is.
pub(crate) trait TypedBody<R>: ErasedBody {
    fn plain(&self) -> BoxFuture<'static, R>;
}

/// A body made by a closure, anew for each attempt.
pub(crate) struct Body<R: 'static, F> {
    pub(crate) spec: BodySpec,
    pub(crate) codec: &'static Codec<R>,
    pub(crate) make: F,
}

impl<R, F, Fut> ErasedBody for Body<R, F>
where
    R: Send + 'static,
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
{
    fn spec(&self) -> &BodySpec {
        &self.spec
    }

    fn recorded(&self) -> BoxFuture<'static, Produced> {
        let codec = self.codec;
        let body = (self.make)();
        Box::pin(async move { codec.produce(&body.await) })
    }

    fn pace(&self) -> &'static Pace {
        Pace::of::<F>()
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
    pub(crate) fn of(spec: &'static StepSpec) -> Self {
        Self {
            name: spec.name.into(),
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

/// A step's body that is wanted: it begins once the execution's state is let go of.
pub(crate) struct Begin {
    pub(crate) place: usize,
    pub(crate) body: Arc<dyn ErasedBody>,
    /// What earlier claims left of its attempts.
    pub(crate) earlier: Option<Box<Attempt>>,
}

/// How far the first attempt is when its task begins.
enum First {
    /// Not begun.
    Unbegun,
    /// It was polled once, on the lane.
    Running(Running),
    /// It came to its end there, and has to be tried again.
    Failed(Duration, Error),
}

/// An attempt that has begun.
struct Running {
    future: Caught<Scoped<Produced>>,
    begun: Instant,
    span: tracing::Span,
}

impl Begin {
    /// Begins on the lane, if that holds nobody up; what isn't over at once goes on in a task.
    pub(crate) fn begin(self, execution: &Arc<Execution>) {
        let Self { place, body, earlier } = self;
        let attempt = match earlier {
            Some(earlier) => *earlier,
            None => Attempt::first(execution.state.held().places[place].key.clone()),
        };
        let (spec, pace) = (body.spec(), body.pace());
        if attempt.failed > 0 || attempt.started || spec.at_most_once || !pace.is_quick() {
            return spawn(execution, place, body, attempt, First::Unbegun);
        }
        reach(execution, place, "before-body");
        let mut running = Running::new(execution, spec, &attempt, &*body);
        let mut cx = TaskContext::from_waker(Waker::noop());
        // Polled again at once in a task if it waits for anything: that poll leaves the waker that counts.
        let polled = running.span.in_scope(|| Pin::new(&mut running.future).poll(&mut cx));
        let spent = running.begun.elapsed();
        pace.took(spent);
        let outcome = match polled {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => return spawn(execution, place, body, attempt, First::Running(running)),
        };
        match ended(execution, place, spec, &attempt, outcome.unwrap_or_else(|words| panicked(spec, &words)), spent) {
            After::Record(produced) => record(execution, place, spec, produced, 1),
            After::Again(wait, error) => {
                let attempt = Attempt { spent, ..attempt };
                spawn(execution, place, body, attempt, First::Failed(wait, error));
            }
        }
    }
}

impl Running {
    fn new(execution: &Execution, spec: &BodySpec, attempt: &Attempt, body: &dyn ErasedBody) -> Self {
        let number = attempt.failed + 1;
        let span = tracing::info_span!("outlast.step", id = %execution.id, step = %spec.name, attempt = number);
        let begun = Instant::now();
        let scope = Scope::new(execution, Kind::Step, attempt.key.clone(), spec.name.clone());
        let scope = Context::Body(Arc::new(scope));
        let future = match span.in_scope(|| caught(|| body.recorded())) {
            Ok(future) => future,
            // Told when it is polled, as any other panic.
            Err(words) => Box::pin(std::future::ready(panicked(spec, &words))),
        };
        Self { future: Caught::new(Scoped::new(scope, future)), begun, span }
    }

    /// Waits for its end, within the attempt's timeout.
    async fn end(self, spec: &BodySpec) -> (Produced, Duration) {
        use tracing::Instrument;
        let Self { future, begun, span } = self;
        let produced = match spec.timeout {
            None => future.instrument(span).await,
            Some(limit) => {
                let left = limit.saturating_sub(begun.elapsed());
                tokio::time::timeout(left, future.instrument(span)).await.unwrap_or_else(|_| {
                    let message = format!("an attempt of `{}` took longer than its timeout of {limit:?}", spec.name);
                    Ok(Produced::fault(Error::of(ErrorKind::Timeout, message)))
                })
            }
        };
        (produced.unwrap_or_else(|words| panicked(spec, &words)), begun.elapsed())
    }
}

/// Goes on in a task, unless the place has been given up meanwhile.
fn spawn(execution: &Arc<Execution>, place: usize, body: Arc<dyn ErasedBody>, attempt: Attempt, first: First) {
    let mut state = execution.state.held();
    if !matches!(state.places[place].activity, Activity::Busy(None)) {
        return;
    }
    let run = run(execution.clone(), place, body, attempt, first);
    let task = execution.engine.runtime.spawn(run);
    state.set_activity(place, Activity::Busy(Some(task.abort_handle())));
}

/// What comes after an attempt that is over.
fn ended(
    execution: &Execution,
    place: usize,
    spec: &BodySpec,
    attempt: &Attempt,
    produced: Produced,
    spent: Duration,
) -> After {
    reach(execution, place, "after-body");
    let produced = execution.engine.limited(produced, || format!("the result of `{}`", spec.name), spec.secret);
    after(spec, produced, attempt.failed, attempt.spent.saturating_add(spent))
}

fn record(execution: &Arc<Execution>, place: usize, spec: &BodySpec, produced: Produced, attempts: u32) {
    let value = execution.engine.seal_result(produced.value, spec.secret, &spec.name);
    execution.finish(place, value, attempts);
}

/// Runs a step's body until there is something to record.
async fn run(execution: Arc<Execution>, place: usize, body: Arc<dyn ErasedBody>, mut attempt: Attempt, first: First) {
    let spec = body.spec();
    if spec.at_most_once && !begins_once(&execution, place, spec, &mut attempt).await {
        return;
    }
    let mut first = Some(first);
    loop {
        let running = match first.take() {
            Some(First::Running(running)) => running,
            Some(First::Failed(wait, error)) => {
                if !try_again(&execution, place, spec, &mut attempt, wait, &error) {
                    return;
                }
                continue;
            }
            Some(First::Unbegun) | None => {
                if !back_off_until(&execution, place, attempt.next).await {
                    return;
                }
                reach(&execution, place, "before-body");
                let mut running = Running::new(&execution, spec, &attempt, &*body);
                running.future.measure(body.pace());
                running
            }
        };
        let (produced, spent) = running.end(spec).await;
        let after = ended(&execution, place, spec, &attempt, produced, spent);
        attempt.spent = attempt.spent.saturating_add(spent);
        match after {
            After::Record(produced) => return record(&execution, place, spec, produced, attempt.failed + 1),
            After::Again(wait, error) => {
                if !try_again(&execution, place, spec, &mut attempt, wait, &error) {
                    return;
                }
            }
        }
    }
}

/// Marks that the body begins: `false` if it had begun before, or the claim is gone.
async fn begins_once(execution: &Arc<Execution>, place: usize, spec: &BodySpec, attempt: &mut Attempt) -> bool {
    if attempt.started {
        let message = format!(
            "`{}` was cut off by a crash and is never begun twice: whether it happened is not known",
            spec.name
        );
        let error = Error::of(ErrorKind::Interrupted, message);
        execution.finish(place, Produced::fault(error.into_terminal()).value, 1);
        return false;
    }
    attempt.started = true;
    keep(execution, attempt.clone()).await
}

/// Keeps what is known after a failure; `false` if there is no sense in another attempt here.
fn try_again(
    execution: &Arc<Execution>,
    place: usize,
    spec: &BodySpec,
    attempt: &mut Attempt,
    wait: Duration,
    error: &Error,
) -> bool {
    let error = hidden(spec, error);
    tracing::warn!(id = %execution.id, step = %spec.name, attempt = attempt.failed + 1, %error, "failed, will be tried again");
    attempt.failed += 1;
    attempt.spent = attempt.spent.saturating_add(wait);
    attempt.next = Stamp::now().after(wait);
    attempt.error = fault_bytes(&error);
    let mut state = execution.state.held();
    if state.phase != Phase::Live {
        state.settle(place);
        drop(state);
        execution.send(Event::Settled);
        return false;
    }
    execution.submit(&mut state, Write::Attempt(attempt.clone()), Pending::Attempt(None));
    true
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

fn panicked(spec: &BodySpec, words: &str) -> Produced {
    let words = if spec.secret.any { "•••" } else { words };
    Produced::fault(Error::of(ErrorKind::Panicked, format!("`{}` panicked: {words}", spec.name)))
}

/// A future whose panic is its words. What it leaves behind may panic, too, when it is given up.
pub(crate) struct Caught<F> {
    future: Option<F>,
    /// To be told how long the first poll takes.
    pace: Option<&'static Pace>,
}

impl<F> Caught<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future: Some(future), pace: None }
    }

    fn measure(&mut self, pace: &'static Pace) {
        self.pace = Some(pace);
    }
}

impl<F: Future + Unpin> Future for Caught<F> {
    type Output = Result<F::Output, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let measured = self.pace.take().map(|pace| (pace, Instant::now()));
        let Some(future) = &mut self.future else { return Poll::Pending };
        let polled = caught(|| Pin::new(future).poll(cx));
        if let Some((pace, begun)) = measured {
            pace.took(begun.elapsed());
        }
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(words) => Poll::Ready(Err(words)),
        }
    }
}

impl<F> Drop for Caught<F> {
    fn drop(&mut self) {
        let future = self.future.take();
        if caught(|| drop(future)).is_err() {
            tracing::warn!("a destructor panicked while a body was put away");
        }
    }
}

/// A crash point of this place, where tests kill the process.
pub(crate) fn reach(execution: &Execution, place: usize, point: &str) {
    if cfg!(feature = "crash-points") {
        reach_in(&execution.state.held(), place, point);
    }
}

/// The same with the state at hand.
pub(crate) fn reach_in(state: &State, place: usize, point: &str) {
    #[cfg(feature = "crash-points")]
    if crate::crash_point::is_armed() {
        let key = &state.places[place].key;
        crate::crash_point::reach(&format!("{}#{}:{point}", key.name, state.places[place].name_ordinal));
    }
    #[cfg(not(feature = "crash-points"))]
    let _ = (state, place, point);
}
