//! Executions by id, whatever their function: what the command line and tests look at.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value as Json;

use super::Running;
use crate::engine::{self, Engine, view};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "cli")]
use crate::function::spec::Function;
use crate::store::{
    Details, ExecutionId, Filter, Finished, Kind, Message, MessageBody, RowKind, Stamp, Status, Summary, Value,
};

/// All that is known of an execution: its arguments, its record, its end.
#[derive(Debug, Clone)]
pub struct Execution(pub(crate) Details);

impl Execution {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.0.summary.id.0
    }

    /// Its function's name.
    pub fn function(&self) -> &str {
        &self.0.summary.function
    }

    /// What it is doing.
    pub fn status(&self) -> Status {
        self.0.summary.status
    }

    /// What a list says of it: its times, its parent, its claims.
    pub fn summary(&self) -> &Summary {
        &self.0.summary
    }

    /// How often it was claimed: more than once if it waited for long, or if a worker died.
    pub fn claims(&self) -> u64 {
        self.0.summary.claims()
    }

    /// Its arguments as JSON; secret ones are `•••`.
    pub fn arguments(&self) -> Json {
        crate::encoding::view(&self.0.arguments).unwrap_or(Json::Null)
    }

    /// Why it is parked.
    pub fn reason(&self) -> Option<Error> {
        self.0.summary.reason()
    }

    /// Its result as JSON, once it has ended; an error is an object with `kind` and `message`.
    pub fn result(&self) -> Option<Json> {
        self.0.finished.as_ref().map(|finished| view::value(&finished.value))
    }

    /// The names of the signals that have come: those in the record in order, then those still in the inbox.
    pub fn signals(&self) -> impl Iterator<Item = &str> {
        let arrived = self.0.record.iter().filter_map(|row| match &row.kind {
            RowKind::Arrival { name, .. } => Some(&**name),
            RowKind::Outcome(_) | RowKind::Cancel { .. } | RowKind::Deadline => None,
        });
        let waiting = self.0.inbox.iter().filter_map(|message| match &message.body {
            MessageBody::Signal { name, .. } => Some(&**name),
            MessageBody::Cancel { .. } | MessageBody::Ended { .. } => None,
        });
        // An end that nobody waited for is an arrival, too, under a name that no signal can have.
        arrived.chain(waiting).filter(|name| !name.starts_with('.'))
    }

    /// The recorded outcomes of operations, in order: name, kind, attempts, result as JSON.
    pub fn operations(&self) -> impl Iterator<Item = (&str, Kind, u32, Json)> {
        self.0.record.iter().filter_map(|row| match &row.kind {
            RowKind::Outcome(outcome) => {
                Some((&*outcome.key.name, outcome.kind, outcome.attempts, view::value(&outcome.value)))
            }
            RowKind::Arrival { .. } | RowKind::Cancel { .. } | RowKind::Deadline => None,
        })
    }
}

impl Summary {
    /// Its id.
    pub fn id(&self) -> &ExecutionId {
        &self.id
    }

    /// Its function's name.
    pub fn function(&self) -> &str {
        &self.function
    }

    /// Its function's version.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// What it is doing.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The execution that called it.
    pub fn parent(&self) -> Option<&ExecutionId> {
        self.parent.as_ref()
    }

    /// When it was created.
    pub fn created(&self) -> Timestamp {
        self.created.into()
    }

    /// When a worker first took it up.
    pub fn started(&self) -> Option<Timestamp> {
        self.started.map(Into::into)
    }

    /// When it ended.
    pub fn ended(&self) -> Option<Timestamp> {
        self.ended.map(Into::into)
    }

    /// When it is due, if it waits for a time.
    pub fn due(&self) -> Option<Timestamp> {
        self.wake.map(Into::into)
    }

    /// When its time is up.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.deadline.map(Into::into)
    }

    /// How often it was claimed: more than once if it waited for long, or if a worker died.
    pub fn claims(&self) -> u64 {
        self.epoch.0
    }

    /// Why it is parked.
    pub fn reason(&self) -> Option<Error> {
        self.reason.as_deref().map(crate::function::outcome::read_fault)
    }
}

/// The handle of an execution whose function isn't known at compile time: results are JSON.
#[derive(Clone)]
pub struct AnyHandle {
    engine: Arc<Engine>,
    id: ExecutionId,
}

impl std::fmt::Debug for AnyHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnyHandle").field("id", &self.id).finish_non_exhaustive()
    }
}

impl AnyHandle {
    /// The execution's id.
    pub fn id(&self) -> &str {
        &self.id.0
    }

    /// Waits for its end: the result as JSON.
    ///
    /// # Errors
    /// The error that it ended with; the reason if it is parked; [`ErrorKind::NotFound`] or [`ErrorKind::Expired`] if it
    /// isn't there (any more).
    pub async fn result(&self) -> Result<Json> {
        let finished = engine::wait(&self.engine, &self.id).await?;
        result_of(&self.id, finished)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a name that doesn't fit, [`ErrorKind::TooLarge`] over the payload limit,
    /// [`ErrorKind::Conflict`] if the execution has ended, [`ErrorKind::NotFound`] if there is none.
    pub async fn signal<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<()> {
        engine::check_name("signal", name)?;
        let payload = engine::payload(&self.engine, name, value)?;
        let body = MessageBody::Signal { name: name.into(), payload };
        self.post(body).await
    }

    /// Asks it to end; the reason is for people.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if it has ended already, [`ErrorKind::NotFound`] if there is none.
    pub async fn cancel(&self, reason: impl Into<String>) -> Result<()> {
        self.post(MessageBody::Cancel { reason: reason.into() }).await
    }

    async fn post(&self, body: MessageBody) -> Result<()> {
        let message = Message { id: engine::new_id(), body };
        let posted = self.engine.store.post(self.id.clone(), message).await;
        if posted.map_err(|error| error.with_execution(&self.id))? {
            return Ok(());
        }
        Err(engine::has_ended(&self.id))
    }

    /// Makes it due now if it is parked or waits: `false` if it has ended or is running.
    pub async fn resume(&self) -> Result<bool> {
        self.engine.store.resume(self.id.clone()).await
    }

    /// All that is known of it.
    pub async fn details(&self) -> Result<Execution> {
        match self.engine.store.details(self.id.clone()).await? {
            Some(details) => Ok(Execution(details)),
            None => Err(engine::not_found(&self.id)),
        }
    }
}

fn result_of(id: &ExecutionId, finished: Finished) -> Result<Json> {
    match finished.value {
        Value::Ok(_) => Ok(view::value(&finished.value)),
        Value::Fault(bytes) => Err(crate::function::outcome::read_fault(&bytes).with_execution(id)),
        // The user's own error: ours, or any type, of which only the view is known here.
        Value::Err(bytes) => {
            let error = crate::encoding::decode::<Error>(&bytes)
                .unwrap_or_else(|_| Error::of(ErrorKind::Failed, crate::encoding::view(&bytes).unwrap_or(Json::Null)));
            Err(error.with_execution(id))
        }
    }
}

/// What a call by name can say beside its arguments.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CallOptions<'a> {
    /// The execution's id.
    pub(crate) id: Option<&'a str>,
    /// How much later it starts.
    pub(crate) after: Option<Duration>,
    /// How long it may take, in place of the function's own timeout.
    pub(crate) timeout: Option<Duration>,
}

impl CallOptions<'_> {
    /// Whether they can stand in a call.
    pub(crate) fn check(&self) -> Result<()> {
        self.id.map_or(Ok(()), |id| engine::check_name("execution", id))
    }
}

impl Running {
    /// Calls a function by name, with a JSON object of its arguments (a single one may stand bare); an `id` makes it
    /// idempotent.
    ///
    /// # Errors
    /// No such function, arguments that don't fit, an id that is taken by another call.
    pub async fn call(&self, function: &str, arguments: Json, id: Option<&str>) -> Result<AnyHandle> {
        self.call_with(function, arguments, CallOptions { id, ..CallOptions::default() }).await
    }

    /// The same, with all that a call can say.
    pub(crate) async fn call_with(
        &self,
        function: &str,
        arguments: Json,
        options: CallOptions<'_>,
    ) -> Result<AnyHandle> {
        let Some(function) = self.engine.registry.newest(function) else {
            return Err(self.no_function(function));
        };
        options.check()?;
        let (id, seed) = match options.id {
            Some(id) => (id.into(), engine::seed()),
            None => engine::id_and_seed(),
        };
        let id = ExecutionId(id);
        let (digest, arguments) = self.engine.json_arguments(function, arguments)?;
        let timeout = options.timeout.or(function.timeout);
        let mut new = self.engine.new_execution(id.clone(), seed, function, arguments, digest, timeout);
        if let Some(after) = options.after {
            new.not_before = Some(Stamp::now().after(after));
            new.claim_for = None;
        }
        engine::create(&self.engine, new).await?;
        Ok(self.execution(id.0))
    }

    fn no_function(&self, name: &str) -> Error {
        let known: Vec<_> = self.engine.registry.all().map(|function| function.name).collect();
        let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
        Error::of(
            ErrorKind::NotFound,
            format!(
                "no durable function of this binary is called `{name}`: {known} (a crate that is never named isn't linked: `use my_functions as _;`)"
            ),
        )
    }

    /// The functions of this binary.
    #[cfg(feature = "cli")]
    pub(crate) fn functions(&self) -> impl Iterator<Item = &'static Function> + '_ {
        self.engine.registry.all()
    }

    /// The newest version of a function.
    #[cfg(feature = "cli")]
    pub(crate) fn function(&self, name: &str) -> Option<&'static Function> {
        self.engine.registry.newest(name)
    }

    /// What the store says of itself.
    #[cfg(feature = "cli")]
    pub(crate) async fn store_report(&self, thorough: bool) -> Result<crate::store::Report> {
        self.engine.store.report(thorough).await
    }

    /// Whether the key is the store's.
    #[cfg(feature = "cli")]
    pub(crate) fn check_key(&self) -> Result<()> {
        crate::digest::Digests::check(&*self.engine.store, self.engine.keys.as_ref())
    }

    /// Changes with each commit of anyone.
    #[cfg(feature = "cli")]
    pub(crate) fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.engine.store.changes()
    }

    /// The handle of an execution by its id, which need not exist.
    pub fn execution(&self, id: impl Into<Arc<str>>) -> AnyHandle {
        AnyHandle { engine: self.engine.clone(), id: ExecutionId(id.into()) }
    }

    /// A page of executions, newest first.
    ///
    /// ```no_run
    /// # async fn parked(running: outlast::Running) -> outlast::Result<()> {
    /// let parked = outlast::Filter { status: Some("parked".into()), ..outlast::Filter::default() };
    /// for execution in running.executions(parked).await? {
    ///     println!("{}: {:?}", execution.id(), execution.reason());
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a status that there isn't.
    pub async fn executions(&self, filter: Filter) -> Result<Vec<Summary>> {
        self.engine.store.list(filter).await
    }
}
