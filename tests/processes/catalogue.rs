//! Indexes and collections that another process makes and drops, beside one that reads and writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use outlast::bson::Document;
use outlast::prelude::*;

use crate::WORKER;
use crate::started::{Directory, Program};

/// Inserts, changes and removes numbers, each in a collection whose index comes and goes, and finds what must be there.
async fn write_and_find(ended: Arc<AtomicBool>) -> (i64, usize) {
    let numbers = collection::<Document>("numbers");
    let (mut written, mut by_index) = (0_i64, 0);
    while !ended.load(Ordering::Relaxed) {
        let n = written;
        numbers.insert_one(doc! { "_id": n, "n": n }).await.unwrap();
        if n % 3 == 1 {
            numbers.update_one(doc! { "_id": n }, doc! { "$set": { "n": [n, n] } }).await.unwrap();
        }
        if n % 3 == 2 {
            assert_eq!(numbers.delete_many(doc! { "n": n }).await.unwrap().deleted_count, 1, "number {n}");
        }
        written += 1;
        let last = doc! { "n": { "$gte": n - 8 } };
        let wanted: Vec<_> = ((n - 8).max(0)..=n).filter(|n| n % 3 != 2).collect();
        let found = numbers.find(last.clone()).sort(doc! { "_id": 1 }).await.unwrap().to_vec().await.unwrap();
        assert_eq!(found.iter().map(|found| found.get_i64("_id").unwrap()).collect::<Vec<_>>(), wanted);
        let plan = numbers.find(last).explain().await.unwrap();
        by_index += usize::from(plan.get_str("stage").unwrap() == "index");
    }
    (written, by_index)
}

/// What comes and goes is whole or isn't there; a reader never sees a part of it.
async fn look_at_what_passes(ended: Arc<AtomicBool>) -> usize {
    let passing = collection::<Document>("passing");
    let mut seen = 0;
    while !ended.load(Ordering::Relaxed) {
        let found = passing.find(doc! {}).await.unwrap().to_vec().await.unwrap();
        let rounds: Vec<_> = found.iter().map(|found| found.get_i32("round").unwrap()).collect();
        assert!(matches!(rounds[..], [] | [_, _]) && rounds.first() == rounds.last(), "{found:?}");
        seen += usize::from(!rounds.is_empty());
        let indexes = passing.list_index_names().await.unwrap();
        assert!(
            matches!(indexes.iter().map(String::as_str).collect::<Vec<_>>()[..], [] | ["_id_"] | ["_id_", "part_1"]),
            "{indexes:?}"
        );
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_makes_and_drops_is_seen_whole_and_at_once() {
    let directory = Directory::new();
    let store = format!("sqlite://{}", directory.path().join("store.db").display());
    let app = App::new().store(store).start().await.unwrap();
    let mut program = Program::start(WORKER, "catalogue 5", directory.path(), &[]);
    let ended = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(app.scope(write_and_find(ended.clone())));
    let reader = tokio::spawn(app.scope(look_at_what_passes(ended.clone())));
    program.succeeds().await;
    ended.store(true, Ordering::Relaxed);
    let (written, by_index) = writer.await.unwrap();
    let seen = reader.await.unwrap();
    println!("{written} numbers, {by_index} times found by an index that came and went, {seen} looks at what passed");
    assert!(by_index > 0 && seen > 0, "nothing came: {by_index} {seen}");

    // In the end the index has what the collection has.
    app.scope(async {
        let numbers = collection::<Document>("numbers");
        let find = |filter: Document| async { numbers.find(filter).await.unwrap().to_vec().await.unwrap().len() };
        let all = (0..written).filter(|n| n % 3 != 2).count();
        let range = doc! { "n": { "$gte": 0 } };
        assert_eq!(numbers.find(range.clone()).explain().await.unwrap().get_str("stage").unwrap(), "index");
        assert_eq!((find(range).await, find(doc! {}).await), (all, all));
    })
    .await;
    app.shutdown().await;
}
