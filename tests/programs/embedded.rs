//! The embedded store of a test's directory, and what its tables say.

use rusqlite::Connection;

use crate::started::{Directory, LIMIT, until};

impl Directory {
    pub(crate) fn new() -> Self {
        Self::with_store(|folder| format!("sqlite://{}", folder.join("store.db").display()), ())
    }

    /// The file of its store, by SQLite itself.
    pub(crate) fn file(&self) -> Connection {
        let file = Connection::open(self.path().join("store.db")).unwrap();
        file.busy_timeout(LIMIT).unwrap();
        file
    }

    /// Waits until so many workers are on the store's list.
    pub(crate) async fn registered(&self, workers: i64) {
        let file = self.file();
        let count = || file.query_row("SELECT count(*) FROM outlast_workers", [], |row| row.get::<_, i64>(0)).unwrap();
        until("the workers are there", || count() == workers).await;
    }
}
