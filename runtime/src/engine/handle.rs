//! Handles of executions: ask, send, wait, cancel. In a durable body each method is a recorded operation.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Engine;
use super::call;
use super::client;
use super::context::{self, Context};
use super::launch::Launch;
use super::names;
use super::operation::{Operation, Placed, misplaced};
use super::state::Taken;
use super::worker::RETRY;
use crate::encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::function::outcome::{Codec, Produced, read_fault};
use crate::function::spec::Function;
use crate::store::{BoxFuture, ExecutionId, Kind, Message, MessageBody, Status, Value};

/// The handle of an execution that was started.
pub struct Handle<R: 'static> {
    engine: Arc<Engine>,
    id: ExecutionId,
    function: &'static Function,
    codec: Codec<R>,
}

impl<R> Clone for Handle<R> {
    fn clone(&self) -> Self {
        Self { engine: self.engine.clone(), id: self.id.clone(), function: self.function, codec: self.codec }
    }
}

impl<R> std::fmt::Debug for Handle<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("id", &self.id).field("function", &self.function.name).finish_non_exhaustive()
    }
}

impl<R: Send + 'static> Handle<R> {
    pub(crate) fn new(engine: Arc<Engine>, id: ExecutionId, function: &'static Function, codec: Codec<R>) -> Self {
        Self { engine, id, function, codec }
    }

    /// The execution's id.
    pub fn id(&self) -> &str {
        &self.id.0
    }

    /// Waits for its end: the result of the function.
    pub fn result(&self) -> Operation<R> {
        let (engine, id, codec, name) = (self.engine.clone(), self.id.clone(), self.codec, self.function.name);
        match context::current() {
            Some(Context::Execution(execution)) => {
                let digest = engine.digest(Kind::Child, ".result", &[id.0.as_bytes()]);
                let launch = Launch::Watch(id);
                let placed = Placed::new(&execution, Kind::Child, ".result".into(), digest, Vec::new(), || launch);
                Operation::placed(placed, move |taken| call::read(&engine, name, codec, taken))
            }
            Some(context @ (Context::Transaction(_) | Context::Dropping)) => {
                Operation::ready((codec.fault)(misplaced("`result`", Some(&context))))
            }
            Some(Context::Body(_) | Context::Plain(_)) | None => Operation::direct(async move {
                match client::wait(&engine, &id).await {
                    Ok(finished) => call::value_of(&engine, name, codec, finished.value),
                    Err(error) => (codec.fault)(error),
                }
            }),
        }
    }

    /// What it is doing.
    pub fn status(&self) -> Operation<Result<Status>> {
        let (engine, id) = (self.engine.clone(), self.id.clone());
        self.request(".status", &[], move |_| {
            let (engine, id) = (engine.clone(), id.clone());
            Box::pin(async move {
                match engine.store.details(id.clone()).await? {
                    Some(details) => Ok(details.summary.status),
                    None => Err(client::not_found(&id)),
                }
            })
        })
    }

    /// Sends a signal. Sent twice by a durable body that is replayed, it arrives once.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a name that doesn't fit, [`ErrorKind::TooLarge`] over the payload limit. Outside durable
    /// functions also [`ErrorKind::Conflict`] if the execution has ended, [`ErrorKind::Expired`] if it did so long ago.
    pub fn signal<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Operation<Result<()>> {
        let payload = match names::check("signal", name).and_then(|()| client::payload(&self.engine, name, value)) {
            Ok(payload) => payload,
            Err(error) => return Operation::ready(Err(error)),
        };
        let (engine, id, signal) = (self.engine.clone(), self.id.clone(), Arc::<str>::from(name));
        // The same in every run, whatever order a `HashMap` iterates in.
        let identity = encoding::canonical(&payload).map_or_else(|_| payload.clone(), Cow::into_owned);
        let recorded = is_recorded();
        self.request(".signal", &[name.as_bytes(), &identity], move |message| {
            let body = MessageBody::Signal { name: signal.clone(), payload: payload.clone() };
            Box::pin(post(engine.clone(), id.clone(), Message { id: message, body }, recorded))
        })
    }

    /// Asks it to end: it can't be caught, steps in flight get their time, children end too.
    ///
    /// # Errors
    /// Outside durable functions [`ErrorKind::Conflict`] if it has ended already.
    pub fn cancel(&self) -> Operation<Result<()>> {
        let (engine, id) = (self.engine.clone(), self.id.clone());
        let recorded = is_recorded();
        self.request(".cancel", &[], move |message| {
            let body = MessageBody::Cancel { reason: "asked by its caller".to_owned() };
            Box::pin(post(engine.clone(), id.clone(), Message { id: message, body }, recorded))
        })
    }

    /// A request to the store: recorded in a durable body, direct elsewhere. It gets a message id that is the same
    /// whenever the same operation is replayed.
    fn request<T>(
        &self,
        name: &'static str,
        parts: &[&[u8]],
        ask: impl Fn(Arc<str>) -> BoxFuture<'static, Result<T>> + Send + 'static,
    ) -> Operation<Result<T>>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
    {
        match context::current() {
            Some(Context::Execution(execution)) => {
                let mut all = vec![self.id.0.as_bytes()];
                all.extend(parts);
                let digest = self.engine.digest(Kind::Handle, name, &all);
                let mut placed =
                    Placed::new(&execution, Kind::Handle, name.into(), digest, Vec::new(), || Launch::Signal(None));
                let message: Arc<str> = self.engine.idempotency_key(&execution.id, Kind::Handle, &placed.key()).into();
                placed.relaunch(Launch::Request(Box::new(move || Box::pin(until_answered(ask, message)))));
                Operation::placed(placed, decoded)
            }
            Some(context @ (Context::Transaction(_) | Context::Dropping)) => {
                Operation::ready(Err(misplaced(&name.replace('.', "`"), Some(&context))))
            }
            Some(Context::Body(_) | Context::Plain(_)) | None => {
                let (id, asked) = (self.id.clone(), ask(super::random::id()));
                Operation::direct(async move { asked.await.map_err(|error| error.with_execution(&id)) })
            }
        }
    }
}

/// Whether what is called now has a place in a record.
fn is_recorded() -> bool {
    matches!(context::current(), Some(Context::Execution(_)))
}

/// Sends a message. To a durable body it makes no difference whether it had been sent before a crash, or came too late.
async fn post(engine: Arc<Engine>, id: ExecutionId, message: Message, recorded: bool) -> Result<()> {
    let posted = engine.store.post(id.clone(), message).await?;
    if posted || recorded { Ok(()) } else { Err(client::has_ended(&id)) }
}

/// A store that is away fails nothing in a durable body: asked again until it answers.
pub(crate) async fn until_answered<T: Serialize>(
    ask: impl Fn(Arc<str>) -> BoxFuture<'static, Result<T>>,
    message: Arc<str>,
) -> Value {
    loop {
        match ask(message.clone()).await {
            Ok(value) => {
                return match encoding::encode(&value) {
                    Ok(bytes) => Value::Ok(bytes),
                    Err(error) => Produced::fault(Error::of(ErrorKind::NotRecordable, error)).value,
                };
            }
            Err(error) if error.kind() == ErrorKind::Unavailable => tokio::time::sleep(RETRY).await,
            Err(error) => return Produced::fault(error.into_terminal()).value,
        }
    }
}

/// The answer of a recorded request.
pub(crate) fn decoded<T: DeserializeOwned>(taken: Result<Taken>) -> Result<T> {
    match taken? {
        Taken::Value(Value::Ok(bytes)) => encoding::decode(&bytes)
            .map_err(|error| Error::of(ErrorKind::Damaged, format!("a recorded answer can't be read: {error}"))),
        Taken::Value(Value::Err(bytes) | Value::Fault(bytes)) => Err(read_fault(&bytes)),
        Taken::Arrival(_) => Err(misplaced("a request", None)),
    }
}
