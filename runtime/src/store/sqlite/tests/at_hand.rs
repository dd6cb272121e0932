//! One document by its `_id` needs no reader.

use std::sync::atomic::Ordering::Relaxed;

use bson::{doc, rawdoc};

use super::super::at_hand::AtHand;
use super::super::open::Identity;
use super::*;
use crate::store::conformance::case::{all, find, insert};

/// Reads of one document until the next is made at once.
async fn warm(store: &SqliteStore) {
    for _ in 0..3 {
        assert_eq!(all(store.data(find("numbers", doc! { "_id": 1 })).await.unwrap()).await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_document_is_read_while_all_readers_are_busy() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(SqliteOptions::file(directory.path().join("a.db"))).await.unwrap();
    store.data(insert("numbers", doc! { "_id": 1, "n": 1 }).unwrap()).await.unwrap();
    warm(&store).await;
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let readers = store.readers.clone().unwrap();
    for _ in 0..2 {
        let held = held.clone();
        assert!(readers.submit(Box::new(move |_, _| {
            let _ = held.lock().unwrap().recv();
            After::Stay
        })));
    }
    let found = store.data(find("numbers", doc! { "_id": 1 }));
    let found = tokio::time::timeout(Duration::from_secs(5), found).await.expect("it needs no reader");
    assert_eq!(all(found.unwrap()).await.unwrap(), [rawdoc! { "_id": 1, "n": 1 }]);
    // Others may take long.
    for filter in [doc! { "n": 1 }, doc! { "_id": { "$gt": 0 } }, doc! { "_id": 1, "n": 1 }] {
        let found = tokio::time::timeout(Duration::from_millis(50), store.data(find("numbers", filter))).await;
        assert!(found.is_err(), "a reader's work");
    }
    drop(release);
    // What was committed before is seen.
    store.data(insert("numbers", doc! { "_id": 2 }).unwrap()).await.unwrap();
    let found = store.data(find("numbers", doc! { "_id": 2 })).await.unwrap();
    assert_eq!(all(found).await.unwrap(), [rawdoc! { "_id": 2 }]);
    store.close().await;
    assert!(store.data(find("numbers", doc! { "_id": 1 })).await.is_err(), "nothing holds the file any more");
}

#[tokio::test]
async fn a_loop_of_reads_lets_others_have_their_turn() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(SqliteOptions::file(directory.path().join("a.db"))).await.unwrap();
    store.data(insert("numbers", doc! { "_id": 1 }).unwrap()).await.unwrap();
    warm(&store).await;
    let turns = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = turns.clone();
    let other = tokio::spawn(async move {
        loop {
            counted.fetch_add(1, Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let (mut last, mut in_a_row, mut longest) = (0, 0, 0);
    for _ in 0..3_000 {
        store.data(find("numbers", doc! { "_id": 1 })).await.unwrap();
        let now = turns.load(Relaxed);
        in_a_row = if now == last { in_a_row + 1 } else { 0 };
        (last, longest) = (now, in_a_row.max(longest));
    }
    other.abort();
    assert!(longest < 100, "{longest} reads in a row");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_in_the_files_place_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let (path, away) = (directory.path().join("a.db"), directory.path().join("away.db"));
    let other = SqliteStore::open(SqliteOptions::file(&away)).await.unwrap();
    other.data(insert("numbers", doc! { "_id": 1, "of": "other" }).unwrap()).await.unwrap();
    other.close().await;
    let store = SqliteStore::open(SqliteOptions::file(&path)).await.unwrap();
    store.data(insert("numbers", doc! { "_id": 1, "of": "this" }).unwrap()).await.unwrap();
    for beside in ["", "-wal", "-shm"] {
        let of_this = |name: &str| directory.path().join(format!("{name}{beside}"));
        std::fs::rename(of_this("a.db"), of_this("before.db")).unwrap();
    }
    std::fs::rename(&away, &path).unwrap();
    for _ in 0..6 {
        let found = all(store.data(find("numbers", doc! { "_id": 1 })).await.unwrap()).await.unwrap();
        assert_eq!(found, [rawdoc! { "_id": 1, "of": "this" }]);
    }
    // A cursor's reader is replaced by a new one.
    let Err(error) = store.readers.as_ref().unwrap().lend() else { panic!("it would read the other file") };
    assert!(error.error("a.db").to_string().contains("another file was put in its place"), "{error:?}");
    store.close().await;
}

#[test]
fn a_slow_read_sends_the_next_to_the_readers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    stranger(&path).execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE a (b); INSERT INTO a VALUES (1)").unwrap();
    let at_hand = AtHand::new(Identity::of(&path).unwrap());
    let count = |slow: bool| {
        at_hand.read(|connection| {
            if slow {
                std::thread::sleep(Duration::from_millis(2));
            }
            Ok(connection.query_row("SELECT count(*) FROM a", [], |row| row.get::<_, i64>(0)).unwrap())
        })
    };
    assert_eq!((0..100).find_map(|_| count(true)).unwrap().unwrap(), 1);
    assert!((0..16).all(|_| count(false).is_none()));
    assert!((0..1000).any(|_| count(false).is_some()), "it gets another chance");
    at_hand.close();
    assert!(count(false).is_none());
}
