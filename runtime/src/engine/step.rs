//! Steps and transactions, as functions with an attribute or inline.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll};

use super::body::{Body, BodySpec, ErasedBody, TypedBody};
use super::context::{self, Context, PlainScope, Scoped};
use super::execution::Execution;
use super::held::Held;
use super::launch::Launch;
use super::operation::{Operation, Placed, misplaced};
use super::state::Taken;
use crate::encoding;
use crate::error::{Error, Result};
use crate::function::arguments::Arguments;
use crate::function::outcome::{Codec, Success, codec};
use crate::function::spec::{Retry, Secret, StepSpec};
use crate::store::{Kind, Name, Value};

/// The call of a `#[step]` or `#[transaction]`: recorded once, replayed ever after.
///
/// It takes its place in the record when it is called and runs when it is first awaited.
#[must_use = "a step does nothing until it is awaited"]
pub struct Step<R: 'static> {
    operation: Operation<R>,
    /// None where the outcome is recorded.
    body: Option<Arc<dyn TypedBody<R>>>,
    codec: &'static Codec<R>,
}

impl<R: Send + 'static> Step<R> {
    pub(crate) fn new<F, Fut>(
        spec: &'static StepSpec,
        arguments: Arguments,
        codec: &'static Codec<R>,
        make: impl FnOnce() -> F,
    ) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
    {
        let (mut make, mut kept) = (Some(make), None);
        let mut body = || -> Option<Arc<dyn TypedBody<R>>> {
            kept = make.take().map(|make| {
                let body = Body { spec: BodySpec::of(spec), codec, make: make() };
                Arc::new(body) as Arc<dyn TypedBody<R>>
            });
            kept.clone()
        };
        let called = Called { name: spec.name.into(), transaction: spec.transaction, at_most_once: spec.at_most_once };
        let operation = place(called, &arguments, codec, &mut body);
        Self { operation, body: kept, codec }
    }

    /// The body alone, nothing recorded: for unit tests.
    ///
    /// ```
    /// use outlast::prelude::*;
    ///
    /// #[step]
    /// async fn double(n: u32) -> Result<u32> {
    ///     Ok(2 * n)
    /// }
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// assert_eq!(double(4).plain().await?, 8);
    /// # Ok::<(), outlast::Error>(()) }).unwrap();
    /// ```
    pub fn plain(self) -> impl Future<Output = R> + Send {
        let scope = PlainScope { idempotency_key: super::random::id().to_string() };
        Scoped::new(
            Context::Plain(Arc::new(scope)),
            Box::pin(async move {
                match self.body {
                    Some(body) => body.plain().await,
                    None => (self.codec.fault)(misplaced("a recorded step", Some(&Context::Dropping))),
                }
            }),
        )
    }
}

impl<R> Future for Step<R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<R> {
        Pin::new(&mut self.operation).poll(cx)
    }
}

/// What is called.
struct Called {
    name: Name,
    transaction: bool,
    at_most_once: bool,
}

/// The operation of a step, by where it is called.
fn place<R: Send + 'static>(
    called: Called,
    arguments: &Arguments,
    codec: &'static Codec<R>,
    body: &mut dyn FnMut() -> Option<Arc<dyn TypedBody<R>>>,
) -> Operation<R> {
    let Called { name, transaction, at_most_once } = called;
    match context::current() {
        Some(Context::Execution(execution)) => {
            let launch = || body().map(|body| body as Arc<dyn ErasedBody>);
            Operation::step(placed(&execution, name, transaction, arguments, launch), *codec)
        }
        // In a step's body a further step runs as part of it.
        Some(Context::Body(_) | Context::Plain(_)) if !transaction && !at_most_once => plainly(body(), codec),
        Some(Context::Transaction(_)) if transaction => plainly(body(), codec),
        other => {
            body();
            Operation::ready((codec.fault)(misplaced(&format!("`{name}`"), other.as_ref())))
        }
    }
}

/// The place of a step in an execution.
fn placed(
    execution: &Arc<Execution>,
    name: Name,
    transaction: bool,
    arguments: &Arguments,
    body: impl FnOnce() -> Option<Arc<dyn ErasedBody>>,
) -> Placed {
    let kind = if transaction { Kind::Transaction } else { Kind::Step };
    let engine = &execution.engine;
    let (digest, stored, failed) = match engine.recorded_arguments(kind, &name, arguments) {
        Ok((digest, stored)) => (digest, stored, None),
        Err(error) => (engine.digest(kind, &name, &[]), Vec::new(), Some(error)),
    };
    let launch = || match (failed, body()) {
        (Some(error), _) => Launch::Fail(error),
        (None, Some(body)) if transaction => Launch::Transaction(body),
        (None, Some(body)) => Launch::Body(body),
        (None, None) => Launch::Fail(misplaced("a step", None)),
    };
    Placed::new(execution, kind, name, digest, stored, launch)
}

/// What a step's outcome is to its caller.
pub(super) fn outcome<R>(placed: &Placed, codec: Codec<R>, taken: Result<Taken>) -> R {
    let opened = match taken {
        Ok(Taken::Value(value)) if encoding::as_sealed(value.bytes()).is_some() => {
            placed.execution().engine.open_value(value, &placed.key().name)
        }
        Ok(Taken::Value(value)) => Ok(value),
        Ok(Taken::Arrival(_)) => Err(misplaced(&placed.key().name, None)),
        Err(error) => Err(error),
    };
    match opened {
        Ok(value) => codec.read(&value),
        Err(error) => (codec.fault)(error),
    }
}

/// The body alone, as part of what calls it.
fn plainly<R: Send + 'static>(body: Option<Arc<dyn TypedBody<R>>>, codec: &Codec<R>) -> Operation<R> {
    match body {
        Some(body) => Operation::direct(async move { body.plain().await }),
        None => Operation::ready((codec.fault)(misplaced("a step", None))),
    }
}

/// A step without a function of its own: `step("name", async move || { … }).await?`.
///
/// The name is its key in the record, with its ordinal among the steps of that name. What the closure captures is
/// cloned for each attempt.
///
/// ```no_run
/// use outlast::prelude::*;
///
/// #[durable]
/// async fn report(day: String) -> Result<usize> {
///     let text = outlast::step("read", async move || Ok(std::fs::read_to_string(day)?)).await?;
///     Ok(text.len())
/// }
/// ```
pub fn step<T, F, Fut>(name: impl Into<Cow<'static, str>>, body: F) -> Step<Result<T>>
where
    T: Success,
    F: FnOnce() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<T>> + Send + 'static,
{
    let name = name.into();
    let checked = super::names::check("step", &name);
    let name: Name = match name {
        Cow::Borrowed(name) => name.into(),
        Cow::Owned(name) => name.into(),
    };
    let called = Called { name: name.clone(), transaction: false, at_most_once: false };
    let spec =
        BodySpec { name, retry: Retry::DEFAULT, timeout: None, at_most_once: false, secret: Secret::NONE.into() };
    // Only ever cloned, one caller at a time: the closure need not be `Sync`.
    let body = Mutex::new(body);
    let codec = const { &codec::<Result<T>>() };
    let make = move || {
        let body = body.held().clone();
        body()
    };
    let body: Arc<dyn TypedBody<Result<T>>> = Arc::new(Body { spec, codec, make });
    let operation = match checked {
        Ok(()) => place(called, &Arguments::new(&Secret::NONE), codec, &mut || Some(body.clone())),
        Err(error) => Operation::ready(Err(error)),
    };
    Step { operation, body: Some(body), codec }
}

impl super::Engine {
    /// Opens a sealed value.
    pub(crate) fn open_value(&self, value: Value, name: &str) -> Result<Value, Error> {
        let Some(sealed) = crate::encoding::as_sealed(value.bytes()) else { return Ok(value) };
        let plain = self.open(sealed, name)?;
        Ok(match value {
            Value::Ok(_) => Value::Ok(plain),
            Value::Err(_) => Value::Err(plain),
            Value::Fault(_) => Value::Fault(plain),
        })
    }
}
