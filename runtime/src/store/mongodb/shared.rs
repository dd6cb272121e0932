//! What the store's parts share, and how they ask the server: with a limit on each command, again where it failed.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mongodb::error::Result as Driven;
use mongodb::{Client, Database};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::batch::Batch;
use super::claims::Claims;
use super::client::{self, Connected, Redaction};
use super::contact::Contact;
use super::creation::Creations;
use super::failure::{Failure, Fault};
use super::import::Tail;
use super::incarnation::Incarnation;
use super::interests::Interests;
use super::mailbag::Mailbag;
use super::options::MongoOptions;
use super::relay::Relay;
use super::schema::{self, Tables};
use super::sessions::Noted;
use super::strays::Strays;
use super::writer::Writer;
use crate::error::{Error, ErrorKind, Result};

/// The wait after the first failure; doubled up to [`LONGEST_WAIT`], so that work goes on within 2 s of a return.
const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// What the store's parts share.
pub(super) struct Shared {
    pub(super) options: MongoOptions,
    /// The store's name, for messages.
    pub(super) name: String,
    pub(super) redaction: Redaction,
    pub(super) client: Client,
    /// For what work mustn't hold up: leases and the change stream.
    pub(super) aside: Client,
    /// What both connect through.
    _relay: Option<Relay>,
    #[cfg(test)]
    pub(super) client_options: mongodb::options::ClientOptions,
    pub(super) own: Database,
    /// The application's collections, with the URI's concerns.
    pub(super) plain: Database,
    pub(super) tables: Tables,
    pub(super) indexed_log: bool,
    pub(super) incarnation: Incarnation,
    pub(super) contact: Contact,
    pub(super) claims: Claims,
    /// How many are claimed at a time.
    pub(super) batch: Batch,
    pub(super) writer: Writer,
    pub(super) creations: Creations,
    pub(super) mailbag: Mailbag,
    pub(super) sessions: Noted,
    pub(super) changes: watch::Sender<u64>,
    pub(super) interests: Interests,
    /// Where the application's code is polled.
    pub(super) bodies: Handle,
    /// The store's own threads.
    pub(super) runtime: Handle,
    /// Milliseconds that the server's clock is ahead of ours.
    pub(super) ahead: AtomicI64,
    /// When this handle was opened.
    pub(super) opened: Instant,
    pub(super) purge_clock: Mutex<Option<(i64, Instant)>>,
    /// What an import through this handle has under way.
    pub(super) importing: tokio::sync::Mutex<Option<Tail>>,
    /// A worker that was given up is being marked.
    pub(super) forsaken: Mutex<Option<JoinHandle<()>>>,
    /// Sweeps so far: some look further than others.
    pub(super) sweeps: AtomicI64,
    pub(super) strays: Strays,
    /// A test lets this handle's workers look hung.
    #[cfg(test)]
    pub(super) frozen: AtomicBool,
    /// Why the last command failed, while they fail.
    health: Mutex<Option<Failure>>,
    /// Nothing more is taken in.
    closed: watch::Sender<bool>,
    /// What hasn't been written won't be.
    given_up: AtomicBool,
}

/// The error of a store that was closed.
pub(super) fn closed() -> Error {
    Error::of(ErrorKind::Unavailable, "the store is closed")
}

/// Names failures before there is a store.
pub(super) struct Failing<'r>(pub(super) &'r Redaction);

impl Failing<'_> {
    pub(super) fn of(&self, error: &mongodb::error::Error) -> Failure {
        Failure::of(error, self.0)
    }

    pub(super) fn damaged(text: &str) -> Failure {
        Failure::Damaged(text.into())
    }
}

impl Shared {
    /// Finds the server, and the store in it. Gives the digest key, too.
    pub(super) async fn open(options: MongoOptions, bodies: Handle, runtime: Handle) -> Result<(Arc<Self>, Vec<u8>)> {
        let connected = client::connect(&options).await?;
        let (client, aside) = (connected.client.clone(), connected.aside.clone());
        let open = async {
            connected.check(&options).await?;
            Self::of(connected, options, bodies, runtime).await
        };
        let opened = open.await;
        if opened.is_err() {
            client::quit(&client, &aside).await;
        }
        opened
    }

    async fn of(
        connected: Connected,
        options: MongoOptions,
        bodies: Handle,
        runtime: Handle,
    ) -> Result<(Arc<Self>, Vec<u8>)> {
        #[cfg(test)]
        let client_options = connected.options;
        let Connected { client, aside, own, plain, relay, redaction, name, .. } = connected;
        let tables = Tables::of(&own);
        let found = schema::prepare(&own, &tables, &Failing(&redaction), options.make).await;
        let found = found.map_err(|fault| match fault {
            Fault::Failure(failure) => failure.error(&name),
            Fault::Answer(error) => error,
        })?;
        let found = found.ok_or_else(|| {
            Error::of(
                ErrorKind::NotFound,
                format!("there is no store at {name} yet: `serve` or `call` makes it, OUTLAST_STORE says where"),
            )
        })?;
        let shared = Self {
            options,
            name,
            redaction,
            client,
            aside,
            _relay: relay,
            #[cfg(test)]
            client_options,
            own,
            plain,
            tables,
            indexed_log: found.indexed_log,
            incarnation: Incarnation::new(found.incarnation),
            contact: Contact::default(),
            claims: Claims::default(),
            batch: Batch::default(),
            writer: Writer::default(),
            creations: Creations::default(),
            mailbag: Mailbag::default(),
            sessions: Noted::default(),
            changes: watch::Sender::new(0),
            interests: Interests::default(),
            bodies,
            runtime,
            ahead: AtomicI64::new(0),
            opened: Instant::now(),
            purge_clock: Mutex::default(),
            importing: tokio::sync::Mutex::default(),
            forsaken: Mutex::default(),
            sweeps: AtomicI64::new(0),
            strays: Strays::default(),
            #[cfg(test)]
            frozen: AtomicBool::new(false),
            health: Mutex::default(),
            closed: watch::Sender::new(false),
            given_up: AtomicBool::new(false),
        };
        shared.measure_clock().await.map_err(|failure| failure.error(&shared.name))?;
        Ok((Arc::new(shared), found.digest_key))
    }

    /// Something was written that a worker or a caller may wait for.
    pub(super) fn bump(&self) {
        self.changes.send_modify(|number| *number = number.wrapping_add(1));
    }

    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    pub(super) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
    }

    pub(super) fn has_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }

    /// Whether leases are renewed no more: in tests alone.
    #[cfg_attr(not(test), allow(clippy::unused_self, reason = "only tests freeze"))]
    pub(super) fn is_frozen(&self) -> bool {
        #[cfg(test)]
        return self.frozen.load(Ordering::Relaxed);
        #[cfg(not(test))]
        false
    }

    fn note(&self, failure: Option<&Failure>) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        match (health.is_some(), failure) {
            (false, Some(failure)) => {
                tracing::warn!(error = %failure.error(&self.name), "the store failed; it is tried again");
            }
            (true, None) => tracing::info!(store = %self.name, "the store answers again"),
            (true, Some(_)) | (false, None) => (),
        }
        if health.is_some() || failure.is_some() {
            *health = failure.cloned();
        }
    }

    /// The error for a caller whose limit has passed.
    pub(super) fn late(&self) -> Error {
        if self.incarnation.is_replaced() {
            return self.replaced();
        }
        match &*self.health.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(failure) => failure.error(&self.name),
            None => client::too_late(&self.options),
        }
    }

    /// Sends a command and waits for the reply, but not for ever: a server that says nothing is asked anew.
    pub(super) async fn driven<A>(&self, action: A) -> Result<A::Output, Failure>
    where
        A: IntoFuture,
    {
        let limit = self.options.limit.max(Duration::from_secs(2));
        match tokio::time::timeout(limit, action.into_future()).await {
            Ok(answer) => Ok(answer),
            Err(_) => Err(Failure::Unreachable(format!("no answer within {limit:?}"))),
        }
    }

    /// Sends a command; what went wrong is a failure.
    pub(super) async fn command<A, T>(&self, action: A) -> Result<T, Failure>
    where
        A: IntoFuture<Output = Driven<T>>,
    {
        let answer = self.driven(action).await?.map_err(|error| Failure::of(&error, &self.redaction));
        if answer.is_ok() {
            self.contact.answered(self.options.lease);
            self.note(None);
        }
        answer
    }

    /// Asks for a caller outside: again and again, within its limit.
    pub(super) fn ask<T, F, R>(self: &Arc<Self>, run: R) -> impl Future<Output = Result<T>> + Send + use<T, F, R>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send,
        R: FnMut(Arc<Self>) -> F + Send + 'static,
    {
        let shared = self.clone();
        async move {
            let answer = tokio::time::timeout(shared.options.limit, shared.ask_patiently(run)).await;
            answer.unwrap_or_else(|_| Err(shared.late()))
        }
    }

    /// Asks for the worker: a try that has begun within the limit is waited for, however long it takes.
    pub(super) fn ask_patiently<T, F, R>(
        self: &Arc<Self>,
        mut run: R,
    ) -> impl Future<Output = Result<T>> + Send + use<T, F, R>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send,
        R: FnMut(Arc<Self>) -> F + Send + 'static,
    {
        let shared = self.clone();
        async move {
            if shared.is_closed() {
                return Err(closed());
            }
            shared.check_not_replaced()?;
            let limit = shared.options.limit;
            let asked = shared.clone();
            // A task of the store's own: what the driver has begun is never dropped half-way.
            let task = shared.runtime.spawn(async move {
                let (begun, mut pause) = (Instant::now(), Pause::new());
                loop {
                    match run(asked.clone()).await {
                        Ok(answer) => return Ok(answer),
                        Err(Fault::Answer(error)) => return Err(error),
                        Err(Fault::Failure(failure)) if failure.is_final() || begun.elapsed() > limit => {
                            return Err(failure.error(&asked.name));
                        }
                        Err(Fault::Failure(failure)) => {
                            if !pause.after(&asked, &failure).await {
                                asked.check_not_replaced()?;
                                return Err(closed());
                            }
                        }
                    }
                }
            });
            task.await.unwrap_or_else(|_| Err(closed()))
        }
    }

    /// Asks for one who moves the store as a whole: that takes its time, and isn't begun again by itself.
    pub(super) fn at_leisure<T, F, R>(self: &Arc<Self>, run: R) -> impl Future<Output = Result<T>> + Send + use<T, F, R>
    where
        T: Send + 'static,
        R: FnOnce(Arc<Self>) -> F,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let task = self.runtime.spawn(run(self.clone()));
        let name = self.name.clone();
        async move {
            match task.await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(Fault::Answer(error))) => Err(error),
                Ok(Err(Fault::Failure(failure))) => Err(failure.error(&name)),
                Err(_) => Err(closed()),
            }
        }
    }

    /// Does something until it succeeds; `None` if the store has given up.
    pub(super) async fn persist<T, F>(&self, mut run: impl FnMut() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut pause = Pause::new();
        loop {
            match run().await {
                Ok(done) => return Some(done),
                Err(failure) => {
                    if !pause.after(self, &failure).await {
                        return None;
                    }
                }
            }
        }
    }

    /// Stops here if a test wants the process to end here.
    #[allow(clippy::unused_self, reason = "it reads as something that happens to the store")]
    pub(super) fn point(&self, moment: &str, label: impl FnOnce() -> String) {
        #[cfg(feature = "crash-points")]
        if crate::crash_point::is_armed() {
            crate::crash_point::reach(&format!("{}:{moment}", label()));
        }
        #[cfg(not(feature = "crash-points"))]
        drop((moment, label));
    }
}

/// The waits between tries, each longer than the one before.
pub(super) struct Pause(Duration);

impl Pause {
    pub(super) fn new() -> Self {
        Self(FIRST_WAIT)
    }

    /// Waits after a failure; `false` if the store has given up.
    pub(super) async fn after(&mut self, shared: &Shared, failure: &Failure) -> bool {
        shared.note(Some(failure));
        if shared.has_given_up() {
            return false;
        }
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(LONGEST_WAIT);
        !shared.has_given_up()
    }
}
