//! The store in MongoDB: any number of processes on one database, no server of our own.
//!
//! The way of a write: [`writer`] (order, groups) → [`inserts`] (rows until their fate is known), [`ends`], [`transaction`].
//! Requests from outside: [`creation`], [`claim`], [`inbox`], [`views`], [`data`]. Beside them [`lease`] (this handle's
//! workers live), [`sweep`] (others' don't), [`strays`] (what a worker owns unawares), [`wakeups`] (what has changed).
//! What must hold:
//! - a row is an insert at the next place of its log, and so is the fence that ends an owner: whoever is second collides;
//! - each command can be sent again: what it wrote before is recognised;
//! - an answer leaves only after most members have it in their journals;
//! - owners never hear of the server's failures, callers outside always do, within their limit.
//!
//! The documents are described in `docs/mongodb-store.md`.

mod batch;
mod blobs;
mod bodies;
mod claim;
mod claims;
mod client;
mod concerns;
mod contact;
mod creation;
mod data;
mod ends;
mod entries;
mod executions;
mod export;
mod failure;
mod handover;
mod import;
mod inbox;
mod incarnation;
mod inserts;
mod interests;
mod lease;
mod log;
mod mailbag;
mod native;
mod options;
mod purge;
mod relay;
mod report;
mod schema;
mod sessions;
mod shared;
mod strays;
mod sweep;
#[cfg(test)]
mod tests;
mod transaction;
mod views;
mod wakeups;
mod writer;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bson::spec::BinarySubtype;
use bson::{Bson, Document, doc};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use self::creation::Creation;
use self::failure::Failure;
use self::inbox::Posting;
use self::lease::Leases;
pub(crate) use self::native::database_of;
pub use self::native::session;
pub(crate) use self::options::MongoOptions;
use self::shared::{Shared, closed};
use self::wakeups::LookOut;
use super::{
    Asker, BoxFuture, ClaimRequest, Claimed, Created, Details, Digest, Ends, ExecutionId, Filter, Message,
    NewExecution, Piece, Pieces, Report, Retention, Store, Submission, Summary, Swept, Wakeups, Watcher, WorkerId,
};
use crate::data::{Operation, Reply};
use crate::error::{Error, Result};

/// The store in MongoDB.
pub(crate) struct MongoStore {
    shared: Arc<Shared>,
    leases: Leases,
    digest_key: Vec<u8>,
    /// The store's own threads: nothing that the application does on its threads holds up a commit.
    threads: Mutex<Option<Runtime>>,
    look_out: LookOut,
}

impl MongoStore {
    /// Opens the store of a URI; makes what is missing. Must be called inside a tokio runtime, with time enabled.
    pub(crate) async fn open(options: MongoOptions) -> Result<Arc<Self>> {
        let bodies = tokio::runtime::Handle::current();
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(driving())
            .thread_name("outlast-store")
            .enable_all()
            .build()
            .map_err(|error| Failure::Unreachable(format!("its threads can't be started: {error}")).error("MongoDB"))?;
        let threads = Threads(Some(threads));
        let opening = Shared::open(options.clone(), bodies, threads.handle());
        let opening = tokio::time::timeout(options.limit, threads.handle().spawn(opening)).await;
        let (shared, digest_key) = match opening {
            Ok(Ok(opened)) => opened?,
            Ok(Err(_)) => return Err(closed()),
            Err(_) => return Err(client::too_late(&options)),
        };
        let leases = Leases::start(&shared)?;
        let look_out = wakeups::start(&shared);
        Ok(Arc::new(Self { shared, leases, digest_key, threads: Mutex::new(threads.keep()), look_out }))
    }

    /// Nothing more is taken in.
    fn shut(&self) {
        self.shared.close();
        self.leases.stop();
    }

    /// Lets the driver's tasks end before their threads do: it panics where they don't.
    fn stop_threads(&self) -> impl Future<Output = ()> + Send + use<> {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (look_out, client) = (self.look_out.clone(), self.shared.client.clone());
        let forsaken = self.shared.forsaken.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (done, ended) = tokio::sync::oneshot::channel::<()>();
        if let Some(threads) = threads {
            let stop = move || {
                threads.block_on(async {
                    let quiet = async {
                        if let Some(forsaken) = forsaken {
                            let _ = forsaken.await;
                        }
                        look_out.stop().await;
                        client.shutdown().immediate(true).await;
                    };
                    let _ = tokio::time::timeout(LAST_WAIT, quiet).await;
                });
                threads.shutdown_background();
                drop(done);
            };
            // Without a thread the runtime goes with this closure.
            drop(std::thread::Builder::new().name("outlast-store-end".into()).spawn(stop));
        }
        async { drop(ended.await) }
    }
}

/// How many threads the driver gets: one drives what a few cores can do, and two would only wake each other.
fn driving() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 4).clamp(1, 4))
}

/// How long the driver's tasks get to end.
const LAST_WAIT: Duration = Duration::from_secs(2);

impl Drop for MongoStore {
    fn drop(&mut self) {
        self.shut();
        self.shared.give_up();
        drop(self.stop_threads());
    }
}

/// A runtime that may be dropped anywhere.
struct Threads(Option<Runtime>);

impl Threads {
    fn handle(&self) -> tokio::runtime::Handle {
        self.0.as_ref().map_or_else(tokio::runtime::Handle::current, |threads| threads.handle().clone())
    }

    fn keep(mut self) -> Option<Runtime> {
        self.0.take()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(threads) = self.0.take() {
            threads.shutdown_background();
        }
    }
}

impl Store for MongoStore {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn register(&self, build: u64) -> BoxFuture<'_, Result<WorkerId>> {
        Box::pin(async move {
            let worker = self.shared.new_worker()?;
            let id = worker.clone();
            self.shared
                .ask(move |shared| {
                    let id = id.clone();
                    async move { shared.register(&id, build).await }
                })
                .await?;
            Ok(worker)
        })
    }

    fn sweep(&self, worker: &WorkerId) -> BoxFuture<'_, Result<Swept>> {
        let worker = worker.clone();
        Box::pin(self.shared.ask(move |shared| {
            let worker = worker.clone();
            async move { shared.sweep(&worker).await }
        }))
    }

    fn leave(&self, worker: &WorkerId) -> BoxFuture<'_, Result<()>> {
        let worker = worker.clone();
        Box::pin(self.shared.ask(move |shared| {
            let worker = worker.clone();
            async move { Ok(shared.leave(&worker).await?) }
        }))
    }

    fn forsake(&self, worker: &WorkerId) {
        self.shared.forsake(worker);
    }

    fn create(&self, new: NewExecution) -> BoxFuture<'_, Result<Created>> {
        Box::pin(async move {
            let (creation, answer) = Creation::asked(new)?;
            self.shared.create(creation);
            match tokio::time::timeout(self.shared.options.limit, answer).await {
                Ok(Ok(answer)) => answer?.take(),
                Ok(Err(_)) => Err(closed()),
                Err(_) => Err(self.late()),
            }
        })
    }

    fn create_for(&self, new: NewExecution, asker: Arc<dyn Asker>) {
        match Creation::followed(new, asker) {
            Ok(creation) => self.shared.create(creation),
            Err((asker, error)) => asker.created(Err(error)),
        }
    }

    fn late(&self) -> Error {
        self.shared.late()
    }

    fn lost(&self) -> Option<Error> {
        self.shared.check_not_replaced().err()
    }

    fn claims_at_once(&self) -> usize {
        self.shared.batch.size()
    }

    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Vec<Claimed>>> {
        Box::pin(self.shared.claim_for(request))
    }

    fn submit(&self, submission: Submission) {
        self.shared.submit(submission);
    }

    fn post(&self, to: ExecutionId, message: Message) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            let posting = Posting::new(message).map_err(|failure| failure.error(&self.shared.name))?;
            let posting = Arc::new(posting);
            let ask = self.shared.ask(move |shared| {
                let (to, posting) = (to.clone(), posting.clone());
                async move { shared.post_from_outside(&to, &posting).await }
            });
            ask.await
        })
    }

    fn watch(&self, of: ExecutionId, watcher: Watcher) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.shared.ask(move |shared| {
            let (of, watcher) = (of.clone(), watcher.clone());
            async move { shared.watch(&of, &watcher).await }
        }))
    }

    fn inbox(&self, of: ExecutionId) -> BoxFuture<'_, Result<Vec<Message>>> {
        Box::pin(self.shared.ask(move |shared| {
            let of = of.clone();
            async move { Ok(shared.read_inbox(&of).await?) }
        }))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    fn wakeups(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Wakeups>> {
        let request = Arc::new(request);
        Box::pin(self.shared.ask(move |shared| {
            let request = request.clone();
            async move { Ok(shared.wakeups(&request).await?) }
        }))
    }

    fn finished(&self, ids: Vec<ExecutionId>) -> BoxFuture<'_, Result<Ends>> {
        let ids: Arc<[ExecutionId]> = ids.into();
        Box::pin(self.shared.ask(move |shared| {
            let ids = ids.clone();
            async move { Ok(shared.finished(&ids).await?) }
        }))
    }

    fn told_ends(&self) -> Option<Vec<ExecutionId>> {
        self.shared.interests.told_ends()
    }

    fn resume(&self, id: ExecutionId) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.shared.ask(move |shared| {
            let id = id.clone();
            async move { shared.resume(&id).await }
        }))
    }

    fn children(&self, parent: ExecutionId) -> BoxFuture<'_, Result<Vec<ExecutionId>>> {
        Box::pin(self.shared.ask(move |shared| {
            let parent = parent.clone();
            async move { Ok(shared.children(&parent).await?) }
        }))
    }

    fn list(&self, filter: Filter) -> BoxFuture<'_, Result<Vec<Summary>>> {
        Box::pin(self.shared.ask(move |shared| {
            let filter = filter.clone();
            async move { shared.list(&filter).await }
        }))
    }

    fn details(&self, id: ExecutionId) -> BoxFuture<'_, Result<Option<Details>>> {
        Box::pin(self.shared.ask(move |shared| {
            let id = id.clone();
            async move { Ok(shared.details(&id).await?) }
        }))
    }

    fn data(&self, operation: Operation) -> BoxFuture<'_, Result<Reply>> {
        Box::pin(self.shared.data(operation))
    }

    fn purge(&self, retention: Retention) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.shared.ask(move |shared| async move { Ok(shared.purge(retention).await?) }))
    }

    fn digest_key(&self) -> Vec<u8> {
        self.digest_key.clone()
    }

    fn keep_digest_key(&self, key: Vec<u8>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.shared.ask(move |shared| {
            let key = schema::binary(key.clone());
            async move {
                let change = doc! { "$set": { "digest_key": key } };
                shared.command(shared.tables.meta.update_one(doc! { "_id": "store" }, change)).await?;
                Ok(())
            }
        }))
    }

    fn export(&self) -> BoxFuture<'_, Result<Box<dyn Pieces>>> {
        Box::pin(self.shared.at_leisure(|shared| async move { shared.start_export().await }))
    }

    fn begin_import(&self, digest_key: Vec<u8>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.shared.at_leisure(|shared| async move { shared.begin_import(&digest_key).await }))
    }

    fn import(&self, pieces: Vec<Piece>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.shared.at_leisure(|shared| async move { shared.import(pieces).await }))
    }

    fn end_import(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.shared.at_leisure(|shared| async move { shared.end_import().await }))
    }

    fn abort_import(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.shared.at_leisure(|shared| async move { shared.abort_import().await }))
    }

    fn report(&self, thorough: bool) -> BoxFuture<'_, Result<Report>> {
        Box::pin(self.shared.ask(move |shared| async move { Ok(shared.report(thorough).await?) }))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.shut();
            // What a server that is away was given is lost with this process, as in a crash: others take it over.
            let _ = tokio::time::timeout(self.shared.options.limit * 2, self.shared.written()).await;
            self.shared.give_up();
            self.stop_threads().await;
        })
    }
}

/// Takes bytes out of a document.
fn bytes(document: &mut Document, field: &str) -> Option<Vec<u8>> {
    match document.remove(field) {
        Some(Bson::Binary(binary)) if binary.subtype == BinarySubtype::Generic => Some(binary.bytes),
        _ => None,
    }
}

fn digest_of(bytes: &[u8]) -> Result<Digest, Failure> {
    bytes.try_into().map(Digest).map_err(|_| Failure::Damaged(format!("a digest has {} bytes", bytes.len())))
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn unknown(what: &str, number: i32) -> Failure {
    Failure::Damaged(format!("{what} has the unknown number {number}"))
}

/// Random bytes of the system's.
fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Unreachable(format!("no random bytes: {error}")))?;
    Ok(bytes)
}

/// The `_id` of something that belongs to an execution: no execution's ids begin as another's do.
fn keyed(execution: &ExecutionId, name: &str) -> String {
    format!("{}:{}:{name}", execution.0.len(), execution.0)
}

/// All ids that [`keyed`] gives for an execution.
fn range_of(execution: &ExecutionId) -> Document {
    // `;` comes after `:`.
    doc! { "$gte": keyed(execution, ""), "$lt": format!("{}:{};", execution.0.len(), execution.0) }
}
