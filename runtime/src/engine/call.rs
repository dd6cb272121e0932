//! Calls of durable functions: from outside they start an execution and wait for it, inside another one they are its
//! children.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use super::Engine;
use super::context::{self, Context, PlainScope, Scope, Scoped};
use super::handle::Handle;
use super::launch::Launch;
use super::operation::{Operation, Placed, misplaced};
use super::state::{Child, Taken};
use super::{client, names};
use crate::duration::IntoDuration;
use crate::error::{Error, ErrorKind, Result};
use crate::function::arguments::{Arguments, Input};
use crate::function::outcome::Codec;
use crate::function::signature::{Begun, List, Signature};
use crate::function::spec::Function;
use crate::store::{Digest, ExecutionId, Kind, NewExecution, Stamp, Value};

/// The call of a `#[durable]` function.
///
/// Awaited, it starts an execution and gives its result; inside another durable function the execution is a child.
#[must_use = "a call does nothing until it is awaited or started"]
pub struct Call<R: 'static> {
    request: Request,
    codec: Codec<R>,
    /// The body, for who runs it without an execution: not polled, so nothing of it has run.
    body: Option<Begun<R>>,
    /// Its place, where it was called in an execution.
    placed: Option<Placed>,
    /// What was polling when it was called.
    context: Option<Context>,
    running: Option<Operation<R>>,
}

/// What is asked for, its place where it has one, and what was polling.
fn called(function: &'static Function, arguments: Arguments) -> (Request, Option<Placed>, Option<Context>) {
    let context = context::current();
    let (mut placed, mut prepared) = (None, None);
    if let Some(Context::Execution(execution)) = &context {
        let engine = &execution.engine;
        let arguments = engine.call_arguments(function, &arguments);
        // What is refused has no digest of its own: it may be other bytes on every replay.
        let digest = match &arguments {
            Ok((digest, _)) => *digest,
            Err(_) => engine.digest(Kind::Child, function.name, &[]),
        };
        prepared = Some(arguments);
        // What really starts is known once it is awaited or started.
        let launch = || Launch::Signal(None);
        placed = Some(Placed::new(execution, Kind::Child, function.name.into(), digest, Vec::new(), launch));
    }
    // What is prepared isn't asked for again; the rest may wait for long.
    let arguments = if prepared.is_some() { Arguments::new(&function.secret) } else { arguments.keep() };
    (Request { function, arguments, prepared, id: None, after: None, timeout: None, error: None }, placed, context)
}

/// What is asked for.
struct Request {
    function: &'static Function,
    arguments: Arguments,
    /// The digest and the stored form, where the call has a place in an execution.
    prepared: Option<Result<(Digest, Vec<u8>)>>,
    id: Option<String>,
    after: Option<Duration>,
    timeout: Option<Duration>,
    error: Option<Error>,
}

impl<R> Unpin for Call<R> {}

impl<R: Send + 'static> Call<R> {
    pub(crate) fn new<A>(function: &'static Function, signature: &'static Signature<A, R>, values: A::Values) -> Self
    where
        A: List,
    {
        let (request, placed, context) = called(function, signature.write(function, &values));
        let body = Some((signature.begin)(values));
        Self { request, codec: signature.result, body, placed, context, running: None }
    }

    /// The execution's id, which is its idempotency key: a second call with it joins the first, or gives its recorded
    /// result. Other arguments under the same id are an error of kind [`ErrorKind::Conflict`].
    pub fn id(mut self, id: impl Into<String>) -> Self {
        let id = id.into();
        if let Err(error) = names::check("execution", &id) {
            self.request.error = Some(error);
        }
        self.request.id = Some(id);
        self
    }

    /// Starts it so much later.
    pub fn after(mut self, wait: impl IntoDuration) -> Self {
        match wait.into_duration() {
            Ok(wait) => self.request.after = Some(wait),
            Err(error) => self.request.error = Some(error),
        }
        self
    }

    /// How long it may take, from now, in place of the function's own `timeout`.
    pub fn timeout(mut self, timeout: impl IntoDuration) -> Self {
        match timeout.into_duration() {
            Ok(timeout) => self.request.timeout = Some(timeout),
            Err(error) => self.request.error = Some(error),
        }
        self
    }

    /// The body alone, nothing recorded: for unit tests. Sleeps return at once, steps run once, signals are errors.
    pub fn plain(mut self) -> impl Future<Output = R> + Send {
        let scope = PlainScope { idempotency_key: super::random::id().to_string() };
        let body = self.body.take();
        let codec = self.codec;
        let run = async move {
            match body {
                Some(body) => body.await,
                None => (codec.fault)(Error::of(ErrorKind::Misplaced, "the call has been started already")),
            }
        };
        Scoped::new(Context::Plain(Arc::new(scope)), Box::pin(run))
    }

    /// Starts the execution and gives its handle, without waiting for its end.
    ///
    /// ```no_run
    /// use outlast::prelude::*;
    /// # #[durable] async fn checkout(order: u32) -> Result<u32> { Ok(order) }
    /// # async fn start() -> Result<()> {
    /// let run = checkout(42).id("order-42").start().await?;
    /// run.signal("rating", &5).await?;
    /// let receipt = run.result().await?;
    /// # Ok(()) }
    /// ```
    pub fn start(mut self) -> Operation<Result<Handle<R>>> {
        let codec = self.codec;
        let function = self.request.function;
        match (self.placed.take(), self.context.take()) {
            (Some(mut placed), _) => {
                let prepared = self.request.child(&placed);
                let engine = placed.execution().engine.clone();
                placed.set_kind(Kind::Start);
                placed.relaunch(match prepared {
                    Ok(new) => Launch::Child { new: Box::new(new), wait: false },
                    Err(error) => Launch::Fail(error),
                });
                Operation::placed(placed, move |taken| {
                    let id = super::handle::decoded::<String>(taken)?;
                    Ok(Handle::new(engine, ExecutionId::from(id), function, codec))
                })
            }
            (None, Some(Context::Transaction(scope))) => {
                Operation::ready(Err(misplaced(&self.request.name(), Some(&Context::Transaction(scope)))))
            }
            (None, context) => {
                let request = self.request;
                Operation::direct(async move {
                    let (engine, new) = request.outside(context.as_ref())?;
                    let id = new.id.clone();
                    client::create(&engine, new).await?;
                    Ok(Handle::new(engine, id, function, codec))
                })
            }
        }
    }

    /// The operation behind an awaited call.
    fn begin(&mut self) -> Operation<R> {
        let codec = self.codec;
        let function = self.request.function;
        // Elsewhere than here it isn't needed: what it holds goes now.
        let body = self.body.take();
        let request = std::mem::replace(
            &mut self.request,
            Request {
                function,
                arguments: Arguments::new(&crate::function::spec::Secret::NONE),
                prepared: None,
                id: None,
                after: None,
                timeout: None,
                error: None,
            },
        );
        match (self.placed.take(), self.context.take()) {
            (Some(mut placed), _) => {
                let prepared = request.child(&placed);
                let engine = placed.execution().engine.clone();
                if let Ok(new) = &prepared {
                    placed.set_child(Child { id: new.id.clone(), named: request.id.is_some() });
                    placed.set_arguments(new.arguments.clone());
                }
                placed.relaunch(match prepared {
                    Ok(new) => Launch::Child { new: Box::new(new), wait: true },
                    Err(error) => Launch::Fail(error),
                });
                Operation::placed(placed, move |taken| read(&engine, function.name, codec, taken))
            }
            (None, Some(Context::Plain(scope))) => match body {
                Some(body) => Operation::direct(Scoped::new(Context::Plain(scope), body)),
                None => Operation::ready((codec.fault)(misplaced(&request.name(), None))),
            },
            (None, Some(context @ (Context::Transaction(_) | Context::Dropping))) => {
                Operation::ready((codec.fault)(misplaced(&request.name(), Some(&context))))
            }
            (None, context) => Operation::direct(async move {
                match request.outside(context.as_ref()) {
                    Ok((engine, new)) => client::call(&engine, new, function, codec).await,
                    Err(error) => (codec.fault)(error),
                }
            }),
        }
    }
}

/// What an execution's end is to its caller.
pub(crate) fn read<R>(engine: &Engine, name: &str, codec: Codec<R>, taken: Result<Taken>) -> R {
    match taken {
        Ok(Taken::Value(value)) => value_of(engine, name, codec, value),
        Ok(Taken::Arrival(_)) => (codec.fault)(misplaced(name, None)),
        Err(error) => (codec.fault)(error),
    }
}

/// The result behind a recorded value, opened where it is secret.
pub(crate) fn value_of<R>(engine: &Engine, name: &str, codec: Codec<R>, value: Value) -> R {
    match engine.open_value(value, name) {
        Ok(value) => codec.read(&value),
        Err(error) => (codec.fault)(error),
    }
}

impl<R: Send + 'static> Future for Call<R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<R> {
        if self.running.is_none() {
            let operation = self.begin();
            self.running = Some(operation);
        }
        match &mut self.running {
            Some(running) => Pin::new(running).poll(cx),
            None => Poll::Pending,
        }
    }
}

impl Request {
    fn name(&self) -> String {
        format!("`{}`", self.function.name)
    }

    /// A child of the execution whose place it has.
    fn child(&self, placed: &Placed) -> Result<NewExecution> {
        let execution = placed.execution();
        let key = placed.key();
        let id = match &self.id {
            Some(id) => ExecutionId(id.as_str().into()),
            None => execution.engine.child_id(&execution.id, &key),
        };
        let mut new = self.new_execution(&execution.engine, id, super::random::seed())?;
        // A child's clock starts where the parent's stands: the same on every replay.
        new.not_before = self.after.map(|after| execution.now().after(after));
        new.parent = Some(execution.id.clone());
        Ok(new)
    }

    /// From outside executions: a plain caller, or the body of a step (whose calls have ids of their own).
    fn outside(self, context: Option<&Context>) -> Result<(Arc<Engine>, NewExecution)> {
        let (engine, derived) = match context {
            Some(Context::Body(scope)) => (scope.engine.clone(), Some(derived_id(scope))),
            _ => (super::running::current()?, None),
        };
        let (id, seed) = match self.id.clone().or(derived) {
            Some(id) => (id.into(), super::random::seed()),
            None => super::random::id_and_seed(),
        };
        let mut new = self.new_execution(&engine, ExecutionId(id), seed)?;
        new.not_before = self.after.map(|after| Stamp::now().after(after));
        Ok((engine, new))
    }

    fn new_execution(&self, engine: &Arc<Engine>, id: ExecutionId, seed: u64) -> Result<NewExecution> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let (digest, arguments) = match &self.prepared {
            Some(prepared) => prepared.clone()?,
            None => engine.call_arguments(self.function, &self.arguments)?,
        };
        let timeout = self.timeout.or(self.function.timeout);
        Ok(engine.new_execution(id, seed, self.function, arguments, digest, timeout))
    }
}

fn derived_id(scope: &Scope) -> String {
    format!("{}.{}", scope.idempotency_key(), scope.next_call())
}

impl Engine {
    /// Encodes a call's arguments, and proves that they come back as they went in: what the body gets is what is
    /// recorded, so a type whose canonical bytes differ each time would never join its own execution.
    pub(crate) fn call_arguments(
        &self,
        function: &'static Function,
        arguments: &Arguments,
    ) -> Result<(Digest, Vec<u8>)> {
        let plain = arguments.plain()?;
        self.check_size(&plain, || format!("the arguments of `{}`", function.name))?;
        let mut input = Input::from_record(&plain, &function.secret, |sealed| Ok(sealed.to_vec()))?;
        let read = (function.normalise)(&mut input)?;
        let again = read.plain()?;
        let identity = arguments.identity(&plain)?;
        if identity != read.identity(&again)? {
            return Err(otherwise(function, &plain, &again));
        }
        let digest = self.digest(Kind::Child, function.name, &[&identity]);
        let stored = self.stored_arguments(function.name, arguments, plain)?;
        Ok((digest, stored))
    }

    /// The arguments of a call that came as JSON.
    pub(crate) fn json_arguments(
        &self,
        function: &'static Function,
        json: serde_json::Value,
    ) -> Result<(Digest, Vec<u8>)> {
        let names: Vec<_> = function.arguments.iter().map(|argument| argument.name).collect();
        let mut input = Input::from_json(json, &names, &function.secret)?;
        let arguments = (function.normalise)(&mut input)?;
        self.call_arguments(function, &arguments)
    }
}

/// Says which argument came back otherwise; of a secret one nothing but its name.
fn otherwise(function: &Function, plain: &[u8], again: &[u8]) -> Error {
    let (path, left, right) = crate::encoding::difference(plain, again).unwrap_or_default();
    let path = path.strip_prefix("value.").unwrap_or(&path);
    let name = path.split(['.', '[']).next().unwrap_or(path);
    let (path, became) = if function.secret.arguments.contains(&name) {
        (name, String::new())
    } else {
        (path, format!(" ({left} became {right})"))
    };
    let message = format!(
        "the argument `{path}` of `{}` comes back otherwise than it went in{became}: a set that iterates in another \
         order each time? use a `BTreeSet` or a `Vec`",
        function.name
    );
    Error::of(ErrorKind::NotRecordable, message).into_terminal()
}
