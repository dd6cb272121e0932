//! Children: dropped ones end, live and on replay, and a parent hears of an end wherever it was when it came.

use std::time::Duration;

use super::super::harness::{PARKING, Post, RUNTIME, WAITING};
use super::super::probe::{Death, Plan};
use super::{dice, fast, holds, live, returned, slow};
use crate::engine::held::Held;
use crate::store::{End, ExecutionId, Kind, Status};
use crate::{Result, durable};

#[durable]
async fn child_that_takes(millis: u64) -> Result<u64> {
    slow(millis).await?;
    fast(millis).await
}

#[durable]
async fn child_that_sleeps() -> Result<u64> {
    crate::sleep("1h").await?;
    Ok(1)
}

#[durable]
async fn waits_for_a_child() -> Result<u64> {
    child_that_takes(100).await
}

#[test]
fn a_parent_that_was_put_away_hears_of_its_childs_end() {
    let (_, ended) = live(&PARKING, "waits_for_a_child", serde_json::Value::Null);
    returned(&ended);
    assert!(ended.runs.len() >= 3, "{} claims", ended.runs.len());
    holds("waits_for_a_child");
}

#[test]
fn a_parent_that_died_hears_of_its_childs_end() {
    let called = WAITING.call("waits_for_a_child", serde_json::Value::Null);
    for event in 1..5 {
        for handled in [true, false] {
            let plan = Plan { deaths: [Death { event, handled }; 2].into(), lost_ends: 1, ..Plan::default() };
            let ended = RUNTIME.block_on(WAITING.run(&called, plan, Post::NONE, &mut dice()));
            returned(&ended);
            assert_eq!(ended.record().len(), 1);
        }
    }
}

#[durable]
async fn drops_a_child() -> Result<u64> {
    let value = tokio::select! {
        _ = child_that_sleeps() => 0,
        value = slow(5) => value?,
    };
    crate::sleep("20ms").await?;
    Ok(value)
}

fn child_of(ended: &super::Ended) -> ExecutionId {
    let engine = &WAITING.engine;
    let digest =
        engine.call_arguments(engine.registry.newest("child_that_sleeps").unwrap(), &no_arguments()).unwrap().0;
    let key = crate::store::Key { name: "child_that_sleeps".into(), digest, ordinal: 0 };
    engine.child_id(&ended.id, &key)
}

fn no_arguments() -> crate::function::arguments::Arguments {
    crate::function::arguments::Arguments::new(&crate::function::spec::Secret::NONE)
}

fn status_of(child: &ExecutionId) -> Status {
    RUNTIME.block_on(async {
        for _ in 0..200 {
            match WAITING.engine.store.details(child.clone()).await.unwrap() {
                Some(details) if matches!(details.summary.status, Status::Ended(_)) => return details.summary.status,
                Some(_) | None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        panic!("the child {child} didn't end");
    })
}

#[test]
fn a_child_whose_call_is_dropped_is_cancelled() {
    let (_, ended) = live(&WAITING, "drops_a_child", serde_json::Value::Null);
    assert_eq!(returned(&ended), 5);
    assert_eq!(status_of(&child_of(&ended)), Status::Ended(End::Cancelled));
}

/// The worker died after the outcome that drops the child was recorded, and before the child was told.
#[test]
fn a_child_that_is_dropped_on_replay_is_cancelled_again() {
    let (called, ended) = live(&WAITING, "drops_a_child", serde_json::Value::Null);
    let world = &*WAITING;
    let on = RUNTIME.block_on(async {
        let mut new = world.new_execution(&called, ended.seed);
        let dead = world.engine.store.register(world.engine.build).await.unwrap();
        new.claim_for = Some(dead.clone());
        let id = new.id.clone();
        let watched = super::probe::watch(&id, Plan::default());
        let claimed = world.claimed(new).await;
        let waiting = world.engine.wait_for(&id);
        let function = world.engine.registry.newest("child_that_sleeps").unwrap();
        let (digest, arguments) = world.engine.call_arguments(function, &no_arguments()).unwrap();
        let key = crate::store::Key { name: function.name.into(), digest, ordinal: 0 };
        let child = world.engine.child_id(&id, &key);
        let mut new = world.engine.new_execution(child, 0, function, arguments, digest, None);
        (new.parent, new.claim_for) = (Some(id.clone()), None);
        world.engine.store.create(new).await.unwrap();
        world.write(&claimed, &ended.record()[..1]);
        world.engine.store.leave(&dead).await.unwrap();
        world.end(id, ended.seed, &watched, waiting, Post::NONE, &mut dice()).await
    });
    assert_eq!(on.runs[0].recorded.len(), 1);
    assert_eq!(on.runs[0].recorded.iter().next().unwrap().0, Kind::Step);
    assert_eq!(returned(&on), 5);
    assert_eq!(status_of(&child_of(&on)), Status::Ended(End::Cancelled));
}

#[durable]
async fn joins_and_drops_children() -> Result<u64> {
    let (a, b) = tokio::join!(child_that_takes(1), child_that_takes(1));
    let handle = child_that_takes(2).start().await?;
    let c = tokio::select! {
        value = handle.result() => value?,
        value = child_that_takes(3) => value?,
        value = slow(2) => value?,
    };
    Ok(a? + b? * 3 + c * 7)
}

#[test]
fn children_joined_started_and_dropped() {
    holds("joins_and_drops_children");
}

#[durable]
async fn drops_a_sleep() -> Result<u64> {
    for round in 0..3 {
        tokio::select! {
            value = fast(round) => { value?; }
            _ = crate::sleep("1h") => {}
        }
    }
    crate::sleep("2ms").await?;
    Ok(3)
}

#[test]
fn a_timer_whose_sleep_is_dropped_never_comes_back() {
    holds("drops_a_sleep");
    let (_, ended) = live(&WAITING, "drops_a_sleep", serde_json::Value::Null);
    assert_eq!(ended.record().len(), 4);
    assert!(WAITING.engine.live.held().get(&ended.id).is_none());
}
