//! How many commands each thing costs.

use super::*;
use crate::store::conformance::case::{Case, Ledger, call, id, key, outcome, request, step, succeeded};
use crate::store::{Attempt, Slot, Stamp, Value, Write};

/// A store whose commands are heard, but for those that come and go by themselves.
async fn heard() -> (Case, Arc<MongoStore>, Heard) {
    let heard = Heard::default();
    let mut options = hasty(&server::new_database());
    options.lease = Duration::from_secs(600);
    options.heard = Some(heard.clone());
    let (case, store) = case_on(options).await;
    (case, store, heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_waits_alone_is_one_command() {
    let (case, _store, heard) = heard().await;
    heard.take();
    let claimed = case.owned("a").await.unwrap();
    assert_eq!(heard.take(), ["insert outlast.executions"], "a creation with its claim");
    case.must(&claimed, step("one", 1)).await.unwrap();
    assert_eq!(heard.take(), ["insert outlast.log"]);
    let attempt =
        Attempt { key: key("x", 0), failed: 1, spent: Duration::ZERO, next: Stamp(0), error: vec![], started: false };
    case.must(&claimed, Write::Attempt(attempt)).await.unwrap();
    assert_eq!(heard.take(), ["insert outlast.log"]);
    case.must(&claimed, Write::End(succeeded(1))).await.unwrap();
    assert_eq!(heard.take(), ["update outlast.executions"], "an end without watchers");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_wait_together_share_commands() {
    let (case, store, heard) = heard().await;
    let mut claimed = Vec::new();
    for number in 0..10 {
        claimed.push(case.owned_call(call(&format!("{number}"), number)).await.unwrap());
    }
    heard.take();
    let ledger = Arc::new(Ledger::default());
    for ticket in 0..1000_u64 {
        let claimed = &claimed[ticket as usize % 10];
        let row = outcome("step", ticket as u32, Value::Ok(vec![1]));
        let write = Write::Row { row, from: None };
        let (execution, epoch, owner) = (claimed.id.clone(), claimed.epoch, ledger.clone());
        store.submit(Submission { execution, epoch, slot: Slot::default(), write, owner, ticket });
    }
    assert!(ledger.told(1000).await.iter().all(|(_, result)| result.is_ok()));
    let commands = heard.take();
    assert!(commands.len() <= 60 && commands.iter().all(|one| one == "insert outlast.log"), "{commands:?}");
    for number in 0..10 {
        assert_eq!(case.details(&number.to_string()).await.unwrap().record.len(), 100);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_claim_reads_no_log() {
    let (case, store, heard) = heard().await;
    store.create(call("a", 1)).await.unwrap();
    heard.take();
    let claimed = store.claim(request(&case.worker, 5)).await.unwrap();
    assert_eq!(claimed[0].id, id("a"));
    let commands = heard.take();
    assert_eq!(commands, ["find outlast.executions", "update outlast.executions", "find outlast.executions"]);
}
