//! The app: its settings, its dependencies, and how it runs: inside a tokio program, or as a command line.

use std::any::Any;
use std::future::Future;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::digest::Digests;
use crate::duration::IntoDuration;
use crate::engine::{Engine, RunningScope, States};
use crate::error::{Error, ErrorKind, Result};
use crate::function::registry::Registry;
use crate::sealing::Keys;
use crate::settings::Settings;
use crate::store::Store;

mod executions;
#[cfg(feature = "mongodb")]
mod native;
mod place;

#[cfg(feature = "cli")]
pub(crate) use executions::CallOptions;
pub use executions::{AnyHandle, Execution};
#[cfg(feature = "mongodb")]
pub use native::database;

/// An application: where its data lives, what it depends on.
///
/// ```no_run
/// use outlast::prelude::*;
///
/// #[outlast::main]
/// async fn main() -> Result<()> {
///     App::from_env().run().await
/// }
/// ```
#[derive(Clone)]
pub struct App {
    settings: Settings,
    states: States,
    key: Option<String>,
    /// The first wrong setting: told at the start.
    error: Option<Error>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither the key nor a password in the store's URL.
        f.debug_struct("App").field("store", &place::shown(&self.settings.store)).finish_non_exhaustive()
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

impl App {
    /// With defaults, whatever the environment says: the embedded store in `outlast.db`.
    pub fn new() -> Self {
        Self { settings: Settings::default(), states: States::default(), key: None, error: None }
    }

    /// With what the environment says: `OUTLAST_STORE`, `OUTLAST_KEY`. Builder calls override it.
    pub fn from_env() -> Self {
        let mut app = Self::new();
        match text_of("OUTLAST_STORE") {
            Ok(Some(store)) => app.settings.store = store,
            Ok(None) => {}
            // Told at the start: to go on with the default would be to work with another store.
            Err(error) => app.error = Some(error),
        }
        match text_of("OUTLAST_KEY") {
            Ok(key) => app.key = key.filter(|key| !key.trim().is_empty()),
            Err(error) => app.error = Some(error),
        }
        app
    }

    /// Where executions and documents live: `sqlite://shop.db` or `memory:`.
    #[must_use]
    pub fn store(mut self, url: impl Into<String>) -> Self {
        self.settings.store = url.into();
        self
    }

    /// The keys for secrets: one or several of 32 bytes in base64, the first one seals. As `OUTLAST_KEY`.
    #[must_use]
    pub fn key(mut self, keys: impl Into<String>) -> Self {
        self.key = Some(keys.into());
        self
    }

    /// A dependency, which [`state`](crate::state) gives to steps.
    #[must_use]
    pub fn state<T: Any + Send + Sync>(mut self, state: T) -> Self {
        self.states.put(state);
        self
    }

    /// How long an execution that waits is kept in memory before it is parked. Default: 1 second.
    #[must_use]
    pub fn park_after(self, wait: impl IntoDuration) -> Self {
        self.duration(wait, |settings, wait| settings.park_after = wait)
    }

    /// How long bodies in flight get to record at a shutdown or a cancellation. Default: 10 seconds.
    #[must_use]
    pub fn shutdown_grace(self, grace: impl IntoDuration) -> Self {
        self.duration(grace, |settings, grace| settings.shutdown_grace = grace)
    }

    /// How long a worker may hang before others take its work over. Default: 10 seconds.
    #[must_use]
    pub fn hang_limit(self, limit: impl IntoDuration) -> Self {
        self.duration(limit, |settings, limit| settings.hang_limit = limit)
    }

    /// How long callers wait for a store that is away before they get a retryable error. Default: 5 seconds.
    #[must_use]
    pub fn store_timeout(self, timeout: impl IntoDuration) -> Self {
        self.duration(timeout, |settings, timeout| settings.store_timeout = timeout)
    }

    /// How long ended executions are kept, and how long their ids. Default: 30 and 90 days.
    #[must_use]
    pub fn retention(self, executions: impl IntoDuration, ids: impl IntoDuration) -> Self {
        self.duration(executions, |settings, wait| settings.retention.executions = wait)
            .duration(ids, |settings, wait| settings.retention.tombstones = wait)
    }

    /// The largest recorded value in bytes: an argument list, a result, a signal. Default: 4 MiB.
    #[must_use]
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.settings.max_payload = bytes;
        self
    }

    /// The most operations of one execution. Default: 100,000.
    #[must_use]
    pub fn max_operations(mut self, operations: usize) -> Self {
        self.settings.max_operations = operations;
        self
    }

    /// The most executions in memory at a time. Default: 20,000.
    #[must_use]
    pub fn max_running(mut self, executions: usize) -> Self {
        self.settings.max_running = executions.max(1);
        self
    }

    /// Deaths of workers in a row, without progress, after which an execution is parked. Default: 20.
    #[must_use]
    pub fn max_crashes(mut self, crashes: u32) -> Self {
        self.settings.max_crashes = crashes.max(1);
        self
    }

    /// Only calls executions, and leaves it to other processes to run them.
    #[must_use]
    pub fn caller_only(mut self) -> Self {
        self.settings.worker = false;
        self
    }

    fn duration(mut self, text: impl IntoDuration, set: impl FnOnce(&mut Settings, Duration)) -> Self {
        match text.into_duration() {
            Ok(duration) => set(&mut self.settings, duration),
            Err(error) if self.error.is_none() => self.error = Some(error),
            Err(_) => {}
        }
        self
    }

    /// Runs inside the tokio program at hand: opens the store, takes up what is due, and gives a handle to shut it
    /// down.
    ///
    /// # Errors
    /// A wrong setting, a store that can't be opened, two durable functions of one name.
    ///
    /// ```no_run
    /// # use outlast::prelude::*;
    /// # async fn run() -> Result<()> {
    /// let running = App::from_env().start().await?;
    /// // … serve requests …
    /// running.shutdown().await;
    /// # Ok(()) }
    /// ```
    pub async fn start(self) -> Result<Running> {
        let (engine, _) = self.engine().await?;
        if let Err(error) = engine.start().await {
            engine.shut_down().await;
            return Err(error);
        }
        Ok(Running { engine })
    }

    /// Does what the process's arguments ask for: the command line of a binary with `#[outlast::main]`. Without a
    /// command it serves: it runs what is due until Ctrl-C or SIGTERM. `--help` lists the commands.
    ///
    /// Help, a version and mistakes in the arguments end the process, as clap does.
    ///
    /// # Errors
    /// What the command came to; `#[outlast::main]` makes exit codes of it, which `--help` lists.
    #[cfg(feature = "cli")]
    pub async fn run(self) -> Result<()> {
        crate::serve::run(self).await
    }

    /// Opens a store that is there, to look and to ask, without a worker. Nothing is sealed or opened, so a key isn't
    /// needed.
    #[cfg(feature = "cli")]
    pub(crate) async fn look(mut self) -> Result<Running> {
        if let Some(error) = self.error {
            return Err(error);
        }
        self.settings.worker = false;
        let store = place::open_existing(&self.settings).await?;
        let keys = self.key.as_deref().and_then(|key| Keys::from_text(key).ok());
        let engine = Engine::new(store, Registry::of_binary()?, self.settings, self.states, keys, Digests::unused());
        engine.start().await?;
        Ok(Running { engine })
    }

    /// The store alone, without a worker and without its digests: for what moves it as a whole.
    #[cfg(feature = "cli")]
    pub(crate) async fn bare_store(self, must_be_there: bool) -> Result<Arc<dyn Store>> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if must_be_there { place::open_existing(&self.settings).await } else { place::open(&self.settings).await }
    }

    /// The store's URL as it may be shown.
    #[cfg(feature = "cli")]
    pub(crate) fn shown_store(&self) -> String {
        place::shown(&self.settings.store)
    }

    /// What the store's user has to be allowed there, if the store is on a server.
    #[cfg(feature = "cli")]
    pub(crate) fn roles(&self) -> Option<String> {
        place::roles(&self.settings.store)
    }

    /// Whether there is a key, and whether it is one.
    #[cfg(feature = "cli")]
    pub(crate) fn key_state(&self) -> Option<Result<()>> {
        self.key.as_deref().map(|key| Keys::from_text(key).map(|_| ()))
    }

    /// The engine, not yet started.
    async fn engine(self) -> Result<(Arc<Engine>, Arc<dyn Store>)> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let registry = Registry::of_binary()?;
        let keys = self.key.as_deref().map(Keys::from_text).transpose()?;
        let secret = registry.all().find(|function| function.secret.result || !function.secret.arguments.is_empty());
        if let (Some(function), None) = (secret, &keys) {
            return Err(Error::of(
                ErrorKind::Invalid,
                format!(
                    "`{}` ({}) has secrets, but there is no key: set OUTLAST_KEY to 32 random bytes in base64",
                    function.name, function.place
                ),
            ));
        }
        let store = place::open(&self.settings).await?;
        let digests = Digests::of_store(&*store, keys.as_ref()).await?;
        Ok((Engine::new(store.clone(), registry, self.settings, self.states, keys, digests), store))
    }
}

/// An app that runs; dropped without [`shutdown`](Running::shutdown), it stops like a process that is killed.
pub struct Running {
    pub(crate) engine: Arc<Engine>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("store", &place::shown(&self.engine.settings.store)).finish_non_exhaustive()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.engine.kill();
    }
}

/// How long another store must have stood in the place of the one that was opened: someone may just be moving files.
#[cfg(feature = "cli")]
const LOST: std::time::Duration = std::time::Duration::from_secs(3);

impl Running {
    /// Waits until another store stands in the place of the one that was opened: nothing will ever be done here again.
    #[cfg(feature = "cli")]
    pub(crate) async fn lost(&self) -> Error {
        let mut since = None;
        loop {
            tokio::time::sleep(LOST / 10).await;
            match self.engine.store.lost() {
                None => since = None,
                Some(error) if since.get_or_insert_with(std::time::Instant::now).elapsed() > LOST => return error,
                Some(_) => {}
            }
        }
    }

    /// Takes up nothing new, lets steps in flight reach their record within the grace, gives everything back at once.
    pub async fn shutdown(self) {
        self.engine.shut_down().await;
    }

    /// Runs a future whose calls mean this app: needed where several apps run in one process.
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        RunningScope::new(self.engine.clone(), future)
    }
}

/// A variable of the environment, if it is set.
fn text_of(name: &str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(text)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Error::of(ErrorKind::Invalid, format!("{name} isn't UTF-8: set it to plain text")))
        }
    }
}

/// What `#[outlast::main]` makes of an async `main`.
pub(crate) fn main<E, Fut>(worker_threads: Option<usize>, main: impl FnOnce() -> Fut) -> ExitCode
where
    Fut: Future<Output = std::result::Result<(), E>>,
    E: Into<Error>,
{
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = worker_threads {
        builder.worker_threads(threads.max(1));
    }
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&Error::from(error).context("tokio's runtime can't be started")),
    };
    let result = runtime.block_on(async { main().await });
    runtime.shutdown_timeout(Duration::from_secs(1));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.into()),
    }
}

fn failed(error: &Error) -> ExitCode {
    // The last word of a program belongs on standard error, whatever becomes of its logs. Where nobody reads it, so be it.
    let _ = writeln!(std::io::stderr(), "error: {error:?}");
    ExitCode::from(exit_code(error))
}

/// Exit codes that scripts can trust: 1 the function failed, 2 it was asked wrongly, 3 not found, 4 parked, 75 try again
/// (as in `sysexits.h`).
pub(crate) fn exit_code(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::Invalid | ErrorKind::Unsupported | ErrorKind::Conflict | ErrorKind::Misplaced => 2,
        ErrorKind::NotFound | ErrorKind::Expired => 3,
        ErrorKind::Parked | ErrorKind::Diverged | ErrorKind::NotDurable => 4,
        ErrorKind::Unavailable => 75,
        ErrorKind::Failed
        | ErrorKind::Exhausted
        | ErrorKind::Timeout
        | ErrorKind::Panicked
        | ErrorKind::Interrupted
        | ErrorKind::Cancelled
        | ErrorKind::TooLarge
        | ErrorKind::NotRecordable
        | ErrorKind::Damaged => 1,
    }
}
