//! The embedded store: one SQLite file, one thread that writes, readers beside it.
//!
//! The way of a write: [`queue`] → [`writer`] (groups, retries) → [`desk`] (owners' writes), [`executions`] (requests),
//! [`bodies`] (transactions) → [`records`], [`documents`] (tables). What must hold:
//! - every write goes through the one queue, so commits keep the order of submission;
//! - an answer leaves only after its group's `COMMIT` at `synchronous=FULL`;
//! - owners never hear of the file's failures, callers outside always do, within their limit;
//! - nothing here decides what an execution does next.
//!
//! The form on disk stands in `docs/sqlite-store.md`.

mod bodies;
mod claims;
mod clock;
mod desk;
mod documents;
mod executions;
mod failure;
mod gate;
mod liveness;
mod open;
mod purge;
mod queue;
mod readers;
mod reads;
mod records;
mod report;
mod schema;
#[cfg(test)]
mod tests;
mod threads;
mod writer;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use self::clock::{Boot, Clock, SystemClock};
use self::desk::Desk;
use self::failure::{Failure, Fault};
use self::liveness::{Found, Liveness};
use self::queue::{Ask, Command, Queue};
use self::readers::Readers;
use self::threads::Stop;
use self::writer::Writer;
use super::{
    BoxFuture, ClaimRequest, Claimed, Created, Details, Epoch, ExecutionId, Filter, Finished, Message, NewExecution,
    Refused, Report, Retention, Store, Submission, Summary, Swept, Wakeups, Watcher, WorkerId,
};
use crate::data::{Operation, Reply};
use crate::error::{Error, ErrorKind, Result};

/// Where a store lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this file.
    File(PathBuf),
    /// In memory: gone with its last handle.
    Memory,
}

/// How a store is opened.
#[derive(Clone)]
pub(crate) struct SqliteOptions {
    /// Where it lies.
    pub(crate) place: Place,
    /// How long a caller outside waits before it is told that the store is away.
    pub(crate) limit: Duration,
    /// How long a group holds the lock: it ends after the command that passes it.
    pub(crate) group: Duration,
    /// The most commands of a group.
    pub(crate) group_size: usize,
    /// The age of a heartbeat after which a worker counts as hung.
    pub(crate) hang: Duration,
    /// How often commits of other processes are looked for.
    pub(crate) poll: Duration,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
}

impl SqliteOptions {
    pub(crate) fn new(place: Place) -> Self {
        Self {
            place,
            limit: Duration::from_secs(5),
            group: Duration::from_millis(20),
            group_size: 4096,
            hang: Duration::from_secs(10),
            poll: Duration::from_millis(20),
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// A store in a file, which is created if it isn't there.
    pub(crate) fn file(path: impl Into<PathBuf>) -> Self {
        Self::new(Place::File(path.into()))
    }

    /// A store in memory.
    pub(crate) fn memory() -> Self {
        Self::new(Place::Memory)
    }
}

/// What the store's threads share.
struct Shared {
    queue: Queue,
    /// The store's name, for messages.
    file: String,
    changes: watch::Sender<u64>,
    /// Why the last group failed, while they fail.
    health: Mutex<Option<Failure>>,
    /// Whether the writer is gone.
    ended: watch::Sender<bool>,
}

impl Shared {
    fn bump(&self) {
        self.changes.send_modify(|number| *number = number.wrapping_add(1));
    }

    fn set_health(&self, failure: Option<Failure>) {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// The error for a caller whose limit has passed.
    fn late(&self, limit: Duration) -> Error {
        match &*self.health.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(failure) => failure.error(&self.file),
            None => Error::of(
                ErrorKind::Unavailable,
                format!(
                    "the store {} didn't answer within {limit:?}: another process holds its lock (look for one that is \
                     stopped), a transaction blocks its thread, or the disk is slow. Call again",
                    self.file
                ),
            ),
        }
    }
}

/// The error of a store that was closed.
fn closed() -> Error {
    Error::of(ErrorKind::Unavailable, "the store is closed")
}

/// The embedded store.
pub(crate) struct SqliteStore {
    shared: Arc<Shared>,
    /// None for a store in memory, which is read on the writer's thread.
    readers: Option<Arc<Readers>>,
    liveness: Arc<Liveness>,
    stop: Arc<Stop>,
    options: SqliteOptions,
    runtime: tokio::runtime::Handle,
    digest_key: [u8; 16],
    opened: Boot,
}

/// What the writer's thread found when it opened the file.
struct Ready {
    digest_key: [u8; 16],
}

impl SqliteStore {
    /// Opens a store, or makes a new one. Must be called inside a tokio runtime, with time enabled.
    pub(crate) async fn open(mut options: SqliteOptions) -> Result<Arc<Self>> {
        let runtime = tokio::runtime::Handle::current();
        let (file, directory) = match &mut options.place {
            Place::File(path) => {
                *path = open::resolve(path)?;
                (path.display().to_string(), Some(open::workers_directory(path)))
            }
            Place::Memory => ("in memory".to_owned(), None),
        };
        let shared = Arc::new(Shared {
            queue: Queue::default(),
            file,
            changes: watch::Sender::new(0),
            health: Mutex::new(None),
            ended: watch::Sender::new(false),
        });
        let ready = start_writer(&options, &shared, &runtime)?;
        let opening = tokio::time::timeout(options.limit, ready).await;
        let ready = opening.map_err(|_| shared.late(options.limit))?.map_err(|_| closed())??;
        let liveness = Arc::new(Liveness::new(directory, options.hang, options.clock.clone()));
        let stop = Arc::new(Stop::default());
        let started = match &options.place {
            Place::Memory => Ok(None),
            Place::File(path) => Readers::start(path)
                .and_then(|readers| threads::watch_others(path, options.poll, &shared, &stop).map(|()| Some(readers))),
        };
        let readers = started
            .and_then(|readers| threads::beat(&liveness, &stop).map(|()| readers))
            .map_err(|failure| failure.error(&shared.file))
            .inspect_err(|_| shared.queue.close())?;
        let (digest_key, opened) = (ready.digest_key, options.clock.boot());
        Ok(Arc::new(Self { shared, readers, liveness, stop, options, runtime, digest_key, opened }))
    }

    /// Asks the writer, and waits for the commit.
    async fn ask<T: Send + 'static>(
        &self,
        label: &'static str,
        run: impl FnMut(&mut Desk) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let (command, answer) = Ask::command(label, run, |answer, reply| drop(reply.send(Ok(answer))));
        self.push(command, answer).await
    }

    async fn push<T>(&self, command: Command, answer: oneshot::Receiver<Result<T>>) -> Result<T> {
        self.shared.queue.push(command).map_err(|_| closed())?;
        self.wait(answer).await
    }

    async fn wait<T>(&self, answer: oneshot::Receiver<Result<T>>) -> Result<T> {
        match tokio::time::timeout(self.options.limit, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(closed()),
            Err(_) => Err(self.shared.late(self.options.limit)),
        }
    }

    /// Reads on a reader; in memory, on the writer's thread.
    async fn read<T: Send + 'static>(
        &self,
        run: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        self.wait(self.start_read(run)?).await
    }

    /// Gives the receiver of a read's answer: one that reads the whole file may take longer than the limit.
    fn start_read<T: Send + 'static>(
        &self,
        mut run: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T>>> {
        let Some(readers) = &self.readers else {
            let (command, answer) =
                Ask::command("read", move |desk| run(&desk.connection), |answer, reply| drop(reply.send(Ok(answer))));
            self.shared.queue.push(command).map_err(|_| closed())?;
            return Ok(answer);
        };
        let (reply, answer) = oneshot::channel();
        let file = self.shared.file.clone();
        let job = move |connection: Result<&Connection, Failure>| {
            if !reply.is_closed() {
                let read = connection.map_err(Fault::Failure).and_then(&mut run);
                drop(reply.send(read.map_err(|fault| fault.error(&file))));
            }
        };
        if readers.submit(Box::new(job)) { Ok(answer) } else { Err(closed()) }
    }

    /// Runs what touches files beside the store.
    async fn blocking<T: Send + 'static>(&self, run: impl FnOnce(&Liveness) -> T + Send + 'static) -> Result<T> {
        let liveness = self.liveness.clone();
        self.runtime.spawn_blocking(move || run(&liveness)).await.map_err(|_| closed())
    }

    fn io(&self, error: &std::io::Error) -> Error {
        let failure = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Failure::Full,
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => Failure::ReadOnly,
            _ => Failure::Io(error.to_string()),
        };
        failure.error(&self.shared.file)
    }

    /// Hands claims over, or gives them back if nobody takes them.
    fn handover<T>(&self) -> impl FnOnce(T, Vec<(ExecutionId, Epoch)>) -> Handover<T> + Send + 'static {
        let shared = self.shared.clone();
        move |value, claims| Handover { value: Some(value), claims, shared }
    }
}

/// Claims on their way to the caller. Dropped on the way, they are released: no worker knows of them.
struct Handover<T> {
    value: Option<T>,
    claims: Vec<(ExecutionId, Epoch)>,
    shared: Arc<Shared>,
}

impl<T> Handover<T> {
    fn take(mut self) -> Result<T> {
        self.claims.clear();
        self.value.take().ok_or_else(closed)
    }
}

impl<T> Drop for Handover<T> {
    fn drop(&mut self) {
        if !self.claims.is_empty() {
            // A store that is closed gives back what it held in another way: its workers are gone.
            let _ = self.shared.queue.push(Command::Returned(std::mem::take(&mut self.claims)));
        }
    }
}

/// Starts the writer's thread, which opens the file: it may have to wait for its turn.
fn start_writer(
    options: &SqliteOptions,
    shared: &Arc<Shared>,
    runtime: &tokio::runtime::Handle,
) -> Result<oneshot::Receiver<Result<Ready>>> {
    let (reply, ready) = oneshot::channel();
    let (options, shared, runtime) = (options.clone(), shared.clone(), runtime.clone());
    let run = move || match make_writer(options, shared, runtime) {
        Ok((writer, digest_key)) => {
            if reply.send(Ok(Ready { digest_key })).is_ok() {
                writer.run();
            }
        }
        Err(error) => drop(reply.send(Err(error))),
    };
    let started = std::thread::Builder::new().name("outlast-writer".into()).spawn(run);
    started
        .map(|_| ready)
        .map_err(|error| Error::of(ErrorKind::Unavailable, format!("the store's thread can't be started: {error}")))
}

fn make_writer(
    options: SqliteOptions,
    shared: Arc<Shared>,
    runtime: tokio::runtime::Handle,
) -> Result<(Writer, [u8; 16])> {
    let now = options.clock.wall();
    let (connection, gate) = match &options.place {
        Place::File(path) => {
            let opened = open::file(path, schema::MIGRATIONS, now)?;
            (opened.connection, Some(opened.gate))
        }
        Place::Memory => (open::memory(now)?, None),
    };
    let first = (|| {
        let key: Option<Vec<u8>> = schema::meta(&connection, "digest_key")?;
        let key = key.and_then(|key| key.try_into().ok());
        let key = key.ok_or_else(|| Failure::Damaged("its table `meta` has no digest key".into()))?;
        Ok((key, Desk::new(Rc::new(connection), runtime)?))
    })();
    let (digest_key, desk) = first.map_err(|failure: Failure| failure.error(&shared.file))?;
    let writer = Writer {
        desk,
        shared,
        gate,
        clock: options.clock,
        budget: options.group,
        most: options.group_size,
        limit: options.limit,
        pending: VecDeque::new(),
    };
    Ok((writer, digest_key))
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.shared.queue.close();
        self.stop.set();
        self.liveness.let_go();
        if let Some(readers) = &self.readers {
            readers.close();
        }
    }
}

impl Store for SqliteStore {
    fn register(&self, build: u64) -> BoxFuture<'_, Result<WorkerId>> {
        Box::pin(async move {
            let worker = self.blocking(Liveness::enlist).await?.map_err(|error| self.io(&error))?;
            let id = worker.clone();
            let registered = self.ask("register", move |desk| desk.register(&id, build)).await;
            if registered.is_err() {
                // If it was registered all the same, the next sweep finds it dead.
                self.liveness.dismiss(&worker);
            }
            registered.map(|()| worker)
        })
    }

    fn sweep(&self, worker: &WorkerId) -> BoxFuture<'_, Result<Swept>> {
        let worker = worker.clone();
        Box::pin(self.sweep_for(worker))
    }

    fn leave(&self, worker: &WorkerId) -> BoxFuture<'_, Result<()>> {
        let worker = worker.clone();
        Box::pin(async move {
            loop {
                let id = worker.clone();
                let (_, all) = self.ask("leave", move |desk| desk.leave(&id)).await?;
                if all {
                    break;
                }
            }
            self.blocking(move |liveness| liveness.dismiss(&worker)).await
        })
    }

    fn create(&self, new: NewExecution) -> BoxFuture<'_, Result<Created>> {
        Box::pin(async move {
            let hand = self.handover();
            let (command, answer) = Ask::command(
                "create",
                move |desk| desk.create(&new),
                move |created, reply| {
                    let claims = match &created {
                        Created::New(Some(claimed)) => vec![(claimed.id.clone(), claimed.epoch)],
                        Created::New(None)
                        | Created::Exists
                        | Created::Ended(_)
                        | Created::Mismatch { .. }
                        | Created::Expired(_) => Vec::new(),
                    };
                    drop(reply.send(Ok(hand(created, claims))));
                },
            );
            self.push(command, answer).await?.take()
        })
    }

    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Vec<Claimed>>> {
        Box::pin(async move {
            let hand = self.handover();
            let readers = self.readers.clone();
            let alone = readers.is_none();
            let file = self.shared.file.clone();
            let (command, answer) = Ask::command(
                "claim",
                move |desk| {
                    let mut claimed = desk.claim(&request)?;
                    // Without readers of its own the writer reads.
                    if alone {
                        claimed.iter_mut().try_for_each(|claimed| reads::fill(&desk.connection, claimed))?;
                    }
                    Ok(claimed)
                },
                move |claimed: Vec<Claimed>, reply: oneshot::Sender<Result<Handover<Vec<Claimed>>>>| {
                    let claims = claimed.iter().map(|claimed| (claimed.id.clone(), claimed.epoch)).collect();
                    let mut handover = hand(claimed, claims);
                    let Some(readers) = readers else { return drop(reply.send(Ok(handover))) };
                    readers.submit(Box::new(move |connection| {
                        let filled = connection.and_then(|connection| {
                            handover.value.iter_mut().flatten().try_for_each(|claimed| reads::fill(connection, claimed))
                        });
                        drop(reply.send(filled.map(|()| handover).map_err(|failure| failure.error(&file))));
                    }));
                },
            );
            self.push(command, answer).await?.take()
        })
    }

    fn submit(&self, submission: Submission) {
        if let Err(Command::Owned(submission)) = self.shared.queue.push(Command::Owned(submission)) {
            submission.owner.committed(submission.ticket, Err(Refused::Closed));
        }
    }

    fn post(&self, to: ExecutionId, message: Message) -> BoxFuture<'_, Result<bool>> {
        let label = match &message.body {
            super::MessageBody::Signal { .. } => "inbox signal",
            super::MessageBody::Cancel { .. } => "inbox cancel",
            super::MessageBody::Ended { .. } => "inbox ended",
        };
        Box::pin(self.ask(label, move |desk| desk.post_from_outside(&to, &message)))
    }

    fn watch(&self, of: ExecutionId, watcher: Watcher) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.ask("watch", move |desk| desk.watch_from_outside(&of, &watcher)))
    }

    fn inbox(&self, of: ExecutionId) -> BoxFuture<'_, Result<Vec<Message>>> {
        Box::pin(self.read(move |connection| Ok(records::inbox(connection, &of)?)))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    fn wakeups(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Wakeups>> {
        let now = self.options.clock.wall();
        Box::pin(self.read(move |connection| Ok(reads::wakeups(connection, &request, now)?)))
    }

    fn finished(&self, ids: Vec<ExecutionId>) -> BoxFuture<'_, Result<Vec<(ExecutionId, Result<Finished>)>>> {
        Box::pin(self.read(move |connection| Ok(reads::finished(connection, &ids)?)))
    }

    fn resume(&self, id: ExecutionId) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.ask("resume", move |desk| desk.resume(&id)))
    }

    fn children(&self, parent: ExecutionId) -> BoxFuture<'_, Result<Vec<ExecutionId>>> {
        Box::pin(self.read(move |connection| Ok(reads::children(connection, &parent)?)))
    }

    fn list(&self, filter: Filter) -> BoxFuture<'_, Result<Vec<Summary>>> {
        let now = self.options.clock.wall();
        Box::pin(self.read(move |connection| reads::list(connection, &filter, now)))
    }

    fn details(&self, id: ExecutionId) -> BoxFuture<'_, Result<Option<Details>>> {
        let now = self.options.clock.wall();
        Box::pin(self.read(move |connection| Ok(reads::details(connection, &id, now)?)))
    }

    fn data(&self, operation: Operation) -> BoxFuture<'_, Result<Reply>> {
        if operation.is_read() {
            return Box::pin(
                self.read(move |connection| documents::run(connection, super::Stamp::default(), &operation)),
            );
        }
        Box::pin(self.ask("data", move |desk| documents::run(&desk.connection, desk.stamp, &operation)))
    }

    fn purge(&self, retention: Retention) -> BoxFuture<'_, Result<bool>> {
        let (clock, opened) = (self.options.clock.clone(), self.opened.clone());
        Box::pin(self.ask("purge", move |desk| desk.purge(retention, clock.wall(), &clock.boot(), &opened)))
    }

    fn digest_key(&self) -> [u8; 16] {
        self.digest_key
    }

    fn report(&self, thorough: bool) -> BoxFuture<'_, Result<Report>> {
        Box::pin(self.report_for(thorough))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.shared.queue.close();
            let mut ended = self.shared.ended.subscribe();
            // A writer that waits behind a stopped process can't be called back: it is left to itself.
            let _ = tokio::time::timeout(self.options.limit * 2, ended.wait_for(|ended| *ended)).await;
            if let Some(readers) = &self.readers {
                readers.close();
            }
            self.stop.set();
            self.liveness.let_go();
        })
    }
}

impl SqliteStore {
    async fn sweep_for(&self, worker: WorkerId) -> Result<Swept> {
        let listed = self.read(|connection| Ok(reads::workers(connection)?)).await?;
        let names = reads::names(&listed);
        let standing = listed.iter().any(|listed| listed.standing && listed.name == worker.0);
        let others: Vec<_> = listed.into_iter().filter(|listed| listed.name != worker.0).collect();
        let lost = self.look_for_lost(others).await?;
        let mut reclaimed = 0;
        for name in lost {
            loop {
                let id = WorkerId(name.clone());
                let (some, all) = self.ask("sweep", move |desk| desk.retire(&id)).await?;
                reclaimed += some;
                if all {
                    break;
                }
            }
            tracing::warn!(worker = %name, "a worker was dead or hung: what it owned is taken back");
            self.blocking(move |liveness| liveness.remove_file(&name)).await?;
        }
        self.blocking(move |liveness| liveness.tidy(&names)).await?.map_err(|error| self.io(&error))?;
        Ok(Swept { reclaimed, standing })
    }

    /// Those that are dead, or hang. A heartbeat that is old is looked at twice, two beats apart: after a machine slept,
    /// all of them are old, and beat again at once.
    async fn look_for_lost(&self, others: Vec<reads::Listed>) -> Result<Vec<Arc<str>>> {
        let look = |names: Vec<Arc<str>>| {
            self.blocking(move |liveness| {
                let look = |name: Arc<str>| liveness.look(&name).map(|found| (name, found));
                names.into_iter().map(look).collect::<std::io::Result<Vec<_>>>()
            })
        };
        let (retired, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|other| other.retired);
        let mut lost: Vec<_> = retired.into_iter().map(|worker| worker.name).collect();
        let found = look(others.into_iter().map(|worker| worker.name).collect()).await?;
        let mut suspects = Vec::new();
        for (name, found) in found.map_err(|error| self.io(&error))? {
            match found {
                Found::Alive => (),
                Found::Dead => lost.push(name),
                Found::Hung(beat) => suspects.push((name, beat)),
            }
        }
        if suspects.is_empty() {
            return Ok(lost);
        }
        tokio::time::sleep(self.liveness.interval() * 2).await;
        let again = look(suspects.iter().map(|(name, _)| name.clone()).collect()).await?;
        for ((name, found), (_, before)) in again.map_err(|error| self.io(&error))?.into_iter().zip(suspects) {
            if found == Found::Dead || found == Found::Hung(before) {
                lost.push(name);
            }
        }
        Ok(lost)
    }

    async fn report_for(&self, thorough: bool) -> Result<Report> {
        let now = self.options.clock.wall();
        let read = move |connection: &Connection| {
            Ok((report::of_database(connection, thorough, now)?, reads::workers(connection)?))
        };
        let answer = self.start_read(read)?;
        let answer = if thorough { answer.await.map_err(|_| closed())? } else { self.wait(answer).await };
        let (mut report, workers) = answer?;
        let place = self.options.place.clone();
        self.blocking(move |liveness| {
            report::of_workers(&workers, liveness, &mut report);
            if let Place::File(path) = place {
                let size = path.metadata().map_or(0, |metadata| metadata.len());
                report.facts.insert(0, ("size", format!("{size} bytes")));
                report.facts.insert(0, ("path", path.display().to_string()));
            }
            report
        })
        .await
    }
}
