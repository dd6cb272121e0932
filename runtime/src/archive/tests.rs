//! A store goes out and comes in again, and what is done to the stream on the way is found.

use std::sync::Arc;
use std::time::Duration;

use bson::doc;

use super::*;
use crate::data::models::{IndexModel, IndexOptions};
use crate::data::operation::{Operation, Verb};
use crate::store::conformance::case::{call, cancel, id, insert, key, outcome, signal, step, succeeded, watcher};
use crate::store::sqlite::tests::case_on;
use crate::store::sqlite::{SqliteOptions, SqliteStore};
use crate::store::{Attempt, ClaimRequest, NewExecution, Retention, Value, Write};

async fn opened(path: &std::path::Path) -> Arc<SqliteStore> {
    SqliteStore::open(SqliteOptions::file(path)).await.unwrap()
}

/// A store with something of everything.
pub(crate) async fn full(path: &std::path::Path) -> Arc<SqliteStore> {
    let store = opened(path).await;
    let case = case_on(store.clone()).await;
    for number in 0..1_200 {
        let document = doc! { "_id": number, "email": format!("{number}@x"), "pad": "x".repeat(number as usize % 50) };
        store.data(insert("customers", document).unwrap()).await.unwrap();
    }
    let unique = IndexOptions::builder().unique(true).build();
    let index = IndexModel::builder().keys(doc! { "email": 1 }).options(unique).build();
    let verb = Verb::CreateIndexes(vec![index]);
    let make = Operation { collection: "customers".into(), verb, comment: None, bypass_validation: false };
    store.data(make).await.unwrap();
    store.data(insert("odd", doc! { "_id": { "a": [1, null] }, "": -0.0, "n": f64::NAN }).unwrap()).await.unwrap();
    let ended =
        case.owned_call(NewExecution { watcher: Some(watcher("nobody", "m")), ..call("ended", 1) }).await.unwrap();
    for number in 0..700 {
        case.must(&ended, step("one", number as u8)).await.unwrap();
    }
    case.must(&ended, Write::End(succeeded(3))).await.unwrap();
    let running = case.owned_call(NewExecution { timeout: Some(Duration::from_secs(60)), ..call("running", 2) }).await;
    let running = running.unwrap();
    case.must(&running, Write::Row { row: outcome("fault", 0, Value::Fault(vec![0, 255])), from: None }).await.unwrap();
    let attempt = Attempt {
        key: key("three", 1),
        failed: 2,
        spent: Duration::from_millis(1500),
        next: Stamp(77),
        error: vec![1],
        started: true,
    };
    case.must(&running, Write::Attempt(attempt)).await.unwrap();
    store.post(id("running"), signal("s", "rating")).await.unwrap();
    store.post(id("running"), cancel("c")).await.unwrap();
    store.watch(id("running"), watcher("parked", "w")).await.unwrap();
    let parked = case.owned_call(NewExecution { parent: Some(id("running")), ..call("parked", 3) }).await.unwrap();
    case.must(&parked, Write::Park { reason: vec![5], until_build: Some(1) }).await.unwrap();
    store.create(NewExecution { not_before: Some(Stamp(i64::MAX / 2)), ..call("later", 4) }).await.unwrap();
    store
}

pub(crate) async fn exported(store: &dyn Store) -> (Vec<u8>, Moved) {
    let mut bytes = Vec::new();
    let moved = export(store, &mut bytes, |_, _| ()).await.unwrap();
    (bytes, moved)
}

/// Everything, in the form in which it is moved, but for what is another one in each store.
pub(crate) fn contents(bytes: &[u8]) -> Vec<bson::Document> {
    let mut reader = Reader::new(bytes);
    let mut all = Vec::new();
    while let Some(mut document) = reader.read().unwrap() {
        document.remove("at");
        all.push(document);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_comes_in_as_it_went_out() {
    let folder = tempfile::tempdir().unwrap();
    let first = full(&folder.path().join("first.db")).await;
    let (bytes, moved) = exported(&*first).await;
    assert_eq!((moved.documents, moved.executions, moved.rows, moved.owned), (1_201, 4, 701, 1));
    let second = opened(&folder.path().join("second.db")).await;
    let mut seen = Vec::new();
    let back = import(&*second, &bytes[..], |done, total| seen.push((done, total))).await.unwrap();
    assert_eq!((back.documents, back.executions, back.rows), (1_201, 4, 701));
    assert_eq!(seen.last(), Some(&(1_205, 1_205)));
    second.close().await;
    let second = opened(&folder.path().join("second.db")).await;
    assert_eq!(second.digest_key(), first.digest_key(), "calls are told apart as before");
    let (again, _) = exported(&*second).await;
    let (first_contents, second_contents) = (contents(&bytes), contents(&again));
    assert_eq!(first_contents.len(), second_contents.len());
    for (first, second) in first_contents.iter().zip(&second_contents) {
        // To the byte, so that NaN and -0 count, too.
        assert_eq!(first.to_vec().unwrap(), second.to_vec().unwrap(), "{first}");
    }
    // It works: indexes hold, what was running goes on where it was.
    let taken = second.data(insert("customers", doc! { "_id": "new", "email": "7@x" }).unwrap()).await.unwrap_err();
    assert!(taken.is_duplicate_key());
    let worker = second.register(1).await.unwrap();
    let functions = [("checkout".into(), 1)].into();
    let claimed = second.claim(ClaimRequest { worker, functions, limit: 10 }).await.unwrap();
    assert_eq!(claimed.iter().map(|claimed| claimed.id.as_str()).collect::<Vec<_>>(), ["running"]);
    assert_eq!((claimed[0].epoch.0, claimed[0].record.len(), claimed[0].inbox.len()), (2, 1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_purged_is_remembered_elsewhere_too() {
    let folder = tempfile::tempdir().unwrap();
    let first = full(&folder.path().join("first.db")).await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    first.purge(Retention { executions: Duration::ZERO, tombstones: Duration::from_secs(600) }).await.unwrap();
    let (bytes, moved) = exported(&*first).await;
    assert_eq!((moved.executions, moved.tombstones), (3, 1));
    let second = opened(&folder.path().join("second.db")).await;
    import(&*second, &bytes[..], |_, _| ()).await.unwrap();
    assert!(matches!(second.create(call("ended", 1)).await.unwrap(), crate::store::Created::Expired(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_or_damaged_stream_is_refused_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let first = full(&folder.path().join("first.db")).await;
    let (bytes, _) = exported(&*first).await;
    let read_all = |bytes: &[u8]| -> crate::Result<Option<bool>> {
        let mut reader = Reader::new(bytes);
        header(&mut reader)?;
        while let Some(document) = reader.read()? {
            if document.get_bool("end").unwrap_or_default() {
                return Ok(Some(true));
            }
            form::piece(document).map_err(|error| reader.damaged(&error.to_string()))?;
        }
        Ok(None)
    };
    assert_eq!(read_all(&bytes).unwrap(), Some(true));
    for step in 0..200 {
        let place = bytes.len() * step / 200;
        // Cut: an error, or no end.
        let cut = read_all(&bytes[..place]);
        assert!(matches!(&cut, Err(_) | Ok(None)), "cut at {place}");
        let mut flipped = bytes.clone();
        flipped[place] ^= 0x10;
        let error = read_all(&flipped).expect_err(&format!("a bit flipped at {place} of {}", bytes.len()));
        assert!(matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Invalid), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_breaks_off_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let first = full(&folder.path().join("first.db")).await;
    let (bytes, _) = exported(&*first).await;
    let second = opened(&folder.path().join("second.db")).await;
    let key = second.digest_key();
    let error = import(&*second, &bytes[..bytes.len() - 100], |_, _| ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    let said = error.messages().join(": ");
    assert!(said.contains("nothing was imported") && said.contains("byte"), "{said}");
    second.close().await;
    let second = opened(&folder.path().join("second.db")).await;
    assert_eq!(second.digest_key(), key);
    let (empty, moved) = exported(&*second).await;
    assert_eq!(moved, Moved::default());
    assert_eq!(contents(&empty).len(), 2, "a header and an end");
    // Nor is what stands behind the end passed over.
    for more in [&b"x"[..], &bytes] {
        let error = import(&*second, &[&bytes, more].concat()[..], |_, _| ()).await.unwrap_err();
        assert!(error.messages().join(": ").contains("behind its end"), "{error:?}");
    }
    // Nor does a stream put anything between a store's own.
    for (name, value) in [("collection", "outlast.log"), ("of", "outlast.meta")] {
        let mut document = bson::doc! { name: value, "indexes": [] };
        if name == "of" {
            document.insert("documents", bson::Bson::Array(Vec::new()));
        }
        assert!(form::piece(document).unwrap_err().to_string().contains("the store's own"));
    }
    // The same store takes the whole stream.
    import(&*second, &bytes[..], |_, _| ()).await.unwrap();
    // Nor does an import go into a store that holds something, and what is in it stays.
    let error = import(&*first, &bytes[..], |_, _| ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(exported(&*first).await.1.executions, 4);
    // What isn't a stream is said to be none.
    let error =
        import(&*opened(&folder.path().join("third.db")).await, &b"hello, world: no stream"[..], |_, _| ()).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_import_takes_out_again_is_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let first = full(&folder.path().join("first.db")).await;
    let path = folder.path().join("second.db");
    let second = opened(&path).await;
    second.begin_import(first.digest_key()).await.unwrap();
    let mut pieces = first.export().await.unwrap();
    loop {
        let some = pieces.next().await.unwrap();
        if some.is_empty() {
            break;
        }
        second.import(some).await.unwrap();
    }
    let changes = || {
        let file = rusqlite::Connection::open(&path).unwrap();
        file.query_row("SELECT count(*) FROM outlast_changes", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(changes(), 1_201);
    second.abort_import().await.unwrap();
    assert_eq!(changes(), 0, "whoever follows changes would hear of documents that never were");
    second.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_filled_store_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("second.db");
    let second = opened(&path).await;
    second.begin_import(second.digest_key()).await.unwrap();
    // The process is killed here.
    second.close().await;
    let error = SqliteStore::open(SqliteOptions::file(&path)).await.err().unwrap();
    // Perhaps it is being filled: nobody should take it away then.
    assert!(error.to_string().contains("wait for its end, or, if it was killed, remove"), "{error}");
}
