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

mod at_hand;
mod bodies;
mod claims;
mod clock;
mod creation;
mod desk;
mod documents;
mod executions;
mod failure;
mod gate;
mod handover;
mod liveness;
mod native;
mod open;
mod options;
mod portable;
mod purge;
mod queue;
mod readers;
mod reads;
mod records;
mod report;
mod schema;
mod statements;
mod sweep;
#[cfg(test)]
pub(crate) mod tests;
mod threads;
mod writer;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use self::claims::ClaimKey;
use self::clock::Boot;
use self::creation::Creation;
use self::desk::Desk;
use self::executions::Taken;
use self::failure::{Failure, Fault};
use self::handover::Handover;
use self::liveness::Liveness;
pub use self::native::sqlite;
pub(crate) use self::options::{Place, SqliteOptions};
use self::queue::{Ask, Command, Queue};
use self::readers::{After, Readers};
use self::threads::Stop;
use super::{
    Asker, BoxFuture, ClaimRequest, Claimed, Created, Details, ExecutionId, Filter, Finished, Message, NewExecution,
    Piece, Pieces, Refused, Report, Retention, Store, Submission, Summary, Swept, Wakeups, Watcher, WorkerId,
};
use crate::data::operation::Verb;
use crate::data::{Operation, Reply};
use crate::error::{Error, ErrorKind, Result};

/// What the store's threads share.
struct Shared {
    queue: Queue,
    /// The store's name, for messages.
    file: String,
    changes: watch::Sender<u64>,
    /// Why the last group failed, while they fail.
    health: Mutex<Option<Failure>>,
    /// How many threads are there: each may have the file open.
    running: watch::Sender<usize>,
    /// The file's largest size in pages, for tests of a full disk; 0 changes nothing.
    #[cfg(test)]
    pages: std::sync::atomic::AtomicI64,
}

impl Shared {
    fn bump(&self) {
        self.changes.send_modify(|number| *number = number.wrapping_add(1));
    }

    fn set_health(&self, failure: Option<Failure>) {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// The error of a file that the last group found damaged.
    fn damage(&self) -> Result<()> {
        match &*self.health.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(failure @ Failure::Damaged(_)) => Err(failure.error(&self.file)),
            Some(_) | None => Ok(()),
        }
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
    digest_key: Vec<u8>,
    opened: Boot,
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
            running: watch::Sender::new(0),
            #[cfg(test)]
            pages: std::sync::atomic::AtomicI64::new(0),
        });
        let ready = writer::start(&options, &shared, &runtime)?;
        let opening = tokio::time::timeout(options.limit, ready).await;
        let digest_key = opening.map_err(|_| shared.late(options.limit))?.map_err(|_| closed())??;
        let liveness = Arc::new(Liveness::new(directory, options.hang, options.clock.clone()));
        let stop = Arc::new(Stop::default());
        let started = match &options.place {
            Place::Memory => Ok(None),
            Place::File(path) => Readers::start(path, &shared)
                .and_then(|readers| threads::watch_others(path, options.poll, &shared, &stop).map(|()| Some(readers))),
        };
        let readers = started
            .and_then(|readers| threads::beat(&liveness, &shared, &stop).map(|()| readers))
            .map_err(|failure| failure.error(&shared.file))
            .inspect_err(|_| shared.queue.close())?;
        let opened = options.clock.boot();
        Ok(Arc::new(Self { shared, readers, liveness, stop, options, runtime, digest_key, opened }))
    }

    /// Asks the writer, and waits for the commit.
    async fn ask<T: Send + 'static>(
        &self,
        label: &'static str,
        run: impl FnMut(&mut Desk<'_>) -> Result<T, Fault> + Send + 'static,
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
        let job = move |connection: Result<&Connection, Failure>, _: &Arc<Readers>| {
            if !reply.is_closed() {
                let read = connection.map_err(Fault::Failure).and_then(&mut run);
                drop(reply.send(read.map_err(|fault| fault.error(&file))));
            }
            After::Stay
        };
        if readers.submit(Box::new(job)) { Ok(answer) } else { Err(closed()) }
    }

    /// Finds documents, as they are asked for; in memory, where a snapshot can't be kept, all at once.
    async fn find(&self, operation: Operation) -> Result<Reply> {
        let (Some(readers), Verb::Find(query)) = (&self.readers, &operation.verb) else {
            return self.read(move |connection| documents::run(connection, super::Stamp::default(), &operation)).await;
        };
        if query.is_for_one() {
            if at_hand::is_others_turn() {
                tokio::task::yield_now().await;
            }
            let run = |connection: &Connection| documents::run(connection, super::Stamp::default(), &operation);
            if let Some(found) = readers.at_hand.read(run) {
                return found;
            }
        }
        let (reply, answer) = oneshot::channel();
        let (name, query, file) = (operation.collection.clone(), query.clone(), self.shared.file.clone());
        let job = move |connection: Result<&Connection, Failure>, readers: &Arc<Readers>| {
            documents::rows::run(connection, &name, &query, reply, &file, readers)
        };
        if !readers.submit(Box::new(job)) {
            return Err(closed());
        }
        self.wait(answer).await
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

    /// Facts and problems.
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

    /// Nothing more is taken in. The writer writes what it has, and goes last.
    fn shut(&self) {
        self.shared.queue.close();
        self.stop.set();
        if let Some(readers) = &self.readers {
            readers.close();
        }
    }

    /// Hands claims over, or gives them back if nobody takes them.
    fn handover<T>(&self) -> impl FnOnce(T, Vec<ClaimKey>) -> Handover<T> + Send + 'static {
        let shared = self.shared.clone();
        move |value, claims| Handover { value: Some(value), claims, shared }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.shut();
        self.liveness.let_go();
    }
}

impl Store for SqliteStore {
    #[cfg(feature = "mongodb")]
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

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

    fn forsake(&self, worker: &WorkerId) {
        self.liveness.drop_lock(worker);
    }

    fn create(&self, new: NewExecution) -> BoxFuture<'_, Result<Created>> {
        Box::pin(async move {
            let hand = self.handover();
            let (command, answer) = Ask::command(
                "create",
                move |desk| {
                    let mut created = desk.create(&new)?;
                    if let Created::New(Some(claimed)) = &mut created {
                        claimed.arguments.clone_from(&new.arguments);
                    }
                    Ok(created)
                },
                move |created, reply| {
                    let claims = match &created {
                        Created::New(Some(claimed)) => vec![ClaimKey::of(claimed)],
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

    fn create_for(&self, new: NewExecution, asker: Arc<dyn Asker>) {
        let creation = Command::Asked(Box::new(Creation::new(new, asker)));
        if let Err(Command::Asked(creation)) = self.shared.queue.push(creation) {
            creation.refuse(closed());
        }
    }

    fn late(&self) -> Error {
        self.shared.late(self.options.limit)
    }

    fn lost(&self) -> Option<Error> {
        let failure = self.readers.as_ref()?.check_place().err()?;
        (failure == Failure::Replaced).then(|| failure.error(&self.shared.file))
    }

    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Vec<Claimed>>> {
        Box::pin(async move {
            let hand = self.handover();
            let readers = self.readers.clone();
            let in_memory = readers.is_none();
            let file = self.shared.file.clone();
            let (command, answer) = Ask::command(
                "claim",
                move |desk| {
                    let mut taken = desk.claim(&request)?;
                    if in_memory {
                        taken.iter_mut().try_for_each(|taken| reads::fill(&desk.connection, taken))?;
                    }
                    Ok(taken)
                },
                move |taken: Vec<Taken>, reply: oneshot::Sender<Result<Handover<Vec<Taken>>>>| {
                    let readers = readers.filter(|_| taken.iter().any(|taken| !taken.is_whole()));
                    let claims = taken.iter().map(|taken| ClaimKey::of(&taken.claimed)).collect();
                    let mut handover = hand(taken, claims);
                    let Some(readers) = readers else { return drop(reply.send(Ok(handover))) };
                    readers.submit(Box::new(move |connection, _| {
                        let filled = connection.and_then(|connection| {
                            handover.value.iter_mut().flatten().try_for_each(|taken| reads::fill(connection, taken))
                        });
                        drop(reply.send(filled.map(|()| handover).map_err(|failure| failure.error(&file))));
                        After::Stay
                    }));
                },
            );
            let taken = self.push(command, answer).await?.take()?;
            Ok(taken.into_iter().map(|taken| taken.claimed).collect())
        })
    }

    fn submit(&self, submission: Submission) {
        if let Err(Command::Owned(submission)) = self.shared.queue.push(Command::Owned(submission)) {
            submission.answer(Err(Refused::Closed));
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
        Box::pin(async move {
            // What can be read of a file that is damaged elsewhere leads nowhere: nothing more gets into it.
            self.shared.damage()?;
            self.read(move |connection| Ok(reads::wakeups(connection, &request, now)?)).await
        })
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
            return Box::pin(self.find(operation));
        }
        Box::pin(self.ask("data", move |desk| documents::run(&desk.connection, desk.stamp, &operation)))
    }

    fn purge(&self, retention: Retention) -> BoxFuture<'_, Result<bool>> {
        let (clock, opened) = (self.options.clock.clone(), self.opened.clone());
        Box::pin(self.ask("purge", move |desk| desk.purge(retention, clock.wall(), &clock.boot(), &opened)))
    }

    fn digest_key(&self) -> Vec<u8> {
        self.digest_key.clone()
    }

    fn keep_digest_key(&self, key: Vec<u8>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.ask("digest key", move |desk| Ok(schema::set_meta(&desk.connection, "digest_key", &key)?)))
    }

    fn export(&self) -> BoxFuture<'_, Result<Box<dyn Pieces>>> {
        Box::pin(self.start_export())
    }

    fn begin_import(&self, digest_key: Vec<u8>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.ask("begin import", move |desk| desk.begin_import(&digest_key)))
    }

    fn import(&self, pieces: Vec<Piece>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.ask("import", move |desk| desk.import(&pieces)))
    }

    fn end_import(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.ask("end import", |desk: &mut Desk<'_>| desk.end_import()))
    }

    fn abort_import(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.ask("abort import", |desk: &mut Desk<'_>| desk.abort_import()))
    }

    fn report(&self, thorough: bool) -> BoxFuture<'_, Result<Report>> {
        Box::pin(self.report_for(thorough))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.shut();
            // A writer that waits behind a stopped process can't be called back: it is left to itself.
            let mut running = self.shared.running.subscribe();
            let _ = tokio::time::timeout(self.options.limit * 2, running.wait_for(|running| *running == 0)).await;
            self.liveness.let_go();
        })
    }
}
