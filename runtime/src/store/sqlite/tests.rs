//! Tests of the embedded store: the suite that every store passes, and what only a file can do.

mod at_hand;
mod bodies;
mod clocks;
mod medium;
mod opening;
mod sharing;
mod tables;

use std::path::PathBuf;
use std::sync::Weak;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::store::conformance::{self, Stores};

/// Stores in files of one directory.
struct Files {
    directory: tempfile::TempDir,
    opened: AtomicUsize,
    handles: Mutex<Vec<Weak<SqliteStore>>>,
}

/// Stores in memory.
#[derive(Default)]
struct Memory {
    handles: Mutex<Vec<Weak<SqliteStore>>>,
}

fn hasty(options: SqliteOptions) -> SqliteOptions {
    SqliteOptions { hang: Duration::from_millis(300), ..options }
}

/// The handle behind a store: the suite knows only the trait.
fn behind(handles: &Mutex<Vec<Weak<SqliteStore>>>, store: &Arc<dyn Store>) -> Arc<SqliteStore> {
    let handles = handles.lock().unwrap();
    let found = handles
        .iter()
        .filter_map(Weak::upgrade)
        .find(|handle| std::ptr::addr_eq(Arc::as_ptr(handle), Arc::as_ptr(store)));
    found.expect("a store of the suite")
}

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory, opened: AtomicUsize::new(0), handles: Mutex::default() }
    }

    async fn open(&self, path: PathBuf) -> Result<Arc<dyn Store>> {
        let store = SqliteStore::open(hasty(SqliteOptions::file(path))).await?;
        self.handles.lock().unwrap().push(Arc::downgrade(&store));
        Ok(store)
    }
}

impl Stores for Files {
    fn fresh(&self) -> BoxFuture<'_, Result<Arc<dyn Store>>> {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        Box::pin(self.open(self.directory.path().join(format!("{number}.db"))))
    }

    fn second(&self, store: Arc<dyn Store>) -> BoxFuture<'_, Result<Arc<dyn Store>>> {
        let Place::File(path) = behind(&self.handles, &store).options.place.clone() else { unreachable!() };
        Box::pin(self.open(path))
    }

    fn kill(&self, store: &Arc<dyn Store>, worker: &WorkerId) {
        behind(&self.handles, store).liveness.drop_lock(worker);
    }

    fn hang(&self, store: &Arc<dyn Store>) {
        behind(&self.handles, store).liveness.freeze(true);
    }
}

impl Stores for Memory {
    fn fresh(&self) -> BoxFuture<'_, Result<Arc<dyn Store>>> {
        Box::pin(async {
            let store = SqliteStore::open(hasty(SqliteOptions::memory())).await?;
            self.handles.lock().unwrap().push(Arc::downgrade(&store));
            Ok(store as Arc<dyn Store>)
        })
    }

    fn second(&self, store: Arc<dyn Store>) -> BoxFuture<'_, Result<Arc<dyn Store>>> {
        Box::pin(async { Ok(store) })
    }

    fn kill(&self, store: &Arc<dyn Store>, worker: &WorkerId) {
        behind(&self.handles, store).liveness.drop_lock(worker);
    }

    fn hang(&self, store: &Arc<dyn Store>) {
        behind(&self.handles, store).liveness.freeze(true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_a_file_keeps_what_stores_keep() {
    conformance::run(Arc::new(Files::new())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_memory_keeps_what_stores_keep() {
    conformance::run(Arc::new(Memory::default())).await.unwrap();
}

/// The suite's case on a store of one's own.
pub(crate) async fn case_on(store: Arc<SqliteStore>) -> conformance::case::Case {
    let worker = store.register(1).await.unwrap();
    conformance::case::Case { stores: Arc::new(Files::new()), store, worker }
}

/// A connection of someone else.
fn stranger(path: &std::path::Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection
}
