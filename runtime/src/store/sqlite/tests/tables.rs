//! What stands in the tables: the change log, and indexes that carry what grows.

use bson::{Document, doc};

use super::*;
use crate::store::conformance::case::{insert, outcome, remove, update};
use crate::store::{Stamp, TransactionBody, Value, Verdict, Write};

/// A row of the change log.
type Change = (i64, u8, Option<Document>, Option<Document>);

fn changes(path: &std::path::Path) -> Vec<Change> {
    let connection = stranger(path);
    let mut statement =
        connection.prepare("SELECT n, operation, before, after FROM outlast_changes ORDER BY n").unwrap();
    let read = |bytes: Option<Vec<u8>>| bytes.map(|bytes| Document::from_reader(&*bytes).unwrap());
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, read(row.get(2)?), read(row.get(3)?))));
    rows.unwrap().map(|row| row.unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_write_of_a_document_is_in_the_change_log_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    let store = SqliteStore::open(SqliteOptions::file(&path)).await.unwrap();
    let case = case_on(store.clone()).await;
    let update = |n: i32| update("orders", doc! { "_id": 1 }, doc! { "$set": { "n": n } });
    let delete = || remove("orders", doc! { "_id": 1 });
    store.data(insert("orders", doc! { "_id": 1, "n": 1 }).unwrap()).await.unwrap();
    store.data(update(2)).await.unwrap();
    // What changes nothing leaves nothing.
    store.data(update(2)).await.unwrap();
    store.data(insert("orders", doc! { "_id": 1 }).unwrap()).await.unwrap_err();
    let claimed = case.owned("a").await.unwrap();
    let body = TransactionBody {
        run: Box::new(|| {
            Box::pin(async {
                let access = crate::data::current().unwrap();
                access.data(insert("orders", doc! { "_id": 2 }).unwrap()).await.unwrap();
                Verdict::RollBack(outcome("reserve", 0, Value::Ok(vec![])))
            })
        }),
        failed: Box::new(|_| None),
    };
    case.must(&claimed, Write::Transaction(body)).await.unwrap();
    store.data(delete()).await.unwrap();
    store.data(delete()).await.unwrap();
    let (one, two) = (doc! { "_id": 1, "n": 1 }, doc! { "_id": 1, "n": 2 });
    let expected = [(1, 1, None, Some(one.clone())), (2, 2, Some(one), Some(two.clone())), (3, 3, Some(two), None)];
    assert_eq!(changes(&path), expected);
    // Purged, all but the newest, whose number is never given out again.
    let retention = Retention { executions: Duration::ZERO, tombstones: Duration::ZERO };
    tokio::time::sleep(Duration::from_millis(20)).await;
    store.purge(retention).await.unwrap();
    assert_eq!(changes(&path).iter().map(|change| change.0).collect::<Vec<_>>(), [3]);
    store.data(insert("orders", doc! { "_id": 3 }).unwrap()).await.unwrap();
    assert_eq!(changes(&path).iter().map(|change| change.0).collect::<Vec<_>>(), [3, 4]);
}

/// Statements whose index SQLite chooses by itself; the others name theirs (`INDEXED BY`).
#[tokio::test(flavor = "multi_thread")]
async fn nothing_walks_through_a_table_that_grows() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    SqliteStore::open(SqliteOptions::file(&path)).await.unwrap().close().await;
    let connection = stranger(&path);
    for sql in [
        "SELECT executions.id FROM outlast_executions AS executions LEFT JOIN outlast_workers AS workers \
         ON workers.n = executions.owner ORDER BY executions.created DESC, executions.id DESC LIMIT 10",
        "SELECT id FROM outlast_executions WHERE parent = 'a' AND status IN (0, 4) ORDER BY created, id",
        "UPDATE outlast_executions SET status = 0 WHERE status = 4 AND until_build IS NOT NULL AND until_build <> 1",
        "SELECT execution, message FROM outlast_watchers WHERE watched = 'a'",
        "DELETE FROM outlast_inbox WHERE execution = 'a' AND message = 'm'",
        "SELECT 1 FROM outlast_rows WHERE execution = 'a' AND message = 'm'",
        "SELECT seq FROM outlast_rows WHERE execution = 'a' ORDER BY seq DESC LIMIT 1",
        "DELETE FROM outlast_attempts WHERE execution = 'a'",
        "SELECT n, body FROM outlast_documents WHERE collection = 1 ORDER BY key",
        "SELECT n, body FROM outlast_documents WHERE collection = 1 AND key = x'00'",
        "SELECT d.n, d.body FROM outlast_entries AS e CROSS JOIN outlast_documents AS d ON d.n = e.document \
         WHERE e.idx = 1 AND e.entry >= x'00' AND e.entry < x'01' ORDER BY e.entry DESC, e.document DESC",
        "SELECT 1 FROM outlast_entries WHERE idx = 1 AND entry = x'00' AND document IS NOT 1 LIMIT 1",
        "DELETE FROM outlast_changes WHERE n IN (SELECT n FROM outlast_changes WHERE n < (SELECT max(n) \
         FROM outlast_changes) ORDER BY n LIMIT 200) AND stamp < 1",
    ] {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = plan.query_map([], |row| row.get::<_, String>(3)).unwrap();
        for step in steps {
            let step = step.unwrap();
            let walks = step.starts_with("SCAN") && !step.contains("USING") || step.contains("TEMP B-TREE");
            // Children of one execution are few enough to be sorted.
            assert!(!walks || (sql.contains("parent =") && !step.starts_with("SCAN")), "{sql}: {step}");
        }
    }
}

/// Where a table's rows have been counted, SQLite looks at what is bound, and compiles a statement again for another value.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_compiled_once_whatever_is_bound() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    SqliteStore::open(SqliteOptions::file(&path)).await.unwrap().close().await;
    let counted = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) \
                   INSERT INTO outlast_inbox (execution, n, message, kind, payload) SELECT i / 9, i, i, 1, x'' \
                   FROM n; ANALYZE;";
    stranger(&path).execute_batch(counted).unwrap();
    let opened = open::file(&path, schema::MIGRATIONS, Stamp::now()).unwrap();
    let reader = open::reader(&path).unwrap();
    for connection in [&opened.connection, &reader] {
        let mut find = connection.prepare("SELECT message FROM outlast_inbox WHERE execution = ? ORDER BY n").unwrap();
        for id in ["1", "2", "3"] {
            assert!(find.exists([id]).unwrap());
        }
        assert_eq!(find.get_status(rusqlite::StatementStatus::RePrepare), 0);
    }
}
