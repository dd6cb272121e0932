//! Steps and transactions, as functions with an attribute or inline.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll};

use super::body::{Body, BodySpec, TypedBody};
use super::context::{self, Context, PlainScope, Scoped};
use super::held::Held;
use super::launch::Launch;
use super::operation::{Operation, Placed, misplaced};
use super::state::Taken;
use crate::error::{Error, Result};
use crate::function::arguments::Arguments;
use crate::function::outcome::{Codec, Success, codec};
use crate::function::spec::{Retry, Secret, StepSpec};
use crate::store::{Kind, Value};

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
            kept = make.take().map(|make| Arc::new(Body { codec, make: make() }) as Arc<dyn TypedBody<R>>);
            kept.clone()
        };
        let spec_of_body = BodySpec::of(spec, spec.name.into());
        let operation = place(spec_of_body, spec.transaction, &arguments, *codec, &mut body);
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
        let scope = PlainScope { idempotency_key: super::random::id() };
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

/// The operation of a step, by where it is called.
fn place<R: Send + 'static>(
    spec: BodySpec,
    transaction: bool,
    arguments: &Arguments,
    codec: Codec<R>,
    body: &mut dyn FnMut() -> Option<Arc<dyn TypedBody<R>>>,
) -> Operation<R> {
    let kind = if transaction { Kind::Transaction } else { Kind::Step };
    match context::current() {
        Some(Context::Execution(execution)) => {
            let engine = execution.engine.clone();
            let (digest, stored, failed) = match engine.recorded_arguments(kind, &spec.name, arguments) {
                Ok((digest, stored)) => (digest, stored, None),
                Err(error) => (engine.digest(kind, &spec.name, &[]), Vec::new(), Some(error)),
            };
            let name = spec.name.clone();
            let launch = || match (failed, body()) {
                (Some(error), _) => Launch::Fail(error),
                (None, Some(body)) if transaction => Launch::Transaction(spec, body),
                (None, Some(body)) => Launch::Body(spec, body),
                (None, None) => Launch::Fail(misplaced("a step", None)),
            };
            let placed = Placed::new(&execution, kind, name.clone(), digest, stored, launch);
            Operation::placed(placed, move |taken| match taken {
                Ok(Taken::Value(value)) => match engine.open_value(value, &name) {
                    Ok(value) => codec.read(&value),
                    Err(error) => (codec.fault)(error),
                },
                Ok(Taken::Arrival(_)) => (codec.fault)(misplaced(&name, None)),
                Err(error) => (codec.fault)(error),
            })
        }
        // In a step's body a further step runs as part of it.
        Some(Context::Body(_) | Context::Plain(_)) if !transaction && !spec.at_most_once => plainly(body(), codec),
        Some(Context::Transaction(_)) if transaction => plainly(body(), codec),
        other => {
            body();
            Operation::ready((codec.fault)(misplaced(&format!("`{}`", spec.name), other.as_ref())))
        }
    }
}

/// The body alone, as part of what calls it.
fn plainly<R: Send + 'static>(body: Option<Arc<dyn TypedBody<R>>>, codec: Codec<R>) -> Operation<R> {
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
    let spec = BodySpec {
        name: match name {
            Cow::Borrowed(name) => name.into(),
            Cow::Owned(name) => name.into(),
        },
        retry: Retry::DEFAULT,
        timeout: None,
        at_most_once: false,
        secret: Secret::NONE.into(),
    };
    // Only ever cloned, one caller at a time: the closure need not be `Sync`.
    let body = Mutex::new(body);
    let body: Arc<dyn TypedBody<Result<T>>> = Arc::new(Body {
        codec: const { &codec::<Result<T>>() },
        make: move || {
            let body = body.held().clone();
            body()
        },
    });
    let operation = match checked {
        Ok(()) => {
            let arguments = Arguments::new(&Secret::NONE);
            place(spec, false, &arguments, codec::<Result<T>>(), &mut || Some(body.clone()))
        }
        Err(error) => Operation::ready(Err(error)),
    };
    Step { operation, body: Some(body), codec: const { &codec::<Result<T>>() } }
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
