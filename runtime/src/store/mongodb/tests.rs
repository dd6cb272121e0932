//! Tests of the store in MongoDB, against a real server: the suite that every store passes, and what only a server can do.

mod changes;
mod commands;
mod connections;
mod data;
mod engine;
mod faults;
mod incarnation;
mod moving;
mod opening;
mod proxy;
mod races;
mod server;
mod values;

use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub(super) use self::connections::Pooled;
use super::*;
use crate::store::conformance::{self, Stores};

/// Stores in databases of one server, each of its own.
#[derive(Default)]
struct Databases {
    handles: Mutex<Vec<Weak<MongoStore>>>,
}

/// Options of a store in a database of one server, with a lease that is soon over.
fn hasty(database: &str) -> MongoOptions {
    MongoOptions {
        database: Some(database.into()),
        lease: Duration::from_millis(300),
        // A small server on a busy machine takes a while.
        limit: Duration::from_secs(30),
        poll: Duration::from_millis(50),
        ..MongoOptions::new(server::uri())
    }
}

impl Databases {
    /// The handle behind a store: the suite knows only the trait.
    fn behind(&self, store: &Arc<dyn Store>) -> Arc<MongoStore> {
        let handles = self.handles.lock().unwrap();
        let found = handles.iter().filter_map(Weak::upgrade);
        let mut found = found.filter(|handle| std::ptr::addr_eq(Arc::as_ptr(handle), Arc::as_ptr(store)));
        found.next().expect("a store of the suite")
    }

    async fn open(&self, database: &str) -> Result<Arc<dyn Store>> {
        let store = MongoStore::open(hasty(database)).await?;
        self.handles.lock().unwrap().push(Arc::downgrade(&store));
        Ok(store)
    }
}

/// Waits for something inside a test's thread.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}

impl Stores for Databases {
    fn fresh(&self) -> BoxFuture<'_, Result<Arc<dyn Store>>> {
        Box::pin(async { self.open(&server::new_database()).await })
    }

    fn second(&self, store: Arc<dyn Store>) -> BoxFuture<'_, Result<Arc<dyn Store>>> {
        Box::pin(async move {
            let database = self.behind(&store).shared.own.name().to_owned();
            self.open(&database).await
        })
    }

    /// As if its process had died so long ago that its lease is over.
    fn kill(&self, store: &Arc<dyn Store>, worker: &WorkerId) {
        let shared = self.behind(store).shared.clone();
        shared.claims.stop_renewing(worker);
        // A renewal may be on its way.
        std::thread::sleep(Duration::from_millis(50));
        let over = vec![doc! { "$set": { "until": 0_i64 } }];
        let update = shared.tables.workers.update_one(doc! { "_id": &*worker.0 }, over);
        wait_for(shared.command(update)).unwrap();
    }

    fn hang(&self, store: &Arc<dyn Store>) {
        self.behind(store).shared.frozen.store(true, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_a_database_keeps_what_stores_keep() {
    conformance::run(Arc::new(Databases::default())).await.unwrap();
}

/// The suite's case on a store of one's own.
async fn case_on(options: MongoOptions) -> (conformance::case::Case, Arc<MongoStore>) {
    let store = MongoStore::open(options).await.unwrap();
    let worker = store.register(1).await.unwrap();
    let stores = Arc::new(Databases::default());
    (conformance::case::Case { stores, store: store.clone(), worker }, store)
}

/// Lets a worker's lease be over: its process died long ago.
async fn expire(case: &conformance::case::Case, through: &MongoStore) {
    let dead = doc! { "$set": { "dead": true } };
    through.shared.tables.workers.update_one(doc! { "_id": &*case.worker.0 }, dead).await.unwrap();
}

/// The commands that a store has sent.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<String>>>, Arc<Mutex<Vec<String>>>);

impl Heard {
    pub(super) fn hear(&self, event: &mongodb::event::command::CommandEvent) {
        if let mongodb::event::command::CommandEvent::Started(started) = event {
            let name = &started.command_name;
            let of = started.command.get_str(name).unwrap_or_default();
            self.0.lock().unwrap().push(format!("{name} {of}"));
            let level = started.command.get_document("readConcern").and_then(|concern| concern.get_str("level"));
            self.1.lock().unwrap().push(format!("{name} {of} {}", level.unwrap_or("none")));
        }
    }

    /// All so far, with the levels of their read concerns.
    fn with_levels(&self) -> Vec<String> {
        self.1.lock().unwrap().clone()
    }

    /// Those since the last look, but for the one that asks what time it is.
    fn take(&self) -> Vec<String> {
        let mut all = std::mem::take(&mut *self.0.lock().unwrap());
        all.retain(|one| !one.starts_with("hello"));
        all
    }
}
