//! Bodies of transactions: when they have savepoints.

use std::sync::atomic::{AtomicU32, Ordering};

use bson::doc;

use super::*;
use crate::store::conformance::case::{Case, Ledger, insert, outcome, submission};
use crate::store::{Claimed, TransactionBody, Value, Verdict, Write};

/// Runs a body that writes so many documents and then undoes them, or doesn't: how often it ran.
async fn runs(case: &Case, claimed: &Claimed, documents: i32, undo: bool) -> u32 {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = runs.clone();
    let number = case.details("a").await.unwrap().record.len() as i32;
    let run = move || -> BoxFuture<'static, Verdict> {
        counted.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            for document in 0..documents {
                let operation = insert("stock", doc! { "_id": number * 100 + document }).unwrap();
                crate::data::current().unwrap().data(operation).await.unwrap();
            }
            let row = outcome("post", number as u32, Value::Ok(vec![1]));
            if undo { Verdict::RollBack(row) } else { Verdict::Commit(row) }
        })
    };
    let body = TransactionBody { run: Box::new(run), failed: Box::new(|_| None) };
    let written = case.must(claimed, Write::Transaction(body)).await.unwrap();
    assert_eq!(written.seq, Some(number as u64));
    runs.load(Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_a_savepoint_once_one_had_to_be_undone() {
    let case = Case::new(Arc::new(Memory::default())).await.unwrap();
    let claimed = case.owned("a").await.unwrap();
    assert_eq!(runs(&case, &claimed, 2, false).await, 1);
    assert_eq!(runs(&case, &claimed, 0, true).await, 1, "there is nothing to undo");
    assert_eq!(runs(&case, &claimed, 2, true).await, 2, "its group is made again");
    for _ in 0..5 {
        assert_eq!(runs(&case, &claimed, 2, true).await, 1, "it has a savepoint");
    }
    for _ in 0..20 {
        assert_eq!(runs(&case, &claimed, 1, false).await, 1);
    }
    assert_eq!(runs(&case, &claimed, 1, true).await, 2, "savepoints are given up after a while");
    assert_eq!(case.find("stock", doc! {}).await.unwrap().len(), 2 + 20);
}

/// SQLite counts no row where a table is made.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_a_body_made_is_undone_with_it() {
    let case = Case::new(Arc::new(Memory::default())).await.unwrap();
    let claimed = case.owned("a").await.unwrap();
    let run = || -> BoxFuture<'static, Verdict> {
        crate::sqlite(|connection| connection.execute_batch("CREATE TABLE IF NOT EXISTS parcels (id TEXT)")).unwrap();
        Box::pin(async { Verdict::RollBack(outcome("post", 0, Value::Ok(vec![1]))) })
    };
    let body = TransactionBody { run: Box::new(run), failed: Box::new(|_| None) };
    case.must(&claimed, Write::Transaction(body)).await.unwrap();
    let (told, made) = std::sync::mpsc::channel();
    let run = move || -> BoxFuture<'static, Verdict> {
        let made = crate::sqlite(|connection| connection.table_exists(None, "parcels")).unwrap();
        told.send(made).unwrap();
        Box::pin(async { Verdict::Commit(outcome("look", 1, Value::Ok(vec![1]))) })
    };
    let body = TransactionBody { run: Box::new(run), failed: Box::new(|_| None) };
    case.must(&claimed, Write::Transaction(body)).await.unwrap();
    assert!(!made.recv().unwrap());
}

/// The writer looks at the catalogue once for a group: what was taken back in its midst must not be believed.
#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_a_body_made_is_undone_with_it() {
    let case = Case::new(Arc::new(Memory::default())).await.unwrap();
    let claimed = case.owned("a").await.unwrap();
    // From now on bodies have savepoints.
    assert_eq!(runs(&case, &claimed, 2, true).await, 2);
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let ledger = Arc::new(Ledger::default());
    let wait = Arc::new(Mutex::new(wait));
    for number in 1..4_u8 {
        let wait = wait.clone();
        let run = move || -> BoxFuture<'static, Verdict> {
            let wait = wait.clone();
            Box::pin(async move {
                if number == 1 {
                    // The others gather meanwhile, into one group.
                    let _ = wait.lock().unwrap().recv();
                } else {
                    let operation = insert("fresh", doc! { "_id": i32::from(number) }).unwrap();
                    crate::data::current().unwrap().data(operation).await.unwrap();
                }
                let row = outcome("post", number.into(), Value::Ok(vec![number]));
                if number == 2 { Verdict::RollBack(row) } else { Verdict::Commit(row) }
            })
        };
        let body = TransactionBody { run: Box::new(run), failed: Box::new(|_| None) };
        case.store.submit(submission(&claimed, Write::Transaction(body), ledger.clone(), number.into()));
    }
    drop(go);
    assert!(ledger.told(3).await.iter().all(|(_, result)| result.is_ok()));
    assert_eq!(case.find("fresh", doc! {}).await.unwrap(), [doc! { "_id": 3 }]);
}
