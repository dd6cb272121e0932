//! A claim that is lost: nothing of it starts, nothing of it stays.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use super::super::harness::{Post, RUNTIME, WAITING};
use super::super::probe::{self, Plan};
use super::{dice, fast, returned};
use crate::engine::context::{self, Context};
use crate::engine::execution::Execution;
use crate::engine::held::Held;
use crate::store::Claimed;
use crate::{Result, durable, step};

static LOST: Mutex<Vec<Weak<Execution>>> = Mutex::new(Vec::new());

/// Loses the claim in the middle of a poll, once.
fn lose_claim() {
    let Some(Context::Execution(execution)) = context::current() else { panic!("outside") };
    if LOST.held().is_empty() {
        LOST.held().push(Arc::downgrade(&execution));
        probe::die(&execution);
    }
}

#[durable]
async fn loses_its_claim() -> Result<u64> {
    let early = fast(1);
    lose_claim();
    let (one, two) = tokio::join!(early, fast(2));
    Ok(one? + two?)
}

fn is_gone(execution: &Weak<Execution>) -> bool {
    (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        execution.strong_count() == 0
    })
}

#[test]
fn a_claim_that_is_lost_during_a_poll_starts_no_body_and_keeps_nothing() {
    let called = WAITING.call("loses_its_claim", serde_json::Value::Null);
    let ended = RUNTIME.block_on(WAITING.run(&called, Plan::default(), Post::NONE, &mut dice()));
    returned(&ended);
    assert_eq!(ended.runs.len(), 2);
    assert!(ended.runs[0].started.is_empty(), "{:?}", ended.runs[0].started);
    assert_eq!(ended.runs[1].started.len(), 2);
    assert!(is_gone(&LOST.held()[0]), "its root keeps it in memory");
}

static FINISHED: AtomicU32 = AtomicU32::new(0);

#[step]
async fn finishes_late() -> Result<u64> {
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(u64::from(FINISHED.fetch_add(1, Ordering::SeqCst)))
}

#[durable]
async fn is_claimed_twice() -> Result<u64> {
    finishes_late().await
}

#[test]
fn an_execution_that_is_claimed_again_here_ends_what_the_claim_before_began() {
    let world = &*WAITING;
    let called = world.call("is_claimed_twice", serde_json::Value::Null);
    let new = world.new_execution(&called, 1);
    let id = new.id.clone();
    RUNTIME.block_on(async {
        let _waiting = world.begin(new).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        let first = world.engine.live.held().get(&id).cloned().unwrap();
        let claimed = Claimed {
            id: id.clone(),
            epoch: first.epoch,
            slot: first.slot,
            function: called.function.name.into(),
            version: called.function.version,
            arguments: called.arguments.clone(),
            seed: first.seed,
            started: first.now(),
            deadline: None,
            parked: None,
            crashes: 0,
            record: Vec::new(),
            attempts: Vec::new(),
            inbox: Vec::new(),
        };
        world.engine.adopt(claimed);
        let gone = Arc::downgrade(&first);
        drop(first);
        for _ in 0..500 {
            if FINISHED.load(Ordering::SeqCst) == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(FINISHED.load(Ordering::SeqCst), 1, "the body of the first claim was aborted");
        assert_eq!(gone.strong_count(), 0);
    });
}
